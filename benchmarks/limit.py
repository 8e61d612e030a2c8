"""How fast the machine could do a training step, from rates measured beside the training.

A step has three matrix products, o = hV, ∂h = ∂o·Vᵀ and ∂V = hᵀ∂o, 2·n·K·M operations each and
6·n·K·M together. Each is timed at its own shape, done in the best of a few ways in which library
calls can do it: over all rows or in blocks of 128, 256 or 512, with the small matrix in either
layout. To their times come

- 7·3·M·K·4 bytes of the optimizer, which reads weights, gradient and two moments and writes weights
  and two moments;
- 4·n·K·4 bytes of the passes over the hidden layer, the least there can be: write the sums of the
  rows of W, read them for the backward pass, write the activations, read their gradient;
- 2·M²·K·M operations of each evaluation, at the rate measured for o = hV, spread over the steps.

Bytes are moved at the bandwidth of `torch.mul(a, b, out=c)` on arrays of n·K floats, three of them
for each product: where these fit a cache, so does what a step moves. Sums of rows, errors, targets
and the passes of evaluations count as nothing. On a GPU all is measured for a whole batch of trials
at once, and divided by their number.
"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from benchmarks.setting import Shape
from benchmarks.timing import Timing

FORWARD, HIDDEN_GRADIENT, V_GRADIENT = "o = hV", "∂h = ∂o·Vᵀ", "∂V = hᵀ∂o"
PRODUCTS = (FORWARD, HIDDEN_GRADIENT, V_GRADIENT)
_MULTIPLY = "a·b"
_BLOCKS = (128, 256, 512)

Way = tuple[str, str]
"""What is done, and how."""


@dataclass(frozen=True)
class Limit:
    """What one step of one trial takes at the least.

    Attributes:
        flops_per_second: Of each product, done the best way.
        best_way: Of each product.
        bytes_per_second: The bandwidth.
        products_s: The three products of a step.
        traffic_s: The bytes of a step.
        evaluations_s: A step's share of the evaluations.
    """

    flops_per_second: dict[str, float]
    best_way: dict[str, str]
    bytes_per_second: float
    products_s: float
    traffic_s: float
    evaluations_s: float

    @property
    def steps_per_second(self) -> float:
        """Steps of single trials."""
        return 1 / (self.products_s + self.traffic_s + self.evaluations_s)


def limit_of(shape: Shape, batch: int, evaluations: int, timings: dict[Way, Timing]) -> Limit:
    """The limit of a shape.

    Args:
        shape: The shape.
        batch: Trials that each of the timed calls was about.
        evaluations: In a trial.
        timings: Of the calls that `ways` gives.
    """
    M, K, n = shape.M, shape.K, shape.n
    best: dict[str, tuple[float, str]] = {}
    for (what, how), timing in timings.items():
        seconds = statistics.median(timing.seconds) / batch
        best[what] = min(best.get(what, (float("inf"), "")), (seconds, how))
    rates = {product: 2 * n * K * M / best[product][0] for product in PRODUCTS}
    bandwidth = 3 * 4 * n * K / best[_MULTIPLY][0]
    return Limit(
        flops_per_second=rates,
        best_way={product: best[product][1] for product in PRODUCTS},
        bytes_per_second=bandwidth,
        products_s=sum(best[product][0] for product in PRODUCTS),
        traffic_s=(7 * 3 * M * K + 4 * n * K) * 4 / bandwidth,
        evaluations_s=evaluations / shape.steps * 2 * M**2 * K * M / rates[FORWARD],
    )


def ways(shape: Shape, batch: int, device: str) -> dict[Way, Callable[[], object]]:
    """Calls whose timings `limit_of` takes: every product in every way, and the bandwidth.

    Args:
        shape: The shape.
        batch: Trials at once; several are one call of a batched product.
        device: A torch device.
    """
    M, K, n = shape.M, shape.K, shape.n
    leading = (batch,) if batch > 1 else ()

    def random(*size: int) -> Tensor:
        return torch.randn(*leading, *size, device=device)

    h, o, h_gradient, other = random(n, K), random(n, M), random(n, K), random(n, K)
    found: dict[Way, Callable[[], object]] = {
        (_MULTIPLY, "one call"): lambda: torch.mul(h, other, out=h_gradient)
    }
    for rows in (*(block for block in _BLOCKS if block < n), n):
        size = "all rows" if rows == n else f"blocks of {rows} rows"
        for layout in ("K×M", "M×K"):
            V = random(K, M) if layout == "K×M" else random(M, K).mT
            V_gradient = random(K, M) if layout == "K×M" else random(M, K)
            left, right = (h, o) if layout == "K×M" else (o, h)
            how = f"{size}, {layout}"
            found[FORWARD, how] = _by_rows(h, V, o, rows)
            found[HIDDEN_GRADIENT, how] = _by_rows(o, V.mT, h_gradient, rows)
            found[V_GRADIENT, how] = _over_rows(left, right, V_gradient, rows)
    return found


def _by_rows(left: Tensor, right: Tensor, out: Tensor, rows: int) -> Callable[[], None]:
    """Left·right into out, some rows of left and out at a time."""
    blocks = list(zip(torch.split(left, rows, dim=-2), torch.split(out, rows, dim=-2), strict=True))

    def call() -> None:
        for block, into in blocks:
            torch.matmul(block, right, out=into)

    return call


def _over_rows(left: Tensor, right: Tensor, out: Tensor, rows: int) -> Callable[[], None]:
    """Leftᵀ·right into out, summed over some rows at a time."""
    (first, second), *more = zip(
        torch.split(left, rows, dim=-2), torch.split(right, rows, dim=-2), strict=True
    )

    def call() -> None:
        torch.matmul(first.mT, second, out=out)
        for one, other in more:
            if out.dim() == 2:
                out.addmm_(one.mT, other)
            else:
                out.baddbmm_(one.mT, other)

    return call
