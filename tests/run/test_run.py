"""Whole runs as a user starts them: real Ray, real kills, real files."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pandas as pd
import psutil
import pytest

from sweeper.spec.sweep import open_sweep
from sweeper.store.results import ResultsFolder
from tests.commands import called
from tests.run.sweeps import (
    MEDIUM,
    NO_TOKEN,
    assert_ended_by_budget,
    inline,
    records,
    run,
    start,
    started_cluster,
    table,
    wait_for_records,
)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """What the medium sweep gives in one process that nothing happens to."""
    path = tmp_path_factory.mktemp("undisturbed") / "medium.yaml"
    path.write_text(MEDIUM)
    inline(path)
    return table(path)


def descendants(process: "subprocess.Popen[str]", title: str = "") -> list[psutil.Process]:
    """The live processes that a run has started, with a title that holds the given text."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.Error):
            if child.status() != psutil.STATUS_ZOMBIE and title in " ".join(child.cmdline()):
                found.append(child)
    return found


def before_others(folder: Path) -> str:
    """A PYTHONPATH on which the sitecustomize.py of this folder comes first."""
    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])


def alive(family: list[psutil.Process]) -> list[psutil.Process]:
    _, left = psutil.wait_procs(family, timeout=60)
    return [child for child in left if child.status() != psutil.STATUS_ZOMBIE]


def test_a_killed_driver_loses_and_repeats_nothing(medium: Path, undisturbed: pd.DataFrame) -> None:
    """kill -9 of the driver, then the same command once more; at many moments: test_driver_faults.

    The table is that of one process which nothing happened to, to the last bit.
    """
    process = start(medium, "--workers", "2")
    wait_for_records(medium, 1, process)
    before = records(medium)
    workers = descendants(process, "Trainable")
    process.kill()
    process.communicate()
    assert not alive(workers)  # they end with their driver
    after = records(medium)
    pd.testing.assert_frame_equal(after.loc[before.index], before)
    kept = records(medium)
    run(medium, "--workers", "2")
    final = records(medium)
    pd.testing.assert_frame_equal(final.loc[kept.index], kept)
    pd.testing.assert_frame_equal(table(medium), undisturbed, check_exact=True)
    assert set(final.index) == set(open_sweep(medium).plan["fingerprint"].to_pylist())
    assert {"generalized", "memorized"} <= set(final["outcome"])
    curves = ResultsFolder.at(medium.parent / "results" / "medium").curves().to_pandas()
    assert set(curves["fingerprint"]) == set(final.index)


@pytest.mark.parametrize(
    "ending", [pytest.param(signal.SIGINT, marks=pytest.mark.slow), signal.SIGTERM]
)
def test_a_signal_ends_well_and_the_same_command_goes_on(medium: Path, ending: int) -> None:
    process = start(medium, "--workers", "2")
    wait_for_records(medium, 1, process)
    family = descendants(process)
    process.send_signal(ending)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 130, said
    assert "ending; what is finished is kept" in said
    assert "Traceback" not in said
    assert not alive(family)
    kept = records(medium)
    assert 0 < len(kept) < 36 - 2
    assert "2 trials run" in inline(medium, "--max-trials", "2")
    assert len(records(medium)) == len(kept) + 2
    pd.testing.assert_frame_equal(records(medium).loc[kept.index], kept)


def test_a_full_or_broken_disk_ends_the_run(medium: Path) -> None:
    """The curves' folder becomes a file: the run ends soon, says why, and can be gone on with."""
    process = start(medium, "--workers", "2")
    wait_for_records(medium, 1, process)
    folder = medium.parent / "results" / "medium"
    (folder / "curves").rename(folder / "aside")
    (folder / "curves").write_text("in the way")
    kept = len(list((folder / "records").iterdir()))
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 2, said
    assert "curves" in said
    assert "the log is " in said
    assert "Traceback" not in said
    assert len(list((folder / "records").iterdir())) == kept
    (folder / "curves").unlink()
    (folder / "aside").rename(folder / "curves")
    before = records(medium)
    assert 0 < len(before) < 36 - 2
    assert "2 trials run" in inline(medium, "--max-trials", "2")
    pd.testing.assert_frame_equal(records(medium).loc[before.index], before)


