"""The threshold n_c of each cell: between which training-set sizes runs turn to generalize."""

from dataclasses import dataclass, fields
from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.loading import setting_labels, settings
from sweeper.store.records import Outcome
from sweeper.tasks.cuts import best_cut
from sweeper.tasks.task import count_tuples, task_label

CELL = ["setting", "group", "group_order", "max_irrep_dim", "split_seed", "init_seed"]
"""The columns that name a cell: runs that differ in n_train alone."""
_TASK = ["group", "group_order", "operands", "expression"]


class BracketStatus(StrEnum):
    """What the runs of one cell say about its threshold."""

    BRACKETED = "bracketed"
    """No run generalized up to n_low, every run did from n_high."""
    NOT_MONOTONE = "not_monotone"
    """Some run generalized with fewer pairs than one that did not; `violations` of them."""
    ALL_GENERALIZED = "all_generalized"
    """The threshold lies at or below the smallest n_train: run smaller ones."""
    NONE_GENERALIZED = "none_generalized"
    """The threshold lies above the largest n_train: run larger ones."""
    UNRESOLVED = "unresolved"
    """None generalized, but some were about to at the horizon: make it longer."""
    NO_RUNS = "no_runs"
    """Every run of the cell failed."""


@dataclass(frozen=True)
class Bracket:
    """Where one cell turns.

    Attributes:
        status: What the runs say; n_c is a number only for `bracketed` and, unless the best cut
            lies outside the grid, for `not_monotone`.
        n_low: Largest n_train below the cut, in pairs; NaN where no run lies below it.
        n_high: Smallest n_train above the cut, in pairs; NaN where no run lies above it.
        n_c: Geometric midpoint √(n_low·n_high), in pairs; NaN where an end is missing.
        violations: Runs on the wrong side of the cut; 0 is a clean transition.
        n_runs: Runs that count.
    """

    status: BracketStatus
    n_low: float
    n_high: float
    n_c: float
    violations: int
    n_runs: int


def bracket(
    n_train: NDArray[np.int64],
    generalized: NDArray[np.bool_],
    rising: NDArray[np.bool_] | None = None,
) -> Bracket:
    """The cut in n_train that misclassifies fewest runs.

    The transition is too sharp for a logistic curve, which separates and then states an interval
    of no meaning; a cut needs no slope (`sweeper.tasks.cuts`). Where several cuts tie the bracket
    spans all.

    Args:
        n_train: (runs,) training pairs, in any order; repeats are allowed.
        generalized: (runs,) whether each run generalized within the horizon.
        rising: (runs,) whether those that did not were about to; by default none was.
    """
    cut = best_cut(n_train, generalized)
    if len(n_train) == 0:
        status = BracketStatus.NO_RUNS
    elif generalized.all():
        status = BracketStatus.ALL_GENERALIZED
    elif not generalized.any():
        soon = rising is not None and rising.any()
        status = BracketStatus.UNRESOLVED if soon else BracketStatus.NONE_GENERALIZED
    else:
        status = BracketStatus.NOT_MONOTONE if cut.violations else BracketStatus.BRACKETED
    n_c = float(np.sqrt(cut.n_low * cut.n_high))
    return Bracket(status, cut.n_low, cut.n_high, n_c, cut.violations, len(n_train))


