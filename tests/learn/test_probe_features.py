"""Energies, irreps and interactions of neurons: slow float64 references, known answers."""

import math

import numpy as np
import pytest
import torch

from analysis.landscape import purities as slow_purities
from sweeper.learn.probes.energy import BINS, energy_indicators, flat_directions, heights
from sweeper.learn.probes.interaction import interaction_indicators, interactions
from sweeper.learn.probes.irreps import irrep_indicators, order_of_appearance
from sweeper.tasks.constructions import mixed_order, order_six
from sweeper.tasks.energy import MEASURED_SCALE, PairEnergy, energy, feature
from sweeper.tasks.groups import group_named
from sweeper.tasks.isotypic import isotypic_bases
from tests.learn.probe_cases import (
    NETS,
    Net,
    active,
    built_net,
    random_net,
    snapshot_of,
    values,
)


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
