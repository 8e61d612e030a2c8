"""The law of n_c over groups: least squares, with intervals that hold for few of them."""

import math
from dataclasses import replace
from typing import Any, Literal, overload

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.regression.linear_model import OLS

from analysis.declarations import DeclaredLaw, built_in_law
from analysis.declared import DeclaredFit, fit_declared
from analysis.dims import Dim, with_dim
from analysis.formulas import InputError
from analysis.groups import group_means
from analysis.laws import LEVEL, LOG_RIVALS, Array, Estimate, FitStatus, Form, Law, LawFit, aicc
from analysis.theorem4 import best, profile

_TELLS = 2.0
"""Of AICc: laws that are nearer cannot be told apart."""


@overload
def fit_law(
    thresholds: pd.DataFrame,
    law: Form | Literal["power law", "Theorem 4"] = Form.POWER,
    dim: Dim | str | None = None,
) -> LawFit: ...


@overload
def fit_law(
    thresholds: pd.DataFrame,
    law: DeclaredLaw,
    dim: Dim | str | None = None,
    bootstrap: int = 0,
    rng: np.random.Generator | None = None,
) -> DeclaredFit: ...


@overload
def fit_law(
    thresholds: pd.DataFrame,
    law: str,
    dim: Dim | str | None = None,
    bootstrap: int = 0,
    rng: np.random.Generator | None = None,
) -> LawFit | DeclaredFit: ...


def fit_law(
    thresholds: pd.DataFrame,
    law: DeclaredLaw | str = Form.POWER,
    dim: Dim | str | None = None,
    bootstrap: int = 0,
    rng: np.random.Generator | None = None,
) -> LawFit | DeclaredFit:
    """Fit a law to the thresholds of one setting, over groups.

    The two forms that verdicts rest on, x = ln(M/M*) and γ where d varies over the groups:

        power law   log n_c = log n* + βx + γ ln(d/d*), ordinary least squares with t intervals
        Theorem 4   log n_c = log n* + x + log(1 + (β − 1)x) + γ ln(d/d*), with a profile interval
                    for β: the β with RSS(β) ≤ RSS(β̂)·(1 + F/dof), F the 95 % quantile on (1, dof)
                    degrees of freedom; log n* and γ, linear given β, have linearised t intervals

    Any other law, of `analysis/laws.yaml` or declared, is fitted by least squares on log n_c with a
    profile interval for each parameter (`fit_declared`).

    Args:
        thresholds: Of one setting, as `thresholds`, `limits_as_thresholds` (without a horizon) or
            `read_thresholds` (measured elsewhere) give them.
        law: "power law", "Theorem 4", the name of another built-in law such as "M log M", or what
            `declare` or `read_laws` give.
        dim: Which irrep dimension is d, as `with_dim` takes it; by default the column irrep_dim
            where there is one, else max_irrep_dim.
        bootstrap: Resamples of groups, for bootstrap intervals instead of profiles; not for the two
            forms.
        rng: For the bootstrap; by default seeded with 0.

    Returns:
        Always a fit; its status says whether it holds a law. A LawFit for the two forms, a
        DeclaredFit for other laws. A good one has a residual_sd below 0.05, five degrees of freedom
        or more, and a resolution below β's half-width.

    Raises:
        InputError: No built-in law has this name, or the effective dimension of a group is unknown.
        ValueError: The thresholds are of several settings, or a bootstrap is asked of a form.
    """
    cells = thresholds if dim is None else with_dim(thresholds, dim)
    if not isinstance(law, DeclaredLaw) and law in list(Form):
        if bootstrap:
            raise ValueError(f"{law}: bootstrap intervals are those of declared laws")
        return _fit(cells, Form(law))
    declared = law if isinstance(law, DeclaredLaw) else built_in_law(law)
    return fit_declared(cells, declared, bootstrap, rng)


def fit_laws(thresholds: pd.DataFrame) -> list[LawFit]:
    """Both forms for each setting, in order of setting, the power law first.

    Args:
        thresholds: As `thresholds` gives them.
    """
    return [fit_law(cells, form) for _, cells in thresholds.groupby("setting") for form in Form]


