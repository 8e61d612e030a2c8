"""How fast this machine trains: a few real trials of a sweep, timed for about two seconds.

They run in processes of their own, as many at once as the sweep would have workers, so that the
workers' claims on each other's memory and whatever else the machine does are measured with them,
and the caller never loads torch.
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import TextIO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sweeper.run.packs import (
    SHAPE,
    Numbers,
    evaluation_seconds,
    evaluations,
    measurements,
    step_seconds,
)
from sweeper.run.worker import import_modules, work
from sweeper.spec.plan import PLAN_SCHEMA
from sweeper.spec.probes import Probes
from sweeper.spec.trial import Trial, trials
from sweeper.store.provenance import Provenance

SECONDS = 2.0
"""Timing takes about this long, whatever the sweep."""

_SAMPLES = 8
"""Trials that are timed, from the cheapest of the sweep to the costliest; of each kind one more."""

_MAX_KINDS = 16
"""Kinds of learner that are timed at most."""

_SIZES = {"group", "group_order", "operands", "expression", "hidden_size", "batch_size"}
_KIND = [name for name in SHAPE if name not in _SIZES]
"""Trials that agree in these are of one kind: what they cost over the formulas is alike."""

_MAX_PROCESSES = 8
"""Calibrated at once at most: more workers than that would take long to start."""

_MAX_STEPS = 4000


class NoCalibration(Exception):  # noqa: N818 - an answer rather than an error
    """No calibration here can tell how fast the sweep's workers will be; the message says why."""


@dataclass(frozen=True)
class Sample:
    """What a trial that was timed has cost.

    Attributes:
        trial: It.
        step_s: Seconds a training step.
        evaluation_s: Seconds an evaluation.
        rest_s: Seconds besides: its set-up, its record and all that lies between two trials.
        measurement_s: Seconds a measurement of its probes.
    """

    trial: Trial
    step_s: float
    evaluation_s: float
    rest_s: float
    measurement_s: float = 0.0


@dataclass(frozen=True)
class Speed:
    """The speed of this machine's workers, as the samples have it.

    Attributes:
        samples: What was timed, in all processes.
        boot_s: Seconds that a process took from its start until it could train.
        every: Evaluations from one measurement of the probes to the next; 0 is without probes.
    """

    samples: list[Sample]
    boot_s: float
    every: int = 0

    def seconds(self, plan: pa.Table, steps: Numbers) -> Numbers:
        """Seconds that each trial of a plan takes for the given number of steps, probes included.

        The formulas of `sweeper.run.packs`, multiplied by what samples of the trial's kind took
        over them, or all samples where none is of its kind; between samples that factor is
        interpolated in the logarithm of the cost.
        """
        return self._of_kinds(plan, steps, _training_seconds) + self.probe_seconds(plan, steps)

    def probe_seconds(self, plan: pa.Table, steps: Numbers) -> Numbers:
        """Seconds of these that the probes of each trial take."""
        if not self.every:
            return np.zeros(plan.num_rows)
        return self._of_kinds(plan, steps, self._measuring_seconds)

    def _measuring_seconds(self, plan: pa.Table, steps: Numbers, samples: list[Sample]) -> Numbers:
        timed = _table([sample.trial for sample in samples])
        measurement_s = np.array([sample.measurement_s for sample in samples])
        at, known = np.log(step_seconds(plan)), np.log(step_seconds(timed))
        factor = _between(at, known, measurement_s / step_seconds(timed))
        return measurements(plan, steps, self.every) * step_seconds(plan) * factor

    def _of_kinds(
        self,
        plan: pa.Table,
        steps: Numbers,
        seconds_by: Callable[[pa.Table, Numbers, list[Sample]], Numbers],
    ) -> Numbers:
        timed = _table([sample.trial for sample in self.samples])
        kinds = _kinds(pa.concat_tables([timed, plan.select(timed.column_names)]))
        of_samples, of_plan = np.split(kinds, [timed.num_rows])
        seconds = np.empty(plan.num_rows)
        for kind in np.unique(of_plan):
            rows = np.flatnonzero(of_plan == kind)
            alike = [self.samples[i] for i in np.flatnonzero(of_samples == kind)] or self.samples
            seconds[rows] = seconds_by(plan.take(rows), steps[rows], alike)
        return seconds


