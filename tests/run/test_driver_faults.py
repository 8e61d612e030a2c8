"""What becomes of a run whose driver, or what it stands on, is killed: real Ray, real signals."""

import json
import random
import statistics
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pandas as pd
import psutil
import pytest

from sweeper.store.repair import diagnose
from sweeper.store.results import ResultsFolder
from tests.commands import called
from tests.run.faults import Watched
from tests.run.sweeps import MEDIUM, inline, records, table, wait_for_records

Note = Callable[..., None]
Watch = Callable[..., Watched]


@pytest.fixture
def short(tmp_path: Path) -> Path:
    """36 trials of about an eighth of a second."""
    path = tmp_path / "medium.yaml"
    path.write_text(MEDIUM.replace("steps: 6000", "steps: 3000"))
    return path


def assert_whole(spec: Path) -> None:
    """Every trial has its record and its curve, as where nothing happened."""
    inline(spec, "--results", str(spec.parent / "undisturbed"))
    pd.testing.assert_frame_equal(table(spec), table(spec, "undisturbed"), check_exact=True)
    curves = ResultsFolder.at(spec.parent / "results" / spec.stem).curves().to_pandas()
    assert set(curves["fingerprint"]) == set(records(spec).index)
    found = diagnose(ResultsFolder.at(spec.parent / "results" / spec.stem))
    # a driver killed between the two files of a shard leaves curves that nobody counts
    assert not [one for one in found.findings if one.trials]


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize(("executor", "seeds"), [("inline", 12), ("ray", 60)])
def test_a_driver_killed_at_twenty_random_moments_loses_nothing(
    medium: Path, note: Note, watch: Watch, executor: str, seeds: int
) -> None:
    """At any moment of its life: starting, running, writing. Each time the same command again."""
    text = MEDIUM.replace("seed: 3", f"seed: {seeds}").replace("steps: 6000", "steps: 3000")
    medium.write_text(text)
    watched = watch(medium)
    options = ("--executor", executor, "--workers", "2")
    process = watched.start(*options)
    life = 2 * watched.seconds_to_next_record(process, 0)  # half of it is starting
    draw, recovery, lost, kills = random.Random(7), [life / 2], 0, 0
    while kills < 20:
        process.kill()
        process.communicate()
        kills += 1
        before = records(medium)
        if len(before) == 12 * seeds:
            break
        process = watched.start(*options)
        start, moment = time.monotonic(), draw.uniform(0, life)
        seconds = watched.seconds_to_next_record(process, len(before), moment)
        if seconds < moment:
            recovery.append(seconds)
        with suppress(subprocess.TimeoutExpired):
            process.wait(max(0.01, moment - (time.monotonic() - start)))
        after = records(medium)
        lost += len(before.index.difference(after.index))
        pd.testing.assert_frame_equal(after.loc[before.index], before)
    process.kill()
    process.communicate()
    watched.run(*options)
    assert_whole(medium)
    assert (lost, kills >= 10) == (0, True)
    note(
        f"SIGKILL of the driver at {kills} random moments, {executor}",
        lost=lost,
        repeated=f"{watched.repeated} of {watched.begun().total()}",
        seconds=f"{statistics.median(recovery):.1f} (at most {max(recovery):.1f})",
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_worker_costs_its_own_pack_alone(short: Path, note: Note, watch: Watch) -> None:
    watched = watch(short)
    process = watched.start("--workers", "2", "--pack-size", "6")
    recovery = []
    for count in (3, 12, 21):
        wait_for_records(short, count, process)
        before = watched.count()
        workers = [child for child in children(process.pid) if "Trainable" in title(child)]
        if workers:
            workers[0].kill()
            recovery.append(watched.seconds_to_next_record(process, before))
    said = process.communicate(timeout=240)[0]
    assert process.returncode == 0, said
    assert "a worker died (its process was killed or crashed" in said
    assert_whole(short)
    note(
        f"SIGKILL of {len(recovery)} workers",
        lost=0,
        repeated=f"{watched.repeated} of {watched.begun().total()}",
        seconds=f"{statistics.median(recovery):.1f} (at most {max(recovery):.1f})",
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_worker_that_outlives_its_driver_adds_nothing(
    short: Path, note: Note, watch: Watch
) -> None:
    """Frozen while its driver is killed and another one ends the sweep; then it goes on.

    With it is frozen all else that Ray has started, which would end it in the meantime.
    """
    watched = watch(short)
    process = watched.start("--workers", "2")
    wait_for_records(short, 3, process)
    frozen = children(process.pid)
    workers = [child for child in frozen if "Trainable" in title(child)]
    for child in frozen:
        child.suspend()
    process.kill()
    process.communicate()
    before = watched.count()
    second = watched.start("--workers", "2")
    seconds = watched.seconds_to_next_record(second, before)
    said = second.communicate(timeout=280)[0]
    assert second.returncode == 0, said
    outlived = [worker for worker in workers if worker.is_running()]
    assert outlived
    whole = table(short)
    for child in [*outlived, *frozen]:
        with suppress(psutil.NoSuchProcess):
            child.resume()
    _, left = psutil.wait_procs(frozen, timeout=90)
    assert not [one for one in left if one.status() != psutil.STATUS_ZOMBIE]
    pd.testing.assert_frame_equal(table(short), whole, check_exact=True)
    assert_whole(short)
    note(
        f"{len(outlived)} workers that outlive their driver",
        lost=0,
        repeated=f"{watched.repeated} of {watched.begun().total()}",
        seconds=f"{seconds:.1f}",
    )


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_killed_raylet_ends_the_run_with_a_reason(short: Path, note: Note, watch: Watch) -> None:
    """Ray would end the driver some 10 s later, without a word and with what was not written."""
    watched = watch(short)
    process = watched.start("--workers", "2")
    wait_for_records(short, 3, process)
    start = time.monotonic()
    raylets = [child for child in children(process.pid) if child.name() == "raylet"]
    assert raylets
    for raylet in raylets:
        raylet.kill()
    said = process.communicate(timeout=60)[0]
    ended = time.monotonic() - start
    assert process.returncode == 3, said
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
    assert_whole(short)
    note(
        f"SIGKILL of the raylet: exit code 3 after {ended:.0f} s",
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


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ("Task was killed due to the node running low on memory.", "its node ran low on memory"),
        (
            "The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR",
            "its process was killed or crashed; where memory runs out, the kernel kills",
        ),
        ("Traceback\nRuntimeError: no device cuda here\n", "RuntimeError: no device cuda here"),
        (None, "of an unknown cause"),
    ],
)
def test_the_death_of_a_worker_is_told_as_ray_tells_it(
    tmp_path: Path, told: str | None, reason: str
) -> None:
    from sweeper.run.feed import death_reason

    path = tmp_path / "error.txt"
    if told is not None:
        path.write_text(told)
    assert death_reason(str(path)) == reason
