"""What the tests of faults have in common: runs that are watched, disturbed and gone on with."""

import os
import subprocess
import time
from collections import Counter
from pathlib import Path

from tests.commands import SWEEPER
from tests.run.sweeps import records

WATCHED = '''\
"""Comes first in every Python of a run: notes each training that begins, and may disturb it."""
import os, sys

def disturb(trial):
    pass

{disturbance}

def watch(train):
    original = train.initial_weights
    def initial_weights(trial):
        with open({begun!r}, "a") as file:
            file.write(trial.fingerprint + "\\n")
        disturb(trial)
        return original(trial)
    train.initial_weights = initial_weights

if "sweeper" in sys.orig_argv or any("default_worker" in word for word in sys.orig_argv):
    import sweeper.run.worker as worker
    untouched = worker.work
    def work(*args, **options):
        import sweeper.learn.train as train
        if not hasattr(train, "watched"):
            train.watched = True
            watch(train)
        return untouched(*args, **options)
    worker.work = work
'''


class Watched:
    """Runs of one spec, in which every training that begins is noted."""

    def __init__(self, spec: Path, disturbance: str = "") -> None:
        """Nothing is started.

        Args:
            spec: Of the sweep; results go beside it.
            disturbance: Python that may define `disturb(trial)`, called where a training begins.
        """
        self.spec = spec
        self.folder = spec.parent / "results" / spec.stem
        self._begun = spec.parent / "begun.txt"
        self._processes: list[subprocess.Popen[str]] = []
        self._first = spec.parent / "first"
        self._first.mkdir(exist_ok=True)
        self.disturb(disturbance)

    def disturb(self, disturbance: str) -> None:
        """Disturb the runs that are started from now on."""
        text = WATCHED.format(begun=str(self._begun), disturbance=disturbance)
        (self._first / "sitecustomize.py").write_text(text)

    @property
    def environment(self) -> dict[str, str]:
        """Of a process that is to be watched."""
        path = os.pathsep.join([str(self._first), *filter(None, [os.environ.get("PYTHONPATH")])])
        return os.environ | {"PYTHONPATH": path}

    def command(self, *options: str) -> list[str]:
        """To run the sweep."""
        return [*SWEEPER, "run", str(self.spec), "--results", str(self.folder.parent), *options]

    def start(self, *options: str) -> "subprocess.Popen[str]":
        """A run in a process of its own."""
        process = subprocess.Popen(
            self.command(*options), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env=self.environment,
        )  # fmt: skip
        self._processes.append(process)
        return process

    def end(self) -> None:
        """Kill what a test that failed has left running."""
        for process in self._processes:
            if process.poll() is None:
                process.kill()
            if process.stdout and not process.stdout.closed:
                process.communicate()

    def run(self, *options: str, code: int = 0) -> str:
        """Run the sweep to its end; what it printed."""
        process = self.start(*options)
        said = process.communicate(timeout=280)[0]
        assert process.returncode == code, said
        return said

    def begun(self) -> Counter[str]:
        """How often the training of each trial has begun, by fingerprint."""
        return Counter(self._begun.read_text().split() if self._begun.exists() else [])

    @property
    def repeated(self) -> int:
        """Trainings that began though the same trial's had begun before."""
        begun = self.begun()
        return begun.total() - len(begun)

    def count(self) -> int:
        """Records on the disk."""
        return len(records(self.spec))

    def seconds_to_next_record(
        self, process: "subprocess.Popen[str]", before: int, at_most: float = 240.0
    ) -> float:
        """How long it takes from now until there are more records than before."""
        start = time.monotonic()
        while process.poll() is None and time.monotonic() - start < at_most:
            if self.count() > before:
                break
            time.sleep(0.1)
        return time.monotonic() - start
