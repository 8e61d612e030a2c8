"""Is a table of products a group? If not, which elements say so."""

import numpy as np
from numpy.typing import NDArray

from sweeper.tasks.group import GroupError, Table


def check_group(table: Table, base: int = 0) -> int:
    """Check that a table is a group's: closed, with an identity, inverses, and associative. Exact.

    Args:
        table: (M, M) int64, the products of the elements 0 … M−1.
        base: What the elements are counted from in messages, 0 or 1.

    Returns:
        The identity.

    Raises:
        GroupError: It is not; the message names the first offending elements.
    """
    if table.ndim != 2 or table.shape[0] != table.shape[1]:
        raise GroupError(f"found the shape {table.shape}; a Cayley table is square")
    _check_closed(table, base)
    identity = _identity(table, base)
    _check_inverses(table, identity, base)
    _check_associative(table, base)
    return identity


def _check_closed(table: Table, base: int) -> None:
    outside = np.argwhere((table < 0) | (table >= len(table)))
    if len(outside):
        a, b = outside[0]
        raise GroupError(
            f"not closed: {a + base}·{b + base} is {table[a, b] + base}; should be from {base} "
            f"to {len(table) - 1 + base}"
        )


def _identity(table: Table, base: int) -> int:
    elements = np.arange(len(table))
    moved = (table != elements).sum(axis=1) + (table != elements[:, None]).sum(axis=0)
    e = int(np.argmin(moved))
    if moved[e]:
        left = np.flatnonzero(table[e] != elements)
        a, b = (e, left[0]) if len(left) else (np.flatnonzero(table[:, e] != elements)[0], e)
        raise GroupError(
            f"no identity: {e + base} comes nearest, but {a + base}·{b + base} is "
            f"{table[a, b] + base}"
        )
    return e


def _check_inverses(table: Table, identity: int, base: int) -> None:
    is_identity = table == identity
    lonely = np.flatnonzero(~(is_identity & is_identity.T).any(axis=1))
    if len(lonely):
        a = lonely[0] + base
        raise GroupError(
            f"{a} has no inverse: no x makes both {a}·x and x·{a} the identity {identity + base}"
        )


def _check_associative(table: Table, base: int) -> None:
    """Light's test: (x·g)·y = x·(g·y) for the g of a generating set is enough."""
    reached: NDArray[np.bool_] = np.zeros(len(table), np.bool_)
    generators: list[int] = []
    while not reached.all():
        g = int(np.argmin(reached))
        wrong = np.argwhere(table[table[:, g]] != table[:, table[g]])
        if len(wrong):
            x, y = (int(one) for one in wrong[0])
            left, right = table[table[x, g], y], table[x, table[g, y]]
            x, g, y = x + base, g + base, y + base
            raise GroupError(
                f"not associative: ({x}·{g})·{y} is {left + base}, but {x}·({g}·{y}) is "
                f"{right + base}"
            )
        generators.append(g)
        reached[g] = True
        mark_products(table, reached, generators)


def mark_products(table: Table, reached: NDArray[np.bool_], generators: list[int]) -> None:
    """Mark all left-normed products of what is marked and the generators."""
    count = 0
    while count < (count := int(reached.sum())):
        reached[table[np.ix_(np.flatnonzero(reached), np.array(generators))]] = True
