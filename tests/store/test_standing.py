"""A failed trial that was tried again has one record that stands, by no clock."""

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import permutations
from pathlib import Path

import pyarrow as pa
import pytest

import analysis
import sweeper.store.results
from sweeper.spec.trial import Trial
from sweeper.store.lookup import find
from sweeper.store.records import TrialResult, curves_table, records_table
from sweeper.store.results import ResultsError, ResultsFolder
from tests.store.test_results import PROVENANCE, finished

Make = Callable[..., Trial]


def failed(some: list[Trial], run_id: str, error: str = "boom") -> tuple[pa.Table, pa.Table]:
    results = [TrialResult.failure(one, error, datetime.now(UTC)) for one in some]
    provenance = replace(PROVENANCE, run_id=run_id)
    return records_table(some, results, provenance, "cpu", 1), curves_table(results)


@pytest.mark.parametrize("order", list(permutations("123")))
def test_one_that_did_not_fail_stands_before_those_that_did(
    tmp_path: Path, trial: Make, order: tuple[str, ...]
) -> None:
    """Whatever the order of the shards."""
    folder = ResultsFolder.at(tmp_path)
    one, other = trial(), trial(seed=1)
    folder.write_shard(order[0], *failed([one, other], "first"))
    folder.write_shard(order[1], *failed([one], "second"))
    folder.write_shard(order[2], *finished([one]))
    records = folder.records().to_pandas().set_index("fingerprint")
    assert records["outcome"].to_dict() == {
        one.fingerprint: "generalized",
        other.fingerprint: "failed",
    }
    assert folder.records(["sweep"]).column_names == ["sweep"]
    assert folder.records(["sweep"]).num_rows == 2
    curves = {row["fingerprint"]: row["step"] for row in folder.curves().to_pylist()}
    assert curves == {one.fingerprint: [2, 4], other.fingerprint: []}
    found = find(folder, one.fingerprint)
    assert found is not None
    assert (found[0]["outcome"], found[1]["step"]) == ("generalized", [2, 4])
    assert set(analysis.load_curves(tmp_path)["fingerprint"]) == {one.fingerprint}


def test_of_failures_the_latest_stands(tmp_path: Path, trial: Make) -> None:
    folder = ResultsFolder.at(tmp_path)
    folder.write_shard("a", *failed([trial()], "first", "boom"))
    folder.write_shard("b", *failed([trial()], "second", "bang"))
    assert folder.records(["error"])["error"].to_pylist() == ["bang"]
    assert folder.curves().num_rows == 1


def test_two_failures_of_one_run_are_copies(tmp_path: Path, trial: Make) -> None:
    folder = ResultsFolder.at(tmp_path)
    for name in ("a", "b"):
        folder.write_shard(name, *failed([trial()], "first"))
    with pytest.raises(ResultsError, match="1 trials have more than one record"):
        folder.records()


def test_runs_are_in_order_whatever_the_clock_says(
    tmp_path: Path, trial: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = ResultsFolder.at(tmp_path)
    names = []
    for hour in (12, 11, 12, 3):

        class Clock(datetime):
            @classmethod
            def now(cls, tz: object = None, hour: int = hour) -> datetime:  # type: ignore[override]
                return datetime(2026, 5, 4, hour, tzinfo=UTC)

        monkeypatch.setattr(sweeper.store.results, "datetime", Clock)
        names.append(folder.new_run_id())
        if hour == 3:  # one that ended before it was described
            folder.write_shard(f"{names[-1]}-reused-000", *finished([trial()]))
        else:
            folder.write_run(names[-1], {"run_id": names[-1]})
    names.append(folder.new_run_id())
    assert [re.sub("-.*", "", name) for name in names] == [
        f"20260504T12000{second}" for second in range(5)
    ]
    assert (folder.latest_run() or {})["run_id"] == names[2]
