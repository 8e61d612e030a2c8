"""Exact solutions: their outputs at all pairs, their nodes, and the algebra they are made with."""

from collections.abc import Callable

import numpy as np
import pytest

from sweeper.tasks.constructions import (
    Solution,
    irrep_solution,
    memorization,
    mixed_order,
    order_six,
)
from sweeper.tasks.energy import energy
from sweeper.tasks.group import Group, GroupError
from sweeper.tasks.groups import group_named
from sweeper.tasks.sum_potentials import (
    LEFT,
    RIGHT,
    add,
    characters,
    constants,
    loss,
    multiply,
    one,
    sum_potentials,
    weights,
)

Build = Callable[[Group], Solution]

ABELIAN = ["Z2", "Z3", "Z4", "Z5", "Z8", "Z12", "Z23", "Z2xZ2", "Z3xZ3", "Z4xZ7"]
NON_ABELIAN = ["S3", "D7", "Q8", "Dic3", "A4", "S4", "Z7:Z3", "Heis3", "A5"]


def error_of(group: Group, outputs: np.ndarray) -> float:
    """The largest deviation from the centred one-hot targets."""
    return float(np.abs(outputs - (np.eye(group.order)[group.table] - 1 / group.order)).max())


@pytest.mark.parametrize("build", [irrep_solution, order_six, mixed_order, memorization])
@pytest.mark.parametrize("name", ABELIAN)
def test_outputs_are_the_centred_targets_of_abelian_groups(name: str, build: Build) -> None:
    group = group_named(name)
    assert error_of(group, build(group).outputs()) < 1e-12


@pytest.mark.parametrize("name", NON_ABELIAN)
def test_outputs_are_the_centred_targets_of_other_groups(name: str) -> None:
    group = group_named(name)
    assert error_of(group, irrep_solution(group).outputs()) < 1e-12
    if group.order <= 24:
        assert error_of(group, memorization(group).outputs()) < 1e-12


def test_outputs_are_those_of_one_hot_inputs() -> None:
    """σ(xW)V with x written out."""
    solution, M = irrep_solution(group_named("Q8")), 8
    x = np.array([np.append(np.eye(M)[a], np.eye(M)[b]) for a in range(M) for b in range(M)])
    expected = (x @ solution.W) ** 2 @ solution.V
    np.testing.assert_allclose(solution.outputs().reshape(-1, M), expected, atol=1e-14)


@pytest.mark.parametrize(
    ("build", "nodes"),
    [
        (irrep_solution, {"Z23": 44, "Z8": 14, "Z2xZ2": 6, "S3": 18, "S4": 126, "A5": 486}),
        (order_six, {"Z23": 66, "Z8": 20, "Z2": 2, "Z2xZ2": 6, "Z3xZ3": 24}),
        (mixed_order, {"Z23": 46, "Z8": 14, "Z2": 2, "Z3": 6, "Z2xZ2": 6, "Z3xZ3": 18}),
        (memorization, {"Z23": 529, "S3": 36}),
    ],
)
def test_nodes(build: Build, nodes: dict[str, int]) -> None:
    """2·Σ d_k³; six or four a pair of characters and two a real one; M²."""
    assert {name: build(group_named(name)).nodes for name in nodes} == nodes


@pytest.mark.parametrize(
    ("name", "real"), [("D7", True), ("S4", True), ("Z2xZ2", True), ("Q8", False), ("Z5", False)]
)
def test_weights_are_real_where_all_irreps_are(name: str, real: bool) -> None:
    assert np.isrealobj(irrep_solution(group_named(name)).W) == real


def test_rows_are_w_over_v_transposed() -> None:
    solution = order_six(group_named("Z5"))
    rows = solution.rows()
    assert rows.shape == (15, 12)
    assert rows.dtype == np.float64
    np.testing.assert_array_equal(rows[:10], solution.W)
    np.testing.assert_array_equal(rows[10:].T, solution.V)


def test_complex_weights_are_no_trials() -> None:
    with pytest.raises(ValueError, match=r"^the weights are complex; a trial's are real$"):
        irrep_solution(group_named("Z5")).rows()


@pytest.mark.parametrize("build", [order_six, mixed_order, characters])
def test_fourier_solutions_are_refused_to_other_groups(build: Callable[[Group], object]) -> None:
    with pytest.raises(GroupError, match=r"^S3 is not abelian$"):
        build(group_named("S3"))


@pytest.mark.parametrize("name", ["Z9", "S4", "Q8", "Z7:Z3"])
def test_nodes_of_irreps_are_maxima_over_complex_weights(name: str) -> None:
    """E = ½‖Ỹᵀσ(Xw)‖² at ‖w‖ = 1 is M/(2·d_k), as often as there are nodes of irrep k."""
    group = group_named(name)
    M, W = group.order, irrep_solution(group).W
    u, v = np.split(W / np.linalg.norm(W, axis=0), 2)
    Y = np.eye(M)[group.table.ravel()] - 1 / M
    activations = np.square(u[:, None] + v[None]).reshape(M * M, -1)
    heights = 0.5 * np.sum(np.abs(Y.T @ activations) ** 2, axis=0)
    expected = [M / (2 * d) for d in group.irrep_dims[1:] for _ in range(2 * d**3)]
    np.testing.assert_allclose(heights, expected)


