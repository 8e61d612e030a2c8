"""The command line: parse, call, print."""

import json
import math
import platform
import re
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import click
from rich.console import Console
from rich.table import Table

from sweeper.spec.problems import SpecError
from sweeper.store.provenance import code_version, library_versions
from sweeper.store.results import ResultsError, ResultsFolder
from sweeper.tasks.catalogue import CATALOGUES
from sweeper.tasks.group import GroupError

if TYPE_CHECKING:
    import pandas as pd

    import analysis
    from sweeper.run.forecast import Setting
    from sweeper.run.profile import Profile
    from sweeper.spec.sweep import Sweep

P = ParamSpec("P")
R = TypeVar("R")

BAD_INPUT, SOME_FAILED, INTERRUPTED = 2, 1, 130


def _complains(command: Callable[P, R]) -> Callable[P, R]:
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


def _finite(
    context: click.Context, parameter: click.Parameter, value: float | None
) -> float | None:
    if value is not None and not math.isfinite(value):
        raise click.BadParameter(f"{value} is not a finite number")
    return value


def _two_names(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[str, str] | None:
    if value is None:
        return None
    names = value.split(",")
    if len(names) != 2:
        raise click.BadParameter(f"{value!r} is not two columns with a comma between")
    return names[0].strip(), names[1].strip()


D = TypeVar("D", str, str | None)


def _device(context: click.Context, parameter: click.Parameter, value: D) -> D:
    if value is not None and not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
        raise click.BadParameter(f"{value!r} is none of auto, cpu, cuda and cuda:N")
    return value


_example = "\b\nExample:\n  "
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
spec_argument = click.argument("spec", type=click.Path(path_type=Path))
folder_argument = click.argument("results", type=str)
results_option = click.option(
    "--results",
    metavar="DIR",
    help="Folder or URI that holds the results of all sweeps.  [default: results]",
    default="results",
    envvar="SWEEPER_RESULTS",
)


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
        callback=_finite,
        help="CPU cores each.",
    ),
    click.option(
        "--gpus-per-worker",
        type=click.FloatRange(0),
        callback=_finite,
        help="GPUs each; a fraction shares one. Without it workers train on CPUs.",
    ),
    click.option("--pack-size", type=click.IntRange(1), help="Trials in a pack at most."),
    click.option(
        "--device",
        default="auto",
        show_default=True,
        callback=_device,
        help="auto, cpu, cuda or cuda:N; auto is a GPU where workers are given one.",
    ),
]


def _who_runs(command: Callable[P, R]) -> Callable[P, R]:
    """The options that say who trains, and with what."""
    for option in reversed(_WHO_RUNS):
        command = option(command)
    return command


