"""A finite group: its name, its order, and, when asked for, its Cayley table and irreps."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sweeper.tasks.cache import irreps_of
from sweeper.tasks.irreps import Irreps

Table = NDArray[np.int64]

MAX_ORDER = 2048
"""Largest M of a group: all M² pairs of each trial have to fit into memory."""


class GroupError(ValueError):
    """A name or a table stands for no group; the message is one line."""


@dataclass(frozen=True, eq=False)
class Group:
    """A finite group H. Cheap to make: the table is built when it is first asked for.

    Attributes:
        name: Canonical name, such as "Z23"; the same in specs, records and figures.
        order: M, the number of elements.
        make_table: Builds the Cayley table.
        known_dims: Dimensions of the complex irreps, ascending, where theory tells them.
    """

    name: str
    order: int
    make_table: Callable[[], Table] = field(repr=False)
    known_dims: tuple[int, ...] | None = field(default=None, repr=False)

    @cached_property
    def table(self) -> Table:
        """(M, M) int64; `table[a, b]` is the index of a·b, and 0 is the identity."""
        return self.make_table()

    @cached_property
    def irreps(self) -> Irreps:
        """The complex irreps with their characters and types; from the disk where they are kept.

        Milliseconds at order 100, seconds at order 512 if there are hundreds of classes.
        """
        return irreps_of(self.table)

    @cached_property
    def irrep_dims(self) -> tuple[int, ...]:
        """Dimensions d_k of the complex irreps, ascending; Σ d_k² = M."""
        if self.known_dims is not None:
            return self.known_dims
        return tuple(int(d) for d in self.irreps.dims)

    @property
    def max_irrep_dim(self) -> int:
        """The largest d_k; 1 for every abelian group."""
        return self.irrep_dims[-1]
