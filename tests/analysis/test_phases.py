"""Phases of runs whose curves are written down, and the figure of their shares."""

import math
from collections.abc import Callable
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import PatchCollection

from analysis import Phase, phase_shares, phases
from analysis.figures import AxesError, phase_map, save
from analysis.figures.phases import COLOURS, phase_axes
from analysis.learning_phases import unsettled
from sweeper.store.records import Outcome

MakeFrame = Callable[..., pd.DataFrame]
MakeTrial = Callable[..., object]
STEPS = [100, 200, 500, 1000, 1500, 2000]
RUNS = {
    # training accuracy, test accuracy, at STEPS; outcome; phase
    "at once": ([1.0] * 6, [0.1, 0.5, 0.95, 0.95, 0.95, 0.95], "generalized", "comprehension"),
    "gap 900": ([1.0] * 6, [0.1, 0.1, 0.1, 0.95, 0.95, 0.95], "generalized", "comprehension"),
    "late": ([0.5, 1, 1, 1, 1, 1], [0.1, 0.1, 0.1, 0.1, 0.95, 0.95], "generalized", "grokking"),
    "once only": ([1.0] * 6, [0.1, 0.1, 0.95, 0.1, 0.1, 0.95], "unresolved", "unresolved"),
    "fits": ([0.5, 1, 1, 1, 1, 1], [0.05] * 6, "memorized", "memorization"),
    "fits to 0.95": ([0.5, 0.95, 0.95, 0.95, 0.95, 0.95], [0.05] * 6, "underfit", "memorization"),
    "hopeless": ([0.5, 1, 1, 1, 1, 1], [0.05, 0.3, 0.3, 0.3, 0.3, 0.3], "stopped", "memorization"),
    "loses its fit": ([1, 1, 1, 0.5, 0.2, 0.1], [0.05] * 6, "underfit", "collapse"),
    "loses what it had": ([0.1, 0.4, 0.3, 0.1, 0.1, 0.1], [0.05] * 6, "underfit", "collapse"),
    "one dip at the end": ([1, 1, 1, 1, 1, 0.5], [0.05] * 6, "underfit", "memorization"),
    "too slow": ([0.1, 0.1, 0.2, 0.3, 0.4, 0.5], [0.05] * 6, "underfit", "confusion"),
    "blows up": ([1, 1, 1, 1, 1, 0.1], [0.1, 0.1, 0.95, 0.95, 0.1, 0.1], "diverged", "confusion"),
}


