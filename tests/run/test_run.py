"""Whole runs as a user starts them: real Ray, real kills, real files."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pandas as pd
import psutil
import pytest

from sweeper.spec.sweep import open_sweep
from sweeper.store.results import ResultsFolder

SWEEPER = [sys.executable, "-m", "sweeper.cli"]
MEASURED_ELSEWHERE = [
    "wall_time_s", "setup_s", "evaluation_s", "started_at", "run_id", "host", "pack_size",
    "spec_digest", "library_versions",
]  # fmt: skip

MEDIUM = """\
name: medium
axes:
  M: [11, 13]
  n_train: {fraction: {from: 0.5, to: 0.9, count: 8}}
  hidden_size: 64
  learning_rate: 0.005
  weight_decay: 0.0002
  max_steps: 6000
  seed: 3
training: {stop_at_target: false}   # so that a trial takes about a quarter of a second
"""


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    path = tmp_path / "medium.yaml"
    path.write_text(MEDIUM)
    return path


def run(spec: Path, *options: str, code: int = 0) -> str:
    """Run a sweep to its end; what it printed."""
    command = [*SWEEPER, "run", str(spec), "--results", str(spec.parent / "results"), *options]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert answer.returncode == code, answer.stdout + answer.stderr
    return answer.stdout + answer.stderr


def start(spec: Path, *options: str) -> "subprocess.Popen[str]":
    command = [*SWEEPER, "run", str(spec), "--results", str(spec.parent / "results"), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def records(spec: Path, results: str = "results") -> pd.DataFrame:
    """The records of a sweep by fingerprint; reading them refuses double ones."""
    folder = ResultsFolder.at(spec.parent / results / spec.stem)
    whole = {"fit_step": "Int64", "generalization_step": "Int64"}  # whether some are missing or not
    return folder.records().to_pandas().astype(whole).set_index("fingerprint").sort_index()


def table(spec: Path, results: str = "results") -> pd.DataFrame:
    """The part of the records that does not say where and when."""
    return records(spec, results).drop(columns=MEASURED_ELSEWHERE)


def wait_for_records(spec: Path, count: int, process: "subprocess.Popen[str]") -> None:
    """Until a running sweep has at least this many records."""
    deadline = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < deadline:
        if len(records(spec)) >= count:
            return
        time.sleep(0.1)


def descendants(process: "subprocess.Popen[str]", title: str = "") -> list[psutil.Process]:
    """The live processes that a run has started, with a title that holds the given text."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        with suppress(psutil.Error):
            if child.status() != psutil.STATUS_ZOMBIE and title in " ".join(child.cmdline()):
                found.append(child)
    return found


def alive(family: list[psutil.Process]) -> list[psutil.Process]:
    _, left = psutil.wait_procs(family, timeout=20)
    return [child for child in left if child.status() != psutil.STATUS_ZOMBIE]


def test_ray_and_inline_give_the_same_table(medium: Path) -> None:
    run(medium, "--executor", "ray", "--workers", "2")
    elsewhere = medium.parent / "again"
    run(medium, "--executor", "inline", "--results", str(elsewhere))
    pd.testing.assert_frame_equal(table(medium), table(medium, "again"), check_exact=True)
    assert set(table(medium).index) == set(open_sweep(medium).plan["fingerprint"].to_pylist())
    assert {"generalized", "memorized"} <= set(table(medium)["outcome"])
    curves = ResultsFolder.at(medium.parent / "results" / "medium").curves().to_pandas()
    assert set(curves["fingerprint"]) == set(table(medium).index)


def test_a_finished_sweep_runs_nothing_again(small_spec: Path) -> None:
    run(small_spec, "--executor", "inline")
    before = records(small_spec)
    said = run(small_spec, "--executor", "inline")
    assert "0 trials run" in said
    assert "12 of 12 done" in said
    pd.testing.assert_frame_equal(records(small_spec), before)


def test_more_orders_run_only_what_is_new(small_spec: Path) -> None:
    run(small_spec, "--executor", "inline")
    before = records(small_spec)
    small_spec.write_text(small_spec.read_text().replace("[7, 11]", "[7, 11, 13]"))
    assert "6 trials run" in run(small_spec, "--executor", "inline")
    after = records(small_spec)
    assert len(after) == 18
    pd.testing.assert_frame_equal(after.loc[before.index], before)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("rounds", [1, pytest.param(5, marks=pytest.mark.slow)])
