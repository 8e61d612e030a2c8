"""Groups of permutations, from generators. (a·b)(x) = a(b(x))."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweeper.tasks.axioms import mark_products
from sweeper.tasks.group import GroupError

Permutation = tuple[int, ...]
"""Images of the points 0, 1, …."""


@dataclass(frozen=True)
class Closure:
    """All products of some permutations.

    Attributes:
        elements: As found, the identity first.
        right: For each generator g, the indices of e·g for all elements e.
        parents: For each element but the first, (e, g) with element = e·g, and e found before it.
    """

    elements: list[Permutation]
    right: list[list[int]]
    parents: list[tuple[int, int]]


def closure(generators: Sequence[Permutation], max_order: int | None) -> Closure:
    """Everything that permutations of the same points generate.

    Raises:
        OverflowError: That is more than `max_order` elements.
    """
    identity = tuple(range(len(generators[0])))
    elements, place = [identity], {identity: 0}
    right: list[list[int]] = [[] for _ in generators]
    parents: list[tuple[int, int]] = []
    for e, element in enumerate(elements):  # grows while it is read
        for g, generator in enumerate(generators):
            image = tuple([element[point] for point in generator])
            if image not in place:
                if len(elements) == max_order:
                    raise OverflowError(f"more than {max_order:,} elements")
                place[image] = len(elements)
                elements.append(image)
                parents.append((e, g))
            right[g].append(place[image])
    return Closure(elements, right, parents)


def multiplication(found: Closure) -> NDArray[np.int64]:
    """(M, M) Cayley table, with the elements in lexicographic order."""
    M = len(found.elements)
    right = np.array(found.right)
    by_column = np.empty((M, M), np.int64)  # [b, a] holds a·b
    by_column[0] = np.arange(M)
    for b, (e, g) in enumerate(found.parents, 1):
        by_column[b] = right[g][by_column[e]]
    order = np.array(sorted(range(M), key=found.elements.__getitem__))
    rank = np.empty(M, np.int64)
    rank[order] = np.arange(M)
    return np.asarray(rank[by_column.T[np.ix_(order, order)]])


def read_generators(text: str, points: int) -> list[Permutation]:
    """Generators such as "(1 2 3)(4 5), (1 2)", without repeats, in order of their cycle notation.

    Commas inside cycles are fine. Points count from 1, and those left out stay where they are.

    Args:
        text: One generator or more, between commas.
        points: The largest point that is allowed.

    Raises:
        GroupError: This is something else, or no generator moves a point.
    """
    sent = [_generator(part, points) for part in re.split(r"(?<=\))\s*,\s*(?=\()", text)]
    degree = max(max(images) for images in sent)
    found = {tuple(images.get(x, x) - 1 for x in range(1, degree + 1)) for images in sent}
    found.discard(tuple(range(degree)))
    if not found:
        raise GroupError(f"<{text}> is trivial; the order of a group should be at least 2")
    return sorted(found, key=cycle_notation)


def _generator(text: str, points: int) -> dict[int, int]:
    """Where one generator sends the points that it names."""
    if not re.fullmatch(r"(\s*\(\s*\d+([\s,]+\d+)*\s*\))+\s*", text):
        raise GroupError(f"found the generator {text.strip()!r}; should be like (1 2 3)(4 5)")
    sent: dict[int, int] = {}
    for cycle in re.findall(r"\(([^)]*)\)", text):
        listed = [int(digits[:9]) for digits in re.findall(r"\d+", cycle)]
        for point, image in zip(listed, listed[1:] + listed[:1], strict=True):
            if not 1 <= point <= points:
                raise GroupError(f"found the point {point}; should be from 1 to {points:,}")
            if point in sent:
                raise GroupError(f"{point} stands twice in the generator {text.strip()!r}")
            sent[point] = image
    return sent


def cycle_notation(images: Permutation) -> str:
    """Disjoint cycles, each from its smallest point, in order of these; points count from 1."""
    left, text = {x for x, image in enumerate(images) if x != image}, ""
    while left:
        cycle = [min(left)]
        while images[cycle[-1]] != cycle[0]:
            cycle.append(images[cycle[-1]])
        left -= set(cycle)
        text += "(" + " ".join(str(x + 1) for x in cycle) + ")"
    return text


def as_permutations(table: NDArray[np.int64]) -> str:
    """A name that gives the group of a table without it.

    It has few elements that generate the group, acting on all of them from the left (Cayley's
    theorem).

    Args:
        table: (M, M) Cayley table; element 0 is the identity.

    Returns:
        Such as "<(1 2)(3 4),(1 3)(2 4)>", of an isomorphic group, in another order.
    """
    reached: NDArray[np.bool_] = np.zeros(len(table), np.bool_)
    reached[0] = True
    generators: list[int] = []
    while not reached.all():
        left = np.flatnonzero(~reached).tolist()
        generators.append(max(left, key=lambda a: _order(table, a)))
        mark_products(table, reached, generators)
    return "<" + ",".join(cycle_notation(tuple(table[a].tolist())) for a in generators) + ">"


def _order(table: NDArray[np.int64], element: int) -> int:
    power, count = element, 1
    while power != 0:
        power, count = int(table[power, element]), count + 1
    return count
