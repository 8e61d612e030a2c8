"""Activations σ: functions of a tensor, and for the hand-written network their derivatives."""

from abc import ABC, abstractmethod
from collections.abc import Callable

import torch
from torch import Tensor

from sweeper.learn.registry import activations
from sweeper.spec.trial import Trial

_aten = torch.ops.aten


class HandActivation(ABC):
    """An activation whose derivative is written out, so that `TwoLayerBatch` needs no autograd.

    σ(0) has to be 0: padding is summed from nothing.

    Attributes:
        slope: Factor of the derivative that `backward_` leaves out, for a product can take it in.
    """

    slope = 1

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """σ(x), in operations that torch can differentiate."""

    @abstractmethod
    def forward(self, x: Tensor, out: Tensor) -> None:
        """Write σ(x) to `out`, which may be x; else x may become what `backward_` needs."""

    @abstractmethod
    def backward_(self, gradient: Tensor, x: Tensor) -> None:
        """Multiply the gradient by σ'(x)/slope; x is as `forward` left it."""


class Square(HandActivation):
    """x² + ax; the square of the theory for a = 0."""

    slope = 2

    def __init__(self, linear_term: float = 0.0) -> None:
        self.linear_term = linear_term

    def __call__(self, x: Tensor) -> Tensor:
        """See `HandActivation`."""
        return x.square() + self.linear_term * x if self.linear_term else x.square()

    def forward(self, x: Tensor, out: Tensor) -> None:
        """x·(x + a), which is 0 at 0 in every precision; x becomes x + a/2."""
        if not self.linear_term:
            torch.square(x, out=out)
        elif out is x:
            x.mul_(x + self.linear_term)
        else:
            torch.add(x, self.linear_term, out=out).mul_(x)
            x.add_(self.linear_term / 2)

    def backward_(self, gradient: Tensor, x: Tensor) -> None:
        """By x + a/2."""
        gradient.mul_(x)


class ReLU(HandActivation):
    """max(x, 0)."""

    def __call__(self, x: Tensor) -> Tensor:
        """See `HandActivation`."""
        return x.relu()

    def forward(self, x: Tensor, out: Tensor) -> None:
        """See `HandActivation`."""
        torch.clamp(x, min=0.0, out=out)

    def backward_(self, gradient: Tensor, x: Tensor) -> None:
        """By 1 above 0."""
        _aten.threshold_backward.grad_input(gradient, x, 0.0, grad_input=gradient)


class ReLUSquare(HandActivation):
    """max(x, 0)²."""

    slope = 2

    def __call__(self, x: Tensor) -> Tensor:
        """See `HandActivation`."""
        return x.relu().square()

    def forward(self, x: Tensor, out: Tensor) -> None:
        """See `HandActivation`; x becomes max(x, 0)."""
        torch.square(x.relu_(), out=out)

    def backward_(self, gradient: Tensor, x: Tensor) -> None:
        """By max(x, 0)."""
        gradient.mul_(x)


class SiLU(HandActivation):
    """x/(1 + e^(−x))."""

    def __call__(self, x: Tensor) -> Tensor:
        """See `HandActivation`."""
        return torch.nn.functional.silu(x)

    def forward(self, x: Tensor, out: Tensor) -> None:
        """See `HandActivation`."""
        _aten.silu.out(x, out=out)

    def backward_(self, gradient: Tensor, x: Tensor) -> None:
        """By s(1 + x(1 − s)), s = 1/(1 + e^(−x))."""
        _aten.silu_backward.grad_input(gradient, x, grad_input=gradient)


class GELU(HandActivation):
    """xΦ(x), Φ the distribution function of the normal distribution."""

    def __call__(self, x: Tensor) -> Tensor:
        """See `HandActivation`."""
        return torch.nn.functional.gelu(x)

    def forward(self, x: Tensor, out: Tensor) -> None:
        """See `HandActivation`."""
        _aten.gelu.out(x, out=out)

    def backward_(self, gradient: Tensor, x: Tensor) -> None:
        """By Φ(x) + xφ(x)."""
        _aten.gelu_backward.grad_input(gradient, x, grad_input=gradient)


activations.register("square")(Square())
activations.register("relu")(ReLU())
activations.register("relu_square")(ReLUSquare())
activations.register("silu")(SiLU())
activations.register("gelu")(GELU())


def activation_of(trial: Trial) -> Callable[[Tensor], Tensor]:
    """σ, as a trial names it."""
    found = activations[trial.activation]
    own = trial.activation == "square" and trial.linear_term
    return Square(trial.linear_term) if own else found