def test_trials_that_kill_their_worker_are_given_up_and_the_others_finish(
    small_spec: Path, tmp_path: Path
) -> None:
    """A worker of this run exits at once when it meets one certain trial."""
    plan = open_sweep(small_spec).plan
    victim = plan["fingerprint"].to_pylist()[5]
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\n"
        "if any('default_worker' in part for part in sys.orig_argv):\n"
        "    import sweeper.learn.train as t\n"
        "    original = t.initial_weights\n"
        "    def deadly(trial):\n"
        f"        if trial.fingerprint == {victim!r}: os._exit(1)\n"
        "        return original(trial)\n"
        "    t.initial_weights = deadly\n"
    )
    said = run(
        small_spec, "--workers", "1", "--pack-size", "2", code=1, PYTHONPATH=before_others(tmp_path)
    )
    assert f"logs are in {tmp_path}/results/small/logs" in said
    found = records(small_spec)
    assert len(found) == 12
    assert found.index[found["outcome"] == "failed"].tolist() == [victim]
    assert found.loc[victim, "error"] == (
        "the worker died 3 times while it trained this trial alone, the last time because its "
        "process was killed or crashed; where memory runs out, the kernel kills"
    )


def test_workers_that_cannot_start_end_the_run_and_fail_no_trial(
    small_spec: Path, tmp_path: Path
) -> None:
    """As where torch is not installed on the nodes: an error, and no record of any trial."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "if any('default_worker' in part for part in sys.orig_argv): sys.modules['torch'] = None\n"
    )
    said = run(small_spec, code=3, PYTHONPATH=before_others(tmp_path))
    assert "6 workers in a row ended before they could train, the last one because " in said
    assert "ModuleNotFoundError: import of torch halted; None in sys.modules" in said
    assert "the log is " in said
    assert len(records(small_spec)) == 0


def test_the_address_of_no_cluster_is_refused(small_spec: Path) -> None:
    results = small_spec.parent / "results"

    def refusal(address: str, code: int = 2, command: str = "run") -> str:
        words = [command, small_spec, "--results", results, "--address", address]
        return called(*words, code=code).output

    for command in ("run", "plan"):
        for wrong in ("nowhere", "http://127.0.0.1:8265", ":6379", "head:"):
            said = refusal(wrong, command=command)
            assert f"'{wrong}' is no address of a Ray cluster; it should be HOST:PORT" in said
        assert "Ray Client" in refusal("ray://127.0.0.1:10001", command=command)
    assert not results.exists()
    said = refusal("127.0.0.1:1", code=3)  # it could be one
    assert "no Ray cluster at 127.0.0.1:1" in said
    assert "Traceback" not in said


def test_a_ray_that_does_not_start_is_an_executors_failure(
    small_spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray raises no narrower kind of exception where a node does not come up."""

    def timed_out(**given: object) -> None:
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr("ray.init", timed_out)
    said = called("run", small_spec, "--results", small_spec.parent / "results", code=3).output
    assert "Ray does not start here: The current node timed out during startup.\n" in said
    assert "the log is " in said


# ------------------------------------------------------------------ a cluster that others started


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """The address of a Ray cluster that no run has started, and none has ended."""
    with started_cluster("--num-cpus=2") as address:
        yield address


def test_a_running_cluster_gives_the_table_of_one_process(small_spec: Path, cluster: str) -> None:
    """`--address` attaches; there a run can be ended by a budget, and gone on with elsewhere."""
    said = run(small_spec, "--address", cluster, "--max-trials", "5", **NO_TOKEN)
    assert_ended_by_budget(said, small_spec)
    assert "7 trials run" in run(small_spec, "--address", cluster, **NO_TOKEN)
    inline(small_spec, "--results", str(small_spec.parent / "again"))
    pd.testing.assert_frame_equal(table(small_spec), table(small_spec, "again"), check_exact=True)


def test_a_worker_that_fits_on_no_node_is_refused(small_spec: Path, cluster: str) -> None:
    small_spec.write_text(small_spec.read_text() + "resources: {cpus_per_worker: 3}\n")
    said = run(small_spec, "--address", cluster, code=3, **NO_TOKEN)
    assert "should get 3 CPUs and 0 GPUs on one node; the nodes have 2 CPUs and 0 GPUs" in said
