"""Probes in a spec: how they are written, and which learners they refuse."""

from pathlib import Path

import pytest

from sweeper.learn.probes.recorder import NAMES
from sweeper.learn.probes.stages import Thresholds
from sweeper.spec.probes import PROBES, Probes, StageThresholds
from sweeper.spec.probes_page import page
from sweeper.spec.problems import SpecError
from sweeper.spec.sweep import Sweep, open_text
from sweeper.store.probes import INDICATORS

SPEC = """\
name: probed
axes:
  M: [7, 11]
  n_train: {fraction: [0.4, 0.6]}
  hidden_size: 32
  learning_rate: 0.01
  weight_decay: 0.0002
  max_steps: 150
"""


def opened(more: str) -> Sweep:
    return open_text(SPEC + more, "probed.yaml")


def refused(more: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        opened(more)
    return str(caught.value).splitlines()


def test_a_list_of_names_has_the_usual_options() -> None:
    assert opened("").spec.probing is None
    assert opened("probes: []\n").spec.probing is None
    found = opened("probes: [stages, irreps]\n").spec.probing
    assert found == Probes(measure=["stages", "irreps"])
    assert found.every == 4
    again = opened("probes: {measure: [stages], every: 1e1, thresholds: {alignment: 0.5}}\n")
    assert again.spec.probing == Probes(
        measure=["stages"], every=10, thresholds=StageThresholds(alignment=0.5)
    )


def test_probes_change_no_trial() -> None:
    assert opened("").plan.equals(opened("probes: [stages, algebra]\n").plan)


def test_names_agree_with_what_measures_and_what_is_kept() -> None:
    assert (*NAMES, "layers", "algebra") == tuple(PROBES)
    assert tuple(INDICATORS) == (*NAMES, "layers")
    assert set(StageThresholds.model_fields) == set(Thresholds.__dataclass_fields__)


def test_the_page_is_made_from_the_table() -> None:
    assert Path("docs/probes.md").read_text() == page()


def test_what_is_wrong_with_options_is_told_at_once() -> None:
    assert refused(
        "probes:\n  measure: [stages, foo]\n  evry: 3\n  every: 0\n  thresholds: {alignment: 4}\n"
    ) == [
        "probed.yaml:10 probes.measure[1]: found 'foo'; should be 'stages', 'gradient', 'energy', "
        "'irreps', 'interaction', 'layers' or 'algebra'",
        "probed.yaml:11 probes.evry: unknown key; did you mean every? valid keys are measure, "
        "every, neurons_to_cover, frames, neurons, thresholds",
        "probed.yaml:12 probes.every: found 0; should be greater than or equal to 1",
        "probed.yaml:13 probes.thresholds.alignment: found 4; should be less than or equal to 1",
    ]
    assert refused("probes: stages\n") == ["probed.yaml:9 probes: found 'stages'; should be a list"]
    assert refused("probes: [stages, stages]\n") == [
        "probed.yaml:9 probes: found ['stages', 'stages']; stages stands twice"
    ]


def test_learners_that_cannot_be_measured_are_refused_with_all_that_is_in_the_way() -> None:
    (told,) = refused("probes: {measure: [stages]}\nmodel: {kind: transformer, activation: relu}\n")
    assert told == (
        "probed.yaml:9 probes.measure[0]: stages needs network two_layer, activation square; found "
        "network transformer, activation relu (W and V are those of the theory's net; the formulas "
        "are those of σ(x) = x²)"
    )
    first, second = refused("probes: [irreps, stages]\ntask: {operands: 3}\n")
    assert first.startswith("probed.yaml:9 probes[0]: irreps needs 2 operands; found operands 3")
    assert second.startswith("probed.yaml:9 probes[1]: stages needs 2 operands; found operands 3")
    (told,) = refused('probes: [stages, energy]\ntask: {expression: "x*y"}\n')
    assert "probes[1]: energy needs no expression; found expression x*y" in told


@pytest.mark.parametrize(
    "model",
    [
        "{activation: silu}",
        "{kind: residual, layers: 4, activation: relu}",
        "{kind: embedding, embedding_size: 8, output_multiplier: 2}",
        "{kind: two_layer_embedded, embedding_size: 8}",
    ],
)
def test_layers_are_measured_of_every_net_that_tells_them(model: str) -> None:
    found = opened(f"probes: [layers]\nmodel: {model}\ntraining: {{loss: cross_entropy}}\n")
    assert found.spec.probing == Probes(measure=["layers"])


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("model: {kind: transformer}", "network two_layer, two_layer_embedded, embedding or "
         "residual; found network transformer (no other tells its hidden layers)"),
        ("model: {kind: residual, layers: 3, batch_norm: true}",
         "no batch norm; found batch_norm True (it mixes the samples)"),
        ("task: {operands: 3}", "2 operands; found operands 3 (W has the rows of a pair)"),
        ("model: {ridge: 0.1}",
         "ridge 0; found ridge 0.1 (a solved V is no weight that moves)"),
        ('task: {expression: "x*y"}',
         "no expression; found expression x*y (irreps are those of the product in a group)"),
    ],
)  # fmt: skip
def test_layers_of_others_are_refused_with_the_line_and_why(field: str, said: str) -> None:
    assert refused(f"probes: [layers]\n{field}\n") == [
        f"probed.yaml:9 probes[0]: layers needs {said}"
    ]


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("model: {linear_term: 0.5}", "linear_term 0; found linear_term 0.5"),
        ("training: {loss: cross_entropy}", "loss mse; found loss cross_entropy"),
        ("model: {ridge: 0.1}", "ridge 0; found ridge 0.1"),
        ("model: {output_multiplier: 2}", "output_multiplier 1; found output_multiplier 2.0"),
    ],
)
def test_each_part_of_the_net_that_the_theory_is_not_about_is_refused(
    field: str, said: str
) -> None:
    assert f"stages needs {said}" in refused(f"probes: [stages]\n{field}\n")[0]


def test_one_trial_that_cannot_be_measured_is_enough_unless_it_is_excluded() -> None:
    axis = SPEC.replace("axes:\n", "axes:\n  activation: [square, relu]\n")
    with pytest.raises(SpecError, match="found activation relu"):
        open_text(axis + "probes: [stages]\n", "probed.yaml")
    excluded = "probes: [stages]\nexclude: [{activation: relu}]\n"
    assert open_text(axis + excluded, "probed.yaml").plan.num_rows == 4


def test_problems_of_probes_stand_beside_those_of_fields() -> None:
    lines = refused("probes: [stages]\nmodel: {activation: relu}\nresources: {workers: 0}\n")
    assert [line.split(":")[1] for line in lines] == ["9 probes[0]", "11 resources.workers"]
