"""How long a sweep will take on this machine, before it runs."""

import heapq
import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from sweeper.run.agenda import Searched
from sweeper.run.calibration import NoCalibration, calibrate
from sweeper.run.executor import cluster_address
from sweeper.run.packs import Numbers, Pack
from sweeper.spec.model import Resources
from sweeper.spec.probes import Probes
from sweeper.store.records import Outcome

FINISHED_COLUMNS = [
    "fingerprint", "group_order", "n_train", "weight_decay", "max_steps", "stop_at_target",
    "final_step", "outcome",
]  # fmt: skip
"""Of the records, what `expected_steps` learns from."""

_ENOUGH_FINISHED = 20
_RAY_SECONDS = 5.0
"""A local Ray's start and end, besides loading torch twice: for the driver's part and a worker."""

_NICE_OF_RAY = 15
"""Ray runs its workers at this niceness."""

_PACK_SECONDS = 0.05
"""Between two packs of a worker."""


@dataclass(frozen=True)
class Setting:
    """Who would run a sweep.

    Attributes:
        executor: "ray" or "inline".
        address: Of a Ray cluster, or None.
        device: A torch device, or "auto".
    """

    executor: str = "ray"
    address: str | None = None
    device: str = "auto"

    def workers(self, resources: Resources) -> int:
        """How many packs would run at once on this machine."""
        if self.executor == "inline":
            return 1
        fits = max(1, int((os.cpu_count() or 1) / resources.cpus_per_worker))
        return min(fits, resources.workers or fits)


@dataclass(frozen=True)
class Forecast:
    """How long the missing trials will take, in seconds from the command to its end.

    Attributes:
        seconds: If trials that generalize end when they are expected to.
        at_most_seconds: If none ends before its horizon.
        start_up_seconds: Of both, until the first trial begins, and from the last one on.
        workers: At once.
        probe_share: Part of the workers' time that the probes take.
    """

    seconds: float
    at_most_seconds: float
    start_up_seconds: float
    workers: int
    probe_share: float = 0.0


def forecast(
    todo: pa.Table,
    packs: list[Pack],
    finished: pa.Table,
    resources: Resources,
    setting: Setting,
    modules: Mapping[str, str] | None = None,
    probes: Probes | None = None,
    steps: Numbers | None = None,
) -> Forecast:
    """Calibrate this machine for about two seconds, and add up.

    Args:
        todo: The missing trials; not empty.
        packs: They, in the order in which they would be handed out.
        finished: The sweep's records, with FINISHED_COLUMNS at least.
        resources: What each worker gets.
        setting: Who would run it.
        modules: Texts of users' modules, by label.
        probes: What is measured while they train.
        steps: (rows of `todo`,) that each takes, where that is known.

    Raises:
        NoCalibration: This machine's CPUs cannot tell.
    """
    if setting.executor == "ray" and (address := cluster_address(setting.address)) != "local":
        raise NoCalibration(f"it would run on the Ray cluster at {address}, not on this machine")
    if resources.on_gpu:
        raise NoCalibration("its workers ask for GPUs, and only CPUs are calibrated")
    workers = setting.workers(resources)
    ray_on_cpu = setting.executor == "ray" and setting.device == "auto"
    device = "cpu" if ray_on_cpu else setting.device
    niceness = _NICE_OF_RAY if setting.executor == "ray" else 0
    speed = calibrate(todo, workers, device, niceness, modules, probes)
    start_up = speed.boot_s
    if setting.executor == "ray":  # its workers boot after it has started
        start_up = 2 * speed.boot_s + _RAY_SECONDS
    steps = expected_steps(todo, finished) if steps is None else steps
    expected, at_most = (
        start_up + makespan(packs, speed.seconds(todo, so_many), workers)
        for so_many in (steps, _horizon(todo))
    )
    share = speed.probe_seconds(todo, steps).sum() / speed.seconds(todo, steps).sum()
    return Forecast(expected, at_most, start_up, workers, float(share))


def expected_steps(todo: pa.Table, finished: pa.Table) -> Numbers:
    """Steps that each trial will probably take.

    Trials that do not end at their target run to the horizon. Others generalize at about step

        0.107 / (weight_decay · √(n/n_c − 0.99)),    n_c = c(M)·M log M,

    and below n_c never. The form and 0.107 are a fit to 1,248 trials, c(M) are the thresholds of
    specs/mod_add.yaml (LOG.md). From 20 records of the sweep on, the formula is multiplied by what
    they took over it, at like n/(M log M).

    Args:
        todo: As PLAN_SCHEMA.
        finished: Records of the sweep, with FINISHED_COLUMNS at least.
    """
    expected = _formula(todo)
    ended = finished.to_pandas()
    ended = ended[(ended["outcome"] != Outcome.FAILED) & ended["stop_at_target"]]
    if len(ended) >= _ENOUGH_FINISHED:
        rows = pa.Table.from_pandas(ended, preserve_index=False)
        steps = ended["final_step"].to_numpy(dtype=float)
        levels, level = np.unique(_level(rows).round(1), return_inverse=True)
        factor = np.bincount(level, steps) / np.bincount(level, _formula(rows))
        expected = expected * np.interp(_level(todo), levels, factor)
    horizon = _horizon(todo)
    stops = todo["stop_at_target"].to_numpy(zero_copy_only=False)
    return np.where(stops, np.minimum(expected, horizon), horizon)


def rehearse(agenda: Searched, workers: int) -> pa.Table:
    """The trials that a search will need, if thresholds lie where `expected_steps` has them.

    Args:
        agenda: Used up by this.
        workers: How many trials run at once.

    Returns:
        As PLAN_SCHEMA, in the order in which they would be asked for.
    """
    plan, search = agenda.plan, agenda.search
    steps, horizon = _formula(plan), _horizon(plan)
    rows: list[int] = []
    while asked := search.ask(workers):
        rows += asked
        for row in asked:
            search.tell(row, bool(steps[row] < horizon[row]), bool(steps[row] < horizon[row] / 2))
    return plan.take(pa.array(rows, pa.int64()))


def _horizon(table: pa.Table) -> Numbers:
    return np.asarray(table["max_steps"].to_numpy(), dtype=float)


def makespan(packs: list[Pack], seconds: Numbers, workers: int) -> float:
    """When the last of the workers ends, if each takes the next pack as soon as it is free."""
    free_at = [0.0] * workers
    for pack in packs:
        busy = float(seconds[list(pack.rows)].sum()) + _PACK_SECONDS
        heapq.heapreplace(free_at, free_at[0] + busy)
    return max(free_at)


def _level(table: pa.Table) -> Numbers:
    """n/(M log M)."""
    M, n = (table[name].to_numpy().astype(float) for name in ("group_order", "n_train"))
    return np.asarray(n / (M * np.log(M)))


def _formula(table: pa.Table) -> Numbers:
    M, decay = (table[name].to_numpy().astype(float) for name in ("group_order", "weight_decay"))
    thresholds = np.interp(np.log(M), np.log([11, 23, 31, 97]), [2.77, 2.54, 2.54, 3.19])
    above = np.maximum(_level(table) / thresholds - 0.99, 1e-9)
    return np.asarray(
        np.minimum(0.107 / np.maximum(decay * np.sqrt(above), 1e-12), _horizon(table))
    )
