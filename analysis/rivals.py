"""Theorem 4 against its rivals, built in and declared: fit, test in the family, prediction."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from analysis.declarations import DeclaredLaw, built_in_laws
from analysis.declared import law_problem, predicted
from analysis.dims import Dim, with_dim
from analysis.groups import group_means
from analysis.laws import Array, aicc
from analysis.nonlinear import Solution, inseparable, solve

HELD_OUT = 0.25
"""Part of the groups, the largest, that the others have to predict; at least one."""


def compare_laws(
    thresholds: pd.DataFrame, laws: Sequence[DeclaredLaw] = (), dim: Dim | str | None = None
) -> pd.DataFrame:
    """Every law on the same groups, the best by AICc first.

    Laws less than 2 apart in AICc cannot be told apart; then, and for laws far apart too, look at
    what predicts best beyond the orders it was fitted to. Where residual_sd is below the brackets'
    half-widths, AICc compares how the grids of n_train happen to lie, not the laws.

    A law with a family is tested inside it, by F = ((RSS − RSS_f)/q)/(RSS_f/dof_f) on (q, dof_f)
    degrees of freedom, q the parameters that the family has more. `p_with_grid` is the same after
    every log n_c has moved to the end of its bracket that favours the law, so that thresholds which
    a coarse grid makes alike reject nothing; for one parameter more it rejects exactly what lies
    outside `Law.quoted_beta`.

    Args:
        thresholds: Of one setting, as `fit_law` takes them.
        laws: To compare beside the built-in ones, as `declare` or `read_laws` give them. Of the
            built-in ones, those with d are left out where d does not vary.
        dim: Which irrep dimension is d, as `fit_law` takes it.

    Returns:
        One row a law: law, n_parameters, residual_sd (of log n_c), aicc, delta_aicc (to the best),
        held_out_error: the rms error of log n_c on the largest quarter of the groups, predicted
        from the others; family, p_in_family, p_with_grid. NaN where there are too few groups for
        it, or the groups do not determine the law; family is empty where there is none.
    """
    groups = group_means(thresholds if dim is None else with_dim(thresholds, dim)).table
    varies = groups["irrep_dim"].min() < groups["irrep_dim"].max()
    compared = [law for law in built_in_laws() if varies or not law.uses_dim]
    compared += laws
    train = groups.iloc[: len(groups) - max(1, int(HELD_OUT * len(groups)))]
    held_out = groups.iloc[len(train) :]
    found = {law.name: _solved(groups, law) for law in compared}
    sizes = {law.name: len(law.bounds) for law in compared}
    rows = [
        {
            "law": law.name,
            **_quality(found[law.name], len(law.bounds)),
            "held_out_error": _prediction_error(train, held_out, law),
            "family": law.family if law.family in found else "",
            **_test(groups, found, sizes, law),
        }
        for law in compared
    ]
    numbers = ["residual_sd", "aicc", "held_out_error", "p_in_family", "p_with_grid"]
    table = pd.DataFrame(rows).astype(dict.fromkeys(numbers, float))
    table.insert(4, "delta_aicc", table["aicc"] - table["aicc"].min())
    return table.sort_values("aicc", ignore_index=True, kind="stable")


def _solved(groups: pd.DataFrame, law: DeclaredLaw) -> Solution | None:
    """The law at its best; None where these groups do not determine it."""
    if len(groups) <= len(law.bounds):
        return None
    problem = law_problem(groups, law)
    solution = solve(problem)
    usable = solution.converged and np.isfinite(solution.rss)
    return solution if usable and not inseparable(problem, solution) else None


def _quality(solution: Solution | None, n_parameters: int) -> dict[str, float | None]:
    if solution is None:
        return {"n_parameters": n_parameters, "residual_sd": None, "aicc": None}
    n_groups = len(solution.residuals)
    return {
        "n_parameters": n_parameters,
        "residual_sd": float(np.sqrt(solution.rss / (n_groups - n_parameters))),
        "aicc": aicc(solution.rss, n_groups, n_parameters),
    }


def _prediction_error(train: pd.DataFrame, held_out: pd.DataFrame, law: DeclaredLaw) -> float:
    solution = _solved(train, law)
    if solution is None:
        return np.nan
    values = solution.parameters | {
        name: float(value)
        for name, value in law_problem(train, law).columns.items()
        if np.ndim(value) == 0
    }
    orders, dims = (held_out[name].to_numpy(float) for name in ("group_order", "irrep_dim"))
    left = held_out["log_n_c"].to_numpy(float) - np.log(predicted(law, values, orders, dims))
    return float(np.sqrt(np.mean(left**2)))


def _test(
    groups: pd.DataFrame,
    found: dict[str, Solution | None],
    sizes: dict[str, int],
    law: DeclaredLaw,
) -> dict[str, float | None]:
    """Whether the family of a law fits the groups better than chance would have it."""
    inside, around = found[law.name], found.get(law.family or "")
    if inside is None or around is None:
        return {"p_in_family": None, "p_with_grid": None}
    q = sizes[law.family or ""] - sizes[law.name]
    dof = len(groups) - sizes[law.family or ""]
    gain = float(np.sqrt(max(inside.rss - around.rss, 0.0)))
    # Along the direction in which the family moves the fit, brackets can take back so much of it.
    moved: Array = inside.residuals - around.residuals
    length = float(np.linalg.norm(moved))
    slack = float(np.abs(moved) @ groups["half_width"]) / length if length > 0 else 0.0
    return {
        "p_in_family": _p_value(gain, around.rss, q, dof),
        "p_with_grid": _p_value(max(gain - slack, 0.0), around.rss, q, dof),
    }


def _p_value(gain: float, rss: float, q: int, dof: int) -> float:
    if gain**2 < 1e-20:  # of squared logs: rounding
        return 1.0
    return float(stats.f.sf((gain**2 / q) / (rss / dof), q, dof)) if rss > 0 else 0.0
