"""The boundary: thresholds against group order, with the fitted laws and what they leave over."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, PercentFormatter
from numpy.typing import NDArray

from analysis.brackets import BracketStatus
from analysis.figures.style import BLUE, GREY, ORANGE, PANEL, message, order_axis, styled, wrapped
from analysis.horizon import HorizonCheck, HorizonStatus
from analysis.laws import Form, Law, LawFit

Array = NDArray[np.float64]
Relative = Callable[[Array, Array, Array], Array]
"""Turns n at given orders and dimensions into what a panel shows."""
_COLOURS = {Form.POWER: BLUE, Form.THEOREM_4: ORANGE}
_SPREAD = 0.016
"""Between neighbouring seeds of one group, in log M, so that their brackets do not hide another."""
_MOST_NAMES = 16
"""Groups that are named in the figure, at most."""


def boundary(
    thresholds: pd.DataFrame, fits: Sequence[LawFit] = (), check: HorizonCheck | None = None
) -> Figure:
    """Thresholds against order, both logarithmic, every seed's bracket, laws with 95 % bands.

    Below, all of it relative to the first law, in percent.

    Args:
        thresholds: Of one setting.
        fits: Laws of the same setting; those without numbers are left out.
        check: Their horizon check, for the annotation.
    """
    cells = thresholds.astype({"n_low": float, "n_high": float, "n_c": float})
    if cells["n_c"].isna().all():
        return message("No boundary: no cell has runs on both sides of a threshold.")
    laws = [fit.law for fit in fits if fit.law]
    with styled():
        figure = Figure(figsize=(PANEL[0] + 0.9, PANEL[1] + 2.2), layout="constrained")
        if laws:
            top, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1.4])
            _draw(below, cells, laws, laws[0])
            below.set_ylabel(f"off the {laws[0].form}")
            below.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        else:
            top = below = figure.subplots()
        _draw(top, cells, laws, None)
        top.set_yscale("log")
        top.set_ylabel("threshold $n_c$ (training pairs)")
        top.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        top.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
        top.yaxis.set_minor_formatter(NullFormatter())
        order_axis(below, cells["group_order"].tolist())
        top.set_xlabel("group order $M$" if not laws else "")
        top.set_title(wrapped(str(cells["setting"].iloc[0])))
        legend = dict(zip(*reversed(top.get_legend_handles_labels()), strict=True))
        figure.legend(handles=legend.values(), loc="outside lower center", ncols=2)
        note = _annotation(laws, fits, check)
        top.text(0.97, 0.04, note, transform=top.transAxes, ha="right", va="bottom", fontsize=8.5)
        figure.align_ylabels()
        return figure


def _draw(axes: Axes, cells: pd.DataFrame, laws: Sequence[Law], base: Law | None) -> None:
    """Everything once: as it is, or relative to a base law at the same order and dimension."""

    def relative(n: Array, orders: Array, dims: Array | float) -> Array:
        return n if base is None else n / base.predict(orders, dims)[0] - 1

    found = cells.dropna(subset="n_c")
    several = found["max_irrep_dim"].min() < found["max_irrep_dim"].max()
    for dim, part in found.groupby("max_irrep_dim"):
        d = float(part["max_irrep_dim"].iloc[0])
        ends = part["group_order"].min() * 0.95, part["group_order"].max() * 1.05
        points = np.geomspace(*ends, 200)
        reference = _m_log_m(part, points)
        axes.plot(points, relative(reference, points, d), ":", color=GREY, linewidth=1.6, zorder=2)
        axes.lines[-1].set_label("$M\\,\\log M$, best constant")
        if several and base is None:
            beside = axes.get_yaxis_transform()
            axes.text(1.01, reference[-1], f"$d_k = {dim}$", transform=beside, va="center")
        for law in laws:
            colour, dashes = _COLOURS[law.form], "-" if law.form is Form.POWER else (0, (5, 1.5))
            centre, low, high = (relative(n, points, d) for n in law.predict(points, d))
            axes.fill_between(points, low, high, color=colour, alpha=0.2, linewidth=0, zorder=1)
            axes.plot(points, centre, color=colour, linestyle=dashes, zorder=3)
            axes.lines[-1].set_label(f"{law.form}, 95 % band (scatter)")
    _brackets(axes, found, relative)
    _outside(axes, cells, relative)
    _means(axes, cells, relative)
    if base is None:
        _names(axes, cells, relative)


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
        (BracketStatus.NONE_GENERALIZED, "n_low", "^", "above the largest"),
        (BracketStatus.UNRESOLVED, "n_low", "^", "beyond the horizon"),
        (BracketStatus.ALL_GENERALIZED, "n_high", "v", "below the smallest"),
    ):
        part = cells[cells["status"] == status]
        if len(part):
            n = relative(part[end].to_numpy(), *_where(part))
            axes.plot(part["group_order"], n, marker, color="0.35", markersize=5, zorder=4)
            axes.lines[-1].set_label(f"seed's threshold {side} $n$")


def _means(axes: Axes, cells: pd.DataFrame, relative: Relative) -> None:
    """The groups' means: white where all seeds have a threshold, grey where some do not."""
    outside = cells["n_c"].isna() & (cells["status"] != BracketStatus.NO_RUNS)
    logs = cells.assign(n_c=np.log(cells["n_c"]), outside=outside)
    groups = logs.groupby(["group_order", "group", "max_irrep_dim"], as_index=False)
    means = groups.agg({"n_c": "mean", "outside": "any"}).dropna(subset="n_c")
    for some, face, label in (
        (False, "white", "$n_c$, geometric mean over seeds"),
        (True, "0.7", "the same over some seeds: not fitted"),
    ):
        part = means[means["outside"] == some]
        if len(part):
            n = relative(np.exp(part["n_c"].to_numpy()), *_where(part))
            (dots,) = axes.plot(part["group_order"], n, "o", color=face, label=label, zorder=5)
            dots.set(markeredgecolor="black", markersize=4.5)


def _names(axes: Axes, cells: pd.DataFrame, relative: Relative) -> None:
    """The groups' names, where M does not tell them and there is room."""
    groups = cells.dropna(subset="n_c").drop_duplicates("group", keep="last")
    told = groups["group"] == "Z" + groups["group_order"].astype(str)
    if len(groups) > _MOST_NAMES or told.all():
        return
    heights = relative(groups["n_high"].to_numpy(float), *_where(groups))
    for name, M, height in zip(groups["group"], groups["group_order"], heights, strict=True):
        axes.annotate(
            name, (M, height), (0, 5), textcoords="offset points", ha="center", fontsize="x-small"
        )


def _where(cells: pd.DataFrame) -> tuple[Array, Array]:
    return cells["group_order"].to_numpy(float), cells["max_irrep_dim"].to_numpy(float)


def _annotation(laws: Sequence[Law], fits: Sequence[LawFit], check: HorizonCheck | None) -> str:
    if not laws:
        return "no law fitted"
    lines = []
    for law in laws:
        beta = law.quoted_beta
        lines.append(f"{law.form}: $\\beta$ = {beta.value:.2f} ± {beta.half_width:.2f}")
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
