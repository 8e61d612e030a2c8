"""Phases of learning over any two axes of a sweep, with the thresholds where n is one of them."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from numpy.typing import NDArray

from analysis.brackets import thresholds
from analysis.figures.scales import SIZES, TITLE_PAD, Scale, label, text
from analysis.figures.style import NOT_RUN, PANEL, legend_below, message, styled, wrapped
from analysis.learning_phases import Phase, phase_shares, phases
from analysis.loading import HOW_TRAINED, common_words, settings

AXES = ("group", "group_order", *SIZES, "split_seed", "init_seed", *HOW_TRAINED)
"""The columns that may be an axis."""
AT_MOST = 9
"""Panels, of however many: more could not be read on one page."""
_PALETTE = sns.color_palette("colorblind")
COLOURS = {
    Phase.COMPREHENSION: _PALETTE[2],
    Phase.GROKKING: _PALETTE[9],
    Phase.UNRESOLVED: "#f3e7a9",  # pale: what is not known should not catch the eye
    Phase.MEMORIZATION: _PALETTE[1],
    Phase.COLLAPSE: _PALETTE[4],
    Phase.CONFUSION: "0.35",
}


def phase_axes(records: pd.DataFrame) -> tuple[str, str]:
    """The two axes to show where nobody says which.

    Groups and n/M² where several are, by M where it tells them; else the learning rate and the
    weight decay where both vary;
    else whatever of the setting does, and n/(M log M).

    Args:
        records: As `load` gives them.
    """
    if len(records["group"].unique()) > 1:
        return Scale.of_groups(records).name, "train_fraction"
    varying = settings(records)
    if {"learning_rate", "weight_decay"} <= {*varying}:
        return "learning_rate", "weight_decay"
    return (varying[0], "n_over_m_log_m") if varying else ("group_order", "train_fraction")


def phase_map(
    records: pd.DataFrame,
    curves: pd.DataFrame | None = None,
    axes: tuple[str, str] | None = None,
    gap: int = 1000,
    target: float | None = None,
) -> Figure:
    """Shares of the phases in each pair of values of two columns, one panel for what else varies.

    Each cell is split among the phases of its runs in proportion, never along n. Where one axis
    measures n, the thresholds (geometric mean over seeds, bars from the lowest to the highest end
    of their brackets) are drawn; nothing is smoothed or interpolated. With more than nine panels,
    nine evenly chosen ones are shown, and the title says so.

    Args:
        records: As `load` gives them.
        curves: As `phases` takes them.
        axes: Names of two columns, across and up; by default those of `phase_axes`.
        gap: In steps, as `phases` takes it.
        target: As `phases` takes it.

    Raises:
        AxesError: `axes` are no two columns that can be drawn against each other.
    """
    x, y = axes or phase_axes(records)
    _check(x, y)
    runs = phases(records, curves, gap, target)
    lost = int(runs["phase"].isna().sum())
    runs = runs.dropna(subset="phase")
    if runs.empty:
        return message("No phases: every run failed." if lost else "No phases: no runs.")
    by = _panel_columns(runs, x, y)
    panels = list(runs.groupby(by)) if by else [((), runs)]
    shown = [panels[i] for i in _evenly(len(panels))]
    scales = _scale(runs, x), _scale(runs, y)
    columns = math.ceil(math.sqrt(len(shown)))
    rows = -(-len(shown) // columns)
    width, height = (PANEL[0] + 1.0, PANEL[1] + 0.3) if len(shown) == 1 else (3.1, 2.7)
    width = max(width, scales[0].length + 1.0)
    with styled():
        size = (width * columns, height * rows + 1.1 + scales[0].depth)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=True)
        for place in grid.flat[len(shown) :]:
            place.set_visible(False)
        for place, (values, part) in zip(grid.flat, shown, strict=False):
            _draw(place, part, scales)
            if by:
                pad = TITLE_PAD if scales[0].blocks else None
                place.set_title(wrapped(_panel_title(by, values), 32), pad=pad)
        _dress(grid, len(shown), scales, (width - 0.8, height - 0.7))
        title = [common_words(runs, {x, y, *by}), f"gap {gap:,} steps"]
        title += [f"{len(shown)} of {len(panels)} panels"] if len(shown) < len(panels) else []
        title += [f"{lost} failed runs left out"] if lost else []
        if (runs["group"] == runs["group"].iloc[0]).all():
            title.insert(0, f"{runs['group'].iloc[0]} ($M$ = {runs['group_order'].iloc[0]})")
        figure.suptitle(wrapped(", ".join(title), int(13 * size[0])), fontsize=9)
        handles = _legend(runs, grid.flat)
        told = "each cell split by the shares of its runs"
        legend_below(figure, handles, 3 if size[0] < 7 else 4, title=told, title_fontsize=8.5)
        return figure


def _scale(runs: pd.DataFrame, name: str) -> Scale:
    groups = Scale.of_groups(runs) if name in ("group", "group_order") else None
    return groups if groups and groups.name == name else Scale.of(name, runs[name])


class AxesError(ValueError):
    """Two columns that cannot be drawn against each other."""


def _check(x: str, y: str) -> None:
    for name in (x, y):
        if name not in AXES:
            raise AxesError(f"{name} is no axis of a phase diagram; valid are {', '.join(AXES)}")
    if x == y or {x, y} <= {*SIZES}:
        raise AxesError(f"{x} and {y} are one axis; name two that differ")


def _panel_columns(runs: pd.DataFrame, x: str, y: str) -> list[str]:
    """What varies besides the two axes and the seeds: order, n, and the rest of the setting."""
    varies = runs[HOW_TRAINED].nunique().gt(1)
    # a column that goes with the order, or with an axis, needs no panels of its own
    free = [
        name
        for name in HOW_TRAINED
        if varies[name]
        and name not in (x, y)
        and runs.groupby(list({"group_order", x, y} - {*SIZES}))[name].nunique().gt(1).any()
    ]
    order = ["group_order"] if not {x, y} & {"group", "group_order"} else []
    size = ["n_train"] if not {x, y} & {*SIZES} else []
    return free + [name for name in order + size if len(runs[name].unique()) > 1]


def _evenly(count: int) -> list[int]:
    if count <= AT_MOST:
        return list(range(count))
    return [round(i) for i in np.linspace(0, count - 1, AT_MOST)]


def _panel_title(by: list[str], values: Any) -> str:  # noqa: ANN401, whatever columns hold
    names = {"group_order": "$M$", "n_train": "$n$", "hidden_size": "$K$"}
    told = zip(by, values, strict=True)
    return ", ".join(f"{names.get(name, label(name))} = {text(value)}" for name, value in told)


def _draw(axes: Axes, runs: pd.DataFrame, scales: tuple[Scale, Scale]) -> None:
    across, up = scales
    axes.set_facecolor(NOT_RUN)
    x_of, y_of = _spans(runs, across, up), _spans(runs, up, across)
    upright = across.measures_n
    boxes, colours = [], []
    for (x, y), cell in phase_shares(runs, across.name, up.name).groupby([across.name, up.name]):
        (left, right), (bottom, top) = x_of[x, y], y_of[y, x]
        ends = np.concatenate([[0.0], cell["share"].cumsum()])
        sides = up.between(bottom, top, ends) if upright else across.between(left, right, ends)
        for phase, start, end in zip(cell["phase"], sides, sides[1:], strict=False):
            if end > start and upright:
                boxes.append(Rectangle((left, start), right - left, end - start))
            elif end > start:
                boxes.append(Rectangle((start, bottom), end - start, top - bottom))
            else:
                continue
            colours.append(COLOURS[Phase(phase)])
    # the thin white lines tell cells apart where all are of one phase
    axes.add_collection(
        PatchCollection(boxes, facecolors=colours, edgecolors="white", linewidths=0.25)
    )
    if across.measures_n or up.measures_n:
        _thresholds(axes, runs, across, up)


def _spans(runs: pd.DataFrame, own: Scale, other: Scale) -> dict[tuple[Any, Any], Any]:
    """From where to where the cell at (own, other) reaches on the own axis.

    Sizes differ from one order to the next, so each column of cells has its own edges in n.
    """
    pairs = runs[[own.name, other.name]].drop_duplicates()
    if not own.measures_n:
        spans = dict(zip(own.values, pairwise(own.edges()), strict=True))
        return {(a, b): spans[a] for a, b in pairs.itertuples(index=False)}
    return {
        (a, b): span
        for b, part in pairs.groupby(other.name)
        for values in [sorted(part[own.name].tolist())]
        for a, span in zip(values, pairwise(own.edges(values)), strict=True)
    }


def _thresholds(axes: Axes, runs: pd.DataFrame, across: Scale, up: Scale) -> None:
    """The thresholds along the axis that measures n, at each value of the other."""
    size, other = (across, up) if across.measures_n else (up, across)
    rows = []
    for value, part in runs.groupby(other.name):
        cells = thresholds(part).dropna(subset="n_c")
        if len(cells):
            M = cells["group_order"].to_numpy(float)
            unit = {
                "n_train": 1.0,
                "train_fraction": cells["tuples"].to_numpy(float),
                "n_over_m_log_m": M * np.log(M),
            }
            low, n_c, high = (
                cells[end].to_numpy(float) / unit[size.name] for end in ("n_low", "n_c", "n_high")
            )
            rows.append((other.at(value), np.exp(np.log(n_c).mean()), low.min(), high.max()))
    if not rows:
        return
    at, n_c, low, high = np.array(rows).T
    bars: dict[str, Any] = {"yerr" if size is up else "xerr": [n_c - low, high - n_c]}
    place = (at, n_c) if size is up else (n_c, at)
    axes.errorbar(
        *place, **bars, fmt="o", markersize=4.5, markerfacecolor="white", markeredgecolor="black",
        markeredgewidth=0.9, ecolor="black", elinewidth=1.2, capsize=2.5, zorder=5,
        label="threshold $n_c$, all seeds' brackets",
    )  # fmt: skip


def _dress(
    grid: NDArray[Any], count: int, scales: tuple[Scale, Scale], room: tuple[float, float]
) -> None:
    columns = grid.shape[1]
    for i, axes in enumerate(grid.flat[:count]):
        column = i % columns
        for which, scale, inches in zip("xy", scales, room, strict=True):
            scale.dress(axes, which, inches)
        lowest = i + columns >= count
        axes.tick_params(labelbottom=lowest, labelleft=column == 0)
        if lowest:
            axes.set_xlabel(label(scales[0].name))
        if column == 0:
            axes.set_ylabel(label(scales[1].name))


def _legend(runs: pd.DataFrame, panels: Any) -> list[Any]:  # noqa: ANN401, numpy's flat iterator
    there = set(runs["phase"])
    handles: list[Any] = [
        Patch(facecolor=COLOURS[phase], label=phase.value) for phase in Phase if phase in there
    ]
    for axes in panels:
        marks, _ = axes.get_legend_handles_labels()
        if marks:
            handles.append(marks[0])
            break
    return [*handles, Patch(facecolor=NOT_RUN, label="not run")]
