"""Stage one of the laws: one mean log n_c a group, and which groups may have one."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.brackets import BracketStatus
from analysis.loading import demand


@dataclass(frozen=True, eq=False)
class GroupMeans:
    """The thresholds of one setting, averaged over seeds.

    Attributes:
        setting: In words.
        horizon_steps: Smallest and largest horizon of the cells, in steps.
        table: One row a group that may be fitted, in order of M: group, group_order, irrep_dim,
            log_n_c (mean over seeds), half_width (mean half-length of the brackets, in log n_c)
            and n_seeds.
        dropped: The other groups, each with its reason.
        violations: Share of the runs of these groups that lie on the wrong side of their cells'
            cuts; a good one is 0.
    """

    setting: str
    horizon_steps: tuple[int, int]
    table: pd.DataFrame
    dropped: tuple[str, ...]
    violations: float


def group_means(thresholds: pd.DataFrame) -> GroupMeans:
    """Average log n_c over the seeds of each group.

    A `not_monotone` cell with an n_c counts: its bracket already spans the cuts that tie, and to
    keep only clean cells would select seeds by their luck. A cell whose threshold lies outside its
    grid leaves its group out altogether: the mean over the other seeds would be biased towards the
    inside of the grid. A cell without runs that count says nothing of n_c, and only it is left out.

    Args:
        thresholds: Of one setting, as `thresholds` gives them. A column irrep_dim, as `with_dim`
            adds it, is taken as d in place of max_irrep_dim.

    Raises:
        ValueError: The thresholds are of several settings, or none at all.
    """
    wanted = ["setting", "group", "group_order", "status", "n_low", "n_high", "n_c"]
    demand(thresholds, wanted, "thresholds, as `thresholds` gives them")
    settings = thresholds["setting"].unique().tolist()
    if len(settings) > 1:
        raise ValueError(f"thresholds of {len(settings)} settings; fit one at a time (fit_laws)")
    dim = "irrep_dim" if "irrep_dim" in thresholds else "max_irrep_dim"
    keys = ["group_order", "group"]
    told = thresholds[thresholds["status"] != BracketStatus.NO_RUNS]
    incomplete = told.loc[told["n_c"].isna(), "group"].unique()
    whole = thresholds["group"].isin(told["group"]) & ~thresholds["group"].isin(incomplete)
    left_out = thresholds[~whole].groupby(keys)
    reasons = [
        f"{group}: {_reason_to_drop(cells[cells['status'] != BracketStatus.NO_RUNS])}"
        for (_, group), cells in left_out
    ]
    kept = told[~told["group"].isin(incomplete)]
    log_n = {name: np.log(kept[name].astype(float)) for name in ("n_low", "n_high", "n_c")}
    kept = kept.assign(log_n_c=log_n["n_c"], half_width=(log_n["n_high"] - log_n["n_low"]) / 2)
    groups = kept.groupby(keys)
    table = groups[["log_n_c", "half_width"]].mean()
    table = table.assign(irrep_dim=groups[dim].first(), n_seeds=groups.size())
    table = table.reset_index()
    columns = ["group", "group_order", "irrep_dim", "log_n_c", "half_width", "n_seeds"]
    steps = thresholds["horizon_steps"]
    return GroupMeans(
        setting=settings[0] if settings else "no setting",
        horizon_steps=(int(steps.min()), int(steps.max())) if len(steps) else (0, 0),
        table=table[columns],
        dropped=tuple(reasons),
        violations=float(kept["violations"].sum() / max(kept["n_runs"].sum(), 1)),
    )


def _reason_to_drop(cells: pd.DataFrame) -> str:
    outside = cells["n_c"].isna()
    if cells.empty:
        return "every run failed"
    status = cells.loc[outside, "status"]
    if (status == BracketStatus.NONE_GENERALIZED).all():
        where = "above the largest n_train, or beyond the horizon,"
    elif (status == BracketStatus.UNRESOLVED).all():
        where = "beyond the horizon, at which runs were still rising,"
    elif (status == BracketStatus.ALL_GENERALIZED).all():
        where = "below the smallest n_train"
    else:
        where = "outside the n_train run"
    return f"threshold {where} for {outside.sum()} of {len(cells)} seeds"
