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

from analysis.dims import symbol
from analysis.figures.scales import TITLE_PAD, Scale
from analysis.figures.scales import label as label_of
from analysis.figures.style import (
    ACCURACY_COLOURS,
    NOT_RUN,
    PANEL,
    legend_below,
    log_edges,
    message,
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

    Across: M, or the groups side by side where M does not tell them.

    Over it: the thresholds (geometric mean over seeds, bars from the mean lower to the mean upper
    end of their brackets), the laws with their 95 % bands, and the paper's critical ratio.

    Args:
        records: As `load` gives them; a column irrep_dim, as `with_dim` adds it, is the groups' d.
        thresholds: Of the same records.
        fits: Laws to draw, at most one a setting; those without numbers are left out.
    """
    runs = records.assign(setting=setting_labels(records)).dropna(subset="best_test_accuracy")
    if runs.empty:
        return message("No phase diagram: no run left a test accuracy.")
    panels = list(runs.groupby("setting"))
    columns = min(math.ceil(math.sqrt(len(panels))), 3)
    rows = -(-len(panels) // columns)
    across = Scale.of_groups(runs)
    width = max(PANEL[0], across.length)
    with styled():
        size = (width * columns + 0.9, (PANEL[1] + 0.3 + across.depth) * rows + 0.4)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False)
        for axes in grid.flat[len(panels) :]:
            axes.set_visible(False)
        for axes, (setting, part) in zip(grid.flat, panels, strict=False):
            _cells(axes, part, across)
            operands = int(part["operands"].iloc[0])
            if operands == 2:
                _reference(axes, part, across)
            for fit in fits:
                if fit.setting == setting:
                    _law(axes, fit, part, across)
            _brackets(axes, thresholds[thresholds["setting"] == setting], across)
            _dress(axes, runs, str(setting), across, width - 0.6)
            axes.set_ylabel(_share_of_tuples(part))
        colours = ScalarMappable(Normalize(0, 1), ACCURACY_COLOURS)
        bar = figure.colorbar(colours, ax=grid, pad=0.02, aspect=30)
        bar.set_label("best test accuracy, mean over seeds")
        handles = _legend(grid.flat)
        legend_below(figure, handles, 2 * columns)
        return figure


def _legend(panels: Iterable[Axes]) -> list[Artist]:
    """One handle a label, whichever panel has it, and the meaning of the ground."""
    found: dict[str, Artist] = {}
    for axes in panels:
        handles, labels = axes.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    return [*found.values(), Rectangle((0, 0), 1, 1, facecolor=NOT_RUN, label="not run")]


def _cells(axes: Axes, runs: pd.DataFrame, across: Scale) -> None:
    """A rectangle for each (group, n): edges half-way to the neighbours, so that none overlap."""
    rectangles, accuracies = [], []
    spans = dict(zip(across.values, pairwise(across.edges()), strict=True))
    for value, column in runs.groupby(across.name):
        left, right = spans[value]
        means = column.groupby("train_fraction")["best_test_accuracy"].mean()
        ends = log_edges(means.index.to_numpy(float))
        for (bottom, top), accuracy in zip(pairwise(ends), means, strict=True):
            rectangles.append(Rectangle((left, bottom), right - left, top - bottom))
            accuracies.append(accuracy)
    cells = PatchCollection(
        rectangles, cmap=ACCURACY_COLOURS, norm=Normalize(0, 1), edgecolor="face", linewidth=0.2
    )
    cells.set_array(np.array(accuracies))
    axes.add_collection(cells)


def _brackets(axes: Axes, thresholds: pd.DataFrame, across: Scale) -> None:
    found = thresholds.dropna(subset="n_c").astype({"n_low": float, "n_high": float, "n_c": float})
    if found.empty:
        return
    groups = found.assign(n_c=np.log(found["n_c"])).groupby(["group_order", "group"])
    means = groups.agg(
        {"n_low": "min", "n_c": "mean", "n_high": "max", "tuples": "first"}
    ).reset_index()
    at = [across.at(value) for value in means[across.name]]
    tuples = means["tuples"].to_numpy(float)
    n_c = np.exp(means["n_c"].to_numpy()) / tuples
    low, high = (means[name].to_numpy() / tuples for name in ("n_low", "n_high"))
    axes.errorbar(
        at,
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


def _places(runs: pd.DataFrame, across: Scale) -> tuple[Array, Array, Array]:
    """Where a law is drawn, the orders there, and how many tuples they have: (points,) each.

    Along a logarithmic M it is a curve; over groups side by side, a step for each of them.
    """
    groups = runs.sort_values("group_order").drop_duplicates("group")
    orders = groups["group_order"].to_numpy(float)
    tuples = np.round((groups["n_train"] / groups["train_fraction"]).to_numpy(float))
    if across.log:
        points = np.geomspace(max(orders[0], 2.0), orders[-1], 200)
        return points, points, np.exp(np.interp(np.log(points), np.log(orders), np.log(tuples)))
    middles = np.array([across.at(name) for name in groups["group"]])
    rank = np.argsort(middles)
    gap = np.array([[-0.5, 0.5, np.nan]])  # between groups a step ends
    return (middles[rank, None] + gap).ravel(), orders[rank].repeat(3), tuples[rank].repeat(3)


def _law(axes: Axes, fit: LawFit, runs: pd.DataFrame, across: Scale) -> None:
    if fit.law is None:
        return
    for _, groups in fit.groups.groupby("irrep_dim"):
        fitted = runs[runs["group"].isin(groups["group"])]
        at, orders, tuples = _places(fitted, across)
        dims = np.full(len(orders), float(groups["irrep_dim"].iloc[0]))
        centre, low, high = (n / tuples for n in fit.law.predict(orders, dims))
        axes.fill_between(
            at, low, high, where=np.isfinite(at).tolist(), color=_LAW, alpha=0.2, linewidth=0,
            zorder=3,
        )  # fmt: skip
        for end in (low, high):
            axes.plot(at, end, color=_LAW, linewidth=0.7, zorder=3)
        label = f"{fit.form}, fitted, 95 % band (scatter)" + (
            (", for each $d_k$" if symbol(runs) == "d_k" else ", for each effective $d$")
            if fit.law.gamma
            else ""
        )
        (line,) = axes.plot(at, centre, color=_LAW, linewidth=1.6, label=label, zorder=4)
        line.set_path_effects(_CASED_WHITE)


def _reference(axes: Axes, runs: pd.DataFrame, across: Scale) -> None:
    at, orders, tuples = _places(runs, across)
    if across.log:  # to both ends of the axes
        edges = across.edges()
        share = tuples / orders**2  # less than 1 where a pair may have no value
        at = np.geomspace(max(edges[0], 2.0), edges[-1], 200)
        orders, tuples = at, np.interp(np.log(at), np.log(orders), share) * at**2
    dims = runs.groupby("group")["max_irrep_dim"].first()
    more = bool(dims.max() > 2) and not across.log
    label = f"${CRITICAL_RATIO}\\,\\log M / M${', times $d_k/2$' if more else ''} (paper's code)"
    ratio = CRITICAL_RATIO * orders * np.log(orders) / tuples
    if not across.log:
        factors = [max(d / 2, 1.0) for d in dims.loc[sorted(dims.index, key=across.at)]]
        ratio *= np.repeat(factors, 3)
    (line,) = axes.plot(at, ratio, "--", color=_REFERENCE, linewidth=1.4, label=label, zorder=3)
    line.set_path_effects(_CASED)


def _dress(axes: Axes, runs: pd.DataFrame, setting: str, across: Scale, width: float) -> None:
    across.dress(axes, "x", width)
    axes.set_xlabel(label_of(across.name))
    axes.set_yscale("log")
    fractions = runs["train_fraction"]
    axes.set_ylim(fractions.min() * 0.93, min(fractions.max() * 1.07, 1.0))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 7)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.set_title(wrapped(setting), pad=TITLE_PAD if across.blocks else None)
    axes.set_facecolor(NOT_RUN)


def _share_of_tuples(runs: pd.DataFrame) -> str:
    """What the training fraction of one setting is a share of."""
    operands = int(runs["operands"].iloc[0])
    tuples = runs["n_train"] / runs["train_fraction"]
    if np.allclose(tuples, runs["group_order"].astype(float) ** operands):
        return f"training fraction $p = n/M^{operands}$"
    return "training fraction $p$, of the pairs with a value"
