"""Shards that become one: every row once at any moment, killed or read while it goes on."""

import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.spec.trial import Trial
from sweeper.store import shards
from sweeper.store.repair import repair
from sweeper.store.results import ResultsError, ResultsFolder
from sweeper.store.shards import Shard
from sweeper.store.writer import ShardWriter
from tests.store.test_results import finished

Make = Callable[..., Trial]
RUN = "20260101T000000-123456"


def number(i: int) -> Shard:
    return Shard(RUN, i, i)


def write(folder: ResultsFolder, i: int, some: list[Trial]) -> None:
    folder.write_shard(number(i).stem, *finished(some))


@pytest.fixture
def five(tmp_path: Path, trial: Make) -> ResultsFolder:
    """Shards of 1, 2, 3, 4 and 5 trials."""
    folder = ResultsFolder.at(tmp_path / "five")
    for i in range(5):
        write(folder, i, [trial(11, 50 + j, seed=i) for j in range(i + 1)])
    return folder


def seen(folder: ResultsFolder) -> tuple[pa.Table, pa.Table]:
    """All records and all curves; records refuse a trial that has two."""
    curves = folder.curves()
    assert curves["fingerprint"].value_counts().field("counts").to_pylist() == [1] * len(curves)
    return folder.records(), curves


def test_a_name_is_read_as_it_is_written() -> None:
    for shard in (number(7), Shard(RUN, 0, 31), Shard(RUN, 999_999, 1_000_001)):
        assert Shard.named(shard.stem) == Shard.named(f"{shard.stem}.parquet") == shard
    assert number(7).stem == f"{RUN}-000007"
    assert Shard(RUN, 0, 31).stem == f"{RUN}-000000-to-000031"
    assert Shard.named("a") is Shard.named(f"{RUN}-reused-000") is None
    assert Shard.named(f"{RUN}-000009-to-000002") is None


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("rs"), st.integers(0, 9), st.integers(0, 9)), max_size=8))
def test_a_shard_counts_unless_another_one_has_all_its_numbers(
    spans: list[tuple[str, int, int]],
) -> None:
    some = {Shard(run, min(a, b), max(a, b)) for run, a, b in spans}
    named = {f"{one.stem}.parquet": one for one in some}
    counting = {named[name] for name in shards.counting(named)}
    assert counting == {one for one in some if not any(two.holds(one) for two in some)}
    for name, file in shards.holders(named, shards.counting(named)).items():
        assert named[file].holds(named[name])
        assert named[file] in counting


def test_compaction_changes_no_row_and_no_order(five: ResultsFolder) -> None:
    before = seen(five)
    assert five.compact([number(1), number(2), number(3)]) == Shard(RUN, 1, 3)
    assert seen(five) == before
    names = [f"{RUN}-000000.parquet", f"{RUN}-000001-to-000003.parquet", f"{RUN}-000004.parquet"]
    assert five.shards() == names
    for kind in ("records", "curves"):
        assert sorted(path.name for path in Path(five.path, kind).iterdir()) == names
    five.compact([number(0), Shard(RUN, 1, 3), number(4)])
    assert seen(five) == before
    assert five.shards() == [f"{RUN}-000000-to-000004.parquet"]


def test_a_shard_is_read_though_it_was_put_into_another_since(five: ResultsFolder) -> None:
    names = five.shards()
    before = [(five.records_shard(name), five.curves_shard(name)) for name in names]
    five.compact([number(1), number(2)])
    inner = five.shards()[1]
    middle = five.records_shard(inner)
    five.compact([number(0), Shard(RUN, 1, 2), number(3)])
    assert [(five.records_shard(name), five.curves_shard(name)) for name in names] == before
    assert five.records_shard(inner) == middle == pa.concat_tables([one for one, _ in before[1:3]])


def test_numbers_that_do_not_follow_are_refused(five: ResultsFolder) -> None:
    with pytest.raises(ValueError, match="do not follow"):
        five.compact([number(0), number(2)])
    assert len(five.shards()) == 5


def test_a_shard_that_is_gone_is_named(five: ResultsFolder) -> None:
    with pytest.raises(ResultsError, match=r"000009\.parquet: cannot read this shard"):
        five.records_shard(f"{RUN}-000009.parquet")


