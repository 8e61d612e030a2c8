"""The power law and Theorem 4 where some groups' thresholds are only known to lie above a number.

A group whose n_c lies above the largest n_train run (or above the M² pairs there are) is left out
by the least squares of `fitting`, which keeps the groups near the edge whose thresholds happen to
be low. Here it counts with the chance that its n_c lies there (Tobin 1958).
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, stats

from analysis.brackets import BracketStatus
from analysis.fitting import fit_law
from analysis.groups import group_means
from analysis.laws import LEVEL, Array, Estimate, Form, Law

_LEAST_SD = 1e-4
_ABOVE = {BracketStatus.NONE_GENERALIZED, BracketStatus.UNRESOLVED}


class CensoredStatus(StrEnum):
    """What came of a fit. The text names the cause and the remedy."""

    OK = "the law was fitted, with the groups that lie above what was run"
    NO_LAW = "the groups with thresholds alone give no law; see the fit without the others"
    NOT_CENSORED = (
        "no group of a dimension that is fitted lies above what was run: the fit by least squares"
        " says it all"
    )
    INTERVAL_OPEN = "the interval of β has an open end: add n_train for the groups that lie above"


@dataclass(frozen=True, eq=False)
class CensoredFit:
    """A law from measured and censored groups.

    Attributes:
        form: The family.
        setting: In words.
        status: OK, or why there are no numbers.
        measured: Names of the groups with thresholds.
        censored: Names of the groups whose threshold lies above what was run, and which count:
            where the measured groups have one d alone, those of another say nothing of β.
        beta: Local exponent at M* of the measured groups, with its profile interval; or None.
        n_star: n_c at M*, in pairs; or None.
        gamma: Exponent of d; None where it does not vary over the measured groups.
        residual_sd: Of log n_c, of greatest likelihood; None without numbers.
    """

    form: Form
    setting: str
    status: CensoredStatus
    measured: tuple[str, ...] = ()
    censored: tuple[str, ...] = ()
    beta: Estimate | None = None
    n_star: float | None = None
    gamma: float | None = None
    residual_sd: float | None = None


def censored_groups(thresholds: pd.DataFrame) -> pd.DataFrame:
    """Groups with a seed above what was run, and none below it: bounds of their mean log n_c.

    Args:
        thresholds: Of one setting, as `thresholds` gives them.

    Returns:
        group, group_order, irrep_dim, log_bound: the mean over seeds of log n_c where there is one
        and log n_low where not.
    """
    dim = "irrep_dim" if "irrep_dim" in thresholds else "max_irrep_dim"
    rows = []
    for (order, group), cells in thresholds.groupby(["group_order", "group"]):
        told = cells[cells["status"] != BracketStatus.NO_RUNS]
        outside = told["n_c"].isna()
        if outside.any() and told.loc[outside, "status"].isin(_ABOVE).all():
            least = told["n_c"].astype(float).fillna(told["n_low"].astype(float))
            row = {"group": group, "group_order": order, "irrep_dim": told[dim].iloc[0]}
            rows.append(row | {"log_bound": float(np.log(least).mean())})
    return pd.DataFrame(rows, columns=["group", "group_order", "irrep_dim", "log_bound"])


def fit_censored(thresholds: pd.DataFrame, form: Form = Form.POWER) -> CensoredFit:
    """The law of greatest likelihood over measured and censored groups.

    The likelihood is Π φ((y − μ)/σ)/σ over measured groups times Π Φ((μ − c)/σ) over those above c.
    The interval of β holds the values with 2 (log L_max − log L) ≤ G ln(1 + F/(G − p)), G measured
    groups and p parameters, F the 95 % quantile on (1, G − p): without censored groups this is the
    interval of least squares.

    Args:
        thresholds: Of one setting, as `thresholds` gives them.
        form: The family.

    Raises:
        ValueError: The thresholds are of several settings.
    """
    least_squares = fit_law(thresholds, form)
    above = censored_groups(thresholds)
    law, groups = least_squares.law, least_squares.groups
    if law and not law.gamma:
        above = above[above["irrep_dim"].isin(groups["irrep_dim"])]
    names = tuple(groups["group"]), tuple(above["group"])
    none = CensoredFit(form, least_squares.setting, CensoredStatus.NO_LAW, *names)
    if law is None or not np.isfinite(law.beta.half_width):
        return none
    if above.empty:
        return CensoredFit(form, least_squares.setting, CensoredStatus.NOT_CENSORED, *names)
    likelihood = _likelihood(law, group_means(thresholds).table, above)
    best = likelihood.best(None, likelihood.start(law))
    low, high = likelihood.interval(best, law)
    if not (np.isfinite(low) and np.isfinite(high)):
        return CensoredFit(form, least_squares.setting, CensoredStatus.INTERVAL_OPEN, *names)
    numbers = best.x
    return CensoredFit(
        form,
        least_squares.setting,
        CensoredStatus.OK,
        *names,
        Estimate(float(numbers[0]), low, high),
        float(np.exp(numbers[1])),
        float(numbers[3]) if law.gamma else None,
        float(np.exp(numbers[2])),
    )


@dataclass(frozen=True, eq=False)
class _Likelihood:
    """Of β, log n*, log σ and perhaps γ; x and log(d/d*) of all groups, the censored ones last."""

    form: Form
    x: Array
    log_dim: Array
    y: Array
    above: NDArray[np.bool_]
    n_parameters: int

    def start(self, law: Law) -> Array:
        found = [law.beta.value, np.log(law.n_star.value), np.log(max(law.residual_sd, 1e-3))]
        return np.array([*found, *([law.gamma.value] if law.gamma else [])])

    def minus_log(self, numbers: Array) -> float:
        beta, log_n_star, log_sd = numbers[:3]
        gamma = numbers[3] if len(numbers) > 3 else 0.0
        mean = log_n_star + self.form.curve(self.x, float(beta))[0] + gamma * self.log_dim
        sd = max(float(np.exp(log_sd)), _LEAST_SD)
        z = (self.y - mean) / sd
        if not np.isfinite(z).all():
            return 1e12
        chances = np.where(self.above, stats.norm.logsf(z), stats.norm.logpdf(z) - np.log(sd))
        return -float(chances.sum())

    def best(self, beta: float | None, start: Array) -> optimize.OptimizeResult:
        """The greatest likelihood, at a given β or over all."""

        def free(inner: Array) -> Array:
            return inner if beta is None else np.append(beta, inner)

        begin = start if beta is None else start[1:]
        scale = np.abs(begin) * 0.02 + 0.02
        simplex = np.vstack([begin, begin + np.diag(scale)])
        done = optimize.minimize(
            lambda inner: self.minus_log(free(inner)),
            begin,
            method="Nelder-Mead",
            options={"initial_simplex": simplex, "xatol": 1e-7, "fatol": 1e-9, "maxiter": 4000},
        )
        done.x = free(done.x)
        return done

    def interval(self, best: optimize.OptimizeResult, law: Law) -> tuple[float, float]:
        measured = int((~self.above).sum())
        dof = measured - self.n_parameters
        cutoff = measured * np.log1p(stats.f.ppf(LEVEL, 1, dof) / dof) / 2 + best.fun

        def excess(beta: float) -> float:
            return float(self.best(beta, best.x).fun - cutoff)

        ends = []
        for sign in (-1, 1):
            inside, step = float(best.x[0]), sign * max(law.beta.half_width, 1e-3)
            for _ in range(12):
                if excess(inside + step) > 0:
                    end = optimize.brentq(excess, inside, inside + step, xtol=1e-5)
                    ends.append(float(end))
                    break
                inside, step = inside + step, 1.5 * step
            else:
                ends.append(sign * np.inf)
        return ends[0], ends[1]


def _likelihood(law: Law, groups: pd.DataFrame, above: pd.DataFrame) -> _Likelihood:
    both = pd.concat([groups, above], ignore_index=True)
    orders, dims = (both[name].to_numpy(float) for name in ("group_order", "irrep_dim"))
    censored = both["log_bound"].notna().to_numpy(bool)
    return _Likelihood(
        law.form,
        np.log(orders / law.order_star),
        np.log(dims / law.dim_star),
        both["log_n_c"].fillna(both["log_bound"]).to_numpy(float),
        censored,
        3 if law.gamma else 2,
    )
