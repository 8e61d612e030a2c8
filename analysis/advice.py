"""What the thresholds decide, in one line, and what to add where they decide nothing yet."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from scipy import stats

from analysis.brackets import BracketStatus
from analysis.horizon import HorizonCheck, HorizonStatus
from analysis.laws import LEVEL, LOG_RIVALS, Array, FitStatus, Law, LawFit
from analysis.words import listed, rival_exponents, span
from sweeper.tasks.catalogue import of_dim

SEARCH_RUNS = 3
"""Trials that `design: boundary` takes a cell, about; a grid takes as many as it has sizes."""
_MOST_ORDERS = 10
_LARGEST = 8.0
"""Times the largest order so far: what lies further is no advice."""
_SMALLEST = 7
_STEP = 2**0.5
"""Between one order that is proposed and the next."""
_DIMS = (1, 2, 3, 4)
"""Irrep dimensions of which three others than those there are proposed at most."""


class Decision(StrEnum):
    """What may be said of the laws that are compared."""

    DECIDED = "decided"
    """The thresholds are consistent with one of them alone, or with none."""
    UNDECIDED = "undecided"
    """With several, or all that can be seen is that something is in the way."""
    NO_LAW = "no law yet"
    """Too few groups have a threshold."""


@dataclass(frozen=True)
class Advice:
    """What one setting decides.

    Attributes:
        decision: In one word.
        headline: In one sentence. It claims consistency at most; the setting has to stand with it.
        to_add: What would decide more, a sentence each, with orders and numbers of runs.
    """

    decision: Decision
    headline: str
    to_add: tuple[str, ...]


def advise(fit: LawFit, check: HorizonCheck, cells: pd.DataFrame) -> Advice:
    """What the power law of one setting decides, and what to add.

    Args:
        fit: The power law, as `fit_law` gives it.
        check: The horizon check of its setting.
        cells: Its thresholds.
    """
    lost, law = _lost_groups(cells), fit.law
    if law is None:
        return Advice(Decision.NO_LAW, _no_law(fit), (*_more_groups(fit, cells), *lost))
    where = f"Over M = {fit.groups['group_order'].min()} to {fit.groups['group_order'].max()}"
    if check.status is not HorizonStatus.STABLE:
        return Advice(Decision.UNDECIDED, _HORIZON[check.status], (_longer(cells), *lost))
    if fit.status is not FitStatus.OK:
        headline = f"{where} the exponent has no bounds, so no law is ruled out."
        return Advice(Decision.UNDECIDED, headline, (*_more_groups(fit, cells), *lost))
    exponents = rival_exponents(law)
    kept = [name for name, exponent in exponents.items() if exponent in law.quoted_beta]
    dims = _dims_to_add(law, cells)
    if len(kept) > 1:
        headline = f"{where} {listed(kept)} cannot be told apart."
        orders = _orders_to_add(fit, law, kept, cells)
        return Advice(Decision.UNDECIDED, headline, (orders, *lost, *dims))
    bend = ""
    own = _own_bend(fit, kept)
    if law.curvature and 0 not in law.curvature and own not in law.curvature:
        bend = " They bend over these orders in another way, so this need not carry on."
    which = f"{kept[0]} alone" if kept else "none"
    headline = f"{where} the thresholds are consistent with {which} of the laws compared.{bend}"
    return Advice(Decision.DECIDED, headline, dims)


_HORIZON = {
    HorizonStatus.DRIFTS: "No verdict: the exponent still moves with the horizon.",
    HorizonStatus.CANNOT_TELL: "No verdict: whether the exponent moves with the horizon"
    " cannot be seen.",
    HorizonStatus.NO_LAW: "No verdict: there is no law at the whole horizon.",
}


_OUTSIDE = (
    (BracketStatus.ALL_GENERALIZED, "n_high", "n_train below {}"),
    (BracketStatus.NONE_GENERALIZED, "n_low", "n_train above {}, or a longer horizon"),
    (BracketStatus.UNRESOLVED, "n_low", "a longer horizon, for runs still rose at n = {}"),
)
"""Where a threshold may lie that is not bracketed: the end of the bracket that is known."""


def _no_law(fit: LawFit) -> str:
    have = len(fit.groups)
    if fit.status is FitStatus.NO_SPREAD:
        return f"No law yet: the {have} groups do not vary enough in order to fit one."
    return f"No law yet: {_count(have, 'group')} with a threshold, and a fit needs {_needed(fit)}."


def _needed(fit: LawFit) -> int:
    """One group more than the power law has parameters."""
    dims = fit.groups["irrep_dim"]
    return 4 if len(dims) and dims.min() < dims.max() else 3


def _more_groups(fit: LawFit, cells: pd.DataFrame) -> list[str]:
    missing = max(1, _needed(fit) - len(fit.groups))
    if len(cells["group"].unique()) - len(fit.groups) >= missing:
        return []  # they are there: what they lack is said of each
    orders = cells["group_order"].unique()
    wanted = [order for order, _ in zip(_proposed(orders), range(missing + 2), strict=False)]
    return [
        f"Add {_count(missing, 'group')} at least, and some two more for an interval worth"
        f" having, such as M = {listed([str(order) for order in sorted(wanted)])}"
        f" ({_runs(len(wanted), cells)})."
    ]


def _longer(cells: pd.DataFrame) -> str:
    steps = int(cells["horizon_steps"].max())
    runs = int(cells["n_runs"].sum())
    return (
        f"Raise max_steps from {steps:,} to {2 * steps:,}. Another horizon is another trial:"
        f" {_either(runs, SEARCH_RUNS * len(cells), 'for all of this setting')}."
    )


def _lost_groups(cells: pd.DataFrame) -> tuple[str, ...]:
    """What would give a threshold to the groups that have none for some seeds."""
    texts = []
    for (order, group), own in cells[cells["n_c"].isna()].groupby(["group_order", "group"]):
        wanted = []
        for status, end, text in _OUTSIDE:
            part = own.loc[own["status"] == status, end].astype(float)
            if len(part):
                edge = part.max() if end == "n_low" else part.min()
                wanted.append(f"{text.format(f'{edge:,.0f}')} ({_count(len(part), 'seed')})")
        if wanted:
            texts.append(f"For {group} (M = {order}) add {listed(wanted)}.")
    more = len(texts) - _MOST_ORDERS
    return (*texts[:_MOST_ORDERS], f"And so for {more} more groups.") if more > 0 else tuple(texts)


def _orders_to_add(fit: LawFit, law: Law, kept: list[str], cells: pd.DataFrame) -> str:
    """The fewest orders at both ends after which β's interval should keep one law alone."""
    orders = fit.groups["group_order"].to_numpy(float)
    half_width = float(fit.groups["half_width"].mean())
    for finer in (1, 2, 4):
        added: list[int] = []
        for order in _proposed(fit.groups["group_order"].to_numpy()):
            added.append(order)
            wide = expected_half_width(np.append(orders, added), law, half_width / finer)
            apart = _apart(law, kept, np.append(orders, added))
            if wide <= apart / 2:
                return _proposal(sorted(added), finer, wide, apart, cells)
    return (
        f"At this scatter ({law.residual_sd:.1%} of n_c) no {_MOST_ORDERS} orders up to"
        f" M = {_LARGEST * orders.max():,.0f} would tell them apart, also with brackets a quarter"
        " as wide: find out first what the thresholds scatter by."
    )


