"""What is broken is found, named and set aside; what is whole stays, and nothing is deleted."""

import errno
import fcntl
import json
import random
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sweeper.spec.trial import Trial
from sweeper.store.records import RECORD_SCHEMA, SCHEMA_VERSION
from sweeper.store.repair import diagnose, repair
from sweeper.store.results import ResultsError, ResultsFolder
from sweeper.store.shards import Shard
from tests.commands import called
from tests.store.test_results import finished, write

Make = Callable[..., Trial]
Break = Callable[[Path], None]


def everything(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, but for the lock."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "driver.lock"
    }


@pytest.fixture
def three(tmp_path: Path, trial: Make) -> ResultsFolder:
    """Three shards of two trials each."""
    folder = ResultsFolder.at(tmp_path / "sweep")
    for place, name in enumerate("abc"):
        write(folder, name, [trial(seed=2 * place), trial(seed=2 * place + 1)])
    folder.write_run("a", {"run_id": "a"})
    return folder


def truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def garbled(path: Path) -> None:
    path.write_bytes(random.Random(0).randbytes(4000))


def emptied(path: Path) -> None:
    path.write_bytes(b"")


def rotten(path: Path) -> None:
    """One bit, in the values of a column."""
    with pq.ParquetFile(path) as file:
        column = file.metadata.row_group(0).column(0)
        place = column.data_page_offset + column.total_compressed_size // 2
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("breaks", [truncated, garbled, emptied, rotten, Path.unlink])
@pytest.mark.parametrize("kind", ["records", "curves"])
def test_a_broken_shard_is_set_aside_whole_and_its_trials_are_told(
    three: ResultsFolder, trial: Make, kind: str, breaks: Break
) -> None:
    assert three.local_path is not None
    whole = everything(three.local_path)
    breaks(three.local_path / kind / "b.parquet")
    broken = everything(three.local_path)
    lost = sorted([trial(seed=2).fingerprint, trial(seed=3).fingerprint])

    found = diagnose(three)
    (finding,) = found.findings
    assert finding.reason
    # curves that came without records were never finished: nothing is lost with them
    gone = (kind, breaks) == ("records", Path.unlink)
    assert (finding.trials, found.again) == (([], []) if gone else (lost, lost))
    assert everything(three.local_path) == broken

    again, aside = repair(three, "me")
    assert again == found
    assert aside == f"{three.path}/set-aside/1"
    after = everything(three.local_path)
    assert json.loads(after.pop("set-aside/1/why.json"))["again"] == found.again
    moved = {name.removeprefix("set-aside/1/"): content for name, content in after.items()}
    assert moved == broken  # nothing is deleted, nothing else is moved
    kept = {name for name in after if not name.startswith("set-aside")}
    assert kept == {name for name in whole if not name.endswith("b.parquet")}
    assert three.records().num_rows == three.curves().num_rows == 4
    assert diagnose(three).well


def test_shards_that_nobody_can_read_are_told_to_be_unknown(three: ResultsFolder) -> None:
    for kind in ("records", "curves"):
        garbled(Path(three.path) / kind / "b.parquet")
    found = diagnose(three)
    assert found.untold == ["records/b.parquet"]
    assert found.again == []
    repair(three, "me")
    assert three.records().num_rows == 4


def test_a_second_copy_of_a_shard_is_set_aside_and_no_trial_is_lost(three: ResultsFolder) -> None:
    for kind in ("records", "curves"):
        path = Path(three.path) / kind
        (path / "d.parquet").write_bytes((path / "b.parquet").read_bytes())
    with pytest.raises(ResultsError, match=r"2 trials .*; `sweeper repair .*` says what"):
        three.records()
    (finding,) = diagnose(three).findings
    assert finding.files == ["records/d.parquet", "curves/d.parquet"]
    assert finding.reason == "2 of its 2 trials have a record in b.parquet too"
    assert diagnose(three).again == []
    repair(three, "me")
    assert three.records().num_rows == 6


def test_curves_of_other_trials_are_no_curves(three: ResultsFolder, trial: Make) -> None:
    _, curves = finished([trial(seed=9)])
    pq.write_table(curves, Path(three.path) / "curves" / "b.parquet")
    (finding,) = diagnose(three).findings
    assert finding.reason == "records and curves are not of the same trials"