def calibrate(
    plan: pa.Table,
    workers: int,
    device: str,
    niceness: int = 0,
    modules: Mapping[str, str] | None = None,
    probes: Probes | None = None,
) -> Speed:
    """Time some trials of a plan on this machine.

    Args:
        plan: Not empty.
        workers: How many would run at once.
        device: A torch device, or "auto".
        niceness: Of the workers: what else the machine does comes before them.
        modules: Texts of users' modules, by label.
        probes: What is measured while they train.

    Raises:
        NoCalibration: The workers would train on a GPU, or a process cannot train at all.
    """
    request = json.dumps(
        {
            "trials": [asdict(trial) for trial in _chosen(plan)],
            "device": device,
            "niceness": niceness,
            "modules": dict(modules or {}),
            "probes": probes.model_dump() if probes else None,
        }
    )
    started = time.monotonic()
    processes = [_Process() for _ in range(min(workers, _MAX_PROCESSES))]
    try:
        for process in processes:
            process.tell(request)
        devices = {process.answer() for process in processes}
        boot_s = time.monotonic() - started
        if devices != {"cpu"}:
            raise NoCalibration(
                f"workers would train on {', '.join(sorted(devices))}, and only CPUs are calibrated"
            )
        for process in processes:
            process.tell("begin")
        samples = [
            Sample(Trial.from_row(found.pop("trial")), **found)
            for process in processes
            for found in json.loads(process.answer())
        ]
    finally:
        for process in processes:
            process.end()
    return Speed(samples, boot_s, probes.every if probes else 0)


def _training_seconds(plan: pa.Table, steps: Numbers, samples: list[Sample]) -> Numbers:
    timed = _table([sample.trial for sample in samples])
    step_s, evaluation_s, rest_s = np.array(
        [[sample.step_s, sample.evaluation_s, sample.rest_s] for sample in samples]
    ).T
    at, known = np.log(step_seconds(plan)), np.log(step_seconds(timed))
    each_step = step_seconds(plan) * _between(at, known, step_s / step_seconds(timed))
    factor = _between(at, known, evaluation_s / evaluation_seconds(timed))
    each_evaluation = evaluation_seconds(plan) * factor
    rest = _between(at, known, rest_s)
    return steps * each_step + evaluations(plan, steps) * each_evaluation + rest


def _kinds(plan: pa.Table) -> NDArray[np.int64]:
    """Which kind of learner each trial is of, numbered as they first occur."""
    return np.asarray(plan.select(_KIND).to_pandas().groupby(_KIND, sort=False).ngroup())


