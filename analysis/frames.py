"""Thresholds as tables of plain numbers, one row a group."""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.laws import Estimate
from analysis.limits import Limit


def threshold_frame(thresholds: pd.DataFrame) -> pd.DataFrame:
    """The thresholds of each group, over its seeds.

    Args:
        thresholds: As `thresholds` gives them.

    Returns:
        One row a setting and group: setting, task (in words), group, group_order, max_irrep_dim,
        tuples (all there are to train on), n_c (geometric mean over the seeds that have one, in
        pairs), n_low and n_high (the ends of all seeds' brackets; NaN where one is open), n_c_share
        (n_c/tuples), n_c_over_m_log_m, steps_low and steps_high (medians over seeds, NaN without),
        seeds, seeds_bracketed (those that have an n_c), violations, n_excluded.
    """
    rows = []
    for (setting, group), cells in thresholds.groupby(["setting", "group"], sort=False):
        first = cells.iloc[0]
        order, tuples = int(first["group_order"]), int(first["tuples"])
        found = cells["n_c"].dropna().astype(float)
        n_c = float(np.exp(np.log(found).mean())) if len(found) else math.nan
        rows.append(
            {
                "setting": setting,
                "task": first["task"],
                "group": group,
                "group_order": order,
                "max_irrep_dim": int(first["max_irrep_dim"]),
                "tuples": tuples,
                "n_c": n_c,
                "n_low": cells["n_low"].astype(float).min(skipna=False),
                "n_high": cells["n_high"].astype(float).max(skipna=False),
                "n_c_share": n_c / tuples,
                "n_c_over_m_log_m": n_c / (order * math.log(order)),
                "steps_low": cells["steps_low"].median(),
                "steps_high": cells["steps_high"].median(),
                "seeds": len(cells),
                "seeds_bracketed": len(found),
                "violations": int(cells["violations"].sum()),
                "n_excluded": int(cells["n_excluded"].sum()),
            }
        )
    return pd.DataFrame(rows)


def limit_frame(limits: Sequence[Limit]) -> pd.DataFrame:
    """Thresholds without a horizon.

    Args:
        limits: As `threshold_limits` gives them.

    Returns:
        One row a setting and group: the fields of Limit, n_c with n_c_low and n_c_high (95 %), NaN
        where there is no number.
    """
    nothing = Estimate(math.nan, math.nan, math.nan)
    rows = []
    for one in limits:
        n_c = one.n_c or nothing
        ends = {"n_c": n_c.value, "n_c_low": n_c.low, "n_c_high": n_c.high}
        rows.append(vars(one) | {"status": one.status.name.lower()} | ends)
    numbers = ["z", "steps", "residual_sd"]
    return pd.DataFrame(rows).astype(dict.fromkeys(numbers, float))
