"""Three thresholds side by side: measured in training, kept by the empirical energy, and fitted."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.brackets import BracketStatus
from analysis.landscape import HALF, TOLERANCE, Landscape
from analysis.laws import LawFit
from sweeper.tasks.predictions import critical_pairs, theorem4_pairs

DELTA = 0.05
"""The failure probability δ, unless another is given."""


def landscape_thresholds(
    landscape: Landscape,
    split_seeds: Iterable[int],
    delta: float = DELTA,
    tolerance: float = TOLERANCE,
) -> pd.DataFrame:
    """From which n_train Ê keeps half of the features, and all but a share δ of them.

    Args:
        landscape: Of one group.
        split_seeds: The splits to look at.
        delta: Theorem 4 promises its maxima with probability 1 − δ; here it is a share of features.
        tolerance: Width of the brackets, n_high/n_low − 1.

    Returns:
        One row a (irrep_dim, share, split_seed): group, group_order, max_irrep_dim, irrep_dim,
        share (½ or 1 − δ), split_seed, and status, n_low, n_high, n_c, violations and n_runs as in
        `thresholds`, of splits in place of runs. Features are those of all irreps with d_k =
        irrep_dim.
    """
    group = landscape.group
    rows = []
    for dim in landscape.irrep_dims:
        for share in (HALF, 1 - delta):
            for seed in split_seeds:
                found = landscape.threshold(seed, share, dim, tolerance)
                rows.append(
                    {
                        "group": group.name,
                        "group_order": group.order,
                        "max_irrep_dim": group.max_irrep_dim,
                        "irrep_dim": dim,
                        "share": share,
                        "split_seed": seed,
                        **vars(found),
                    }
                )
    return pd.DataFrame(rows)


def three_thresholds(
    kept: pd.DataFrame,
    thresholds: pd.DataFrame | None = None,
    fits: Sequence[LawFit] = (),
    delta: float = DELTA,
) -> pd.DataFrame:
    """The thresholds of each group, with intervals; all in pairs, NaN where there is none.

    Args:
        kept: As `landscape_thresholds` gives them, of all groups; of each, the features of its
            largest irreps are taken.
        thresholds: Of training, as `thresholds` gives them; of other groups too, if need be.
        fits: At most one law a setting.
        delta: δ of the formula of Theorem 4.

    Returns:
        One row a (setting, group), in order of M within a setting (one without words if there are
        no thresholds): setting, group, group_order, max_irrep_dim; then, each with _low and _high,
        trained, kept_half, kept_most and fitted; trained_seeds and kept_seeds; papers_code,
        2.7482·(d/2)·M log M; theorem4, d² M log(M/δ), which is up to a constant; and all_pairs, M².
        The first three are geometric means over seeds, from the least n_low to the largest n_high
        of any; fitted is the law at M and d, with its 95 % band. NaN stands for a mean when a seed
        has its threshold outside of the n_train run.
    """
    found = []
    settings = [""] if thresholds is None else thresholds["setting"].unique().tolist()
    laws = {fit.setting: fit.law for fit in fits}
    for setting in settings:
        for (_, group), cells in kept.groupby(["group_order", "group"]):
            order, d = (int(cells[name].iloc[0]) for name in ("group_order", "max_irrep_dim"))
            largest = cells[cells["irrep_dim"] == d]
            half = largest["share"] == HALF
            row: dict[str, Any] = {
                "setting": setting,
                "group": group,
                "group_order": order,
                "max_irrep_dim": d,
            }
            runs = None
            if thresholds is not None:
                here = (thresholds["setting"] == setting) & (thresholds["group"] == group)
                runs = thresholds[here]
            row |= _over_seeds("trained", runs)
            row |= _over_seeds("kept_half", largest[half])
            row |= _over_seeds("kept_most", largest[~half])
            band = [np.full(1, np.nan)] * 3
            if law := laws.get(setting):
                band = list(law.predict(np.array([float(order)]), float(d)))
            names = ("fitted", "fitted_low", "fitted_high")
            row |= {name: float(value[0]) for name, value in zip(names, band, strict=True)}
            row |= {
                "trained_seeds": 0 if runs is None else int(runs["n_c"].notna().sum()),
                "kept_seeds": int(half.sum()),
                "papers_code": critical_pairs(order, d),
                "theorem4": theorem4_pairs(order, d, delta),
                "all_pairs": order**2,
            }
            found.append(row)
    return pd.DataFrame(found)


def _over_seeds(name: str, cells: pd.DataFrame | None) -> dict[str, float]:
    """Mean over the seeds that say anything, and the ends of all their brackets."""
    keys = (name, f"{name}_low", f"{name}_high")
    if cells is None or (told := cells[cells["status"] != BracketStatus.NO_RUNS]).empty:
        return dict.fromkeys(keys, np.nan)
    n_c, low, high = (told[key].to_numpy(float) for key in ("n_c", "n_low", "n_high"))
    ends = float(np.exp(np.log(n_c).mean())), float(low.min()), float(high.max())
    return dict(zip(keys, ends, strict=True))
