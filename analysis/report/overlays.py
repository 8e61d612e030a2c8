"""What is drawn on the phase diagram: fitted laws with bands, references, measured thresholds."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from analysis.brackets import BracketStatus
from analysis.laws import Array, LawFit
from analysis.tables import Plain, plain
from sweeper.tasks.predictions import CRITICAL_RATIO, critical_pairs

POINTS = 60
_ABOVE = (BracketStatus.NONE_GENERALIZED, BracketStatus.UNRESOLVED)


def law_lines(fits: Sequence[LawFit], cells: pd.DataFrame, decided: bool) -> list[Plain]:
    """Lines n(M) of one setting, one a law and irrep dimension.

    Args:
        fits: Of this setting.
        cells: Its thresholds; the fitted laws end where the groups that were fitted do.
        decided: Whether the horizon lets a verdict be given; without it, the label says so.

    Returns:
        Of each line: name, kind, dim, M, n, and low and high, None but for fitted laws. The dim of
        the paper's lines is max d_k, that of the others irrep_dim.
    """
    lines: list[Plain] = []
    for fit in fits:
        if fit.law is None:
            continue
        name = f"{fit.form}, fitted, 95 % band (scatter)" + ("" if decided else " (no verdict)")
        for dim, groups in fit.groups.groupby("irrep_dim"):
            M = _along(groups["group_order"])
            n, low, high = fit.law.predict(M, float(groups["irrep_dim"].iloc[0]))
            lines.append(_line(name, str(fit.form), dim, M, n, low, high))
    found = fits[0].groups if fits else pd.DataFrame()
    for dim, groups in found.groupby("irrep_dim") if len(found) else ():
        M = _along(groups["group_order"])
        n = M * np.log(M) * np.exp(_log_constant(groups, lambda m: m * np.log(m)))
        lines.append(_line("M log M, best constant", "M log M", dim, M, n))
    if (cells["tuples"] != cells["group_order"] ** 2).any():
        return lines
    several = len(cells["max_irrep_dim"].unique()) > 1
    name = f"{CRITICAL_RATIO} M log M{', times d_k/2' if several else ''} (paper's code)"
    for d_k, part in cells.groupby("max_irrep_dim"):
        M = _along(part["group_order"])
        n = np.array([critical_pairs(order, int(part["max_irrep_dim"].iloc[0])) for order in M])
        lines.append(_line(name, "paper", d_k, M, n))
    return lines


def threshold_marks(thresholds: pd.DataFrame, numbers: dict[str, dict[object, int]]) -> list[Plain]:
    """The threshold of each setting and group, over its seeds.

    Args:
        thresholds: As `thresholds` gives them.
        numbers: For each axis, the number of each value.

    Returns:
        Of each: setting, for each axis the number of its value, M, tuples, task, n_c (geometric
        mean over seeds) or None, low and high (of all seeds' brackets), seeds with an n_c, all
        seeds, and way: "above" or "below" where some seeds' thresholds lie outside what was run.
    """
    marks: list[Plain] = []
    for (setting, _), cells in thresholds.groupby(["setting", "group"], sort=False):
        first = cells.iloc[0]
        found = cells["n_c"].dropna().astype(float)
        status = set(cells["status"])
        way = "above" if status & set(_ABOVE) else ""
        way = way or ("below" if BracketStatus.ALL_GENERALIZED in status else "")
        marks.append(
            {
                "setting": str(setting),
                "where": {name: known[first[name]] for name, known in numbers.items()},
                "M": int(first["group_order"]),
                "tuples": int(first["tuples"]),
                "task": str(first["task"]),
                "n_c": plain(float(np.exp(np.log(found).mean()))) if len(found) else None,
                "low": plain(float(cells["n_low"].min())),
                "high": plain(float(cells["n_high"].max())),
                "seeds": len(found),
                "of": len(cells),
                "way": way,
            }
        )
    return marks


def tuples_power(cells: pd.DataFrame) -> float:
    """The power of M that the number of all tuples is: 2 for pairs.

    Args:
        cells: Thresholds of one setting.
    """
    several = cells[cells["group_order"] > 1]
    powers = np.log(several["tuples"].astype(float)) / np.log(several["group_order"].astype(float))
    return float(powers.mean()) if len(several) else 2.0


def _along(orders: "pd.Series[int]") -> Array:
    return np.geomspace(max(float(orders.min()), 2.0), float(orders.max()), POINTS)


def _log_constant(groups: pd.DataFrame, shape: Callable[[Array], Array]) -> float:
    M = groups["group_order"].to_numpy(float)
    return float(np.mean(groups["log_n_c"].to_numpy(float) - np.log(shape(M))))


def _line(
    name: str,
    kind: str,
    dim: object,
    M: Array,
    n: Array,
    low: Array | None = None,
    high: Array | None = None,
) -> dict[str, Plain]:
    ends = {"low": low, "high": high}
    return {
        "name": name,
        "kind": kind,
        "dim": plain(dim),
        "M": _short(M),
        "n": _short(n),
        **{end: None if values is None else _short(values) for end, values in ends.items()},
    }


def _short(values: Array) -> Plain:
    return plain([float(f"{value:.5g}") for value in values])
