"""Stages, gradients and batches of probes: slow float64 references, known answers."""

import math

import numpy as np
import pytest
import torch

from sweeper.learn.probes.energy import energy_indicators
from sweeper.learn.probes.gradient import gradient_indicators, ridge_gradient
from sweeper.learn.probes.interaction import interaction_indicators
from sweeper.learn.probes.irreps import irrep_indicators
from sweeper.learn.probes.stages import (
    Stage,
    Thresholds,
    energy_gradient,
    loss_gradients,
    mean_cosine,
    stage_indicators,
    stage_labels,
    stage_starts,
)
from sweeper.tasks.constructions import irrep_solution
from sweeper.tasks.groups import group_named
from tests.learn.probe_cases import (
    NETS,
    Net,
    active,
    built_net,
    cosine,
    random_net,
    snapshot_of,
    values,
)


@pytest.mark.parametrize(("name", "n", "K"), NETS)
def test_stage_indicators_are_those_of_their_definitions(name: str, n: int, K: int) -> None:
    net = random_net(name, n, K)
    before = net.W + 0.01 * np.random.default_rng(9).standard_normal(net.W.shape)
    gradient = net.gradient()
    found = stage_indicators(snapshot_of(net), torch.from_numpy(before[None]).float(), steps=5)
    rows = len(net.W)
    of_W, sizes = gradient[:rows], active(net)
    there = np.flatnonzero(sizes)
    pairs = [cosine(of_W[:, i], of_W[:, j]) for i in there for j in there if i != j]
    upwards = net.energy_gradient()
    aligned = [sizes[j] * cosine(-of_W[:, j], upwards[:, j]) for j in there]
    spectrum = np.linalg.eigvalsh(
        (net.centring @ net.activations).T @ (net.centring @ net.activations)
    )
    expected = {
        "W_norm": np.linalg.norm(net.W),
        "V_norm": np.linalg.norm(net.V),
        "W_grad_norm": np.linalg.norm(of_W),
        "V_grad_norm": np.linalg.norm(gradient[rows:]),
        "W_change": np.linalg.norm(net.W - before) / np.linalg.norm(before) / 5,
        "gradient_cosine": np.mean(pairs),
        "energy_alignment": np.sum(aligned) / sizes.sum(),
        "feature_rank": spectrum.sum() ** 2 / np.sum(spectrum**2),
    }
    assert values(found) == pytest.approx(expected, rel=1e-4, abs=1e-6)


def test_the_references_gradients_are_those_of_autograd() -> None:
    net = random_net("Z8", 30, 12)
    W = torch.from_numpy(net.W).requires_grad_()
    V = torch.from_numpy(net.V).requires_grad_()
    X, Y, P = (torch.from_numpy(array) for array in (net.inputs, net.one_hot, net.centring))
    o = (X @ W).square() @ V
    loss = (o - o.mean(1, keepdim=True) - Y + 1 / 8).square().sum(1).mean()
    of_W, of_V = torch.autograd.grad(loss, [W, V])
    np.testing.assert_allclose(net.gradient(), np.concatenate([of_W, of_V.T]), atol=1e-12)
    top = 0.5 * (P @ Y).T.matmul((X @ W).square()).square().sum()
    np.testing.assert_allclose(net.energy_gradient(), torch.autograd.grad(top, W)[0], atol=1e-12)


def test_neurons_climb_their_energy_when_the_output_layer_is_what_theorem_1_has() -> None:
    """With V = ỸᵀF̃ᵀ, small, G_F is ỸỸᵀF̃ but for the mean over samples: alignment near 1."""
    net = random_net("Z11", 121, 30)
    V = 1e-6 * (net.centring @ net.activations).T @ net.centring @ net.one_hot
    small = Net(net.group, net.codes, net.W, V, net.ridge)
    snapshot = snapshot_of(small, dtype=torch.float64)
    found = stage_indicators(snapshot, snapshot.W + 1, 1)["energy_alignment"]
    assert found.item() == pytest.approx(1, abs=1e-4)
    np.testing.assert_allclose(energy_gradient(snapshot)[0], net.energy_gradient(), atol=1e-10)


