"""What optimizers share: the rates of each trial at each step, and trials that leave."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from torch import Tensor

from sweeper.learn.optimizers.schedule import Schedule
from sweeper.spec.trial import Trial

if TYPE_CHECKING:
    from sweeper.learn.optimizers.muon import Matrix

_AHEAD = 256
"""Steps whose learning rates are computed at once."""


class Optimizer(ABC):
    """Moves the weights of a batch of trials, each with its own rates.

    Attributes:
        weights: (B, …), or those of a single trial.
    """

    weights: Tensor

    @classmethod
    @abstractmethod
    def for_trials(
        cls, trials: Sequence[Trial], weights: Tensor, matrices: "Sequence[Matrix]"
    ) -> Self:
        """One for a batch, with the rates and schedules that its trials name.

        Args:
            trials: Of one shape.
            weights: (B, …), or those of a single trial.
            matrices: Those of hidden layers among the weights of each trial.
        """

    @abstractmethod
    def update(self, gradient: Tensor) -> None:
        """One step, in place; the gradient, shaped as the weights, is overwritten if faster."""

    @abstractmethod
    def keep(self, alive: list[int], weights: Tensor) -> None:
        """Forget all trials but some.

        Args:
            alive: Their places, fewer than there were.
            weights: Theirs, as `chosen` picks them.
        """


class Rule(Optimizer):
    """One rule for all weights.

    On a CPU trials move one after the other, by torch's fused kernels where there are any, so that
    each gets the same bits in any batch; on a GPU a batch moves as one. So it does on a CPU where
    the weights of a trial are not contiguous, which the fused kernels take for granted.

    Attributes:
        learning_rate: One a trial.
        weight_decay: One a trial.
        schedules: One a trial.
        updates: Made so far.
    """

    def __init__(
        self,
        weights: Tensor,
        learning_rate: Sequence[float],
        weight_decay: Sequence[float],
        schedules: Sequence[Schedule] = (),
    ) -> None:
        """Take the weights; a subclass then makes its state, and calls `_place`.

        Args:
            weights: (B, …), or those of a single trial; `update` changes them in place.
            learning_rate: One a trial.
            weight_decay: One a trial.
            schedules: One a trial; by default the rates are constant.
        """
        self.weights = weights
        self.learning_rate, self.weight_decay = list(learning_rate), list(weight_decay)
        self.schedules = list(schedules) or [Schedule()] * len(self.learning_rate)
        self.updates = 0

    @classmethod
    def for_trials(
        cls, trials: Sequence[Trial], weights: Tensor, matrices: "Sequence[Matrix]"
    ) -> Self:
        """See `Optimizer`."""
        return cls(weights, *rates_of(trials), **cls._options(trials))

    @classmethod
    def _options(cls, trials: Sequence[Trial]) -> dict[str, Any]:
        """Arguments beside the rates."""
        return {}

    def _place(self) -> None:
        self._rows = self._by_trial(self.weights)
        one_by_one = len(self._rows) == 1 or self.weights.device.type == "cpu"
        self._one_by_one = one_by_one and all(row.is_contiguous() for row in self._rows)
        self._decay = self._per_trial(np.array(self.weight_decay))
        self._tabulate()

    def _by_trial(self, batch: Tensor) -> list[Tensor]:
        return list(batch.unbind()) if len(self.learning_rate) > 1 else [batch]

    def _per_trial(self, values: np.ndarray) -> Tensor:
        """Values (…, B) beside the weights, with dimensions to be multiplied with them."""
        placed = torch.from_numpy(values).to(self.weights.device, self.weights.dtype)
        ones = self.weights.dim() - 1 if len(self.learning_rate) > 1 else 0
        return placed.view(*values.shape, *[1] * ones)

    def _tabulate(self) -> None:
        steps = np.arange(self.updates, self.updates + _AHEAD)
        pairs = zip(self.learning_rate, self.schedules, strict=True)
        rates = np.stack([rate * one.factors(steps) for rate, one in pairs], axis=1)
        self._rates: Iterator[Any] = iter(
            rates.tolist() if self._one_by_one else self._per_trial(rates).unbind()
        )

    def update(self, gradient: Tensor) -> None:
        """One step, in place; the gradient, shaped as the weights, is overwritten if faster."""
        rates = next(self._rates, None)
        if rates is None:
            self._tabulate()
            rates = next(self._rates)
        self.updates += 1
        if not self._one_by_one:
            self._update_all(gradient, rates)
        elif len(rates) == 1:
            self._update_one(0, gradient.contiguous(), rates[0])
        else:
            for place, row in enumerate(gradient.unbind()):
                self._update_one(place, row.contiguous(), rates[place])

    @abstractmethod
    def _update_one(self, place: int, gradient: Tensor, rate: float) -> None:
        """Move one trial; its gradient is contiguous."""

    @abstractmethod
    def _update_all(self, gradient: Tensor, rates: Tensor) -> None:
        """Move all trials at once; the rates broadcast with the weights."""

    def keep(self, alive: list[int], weights: Tensor) -> None:
        """Forget all trials but some.

        Args:
            alive: Their places, fewer than there were.
            weights: Theirs, as `chosen` picks them.
        """
        self.weights = weights
        self.learning_rate = [self.learning_rate[i] for i in alive]
        self.weight_decay = [self.weight_decay[i] for i in alive]
        self.schedules = [self.schedules[i] for i in alive]
        self._keep_state(alive)
        self._place()

    @abstractmethod
    def _keep_state(self, alive: list[int]) -> None:
        """Forget the state of all trials but some."""


def rates_of(trials: Sequence[Trial]) -> tuple[list[float], list[float], list[Schedule]]:
    """Learning rates, weight decays and schedules of trials."""
    return (
        [one.learning_rate for one in trials],
        [one.weight_decay for one in trials],
        [Schedule.of(one) for one in trials],
    )


def chosen(batch: Tensor, places: list[int]) -> Tensor:
    """Some trials of a batch (B, …); a single one loses its dimension."""
    return batch[places[0]].clone() if len(places) == 1 else batch[places]


def zeros_beside(weights: Tensor) -> Tensor:
    """A state to begin with: zeros shaped as the weights, contiguous."""
    return torch.zeros_like(weights, memory_format=torch.contiguous_format)
