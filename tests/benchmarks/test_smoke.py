"""Every benchmark runs from its command line to its tables; what it compares trains the same."""

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.agreement import DisagreementError, check, differences
from benchmarks.ensemble import train_ensemble
from benchmarks.giving_up import replay
from benchmarks.idiomatic import train_idiomatic
from benchmarks.one_each import outcome
from benchmarks.report import against
from benchmarks.setting import Shape, trial
from benchmarks.timing import enough_calls, interleaved
from benchmarks.trainings import train_pack
from sweeper.spec.trial import Trial
from sweeper.store.records import Curve
from sweeper.store.results import ResultsFolder
from tests.commands import called

GOALS = {"measured", "goal", "met", "of_goal"}
WRITTEN: dict[str, dict[str, set[str]]] = {
    "engine": {
        "engine": {"ours_1", "bfloat16", "idiomatic", "vmap", "vmap_members", "limit"},
        "engine_goals": {"M", "quantity", *GOALS},
        "engine_limit": {"bandwidth", "products_us", "traffic_us", "evaluations_us", "limit"},
        "engine_samples": {"way", "together", "median_s", "early_difference", "late_difference"},
    },
    "sweep": {"sweep": {"one_each_s", "sweeper_s", "loss_difference"}, "sweep_goals": GOALS},
    "overhead": {"overhead": {"of", "training_s", "run_s", *GOALS}},
    "linear": {"linear_trials": {"trials", "seconds"}, "linear_steps": {"step_flops", "step_us"}},
    "memory": {"memory": {"torch_bytes", "array_bytes", "estimate_bytes", "off", "goal", "met"}},
    "law": {"law": {"seeds", "trials", "seconds"}, "law_goals": {"each_run", "grid_s", *GOALS}},
    "learners": {"learners": {"network", "ours_us", "twin_us", "ratio", "late_difference"}},
    "optimizers": {"optimizers": {"ours_us", "fused_us", "foreach_us", "ratio"}},
}


