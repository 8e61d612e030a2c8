"""Probes of a batch of trials at its evaluations: what the training loop calls."""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from sweeper.learn.learner import network_of
from sweeper.learn.probes.basis import IrrepBasis
from sweeper.learn.probes.energy import energy_indicators
from sweeper.learn.probes.gradient import gradient_indicators
from sweeper.learn.probes.interaction import interaction_indicators
from sweeper.learn.probes.irreps import irrep_indicators
from sweeper.learn.probes.layers import LayerMeasured, LayerProbe
from sweeper.learn.probes.snapshot import Snapshot, TrainingPairs
from sweeper.learn.probes.stages import stage_indicators
from sweeper.spec.trial import Trial
from sweeper.tasks.groups import group_named
from sweeper.tasks.splits import training_set
from sweeper.tasks.task import task_of

Measured = dict[str, float | int | list[int] | list[float | int | None]]
"""One trial's indicators at one evaluation."""

_OF_SNAPSHOT: dict[str, Callable[[Snapshot], dict[str, Tensor]]] = {
    "gradient": gradient_indicators,
    "energy": energy_indicators,
    "irreps": irrep_indicators,
    "interaction": interaction_indicators,
}
NAMES = ("stages", *_OF_SNAPSHOT)
"""Of the probes of the two-layer net that measure while a trial trains."""

_COUPLED = ("adam", "sgd", "muon")
"""Optimizers that add wd·V to the gradient of V, so that V is pulled to a ridge solution; Muon
leaves V to Adam. Under the others η has no meaning."""


class Recorder:
    """Measures a batch of trials of the two-layer net; it reads their weights and changes nothing.

    Attributes:
        names: The probes that are on.
        basis: The group's irreps.
    """

    def __init__(self, trials: Sequence[Trial], weights: Tensor, names: Sequence[str]) -> None:
        """Place what the probes need beside the weights, those before the first step.

        Args:
            trials: Of one shape: the two-layer net with σ(x) = x² on pairs.
            weights: (…, 3M, K), W over Vᵀ, as the batch has them.
            names: Some of NAMES.
        """
        self.names = tuple(names)
        first = trials[0]
        task, group = (
            task_of(first.group, first.operands, first.expression),
            group_named(first.group),
        )
        samples = [
            training_set(task, one.split, one.split_seed, one.n_train, one.label_noise)
            for one in trials
        ]
        self._pairs = TrainingPairs.of(group.order, samples, weights)
        self.basis = IrrepBasis.of(group, weights)
        ridge = [
            one.n_train * one.weight_decay / 2 if one.optimizer in _COUPLED else 0.0
            for one in trials
        ]
        self._ridge = torch.tensor(ridge, device=weights.device, dtype=weights.dtype)
        self._before = self._parts(weights)[0].clone()
        self._steps = torch.zeros_like(self._ridge)

    def look(self, weights: Tensor, places: Sequence[int] | None = None) -> Snapshot:
        """The weights as probes see them.

        Args:
            weights: (…, 3M, K), now; they must not change before they are measured.
            places: Of the trials that are looked at, ascending; by default all.
        """
        W, V = self._parts(weights)
        if places is None or len(places) == len(W):
            return Snapshot(self._pairs, self.basis, W, V, self._ridge)
        some = list(places)
        pairs = self._pairs.keep(some)
        return Snapshot(pairs, self.basis, W[some], V[some], self._ridge[some])

    def measure(
        self, step: int, snapshot: Snapshot, places: Sequence[int] | None = None
    ) -> list[Measured]:
        """The indicators of all trials, or some.

        Args:
            step: Updates made, more than at the measurement before.
            snapshot: As `look` gives it.
            places: Given to it.
        """
        W, found = snapshot.W, dict[str, Tensor]()
        if "stages" in self.names:
            some = list(range(len(self._ridge)) if places is None else places)
            found |= stage_indicators(snapshot, self._before[some], step - self._steps[some])
            self._before[some], self._steps[some] = W, float(step)
        for name, probe in _OF_SNAPSHOT.items():
            if name in self.names:
                found |= probe(snapshot)
        columns = {name: values.tolist() for name, values in found.items()}
        return [{name: values[i] for name, values in columns.items()} for i in range(len(W))]

    def keep(self, alive: list[int]) -> None:
        """Forget all trials but some, by their places."""
        self._pairs = self._pairs.keep(alive)
        self._ridge, self._before = self._ridge[alive], self._before[alive]
        self._steps = self._steps[alive]

    def _parts(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        M, K = self._pairs.M, weights.shape[-1]
        batch = weights.view(-1, 3 * M, K)
        return batch[:, : 2 * M], batch[:, 2 * M :].mT


class LayerRecorder:
    """Measures the layers of a batch of trials, one after the other; reads their weights only.

    Attributes:
        names: The matrices of weights, from the inputs to the outputs.
        basis: The group's irreps.
    """

    def __init__(self, trials: Sequence[Trial], weights: Tensor) -> None:
        """Place what the probes need beside the weights, those before the first step.

        Args:
            trials: Of one shape, such as `LayerProbe` takes.
            weights: (B, …), or those of a single trial, as the batch has them.
        """
        network = network_of(trials[0])
        self.names = [name for name, one in network.parameters.items() if len(one.shape) == 2]
        with _own(weights, len(trials)) as own:
            self._probes = [LayerProbe(one, w) for one, w in zip(trials, own, strict=True)]
        self.basis = self._probes[0].basis

    def measure(self, step: int, weights: Tensor, places: Sequence[int]) -> list[Measured]:
        """The indicators of some trials: lists with an entry a matrix, None where it has none.

        Args:
            step: Updates made, more than at the measurement before.
            weights: As before, now.
            places: Of the trials that are measured.
        """
        with _own(weights, len(self._probes)) as own:
            return [_by_indicator(self._probes[i].measure(step, own[i])) for i in places]

    def keep(self, alive: list[int]) -> None:
        """Forget all trials but some, by their places."""
        self._probes = [self._probes[i] for i in alive]


@contextmanager
def _own(weights: Tensor, B: int) -> Iterator[Tensor]:
    """A copy (B, D) that autograd may use: training may be in inference mode, and goes on."""
    with torch.inference_mode(False), torch.no_grad():
        yield weights.clone().view(B, -1)


def _by_indicator(rows: list[LayerMeasured]) -> Measured:
    return {
        f"layer_{name}": [_defined(row[name]) for row in rows]
        for name, value in rows[0].items()
        if isinstance(value, float | int)
    }


def _defined(value: object) -> float | int | None:
    return value if isinstance(value, float | int) and not math.isnan(value) else None
