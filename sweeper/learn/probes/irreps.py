"""Which irreps a net's neurons have learned, and in which order."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from sweeper.learn.probes.basis import IrrepBasis
from sweeper.learn.probes.snapshot import Snapshot

PURE = 0.5
"""Purity from which a neuron counts for an irrep; it can have so much of one irrep only."""


def irrep_indicators(snapshot: Snapshot) -> dict[str, Tensor]:
    """What the neurons of every trial have learned.

    Args:
        snapshot: The weights.

    Returns:
        irrep_neurons, (B, R) int64: active neurons that are PURE in each irrep. And (B,) each:
        irreps_covered (nontrivial irreps with one such neuron or more), active_neurons, purity (of
        each neuron's dominant irrep, mean by size) and dominant_share (of ‖w‖² in that irrep, mean
        by size; for Z_M the single-frequency share).
    """
    powers = snapshot.powers
    place, purity = snapshot.dominant
    share = powers.gather(1, place[:, None])[:, 0] / powers.sum(1)
    pure = snapshot.active & (purity >= PURE)
    neurons = torch.zeros_like(powers[:, :, 0], dtype=torch.int64)
    neurons.scatter_add_(1, place, pure.long())
    return {
        "irrep_neurons": neurons,
        "irreps_covered": (neurons[:, 1:] > 0).sum(1),
        "active_neurons": snapshot.active.sum(1),
        "purity": snapshot.mean_over_neurons(purity),
        "dominant_share": snapshot.mean_over_neurons(share),
    }


def order_of_appearance(
    steps: Sequence[int],
    irrep_neurons: Sequence[Sequence[int]],
    basis: IrrepBasis,
    neurons: int = 1,
) -> dict[int, int]:
    """The first evaluation at which each irrep has its neurons and keeps them to the end.

    Args:
        steps: Of the evaluations.
        irrep_neurons: For each evaluation (R,), of one trial.
        basis: The group's.
        neurons: How many it takes.

    Returns:
        Step by irrep, in order of appearance; irreps that are not there at the end are left out.
    """
    there = np.array(irrep_neurons)[:, 1:] >= neurons
    lasting = np.logical_and.accumulate(there[::-1])[::-1]
    first = {
        basis.names[1 + r]: steps[int(np.argmax(lasting[:, r]))]
        for r in np.flatnonzero(lasting[-1])
    }
    return dict(sorted(first.items(), key=lambda item: item[1]))
