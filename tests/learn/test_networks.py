"""The networks beyond the plain two-layer net, each beside its twin of torch.nn modules."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.twins import TWINS, new_twin, train_twin
from sweeper.learn import autograd_batch
from sweeper.learn.learner import batch_of, initial_weights, network_of
from sweeper.learn.registry import networks
from sweeper.learn.train import train
from sweeper.spec.trial import Trial
from sweeper.store.records import Curve, Outcome, TrialResult

Make = Callable[..., Trial]

NETWORKS: dict[str, dict[str, Any]] = {
    "embedding": {"network": "embedding", "embedding_size": 6, "activation": "relu"},
    "product": {"network": "product"},
    "complex": {"network": "complex"},
    "two layers": {"network": "residual", "layers": 2, "activation": "silu"},
    "residual": {"network": "residual", "layers": 4, "activation": "relu"},
    "batch norm": {"network": "residual", "layers": 3, "batch_norm": True},
    "transformer": {
        "network": "transformer", "layers": 1, "heads": 2, "embedding_size": 8, "activation": "relu",
    },
    "two blocks": {
        "network": "transformer", "layers": 2, "heads": 4, "embedding_size": 8, "activation": "gelu",
    },
    "two blocks, not causal": {
        "network": "transformer", "layers": 2, "heads": 1, "embedding_size": 8, "activation": "relu",
        "causal": False,
    },
}  # fmt: skip


@pytest.fixture(params=NETWORKS)
def kind(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The fields of a trial that make one of the networks."""
    return NETWORKS[request.param]


def pack(trial: Make, kind: dict[str, Any], **how: object) -> list[Trial]:
    """Three trials of M = 7 that differ in all that trials of a pack may differ in."""
    rates = ((0.005, 2e-4), (0.02, 0.0), (0.001, 0.01))
    return [
        trial(7, n, seed, hidden_size=12, learning_rate=rate, weight_decay=decay, **kind, **how)
        for seed, (n, (rate, decay)) in enumerate(zip((20, 33, 11), rates, strict=True))
    ]


def results(trials: list[Trial], **options: Any) -> dict[str, TrialResult]:
    """Of trials that raise nothing."""
    found = {one.fingerprint: one for ended in train(trials, **options) for one in ended}
    assert not [one.error for one in found.values() if one.error]
    return found


def assert_same(curve: Curve, other: Curve, rel: float) -> None:
    assert curve.step == other.step
    for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy"):
        assert getattr(curve, name) == pytest.approx(getattr(other, name), rel=rel), name


@pytest.mark.parametrize(("loss", "operands"), [("mse", 2), ("cross_entropy", 2), ("mse", 3)])
def test_a_network_trains_as_its_twin_of_modules(
    trial: Make, kind: dict[str, Any], loss: str, operands: int
) -> None:
    """Alone and in a pack, step for step in float64, whatever n, the seeds and the rates are."""
    trials = pack(trial, kind, loss=loss, operands=operands, max_steps=24, eval_every=4)
    together = results(trials, batch_size=3, dtype=torch.float64)
    for one in trials:
        twin = train_twin(one, dtype=torch.float64)
        (alone,) = results([one], dtype=torch.float64).values()
        assert_same(alone.curve, twin, 1e-6)
        assert_same(together[one.fingerprint].curve, twin, 1e-6)


def test_a_pack_on_a_cpu_gives_the_same_bits_as_each_trial_alone(
    trial: Make, kind: dict[str, Any]
) -> None:
    trials = pack(trial, kind, max_steps=20)
    together = results(trials)
    for one in trials:
        assert together[one.fingerprint].curve == results([one])[one.fingerprint].curve


def test_trials_that_leave_do_not_disturb_the_others(trial: Make, kind: dict[str, Any]) -> None:
    """Nor lose their running statistics."""
    trials = [
        replace(one, max_steps=steps)
        for one, steps in zip(pack(trial, kind, eval_every=4), (4, 20, 12), strict=True)
    ]
    together = results(trials, batch_size=3, dtype=torch.float64)
    for one in trials:
        (alone,) = results([one], dtype=torch.float64).values()
        assert_same(together[one.fingerprint].curve, alone.curve, 1e-8)
