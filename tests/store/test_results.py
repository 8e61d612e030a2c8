"""Shards are whole or absent, broken files are named, and one trial has one record."""

import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sweeper.spec.trial import Trial, trials
from sweeper.store.provenance import Provenance
from sweeper.store.records import (
    CURVE_SCHEMA,
    RECORD_SCHEMA,
    Curve,
    Outcome,
    TrialResult,
    curves_table,
    records_table,
)
from sweeper.store.results import ResultsError, ResultsFolder
from sweeper.store.writer import FLUSH_SECONDS, ShardWriter

Make = Callable[..., Trial]
PROVENANCE = Provenance(sweep="s", run_id="r", spec_digest="d")


def finished(some: list[Trial]) -> tuple[pa.Table, pa.Table]:
    """Records and curves as if these trials had been trained."""
    results = [
        TrialResult(
            fingerprint=one.fingerprint,
            outcome=Outcome.GENERALIZED,
            fit_step=2,
            generalization_step=4,
            n_test=one.group_order**2 - one.n_train,
            train_flops=1e9,
            wall_time_s=0.5,
            setup_s=0.1,
            evaluation_s=0.1,
            started_at=datetime(2026, 1, 1, tzinfo=UTC),
            curve=Curve([2, 4], [0.5, 0.1], [0.9, 0.2], [0.5, 1.0], [0.25, 0.95]),
        )
        for one in some
    ]
    return records_table(some, results, PROVENANCE, "cpu", 2), curves_table(results)


def write(folder: ResultsFolder, name: str, some: list[Trial]) -> None:
    folder.write_shard(name, *finished(some))


def test_records_come_back_as_they_were_written(tmp_path: Path, trial: Make) -> None:
    folder = ResultsFolder.at(tmp_path)
    some = [trial(11, 80), trial(23, 200)]
    write(folder, "a", some)
    records = folder.records()
    assert records.schema.equals(RECORD_SCHEMA)
    assert trials(records) == some
    row = records.to_pylist()[1]
    assert row["fingerprint"] == some[1].fingerprint
    assert row["train_fraction"] == 200 / 23**2
    assert row["n_over_m_log_m"] == pytest.approx(2.7732, abs=1e-4)
    assert row["max_irrep_dim"] == 1
    assert (row["final_step"], row["test_accuracy"], row["best_test_accuracy"]) == (4, 0.95, 0.95)
    curves = folder.curves().to_pylist()
    assert curves[0]["step"] == [2, 4]
    assert curves[0]["test_accuracy"] == pytest.approx([0.25, 0.95])


def test_a_failed_trial_has_a_record_without_measurements(tmp_path: Path, trial: Make) -> None:
    failure = TrialResult.failure(trial(), "boom", datetime.now(UTC))
    records = records_table([trial()], [failure], PROVENANCE, "cpu", 1)
    (row,) = records.to_pylist()
    assert (row["outcome"], row["error"], row["final_step"]) == ("failed", "boom", 0)
    assert row["test_accuracy"] is None
    assert row["best_test_accuracy"] is None


def test_an_empty_folder_has_no_records(tmp_path: Path) -> None:
    folder = ResultsFolder.at(tmp_path / "none")
    assert folder.records().schema.equals(RECORD_SCHEMA)
    assert folder.records().num_rows == 0
    assert folder.records(["outcome"]).column_names == ["outcome"]
    assert folder.curves().schema.equals(CURVE_SCHEMA)
    assert folder.runs() == []
    assert not (tmp_path / "none").exists()


def test_a_uri_works_where_a_path_does(tmp_path: Path, trial: Make) -> None:
    folder = ResultsFolder.at(f"file://{tmp_path}/x")
    write(folder, "a", [trial()])
    assert ResultsFolder.at(tmp_path / "x").records().num_rows == 1


def test_an_unknown_file_system_is_refused() -> None:
    with pytest.raises(ResultsError, match="foo://bar: cannot open this location"):
        ResultsFolder.at("foo://bar")


@pytest.mark.parametrize("location", ["s3://", "s3:///", "gs://", "a\udcff", "foo://\ud800"])
def test_what_no_file_system_can_open_is_refused(location: str) -> None:
    with pytest.raises(ResultsError, match="cannot open this location"):
        ResultsFolder.at(location)


