"""Finite fields, as tables. Element Σ cᵢxⁱ of GF(pᵏ) is the number Σ cᵢpⁱ."""

import itertools

import numpy as np
from numpy.typing import NDArray

Table = NDArray[np.int64]


def prime_power(q: int) -> tuple[int, int]:
    """(p, k) with q = pᵏ and p prime.

    Raises:
        ValueError: q is no prime power.
    """
    p = next((p for p in range(2, q + 1) if q % p == 0), 0)
    k, rest = 0, q
    while p and rest % p == 0:
        k, rest = k + 1, rest // p
    if k == 0 or rest > 1:
        raise ValueError(f"{q} is no prime power")
    return p, k


def sum_and_product(q: int, p: int, k: int) -> tuple[Table, Table, Table]:
    """Addition, multiplication and the powers of a generator of GF(q), q = pᵏ.

    Returns:
        (q, q) sums, (q, q) products, (q − 1,) all elements but 0, as powers 0, 1, … of one.
    """
    digits = np.arange(q)[:, None] // p ** np.arange(k) % p
    weights = p ** np.arange(k)
    add = ((digits[:, None] + digits[None, :]) % p) @ weights
    powers = _powers(q, p, k)
    logarithm = np.zeros(q, np.int64)
    logarithm[powers] = np.arange(q - 1)
    multiply = powers[(logarithm[:, None] + logarithm[None, :]) % (q - 1)]
    multiply[0, :] = multiply[:, 0] = 0
    return add, multiply, powers


def _powers(q: int, p: int, k: int) -> Table:
    """The powers of x modulo the first primitive polynomial, or of a primitive root if k = 1."""
    if k == 1:
        candidates = (np.array([[root]]) for root in range(1, p))
    else:
        candidates = (_companion(low, p) for low in itertools.product(range(p), repeat=k))
    for step in candidates:
        one = np.eye(k, dtype=np.int64)[0]
        powers = [one]
        while (following := step @ powers[-1] % p).tolist() != one.tolist() and len(powers) < q:
            powers.append(following)
        if len(powers) == q - 1 and all(power.any() for power in powers):
            return np.array(powers) @ p ** np.arange(k)
    raise AssertionError(f"GF({q}) has a primitive element")


def _companion(low: tuple[int, ...], p: int) -> Table:
    """Multiplication by x modulo xᵏ + Σ lowᵢ xⁱ, as a matrix on digits."""
    k = len(low)
    step = np.eye(k, k=-1, dtype=np.int64)
    step[:, -1] = [-c % p for c in low]
    return step
