"""Two-layer nets on an abelian group as Fourier coefficients, which can be added and multiplied.

A net with q hidden nodes is z, (3, M, q) complex: with χ_k the characters, its weights are

    u_j(a) = Σ_k z_akj χ_k(a),   v_j(b) = Σ_k z_bkj χ_k(b),   V_j(c) = 1/(2M) · Σ_k z_ckj χ̄_k(c),

k over the nontrivial ones, so that z[:, 0] = 0 unless they were learned. Side by side nets add, the
Khatri–Rao product over nodes multiplies them, and nets of all widths form a semiring. For σ(x) = x²
the loss is a sum of squares of sum potentials r, which are ring homomorphisms:
r(x + y) = r(x) + r(y) and r(x * y) = r(x)·r(y). So a product has a zero wherever one of its factors
has, and a solution can be put together from factors that each solve a part (Y. Tian, arXiv
2410.01779, "CoGO").
"""

import numpy as np
from numpy.typing import NDArray

from sweeper.tasks.group import Group, GroupError

Ints = NDArray[np.int64]
Complexes = NDArray[np.complex128]
Reals = NDArray[np.float64]

LEFT, RIGHT, OUT = range(3)
"""The first axis of z: the paper's a, b and c."""


def characters(group: Group) -> Complexes:
    """(M, M), χ_k at each element, in the order of `group.irreps`; row 0 is the trivial one.

    Raises:
        GroupError: The group is not abelian.
    """
    if group.max_irrep_dim > 1:
        raise GroupError(f"{group.name} is not abelian")
    return np.asarray(group.irreps.characters[:, group.irreps.class_of])


def one(M: int) -> Complexes:
    """The neutral net of the product, (3, M, 1): all coefficients are 1."""
    z = np.ones((3, M, 1), np.complex128)
    z[:, 0] = 0
    return z


def add(*nets: Complexes) -> Complexes:
    """Nets side by side: (…, q₁ + q₂ + …) of (…, q₁), (…, q₂), …."""
    return np.concatenate(nets, axis=-1)


def multiply(x: Complexes, y: Complexes) -> Complexes:
    """Every node of x times every node of y: (…, q₁·q₂) of (…, q₁) and (…, q₂)."""
    return (x[..., :, None] * y[..., None, :]).reshape(*x.shape[:-1], -1)


def sum_potentials(z: Complexes, p: int = LEFT, q: int = RIGHT) -> Complexes:
    """Sums over the nodes of products of three coefficients.

    Args:
        z: (3, M, nodes).
        p: LEFT or RIGHT.
        q: The same: r_{pk₁k₂k} of the paper; or another: r_{k₁k₂k}.

    Returns:
        (M, M, M), Σ_j z[p, k₁, j]·z[q, k₂, j]·z[OUT, k, j] at [k₁, k₂, k].
    """
    return np.asarray(np.einsum("kj,lj,mj->klm", z[p], z[q], z[OUT], optimize=True))


def constants(z: Complexes, conjugates: Ints) -> Complexes:
    """What the squares u² + v² add to every output, whatever the pair: (M,) Fourier coefficients.

    Args:
        z: (3, M, nodes).
        conjugates: (M,), the character χ̄_k of each k.

    Returns:
        (M,), Σ_p Σ_k′ r_{p, k′, k̄′, k}.
    """
    inputs = z[[LEFT, RIGHT]]
    squares = np.sum(inputs * inputs[:, conjugates], axis=(0, 1))  # (nodes,)
    return np.asarray(z[OUT] @ squares)


def weights(group: Group, z: Complexes) -> tuple[Complexes, Complexes]:
    """W, (2M, nodes), u over v, and V, (nodes, M), of the net z."""
    chi = characters(group)
    W = np.concatenate([chi.T @ z[LEFT], chi.T @ z[RIGHT]])
    return W, z[OUT].T @ chi.conj() / (2 * group.order)


def coefficients(group: Group, W: Reals, V: Reals) -> Complexes:
    """The net z of given weights, the inverse of `weights`.

    Args:
        group: Abelian.
        W: (2M, nodes), u over v.
        V: (nodes, M); centred over its outputs first, for the loss sees no more of them.

    Returns:
        (3, M, nodes). Of u and v it has the trivial character too, which built nets do without.

    Raises:
        GroupError: The group is not abelian.
    """
    chi, M = characters(group), group.order
    u, v = np.split(W, 2)
    z = np.stack([chi.conj() @ u / M, chi.conj() @ v / M, 2 * chi @ V.T])
    z[OUT, 0] = 0
    return z


def loss(group: Group, z: Complexes) -> float:
    """The loss over all pairs, mean of ‖o − ō − (e_{a·b} − 1/M)‖², from sum potentials alone.

    It is 1/M times, summed over k ≠ 0,

        Σ_{k₁k₂} |r_{k₁k₂k} − [k₁ = k₂ = k] + ½[k₂ = 0] s_{a,k₁,k} + ½[k₁ = 0] s_{b,k₂,k}|²,

    s_{pmk} = Σ_k′ r_{p,k′,m−k′,k}, characters written additively. Without the trivial character in
    W the terms do not mix, and it is the paper's

        Σ |r_{k₁k₂k} − [k₁ = k₂ = k]|² + ¼|Σ_p s_{p0k}|² + ¼ Σ_{m≠0} Σ_p |s_{pmk}|².

    Its zeros are the solutions. Takes M³ numbers several times.

    Raises:
        GroupError: The group is not abelian.
    """
    found = sum_potentials(z)
    nontrivial = np.arange(1, group.order)
    found[nontrivial, nontrivial, nontrivial] -= 1
    products = _products(characters(group))
    for p, place in ((LEFT, found[:, 0]), (RIGHT, found[0])):
        squares = np.zeros_like(place)  # at [m, k]
        np.add.at(squares, products, sum_potentials(z, p, p))
        place += squares / 2
    return float(np.sum(np.abs(found[:, :, 1:]) ** 2)) / group.order


def _products(chi: Complexes) -> Ints:
    """(M, M), which character is χ_k·χ_l."""
    overlaps = (chi[:, None] * chi[None, :]) @ chi.conj().T
    return np.asarray(np.argmax(overlaps.real, axis=2))
