"""What of the scatter of n_c comes from the split and what from the initial weights."""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import pandas as pd
from scipy import stats

from analysis.laws import Array

_EXACT = 1e-20
"""Sums of squares of log n_c below which there is only rounding."""


class SeedStatus(StrEnum):
    """Whether the two can be told apart. The text names the cause and the remedy."""

    OK = "the scatter was divided between split and initial weights"
    NOT_CROSSED = (
        "no group has thresholds for every pair of at least two split seeds and two init seeds:"
        " make split_seed and init_seed axes of their own"
    )
    GRID = (
        "in each group the thresholds of all seeds lie in the same bracket, so that no scatter is"
        " seen: space n_train more finely about the thresholds (design: refine)"
    )


@dataclass(frozen=True)
class SeedScatter:
    """Standard deviations of log n_c within a group.

    Attributes:
        setting: In words.
        status: OK, or why there are no numbers.
        groups: Those whose thresholds are crossed; the others say nothing here.
        split_sd: From split to split, the same initial weights; None without numbers.
        init_sd: From initial weights to initial weights, the same split.
        residual_sd: What neither explains: both together, and where in its bracket n_c lies.
        split_p: Of no scatter between splits, by the F test; small means there is some. None where
            the rest is 0, so that there is nothing to test against.
        init_p: The same for initial weights.
        half_width: Mean half-length of the brackets, in log n_c: what is less is not seen.
    """

    setting: str
    status: SeedStatus
    groups: tuple[str, ...] = ()
    split_sd: float | None = None
    init_sd: float | None = None
    residual_sd: float | None = None
    split_p: float | None = None
    init_p: float | None = None
    half_width: float | None = None


def seed_scatter(thresholds: pd.DataFrame) -> list[SeedScatter]:
    """Divide the scatter of log n_c between split seeds and init seeds.

    The two-way analysis of variance with random effects, log n_c = group + split + init + rest,
    the splits and initial weights of each group being its own; sums of squares and degrees of
    freedom are added up over groups, and σ² of the splits is their mean square less the rest's,
    over the number of init seeds (a mean over groups), at least 0.

    Args:
        thresholds: As `thresholds` gives them.

    Returns:
        One a setting, in order of setting.
    """
    return [_scatter(str(setting), part) for setting, part in thresholds.groupby("setting")]


def _scatter(setting: str, cells: pd.DataFrame) -> SeedScatter:
    tables: dict[str, Array] = {}
    widths = []
    for group, part in cells.groupby("group", sort=False):
        numbers = part.astype(dict.fromkeys(("n_low", "n_high", "n_c"), float))
        crossed = numbers.pivot_table("n_c", "split_seed", "init_seed", dropna=False)
        if min(crossed.shape) >= 2 and crossed.notna().all(axis=None):
            tables[str(group)] = np.log(crossed.to_numpy())
            widths.append(float(np.log(numbers["n_high"] / numbers["n_low"]).mean()) / 2)
    if not tables:
        return SeedScatter(setting, SeedStatus.NOT_CROSSED)
    sums, dofs, repeats = np.zeros(3), np.zeros(3), np.zeros(2)
    for table in tables.values():
        found = _sums_of_squares(table)
        sums, dofs = sums + found[0], dofs + found[1]
        repeats += np.array([table.shape[1], table.shape[0]]) / len(tables)
    squares = np.where(sums > _EXACT, sums, 0.0) / dofs
    half_width = float(np.mean(widths))
    if not squares.any():
        return SeedScatter(setting, SeedStatus.GRID, tuple(tables), half_width=half_width)
    apart = np.maximum(squares[:2] - squares[2], 0) / repeats
    split, init, rest = np.sqrt([*apart, squares[2]]).tolist()
    scatter = SeedScatter(
        setting,
        SeedStatus.OK,
        tuple(tables),
        split_sd=split,
        init_sd=init,
        residual_sd=rest,
        half_width=half_width,
    )
    if squares[2] == 0:
        return scatter
    split_p, init_p = stats.f.sf(squares[:2] / squares[2], dofs[:2], dofs[2]).tolist()
    return replace(scatter, split_p=split_p, init_p=init_p)


def _sums_of_squares(table: Array) -> tuple[Array, Array]:
    """Of splits, initial weights and the rest, of a (splits, inits) table; degrees of freedom."""
    splits, inits = table.shape
    centred = table - table.mean()
    rows, columns = centred.mean(axis=1), centred.mean(axis=0)
    rest = centred - rows[:, None] - columns[None, :]
    sums = [inits * np.sum(rows**2), splits * np.sum(columns**2), np.sum(rest**2)]
    dofs = [splits - 1, inits - 1, (splits - 1) * (inits - 1)]
    return np.array(sums), np.array(dofs, float)
