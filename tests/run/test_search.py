"""Searches for n_c that really train, through the command line."""

import json
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import analysis
from sweeper.store.results import ResultsFolder
from tests.commands import SWEEPER, called

AXES = """\
axes:
  M: {orders}
  n_train: {{times_m_log_m: {n_train}}}
  hidden_size: 128
  learning_rate: 0.005
  weight_decay: 0.0002
  max_steps: {steps}
  seed: {seeds}
design: {design}
"""


def spec(
    folder: Path,
    design: str = "boundary",
    orders: str = "[9, 11, 13]",
    n_train: str = "[1.8, 4.0]",
    seeds: int = 2,
    steps: int = 3000,
) -> Path:
    path = folder / "sweep.yaml"
    axes = AXES.format(orders=orders, n_train=n_train, seeds=seeds, steps=steps, design=design)
    path.write_text(f"name: sweep\n{axes}")
    return path


def run(path: Path, *options: str) -> str:
    """What a run in this process says."""
    words = ["run", path, "--results", path.parent / "results", "--executor", "inline", *options]
    return called(*words).stdout


def plan(path: Path, *options: str) -> str:
    words = ["plan", path, "--results", path.parent / "results", "--no-calibration", *options]
    return called(*words).stdout


def records(path: Path) -> pd.DataFrame:
    return ResultsFolder.at(path.parent / "results" / "sweep").records().to_pandas()


def cells(path: Path, **options: float) -> pd.DataFrame:
    frame = analysis.thresholds(analysis.load(str(path.parent / "results" / "sweep")), **options)
    return frame.set_index(["group_order", "split_seed"])