def test_leftovers_of_an_interrupted_write_are_deleted(three: ResultsFolder) -> None:
    (Path(three.path) / "records" / ".d.parquet.12.tmp").write_bytes(b"half")
    (Path(three.path) / "state").mkdir()
    (Path(three.path) / "state" / ".a.json.12.tmp").write_bytes(b"half")
    leftovers = ["records/.d.parquet.12.tmp", "state/.a.json.12.tmp"]
    assert diagnose(three).leftovers == leftovers
    found, aside = repair(three, "me")
    assert (found.leftovers, aside) == (leftovers, None)
    assert diagnose(three).well


def test_files_of_others_that_look_like_leftovers_stay(three: ResultsFolder) -> None:
    """A lock deletes what an interrupted write of sweeper left, as repair tells it, no more."""
    path = Path(three.path)
    own = ["records/.d.parquet.18a.tmp", "specs/1f/.mine.py.18a.tmp", "specs/.1f.yaml.18a.tmp"]
    foreign = ["trackers/.upload.18a.tmp", "notes/.draft.md.18a.tmp", "records/.swp.tmp"]
    for name in [*own, *foreign]:
        (path / name).parent.mkdir(exist_ok=True, parents=True)
        (path / name).write_bytes(b"half")
    assert diagnose(three).leftovers == sorted(own)
    with three.lock("me"):
        pass
    assert [(path / name).exists() for name in own] == [False] * 3
    assert [(path / name).exists() for name in foreign] == [True] * 3
    assert diagnose(three).well


def test_what_is_no_results_folder_is_left_alone(tmp_path: Path) -> None:
    """Such as the folder of all sweeps, or a home."""
    (tmp_path / "sweep" / "records").mkdir(parents=True)
    (tmp_path / "sweep" / ".mine.18a.tmp").write_bytes(b"")
    before = sorted(tmp_path.rglob("*"))
    for words in ([], ["--apply"]):
        said = called("repair", tmp_path, *words, code=2).output
        assert said == f"{tmp_path}: no results of a sweep, which have a folder records or runs\n"
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("content", [b"", b"{", b"[1]"])
def test_a_broken_description_of_a_run_is_set_aside(three: ResultsFolder, content: bytes) -> None:
    (Path(three.path) / "runs" / "b.json").write_bytes(content)
    (finding,) = diagnose(three).findings
    assert (finding.files, finding.trials) == (["runs/b.json"], [])
    repair(three, "me")
    assert [run["run_id"] for run in three.runs()] == ["a"]


def test_shards_of_another_version_stay(three: ResultsFolder) -> None:
    """They are whole: a newer sweeper reads them."""
    path = Path(three.path) / "records" / "b.parquet"
    schema = {"sweeper.records": "99"}
    pq.write_table(pq.read_table(path).replace_schema_metadata(schema), path)
    before = everything(Path(three.path))
    found, aside = repair(three, "me")
    assert (found.findings, aside) == ([], None)
    assert found.foreign == [f"{path}: schema version 99; this sweeper reads 2 to {SCHEMA_VERSION}"]
    assert everything(Path(three.path)) == before


def test_a_folder_that_a_driver_holds_is_refused(three: ResultsFolder) -> None:
    garbled(Path(three.path) / "records" / "b.parquet")
    before = everything(Path(three.path))
    with three.lock("run 1 of me"):
        for words in ([], ["--apply"]):
            said = called("repair", three.path, *words, code=2).output
            assert said == f"{three.path}: in use by run 1 of me; repair it when that has ended\n"
    assert everything(Path(three.path)) == before


