"""The collapse of the accuracies of each setting, as a page shows it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.finite_size import Collapse, collapse, collapse_words
from analysis.tables import Plain, plain

RunsOf = Callable[[str], pd.DataFrame]
"""The runs of a setting, by its words, as `load` gives them."""
MOST_WORK = 3000
"""Groups times thresholds (a group and seed each), of all settings: what is above takes long."""


@dataclass(frozen=True)
class Collapses:
    """What became of the collapses.

    Attributes:
        words: A setting and its verdict, each.
        plots: Of those that have a curve: setting, words, whether 1/ν is quotable, and of each
            order M, x (scaled size), y (accuracy, 0 at chance and 1 at the target), error, n and
            n_over_n_c.
    """

    words: list[tuple[str, str]]
    plots: list[Plain]


def collapses(cells: Mapping[str, pd.DataFrame], runs_of: RunsOf) -> Collapses:
    """Collapse each setting, as long as this takes seconds.

    Args:
        cells: Thresholds by setting.
        runs_of: Gives the runs of a setting.
    """
    words: list[tuple[str, str]] = []
    plots, work = [], 0
    for setting, seeds in cells.items():
        work += len(seeds) * seeds["group"].nunique()
        if work > MOST_WORK:
            words.append((setting, "Too many runs to collapse for a page: `sweeper collapse`."))
            continue
        found = collapse(runs_of(setting))
        # alone, its words may name less of it than beside others
        text = collapse_words(found).removeprefix(f"{found.setting}: ")
        words.append((setting, text[0].upper() + text[1:]))
        if found.inverse_nu:
            plots.append(_plot(setting, words[-1][1], found))
    return Collapses(words, plots)


def _plot(setting: str, words: str, found: Collapse) -> Plain:
    orders = [
        {
            "M": int(part["group_order"].iloc[0]),
            "group": str(group),
            "x": _short(part["x"]),
            "y": _short(part["accuracy"]),
            "error": _short(part["error"]),
            "n": part["n_train"].astype(int).tolist(),
            "ratio": _short(part["n_train"] / part["n_c"]),
        }
        for group, part in found.points.groupby("group", sort=False)
    ]
    return plain({"setting": setting, "words": words, "quotable": found.quotable, "orders": orders})


def _short(values: "pd.Series[float]") -> list[float]:
    return [float(f"{value:.5g}") for value in np.asarray(values, float)]
