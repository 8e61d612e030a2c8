"""The probes of a batch in training: when they measure, and what is kept of each trial."""

import json
import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sweeper.learn.devices import lacks_memory
from sweeper.learn.probes.algebra import algebra
from sweeper.learn.probes.energy import heights
from sweeper.learn.probes.recorder import LayerRecorder, Measured, Recorder
from sweeper.learn.probes.snapshot import Snapshot
from sweeper.learn.probes.stages import Stage, Thresholds, stage_labels, stage_starts
from sweeper.spec.probes import Probes
from sweeper.spec.trial import Trial
from sweeper.store.probes import INDICATORS, Probed
from sweeper.store.records import Curve, Outcome
from sweeper.tasks.groups import group_named

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class _Frame:
    """The neurons of one trial at one measurement.

    Attributes:
        step: Updates made.
        values: By column of the probes: (K,), or of the shares (K, R).
    """

    step: int
    values: dict[str, Floats]


@dataclass
class _Log:
    """What was measured of one trial.

    Attributes:
        columns: A list for each indicator, with one entry a measurement; and of the evaluation.
        frames: At most as many as asked for, evenly spread over the measurements so far.
        last: The frame of the latest measurement.
        stride: Measurements from one frame to the next.
        seconds: Spent on it.
        error: Of the probe that raised, if one did: nothing more is measured.
    """

    columns: defaultdict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    frames: list[_Frame] = field(default_factory=list)
    last: _Frame | None = None
    stride: int = 1
    seconds: float = 0.0
    error: str | None = None

    def add(self, step: int, curve: Curve, found: Measured) -> None:
        row = found | {
            "step": step,
            "train_accuracy": curve.train_accuracy[-1],
            "test_accuracy": curve.test_accuracy[-1],
        }
        for name, value in row.items():
            self.columns[name].append(value)

    def add_frame(self, frame: _Frame, most: int) -> None:
        self.last = frame
        if (len(self.columns["step"]) - 1) % self.stride == 0:
            self.frames.append(frame)
        if len(self.frames) > most:
            self.frames, self.stride = self.frames[::2], 2 * self.stride


class Watched(Protocol):
    """A trial in training, as far as probes look at it.

    Attributes:
        curve: Its evaluations so far.
        outcome: None until it has ended.
        probed: For what is kept of it.
        probe_s: For the seconds that it took.
        probe_error: For the traceback of a probe that raised.
    """

    curve: Curve
    outcome: Outcome | None
    probed: Probed | None
    probe_s: float
    probe_error: str | None


