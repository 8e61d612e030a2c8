"""Claims on stores without locks; those of the operating system are in test_results.py."""

import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs
import pytest

from sweeper.store.lock import Claim, at_work
from sweeper.store.results import ResultsError, ResultsFolder

BEAT, SILENT = 0.05, 0.6


def claim(folder: Path, holder: str, **options: Any) -> Claim:  # noqa: ANN401
    return Claim(
        pafs.LocalFileSystem(), str(folder), holder, beat_s=BEAT, silent_s=SILENT, **options
    )


HOLD = f"""\
import sys, time
import pyarrow.fs as pafs
from sweeper.store.lock import Claim
from sweeper.store.results import ResultsError
with Claim(pafs.LocalFileSystem(), sys.argv[1], "run 1", beat_s={BEAT}, silent_s={SILENT}) as mine:
    print("held", flush=True)
    sys.stdin.readline()
    try:
        mine.check()
        print("mine", flush=True)
    except ResultsError as error:
        print(error, flush=True)
"""


@contextmanager
def held_elsewhere(folder: Path) -> "Iterator[subprocess.Popen[str]]":
    """Another process that holds the folder until it gets a line."""
    command = [sys.executable, "-c", HOLD, str(folder)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield holder
        finally:
            holder.kill()


def test_a_second_driver_is_refused_soon(tmp_path: Path) -> None:
    said: list[str] = []
    with claim(tmp_path, "run 1 of me, since noon") as first:
        start = time.monotonic()
        with pytest.raises(ResultsError) as caught, claim(tmp_path, "run 2", say=said.append):
            pass
        assert time.monotonic() - start < SILENT
        first.check()
    assert str(caught.value) == f"{tmp_path}: in use by run 1 of me, since noon"
    assert said == ["waiting to see whether run 1 of me, since noon lives"]
    assert not list((tmp_path / "lock").iterdir())
    with claim(tmp_path, "run 3"):
        pass


def looked(folder: Path, said: list[str]) -> str | None:
    return at_work(pafs.LocalFileSystem(), str(folder), said.append, beat_s=BEAT, silent_s=SILENT)


def test_who_only_looks_is_told_of_a_live_driver_soon_and_writes_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    with claim(tmp_path, "run 1 of me"):
        start = time.monotonic()
        assert looked(tmp_path, said) == "run 1 of me"
        assert time.monotonic() - start < SILENT
        assert [path.suffix for path in (tmp_path / "lock").iterdir()] == [".claim"]
    assert said == ["waiting to see whether run 1 of me lives"]
    assert looked(tmp_path, said) is None
    assert len(said) == 1


def test_who_only_looks_takes_a_silent_claim_for_a_dead_drivers(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as holder:
        holder.kill()
        holder.wait()
        before = {path: path.read_bytes() for path in (tmp_path / "lock").iterdir()}
        start = time.monotonic()
        assert looked(tmp_path, []) is None
        assert time.monotonic() - start >= SILENT
        assert {path: path.read_bytes() for path in (tmp_path / "lock").iterdir()} == before


def test_a_killed_drivers_claim_is_free_when_it_was_silent_long_enough(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as holder:
        holder.kill()
        holder.wait()
        start = time.monotonic()
        with claim(tmp_path, "run 2") as second:
            assert time.monotonic() - start > SILENT
            second.check()


def test_a_driver_that_wakes_after_it_was_taken_over_writes_nothing_more(tmp_path: Path) -> None:
    with held_elsewhere(tmp_path) as holder:
        holder.send_signal(signal.SIGSTOP)
        with claim(tmp_path, "run 2") as second:
            holder.send_signal(signal.SIGCONT)
            time.sleep(4 * BEAT)  # it beats again
            assert holder.communicate("\n", timeout=20)[0] == (
                f"{tmp_path}: taken over by run 2, while nothing was heard of this driver; what it "
                "had not written is left to that one\n"
            )
            second.check()
            with pytest.raises(ResultsError, match="in use by run 2"), claim(tmp_path, "run 3"):
                pass


def test_no_wall_clock_and_no_modification_time_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The holder's files seem to be of 1970 and its clock jumps: it is alive all the same."""
    with claim(tmp_path, "run 1"):
        ending = threading.Event()

        def age() -> None:
            while not ending.wait(0.001):
                for path in (tmp_path / "lock").iterdir():
                    try:
                        os.utime(path, (0, 0))
                    except FileNotFoundError:
                        continue

        ageing = threading.Thread(target=age)
        ageing.start()
        monkeypatch.setattr(time, "time", iter(range(10**9, 0, -(10**5))).__next__)
        try:
            with pytest.raises(ResultsError, match="in use by run 1"), claim(tmp_path, "run 2"):
                pass
        finally:
            ending.set()
            ageing.join()


@pytest.mark.parametrize("dead_owner", [False, True])
def test_of_many_that_come_at_once_one_gets_it(tmp_path: Path, dead_owner: bool) -> None:
    """Eight at once, three times over; also where all find the claim of a killed driver."""
    for round_ in range(3):
        folder = tmp_path / str(round_)
        (folder / "lock").mkdir(parents=True)
        if dead_owner:
            told = {"holder": "the dead", "holding": True, "beat": 7}
            (folder / "lock" / "0000.claim").write_text(json.dumps(told))
        together, over = threading.Barrier(8), threading.Barrier(8)
        holding: list[str] = []
        refused: list[str] = []

        def take(
            name: str,
            folder: Path = folder,
            together: threading.Barrier = together,
            over: threading.Barrier = over,
            holding: list[str] = holding,
            refused: list[str] = refused,
        ) -> None:
            together.wait()
            try:
                with claim(folder, name) as mine:
                    holding.append(name)
                    over.wait(timeout=30)
                    mine.check()
            except ResultsError as error:
                refused.append(str(error))
                over.wait(timeout=30)

        threads = [threading.Thread(target=take, args=[f"run {i}"]) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(holding) == 1
        assert len(refused) == 7
        assert all(text.startswith(f"{folder}: in use by run ") for text in refused)


def test_a_disk_without_locks_gets_claims(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(file: object, kind: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    folder = ResultsFolder.at(tmp_path)
    with folder.lock("run 1") as check:
        check()
        assert [path.suffix for path in (tmp_path / "lock").iterdir()] == [".claim"]
        assert folder.driver() is None
    assert not list((tmp_path / "lock").iterdir())