def test_a_broken_shard_stops_compaction_and_is_named(five: ResultsFolder) -> None:
    Path(five.path, "records", f"{RUN}-000001.parquet").write_bytes(b"PAR1")
    with pytest.raises(ResultsError, match=r"000001\.parquet: cannot read this shard"):
        five.compact([number(0), number(1)])
    assert len(five.shards()) == 5
    assert not list(Path(five.path).glob("*/.*"))


KILLED = """
import os, signal, sys
import pyarrow.fs as pafs
from sweeper.store.results import ResultsFolder
from sweeper.store.shards import Shard

class Mortal(pafs.FileSystemHandler):
    "A local disk that kills this process before one of its changes."
    left = int(sys.argv[2])
    local = pafs.LocalFileSystem()

    def change(self):
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)
        self.left -= 1

    def get_type_name(self): return "mortal"
    def normalize_path(self, path): return path
    def get_file_info(self, paths): return self.local.get_file_info(paths)
    def get_file_info_selector(self, selector): return self.local.get_file_info(selector)
    def open_input_stream(self, path): return self.local.open_input_stream(path)
    def open_input_file(self, path): return self.local.open_input_file(path)
    def create_dir(self, path, recursive): self.change(); self.local.create_dir(path)
    def open_output_stream(self, path, metadata):
        self.change()
        return self.local.open_output_stream(path)
    def move(self, src, dest): self.change(); self.local.move(src, dest)
    def delete_file(self, path): self.change(); self.local.delete_file(path)
    def nothing(self, *args): raise NotImplementedError
    copy_file = delete_dir = delete_dir_contents = delete_root_dir_contents = nothing
    open_append_stream = nothing
Mortal.__abstractmethods__ = frozenset()

folder = ResultsFolder(pafs.PyFileSystem(Mortal()), sys.argv[1], sys.argv[1])
folder.compact([Shard(sys.argv[3], i, i) for i in range(1, 4)])
"""


def test_killed_at_any_step_it_loses_and_doubles_nothing(
    five: ResultsFolder, tmp_path: Path
) -> None:
    before, steps = seen(five), 0
    while True:
        path = tmp_path / f"killed-{steps}"
        shutil.copytree(five.path, path)
        command = [sys.executable, "-c", KILLED, str(path), str(steps), RUN]
        ended = subprocess.run(command, capture_output=True, text=True)
        folder = ResultsFolder.at(path)
        assert seen(folder) == before
        if ended.returncode == 0:
            break
        assert ended.returncode == -signal.SIGKILL, ended.stderr
        with folder.lock("the next driver"):
            assert seen(folder) == before
            for kind in ("records", "curves"):  # nothing is left but what counts
                files = [one.name for one in Path(path, kind).iterdir()]
                assert sorted(files) == folder.shards()
        steps += 1
    # two files made and moved, three of each data set deleted, and a folder for either
    assert steps == 2 + 2 + 2 + 6


def test_readers_see_every_row_once_while_it_goes_on(tmp_path: Path, trial: Make) -> None:
    folder = ResultsFolder.at(tmp_path)
    some = [[trial(11, 50, seed=10 * i + j) for j in range(2)] for i in range(60)]
    known = {one.fingerprint: i for i, few in enumerate(some) for one in few}
    written, done, wrong = [0], threading.Event(), []

    def read() -> None:
        while not done.is_set():
            least = written[0]
            records, curves = seen(folder)
            numbers = [known[mark] for mark in records["fingerprint"].to_pylist()]
            if numbers != sorted(numbers) or len(records) < 2 * least or len(records) % 2:
                wrong.append(numbers)
            if len(curves) < 2 * least:
                wrong.append(len(curves))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    with ShardWriter(folder, RUN, fan_in=3) as out:
        for i, few in enumerate(some):
            out.add(*finished(few))
            out.flush()
            written[0] = i + 1
    done.set()
    for reader in readers:
        reader.join()
    assert not wrong
    assert len(seen(folder)[0]) == 120


def test_a_writer_keeps_few_shards_of_each_size(tmp_path: Path, trial: Make) -> None:
    folder = ResultsFolder.at(tmp_path)
    with ShardWriter(folder, RUN, fan_in=3) as out:
        for i in range(3 * 9 + 3 + 2):
            out.add(*finished([trial(seed=i)]))
            out.flush()
    spans = [Shard.named(name) for name in folder.shards()]
    assert spans == [Shard(RUN, 0, 26), Shard(RUN, 27, 29), number(30), number(31)]
    assert [one.split_seed for one in map(Trial.from_row, folder.records().to_pylist())] == [
        *range(32)
    ]
    file = Path(folder.path, "records", folder.shards()[0])
    assert shards.rows_of(pq.read_schema(file), 27) == [1] * 27


