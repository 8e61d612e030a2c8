"""Trials that failed are tried again on demand; both records are kept and the better one stands."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from sweeper.learn import train
from sweeper.spec.trial import Trial
from sweeper.store.results import ResultsFolder
from tests.commands import called
from tests.run.sweeps import inline, records, table

FAILING = {39, 48}
"""Values of n_train in `small_spec`, with two trials each."""


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Callable[[set[int]], None]:
    """Makes trials of some n_train raise, and no others."""
    original = train.initial_weights

    def lack(some: set[int]) -> None:
        def weights(trial: Trial) -> Any:  # noqa: ANN401
            if trial.n_train in some:
                raise OSError(28, f"no room for {trial.n_train} pairs")
            return original(trial)

        monkeypatch.setattr(train, "initial_weights", weights)

    return lack


def shards(spec: Path) -> dict[str, bytes]:
    folder = spec.parent / "results" / spec.stem
    return {path.name: path.read_bytes() for path in (folder / "records").iterdir()}


def status(spec: Path) -> dict[str, Any]:
    folder = spec.parent / "results" / spec.stem
    found: dict[str, Any] = json.loads(called("status", folder, "--json").output)
    return found


def test_failed_trials_are_tried_again_on_demand_alone(
    small_spec: Path, room: Callable[[set[int]], None]
) -> None:
    room(FAILING)
    said = inline(small_spec, code=1)
    assert "the same command with --retry-failed tries them again" in said
    first, written = records(small_spec), shards(small_spec)
    assert (first["outcome"] == "failed").sum() == 4

    room(set())  # whatever made them fail is mended, but nobody asks
    assert "0 trials run" in inline(small_spec, code=1)
    said = inline(small_spec, "--dry-run", "--retry-failed")
    assert "12 trials, 8 of them done" in said

    said = inline(small_spec, "--retry-failed", "--max-trials", "3", code=1)
    assert "3 trials run" in said
    assert (status(small_spec)["finished"], status(small_spec)["total"]) == (11, 12)
    assert "1 trial run in" in inline(small_spec, "--retry-failed")
    assert "0 trials run" in inline(small_spec, "--retry-failed")
    found = status(small_spec)
    assert (found["finished"], found["done"], found["failures"]) == (12, 12, [])

    assert shards(small_spec).items() >= written.items()  # no record is ever changed
    again = records(small_spec)
    kept = first.index[first["outcome"] != "failed"]
    pd.testing.assert_frame_equal(again.loc[kept], first.loc[kept])
    inline(small_spec, "--results", str(small_spec.parent / "well"))
    pd.testing.assert_frame_equal(table(small_spec), table(small_spec, "well"), check_exact=True)
    curves = ResultsFolder.at(small_spec.parent / "results" / "small").curves().to_pandas()
    assert set(curves["fingerprint"]) == set(again.index)
    assert (curves["step"].map(len) > 0).all()


def test_a_trial_that_fails_again_keeps_its_latest_error(
    small_spec: Path, room: Callable[[set[int]], None]
) -> None:
    room(FAILING)
    inline(small_spec, code=1)
    runs = set(records(small_spec)["run_id"])
    assert "4 trials run" in inline(small_spec, "--retry-failed", code=1)
    found = records(small_spec)
    assert len(found) == 12
    assert runs.isdisjoint(found.loc[found["outcome"] == "failed", "run_id"])
    assert status(small_spec)["finished"] == 12


def test_budgeted_retries_get_to_all_failed_trials_in_turn(
    small_spec: Path, room: Callable[[set[int]], None]
) -> None:
    """Those that never failed first, then those whose failure is the oldest; none is left out."""
    room(FAILING)
    inline(small_spec, "--max-trials", "8", code=1)
    first = records(small_spec)
    assert (len(first), (first["outcome"] == "failed").sum()) == (8, 2)
    inline(small_spec, "--retry-failed", "--max-trials", "4", code=1)
    found = records(small_spec)
    assert (len(found), (found["outcome"] == "failed").sum()) == (12, 4)
    pd.testing.assert_frame_equal(found.loc[first.index], first)
    tried: list[set[str]] = []
    for _ in range(4):
        known = set(records(small_spec)["run_id"])
        inline(small_spec, "--retry-failed", "--max-trials", "2", code=1)
        found = records(small_spec)
        assert (found["outcome"] == "failed").sum() == 4
        tried.append(set(found.index[~found["run_id"].isin(known)]))
    assert [len(some) for some in tried] == [2, 2, 2, 2]
    assert tried[:2] == tried[2:]
    assert tried[0].isdisjoint(tried[1])


def test_a_trial_that_failed_here_is_taken_over_where_it_did_not(
    small_spec: Path, room: Callable[[set[int]], None]
) -> None:
    elsewhere = small_spec.parent / "well"
    inline(small_spec, "--results", str(elsewhere))
    room(FAILING)
    inline(small_spec, code=1)
    small_spec.write_text(small_spec.read_text() + f"reuse: [{elsewhere}/small]\n")
    assert "taken over" not in inline(small_spec, code=1)
    assert "4 records taken over" in inline(small_spec, "--retry-failed")
    assert (records(small_spec)["outcome"] != "failed").all()


def test_a_search_tries_failed_trials_again(
    tmp_path: Path, room: Callable[[set[int]], None]
) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(
        "name: sweep\naxes: {M: [11], n_train: {times_m_log_m: [1.8, 4.0]}, hidden_size: 64, "
        "learning_rate: 0.01, weight_decay: 0.0002, max_steps: 300}\ndesign: boundary\n"
    )
    room(set(range(121)))
    inline(path, code=1)
    assert set(records(path)["outcome"]) == {"failed"}
    room(set())
    said = inline(path, "--retry-failed", code=1)
    assert "1 of 1 thresholds done" in said
    assert {"memorized", "unresolved"} <= set(records(path)["outcome"])  # it tries what it needs


def test_budgeted_retries_of_a_search_get_to_all_its_cells_in_turn(
    tmp_path: Path, room: Callable[[set[int]], None]
) -> None:
    path = tmp_path / "sweep.yaml"
    path.write_text(
        "name: sweep\naxes: {M: [7, 11, 13], n_train: {times_m_log_m: [1.8, 2.4]}, "
        "hidden_size: 32, learning_rate: 0.01, weight_decay: 0.0002, max_steps: 20}\n"
        "design: boundary\n"
    )
    room(set(range(169)))
    inline(path, code=1)
    tried = []
    for _ in range(6):
        known = set(records(path)["run_id"])
        inline(path, "--retry-failed", "--max-trials", "1", code=1)
        found = records(path)
        tried += found.loc[~found["run_id"].isin(known), "group"].tolist()
    assert sorted(tried[:3]) == ["Z11", "Z13", "Z7"]
    assert tried[3:] == tried[:3]
