"""Exact solutions of group tasks, built and not trained: nets with σ(x) = x² and loss 0.

A pair (a, b) gives (u_a + v_b)² = u_a² + 2u_a·v_b + v_b² at a node with the weights [u ; v]. A
solution has the centred target in its cross terms and lets the squares cancel between its nodes.

| solution | groups | weights | nodes |
| --- | --- | --- | --- |
| `irrep_solution` | all | real if all irreps are | 2·Σ d_k³ over k ≠ 0; abelian: 2M − 2 |
| `order_six` | abelian | real | 6 for χ and χ̄, 2 for a real χ; Z_M: 3M − 3, M even 3M − 4 |
| `mixed_order` | abelian | real | M odd 2M, M even 2M − 2 |
| `memorization` | all | real | M² |

The first is Theorem 3 of Y. Tian, arXiv 2509.21519; the others follow the same author's arXiv
2410.01779 ("CoGO"), and `sweeper.tasks.sum_potentials` has its algebra. A frequency is a pair χ, χ̄
of characters; groups of even order, which the paper's sums to (M − 1)/2 leave out, also have real
ones, χ = χ̄.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweeper.tasks.group import Group
from sweeper.tasks.isotypic import irrep_matrices
from sweeper.tasks.sum_potentials import OUT, add, characters, constants, multiply, weights

Reals = NDArray[np.float64]
Complexes = NDArray[np.complex128]


@dataclass(frozen=True, eq=False)
class Solution:
    """Weights of a two-layer net.

    Attributes:
        W: (2M, K), u over v.
        V: (K, M).
    """

    W: Reals | Complexes
    V: Reals | Complexes

    @property
    def nodes(self) -> int:
        """K."""
        return len(self.V)

    def outputs(self) -> Reals | Complexes:
        """(M, M, M), o = σ(xW)V at each pair (a, b)."""
        u, v = np.split(self.W, 2)
        return np.stack([np.square(row + v) @ self.V for row in u])

    def rows(self) -> Reals:
        """(3M, K), W over Vᵀ: the weights of a trial as `sweeper.learn` has them.

        Raises:
            ValueError: The weights are complex.
        """
        if np.iscomplexobj(self.W) or np.iscomplexobj(self.V):
            raise ValueError("the weights are complex; a trial's are real")
        return np.concatenate([self.W, self.V.T])


def irrep_solution(group: Group) -> Solution:
    """The solution from matrix elements of irreps: 2·Σ_{k≠0} d_k³ nodes.

    With unitary matrices ρ of irrep k, the target is

        e_{ab}(c) − 1/M = Σ_{k≠0} d_k/M · tr ρ(abc⁻¹)
                        = Σ_{k≠0} d_k/M · Σ_{ijl} ρ_ij(a) ρ_jl(b) conj ρ_il(c),

    and u_a·v_b = ¼[(u_a + v_b)² − (u_a − v_b)²] makes a product of two nodes: [ρ_ij ; ±ρ_jl] with
    V = ±d_k/(4M) · conj ρ_il. Their number is that of the triples ijl, twice. For an abelian group
    this is the 2M − 2 of Theorem 3 (Y. Tian, arXiv 2509.21519), and the nodes are its [u ; ±Pu],
    (Pu)(b) = conj u(b⁻¹). For others the theorem has 2·Σ m_k²d_k² = 2·Σ d_k⁴, m_k = d_k being the
    multiplicity: its nodes span all forms uu* on an irrep's functions, and the target is in the
    span of fewer.

    Every node is a maximum of E over complex w: M/(2·d_k) at ‖w‖ = 1.

    Returns:
        Real weights if all irreps are of real type, as for dihedral and symmetric groups; else
        complex ones.
    """
    M, irreps = group.order, group.irreps
    rng = np.random.default_rng(0)  # the bases of the irreps are arbitrary
    columns, rows = [], []
    for k in range(1, len(irreps.dims)):
        d = int(irreps.dims[k])
        rho = irrep_matrices(group.table, irreps, k, rng).astype(np.complex128)
        i, j, l = np.indices((d, d, d)).reshape(3, -1)  # noqa: E741
        u, v, out = rho[:, i, j], rho[:, j, l], d / (4 * M) * rho[:, i, l].conj().T
        columns += [np.concatenate([u, v]), np.concatenate([u, -v])]
        rows += [out, -out]
    W, V = np.concatenate(columns, axis=1), np.concatenate(rows)
    return Solution(W.real, V.real) if np.all(irreps.indicators == 1) else Solution(W, V)


def order_six(group: Group) -> Solution:
    """The Fourier solution of order 2·3: six nodes for every pair of characters χ, χ̄.

    CoGO's z_F6 = 6^(−1/3) Σ_k z_syn * z_ν, with z_syn = 1 + u + u², u = e^(2πi/3)·[1, 1, 1], and
    z_ν = 1 + [1, −1, −1]. Of the sum potentials that have to vanish, z_syn kills those that come
    with a third root of unity, as do r_{k,k,k̄}, r_{k,k̄,k}, r_{k̄,k,k} and r_{p,k,k̄,k}, but not
    r_{p,k,k,k}, where its cube is 1. z_ν kills all r_p, for it turns the sign of v and V
    together. r_{kkk} = 6/6 = 1.
    Of a real character z_ν alone is a solution, 2^(−1/3) z_ν.

    Raises:
        GroupError: The group is not abelian.
    """
    real, pairs = _frequencies(group)
    parts = [_at(group, k, _TWO) for k in real] + [_at(group, k, _SIX) for k in pairs]
    return _real_net(group, add(*parts))


def mixed_order(group: Group) -> Solution:
    """The Fourier solution of order 2·2 for all characters but one, which helps the others out.

    CoGO's z_F4/6 = 6^(−1/3) ẑ_F6 at k₀ + 4^(−1/3) Σ_{k≠k₀} z_F4. Here z_F4 = z_ν=i * z_ξ with
    z_ν=i = 1 + [i, −i, 1] and z_ξ = 1 + [1, −i, i]. The first kills all that has to vanish but
    r_{k,k,k̄}, the sum of conj z_c², and r_{p,k,k̄,k}, that of z_c. The second factor kills the one
    and leaves (1 + i)/2 of the other; none kills both, for where z_c = −1 its square is 1. But the
    loss has r_{p,k,k̄,k} only summed over p and all frequencies of the inputs (`constants`), for it
    adds a constant to the outputs. The nodes of k₀ take that off: their squares have a constant
    part too, and a term common to the V of all of them meets nothing else.

    In an even group k₀ can be a real character with its two nodes: 2M − 2 nodes, as many as the
    complex solution has. In an odd one it takes six: 4·(M − 3)/2 + 6 = 2M.

    Raises:
        GroupError: The group is not abelian.
    """
    real, pairs = _frequencies(group)
    if real:
        helper = _at(group, real[0], _TWO)
        parts = [_at(group, k, _TWO) for k in real[1:]] + [_at(group, k, _FOUR) for k in pairs]
    else:
        helper = _at(group, pairs[0], _SIX)
        parts = [_at(group, k, _FOUR) for k in pairs[1:]]
    conjugates = group.irreps.conjugates
    size = np.sum(np.abs(helper[:OUT]) ** 2)
    for part in parts:
        helper[OUT] -= constants(part, conjugates)[:, None] / size
    return _real_net(group, add(helper, *parts))


def memorization(group: Group) -> Solution:
    """The solution that memorizes, M² nodes: each has one pair (g, h) in W and g·h in V.

    For addition modulo M it is CoGO's z_M = M^(−2/3) z_a * z_b. Up to scale and mean u = e_g,
    v = e_h and V = e_{gh}/2. The squares cancel since each row and column of the Cayley table has
    every element once; the mean of u and v is no matter for the same reason.
    """
    M = group.order
    centred = np.eye(M) - 1 / M
    u, v = np.repeat(centred, M, axis=1), np.tile(centred, M)
    scale = M ** (1 / 3)
    return Solution(scale * np.concatenate([u, v]), centred[group.table.ravel()] / (2 * scale**2))


def _powers(degree: int, generator: list[complex]) -> Complexes:
    """1 + u + … + u^(degree − 1) of a node u with one frequency: (3, degree)."""
    return np.asarray(np.array(generator)[:, None] ** np.arange(degree))


_TWO = 2 ** (-1 / 3) * _powers(2, [1, -1, -1])
_FOUR = 4 ** (-1 / 3) * multiply(_powers(2, [1j, -1j, 1]), _powers(2, [1, -1j, 1j]))
_SIX = 3 ** (-1 / 3) * multiply(_powers(3, [np.exp(2j * np.pi / 3)] * 3), _TWO)


def _frequencies(group: Group) -> tuple[list[int], list[int]]:
    """The real nontrivial characters, and the first of each pair of complex ones."""
    characters(group)  # refuses what is not abelian
    conjugates = group.irreps.conjugates
    firsts = [int(k) for k in group.irreps.real if k != 0]
    real = [k for k in firsts if conjugates[k] == k]
    return real, [k for k in firsts if conjugates[k] != k]


def _at(group: Group, k: int, nodes: Complexes) -> Complexes:
    """(3, M, q), nodes (3, q) at the character k, and their conjugates at χ̄: real weights."""
    z = np.zeros((3, group.order, nodes.shape[1]), np.complex128)
    z[:, group.irreps.conjugates[k]] = nodes.conj()
    z[:, k] = nodes
    return z


def _real_net(group: Group, z: Complexes) -> Solution:
    W, V = weights(group, z)
    return Solution(W.real, V.real)