class Probing:
    """Measures the trials of a batch; reads their weights and changes nothing.

    A probe that raises ends the measuring of its trial, and not its training. Where several trials
    are measured at once, or memory ran out in a batch of several, it is raised here: in smaller
    batches, which need less memory, it turns out whose it is.
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        weights: Tensor,
        probes: Probes,
        lap: Callable[[], float],
        raises: bool = False,
    ) -> None:
        """Place what the probes need beside the first weights.

        Args:
            trials: Of the batch, such as the probes measure.
            weights: (B, …), or those of a single trial, before the first step.
            probes: Which, and how.
            lap: The seconds since it was called before.
            raises: For debugging. Whatever a probe raises is raised here.
        """
        self._probes, self._raises = probes, raises
        self._trials = list(trials)
        self._logs = [_Log() for _ in trials]
        self._recorder: Recorder | None = None
        self._layers: LayerRecorder | None = None
        of_pairs = [name for name in probes.measure if name != "layers"]
        with self._apart(range(len(trials))):
            self._recorder = Recorder(trials, weights, of_pairs) if of_pairs else None
            self._layers = LayerRecorder(trials, weights) if "layers" in probes.measure else None
        self._frames = probes.frames > 0 and bool({"energy", "irreps"} & set(probes.measure))
        self._lap = lap
        self._spend(range(len(trials)))

    def observe(self, step: int, weights: Tensor, runs: Sequence[Watched]) -> None:
        """Measure the trials that are due, and hand over what is kept of those that have ended.

        Args:
            step: Updates made.
            weights: As before, now.
            runs: Of the batch, after the evaluation that some of them had now.
        """
        self._lap()  # what was before is not ours
        if due := [i for i, run in enumerate(runs) if self._due(i, run, step)]:
            with self._apart(due):
                self._measure(step, weights, due, [runs[i].curve for i in due])
            self._spend(due)
        for i, run in enumerate(runs):
            if run.outcome:
                self._hand_over(i, weights, run)

    @contextmanager
    def _apart(self, places: Sequence[int]) -> Iterator[None]:
        """Keep what a probe of one trial raises from its training."""
        try:
            yield
        except Exception as error:
            if self._raises or len(places) > 1 or (len(self._trials) > 1 and lacks_memory(error)):
                raise
            self._logs[places[0]].error = "".join(traceback.format_exception(error))

    def _hand_over(self, place: int, weights: Tensor, run: Watched) -> None:
        log = self._logs[place]
        if log.error is None:
            with self._apart([place]):
                run.probed = self._probed(place, weights, run.outcome != Outcome.DIVERGED)
        self._spend([place])
        run.probe_s, run.probe_error = log.seconds, log.error
        if run.probed is not None:
            run.probed["probe_s"] = log.seconds

    def _due(self, place: int, run: Watched, step: int) -> bool:
        steps = run.curve.step
        if self._logs[place].error or steps[-1:] != [step] or run.outcome == Outcome.DIVERGED:
            return False
        early = step < self._trials[place].eval_every
        return early or run.outcome is not None or (len(steps) - 1) % self._probes.every == 0

    def _measure(
        self, step: int, weights: Tensor, places: list[int], curves: Sequence[Curve]
    ) -> None:
        rows, frames = [Measured() for _ in places], list[_Frame]()
        if self._recorder:
            snapshot = self._recorder.look(weights, places)
            rows = self._recorder.measure(step, snapshot, places)
            frames = self._framed(step, snapshot) if self._frames else []
        if self._layers:
            of_layers = self._layers.measure(step, weights, places)
            rows = [row | more for row, more in zip(rows, of_layers, strict=True)]
        for i, place in enumerate(places):
            self._logs[place].add(step, curves[i], rows[i])
            if frames:
                self._logs[place].add_frame(frames[i], self._probes.frames)

    def _spend(self, places: Sequence[int]) -> None:
        """Count the time since the last lap, in equal parts."""
        seconds = self._lap()
        for place in places:
            self._logs[place].seconds += seconds / len(places)

    def keep(self, alive: list[int]) -> None:
        """Forget all trials but some, by their places."""
        for recorder in (self._recorder, self._layers):
            if recorder:
                recorder.keep(alive)
        self._trials = [self._trials[i] for i in alive]
        self._logs = [self._logs[i] for i in alive]

    def _framed(self, step: int, snapshot: Snapshot) -> list[_Frame]:
        found = {"neuron_size": snapshot.sizes}
        if "energy" in self._probes.measure:
            found["neuron_height"] = heights(snapshot)
        if "irreps" in self._probes.measure:
            powers = snapshot.powers  # (B, R, K)
            found["neuron_share"] = (powers / powers.sum(1, keepdim=True)).mT
        arrays = {name: values.float().cpu().numpy() for name, values in found.items()}
        return [
            _Frame(step, {name: values[i] for name, values in arrays.items()})
            for i in range(len(snapshot.W))
        ]

    def _probed(self, place: int, weights: Tensor, finite: bool) -> Probed:
        """All that is kept of a trial that has ended.

        Args:
            place: Its place in the batch.
            weights: Of the batch, its last among them.
            finite: They are numbers.
        """
        trial, log, names = self._trials[place], self._logs[place], self._probes.measure
        columns = dict(log.columns)
        if "irreps" in names and "irrep_neurons" in columns:
            columns["irreps_covered"] = [
                sum(count >= self._probes.neurons_to_cover for count in counts[1:])
                for counts in columns["irrep_neurons"]
            ]
        found: Probed = {
            "fingerprint": trial.fingerprint,
            "probes": " ".join(names),
            "step": columns.get("step", []),
        }
        on = [indicators for of, indicators in INDICATORS.items() if of in names]
        found |= {name: columns.get(name, []) for indicators in on for name in indicators}
        if "stages" in names:
            found |= self._stages(columns)
        if self._layers:
            found["layer"] = self._layers.names
        recorder = self._recorder or self._layers
        if recorder and {"energy", "irreps", "layers"} & set(names):
            basis = recorder.basis
            found |= {"irrep": list(basis.names), "irrep_height": basis.heights.tolist()}
        if "algebra" in names and finite and group_named(trial.group).max_irrep_dim == 1:
            found["solution"] = _solution(trial, weights.reshape(len(self._logs), -1)[place])
        return found | self._chosen(log)

    def _stages(self, columns: dict[str, list[Any]]) -> Probed:
        if not columns:
            return {}
        labels = stage_labels(columns, Thresholds(**self._probes.thresholds.given))
        starts = stage_starts(columns["step"], labels)
        told = (Stage.INDEPENDENT, Stage.INTERACTIVE, Stage.SETTLED)
        steps = {f"{stage.name.lower()}_step": starts.get(stage) for stage in told}
        return steps | {"stage": [int(label) for label in labels]}

    def _chosen(self, log: _Log) -> Probed:
        """The frames, of the neurons that are largest in the last of them."""
        if log.last is None:
            return {}
        last = log.last
        frames = [*(one for one in log.frames if one is not last), last]
        sizes = last.values["neuron_size"]
        neurons = np.argsort(-sizes, kind="stable")[: self._probes.neurons]
        return {
            "frame_step": [one.step for one in frames],
            "neuron": neurons.tolist(),
        } | {name: [one.values[name][neurons].tolist() for one in frames] for name in last.values}


def _solution(trial: Trial, weights: Tensor) -> str:
    """CoGO's algebra of the last weights, as JSON.

    Keys: orders and forms (how many frequencies have each), error (the largest, of factors), loss
    (over all pairs).
    """
    M = trial.group_order
    block = weights.double().cpu().numpy().reshape(3 * M, -1)
    found = algebra(group_named(trial.group), block[: 2 * M], block[2 * M :].T)
    errors = [one.error for one in found.solutions if one.form]
    said = {
        "orders": {str(order): count for order, count in sorted(found.orders.items())},
        "forms": dict(sorted(found.forms.items())),
        "error": max(errors, default=None),
        "loss": found.potential_loss,
    }
    return json.dumps(said)
