"""What the empirical energy keeps, and the three thresholds over the order."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter
from numpy.typing import NDArray

from analysis.figures.style import (
    BLUE,
    GREY,
    ORANGE,
    PANEL,
    SIZE_COLOURS,
    message,
    order_axis,
    styled,
    wrapped,
)

Array = NDArray[np.float64]
_DASHES = {1: "-", 2: (0, (5, 1.5)), 3: (0, (1.5, 1.2))}
_LAW = "#d62728"


def landscape_figure(rows: pd.DataFrame, shares: pd.DataFrame, delta: float) -> Figure:
    """Shares kept over n/(M log M), from features and from random starts; thresholds over M.

    Args:
        rows: Of one setting, as `three_thresholds` gives them.
        shares: Of the same groups, as `Landscape.shares` gives them.
        delta: The δ with which the rows were made.
    """
    if rows.empty:
        return message("No landscape: no group was asked for.")
    with styled():
        figure = Figure(figsize=(2 * PANEL[0] + 0.6, 2 * PANEL[1] + 1.6), layout="constrained")
        axes = figure.subplot_mosaic([["kept", "random"], ["over", "over"]], height_ratios=[1, 1.5])
        orders = rows["group_order"]
        norm = LogNorm(orders.min() * 0.95, orders.max() * 1.05)
        colours = ScalarMappable(norm, SIZE_COLOURS)
        largest = rows.set_index("group")["max_irrep_dim"]
        features = shares[shares["start"] == "feature"]
        features = features[features["irrep_dim"] == features["group"].map(largest)]
        _curves(axes["kept"], features, rows, colours)
        _curves(axes["random"], shares[shares["start"] == "random"], rows, colours)
        axes["kept"].set_title("features that $\\hat E$ keeps")
        axes["random"].set_title("random starts that end in a single irrep")
        axes["random"].tick_params(labelleft=False)
        axes["random"].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8)
        _thresholds(axes["over"], rows, delta)
        if setting := str(rows["setting"].iloc[0]):
            axes["over"].set_title(wrapped(f"trained: {setting}", 110))
        handles, labels = axes["over"].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
        return figure


def _curves(axes: Axes, shares: pd.DataFrame, rows: pd.DataFrame, colours: ScalarMappable) -> None:
    """Means over splits, a line a group, each ending where all pairs are seen."""
    tints = colours.to_rgba(rows["group_order"].to_numpy(float))
    for row, tint in zip(rows.to_dict("records"), tints, strict=True):
        part = shares[shares["group"] == row["group"]]
        mean = _over_splits(part)
        scale = row["group_order"] * np.log(row["group_order"])
        d = int(row["max_irrep_dim"])
        axes.plot(
            mean.index.to_numpy(float) / scale,
            mean.to_numpy(),
            color=tint,
            linestyle=_DASHES.get(d, _DASHES[3]),
            linewidth=1.5,
            label=row["group"] + ("" if d == 1 else f", $d_k = {d}$"),
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 6, 8)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlim(1.4, None)
    axes.set_xlabel("$n / (M \\log M)$")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_ylim(-0.03, 1.03)
    _mark_training(axes, rows)


def _mark_training(axes: Axes, rows: pd.DataFrame) -> None:
    """The range of n_c over the abelian groups."""
    abelian = rows[rows["max_irrep_dim"] == 1].dropna(subset="trained")
    if len(abelian):
        n_c = _line(abelian, "trained")[1]
        label = "$n_c$ in training, $d_k = 1$"
        axes.axvspan(n_c.min(), n_c.max(), color=BLUE, alpha=0.3, linewidth=0, label=label)


def _over_splits(shares: pd.DataFrame) -> "pd.Series[float]":
    """The mean share at every n_train that any split was asked at; linear between those of one."""
    each = shares.pivot_table(index="n_train", columns="split_seed", values="share")
    filled = each.interpolate(method="index", limit_area="inside")
    return filled.dropna().mean(axis=1)


def _thresholds(axes: Axes, rows: pd.DataFrame, delta: float) -> None:
    """All in units of M log M: what grows as it does is level."""
    orders = rows["group_order"].to_numpy(float)
    points = np.geomspace(orders.min() * 0.93, orders.max() * 1.07, 200)
    full = points / np.log(points)
    axes.fill_between(
        points, full, full.max() * 2, color="0.88", linewidth=0, label="all $M^2$ pairs"
    )
    abelian = rows[rows["max_irrep_dim"] == 1].sort_values("group_order")
    axes.plot(
        *_line(abelian, "papers_code"),
        ":",
        color=GREY,
        label="paper's code: $2.7482$, times $d_k/2$",
    )
    label = f"Theorem 4 with $C = 1$: $d_k^2\\,\\log(M/{delta:g})\\,/\\,\\log M$"
    axes.plot(*_line(abelian, "theorem4"), "--", color=GREY, linewidth=1.2, label=label)
    _fitted(axes, abelian)
    for name, colour, marker, label in (
        ("kept_most", ORANGE, "v", f"kept by $\\hat E$: {100 * (1 - delta):g} % of the features"),
        ("kept_half", ORANGE, "o", "kept by $\\hat E$: half of them"),
        ("trained", BLUE, "s", "measured in training, $n_c$"),
    ):
        _points(axes, rows, name, colour, marker, label)
    _name_non_abelian(axes, rows)
    axes.set_yscale("log")
    top = max(rows[name].max() for name in ("kept_most_high", "trained_high"))
    axes.set_ylim(
        1.5, 1.6 * float((rows["kept_most_high"] / _scale(rows)).max()) if top > 0 else None
    )
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 4, 5, 7)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel("threshold, $n / (M \\log M)$")
    order_axis(axes, orders.tolist())
    axes.set_xlim(points[0], points[-1])


def _scale(rows: pd.DataFrame) -> Array:
    orders = rows["group_order"].to_numpy(float)
    return np.asarray(orders * np.log(orders))


def _line(rows: pd.DataFrame, name: str) -> tuple[Array, Array]:
    return rows["group_order"].to_numpy(float), rows[name].to_numpy(float) / _scale(rows)


def _fitted(axes: Axes, abelian: pd.DataFrame) -> None:
    told = abelian.dropna(subset="fitted")
    if told.empty:
        return
    (orders, low), (_, high) = _line(told, "fitted_low"), _line(told, "fitted_high")
    label = "law fitted to $n_c$, at $d_k = 1$"
    axes.plot(*_line(told, "fitted"), color=_LAW, linewidth=1.5, label=label)
    axes.fill_between(orders, low, high, color=_LAW, alpha=0.2, linewidth=0, label="its 95 % band")


def _points(
    axes: Axes, rows: pd.DataFrame, name: str, colour: object, marker: str, label: str
) -> None:
    """Means with the brackets of all splits; abelian groups joined, the others open."""
    told = rows.dropna(subset=name).sort_values("group_order")
    if told.empty:
        return
    scale = _scale(told)
    mean, low, high = (
        told[key].to_numpy(float) / scale for key in (name, f"{name}_low", f"{name}_high")
    )
    axes.vlines(told["group_order"], low, high, color=colour, linewidth=1.3, zorder=4)
    style: dict[str, Any] = {"color": colour, "markersize": 5.5, "zorder": 5}
    light = {"alpha": 0.55, "linewidth": 0.9} if name == "kept_most" else {"linewidth": 1.2}
    abelian = (told["max_irrep_dim"] == 1).to_numpy()
    at = told["group_order"].to_numpy(float)
    axes.plot(at[abelian], mean[abelian], marker + "-", label=label, **(style | light))
    axes.plot(at[~abelian], mean[~abelian], marker, markerfacecolor="white", **style)


def _name_non_abelian(axes: Axes, rows: pd.DataFrame) -> None:
    """Names over the highest of their points, in open symbols."""
    others = rows[rows["max_irrep_dim"] > 1]
    for row in others.to_dict("records"):
        scale = row["group_order"] * np.log(row["group_order"])
        top = np.nanmax([row[f"{name}_high"] for name in ("trained", "kept_half", "kept_most")])
        axes.annotate(
            row["group"], (row["group_order"], top / scale), (0, 6), textcoords="offset points",
            ha="center", fontsize=8,
        )  # fmt: skip
    if len(others):
        open_symbol = Line2D([], [], linestyle="", marker="o", color="0.3", markerfacecolor="white")
        axes.add_line(open_symbol)
        open_symbol.set_label("open: non-abelian, features of the largest $d_k$")
