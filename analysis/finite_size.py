"""Finite-size scaling: do the accuracies of all orders fall on one curve, and how does it sharpen?

    accuracy = f((n/n_c(M) − 1)·(M/M*)^(1/ν))

n_c(M) is where an order's accuracy is half-way up, M* the geometric mean order. f is not assumed:
the data of the other orders stand in for it, and 1/ν minimizes the quality S of the collapse, the
mean square of the deviations from that curve in units of their errors (J. Houdayer and
A. K. Hartmann, Phys. Rev. B 70, 014418 (2004); O. Melchert, arXiv 0910.5403; the package pyfssa).

n_c(M) = n*·(M/M*)^β is not fitted along with it, as those do for a critical point that all sizes
share: with f free, n_c·(1 + c·M^(−1/ν)) collapses as well for every c, so that β would be anything.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import minimize_scalar

from analysis.framed import Framed
from analysis.laws import LEVEL, Estimate
from analysis.loading import setting_labels
from analysis.rises import Rises, rises
from analysis.words import span

Array = NDArray[np.float64]
FEWEST_ORDERS = 4
"""So that three are left, which can disagree, when the smallest or the largest is left out."""
SEARCHED = (-2.0, 4.0)
"""Where 1/ν is looked for."""
_ENDS = ("without the smallest order", "without the largest order")
LOW, HIGH = 0.3, 3.0
"""S outside of these is no collapse to quote. Of 50 synthetic ones of 6 orders and 4 seeds, which
do fall on one curve, 95 % had S from 0.65 to 2.05, the higher ones where sizes were as far apart as
the rise is wide: there the straight lines between points cut its bends, and 1/ν was 0.04 low."""


class CollapseStatus(StrEnum):
    """What came of a collapse. The text names the cause and the remedy."""

    OK = "the accuracies of all orders fall on one curve"
    TOO_FEW_ORDERS = (
        "fewer than four orders have two sizes or more on the rise of the accuracy: space n_train"
        " more finely about the thresholds (design: refine), or add orders"
    )
    TOO_FEW_SEEDS = (
        "the errors of the accuracies are their scatter over seeds, and no order has two seeds:"
        " add seeds"
    )
    NOT_FOUND = (
        "S has no least value for 1/ν between −2 and 4, or orders do not overlap: add orders at"
        " both ends, and sizes on the rise"
    )
    POOR = (
        "the accuracies differ from one curve by much more than their errors, so they do not scale"
        " like this: leave out small orders, or raise max_steps where runs had not settled"
    )
    OVERFITTED = (
        "the accuracies lie much closer to one curve than their errors allow, so that the errors"
        " are too large or the data too few for what is fitted: add seeds, orders and sizes"
    )
    WANDERS = (
        "1/ν changes by more than its error when the smallest or the largest order is left out, so"
        " it is not yet that of large M: add larger orders, leave out small ones"
    )


@dataclass(frozen=True, eq=False, repr=False)
class Collapse(Framed):
    """What came of collapsing the accuracies of one setting.

    Attributes:
        setting: In words.
        status: OK, or why 1/ν may not be quoted.
        horizon_steps: Smallest and largest horizon, in steps; a longer one moves the thresholds.
        order_star: M*, geometric mean of the orders collapsed.
        inverse_nu: 1/ν, by which the rise sharpens, in n/n_c, with M; 0 where its width is a
            constant part of n_c. None without a fit, as the following; `quotable` says whether to
            quote it.
        quality: S, of `terms` terms, with the degrees of freedom that n_c and 1/ν take allowed for:
            the χ²/dof of the collapse. A good one is about 1.
        terms: Points that the curves of other orders enclose.
        drifts: For "without the smallest order" and "without the largest": how far 1/ν moves.
        points: One row a point: group, group_order, n_train, accuracy (mean of the best, from 0
            at chance to 1 at the target), error, runs, n_c and, with a fit, x, the scaled size.
        dropped: Groups left out, each with its reason.
    """

    setting: str
    status: CollapseStatus
    horizon_steps: tuple[int, int]
    order_star: float
    points: pd.DataFrame
    dropped: tuple[str, ...]
    inverse_nu: Estimate | None = None
    quality: float | None = None
    terms: int = 0
    drifts: dict[str, float] | None = None

    @property
    def quotable(self) -> bool:
        """Whether 1/ν may be quoted."""
        return self.status is CollapseStatus.OK

    @property
    def title(self) -> str:
        """What `collapse_words` says."""
        return collapse_words(self)

    def to_frame(self) -> pd.DataFrame:
        """One row, with NaN where there is no fit; `points` are a table already.

        Returns:
            setting, parameter (inverse_nu), estimate, low, high (95 %), quality (S), terms,
            n_orders, order_min, order_max, order_star (M*), status: quote it where that is `ok`.
        """
        nu = self.inverse_nu or Estimate(np.nan, np.nan, np.nan)
        orders = self.points["group_order"]
        row = {
            "setting": self.setting,
            "parameter": "inverse_nu",
            "estimate": nu.value,
            "low": nu.low,
            "high": nu.high,
            "quality": np.nan if self.quality is None else self.quality,
            "terms": self.terms,
            "n_orders": orders.nunique(),
            "order_min": orders.min(),
            "order_max": orders.max(),
            "order_star": self.order_star,
            "status": self.status.name.lower(),
        }
        return pd.DataFrame([row]).astype({"order_min": "Int64", "order_max": "Int64"})


def collapse(records: pd.DataFrame) -> Collapse:
    """Collapse the best test accuracies of one setting onto one curve.

    1/ν's interval is a jackknife's: each seed of each order is left out in turn and all found anew,
    n_c included; the variance is Σ_M (k−1)/k Σ_s (θ_s − θ̄_M)² over the k seeds of each order, times
    S where S > 1, with t quantiles on Σ_M (k−1) degrees of freedom. Runs of one seed share their
    split and weights, so seeds are the units, never runs. By the same jackknife 1/ν wanders if it
    moves by more than chance allows (5 % for both tests together) without the smallest or the
    largest order.

    Args:
        records: As `load` gives them.

    Returns:
        Always a Collapse; its status says whether 1/ν may be quoted.

    Raises:
        ValueError: The records are of several settings.
    """
    named = setting_labels(records).unique()
    if len(named) > 1:
        raise ValueError(f"records of {len(named)} settings; collapse one at a time")
    found = rises(records)
    steps = records["max_steps"]
    result = Collapse(
        setting=str(named[0]) if len(named) else "no setting",
        status=CollapseStatus.TOO_FEW_ORDERS,
        horizon_steps=(int(steps.min()), int(steps.max())) if len(steps) else (0, 0),
        order_star=found.order_star,
        points=found.table(),
        dropped=found.dropped,
    )
    if len(found.rises) < FEWEST_ORDERS:
        return result
    if not found.units:
        return replace(result, status=CollapseStatus.TOO_FEW_SEEDS)
    fit = _fit(found)
    if fit is None:
        return replace(result, status=CollapseStatus.NOT_FOUND)
    return _with_errors(result, found, fit)


def collapse_words(found: Collapse) -> str:
    """What a collapse says, with the network, the optimizer and the horizon it is of.

    Args:
        found: As `collapse` gives it.
    """
    sentences = []
    nu = found.inverse_nu
    orders = found.points["group_order"]
    if nu is None or found.quality is None:
        sentences.append(f"{found.setting}: no collapse, because {found.status}.")
    else:
        fit = f"{orders.nunique()} orders, M = {orders.min()} to {orders.max()}, S = "
        fit += f"{found.quality:.2f} over {found.terms} points"
        if found.quotable:
            how = f"sharpens in n/n_c as M to the power 1/ν = {span(nu)}"
            sentences.append(f"{found.setting}: the rise of the accuracy {how} ({fit}).")
            if 0 in nu:
                sentences.append("A width that is a constant part of n_c (1/ν = 0) is possible.")
        else:
            sentences.append(f"{found.setting}: 1/ν is not quoted ({fit}), because {found.status}.")
    for name, moved in (found.drifts or {}).items():
        sentences.append(f"{name.capitalize()} 1/ν moves by {moved:+.2f}.".replace("-", "−"))
    if found.dropped:
        sentences.append(f"Left out: {'; '.join(found.dropped)}.")
    return " ".join(sentences)


def quality(x: Array, y: Array, dy: Array, order: NDArray[np.int64]) -> tuple[float, int]:
    """S of Houdayer and Hartmann, and how many terms it is a mean over.

    S = mean of (y − Y)²/(dy² + dY²), where Y ± dY at each point is the straight line through the
    two points of each other order that enclose it, by weighted least squares.

    Args:
        x: (points,) scaled sizes, ascending within each order.
        y: (points,) accuracies.
        dy: (points,) their errors, all positive.
        order: (points,) which order each belongs to; those of one order lie together.

    Returns:
        About 1 where the points differ from one curve by their errors; infinite where fewer than
        half of them are enclosed, for then there is nothing to compare.
    """
    w = dy**-2
    total = np.zeros((5, len(x)))
    for one in np.unique(order):
        (mine,) = np.nonzero(order == one)
        below = np.searchsorted(x[mine], x, side="right") - 1
        enclosed = (below >= 0) & (below < len(mine) - 1) & (order != one)
        for j in (mine[below[enclosed]], mine[below[enclosed] + 1]):
            u = x[j] - x[enclosed]
            terms = np.stack([w[j], w[j] * u, w[j] * u**2, w[j] * y[j], w[j] * u * y[j]])
            total[:, enclosed] += terms
    K, Kx, Kxx, Ky, Kxy = total
    determinant = K * Kxx - Kx**2
    told = determinant > 0
    if told.sum() < len(x) / 2:
        return float("inf"), int(told.sum())
    Y = (Kxx * Ky - Kx * Kxy)[told] / determinant[told]
    variance = Kxx[told] / determinant[told]
    return float(np.mean((y[told] - Y) ** 2 / (dy[told] ** 2 + variance))), int(told.sum())


def _objective(inverse_nu: float, found: Rises) -> float:
    return quality(found.scaled(inverse_nu), found.y, found.dy, found.group)[0]


def _fit(found: Rises, about: float | None = None) -> float | None:
    """1/ν; None where S is least at an end of what is searched.

    Args:
        found: What to collapse.
        about: Where to look, one to either side; by default everywhere.
    """
    # S has kinks where points come to lie between others: a grid first, then about its best
    ends = SEARCHED if about is None else (about - 1, about + 1)
    grid = np.linspace(*ends, 1 + round(4 * (ends[1] - ends[0])))
    best = int(np.argmin([_objective(one, found) for one in grid]))
    if best in (0, len(grid) - 1):
        return None
    near = (grid[best - 1], grid[best + 1])
    return float(minimize_scalar(_objective, bounds=near, args=(found,), options={"xatol": 1e-3}).x)


def _with_errors(result: Collapse, found: Rises, fit: float) -> Collapse:
    parts = [found, found.without_group(0), found.without_group(len(found.rises) - 1)]
    fits = [fit, _fit(parts[1]), _fit(parts[2])]
    variance = _jackknife(parts, fits, found.units)
    if variance is None:
        return replace(result, status=CollapseStatus.NOT_FOUND)
    S, terms = quality(found.scaled(fit), found.y, found.dy, found.group)
    S *= terms / (terms - len(found.rises) - 1)
    dof = sum(len(seeds) - 1 for seeds in found.units)
    error, *errors = np.sqrt(variance * max(1.0, S))
    half = error * stats.t.ppf((1 + LEVEL) / 2, dof)
    moved = [one - fit for one in fits[1:] if one is not None]
    allowed = stats.t.ppf(1 - (1 - LEVEL) / 4, dof)  # two sides of two tests
    wanders = any(abs(m) > allowed * e for m, e in zip(moved, errors, strict=True))
    return replace(
        result,
        status=_status(S, wanders),
        inverse_nu=Estimate(fit, float(fit - half), float(fit + half)),
        quality=S,
        terms=terms,
        drifts=dict(zip(_ENDS, moved, strict=True)),
        points=result.points.assign(x=found.scaled(fit)),
    )


def _jackknife(
    parts: list[Rises], fits: list[float | None], units: list[list[tuple[int, int]]]
) -> Array | None:
    """(3,) variances of 1/ν, and of how far it is from that without either end.

    None if any of the fits has no end.
    """
    variance = np.zeros(3)
    for seeds in units:
        moved = []
        for place, seed in seeds:
            # the first group is not in parts[1], the last not in parts[2]
            places = [place, place - 1, place if place < len(parts[2].rises) else -1]
            left = [
                _fit(part.without_seed(at, seed), fit) if at >= 0 else fit
                for part, fit, at in zip(parts, fits, places, strict=True)
            ]
            if any(one is None for one in left):
                return None
            whole, *ends = np.array(left, dtype=np.float64)
            moved.append([whole, *(ends - whole)])
        variance += (len(seeds) - 1) * np.var(moved, axis=0)
    return variance


def _status(S: float, wanders: bool) -> CollapseStatus:
    if S > HIGH:
        return CollapseStatus.POOR
    if S < LOW:
        return CollapseStatus.OVERFITTED
    return CollapseStatus.WANDERS if wanders else CollapseStatus.OK
