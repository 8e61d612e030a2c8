"""Gradient descent with momentum and coupled L2 weight decay."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sweeper.learn.optimizers.base import Rule, chosen, zeros_beside
from sweeper.learn.optimizers.schedule import Schedule
from sweeper.learn.registry import optimizers
from sweeper.spec.trial import Trial


@optimizers.register("sgd")
class SGD(Rule):
    """Gradient descent as torch.optim.SGD does it; weight_decay · weights is added to g.

    b ← μb + g;  w ← w − rate · b, or with Nesterov's momentum w − rate · (g + μb), as Sutskever et
    al. (2013) and torch write it.

    Attributes:
        momentum: μ, one a trial.
        nesterov: Of all trials.
        buffer: b, shaped as the weights; None where no trial has momentum.
    """

    def __init__(
        self,
        weights: Tensor,
        learning_rate: Sequence[float],
        weight_decay: Sequence[float],
        schedules: Sequence[Schedule] = (),
        *,
        momentum: Sequence[float] = (),
        nesterov: bool = False,
    ) -> None:
        """Start from rest.

        Args:
            weights: (B, …), or those of a single trial; `update` changes them in place.
            learning_rate: One a trial.
            weight_decay: One a trial.
            schedules: One a trial; by default the rates are constant.
            momentum: One a trial; by default 0.
            nesterov: Of all trials.
        """
        super().__init__(weights, learning_rate, weight_decay, schedules)
        self.momentum = list(momentum) or [0.0] * len(self.learning_rate)
        self.nesterov = nesterov
        self.buffer = zeros_beside(weights) if any(self.momentum) else None
        self._place()

    @classmethod
    def _options(cls, trials: Sequence[Trial]) -> dict[str, Any]:
        momentum = [one.momentum for one in trials]
        return {"momentum": momentum, "nesterov": trials[0].nesterov}

    def _place(self) -> None:
        super()._place()
        self._momentum = self._per_trial(np.array(self.momentum))
        self._buffers: list[list[Tensor]] = [[] for _ in self.momentum]
        if self.buffer is not None:
            rows = zip(self._by_trial(self.buffer), self.momentum, strict=True)
            self._buffers = [[row] if momentum else [] for row, momentum in rows]

    def _update_one(self, place: int, gradient: Tensor, rate: float) -> None:
        torch._fused_sgd_(
            [self._rows[place]], [gradient], self._buffers[place],
            lr=rate, momentum=self.momentum[place], weight_decay=self.weight_decay[place],
            nesterov=self.nesterov, dampening=0.0, maximize=False, is_first_step=False,
        )  # fmt: skip

    def _update_all(self, gradient: Tensor, rates: Tensor) -> None:
        step = gradient.addcmul_(self.weights, self._decay)
        if self.buffer is not None:
            self.buffer.mul_(self._momentum).add_(gradient)
            step = gradient.addcmul_(self.buffer, self._momentum) if self.nesterov else self.buffer
        self.weights.addcmul_(step, rates, value=-1)

    def _keep_state(self, alive: list[int]) -> None:
        self.momentum = [self.momentum[i] for i in alive]
        if self.buffer is not None:
            self.buffer = chosen(self.buffer, alive)
