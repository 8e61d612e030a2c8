"""What a spec would run, and how long it would take: for `sweeper plan`."""

from collections import Counter
from dataclasses import asdict
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sweeper.run.agenda import Agenda, Limited, Searched, agenda_of
from sweeper.run.calibration import NoCalibration
from sweeper.run.forecast import Forecast, Setting, forecast, rehearse
from sweeper.run.packs import Pack, make_packs, operations
from sweeper.run.probing_again import ProbingAgain
from sweeper.run.reuse import known_probes, known_records
from sweeper.spec.learners import FIELDS
from sweeper.spec.model import Resources
from sweeper.spec.sweep import Sweep
from sweeper.spec.trial import DEFAULTS, TRIAL_SCHEMA
from sweeper.store.results import ResultsFolder

_SHOWN = [
    "group_order", "n_train", "hidden_size", "learning_rate", "weight_decay", "max_steps",
    "label_noise", *(name for name in FIELDS if not isinstance(DEFAULTS.get(name, ""), str)),
    "split_seed", "init_seed",
]  # fmt: skip
_NAMES = [
    "group", "operands", "expression", "split",
    *(name for name in FIELDS if isinstance(DEFAULTS.get(name, ""), str)), "modules",
]  # fmt: skip
_USUAL = {name: {value} for name, value in DEFAULTS.items()} | {
    "split": {"uniform"}, "network": {"two_layer"}, "activation": {"square"}, "loss": {"mse"},
    "optimizer": {"adam"},
}  # fmt: skip
"""Columns that are not listed where they are so throughout."""


def overview(
    sweep: Sweep,
    folder: ResultsFolder,
    setting: Setting,
    calibrated: bool,
    *,
    retry_failed: bool = False,
    probe_finished: bool = False,
    max_trials: int | None = None,
) -> dict[str, Any]:
    """Counts of a plan against the results that are there; starts no executor.

    Args:
        sweep: What would be run.
        folder: Where its results are.
        setting: Who would run it.
        calibrated: Also say how long, which takes some seconds where anything is missing.
        retry_failed: Trials that failed count as missing.
        probe_finished: Not what has no record is missing, but what has one and not all probes.
        max_trials: The run would end after so many.

    Returns:
        `modules`: paths of the users' modules that will be imported, by name; `axes`: rows of
        (column, distinct values, smallest, largest), for texts the first and the
        last in the plan; `trials`, `done`, `missing`
        and `packs`: counts, packs as they would be cut for this machine's cores; `asked`: how many
        of the missing this run would train, which packs and forecast are of; `other_horizons`:
        how many of these were run with another max_steps, by that; `unit`, `total`
        and `finished`: what progress is counted in; `probes`: names of those that are on;
        `unprobed`: how many trials have a record but not all that these measure; `operations`: of
        the missing to their horizons, floating-point, if all had the two-layer net; `forecast`, the
        fields of Forecast, or None; `no_forecast`: why there is none, or None. Where n_c is
        searched `trials` are the candidates, and `missing` those that will be needed if thresholds
        lie where expected.
    """
    records, failed = known_records(sweep, folder, retry_failed)
    resources = sweep.spec.resources
    workers = setting.workers(resources)
    again = None
    if sweep.spec.probing:
        again = ProbingAgain(sweep, records, known_probes(sweep, folder, records))
    unprobed = again.plan.num_rows if again else 0
    agenda = again if again and probe_finished else agenda_of(sweep, records, failed)
    finished = agenda.finished
    missing, todo, packs = _todo(agenda, workers, resources, max_trials)
    expected: Forecast | None = None
    reason = None if calibrated else "not asked for"
    if not todo.num_rows:
        reason = "nothing is missing"
    elif calibrated:
        ours = records.filter(
            pc.is_in(records["fingerprint"], agenda.scope["fingerprint"].combine_chunks())
        )
        try:
            expected = forecast(
                todo, packs, ours, resources, setting, sweep.module_texts, sweep.spec.probing,
                again.steps_of(todo) if again and agenda is again else None,
            )  # fmt: skip
        except NoCalibration as error:
            reason = str(error)
    known = pc.is_in(agenda.scope["fingerprint"], records["fingerprint"].combine_chunks())
    return {
        "sweep": sweep.spec.name,
        "modules": {module.name: module.path for module in sweep.modules},
        "axes": _axes(agenda.scope),
        "trials": agenda.scope.num_rows,
        "done": pc.sum(known, min_count=0).as_py(),
        "missing": missing,
        "asked": todo.num_rows,
        "other_horizons": {} if probe_finished else _other_horizons(todo, records),
        "unit": agenda.unit,
        "total": agenda.total,
        "finished": finished,
        "probes": sweep.spec.probing.measure if sweep.spec.probing else [],
        "unprobed": unprobed,
        "packs": len(packs),
        "operations": float(operations(todo).sum()),
        "forecast": asdict(expected) if expected else None,
        "no_forecast": reason,
    }


def _todo(
    agenda: Agenda, workers: int, resources: Resources, max_trials: int | None
) -> tuple[int, pa.Table, list[Pack]]:
    """How many trials an agenda misses, those that a run would train, and these as packs."""
    if isinstance(agenda, Searched):
        plan = rehearse(agenda, workers)
        todo = plan.slice(0, max_trials)
        return plan.num_rows, todo, make_packs(todo, workers, resources.on_gpu, resources.pack_size)
    plan = agenda.plan
    if max_trials is None:
        return plan.num_rows, plan, agenda.more(workers)
    packs = Limited(agenda, max_trials).more(workers)
    todo = plan.take([row for pack in packs for row in pack.rows])
    ends = accumulate(len(pack.rows) for pack in packs)
    cut = [
        Pack(tuple(range(end - len(pack.rows), end))) for pack, end in zip(packs, ends, strict=True)
    ]
    return plan.num_rows, todo, cut


def _axes(plan: pa.Table) -> list[list[Any]]:
    """(column, distinct values, smallest, largest); of texts the first and the last in the plan."""
    rows = []
    for name in [*_NAMES, *_SHOWN]:
        values = pc.unique(plan[name]).to_pylist()
        told = set(values) == _USUAL.get(name)
        if name == "group":  # where it is no more than M
            told = all(value.removeprefix("Z").isdigit() for value in values)
        if told or not values:
            continue
        ends = (values[0], values[-1]) if name in _NAMES else (min(values), max(values))
        rows.append([name, len(values), *ends])
    return rows


def _other_horizons(todo: pa.Table, records: pa.Table) -> dict[int, int]:
    """How many missing trials have a record that differs in max_steps alone, by its max_steps."""
    names = [name for name in TRIAL_SCHEMA.names if name != "max_steps"]
    same = records.select(TRIAL_SCHEMA.names).join(todo.select(names), names, join_type="inner")
    return dict(sorted(Counter(same["max_steps"].to_pylist()).items()))
