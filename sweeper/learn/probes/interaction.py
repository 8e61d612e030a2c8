"""How neurons push each other (Theorem 6 of arXiv 2509.21519).

In stage III the gradient of neuron j is that of its own energy, and of the others' by entries of B
= (F̃ᵀF̃ + ηI)⁻¹: [ỸỸᵀF̃B]_j = ỸỸᵀ(b_jj f̃_j + Σ_l b_jl f̃_l). The theorem says

    sign b_jl = −sign f̃_jᵀ P f̃_l,   P = I − F̃₀(F̃₀ᵀF̃₀ + ηI)⁻¹F̃₀ᵀ,

F̃₀ being F̃ without f̃_j and f̃_l. That is an identity of inverse matrices; what it leaves open is
whether features that look alike do repel, sign b_jl = −sign f̃_jᵀf̃_l, without the P. Here that is
counted.
"""

import torch
from torch import Tensor

from sweeper.learn.probes.snapshot import Snapshot

SAMPLE = 64
"""Neurons whose pairs are looked at, the largest."""

ALIKE = 0.5
"""|cosine| of f̃_j and f̃_l from which two neurons are alike."""


def interactions(snapshot: Snapshot, neurons: Tensor) -> tuple[Tensor, Tensor]:
    """B and F̃ᵀF̃ at some neurons.

    Args:
        snapshot: The weights.
        neurons: (B, S), which.

    Returns:
        (B, S, S) float64 each: their entries of (F̃ᵀF̃ + ηI)⁻¹, and f̃_jᵀf̃_l.
    """
    features = snapshot.features.double()
    N, K = features.shape[1:]
    chosen = features.gather(2, neurons[:, None].expand(-1, N, -1))
    if N < K:  # (I − F̃ᵀ(F̃F̃ᵀ + ηI)⁻¹F̃)/η
        half = torch.linalg.solve_triangular(snapshot.factor, chosen, upper=False)
        identity = torch.eye(neurons.shape[1], dtype=half.dtype, device=half.device)
        inverse = (identity - half.mT @ half) / snapshot.eta
    else:
        identity = torch.eye(K, dtype=features.dtype, device=features.device)
        half = torch.linalg.solve_triangular(snapshot.factor, identity[neurons].mT, upper=False)
        inverse = half.mT @ half
    return inverse, chosen.mT @ chosen


def interaction_indicators(snapshot: Snapshot) -> dict[str, Tensor]:
    """Repulsion among the largest neurons of every trial.

    Args:
        snapshot: The weights.

    Returns:
        (B,) each, NaN where η is 0: repelled (share of the pairs with sign b_jl =
        −sign f̃_jᵀf̃_l), alike_pairs (how many are ALIKE) and alike_repelled (share of these; NaN if
        there are none).
    """
    S = min(SAMPLE, snapshot.W.shape[2])
    neurons = snapshot.sizes.topk(S, dim=1).indices
    inverse, products = interactions(snapshot, neurons)
    upper = torch.ones(S, S, dtype=torch.bool, device=inverse.device).triu(1)
    lengths = products.diagonal(dim1=1, dim2=2).sqrt()
    cosines = products / (lengths[:, :, None] * lengths[:, None])
    apart = inverse * products < 0
    alike = (cosines.abs() >= ALIKE) & upper
    return {
        "repelled": (apart & upper).sum((1, 2)) / upper.sum() + snapshot.nothing,
        "alike_pairs": alike.sum((1, 2)),
        "alike_repelled": (apart & alike).sum((1, 2)) / alike.sum((1, 2)) + snapshot.nothing,
    }
