"""Axes for any column of the records: where its values lie, their cells, ticks and labels."""

from dataclasses import dataclass, field, replace
from typing import Any, Self

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from analysis.dims import dims_of, symbol
from analysis.figures.style import apart, log_edges

Array = NDArray[np.float64]
SIZES = ("n_train", "train_fraction", "n_over_m_log_m")
"""The columns that measure n."""
MOST_NAMES = 40
"""Groups whose names have room on one axis; of more, every second or third is named."""
_LABELS = {
    "group": "group (order $M$)",
    "group_order": "group order $M$",
    "n_train": "training pairs $n$",
    "train_fraction": "training fraction $p = n/M^2$",
    "n_over_m_log_m": "$n\\,/\\,(M\\,\\log M)$",
    "hidden_size": "hidden width $K$",
    "max_steps": "horizon (steps)",
}


@dataclass(frozen=True)
class Scale:
    """Where the values of a column lie on an axis: by their logarithm, or else one after another.

    Attributes:
        name: The column.
        values: In order.
        log: Whether all are positive numbers, so that the axis is logarithmic.
        ticks: The values as ticks show them, where `text` does not say it.
        blocks: Neighbours of one irrep dimension, each with its first and last place; none where
            all have the same.
        symbol: Of that dimension.
    """

    name: str
    values: list[Any]
    log: bool
    ticks: dict[Any, str] = field(default_factory=dict)
    blocks: tuple[tuple[int, int, int], ...] = ()
    symbol: str = "d_k"

    @classmethod
    def of(cls, name: str, column: "pd.Series[Any]") -> Self:
        """The axis for the values of a column."""
        values = sorted(column.unique().tolist())
        number = pd.api.types.is_numeric_dtype(column) and column.dtype != bool
        return cls(name, values, bool(number and "seed" not in name and values[0] > 0))

    @classmethod
    def of_groups(cls, runs: pd.DataFrame) -> Self:
        """The axis for the groups of these runs.

        A logarithmic M where the order tells the group and nothing else varies: one family, one
        irrep dimension. Else one group beside another, by dimension, order and name.

        Args:
            runs: Records; a column irrep_dim, as `with_dim` adds it, is their dimension.
        """
        groups = runs.assign(dim=dims_of(runs)).drop_duplicates("group")
        groups = groups.sort_values(["dim", "group_order", "group"])
        families = groups["group"].str.replace(r"\d+", "", regex=True)
        alike = len(groups["dim"].unique()) == 1 and len(families.unique()) == 1
        if alike and groups["group_order"].is_unique:
            scale = cls.of("group_order", groups["group_order"])
            named = dict(zip(groups["group_order"], groups["group"], strict=True))
            told = all(name == f"Z{order}" for order, name in named.items())
            ticks = {} if told else {M: f"{M}\n{name}" for M, name in named.items()}
            return replace(scale, ticks=ticks)
        names, dims = groups["group"].tolist(), groups["dim"].tolist()
        ticks = {
            name: f"{name} ({M})" for name, M in zip(names, groups["group_order"], strict=True)
        }
        blocks = tuple(
            (d, dims.index(d), len(dims) - 1 - dims[::-1].index(d)) for d in dict.fromkeys(dims)
        )
        return cls("group", names, False, ticks, blocks if len(blocks) > 1 else (), symbol(runs))

    @property
    def length(self) -> float:
        """Inches that the axis should have, at least."""
        return 0.0 if self.log else 0.24 * min(len(self.values), MOST_NAMES)

    @property
    def depth(self) -> float:
        """Inches that its ticks take below the usual."""
        if self.name != "group":
            return 0.15 if self.ticks else 0.0
        return 0.075 * max(len(tick) for tick in self.ticks.values())

    @property
    def measures_n(self) -> bool:
        """Whether it is one of SIZES."""
        return self.name in SIZES

    @property
    def _crowded(self) -> bool:
        return self.measures_n and len(self.values) > 8

    def edges(self, values: list[Any] | None = None) -> Array:
        """(values + 1,) where the cells of these values, by default of all, begin and end."""
        if self.log:
            return log_edges(np.array(values or self.values, dtype=np.float64))
        return np.arange(len(self.values) + 1, dtype=np.float64) - 0.5

    def at(self, value: Any) -> float:  # noqa: ANN401, whatever a column holds
        """The middle of a value."""
        return float(value) if self.log else float(self.values.index(value))

    def between(self, low: float, high: float, shares: Array) -> Array:
        """The points at these shares of a stretch as it is seen."""
        return low * (high / low) ** shares if self.log else low + (high - low) * shares

    def dress(self, axes: Axes, which: str, inches: float) -> None:
        """Scale, limits, and as many ticks as there is room for on an axis of that length."""
        side = axes.xaxis if which == "x" else axes.yaxis
        edges = self.edges()
        # where sizes are many each column of cells has its own, which may reach further
        margin = 1.03 if self._crowded else 1.0
        ends = (edges[0] / margin, edges[-1] * margin) if self.log else (edges[0], edges[-1])
        (axes.set_xlim if which == "x" else axes.set_ylim)(*ends)
        if not self.log:
            every = -(-len(self.values) // MOST_NAMES)
            side.set_major_locator(FixedLocator(list(range(0, len(self.values), every))))
            side.set_major_formatter(FuncFormatter(lambda at, _: self.tick(self.values[round(at)])))
            if self.name == "group" and which == "x":
                axes.tick_params(axis="x", rotation=90, length=0)
                self._head(axes)
            return
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
        side.set_minor_locator(NullLocator())
        side.set_minor_formatter(NullFormatter())
        if self._crowded:
            side.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 7)))
            side.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        else:
            lines = [line for value in self.values for line in self.tick(value).split("\n")]
            letters = max(map(len, lines))
            label = 0.08 * (letters + 1) if which == "x" else 0.2  # inches, at 8.5 points
            room = (edges[-1] / edges[0]) ** (label / inches)
            side.set_major_locator(FixedLocator(apart(self.values, float(room))))
            side.set_major_formatter(FuncFormatter(lambda value, _: self.tick(value)))

    def tick(self, value: Any) -> str:  # noqa: ANN401, whatever a column holds
        """A value as its tick shows it."""
        return self.ticks.get(value, text(value))

    def _head(self, axes: Axes) -> None:
        """Over the axes: the dimension of each block of groups, with lines between them."""
        over = axes.get_xaxis_transform()
        for d, first, last in self.blocks:
            axes.text((first + last) / 2, 1.01, str(d), transform=over, ha="center", va="bottom")
            if first:
                axes.axvline(first - 0.5, color="white", linewidth=2.5, zorder=2.5)
        if self.blocks:
            name = f"${self.symbol}$ ="
            axes.text(-0.015, 1.015, name, transform=axes.transAxes, ha="right", va="bottom")


TITLE_PAD = 17
"""Points between a title and the axes where blocks have heads."""


def label(name: str) -> str:
    """Of an axis."""
    return _LABELS.get(name, name.replace("_", " "))


def text(value: Any) -> str:  # noqa: ANN401, whatever a column holds
    """A value as a tick or a title shows it."""
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    return f"{value:.2g}" if value < 1 else f"{value:.3g}" if value < 100 else f"{value:,.0f}"
