"""Outcome maps against sweeps whose outcomes are known."""

import math
from collections.abc import Callable
from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from analysis.outcome_maps import OutcomeMaps
from sweeper.spec.trial import NUMERICS, Trial

Frame = Callable[..., pd.DataFrame]
MakeTrial = Callable[..., Trial]
SIZES = {M: [round(c * M * math.log(M)) for c in np.geomspace(2, 4, 9)] for M in (11, 23, 41)}


@pytest.fixture(scope="module")
def plan_of(trial: MakeTrial) -> Callable[..., pd.DataFrame]:
    """Makes a plan of three groups on one grid in n/(M log M)."""

    def make(*rates: float, seeds: int = 3) -> pd.DataFrame:
        return as_plan(
            [
                trial(M, n, seed, learning_rate=rate)
                for rate in rates
                for M, sizes in SIZES.items()
                for n in sizes
                for seed in range(seeds)
            ]
        )

    return make


@pytest.fixture(scope="module")
def records_of(trial: MakeTrial, records: Frame) -> Frame:
    """Makes records of a plan; trials of 2.9 M log M and more generalize."""

    def make(plan: pd.DataFrame) -> pd.DataFrame:
        names = ["group_order", "n_train", "init_seed", "learning_rate"]
        rows = plan[names].itertuples(index=False)
        trials = [trial(M, n, seed, learning_rate=rate) for M, n, seed, rate in rows]
        return records(trials, lambda M, n, _: 100 if n >= 2.9 * M * math.log(M) else math.inf)

    return make


def as_plan(trials: list[Trial]) -> pd.DataFrame:
    frame = pd.DataFrame([asdict(one) for one in trials])
    return frame.assign(fingerprint=[one.fingerprint for one in trials], numerics=NUMERICS)


def test_each_cell_shows_what_most_of_its_trials_did(plan_of: Frame, records_of: Frame) -> None:
    plan = plan_of(0.005)
    records = records_of(plan)
    (one,) = OutcomeMaps(plan).of(records)
    assert [row.label for row in one.rows] == ["11", "23", "41"]
    for row in one.rows:  # a bin for each of the nine sizes, which lie on one grid
        assert row.cells == ["unresolved"] * 5 + ["generalized"] * 4
        assert (row.planned, row.finished, row.bracketed, row.seeds) == (27, 27, 3, 3)
        low, high = SIZES[row.group_order][4:6]
        assert (row.n_low, row.n_high) == (low, high)
        assert row.n_c is not None
        assert math.isclose(row.n_c, math.sqrt(low * high))
    flipped = records.copy()
    smallest = (records["n_train"] == SIZES[11][0]).to_numpy()
    flipped.loc[smallest, "outcome"] = ["failed", "failed", "unresolved"]
    (one,) = OutcomeMaps(plan).of(flipped)
    assert one.rows[0].cells[0] == "failed"


def test_what_has_not_run_is_told_from_what_is_not_planned(
    plan_of: Frame, records_of: Frame
) -> None:
    plan = plan_of(0.005)
    plan = plan[~((plan["group_order"] == 11) & (plan["n_train"] == SIZES[11][8]))]
    plan = plan.reset_index(drop=True)
    records = records_of(plan)
    (one,) = OutcomeMaps(plan).of(records[records["group_order"] == 23])
    assert one.rows[0].cells == ["not run"] * 8 + [None]
    assert one.rows[1].cells[0] == "unresolved"
    assert (one.rows[2].n_c, one.rows[2].bracketed, one.rows[2].finished) == (None, 0, 0)


def test_every_setting_has_its_map_before_it_has_records(plan_of: Frame, records_of: Frame) -> None:
    plan = plan_of(0.002, 0.005, seeds=1)
    maps = OutcomeMaps(plan)
    assert len(maps.settings) == 2
    records = records_of(plan[plan["learning_rate"] == 0.005])
    first, second = maps.of(records)
    assert "lr 0.002" in first.setting
    assert all(row.finished == 0 for row in first.rows)
    assert all(row.bracketed == 1 for row in second.rows)
    assert [one.setting for one in maps.of(records, 1)] == [first.setting]


def test_no_map_is_wider_than_its_bins(trial: MakeTrial, records: Frame) -> None:
    trials = [trial(31, n) for n in range(20, 900)]
    plan = as_plan(trials)
    (one,) = OutcomeMaps(plan, bins=40).of(records(trials[:0], lambda *_: math.inf))
    assert len(one.rows[0].cells) == 40
    single = plan.iloc[:1]
    (one,) = OutcomeMaps(single).of(records(trials[:1], lambda *_: math.inf))
    assert one.rows[0].cells == ["unresolved"]


def test_one_size_of_each_of_several_groups_makes_one_column(
    trial: MakeTrial, records: Frame
) -> None:
    trials = [trial(M, 60) for M in (11, 13, 23)]
    (one,) = OutcomeMaps(as_plan(trials)).of(records(trials, lambda M, n, _: 100))
    assert [row.cells for row in one.rows] == [["generalized"]] * 3
