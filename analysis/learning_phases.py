"""Phases of learning: comprehension, grokking, memorization, confusion, and collapse under decay.

The first four are those of Liu et al., "Towards Understanding Grokking: An Effective Theory of
Representation Learning" (arXiv 2205.10343, table 1), for any horizon and any gap. Collapse is ours:
large weight decay takes the fit itself away, which theirs would call memorization or confusion.
"""

from enum import StrEnum

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from analysis.loading import HOW_TRAINED
from sweeper.store.records import Outcome
from sweeper.tasks.task import task_of

CHANCE_MARGIN = 0.1
"""Best test accuracy up to chance plus this is no generalization at all, as for the outcomes."""
CLEAR_FALL = 0.1
"""Of the training accuracy below its best, from which on it counts as lost and not as noise."""
_ALIKE = [*(name for name in HOW_TRAINED if name != "weight_decay"), "group", "n_train"]
_ALIKE += ["split_seed", "init_seed"]
"""Runs that agree in these differ in weight decay alone."""


class Phase(StrEnum):
    """What a run did within its horizon."""

    COMPREHENSION = "comprehension"
    """Training and test accuracy reach the target, less than `gap` steps apart."""
    GROKKING = "grokking"
    """Both reach it, the test accuracy `gap` steps or more after the training accuracy."""
    UNRESOLVED = "unresolved"
    """As memorization, but the test accuracy got more than 0.1 above chance: a longer horizon
    might have shown it grok. Liu et al. count these as memorization."""
    MEMORIZATION = "memorization"
    """The training accuracy alone reaches it."""
    COLLAPSE = "collapse"
    """Weight decay took the fit away; see `phases`."""
    CONFUSION = "confusion"
    """Neither reaches it, or the run diverged."""


def phases(
    records: pd.DataFrame,
    curves: pd.DataFrame | None = None,
    gap: int = 1000,
    target: float | None = None,
) -> pd.DataFrame:
    """The phase of every run.

    A run that has not generalized is a collapse if it was trained with weight decay, ends with its
    training accuracy below the target, and something shows that the decay is the cause: it had
    reached the target before; or its training accuracy ends 0.1 or more below its best; or a run
    that differs in weight decay alone, and has less of it, keeps the target to its end. A run
    `stopped` as hopeless counts as not generalized, and is never unresolved.

    Without its curve a run is read from its record: the training accuracy counts from 0.99 on
    (`fit_step`), so that the gap is short by an evaluation or two, and how far it fell is unknown.

    Args:
        records: As `load` gives them.
        curves: As `load_curves` gives them, of all of these runs or of some.
        gap: Steps between the training and the test accuracy's reaching the target, from which on
            a run groks. 1000 is Liu et al.'s; weight decay sets the clock that it is measured on.
        target: Accuracy, of training and test alike; by default each run's target_test_accuracy,
            0.9 unless its spec says otherwise.

    Returns:
        The records, with `phase` (None for failed runs), `train_step` and `test_step` (first step
        at the target; for the test accuracy the first of two evaluations in a row), `steps_apart`
        (their difference) and `fell_back` (it generalized, and ended below the target).

    Raises:
        ValueError: `target` is not that of a run without a curve, whose record cannot tell.
    """
    goal = records["target_test_accuracy"] if target is None else target + 0.0 * records["n_train"]
    seen = _seen(records, curves, goal)
    blind = ~seen["watched"] & (goal != records["target_test_accuracy"])
    if (blind & (records["outcome"] != Outcome.FAILED)).any():
        raise ValueError(f"{blind.sum()} runs have another target than {target}: pass their curves")
    decayed = records["weight_decay"] > 0
    diverged = records["outcome"] == Outcome.DIVERGED
    generalized = seen["test_step"].notna() & ~diverged
    trained = seen["train_step"].notna()
    lost = ~(seen["train_at_end"] >= goal)
    apart = seen["test_step"] - seen["train_step"]
    fell = trained | (seen["train_best"] - seen["train_at_end"] >= CLEAR_FALL)
    collapsed = decayed & lost & fell
    unclear = decayed & lost & ~fell & ~generalized
    if unclear.any():
        collapsed |= unclear & _fits_with_less_decay(records, trained & ~lost)
    rose = records["best_test_accuracy"] > chance(records) + CHANCE_MARGIN
    given_up = records["outcome"] == Outcome.STOPPED
    found = pd.Series(Phase.CONFUSION, index=records.index, dtype=object)
    for told, phase in (  # the later rule goes before the earlier one
        (trained, Phase.MEMORIZATION),
        (trained & rose & ~given_up, Phase.UNRESOLVED),
        (collapsed, Phase.COLLAPSE),
        # also where training never led: the test accuracy at 0.9, the training accuracy below 0.99
        (generalized, Phase.COMPREHENSION),
        (generalized & (apart >= gap).fillna(False).astype(bool), Phase.GROKKING),
        (diverged, Phase.CONFUSION),
        (records["outcome"] == Outcome.FAILED, None),
    ):
        found[told] = phase
    return records.assign(
        phase=found,
        train_step=seen["train_step"],
        test_step=seen["test_step"],
        steps_apart=apart,
        fell_back=generalized & (records["test_accuracy"] < goal),
    )


