"""Scaling laws of any table, such as L = E + A/N**alpha + B/D**beta, by robust least squares.

The residuals are those of log L, with the Huber loss of Hoffmann et al. 2022 (arXiv 2203.15556,
section D.2; δ = 1e-3): quadratic up to δ, linear beyond it, so that a few bad runs bend nothing.
"""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize
from scipy.stats import qmc

from analysis.formulas import Formula, InputError, derivative, evaluate, parse
from analysis.framed import Framed
from analysis.laws import LEVEL, Estimate
from analysis.separation import expanded, multiplier

Array = NDArray[np.float64]
Bounds = tuple[float, float]
EXPONENT: Bounds = (0.01, 2.0)
"""Where exponents are looked for, unless said otherwise."""
USABLE = 0.9
"""Part of a bootstrap's resamples that has to determine the parameters, for it to be quoted."""
_CANDIDATES, _STARTS = 256, 8
_TIGHT = 1e-6


class ScalingStatus(StrEnum):
    """What came of a fit. The text names the cause and the remedy; {} stands for parameters."""

    OK = "the law was fitted"
    TOO_FEW_ROWS = "no more rows than parameters: add runs"
    DID_NOT_CONVERGE = "no start ended at a minimum: narrow the bounds of {}"
    AT_BOUND = "{} ended at a bound: widen it, or take a formula without it"
    RANK_DEFICIENT = (
        "the parameters {} cannot be told apart by these rows: vary the columns independently, or"
        " fix one of them"
    )


@dataclass(frozen=True, eq=False, repr=False)
class ScalingFit(Framed):
    """What came of fitting a formula to a table.

    Attributes:
        formula: As read.
        status: OK, or what is wrong.
        reason: The status in words, with the parameters it is about.
        estimates: By parameter; the intervals are percentiles of the bootstrap over rows, NaN
            without one, and where more than a tenth of its resamples do not determine the
            parameters: they cover too little for a few dozen rows or less. Empty where there are no
            numbers.
        loss: Mean Huber loss of log residuals, in squared logs; NaN without numbers.
        residual_sd: Root mean square of log residuals; NaN without numbers.
        n_rows: Of the table.
    """

    formula: Formula
    status: ScalingStatus
    reason: str
    estimates: dict[str, Estimate]
    loss: float
    residual_sd: float
    n_rows: int

    @property
    def title(self) -> str:
        """The formula and the rows; and what is wrong."""
        of = f"{self.formula.text}, {self.n_rows} rows"
        return of if self.status is ScalingStatus.OK else f"{of}: {self.reason}"

    def to_frame(self) -> pd.DataFrame:
        """One row a parameter, or a single one with NaN where there are no numbers.

        Returns:
            formula, parameter, estimate, low, high (95 %; NaN without a bootstrap), loss,
            residual_sd, n_rows, status.
        """
        nothing = Estimate(np.nan, np.nan, np.nan)
        rows = [
            {
                "formula": self.formula.text,
                "parameter": name,
                "estimate": one.value,
                "low": one.low,
                "high": one.high,
                "loss": self.loss,
                "residual_sd": self.residual_sd,
                "n_rows": self.n_rows,
                "status": self.status.name.lower(),
            }
            for name, one in (self.estimates or {"": nothing}).items()
        ]
        return pd.DataFrame(rows)

    def predict(self, frame: pd.DataFrame) -> Array:
        """The response at other columns.

        Args:
            frame: With the columns of the formula.
        """
        values = {name: one.value for name, one in self.estimates.items()}
        columns = {
            name: frame[name].to_numpy(float) for name in self.formula.names if name in frame
        }
        found = evaluate(self.formula.body, values | columns)
        return np.broadcast_to(np.asarray(found, float), len(frame)).copy()