def test_a_folder_without_locks_that_a_driver_claims_is_refused(
    three: ResultsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on an object store: the driver is seen by its beats, and the look leaves nothing."""

    def no_locks(file: object, kind: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with three.lock("run 1 of me") as check:
        for words in ([], ["--apply"]):
            said = called("repair", three.path, *words, code=2)
            assert said.stderr == (
                "waiting to see whether run 1 of me lives\n"
                f"{three.path}: in use by run 1 of me; repair it when that has ended\n"
            )
        check()
        assert len(list((Path(three.path) / "lock").iterdir())) == 1


def test_a_run_that_begins_while_a_folder_is_looked_at_is_told(
    three: ResultsFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it is just writing would look broken."""
    read = ResultsFolder.shard_file

    def begun(folder: ResultsFolder, kind: str, name: str) -> object:
        folder.write_run("b", {"run_id": "b"})
        return read(folder, kind, name)

    monkeypatch.setattr(ResultsFolder, "shard_file", begun)
    said = called("repair", three.path, code=2).output
    assert said == f"{three.path}: a run began meanwhile; look again when that has ended\n"


@pytest.mark.parametrize("moved", [["curves"], ["curves", "records"]])
def test_what_a_killed_compaction_leaves_is_no_damage(
    tmp_path: Path, trial: Make, moved: list[str]
) -> None:
    """Before its commit the new file goes, after it the old ones; a look says what --apply does."""
    folder = ResultsFolder.at(tmp_path / "sweep")
    run = "20260101T000000-123456"
    for i in range(2):
        write(folder, f"{run}-{i:06}", [trial(seed=i)])
    before = everything(tmp_path / "sweep")
    folder.compact([Shard(run, i, i) for i in range(2)])
    after = everything(tmp_path / "sweep")
    left = before | {name: after[name] for name in after if name.partition("/")[0] in moved}
    for name in before | after:
        (tmp_path / "sweep" / name).unlink(missing_ok=True)
        if name in left:
            (tmp_path / "sweep" / name).write_bytes(left[name])
    found = diagnose(folder)
    assert found.findings == []
    whole, parts = set(after) - set(before), set(before) - set(after)
    assert set(found.leftovers) == (parts if "records" in moved else whole & set(left))
    assert repair(folder, "me") == (found, None)
    assert everything(tmp_path / "sweep") == (after if "records" in moved else before)


def test_no_folder_is_refused_and_not_made(tmp_path: Path) -> None:
    said = called("repair", tmp_path / "none", "--apply", code=2).output
    assert said == f"{tmp_path}/none: no such folder\n"
    assert not (tmp_path / "none").exists()


def test_the_command_says_what_it_does(three: ResultsFolder, trial: Make) -> None:
    assert called("repair", three.path).output == f"{three.path}: nothing is broken\n"
    emptied(Path(three.path) / "records" / "b.parquet")
    told = (
        "records/b.parquet and curves/b.parquet: records: Parquet file size is 0 bytes\n"
        "2 trials have no other record; the next `sweeper run` of their spec runs them again: "
        + ", ".join(sorted(trial(seed=seed).fingerprint for seed in (2, 3)))
        + "\n"
    )
    said = called("repair", three.path, code=1).output
    assert said == told + "nothing was changed; --apply moves these to set-aside/ in the folder\n"
    assert json.loads(called("repair", three.path, "--json", code=1).output)["moved_to"] is None
    said = called("repair", three.path, "--apply").output
    assert said == told + f"moved to {three.path}/set-aside/1, where why.json has the reasons\n"
    emptied(Path(three.path) / "records" / "a.parquet")
    found = json.loads(called("repair", three.path, "--apply", "--json").output)
    assert found["moved_to"] == f"{three.path}/set-aside/2"
    assert called("repair", three.path).output == f"{three.path}: nothing is broken\n"


@pytest.mark.slow
def test_no_flipped_bit_passes_for_another_value(tmp_path: Path, trial: Make) -> None:
    """In the pages of a shard; without checksums one in ten did."""
    folder = ResultsFolder.at(tmp_path)
    write(folder, "a", [trial(seed=seed) for seed in range(30)])
    path = tmp_path / "records" / "a.parquet"
    content = path.read_bytes()
    good = folder.records()
    assert good.schema.equals(RECORD_SCHEMA)
    with pq.ParquetFile(path) as file:
        group = file.metadata.row_group(0)
        columns = [group.column(i) for i in range(group.num_columns)]
        starts = [one.dictionary_page_offset or one.data_page_offset for one in columns]
    sizes = [one.total_compressed_size for one in columns]
    end = max(start + size for start, size in zip(starts, sizes, strict=True))
    draw, caught = random.Random(0), 0
    for _ in range(1000):
        flipped = bytearray(content)
        flipped[draw.randrange(4, end)] ^= 1 << draw.randrange(8)
        path.write_bytes(flipped)
        try:
            assert folder.records().equals(good)
        except ResultsError:
            caught += 1
    assert caught > 500


def test_curves_of_compacted_records_that_are_lost_are_kept_and_told(
    tmp_path: Path, trial: Make
) -> None:
    """They are all that says that there were records; what compaction began has its parts yet."""
    folder = ResultsFolder.at(tmp_path / "sweep")
    run = "20260101T000000-123456"
    for i in range(2):
        write(folder, f"{run}-{i:06}", [trial(seed=i)])
    folder.compact([Shard(run, i, i) for i in range(2)])
    for shard in (tmp_path / "sweep" / "records").glob("*-to-*.parquet"):
        shard.unlink()
    found, aside = repair(folder, "me")
    assert found.leftovers == []
    (finding,) = found.findings
    assert finding.files == [f"curves/{run}-000000-to-000001.parquet"]
    assert aside is not None