@pytest.mark.parametrize("build", [order_six, mixed_order])
@pytest.mark.parametrize("name", ["Z9", "Z8"])
def test_nodes_of_fourier_solutions_are_maxima(name: str, build: Build) -> None:
    """M/4 for a single frequency, M/2 for the alternating vector of two nodes (Corollary 2)."""
    group = group_named(name)
    W = build(group).W
    heights = [energy(group.table, w / np.linalg.norm(w)) for w in W.T]
    single = len(heights) - (2 if group.order % 2 == 0 else 0)
    expected = [group.order / 4] * single + [group.order / 2] * (len(heights) - single)
    np.testing.assert_allclose(sorted(heights), expected)


def random_net(M: int, nodes: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((3, M, nodes)) + 1j * rng.standard_normal((3, M, nodes))
    z[:, 0] = 0
    return z


@pytest.mark.parametrize(("p", "q"), [(LEFT, RIGHT), (LEFT, LEFT), (RIGHT, RIGHT)])
def test_sum_potentials_are_ring_homomorphisms(p: int, q: int) -> None:
    x, y = random_net(5, 3, 0), random_net(5, 4, 1)
    of_x, of_y = sum_potentials(x, p, q), sum_potentials(y, p, q)
    np.testing.assert_allclose(sum_potentials(add(x, y), p, q), of_x + of_y)
    np.testing.assert_allclose(sum_potentials(multiply(x, y), p, q), of_x * of_y)
    np.testing.assert_array_equal(multiply(x, one(5)), x)
    nontrivial = sum_potentials(one(5), p, q)[1:, 1:, 1:]
    np.testing.assert_array_equal(nontrivial, np.ones((4, 4, 4)))


@pytest.mark.parametrize("name", ["Z7", "Z8", "Z2xZ4"])
def test_loss_from_sum_potentials_is_that_of_the_outputs(name: str) -> None:
    """Of random complex weights."""
    group = group_named(name)
    M = group.order
    z = random_net(M, 4, 2) / 3
    outputs = Solution(*weights(group, z)).outputs()
    deviation = outputs - outputs.mean(axis=2, keepdims=True) - np.eye(M)[group.table] + 1 / M
    assert loss(group, z) == pytest.approx(np.mean(np.sum(np.abs(deviation) ** 2, axis=2)))


def at_all_pairs(group: Group, nodes: list[list[complex]]) -> np.ndarray:
    """The nodes, each [z_a, z_b, z_c], at one of each pair of characters: a real net."""
    conjugates, parts = group.irreps.conjugates, []
    for k in range(1, group.order):
        if k < conjugates[k]:
            z = np.zeros((3, group.order, len(nodes)), np.complex128)
            z[:, k] = np.array(nodes).T
            z[:, conjugates[k]] = z[:, k].conj()
            parts.append(z)
    return add(*parts)


@pytest.mark.parametrize("M", [5, 9])
def test_three_nodes_a_frequency_fail_by_the_squares_alone(M: int) -> None:
    """z_syn leaves r_{p,k,k,k} = 1 for both p: a loss of 1/M · Σ_k ¼·2."""
    group = group_named(f"Z{M}")
    w = np.exp(2j * np.pi / 3)
    z = at_all_pairs(group, [[w**j * 3 ** (-1 / 3)] * 3 for j in range(3)])
    diagonal = np.zeros((M, M, M))
    k = np.arange(1, M)
    diagonal[k, k, k] = 1
    np.testing.assert_allclose(sum_potentials(z), diagonal, atol=1e-14)
    np.testing.assert_allclose(sum_potentials(z, LEFT, LEFT), diagonal, atol=1e-14)
    np.testing.assert_allclose(constants(z, group.irreps.conjugates), 0, atol=1e-14)
    assert loss(group, z) == pytest.approx((M - 1) / (2 * M))


@pytest.mark.parametrize("M", [5, 9])
def test_four_nodes_a_frequency_fail_by_a_constant_alone(M: int) -> None:
    """Σ_p Σ_k′ r_{p,k′,−k′,k} = 2(1 ± i), a constant of the outputs: a loss of ¼·8 for each k."""
    group = group_named(f"Z{M}")
    z = at_all_pairs(
        group,
        [[s * t * 4 ** (-1 / 3) for s, t in zip(x, y, strict=True)]
         for x in ([1, 1, 1], [1j, -1j, 1]) for y in ([1, 1, 1], [1, -1j, 1j])],
    )  # fmt: skip
    np.testing.assert_allclose(np.abs(constants(z, group.irreps.conjugates)[1:]), 8**0.5)
    assert loss(group, z) == pytest.approx(2 * (M - 1) / M)
    outputs = Solution(*weights(group, z)).outputs()
    assert error_of(group, outputs - outputs.mean(axis=(0, 1))) < 1e-14


@pytest.mark.parametrize("M", [5, 8])
def test_memorization_is_the_product_of_two_geometric_series(M: int) -> None:
    """CoGO's z_M = M^(−2/3) z_a * z_b, node for node."""
    group = group_named(f"Z{M}")
    chi = characters(group)
    ones = np.ones_like(chi)
    z_a, z_b = np.stack([chi.conj(), ones, chi]), np.stack([ones, chi.conj(), chi])
    z = M ** (-2 / 3) * multiply(z_a, z_b)
    z[:, 0] = 0
    W, V = weights(group, z)
    found = memorization(group)
    np.testing.assert_allclose(found.W, W, atol=1e-14)
    np.testing.assert_allclose(found.V, V, atol=1e-14)
