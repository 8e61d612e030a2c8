"""Learners in specs: one table says what there is, what belongs to what and what cannot be."""

from pathlib import Path

import numpy as np
import pytest

from sweeper.learn.registry import activations, losses, networks, optimizers
from sweeper.spec.axes import Axes
from sweeper.spec.learners import CHOICES, FIELDS, OPTIONS, RULES, usual
from sweeper.spec.learners_page import NOT_AXES, page
from sweeper.spec.model import Model, Training
from sweeper.spec.modules import UserModule
from sweeper.spec.problems import SpecError
from sweeper.spec.sweep import open_text
from sweeper.spec.trial import DEFAULTS, Trial, trials

PLAIN = """\
name: learners
axes:
  M: 7
  n_train: 30
  hidden_size: 64
  learning_rate: 0.005
  weight_decay: 0.0002
  max_steps: 100
"""


def planned(more: str) -> list[Trial]:
    return trials(open_text(PLAIN + more, "s.yaml").plan)


def problems(more: str) -> list[str]:
    with pytest.raises(SpecError) as caught:
        open_text(PLAIN + more, "s.yaml")
    return str(caught.value).splitlines()


def test_the_table_has_what_the_engine_has() -> None:
    for kind, registry in {"network": networks, "activation": activations, "loss": losses,
                           "optimizer": optimizers}.items():  # fmt: skip
        assert sorted(CHOICES[kind]) == registry.names()


def test_every_field_of_the_table_can_be_written() -> None:
    keys = Model.model_fields | Training.model_fields
    for name in FIELDS:
        assert name in keys or name == "network"
        assert (name in Axes.model_fields) == (name not in NOT_AXES)
    for option in OPTIONS:
        assert set(option.defaults) <= set(CHOICES[option.of])
    assert {name for rule in RULES for name in (rule.field, *rule.others)} <= {*FIELDS, "max_steps"}


def test_the_page_is_made_from_the_table() -> None:
    assert Path("docs/learners.md").read_text() == page()


def test_nothing_said_is_what_it_always_was() -> None:
    (one,) = planned("")
    assert {name: getattr(one, name) for name in DEFAULTS} == DEFAULTS
    (written,) = planned(
        "model: {kind: two_layer, activation: square, output_scale: 1, ridge: 0}\n"
        "training: {loss: mse, optimizer: adam, batch_size: 0, schedule: constant}\n"
    )
    assert written.fingerprint == one.fingerprint


def test_learners_are_axes_and_keys() -> None:
    found = planned(
        "  network: [two_layer, residual]\n  loss: [mse, stablemax]\n  output_scale: [0, 0.5]\n"
        "model: {activation: relu, layers: 3}\ntraining: {optimizer: adamw, batch_size: 8}\n"
    )
    assert len(found) == 8
    assert {(one.network, one.loss, one.output_scale) for one in found} == {
        (network, loss, scale)
        for network in ("two_layer", "residual")
        for loss in ("mse", "stablemax")
        for scale in (0.0, 0.5)
    }
    for one in found:
        assert (one.activation, one.optimizer, one.batch_size) == ("relu", "adamw", 8)
        assert one.layers == (3 if one.network == "residual" else 0)


def test_an_option_goes_where_it_belongs() -> None:
    """And leaves the other trials, and their fingerprints, as they are."""
    adam, muon, sgd = sorted(
        planned("  optimizer: [adam, sgd, muon]\ntraining: {momentum: 0.8}\n"),
        key=lambda one: one.optimizer,
    )
    assert (adam.momentum, sgd.momentum, muon.momentum) == (0.0, 0.8, 0.8)
    assert (adam.nesterov, sgd.nesterov, muon.nesterov) == (False, False, True)
    assert adam.fingerprint == planned("")[0].fingerprint
    both = planned("  optimizer: [adam, muon]\n  momentum: [0.5, 0.9, 0.95]\n")
    assert sorted((one.optimizer, one.momentum) for one in both) == [
        ("adam", 0.0), ("muon", 0.5), ("muon", 0.9), ("muon", 0.95),
    ]  # fmt: skip


def test_defaults_come_from_the_choice() -> None:
    (one,) = planned("model: {kind: transformer}\ntraining: {optimizer: muon}\n")
    assert (one.layers, one.heads, one.embedding_size, one.causal) == (1, 4, 128, True)
    assert (one.momentum, one.nesterov, one.muon_scaling) == (0.95, True, "original")
    assert usual("momentum", {"optimizer": np.array(["adam", "muon"])}).tolist() == [0.0, 0.95]
    assert usual("ridge", {}) == 0.0


