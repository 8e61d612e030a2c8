import math
import random as stdlib_random
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import BracketStatus, bracket, fit_law, group_means, horizon_check, thresholds
from analysis.brackets import confirmation_steps

MakeFrame = Callable[..., pd.DataFrame]
SIX = np.array([10, 20, 30, 40, 50, 60])


@pytest.mark.parametrize(
    ("labels", "status", "low", "high", "violations"),
    [
        ("000111", "bracketed", 30, 40, 0),
        ("011111", "bracketed", 10, 20, 0),
        ("000001", "bracketed", 50, 60, 0),
        ("001011", "not_monotone", 20, 50, 1),  # cuts after 20 and after 40 tie
        ("010111", "not_monotone", 10, 40, 1),
        ("000110", "not_monotone", 30, 40, 1),
        ("100111", "not_monotone", 30, 40, 1),
        ("111111", "all_generalized", None, 10, 0),
        ("000000", "none_generalized", 60, None, 0),
        ("100000", "not_monotone", 60, None, 1),  # best called none, but for one run
        ("000010", "not_monotone", 40, None, 1),  # cuts after 40 and after 60 tie
        ("111110", "not_monotone", None, 10, 1),
    ],
)
def test_a_hand_made_cell_has_the_bracket_worked_out_by_hand(
    labels: str, status: str, low: int | None, high: int | None, violations: int
) -> None:
    found = bracket(SIX, np.array([label == "1" for label in labels]))
    assert found.status == BracketStatus(status)
    assert (found.n_low, found.n_high) == pytest.approx(
        (low or math.nan, high or math.nan), nan_ok=True
    )
    assert found.violations == violations
    assert found.n_runs == 6
    expected = math.sqrt(low * high) if low and high else math.nan
    assert found.n_c == pytest.approx(expected, nan_ok=True)


def test_repeated_sizes_are_one_place_to_cut() -> None:
    found = bracket(np.array([20, 10, 20, 30, 30]), np.array([False, False, False, True, True]))
    assert (found.status, found.n_low, found.n_high) == (BracketStatus.BRACKETED, 20, 30)
    torn = bracket(np.array([10, 20, 20, 30]), np.array([False, False, True, True]))
    assert (torn.status, torn.n_low, torn.n_high, torn.violations) == (
        BracketStatus.NOT_MONOTONE,
        10,
        30,
        1,
    )


def test_no_runs_give_no_threshold() -> None:
    found = bracket(np.array([], dtype=int), np.array([], dtype=bool))
    assert found.status == BracketStatus.NO_RUNS
    assert math.isnan(found.n_c)
    assert found.n_runs == 0


CELLS = st.lists(st.tuples(st.integers(1, 12), st.booleans()), min_size=1, max_size=14)


def brute_force(runs: list[tuple[int, bool]]) -> tuple[float, float, int]:
    """Try every cut below, between and above the sizes; all those with fewest errors tie."""
    sizes = sorted({n for n, _ in runs})
    cuts = [sizes[0] - 0.5, *(n + 0.5 for n in sizes)]
    errors = [sum(won != (n > cut) for n, won in runs) for cut in cuts]
    best = [cut for cut, wrong in zip(cuts, errors, strict=True) if wrong == min(errors)]
    low = max((n for n in sizes if n < best[0]), default=math.nan)
    high = min((n for n in sizes if n > best[-1]), default=math.nan)
    return low, high, min(errors)


@given(CELLS)
def test_bracketing_equals_brute_force(runs: list[tuple[int, bool]]) -> None:
    n_train, won = (np.array(column) for column in zip(*runs, strict=True))
    found = bracket(n_train, won)
    low, high, errors = brute_force(runs)
    assert (found.n_low, found.n_high, found.violations) == pytest.approx(
        (low, high, errors), nan_ok=True
    )


@given(CELLS)
def test_swapping_labels_and_reversing_sizes_mirrors_the_bracket(
    runs: list[tuple[int, bool]],
) -> None:
    n_train, won = (np.array(column) for column in zip(*runs, strict=True))
    here, there = bracket(n_train, won), bracket(13 - n_train, ~won)
    mirrored = (13 - there.n_high, 13 - there.n_low, there.violations)
    assert (here.n_low, here.n_high, here.violations) == pytest.approx(mirrored, nan_ok=True)


