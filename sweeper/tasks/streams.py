"""Random numbers that stay the same across machines, processes and NumPy versions.

Only the raw 64-bit output of a counter-based generator is used: NumPy guarantees it forever, while
the algorithms behind `Generator.permutation` and the like may change.
"""

import hashlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

_CHUNK = 4096


def _stream(key: str) -> np.random.Philox:
    seed = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=16).digest(), "little")
    return np.random.Philox(key=seed)


def random_words(key: str, count: int) -> NDArray[np.uint64]:
    """`count` uniform 64-bit words of the stream called `key`."""
    return _stream(key).random_raw(count)


def endless_words(key: str) -> Iterator[int]:
    """The words of the stream called `key`, one after the other."""
    stream = _stream(key)
    while True:
        yield from stream.random_raw(_CHUNK).tolist()


def random_order(key: str, count: int) -> NDArray[np.int64]:
    """A uniformly random order of 0..count-1, named by `key`. Shape (count,)."""
    return np.argsort(random_words(key, count), kind="stable")


def bounded_floats(key: str, shape: tuple[int, ...], bound: float) -> NDArray[np.float64]:
    """Independent draws from U(−bound, bound), named by `key`, in the given shape."""
    unit = (random_words(key, int(np.prod(shape))) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return ((2.0 * unit - 1.0) * bound).reshape(shape)


def normal_floats(key: str, shape: tuple[int, ...], deviation: float) -> NDArray[np.float64]:
    """Independent draws from N(0, deviation²), named by `key`, in the given shape.

    Quantiles of the uniform draws, rounded to 2⁻²⁴ before scaling: logarithms and roots may differ
    in their last bits between versions of a mathematical library.
    """
    words = random_words(key, int(np.prod(shape))) >> np.uint64(11)
    quantiles: NDArray[np.float64] = ndtri((words.astype(np.float64) + 0.5) * 2.0**-53)
    return (np.rint(quantiles * 2.0**24) * 2.0**-24 * deviation).reshape(shape)
