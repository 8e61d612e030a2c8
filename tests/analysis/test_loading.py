import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from analysis import load, load_curves, setting_labels, settings
from analysis.loading import HOW_TRAINED
from sweeper.spec.trial import TRIAL_SCHEMA, Trial
from sweeper.store.results import ResultsError, ResultsFolder

MakeFrame = Callable[..., pd.DataFrame]
PLAIN = "two_layer, K 256, square, mse, adam, lr 0.005, wd 0.0002, horizon 4000 steps"


@pytest.fixture
def folder(
    tmp_path: Path, tables: Callable[..., tuple[pa.Table, pa.Table]], trial: Callable[..., Trial]
) -> ResultsFolder:
    trials = [trial(11, n, seed) for n in (60, 80, 100) for seed in (0, 1)]
    records, curves = tables(trials, lambda M, n, seed: 5000 if n < 70 else 500)
    results = ResultsFolder.at(tmp_path / "sweep")
    results.write_shard("a", records.slice(0, 4), curves.slice(0, 4))
    results.write_shard("b", records.slice(4), curves.slice(4))
    return results


def test_load_reads_every_record_of_every_shard(folder: ResultsFolder) -> None:
    frame = load(folder.path)
    assert len(frame) == 6
    assert frame["n_train"].tolist() == [60, 60, 80, 80, 100, 100]
    assert frame["generalization_step"].dtype == "Int64"
    assert frame["generalization_step"].isna().tolist() == [True, True, *[False] * 4]


def test_load_curves_gives_one_row_an_evaluation_of_the_wanted_runs(folder: ResultsFolder) -> None:
    records = load(folder.path)
    wanted = records["fingerprint"].iloc[[4, 1]].tolist()
    curves = load_curves(folder.path, wanted)
    assert set(curves["fingerprint"]) == set(wanted)
    won = curves[curves["fingerprint"] == wanted[0]]
    assert won["step"].tolist() == list(range(25, 526, 25))
    assert won["test_accuracy"].iloc[-2:].tolist() == pytest.approx([0.95, 0.95])
    assert len(load_curves(folder.path)) == 2 * 160 + 4 * 21
    assert load_curves(folder.path, []).empty


def test_a_broken_shard_is_an_error_that_names_it(folder: ResultsFolder, tmp_path: Path) -> None:
    (tmp_path / "sweep" / "records" / "b.parquet").write_bytes(b"not parquet")
    with pytest.raises(ResultsError, match=r"records/b\.parquet: cannot read this shard"):
        load(folder.path)


def test_every_axis_of_a_trial_is_in_the_cell_or_in_the_setting() -> None:
    cell = {"group", "group_order", "n_train", "split_seed", "init_seed"}
    assert {*HOW_TRAINED, *cell} == {*TRIAL_SCHEMA.names, "numerics"}


def test_one_way_of_training_is_one_setting(
    records: MakeFrame, trial: Callable[..., Trial]
) -> None:
    frame = records([trial(M, n) for M in (11, 13) for n in (60, 80)], lambda *_: 500)
    assert settings(frame) == []
    assert setting_labels(frame).unique().tolist() == [PLAIN]


def test_a_size_that_grows_with_the_order_is_reported_but_is_no_setting(
    records: MakeFrame, trial: Callable[..., Trial]
) -> None:
    trials = [trial(M, n, hidden_size=K) for M, K in ((11, 256), (13, 512)) for n in (60, 80)]
    frame = records(trials, lambda *_: 500)
    assert settings(frame) == []
    assert setting_labels(frame).unique().tolist() == [
        PLAIN.replace("K 256", "K 256–512 with the order")
    ]


