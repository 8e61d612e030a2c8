"""Theorem 7: with some irreps learned, what is left of the energy has maxima on the others only."""

import numpy as np
import pytest

from analysis.ascent import climb
from analysis.landscape import purities
from sweeper.tasks.constructions import irrep_solution, order_six
from sweeper.tasks.energy import PairEnergy
from sweeper.tasks.groups import group_named
from sweeper.tasks.isotypic import isotypic_bases


@pytest.mark.parametrize("name", ["Z11", "Z8", "D7", "S4"])
@pytest.mark.parametrize("planted", [[], [0], [0, 2], [1]])
def test_ascents_end_on_missing_irreps_only(name: str, planted: list[int]) -> None:
    """From random starts, with the nodes of an exact solution that belong to the planted irreps."""
    group = group_named(name)
    M = group.order
    solution = order_six(group) if group.max_irrep_dim == 1 else irrep_solution(group)
    bases = isotypic_bases(group.table, group.irreps)[1:]
    W = np.real(solution.W)
    of_node = purities(bases, W / np.linalg.norm(W, axis=0)).argmax(axis=0)
    W = W[:, np.isin(of_node, planted)]

    every = PairEnergy.of(group.table, np.arange(M * M))
    left = every.without(np.square(every.hidden(W)), ridge=1e-6)
    starts = np.random.default_rng(0).standard_normal((2 * M, 40))
    ascent = climb(left, starts)

    assert ascent.arrived.all()
    purity = purities(bases, ascent.w)
    ended = set(purity.argmax(axis=0).tolist())
    assert purity.max(axis=0).min() > 0.99
    assert ended <= set(range(len(bases))) - set(planted)
    if not planted:  # all that has maxima is found, and by far not one irrep alone
        assert len(ended) >= len(bases) / 2


def test_what_is_left_is_the_gain_of_one_neuron_more() -> None:
    """E_S(w) = ½‖Ỹᵀ(I − F̃(F̃ᵀF̃ + ηI)⁻¹F̃ᵀ)σ(Xw)‖², by its definition, on some pairs."""
    group, rng = group_named("S3"), np.random.default_rng(0)
    pairs = rng.permutation(36)[:25]
    energy = PairEnergy.of(group.table, pairs)
    a, b = np.divmod(pairs, 6)
    X = np.concatenate([np.eye(6)[a], np.eye(6)[b]], axis=1)
    W, w, eta = rng.standard_normal((12, 7)), rng.standard_normal((12, 3)), 0.3
    P = np.eye(25) - 1 / 25
    F, Y = P @ (X @ W) ** 2, P @ np.eye(6)[group.table[a, b]]
    rest = Y - F @ np.linalg.solve(F.T @ F + eta * np.eye(7), F.T @ Y)
    expected = 0.5 * np.sum((rest.T @ (X @ w) ** 2) ** 2, axis=0)
    left = energy.without(energy.hidden(W) ** 2, eta)
    np.testing.assert_allclose(left.value_and_gradient(w)[0], expected)
