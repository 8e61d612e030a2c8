"""The boundary: thresholds against group order, with the fitted laws and what they leave over."""

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib.patheffects as pe
import numpy as np
import pandas as pd
import seaborn as sns
from adjustText import adjust_text
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter
from numpy.typing import NDArray

from analysis.brackets import BracketStatus
from analysis.dims import dims_of, symbol
from analysis.figures.style import (
    BLUE,
    GREY,
    ORANGE,
    PANEL,
    legend_below,
    message,
    order_axis,
    styled,
    wrapped,
)
from analysis.horizon import HorizonCheck, HorizonStatus
from analysis.laws import Form, Law, LawFit
from sweeper.tasks.predictions import critical_pairs, theorem4_pairs

Array = NDArray[np.float64]
Relative = Callable[[Array, Array, Array | float], Array]
"""Turns n at given orders and dimensions into what a panel shows."""
_COLOURS = {Form.POWER: BLUE, Form.THEOREM_4: ORANGE}
Looks = dict[int, tuple[Any, str]]
_MARKERS = ["o", "s", "^", "D", "v", "P", "X", "<", ">", "*"]
_SPREAD = 0.016
"""Between neighbouring seeds of one group, in log M, so that their brackets do not hide another."""
_DELTA = 0.05
"""At which Theorem 4 is drawn."""
_MOST_NAMES = 16
"""Groups that are named in the figure, at most."""


def boundary(
    thresholds: pd.DataFrame, fits: Sequence[LawFit] = (), check: HorizonCheck | None = None
) -> Figure:
    """Thresholds against order, both logarithmic, every seed's bracket, laws with 95 % bands.

    Beside them stand what Theorem 4 and the paper's code predict. Below, all is relative to the
    first law, in percent. With several irrep dimensions d each has a colour, a marker and its line
    of the first law; below, the groups are relative to that line, and the laws are shown at d*,
    where γ does not widen their bands.

    Args:
        thresholds: Of one setting; a column irrep_dim, as `with_dim` adds it, is their d.
        fits: Laws of the same setting; those without numbers are left out.
        check: Their horizon check, for the annotation.
    """
    cells = thresholds.astype({"n_low": float, "n_high": float, "n_c": float})
    cells["irrep_dim"] = dims_of(cells)
    if cells["n_c"].isna().all():
        return message("No boundary: no cell has runs on both sides of a threshold.")
    laws = [fit.law for fit in fits if fit.law]
    with styled():
        figure = Figure(figsize=(PANEL[0] + 0.9, PANEL[1] + 2.2), layout="constrained")
        if laws:
            top, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1.4])
            _draw(below, cells, laws, laws[0])
            below.set_ylabel(f"relative to {laws[0].form}")
            below.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        else:
            top = below = figure.subplots()
        _draw(top, cells, laws, None)
        _predicted(top, cells)
        top.set_yscale("log")
        top.set_ylabel("threshold $n_c$ (training pairs)")
        if len(_looks(cells)) > 1:  # room for the note, below all lines
            top.set_ylim(bottom=top.get_ylim()[0] / 2)
        top.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        top.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        top.yaxis.set_minor_formatter(NullFormatter())
        order_axis(below, cells["group_order"].tolist())
        top.set_xlabel("group order $M$" if not laws else "")
        top.set_title(wrapped(str(cells["setting"].iloc[0])))
        shown = [axes.get_legend_handles_labels() for axes in (below, top)]
        legend = {
            label: handle
            for handles, labels in shown
            for handle, label in zip(handles, labels, strict=True)
        }
        legend_below(figure, list(legend.values()), 2)
        note = _annotation(laws, fits, check)
        if symbol(cells) != "d_k" and laws and laws[0].gamma:
            note = "effective $d = M/(8E^*)$\n" + note
        said = top.text(
            0.97, 0.04, note, transform=top.transAxes, ha="right", va="bottom", fontsize=8.5
        )
        figure.align_ylabels()
        _names(figure, top, cells, said)
        return figure


def _draw(axes: Axes, cells: pd.DataFrame, laws: Sequence[Law], base: Law | None) -> None:
    """Everything once: as it is, or relative to a base law at the same order and dimension."""

    def relative(n: Array, orders: Array, dims: Array | float) -> Array:
        return n if base is None else n / base.predict(orders, dims)[0] - 1

    found = cells.dropna(subset="n_c")
    ends = found["group_order"].min() * 0.95, found["group_order"].max() * 1.05
    points = np.geomspace(*ends, 200)
    looks = _looks(cells)
    if len(looks) == 1:
        d = float(found["irrep_dim"].iloc[0])
        _curves(axes, laws, points, d, relative, _m_log_m(found, points))
    elif laws and base is None:
        _lines(axes, laws[0], looks, found, points)
    elif laws:
        d = laws[0].dim_star
        gamma = laws[0].gamma.value if laws[0].gamma else 0.0
        at_star = found.assign(n_c=found["n_c"] * (d / found["irrep_dim"]) ** gamma)
        _curves(axes, laws, points, d, relative, _m_log_m(at_star, points))
    _brackets(axes, found, relative)
    _outside(axes, cells, relative)
    _means(axes, cells, relative)


