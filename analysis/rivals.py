"""Theorem 4 against its rivals: how well each fits, and how well it predicts larger groups."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from analysis.fitting import aicc, fit_power_law, fit_theorem4
from analysis.groups import group_means
from analysis.laws import Array

FIXED_SHAPES: dict[str, Callable[[Array], Array]] = {
    "n ∝ M": lambda M: M,
    "M log M": lambda M: M * np.log(M),
    "M^(5/3)": lambda M: M ** (5 / 3),
    "M²": lambda M: M**2,
}
"""Of n_c over M: only a constant, and the exponent of d_k where it varies, are fitted to them."""
HELD_OUT = 0.25
"""Part of the groups, the largest, that the others have to predict; at least one."""


def compare_laws(thresholds: pd.DataFrame) -> pd.DataFrame:
    """Every law on the same groups, the best by AICc first.

    Laws less than 2 apart in AICc cannot be told apart; then, and for laws far apart too, look at
    what predicts best beyond the orders it was fitted to. Where residual_sd is below the brackets'
    half-widths, AICc compares how the grids of n_train happen to lie, not the laws.

    Args:
        thresholds: Of one setting, as `thresholds` gives them.

    Returns:
        One row a law: law, n_parameters, residual_sd (of log n_c), aicc, delta_aicc (to the best),
        and held_out_error: the rms error of log n_c on the largest quarter of the groups, predicted
        from the others. NaN where there are too few groups for it.
    """
    groups = group_means(thresholds).table
    train = groups.iloc[: len(groups) - max(1, int(HELD_OUT * len(groups)))]
    held_out = groups.iloc[len(train) :]
    rows = [
        {"law": law, **_fit_of(*_fixed(groups, groups, shape))}
        | {"held_out_error": _rms(_fixed(train, held_out, shape)[0])}
        for law, shape in FIXED_SHAPES.items()
    ]
    for fit in (fit_power_law, fit_theorem4):
        whole = fit(thresholds)
        part = fit(thresholds[thresholds["group"].isin(train["group"])]).law
        left = np.array([])
        if part:
            orders, dims = (held_out[name].to_numpy(float) for name in ("group_order", "irrep_dim"))
            left = held_out["log_n_c"].to_numpy() - np.log(part.predict(orders, dims)[0])
        residuals = whole.groups["residual"].to_numpy() if whole.law else np.array([])
        n_parameters = 3 if whole.law and whole.law.gamma else 2
        row = {"law": str(whole.form), **_fit_of(residuals, n_parameters)}
        rows.append(row | {"held_out_error": _rms(left)})
    table = pd.DataFrame(rows).astype({"aicc": float})
    table.insert(4, "delta_aicc", table["aicc"] - table["aicc"].min())
    return table.sort_values("aicc", ignore_index=True)


def _fixed(
    train: pd.DataFrame, test: pd.DataFrame, shape: Callable[[Array], Array]
) -> tuple[Array, int]:
    """What a law of fixed shape, fitted to some groups, leaves of log n_c in others."""
    varies = len(train) and train["irrep_dim"].min() < train["irrep_dim"].max()

    def parts(groups: pd.DataFrame) -> tuple[Array, Array]:
        columns = [np.ones(len(groups)), np.log(groups["irrep_dim"].to_numpy(float))]
        left = groups["log_n_c"].to_numpy(float) - np.log(
            shape(groups["group_order"].to_numpy(float))
        )
        return np.column_stack(columns[: 1 + bool(varies)]), left

    design, left = parts(train)
    fitted = np.linalg.lstsq(design, left)[0]
    if len(train) <= design.shape[1]:
        return np.array([]), design.shape[1]
    design, left = parts(test)
    return left - design @ fitted, design.shape[1]


def _fit_of(residuals: Array, n_parameters: int) -> dict[str, float | None]:
    spare = len(residuals) - n_parameters
    rss = float(np.sum(residuals**2))
    return {
        "n_parameters": n_parameters,
        "residual_sd": float(np.sqrt(rss / spare)) if spare > 0 else None,
        "aicc": aicc(rss, len(residuals), n_parameters),
    }


def _rms(errors: Array) -> float:
    return float(np.sqrt(np.mean(errors**2))) if len(errors) else np.nan
