"""The profile of real runs: every trial once, nothing drawn over another, shares of a whole."""

import json
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from sweeper.run.profile import Profile
from sweeper.run.worker import Delivery
from sweeper.spec.trial import Trial
from sweeper.store.provenance import Provenance
from sweeper.store.records import Curve, Outcome, TrialResult, curves_table, records_table
from sweeper.store.results import ResultsFolder
from tests.commands import called
from tests.run.sweeps import inline, run


def slices(trace: dict[str, Any], process: str) -> dict[tuple[int, int], list[dict[str, Any]]]:
    """The slices of a process by lane, in order of time."""
    names = {e["pid"]: e["args"]["name"] for e in trace["traceEvents"] if e["ph"] == "M"
             and e["name"] == "process_name"}  # fmt: skip
    lanes = defaultdict(list)
    for event in trace["traceEvents"]:
        if event["ph"] == "X" and names[event["pid"]] == process:
            lanes[event["pid"], event["tid"]].append(event)
    return {lane: sorted(events, key=lambda e: e["ts"]) for lane, events in lanes.items()}


def assert_no_overlap(events: list[dict[str, Any]]) -> None:
    for event, following in pairwise(events):
        assert event["ts"] + event["dur"] <= following["ts"]


@pytest.mark.parametrize(("executor", "workers"), [("inline", 1), ("ray", 2)])
def test_a_run_is_traced_and_its_time_accounted_for(
    small_spec: Path, executor: str, workers: int
) -> None:
    options = ["--workers", "2", "--pack-size", "2", "--executor", executor, "--profile"]
    said = (inline if executor == "inline" else run)(small_spec, *options)
    folder = ResultsFolder.at(small_spec.parent / "results" / "small")
    (path,) = Path(folder.path, "profile").iterdir()
    assert f"open {path} in " in said
    assert "training steps" in said
    assert path.stem == folder.runs()[0]["run_id"]
    trace = json.loads(path.read_bytes())
    records = folder.records().to_pandas().set_index("fingerprint")

    shares = trace["otherData"]["shares"]
    assert sum(shares.values()) == pytest.approx(1)
    assert min(shares.values()) >= 0
    assert shares["start-up"] > 0 < shares["training steps"]
    if executor == "ray":  # its start takes longer than these few trials
        assert shares["start-up"] > shares["training steps"]

    trials = slices(trace, "workers")
    assert 1 <= len(trials) <= workers
    for events in trials.values():
        assert_no_overlap(events)
    drawn = [event for events in trials.values() for event in events]
    assert sorted(event["args"]["fingerprint"] for event in drawn) == sorted(records.index)
    for event in drawn:
        record = records.loc[event["args"]["fingerprint"]]
        assert event["name"] == f"{record['group']} n={record['n_train']}"
        assert event["args"]["outcome"] == record["outcome"]
        # a slice holds its trial's measured time, and what its worker did between evaluations
        assert event["dur"] >= 1e6 * record["wall_time_s"] * 0.9

    (run_lane, shard_lane) = slices(trace, "driver").values()
    assert_no_overlap(run_lane)
    assert_no_overlap(shard_lane)
    assert [event["name"] for event in run_lane] == [
        "read results", "start executor", "hand out packs and wait", "close executor",
        "count outcomes",
    ]  # fmt: skip
    assert {event["name"] for event in shard_lane} == {"write shard"}
    assert f"{len(records)} of 12 trials done" in called("status", folder.path).stdout


def test_without_the_option_no_trace_is_kept(small_spec: Path) -> None:
    assert "perfetto" not in inline(small_spec)
    assert not (small_spec.parent / "results" / "small" / "profile").exists()


def delivered(
    profile: Profile, trials: list[Trial], seconds: list[float], outcome: Outcome
) -> None:
    """One batch, whose trials all start with the profile and end after the given seconds."""
    start = datetime.fromtimestamp(profile.start, UTC)
    for trial, spent in zip(trials, seconds, strict=True):
        curve = Curve([1], [0.0], [0.0], [1.0], [1.0])
        result = TrialResult(
            fingerprint=trial.fingerprint, outcome=outcome, fit_step=1, generalization_step=None,
            n_test=1, train_flops=1.0, wall_time_s=spent / len(trials), setup_s=0.0,
            evaluation_s=spent / len(trials) / 4, started_at=start, curve=curve,
        )  # fmt: skip
        records = records_table([trial], [result], Provenance("s", "r", "d"), "cuda", len(trials))
        ended_at = start + timedelta(seconds=spent)
        profile.deliver(
            Delivery([0], records, curves_table([result]), "host, process 1", [ended_at]),
            pa.array([True]),
        )


def test_trials_of_a_batch_lie_side_by_side(trial: Callable[..., Trial]) -> None:
    profile = Profile()
    delivered(profile, [trial(n=n) for n in (60, 70, 80)], [1.0, 2.0, 4.0], Outcome.GENERALIZED)
    profile.end = profile.start + 5.0
    trace = json.loads(profile.trace("r"))
    lanes = slices(trace, "workers")
    assert sorted(len(events) for events in lanes.values()) == [1, 1, 1]
    shares = profile.shares()
    assert shares["training steps"] == pytest.approx(7 / 3 * 3 / 4 / 5)
    assert shares["evaluations"] == pytest.approx(7 / 3 / 4 / 5)
    assert shares["shut-down"] == pytest.approx(1 / 5)
    assert sum(shares.values()) == pytest.approx(1)


def test_the_time_of_failed_trials_is_no_training(trial: Callable[..., Trial]) -> None:
    profile = Profile()
    delivered(profile, [trial()], [3.0], Outcome.FAILED)
    profile.end = profile.start + 3.0
    assert profile.shares()["waiting"] == pytest.approx(1)
    assert profile.shares()["training steps"] == 0
