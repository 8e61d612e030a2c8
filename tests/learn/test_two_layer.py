"""The hand-written gradient, evaluation and optimizer against independent references."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from sweeper.learn.learner import initial_weights
from sweeper.learn.train import train
from sweeper.learn.two_layer import TwoLayerBatch
from sweeper.learn.two_layer_costs import batch_bytes, step_flops
from sweeper.spec.trial import Trial
from sweeper.tasks.splits import split_order
from sweeper.tasks.task import task_of


def outputs_of(weights: Tensor, M: int, pairs: np.ndarray) -> Tensor:
    """o = σ(xW)V with one-hot inputs, as a textbook would write it; weights are (3M, K)."""
    W, V = weights[: 2 * M], weights[2 * M :].T
    one_hot = torch.nn.functional.one_hot
    a, b = torch.from_numpy(pairs // M), torch.from_numpy(pairs % M)
    x = torch.cat([one_hot(a, M), one_hot(b, M)], dim=1).to(weights.dtype)
    return torch.square(x @ W) @ V


def loss_of(weights: Tensor, M: int, pairs: np.ndarray) -> Tensor:
    """Mean over samples of ‖o − ō − (e_y − 1/M)‖²."""
    o = outputs_of(weights, M, pairs)
    y = torch.from_numpy((pairs // M + pairs % M) % M)
    target = torch.nn.functional.one_hot(y, M).to(weights.dtype) - 1 / M
    return ((o - o.mean(1, keepdim=True) - target) ** 2).sum(1).mean()


def autograd(trial: Trial, weights: Tensor) -> Tensor:
    leaf = weights.clone().requires_grad_()
    loss_of(leaf, trial.group_order, training_pairs(trial)).backward()
    assert leaf.grad is not None
    return leaf.grad


def training_pairs(trial: Trial) -> np.ndarray:
    return split_order(task_of(trial.group), trial.split_seed)[: trial.n_train]


@pytest.mark.parametrize("M", [5, 12])
def test_gradient_equals_autograd(trial: Callable[..., Trial], M: int) -> None:
    """Three trials of different n in one batch, in float64."""
    trials = [trial(M, n, seed, hidden_size=24) for seed, n in enumerate((8, 20, 13))]
    weights = torch.stack([initial_weights(one) for one in trials])
    gradient = TwoLayerBatch(trials, weights).gradient()
    for one, w, g in zip(trials, weights, gradient, strict=True):
        expected = autograd(one, w)
        torch.testing.assert_close(g, expected, rtol=1e-12, atol=1e-14)
        torch.testing.assert_close(
            TwoLayerBatch([one], w).gradient(), expected, rtol=1e-12, atol=1e-14
        )


@pytest.mark.parametrize("batch", [1, 2])
def test_gradient_does_not_depend_on_the_blocks_it_is_computed_in(
    trial: Callable[..., Trial], monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """Blocks of 7 rows or fewer, of 20 and 13 samples."""
    trials = [trial(5, n, seed, hidden_size=24) for seed, n in enumerate((20, 13)[:batch])]
    weights = torch.stack([initial_weights(one) for one in trials])
    monkeypatch.setattr("sweeper.learn.two_layer_costs.BLOCK_ELEMENTS", {"cpu": 7 * batch * 24})
    gradient = TwoLayerBatch(trials, weights if batch > 1 else weights[0]).gradient()
    for one, w, g in zip(trials, weights, gradient.view_as(weights), strict=True):
        torch.testing.assert_close(g, autograd(one, w), rtol=1e-12, atol=1e-14)


def test_bfloat16_products_round_and_nothing_else(trial: Callable[..., Trial]) -> None:
    """The gradient is the exact one within bfloat16's 8 bits, and float32 in type."""
    one = trial(23, 250)
    weights = initial_weights(one).float()
    found = TwoLayerBatch([one], weights, torch.bfloat16).gradient()
    exact = TwoLayerBatch([one], weights).gradient()
    assert found.dtype == torch.float32
    error = (found - exact).norm() / exact.norm()
    assert 1e-4 < error < 2e-2


@pytest.mark.parametrize(("M", "batch", "precision"), [
    (11, 1, "float32"), (11, 8, "float32"), (47, 1, "float32"), (47, 8, "bfloat16"),
    (71, 1, "bfloat16"), (71, 2, "float32"),
])  # fmt: skip
def test_memory_of_a_batch_is_within_a_tenth_of_its_estimate(
    trial: Callable[..., Trial], M: int, batch: int, precision: str
) -> None:
    n = round(2.7 * M * np.log(M))
    pack = [trial(M, n, i, max_steps=2, matmul_precision=precision) for i in range(batch)]
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        for _ in train(pack, batch_size=batch):
            pass
    events = [
        event
        for event in profile.profiler.kineto_results.events()  # type: ignore[union-attr]
        if event.name() == "[memory]"
    ]
    changes = [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]
    assert max(np.cumsum(changes)) == pytest.approx(batch_bytes(pack[0], batch, "cpu"), rel=0.1)


def test_evaluation_equals_the_textbook(trial: Callable[..., Trial]) -> None:
    M = 7
    trials = [trial(M, n, seed, hidden_size=24) for seed, n in enumerate((8, 30))]
    weights = torch.stack([initial_weights(one) for one in trials]) * 3
    found = TwoLayerBatch(trials, weights).evaluate()
    for i, one in enumerate(trials):
        train = training_pairs(one)
        test = np.setdiff1d(np.arange(M * M), train)
        for pairs, loss, accuracy in [
            (train, found.train_loss[i], found.train_accuracy[i]),
            (test, found.test_loss[i], found.test_accuracy[i]),
        ]:
            assert loss == pytest.approx(loss_of(weights[i], M, pairs).item(), rel=1e-12)
            right = (
                outputs_of(weights[i], M, pairs).argmax(1).numpy() == (pairs // M + pairs % M) % M
            )
            assert accuracy == pytest.approx(right.mean(), rel=1e-12)


def test_evaluation_does_not_depend_on_its_chunks(
    trial: Callable[..., Trial], monkeypatch: pytest.MonkeyPatch
) -> None:
    one = trial(13, 90, hidden_size=24)
    net = TwoLayerBatch([one], initial_weights(one))
    whole = net.evaluate()
    monkeypatch.setattr("sweeper.learn.two_layer_costs.BLOCK_ELEMENTS", {"cpu": 1})
    pieces = net.evaluate()
    assert pieces.test_loss == pytest.approx(whole.test_loss, rel=1e-12)
    assert pieces.test_accuracy == pytest.approx(whole.test_accuracy, rel=1e-12)


def test_initial_weights_depend_on_shapes_and_seed_alone(trial: Callable[..., Trial]) -> None:
    base = initial_weights(trial(11, 80))
    other = trial(11, 20, split_seed=9, learning_rate=0.1, weight_decay=0.0, max_steps=5)
    assert torch.equal(base, initial_weights(other))
    assert not torch.equal(base, initial_weights(trial(11, 80, init_seed=1)))
    W, Vt = base[:22], base[22:]
    assert W.abs().max() <= 22**-0.5
    assert Vt.abs().max() <= 256**-0.5
    assert W.std().item() == pytest.approx(22**-0.5 / 3**0.5, rel=0.03)
    assert Vt.std().item() == pytest.approx(256**-0.5 / 3**0.5, rel=0.03)


def test_flops_are_three_matrix_products(trial: Callable[..., Trial]) -> None:
    assert step_flops(trial(11, 80)) == 3 * (2 * 80 * 256 * 11)
