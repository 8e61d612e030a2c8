import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from analysis import setting_labels, thresholds
from analysis.report import cells as module
from analysis.report.cells import aggregate, runs_shown, thinned
from analysis.report.collapses import collapses
from sweeper.spec.trial import Trial

MakeFrame = Callable[..., pd.DataFrame]
MakeTrial = Callable[..., Trial]


@pytest.fixture
def sweep(records: MakeFrame, trial: MakeTrial) -> pd.DataFrame:
    """Two orders, two rates, four sizes, three seeds; one run failed."""
    trials = [
        trial(M, n, seed, learning_rate=rate)
        for M in (11, 23)
        for n in (60, 70, 80, 90)
        for rate in (0.002, 0.005)
        for seed in (0, 1, 2)
    ]
    frame = records(trials, lambda M, n, seed: 400 + 100 * seed if n > 65 else math.inf)
    frame.loc[0, ["outcome", "best_test_accuracy"]] = ["failed", math.nan]
    return frame


def test_cells_pool_seeds_and_nothing_else(sweep: pd.DataFrame) -> None:
    found = aggregate(sweep)
    assert [(axis.name, axis.levels) for axis in found.axes] == [
        ("group_order", [11, 23]),
        ("learning_rate", [0.002, 0.005]),
    ]
    assert len(found.table) == 16
    keys = ["group_order", "learning_rate", "n_train"]
    for cell, (_, runs) in enumerate(sweep.groupby(keys)):
        row = found.table.iloc[cell]
        assert (found.of_run[runs.index] == cell).all()
        assert row["M"] == runs["group_order"].iloc[0]
        assert found.axes[0].levels[int(row["group_order"])] == row["M"]
        assert found.axes[1].levels[int(row["learning_rate"])] == runs["learning_rate"].iloc[0]
        assert row["n"] == row["n_low"] == row["n_high"] == runs["n_train"].iloc[0]
        for outcome, count in runs["outcome"].value_counts().items():
            assert row[outcome] == count
        assert row["runs"] == 3
        assert row["accuracy"] == pytest.approx(runs["best_test_accuracy"].mean(), abs=1e-4)
        steps = runs["generalization_step"].mean()
        assert pd.isna(row["steps"]) if pd.isna(steps) else row["steps"] == steps
    assert found.notes == []


def test_too_many_cells_are_pooled_over_neighbouring_sizes(
    records: MakeFrame, trial: MakeTrial, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = records([trial(31, n) for n in range(100, 300)], lambda *_: 400)
    monkeypatch.setattr(module, "MOST_CELLS", 40)
    found = aggregate(frame)
    assert found.notes == ["Neighbouring sizes are pooled, into 32 at most for each group."]
    assert 28 <= len(found.table) <= 32
    assert found.table["runs"].sum() == 200
    inside = found.table["n"].between(found.table["n_low"], found.table["n_high"])
    assert inside.all()
    assert (found.table["n_low"].iloc[1:].to_numpy() > found.table["n_high"].iloc[:-1]).all()
    monkeypatch.setattr(module, "MOST_CELLS", 5)
    few = aggregate(frame)
    assert len(few.table) == 5
    assert few.notes[1] == "Only 5 of 8 cells are shown."
    assert (few.of_run == -1).sum() == 200 - few.table["runs"].sum()


def test_runs_near_a_threshold_are_listed_first(
    sweep: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells, found = aggregate(sweep), thresholds(sweep)
    everything = runs_shown(sweep, cells, found)
    assert sorted(everything["fingerprint"]) == sorted(sweep["fingerprint"])
    monkeypatch.setattr(module, "MOST_RUNS", 8)
    few = runs_shown(sweep, cells, found)
    assert set(few["n_train"]) == {60, 70}
    assert (few["init_seed"] == 0).all()
    assert few["cell"].is_unique
    monkeypatch.setattr(module, "MOST_RUNS", 6000)
    monkeypatch.setattr(module, "RUNS_A_CELL", 1)
    assert len(runs_shown(sweep, cells, found)) == 16


def test_thinned_curves_keep_their_ends_and_the_step_of_generalizing() -> None:
    steps = np.arange(1, 4001)
    curve = pd.DataFrame(
        {
            "fingerprint": "a",
            "step": steps,
            "test_accuracy": np.linspace(0, 1, 4000),
            "train_accuracy": 1.0,
        }
    )
    curve.loc[5, "test_accuracy"] = math.nan
    runs = pd.DataFrame({"fingerprint": ["a"], "generalization_step": pd.array([3333], "Int64")})
    found = thinned(curve, runs)["a"]
    assert isinstance(found, list)
    at, test, train = found
    assert len(at) == len(test) == len(train) <= module.POINTS + 1
    assert (at[0], at[-1]) == (1, 4000)
    assert 3333 in at
    assert test[at.index(3333)] == round(1e4 * 3332 / 3999)
    assert test[at.index(6)] == -1
    assert set(train) == {10_000}
    assert at == sorted(set(at))
    short = thinned(curve.iloc[:50], runs)["a"]
    assert isinstance(short, list)
    assert short[0] == list(range(1, 51))


def test_a_collapse_is_told_once_under_the_words_of_its_setting(sweep: pd.DataFrame) -> None:
    """A uniform split is named beside a balanced one, and goes without saying alone."""
    both = pd.concat([sweep, sweep.assign(split="balanced")], ignore_index=True)
    labels = setting_labels(both)
    cells = {str(name): part for name, part in thresholds(both).groupby("setting")}
    told = collapses(cells, lambda name: both[labels == name]).words
    assert [name for name, _ in told] == list(cells)
    assert any(name.startswith("uniform split") for name in cells)
    assert all(words.startswith("No collapse, because ") for _, words in told)
