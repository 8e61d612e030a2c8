"""Figure 5: test accuracy over order and share of pairs, and the boundary through it."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.brackets import thresholds
from analysis.dims import with_dim
from analysis.figures.boundary import boundary
from analysis.figures.phase import phase_diagram
from analysis.fitting import fit_law
from analysis.horizon import HorizonCheck, HorizonStatus, horizon_check
from analysis.laws import LOG_RIVALS, Form
from analysis.paper.numbers import Numbers
from analysis.paper.statements import SIGNIFICANT, Agreement, Statement, mean_of
from analysis.rivals import compare_laws
from analysis.words import listed
from sweeper.tasks.predictions import critical_pairs

CLOSE = 1.25
"""A constant agrees if its interval holds 1 and reaches no further than this factor."""


def draw(numbers: Numbers) -> dict[str, Figure]:
    """The phase diagram with its thresholds and lines, and the boundary with laws beside it."""
    records = numbers.records
    cells = with_dim(thresholds(records), "complex")
    fits = [fit_law(cells, form) for form in (Form.THEOREM_4, Form.POWER)]
    return {
        "phases": phase_diagram(records, cells, fits[:1]),
        "boundary": boundary(cells, fits),
    }


def judge(numbers: Numbers) -> list[Statement]:
    """Whether n_c grows as M log M, and whether the constant is that of the paper's code."""
    records = numbers.records
    found = thresholds(records)
    (check,) = horizon_check(records, dim="complex", whole=found)
    cells = with_dim(found, "complex")
    return [_growth(cells, check), _constant(cells)]


def _growth(cells: pd.DataFrame, check: HorizonCheck) -> Statement:
    says = "The share of pairs at the boundary falls as log M / M, so n_c grows as M log M."
    law = fit_law(cells, Form.POWER).law
    if law is None:
        why = "too few orders have a threshold inside their grid"
        return Statement(says, Agreement.OPEN, "no law fitted", why)
    beta, slope = law.quoted_beta, law.m_log_m_beta
    names = {f"{name} d^γ" if law.gamma else name: name for name in LOG_RIVALS}
    p_values = compare_laws(cells).set_index("law")["p_with_grid"][list(names)].rename(names)
    told = ", ".join(f"{p:.2g} for {name}" for name, p in p_values.items())
    statistic = (
        f"β = {beta.value:.2f} ± {beta.half_width:.2f} (95 %) at M* = {law.order_star:.0f}, where "
        f"M log M has {slope:.2f} and whatever has {beta.low:.2f} to {beta.high:.2f} is kept; p = "
        f"{told} in F tests; all of it allows for the grid of n"
    )
    if check.status is not HorizonStatus.STABLE:
        drift = "" if check.drift is None else f" (by {check.drift:+.2f}".replace("-", "−")
        drift += f", {check.allowed:.2f} allowed)" if drift else ""
        return Statement(says, Agreement.OPEN, statistic, f"{check.status}{drift}")
    if p_values.isna().any() or np.isnan(slope):
        return Statement(says, Agreement.OPEN, statistic, "too few orders to test all laws")
    if slope not in beta or p_values["M log M"] < SIGNIFICANT:
        side = "above" if beta.value > slope else "below"
        why = f"M log M is rejected: β lies {side} its slope"
        return Statement(says, Agreement.DISAGREES, statistic, why)
    others = p_values.drop("M log M")
    if (others >= SIGNIFICANT).any():
        kept = listed(list(others.index[others >= SIGNIFICANT]))
        why = f"{kept} cannot be rejected either: more orders, or finer grids, are needed"
        return Statement(says, Agreement.OPEN, statistic, why)
    return Statement(says, Agreement.AGREES, statistic)


def _constant(cells: pd.DataFrame) -> Statement:
    says = "The paper's code takes 2.7482·M log M for it, times d/2 where d > 1."
    found = cells.dropna(subset="n_c").astype({"n_low": float, "n_high": float, "n_c": float})
    if found.empty:
        return Statement(says, Agreement.OPEN, "no threshold", "none lies inside its grid")
    expected = [
        critical_pairs(M, d)
        for M, d in zip(found["group_order"], found["max_irrep_dim"], strict=True)
    ]
    off = np.log(found["n_c"] / expected).groupby(found["group"]).mean()
    mean = mean_of(off, logarithms=True)
    grid = float(np.exp(np.log(found["n_high"] / found["n_low"]).mean() / 2))
    low, high = mean.low / grid, mean.high * grid
    statistic = (
        f"n_c over it: {mean.value:.3f} [{low:.3f}, {high:.3f}], 95 % over {mean.count} groups and "
        f"{100 * (grid - 1):.0f} % to either side that the grid of n leaves; they agree if that "
        f"holds 1 and stays within a factor of {CLOSE}"
    )
    if not low <= 1 <= high:
        why = (
            "a threshold moves with horizon, width and weight decay, which the paper does not tell "
            "for it, and with what counts as generalized"
        )
        return Statement(says, Agreement.DISAGREES, statistic, why)
    if low < 1 / CLOSE or high > CLOSE:
        why = "the interval holds 1, but much else: more groups, or finer grids, are needed"
        return Statement(says, Agreement.OPEN, statistic, why)
    return Statement(says, Agreement.AGREES, statistic)