def _curves(
    axes: Axes, laws: Sequence[Law], points: Array, d: float, relative: Relative, m_log_m: Array
) -> None:
    """The laws with their bands, and M log M, at one dimension."""
    axes.plot(points, relative(m_log_m, points, d), ":", color=GREY, linewidth=1.6, zorder=2)
    axes.lines[-1].set_label("$M\\,\\log M$, best constant")
    for law in laws:
        colour, dashes = _COLOURS[law.form], "-" if law.form is Form.POWER else (0, (5, 1.5))
        centre, low, high = (relative(n, points, d) for n in law.predict(points, d))
        axes.fill_between(points, low, high, color=colour, alpha=0.2, linewidth=0, zorder=1)
        axes.plot(points, centre, color=colour, linestyle=dashes, zorder=3)
        axes.lines[-1].set_label(f"{law.form}, 95 % band (scatter)")


def _looks(cells: pd.DataFrame) -> Looks:
    """Face and marker of each irrep dimension; white dots where there is one."""
    dims = sorted(cells.dropna(subset="n_c")["irrep_dim"].unique().tolist())
    if len(dims) == 1:
        return {dims[0]: ("white", "o")}
    colours = sns.color_palette("colorblind") if len(dims) <= 6 else []
    colours = [colours[i] for i in (0, 1, 2, 4, 3, 7)] if colours else []
    colours = colours[: len(dims)] or sns.color_palette("viridis", len(dims))
    return {d: (colours[i], _MARKERS[i % len(_MARKERS)]) for i, d in enumerate(dims)}


def _lines(axes: Axes, law: Law, looks: Looks, found: pd.DataFrame, points: Array) -> None:
    """The law of each dimension over all orders, with its band, up to the number of all tuples."""
    sizes = found.drop_duplicates("group_order").sort_values("group_order")
    orders, tuples = (np.log(sizes[name].to_numpy(float)) for name in ("group_order", "tuples"))
    most = points ** float(np.mean(tuples / orders))
    for d, (colour, _) in looks.items():
        centre, low, high = (np.where(n < most, n, np.nan) for n in law.predict(points, float(d)))
        low, high = (
            np.where(np.isfinite(centre), np.fmin(end, most), np.nan) for end in (low, high)
        )
        axes.fill_between(
            points,
            low,
            np.where(np.isnan(high), most, high),
            where=np.isfinite(low).tolist(),
            color=colour,
            alpha=0.15,
            linewidth=0,
            zorder=1,
        )
        axes.plot(points, centre, color=colour, linewidth=1.2, zorder=3)


def _predicted(axes: Axes, cells: pd.DataFrame) -> None:
    """What is predicted: Theorem 4, whose constant is taken as 1, and the paper's code."""
    found = cells.dropna(subset="n_c")
    labels = f"Theorem 4 with $C = 1$, $\\delta = {_DELTA}$", "paper's code"
    for d in sorted(found["max_irrep_dim"].unique().tolist()):
        groups = found[found["max_irrep_dim"] == d]
        orders = groups["group_order"].astype(float)
        points = np.geomspace(orders.min() * 0.95, orders.max() * 1.05, 50)
        most = float((groups["tuples"] / orders**2).max()) * points**2
        theorem = np.array([theorem4_pairs(M, d, _DELTA) for M in points.tolist()])
        code = np.array([critical_pairs(M, d) for M in points.tolist()])
        for n, dashes, label in zip((theorem, code), ("-.", "--"), labels, strict=True):
            axes.plot(points, np.where(n < most, n, np.nan), dashes, color="0.45", linewidth=0.9)
            axes.lines[-1].set(label=label, zorder=1.5)


def _m_log_m(cells: pd.DataFrame, points: Array) -> Array:
    """M log M with the constant that fits these cells best."""
    orders = cells["group_order"].to_numpy(float)
    constant = np.mean(np.log(cells["n_c"]) - np.log(orders * np.log(orders)))
    return np.asarray(points * np.log(points) * np.exp(constant))


def _brackets(axes: Axes, found: pd.DataFrame, relative: Relative) -> None:
    """Each seed's bracket, side by side."""
    place = found.groupby("group").cumcount()
    count = found.groupby("group")["group"].transform("size")
    at = found["group_order"] * np.exp(_SPREAD * (place - (count - 1) / 2))
    low, high = (relative(found[name].to_numpy(), *_where(found)) for name in ("n_low", "n_high"))
    axes.vlines(at, low, high, color="0.35", linewidth=1.0, label="bracket of each seed", zorder=4)


