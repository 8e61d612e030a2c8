"""The recorder: what the training loop calls at evaluations, for a batch as for one trial."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from sweeper.learn.learner import initial_weights
from sweeper.learn.optimizers.adam import Adam
from sweeper.learn.probes.gradient import gradient_indicators
from sweeper.learn.probes.recorder import NAMES, Measured, Recorder
from sweeper.learn.two_layer import TwoLayerBatch
from sweeper.spec.trial import Trial
from sweeper.tasks.splits import training_set
from sweeper.tasks.task import task_of
from tests.learn.probe_cases import Net, group_named, snapshot_of


def trained(trials: list[Trial], steps: int) -> list[list[Measured]]:
    """Measured after a third and all of the steps; for the second time without the first trial."""
    weights = [initial_weights(one) for one in trials]
    net = TwoLayerBatch(trials, torch.stack(weights) if len(trials) > 1 else weights[0])
    rates = [one.learning_rate for one in trials], [one.weight_decay for one in trials]
    adam = Adam(net.weights, *rates)
    recorder = Recorder(trials, net.weights, NAMES)
    rows = []
    for step in range(1, steps + 1):
        adam.update(net.gradient())
        if step == steps // 3:
            rows.append(recorder.measure(step, recorder.look(net.weights)))
    alive = list(range(1, len(trials))) or [0]
    recorder.keep(alive)
    kept = net.weights.view(len(trials), -1, net.weights.shape[-1])[alive]
    rows.append(recorder.measure(steps, recorder.look(kept)))
    return rows


def measured_once(trials: list[Trial], weights: torch.Tensor, names: list[str]) -> list[Measured]:
    recorder = Recorder(trials, weights, names)
    return recorder.measure(1, recorder.look(weights))


def close(found: Measured, expected: Measured) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-6, atol=1e-9, err_msg=name)


def test_a_batch_is_measured_as_its_trials_are_alone(trial: Callable[..., Trial]) -> None:
    pack = [
        trial(7, 25, 0, hidden_size=16),
        trial(7, 30, 1, hidden_size=16, weight_decay=1e-3),
        trial(7, 22, 2, hidden_size=16, learning_rate=0.01),
    ]
    (first, later), alone = trained(pack, 60), [trained([one], 60) for one in pack]
    for i in range(3):
        close(first[i], alone[i][0][0])
    for i in (1, 2):
        close(later[i - 1], alone[i][1][0])


def test_change_is_since_the_measurement_before(trial: Callable[..., Trial]) -> None:
    one = trial(7, 30, hidden_size=8)
    weights = initial_weights(one)
    recorder = Recorder([one], weights, ["stages"])
    length = weights[:14].norm()
    moved = weights.clone()
    moved[0, 0] += 0.3
    (row,) = recorder.measure(3, recorder.look(moved))
    assert row["W_change"] == pytest.approx(0.3 / length / 3)
    (row,) = recorder.measure(5, recorder.look(moved))
    assert row["W_change"] == 0


def test_ridge_is_half_of_samples_times_weight_decay(trial: Callable[..., Trial]) -> None:
    """Of the loss, a mean over n, and wd·weights in its gradient."""
    one = trial(7, 30, hidden_size=8, weight_decay=0.01)
    weights = initial_weights(one)
    codes = training_set(task_of("Z7"), one.split, one.split_seed, 30, 0.0)[0]
    net = Net(group_named("Z7"), codes, weights[:14].numpy(), weights[14:].T.numpy(), 0.15)
    expected = gradient_indicators(snapshot_of(net, dtype=torch.float64))
    (row,) = measured_once([one], weights, ["gradient"])
    assert row == {name: pytest.approx(value.item()) for name, value in expected.items()}


def test_only_probes_that_are_on_are_computed(trial: Callable[..., Trial]) -> None:
    one = replace(trial(7, 30), hidden_size=8)
    weights = initial_weights(one)

    (row,) = measured_once([one], weights, ["irreps", "energy"])
    assert {"purity", "height"} <= row.keys()
    assert not {"W_norm", "grad_features", "repelled"} & row.keys()


def test_gradients_are_those_of_the_engine(trial: Callable[..., Trial]) -> None:
    pack = [trial(7, 25, 0, hidden_size=16), trial(7, 30, 1, hidden_size=16, label_noise=0.2)]
    net = TwoLayerBatch(pack, torch.stack([initial_weights(one) for one in pack]))
    gradient = net.gradient()
    rows = measured_once(pack, net.weights, ["stages"])
    for row, its in zip(rows, gradient, strict=True):
        assert row["W_grad_norm"] == pytest.approx(its[:14].norm().item())
        assert row["V_grad_norm"] == pytest.approx(its[14:].norm().item())