def test_killed_drivers_lose_and_repeat_nothing(medium: Path, rounds: int) -> None:
    """kill -9 of the driver at random moments, then the same command once more."""
    moments = random.Random(0)
    for round_ in range(rounds):
        process = start(medium, "--workers", "2")
        wait_for_records(medium, 8 * round_, process)
        time.sleep(moments.uniform(0, 2.5))
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
    run(medium, "--executor", "inline", "--results", str(medium.parent / "undisturbed"))
    pd.testing.assert_frame_equal(table(medium), table(medium, "undisturbed"), check_exact=True)


@pytest.mark.slow
def test_killed_workers_lose_and_repeat_nothing(medium: Path) -> None:
    """kill -9 of a worker at three moments of one run, which then ends well."""
    process = start(medium, "--workers", "2")
    killed = 0
    for count in (1, 12, 24):
        wait_for_records(medium, count, process)
        workers = descendants(process, "Trainable")
        if workers:
            workers[0].send_signal(signal.SIGKILL)
            killed += 1
    said = process.communicate(timeout=240)[0]
    assert process.returncode == 0, said
    assert killed >= 2
    assert "a worker died" in said
    run(medium, "--executor", "inline", "--results", str(medium.parent / "undisturbed"))
    pd.testing.assert_frame_equal(table(medium), table(medium, "undisturbed"), check_exact=True)


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
    assert 0 < len(kept) < 48
    run(medium, "--executor", "inline")
    assert len(records(medium)) == 48
    pd.testing.assert_frame_equal(records(medium).loc[kept.index], kept)


def test_ctrl_c_twice_ends_at_once(medium: Path) -> None:
    process = start(medium, "--executor", "inline")
    wait_for_records(medium, 1, process)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[0]
    assert process.returncode == 130, said
    assert "Traceback" not in said
    assert 0 < len(records(medium)) < 48


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
    run(medium, "--executor", "inline")
    assert len(records(medium)) == 48


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
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [
        *SWEEPER,
        "run",
        str(small_spec),
        "--results",
        str(tmp_path / "results"),
        "--workers",
        "1",
    ]
    answer = subprocess.run(
        command, capture_output=True, text=True, timeout=240, env=environment, check=False
    )
    assert answer.returncode == 1, answer.stdout + answer.stderr
    assert f"logs are in {tmp_path}/results/small/logs" in answer.stdout
    found = records(small_spec)
    assert len(found) == 12
    assert found.index[found["outcome"] == "failed"].tolist() == [victim]
    assert found.loc[victim, "error"] == "the worker died 3 times while it trained this trial alone"


def test_workers_that_cannot_start_end_the_run_and_fail_no_trial(
    small_spec: Path, tmp_path: Path
) -> None:
    """As where torch is not installed on the nodes: an error, and no record of any trial."""
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "if any('default_worker' in part for part in sys.orig_argv): sys.modules['torch'] = None\n"
    )
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [*SWEEPER, "run", str(small_spec), "--results", str(tmp_path / "results")]
    answer = subprocess.run(
        command, capture_output=True, text=True, timeout=240, env=environment, check=False
    )
    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert "6 workers in a row ended before they could train" in answer.stderr
    assert "the log is " in answer.stderr
    assert len(records(small_spec)) == 0


def test_a_device_that_is_not_there_fails_no_trial(small_spec: Path) -> None:
    said = run(small_spec, "--executor", "inline", "--device", "cuda:99", code=2)
    assert "no device cuda:99 here" in said
    assert "Traceback" not in said
    assert "'tpu' is none of auto, cpu, cuda and cuda:N" in run(
        small_spec, "--executor", "inline", "--device", "tpu", code=2
    )
    assert len(records(small_spec)) == 0


def test_a_second_driver_is_refused(medium: Path) -> None:
    process = start(medium, "--executor", "inline")
    try:
        wait_for_records(medium, 1, process)
        said = run(medium, "--executor", "inline", code=2)
        assert "medium: in use by run " in said
    finally:
        process.kill()
        process.communicate()


