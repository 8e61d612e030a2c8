"""The energy E(w) that each hidden node climbs in stage II, for σ(x) = x² and all M² pairs.

E(w) = ½‖Ỹᵀσ(Xw)‖² (Theorem 1 of arXiv 2509.21519), with x = [e_a ; e_b], w = [u ; v] and Ỹ the
centred one-hot labels. Its local maxima on the sphere are w = [u ; ±Pu], (Pu)(b) = u(b⁻¹), inside
one irrep (Theorem 2). `Irreps.energies` has their heights as the paper gives them.
"""

import numpy as np
from numpy.typing import NDArray

from sweeper.tasks.irreps import Irreps
from sweeper.tasks.isotypic import isotypic_bases, pure_function

Reals = NDArray[np.float64]

MEASURED_SCALE = 4.0
"""E by its definition over E as the paper states it, for ‖w‖ = 1.

(u_a + v_b)² has the cross term 2·u_a·v_b, and the paper's figures leave out the 2.
"""


def energy(table: NDArray[np.int64], w: Reals) -> float:
    """E(w), by its definition: MEASURED_SCALE times the paper's.

    Args:
        table: (M, M) Cayley table.
        w: (2M,), the weights into one hidden node, u first.
    """
    return energy_and_gradient(table, w)[0]


def energy_and_gradient(table: NDArray[np.int64], w: Reals) -> tuple[float, Reals]:
    """E(w) and its gradient.

    Args:
        table: (M, M) Cayley table.
        w: (2M,), the weights into one hidden node, u first.

    Returns:
        E, and ∂E/∂w of shape (2M,).
    """
    M = len(table)
    hidden = w[:M, None] + w[None, M:]  # (M, M), Xw at each pair
    output = np.bincount(table.ravel(), weights=np.square(hidden).ravel(), minlength=M)
    output -= output.mean()  # (M,), Ỹᵀσ(Xw)
    slope = output[table] * 2 * hidden  # ∂E/∂(Xw); centring is a projection
    return 0.5 * float(output @ output), np.concatenate([slope.sum(axis=1), slope.sum(axis=0)])


def feature(
    table: NDArray[np.int64], irreps: Irreps, irrep: int, sign: int, rng: np.random.Generator
) -> Reals:
    """A random local maximum of E on the unit sphere: w = [u ; ±Pu] with u in one irrep.

    Args:
        table: (M, M) Cayley table.
        irreps: Its irreps.
        irrep: Which; not 0, the trivial one, at which E = 0.
        sign: 1 or −1.
        rng: Draws u.

    Returns:
        (2M,), of unit norm. E there is MEASURED_SCALE · `irreps.energies[irrep]`.
    """
    place = min(irrep, int(irreps.conjugates[irrep]))
    basis = isotypic_bases(table, irreps)[irreps.real.tolist().index(place)]
    u = pure_function(table, basis, int(irreps.real_dims[irrep]), rng)
    flipped = u[np.argmax(table == 0, axis=1)]
    return np.asarray(np.concatenate([u, sign * flipped]) / np.sqrt(2))
