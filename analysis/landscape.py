"""Which features the empirical energy keeps on n pairs, and from which n it keeps them.

Theorem 4 of arXiv 2509.21519 says that n ≳ d_k² M log(M/δ) pairs suffice for Ê to keep the local
maxima of the d_k-dimensional irreps. Here Ê is that of the train split itself, and a local maximum
of E counts as kept if Ê has one near it that belongs to the same irrep: climb Ê from the feature,
and see how much of the power of w = [u ; v] is left in the feature's irrep.

Noise, too, has a share f of its power there, the irrep's share of the functions on H, which is 2/M
for a frequency but 18/21 for the large pair of Z7⋊Z3. So purity is (power − f)/(1 − f), 0 for noise
and 1 for a feature. Ascents end near 0 or above 0.8 and seldom between; they are cut at ½.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.ascent import climb
from analysis.brackets import Bracket, bracket
from sweeper.tasks.energy import PairEnergy, Reals, feature
from sweeper.tasks.groups import Group
from sweeper.tasks.isotypic import isotypic_bases
from sweeper.tasks.splits import split_order
from sweeper.tasks.task import task_of

PURITY = 0.5
"""From which an ascent has ended in an irrep; no w has so much in two of them."""

STARTS = 48
"""Features of each irrep dimension, and random starts, a split, at least."""

TOLERANCE = 0.03
"""Width of a bracket: n_high/n_low − 1."""

HALF = 0.5
"""The share of features from which n_kept is quoted: it is kept for a typical one."""

_GOLDEN = (math.sqrt(5) - 1) / 2
"""Its multiples are spread evenly modulo 1."""


class Landscape:
    """Ê on the train splits of one group. Nothing is climbed twice.

    A split seed fixes the order of the pairs, as in training, and the starts; so a larger n_train
    adds pairs to the smaller one and climbs from the same starts.
    """

    def __init__(self, group: Group, starts: int = STARTS) -> None:
        """Nothing is climbed yet.

        Args:
            group: Of order 2 or more.
            starts: Features of each irrep dimension at least, every irrep and either sign of
                [u ; ±Pu] alike; and random starts.
        """
        self.group, self._starts = group, starts
        irreps = group.irreps
        self._bases = isotypic_bases(group.table, irreps)[1:]  # the trivial irrep has no maximum
        self._real = irreps.real[1:]
        self._dims = irreps.dims[self._real]
        self._rows: dict[tuple[int, int, str, int], dict[str, Any]] = {}
        self._features: dict[tuple[int, int], tuple[NDArray[np.intp], Reals]] = {}

    @property
    def irrep_dims(self) -> list[int]:
        """The dimensions d_k of the irreps that have features, ascending."""
        return sorted(set(self._dims.tolist()))

    def kept_share(
        self, n_train: int, split_seed: int, irrep_dim: int | None = None
    ) -> dict[str, Any]:
        """How many features Ê keeps.

        Args:
            n_train: Training pairs, from 1 to M².
            split_seed: Names the split.
            irrep_dim: d_k of the irreps to start from; by default the largest.

        Returns:
            group, group_order, n_train, split_seed, start ("feature"), irrep_dim, n_starts, share
            (of the starts from whose irrep the ascent has not led away) and n_unfinished (ascents
            that were ended by max_steps, judged by where they stood).
        """
        dim = irrep_dim or self.irrep_dims[-1]
        key = (n_train, split_seed, "feature", dim)
        if key not in self._rows:
            place, starts = self._feature_starts(split_seed, dim)
            purity, unfinished = self._climb(n_train, split_seed, starts)
            kept = purity[place, np.arange(len(place))] >= PURITY
            self._rows[key] = self._row(key, kept, unfinished)
        return self._rows[key]

    def random_share(self, n_train: int, split_seed: int) -> dict[str, Any]:
        """How many ascents from random starts end in a single irrep.

        Args:
            n_train: Training pairs, from 1 to M².
            split_seed: Names the split.

        Returns:
            As `kept_share`, with start "random", irrep_dim 0 and share that of the starts which
            end in any one irrep but the trivial one.
        """
        key = (n_train, split_seed, "random", 0)
        if key not in self._rows:
            rng = np.random.default_rng([split_seed, 0])
            starts = rng.standard_normal((2 * self.group.order, self._starts))
            purity, unfinished = self._climb(n_train, split_seed, starts)
            self._rows[key] = self._row(key, purity.max(axis=0) >= PURITY, unfinished)
        return self._rows[key]

    def threshold(
        self,
        split_seed: int,
        share: float = HALF,
        irrep_dim: int | None = None,
        tolerance: float = TOLERANCE,
    ) -> Bracket:
        """The n_train from which Ê keeps a share of the features, by bisection in log n.

        On all M² pairs every feature is kept, so there always is one.

        Args:
            split_seed: Names the split.
            share: Of the features, in (0, 1].
            irrep_dim: As in `kept_share`.
            tolerance: Width of the bracket, n_high/n_low − 1.

        Returns:
            As `analysis.bracket` does of runs; n_high = M² says that it takes nearly all pairs.
        """
        M = self.group.order

        def holds(n_train: int) -> bool:
            return float(self.kept_share(n_train, split_seed, irrep_dim)["share"]) >= share

        # Splits start from ends of their own, or their brackets would err alike and hide scatter.
        offset = split_seed * _GOLDEN % 1
        return bracket(*bisected(holds, round(M * 2**offset), M**2, tolerance))

    def shares(self) -> pd.DataFrame:
        """All that has been climbed so far, one row a (start, irrep_dim, split_seed, n_train)."""
        frame = pd.DataFrame(list(self._rows.values()))
        by = ["start", "irrep_dim", "split_seed", "n_train"]
        return frame.sort_values(by, ignore_index=True)

    def _feature_starts(self, split_seed: int, dim: int) -> tuple[NDArray[np.intp], Reals]:
        """Places of the starts' irreps, (nodes,), and the starts, (2M, nodes)."""
        if (split_seed, dim) not in self._features:
            rng = np.random.default_rng([split_seed, dim])
            there = np.flatnonzero(self._dims == dim)
            each = math.ceil(self._starts / (2 * len(there)))
            place = np.repeat(there, 2 * each)
            signs = np.tile([1, -1], len(there) * each)
            table, irreps = self.group.table, self.group.irreps
            drawn = [
                feature(table, irreps, int(self._real[i]), int(sign), rng)
                for i, sign in zip(place, signs, strict=True)
            ]
            self._features[split_seed, dim] = place, np.stack(drawn, axis=1)
        return self._features[split_seed, dim]

    def _climb(self, n_train: int, split_seed: int, starts: Reals) -> tuple[Reals, int]:
        """Purities where they end, (irreps, nodes), and how many did not arrive."""
        if not 1 <= n_train <= self.group.order**2:
            raise ValueError(f"n_train {n_train} is not from 1 to {self.group.order**2}")
        pairs = split_order(task_of(self.group.name), split_seed)[:n_train]
        ascent = climb(PairEnergy.of(self.group.table, pairs), starts)
        return purities(self._bases, ascent.w), int(np.sum(~ascent.arrived))

    def _row(
        self, key: tuple[int, int, str, int], well: NDArray[np.bool_], unfinished: int
    ) -> dict[str, Any]:
        n_train, split_seed, start, dim = key
        return {
            "group": self.group.name,
            "group_order": self.group.order,
            "n_train": n_train,
            "split_seed": split_seed,
            "start": start,
            "irrep_dim": dim,
            "n_starts": len(well),
            "share": float(np.mean(well)),
            "n_unfinished": unfinished,
        }


