"""Families of groups, each built by a rule. Element 0 is the identity in every table."""

import math
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from sweeper.tasks.fields import prime_power, sum_and_product
from sweeper.tasks.group import Group, Table
from sweeper.tasks.permutations import Permutation, closure, multiplication


def cyclic(order: int) -> Group:
    """The integers modulo M under addition, Z_M.

    Args:
        order: M, at least 1.
    """
    return Group(f"Z{order}", order, partial(_cyclic, order), (1,) * order)


def _cyclic(order: int) -> Table:
    elements = np.arange(order)
    return np.asarray((elements[:, None] + elements[None, :]) % order)


def product(factors: Sequence[Group]) -> Group:
    """The direct product; element (g, h, …) has its first factor's index as the leading digit."""
    known = [factor.known_dims for factor in factors]
    dims = np.ones(1, np.int64)
    for one in known:
        dims = np.outer(dims, one if one is not None else 1).ravel()
    return Group(
        "×".join(factor.name for factor in factors),
        math.prod(factor.order for factor in factors),
        partial(_product, tuple(factors)),
        tuple(sorted(dims.tolist())) if None not in known else None,
    )


def _product(factors: tuple[Group, ...]) -> Table:
    table = np.zeros((1, 1), np.int64)
    for factor in factors:
        M = len(table) * factor.order
        table = table[:, None, :, None] * factor.order + factor.table[None, :, None, :]
        table = table.reshape(M, M)
    return table