def test_a_file_that_was_being_written_does_not_count(tmp_path: Path, trial: Make) -> None:
    folder = ResultsFolder.at(tmp_path)
    write(folder, "a", [trial()])
    whole = (tmp_path / "records" / "a.parquet").read_bytes()
    (tmp_path / "records" / ".b.parquet.12.tmp").write_bytes(whole[: len(whole) // 2])
    assert folder.records().num_rows == 1


def test_curves_without_their_records_do_not_count(tmp_path: Path, trial: Make) -> None:
    """The driver was killed between the two files: the trial is not finished."""
    folder = ResultsFolder.at(tmp_path)
    write(folder, "a", [trial()])
    write(folder, "b", [trial(seed=1)])
    (tmp_path / "records" / "b.parquet").unlink()
    assert folder.curves()["fingerprint"].to_pylist() == [trial().fingerprint]


@pytest.mark.parametrize("content", [b"", b"PAR1 garbage", None])
def test_a_broken_shard_is_named(tmp_path: Path, trial: Make, content: bytes | None) -> None:
    folder = ResultsFolder.at(tmp_path)
    write(folder, "a", [trial()])
    path = tmp_path / "records" / "a.parquet"
    path.write_bytes(path.read_bytes()[:-100] if content is None else content)
    with pytest.raises(ResultsError) as caught:
        folder.records()
    assert str(caught.value).startswith(f"{path}: cannot read this shard: ")


def test_missing_curves_are_named(tmp_path: Path, trial: Make) -> None:
    folder = ResultsFolder.at(tmp_path)
    write(folder, "a", [trial()])
    (tmp_path / "curves" / "a.parquet").unlink()
    with pytest.raises(ResultsError, match=r"curves/a\.parquet: cannot read this shard"):
        folder.curves()


def test_another_schema_version_is_refused_by_name(tmp_path: Path, trial: Make) -> None:
    folder = ResultsFolder.at(tmp_path)
    (tmp_path / "records").mkdir()
    records, _ = finished([trial()])
    old = records.replace_schema_metadata({"sweeper.records": "0"})
    pq.write_table(old, tmp_path / "records" / "a.parquet")
    with pytest.raises(ResultsError) as caught:
        folder.records()
    assert str(caught.value) == (
        f"{tmp_path}/records/a.parquet: schema version 0; this sweeper reads 2 to 8"
    )


@pytest.mark.parametrize("columns", [None, ["label_noise", "outcome"]])
def test_records_of_an_older_version_are_read_with_defaults(
    tmp_path: Path, trial: Make, columns: list[str] | None
) -> None:
    """Version 2 had none of the fields of Trial that have a default; new shards may lie beside."""
    folder = ResultsFolder.at(tmp_path)
    later = {"operands": 2, "expression": "", "label_noise": 0.0, "give_up_after": 0}
    write(folder, "b", [trial(seed=1)])
    for kind, table in zip(("records", "curves"), finished([trial()]), strict=True):
        old = table.drop_columns([name for name in later if name in table.column_names])
        old = old.replace_schema_metadata({f"sweeper.{kind}": "2"})
        pq.write_table(old, tmp_path / kind / "a.parquet")
    found = folder.records(columns)
    assert found.column_names == (columns or RECORD_SCHEMA.names)
    assert found.schema.metadata == RECORD_SCHEMA.metadata
    row = found.to_pylist()[0]
    assert {name: row[name] for name in later if name in row} == {
        name: value for name, value in later.items() if name in row
    }
    assert folder.curves().schema.equals(CURVE_SCHEMA)
    if columns is None:
        assert trials(found) == [trial(), trial(seed=1)]
        assert found["fingerprint"][0].as_py() == trial().fingerprint


def test_a_column_that_no_version_may_lack_is_missed(tmp_path: Path, trial: Make) -> None:
    folder = ResultsFolder.at(tmp_path)
    (tmp_path / "records").mkdir()
    records, _ = finished([trial()])
    old = records.drop_columns(["split"]).replace_schema_metadata({"sweeper.records": "2"})
    pq.write_table(old, tmp_path / "records" / "a.parquet")
    with pytest.raises(ResultsError, match=r"columns differ from schema version 2: \['split'\]"):
        folder.records()


def test_two_records_of_one_trial_are_refused(tmp_path: Path, trial: Make) -> None:
    folder = ResultsFolder.at(tmp_path)
    write(folder, "a", [trial()])
    write(folder, "b", [trial()])
    with pytest.raises(ResultsError, match="1 trials have more than one record, "):
        folder.records()


def test_the_writer_flushes_in_time(tmp_path: Path, trial: Make) -> None:
    """A trial that finished is on the disk within 5 seconds, though no other one follows."""
    folder = ResultsFolder.at(tmp_path)
    with ShardWriter(folder, "r") as writer:
        writer.add(*finished([trial()]))
        writer.add(*finished([trial(seed=1)]))
        assert folder.records().num_rows == 0
        time.sleep(FLUSH_SECONDS + 1)
        assert folder.records().num_rows == 2
        writer.add(*finished([trial(seed=2)]))
    assert folder.records().num_rows == 3
    assert len(list((tmp_path / "records").iterdir())) == 2


def test_the_writer_keeps_what_it_could_not_write(tmp_path: Path, trial: Make) -> None:
    """A file stands where the folder should be: an error, and no record is lost by it."""
    folder = ResultsFolder.at(tmp_path)
    (tmp_path / "curves").write_text("in the way")
    with ShardWriter(folder, "r") as writer:
        writer.add(*finished([trial()]))
        with pytest.raises(OSError, match="curves"):
            writer.flush()
        time.sleep(FLUSH_SECONDS + 1)  # it has tried again by itself
        with pytest.raises(OSError, match="curves"):
            writer.add(*finished([trial(seed=1)]))
        (tmp_path / "curves").unlink()
    assert folder.records().num_rows == 2


def test_what_a_killed_driver_left_half_written_is_removed(tmp_path: Path, trial: Make) -> None:
    folder = ResultsFolder.at(tmp_path)
    write(folder, "a", [trial()])
    (tmp_path / "records" / ".b.parquet.12.tmp").write_bytes(b"half")
    with folder.lock("me"):
        pass
    assert [path.name for path in (tmp_path / "records").iterdir()] == ["a.parquet"]


HOLD = """\
import sys, time
from sweeper.store.results import ResultsFolder
with ResultsFolder.at(sys.argv[1]).lock("run 1 of me, process 7"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_driver_is_refused_and_a_dead_ones_lock_is_free(tmp_path: Path) -> None:
    folder = ResultsFolder.at(tmp_path)
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            assert folder.driver() == "run 1 of me, process 7"
            with pytest.raises(ResultsError) as caught, folder.lock("run 2"):
                pass
            assert str(caught.value) == f"{tmp_path}: in use by run 1 of me, process 7"
        finally:
            holder.kill()
    assert folder.driver() is None
    with folder.lock("run 3"):
        pass
