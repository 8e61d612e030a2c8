"""Stage two of the laws: least squares over groups, with intervals that hold for few of them."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.regression.linear_model import OLS

from analysis.groups import group_means
from analysis.laws import LEVEL, Array, Estimate, FitStatus, Form, Law, LawFit
from analysis.theorem4 import profile


def fit_power_law(thresholds: pd.DataFrame) -> LawFit:
    """Fit log n_c = log n* + βx + γ ln(d/d*) by ordinary least squares, with t intervals.

    Args:
        thresholds: Of one setting, as `thresholds` gives them.

    Returns:
        Always a fit; its status says whether it holds a law. A good one has a residual_sd below
        0.05, five degrees of freedom or more, and a resolution below β's half-width.

    Raises:
        ValueError: The thresholds are of several settings.
    """
    return _fit(thresholds, Form.POWER)


def fit_theorem4(thresholds: pd.DataFrame) -> LawFit:
    """Fit log n_c = log n* + x + log(1 + (β − 1)x) + γ ln(d/d*), with a profile interval for β.

    β's interval holds the β with RSS(β) ≤ RSS(β̂)·(1 + F/dof), F the 95 % quantile on (1, dof)
    degrees of freedom; log n* and γ, linear given β, have linearised t intervals.

    Args:
        thresholds: Of one setting, as `thresholds` gives them.

    Returns:
        Always a fit; its status says whether it holds a law. What is good: see fit_power_law.

    Raises:
        ValueError: The thresholds are of several settings.
    """
    return _fit(thresholds, Form.THEOREM_4)


def fit_laws(thresholds: pd.DataFrame) -> list[LawFit]:
    """Both forms for each setting, in order of setting, the power law first.

    Args:
        thresholds: As `thresholds` gives them.
    """
    return [
        fit(cells)
        for _, cells in thresholds.groupby("setting")
        for fit in (fit_power_law, fit_theorem4)
    ]


def aicc(rss: float, n_groups: int, n_parameters: int) -> float | None:
    """The criterion G ln(RSS/G) + 2k + 2k(k + 1)/(G − k − 1), with k counting the residual sd too.

    Args:
        rss: Residual sum of squares, of log n_c.
        n_groups: G.
        n_parameters: Of the law.

    Returns:
        Less is better; forms less than 2 apart cannot be told apart. None where G is too small or
        the fit is exact, for which it does not exist.
    """
    k = n_parameters + 1
    if n_groups - k - 1 <= 0 or rss <= 0:
        return None
    return float(n_groups * np.log(rss / n_groups) + 2 * k + 2 * k * (k + 1) / (n_groups - k - 1))


def _fit(thresholds: pd.DataFrame, form: Form) -> LawFit:
    means = group_means(thresholds)
    groups = means.table
    fit = LawFit(
        form, means.setting, FitStatus.TOO_FEW_GROUPS, groups, means.dropped, means.horizon_steps
    )
    orders, dims = (groups[name].to_numpy(float) for name in ("group_order", "irrep_dim"))
    n_parameters = 3 if len(np.unique(dims)) > 1 else 2
    if len(groups) <= n_parameters:
        return fit
    stars = float(stats.gmean(orders)), float(stats.gmean(dims))
    x, log_dim = np.log(orders / stars[0]), np.log(dims / stars[1])
    design = np.column_stack([np.ones_like(x), x, log_dim])[:, :n_parameters]
    if np.linalg.matrix_rank(design) < n_parameters:
        return replace(fit, status=FitStatus.NO_SPREAD)
    y = groups["log_n_c"].to_numpy()
    if form is Form.POWER:
        return _solved(fit, stars, x, y, design)
    found = profile(x, y, np.delete(design, 1, axis=1), LEVEL)
    # Linearised at β̂, where its least squares are those of the form itself.
    shape, slope = form.curve(x, found.beta)
    design[:, 1] = slope
    beta = Estimate(found.beta, found.low, found.high)
    return _solved(fit, stars, x, y - shape + slope * found.beta, design, beta)


def _solved(
    fit: LawFit,
    stars: tuple[float, float],
    x: Array,
    y: Array,
    design: Array,
    beta: Estimate | None = None,
) -> LawFit:
    """Least squares of y on the columns for log n*, β and perhaps γ; a given β is final."""
    linear = OLS(y, design).fit()
    log_n_star, linear_beta, *gamma = _estimates(linear)
    beta = beta or linear_beta
    # β̂ is linear in the group means with these weights; each mean may be off by its half_width.
    weights = np.abs(np.linalg.pinv(design)[1])
    bent = np.column_stack([design, x**2])
    spare = len(y) - bent.shape[1] > 0 and np.linalg.matrix_rank(bent) == bent.shape[1]
    law = Law(
        form=fit.form,
        order_star=stars[0],
        dim_star=stars[1],
        n_star=Estimate(*np.exp([log_n_star.value, log_n_star.low, log_n_star.high]).tolist()),
        beta=beta,
        gamma=gamma[0] if gamma else None,
        resolution=float(weights @ fit.groups["half_width"]),
        curvature=_estimates(OLS(y, bent).fit())[-1] if spare else None,
        residual_sd=float(np.sqrt(linear.scale)),
        dof=int(linear.df_resid),
        aicc=aicc(float(linear.ssr), *design.shape),
        covariance=linear.cov_params(),
    )
    bounded = np.isfinite(beta.low) and np.isfinite(beta.high)
    return replace(
        fit,
        status=FitStatus.OK if bounded else FitStatus.INTERVAL_OPEN,
        groups=fit.groups.assign(residual=linear.resid),
        law=law,
    )


def _estimates(linear: Any) -> list[Estimate]:  # noqa: ANN401, statsmodels has no types
    return [
        Estimate(float(value), float(low), float(high))
        for value, (low, high) in zip(linear.params, linear.conf_int(1 - LEVEL), strict=True)
    ]