def thresholds(records: pd.DataFrame, horizon: float = 1.0) -> pd.DataFrame:
    """The threshold of every cell, within its horizon or a part of it.

    A run counts as generalized if both evaluations that make it so lie within the horizon, as not
    generalized if it was watched to the horizon without that (memorized, unresolved or underfit
    alike), was given up as hopeless or diverged, and not at all if it failed, which says nothing
    about n_c. These are counted in `n_excluded`.

    Args:
        records: As `load` gives them.
        horizon: Part of each run's max_steps, in (0, 1]: what a shorter sweep would have found.
            Exact where this is a multiple of eval_every.

    Returns:
        One row a cell, in order of setting, order, group and seeds: the setting in words and its
        columns, group, group_order, max_irrep_dim, split_seed, init_seed, the task in words, its
        tuples (M², for pairs in a group), the fields of Bracket, n_excluded, steps_low and
        steps_high, and horizon_steps. steps_low and steps_high are the steps to generalize (the
        fewest, of several runs) at the ends of the bracket, NaN where no run there did; at n_low
        they lie beyond a horizon that is only part of the runs', or belong to violations.

    Raises:
        ValueError: `records` are none, or `horizon` is no part.
    """
    if not 0 < horizon <= 1:
        raise ValueError(f"horizon {horizon} is no part of max_steps; it should be in (0, 1]")
    axes = settings(records)
    runs = records.assign(
        setting=setting_labels(records),
        horizon_steps=(horizon * records["max_steps"]).astype("int64"),
    )
    n_train = runs["n_train"].to_numpy()
    generalized = _generalized(runs).to_numpy(bool)
    counts = generalized | _watched(runs).to_numpy(bool)
    rising = _rising(runs).to_numpy(bool)
    cells = [np.asarray(rows) for rows in runs.groupby(CELL).indices.values()]
    told = [i[counts[i]] for i in cells]
    found = [bracket(n_train[i], generalized[i], rising[i]) for i in told]
    steps = runs["generalization_step"].to_numpy(float, na_value=np.inf)

    def fewest(cell: NDArray[np.intp], size: float) -> float:
        least = min(steps[cell[n_train[cell] == size]], default=np.inf)
        return float(least) if np.isfinite(least) else np.nan

    firsts = runs.iloc[[i[0] for i in cells]]
    names = firsts[[*CELL, *axes]].reset_index(drop=True)
    of_task = firsts[_TASK].to_numpy().tolist()
    frame = names.assign(
        task=[task_label(group, *how) for group, _, *how in of_task],
        tuples=[count_tuples(*one) for one in of_task],
        **{field.name: [getattr(one, field.name) for one in found] for field in fields(Bracket)},
        n_excluded=[int(np.sum(~counts[i])) for i in cells],
        steps_low=[fewest(i, one.n_low) for i, one in zip(told, found, strict=True)],
        steps_high=[fewest(i, one.n_high) for i, one in zip(told, found, strict=True)],
        horizon_steps=firsts["horizon_steps"].to_numpy(),
    )
    by = ["setting", "group_order", "group", "split_seed", "init_seed"]
    return frame.sort_values(by, ignore_index=True)


def confirmation_steps(records: pd.DataFrame) -> "pd.Series[float]":
    """The step of the second of the two evaluations that make a run generalized; NaN without.

    A run that stops at its target has it as its final step. One that trains on has it at the next
    evaluation of its schedule: powers of two below eval_every, then the multiples of eval_every,
    then max_steps.

    Args:
        records: As `load` gives them.
    """
    first = records["generalization_step"].astype("float64")
    every = records["eval_every"]
    after = (first // every + 1) * every
    early = 2 * first < every
    scheduled = after.mask(early, 2 * first).clip(upper=records["max_steps"])
    ended = records["final_step"].where(first.notna()).astype("float64")
    return scheduled.mask(records["stop_at_target"], ended)


def _generalized(runs: pd.DataFrame) -> "pd.Series[bool]":
    """Within horizon_steps; not if the run had diverged by then, whatever it had reached before."""
    diverged = (runs["outcome"] == Outcome.DIVERGED) & (runs["final_step"] <= runs["horizon_steps"])
    return (confirmation_steps(runs) <= runs["horizon_steps"]) & ~diverged


def _watched(runs: pd.DataFrame) -> "pd.Series[bool]":
    """Whether a run that has not generalized says so: seen to the horizon, or to its end before."""
    ended = runs["outcome"].isin([Outcome.DIVERGED, Outcome.STOPPED])
    return (runs["final_step"] >= runs["horizon_steps"]) | ended


def _rising(runs: pd.DataFrame) -> "pd.Series[bool]":
    """Whether a run that has not generalized by horizon_steps was about to, or did so later."""
    return runs["outcome"].isin([Outcome.UNRESOLVED, Outcome.GENERALIZED])
