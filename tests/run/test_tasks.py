"""Sweeps over groups and expressions, from the spec to the thresholds."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

import analysis
from sweeper.cli import main

Run = Callable[[str], tuple[int, str]]
REST = """\
  n_train: {fraction: [0.3, 0.9]}
  hidden_size: 64
  learning_rate: 0.01
  weight_decay: 0.0002
  max_steps: 1000
"""
GROUPS = f"name: s\naxes:\n  group: [S3, Z2xZ3, D5]\n{REST}"
EXPRESSION = f'name: s\ntask: {{expression: "x/y"}}\naxes:\n  M: [7, 11]\n{REST}'


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], tuple[int, str]]:
    """Runs the text of a spec in this process, in a folder of its own: exit code and output."""
    monkeypatch.chdir(tmp_path)

    def sweep(text: str) -> tuple[int, str]:
        Path("s.yaml").write_text(text)
        found = CliRunner().invoke(main, ["run", "s.yaml", "--executor", "inline"])
        return found.exit_code, found.output

    return sweep


def test_groups_are_swept_and_kept_by_name_and_dimension(run: Run) -> None:
    code, said = run(GROUPS)
    assert code == 0, said
    records = analysis.load("results/s")
    of_group = records.groupby("group").first()
    assert of_group["max_irrep_dim"].to_dict() == {"D5": 2, "S3": 2, "Z2×Z3": 1}
    assert of_group["group_order"].to_dict() == {"D5": 10, "S3": 6, "Z2×Z3": 6}
    assert not (records["outcome"] == "failed").any()
    assert analysis.thresholds(records)["task"].tolist() == ["S3", "Z2×Z3", "D5"]


def test_an_expression_is_swept_over_the_pairs_it_has_a_value_at(run: Run) -> None:
    code, said = run(EXPRESSION)
    assert code == 0, said
    records = analysis.load("results/s")
    assert set(records["expression"]) == {"x/y"}
    pairs = records["group_order"] * (records["group_order"] - 1)
    assert (records["n_test"] + records["n_train"] == pairs).all()
    assert records["train_fraction"].tolist() == pytest.approx(
        (records["n_train"] / pairs).tolist()
    )
    assert not (records["outcome"] == "failed").any()


def test_a_task_that_cannot_be_ends_the_run_before_it_begins(run: Run) -> None:
    code, said = run(EXPRESSION.replace("[7, 11]", "[7, 9]"))
    assert code == 2
    assert said == ("s.yaml:2 task.expression: x/y divides, which needs a prime M; found 9 = 3·3\n")
    assert not Path("results").exists()
