"""Whole sweeps with probes: what is kept beside the records, whatever happens on the way."""

import json
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from torch import Tensor

from sweeper.learn import train as engine
from sweeper.learn.probing import Probing
from sweeper.learn.train import train
from sweeper.run.probing_again import open_probing_again
from sweeper.spec.probes import Probes
from sweeper.spec.sweep import open_sweep
from sweeper.spec.trial import trials
from sweeper.store.probes import (
    INDICATORS,
    LATER_PROBES,
    PROBE_SCHEMA,
    RECORD_COLUMNS,
    probes_table,
    record_columns,
)
from sweeper.store.records import Curve
from sweeper.store.results import ResultsError, ResultsFolder
from tests.commands import called
from tests.run.sweeps import MEDIUM, inline, records, run, start, table, wait_for_records

NAMES = "stages, gradient, energy, irreps, interaction, algebra"
ON = f"probes: {{measure: [{NAMES}], every: 2, neurons: 6, frames: 3}}\n"
LAYERS = "probes: {measure: [layers], every: 2}\n"
SPENT = ["probe_s"]


@pytest.fixture
def probed_spec(small_spec: Path) -> Path:
    small_spec.write_text(small_spec.read_text() + ON)
    return small_spec


def folder_of(spec: Path, results: str = "results") -> ResultsFolder:
    return ResultsFolder.at(spec.parent / results / spec.stem)


def probes(spec: Path, results: str = "results") -> pa.Table:
    """Of all trials, in order, but for the time that they took."""
    return folder_of(spec, results).probes().sort_by("fingerprint").drop_columns(SPENT)


def expected(spec: Path) -> pa.Table:
    """What training gives in this process, no store or executor between."""
    sweep = open_sweep(spec)
    found = [
        result.probed | {"probe_s": 0.0}
        for one in trials(sweep.plan)
        for ended in train([one], probes=sweep.spec.probing)
        for result in ended
        if result.probed
    ]
    return probes_table(found).sort_by("fingerprint").drop_columns(SPENT)


def same(found: pa.Table, other: pa.Table) -> None:
    """Equal, NaN and all."""
    assert found.schema.equals(other.schema, check_metadata=True)
    pd.testing.assert_frame_equal(found.to_pandas(), other.to_pandas(), check_exact=True)


def test_a_sweep_inline_keeps_what_training_measures(probed_spec: Path) -> None:
    inline(probed_spec)
    kept = probes(probed_spec)
    assert kept.num_rows == 12
    same(kept, expected(probed_spec))
    rows = {row["fingerprint"]: row for row in folder_of(probed_spec).probes().to_pylist()}
    for record in folder_of(probed_spec).records().to_pylist():
        said = record_columns(rows[record["fingerprint"]])
        assert {one.name: record[one.name] for one in RECORD_COLUMNS} == said
        assert said["probes"] == NAMES.replace(",", "")
        assert 0 < said["probe_s"] < record["wall_time_s"]
        assert said["irreps_covered"] == rows[record["fingerprint"]]["irreps_covered"][-1]
        assert json.loads(said["solution"]).keys() == {"orders", "forms", "error", "loss"}


def test_probes_under_ray_are_those_of_one_process_and_change_no_record(
    probed_spec: Path,
) -> None:
    run(probed_spec, "--workers", "2", "--pack-size", "3")
    same(probes(probed_spec), expected(probed_spec))
    probed_spec.write_text(probed_spec.read_text().replace(ON, ""))
    inline(probed_spec, "--results", str(probed_spec.parent / "without"))
    assert not (probed_spec.parent / "without" / "small" / "probes").exists()
    own = [one.name for one in RECORD_COLUMNS]
    pd.testing.assert_frame_equal(
        table(probed_spec).drop(columns=own),
        table(probed_spec, "without").drop(columns=own),
        check_exact=True,
    )
    assert set(table(probed_spec, "without")["probes"]) == {""}


def test_a_killed_driver_leaves_no_record_without_its_probes(tmp_path: Path) -> None:
    spec = tmp_path / "medium.yaml"
    spec.write_text(MEDIUM + "probes: [stages, irreps]\n")
    process = start(spec, "--executor", "inline")
    wait_for_records(spec, 1, process)
    time.sleep(0.7)
    process.kill()
    process.communicate()
    kept = set(records(spec).index)
    assert 0 < len(kept) < 36
    assert kept == set(folder_of(spec).probes(["fingerprint"])["fingerprint"].to_pylist())
    inline(spec, "--max-trials", "2")
    known = set(records(spec).index)
    assert len(known) == len(kept) + 2
    assert known == set(folder_of(spec).probes(["fingerprint"])["fingerprint"].to_pylist())