def expected_half_width(orders: Array, law: Law, half_width: float) -> float:
    """Half the width that β's interval would have, as verdicts quote it.

    Args:
        orders: (groups,) M, one a group.
        law: Its residual_sd is taken to stay what it is.
        half_width: Of the brackets, in log n_c.
    """
    x = np.log(orders) - np.log(orders).mean()
    spread = float(x @ x)
    parameters = len(law.covariance)
    t = stats.t.ppf((1 + LEVEL) / 2, len(orders) - parameters)
    return float(t * law.residual_sd / np.sqrt(spread) + half_width * np.abs(x).sum() / spread)


def _dims_to_add(law: Law, cells: pd.DataFrame) -> tuple[str, ...]:
    """Groups by which the exponent γ of d_k could be fitted, or told better."""
    if (cells["task"] != cells["group"]).any():
        return ()  # an expression modulo M has no irreps
    known = sorted(set(cells["max_irrep_dim"]))
    gamma = law.quoted_gamma
    if gamma is None:
        why = f"No spread in d: all groups have d_k = {known[0]}, so that its exponent γ, 2 in"
        why += " Theorem 4, cannot be fitted."
    else:
        kept = [str(power) for power in (0, 1, 2) if power in gamma]
        why = f"The exponent of d, γ = {span(gamma)}, may be {' or '.join(kept)}."
        if len(kept) < 2:
            return ()
    wanted = [dim for dim in _DIMS if dim not in known][-3:] or [max(known) + 1]
    order = law.order_star
    found = [(f"Z{round(order)}", 1) if d == 1 else (of_dim(d, order)[0], d) for d in wanted]
    names = listed([f"{name} (d_k = {dim})" for name, dim in found])
    return (f"{why} Add groups of other d_k, such as {names} ({_runs(len(found), cells)}).",)


