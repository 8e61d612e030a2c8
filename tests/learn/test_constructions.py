"""Exact solutions as the engine's known answers: loss 0, accuracy 1, no gradient."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from sweeper.learn.two_layer import TwoLayerBatch
from sweeper.spec.trial import Trial
from sweeper.tasks.constructions import (
    Solution,
    irrep_solution,
    memorization,
    mixed_order,
    order_six,
)
from sweeper.tasks.group import Group
from sweeper.tasks.groups import group_named


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (order_six, "Z23"),
        (mixed_order, "Z23"),
        (mixed_order, "Z12"),
        (memorization, "Z11"),
        (irrep_solution, "D7"),
        (irrep_solution, "S4"),
    ],
)
def test_an_exact_solution_has_loss_0_accuracy_1_and_no_gradient(
    trial: Callable[..., Trial], build: Callable[[Group], Solution], name: str
) -> None:
    group = group_named(name)
    solution = build(group)
    M = group.order
    one = replace(trial(M, M * M // 2, hidden_size=solution.nodes), group=name)
    net = TwoLayerBatch([one], torch.from_numpy(solution.rows()))
    metrics = net.evaluate()
    assert metrics.train_accuracy == metrics.test_accuracy == [1.0]
    assert metrics.train_loss[0] < 1e-20
    assert metrics.test_loss[0] < 1e-20
    assert net.gradient().abs().max() < 1e-10