def test_probes_whose_records_were_never_written_do_not_count(probed_spec: Path) -> None:
    """As after a kill between the two: they are measured again, and count once."""
    inline(probed_spec)
    folder = Path(folder_of(probed_spec).path)
    (shard, *_) = sorted((folder / "records").iterdir())
    lost = pq.read_table(shard)["fingerprint"].to_pylist()
    shard.unlink()
    assert not set(lost) & set(probes(probed_spec)["fingerprint"].to_pylist())
    inline(probed_spec)
    assert len(records(probed_spec)) == 12
    same(probes(probed_spec), expected(probed_spec))


def test_finished_trials_are_probed_and_their_records_stay(small_spec: Path) -> None:
    inline(small_spec)
    before = records(small_spec)
    said = inline(small_spec, "--probe-finished", code=2)
    assert f"--probe-finished: {small_spec} names no probes" in said
    small_spec.write_text(small_spec.read_text() + "probes: [stages]\n")
    assert "0 trials run" in inline(small_spec)
    planned = ["plan", small_spec, "--results", small_spec.parent / "results", "--no-calibration"]
    said = called(*planned).output
    assert "probes are on: stages" in said
    assert "12 trials have records but no probes, or not all of these" in said
    said = inline(small_spec, "--probe-finished", "--max-trials", "5")
    assert "5 trials run" in said
    assert "5 of 12 trials with probes done" in said
    assert json.loads(called(*planned, "--json").output)["unprobed"] == 7
    assert "7 trials run" in inline(small_spec, "--probe-finished")
    assert "ended otherwise" not in said
    same(probes(small_spec), expected(small_spec))
    small_spec.write_text(small_spec.read_text().replace("[stages]", "[stages, energy]"))
    assert json.loads(called(*planned, "--json").output)["unprobed"] == 12
    run(small_spec, "--workers", "2", "--probe-finished")  # the later measurement counts
    same(probes(small_spec), expected(small_spec))
    assert "0 trials run" in inline(small_spec, "--probe-finished")
    pd.testing.assert_frame_equal(records(small_spec), before)


def test_trials_that_end_otherwise_than_their_records_are_told(small_spec: Path) -> None:
    inline(small_spec)
    for shard in (Path(folder_of(small_spec).path) / "records").iterdir():
        whole = pq.read_table(shard)
        place = whole.column_names.index("final_step")
        moved = pa.chunked_array([[step + 1 for step in whole["final_step"].to_pylist()]])
        pq.write_table(whole.set_column(place, whole.schema.field(place), moved), shard)
    small_spec.write_text(small_spec.read_text() + "probes: [stages]\n")
    said = inline(small_spec, "--probe-finished")
    assert "12 of the 12 ended otherwise than their records" in said


