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
            weights: (B, …), or those of a single trial; `update` changes them in place.
            learning_rate: One a trial.
            weight_decay: One a trial; added to the gradient as weight_decay · weights.
        """
        self.weights = weights
        self.learning_rate, self.weight_decay = learning_rate, weight_decay
        self.mean, self.square = torch.zeros_like(weights), torch.zeros_like(weights)
        self.step = torch.zeros((), device=weights.device)
        self._place()

    def _place(self) -> None:
        self._rate = _per_trial(self.learning_rate, self.weights)
        self._decay = _per_trial(self.weight_decay, self.weights)
        self._updates = int(self.step)
        # torch's single pass over memory takes one rate only
        self._alone = len(self.learning_rate) == 1
        self._lists: tuple[list[Tensor], ...] = [self.mean], [self.square], [], [self.step]

    def update(self, gradient: Tensor) -> None:
        """One step, in place; the gradient is overwritten where that is faster."""
        if self._alone:
            self.step.add_(1)
            torch._fused_adam_(
                [self.weights], [gradient], *self._lists,
                lr=self.learning_rate[0], beta1=BETA1, beta2=BETA2,
                weight_decay=self.weight_decay[0], eps=EPSILON, amsgrad=False, maximize=False,
            )  # fmt: skip
            return
        weights = self.weights
        self._updates += 1
        gradient.addcmul_(weights, self._decay)
        self.mean.lerp_(gradient, 1 - BETA1)
        self.square.mul_(BETA2).addcmul_(gradient, gradient, value=1 - BETA2)
        correction = (1 - BETA2**self._updates) ** 0.5
        direction = self.mean / self.square.sqrt().div_(correction).add_(EPSILON)
        weights.addcmul_(direction, self._rate, value=-1 / (1 - BETA1**self._updates))

    def keep(self, alive: list[int], weights: Tensor) -> None:
        """Forget all trials but some.

        Args:
            alive: Their places.
            weights: Theirs, as `chosen` picks them.
        """
        self.learning_rate = [self.learning_rate[i] for i in alive]
        self.weight_decay = [self.weight_decay[i] for i in alive]
        self.mean, self.square = chosen(self.mean, alive), chosen(self.square, alive)
        self.weights = weights
        self.step.fill_(self._updates)
        self._place()


def chosen(batch: Tensor, places: list[int]) -> Tensor:
    """Some trials of a batch (B, …); a single one loses its dimension."""
    return batch[places[0]].clone() if len(places) == 1 else batch[places]


def _per_trial(rates: list[float], weights: Tensor) -> Tensor:
    """One rate a trial, shaped to be multiplied with the weights."""
    placed = torch.tensor(rates, device=weights.device, dtype=weights.dtype)
    return placed.view(-1, *[1] * (weights.dim() - 1)) if len(rates) > 1 else placed
