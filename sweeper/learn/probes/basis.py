"""The functions on a group, sorted by irrep, and how much of each neuron lies in which."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from sweeper.tasks.group import Group
from sweeper.tasks.isotypic import isotypic_bases


@dataclass(frozen=True, eq=False)
class IrrepBasis:
    """The functions on a group by real irreps, R of them, the trivial one first.

    Attributes:
        basis: (M, M) orthogonal; each column belongs to one irrep.
        owners: (M, R), 1 where a column belongs to an irrep.
        chance: (R,), the share of all columns that an irrep has: of noise's power, too.
        names: (R,), the place of each in `Group.irreps`: of a complex pair the first.
        heights: (R,), 8E*/M on the paper's scale: 1/d, d the real irrep's dimension; 0 for the
            trivial one, which has no maximum.
    """

    basis: Tensor
    owners: Tensor
    chance: Tensor
    names: tuple[int, ...]
    heights: Tensor

    @classmethod
    def of(cls, group: Group, like: Tensor) -> Self:
        """That of a group, on the device and of the dtype of `like`."""
        irreps = group.irreps
        bases = isotypic_bases(group.table, irreps)
        sizes = np.array([basis.shape[1] for basis in bases])
        owners = np.repeat(np.eye(len(sizes)), sizes, axis=0)
        heights = np.nan_to_num(8 * irreps.energies[irreps.real] / group.order)
        placed = (
            torch.from_numpy(array).to(like)
            for array in (np.concatenate(bases, axis=1), owners, sizes / group.order, heights)
        )
        basis, owner, chance, height = placed
        return cls(basis, owner, chance, tuple(irreps.real.tolist()), height)


def irrep_powers(W: Tensor, basis: IrrepBasis) -> Tensor:
    """(B, R, K), each neuron's ‖projection of w = [u ; v]‖² on each irrep; Σ over irreps is ‖w‖².

    Args:
        W: (B, 2M, K).
        basis: The group's.
    """
    B, _, K = W.shape
    inside = (basis.basis.T @ W.view(B, 2, -1, K)).square_().sum(1)  # (B, M, K)
    return basis.owners.T @ inside


def purities(powers: Tensor, basis: IrrepBasis) -> Tensor:
    """(B, R, K), (share of power − chance)/(1 − chance): 1 for a feature, for noise 0 on average.

    Args:
        powers: (B, R, K), as `irrep_powers` gives them.
        basis: The group's.
    """
    chance = basis.chance[:, None]
    return (powers / powers.sum(1, keepdim=True) - chance) / (1 - chance)


def dominant_irreps(powers: Tensor, basis: IrrepBasis) -> tuple[Tensor, Tensor]:
    """(B, K) the nontrivial irrep of which each neuron is purest, and (B, K) its purity."""
    purity, place = purities(powers, basis)[:, 1:].max(1)
    return place + 1, purity