def test_trials_that_fail_while_they_are_probed_are_told_and_keep_their_records(
    small_spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inline(small_spec)
    before = records(small_spec)
    small_spec.write_text(small_spec.read_text() + "probes: [stages]\n")
    said = inline(small_spec, "--probe-finished", "--retry-failed", code=2)
    assert "--probe-finished leaves failed trials alone; --retry-failed is another run" in said

    def full(*given: object) -> None:
        raise OSError(28, "no room")

    with monkeypatch.context() as broken:
        broken.setattr(engine, "Probing", full)
        said = inline(small_spec, "--probe-finished", code=1)
    assert "12 failed this time and have no probes, the first with: OSError: [Errno 28]" in said
    assert "ended otherwise" not in said
    pd.testing.assert_frame_equal(records(small_spec), before)
    assert "12 trials run" in inline(small_spec, "--probe-finished")
    same(probes(small_spec), expected(small_spec))


def test_a_trial_whose_probes_raise_keeps_its_record_and_is_probed_later(
    probed_spec: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inline(probed_spec, "--results", str(probed_spec.parent / "well"))
    well = table(probed_spec, "well")
    measure = Probing._measure

    def broken(
        self: Probing, step: int, weights: Tensor, places: list[int], curves: list[Curve]
    ) -> None:
        if self._trials[places[0]].n_train in {39, 48} and step >= 64:
            raise FloatingPointError("no such angle")
        measure(self, step, weights, places, curves)

    planned = ["plan", probed_spec, "--results", probed_spec.parent / "results", "--no-calibration"]
    with monkeypatch.context() as patched:
        patched.setattr(Probing, "_measure", broken)
        said = inline(probed_spec, code=1)
    assert "12 of 12 done" in said
    told = "the probes of 4 trials raised, whose records are whole: FloatingPointError: no such"
    assert told in said
    assert "the same command with --probe-finished measures them once that is mended" in said
    found = records(probed_spec)
    raised = found["probe_error"].notna()
    assert raised.sum() == 4
    own = [one.name for one in RECORD_COLUMNS]
    pd.testing.assert_frame_equal(
        table(probed_spec).drop(columns=own), well.drop(columns=own), check_exact=True
    )
    assert set(found.loc[raised, "probes"]) == {""}
    assert (found.loc[raised, "probe_s"] > 0).all()
    assert found.loc[raised, "irreps_covered"].isna().all()
    assert probes(probed_spec).num_rows == 8
    assert told in inline(probed_spec, code=1)  # until they are measured
    assert json.loads(called(*planned, "--json").output)["unprobed"] == 4
    folder = folder_of(probed_spec).path
    shown = called("show", folder, found.index[raised][0]).output
    assert "Traceback" in shown
    assert "FloatingPointError: no such angle" in shown
    look = json.loads(called("status", folder, "--json").output)
    assert (look["failures"], [one["count"] for one in look["unprobed"]]) == ([], [4])
    assert "4 not probed, such as " in called("status", folder).output

    with monkeypatch.context() as patched:
        patched.setattr(Probing, "_measure", broken)
        said = inline(probed_spec, "--probe-finished", code=1)
    assert "4 trials run" in said
    assert "8 of 12 trials with probes done" in said
    assert "4 failed this time and have no probes, the first with: FloatingPointError: no" in said
    assert "12 of 12 trials with probes done" in inline(probed_spec, "--probe-finished")
    same(probes(probed_spec), expected(probed_spec))
    pd.testing.assert_frame_equal(records(probed_spec), found)
    said = inline(probed_spec)
    assert "0 trials run" in said
    assert "raised" not in said
    assert json.loads(called("status", folder, "--json").output)["unprobed"] == []


def test_the_status_of_a_run_that_probes_counts_what_it_probes(small_spec: Path) -> None:
    small_spec.write_text(small_spec.read_text() + "probes: [stages]\n")
    inline(small_spec)
    small_spec.write_text(small_spec.read_text().replace("[stages]", "[stages, energy]"))
    inline(small_spec, "--probe-finished", "--max-trials", "5")
    folder = folder_of(small_spec)
    run_id = (folder.latest_run() or {})["run_id"]
    beat = (folder.state(run_id) or {}) | {"phase": "running"}
    with folder.lock(f"run {run_id} of me"):
        folder.write_state(run_id, beat | {"updated_at": datetime.now(UTC).isoformat()})
        said = called("status", folder.path).output
    assert "small: 12 of 12 trials done" in said
    assert "5 of 12 trials with probes done" in said


def test_a_dry_run_says_what_would_be_probed(small_spec: Path) -> None:
    inline(small_spec)
    small_spec.write_text(small_spec.read_text() + "probes: [stages]\n")
    inline(small_spec, "--probe-finished", "--max-trials", "5")
    before = sorted(Path(folder_of(small_spec).path).rglob("*"))
    said = inline(small_spec, "--probe-finished", "--dry-run")
    text = "12 trials have records, 5 of them all that these probes measure; "
    assert f"{text}2 packs for the other 7, to train them again" in said
    assert "about " in said
    assert "have records but no probes" not in said
    said = inline(small_spec, "--probe-finished", "--dry-run", "--max-trials", "3")
    assert f"{text}1 pack for 3 of the other 7, to train them again" in said
    assert sorted(Path(folder_of(small_spec).path).rglob("*")) == before
    inline(small_spec, "--probe-finished")
    said = inline(small_spec, "--probe-finished", "--dry-run")
    assert "12 trials have records, 12 of them all that these probes measure\n" in said


def test_a_dry_run_knows_records_that_would_be_taken_over_before_they_are_probed(
    small_spec: Path,
) -> None:
    away = small_spec.parent / "away"
    inline(small_spec, "--results", str(away))
    small_spec.write_text(small_spec.read_text() + f"probes: [stages]\nreuse: ['{away}/small']\n")
    said = inline(small_spec, "--probe-finished", "--dry-run")
    assert "12 trials have records, 0 of them all" in said
    plain = small_spec.read_text()
    small_spec.write_text(plain.partition("reuse")[0])
    inline(small_spec, "--results", str(away), "--probe-finished")
    small_spec.write_text(plain)
    said = inline(small_spec, "--probe-finished", "--dry-run")
    assert "12 trials have records, 12 of them all" in said


def test_the_forecast_of_probing_again_goes_by_the_steps_of_the_records(small_spec: Path) -> None:
    text = small_spec.read_text().replace("max_steps: 150", "max_steps: 600")
    small_spec.write_text(text + "probes: [stages]\n")
    plain = small_spec.with_name("plain") / "small.yaml"
    plain.parent.mkdir()
    plain.write_text(text)
    inline(plain, "--results", str(small_spec.parent / "results"))
    again = open_probing_again(open_sweep(small_spec), folder_of(small_spec))
    known = records(small_spec)["final_step"]
    assert len(set(known)) > 1
    some = again.plan.take([7, 2, 11])
    assert list(again.steps_of(some)) == known[some["fingerprint"].to_pylist()].tolist()


def test_records_are_taken_over_with_their_probes(probed_spec: Path) -> None:
    inline(probed_spec, "--results", str(probed_spec.parent / "away"))
    source = probed_spec.parent / "away" / "small"
    probed_spec.write_text(probed_spec.read_text() + f"reuse: ['{source}']\n")
    assert "12 records taken over" in inline(probed_spec)
    same(probes(probed_spec), probes(probed_spec, "away"))


def test_the_plan_says_what_probes_cost(probed_spec: Path) -> None:
    words = ["plan", probed_spec, "--results", probed_spec.parent / "results", "--json"]
    found = json.loads(called(*words, "--executor", "inline").output)
    assert found["probes"] == NAMES.split(", ")
    assert 0.02 < found["forecast"]["probe_share"] < 0.95
    probed_spec.write_text(probed_spec.read_text().replace(ON, ""))
    found = json.loads(called(*words, "--executor", "inline").output)
    assert found["probes"] == []
    assert found["forecast"]["probe_share"] == 0


def test_folders_of_before_there_were_probes_open(probed_spec: Path) -> None:
    """Their records lack the columns, and have what says that there were none."""
    plain = probed_spec.read_text().replace(ON, "")
    probed_spec.write_text(plain)
    inline(probed_spec)
    now = records(probed_spec)
    folder = Path(folder_of(probed_spec).path)
    own = [one.name for one in RECORD_COLUMNS]
    for kind in ("records", "curves"):
        for shard in (folder / kind).iterdir():
            old = pq.read_table(shard)
            old = old.drop_columns(own) if kind == "records" else old
            pq.write_table(old.replace_schema_metadata({f"sweeper.{kind}": "5"}), shard)
    pd.testing.assert_frame_equal(records(probed_spec), now)
    assert folder_of(probed_spec).probes().num_rows == 0
    assert "0 trials run" in inline(probed_spec)
    probed_spec.write_text(plain + ON)
    assert "12 trials run" in inline(probed_spec, "--probe-finished")
    same(probes(probed_spec), expected(probed_spec))


def test_probes_of_another_version_are_refused_by_name(probed_spec: Path) -> None:
    inline(probed_spec)
    (shard, *others) = sorted((Path(folder_of(probed_spec).path) / "probes").iterdir())
    for other in others:
        other.unlink()
    shutil.copy(shard, shard.with_suffix(".aside"))
    table = pq.read_table(shard)
    pq.write_table(table.replace_schema_metadata({"sweeper.probes": "9"}), shard)
    with pytest.raises(ResultsError) as caught:
        folder_of(probed_spec).probes()
    assert str(caught.value) == f"{shard}: schema version 9; this sweeper reads 1 to 2"
    assert table.schema.equals(PROBE_SCHEMA)


def test_shards_of_before_there_were_layers_are_read_and_go_beside_new_ones(
    probed_spec: Path,
) -> None:
    inline(probed_spec)
    now = probes(probed_spec)
    for shard in (Path(folder_of(probed_spec).path) / "probes").iterdir():
        table = pq.read_table(shard)
        old = table.drop_columns([*LATER_PROBES])
        pq.write_table(old.replace_schema_metadata({"sweeper.probes": "1"}), shard)
    same(probes(probed_spec), now)
    assert now["layer"].null_count == now["layer_W_norm"].null_count == 12
    probed_spec.write_text(probed_spec.read_text().replace(ON, LAYERS))
    inline(probed_spec, "--probe-finished", "--max-trials", "5")
    mixed = probes(probed_spec)
    assert mixed["layer"].null_count == 7
    assert mixed["stage"].null_count == 5


def test_layers_of_a_deep_net_are_kept(small_spec: Path) -> None:
    deep = "model: {kind: residual, layers: 3, activation: relu}\ntraining: {batch_size: 8}\n"
    small_spec.write_text(small_spec.read_text() + deep + LAYERS)
    inline(small_spec)
    kept = probes(small_spec)
    assert kept.num_rows == 12
    same(kept, expected(small_spec))
    for row in kept.to_pylist():
        assert row["layer"] == ["W1", "W2", "V"]
        assert row["stage"] is None
        for name in INDICATORS["layers"]:
            assert [len(entry) for entry in row[name]] == [3] * len(row["step"])


def test_options_reach_the_workers(probed_spec: Path) -> None:
    inline(probed_spec)
    found = folder_of(probed_spec).probes()
    asked = open_sweep(probed_spec).spec.probing
    assert isinstance(asked, Probes)
    assert {len(neurons) for neurons in found["neuron"].to_pylist()} == {asked.neurons}
    assert max(len(steps) for steps in found["frame_step"].to_pylist()) <= asked.frames + 1
