"""What a network learns: the target of every tuple of operands."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from sweeper.tasks.expressions import parse
from sweeper.tasks.groups import group_named

MAX_TUPLES = 1 << 22
"""Of operands, M to the power of their number: all have to fit into memory."""


@dataclass(frozen=True, eq=False)
class Task:
    """A function of one or more operands, each of M values, with M classes as its values.

    The tuple (a₁, …, a_k) has the code a₁·M^(k−1) + … + a_k; for a pair, a·M + b.

    Attributes:
        name: Names its random streams; another task has another name.
        order: M.
        operands: k.
        targets: (M^k,) int64, the class of every code; 0 where there is none.
        valid: (tuples,) int64, the codes that have a class, ascending: all M^k, but for fractions,
            which have none where a denominator is 0.
    """

    name: str
    order: int
    operands: int
    targets: NDArray[np.int64]
    valid: NDArray[np.int64]

    @property
    def tuples(self) -> int:
        """How many have a class: all that can be trained or tested on."""
        return len(self.valid)

    @property
    def chance(self) -> float:
        """Share of the commonest class, the best accuracy of one answer; 1/M in a group."""
        return int(np.bincount(self.targets[self.valid]).max()) / self.tuples


@lru_cache(maxsize=8)
def task_of(group: str, operands: int = 2, expression: str = "") -> Task:
    """The task that a trial's columns name.

    Args:
        group: A group's name; for an expression modulo M, "Z" and M.
        operands: k; for an expression the number of its variables.
        expression: Or "", for the product of the operands in the group.

    Raises:
        ValueError: No such group or expression, or one that does not fit the operands.
    """
    found = group_named(group)
    M = found.order
    if M**operands > MAX_TUPLES:
        raise ValueError(f"{M}^{operands} tuples of operands; at most {MAX_TUPLES:,} can be held")
    name = task_label(group, operands, expression)
    if not expression:
        products = found.table
        for _ in range(operands - 2):
            products = found.table[products]  # (a·b)·c
        return Task(name, M, operands, products.reshape(-1), np.arange(M**operands))
    parsed = parse(expression)
    if len(parsed.variables) != operands:
        raise ValueError(f"{expression} has {len(parsed.variables)} variables, not {operands}")
    values, defined = parsed.table(M)
    return Task(name, M, operands, values.reshape(-1), np.flatnonzero(defined))


def task_label(group: str, operands: int = 2, expression: str = "") -> str:
    """The name of a task: "Z23", "S4^3" of three operands, or "x**2 + x*y mod 23"."""
    if expression:
        return f"{expression} mod {group.removeprefix('Z')}"
    return group if operands == 2 else f"{group}^{operands}"


def count_tuples(group: str, order: int, operands: int = 2, expression: str = "") -> int:
    """How many tuples of operands have a class; counted without a table where all have."""
    return task_of(group, operands, expression).tuples if "/" in expression else order**operands
