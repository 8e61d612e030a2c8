"""The form of Theorem 4 in its local exponent, and the profile of its sum of squares.

C d^γ M log(M/δ) is, in x = ln(M/M*), n* e^x (1 + (β − 1)x) (d/d*)^γ with β = 1 + 1/ln(M*/δ): all of
it that is not linear in log n* and γ is the one number β, so RSS is minimised over β alone.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

Array = NDArray[np.float64]
_EDGE = 1e-3
"""Part of β's range that is left out at each end, where the form is singular."""


def shape(x: Array, beta: Array | float) -> Array:
    """Give log n_c less log n* at d*: x + log(1 + (β − 1)x); NaN where 1 + (β − 1)x ≤ 0.

    Args:
        x: (groups,) ln(M/M*).
        beta: Local exponent at M*; or (values, 1) of it, for (values, groups).
    """
    factor = 1 + (beta - 1) * x
    return x + np.log(np.where(factor > 0, factor, np.nan))


def slope(x: Array, beta: float) -> Array:
    """The derivative of `shape` with respect to β: x / (1 + (β − 1)x)."""
    return x / (1 + (beta - 1) * x)


@dataclass(frozen=True)
class Profile:
    """β and its interval, with log n* and γ at their best for each β.

    Attributes:
        beta: β̂, of least RSS.
        low: Lower end of the interval; −inf if RSS stays below the cutoff up to the bound.
        high: Upper end; inf likewise.
    """

    beta: float
    low: float
    high: float


def profile(x: Array, log_n_c: Array, linear: Array, level: float) -> Profile:
    """Least squares over β, and the β with RSS(β) ≤ RSS(β̂)·(1 + F/dof).

    Args:
        x: (groups,) ln(M/M*), of both signs.
        log_n_c: (groups,) log of thresholds in pairs.
        linear: (groups, parameters − 1) the design of the parameters other than β.
        level: Of the interval; F is its quantile on (1, dof) degrees of freedom.
    """
    dof = len(x) - linear.shape[1] - 1
    first, last = _bounds(x)
    rss = _rss(x, log_n_c, linear)
    beta = best(x, log_n_c, linear)
    cutoff = rss(beta) * (1 + stats.f.ppf(level, 1, dof) / dof)

    def end(edge: float, beyond: float) -> float:
        if rss(edge) <= cutoff:
            return beyond
        return float(optimize.brentq(lambda value: rss(value) - cutoff, beta, edge))

    return Profile(beta, end(first, -np.inf), end(last, np.inf))


def best(x: Array, log_n_c: Array, linear: Array) -> float:
    """β of least squares.

    Args:
        x: (groups,) ln(M/M*), of both signs.
        log_n_c: (groups,) log of thresholds in pairs.
        linear: (groups, parameters − 1) the design of the parameters other than β.
    """
    rss = _rss(x, log_n_c, linear)
    grid = np.linspace(*_bounds(x), 101)
    least = int(np.argmin(rss(grid[:, None])))
    around = grid[max(least - 1, 0)], grid[min(least + 1, len(grid) - 1)]
    found = optimize.minimize_scalar(rss, bounds=around, method="bounded", options={"xatol": 1e-10})
    return float(found.x)


def _bounds(x: Array) -> tuple[float, float]:
    """Inside these 1 + (β − 1)x stays positive on all groups, and RSS grows towards both."""
    low, high = 1 - 1 / x.max(), 1 - 1 / x.min()
    margin = _EDGE * (high - low)
    return low + margin, high - margin


def _rss(x: Array, log_n_c: Array, linear: Array) -> Callable[[Array | float], Any]:
    """RSS of a β, or of (values, 1), the other parameters at their best for each."""
    basis = np.linalg.qr(linear)[0]

    def rss(beta: Array | float) -> Any:  # noqa: ANN401, a number or an array
        left = log_n_c - shape(x, beta)
        return np.sum((left - (left @ basis) @ basis.T) ** 2, axis=-1)

    return rss