def preferred_dim(thresholds: pd.DataFrame) -> Dim:
    """The convention under which the power law leaves less: complex unless the other is better.

    Better is an AICc, summed over settings, that is less by more than 2. Where a setting has no
    law or no AICc, or the effective dimension of a group is not known, it is complex.

    Args:
        thresholds: As `thresholds` gives them.
    """

    def left(dim: Dim) -> float:
        parts = with_dim(thresholds, dim).groupby("setting")
        laws = [_fit(part, Form.POWER).law for _, part in parts]
        scores = [law.aicc for law in laws if law and law.aicc is not None]
        return sum(scores) if len(scores) == len(laws) else math.nan

    try:
        better = left(Dim.EFFECTIVE) < left(Dim.COMPLEX) - _TELLS
    except InputError:
        return Dim.COMPLEX
    return Dim.EFFECTIVE if better else Dim.COMPLEX


def _fit(thresholds: pd.DataFrame, form: Form) -> LawFit:
    means = group_means(thresholds)
    groups = means.table
    fit = LawFit(
        form,
        means.setting,
        FitStatus.TOO_FEW_GROUPS,
        groups,
        means.dropped,
        means.horizon_steps,
        violations=means.violations,
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
    rivals = _rival_betas(form, x, np.log(orders), design)
    if form is Form.POWER:
        return _solved(fit, stars, x, y, design, rivals)
    found = profile(x, y, np.delete(design, 1, axis=1), LEVEL)
    # Linearised at β̂, where its least squares are those of the form itself.
    shape, slope = form.curve(x, found.beta)
    design[:, 1] = slope
    beta = Estimate(found.beta, found.low, found.high)
    return _solved(fit, stars, x, y - shape + slope * found.beta, design, rivals, beta)


def _rival_betas(form: Form, x: Array, log_m: Array, design: Array) -> dict[str, float]:
    """β of a form fitted to the exact values of each rival."""
    betas = {}
    for name, shape in LOG_RIVALS.items():
        with np.errstate(divide="ignore", invalid="ignore"):
            y = shape(log_m)
        if not np.isfinite(y).all():
            betas[name] = math.nan
        elif form is Form.POWER:
            betas[name] = float(np.linalg.lstsq(design, y)[0][1])
        else:
            betas[name] = best(x, y, np.delete(design, 1, axis=1))
    return betas


def _solved(
    fit: LawFit,
    stars: tuple[float, float],
    x: Array,
    y: Array,
    design: Array,
    rivals: dict[str, float],
    beta: Estimate | None = None,
) -> LawFit:
    """Least squares of y on the columns for log n*, β and perhaps γ; a given β is final."""
    linear = OLS(y, design).fit()
    log_n_star, linear_beta, *gamma = _estimates(linear)
    beta = beta or linear_beta
    # All are linear in the group means with these weights; each mean may be off by its half_width.
    half_widths = fit.groups["half_width"].to_numpy()
    resolutions = np.abs(np.linalg.pinv(design)) @ half_widths
    bent = np.column_stack([design, x**2])
    spare = len(y) - bent.shape[1] > 0 and np.linalg.matrix_rank(bent) == bent.shape[1]
    curvature = None
    if spare:
        bends = float(np.abs(np.linalg.pinv(bent)[-1]) @ half_widths)
        curvature = _estimates(OLS(y, bent).fit())[-1].widened(bends)
    law = Law(
        form=fit.form,
        order_star=stars[0],
        dim_star=stars[1],
        n_star=Estimate(*np.exp([log_n_star.value, log_n_star.low, log_n_star.high]).tolist()),
        beta=beta,
        gamma=gamma[0] if gamma else None,
        resolution=float(resolutions[1]),
        gamma_resolution=float(resolutions[2]) if gamma else 0.0,
        curvature=curvature,
        residual_sd=float(np.sqrt(linear.scale)),
        dof=int(linear.df_resid),
        aicc=aicc(float(linear.ssr), *design.shape),
        covariance=linear.cov_params(),
        rival_betas=rivals,
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
