"""The energy of every neuron, against the heights of Theorem 2, and how flat the top is.

Ê(w) = ½‖Ỹᵀσ(Xw)‖² is of degree four in w, and on n of M² pairs drawn at random about (n/M²)² of E.
Its height here is (M²/n)²·Ê/‖w‖⁴, over what 1/8 of M stands for by that definition: 1 is the top of
a one-dimensional real irrep, 1/d that of one whose real dimension is d, so M/8d_k and M/16d_k.
"""

import numpy as np
import torch
from torch import Tensor

from sweeper.learn.probes.snapshot import Snapshot
from sweeper.tasks.energy import MEASURED_SCALE, PairEnergy, Reals

BINS = 40
"""Of the histogram of heights, from 0 to TOP; the last takes what is beyond."""

TOP = 2.0
"""Twice the highest maximum on all pairs; on few pairs, single ones reach higher."""

NEAR = 0.1
"""A neuron is at its maximum within this share of the maximum's height."""

FLAT = 1e-6
"""A curvature is 0 if it is below this share of 4E, by which E falls along −w itself."""


def heights(snapshot: Snapshot) -> Tensor:
    """(B, K), Ê(w) of every neuron on the training pairs, in units of M/8 on the paper's scale."""
    pairs = snapshot.pairs
    energies = snapshot.label_sums.square().sum(1) / 2
    scale = 8 / (MEASURED_SCALE * pairs.M) * (pairs.M**2 / pairs.counts[:, :, 0]).square()
    return energies * scale / snapshot.norms.pow(4).clamp_min(torch.finfo(energies.dtype).tiny)


def energy_indicators(snapshot: Snapshot) -> dict[str, Tensor]:
    """Where the active neurons of every trial stand on the energy.

    Args:
        snapshot: The weights.

    Returns:
        height_counts, (B, BINS) int64: active neurons by height. And (B,) each: height (mean by
        size), height_share (of the maximum of the neuron's own irrep, mean by size),
        best_energy_share (the largest) and at_maximum (share of the active neurons that are NEAR
        it).
    """
    height = heights(snapshot)
    bins = (height * (BINS / TOP)).long().clamp_(0, BINS - 1)
    counts = height.new_zeros((len(height), BINS), dtype=torch.int64)
    counts.scatter_add_(1, bins, snapshot.active.long())
    share = height / snapshot.basis.heights[snapshot.dominant[0]]
    near = snapshot.active & ((share - 1).abs() <= NEAR)
    return {
        "height_counts": counts,
        "height": snapshot.mean_over_neurons(height),
        "height_share": snapshot.mean_over_neurons(share),
        "best_energy_share": torch.where(snapshot.active, share, 0).amax(1),
        "at_maximum": near.sum(1) / snapshot.active.sum(1),
    }


def flat_directions(energy: PairEnergy, w: Reals, flat: float = FLAT) -> tuple[int, float]:
    """The Hessian of Ê on the unit sphere at w/‖w‖ (Corollary 1: maxima are flat).

    Args:
        energy: On the pairs.
        w: (2M,), of one neuron.
        flat: What counts as 0, a share of 4Ê; a learned neuron is not quite at a maximum.

    Returns:
        How many of its 2M − 1 eigenvalues are 0; and the largest, over 4Ê, which is above 0 where w
        is no maximum.
    """
    w = w / np.linalg.norm(w)
    values = energy.sphere_hessian(w) / (4 * energy.value_and_gradient(w[:, None])[0][0])
    return int(np.sum(np.abs(values) <= flat)), float(values.max())
