"""Declared laws fitted to the groups of one setting, with profile and bootstrap intervals."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import pandas as pd
from scipy import stats

from analysis.declarations import DeclaredLaw
from analysis.formulas import evaluate
from analysis.framed import Framed
from analysis.groups import group_means
from analysis.laws import LEVEL, Array, Estimate, aicc, parameter_frame, title
from analysis.nonlinear import Problem, Solution, inseparable, profile_interval, solve
from analysis.scaling import USABLE


class DeclaredStatus(StrEnum):
    """What came of a fit. The text names the cause and the remedy; {} stands for parameters."""

    OK = "the law was fitted"
    TOO_FEW_GROUPS = (
        "too few groups have a threshold, and a fit needs one more than its parameters:"
        " add group orders, or n_train on both sides of their thresholds"
    )
    NO_SPREAD_IN_DIM = (
        "the irrep dimension d is the same in all groups, so the exponent of it ({}) cannot be"
        " fitted: add groups of other dimensions, or declare the law without it"
    )
    RANK_DEFICIENT = (
        "the parameters {} cannot be told apart by these groups: fix one of them in the formula,"
        " or add groups of other orders and dimensions"
    )
    AT_BOUND = (
        "{} ended at a bound of its own, so the fit is the bound's and not the thresholds': widen"
        " the bounds, or take a law without it"
    )
    DID_NOT_CONVERGE = (
        "the descent in {} found no minimum where the formula is positive: narrow the bounds to"
        " where it is"
    )
    INTERVAL_OPEN = (
        "the interval of {} is open up to its bound: these groups do not determine it; add orders"
        " at both ends, or write the law in what they determine, its value and slope at M_star"
    )
    NO_INTERVAL = (
        "too few resamples of these groups determine {}, so there is no bootstrap interval: add"
        " groups, or take the profile"
    )


@dataclass(frozen=True, eq=False, repr=False)
class DeclaredFit(Framed):
    """What came of fitting one declared law to the thresholds of one setting.

    Attributes:
        law: The declaration.
        setting: In words.
        status: OK, or what is wrong.
        reason: The status in words, with the parameters it is about.
        groups: One row a group fitted, as `LawFit.groups`; with numbers, residual, of log n_c.
        dropped: The groups left out, each with its reason.
        horizon_steps: Smallest and largest horizon of the cells, in steps.
        estimates: By parameter, with profile intervals; an end that stands at the parameter's
            bound is only that (INTERVAL_OPEN). Empty where there are no numbers.
        constants: M_star and d_star, the geometric means of the groups fitted.
        residual_sd: Of log n_c about the law, on `dof` degrees of freedom; None without numbers.
        dof: Groups less parameters.
        aicc: Small-sample Akaike criterion over groups; None where it does not exist.
    """

    law: DeclaredLaw
    setting: str
    status: DeclaredStatus
    reason: str
    groups: pd.DataFrame
    dropped: tuple[str, ...]
    horizon_steps: tuple[int, int]
    estimates: dict[str, Estimate]
    constants: dict[str, float]
    residual_sd: float | None = None
    dof: int = 0
    aicc: float | None = None

    @property
    def title(self) -> str:
        """The law, the groups and the setting; and what is wrong."""
        return title(self.law.name, self.groups, self.setting, self.status)

    def to_frame(self) -> pd.DataFrame:
        """One row a parameter, with the columns of `LawFit.to_frame`."""
        return parameter_frame(
            self.estimates,
            setting=self.setting,
            law=self.law.name,
            formula=self.law.formula.text,
            order_star=self.constants.get("M_star"),
            dim_star=self.constants.get("d_star"),
            orders=self.groups["group_order"],
            residual_sd=self.residual_sd,
            dof=self.dof if self.estimates else None,
            aicc=self.aicc,
            status=self.status.name.lower(),
        )

    @property
    def well(self) -> bool:
        """Whether there is nothing to say against the fit."""
        return self.status is DeclaredStatus.OK

    def predict(self, orders: Array, irrep_dims: Array | float = 1.0) -> Array:
        """The law's n_c, in pairs; NaN where there are no numbers, or it is not positive.

        Args:
            orders: (points,) M.
            irrep_dims: (points,) d_k, or one for all.
        """
        if not self.estimates:
            return np.full(len(orders), np.nan)
        values = {name: one.value for name, one in self.estimates.items()}
        return predicted(self.law, values | self.constants, orders, irrep_dims)


def predicted(
    law: DeclaredLaw, values: dict[str, float], orders: Array, irrep_dims: Array | float
) -> Array:
    """N of a law at given parameters, M_star and d_star among them, in pairs.

    Args:
        law: The declaration.
        values: By name.
        orders: (points,) M.
        irrep_dims: (points,) d_k, or one for all.
    """
    known = {**values, "M": orders, "d": irrep_dims}
    n = np.broadcast_to(np.asarray(evaluate(law.formula.body, known), float), orders.shape)
    return np.where(n > 0, n, np.nan)


def law_problem(groups: pd.DataFrame, law: DeclaredLaw) -> Problem:
    """Least squares on log n_c over groups.

    Args:
        groups: As `GroupMeans.table`.
        law: The declaration.
    """
    orders, dims = (groups[name].to_numpy(float) for name in ("group_order", "irrep_dim"))
    star = {name: float(stats.gmean(one)) for name, one in (("M_star", orders), ("d_star", dims))}
    values = {"M": orders, "d": dims, **star}
    return Problem(groups["log_n_c"].to_numpy(float), values, law.separated, law.bounds)


def fit_declared(
    thresholds: pd.DataFrame,
    law: DeclaredLaw,
    bootstrap: int = 0,
    rng: np.random.Generator | None = None,
) -> DeclaredFit:
    """Fit a declared law: group means of log n_c, then least squares on log n_c over groups.

    Each parameter's interval holds the values with RSS ≤ RSS_min·(1 + F/dof), F the 95 % quantile
    on (1, dof) degrees of freedom, the others at their best for each value. For a parameter linear
    in log n this is the t interval.

    Args:
        thresholds: Of one setting, as `thresholds` gives them.
        law: As `declare` or `read_laws` give it.
        bootstrap: Resamples of groups, for bootstrap intervals instead of profiles: percentiles,
            which need no normal scatter, but cover too little for fewer than some 15 groups. NaN
            where more than a tenth of the resamples do not determine the parameters.
        rng: For the bootstrap; by default seeded with 0.

    Returns:
        Always a fit; its status says whether it holds a law, and its reason why not.

    Raises:
        ValueError: The thresholds are of several settings.
    """
    means = group_means(thresholds)
    groups = means.table
    none = DeclaredFit(
        law,
        means.setting,
        DeclaredStatus.OK,
        "",
        groups,
        means.dropped,
        means.horizon_steps,
        {},
        {},
    )
    if len(groups) <= len(law.bounds):
        return _with(none, DeclaredStatus.TOO_FEW_GROUPS)
    problem = law_problem(groups, law)
    solution = solve(problem)
    if not (solution.converged and np.isfinite(solution.rss)):
        searched = [name for name in law.bounds if name not in law.separated.linear]
        return _with(none, DeclaredStatus.DID_NOT_CONVERGE, searched or list(law.bounds))
    same = inseparable(problem, solution)
    if same:
        flat = law.uses_dim and groups["irrep_dim"].min() == groups["irrep_dim"].max()
        only_dim = [name for name in same if flat and _only_with_dim(law, name)]
        if only_dim:
            return _with(none, DeclaredStatus.NO_SPREAD_IN_DIM, only_dim)
        return _with(none, DeclaredStatus.RANK_DEFICIENT, same)
    return _estimated(none, problem, solution, bootstrap, rng or np.random.default_rng(0))


def _estimated(
    fit: DeclaredFit,
    problem: Problem,
    solution: Solution,
    bootstrap: int,
    rng: np.random.Generator,
) -> DeclaredFit:
    dof = len(problem.y) - len(problem.free)
    open_ended = []
    estimates = {}
    resampled = _bootstrap(problem, solution, bootstrap, rng) if bootstrap else None
    for name in problem.free:
        if resampled is not None:
            told = resampled[name][np.isfinite(resampled[name])]
            low, high, at = math.nan, math.nan, (False, False)
            if len(told) >= USABLE * bootstrap:
                low, high = np.quantile(told, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]).tolist()
        else:
            low, high, at = profile_interval(problem, solution, name, LEVEL)
        estimates[name] = Estimate(solution.parameters[name], low, high)
        if any(at):
            open_ended.append(name)
    found = replace(
        fit,
        groups=fit.groups.assign(residual=solution.residuals),
        estimates=estimates,
        constants={name: float(problem.columns[name]) for name in ("M_star", "d_star")},
        residual_sd=float(np.sqrt(solution.rss / dof)),
        dof=dof,
        aicc=aicc(solution.rss, len(problem.y), len(problem.free)),
    )
    if solution.at_bound:
        return _with(found, DeclaredStatus.AT_BOUND, solution.at_bound)
    if open_ended:
        return _with(found, DeclaredStatus.INTERVAL_OPEN, open_ended)
    if untold := [name for name, one in estimates.items() if math.isnan(one.low)]:
        return _with(found, DeclaredStatus.NO_INTERVAL, untold)
    return _with(found, DeclaredStatus.OK)


def _bootstrap(
    problem: Problem, solution: Solution, count: int, rng: np.random.Generator
) -> dict[str, Array]:
    """The parameters of resampled groups; NaN where a resample does not determine them."""
    size = len(problem.y)
    found: dict[str, list[float]] = {name: [] for name in problem.free}
    for _ in range(count):
        drawn = rng.integers(size, size=size)
        columns = {
            name: one[drawn] if np.ndim(one) else one for name, one in problem.columns.items()
        }
        resample = replace(problem, y=problem.y[drawn], columns=columns)
        again = solve(resample, solution.parameters)
        usable = len(np.unique(drawn)) > len(problem.free) and np.isfinite(again.rss)
        usable = usable and not inseparable(resample, again)
        for name in problem.free:
            found[name].append(again.parameters[name] if usable else np.nan)
    return {name: np.array(values) for name, values in found.items()}


def _only_with_dim(law: DeclaredLaw, name: str) -> bool:
    """Whether a parameter is the exponent of the irrep dimension."""
    linear = law.separated.linear.get(name)
    return linear is not None and not linear.logged and law.uses_dim


def _with(fit: DeclaredFit, status: DeclaredStatus, about: Iterable[str] = ()) -> DeclaredFit:
    names = list(about)
    listed = ", ".join(names[:-1]) + (" and " if names[:-1] else "") + (names[-1] if names else "")
    return replace(fit, status=status, reason=status.format(listed))