class _InOrder(click.Group):
    """Lists its commands in the order of the work, not of the alphabet."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_InOrder, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
def main() -> None:
    """Scaling-law sweeps over tasks that grok: YAML in, one Parquet row a trial, laws out."""


@main.command(epilog=f"{_example}sweeper plan specs/quickstart.yaml")
@spec_argument
@results_option
@_who_runs
@click.option("--no-calibration", is_flag=True, help="Counts alone; do not time any trial.")
@as_json
@_complains
def plan(
    spec: Path,
    results: str,
    executor: str,
    address: str | None,
    device: str,
    no_calibration: bool,
    as_json: bool,
    **resources: float | None,
) -> None:
    """Say what a spec would run, and how long it would take.

    Its axes, trials and packs, and what is done already. Trains a few of the missing trials for two
    seconds, to see how fast this machine is; keeps nothing.
    """
    from sweeper.run.forecast import Setting

    setting = Setting(executor, address, device)
    sweep = _with_resources(spec, resources)
    _print_plan(sweep, results, setting, not no_calibration, as_json)


def _with_resources(spec: Path, resources: dict[str, float | None]) -> "Sweep":
    from sweeper.spec.sweep import open_sweep

    given = {name: value for name, value in resources.items() if value is not None}
    return open_sweep(spec).with_resources(given)


def _print_plan(
    sweep: "Sweep", results: str, setting: "Setting", calibrated: bool, as_json: bool
) -> None:
    from sweeper.run.overview import overview
    from sweeper.run.progress import duration

    folder = ResultsFolder.at(f"{results}/{sweep.spec.name}")
    found = overview(sweep, folder, setting, calibrated)
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    console = _console()
    console.print(_table(["axis", "values", "from", "to"], found["axes"]))
    for name, path in found["modules"].items():
        text = f"whoever trains imports the module {name} ({path}), which runs what is in it"
        console.print(text, highlight=False, soft_wrap=True)
    if found["unit"] == "trials":
        text = (
            f"{found['trials']:,} trials, {found['done']:,} of them done; "
            f"{found['packs']:,} packs for the other {found['missing']:,}"
        )
    else:
        text = (
            f"{found['total']:,} {found['unit']} among {found['trials']:,} candidates, "
            f"{found['finished']:,} of them found with {found['done']:,} trials; "
            f"the others will take about {found['missing']:,} more"
        )
    console.print(text, highlight=False, soft_wrap=True)
    for steps, count in found["other_horizons"].items():
        text = f"{count:,} of these were run with max_steps {steps:,}; another horizon is"
        console.print(f"{text} another trial, run from its start", highlight=False, soft_wrap=True)
    if expected := found["forecast"]:
        workers = expected["workers"]
        console.print(
            f"about {duration(expected['seconds'])} with {workers} worker{'s' * (workers > 1)} "
            f"(at most {duration(expected['at_most_seconds'])}, if no trial ends early)",
            highlight=False,
        )
    elif calibrated and found["missing"]:
        console.print(f"how long it takes cannot be told here: {found['no_forecast']}")


@main.command(epilog=f"{_example}sweeper run specs/quickstart.yaml --results results")
@spec_argument
@results_option
@_who_runs
@click.option("--max-trials", type=click.IntRange(1), help="Run so many trials at most.")
@click.option(
    "--max-hours", type=click.FloatRange(0, min_open=True), callback=_finite,
    help="End after so many hours, well: what is finished is kept.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Only say what would be run, as `plan` does.")
@click.option(
    "--profile", is_flag=True, help="Say where the time went, and keep a trace of it for Perfetto."
)
@_complains
def run(
    spec: Path,
    results: str,
    executor: str,
    address: str | None,
    device: str,
    max_trials: int | None,
    max_hours: float | None,
    dry_run: bool,
    profile: bool,
    **resources: float | None,
) -> None:
    """Run whatever of a spec has no record yet.

    The same command again goes on after any end.
    """
    if executor == "inline" and address:
        raise click.UsageError("--address is for the ray executor; inline is this process")
    from sweeper.run.driver import Budget, run_sweep
    from sweeper.run.executor import Executor, ExecutorError
    from sweeper.run.forecast import Setting
    from sweeper.run.profile import Profile
    from sweeper.run.progress import duration

    def open_executor(log_file: Path) -> Executor:
        if executor == "inline":
            from sweeper.run.inline import InlineExecutor

            return InlineExecutor()
        from sweeper.run.ray_tune import RayExecutor

        return RayExecutor(address, log_file)

    sweep = _with_resources(spec, resources)
    if dry_run:
        setting = Setting(executor, address, device)
        _print_plan(sweep, results, setting, calibrated=True, as_json=False)
        return
    if sweep.modules:
        from sweeper.run.extensions import check_modules

        check_modules(sweep)
    folder = ResultsFolder.at(f"{results}/{sweep.spec.name}")
    console = _console()
    try:
        if executor == "ray" and sweep.spec.trackers.chosen:
            from sweeper.run.trackers.observers import require

            require(sweep.spec.trackers)
        timeline = Profile() if profile else None
        budget = Budget(max_trials, max_hours)
        summary = run_sweep(sweep, folder, open_executor, device, console, timeline, budget)
    except ExecutorError as error:
        click.echo("\n".join([str(error), *getattr(error, "__notes__", [])]), err=True)
        sys.exit(BAD_INPUT)
    counts = ", ".join(f"{count:,} {outcome}" for outcome, count in summary.outcomes.most_common())
    unit = "" if summary.unit == "trials" else f" {summary.unit}"
    console.print(
        f"{summary.ran:,} trials run in {duration(summary.seconds)}; "
        f"{summary.finished:,} of {summary.total:,}{unit} done: {counts or 'none'}\n"
        f"results are in {folder.path}",
        highlight=False,
        soft_wrap=True,
    )
    if summary.spent:
        console.print(f"{summary.spent}; the same command goes on", highlight=False)
    if timeline and summary.trace:
        _print_profile(timeline, summary.trace, console)
    if summary.interrupted:
        sys.exit(INTERRUPTED)
    if summary.outcomes["failed"]:
        click.echo(f"`sweeper status {folder.path}` tells the causes; logs are in {folder.logs}")
        sys.exit(SOME_FAILED)


def _print_profile(profile: "Profile", trace: str, console: Console) -> None:
    from sweeper.run.progress import duration

    seconds = profile.end - profile.start
    title = f"share of {profile.workers} × {duration(seconds)}"
    shares = profile.shares()
    rows = [[name, f"{share:.1%}"] for name, share in shares.items()]
    console.print(_table(["of the workers", title], rows))
    driver = [[name, f"{spent:.2f} s"] for name, spent in profile.driver_seconds().items()]
    console.print(_table(["of the driver", ""], driver))
    console.print(f"open {trace} in https://ui.perfetto.dev", highlight=False, soft_wrap=True)


@main.command(epilog=f"{_example}sweeper status results/quickstart --watch")
@folder_argument
@click.option("--watch", is_flag=True, help="Look again and again, until all is done or Ctrl-C.")
@click.option(
    "--every", type=click.FloatRange(0.1), default=2.0, show_default=True, callback=_finite,
    metavar="SECONDS", help="How often, with --watch.",
)  # fmt: skip
@as_json
@_complains
def status(results: str, watch: bool, every: float, as_json: bool) -> None:
    """Say how far a sweep is, also while it runs.

    From any machine that can read the results. Maps the outcomes and the thresholds so far.
    """
    try:
        from sweeper.terminal import watching

        view, console = watching.StatusView(ResultsFolder.at(results)), _console()
        if watch:
            watching.watch(view, console, every, as_json)
        elif as_json:
            click.echo(json.dumps(view.plain(), indent=2, ensure_ascii=False))
        else:
            console.print(view.text())
    except KeyboardInterrupt:
        if not watch:
            raise


@main.command(epilog=f"{_example}sweeper show results/quickstart 3fa2")
@folder_argument
@click.argument("fingerprint")
@as_json
@_complains
def show(results: str, fingerprint: str, as_json: bool) -> None:
    """Show one trial: its axes, outcome, curve, cost, provenance and error.

    The first digits of its fingerprint will do.
    """
    from sweeper.terminal import single

    folder = ResultsFolder.at(results)
    if as_json:
        click.echo(json.dumps(single.plain_trial(folder, fingerprint), indent=2))
    else:
        single.show(folder, fingerprint, _console())


@main.command(epilog=f"{_example}sweeper debug results/quickstart 3fa2 --pdb")
@folder_argument
@click.argument("fingerprint")
@click.option("--pdb", is_flag=True, help="Enter the debugger where the trial raises.")
@click.option("--device", callback=_device, help="By default what the record names.")
@_complains
def debug(results: str, fingerprint: str, pdb: bool, device: str | None) -> None:
    """Train one trial again, here, and write nothing.

    Prints its evaluations as they come, raises what it raises, and compares it with its record in
    the end. Exit code 1 if it raised or differs.
    """
    from sweeper.run.executor import ExecutorError
    from sweeper.terminal import single

    try:
        well = single.debug(ResultsFolder.at(results), fingerprint, device, pdb)
    except ExecutorError as error:
        click.echo(str(error), err=True)
        sys.exit(BAD_INPUT)
    if not well:
        sys.exit(SOME_FAILED)


@main.command(epilog=f"{_example}sweeper thresholds results/quickstart")
@folder_argument
@click.option(
    "--horizon", type=click.FloatRange(0, 1, min_open=True), default=1.0, show_default=True,
    callback=_finite,
    help="Part of each trial's max_steps: what a shorter sweep would have found.",
)  # fmt: skip
@click.option(
    "--limit", is_flag=True,
    help="n_c without a horizon, extrapolated from the steps to generalize of each group.",
)  # fmt: skip
@as_json
@_complains
def thresholds(results: str, horizon: float, limit: bool, as_json: bool) -> None:
    """Bracket n_c for each group and seed.

    n_c is the number of training pairs from which trials generalize.
    """
    import analysis
    from analysis.tables import plain, threshold_table

    records = _load(results)
    if limit:
        _print_limits(analysis.threshold_limits(records), as_json)
        return
    cells = analysis.thresholds(records, horizon)
    if as_json:
        click.echo(json.dumps(plain(cells), indent=2, ensure_ascii=False))
        return
    console = _console()
    for setting, part in cells.groupby("setting", sort=False):
        table = threshold_table(part)
        console.print(str(setting), style="bold", highlight=False)
        console.print(_table(table.columns, table.rows))
    for scatter in analysis.seed_scatter(cells):
        if words := analysis.scatter_words(scatter):
            console.print(words, highlight=False, markup=False)


def _print_limits(limits: "list[analysis.Limit]", as_json: bool) -> None:
    from analysis.tables import limit_table, plain

    if as_json:
        click.echo(json.dumps(plain(limits), indent=2, ensure_ascii=False))
        return
    table = limit_table(limits)
    _console().print(_table(table.columns, table.rows))
    for status in sorted({one.status for one in limits if not one.n_c}):
        click.echo(f"{status.name.lower().replace('_', ' ')}: {status}")


@main.command(
    epilog=f"{_example}sweeper fit results/quickstart\n  sweeper fit --thresholds measured.csv"
)
@click.argument("results", type=str, required=False)
@click.option(
    "--thresholds", "table", metavar="FILE", type=click.Path(path_type=Path),
    help="Instead of results: a .csv or .parquet of group, order, d, n_c (n_low, n_high, seed).",
)  # fmt: skip
@click.option(
    "--laws", metavar="FILE", type=click.Path(path_type=Path),
    help="YAML of laws beside the built-in ones, written as analysis/laws.yaml is.",
)  # fmt: skip
@click.option(
    "--dim", type=click.Choice(["complex", "effective"]), default="complex", show_default=True,
    help="What d is: the largest d_k, or d_k for real irreps and 2 d_k for the others.",
)  # fmt: skip
@click.option(
    "--bootstrap", type=click.IntRange(0), default=0, metavar="N",
    help="Intervals of --laws from so many resamples of groups, instead of profiles.",
)  # fmt: skip
@click.option(
    "--limit", is_flag=True,
    help="Fit n_c without a horizon, extrapolated from the steps to generalize.",
)  # fmt: skip
@as_json
@_complains
def fit(
    results: str | None,
    table: Path | None,
    laws: Path | None,
    dim: str,
    bootstrap: int,
    limit: bool,
    as_json: bool,
) -> None:
    """Fit how n_c grows with the order M.

    The power law and Theorem 4, with intervals; what they exclude; whether the horizon bends them;
    laws of your own.
    """
    if (results is None) == (table is None):
        raise click.UsageError("give either RESULTS or --thresholds FILE")
    if table and limit:
        raise click.UsageError("--limit needs the steps of RESULTS; a table has thresholds alone")
    from sweeper.terminal.laws import fit_all, plain_fits, print_fits

    found = fit_all(results, table, laws, dim, bootstrap, limit)
    if as_json:
        click.echo(json.dumps(plain_fits(found), indent=2, ensure_ascii=False))
    else:
        print_fits(found, _console())


@main.command(
    epilog=f'{_example}sweeper scaling runs.csv --formula "L = E + A/N**alpha + B/D**beta"'
)
@click.argument("table", type=click.Path(path_type=Path))
@click.option("--formula", required=True, help="Names that are no column are parameters.")
@click.option(
    "--bounds", type=(str, float, float), multiple=True, metavar="NAME LOW HIGH",
    help="Of a parameter; exponents are looked for from 0.01 to 2.",
)  # fmt: skip
@click.option(
    "--bootstrap", type=click.IntRange(0), default=200, show_default=True,
    help="Resamples of rows for the intervals.",
)  # fmt: skip
@as_json
@_complains
def scaling(
    table: Path,
    formula: str,
    bounds: tuple[tuple[str, float, float], ...],
    bootstrap: int,
    as_json: bool,
) -> None:
    """Fit a scaling law to any table, .csv or .parquet.

    Least Huber loss (δ = 0.001) of the log of the response, from many starts.
    """
    import analysis
    from analysis.tables import plain, scaling_table
    from analysis.threshold_files import read_table

    limits = {name: (low, high) for name, low, high in bounds}
    try:
        found = analysis.fit_scaling_law(read_table(table), formula, limits, bootstrap=bootstrap)
    except analysis.InputError as error:
        raise ResultsError(str(error)) from error
    if as_json:
        said = {"formula": formula, "status": plain(found.status), "reason": found.reason}
        said |= {"estimates": plain(found.estimates), "residual_sd": plain(found.residual_sd)}
        click.echo(json.dumps(said, indent=2, ensure_ascii=False))
        return
    shown = scaling_table(found)
    _console().print(_table(shown.columns, shown.rows))
    click.echo(f"{found.reason}; {found.n_rows} rows, log residuals of {found.residual_sd:.2g}")


@main.command(epilog=f"{_example}sweeper collapse results/quickstart")
@folder_argument
@as_json
@_complains
def collapse(results: str, as_json: bool) -> None:
    """Scale the accuracies of all orders onto one curve.

    How the rise of the test accuracy sharpens with the order M, and whether it is the same rise.
    Needs two sizes or more on the rise of four orders: a fine grid, with two seeds or more.
    """
    import analysis
    from analysis.tables import collapse_summary

    records = _load(results)
    labels = analysis.setting_labels(records)
    found = [analysis.collapse(part) for _, part in records.groupby(labels)]
    if as_json:
        told = [collapse_summary(one) for one in found]
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    for one in found:
        _console().print(analysis.collapse_words(one), highlight=False, markup=False)


@main.command(epilog=f"{_example}sweeper figures results/quickstart")
@folder_argument
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="Instead of figures/.")
@click.option(
    "--phase-axes", metavar="X,Y", callback=_two_names,
    help="Two columns for the phases, such as learning_rate,weight_decay.  [default: what varies]",
)  # fmt: skip
@click.option(
    "--phase-gap", type=click.IntRange(0), default=1000, show_default=True, metavar="STEPS",
    help="Between training and test accuracy's reaching the target, from which on a trial groks.",
)  # fmt: skip
@_complains
def figures(
    results: str, out: Path | None, phase_axes: tuple[str, str] | None, phase_gap: int
) -> None:
    """Draw the figures, as PNG and SVG.

    The phase diagram, the phases of learning over two axes, the boundary with its laws, the
    collapse of the accuracies, and learning curves.
    """
    from analysis.figures import AxesError, draw_all

    _load(results)
    folder = out or ResultsFolder.at(results).figures
    try:
        paths = draw_all(results, folder, axes=phase_axes, gap=phase_gap)
    except AxesError as error:
        raise click.BadParameter(str(error), param_hint="--phase-axes") from None
    for path in paths:
        click.echo(path)


@main.command(epilog=f"{_example}sweeper report results/quickstart")
@folder_argument
@click.option(
    "--out", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="Instead of report.html in RESULTS.",
)  # fmt: skip
@_complains
def report(results: str, out: Path | None) -> None:
    """Write one HTML file: verdicts, an interactive phase diagram, tables, provenance.

    It opens without a network, and prints.
    """
    from analysis.report import write_report

    click.echo(write_report(results, out))


@main.command(epilog=f"{_example}sweeper landscape results/quickstart --out three.csv")
@click.argument("results", required=False)
@click.option("--groups", "names", metavar="NAME,…", help="Instead of those of the results.")
@click.option(
    "--seeds", type=click.IntRange(1), default=3, show_default=True,
    help="Splits a group at most; those that were trained on.",
)  # fmt: skip
@click.option(
    "--starts", type=click.IntRange(2), default=48, show_default=True,
    help="Ascents a split and training size, at least.",
)  # fmt: skip
@click.option(
    "--delta", type=click.FloatRange(0, 0.5, min_open=True, max_open=True), default=0.05,
    show_default=True, callback=_finite, help="Failure probability δ of Theorem 4.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FILE",
    help="Write the table: .parquet or .csv; and FILE-shares beside it.",
)  # fmt: skip
@click.option(
    "--figure", type=click.Path(path_type=Path), metavar="FILE",
    help="Instead of figures/landscape.png and .svg of the results, or FILE.png beside the table.",
)  # fmt: skip
@as_json
@_complains
def landscape(
    results: str | None,
    names: str | None,
    seeds: int,
    starts: int,
    delta: float,
    out: Path | None,
    figure: Path | None,
    as_json: bool,
) -> None:
    """Compare three thresholds: trained, kept by the energy, and by formula.

    Climbs the empirical energy of the train splits from the features of every irrep: from how many
    pairs on does it keep half of them, and all but a share δ? Seconds a group of order 23, minutes
    at order 100.
    """
    given = [name for name in (names or "").split(",") if name.strip()]
    if results is None and not given:
        raise click.UsageError("give a results folder, or --groups")
    if out and out.suffix not in (".parquet", ".csv"):
        raise click.BadParameter(f"{out}: neither .parquet nor .csv", param_hint="--out")
    if figure and figure.suffix not in (".png", ".svg", ".pdf"):
        raise click.BadParameter(f"{figure}: none of .png, .svg and .pdf", param_hint="--figure")
    from sweeper.terminal import landscape as terminal

    def say(line: str) -> None:
        click.echo(line, err=True)

    records = None if results is None else _load(results)
    rows, shares = terminal.measure(records, given, seeds, delta, say, starts)
    if out:
        terminal.write(rows, out)
        terminal.write(shares, out.with_stem(f"{out.stem}-shares"))
    paths = terminal.figure_paths(results, out, figure)
    for path in terminal.draw(rows, shares, delta, paths):
        say(f"drew {path}")
    if as_json:
        from analysis.tables import plain

        click.echo(json.dumps(plain(rows), indent=2, ensure_ascii=False))
    else:
        terminal.print_rows(rows, delta, _console())


@main.command(epilog=f"{_example}sweeper groups S4")
@click.argument("name", required=False)
@click.option(
    "--table", type=click.Path(path_type=Path), metavar="FILE",
    help="A Cayley table instead of a name: CSV, JSON lines or Parquet.",
)  # fmt: skip
@click.option("--catalogue", type=click.Choice(list(CATALOGUES)), help="List a collection.")
@click.option(
    "--delta", type=click.FloatRange(0, 1, min_open=True), default=0.05, show_default=True,
    callback=_finite, help="Failure probability in Theorem 4.",
)  # fmt: skip
@as_json
@_complains
def groups(
    name: str | None, table: Path | None, catalogue: str | None, delta: float, as_json: bool
) -> None:
    """List the groups that can be named, or tell what theory says of one.

    Its irreps with their types, both conventions of d, the energies of its features, and the
    number of training pairs that is predicted.
    """
    if sum(one is not None for one in (name, table, catalogue)) > 1:
        raise click.UsageError("give one of NAME, --table and --catalogue")
    from sweeper.tasks.groups import group_named, read_table
    from sweeper.terminal import groups as terminal

    console = _console()
    found: object
    if catalogue:
        if as_json:
            found = terminal.listed(CATALOGUES[catalogue], delta)
        else:
            terminal.print_catalogue(CATALOGUES[catalogue], delta, console)
    elif table or name is not None:
        group = read_table(table) if table else group_named(name)
        if as_json:
            found = terminal.described(group, delta)
        else:
            terminal.print_group(group, delta, console)
    elif as_json:
        found = terminal.listing()
    else:
        terminal.print_listing(console)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))


@main.command(epilog=f"{_example}sweeper schema > sweep.schema.json")
def schema() -> None:
    """Print the JSON schema of a spec, for editors."""
    from sweeper.spec.schema import json_schema

    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


@main.command(epilog=f"{_example}sweeper version --json")
@as_json
def version(as_json: bool) -> None:
    """Print the versions that can move a number."""
    found: dict[str, str] = {"sweeper": code_version(), **json.loads(library_versions())}
    found["platform"] = platform.platform()
    if as_json:
        click.echo(json.dumps(found))
        return
    for name, value in found.items():
        click.echo(f"{name:10} {value}")


def _console() -> Console:
    """Standard output; tables in a file or a pipe are not squeezed into 80 columns."""
    console = Console()
    return console if console.is_terminal else Console(width=max(console.width, 160))


def _load(results: str) -> "pd.DataFrame":
    """The records of a results folder, which must hold some."""
    import analysis

    records = analysis.load(results)
    if records.empty:
        raise ResultsError(f"{results}: no records here; `sweeper run SPEC` makes some")
    return records


def _table(columns: list[str], rows: list[list[Any]]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    return table


if __name__ == "__main__":
    main()
