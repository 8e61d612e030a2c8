"""Adam with decoupled weight decay."""

import torch
from torch import Tensor

from sweeper.learn.optimizers.adam import Adam
from sweeper.learn.registry import optimizers


@optimizers.register("adamw")
class AdamW(Adam):
    """AdamW (Loshchilov & Hutter 2019) as torch.optim.AdamW does it.

    w ← (1 − rate · weight_decay) w, then Adam's step from the gradient alone. The rate is that of
    the schedule, so that the decay follows it.
    """

    _fused = staticmethod(torch._fused_adamw_)

    def _decay_weights(self, gradient: Tensor, rates: Tensor) -> None:
        self.weights.mul_(1 - rates * self._decay)
