"""Where each irrep lives among the real functions on a group: the regular representation's parts.

The real functions on H split into two-sided ideals, one for each real irrep: a real or quaternionic
irrep fills d_k² dimensions, a complex one and its conjugate together 2·d_k².
"""

import numpy as np
from numpy.typing import NDArray

from sweeper.tasks.irreps import Irreps

Reals = NDArray[np.float64]

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


def _inverses(table: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.asarray(np.argmax(table == 0, axis=1))