def fit_scaling_law(
    frame: pd.DataFrame,
    formula: str,
    bounds: Mapping[str, Bounds] | None = None,
    huber: float | None = 1e-3,
    bootstrap: int = 0,
    seed: int = 0,
) -> ScalingFit:
    """Fit a formula to a table: least Huber loss of log response, from many starts.

    A parameter that is a mere factor of one term (E, A and B here) has a best value for any value
    of the others, by nonnegative least squares of relative residuals; so starts are spread over the
    others alone (α and β), and the best of them descended from over all parameters.

    Args:
        frame: With columns for the response and for what the formula names; all positive. Every
            other name is a parameter.
        formula: As in "L = E + A/N**alpha + B/D**beta".
        bounds: Lowest and highest value by parameter. By default a factor is positive, and any
            other is looked for in EXPONENT; one that spans decades needs bounds of its own.
        huber: δ of the loss, in logs; None for plain least squares.
        bootstrap: Resamples of rows for the intervals; 0 for none.
        seed: Of the bootstrap.

    Raises:
        InputError: The formula, its columns or the bounds are not what they should be.
    """
    parsed = parse(formula)
    problem = _problem(frame, parsed, bounds or {}, huber)
    about = len(frame), problem.names
    if len(frame) <= len(problem.names):
        return _failed(parsed, ScalingStatus.TOO_FEW_ROWS, *about)
    found = problem.best(problem.starts())
    if found is None:
        return _failed(parsed, ScalingStatus.DID_NOT_CONVERGE, *about)
    same = problem.inseparable(found)
    if same:
        return _failed(parsed, ScalingStatus.RANK_DEFICIENT, len(frame), same)
    edge = problem.at_bound(found)
    status = ScalingStatus.AT_BOUND if edge else ScalingStatus.OK
    ends = _bootstrap(problem, found, bootstrap, np.random.default_rng(seed))
    values = problem.outer(found)
    left = problem.residuals(found)
    reason = status.format(_listed(edge))
    if bootstrap and np.isnan(ends).any():
        reason += "; too few resamples of these rows determine it, so it has no intervals: add rows"
    return ScalingFit(
        parsed,
        status,
        reason,
        {name: Estimate(values[name], *ends[i]) for i, name in enumerate(problem.names)},
        float(np.mean(_huber(left, huber))),
        float(np.sqrt(np.mean(left**2))),
        len(frame),
    )


@dataclass(frozen=True, eq=False)
class _Problem:
    """The fit of one table; factors, and what has a lowest value above 0, go by their log."""

    formula: Formula
    y: Array
    columns: dict[str, Array]
    bounds: dict[str, Bounds]
    factors: dict[str, ast.expr]
    huber: float | None

    @property
    def names(self) -> list[str]:
        return list(self.bounds)

    def logged(self, name: str) -> bool:
        return self.bounds[name][0] > 0 or name in self.factors

    def outer(self, inner: Array) -> dict[str, float]:
        pairs = zip(self.names, inner, strict=True)
        with np.errstate(over="ignore"):
            return {name: float(np.exp(x) if self.logged(name) else x) for name, x in pairs}

    def limits(self) -> Array:
        with np.errstate(divide="ignore"):
            rows = [np.log(b) if self.logged(n) else b for n, b in self.bounds.items()]
        return np.array(rows, float)

    def residuals(self, inner: Array) -> Array:
        value = evaluate(self.formula.body, self.columns | self.outer(inner))
        with np.errstate(all="ignore"):
            return np.asarray(np.log(np.broadcast_to(value, self.y.shape)) - self.y, float)

    def jacobian(self, inner: Array) -> Array:
        values = self.columns | self.outer(inner)
        f = evaluate(self.formula.body, values)
        rows = [
            derivative(self.formula.body, values, name) * (values[name] if self.logged(name) else 1)
            for name in self.names
        ]
        return np.column_stack([np.broadcast_to(row / f, self.y.shape) for row in rows])

    def starts(self) -> list[Array]:
        """The best of many points over the parameters that are not factors, with best factors."""
        searched = [i for i, name in enumerate(self.names) if name not in self.factors]
        limits = self.limits()
        points = np.zeros((1, 0))
        if searched:
            halton = qmc.Halton(len(searched), scramble=False).random(_CANDIDATES + 1)[1:]
            low, high = limits[searched].T
            points = low + (high - low) * halton
        found = []
        for point in points:
            inner = np.zeros(len(self.names))
            inner[searched] = point
            inner = np.clip(self._with_factors(inner), limits[:, 0] + 1e-9, limits[:, 1] - 1e-9)
            cost = float(np.sum(np.abs(self.residuals(inner))))
            if np.isfinite(cost):
                found.append((cost, inner))
        return [inner for _, inner in sorted(found, key=lambda one: one[0])[:_STARTS]]

    def best(self, starts: list[Array]) -> Array | None:
        """The end of least loss; first with a wide Huber loss, for from afar all is linear."""
        limits = self.limits()
        ends = []
        for start in starts:
            inner = start
            for scale in [1e-1, 1e-2, self.huber] if self.huber else [None]:
                try:
                    done = optimize.least_squares(
                        self.residuals, inner, self.jacobian, (limits[:, 0], limits[:, 1]),
                        loss="huber" if scale else "linear", f_scale=scale or 1.0, x_scale="jac",
                        xtol=1e-11, ftol=1e-13, gtol=1e-13, max_nfev=400,
                    )  # fmt: skip
                except (ValueError, np.linalg.LinAlgError):  # where the formula is not positive
                    break
                inner = np.clip(done.x, limits[:, 0] + 1e-9, limits[:, 1] - 1e-9)
            else:
                ends.append((float(done.cost), done.x, done.status > 0))
        good = [(cost, x) for cost, x, converged in ends if converged]
        return min(good, key=lambda one: one[0])[1] if good else None

    def at_bound(self, inner: Array) -> list[str]:
        limits = self.limits()
        near = np.minimum(inner - limits[:, 0], limits[:, 1] - inner) < _TIGHT
        return [name for name, one in zip(self.names, near, strict=True) if one]

    def inseparable(self, inner: Array) -> list[str]:
        J = self.jacobian(inner)
        norms = np.linalg.norm(J, axis=0)
        if (norms < 1e-12).any():
            return [name for name, norm in zip(self.names, norms, strict=True) if norm < 1e-12]
        _, singular, rows = np.linalg.svd(J / norms, full_matrices=False)
        if singular[-1] > 1e-9 * singular[0]:
            return []
        weights = np.abs(rows[-1])
        return [n for n, w in zip(self.names, weights, strict=True) if w > 0.1 * weights.max()]

    def _with_factors(self, inner: Array) -> Array:
        """The factors at their best: terms over the response, against 1."""
        if not self.factors:
            return inner
        values = self.columns | self.outer(inner)
        terms = (evaluate(one, values) for one in self.factors.values())
        design = np.column_stack([np.broadcast_to(one, self.y.shape) for one in terms])
        design = design / np.exp(self.y)[:, None]
        scale = np.linalg.norm(design, axis=0)
        if not (np.isfinite(scale).all() and (scale > 0).all()):
            return inner
        found = optimize.nnls(design / scale, np.ones(len(self.y)))[0]
        found = np.maximum(found, 1e-3 * found.max()) / scale
        for name, value in zip(self.factors, found, strict=True):
            inner[self.names.index(name)] = np.log(max(value, 1e-300))
        return inner


