"""`sweeper show` and `sweeper debug`: one trial, as it was recorded and as it trains again."""

import faulthandler
import pdb
import sys
import traceback
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.table import Table

from analysis.tables import plain
from sweeper.run.single import Single, differences, open_trial, train_again
from sweeper.spec.trial import DEFAULTS, NUMERICS, TRIAL_SCHEMA, Trial
from sweeper.store.probes import RECORD_COLUMNS
from sweeper.store.records import Curve, Outcome
from sweeper.store.results import ResultsError, ResultsFolder

Row = dict[str, Any]

_PARTS = {
    "derived": ["train_fraction", "n_over_m_log_m", "max_irrep_dim"],
    "outcome": ["outcome", "fit_step", "generalization_step", "final_step", "stop_rule"],
    "metrics": [
        "train_loss", "test_loss", "train_accuracy", "test_accuracy", "best_test_accuracy",
        "n_test",
    ],
    "cost": [
        "train_flops", "wall_time_s", "setup_s", "evaluation_s", "device", "hardware", "pack_size",
    ],
    "probes": [one.name for one in RECORD_COLUMNS],
    "provenance": [
        "sweep", "run_id", "spec_digest", "numerics", "code_version", "library_versions", "host",
        "started_at",
    ],
}  # fmt: skip
_MEASURED = ["train_loss", "test_loss", "train_accuracy", "test_accuracy"]
_CURVE_ROWS = 10


def plain_trial(folder: ResultsFolder, prefix: str) -> Row:
    """The record of a trial and, as `curve`, all its evaluations; as JSON knows them.

    Raises:
        ResultsError: There is no such record, or there are several.
    """
    record, curve = _recorded(open_trial(folder, prefix))
    found = plain(record | {"started_at": record["started_at"].isoformat(), "curve": curve})
    assert isinstance(found, dict)
    return found


def show(folder: ResultsFolder, prefix: str, console: Console) -> None:
    """Print a trial.

    Raises:
        ResultsError: There is no such record, or there are several.
    """
    known = open_trial(folder, prefix)
    record, curve = _recorded(known)
    console.print(f"trial {known.fingerprint}", style="bold", highlight=False)
    for part, names in {"axes": TRIAL_SCHEMA.names, **_PARTS}.items():
        table = Table(box=None, show_header=False, pad_edge=False, title=part, title_justify="left")
        table.add_column(min_width=24)
        table.add_column(overflow="fold")
        for name in names:
            table.add_row(name, _value(record[name]))
        console.print(table)
    if curve["step"]:
        console.print("curve", style="italic")
        _print_line(["step", *_MEASURED])
        marks = [record["fit_step"], record["generalization_step"]]
        for i in _chosen(curve["step"], marks):
            _print_line([f"{curve['step'][i]:,}", *(f"{curve[name][i]:.6g}" for name in _MEASURED)])
    if record["error"]:
        console.print("error", style="bold red")
        print(record["error"].rstrip())


def debug(folder: ResultsFolder, prefix: str, device: str | None, debugger: bool) -> bool:
    """Train a trial again, print its evaluations, and compare it with its record.

    Args:
        folder: That knows it; only read.
        prefix: Of its fingerprint.
        device: A torch device; by default the record's.
        debugger: Enter it where the trial raises.

    Returns:
        Whether it ended without an exception, and as its record says.

    Raises:
        ResultsError: There is no such trial, or there are several.
        ExecutorError: This process cannot use the device.
    """
    from sweeper.run.executor import ExecutorError

    known = open_trial(folder, prefix)
    record = known.record
    if not faulthandler.is_enabled():
        faulthandler.enable()  # what kills a worker may kill this process
    was = record["device"] if record else "unknown"
    print(f"trial {known.fingerprint}: {_words(known.trial)}")
    print(_remembered(known))
    _print_line(["step", *_MEASURED])
    try:
        found, curve, used = train_again(
            known.trial, device or ("cpu" if was == "unknown" else was), _print_last, known.modules
        )
    except ExecutorError:
        raise
    except Exception as error:
        sys.stdout.flush()
        traceback.print_exc()
        if debugger:
            pdb.post_mortem(error.__traceback__)
        return False
    print(f"it ended as {found['outcome']} after {found['final_step']:,} steps on {used}")
    return _compare(known, found, curve, used)


def _compare(known: Single, found: Row, curve: Row, used: str) -> bool:
    record = known.record
    if record is None:
        print("there is no record to compare it with")
        return True
    differing = differences(known, found, curve)
    if not differing:
        print("equal to its record, to the last bit")
        return True
    for name, (old, new) in differing.items():
        print(f"differs in {name}: {_value(old)} in the record, {_value(new)} now")
    if record["numerics"] != NUMERICS:
        print(f"the record is of numerics {record['numerics']}, and these are {NUMERICS}")
    elif record["outcome"] == Outcome.FAILED:
        print("the record's error did not come again")
    elif (record["device"], used) != ("cpu", "cpu"):
        print(
            f"equal bits are promised between CPUs of one kind; the record is of {record['device']}"
        )
    else:
        print(
            f"equal bits are promised on a CPU of the same kind; the record is of {record['host']}"
        )
    return False


def _recorded(known: Single) -> tuple[Row, Row]:
    if known.record is None or known.curve is None:
        raise ResultsError(f"{known.fingerprint}: this trial is planned, but has no record yet")
    return known.record, known.curve


def _remembered(known: Single) -> str:
    if known.record is None:
        return "it has no record yet"
    record = known.record
    return (
        f"its record: {record['outcome']} after {record['final_step']:,} steps, "
        f"on {record['device']} of {record['host']}, {record['wall_time_s']:.3g} s"
    )


def _words(trial: Trial) -> str:
    names = ["group", "n_train", "hidden_size", "learning_rate", "weight_decay", "max_steps",
             "split_seed", "init_seed"]  # fmt: skip
    names += [name for name, usual in DEFAULTS.items() if getattr(trial, name) != usual]
    return ", ".join(f"{name} {getattr(trial, name)}" for name in names)


def _print_last(trial: Trial, curve: Curve) -> None:
    values = (f"{getattr(curve, name)[-1]:.6g}" for name in _MEASURED)
    _print_line([f"{curve.step[-1]:,}", *values])


def _print_line(cells: list[str]) -> None:
    print(f"{cells[0]:>10}", *(f"{cell:>15}" for cell in cells[1:]), flush=True)


def _chosen(steps: list[int], marks: list[int | None]) -> list[int]:
    """A few evaluations from the first to the last, those at the marks among them."""
    last = len(steps) - 1
    spread = {round(i * last / (_CURVE_ROWS - 1)) for i in range(_CURVE_ROWS)}
    return sorted(spread | {steps.index(mark) for mark in marks if mark in steps})


def _value(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return f"{value:.9g}" if isinstance(value, float) else str(value)
