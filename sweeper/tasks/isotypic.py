"""Where each irrep lives among the functions on a group: the regular representation's parts.

The real functions on H split into two-sided ideals, one for each real irrep: a real or quaternionic
irrep fills d_k² dimensions, a complex one and its conjugate together 2·d_k². Of the complex
functions each irrep has d_k², which are spanned by its matrix elements.
"""

import numpy as np
from numpy.typing import NDArray

from sweeper.tasks.irreps import Irreps

Reals = NDArray[np.float64]
Complexes = NDArray[np.complex128]

_NEARLY = 1e-6


def isotypic_bases(table: NDArray[np.int64], irreps: Irreps) -> list[Reals]:
    """Orthonormal bases of the isotypic subspaces, one for each real irrep.

    The kernel Σ_r r·(projector on real irrep r) is one real symmetric convolution with the
    eigenvalues 0, 1, 2, …, so that one eigen-decomposition finds all of them, well separated.

    Args:
        table: (M, M) Cayley table.
        irreps: Its irreps.

    Returns:
        For each entry of `irreps.real`: (M, d_k²), or (M, 2·d_k²) for a complex pair. Columns are
        functions on H; side by side they are an orthogonal matrix.

    Raises:
        ArithmeticError: Numerics failed.
    """
    M = len(table)
    rank = np.empty(len(irreps.dims))
    for r, i in enumerate(irreps.real):
        rank[[i, irreps.conjugates[i]]] = r
    kernel = ((rank * irreps.dims) @ irreps.characters).real / M
    values, vectors = np.linalg.eigh(kernel[irreps.class_of[table[:, _inverses(table)]]])
    ranks = np.round(values).astype(np.int64)
    if np.abs(values - ranks).max() > _NEARLY:
        raise ArithmeticError(f"the irreps of this table of order {M} cannot be told apart")
    return [vectors[:, ranks == r] for r in range(len(irreps.real))]


def pure_function(
    table: NDArray[np.int64], basis: Reals, real_dim: int, rng: np.random.Generator
) -> Reals:
    """A random function xᵀρ(a)y of one irrep ρ: one that spans a single copy of it.

    Convolutions from the right commute with translations from the left, so the eigenspaces of a
    symmetric one, at random, are single copies.

    Args:
        table: (M, M) Cayley table.
        basis: Of the irrep's isotypic subspace, (M, d_k²) or (M, 2·d_k²).
        real_dim: Dimension of the real irrep, as in `Irreps.real_dims`.
        rng: Draws it.

    Returns:
        (M,), of unit norm.
    """
    inverses = _inverses(table)
    drawn = rng.standard_normal(len(table))
    kernel = drawn + drawn[inverses]
    turned = kernel[table[inverses]] @ basis  # (R f)(z) = Σ_x f(x) kernel(z⁻¹x)
    one_copy = np.linalg.eigh(basis.T @ turned)[1][:, :real_dim]
    pure = basis @ one_copy @ rng.standard_normal(real_dim)
    return np.asarray(pure / np.linalg.norm(pure))


def irrep_matrices(
    table: NDArray[np.int64], irreps: Irreps, irrep: int, rng: np.random.Generator
) -> Reals | Complexes:
    """A representation by unitary matrices, one of the class of an irrep.

    It is how translations from the left act on a single copy of the irrep among the functions on H;
    copies are found as in `pure_function`. ρ(ab) = ρ(a)ρ(b) to 1e-13 or so.

    Args:
        table: (M, M) Cayley table.
        irreps: Its irreps.
        irrep: Which.
        rng: Draws the basis, which is arbitrary.

    Returns:
        (M, d_k, d_k), ρ at each element; real, orthogonal matrices if the irrep is of real type.
    """
    M, d, inverses = len(table), int(irreps.dims[irrep]), _inverses(table)
    character = irreps.characters[irrep][irreps.class_of].conj()
    is_real = irreps.indicators[irrep] == 1
    if is_real:
        character = character.real

    def draw(*shape: int) -> Reals | Complexes:
        drawn = rng.standard_normal(shape)
        return drawn if is_real else drawn + 1j * rng.standard_normal(shape)

    projector = d / M * character[table[:, inverses]]
    basis = np.linalg.qr(projector @ draw(M, d * d))[0]
    drawn = draw(M)
    kernel = drawn + drawn[inverses].conj()
    values, vectors = np.linalg.eigh(basis.conj().T @ (kernel[table[inverses]] @ basis))
    gaps = np.diff(values.reshape(d, d).mean(axis=1))  # each of d eigenvalues is there d times
    apart = np.minimum(np.append(np.inf, gaps), np.append(gaps, np.inf))
    first = d * int(np.argmax(apart))
    copy = basis @ vectors[:, first : first + d]
    translated = copy[table[inverses]]  # (M, M, d), f(g⁻¹x) at [g, x]
    return np.asarray(copy.conj().T @ translated)


def _inverses(table: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(np.argmax(table == 0, axis=1))
