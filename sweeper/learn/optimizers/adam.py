"""Adam with coupled L2 weight decay, each trial with its own rates."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from sweeper.learn.optimizers.base import Rule, chosen, zeros_beside
from sweeper.learn.optimizers.schedule import Schedule
from sweeper.learn.registry import optimizers
from sweeper.spec.trial import Trial

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


@optimizers.register("adam")
class Adam(Rule):
    """Adam (Kingma & Ba 2015) as torch.optim.Adam does it; weight_decay · weights is added to g.

    m ← β₁m + (1 − β₁)g;  v ← β₂v + (1 − β₂)g²;  w ← w − rate · m̂ / (√v̂ + 1e-8), with
    m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ) at the t-th update.

    Attributes:
        beta1: β₁, of all trials.
        beta2: β₂, of all trials.
        mean: m, shaped as the weights.
        square: v, shaped as the weights.
    """

    _fused: Callable[..., None] = staticmethod(torch._fused_adam_)

    def __init__(
        self,
        weights: Tensor,
        learning_rate: Sequence[float],
        weight_decay: Sequence[float],
        schedules: Sequence[Schedule] = (),
        *,
        beta1: float = BETA1,
        beta2: float = BETA2,
    ) -> None:
        """Start from zero moments.

        Args:
            weights: (B, …), or those of a single trial; `update` changes them in place.
            learning_rate: One a trial.
            weight_decay: One a trial.
            schedules: One a trial; by default the rates are constant.
            beta1: Of all trials.
            beta2: Of all trials.
        """
        super().__init__(weights, learning_rate, weight_decay, schedules)
        self.beta1, self.beta2 = beta1, beta2
        self.mean, self.square = zeros_beside(weights), zeros_beside(weights)
        self._step = torch.zeros((), device=weights.device)  # as torch's kernel wants it
        self._place()

    @classmethod
    def _options(cls, trials: Sequence[Trial]) -> dict[str, Any]:
        return {"beta1": trials[0].beta1, "beta2": trials[0].beta2}

    def _place(self) -> None:
        super()._place()
        self._step.fill_(self.updates)
        means, squares = self._by_trial(self.mean), self._by_trial(self.square)
        self._lists: list[tuple[list[Tensor], ...]] = [
            ([mean], [square], [], [self._step])
            for mean, square in zip(means, squares, strict=True)
        ]

    def _update_one(self, place: int, gradient: Tensor, rate: float) -> None:
        if place == 0:
            self._step.add_(1)
        self._fused(
            [self._rows[place]], [gradient], *self._lists[place],
            lr=rate, beta1=self.beta1, beta2=self.beta2, weight_decay=self.weight_decay[place],
            eps=EPSILON, amsgrad=False, maximize=False,
        )  # fmt: skip

    def _update_all(self, gradient: Tensor, rates: Tensor) -> None:
        self._decay_weights(gradient, rates)
        self.mean.lerp_(gradient, 1 - self.beta1)
        self.square.mul_(self.beta2).addcmul_(gradient, gradient, value=1 - self.beta2)
        correction = (1 - self.beta2**self.updates) ** 0.5
        direction = self.mean / self.square.sqrt().div_(correction).add_(EPSILON)
        self.weights.addcmul_(direction, rates, value=-1 / (1 - self.beta1**self.updates))

    def _decay_weights(self, gradient: Tensor, rates: Tensor) -> None:
        gradient.addcmul_(self.weights, self._decay)

    def _keep_state(self, alive: list[int]) -> None:
        self.mean, self.square = chosen(self.mean, alive), chosen(self.square, alive)
