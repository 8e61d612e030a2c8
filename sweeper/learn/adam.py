"""Full-batch Adam with coupled L2 weight decay, each trial with its own rates."""

import torch
from torch import Tensor

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class Adam:
    """Adam (Kingma & Ba 2015) as torch.optim.Adam does it, over a batch of trials.

    Attributes:
        step: Updates made so far, a scalar float32 tensor, as torch keeps it.
        mean: First moment, shaped as the weights.
        square: Second moment, shaped as the weights.
    """

    def __init__(
        self, weights: Tensor, learning_rate: list[float], weight_decay: list[float]
    ) -> None:
        """Start from zero moments.

        Args:
            weights: (B, …), updated in place by `update`.
            learning_rate: One a trial.
            weight_decay: One a trial; added to the gradient as weight_decay · weights.
        """
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.step = torch.zeros((), device=weights.device)
        self.mean, self.square = torch.zeros_like(weights), torch.zeros_like(weights)
        self._place_rates(weights)

    def _place_rates(self, weights: Tensor) -> None:
        self._rate = _per_trial(self.learning_rate, weights)
        self._decay = _per_trial(self.weight_decay, weights)
        self._updates = int(self.step)

    def update(self, weights: Tensor, gradient: Tensor) -> None:
        """One step, in place; the gradient is overwritten where that is faster."""
        self._updates += 1
        if len(self.learning_rate) == 1:  # torch's single pass over memory takes one rate only
            self.step += 1
            torch._fused_adam_(
                [weights], [gradient], [self.mean], [self.square], [], [self.step],
                lr=self.learning_rate[0], beta1=BETA1, beta2=BETA2,
                weight_decay=self.weight_decay[0], eps=EPSILON, amsgrad=False, maximize=False,
            )  # fmt: skip
            return
        gradient.addcmul_(weights, self._decay)
        self.mean.lerp_(gradient, 1 - BETA1)
        self.square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        correction = (1 - BETA2**self._updates) ** 0.5
        direction = self.mean / self.square.sqrt().div_(correction).add_(EPSILON)
        weights.addcmul_(direction, self._rate, value=-1 / (1 - BETA1**self._updates))

    def keep(self, alive: list[int]) -> None:
        """Forget all trials but those at the given places."""
        self.learning_rate = [self.learning_rate[i] for i in alive]
        self.weight_decay = [self.weight_decay[i] for i in alive]
        self.mean, self.square = self.mean[alive], self.square[alive]
        self.step.fill_(self._updates)
        self._place_rates(self.mean)


def _per_trial(rates: list[float], weights: Tensor) -> Tensor:
    """One rate a trial, shaped to be multiplied with the weights."""
    placed = torch.tensor(rates, device=weights.device, dtype=weights.dtype)
    return placed.view(-1, *[1] * (weights.dim() - 1))
