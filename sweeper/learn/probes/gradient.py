"""The gradient that reaches the hidden layer, against what theory says it is.

For the theory's objective ½‖Ỹ − F̃V‖² it is G_F = (Ỹ − F̃V)Vᵀ, with features and labels centred over
the samples. Our loss has the outputs centred instead; V less its mean over the outputs stands for
both, and all that differs is the part of −n/2 · ∂loss/∂F that is the same for all samples. In stage
I, where V is the ridge solution for F, it is (eq. 5 of arXiv 2509.21519)

    G_F = η (F̃F̃ᵀ + ηI)⁻¹ ỸỸᵀF̃ (F̃ᵀF̃ + ηI)⁻¹,

and under Lemma 1's assumptions, by which F̃ᵀF̃ and F̃F̃ᵀ are multiples of the identity, a multiple of
ỸỸᵀF̃. All of them are products A·Bᵀ, A (n×M) and B (K×M), and ⟨ABᵀ, CDᵀ⟩ = ⟨AᵀC, BᵀD⟩ spares their
n×K entries.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from sweeper.learn.probes.snapshot import Snapshot


@dataclass(frozen=True)
class _Product:
    """A·Bᵀ of every trial, A (B, N, M) and B (B, K, M)."""

    left: Tensor
    right: Tensor

    def dot(self, other: "_Product") -> Tensor:
        return ((self.left.mT @ other.left) * (self.right.mT @ other.right)).sum((1, 2))

    def norm(self) -> Tensor:
        return self.dot(self).clamp_min(0).sqrt()

    def cosine(self, other: "_Product") -> Tensor:
        return self.dot(other) / (self.norm() * other.norm())


def gradient_indicators(snapshot: Snapshot) -> dict[str, Tensor]:
    """The back-propagated gradient of every trial.

    Args:
        snapshot: The weights.

    Returns:
        (B,) each: grad_features (‖G_F‖), label_cosine (of G_F and ỸỸᵀF̃), ridge_cosine (of G_F and
        the exact formula), ridge_ratio (‖G_F‖ over the formula's norm), ridge_distance
        (‖V − V_ridge‖ over ‖V_ridge‖, V centred over its outputs), sample_off_diagonal and
        feature_off_diagonal (share of ‖A‖² off the diagonal of A = F̃F̃ᵀ and of A = F̃ᵀF̃). The three
        of ridge regression are NaN at η = 0.
    """
    pairs = snapshot.pairs
    actual = _Product(
        torch.baddbmm(pairs.targets, snapshot.features, snapshot.centred_v, alpha=-1),
        snapshot.centred_v,
    )
    labelled = _Product(pairs.targets, snapshot.label_sums.mT)
    exact = ridge_gradient(snapshot)
    V = exact.right
    squared = snapshot.gram.square().sum((1, 2))
    rows = snapshot.features.square().sum(2)  # of F̃F̃ᵀ the diagonal
    columns = snapshot.features.square().sum(1)
    return {
        "grad_features": actual.norm(),
        "label_cosine": actual.cosine(labelled),
        "ridge_cosine": actual.cosine(exact) + snapshot.nothing,
        "ridge_ratio": actual.norm() / exact.norm() + snapshot.nothing,
        "ridge_distance": torch.linalg.matrix_norm(snapshot.centred_v - V)
        / torch.linalg.matrix_norm(V)
        + snapshot.nothing,
        "sample_off_diagonal": (1 - rows.square().sum(1) / squared).to(V.dtype),
        "feature_off_diagonal": (1 - columns.square().sum(1) / squared).to(V.dtype),
    }


def ridge_gradient(snapshot: Snapshot) -> _Product:
    """The exact G_F of ridge regression, as (Ỹ − F̃V)·Vᵀ with V = (F̃ᵀF̃ + ηI)⁻¹F̃ᵀỸ.

    Solved in float64 on the smaller side: (F̃F̃ᵀ + ηI)⁻¹Ỹ is both (Ỹ − F̃V)/η and what F̃ᵀ makes V of.

    Args:
        snapshot: The weights; where η is 0 all is computed for 1, and means nothing.

    Returns:
        left, (B, N, M), Ỹ − F̃V; right, (B, K, M), V; in the dtype of the weights.
    """
    dtype = snapshot.W.dtype
    features, targets = snapshot.features.double(), snapshot.pairs.targets.double()
    if features.shape[1] < features.shape[2]:
        solved = torch.cholesky_solve(targets, snapshot.factor)
        return _Product((snapshot.eta * solved).to(dtype), (features.mT @ solved).to(dtype))
    V = torch.cholesky_solve(features.mT @ targets, snapshot.factor)
    return _Product((targets - features @ V).to(dtype), V.to(dtype))
