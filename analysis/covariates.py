"""Learning rate, weight decay and the like as covariates: one law over several settings.

The settings of one group are not independent: what makes its n_c high under one learning rate does
so under all. So groups stay the units. Each group is fitted over its own settings first,

    log n_c = a_g + Σ c_gk (log z_k − mean log z_k),

which takes its effect out of its slopes; then the slopes c_g are averaged over groups, with t
intervals on (groups − 1) degrees of freedom, widened by what the brackets leave, and the a_g are
thresholds like any others, at the mean covariates, for `fit_law` and all other fits. Settings that
no straight line in log z fits err alike in all groups: `misfit` says by how much.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype
from scipy import stats

from analysis.brackets import BracketStatus
from analysis.formulas import InputError
from analysis.groups import group_means
from analysis.laws import LEVEL, Array, Estimate
from analysis.loading import HOW_TRAINED

COVARIATES = ("learning_rate", "weight_decay")
_NUMERIC = (*COVARIATES, "hidden_size", "max_steps")
"""Columns that may be covariates where nobody says which: in whose logs n_c may be a power law."""


class CovariateStatus(StrEnum):
    """What came of a fit. The text names the cause and the remedy."""

    OK = "the covariates were fitted"
    TOO_FEW_GROUPS = (
        "fewer than two groups have thresholds at enough settings to tell the covariates apart:"
        " add group orders, or n_train on both sides of the thresholds of each setting"
    )


@dataclass(frozen=True, eq=False)
class CovariateFit:
    """How n_c goes with covariates, and the thresholds at their mean.

    Attributes:
        status: OK, or why there are no numbers.
        slopes: For each covariate d log n_c / d log z: the mean over groups, with a t interval,
            widened by how far it could move with every n_c staying inside its bracket, for groups
            whose grids of n_train are alike err alike.
        at: For each covariate its geometric mean over settings.
        setting: What the settings have in common, in words, and where their mean lies.
        thresholds: A table as `thresholds` gives it, one row a group: n_c at the mean covariates.
        misfit: Root mean square, over settings, of the mean residual of log n_c; a good one is far
            below the scatter between groups. NaN where no group has more settings than are fitted.
        n_settings: Settings fitted.
        dropped: Groups left out, each with its reason.
    """

    status: CovariateStatus
    slopes: dict[str, Estimate]
    at: dict[str, float]
    setting: str
    thresholds: pd.DataFrame
    misfit: float
    n_settings: int
    dropped: tuple[str, ...]


def numeric_covariates(thresholds: pd.DataFrame) -> list[str]:
    """Which of learning rate, weight decay, width and horizon vary within a group.

    Args:
        thresholds: As `thresholds` gives them.
    """
    groups = thresholds.groupby("group")
    there = [name for name in _NUMERIC if name in thresholds]
    return [name for name in there if groups[name].nunique().gt(1).any()]


def fit_covariates(
    thresholds: pd.DataFrame, covariates: Sequence[str] = COVARIATES
) -> CovariateFit:
    """Fit thresholds over settings jointly.

    Args:
        thresholds: Of several settings, with a column for every covariate.
        covariates: Columns of positive numbers.

    Raises:
        InputError: A covariate is no column, does not vary or is not positive; or the settings
            differ in something else too.
    """
    _check(thresholds, covariates)
    cells = _cells(thresholds, covariates)
    logs = np.log(cells[list(covariates)].to_numpy(float))
    settings = (cells if len(cells) else thresholds).drop_duplicates("setting")
    centre = np.log(settings[list(covariates)].to_numpy(float)).mean(axis=0)
    found, dropped, residuals, resolutions = [], [], [], []
    for group, rows in cells.groupby("group", sort=False).indices.items():
        design = np.column_stack([np.ones(len(rows)), logs[rows] - centre])
        if np.linalg.matrix_rank(design) < design.shape[1]:
            dropped.append(f"{group}: too few settings with thresholds ({len(rows)})")
            continue
        y = cells["log_n_c"].to_numpy(float)[rows]
        own = np.linalg.lstsq(design, y)[0]
        half_widths = cells["half_width"].to_numpy(float)[rows]
        if len(rows) > design.shape[1]:
            residuals.append(pd.Series(y - design @ own, index=cells["setting"].iloc[rows]))
        resolutions.append(np.abs(np.linalg.pinv(design)[1:]) @ half_widths)
        cell = cells.iloc[rows[0]].copy()
        for name in ("violations", "n_runs"):
            cell[name] = int(cells[name].iloc[rows].sum())
        found.append((cell, own, float(half_widths.mean())))
    at = dict(zip(covariates, np.exp(centre).tolist(), strict=True))
    words = _common(settings["setting"].tolist(), at)
    table = _table(found, words).assign(horizon_steps=int(thresholds["horizon_steps"].max()))
    if len(found) < 2:
        status = CovariateStatus.TOO_FEW_GROUPS
        return CovariateFit(status, {}, at, words, table, np.nan, len(settings), tuple(dropped))
    slopes = np.array([own[1:] for _, own, _ in found])
    misfit = np.nan
    if residuals:
        means = pd.concat(residuals).groupby(level=0).mean()
        misfit = float(np.sqrt(np.mean(means**2)))
    grid = np.mean(resolutions, axis=0)
    return CovariateFit(
        CovariateStatus.OK,
        {name: _mean(slopes[:, k]).widened(float(grid[k])) for k, name in enumerate(covariates)},
        at,
        words,
        table,
        misfit,
        len(settings),
        tuple(dropped),
    )


def _check(thresholds: pd.DataFrame, covariates: Sequence[str]) -> None:
    problems = []
    for name in covariates:
        if name not in HOW_TRAINED:
            problems.append(f"{name} is no axis of a setting; valid are {', '.join(_NUMERIC)}")
        elif name not in thresholds or (thresholds[name] == thresholds[name].iloc[0]).all():
            problems.append(f"{name} does not vary over these thresholds; leave it out")
        elif not is_numeric_dtype(thresholds[name]) or not (thresholds[name] > 0).all():
            problems.append(f"{name}: positive numbers are wanted, for their logs are fitted")
    others = [
        name
        for name in HOW_TRAINED
        if name in thresholds
        and name not in covariates
        and thresholds.groupby("group")[name].nunique().gt(1).any()
    ]
    problems += [f"{one} varies too: pick one of its values, or take it in" for one in others]
    if problems:
        raise InputError("\n".join(problems))


def _cells(thresholds: pd.DataFrame, covariates: Sequence[str]) -> pd.DataFrame:
    """One row a setting and group: its mean log n_c over seeds, its runs, and the covariates."""
    parts = []
    for setting, part in thresholds.groupby("setting"):
        values = {name: part[name].iloc[0] for name in covariates}
        table = group_means(part).table.assign(setting=setting, **values)
        runs = part.groupby("group")[["violations", "n_runs"]].sum()
        parts.append(table.join(runs, on="group"))
    return pd.concat(parts, ignore_index=True)


def _common(settings: list[str], at: dict[str, float]) -> str:
    """The parts that all settings share, and the covariates at their mean."""
    parts = [setting.split(", ") for setting in settings]
    kept = [part for part in parts[0] if all(part in other for other in parts)]
    means = [f"{name.replace('_', ' ')} {value:.3g}" for name, value in at.items()]
    return f"{', '.join(kept)}, at the mean of {len(settings)} settings ({', '.join(means)})"


_COLUMNS = {
    "setting": "", "group": "", "group_order": 0, "max_irrep_dim": 1, "split_seed": 0,
    "init_seed": 0, "status": BracketStatus.BRACKETED, "n_low": np.nan, "n_high": np.nan,
    "n_c": np.nan, "violations": 0, "n_runs": 0, "n_excluded": 0, "horizon_steps": 0,
    "steps_low": np.nan, "steps_high": np.nan,
}  # fmt: skip


def _table(found: list[tuple["pd.Series[float]", Array, float]], setting: str) -> pd.DataFrame:
    rows = [
        _COLUMNS
        | {
            "setting": setting,
            "group": cell["group"],
            "group_order": int(cell["group_order"]),
            "max_irrep_dim": cell["irrep_dim"],
            "n_low": np.exp(own[0] - half_width),
            "n_high": np.exp(own[0] + half_width),
            "n_c": np.exp(own[0]),
            "violations": cell["violations"],
            "n_runs": cell["n_runs"],
        }
        for cell, own, half_width in found
    ]
    return pd.DataFrame(rows, columns=list(_COLUMNS))


def _mean(slopes: Array) -> Estimate:
    mean, count = float(slopes.mean()), len(slopes)
    margin = float(stats.t.ppf((1 + LEVEL) / 2, count - 1) * slopes.std(ddof=1) / np.sqrt(count))
    return Estimate(mean, mean - margin, mean + margin)
