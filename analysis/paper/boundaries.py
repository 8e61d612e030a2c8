"""Figure 5: test accuracy over order and share of pairs, and the boundary through it."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.brackets import thresholds
from analysis.dims import with_dim
from analysis.figures.boundary import boundary
from analysis.figures.phase import phase_diagram
from analysis.fitting import fit_law
from analysis.laws import Form
from analysis.paper.numbers import Numbers
from analysis.paper.statements import Agreement, Statement, mean_of
from analysis.rivals import compare_laws
from sweeper.tasks.predictions import critical_pairs

SIGNIFICANT = 0.05


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
    cells = with_dim(thresholds(records), "complex")
    return [_growth(cells), _constant(cells)]


def _growth(cells: pd.DataFrame) -> Statement:
    p_values = compare_laws(cells).set_index("law")["p_with_grid"]
    law = fit_law(cells, Form.POWER).law
    says = "The share of pairs at the boundary falls as log M / M, so n_c grows as M log M."
    if law is None:
        why = "too few orders have a threshold inside their grid"
        return Statement(says, Agreement.OPEN, f"{len(p_values)} laws compared", why)
    beta = law.quoted_beta
    kept, constant = p_values[["M log M", "M²"]]
    slope = float(1 + 1 / np.log(law.order_star))
    statistic = (
        f"local exponent β = {beta.value:.2f} ± {beta.half_width:.2f} (95 %) at M* = "
        f"{law.order_star:.0f}, where M log M has {slope:.2f}; M log M: p = {kept:.2g}, "
        f"a constant share: p = {constant:.2g}, F tests that allow for the grid of n"
    )
    if kept < SIGNIFICANT:
        side = "above" if beta.value > slope else "below"
        why = f"M log M is rejected: β lies {side} its slope"
        return Statement(says, Agreement.DISAGREES, statistic, why)
    if constant >= SIGNIFICANT:
        why = "a constant share is not rejected either: more orders are needed"
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
    statistic = (
        f"n_c over it: {mean.between()}, 95 % over {mean.count} groups; the grid of n leaves "
        f"{grid - 1:.0%} to either side"
    )
    if mean.low / grid <= 1 <= mean.high * grid:
        return Statement(says, Agreement.AGREES, statistic)
    why = (
        "a threshold moves with horizon, width and weight decay, which the paper does not tell "
        "for it, and with what counts as generalized"
    )
    return Statement(says, Agreement.DISAGREES, statistic, why)
