"""The cut in n_train that misclassifies fewest runs: what a handful of outcomes says about n_c."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Cut:
    """Where runs turn to generalize.

    Attributes:
        n_low: Largest n_train below the cut, in pairs; NaN where no run lies below it.
        n_high: Smallest n_train above the cut, in pairs; NaN where no run lies above it.
        violations: Runs on the wrong side; 0 is a clean transition.
    """

    n_low: float
    n_high: float
    violations: int


def best_cut(n_train: NDArray[np.int64], generalized: NDArray[np.bool_]) -> Cut:
    """The cut that misclassifies fewest runs.

    Where several cuts tie, nothing in the runs prefers one of them, so n_low lies below the first
    and n_high above the last. Swapping the labels and reversing n_train then gives the same cut.

    Args:
        n_train: (runs,) training pairs, in any order; repeats are allowed.
        generalized: (runs,) whether each run generalized.
    """
    sizes, place = np.unique(n_train, return_inverse=True)
    won = np.bincount(place, weights=generalized, minlength=len(sizes))
    lost = np.bincount(place, weights=~generalized, minlength=len(sizes))
    # Cut j has the sizes [0, j) below it: wrong are the winners below and the losers above.
    errors = np.concatenate([[0.0], won.cumsum()]) + lost.sum()
    errors -= np.concatenate([[0.0], lost.cumsum()])
    best = np.flatnonzero(errors == errors.min())
    padded = np.concatenate([[np.nan], sizes, [np.nan]])
    return Cut(float(padded[best[0]]), float(padded[best[-1] + 1]), int(errors.min()))
