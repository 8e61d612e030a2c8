"""Probes against slow float64 references, and on nets whose answers are known."""

import math

import numpy as np
import pytest
import torch

from analysis.landscape import purities as slow_purities
from sweeper.learn.probes.energy import BINS, energy_indicators, flat_directions, heights
from sweeper.learn.probes.gradient import gradient_indicators, ridge_gradient
from sweeper.learn.probes.interaction import interaction_indicators, interactions
from sweeper.learn.probes.irreps import irrep_indicators, order_of_appearance
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
from sweeper.tasks.constructions import irrep_solution, mixed_order, order_six
from sweeper.tasks.energy import MEASURED_SCALE, PairEnergy, energy, feature
from sweeper.tasks.groups import group_named
from sweeper.tasks.isotypic import isotypic_bases
from tests.learn.probe_cases import Net, active, built_net, cosine, random_net, snapshot_of

NETS = [("Z11", 60, 40), ("Z11", 40, 90), ("Z8", 30, 20), ("S3", 25, 12), ("Q8", 50, 33)]
"""Group, n, K: more samples than neurons, and fewer."""


def values(indicators: dict[str, torch.Tensor], i: int = 0) -> dict[str, object]:
    return {name: tensor[i].tolist() for name, tensor in indicators.items()}


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


@pytest.mark.parametrize(("name", "n", "K"), NETS)
def test_heights_and_histogram_are_those_of_the_energy(name: str, n: int, K: int) -> None:
    net = random_net(name, n, K)
    M = net.group.order
    slow = PairEnergy.of(net.group.table, net.codes).value_and_gradient(net.W)[0]
    slow *= (M * M / n) ** 2 / np.sum(net.W**2, axis=0) ** 2 / MEASURED_SCALE / (M / 8)
    snapshot = snapshot_of(net)
    np.testing.assert_allclose(heights(snapshot)[0], slow, rtol=1e-4)
    found, there = values(energy_indicators(snapshot)), active(net) > 0
    expected = np.histogram(np.minimum(slow[there], 1.999), bins=BINS, range=(0, 2))[0]
    assert np.abs(np.array(found["height_counts"]) - expected).sum() <= 2  # on a bin's edge
    assert sum(found["height_counts"]) == there.sum()  # type: ignore[arg-type]
    assert found["height"] == pytest.approx(np.average(slow, weights=active(net)), rel=1e-4)


