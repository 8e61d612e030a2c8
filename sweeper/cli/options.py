"""What the commands have in common: arguments, options, and how errors are told."""

import math
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

import click

from sweeper.spec.problems import SpecError
from sweeper.store.absence import no_records
from sweeper.store.results import ResultsError, ResultsFolder
from sweeper.tasks.group import GroupError

if TYPE_CHECKING:
    import pandas as pd

P = ParamSpec("P")
R = TypeVar("R")
D = TypeVar("D", str, str | None)
F = TypeVar("F", bound=Callable[..., Any])
PICTURES = (".png", ".svg", ".pdf")

SOME_FAILED, BAD_INPUT, CANNOT_TRAIN, INTERRUPTED = 1, 2, 3, 130
"""Exit codes; docs/reference/commands.md says when. 2 is click's own for a wrong option."""


def complains(command: Callable[P, R]) -> Callable[P, R]:
    """Errors that a user can mend become a message and exit code 2, without a traceback."""

    @wraps(command)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except (SpecError, ResultsError, GroupError) as error:
            click.echo(str(error), err=True)
        except KeyboardInterrupt:
            sys.exit(INTERRUPTED)
        except OSError as error:
            notes = "".join(f"\n{note}" for note in getattr(error, "__notes__", []))
            click.echo(f"{error}{notes}", err=True)
        sys.exit(BAD_INPUT)

    return wrapped


def finite(context: click.Context, parameter: click.Parameter, value: float | None) -> float | None:
    """A click callback: a number that is finite."""
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a finite number")
    return value


def two_names(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[str, str] | None:
    """A click callback: two names with a comma between."""
    if value is None:
        return None
    names = value.split(",")
    if len(names) != 2:
        raise click.BadParameter(f"{value!r} is not two columns with a comma between")
    return names[0].strip(), names[1].strip()


def gpu_count(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> float | Literal["auto"] | None:
    """A click callback: a number from 0 on, or auto."""
    if value is None:
        return None
    if value == "auto":
        return "auto"
    with suppress(ValueError):
        if 0 <= float(value) < math.inf:
            return float(value)
    raise click.BadParameter(f"{value!r} is neither auto nor a number of GPUs")


def device_name(context: click.Context, parameter: click.Parameter, value: D) -> D:
    """A click callback: a name of a device."""
    if value is not None and not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
        raise click.BadParameter(f"{value!r} is none of auto, cpu, cuda and cuda:N")
    return value


EXAMPLE = "\b\nExample:\n  "


def of_format(
    *suffixes: str,
) -> Callable[[click.Context, click.Parameter, Path | None], Path | None]:
    """A click callback: a file of one of some formats, which its suffix names."""

    def checked(
        context: click.Context, parameter: click.Parameter, value: Path | None
    ) -> Path | None:
        if value is not None and value.suffix.lower() not in suffixes:
            known = f"{', '.join(suffixes[:-1])} and {suffixes[-1]}"
            raise click.BadParameter(f"{value}: none of {known}")
        return value

    return checked


as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
out_option = click.option(
    "--out", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    callback=of_format(".csv", ".parquet", ".tex"),
    help="Write the tables too: .csv, .parquet or .tex; further ones go to FILE-name.",
)  # fmt: skip
spec_argument = click.argument("spec", type=click.Path(path_type=Path))
folder_argument = click.argument("results", type=str)
results_option = click.option(
    "--results",
    metavar="DIR",
    help="Folder or URI that holds the results of all sweeps.  [default: results]",
    default="results",
    envvar="SWEEPER_RESULTS",
)
laws_option = click.option(
    "--laws", metavar="FILE", type=click.Path(path_type=Path),
    help="YAML of laws beside the built-in ones, written as analysis/laws.yaml is.",
)  # fmt: skip
phase_gap_option = click.option(
    "--phase-gap", type=click.IntRange(0), default=1000, show_default=True, metavar="STEPS",
    help="Between training and test accuracy's reaching the target, from which on a trial groks.",
)  # fmt: skip


def dim_option(default: str | None, unless_given: str = "") -> Callable[[F], F]:
    """The option that says which d laws take."""
    text = "What d is: the largest d_k, or d_k for real irreps and 2 d_k for the others."
    return click.option(
        "--dim", type=click.Choice(["complex", "effective"]), default=default,
        show_default=default is not None, help=text + unless_given,
    )  # fmt: skip


_WHO_RUNS = [
    click.option(
        "--executor",
        type=click.Choice(["ray", "inline"]),
        default="ray",
        show_default=True,
        help="Ray Tune, or this process.",
    ),
    click.option(
        "--address",
        metavar="HOST:PORT",
        help="Of a Ray cluster, or auto; else RAY_ADDRESS; else a local Ray for this run.",
    ),
    click.option("--workers", type=click.IntRange(1), help="Workers at most."),
    click.option(
        "--cpus-per-worker",
        type=click.FloatRange(0.01),
        callback=finite,
        help="CPU cores each.",
    ),
    click.option(
        "--gpus-per-worker",
        metavar="N|auto",
        callback=gpu_count,
        help="GPUs each; a fraction shares one; auto is what a pack's memory takes of a card. "
        "Without it workers train on CPUs.",
    ),
    click.option("--pack-size", type=click.IntRange(1), help="Trials in a pack at most."),
    click.option(
        "--device",
        default="auto",
        show_default=True,
        callback=device_name,
        help="auto, cpu, cuda or cuda:N; auto is a GPU where workers are given one.",
    ),
]


def who_runs(command: Callable[P, R]) -> Callable[P, R]:
    """The options that say who trains, and with what."""
    for option in reversed(_WHO_RUNS):
        command = option(command)
    return command


def records_of(results: str) -> "pd.DataFrame":
    """The records of a results folder, which must hold some."""
    import analysis

    records = analysis.load(results)
    if records.empty:
        raise no_records(ResultsFolder.at(results))
    return records
