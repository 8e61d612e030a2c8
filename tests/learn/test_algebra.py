"""CoGO's algebra read from weights: built solutions, disguised ones, and nets that are neither."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from sweeper.learn.probes.algebra import FORMS, OTHER, UNFACTORABLE, algebra, factors, form_of
from sweeper.learn.two_layer import TwoLayerBatch
from sweeper.spec.trial import Trial
from sweeper.tasks.constructions import Solution, memorization, mixed_order, order_six
from sweeper.tasks.group import Group, GroupError
from sweeper.tasks.groups import group_named
from sweeper.tasks.sum_potentials import coefficients, loss, multiply, weights

OMEGA = np.exp(2j * np.pi / 3)
NU_I = [[1, 1, 1], [1j, -1j, 1]]
XI = [[1, 1, 1], [np.exp(0.7j), -1j * np.exp(-0.7j), 1j]]
SYN = [[1, 1, 1], [OMEGA] * 3, [OMEGA.conj()] * 3]
SYN_AB = [
    [1, 1, 1],
    [OMEGA * np.exp(0.4j), OMEGA * np.exp(-0.4j), OMEGA],
    [OMEGA.conj() * np.exp(1j), OMEGA.conj() * np.exp(-1j), OMEGA.conj()],
]


def nu(angle: float) -> list[list[complex]]:
    return [[1, 1, 1], [np.exp(1j * angle), -np.exp(1j * angle), -np.exp(-2j * angle)]]


def columns(nodes: list[list[complex]]) -> np.ndarray:
    return np.array(nodes, np.complex128).T


def disguised(nodes: np.ndarray, seed: int) -> np.ndarray:
    """Turned, scaled, in another order, with the signs that change no outputs."""
    rng = np.random.default_rng(seed)
    signs = np.where(rng.random(nodes.shape[1]) < 0.5, -1, 1)
    turn = 0.3 * np.exp(1j * rng.uniform(0, 6, (3, 1)))
    return (turn * nodes * np.stack([signs, signs, signs**2]))[:, rng.permutation(nodes.shape[1])]


@pytest.mark.parametrize(
    ("two", "rest", "form"),
    [
        (NU_I, XI, FORMS[0]),
        (NU_I, [[1, 1, 1], [1, -1j, 1j]], FORMS[0]),
        (NU_I, SYN_AB, FORMS[1]),
        (NU_I, SYN, FORMS[1]),
        (nu(0.6), SYN, FORMS[2]),
        (nu(0.0), SYN, FORMS[2]),
        (nu(0.6), SYN_AB, OTHER),
        (XI, nu(0.6), OTHER),
    ],
)
@pytest.mark.parametrize("seed", range(4))
def test_products_are_told_by_their_factors(
    two: list[list[complex]], rest: list[list[complex]], form: str, seed: int
) -> None:
    ways = factors(disguised(multiply(columns(two), columns(rest)), seed))
    assert ways[0].error < 1e-12
    assert form_of(ways) == form


@pytest.mark.parametrize(("turn", "form"), [(0.06, FORMS[0]), (-0.1, FORMS[0]), (0.5, OTHER)])
def test_solutions_next_to_a_form_have_it(turn: float, form: str) -> None:
    """1 + [a, b, −ab] does what z_ξ does, whatever ab: ab = ±i is only where weights are least."""
    a, b = np.exp(0.7j), np.exp(1j * (-0.7 - np.pi / 2 - turn))
    nodes = multiply(columns(NU_I), columns([[1, 1, 1], [a, b, -a * b]]))
    a, b, c = nodes
    unwanted = (
        a.conj() * b,
        a * b.conj(),
        (a * b).conj(),
        a**2,
        a.conj() ** 2,
        b**2,
        b.conj() ** 2,
    )
    for product in unwanted:  # all but a·b, and the constants |a|² and |b|²
        assert abs(np.sum(product * c)) < 1e-12
    assert form_of(factors(nodes)) == form


def test_the_error_of_a_product_is_how_far_its_nodes_are_from_one() -> None:
    """With noise of size ε in each of 18 numbers: ratios of two rows, less their mean."""
    rng, size = np.random.default_rng(0), 1e-3
    product = multiply(columns(nu(0.6)), columns(SYN_AB))
    noises = rng.standard_normal((60, 3, 6)) + 1j * rng.standard_normal((60, 3, 6))
    errors = [factors(product + size * noise)[0].error for noise in noises]
    # 9 ratios, each with the noise of two complex numbers, and a third of it lost to the mean
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(size * np.sqrt(24), rel=0.15)


def test_random_nodes_are_no_product() -> None:
    rng = np.random.default_rng(1)
    for q in (4, 6):
        nodes = np.exp(1j * rng.uniform(0, 2 * np.pi, (3, q)))
        assert factors(nodes)[0].error > 0.1 * np.sqrt(3 * q)


@pytest.mark.parametrize("name", ["Z11", "Z12", "Z3xZ5"])
def test_built_solutions_are_read_back(name: str) -> None:
    group = group_named(name)
    pairs = int(np.sum(np.arange(group.order) < group.irreps.conjugates))
    six = algebra(group, *_weights(order_six(group)))
    assert six.orders == {6: pairs}
    assert six.forms == {"nu * syn": pairs}
    assert six.potential_loss < 1e-20
    four = algebra(group, *_weights(mixed_order(group)))
    helper = 1 if group.order % 2 else 0
    assert four.orders == {4: pairs - helper} | ({6: 1} if helper else {})
    assert four.forms["nu_i * xi"] == pairs - helper
    assert four.potential_loss < 1e-20
    assert all(s.error < 1e-12 for s in (*six.solutions, *four.solutions))


def test_other_orders_and_dead_nodes() -> None:
    """A node less leaves order 5, which is no product; a node that has died is not counted."""
    group = group_named("Z11")
    solution = order_six(group)
    W, V = _weights(solution)
    lost = algebra(group, W[:, 1:], V[1:])
    assert lost.orders == {6: 4, 5: 1}
    assert lost.forms == {"nu * syn": 4}
    W[:, 0] *= 1e-2
    assert algebra(group, W, V).orders == lost.orders
    assert lost.potential_loss > 1e-3


def test_noise_is_not_factorable() -> None:
    group, rng = group_named("Z7"), np.random.default_rng(0)
    W = np.concatenate([np.cos(2 * np.pi * np.arange(7)[:, None] / 7 + rng.uniform(0, 6, 6))] * 2)
    found = algebra(group, W, rng.standard_normal((6, 7)))
    assert found.forms == {UNFACTORABLE: 1}
    assert found.orders == {6: 1, 0: 2}


@pytest.mark.parametrize("name", ["Z11", "Z8", "Z2xZ4"])
@pytest.mark.parametrize("build", [None, memorization])
def test_the_loss_in_sum_potentials_is_that_of_the_engine(
    trial: Callable[..., Trial], name: str, build: Callable[[Group], Solution] | None
) -> None:
    """Of any weights, those with means too, which built nets do without."""
    group = group_named(name)
    M = group.order
    rng = np.random.default_rng(3)
    W, V = rng.standard_normal((2 * M, 10)), rng.standard_normal((10, M))
    if build:
        W, V = _weights(build(group))
        W[:M] += 0.2
    M2, K = M * M, W.shape[1]
    one = trial(M, M2 - 1, hidden_size=K, group=name)
    metrics = TwoLayerBatch([one], torch.from_numpy(np.concatenate([W, V.T]))).evaluate()
    mean = (metrics.train_loss[0] * (M2 - 1) + metrics.test_loss[0]) / M2
    assert algebra(group, W, V).potential_loss == pytest.approx(mean, rel=1e-12)


def test_coefficients_are_the_inverse_of_weights() -> None:
    group, rng = group_named("Z2xZ4"), np.random.default_rng(0)
    z = rng.standard_normal((3, 8, 5)) + 1j * rng.standard_normal((3, 8, 5))
    z[:, 0] = 0
    W, V = weights(group, z)
    np.testing.assert_allclose(coefficients(group, W, V), z, atol=1e-13)
    shifted = coefficients(group, W + 0.5, V + 0.7)
    np.testing.assert_allclose(shifted[:2, 0], 0.5)
    np.testing.assert_allclose(shifted[2], z[2], atol=1e-13)
    assert loss(group, coefficients(group, W, V + 0.7)) == pytest.approx(loss(group, z))


def test_only_abelian_groups_have_an_algebra() -> None:
    with pytest.raises(GroupError, match=r"^S3 is not abelian$"):
        algebra(group_named("S3"), np.ones((12, 2)), np.ones((2, 6)))


def _weights(solution: Solution) -> tuple[np.ndarray, np.ndarray]:
    return np.array(solution.W.real), np.array(solution.V.real)