def _apart(law: Law, kept: list[str], orders: Array) -> float:
    """The least distance of two kept exponents; that of M log M depends on the orders."""
    log_m = np.log(orders)
    m_log_m = float(np.polyfit(log_m, LOG_RIVALS["M log M"](log_m), 1)[0])
    exponents = rival_exponents(law)
    found = sorted(
        m_log_m if exponents[name] == law.m_log_m_beta else exponents[name] for name in kept
    )
    return float(np.diff(found).min())


def _own_bend(fit: LawFit, kept: list[str]) -> float:
    """The coefficient of x² that the law which is left has: M log M bends down in ln(M/M*)."""
    log_m = np.log(fit.groups["group_order"].to_numpy(float))
    if not kept or "log" not in kept[0] or len(np.unique(log_m)) < 3:
        return 0.0
    return float(np.polyfit(log_m, LOG_RIVALS["M log M"](log_m), 2)[0])


def _proposal(added: list[int], finer: int, wide: float, apart: float, cells: pd.DataFrame) -> str:
    text = (
        f"To tell them apart, add orders, such as"
        f" M = {listed([str(order) for order in added])} ({_runs(len(added), cells)})"
    )
    if finer > 1:
        steps = finer.bit_length() - 1
        refined = steps * int(cells["n_c"].notna().sum())
        text += (
            f", and narrow all brackets to {'half' if finer == 2 else 'a quarter'} of their width"
            f" (about {refined:,} runs more with design: refine)"
        )
    return (
        f"{text}. If the thresholds scatter as they do now, β should then be known to ±{wide:.2f},"
        f" where the laws are {apart:.2f} apart."
    )


def _runs(n_groups: int, cells: pd.DataFrame) -> str:
    """How many runs so many groups take, on a grid like this one and by bisection."""
    seeds = int(cells.groupby("group").size().median())
    sizes = int(cells["n_runs"].median())
    grid, search = n_groups * seeds * sizes, n_groups * seeds * SEARCH_RUNS
    return _either(grid, search, f"of {_count(seeds, 'seed')} each on a grid like this one")


def _either(grid: int, search: int, what: str) -> str:
    """So many runs, and the fewer that a search takes, where they are much fewer."""
    if grid < 2 * search:
        return f"about {grid:,} runs"
    return f"{grid:,} runs {what}, or about {search:,} with design: boundary"


def _proposed(orders: Array) -> Iterator[int]:
    """New orders, in turn beyond the largest and below the smallest; primes after primes."""
    known = {int(order) for order in orders}
    low, high = float(min(known)), float(max(known))
    largest = _LARGEST * high
    for _ in range(_MOST_ORDERS):
        for up in (True, False):
            high, low = (high * _STEP, low) if up else (high, low / _STEP)
            order = _alike(round(high if up else low), known)
            if order not in known and _SMALLEST <= order <= largest:
                known.add(order)
                yield order
            if len(known) - len(set(orders.tolist())) >= _MOST_ORDERS:
                return


def _alike(order: int, known: set[int]) -> int:
    """The next number of the kind that the known ones are of: primes, odd, or any."""
    if all(_is_prime(one) for one in known):
        return next(one for one in range(max(order, 2), 2 * order + 3) if _is_prime(one))
    return order | 1 if all(one % 2 for one in known) else order


def _is_prime(number: int) -> bool:
    return number > 1 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}{'s' * (number != 1)}"