def purities(bases: Sequence[Reals], w: Reals) -> Reals:
    """How much of w = [u ; v] lies in each irrep: (power − f)/(1 − f), f = columns/M of its basis.

    Args:
        bases: (M, columns) each, as `isotypic_bases` gives them.
        w: (2M, nodes), of unit norm.

    Returns:
        (irreps, nodes), at most 1; 0 on average for noise.
    """
    M = len(w) // 2
    found = []
    for basis in bases:
        power = sum(np.sum((basis.T @ half) ** 2, axis=0) for half in (w[:M], w[M:]))
        chance = basis.shape[1] / M
        found.append((power - chance) / (1 - chance))
    return np.array(found)


def bisected(
    holds: Callable[[int], bool], low: int, high: int, tolerance: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where something that comes to hold with n does so: both ends, halvings, and two guards.

    The guards are one tolerance beyond the ends of the bracket found, for what does not hold there
    though it should, or the other way round.

    Args:
        holds: Asked once for each n.
        low: First n to ask for; if it holds there already, no more is asked.
        high: Last n to ask for; if it does not hold there, no more is asked.
        tolerance: The bracket is halved in log n while n_high/n_low − 1 is larger than that.

    Returns:
        n, ascending, and whether it holds; for `analysis.bracket`.
    """
    asked = {n: holds(n) for n in (low, high)}
    if not asked[low] and asked[high]:
        first, last = low, high
        while high - low > 1 and high / low - 1 > tolerance:
            n = min(max(round(math.sqrt(low * high)), low + 1), high - 1)
            asked[n] = holds(n)
            low, high = (low, n) if asked[n] else (n, high)
        for n in (math.floor(low / (1 + tolerance)), math.ceil(high * (1 + tolerance))):
            if first < n < last and n not in asked:
                asked[n] = holds(n)
    sizes = sorted(asked)
    return np.array(sizes, np.int64), np.array([asked[n] for n in sizes])