def dihedral(n: int) -> Group:
    """The symmetries of the n-gon, D_n, of order 2n; rotations come first.

    Args:
        n: Corners, at least 1; D1 and D2 are abelian.
    """
    ones = 4 if n % 2 == 0 else 2
    dims = (1,) * ones + (2,) * ((2 * n - ones) // 4)
    return Group(f"D{n}", 2 * n, partial(_metacyclic, n, 2, n - 1), dims)


def dicyclic(n: int) -> Group:
    """Dic_n of order 4n: a of order 2n, b² = aⁿ, bab⁻¹ = a⁻¹.

    For n a power of two from 2 on it is the (generalized) quaternion group, and named Q8, Q16, ….

    Args:
        n: At least 1; Dic1 is Z4.
    """
    name = f"Q{4 * n}" if n > 1 and n & (n - 1) == 0 else f"Dic{n}"
    return Group(name, 4 * n, partial(_dicyclic, n), (1,) * 4 + (2,) * (n - 1))


def _dicyclic(n: int) -> Table:
    """Element aˣbⁱ is x + 2n·i."""
    i, x = np.divmod(np.arange(4 * n), 2 * n)
    i, j, x, y = i[:, None], i[None, :], x[:, None], x[None, :]
    rotation = (x + np.where(i == 0, y, -y) + n * (i & j)) % (2 * n)
    return np.asarray(rotation + 2 * n * ((i + j) % 2))


def multipliers(m: int, k: int) -> list[int]:
    """The r with multiplicative order k modulo m: the faithful actions of Z_k on Z_m."""
    return [r for r in range(2, m) if math.gcd(r, m) == 1 and _multiplicative_order(r, m) == k]


def _multiplicative_order(r: int, m: int) -> int:
    power, count = r % m, 1
    while power != 1:
        power, count = power * r % m, count + 1
    return count


def metacyclic(m: int, k: int, r: int, name: str) -> Group:
    """Z_m ⋊ Z_k, where the generator of Z_k multiplies Z_m by r: (x, i)(y, j) = (x + rⁱy, i + j).

    Args:
        m: Order of the normal factor.
        k: Order of the acting factor.
        r: The multiplier, with rᵏ = 1 modulo m.
        name: Of the group.
    """
    return Group(name, m * k, partial(_metacyclic, m, k, r), _metacyclic_dims(m, k, r))


def _metacyclic(m: int, k: int, r: int) -> Table:
    """Element (x, i) is x + m·i."""
    i, x = np.divmod(np.arange(m * k), m)
    powers = np.array([pow(r, exponent, m) for exponent in range(k)])
    moved = (x[:, None] + powers[i][:, None] * x[None, :]) % m
    return np.asarray(moved + m * ((i[:, None] + i[None, :]) % k))


def _metacyclic_dims(m: int, k: int, r: int) -> tuple[int, ...]:
    """An orbit of s characters of Z_m under r gives k/s irreps of dimension s (Mackey)."""
    left, dims = set(range(m)), []
    while left:
        orbit = [first := left.pop()]
        while (image := orbit[-1] * r % m) != first:
            left.remove(image)
            orbit.append(image)
        dims += [len(orbit)] * (k // len(orbit))
    return tuple(sorted(dims))


def affine(q: int) -> Group:
    """AGL(1, q), the maps x ↦ ax + b of the field with q elements, a ≠ 0; of order q(q − 1).

    Args:
        q: A prime power.
    """
    return Group(f"AGL(1,{q})", q * (q - 1), partial(_affine, q), (1,) * (q - 1) + (q - 1,))


def _affine(q: int) -> Table:
    """Element x ↦ ax + b is q·(logarithm of a) + b."""
    add, multiply, powers = sum_and_product(q, *prime_power(q))
    exponent, b = np.divmod(np.arange(q * (q - 1)), q)
    a = powers[exponent]
    shift = add[multiply[a[:, None], b[None, :]], b[:, None]]
    return np.asarray(q * ((exponent[:, None] + exponent[None, :]) % (q - 1)) + shift)


def heisenberg(p: int) -> Group:
    """Upper unitriangular 3 × 3 matrices over Z_p, of order p³.

    Args:
        p: A prime.
    """
    dims = (1,) * p**2 + (p,) * (p - 1)
    return Group(f"Heis{p}", p**3, partial(_heisenberg, p), dims)


def _heisenberg(p: int) -> Table:
    """Element (x, y, z) is (x·p + y)·p + z; z is the upper right corner."""
    elements = np.arange(p**3)
    x, y, z = elements // p**2, elements // p % p, elements % p
    corner = (z[:, None] + z[None, :] + x[:, None] * y[None, :]) % p
    rest = ((x[:, None] + x) % p) * p + (y[:, None] + y) % p
    return np.asarray(rest * p + corner)


def symmetric(n: int) -> Group:
    """All permutations of n points, S_n, in lexicographic order.

    Args:
        n: At least 2.
    """
    swap, turn = (1, 0, *range(2, n)), (*range(1, n), 0)
    dims = sorted(_hook_dim(shape) for shape in _partitions(n))
    return Group(f"S{n}", math.factorial(n), partial(_generated, (swap, turn)), tuple(dims))


def alternating(n: int) -> Group:
    """The even permutations of n points, A_n, in lexicographic order.

    Args:
        n: At least 3.
    """
    turns = tuple((1, k, *range(2, k), 0, *range(k + 1, n)) for k in range(2, n))
    return Group(f"A{n}", math.factorial(n) // 2, partial(_generated, turns), _alternating_dims(n))


def _alternating_dims(n: int) -> tuple[int, ...]:
    """From S_n: conjugate partitions give one irrep, a self-conjugate one splits in two."""
    dims = []
    for shape in _partitions(n):
        conjugate = tuple(sum(row > i for row in shape) for i in range(shape[0]))
        if shape == conjugate:
            dims += [_hook_dim(shape) // 2] * 2
        elif shape < conjugate:
            dims.append(_hook_dim(shape))
    return tuple(sorted(dims))


def _partitions(n: int, largest: int | None = None) -> Iterator[tuple[int, ...]]:
    """The partitions of n, each in descending order."""
    if n == 0:
        yield ()
    for first in range(min(n, largest or n), 0, -1):
        for rest in _partitions(n - first, first):
            yield (first, *rest)


def _hook_dim(shape: tuple[int, ...]) -> int:
    """Dimension of the irrep of S_n that belongs to a partition: n! over the hook lengths."""
    legs = [sum(row > i for row in shape) for i in range(shape[0])]
    hooks = (row - i + legs[i] - j - 1 for j, row in enumerate(shape) for i in range(row))
    return math.factorial(sum(shape)) // math.prod(hooks)


def permutation_group(generators: Sequence[Permutation], name: str, max_order: int) -> Group:
    """The group that permutations generate; its elements in lexicographic order.

    Args:
        generators: Images of the points 0, 1, …, all of one length.
        name: Of the group.
        max_order: Where to give up.

    Raises:
        OverflowError: It has more elements than max_order.
    """
    order = len(closure(generators, max_order).elements)
    return Group(name, order, partial(_generated, tuple(generators)))


def _generated(generators: tuple[Permutation, ...]) -> Table:
    return multiplication(closure(generators, None))
