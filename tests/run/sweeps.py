"""Runs of the tests in this folder, and what they leave."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import psutil

from sweeper.store.results import ResultsFolder
from tests.commands import SWEEPER, called, started

MEASURED_ELSEWHERE = [
    "wall_time_s", "setup_s", "evaluation_s", "started_at", "run_id", "host", "pack_size",
    "spec_digest", "library_versions", "code_version",
]  # fmt: skip

NO_TOKEN = {"RAY_AUTH_MODE": "disabled"}
"""For clusters that tests start."""

MEDIUM = """\
name: medium
axes:
  M: [11, 13]
  n_train: {fraction: {from: 0.5, to: 0.9, count: 6}}
  hidden_size: 64
  learning_rate: 0.005
  weight_decay: 0.0002
  max_steps: 6000
  seed: 3
training: {stop_at_target: false}   # so that a trial takes about a quarter of a second
"""


def run(spec: Path, *options: str, code: int = 0, **environment: str) -> str:
    """Run a sweep to its end, as a user does; what it printed."""
    words = ["run", spec, "--results", spec.parent / "results", *options]
    answer = started(*words, code=code, env=os.environ | environment)
    return answer.stdout + answer.stderr


def inline(spec: Path, *options: str, code: int = 0) -> str:
    """Run a sweep in this process; what it printed."""
    words = ["run", spec, "--results", spec.parent / "results", "--executor", "inline", *options]
    return called(*words, code=code).output


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
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        if len(records(spec)) >= count:
            return
        time.sleep(0.2)


def assert_ended_by_budget(said: str, spec: Path) -> None:
    assert "5 trials run" in said
    assert "5 of 12 done" in said
    assert "the 5 trials are run; the same command goes on" in said
    assert len(records(spec)) == 5


def cluster_processes(folder: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if folder in " ".join(process.cmdline()):
                found.append(process)
    return found


@contextmanager
def started_cluster(*resources: str) -> Iterator[str]:
    """The address of a Ray cluster of one node, with resources as `ray start` takes them."""
    folder = tempfile.mkdtemp(prefix="ray")  # short: the names of sockets have a limit
    ray = str(Path(sys.executable).with_name("ray"))
    head = ["start", "--head", "--node-ip-address=127.0.0.1", "--port=0", *resources]
    quiet = ["--include-dashboard=false", "--disable-usage-stats", f"--temp-dir={folder}"]
    answer = subprocess.run(
        [ray, *head, *quiet],
        capture_output=True, text=True, timeout=120, check=True, env=os.environ | NO_TOKEN,
    )  # fmt: skip
    try:
        yield re.findall(r"--address='([^']+)'", answer.stdout)[0]
        assert cluster_processes(folder)
    finally:
        for process in cluster_processes(folder):
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)