def _chosen(plan: pa.Table) -> list[Trial]:
    """Trials spread over the costs and the kinds that occur, the cheapest first."""
    cost, kinds = step_seconds(plan), _kinds(plan)
    _, rows = np.unique(cost, return_index=True)  # sorted by cost
    places = np.linspace(0, len(rows) - 1, min(_SAMPLES, len(rows))).round().astype(int)
    chosen = set(rows[places].tolist())
    others = sorted(set(range(kinds.max() + 1)) - set(kinds[list(chosen)].tolist()))
    for kind in others[:_MAX_KINDS]:
        alike = np.flatnonzero(kinds == kind)
        chosen.add(int(alike[np.argsort(cost[alike])[len(alike) // 2]]))
    return trials(plan.take(sorted(chosen, key=lambda row: cost[row])))


class _Process:
    """One that trains. What else it says goes to a file, which unlike a pipe never fills up."""

    def __init__(self) -> None:
        self._said = tempfile.TemporaryFile("w+", errors="replace")  # noqa: SIM115 - see end
        command = [sys.executable, "-m", "sweeper.run.calibration"]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=self._said, text=True
        )

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self._complain()

    def answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            self._complain()
        return line

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._said.close()

    def _complain(self) -> None:
        self._process.wait()
        self._said.seek(0)
        said = self._said.read().strip().splitlines() or ["it said nothing"]
        raise NoCalibration(f"a process that should train ended: {said[-1]}")


def _between(at: Numbers, known: Numbers, values: Numbers) -> Numbers:
    """Interpolate; the same trial timed twice counts with its mean, ends carry on flat."""
    places, inverse = np.unique(known, return_inverse=True)
    means = np.bincount(inverse, values) / np.bincount(inverse)
    return np.asarray(np.interp(at, places, means))


def _table(timed: list[Trial]) -> pa.Table:
    rows = [asdict(trial) | {"fingerprint": trial.fingerprint} for trial in timed]
    return pa.Table.from_pylist(rows, schema=PLAN_SCHEMA)


# ---------------------------------------------------------------- in a process of its own


def _measure(timed: list[Trial], device: str, probes: Probes | None = None) -> Iterator[Sample]:
    """Time trials, the cheapest first, for SECONDS in all; the costliest may be left out."""
    left = SECONDS
    paces: dict[int, float] = {}  # of each kind, seconds over the formula's for one of both
    table = _table(timed)
    costs = step_seconds(table) + evaluation_seconds(table)
    for place, (trial, cost, kind) in enumerate(zip(timed, costs, _kinds(table), strict=True)):
        if paces.get(kind, max(paces.values(), default=0.0)) * cost > left:
            continue
        began = time.perf_counter()
        sample = _timed(trial, 1, device, probes)
        spent = time.perf_counter() - began
        paces[kind] = spent / cost
        share = left / (len(timed) - place) - spent
        each = sample.step_s + sample.evaluation_s / trial.eval_every
        if probes:
            each += sample.measurement_s / (trial.eval_every * probes.every)
        steps = int(min(_MAX_STEPS, (share - 5 * sample.evaluation_s) / each))
        if steps > 1:
            sample = _timed(trial, steps, device, probes)
        yield sample
        left -= time.perf_counter() - began


def _timed(trial: Trial, steps: int, device: str, probes: Probes | None) -> Sample:
    """Train a trial for so many steps, as a worker does."""
    short = replace(
        trial, max_steps=steps, stop_at_target=False,
        schedule="constant", warmup_steps=0,  # a warm-up may be longer, which cosine refuses
    )  # fmt: skip
    began = time.perf_counter()
    provenance = Provenance("calibration", "", "")
    deliveries = list(work(_table([short]), [0], provenance, device, _loaded(short), probes))
    elapsed = time.perf_counter() - began
    delivery = next(delivery for delivery in deliveries if delivery)
    (record,) = delivery.records.to_pylist()
    if record["error"]:
        raise RuntimeError(record["error"].strip().splitlines()[-1])
    probe_s = record["probe_s"]
    steps_s = record["wall_time_s"] - record["setup_s"] - record["evaluation_s"] - probe_s
    taken = record["final_step"]
    (curve,) = delivery.curves["step"].to_pylist()
    rest_s = elapsed - steps_s - record["evaluation_s"] - probe_s
    measured = sum(len(steps) for steps in delivery.probes["step"].to_pylist())
    each = probe_s / max(1, measured)
    return Sample(trial, steps_s / taken, record["evaluation_s"] / len(curve), rest_s, each)


def _loaded(trial: Trial) -> dict[str, str]:
    """Modules of a trial that this process has imported already."""
    return dict.fromkeys(trial.modules.split(), "")


def _serve(answers: TextIO) -> None:
    """Talk to `calibrate`: a request comes in, the device goes out; "begin", then the samples."""
    from sweeper.learn.devices import usable_device

    request = json.loads(sys.stdin.readline())
    try:
        device = usable_device(request["device"])
    except RuntimeError as error:
        sys.exit(str(error))
    timed = [Trial.from_row(row) for row in request["trials"]]
    import_modules(timed, request["modules"])
    probes = Probes(**request["probes"]) if request["probes"] else None
    if device == "cpu":
        _timed(timed[0], 1, device, probes)  # first uses are slow
    print(device, file=answers, flush=True)
    sys.stdin.readline()
    os.nice(request["niceness"])
    samples = [asdict(sample) for sample in _measure(timed, device, probes)]
    print(json.dumps(samples), file=answers, flush=True)


if __name__ == "__main__":
    with os.fdopen(os.dup(1), "w") as answers, contextlib.redirect_stdout(sys.stderr):
        os.dup2(2, 1)  # users' modules may print, and what they call may write
        _serve(answers)