def _outside(axes: Axes, cells: pd.DataFrame, relative: Relative) -> None:
    """The seeds whose threshold lies outside their grid: where it ends, and which way it lies."""
    for status, end, marker, side in (
        (BracketStatus.NONE_GENERALIZED, "n_low", "^", "above the largest $n$"),
        (BracketStatus.UNRESOLVED, "n_low", "2", "beyond the horizon"),
        (BracketStatus.ALL_GENERALIZED, "n_high", "v", "below the smallest $n$"),
    ):
        part = cells[cells["status"] == status]
        if len(part):
            n = relative(part[end].to_numpy(), *_where(part))
            axes.plot(part["group_order"], n, marker, color="0.35", markersize=6, zorder=4)
            axes.lines[-1].set_label(f"seed's threshold {side}")


def _means(axes: Axes, cells: pd.DataFrame, relative: Relative) -> None:
    """The groups' means: in the colour of d where all seeds have a threshold, else grey."""
    means = _group_means(cells)
    looks = _looks(cells)
    for (d, outside), part in means.groupby(["irrep_dim", "outside"]):
        face, marker = looks[part["irrep_dim"].iloc[0]]
        label = "$n_c$, geometric mean over seeds"
        if outside:
            face, label = "0.7", "the same over some seeds: not fitted"
        elif len(looks) > 1:
            label = f"$n_c$ at ${symbol(cells)} = {d}$, mean over seeds"
        n = relative(part["n_c"].to_numpy(), *_where(part))
        (dots,) = axes.plot(part["group_order"], n, marker, color=face, label=label, zorder=5)
        dots.set(markeredgecolor="black", markersize=4.5 if len(looks) == 1 else 5.5)


def _group_means(cells: pd.DataFrame) -> pd.DataFrame:
    outside = cells["n_c"].isna() & (cells["status"] != BracketStatus.NO_RUNS)
    logs = cells.assign(n_c=np.log(cells["n_c"]), outside=outside)
    groups = logs.groupby(["group_order", "group", "irrep_dim"], as_index=False)
    means = groups.agg({"n_c": "mean", "outside": "any"}).dropna(subset="n_c")
    return means.assign(n_c=np.exp(means["n_c"]))


def _names(figure: Figure, axes: Axes, cells: pd.DataFrame, note: Text) -> None:
    """The groups' names, where M does not tell them and there is room, beside all else."""
    groups = _group_means(cells)
    told = groups["group"] == "Z" + groups["group_order"].astype(str)
    if len(groups) > _MOST_NAMES or told.all():
        return
    at = groups["group_order"].to_numpy(float), groups["n_c"].to_numpy(float)
    names = [
        axes.text(M, n, name, fontsize="x-small", zorder=6)
        for M, n, name in zip(*at, groups["group"], strict=True)
    ]
    for name in names:
        name.set_path_effects([pe.withStroke(linewidth=2, foreground="white")])
        name.set_in_layout(False)
    figure.draw_without_rendering()  # so that all have their places
    thin = {"arrowstyle": "-", "color": "0.5", "linewidth": 0.6}
    adjust_text(
        names, *at, ax=axes, objects=[note], iter_lim=500, expand=(1.1, 1.3), arrowprops=thin
    )


def _where(cells: pd.DataFrame) -> tuple[Array, Array]:
    return cells["group_order"].to_numpy(float), cells["irrep_dim"].to_numpy(float)


def _annotation(laws: Sequence[Law], fits: Sequence[LawFit], check: HorizonCheck | None) -> str:
    if not laws:
        return "no law fitted"
    lines = []
    for law in laws:
        beta = law.quoted_beta
        lines.append(f"{law.form}: $\\beta$ = {beta.value:.2f} ± {beta.half_width:.2f}")
    if laws[0].gamma:
        gamma = laws[0].gamma
        left = f"scatter {laws[0].residual_sd:.1%}".replace("%", " %")
        lines.append(f"power law: $\\gamma$ = {gamma.value:.2f} ± {gamma.half_width:.2f}, {left}")
    lines.append(f"{len(fits[0].groups)} groups, {_horizon(fits[0])}")
    if check and check.drift is not None:
        refused = "" if check.status is HorizonStatus.STABLE else ": no verdict"
        drift = f"{check.drift:+.3f}".replace("-", "−")
        lines.append(f"$\\beta$ moved {drift} over the last half of it{refused}")
    elif check:
        lines.append("a group has no threshold at half of it: no verdict")
    return "\n".join(lines)


def _horizon(fit: LawFit) -> str:
    low, high = fit.horizon_steps
    return f"horizon {low:,} steps" if low == high else f"horizon {low:,}–{high:,} steps"