def test_learners_can_be_zipped_and_excluded() -> None:
    found = planned(
        "  optimizer: [adam, sgd]\n  activation: [square, relu]\n"
        "exclude:\n  - {optimizer: sgd, activation: relu}\n"
    )
    assert {(one.optimizer, one.activation) for one in found} == {
        ("adam", "square"), ("adam", "relu"), ("sgd", "square"),
    }  # fmt: skip
    assert problems("  loss: [mse, stablemax]\nexclude:\n  - {loss: cross_entropy}\n") == [
        "s.yaml:11 exclude[0].loss: 'cross_entropy' is not on the axis; it has mse, stablemax"
    ]


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        (
            "model: {kind: two_layers}\ntraining: {loss: ce}\n",
            ["s.yaml:9 model.kind: found 'two_layers'; did you mean two_layer? there are "
             "two_layer, two_layer_embedded, embedding, product, complex, residual, transformer, "
             "and those of your own under modules",
             "s.yaml:10 training.loss: found 'ce'; there are mse, cross_entropy, stablemax, and "
             "those of your own under modules"],
        ),
        (
            "model: {ridge: 0.001}\ntraining: {loss: cross_entropy}\n",
            ["s.yaml:9 model.ridge: found ridge 0.001, loss cross_entropy; ridge needs loss mse: "
             "ridge regression minimizes the squared error"],
        ),
        (
            "  ridge: [0, 0.001]\n  loss: [mse, stablemax]\n",
            ["s.yaml:9 axes.ridge: found ridge 0.001, loss stablemax; ridge needs loss mse: ridge "
             "regression minimizes the squared error"],
        ),
        (
            "training: {momentum: 0.9, decay_every: 5}\n",
            ["s.yaml:9 training.decay_every: belongs to schedule step and exponential; there is "
             "constant here",
             "s.yaml:9 training.momentum: belongs to optimizer sgd and muon; there is adam here"],
        ),
        (
            "model: {kind: residual}\ntraining: {schedule: step}\n",
            ["s.yaml:9 model.layers: missing: network residual needs it (layers of weights, the "
             "read-out's included; of a transformer its blocks)",
             "s.yaml:10 training.decay_every: missing: schedule step needs it (in steps)"],
        ),
        (
            "  loss: [mse, stablemax]\ntraining: {loss: mse}\n",
            ["s.yaml:10 training.loss: is an axis too; give it here or under axes.loss"],
        ),
        (
            "model: {kind: transformer, heads: 3}\ntraining: {warmup_steps: 100}\n",
            ["s.yaml:9 model.heads: found heads 3, embedding_size 128; heads divide "
             "embedding_size: each head has an equal part of it",
             "s.yaml:10 training.warmup_steps: found warmup_steps 100, max_steps 100; warmup_steps "
             "is less than max_steps: the horizon has to lie behind the warm-up"],
        ),
        (
            "model: {kind: transformer, causal: false}\n",
            ["s.yaml:9 model.causal: found causal False, layers 1; causal: false needs layers 2 or "
             'more: in the last block "=" alone asks, and nothing is behind it'],
        ),
        (
            "training: {momentum: 1, schedule: linear, batch_size: 1.5}\nmodel: {activation: x²}\n",
            ["s.yaml:9 training.batch_size: found 1.5; should be a whole number",
             "s.yaml:9 training.momentum: found 1; should be less than 1",
             "s.yaml:9 training.schedule: found 'linear'; should be 'constant', 'step', "
             "'exponential' or 'cosine'",
             "s.yaml:10 model.activation: found 'x²'; there are square, relu, relu_square, silu, "
             "gelu, and those of your own under modules"],
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_told_with_its_place(more: str, lines: list[str]) -> None:
    assert problems(more) == lines


def test_names_of_modules_are_not_judged_by_the_table() -> None:
    """Nor are options kept from them."""
    text = PLAIN + "modules: [mine]\nmodel: {kind: my_net, layers: 7}\n"
    (one,) = trials(open_text(text, "s.yaml", {"mine": "pass\n"}).plan)
    assert (one.network, one.layers, one.heads) == ("my_net", 7, 0)
    assert one.modules == UserModule("mine", "pass\n").label


def test_every_rule_is_broken_by_something() -> None:
    everything = {name: np.array([DEFAULTS.get(name, "")]) for name in FIELDS}
    everything |= {"max_steps": np.array([5]), "activation": np.array(["relu"])}
    for rule in RULES:
        trial = everything | {
            "network": np.array([rule.when.split()[0] if rule.field == "network" else
                                 {"layers": "residual", "heads": "transformer", "ridge": "residual",
                                  "causal": "transformer", "linear_term": "product"}
                                 .get(rule.field, "two_layer")]),
            "loss": np.array(["stablemax"]), "batch_norm": np.array([True]),
            "batch_size": np.array([1 if rule.field == "batch_norm" else 4]),
            "output_scale": np.array([0.0]), "output_multiplier": np.array([2.0]),
            "ridge": np.array([0.1]), "linear_term": np.array([0.1]), "layers": np.array([1]),
            "heads": np.array([3]), "embedding_size": np.array([4]),
            "warmup_steps": np.array([5]), "causal": np.array([False]),
        }  # fmt: skip
        assert np.asarray(rule.broken(trial)).all(), rule.when


def test_a_slip_on_one_axis_blames_no_learner() -> None:
    """What stands in for the other axes while those of the task are looked at has no learners."""
    slipped = PLAIN.replace("learning_rate: 0.005", "learning_rate: -1")
    for more in (
        "  layers: [2, 3]\nmodel: {kind: residual}\n",
        "training: {warmup_steps: 50}\n",
        "  optimizer: [sgd]\ntraining: {momentum: 0.5}\n",
    ):
        with pytest.raises(SpecError) as caught:
            open_text(slipped + more, "s.yaml")
        assert [problem.place for problem in caught.value.problems] == ["axes.learning_rate"]


def test_batch_norm_of_one_sample_is_refused() -> None:
    more = "model: {kind: residual, layers: 2, batch_norm: true}\ntraining: {batch_size: 1}\n"
    (told,) = [line for line in problems(more) if "batch_norm" in line]
    assert "a single sample has no variance" in told