@given(st.lists(st.booleans(), min_size=2, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_runs_does_not_matter(
    labels: list[bool], random: stdlib_random.Random
) -> None:
    order = list(range(len(labels)))
    random.shuffle(order)
    sizes, won = np.arange(1, len(labels) + 1), np.array(labels)
    assert repr(bracket(sizes, won)) == repr(bracket(sizes[order], won[order]))


# ---------------------------------------------------------------- from records


def test_only_generalized_runs_lie_above_the_threshold(cell: MakeFrame) -> None:
    row = thresholds(
        cell({150: "memorized", 180: "unresolved", 190: "underfit", 200: "generalized"})
    ).iloc[0]
    assert (row["status"], row["n_low"], row["n_high"]) == ("bracketed", 190, 200)
    assert row["n_c"] == pytest.approx(math.sqrt(190 * 200))


def test_diverged_and_given_up_count_against_and_failed_does_not_count(cell: MakeFrame) -> None:
    outcomes = {
        150: "memorized",
        170: "failed",
        180: "diverged",
        190: "stopped",
        195: "failed",
        200: "generalized",
    }
    frame = cell(outcomes)
    frame.loc[frame["outcome"].isin(["failed", "stopped"]), "final_step"] = 50
    row = thresholds(frame).iloc[0]
    assert (row["n_low"], row["n_high"]) == (190, 200)
    assert (row["n_runs"], row["n_excluded"]) == (4, 2)


def test_a_cell_whose_runs_all_failed_is_reported_as_such(cell: MakeFrame) -> None:
    row = thresholds(cell({150: "failed", 200: "failed"}, final_step=0)).iloc[0]
    assert row["status"] == "no_runs"
    assert math.isnan(row["n_c"])
    assert row["n_excluded"] == 2


@pytest.mark.parametrize(
    ("outcomes", "status"),
    [
        ({150: "memorized", 180: "memorized"}, "none_generalized"),
        ({150: "memorized", 180: "stopped"}, "none_generalized"),
        ({150: "memorized", 180: "unresolved"}, "unresolved"),
        ({150: "unresolved", 180: "generalized"}, "bracketed"),
    ],
)
def test_a_cell_that_was_about_to_generalize_at_the_horizon_is_told_apart(
    cell: MakeFrame, outcomes: dict[int, str], status: str
) -> None:
    assert thresholds(cell(outcomes)).iloc[0]["status"] == status


def test_a_run_that_diverges_after_its_horizon_had_generalized_within_it(cell: MakeFrame) -> None:
    frame = cell({150: "memorized", 200: "generalized"}, stop_at_target=False, final_step=4000)
    frame.loc[frame["n_train"] == 200, ["outcome", "final_step"]] = ["diverged", 3000]
    assert thresholds(frame).iloc[0]["status"] == "none_generalized"
    assert thresholds(frame, horizon=0.5).iloc[0]["status"] == "bracketed"


@pytest.mark.parametrize("stop", [True, False])
@pytest.mark.parametrize("fraction", [0.25, 0.5])
def test_a_part_of_the_horizon_says_what_a_shorter_sweep_says(
    diverging_sweep: MakeFrame, stop: bool, fraction: float
) -> None:
    long = thresholds(diverging_sweep(60, (11, 23), stop_at_target=stop), horizon=fraction)
    short = diverging_sweep(60, (11, 23), stop_at_target=stop, max_steps=int(4000 * fraction))
    more = ["setting", "steps_low"]  # of steps beyond its horizon a shorter sweep knows nothing
    pd.testing.assert_frame_equal(long.drop(columns=more), thresholds(short).drop(columns=more))
    assert (long["steps_low"].dropna() > 4000 * fraction - 25).all()


def test_both_confirming_evaluations_must_lie_within_the_horizon(cell: MakeFrame) -> None:
    frame = cell({150: "memorized", 200: "generalized"})
    frame.loc[frame["n_train"] == 200, ["generalization_step", "final_step"]] = [1975, 2000]
    assert thresholds(frame, horizon=0.5).iloc[0]["status"] == "bracketed"
    frame.loc[frame["n_train"] == 200, ["generalization_step", "final_step"]] = [2000, 2025]
    assert thresholds(frame, horizon=0.5).iloc[0]["status"] == "unresolved"


def test_the_confirming_evaluation_follows_the_schedule(cell: MakeFrame) -> None:
    frame = cell(dict.fromkeys(range(1, 7), "generalized"), stop_at_target=False, final_step=4000)
    frame["generalization_step"] = pd.array([1, 8, 16, 25, 3975, pd.NA], dtype="Int64")
    expected = [2.0, 16.0, 25.0, 50.0, 4000.0, math.nan]
    assert confirmation_steps(frame).tolist() == pytest.approx(expected, nan_ok=True)


def test_seeds_groups_and_settings_are_cells_of_their_own(diverging_sweep: MakeFrame) -> None:
    frame = pd.concat(
        [diverging_sweep(5, (11, 17)), diverging_sweep(5, (11, 17), learning_rate=0.01)]
    )
    table = thresholds(frame.sample(frac=1, random_state=0))
    assert table[["group", "init_seed", "learning_rate"]].to_numpy().tolist() == [
        [group, seed, rate] for rate in (0.005, 0.01) for group in ("Z11", "Z17") for seed in (0, 1)
    ]
    assert (table["status"] == "bracketed").all()
    true = 2.7 * table["group_order"] * np.log(table["group_order"]) * 1.005 ** table["init_seed"]
    assert ((table["n_low"] <= true) & (true <= table["n_high"] * 1.02)).all()


def test_no_records_are_no_thresholds(diverging_sweep: MakeFrame) -> None:
    empty = thresholds(diverging_sweep(5, (11,))[:0])
    assert empty.empty
    assert "n_c" in empty


def test_tables_in_each_others_place_are_told(diverging_sweep: MakeFrame) -> None:
    records = diverging_sweep(5, (11, 17))
    cells = thresholds(records)
    why = r"^a DataFrame without .* is not records, as `load` gives them$"
    for of_records in (thresholds, horizon_check):
        with pytest.raises(ValueError, match=why):
            of_records(cells)
    with pytest.raises(ValueError, match=r"^a str without .* is not thresholds, as `thresholds`"):
        group_means("results/mine")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^a DataFrame without setting, status, n_low, … is not"):
        fit_law(records)


@pytest.mark.parametrize("part", [0, -0.5, 1.01, 8000, float("nan")])
def test_a_horizon_beyond_the_runs_own_is_refused(diverging_sweep: MakeFrame, part: float) -> None:
    with pytest.raises(ValueError, match=r"it should be in \(0, 1\]$"):
        thresholds(diverging_sweep(5, (11,)), part)
