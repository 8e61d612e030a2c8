"""Finite groups as Cayley tables. Symbols as in docs/glossary.md."""

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Group:
    """A finite group H, given by its multiplication.

    Attributes:
        name: Conventional name, such as "Z23"; the same in specs, records and figures.
        table: (M, M) int64; `table[a, b]` is the index of a·b.
        irrep_dims: Dimensions d_k of the complex irreps, ascending; Σ d_k² = M.
    """

    name: str
    table: NDArray[np.int64]
    irrep_dims: tuple[int, ...]

    @property
    def order(self) -> int:
        """M, the number of elements."""
        return len(self.table)

    @property
    def max_irrep_dim(self) -> int:
        """The largest d_k; 1 for every abelian group."""
        return self.irrep_dims[-1]


def cyclic(order: int) -> Group:
    """The integers modulo M under addition.

    Args:
        order: M, at least 1.
    """
    elements = np.arange(order)
    return Group(
        name=f"Z{order}",
        table=(elements[:, None] + elements[None, :]) % order,
        irrep_dims=(1,) * order,
    )


def group_named(name: str) -> Group:
    """The group that a trial's `group` column names.

    Raises:
        ValueError: No group has this name.
    """
    match = re.fullmatch(r"Z([1-9]\d*)", name)
    if match is None:
        raise ValueError(f"unknown group {name!r}; valid names are Z2, Z3, Z4, …")
    return cyclic(int(match[1]))
