"""Axes for any column of the records: where its values lie, their cells, ticks and labels."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter, NullLocator
from numpy.typing import NDArray

from analysis.figures.style import apart, log_edges

Array = NDArray[np.float64]
SIZES = ("n_train", "train_fraction", "n_over_m_log_m")
"""The columns that measure n."""
_LABELS = {
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
    """

    name: str
    values: list[Any]
    log: bool

    @classmethod
    def of(cls, name: str, column: "pd.Series[Any]") -> Self:
        """The axis for the values of a column."""
        values = sorted(column.unique().tolist())
        number = pd.api.types.is_numeric_dtype(column) and column.dtype != bool
        return cls(name, values, bool(number and "seed" not in name and values[0] > 0))

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
            side.set_major_locator(FixedLocator(list(range(len(self.values)))))
            side.set_major_formatter(FuncFormatter(lambda at, _: text(self.values[round(at)])))
            return
        (axes.set_xscale if which == "x" else axes.set_yscale)("log")
        side.set_minor_locator(NullLocator())
        side.set_minor_formatter(NullFormatter())
        if self._crowded:
            side.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 7)))
            side.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        else:
            letters = max(len(text(value)) for value in self.values)
            label = 0.08 * (letters + 1) if which == "x" else 0.2  # inches, at 8.5 points
            room = (edges[-1] / edges[0]) ** (label / inches)
            side.set_major_locator(FixedLocator(apart(self.values, float(room))))
            side.set_major_formatter(FuncFormatter(lambda value, _: text(value)))


def label(name: str) -> str:
    """Of an axis."""
    return _LABELS.get(name, name.replace("_", " "))


def text(value: Any) -> str:  # noqa: ANN401, whatever a column holds
    """A value as a tick or a title shows it."""
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) else str(value)
    return f"{value:.2g}" if value < 1 else f"{value:.3g}" if value < 100 else f"{value:,.0f}"