def engine_curves(pack: list[Trial]) -> list[Curve]:
    return [result.curve for result in train_pack(pack, "cpu")]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (name == "sweep")) for name in WRITTEN],
)
def test_a_smoke_run_writes_its_tables(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    answer = CliRunner().invoke(
        main, ["--smoke", "--only", name, "--out", str(tmp_path)], catch_exceptions=False
    )
    assert answer.exit_code == 0
    figures = {"linear.png", "linear.svg"} if name == "linear" else set()
    files = {f"{table}.{kind}" for table in WRITTEN[name] for kind in ("md", "parquet")}
    assert {path.name for path in tmp_path.iterdir()} == files | figures
    for table, wanted in WRITTEN[name].items():
        read = pq.read_table(tmp_path / f"{table}.parquet")
        assert read.num_rows > 0
        assert wanted <= set(read.column_names)
        numbers = [field.name for field in read.schema if str(field.type) in {"double", "int64"}]
        measured = (
            read.select(numbers).to_pandas().drop(columns=["goal", "of_goal"], errors="ignore")
        )
        assert measured.notna().to_numpy().all()
        words = (tmp_path / f"{table}.md").read_text()
        assert f"command: python -m benchmarks --device cpu --only {name} --smoke" in words
        for said in ("date: ", "CPU: ", "cores", "GPU: none", "libraries: python", "thread"):
            assert said in words
        for column in read.column_names:
            assert f"- `{column}`: " in words
            assert column in answer.stdout


def test_a_smoke_run_leaves_the_results_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    CliRunner().invoke(main, ["--smoke", "--only", "memory"], catch_exceptions=False)
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["bench-smoke"]


@pytest.mark.parametrize("shape", [Shape(7, 24, 30, 60), Shape(11, 64, 80, 100)], ids=str)
def test_all_ways_train_the_same(shape: Shape) -> None:
    """Data, first weights, gradient, optimizer, evaluations: the curves are those of the engine."""
    pack = [trial(shape, seed) for seed in range(3)]
    ours = engine_curves(pack)
    for others in ([train_idiomatic(one) for one in pack], train_ensemble(pack)):
        check("another way", differences(others, ours, shape.steps))
        for curve, other in zip(ours, others, strict=True):
            assert other.step == curve.step
            assert other.train_loss == pytest.approx(curve.train_loss, rel=1e-3)
            assert other.test_loss == pytest.approx(curve.test_loss, rel=1e-3)
            assert other.train_accuracy == pytest.approx(curve.train_accuracy, abs=1e-6)
            assert other.test_accuracy == pytest.approx(curve.test_accuracy, abs=1e-6)


def test_members_of_an_ensemble_have_their_own_rates() -> None:
    shape = Shape(7, 24, 30, 40)
    pack = [trial(shape, 0), trial(shape, 1, learning_rate=0.02, weight_decay=0.01)]
    check("an ensemble", differences(train_ensemble(pack), engine_curves(pack), shape.steps))


def test_another_training_is_refused() -> None:
    shape = Shape(7, 24, 30, 40)
    ours = engine_curves([trial(shape)])
    for changes in ({"learning_rate": 0.0051}, {"weight_decay": 0.0004}, {"split_seed": 1}):
        other = [train_idiomatic(trial(shape, 0, **changes))]
        with pytest.raises(DisagreementError, match="training losses differ"):
            check("another way", differences(other, ours, shape.steps))
    ours[0].train_loss[2] = float("nan")
    with pytest.raises(DisagreementError, match="training losses differ"):
        check("another way", differences(ours, engine_curves([trial(shape)]), shape.steps))


def test_outcomes_are_those_of_the_glossary() -> None:
    fitted = Curve(train_accuracy=[1.0, 1.0, 1.0], test_accuracy=[0.95, 0.5, 0.95])
    assert outcome(fitted, 0.9) == "fitted"
    twice = Curve(train_accuracy=[1.0, 1.0, 1.0], test_accuracy=[0.95, 0.95, 0.5])
    assert outcome(twice, 0.9) == "generalized"
    assert outcome(Curve(train_accuracy=[0.98], test_accuracy=[0.1]), 0.9) == "underfit"


def test_goals_say_whether_they_are_met_and_how_far() -> None:
    assert against(2.0, 3.0) == {
        "measured": 3.0, "goal_is": "at least", "goal": 2.0, "met": "yes", "of_goal": 1.5
    }  # fmt: skip
    assert against(2.0, 1.0)["met"] == "no"
    assert against(0.1, 0.05, at_most=True)["met"] == "yes"
    assert against(0.1, 0.2, at_most=True)["met"] == "no"


def test_samples_are_taken_in_turn() -> None:
    order: list[tuple[str, int]] = []

    def sampler(name: str, seconds: float):  # noqa: ANN202
        return lambda calls: order.append((name, calls)) or seconds

    samples = {"a": sampler("a", 0.1), "b": sampler("b", 2.0)}
    calls = {name: enough_calls(sample, 1.0) for name, sample in samples.items()}
    assert order == [("a", 1), ("a", 1), ("b", 1)]
    timings = interleaved(samples, calls, 3)
    assert order[3:] == [("a", 10), ("b", 1)] * 3
    assert timings["a"].calls == 10
    assert pd.Series(timings["a"].seconds).tolist() == [0.1] * 3
    assert timings["b"].median == 2.0


def test_giving_up_is_replayed_as_training_does_it(tmp_path: Path) -> None:
    spec = tmp_path / "s.yaml"
    rates = "learning_rate: 0.005, weight_decay: 0.0005"
    axes = f"{{M: 13, n_train: [40, 60], hidden_size: 64, {rates}, max_steps: 2000}}"
    spec.write_text(f"name: whole\naxes: {axes}\n")
    asked = tmp_path / "t.yaml"
    asked.write_text(f"name: asked\naxes: {axes}\ntraining: {{give_up_after: 300}}\n")
    for path in (spec, asked):
        called("run", path, "--executor", "inline", "--results", tmp_path)
    replayed = replay(ResultsFolder.at(tmp_path / "whole"), 300)
    records = ResultsFolder.at(tmp_path / "asked").records(["outcome", "final_step"]).to_pandas()
    assert (records["outcome"] == "stopped").any()
    expected = replayed["stopped_at"].fillna(replayed["final_step"])
    assert records["final_step"].tolist() == expected.tolist()
