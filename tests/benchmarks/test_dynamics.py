"""The view of one training from inside: it runs, and measuring changes nothing."""

import torch
from click.testing import CliRunner

from benchmarks.dynamics.__main__ import main
from benchmarks.dynamics.training import measured
from benchmarks.setting import Shape, trial
from sweeper.learn.learner import initial_weights
from sweeper.learn.optimizers.adam import Adam
from sweeper.learn.probes.recorder import NAMES
from sweeper.learn.two_layer import TwoLayerBatch


def test_it_prints_what_it_measures() -> None:
    arguments = ["--group", "Z7", "--n-train", "30", "--hidden-size", "16", "--max-steps", "60"]
    answer = CliRunner().invoke(main, ["one", *arguments, "--rounds", "1"], catch_exceptions=False)
    assert answer.exit_code == 0
    for said in (
        "energy_alignment",
        "stages begin at",
        "irreps appear at",
        "orders",
        "flat",
        "all:",
    ):
        assert said in answer.stdout


def test_probes_do_not_change_the_training() -> None:
    """To the bit, however often they measure."""
    one = trial(Shape(7, 16, 30, 90))
    with torch.inference_mode():
        net = TwoLayerBatch([one], initial_weights(one).float())
        adam = Adam(net.weights, [one.learning_rate], [one.weight_decay])
        for _ in range(90):
            adam.update(net.gradient())
        for every in (1, 3):
            *_, (_, weights) = measured(one, NAMES, every)
            assert torch.equal(weights, net.weights)
