"""One trial of a results folder: what is known of it, and training it again to see."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sweeper.run.executor import ExecutorError
from sweeper.run.worker import import_modules
from sweeper.spec.modules import UserModule
from sweeper.spec.sweep import open_text
from sweeper.spec.trial import Trial, trials
from sweeper.store.lookup import checked, find, the_only
from sweeper.store.provenance import Provenance
from sweeper.store.records import Curve, curves_table, records_table
from sweeper.store.results import ResultsError, ResultsFolder

Row = dict[str, Any]

FOUND = [
    "outcome", "fit_step", "generalization_step", "final_step", "train_loss", "test_loss",
    "train_accuracy", "test_accuracy", "best_test_accuracy", "n_test", "stop_rule", "train_flops",
]  # fmt: skip
"""Columns of a record that training finds out, and finds again."""


@dataclass(frozen=True)
class Single:
    """A trial that is known to a results folder.

    Attributes:
        trial: It.
        fingerprint: By which the folder knows it; of older numerics the trial's own is another.
        record: Its record; None where it is only planned.
        curve: Its curve; None likewise.
        modules: Texts of all users' modules that the folder keeps, by label.
    """

    trial: Trial
    fingerprint: str
    record: Row | None
    curve: Row | None
    modules: dict[str, str]


def open_trial(folder: ResultsFolder, prefix: str) -> Single:
    """The trial whose fingerprint begins so: among the records, else in the latest run's plan.

    Raises:
        ResultsError: There is none, or there are several.
    """
    prefix = checked(prefix)
    if found := find(folder, prefix):
        record, curve = found
        trial = Trial.from_row(record)
        return Single(trial, record["fingerprint"], record, curve, _modules(folder))
    run = folder.latest_run()
    if run is None:
        raise ResultsError(f"{folder.path}: no run has begun here")
    digest = run["spec_digest"]
    path = f"{folder.path}/specs/{digest}.yaml"
    plan = open_text(folder.spec(digest), path, folder.spec_modules(digest)).plan
    planned = plan["fingerprint"].to_pylist()
    name = the_only((one for one in planned if one.startswith(prefix)), prefix)
    if name is None:
        raise ResultsError(
            f"{prefix}: no trial in {folder.path} has a fingerprint that begins so; they stand in "
            "the column fingerprint of the records, and `sweeper status` gives those of failures"
        )
    (trial,) = trials(plan.take([planned.index(name)]))
    return Single(trial, name, None, None, _modules(folder))


def _modules(folder: ResultsFolder) -> dict[str, str]:
    """Of all specs: a record that was taken over names one that only its source has."""
    found = [UserModule(name, text) for name, text in folder.modules()]
    return {module.label: module.text for module in found}


def train_again(
    trial: Trial, device: str, watch: Callable[[Trial, Curve], None], modules: Mapping[str, str]
) -> tuple[Row, Row, str]:
    """Train one trial in this process; what it raises is raised.

    Args:
        trial: It.
        device: A torch device, or "auto".
        watch: Called with it and its curve after each evaluation.
        modules: Texts of users' modules, by label.

    Returns:
        The record and the curve that it would have left, and the device it was trained on.

    Raises:
        ExecutorError: This process cannot use the device, or import a module of the trial.
    """
    from sweeper.learn.devices import hardware_of, usable_device
    from sweeper.learn.train import train

    try:
        device = usable_device(device)
        import_modules([trial], modules)
    except RuntimeError as error:
        raise ExecutorError(str(error)) from error
    ended = [result for results in train([trial], device, watch=watch) for result in results]
    nowhere = Provenance(sweep="", run_id="", spec_digest="")
    made = records_table([trial], ended, nowhere, device, 1, hardware_of(device))
    (record,) = made.to_pylist()
    (curve,) = curves_table(ended).to_pylist()
    return record, curve, device


def differences(known: Single, record: Row, curve: Row) -> dict[str, tuple[Any, Any]]:
    """What was found otherwise than recorded: for each column the record's value and the new one.

    Args:
        known: With its record.
        record: Found now.
        curve: Found now; of curves that differ, the first evaluation that does.
    """
    assert known.record is not None
    assert known.curve is not None
    pairs = {name: (known.record[name], record[name]) for name in FOUND}
    found = {name: pair for name, pair in pairs.items() if not _same(*pair)}
    for name, before in known.curve.items():
        if name == "fingerprint":
            continue
        for i, (old, new) in enumerate(zip(before, curve[name], strict=False)):
            if not _same(old, new):
                found[f"curve, {name} at step {curve['step'][i]}"] = (old, new)
                break
        if len(before) != len(curve[name]):
            found["curve, evaluations"] = (len(before), len(curve[name]))
    return found


def _same(old: object, new: object) -> bool:
    both = isinstance(old, float) and isinstance(new, float)
    return old == new or (both and math.isnan(old) and math.isnan(new))  # type: ignore[arg-type]