def test_axes_within_a_group_make_settings_of_their_own_whatever_the_index(
    records: MakeFrame, trial: Callable[..., Trial]
) -> None:
    parts = [
        records([trial(M, 60, learning_rate=rate, eval_every=every)], lambda *_: 500)
        for rate in (0.01, 0.005)
        for every in (25, 50)
        for M in (11, 13)
    ]
    frame = pd.concat(parts)
    assert settings(frame) == ["learning_rate", "eval_every"]
    assert setting_labels(frame).tolist() == [
        f"{PLAIN.replace('0.005', str(rate))}, eval every {every}"
        for rate in (0.01, 0.005)
        for every in (25, 50)
        for _ in range(2)
    ]


def test_what_is_learned_makes_settings_even_where_it_never_varies_within_a_group(
    records: MakeFrame, trial: Callable[..., Trial]
) -> None:
    """Two expressions, each at another order, must not be pooled in one law."""
    trials = [trial(11, 60, expression="x*y"), trial(13, 60, expression="x + 2*y")]
    trials += [trial(17, 60, operands=3), trial(19, 60, split="balanced", label_noise=0.1)]
    frame = records(trials, lambda *_: 500)
    assert settings(frame) == ["split", "operands", "expression", "label_noise"]
    words = [label.removesuffix(f", {PLAIN}") for label in setting_labels(frame)]
    assert words == [
        "2 operands, x*y mod M, uniform split, label noise 0.0",
        "2 operands, x + 2*y mod M, uniform split, label noise 0.0",
        "3 operands, uniform split, label noise 0.0",
        "2 operands, balanced split, label noise 0.1",
    ]


def test_an_unusual_task_is_named_where_it_is_the_only_one(
    records: MakeFrame, trial: Callable[..., Trial]
) -> None:
    frame = records([trial(M, 60, expression="x*y") for M in (11, 13)], lambda *_: 500)
    assert settings(frame) == []
    assert setting_labels(frame).unique().tolist() == [f"x*y mod M, {PLAIN}"]


def test_settings_that_differ_in_the_last_digit_keep_different_words(
    records: MakeFrame, trial: Callable[..., Trial]
) -> None:
    rates = (0.005, math.nextafter(0.005, 1))
    frame = records([trial(11, 60, learning_rate=rate) for rate in rates], lambda *_: 500)
    assert setting_labels(frame).nunique() == 2


def test_no_records_have_no_settings(records: MakeFrame, trial: Callable[..., Trial]) -> None:
    frame = records([trial(11, 60)], lambda *_: np.inf)[:0]
    assert settings(frame) == []
    assert setting_labels(frame).empty


def test_learners_are_told_apart_in_few_words(
    records: MakeFrame, trial: Callable[..., Trial]
) -> None:
    """Options that are what their choice makes them go without saying; others do not."""
    muon = {"optimizer": "muon", "momentum": 0.95, "nesterov": True}
    ways = [
        {},
        {"activation": "relu", "loss": "cross_entropy"} | muon,
        muon | {"momentum": 0.8, "nesterov": False, "schedule": "cosine"},
        {"network": "residual", "layers": 3, "batch_norm": True, "batch_size": 64},
        {"ridge": 0.001},
    ]
    frame = records([trial(M, 60, **how) for how in ways for M in (11, 13)], lambda *_: 500)
    rest = "lr 0.005, wd 0.0002, horizon 4000 steps"
    assert setting_labels(frame).unique().tolist() == [
        f"two_layer, K 256, square, mse, adam, {rest}",
        f"two_layer, K 256, relu, ce, muon, {rest}",
        f"two_layer, K 256, square, mse, muon, {rest}, momentum 0.8, plain momentum, "
        "cosine schedule",
        f"residual, K 256, square, mse, adam, {rest}, batch size 64, layers 3, batch norm",
        f"two_layer, K 256, square, mse, adam, {rest}, ridge 0.001",
    ]


def test_learners_are_never_pooled_though_they_change_with_the_group(
    records: MakeFrame, trial: Callable[..., Trial]
) -> None:
    frame = records([trial(11, 60), trial(13, 60, activation="relu")], lambda *_: 500)
    assert settings(frame) == ["activation"]
    assert setting_labels(frame).nunique() == 2
