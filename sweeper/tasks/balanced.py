"""Orders of pairs in which every operand and every target is equally frequent, at every n.

A transversal of an M × M table is M cells with every row, every column and every symbol once. The
order is one random transversal after the other, disjoint, each in random order: of the first n
cells each row, column and symbol has ⌊n/M⌋ or one more.

Transversals are found by a random walk over partial ones, as Stinson's hill-climbing finds Steiner
triple systems: take two of a missing row, column and symbol; they fix a cell; put it in, and take
out the cell that is in its way, if any. So the walk hardly ever loses ground. Which two, and which
of those missing, is drawn evenly, so that no cell of a group is more likely than another.
"""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sweeper.tasks.groups import Group
from sweeper.tasks.streams import endless_words
from sweeper.tasks.task import Task

Cells = NDArray[np.int64]

_MOST_TRANSVERSALS = {"abelian": 60, "other": 30}
"""In an order; 5 M log M pairs need fewer at M up to 400, of an abelian group at every M."""
_RESTARTS = 20
_STEPS_BEFORE_BACK = 4
"""Steps with but one row missing until, on average, another one is given up."""


def most_balanced(task: Task) -> int:
    """The largest n of a balanced split: so many pairs are found in a few attempts.

    ⌊3M/4⌋ transversals of an abelian group, or of a table that is one but for the names of its
    elements, and 60 at most; ⌊M/2⌋ of other groups, and 30 at most. As tried on cyclic groups of
    odd order up to 511, on products up to 128, and on 15 other groups up to 128; with more, most
    attempts end in a rest without a transversal. In abelian groups the last cell of a transversal
    fits of itself, in others it is a matter of luck.
    """
    M = task.order
    table = task.targets.reshape(M, M)
    loop = np.empty_like(table)  # of the same kind as the group, if there is one (Albert's theorem)
    loop[np.ix_(table[:, 0], table[0])] = table
    if (loop == loop.T).all():
        return M * min(3 * M // 4, _MOST_TRANSVERSALS["abelian"])
    return M * min(M // 2, _MOST_TRANSVERSALS["other"])


def no_balance(task: Task, group: Group) -> str | None:
    """Why a task has no balanced split; None where it has one.

    A group has a transversal just if its Sylow 2-subgroups are trivial or not cyclic (the theorem
    of Hall and Paige, proved in 2009 by Wilcox, Evans and Bray). Other tables have to be Latin
    squares of odd order; these are believed (Ryser) to have one.

    Args:
        task: What is learned.
        group: Its group, or for an expression Z_M.
    """
    if task.operands != 2:
        return "a balanced split is one of pairs, not of more operands"
    M = task.order
    table = task.targets.reshape(M, M)
    elements = np.arange(M)
    latin = len(task.valid) == M * M and all(
        (np.sort(table, axis=axis) == (elements[:, None], elements)[axis]).all() for axis in (0, 1)
    )
    if not latin:
        return "not every target occurs once with every left and every right operand"
    power = M & -M  # of 2 that divides M
    if power > 1 and task.name != group.name:
        return "M is even, and of expressions only those modulo an odd M are balanced here"
    if power > 1 and (_element_orders(group) % power == 0).any():
        return (
            "its Sylow 2-subgroups are cyclic, so that no set of M pairs has every left operand, "
            "right operand and target once (Hall and Paige)"
        )
    return None


def _element_orders(group: Group) -> NDArray[np.int64]:
    """(M,) the order of every element."""
    elements = np.arange(group.order)
    identity = int(np.flatnonzero((group.table == elements).all(axis=1))[0])
    orders, powers = np.zeros_like(elements), elements
    for exponent in range(1, group.order + 1):
        orders[(orders == 0) & (powers == identity)] = exponent
        if orders.all():
            break
        powers = group.table[powers, elements]
    return orders


@lru_cache(maxsize=16)
def balanced_order(task: Task, split_seed: int) -> Cells:
    """`most_balanced` pairs in a random balanced order, named by the task and the seed.

    Returns:
        (most_balanced(task),) int64 codes a·M + b.

    Raises:
        ValueError: None was found: the task has none (`no_balance`), in all likelihood.
    """
    M = task.order
    count = most_balanced(task) // M
    for attempt in range(_RESTARTS):
        words = endless_words(f"split/balanced/{task.name}/{split_seed}/{attempt}")
        found = _disjoint_transversals(task.targets.reshape(M, M), count, words)
        if found is not None:
            for cells in found:
                cells.sort(key=lambda _: next(words))
            return np.array(found, dtype=np.int64).reshape(-1)
    raise ValueError(f"{task.name}: found no {count} disjoint transversals, so no balanced split")


def _disjoint_transversals(
    table: Cells, count: int, words: Iterator[int]
) -> list[list[int]] | None:
    """So many, each a list of codes; None where the walk loses its way."""
    M = len(table)
    free = np.ones((M, M), dtype=np.bool_)
    walk = _Walk(table, free, words)
    found = []
    for _ in range(count):
        columns = walk.transversal()
        if columns is None:
            return None
        free[np.arange(M), columns] = False
        found.append([row * M + column for row, column in enumerate(columns)])
    return found


class _Walk:
    """Walks from partial transversal to partial transversal until one is whole."""

    def __init__(self, table: Cells, free: NDArray[np.bool_], words: Iterator[int]) -> None:
        M = len(table)
        self._M, self._words = M, words
        column_of, row_of = np.empty_like(table), np.empty_like(table)
        rows, columns = np.indices(table.shape)
        column_of[rows, table] = columns  # by row and symbol
        row_of[columns, table] = rows  # by column and symbol
        # a view of memory gives Python's whole numbers several times faster than an array does
        self._symbol_of, self._free = table.data, free.data
        self._column_of, self._row_of = column_of.data, row_of.data

    def transversal(self) -> list[int] | None:
        """The column of every row; None after too many moves."""
        M = self._M
        # of each row, column and symbol the cell that holds it, and the others
        held: list[dict[int, tuple[int, int, int]]] = [{}, {}, {}]
        missing = [list(range(M)) for _ in range(3)]
        for _ in range(50 * M**2 + 10_000):
            if not missing[0]:
                return [held[0][row][1] for row in range(M)]
            cell, by = self._proposal(missing)
            other = 3 - by[0] - by[1]
            in_the_way = held[other].get(cell[other])
            free = self._free[cell[0], cell[1]]
            whole = len(missing[0]) == 1 and free and in_the_way is None
            if len(missing[0]) == 1 and not whole and next(self._words) % _STEPS_BEFORE_BACK == 0:
                self._take_out(held, missing)  # with one of each missing it may go in a circle
                continue
            if not free:
                continue
            for kind in by:
                missing[kind].remove(cell[kind])
            if in_the_way is None:
                missing[other].remove(cell[other])
            else:
                for kind in by:
                    del held[kind][in_the_way[kind]]
                    missing[kind].append(in_the_way[kind])
            for kind in range(3):
                held[kind][cell[kind]] = cell
        return None

    def _proposal(self, missing: list[list[int]]) -> tuple[tuple[int, int, int], tuple[int, int]]:
        """A cell with two of a missing row, column and symbol, and which two of these."""
        word, size = next(self._words), len(missing[0])
        which, word = word % 3, word // 3
        i, j = word % size, word // size % size
        if which == 0:
            row, column = missing[0][i], missing[1][j]
            return (row, column, self._symbol_of[row, column]), (0, 1)
        if which == 1:
            row, symbol = missing[0][i], missing[2][j]
            return (row, self._column_of[row, symbol], symbol), (0, 2)
        column, symbol = missing[1][i], missing[2][j]
        return (self._row_of[column, symbol], column, symbol), (1, 2)

    def _take_out(
        self, held: list[dict[int, tuple[int, int, int]]], missing: list[list[int]]
    ) -> None:
        row = next(self._words) % self._M
        if cell := held[0].get(row):
            for kind in range(3):
                del held[kind][cell[kind]]
                missing[kind].append(cell[kind])
