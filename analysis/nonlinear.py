"""Least squares on the logarithm of a formula, and profile intervals of its parameters.

What is linear in log f (`separation`) is solved exactly for any value of the rest, so that only the
nonlinear parameters are searched for, from several starts spread over their bounds.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats
from scipy.stats import qmc

from analysis.formulas import derivative, evaluate
from analysis.separation import Separated

Array = NDArray[np.float64]
Bounds = tuple[float, float]
_CANDIDATES, _STARTS = 128, 6
"""Points spread over the bounds, and how many of the best of them are descended from."""
_TIGHT = 1e-6
"""Part of its range within which a parameter lies at its bound."""
_EXACT = 1e-22
"""Residual sum of squares, per group and squared log, below which a fit is exact."""


@dataclass(frozen=True, eq=False)
class Problem:
    """Least squares of y on log f.

    Attributes:
        y: (groups,) log of the response.
        columns: For every column of the formula (groups,) values, or a number.
        separated: Of the formula.
        bounds: Of the parameters. One with a lowest value of 0 or more is searched for by its log.
        fixed: Parameters that are given, by name.
    """

    y: Array
    columns: Mapping[str, Any]
    separated: Separated
    bounds: Mapping[str, Bounds]
    fixed: Mapping[str, float] = field(default_factory=dict)

    @property
    def free(self) -> list[str]:
        """Parameters to be found."""
        return [name for name in self.bounds if name not in self.fixed]

    def logged(self, name: str) -> bool:
        """Whether a parameter is searched for by its log."""
        linear = self.separated.linear.get(name)
        return linear.logged if linear else self.bounds[name][0] > 0

    def limits(self, name: str) -> Bounds:
        """Its bounds, of the log where it is searched for by that."""
        with np.errstate(divide="ignore"):
            low, high = np.log(self.bounds[name]) if self.logged(name) else self.bounds[name]
        return float(low), float(high)


@dataclass(frozen=True, eq=False)
class Solution:
    """The best parameters.

    Attributes:
        parameters: By name; fixed ones too.
        residuals: (groups,) y less log f.
        converged: Whether the descent ended at a minimum.
        at_bound: Names of parameters that lie at a bound of theirs.
    """

    parameters: dict[str, float]
    residuals: Array
    converged: bool
    at_bound: tuple[str, ...]

    @property
    def rss(self) -> float:
        """Residual sum of squares; infinite where f has no logarithm."""
        rss = float(np.sum(self.residuals**2))
        return rss if np.isfinite(rss) else np.inf


def solve(problem: Problem, start: Mapping[str, float] | None = None) -> Solution:
    """Least squares, within bounds.

    Args:
        problem: As declared.
        start: Of the nonlinear parameters; by default the best of many points.
    """
    found = _solve_unbounded(problem, start)
    for name in problem.free:  # a linear parameter beyond its bound is best at it
        low, high = problem.bounds[name]
        held = min(max(found.parameters[name], low), high)
        if name in problem.separated.linear and held != found.parameters[name]:
            bound = replace(problem, fixed={**problem.fixed, name: held})
            again = solve(bound, start)
            return replace(again, at_bound=(*again.at_bound, name))
    return found


def jacobian(problem: Problem, values: Mapping[str, float]) -> Array:
    """(groups, free parameters) derivatives of log f, by the log of those searched for by it."""
    known = {**problem.columns, **values}
    columns = []
    for name in problem.free:
        linear = problem.separated.linear.get(name)
        if linear:
            column = evaluate(linear.column, known)
        else:
            column = derivative(problem.separated.rest, known, name)
            column = column * (values[name] if problem.logged(name) else 1.0)
        columns.append(np.broadcast_to(column, problem.y.shape))
    return np.column_stack(columns) if columns else np.empty((len(problem.y), 0))


def inseparable(problem: Problem, solution: Solution) -> tuple[str, ...]:
    """The parameters whose effects cannot be told apart at a solution; empty where all can."""
    J = jacobian(problem, solution.parameters)
    norms = np.linalg.norm(J, axis=0)
    if not np.isfinite(norms).all():
        return ()
    idle = [name for name, norm in zip(problem.free, norms, strict=True) if norm < 1e-9]
    if idle:
        return tuple(idle)
    _, singular, rows = np.linalg.svd(J / norms)
    if len(singular) == J.shape[1] and singular[-1] > 1e-7 * singular[0]:
        return ()
    weights = np.abs(rows[-1])
    return tuple(
        name
        for name, weight in zip(problem.free, weights, strict=True)
        if weight > 0.1 * weights.max()
    )


def profile_interval(
    problem: Problem, solution: Solution, name: str, level: float
) -> tuple[float, float, tuple[bool, bool]]:
    """The values of a parameter with RSS ≤ RSS_min·(1 + F/dof), the others at their best for each.

    For a parameter that is linear in log f, in a formula without nonlinear ones, these are the
    ends of the t interval.

    Args:
        problem: As declared.
        solution: Of it.
        name: The parameter.
        level: Of the interval; F is its quantile on (1, dof) degrees of freedom.

    Returns:
        Low and high, and for each whether it is only the bound, where RSS is still low enough.
    """
    centre = solution.parameters[name]
    dof = len(problem.y) - len(problem.free)
    if solution.rss <= _EXACT * len(problem.y):
        return centre, centre, (False, False)
    F = float(stats.f.ppf(level, 1, dof))
    cutoff = solution.rss * (1 + F / dof)
    logged = problem.logged(name)

    def excess(inner: float) -> float:
        value = float(np.exp(inner)) if logged else inner
        fixed = replace(problem, fixed={**problem.fixed, name: value})
        rss = solve(fixed, solution.parameters).rss
        return min(rss, 1e6 * cutoff) - cutoff

    J = jacobian(problem, solution.parameters)
    with np.errstate(all="ignore"):
        spread = np.sqrt(np.diag(np.linalg.pinv(J.T @ J))[problem.free.index(name)])
    step = float(np.sqrt(F * solution.rss / dof) * spread)
    middle = float(np.log(centre)) if logged else centre
    ends = [
        _crossing(excess, middle, sign * (step if np.isfinite(step) and step else 1.0), limit)
        for sign, limit in zip((-1, 1), problem.limits(name), strict=True)
    ]
    low, high = (float(np.exp(end)) if logged else end for end, _ in ends)
    return low, high, (ends[0][1], ends[1][1])


def _crossing(
    excess: Callable[[float], float], inside: float, step: float, limit: float
) -> tuple[float, bool]:
    """Where excess turns positive, walking from a point inside; or the limit."""
    for _ in range(60):
        beyond = inside + step
        if (beyond - limit) * np.sign(step) >= 0:
            beyond = limit
        if not np.isfinite(beyond):
            break
        if excess(beyond) > 0:
            scale = abs(beyond - inside)
            root = optimize.brentq(excess, inside, beyond, xtol=1e-9 * scale + 1e-15, rtol=1e-12)
            return float(root), False
        if beyond == limit:
            return limit, True
        inside, step = beyond, 1.7 * step
    return limit, True


def _solve_unbounded(problem: Problem, start: Mapping[str, float] | None) -> Solution:
    """Least squares, with bounds of the nonlinear parameters alone."""
    linear = [name for name in problem.free if name in problem.separated.linear]
    nonlinear = [name for name in problem.free if name not in linear]
    offset = np.zeros(len(problem.y))
    columns = {
        name: np.broadcast_to(evaluate(one.column, problem.columns), problem.y.shape)
        for name, one in problem.separated.linear.items()
    }
    for name in problem.fixed:
        if name in columns:
            value = problem.fixed[name]
            # At the bound 0 of a logged one f vanishes: no logarithm, and RSS is infinite.
            with np.errstate(divide="ignore"):
                offset = offset + columns[name] * (np.log(value) if problem.logged(name) else value)
    design = np.column_stack([columns[name] for name in linear]) if linear else None
    basis = np.linalg.qr(design)[0] if design is not None else None
    search = _Search(problem, nonlinear, problem.y - offset, basis)
    inner, converged = search.best(start)
    found = search.outer(inner)
    left = search.left(found)
    values = {**problem.fixed, **found}
    if design is not None:
        usable = np.isfinite(left).all() and np.isfinite(design).all()
        fitted = np.linalg.lstsq(design, left)[0] if usable else np.full(len(linear), np.nan)
        left = left - design @ fitted
        with np.errstate(over="ignore"):
            values |= {
                name: float(np.exp(one) if problem.logged(name) else one)
                for name, one in zip(linear, fitted, strict=True)
            }
    return Solution(values, left, converged, search.at_bound(inner))


@dataclass(frozen=True, eq=False)
class _Search:
    """For the nonlinear parameters, the linear ones being at their best for each of their values.

    Attributes:
        problem: As declared.
        names: Of the nonlinear parameters.
        target: (groups,) y less what is fixed.
        basis: (groups, linear) orthonormal, of what the linear parameters can fit; or None.
    """

    problem: Problem
    names: list[str]
    target: Array
    basis: Array | None

    def outer(self, inner: Array) -> dict[str, float]:
        """Parameters by name, from the variables of the search."""
        return {
            name: float(np.exp(x) if self.problem.logged(name) else x)
            for name, x in zip(self.names, inner, strict=True)
        }

    def left(self, found: Mapping[str, float]) -> Array:
        """The target less the rest of the formula."""
        values = {**self.problem.columns, **self.problem.fixed, **found}
        return np.asarray(self.target - evaluate(self.problem.separated.rest, values), float)

    def best(self, start: Mapping[str, float] | None) -> tuple[Array, bool]:
        """The best end of the descents, and whether it is a minimum."""
        if not self.names:
            return np.empty(0), True
        limits = np.array([self.problem.limits(name) for name in self.names])
        margin = 1e-9 * (limits[:, 1] - limits[:, 0])
        low, high = limits[:, 0] + margin, limits[:, 1] - margin
        results = []
        for point in self._starts(start, low, high):
            try:
                results.append(
                    optimize.least_squares(
                        self._residuals, point, self._jacobian, (limits[:, 0], limits[:, 1]),
                        x_scale="jac", xtol=1e-12, ftol=1e-12, gtol=1e-12, max_nfev=200,
                    )
                )  # fmt: skip
            except (ValueError, np.linalg.LinAlgError):  # stepped where f has no logarithm
                continue
        if not results:
            return (low + high) / 2, False
        best = min(results, key=lambda result: result.cost)
        return best.x, best.status > 0

    def at_bound(self, inner: Array) -> tuple[str, ...]:
        """Names of the parameters that lie at a bound."""
        found = []
        for name, x in zip(self.names, inner, strict=True):
            low, high = self.problem.limits(name)
            if min(x - low, high - x) <= _TIGHT * (high - low):
                found.append(name)
        return tuple(found)

    def _starts(self, start: Mapping[str, float] | None, low: Array, high: Array) -> list[Array]:
        if start is not None:
            given = [np.log(start[n]) if self.problem.logged(n) else start[n] for n in self.names]
            return [np.clip(np.array(given), low, high)]
        halton = qmc.Halton(len(self.names), scramble=False).random(_CANDIDATES + 1)[1:]
        points = low + (high - low) * halton
        costs = np.array([np.sum(self._residuals(point) ** 2) for point in points])
        order = np.argsort(np.where(np.isfinite(costs), costs, np.inf), kind="stable")
        return [points[i] for i in order[:_STARTS] if np.isfinite(costs[i])]

    def _residuals(self, inner: Array) -> Array:
        return self._without_linear(self.left(self.outer(inner)))

    def _jacobian(self, inner: Array) -> Array:
        found = self.outer(inner)
        values = {**self.problem.columns, **self.problem.fixed, **found}
        columns = [
            -derivative(self.problem.separated.rest, values, name)
            * (found[name] if self.problem.logged(name) else 1.0)
            for name in self.names
        ]
        shape = self.problem.y.shape
        return self._without_linear(np.column_stack([np.broadcast_to(c, shape) for c in columns]))

    def _without_linear(self, one: Array) -> Array:
        if self.basis is None:
            return one
        return np.asarray(one - self.basis @ (self.basis.T @ one))
