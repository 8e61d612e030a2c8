"""The phase diagram: test accuracy over group order and training fraction, with the boundary."""

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise

import matplotlib.patheffects as pe
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import PatchCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from numpy.typing import NDArray

from analysis.figures.style import (
    ACCURACY_COLOURS,
    NOT_RUN,
    PANEL,
    log_edges,
    message,
    order_axis,
    styled,
    wrapped,
)
from analysis.laws import LawFit
from analysis.loading import setting_labels
from sweeper.tasks.predictions import CRITICAL_RATIO

Array = NDArray[np.float64]
_LAW, _REFERENCE = "#d62728", "white"
_CASED = [pe.Stroke(linewidth=3, foreground="black"), pe.Normal()]
_CASED_WHITE = [pe.Stroke(linewidth=3.4, foreground="white"), pe.Normal()]


def phase_diagram(
    records: pd.DataFrame, thresholds: pd.DataFrame, fits: Sequence[LawFit] = ()
) -> Figure:
    """Mean best test accuracy of each (group, n_train), one panel a setting.

    Over it: the thresholds (geometric mean over seeds, bars from the mean lower to the mean upper
    end of their brackets), the laws with their 95 % bands, and the paper's critical ratio.

    Args:
        records: As `load` gives them.
        thresholds: Of the same records.
        fits: Laws to draw, at most one a setting; those without numbers are left out.
    """
    runs = records.assign(setting=setting_labels(records)).dropna(subset="best_test_accuracy")
    if runs.empty:
        return message("No phase diagram: no run left a test accuracy.")
    panels = list(runs.groupby("setting"))
    columns = min(math.ceil(math.sqrt(len(panels))), 3)
    rows = -(-len(panels) // columns)
    with styled():
        size = (PANEL[0] * columns + 0.9, (PANEL[1] + 0.3) * rows + 0.4)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        for axes, (setting, part) in zip(grid.flat, panels, strict=False):
            _cells(axes, part)
            operands = int(part["operands"].iloc[0])
            if operands == 2:
                _reference(axes, part["group_order"])
            for fit in fits:
                if fit.setting == setting:
                    _law(axes, fit, operands)
            _brackets(axes, thresholds[thresholds["setting"] == setting])
            _dress(axes, runs, str(setting), operands)
        colours = ScalarMappable(Normalize(0, 1), ACCURACY_COLOURS)
        bar = figure.colorbar(colours, ax=grid, pad=0.02, aspect=30)
        bar.set_label("best test accuracy, mean over seeds")
        handles = _legend(grid.flat)
        figure.legend(handles=handles, loc="outside lower center", ncols=2 * columns)
        return figure


def _legend(panels: Iterable[Axes]) -> list[Artist]:
    """One handle a label, whichever panel has it, and the meaning of the ground."""
    found: dict[str, Artist] = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    return [*found.values(), Rectangle((0, 0), 1, 1, facecolor=NOT_RUN, label="not run")]


def _cells(axes: Axes, runs: pd.DataFrame) -> None:
    """A rectangle for each (group, n): edges half-way to the neighbours, so that none overlap."""
    rectangles, accuracies = [], []
    edges = pairwise(_column_edges(runs["group_order"]))
    for (left, right), (_, same_order) in zip(edges, runs.groupby("group_order"), strict=True):
        names = same_order["group"].unique()
        sides = np.geomspace(left, right, len(names) + 1)
        for i, name in enumerate(names):
            column = same_order[same_order["group"] == name]
            means = column.groupby("train_fraction")["best_test_accuracy"].mean()
            ends = log_edges(means.index.to_numpy(float))
            for (bottom, top), accuracy in zip(pairwise(ends), means, strict=True):
                corner = (sides[i], bottom)
                rectangles.append(Rectangle(corner, sides[i + 1] - sides[i], top - bottom))
                accuracies.append(accuracy)
    cells = PatchCollection(
        rectangles, cmap=ACCURACY_COLOURS, norm=Normalize(0, 1), edgecolor="face", linewidth=0.2
    )
    cells.set_array(np.array(accuracies))
    axes.add_collection(cells)


def _column_edges(orders: "pd.Series[int]") -> Array:
    return log_edges(np.unique(orders.to_numpy(float)))


def _brackets(axes: Axes, thresholds: pd.DataFrame) -> None:
    found = thresholds.dropna(subset="n_c").astype({"n_low": float, "n_high": float, "n_c": float})
    if found.empty:
        return
    groups = found.assign(n_c=np.log(found["n_c"])).groupby(["group_order", "group"])
    means = groups.agg(
        {"n_low": "min", "n_c": "mean", "n_high": "max", "tuples": "first"}
    ).reset_index()
    order = means["group_order"].to_numpy(float)
    tuples = means["tuples"].to_numpy(float)
    n_c = np.exp(means["n_c"].to_numpy()) / tuples
    low, high = (means[name].to_numpy() / tuples for name in ("n_low", "n_high"))
    axes.errorbar(
        order,
        n_c,
        yerr=[n_c - low, high - n_c],
        fmt="o",
        markersize=4.5,
        markerfacecolor="white",
        markeredgecolor="black",
        markeredgewidth=0.9,
        ecolor="black",
        elinewidth=1.2,
        capsize=2.5,
        label="threshold $n_c$, all seeds' brackets",
        zorder=5,
    )


def _law(axes: Axes, fit: LawFit, operands: int) -> None:
    if fit.law is None:
        return
    for _, groups in fit.groups.groupby("irrep_dim"):
        orders = groups["group_order"]
        points = np.geomspace(orders.min(), orders.max(), 200)
        d = float(groups["irrep_dim"].iloc[0])
        centre, low, high = (n / points**operands for n in fit.law.predict(points, d))
        axes.fill_between(points, low, high, color=_LAW, alpha=0.2, linewidth=0, zorder=3)
        for end in (low, high):
            axes.plot(points, end, color=_LAW, linewidth=0.7, zorder=3)
        label = f"{fit.form}, fitted, 95 % band (scatter)" + (
            ", for each $d_k$" if fit.law.gamma else ""
        )
        (line,) = axes.plot(points, centre, color=_LAW, linewidth=1.6, label=label, zorder=4)
        line.set_path_effects(_CASED_WHITE)


def _reference(axes: Axes, orders: "pd.Series[int]") -> None:
    edges = _column_edges(orders)
    points = np.geomspace(max(edges[0], 2.0), edges[-1], 200)
    label = f"${CRITICAL_RATIO}\\,\\log M / M$ (paper's code)"
    ratio = CRITICAL_RATIO * np.log(points) / points
    (line,) = axes.plot(points, ratio, "--", color=_REFERENCE, linewidth=1.4, label=label, zorder=3)
    line.set_path_effects(_CASED)


def _dress(axes: Axes, runs: pd.DataFrame, setting: str, operands: int) -> None:
    columns = _column_edges(runs["group_order"])
    order_axis(axes, runs["group_order"].tolist())
    axes.set_yscale("log")
    axes.set_xlim(columns[0], columns[-1])
    fractions = runs["train_fraction"]
    axes.set_ylim(fractions.min() * 0.93, min(fractions.max() * 1.07, 1.0))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 7)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_ylabel(f"training fraction $p = n/M^{operands}$")
    axes.set_title(wrapped(setting))
    axes.set_facecolor(NOT_RUN)