def unsettled(records: pd.DataFrame) -> pd.DataFrame:
    """Those runs whose phase the record alone may not tell: ended unfitted, and not generalized.

    Args:
        records: As `load` gives them.
    """
    at_end = records["train_accuracy"] >= records["target_test_accuracy"]
    return records[records["generalization_step"].isna() & ~(at_end & records["fit_step"].notna())]


def phase_shares(phased: pd.DataFrame, x: str, y: str, level: float = 0.95) -> pd.DataFrame:
    """How often each phase came up, for each pair of values of two columns.

    Args:
        phased: As `phases` gives them.
        x: A column, derived ones (train_fraction, n_over_m_log_m) included.
        y: Another.
        level: Of the intervals.

    Returns:
        For each pair one row a phase, also where it never came up: x, y, phase, runs (of this
        phase), of (all but failed ones), share = runs/of, its Wilson interval [low, high], and
        failed. A pair whose runs all failed has share, low and high NaN. Runs that differ in other
        columns than seeds are pooled: pass those of one setting. The interval takes runs for
        independent draws; where other sizes or orders are pooled it is that of this grid alone.
    """
    counts = pd.crosstab([phased[x], phased[y]], phased["phase"].fillna("failed"))
    counts = counts.reindex(columns=[*Phase, "failed"], fill_value=0)
    wide = counts.assign(of=counts[[*Phase]].sum(axis=1)).reset_index()
    table = wide.melt([x, y, "of", "failed"], [*Phase], var_name="phase", value_name="runs")
    table = table.sort_values([x, y], kind="stable", ignore_index=True)
    of = table["of"].where(table["of"] > 0)
    low, high = proportion_confint(table["runs"], of, alpha=1 - level, method="wilson")
    table = table.assign(share=table["runs"] / of, low=low, high=high)
    return table[[x, y, "phase", "runs", "of", "share", "low", "high", "failed"]]


def _seen(
    records: pd.DataFrame, curves: pd.DataFrame | None, goal: "pd.Series[float]"
) -> pd.DataFrame:
    """What the curves say, and where there is none, the records; one row a run."""
    names = records["fingerprint"]
    at_end = records["train_accuracy"].astype(float)
    first = records["fit_step"].astype("Int64")
    # a fit that the record does not date is dated by its end: only its being there counts
    first = first.mask(first.isna() & (at_end >= goal), records["final_step"])
    seen = pd.DataFrame(
        {
            "watched": False,
            "train_step": first,
            "test_step": records["generalization_step"].astype("Int64"),
            "train_best": at_end,
            "train_at_end": at_end,
        },
        index=records.index,
    )
    if curves is None or curves.empty:
        return seen
    read = _read(curves, pd.Series(goal.to_numpy(np.float32), index=names))
    read = read.reindex(names).set_axis(records.index).assign(watched=names.isin(read.index))
    return read.astype(seen.dtypes).where(read["watched"], seen)


def _read(curves: pd.DataFrame, goal: "pd.Series[float]") -> pd.DataFrame:
    """Steps and training accuracies of each run with a curve; `goal` is float32, as curves are."""
    mine = curves[curves["fingerprint"].isin(goal.index)]
    aim = mine["fingerprint"].map(goal)
    runs = mine.groupby("fingerprint", sort=False)
    test, train = mine["test_accuracy"], mine["train_accuracy"]
    twice = (test >= aim) & (runs["test_accuracy"].shift(-1) >= aim)
    return pd.DataFrame(
        {
            "train_step": mine[train >= aim].groupby("fingerprint")["step"].first(),
            "test_step": mine[twice].groupby("fingerprint")["step"].first(),
            "train_best": runs["train_accuracy"].max(),
            # of the last two evaluations the better: one dip is no loss
            "train_at_end": runs["train_accuracy"].apply(lambda part: part.iloc[-2:].max()),
        },
        index=mine["fingerprint"].unique(),
    )


def chance(records: pd.DataFrame) -> "pd.Series[float]":
    """Accuracy of guessing each task's commonest target: 1/M, more for some expressions.

    Args:
        records: As `load` gives them.
    """
    columns = ["group", "operands", "expression"]
    tasks = records.loc[records["expression"] != "", columns].drop_duplicates()
    tasks["chance"] = [task_of(*task).chance for task in tasks.itertuples(index=False)]
    found = records[columns].merge(tasks, "left", on=columns)["chance"].set_axis(records.index)
    return found.fillna(1 / records["group_order"])


def _fits_with_less_decay(records: pd.DataFrame, fits: "pd.Series[bool]") -> "pd.Series[bool]":
    """Whether a run alike in all but its weight decay fits, with less of it."""
    least = records["weight_decay"].where(fits)
    differ = [name for name in _ALIKE if (records[name] != records[name].iloc[0]).any()]
    return (
        least.groupby([records[name] for name in differ or ["group"]])
        .transform("min")
        .lt(records["weight_decay"])
    )