def test_a_search_finds_what_a_dense_grid_finds_with_a_fraction_of_its_runs(
    tmp_path: Path,
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    searched, dense = (
        spec(tmp_path / "a", seeds=1),
        spec(tmp_path / "b", "grid", n_train="{log: [1.8, 4.0], count: 24}", seeds=1),
    )
    assert "3 of 3 thresholds done" in run(searched)
    run(dense)
    found, expected = cells(searched), cells(dense)
    assert len(found) == 3
    ratio = found["n_high"] / found["n_low"]
    assert (ratio <= 1.05 * (1 + 1.5 / found["n_low"])).all()  # to whole pairs
    apart = np.log(found["n_c"] / expected["n_c"]).abs()  # near n_c, outcomes are not monotone
    assert apart.max() < 0.12
    assert apart.mean() < 0.04
    assert len(records(searched)) <= len(records(dense)) / 4
    assert np.isfinite(cells(searched, horizon=0.5)["n_c"]).mean() >= 0.8


def test_a_killed_search_goes_on_from_its_records(tmp_path: Path) -> None:
    path = spec(tmp_path)
    words = ["run", str(path), "--results", str(tmp_path / "results"), "--executor", "inline"]
    quiet = subprocess.DEVNULL
    process = subprocess.Popen([*SWEEPER, *words], stdout=quiet, stderr=quiet)
    deadline = time.monotonic() + 60
    while process.poll() is None and len(records(path)) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = records(path)
    assert len(before) >= 3
    assert "6 of 6 thresholds done" in run(path)
    after = records(path)
    assert set(before["fingerprint"]) <= set(after["fingerprint"])
    assert "0 trials run" in run(path)
    pd.testing.assert_frame_equal(records(path), after)


def test_more_seeds_and_orders_and_a_finer_tolerance_run_only_what_is_new(tmp_path: Path) -> None:
    run(spec(tmp_path, orders="[9, 11]", seeds=1))
    first = records(tmp_path / "sweep.yaml")
    said = run(spec(tmp_path, orders="[9, 11, 13]", seeds=2))
    assert "6 of 6 thresholds done" in said
    second = records(tmp_path / "sweep.yaml")
    assert set(first["fingerprint"]) <= set(second["fingerprint"])
    path = spec(tmp_path, "{kind: boundary, tolerance: 0.03}", orders="[9, 11, 13]", seeds=2)
    run(path)
    third = records(path)
    assert set(second["fingerprint"]) <= set(third["fingerprint"])
    assert 0 < len(third) - len(second) <= 12  # brackets are cut, not searched again


def test_a_grid_is_refined_where_it_turns(tmp_path: Path) -> None:
    grid = "[1.8, 2.3, 2.9, 3.5]"
    run(spec(tmp_path, "grid", n_train=grid))
    coarse = records(tmp_path / "sweep.yaml")
    wide = cells(tmp_path / "sweep.yaml")
    path = spec(tmp_path, "refine", n_train=grid)
    planned = json.loads(plan(path, "--json"))
    run(path)
    fine, narrow = records(path), cells(path)
    assert set(coarse["fingerprint"]) <= set(fine["fingerprint"])
    assert (narrow["n_high"] - narrow["n_low"]).sum() < (wide["n_high"] - wide["n_low"]).sum() / 2
    added = fine[~fine["fingerprint"].isin(coarse["fingerprint"])]
    assert len(added) <= 30
    assert planned["done"] == len(coarse)
    assert planned["missing"] == pytest.approx(len(added), abs=15)


def test_a_search_that_is_started_as_refine_runs_its_grid_too(tmp_path: Path) -> None:
    path = spec(tmp_path, "refine", orders="[7]", n_train="[1.8, 2.3, 2.9, 3.5]", seeds=1)
    run(path)
    sizes = (np.array([1.8, 2.3, 2.9, 3.5]) * 7 * np.log(7)).round().astype(int)
    assert set(sizes) <= set(records(path)["n_train"])


def test_cells_without_a_crossing_are_told(tmp_path: Path) -> None:
    low, high = "[1.0, 1.4]", "[3.4, 4.0]"
    run(spec(tmp_path, orders="[11]", n_train=low, seeds=1, steps=500))
    path = spec(tmp_path, orders="[11]", n_train=high, seeds=1)
    (tmp_path / "results" / "sweep").rename(tmp_path / "results" / "low")
    assert "1 of 1 thresholds done" in run(path)
    status = cells(path)["status"].tolist()
    assert status == ["all_generalized"]
    other = analysis.thresholds(analysis.load(str(tmp_path / "results" / "low")))
    assert other["status"].tolist() == ["none_generalized"]


def test_giving_up_spares_steps_and_moves_no_threshold(tmp_path: Path) -> None:
    path = spec(tmp_path, orders="[11]", n_train="[1.0, 4.0]", seeds=1)
    run(path)
    whole, steps = cells(path), records(path)["final_step"].sum()
    (tmp_path / "results" / "sweep").rename(tmp_path / "results" / "whole")
    path.write_text(path.read_text() + "training: {give_up_after: 500}\n")
    run(path)
    assert "stopped" in records(path)["outcome"].tolist()
    found = cells(path)
    columns = ["status", "n_low", "n_high"]
    pd.testing.assert_frame_equal(found[columns], whole[columns])
    assert records(path)["final_step"].sum() <= steps - 1000
    assert "give up after 500" in found["setting"].iloc[0]


# ------------------------------------------------------------------ reuse


def test_records_of_other_folders_are_taken_over(tmp_path: Path) -> None:
    axes = {"design": "grid", "orders": "[9, 11]", "n_train": "[2.0, 2.5, 3.0]", "steps": 500}
    run(spec(tmp_path, **axes, seeds=1))  # type: ignore[arg-type]
    first = records(tmp_path / "sweep.yaml")
    (tmp_path / "results" / "sweep").rename(tmp_path / "away")
    path = spec(tmp_path, **axes, seeds=2)  # type: ignore[arg-type]
    path.write_text(path.read_text() + f"reuse: ['{tmp_path / 'away'}']\n")
    assert json.loads(plan(path, "--json"))["done"] == 6
    said = run(path)
    assert "6 records taken over" in said
    assert "6 trials run" in said
    assert "12 of 12 done" in said
    both = records(path).set_index("fingerprint")
    pd.testing.assert_frame_equal(both.loc[first["fingerprint"]], first.set_index("fingerprint"))
    curves = ResultsFolder.at(tmp_path / "results" / "sweep").curves()
    assert curves.num_rows == 12
    assert "taken over" not in run(path)


def test_a_search_learns_from_a_grid_in_another_folder(tmp_path: Path) -> None:
    run(spec(tmp_path, "grid", orders="[11]", n_train="{log: [1.8, 4.0], count: 9}", seeds=1))
    (tmp_path / "results" / "sweep").rename(tmp_path / "away")
    path = spec(tmp_path, orders="[11]", seeds=1)
    path.write_text(path.read_text() + f"reuse: ['{tmp_path / 'away'}']\n")
    said = run(path)
    assert "9 records taken over" in said
    assert "1 of 1 thresholds done" in said
    assert len(records(path)) <= 9 + 4


def test_plan_says_that_another_horizon_is_another_trial(tmp_path: Path) -> None:
    axes = {"design": "grid", "orders": "[9]", "n_train": "[2.0, 2.5, 3.0]", "seeds": 1}
    run(spec(tmp_path, **axes, steps=100))  # type: ignore[arg-type]
    path = spec(tmp_path, **axes, steps=200)  # type: ignore[arg-type]
    assert "3 of these were run with max_steps 100; another horizon is another trial" in plan(path)


def test_a_folder_to_be_reused_must_hold_records(tmp_path: Path) -> None:
    path = spec(tmp_path)
    line = len(path.read_text().splitlines()) + 1
    path.write_text(path.read_text() + "reuse: [/nowhere/at/all,\n  foo://bar]\n")
    for command in ("plan", "run"):
        said = called(command, path, "--results", tmp_path / "results", code=2).stderr
        assert said.splitlines() == [
            f"{path}:{line} reuse[0]: /nowhere/at/all holds no records",
            f"{path}:{line + 1} reuse[1]: foo://bar: cannot open this location: Unrecognized "
            "filesystem type in URI: foo://bar",
        ]
    assert list(tmp_path.iterdir()) == [path]