@pytest.fixture(scope="module")
def runs(trial: MakeTrial, records: MakeFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Records and curves of RUNS, in their order; a trial each."""
    frame = records([trial(23, 150 + i) for i in range(len(RUNS))], lambda *_: math.inf)
    curves = []
    for i, (train, test, outcome, _) in enumerate(RUNS.values()):
        fits = [step for step, accuracy in zip(STEPS, train, strict=True) if accuracy >= 0.99]
        twice = [s for s, a, b in zip(STEPS, test, test[1:], strict=False) if min(a, b) >= 0.9]
        frame.loc[i, "outcome"] = outcome
        frame.loc[i, "fit_step"] = fits[0] if fits else pd.NA
        frame.loc[i, "generalization_step"] = twice[0] if twice else pd.NA
        frame.loc[i, ["train_accuracy", "test_accuracy"]] = train[-1], test[-1]
        frame.loc[i, ["best_test_accuracy", "final_step"]] = max(test), STEPS[-1]
        curve = {"step": STEPS, "train_accuracy": np.float32(train), "test_accuracy": test}
        curves.append(pd.DataFrame(curve | {"fingerprint": frame["fingerprint"][i]}))
    return frame, pd.concat(curves, ignore_index=True).astype({"test_accuracy": "float32"})


def test_each_run_has_the_phase_of_its_curve(runs: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    found = phases(*runs)
    told = dict(zip(RUNS, found["phase"], strict=True))
    assert told == {name: phase for name, (*_, phase) in RUNS.items()}
    assert found["steps_apart"][:3].tolist() == [400, 900, 1300]
    assert found.columns[: len(runs[0].columns)].tolist() == runs[0].columns.tolist()


def test_the_gap_is_a_parameter(runs: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    assert phases(*runs, gap=900)["phase"][:3].tolist() == ["comprehension", "grokking", "grokking"]
    assert phases(*runs, gap=1301)["phase"][2] == Phase.COMPREHENSION


def test_another_target_is_read_from_the_curves_and_refused_without(
    runs: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    records, curves = runs
    found = phases(records, curves, target=0.97)
    assert found["phase"][:2].tolist() == ["unresolved", "unresolved"]
    assert found["phase"][5] == Phase.CONFUSION  # its training accuracy ends at 0.95
    with pytest.raises(ValueError, match=r"12 runs have another target than 0\.97: pass"):
        phases(records, target=0.97)


def test_an_accuracy_at_the_target_counts_though_curves_are_in_single_precision(
    runs: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    records, curves = (frame.iloc[: len(STEPS)] if i else frame[:1] for i, frame in enumerate(runs))
    at = curves.assign(test_accuracy=np.float32(0.9))
    assert phases(records, at)["test_step"].tolist() == [100]


def test_records_alone_tell_all_but_how_far_the_training_accuracy_fell(
    runs: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    records, curves = runs
    alone, both = phases(records)["phase"], phases(records, curves)["phase"]
    differ = [name for name, a, b in zip(RUNS, alone, both, strict=True) if a != b]
    assert differ == ["loses what it had", "one dip at the end"]
    left_open = unsettled(records)
    assert set(differ) <= {list(RUNS)[i] for i in left_open.index}
    some = curves[curves["fingerprint"].isin(left_open["fingerprint"])]
    assert phases(records, some)["phase"].tolist() == both.tolist()


def test_a_run_that_fits_with_less_decay_has_collapsed_and_one_that_never_does_is_confused(
    runs: tuple[pd.DataFrame, pd.DataFrame], trial: MakeTrial, records: MakeFrame
) -> None:
    decays = [0.0, 1e-4, 1e-3, 1e-2]
    frame = records([trial(23, 150, weight_decay=wd) for wd in decays], lambda *_: math.inf)
    frame = frame.assign(outcome="underfit", fit_step=pd.NA, train_accuracy=0.4)
    frame = frame.astype({"fit_step": "Int64"})
    assert phases(frame)["phase"].tolist() == ["confusion"] * 4
    frame.loc[1, ["outcome", "fit_step", "train_accuracy"]] = "memorized", 50, 1.0
    expected = ["confusion", "unresolved", "collapse", "collapse"]
    assert phases(frame)["phase"].tolist() == expected
    elsewhere = frame.assign(init_seed=range(4))
    assert phases(elsewhere)["phase"].tolist() == ["confusion", "unresolved"] + ["confusion"] * 2


def test_a_run_that_generalized_and_fell_back_keeps_its_phase_and_says_so(
    runs: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    records = runs[0].copy()
    records.loc[0, ["test_accuracy", "train_accuracy"]] = 0.3, 0.4
    found = phases(records)
    assert (found["phase"][0], found["fell_back"][0], found["fell_back"][1]) == (
        Phase.COMPREHENSION,
        True,
        False,
    )


def test_chance_is_that_of_the_task_as_for_the_outcomes(cell: MakeFrame) -> None:
    how = {"group": "Z7", "group_order": 7, "best_test_accuracy": 0.3, "train_accuracy": 1.0}
    runs = cell({20: "memorized"}, fit_step=100, final_step=4000, **how)
    assert phases(runs)["phase"].tolist() == ["unresolved"]  # more than 1/7 + 0.1
    product = runs.assign(expression="x*y")  # of 49 products 13 are 0
    assert phases(product)["phase"].tolist() == ["memorization"]


def test_shares_count_every_phase_and_leave_failed_runs_out(cell: MakeFrame) -> None:
    two = pd.concat([cell({100: "memorized", 150: "generalized"})] * 4, ignore_index=True)
    two.loc[0, "outcome"] = Outcome.FAILED
    two["best_test_accuracy"] = 0.05
    shares = phase_shares(phases(two), "group_order", "n_train")
    assert len(shares) == 2 * len(Phase)
    small = shares[shares["n_train"] == 100].set_index("phase")
    assert small["runs"].to_dict() == {phase: 3 * (phase == "memorization") for phase in Phase}
    assert (small["of"].unique(), small["failed"].unique()) == ([3], [1])
    # Wilson: (p + z²/2n ± z√(p(1−p)/n + z²/4n²))/(1 + z²/n), at p = 1 and n = 3
    z = 1.959964
    row = small.loc["memorization"]
    assert (row["share"], row["high"]) == (1.0, pytest.approx(1.0))
    assert row["low"] == pytest.approx(1 / (1 + z**2 / 3))
    assert small.loc["grokking", "high"] == pytest.approx(1 - row["low"])
    derived = phase_shares(phases(two), "train_fraction", "n_over_m_log_m")
    assert derived.groupby(["train_fraction"])["share"].sum().tolist() == [1.0, 1.0]


def test_a_cell_whose_runs_all_failed_has_no_share(cell: MakeFrame) -> None:
    shares = phase_shares(phases(cell({100: "failed"})), "group", "n_train")
    assert shares[["share", "low", "high"]].isna().all(axis=None)
    assert shares["failed"].tolist() == [1] * len(Phase)


# ---------------------------------------------------------------- the figure


@pytest.fixture(scope="module")
def rates(trial: MakeTrial, records: MakeFrame) -> pd.DataFrame:
    """Three learning rates, three weight decays, four sizes, two seeds of one group."""
    trials = [
        trial(13, n, seed, learning_rate=rate, weight_decay=decay)
        for rate in (0.002, 0.005, 0.01)
        for decay in (0.0, 1e-4, 1e-3)
        for n in (70, 80, 90, 100)
        for seed in (0, 1)
    ]
    return records(trials, lambda M, n, seed: 300 if n > 75 + 10 * seed else math.inf)


def test_the_axes_are_what_varies(
    rates: pd.DataFrame, diverging_sweep: MakeFrame, cell: MakeFrame
) -> None:
    assert phase_axes(rates) == ("learning_rate", "weight_decay")
    assert phase_axes(diverging_sweep(5, (11, 17))) == ("group_order", "train_fraction")
    one_rate = rates[rates["learning_rate"] == 0.002]
    assert phase_axes(one_rate) == ("weight_decay", "n_over_m_log_m")
    assert phase_axes(cell({100: "memorized"})) == ("group_order", "train_fraction")


def test_each_cell_is_split_by_its_shares_and_each_size_has_a_panel(rates: pd.DataFrame) -> None:
    figure = phase_map(rates)
    shown = [axes for axes in figure.axes if axes.get_visible()]
    titles = [axes.get_title().replace("\N{NO-BREAK SPACE}", " ") for axes in shown]
    assert titles == [f"$n$ = {n}" for n in (70, 80, 90, 100)]
    assert shown[2].get_xlabel() == "learning rate"
    assert shown[0].get_ylabel() == "weight decay"
    whole, split = (
        next(one for one in axes.collections if isinstance(one, PatchCollection))
        for axes in shown[:2]
    )
    assert (len(whole.get_paths()), len(split.get_paths())) == (9, 18)
    colours = {mpl.colors.to_hex(colour) for colour in split.get_facecolor()}
    assert colours == {
        mpl.colors.to_hex(COLOURS[p]) for p in (Phase.COMPREHENSION, Phase.UNRESOLVED)
    }
    boxes = [path.get_extents() for path in split.get_paths()]
    widths = np.log([box.x1 / box.x0 for box in boxes])
    np.testing.assert_allclose(widths[::2], widths[1::2])  # halves, on the logarithmic axis
    title = figure.get_suptitle()
    assert title.replace("\N{NO-BREAK SPACE}", " ").replace("\n", " ") == (
        "Z13 ($M$ = 13), two_layer, K 256, square, mse, adam, horizon 4000 steps, gap 1,000 steps"
    )


def test_thresholds_lie_along_the_axis_of_n_at_their_brackets(rates: pd.DataFrame) -> None:
    part = rates[rates["weight_decay"] == 1e-3]
    (axes,) = phase_map(part, axes=("learning_rate", "n_train")).axes
    (marks,) = [line for line in axes.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(marks.get_xdata(), [0.002, 0.005, 0.01])
    np.testing.assert_allclose(marks.get_ydata(), math.sqrt(math.sqrt(70 * 80 * 80 * 90)))
    (turned,) = phase_map(part, axes=("n_train", "learning_rate")).axes
    (marks,) = [line for line in turned.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(marks.get_xdata(), math.sqrt(math.sqrt(70 * 80 * 80 * 90)))


def test_at_most_nine_panels_are_drawn_and_the_title_says_of_how_many(rates: pd.DataFrame) -> None:
    figure = phase_map(rates, axes=("init_seed", "network"))
    assert len([axes for axes in figure.axes if axes.get_visible()]) == 9
    assert "9 of 36 panels" in figure.get_suptitle().replace("\N{NO-BREAK SPACE}", " ")


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        (("rate", "n_train"), "rate is no axis of a phase diagram; valid are group, group_order,"),
        (("n_train", "n_train"), "n_train and n_train are one axis; name two that differ"),
        (("train_fraction", "n_train"), "train_fraction and n_train are one axis"),
    ],
)
def test_axes_that_are_none_are_refused(
    rates: pd.DataFrame, axes: tuple[str, str], message: str
) -> None:
    with pytest.raises(AxesError, match=message):
        phase_map(rates, axes=axes)


def test_little_or_nothing_is_drawn_too(tmp_path: Path, cell: MakeFrame) -> None:
    figure = phase_map(cell({100: "failed"}))
    assert [text.get_text() for text in figure.texts] == ["No phases: every run failed."]
    assert phase_map(cell({100: "failed"})[:0]).texts[0].get_text() == "No phases: no runs."
    save(phase_map(cell({100: "memorized", 150: "failed"})), tmp_path / "one.png")