def _problem(
    frame: pd.DataFrame, formula: Formula, bounds: Mapping[str, Bounds], huber: float | None
) -> _Problem:
    names = [name for name in formula.names if name not in frame]
    columns = [name for name in formula.names if name in frame]
    problems = [f"the table has no column {formula.response}"] * (formula.response not in frame)
    if not columns:
        problems.append(f"no name in {formula.text} is a column of the table")
    problems += [f"bounds of {one}, which is no parameter" for one in bounds if one not in names]
    for name, (low, high) in bounds.items():
        if not (np.isfinite([low, high]).all() and low < high):
            problems.append(f"bounds of {name}: a lowest and a highest number are wanted")
    for name in [*columns, formula.response]:
        if name in frame:
            numbers = pd.to_numeric(frame[name], errors="coerce")
            if not (np.isfinite(numbers) & (numbers > 0)).all():
                problems.append(f"column {name}: positive numbers are wanted in every row")
    if problems:
        raise InputError("\n".join(problems))
    factors = _factors(formula, names)
    defaults = {name: (0.0, np.inf) if name in factors else EXPONENT for name in names}
    return _Problem(
        formula,
        np.log(frame[formula.response].to_numpy(float)),
        {name: frame[name].to_numpy(float) for name in columns},
        defaults | {name: (float(low), float(high)) for name, (low, high) in bounds.items()},
        factors,
        huber,
    )


def _factors(formula: Formula, names: list[str]) -> dict[str, ast.expr]:
    """At most one factor a term, with what it is multiplied by: the response is linear in them."""
    found: dict[str, ast.expr] = {}
    terms = expanded(formula.body)
    for term in terms:
        for name in names:
            column = multiplier(term, name)
            elsewhere = sum(multiplier(other, name) is not None for other in terms) > 1
            if column is not None and not elsewhere and _occurrences(formula, name) == 1:
                found[name] = column
                break
    return found if len(found) == len(terms) else {}


def _occurrences(formula: Formula, name: str) -> int:
    return sum(isinstance(node, ast.Name) and node.id == name for node in ast.walk(formula.body))


def _bootstrap(
    problem: _Problem, found: Array, count: int, rng: np.random.Generator
) -> list[tuple[float, float]]:
    """The ends of each parameter's interval, from resampled rows; NaN where too few tell it."""
    size, drawn = len(problem.y), []
    for _ in range(count):
        rows = rng.integers(size, size=size)
        if len(np.unique(rows)) <= len(found):
            continue  # an exact fit, or none
        columns = {name: one[rows] for name, one in problem.columns.items()}
        resample = replace(problem, y=problem.y[rows], columns=columns)
        again = resample.best([found])
        if again is not None and not resample.inseparable(again):
            drawn.append(list(problem.outer(again).values()))
    if not drawn or len(drawn) < USABLE * count:
        return [(np.nan, np.nan)] * len(found)
    ends = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return [(float(low), float(high)) for low, high in ends.T]


def _huber(left: Array, delta: float | None) -> Array:
    if delta is None:
        return np.asarray(left**2 / 2)
    size = np.abs(left)
    return np.where(size <= delta, left**2 / 2, delta * (size - delta / 2))


def _failed(formula: Formula, status: ScalingStatus, n_rows: int, names: list[str]) -> ScalingFit:
    return ScalingFit(formula, status, status.format(_listed(names)), {}, np.nan, np.nan, n_rows)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:-1]) + (" and " if names[:-1] else "") + (names[-1] if names else "")
