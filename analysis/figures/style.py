"""What the figures have in common: fonts, colours, sizes, and how they are written."""

import os
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator
from numpy.typing import NDArray

ACCURACY_COLOURS = "cividis"
"""Perceptually uniform, the same to colour-blind eyes, and in order of lightness when printed."""
SIZE_COLOURS = "crest"
"""Seaborn's, made for lines on white: its light end is still dark enough to see."""
BLUE, ORANGE, GREY = (sns.color_palette("colorblind")[i] for i in (0, 1, 7))
PANEL = (4.6, 3.6)
"""Width and height of one panel, in inches at final size."""
NOT_RUN = "0.88"
"""Of the ground between cells."""

_RC: Any = {
    **sns.axes_style("ticks"),
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9.5,
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "axes.linewidth": 0.8,
    "svg.hashsalt": "sweeper",  # equal figures give equal files
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib and has the symbols
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw in the figures' style without touching the caller's settings."""
    with mpl.rc_context(_RC):
        yield


def wrapped(text: str, width: int = 62) -> str:
    """Text broken after commas and colons into lines that fit over one panel."""
    kept = text.replace(" ", "\N{NO-BREAK SPACE}")
    for mark in ",:":
        kept = kept.replace(mark + "\N{NO-BREAK SPACE}", mark + " ")
    return "\n".join(textwrap.wrap(kept, width, break_long_words=False))


def message(text: str) -> Figure:
    """A figure that says why there is nothing to draw."""
    with styled():
        figure = Figure(figsize=PANEL, layout="constrained")
        figure.text(0.5, 0.5, "\n".join(textwrap.wrap(text, 48)), ha="center", va="center")
        return figure


def legend_below(figure: Figure, handles: Sequence[Artist], most: int, **how: Any) -> Legend:  # noqa: ANN401, of matplotlib
    """A legend under all axes, in as many columns, up to `most`, as the figure is wide enough for.

    Args:
        figure: Where constrained layout makes room.
        handles: Labelled artists.
        most: Columns.
        how: As `Figure.legend` takes it.
    """
    columns = min(most, len(handles))
    while True:
        legend = figure.legend(handles=handles, loc="outside lower center", ncols=columns, **how)
        if columns == 1 or legend.get_window_extent().width <= 0.99 * figure.bbox.width:
            return legend
        legend.remove()
        columns -= 1


def order_axis(axes: Axes, orders: Sequence[float]) -> None:
    """A logarithmic M axis with ticks at the orders themselves, as many as there is room for."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(FixedLocator(apart(sorted(set(orders)), 1.1)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("group order $M$")


def log_edges(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Geometric midpoints between neighbours; beyond the first and the last, a typical gap."""
    if len(centres) == 1:
        return np.array([0.95, 1.05]) * float(centres[0])
    inner = np.sqrt(centres[:-1] * centres[1:])
    half = np.sqrt(np.median(centres[1:] / centres[:-1]))
    return np.concatenate([[centres[0] / half], inner, [centres[-1] * half]])


def save(figure: Figure, path: Path) -> Path:
    """Write a figure in the format of its suffix, 200 dpi, aside and then into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    metadata = {"Date": None} if path.suffix == ".svg" else None
    with styled():
        figure.savefig(aside, dpi=200, metadata=metadata)
    aside.replace(path)
    return path


def apart(values: Sequence[float], ratio: float) -> list[float]:
    """The ascending values, less those closer than `ratio` to a neighbour; both ends stay."""
    kept: list[float] = []
    for value in values:
        if not kept or value >= ratio * kept[-1]:
            kept.append(value)
    if len(kept) > 1:
        kept[-1] = values[-1]  # no nearer to the one before than what it stands in for
    return kept