def test_mean_cosine_of_known_columns() -> None:
    """Of equal columns 1, of orthogonal ones 0; columns of zeros and idle ones do not count."""
    rows = torch.zeros(1, 4, 4)
    rows[0, 0, :2] = torch.tensor([1.0, 3.0])
    every = torch.ones(1, 4, dtype=torch.bool)
    assert mean_cosine(rows, every).item() == pytest.approx(1)
    assert mean_cosine(torch.eye(4)[None], every).item() == pytest.approx(0, abs=1e-7)
    rows[0, 1, 3] = 1
    idle = torch.tensor([[True, True, True, False]])
    assert mean_cosine(rows, idle).item() == pytest.approx(1)
    assert mean_cosine(rows, every).item() == pytest.approx(1 / 3)


@pytest.mark.parametrize(("name", "n", "K"), NETS)
def test_the_ridge_gradient_is_the_exact_formula(name: str, n: int, K: int) -> None:
    """G_F = η(F̃F̃ᵀ + ηI)⁻¹ỸỸᵀF̃(F̃ᵀF̃ + ηI)⁻¹."""
    net = random_net(name, n, K)
    F, Y, eta = net.centring @ net.activations, net.centring @ net.one_hot, net.ridge
    left = np.linalg.inv(F @ F.T + eta * np.eye(n))
    formula = eta * left @ Y @ Y.T @ F @ np.linalg.inv(F.T @ F + eta * np.eye(K))
    found = ridge_gradient(snapshot_of(net, dtype=torch.float64))
    np.testing.assert_allclose((found.left @ found.right.mT)[0], formula, atol=1e-10)


@pytest.mark.parametrize(("name", "n", "K"), NETS)
def test_gradient_indicators_are_those_of_their_definitions(name: str, n: int, K: int) -> None:
    net = random_net(name, n, K)
    F, Y, eta = net.centring @ net.activations, net.centring @ net.one_hot, net.ridge
    V = net.V - net.V.mean(axis=1, keepdims=True)
    actual = net.centring @ net.residual @ V.T
    ridge = np.linalg.solve(F.T @ F + eta * np.eye(K), F.T @ Y)
    exact = (Y - F @ ridge) @ ridge.T
    expected = {
        "grad_features": np.linalg.norm(actual),
        "label_cosine": cosine(actual, Y @ Y.T @ F),
        "ridge_cosine": cosine(actual, exact),
        "ridge_ratio": np.linalg.norm(actual) / np.linalg.norm(exact),
        "ridge_distance": np.linalg.norm(V - ridge) / np.linalg.norm(ridge),
        "sample_off_diagonal": 1 - np.sum(np.diag(F @ F.T) ** 2) / np.sum((F @ F.T) ** 2),
        "feature_off_diagonal": 1 - np.sum(np.diag(F.T @ F) ** 2) / np.sum((F.T @ F) ** 2),
    }
    assert values(gradient_indicators(snapshot_of(net))) == pytest.approx(expected, rel=1e-3)


def test_at_the_ridge_solution_the_gradient_is_the_ridge_formula() -> None:
    """On few pairs as on all."""
    net = random_net("Z8", 40, 20)
    F, Y = net.centring @ net.activations, net.centring @ net.one_hot
    ridge = np.linalg.solve(F.T @ F + net.ridge * np.eye(20), F.T @ Y)
    fitted = Net(net.group, net.codes, net.W, ridge, net.ridge)
    found = values(gradient_indicators(snapshot_of(fitted, dtype=torch.float64)))
    assert found["ridge_distance"] == pytest.approx(0, abs=1e-10)
    assert found["ridge_ratio"] == pytest.approx(1)
    assert found["ridge_cosine"] == pytest.approx(1)


