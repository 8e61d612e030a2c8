"""Whole runs in one process: what is planned, kept, gone on with and refused; real files."""

import json
import signal
from pathlib import Path

import pandas as pd

from sweeper.learn.devices import hardware_of
from sweeper.store.results import ResultsFolder
from tests.commands import called
from tests.run.sweeps import (
    assert_ended_by_budget,
    inline,
    records,
    start,
    table,
    wait_for_records,
)


def test_a_dry_run_writes_nothing(small_spec: Path, tmp_path: Path) -> None:
    said = called("run", small_spec, "--results", tmp_path / "results", "--dry-run").output
    assert "12 trials, 0 of them done" in said
    words = ["run", small_spec, "--results", tmp_path / "results", "--max-trials", "5", "--dry-run"]
    said = called(*words).output
    assert "12 trials, 0 of them done; 1 pack for 5 of the other 12" in said
    assert not (tmp_path / "results").exists()


def test_names_are_said_as_they_are(small_spec: Path, tmp_path: Path) -> None:
    """Though some look like a style, the end of one, or a picture to those who print them."""
    results = tmp_path / "[b]of :smile: [" / "]"
    assert f"results are in {results}/small\n" in inline(small_spec, "--results", str(results))
    small_spec.write_text(small_spec.read_text() + f"reuse: ['{results}/small']\n")
    said = inline(small_spec, "--results", str(tmp_path / "other"))
    assert f"12 records taken over from {results}/small\n" in said


def test_bad_input_writes_nothing(small_spec: Path, tmp_path: Path) -> None:
    small_spec.write_text(small_spec.read_text().replace("0.8]", "1.2]"))
    said = inline(small_spec, code=2)
    assert said == f"{small_spec}:4 axes.n_train.fraction[2]: found 1.2; should be less than 1\n"
    assert not (tmp_path / "results").exists()


def test_the_run_is_described(small_spec: Path) -> None:
    inline(small_spec)
    folder = ResultsFolder.at(small_spec.parent / "results" / "small")
    (description,) = folder.runs()
    (digest,) = set(records(small_spec)["spec_digest"])
    assert folder.spec(digest) == small_spec.read_text()
    assert description["planned"] == 12
    assert json.loads(description["library_versions"])["torch"]
    assert set(records(small_spec)["hardware"]) == {hardware_of("cpu")} != {None}


def test_a_finished_sweep_runs_nothing_again(small_spec: Path) -> None:
    inline(small_spec)
    before = records(small_spec)
    said = inline(small_spec)
    assert "0 trials run" in said
    assert "12 of 12 done" in said
    pd.testing.assert_frame_equal(records(small_spec), before)


def test_more_orders_run_only_what_is_new(small_spec: Path) -> None:
    inline(small_spec)
    before = records(small_spec)
    small_spec.write_text(small_spec.read_text().replace("[7, 11]", "[7, 11, 13]"))
    assert "6 trials run" in inline(small_spec)
    after = records(small_spec)
    assert len(after) == 18
    pd.testing.assert_frame_equal(after.loc[before.index], before)


def test_a_device_that_is_not_there_fails_no_trial(small_spec: Path) -> None:
    said = inline(small_spec, "--device", "cuda:99", code=3)
    assert "no device cuda:99 here" in said
    assert "Traceback" not in said
    said = inline(small_spec, "--device", "tpu", code=2)
    assert "'tpu' is none of auto, cpu, cuda and cuda:N" in said
    assert len(records(small_spec)) == 0


def test_a_second_driver_is_refused(medium: Path) -> None:
    process = start(medium, "--executor", "inline")
    try:
        wait_for_records(medium, 1, process)
        said = inline(medium, code=2)
        assert "medium: in use by run " in said
    finally:
        process.kill()
        process.communicate()


def test_ctrl_c_twice_ends_at_once(medium: Path) -> None:
    process = start(medium, "--executor", "inline")
    wait_for_records(medium, 1, process)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert 0 < len(records(medium)) < 36


# ------------------------------------------------------------------ budgets


def test_a_run_ends_after_so_many_trials_and_the_next_goes_on(small_spec: Path) -> None:
    assert_ended_by_budget(inline(small_spec, "--max-trials", "5"), small_spec)
    said = inline(small_spec, "--max-trials", "100")
    assert "7 trials run" in said
    assert "goes on" not in said
    inline(small_spec, "--results", str(small_spec.parent / "again"))
    pd.testing.assert_frame_equal(table(small_spec), table(small_spec, "again"), check_exact=True)


def test_a_run_ends_after_so_many_hours_and_the_next_goes_on(
    medium: Path, small_spec: Path
) -> None:
    medium.write_text(medium.read_text().replace("seed: 3", "seed: 30"))  # a minute and more
    said = inline(medium, "--max-hours", "0.0008")  # 2.9 seconds
    assert "the 0.0008 hours are over; the same command goes on" in said
    kept = records(medium)
    assert 0 < len(kept) < 360 - 2
    said = inline(medium, "--max-hours", "1", "--max-trials", "2")
    assert "the 2 trials are run; the same command goes on" in said
    pd.testing.assert_frame_equal(records(medium).loc[kept.index], kept)
    said = inline(small_spec, "--max-hours", "1")
    assert "12 of 12 done" in said
    assert "goes on" not in said
