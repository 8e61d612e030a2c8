"""What many trials pass through: plans that travel, shards that are put together under a watch."""

import json
import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner
from rich.console import Console

from benchmarks.scale import instant, main, spec_of
from sweeper.run.agenda import missing
from sweeper.run.driver import run_sweep
from sweeper.run.following import Follower
from sweeper.run.inline import InlineExecutor
from sweeper.run.mail import CompactPlan
from sweeper.run.packs import make_packs
from sweeper.spec.plan import PLAN_SCHEMA, repeated, rows_where
from sweeper.spec.sweep import Sweep, open_sweep, open_text
from sweeper.store.results import ResultsFolder
from sweeper.store.shards import Shard


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    path = tmp_path_factory.mktemp("many") / "scale.yaml"
    path.write_text(json.dumps(spec_of(1600)))
    return open_sweep(path)


@pytest.fixture(scope="module")
def whole(sweep: Sweep, tmp_path_factory: pytest.TempPathFactory) -> ResultsFolder:
    folder = ResultsFolder.at(tmp_path_factory.mktemp("whole"))
    ended = run_sweep(
        sweep, folder, lambda log: InlineExecutor(instant), "cpu", Console(quiet=True)
    )
    assert (ended.ran, ended.finished, ended.total) == (1600, 1600, 1600)
    return folder


def test_a_run_keeps_every_trial_once(sweep: Sweep, whole: ResultsFolder) -> None:
    assert whole.records()["fingerprint"].sort() == sweep.plan["fingerprint"].sort()
    assert whole.curves()["fingerprint"].to_pylist() == whole.records()["fingerprint"].to_pylist()
    kept = whole.records().select(PLAN_SCHEMA.names).sort_by("fingerprint")
    assert kept.equals(sweep.plan.sort_by("fingerprint"))


def test_a_plan_that_travels_gives_the_same_rows(sweep: Sweep) -> None:
    compact = CompactPlan(sweep.plan)
    for rows in ([], [3], [7, 2, 2], range(100, 300)):
        assert compact.take(rows) == sweep.plan.take(pa.array(rows, pa.int64()))


def test_a_column_of_one_value_takes_the_memory_of_one_block() -> None:
    value = pa.scalar("x")
    for count in (0, 1, 65_536, 65_537, 200_000):
        assert repeated(value, count).to_pylist() == ["x"] * count
    before = pa.total_allocated_bytes()
    column = repeated(pa.scalar(1, pa.int64()), 10_000_000)
    assert len(column) == 10_000_000
    assert pa.total_allocated_bytes() - before < 1_000_000


def test_what_is_missing_of_a_large_plan_is_the_rest_of_it() -> None:
    text = json.dumps(spec_of(160_000)).replace('"M"', '"M": 97, "label_noise"', 1)
    text = text.replace(json.dumps([11 + 2 * i for i in range(50)]), "0.0")
    text = text.replace('"seed": 4', '"seed": 200')
    plan = open_text(text, "s.yaml").plan
    assert plan.num_rows == 160_000
    half = plan.slice(0, 80_000)
    assert missing(plan, half).equals(plan.slice(80_000))
    assert missing(plan, plan.slice(0, 0)) is plan
    assert missing(plan, plan).num_rows == 0
    odd = pa.array([i % 2 == 1 for i in range(plan.num_rows)])
    assert rows_where(plan, odd).equals(plan.filter(odd))


def test_packs_hold_every_row_once_and_one_shape_each(sweep: Sweep) -> None:
    packs = make_packs(sweep.plan, 2)
    assert sorted(row for pack in packs for row in pack.rows) == list(range(sweep.plan.num_rows))
    orders = sweep.plan["group_order"].to_pylist()
    assert all(len({orders[row] for row in pack.rows}) == 1 for pack in packs)


def test_a_watch_counts_each_trial_once_while_shards_are_put_together(
    whole: ResultsFolder, tmp_path: Path
) -> None:
    for part in ("runs", "specs", "state"):
        shutil.copytree(Path(whole.path, part), tmp_path / part)
    folder, records, curves = ResultsFolder.at(tmp_path), whole.records(), whole.curves()
    run = str(records["run_id"][0])

    def write(number: int) -> Shard:
        shard = Shard(run, number, number)
        rows = 320 * number, 320
        folder.write_shard(shard.stem, records.slice(*rows), curves.slice(*rows))
        return shard

    follower = Follower(folder)
    some = [write(0), write(1)]
    assert follower.look().agenda.finished == 640
    some += [write(2), write(3)]
    folder.compact(some)
    look = follower.look()
    assert (look.agenda.finished, look.records.num_rows) == (1280, 1280)
    write(4)
    assert follower.look().outcomes() == Follower(folder).look().outcomes()
    assert follower.look().complete
    for kind in ("records", "curves"):
        (tmp_path / kind / f"{some[0].run}-000004.parquet").unlink()
    assert follower.look().agenda.finished == 1280


def test_the_benchmark_runs_from_its_command_line(tmp_path: Path) -> None:
    words = ["--trials", "800", "--results", str(tmp_path), "--only", "run", "--only", "resume"]
    answer = CliRunner().invoke(main, words, catch_exceptions=False)
    told = [json.loads(line) for line in answer.output.splitlines()]
    assert [one.get("ran") for one in told[::2]] == [told[0]["finished"], 0]
    assert told[1]["records"]["files"] == told[1]["curves"]["files"] >= 1
    assert told[0]["peak_mb"] > 0