def test_without_weight_decay_there_is_no_ridge() -> None:
    snapshot = snapshot_of(random_net("Z8", 30, 12, ridge=0.0), random_net("Z8", 30, 12))
    none, some = (values(gradient_indicators(snapshot), i) for i in (0, 1))
    missing = {name for name, value in none.items() if math.isnan(value)}  # type: ignore[arg-type]
    assert missing == {"ridge_cosine", "ridge_ratio", "ridge_distance"}
    assert all(math.isfinite(value) for value in some.values())  # type: ignore[arg-type]
    assert math.isnan(interaction_indicators(snapshot)["repelled"][0])


def test_an_exact_solution_has_no_gradient() -> None:
    net = built_net("S3", irrep_solution(group_named("S3")))
    found = values(gradient_indicators(snapshot_of(net, dtype=torch.float64)))
    assert found["grad_features"] == pytest.approx(0, abs=1e-12)


def test_a_batch_gives_what_its_trials_give_alone() -> None:
    """Also with different n, where the shorter one is padded."""
    nets = [random_net("Z11", 60, 40, seed=1), random_net("Z11", 45, 40, seed=2, ridge=0.2)]
    together = snapshot_of(*nets)
    for i, net in enumerate(nets):
        alone = snapshot_of(net)
        for probe in (
            irrep_indicators,
            energy_indicators,
            gradient_indicators,
            interaction_indicators,
        ):
            for name, expected in probe(alone).items():
                torch.testing.assert_close(
                    probe(together)[name][i], expected[0], rtol=1e-3, atol=1e-5, equal_nan=True
                )
        torch.testing.assert_close(energy_gradient(together)[i], energy_gradient(alone)[0])
        for found, expected in zip(loss_gradients(together), loss_gradients(alone), strict=True):
            torch.testing.assert_close(found[i], expected[0])
        gradient = np.concatenate([part[0] for part in loss_gradients(alone)])
        np.testing.assert_allclose(gradient, net.gradient(), rtol=1e-3, atol=1e-5)
    kept = together.pairs.keep([1])
    torch.testing.assert_close(kept.targets[0, :45], snapshot_of(nets[1]).pairs.targets[0])


def test_stages_follow_their_thresholds() -> None:
    labels = stage_labels(
        {
            "train_accuracy": [0.5, 1, 1, 1, 1, 1, 1],
            "test_accuracy": [0, 0, 0, 0, 0.3, 0.96, 1],
            "energy_alignment": [0.9, 0.2, 0.7, 0.8, 0.4, 0.3, 0.9],
            "feature_rank": [100, 110, 105, 100, 80, 50, 40],
            "W_change": [0.05, 0.01, 0.01, 0.01, 0.01, 0.01, 1e-4],
        }
    )
    assert labels == [1, 1, 2, 2, 3, 3, 4]
    assert stage_starts([1, 2, 4, 8, 16, 32, 64], labels) == {
        Stage.LAZY: 1,
        Stage.INDEPENDENT: 4,
        Stage.INTERACTIVE: 16,
    }


@pytest.mark.parametrize(
    ("thresholds", "expected"),
    [
        (Thresholds(), [2, 2, 3, 3]),
        (Thresholds(alignment=0.75), [1, 2, 3, 3]),
        (Thresholds(rank_fall=0.5), [2, 2, 1, 3]),
        (Thresholds(accuracy=0.2), [2, 2, 3, 3]),
        (Thresholds(accuracy=0.99), [2, 2, 3, 3]),
        (Thresholds(change=0.02), [1, 1, 1, 4]),
        (Thresholds(fit_accuracy=1.01), [1, 1, 1, 3]),
    ],
)
def test_every_threshold_tells(thresholds: Thresholds, expected: list[int]) -> None:
    columns = {
        "train_accuracy": [1, 1, 1, 1],
        "test_accuracy": [0, 0, 0.3, 0.96],
        "energy_alignment": [0.7, 0.8, 0.4, 0.3],
        "feature_rank": [105, 100, 75, 50],
        "W_change": [0.01, 0.01, 0.01, 0.01],
    }
    assert stage_labels(columns, thresholds) == expected