@pytest.mark.parametrize("name", ["Z11", "Z8", "D6", "Q8", "Z7:Z3"])
def test_features_stand_at_the_heights_of_theorem_2(name: str) -> None:
    """M/8d_k for a real irrep and M/16d_k for the others, on all pairs."""
    group, rng = group_named(name), np.random.default_rng(0)
    irreps = [int(i) for i in group.irreps.real[1:] for _ in range(2)]
    W = np.stack(
        [feature(group.table, group.irreps, i, (-1) ** j, rng) for j, i in enumerate(irreps)],
        axis=1,
    )
    V = np.full((len(irreps), group.order), -1.0)
    V[:, 0] = 1.0
    net = Net(group, np.arange(group.order**2), 3 * W, V, 0.1)
    snapshot = snapshot_of(net)
    expected = [1 / group.irreps.real_dims[i] for i in irreps]
    np.testing.assert_allclose(heights(snapshot)[0], expected, rtol=1e-5)
    found = values(energy_indicators(snapshot))
    assert found["at_maximum"] == 1
    assert found["height_share"] == pytest.approx(1)
    seen = values(irrep_indicators(snapshot))
    assert seen["irrep_neurons"] == [0] + [2] * (len(irreps) // 2)
    assert seen["irreps_covered"] == len(irreps) // 2
    assert seen["purity"] == pytest.approx(1)
    assert seen["dominant_share"] == pytest.approx(1)


@pytest.mark.parametrize(("name", "n", "K"), NETS)
def test_purities_are_those_of_projections(name: str, n: int, K: int) -> None:
    net = random_net(name, n, K)
    bases = isotypic_bases(net.group.table, net.group.irreps)
    slow = slow_purities(bases[1:], net.W / np.linalg.norm(net.W, axis=0))
    place, purity = snapshot_of(net).dominant
    np.testing.assert_allclose(purity[0], slow.max(axis=0), atol=1e-5)
    np.testing.assert_array_equal(place[0], 1 + slow.argmax(axis=0))
    powers = snapshot_of(net).powers[0]
    np.testing.assert_allclose(powers.sum(0), np.sum(net.W**2, axis=0), rtol=1e-5)


def test_solutions_cover_their_irreps() -> None:
    """Six nodes for every frequency; four for all but the one that helps, which has six."""
    six = values(irrep_indicators(snapshot_of(built_net("Z11", order_six(group_named("Z11"))))))
    assert six["irrep_neurons"] == [0, 6, 6, 6, 6, 6]
    four = values(irrep_indicators(snapshot_of(built_net("Z11", mixed_order(group_named("Z11"))))))
    assert sorted(four["irrep_neurons"]) == [0, 4, 4, 4, 4, 6]  # type: ignore[call-overload]


def test_noise_is_of_no_irrep_and_dead_neurons_do_not_count() -> None:
    net = random_net("Z23", 200, 300)
    net.W[:, 100:] *= 1e-3
    net.W[:, 299] = 0
    found = values(irrep_indicators(snapshot_of(net)))
    assert found["active_neurons"] == 100
    assert found["irreps_covered"] == 0
    assert 0.05 < found["purity"] < 0.25  # type: ignore[operator]
    assert all(np.isfinite(value).all() for value in found.values())


@pytest.mark.parametrize(("n", "K"), [(60, 40), (40, 90)])
def test_interactions_are_entries_of_the_inverse_and_obey_theorem_6(n: int, K: int) -> None:
    """sign b_jl = −sign f̃_jᵀPf̃_l with P from all the other features."""
    net = random_net("Z11", n, K, seed=3)
    F, eta = net.centring @ net.activations, net.ridge
    B = np.linalg.inv(F.T @ F + eta * np.eye(K))
    neurons = [4, 0, 17, 31, 9]
    found, products = interactions(snapshot_of(net, dtype=torch.float64), torch.tensor([neurons]))
    np.testing.assert_allclose(found[0], B[np.ix_(neurons, neurons)], rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(products[0], (F.T @ F)[np.ix_(neurons, neurons)], atol=1e-9)
    for i, j in enumerate(neurons):
        for m, other in enumerate(neurons[:i]):
            rest = np.delete(F, [j, other], axis=1)
            inner = np.linalg.inv(rest.T @ rest + eta * np.eye(K - 2))
            through = F[:, j] @ F[:, other] - F[:, j] @ rest @ inner @ rest.T @ F[:, other]
            assert math.copysign(1, found[0, i, m].item()) == -math.copysign(1, through)


def test_equal_neurons_repel() -> None:
    """Two neurons with parallel features, and no others."""
    group = group_named("Z5")
    w = feature(group.table, group.irreps, 1, 1, np.random.default_rng(0))
    W = np.stack([w, 1.1 * w], axis=1)
    V = np.random.default_rng(1).standard_normal((2, 5))
    found = values(interaction_indicators(snapshot_of(Net(group, np.arange(25), W, V, 0.05))))
    assert found == {"repelled": 1.0, "alike_pairs": 1, "alike_repelled": 1.0}


@pytest.mark.parametrize(("name", "n", "K"), [("Z11", 60, 40), ("Z11", 40, 90)])
def test_interaction_indicators_count_pairs(name: str, n: int, K: int) -> None:
    net = random_net(name, n, K, seed=5)
    F = net.centring @ net.activations
    largest = np.argsort(-active(net))[:64]
    B = np.linalg.inv(F.T @ F + net.ridge * np.eye(K))[np.ix_(largest, largest)]
    products = (F.T @ F)[np.ix_(largest, largest)]
    cosines = products / np.sqrt(np.outer(np.diag(products), np.diag(products)))
    upper = np.triu_indices(len(largest), 1)
    apart, alike = (B * products < 0)[upper], (np.abs(cosines) >= 0.5)[upper]
    found = values(interaction_indicators(snapshot_of(net)))
    assert found["repelled"] == pytest.approx(apart.mean(), abs=2 / len(apart))
    assert found["alike_pairs"] == alike.sum()


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


@pytest.mark.parametrize("name", ["Z11", "Z8", "D5", "Q8"])
def test_features_are_flat_maxima(name: str) -> None:
    """Corollary 1: a zero eigenvalue or more, none above 0; at a random w neither."""
    group, rng = group_named(name), np.random.default_rng(0)
    every = PairEnergy.of(group.table, np.arange(group.order**2))
    for i in group.irreps.real[1:]:
        w = feature(group.table, group.irreps, int(i), 1, rng)
        flat, largest = flat_directions(every, 2 * w)
        assert flat >= (1 if group.irreps.real_dims[i] > 1 else 0)
        assert abs(largest) < 1e-9 or (largest < 0 and group.irreps.real_dims[i] == 1)
    flat, largest = flat_directions(every, rng.standard_normal(2 * group.order))
    assert flat == 0
    assert largest > 0.01


def test_the_hessian_is_that_of_second_differences() -> None:
    group, rng = group_named("S3"), np.random.default_rng(1)
    pairs = PairEnergy.of(group.table, rng.permutation(36)[:20])
    w = rng.standard_normal(12)
    w /= np.linalg.norm(w)
    across = np.linalg.qr(w[:, None], mode="complete")[0][:, 1:]

    def height(step: np.ndarray) -> float:
        moved = w + across @ step
        return float(pairs.value_and_gradient(moved[:, None])[0][0] / np.sum(moved**2) ** 2)

    size, eye = 1e-4, np.eye(11)
    differences = [
        [
            height(size * (p + q)) - height(size * (p - q)) - height(size * (q - p))
            + height(-size * (p + q))
            for q in eye
        ]
        for p in eye
    ]  # fmt: skip
    slow = np.linalg.eigvalsh(np.array(differences) / (4 * size**2))
    np.testing.assert_allclose(pairs.sphere_hessian(w), slow, atol=1e-5 * np.abs(slow).max())
    assert energy(group.table, w) == pytest.approx(
        PairEnergy.of(group.table, np.arange(36)).value_and_gradient(w[:, None])[0][0]
    )


def test_order_of_appearance_is_of_irreps_that_stay() -> None:
    basis = snapshot_of(random_net("Z8", 30, 4)).basis  # frequencies 1, 2, 3, 4 of real irreps
    names = basis.names[1:]
    steps = [1, 2, 4, 8]
    counts = [[9, 0, 1, 0, 0], [9, 1, 0, 0, 0], [9, 1, 2, 0, 1], [9, 2, 3, 0, 0]]
    expected = {names[0]: 2, names[1]: 4}
    assert list(order_of_appearance(steps, counts, basis).items()) == list(expected.items())
    twice = order_of_appearance(steps, counts, basis, neurons=2)
    assert list(twice.items()) == [(names[1], 4), (names[0], 8)]


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