def test_shards_that_are_large_enough_stay_and_nothing_is_put_across_them(
    tmp_path: Path, trial: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ResultsFolder.at(tmp_path)
    sizes = iter([0, 10**9, 0, 0, 0, 0])  # the second three are large
    monkeypatch.setattr(ResultsFolder, "shard_bytes", lambda self, some: next(sizes))
    with ShardWriter(folder, RUN, fan_in=3) as out:
        for i in range(15):
            out.add(*finished([trial(seed=i)]))
            out.flush()
    spans = [Shard.named(name) for name in folder.shards()]
    assert spans == [Shard(RUN, 0, 2), number(3), number(4), number(5), Shard(RUN, 6, 14)]
    assert len(seen(folder)[0]) == 15


def test_a_run_goes_on_where_shards_cannot_be_put_together(
    tmp_path: Path, trial: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: ResultsFolder, *given: object) -> Shard:
        raise OSError("no space left")

    monkeypatch.setattr(ResultsFolder, "compact", refuse)
    folder, said = ResultsFolder.at(tmp_path), []
    with ShardWriter(folder, RUN, say=said.append, fan_in=2) as out:
        for i in range(5):
            out.add(*finished([trial(seed=i)]))
            out.flush()
    assert said == ["shards of this run are no longer put together: no space left"]
    assert len(folder.shards()) == 5


@pytest.mark.parametrize("looks", [0, 1])
def test_who_is_taken_over_while_putting_shards_together_deletes_nothing(
    five: ResultsFolder, monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    before, original, taken = seen(five), ResultsFolder._write_together, [False]

    def slow(self: ResultsFolder, kind: str, *given: Any) -> None:  # noqa: ANN401
        original(self, kind, *given)
        if kind == ("curves", "records")[looks]:  # silent for too long: the next driver comes
            taken[0] = True
            five._remove_leftovers()

    def check() -> None:
        if taken[0]:
            raise ResultsError("taken over")

    monkeypatch.setattr(ResultsFolder, "_write_together", slow)
    with pytest.raises(ResultsError, match="taken over"):
        five.compact([number(1), number(2), number(3)], check)
    assert seen(five) == before


def test_shards_stay_where_the_one_in_their_place_lacks_its_curves(five: ResultsFolder) -> None:
    before = seen(five)
    aside = [Path(five.path, f"{kind}-{i}") for i in range(5) for kind in ("records", "curves")]
    files = [Path(five.path, kind, f"{number(i).stem}.parquet") for i in range(5)
             for kind in ("records", "curves")]  # fmt: skip
    for file, copy in zip(files, aside, strict=True):
        shutil.copy(file, copy)
    whole = five.compact([number(i) for i in range(5)])
    for file, copy in zip(files, aside, strict=True):
        shutil.copy(copy, file)
    Path(five.path, "curves", f"{whole.stem}.parquet").unlink()
    found, _ = repair(five, "test")
    assert [finding.reason for finding in found.findings] == ["curves: missing"]
    assert seen(five) == before


def test_a_folder_that_grows_faster_than_it_is_listed_is_read(
    five: ResultsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, listed = ResultsFolder._list, [0]

    def busy(self: ResultsFolder, folder: str, suffix: str) -> list[str]:
        listed[0] += 1
        assert listed[0] < 10
        return [*original(self, folder, suffix), *(f"{self.path}/x{i}" for i in range(listed[0]))]

    monkeypatch.setattr(ResultsFolder, "_list", busy)
    assert len(five._names("records")) == 5 + 2


def test_nothing_is_put_together_after_a_writer_that_failed(
    tmp_path: Path, trial: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: ResultsFolder, *given: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(ResultsFolder, "write_shard", refuse)
    out = ShardWriter(ResultsFolder.at(tmp_path), RUN)
    with pytest.raises(OSError, match="no space left"), out:
        out.add(*finished([trial()]))
    assert not out._compactor._thread.is_alive()
