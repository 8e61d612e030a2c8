"""Random numbers that stay the same across machines, processes and NumPy versions.

Only the raw 64-bit output of a counter-based generator is used: NumPy guarantees it forever, while
the algorithms behind `Generator.permutation` and the like may change.
"""

import hashlib

import numpy as np
from numpy.typing import NDArray


def _raw(key: str, count: int) -> NDArray[np.uint64]:
    """`count` uniform 64-bit words of the stream called `key`."""
    seed = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=16).digest(), "little")
    return np.random.Philox(key=seed).random_raw(count)


def random_order(key: str, count: int) -> NDArray[np.int64]:
    """A uniformly random order of 0..count-1, named by `key`. Shape (count,)."""
    return np.argsort(_raw(key, count), kind="stable")


def bounded_floats(key: str, shape: tuple[int, ...], bound: float) -> NDArray[np.float64]:
    """Independent draws from U(−bound, bound), named by `key`, in the given shape."""
    unit = (_raw(key, int(np.prod(shape))) >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return ((2.0 * unit - 1.0) * bound).reshape(shape)
