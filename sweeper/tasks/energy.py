"""The energy E(w) that each hidden node climbs in stage II, for σ(x) = x².

E(w) = ½‖Ỹᵀσ(Xw)‖² (Theorem 1 of arXiv 2509.21519), with x = [e_a ; e_b], w = [u ; v] and Ỹ the
centred one-hot labels. On all M² pairs its local maxima on the sphere are w = [u ; ±Pu],
(Pu)(b) = u(b⁻¹), inside one irrep (Theorem 2); `Irreps.energies` has their heights as the paper
gives them. On n of the pairs it is the empirical energy Ê, which keeps these maxima if n is large
enough (Theorem 4).
"""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from sweeper.tasks.irreps import Irreps
from sweeper.tasks.isotypic import isotypic_bases, pure_function

Ints = NDArray[np.int64]
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


@dataclass(frozen=True, eq=False)
class PairEnergy:
    """Ê(w) = ½‖Ỹᵀσ(Xw)‖² on n pairs, for many w at once.

    Ỹ = (I − 11ᵀ/n)Y is centred over the samples, as the paper has it. On all M² pairs every target
    occurs equally often, so that centring over targets is the same, and Ê is E.

    Attributes:
        inputs: (n, 2M) sparse, X: a row has ones at a and M + b.
        labels: (n, M), Y, sparse: a row has a one at a·b; or other targets.
    """

    inputs: Any
    labels: Any

    @classmethod
    def of(cls, table: Ints, pairs: Ints) -> Self:
        """On the given pairs.

        Args:
            table: (M, M) Cayley table.
            pairs: (n,), pair p stands for (a, b) = (p // M, p % M), as in `split_order`.
        """
        M, n = len(table), len(pairs)
        a, b = np.divmod(pairs, M)
        rows, ones = np.arange(n), np.ones(n)
        inputs = (np.tile(ones, 2), (np.tile(rows, 2), np.concatenate([a, M + b])))
        return cls(
            sparse.csr_matrix(inputs, shape=(n, 2 * M)),
            sparse.csr_matrix((ones, (rows, table[a, b])), shape=(n, M)),
        )

    def hidden(self, w: Reals) -> Reals:
        """Xw, (n, nodes), of w, (2M, nodes)."""
        return np.asarray(self.inputs @ w)

    def output(self, activations: Reals) -> Reals:
        """Ỹᵀ times activations: (M, nodes) of (n, nodes)."""
        return np.asarray(self.labels.T @ _centred(activations))

    def gradient(self, hidden: Reals, output: Reals) -> Reals:
        """∂Ê/∂w, (2M, nodes).

        Args:
            hidden: (n, nodes) Xw.
            output: (M, nodes) Ỹᵀσ(Xw).
        """
        return np.asarray(self.inputs.T @ (2 * hidden * _centred(self.labels @ output)))

    def value_and_gradient(self, w: Reals) -> tuple[Reals, Reals]:
        """Ê, (nodes,), and ∂Ê/∂w, (2M, nodes), at w, (2M, nodes)."""
        hidden = self.hidden(w)
        output = self.output(np.square(hidden))
        return 0.5 * np.sum(output**2, axis=0), self.gradient(hidden, output)

    def sphere_hessian(self, w: Reals) -> Reals:
        """Eigenvalues of Ê's Hessian on the unit sphere: (2M − 1,), ascending.

        With m = Ỹᵀσ(Xw), J = 2Xᵀ(Ỹ ∘ Xw) and D = diag(Ỹm), Ê's is JJᵀ + 2XᵀDX in all directions; on
        the sphere it is less by wᵀ∂Ê/∂w = 4Ê, and has none along w.

        Args:
            w: (2M,), of unit norm.
        """
        hidden = self.hidden(w[:, None])
        output = self.output(np.square(hidden))
        targets = _centred(np.asarray(self.labels @ np.eye(self.labels.shape[1])))
        J = self.inputs.T @ (2 * targets * hidden)
        slopes = _centred(self.labels @ output)
        hessian = J @ J.T + 2 * (self.inputs.T @ self.inputs.multiply(slopes)).toarray()
        across = np.linalg.qr(w[:, None], mode="complete")[0][:, 1:]
        radial = 2 * float(np.sum(output**2))
        return np.asarray(np.linalg.eigvalsh(across.T @ hessian @ across) - radial)

    def without(self, activations: Reals, ridge: float) -> "PairEnergy":
        """The energy that is left to climb for one neuron more (Theorem 7).

        Ridge regression on the features F̃ that are there leaves the residual
        Ỹ_S = (I − F̃(F̃ᵀF̃ + ηI)⁻¹F̃ᵀ)Ỹ of the labels, and a new neuron with small output weights
        climbs E_S(w) = ½‖Ỹ_Sᵀσ(Xw)‖². Where F̃ has learned the irreps S and nothing else, Ỹ_S is the
        labels' part in all the others.

        Args:
            activations: (n, K), F = σ(XW).
            ridge: η > 0.
        """
        features = _centred(activations)
        targets = _centred(np.asarray(self.labels @ np.eye(self.labels.shape[1])))
        kernel = features @ features.T + ridge * np.eye(len(features))
        return PairEnergy(self.inputs, ridge * np.linalg.solve(kernel, targets))


def _centred(values: Reals) -> Reals:
    """Less their mean over the samples, the first axis."""
    return np.asarray(values - values.mean(axis=0))


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
