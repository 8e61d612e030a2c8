"""Irreducible representations of a group, from its Cayley table alone.

Class functions are closed under convolution with class functions, and the irreps' characters are
the common eigenvectors. One random Hermitian convolution on the k classes has k distinct
eigenvalues, so its eigenvectors are the characters, to about 1e-9. They are then made exact:
χ(g) is a sum of o-th roots of unity, o the order of g, and how often each root occurs is a whole
number, found by a discrete Fourier transform over the powers of g and rounded.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Reals = NDArray[np.float64]
Complexes = NDArray[np.complex128]

_ATTEMPTS = 20
_NEARLY = 1e-3
"""A multiplicity is rounded if it is so near a whole number; errors of 1e-9 are usual."""


class IrrepType(StrEnum):
    """What a complex irrep is over the reals: its Frobenius–Schur indicator, 1, 0 or −1."""

    REAL = "real"
    COMPLEX = "complex"
    QUATERNIONIC = "quaternionic"


@dataclass(frozen=True, eq=False)
class Irreps:
    """The complex irreps of a group, by dimension; the trivial one is the first of dimension 1.

    k is the number of conjugacy classes, which is the number of irreps.

    Attributes:
        class_of: (M,) int64, the class of each element; classes are numbered by their first
            elements, so that class 0 is the identity.
        class_sizes: (k,) int64.
        characters: (k, k) complex128, χ_i at class j; exact to rounding.
        dims: (k,) int64, d_k, ascending; each irrep occurs d_k times in the regular representation.
        indicators: (k,) int64, Frobenius–Schur: 1 real, 0 complex, −1 quaternionic.
        conjugates: (k,) int64, the irrep with the complex conjugate character.
    """

    class_of: Ints
    class_sizes: Ints
    characters: Complexes
    dims: Ints
    indicators: Ints
    conjugates: Ints

    @property
    def types(self) -> tuple[IrrepType, ...]:
        """(k,) what each irrep is over the reals."""
        named = {1: IrrepType.REAL, 0: IrrepType.COMPLEX, -1: IrrepType.QUATERNIONIC}
        return tuple(named[int(indicator)] for indicator in self.indicators)

    @property
    def real(self) -> Ints:
        """The first irrep of each real irrep: of itself, or of a complex pair; ascending."""
        return np.flatnonzero(np.arange(len(self.conjugates)) <= self.conjugates)

    @property
    def real_dims(self) -> Ints:
        """(k,) the effective d = M/(8E*): the dimension of the real irrep that contains each.

        d_k for a real irrep, 2·d_k for a quaternionic one and for a complex one, which is joined
        with its conjugate.
        """
        return np.where(self.indicators == 1, self.dims, 2 * self.dims)

    @property
    def energies(self) -> Reals:
        """(k,) E* of Theorem 2 on the paper's scale: M/(8·d_k) for real irreps, else M/(16·d_k).

        By the definition E = ½‖Ỹᵀσ(Xw)‖² with ‖w‖ = 1 it is MEASURED_SCALE times as much. The
        trivial irrep has none, for labels are centred: NaN.
        """
        energies = len(self.class_of) / (8.0 * self.real_dims)
        energies[0] = np.nan
        return energies


def compute_irreps(table: Ints) -> Irreps:
    """All complex irreps of a group.

    Args:
        table: (M, M) Cayley table; element 0 is the identity.

    Raises:
        ArithmeticError: Numerics failed, as they would if the table is no group's.
    """
    classes = _Classes.of(table)
    for attempt in range(_ATTEMPTS):
        found = _characters(table, classes, np.random.default_rng(attempt))
        if found is not None:
            return _sorted(found, classes)
    raise ArithmeticError(f"no characters found for this table of order {len(table)}")


@dataclass(frozen=True)
class _Classes:
    of_element: Ints
    sizes: Ints
    representatives: Ints
    inverses: Ints  # of elements
    powers: Ints  # (exponent, k): the class of the representative's power 0, 1, …
    orders: Ints  # of representatives

    @classmethod
    def of(cls, table: Ints) -> "_Classes":
        M = len(table)
        elements = np.arange(M)
        inverses = np.argmax(table == 0, axis=1)
        # h·g·h⁻¹ for all h and g; the smallest names the class
        smallest = table[table, inverses[:, None]].min(axis=0)
        representatives, of_element = np.unique(smallest, return_inverse=True)
        powers = [np.zeros_like(representatives), representatives]
        while powers[-1].any():
            powers.append(table[powers[-1], representatives])
        stack = np.array(powers)
        orders = 1 + np.argmax(stack[1:] == 0, axis=0)
        sizes = np.bincount(of_element)
        assert elements[representatives[0]] == 0
        return cls(of_element, sizes, representatives, inverses, of_element[stack[:-1]], orders)


def _characters(table: Ints, classes: _Classes, rng: np.random.Generator) -> Complexes | None:
    """(k, k) exact characters in any order, or None if this draw cannot be rounded."""
    M, k = len(table), len(classes.sizes)
    drawn = rng.standard_normal(k) + 1j * rng.standard_normal(k)
    inverse_class = classes.of_element[classes.inverses[classes.representatives]]
    kernel = (drawn + drawn[inverse_class].conj()) / np.sqrt(classes.sizes)
    # (kernel * f)(z) = Σ_y kernel(z·y⁻¹) f(y), for z a representative, y summed over each class
    quotients = table[classes.representatives[:, None], classes.inverses[None, :]]
    values = kernel[classes.of_element[quotients]]
    by_class = np.argsort(classes.of_element, kind="stable")
    starts = np.cumsum(classes.sizes) - classes.sizes
    operator = np.add.reduceat(values[:, by_class], starts, axis=1)
    scale = np.sqrt(classes.sizes)
    vectors = np.linalg.eigh(scale[:, None] * operator / scale[None, :])[1]
    rows = (vectors / scale[:, None]).T  # unit norm in the class-size inner product
    rows = rows * np.exp(-1j * np.angle(rows[:, :1])) * np.sqrt(M)
    exact = _rounded(rows, classes)
    if exact is None:
        return None
    products = (exact * classes.sizes) @ exact.conj().T
    return exact if np.abs(products / M - np.eye(k)).max() < 1e-9 else None


def _rounded(rows: Complexes, classes: _Classes) -> Complexes | None:
    """Rebuild each χ(g) from whole numbers: how often each root of unity is an eigenvalue of g."""
    exact = np.zeros_like(rows)
    done = np.zeros(len(classes.sizes), np.bool_)
    for g in np.argsort(-classes.orders, kind="stable"):
        if done[g]:  # a power of an element that was rounded
            continue
        order = classes.orders[g]
        powers = classes.powers[:order, g]
        counts = np.fft.fft(rows[:, powers], axis=1) / order
        whole = np.round(counts.real)
        if np.abs(counts - whole).max() > _NEARLY or whole.min() < 0:
            return None
        exact[:, powers] = np.fft.ifft(whole, axis=1) * order
        done[powers] = True
    return exact


def _sorted(characters: Complexes, classes: _Classes) -> Irreps:
    """By dimension, then by values along the classes, larger first; the trivial irrep leads."""
    dims = np.round(characters[:, 0].real).astype(np.int64)
    keys = np.round(np.stack([characters.real, characters.imag], axis=2), 6) + 0.0
    keys = -keys.reshape(len(dims), -1)
    order = np.lexsort([*keys.T[::-1], dims])
    characters = characters[order]
    squares = classes.powers[2 % len(classes.powers)]  # all elements of order 2: back at power 0
    indicators = (characters[:, squares] * classes.sizes).sum(axis=1).real / len(classes.of_element)
    same = (characters * classes.sizes) @ characters.T / len(classes.of_element)
    return Irreps(
        classes.of_element,
        classes.sizes,
        characters,
        dims[order],
        np.round(indicators).astype(np.int64),
        np.argmax(np.round(same.real), axis=1),
    )
