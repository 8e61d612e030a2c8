"""Learners of a user's own module, run inline and under Ray; and what can be wrong with it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sweeper.run.extensions import check_modules
from sweeper.spec.problems import SpecError
from sweeper.spec.sweep import open_sweep
from sweeper.store.results import ResultsFolder

SWEEPER = [sys.executable, "-m", "sweeper"]
MODULE = '''\
"""A network, an activation, a loss and an optimizer."""

from collections.abc import Mapping

import torch
from torch import Tensor

from sweeper.learn.losses import Loss
from sweeper.learn.network import Network, Parameter, rows_of, uniform
from sweeper.learn.optimizers.base import Rule
from sweeper.learn.registry import activations, losses, networks, optimizers


@networks.register("sum_of_rows")
class SumOfRows(Network):
    """o = σ(E[a] + E[b]) U, one table for both operands."""

    @property
    def parameters(self) -> dict[str, Parameter]:
        M, K = self.M, self.trial.hidden_size
        return {
            "E": Parameter((M, K), uniform(M**-0.5), matrix=True),
            "U": Parameter((K, M), uniform(K**-0.5), scaled=True),
        }

    def outputs(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        hidden = self.activation(rows_of(parameters["E"], inputs).sum(2))
        return torch.bmm(hidden, parameters["U"])


@activations.register("cubed")
def cubed(x: Tensor) -> Tensor:
    return x**3


@losses.register("hinge")
class Hinge(Loss):
    """Σ_j max(0, 1 + o_j − o_y) over j ≠ y."""

    def values(self, outputs: Tensor, labels: Tensor) -> Tensor:
        own = outputs.gather(-1, labels[..., None])
        return (1 + outputs - own).relu().sum(-1) - 1


@optimizers.register("sign_descent")
class SignDescent(Rule):
    """w ← w − rate · sign(g + weight_decay · w)."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)
        self._place()

    def _update_one(self, place: int, gradient: Tensor, rate: float) -> None:
        row = self._rows[place]
        row.sub_(torch.sign(gradient.add_(row, alpha=self.weight_decay[place])), alpha=rate)

    def _update_all(self, gradient: Tensor, rates: Tensor) -> None:
        self.weights.sub_(rates * torch.sign(gradient.addcmul_(self.weights, self._decay)))

    def _keep_state(self, alive: list[int]) -> None:
        """There is none."""
