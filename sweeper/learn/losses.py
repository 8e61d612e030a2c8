"""Losses: what a sample costs, and for the hand-written network its derivative.

Shapes: outputs o (B, n, M) of B trials, labels y (B, n). The loss of a trial is the mean of its
samples' values.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from sweeper.learn.registry import losses


class Loss(ABC):
    """A value for every sample.

    Attributes:
        centred: Whether outputs come as o − ō, ō their mean over the M classes.
    """

    centred = False

    @abstractmethod
    def values(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """The loss of every sample, differentiable, in operations that torch can differentiate.

        Args:
            outputs: (B, n, M); not to be changed.
            labels: (B, n) int64.

        Returns:
            (B, n).
        """

    def values_(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """The same, where the outputs are not needed any more and their memory may be used."""
        return self.values(outputs, labels)


class HandLoss(Loss):
    """A loss whose derivative is written out, so that `TwoLayerBatch` needs no autograd."""

    @abstractmethod
    def residual_(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """∂values/∂o, (…, n, M), in the memory of the outputs; labels are (…, n).

        Where outputs come centred it is the derivative by those before: its mean over them is 0.
        """


@losses.register("mse")
class MSE(HandLoss):
    """‖o − ō − (e_y − 1/M)‖², summed over the outputs (arXiv 2509.21519, eq. 1)."""

    centred = True

    def values(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """See `Loss`; the outputs are centred already."""
        M = outputs.shape[-1]
        return _less_one(outputs, labels).add(1.0 / M).square().sum(-1)

    def values_(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """See `Loss`."""
        return _less_one_(outputs, labels).add_(1.0 / outputs.shape[-1]).square_().sum(-1)

    def residual_(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """2 (o − ō − (e_y − 1/M)); its mean over the outputs is 0, as that of its factors."""
        M = outputs.shape[-1]
        return _less_one_(outputs, labels).add_(1.0 / M).mul_(2.0)


@losses.register("cross_entropy")
class CrossEntropy(HandLoss):
    """−log softmax(o)_y, in nats."""

    def values(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """See `Loss`."""
        return -_at(torch.log_softmax(outputs, -1), labels)

    def residual_(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """softmax(o) − e_y."""
        return _less_one_(torch.softmax(outputs, -1, out=outputs), labels)


@losses.register("stablemax")
class StableMax(HandLoss):
    """−log(s(o_y) / Σ_j s(o_j)), s(x) = x + 1 from 0 on and 1/(1 − x) below.

    Prieto et al., arXiv 2501.04697: cross-entropy whose gradient does not underflow once the
    training pairs are fitted.
    """

    def values(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """See `Loss`."""
        s = _stable(outputs)
        return s.sum(-1).log() - _at(s, labels).log()

    def residual_(self, outputs: Tensor, labels: Tensor) -> Tensor:
        """s'(o_j)/Σs − [j = y] s'(o_y)/s(o_y), where s' is 1 from 0 on and s² below: min(s, 1)²."""
        s = _stable(outputs)
        slope = torch.clamp(s, max=1.0, out=outputs).square_()
        own = _at(slope, labels) / _at(s, labels)
        slope.div_(s.sum(-1, keepdim=True))
        return slope.scatter_add_(-1, labels[..., None], -own[..., None])


def _stable(x: Tensor) -> Tensor:
    """s(x): one of the two terms is constant on either side of 0."""
    return x.clamp(min=0.0) + 1.0 / (1.0 - x.clamp(max=0.0))


def _at(values: Tensor, labels: Tensor) -> Tensor:
    """Of each sample the value at its label, (…, n)."""
    return values.gather(-1, labels[..., None]).squeeze(-1)


def _less_one(outputs: Tensor, labels: Tensor) -> Tensor:
    labels = labels[..., None]
    return outputs.scatter_add(-1, labels, outputs.new_full((), -1.0).expand_as(labels))


def _less_one_(outputs: Tensor, labels: Tensor) -> Tensor:
    labels = labels[..., None]
    return outputs.scatter_add_(-1, labels, outputs.new_full((), -1.0).expand_as(labels))
