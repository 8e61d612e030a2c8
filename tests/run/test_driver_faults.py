"""What becomes of a run whose driver, or what it stands on, is killed: real Ray, real signals."""

import json
import random
import statistics
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pandas as pd
import psutil
import pytest

from sweeper.store.results import ResultsFolder
from tests.commands import called
from tests.run.faults import Watched
from tests.run.sweeps import MEDIUM, inline, records, table, wait_for_records

Note = Callable[..., None]


@pytest.fixture
def long(tmp_path: Path) -> Path:
    """120 trials of about a quarter of a second."""
    path = tmp_path / "medium.yaml"
    path.write_text(MEDIUM.replace("seed: 3", "seed: 10"))
    return path


def assert_whole(spec: Path) -> None:
    """Every trial has its record and its curve, as where nothing happened."""
    inline(spec, "--results", str(spec.parent / "undisturbed"))
    pd.testing.assert_frame_equal(table(spec), table(spec, "undisturbed"), check_exact=True)
    curves = ResultsFolder.at(spec.parent / "results" / spec.stem).curves().to_pandas()
    assert set(curves["fingerprint"]) == set(records(spec).index)
    said = called("repair", spec.parent / "results" / spec.stem, "--json", code=0).output
    assert json.loads(said)["findings"] == []


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize(("executor", "kills", "latest"), [("inline", 20, 6.0), ("ray", 20, 20.0)])
def test_a_driver_killed_at_twenty_random_moments_loses_nothing(
    long: Path, note: Note, executor: str, kills: int, latest: float
) -> None:
    """At any moment of its life: starting, running, writing. Each time the same command again."""
    watched = Watched(long)
    draw, recovery, lost = random.Random(7), [], 0
    for _ in range(kills):
        before = records(long)
        if len(before) == 120:
            break
        process = watched.start("--executor", executor, "--workers", "2")
        moment = draw.uniform(0.1, latest)
        start = time.monotonic()
        seconds = watched.seconds_to_next_record(process, len(before), moment)
        if seconds < moment:
            recovery.append(seconds)
        with suppress(Exception):
            process.wait(max(0.01, moment - (time.monotonic() - start)))
        process.kill()
        process.communicate()
        after = records(long)
        lost += len(before.index.difference(after.index))
        pd.testing.assert_frame_equal(after.loc[before.index], before)
    watched.run("--executor", executor, "--workers", "2")
    assert_whole(long)
    assert lost == 0
    note(
        f"SIGKILL of the driver at {kills} random moments, {executor}",
        lost=lost,
        repeated=f"{watched.repeated} of {watched.begun().total()}",
        seconds=f"{statistics.median(recovery):.1f} (at most {max(recovery):.1f})",
    )


@pytest.mark.slow
def test_a_killed_worker_costs_its_own_pack_alone(long: Path, note: Note) -> None:
    watched = Watched(long)
    process = watched.start("--workers", "2")
    recovery = []
    for count in (5, 25, 45, 65):
        wait_for_records(long, count, process)
        before = watched.count()
        workers = [child for child in children(process.pid) if "Trainable" in title(child)]
        if workers:
            workers[0].kill()
            recovery.append(watched.seconds_to_next_record(process, before))
    said = process.communicate(timeout=240)[0]
    assert process.returncode == 0, said
    assert "a worker died (its process was killed or crashed" in said
    assert_whole(long)
    note(
        f"SIGKILL of {len(recovery)} workers",
        lost=0,
        repeated=f"{watched.repeated} of {watched.begun().total()}",
        seconds=f"{statistics.median(recovery):.1f} (at most {max(recovery):.1f})",
    )


@pytest.mark.slow
def test_a_worker_that_outlives_its_driver_adds_nothing(long: Path, note: Note) -> None:
    """Frozen while its driver is killed and another one ends the sweep; then it goes on."""
    watched = Watched(long)
    process = watched.start("--workers", "2")
    wait_for_records(long, 3, process)
    workers = [child for child in children(process.pid) if "Trainable" in title(child)]
    for worker in workers:
        worker.suspend()
    process.kill()
    process.communicate()
    start, before = time.monotonic(), watched.count()
    second = watched.start("--workers", "2")
    seconds = watched.seconds_to_next_record(second, before)
    said = second.communicate(timeout=280)[0]
    assert second.returncode == 0, said
    assert time.monotonic() - start < 280
    outlived = [worker for worker in workers if worker.is_running()]
    assert outlived
    whole = table(long)
    for worker in outlived:
        with suppress(psutil.NoSuchProcess):
            worker.resume()
    _, left = psutil.wait_procs(outlived, timeout=90)
    assert not [one for one in left if one.status() != psutil.STATUS_ZOMBIE]
    pd.testing.assert_frame_equal(table(long), whole, check_exact=True)
    assert_whole(long)
    note(
        f"{len(outlived)} workers that outlive their driver",
        lost=0,
        repeated=f"{watched.repeated} of {watched.begun().total()}",
        seconds=f"{seconds:.1f}",
    )


@pytest.mark.slow
def test_a_killed_raylet_ends_the_run_with_a_reason(long: Path, note: Note) -> None:
    """Ray would end the driver some 10 s later, without a word and with what was not written."""
    watched = Watched(long)
    process = watched.start("--workers", "2")
    wait_for_records(long, 3, process)
    start = time.monotonic()
    raylets = [child for child in children(process.pid) if child.name() == "raylet"]
    assert raylets
    for raylet in raylets:
        raylet.kill()
    said = process.communicate(timeout=60)[0]
    ended = time.monotonic() - start
    assert process.returncode == 2, said
    assert "Ray's process on this node, the raylet, is gone" in said
    assert "the log is " in said
    assert "Traceback" not in said
    found = json.loads(called("status", watched.folder, "--json").output)
    assert found["run"]["life"] == "failed"
    before = watched.count()
    second = watched.start("--workers", "2")
    seconds = watched.seconds_to_next_record(second, before)
    said = second.communicate(timeout=280)[0]
    assert second.returncode == 0, said
    assert_whole(long)
    note(
        f"SIGKILL of the raylet: exit code 2 after {ended:.0f} s",
        lost=0,
        repeated=f"{watched.repeated} of {watched.begun().total()}",
        seconds=f"{seconds:.1f}",
    )


def children(pid: int) -> list[psutil.Process]:
    return [
        child
        for child in psutil.Process(pid).children(recursive=True)
        if child.status() != psutil.STATUS_ZOMBIE
    ]


def title(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""