def test_the_address_of_no_cluster_is_refused(small_spec: Path) -> None:
    said = run(small_spec, "--address", "127.0.0.1:1", code=2)
    assert "no Ray cluster at 127.0.0.1:1" in said
    assert "Traceback" not in said
    said = run(small_spec, "--address", "nowhere", code=2)
    assert "'nowhere' is no address of a Ray cluster; it should be HOST:PORT" in said
    assert "Ray Client" in run(small_spec, "--address", "ray://127.0.0.1:10001", code=2)


def cluster_processes(folder: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if folder in " ".join(process.cmdline()):
                found.append(process)
    return found


def test_a_running_cluster_is_used_and_left_running(
    small_spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--address` attaches to a cluster that somebody else has started."""
    folder = tempfile.mkdtemp(prefix="ray")  # short: the names of sockets have a limit
    ray = str(Path(sys.executable).with_name("ray"))
    head = ["start", "--head", "--node-ip-address=127.0.0.1", "--port=0", "--num-cpus=2"]
    quiet = ["--include-dashboard=false", "--disable-usage-stats", f"--temp-dir={folder}"]
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    answer = subprocess.run(
        [ray, *head, *quiet], capture_output=True, text=True, timeout=120, check=True
    )
    address = re.findall(r"--address='([^']+)'", answer.stdout)[0]
    try:
        assert "12 trials run" in run(small_spec, "--address", address)
        assert len(records(small_spec)) == 12
        assert cluster_processes(folder)
        small_spec.write_text(small_spec.read_text() + "resources: {cpus_per_worker: 3}\n")
        small_spec.write_text(small_spec.read_text().replace("150", "151"))
        assert "should get 3 CPUs and 0 GPUs on one node; the nodes have 2 CPUs and 0 GPUs" in run(
            small_spec, "--address", address, code=2
        )
    finally:
        for process in cluster_processes(folder):
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def test_a_dry_run_writes_nothing(small_spec: Path, tmp_path: Path) -> None:
    assert "12 trials, 0 of them done" in run(small_spec, "--dry-run")
    assert not (tmp_path / "results").exists()


def test_bad_input_writes_nothing(small_spec: Path, tmp_path: Path) -> None:
    small_spec.write_text(small_spec.read_text().replace("0.8]", "1.2]"))
    said = run(small_spec, code=2)
    assert said == f"{small_spec}:4 axes.n_train.fraction[2]: found 1.2; should be less than 1\n"
    assert not (tmp_path / "results").exists()


def test_the_run_is_described(small_spec: Path) -> None:
    run(small_spec, "--executor", "inline")
    folder = ResultsFolder.at(small_spec.parent / "results" / "small")
    (description,) = folder.runs()
    (digest,) = set(records(small_spec)["spec_digest"])
    assert folder.spec(digest) == small_spec.read_text()
    assert description["planned"] == 12
    assert json.loads(description["library_versions"])["torch"]


# ------------------------------------------------------------------ budgets


@pytest.mark.parametrize("executor", ["inline", "ray"])
def test_a_run_ends_after_so_many_trials_and_the_next_goes_on(
    small_spec: Path, executor: str
) -> None:
    said = run(small_spec, "--executor", executor, "--max-trials", "5")
    assert "5 trials run" in said
    assert "5 of 12 done" in said
    assert "the 5 trials are run; the same command goes on" in said
    first = records(small_spec)
    assert len(first) == 5
    said = run(small_spec, "--executor", "inline", "--max-trials", "100")
    assert "7 trials run" in said
    assert "goes on" not in said
    run(small_spec, "--executor", "inline", "--results", str(small_spec.parent / "again"))
    pd.testing.assert_frame_equal(table(small_spec), table(small_spec, "again"), check_exact=True)


def test_a_run_ends_after_so_many_hours_and_the_next_goes_on(medium: Path) -> None:
    said = run(medium, "--executor", "inline", "--max-hours", "0.0008")  # 2.9 seconds
    assert "the 0.0008 hours are over; the same command goes on" in said
    kept = records(medium)
    assert 0 < len(kept) < 48
    said = run(medium, "--executor", "inline", "--max-hours", "1")
    assert "48 of 48 done" in said
    pd.testing.assert_frame_equal(records(medium).loc[kept.index], kept)