'''
SPEC = """\
name: mine
axes:
  M: 7
  n_train: {fraction: [0.7, 0.9]}
  hidden_size: 32
  learning_rate: 0.003
  weight_decay: 0.0002
  max_steps: 200
  network: [two_layer, sum_of_rows]
  loss: [mse, hinge]
modules: [my_learners]
model: {activation: cubed}
training: {optimizer: sign_descent}
"""


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    (tmp_path / "my_learners.py").write_text(MODULE)
    path = tmp_path / "mine.yaml"
    path.write_text(SPEC)
    return path


def ran(*words: str, code: int = 0, where: Path | None = None) -> str:
    answer = subprocess.run(
        [*SWEEPER, *words], capture_output=True, text=True, check=False, cwd=where,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(Path.cwd())])},
    )  # fmt: skip
    assert answer.returncode == code, answer.stdout + answer.stderr
    return answer.stdout + answer.stderr


def test_a_module_runs_inline_and_under_ray(spec: Path) -> None:
    """With equal records; and again from what the results folder has kept of it."""
    found = {}
    for executor in ("inline", "ray"):
        place = spec.parent / executor
        ran("run", str(spec), "--results", str(place), "--executor", executor)
        table = ResultsFolder.at(place / "mine").records()
        found[executor] = table.to_pandas().set_index("fingerprint").sort_index()
    assert len(found["ray"]) == 8
    assert set(found["ray"]["outcome"]) <= {"generalized", "memorized", "unresolved", "underfit"}
    names = ["network", "loss", "outcome", "train_loss", "test_accuracy", "modules", "train_flops"]
    assert found["ray"][names].equals(found["inline"][names])
    assert (found["ray"]["train_flops"] > 0).all()
    assert (found["ray"]["train_accuracy"].groupby(found["ray"]["network"]).max() > 0.9).all()
    spec.with_name("my_learners.py").unlink()
    said = ran("debug", str(spec.parent / "ray" / "mine"), found["ray"].index[0])
    assert "it ended as" in said


def test_a_record_that_was_taken_over_is_trained_again_with_its_module(spec: Path) -> None:
    spec.write_text(SPEC.replace("hidden_size: 32", "hidden_size: 8"))
    away, here = spec.parent / "away", spec.parent / "here"
    ran("run", str(spec), "--results", str(away), "--executor", "inline")
    spec.write_text(f"{spec.read_text()}reuse: ['{away / 'mine'}']\n")
    ran("run", str(spec), "--results", str(here), "--executor", "inline")
    records = ResultsFolder.at(here / "mine").records()
    assert set(records["spec_digest"].to_pylist()) != {open_sweep(spec).digest}
    said = ran("debug", str(here / "mine"), records["fingerprint"][0].as_py())
    assert "it ended as" in said


def test_planning_says_what_will_be_imported_and_imports_nothing(spec: Path) -> None:
    module = spec.with_name("my_learners.py")
    module.write_text(MODULE + "raise RuntimeError('imported')\n")
    said = ran("plan", str(spec), "--no-calibration")
    expected = f"whoever trains imports the module my_learners ({module}), which runs what is in it"
    assert expected in said
    told = json.loads(ran("plan", str(spec), "--no-calibration", "--json"))
    assert told["modules"] == {"my_learners": str(module)}


def test_trials_are_named_by_the_text_of_the_module_where_they_use_it(spec: Path) -> None:
    before = open_sweep(spec)
    spec.with_name("my_learners.py").write_text(MODULE + "# another\n")
    after = open_sweep(spec)
    assert not set(before.plan["fingerprint"].to_pylist()) & set(
        after.plan["fingerprint"].to_pylist()
    )
    assert before.digest != after.digest
    own_names = "model: {activation: cubed}\ntraining: {optimizer: sign_descent}\n"
    spec.write_text(SPEC.replace(own_names, ""))
    mixed = open_sweep(spec).plan.to_pandas()
    built_in = (mixed["network"] == "two_layer") & (mixed["loss"] == "mse")
    assert (mixed["modules"] == "").equals(built_in)
    plain = SPEC.replace(own_names, "").replace("modules: [my_learners]\n", "")
    plain = plain.replace(", sum_of_rows]", "]").replace(", hinge]", "]")
    spec.write_text(plain)
    assert set(open_sweep(spec).plan["fingerprint"].to_pylist()) == set(
        mixed["fingerprint"][built_in]
    )


def test_an_option_of_the_square_is_not_given_to_an_activation_of_ones_own(spec: Path) -> None:
    swept = SPEC.replace("  loss:", "  activation: [square, cubed]\n  loss:")
    spec.write_text(swept.replace("activation: cubed}", "linear_term: 0.5}"))
    plan = open_sweep(spec).plan.to_pandas()
    assert plan.groupby("activation")["linear_term"].unique().map(list).to_dict() == {
        "cubed": [0.0],
        "square": [0.5],
    }


def refusal(spec: Path) -> str:
    with pytest.raises(SpecError) as caught:
        check_modules(open_sweep(spec))
    return str(caught.value)


def test_what_is_wrong_with_modules_is_told_with_its_line(spec: Path) -> None:
    spec.write_text(SPEC.replace("[my_learners]", "[my_learners, other, my_learners]"))
    with pytest.raises(SpecError) as caught:
        open_sweep(spec)
    beside = f"no file other.py beside the spec ({spec.parent.resolve()}) or on Python's path"
    assert str(caught.value).splitlines() == [
        f"{spec}:11 modules[1]: {beside}",
        f"{spec}:11 modules[2]: my_learners stands twice",
    ]
    spec.write_text(SPEC.replace("sign_descent", "signs"))
    assert refusal(spec) == (
        f"{spec}:13 training.optimizer: found 'signs', which is neither built in nor from the "
        "modules; they register sign_descent"
    )
    spec.write_text(SPEC)
    module = spec.with_name("my_learners.py")
    module.write_text(MODULE + "\n1 / 0\n")
    line = MODULE.count("\n") + 2
    assert f"{spec}:11 modules[0]: raises when imported: ZeroDivisionError: division by zero "\
        f"(line {line})" in refusal(spec)  # fmt: skip
    said = ran("run", str(spec), "--results", str(spec.parent / "results"), code=2)
    assert "ZeroDivisionError" in said
    assert not (spec.parent / "results").exists()
    module.write_text(MODULE.replace('"hinge"', '"mse"'))
    assert "there are two of loss 'mse'; give one another name" in refusal(spec)
