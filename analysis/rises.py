"""How accuracy rises with n at each order: the points that a collapse is made of, with errors."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.learning_phases import chance

Array = NDArray[np.float64]
ON_THE_RISE = (0.05, 0.95)
"""Mean accuracies, from 0 at chance to 1 at the target, between which a size is on the rise."""
FEWEST_SIZES = 2
"""On the rise, for its width to be seen."""


@dataclass(frozen=True, eq=False)
class Rise:
    """One group's rise: the sizes on it, and one more at either end.

    Attributes:
        group: Its name.
        order: M.
        n_train: (sizes,) pairs, ascending.
        accuracies: (sizes, seeds) best test accuracies, from 0 at chance to 1 at the target and
            above, where runs may have been stopped. NaN where a run is missing or failed.
    """

    group: str
    order: int
    n_train: Array
    accuracies: Array

    @cached_property
    def runs(self) -> NDArray[np.int64]:
        """(sizes,) how many runs count."""
        return np.asarray(np.isfinite(self.accuracies).sum(axis=1))

    @cached_property
    def means(self) -> Array:
        """(sizes,) over seeds."""
        return np.asarray(np.nansum(self.accuracies, axis=1) / self.runs)


@dataclass(frozen=True, eq=False)
class Rises:
    """The rises of one setting.

    Attributes:
        rises: By order; those that a collapse can use.
        dropped: The other groups, each with its reason.
        dispersion: φ of the accuracies' variance φ·p(1 − p) over seeds, but for their shifts along
            n, pooled over all points: from the handful of runs of one size alone it would be 0
            wherever these agree.
        order_star: M*, geometric mean of the orders.
    """

    rises: tuple[Rise, ...]
    dropped: tuple[str, ...]
    dispersion: float
    order_star: float

    @cached_property
    def log_n(self) -> Array:
        """(points,) ln n, ascending within each group."""
        return np.asarray(np.log(np.concatenate([rise.n_train for rise in self.rises])))

    @cached_property
    def log_m(self) -> Array:
        """(points,) ln(M/M*)."""
        return np.log(self._each([rise.order for rise in self.rises]) / self.order_star)

    @cached_property
    def group(self) -> NDArray[np.int64]:
        """(points,) to which rise each belongs."""
        return self._each(range(len(self.rises))).astype(np.int64)

    @cached_property
    def y(self) -> Array:
        """(points,) mean accuracies, from 0 at chance to 1 at the target."""
        return np.concatenate([rise.means for rise in self.rises])

    @cached_property
    def dy(self) -> Array:
        """(points,) their standard errors, from the dispersion; never 0."""
        k = np.concatenate([rise.runs for rise in self.rises])
        p = (k * np.clip(self.y, 0, 1) + 0.5) / (k + 1)
        return np.asarray(np.sqrt(self.dispersion * p * (1 - p) / k))

    @property
    def units(self) -> list[list[tuple[int, int]]]:
        """For each group with two seeds or more, (its place, seed) of each."""
        seeds = [rise.accuracies.shape[1] for rise in self.rises]
        return [[(i, s) for s in range(k)] for i, k in enumerate(seeds) if k > 1]

    @cached_property
    def log_n_c(self) -> Array:
        """(groups,) ln n where the mean accuracy first is half-way up, between two sizes."""
        found = []
        for rise in self.rises:
            high = int(np.argmax(rise.means >= 0.5))  # the last size is beyond the rise
            pair = slice(max(high - 1, 0), high + 1)
            found.append(np.interp(0.5, rise.means[pair], np.log(rise.n_train[pair])))
        return np.array(found)

    def scaled(self, inverse_nu: float) -> Array:
        """(points,) (n/n_c − 1)·(M/M*)^(1/ν)."""
        over = np.exp(self.log_n - self.log_n_c[self.group]) - 1
        return np.asarray(over * np.exp(inverse_nu * self.log_m))

    def without_group(self, place: int) -> "Rises":
        """The same less one group; M* stays."""
        return replace(self, rises=self.rises[:place] + self.rises[place + 1 :])

    def without_seed(self, place: int, seed: int) -> "Rises":
        """The same less one seed of one group; sizes that only it had go too."""
        rise = self.rises[place]
        left = np.delete(rise.accuracies, seed, axis=1)
        there = np.isfinite(left).any(axis=1)
        less = replace(rise, n_train=rise.n_train[there], accuracies=left[there])
        return replace(self, rises=(*self.rises[:place], less, *self.rises[place + 1 :]))

    def table(self) -> pd.DataFrame:
        """One row a point: group, group_order, n_train, accuracy, error, runs and n_c."""
        columns = ["group", "group_order", "n_train", "accuracy", "error", "runs", "n_c"]
        if not self.rises:
            return pd.DataFrame(columns=columns)
        place = self.group
        values = [
            np.array([rise.group for rise in self.rises])[place],
            np.array([rise.order for rise in self.rises])[place],
            np.exp(self.log_n).round().astype(int),
            self.y,
            self.dy,
            np.concatenate([rise.runs for rise in self.rises]),
            np.exp(self.log_n_c)[place],
        ]
        return pd.DataFrame(dict(zip(columns, values, strict=True)))

    def _each(self, values: object) -> Array:
        sizes = [len(rise.n_train) for rise in self.rises]
        return np.repeat(np.array(values, dtype=float), sizes)


def rises(records: pd.DataFrame) -> Rises:
    """The rise of each group's accuracy with n.

    Args:
        records: Of one setting, as `load` gives them.
    """
    found, dropped = [], []
    told = records.dropna(subset="best_test_accuracy")
    told = told.assign(chance=chance(told))
    least = told["max_irrep_dim"].min()
    for (_, group), runs in told.groupby(["group_order", "group"]):
        order = int(runs["group_order"].iloc[0])
        if runs["max_irrep_dim"].iloc[0] != least:
            dropped.append(f"{group}: its d_k is not {least}, as that of the others")
            continue
        top, bottom = runs["target_test_accuracy"], runs["chance"]
        if not (bottom < top).all():
            dropped.append(f"{group}: its target is no better than chance")
            continue
        best = np.minimum(runs["best_test_accuracy"], top)
        runs = runs.assign(above=(best - bottom) / (top - bottom))
        wide = runs.pivot_table(
            index="n_train", columns=["split_seed", "init_seed"], values="above"
        )
        rise = Rise(str(group), order, wide.index.to_numpy(float), wide.to_numpy(float))
        (on,) = np.nonzero((rise.means > ON_THE_RISE[0]) & (rise.means < ON_THE_RISE[1]))
        if len(on) < FEWEST_SIZES or on[-1] == len(rise.means) - 1:
            dropped.append(f"{group}: {_why(rise, on)}")
            continue
        kept = slice(max(on[0] - 1, 0), on[-1] + 2)
        found.append(replace(rise, n_train=rise.n_train[kept], accuracies=rise.accuracies[kept]))
    orders = [rise.order for rise in found]
    floor = 1 / told["n_test"].median() ** 2 if len(told) else 1.0  # where all seeds agree
    star = float(np.exp(np.mean(np.log(orders)))) if orders else 1.0
    return Rises(tuple(found), tuple(dropped), max(_dispersion(found), float(floor)), star)


def _why(rise: Rise, on: NDArray[np.intp]) -> str:
    if len(on) and on[-1] == len(rise.means) - 1:
        return "its largest n_train is still on the rise"
    return f"{len(on)} sizes on the rise"


def _dispersion(found: list[Rise]) -> float:
    """φ by moments, of what is left of each seed's deviations when its shift along n is taken out.

    A seed whose threshold lies higher is lower at all sizes of the rise; n_c takes that up, so that
    errors which held it too would make every collapse look too good.
    """
    squares = expected = 0.0
    for rise in found:
        p = np.clip(rise.means, 0, 1)
        slope = np.gradient(rise.means, np.log(rise.n_train))
        there = np.isfinite(rise.accuracies)
        apart = np.where(there, rise.accuracies - rise.means[:, None], 0)
        along = slope[:, None] * there
        shift = (along * apart).sum(axis=0) / np.maximum((along**2).sum(axis=0), 1e-300)
        squares += float(((apart - along * shift) ** 2).sum())
        left = 1 - 1 / len(rise.means)  # of the degrees of freedom: the shifts took one a seed
        expected += left * float(np.sum((rise.runs - 1) * p * (1 - p)))
    return squares / expected if expected > 0 else 0.0
