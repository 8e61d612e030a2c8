"""A probed sweep layer by layer: what each matrix of weights and its neurons do over the steps."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.figures.style import (
    BLUE,
    ORANGE,
    PANEL,
    SIZE_COLOURS,
    legend_below,
    message,
    styled,
    wrapped,
)
from analysis.loading import common_words

_ROWS = {
    "W_norm": "$\\|W\\|$",
    "W_grad_norm": "gradient norm",
    "W_change": "$\\|\\Delta W\\|/\\|W\\|$ a step",
    "energy_alignment": "cosine with the\nown energy's",
    "label_cosine": "cosine of what is\nsent and $ỸỸ^T\\tilde H$",
    "feature_rank": "feature rank",
    "operand_share": "share of $x$:\n$f(a) + g(b)$",
    "target_share": "share of $h$:\n$f(a \\cdot b)$",
    "target_irreps": "irreps of the\ntarget's part",
}
_LOGARITHMIC = {"W_grad_norm", "W_change"}
_THEORY = {"energy_alignment": 1.0, "label_cosine": 1.0}
"""Where Theorem 1 holds, and Lemma 1."""
_BELOW_ZERO = {"energy_alignment", "label_cosine"}
_COLOURS = {"E": ORANGE, "W": BLUE, "V": sns.color_palette("colorblind")[4]}
"""Of other matrices than the hidden ones of deeper nets."""
_MOST_COLUMNS = 6
_DEPTH = ["network", "layers", "activation"]
_EVENTS: dict[str, tuple[str, Any]] = {
    "fit_step": ("training pairs fitted", ":"),
    "generalization_step": ("generalized", "-"),
}


def layers_over_steps(records: pd.DataFrame, layers: pd.DataFrame) -> Figure:
    """Indicators of each layer against the step: one row an indicator, one column a kind of net.

    Medians over the runs of a network, depth and activation, at the steps where more than half of
    these were measured; beyond, runs that have ended are missing and a median would be of others.
    The theory's values are dashed: cosines of 1, and as many irreps as the groups have, where they
    all have as many. Vertical lines are medians of fit_step (dotted) and generalization_step, of
    the runs that have one.

    Args:
        records: As `load` gives them, with a column irreps, the group's number of them.
        layers: As `load_probed_layers` does.
    """
    runs = records[records["fingerprint"].isin(layers["fingerprint"])]
    if runs.empty:
        return message("No layers: no run was probed for them.")
    kinds = list(runs.sort_values(_DEPTH).groupby(_DEPTH))
    places = np.linspace(0, len(kinds) - 1, min(len(kinds), _MOST_COLUMNS)).round().astype(int)
    names = layers["layer"].drop_duplicates().tolist()
    deep = [name for name in names if name[1:].isdigit()]
    shades = sns.color_palette(SIZE_COLOURS, max(3, len(deep)))
    colours = _COLOURS | dict(zip(deep, shades, strict=False))
    with styled():
        width = 1.3 + 0.62 * PANEL[0] * max(len(places), 1.6)
        figure = Figure(figsize=(width, 0.38 * PANEL[1] * len(_ROWS)), layout="constrained")
        panels = figure.subplots(len(_ROWS), len(places), sharex="col", sharey="row", squeeze=False)
        for column, place in zip(panels.T, places, strict=True):
            kind, own = kinds[place]
            _column(column, own, layers, colours)
            title = f"{_named(kind)} ({len(own)} run{'s' if len(own) > 1 else ''})"
            column[0].set_title(wrapped(title, 30))
            column[-1].set_xlabel("step")
        for axes, (name, label) in zip(panels[:, 0], _ROWS.items(), strict=True):
            axes.set_ylabel(label)
            if name not in _LOGARITHMIC | _BELOW_ZERO:
                axes.set_ylim(bottom=0)
        figure.align_ylabels(panels[:, 0])
        handles: list[Artist] = [Line2D([], [], color=colours[name], label=name) for name in names]
        handles += [
            Line2D([], [], color="0.45", linewidth=0.9, linestyle=style, label=words)
            for words, style in _EVENTS.values()
        ]
        handles.append(Line2D([], [], color="0.25", linestyle="--", linewidth=0.9, label="theory"))
        legend_below(figure, handles, 8)
        some = f"{len(places)} of {len(kinds)} kinds of nets: " if len(kinds) > len(places) else ""
        groups = runs.sort_values(["group_order", "group"])["group"].unique().tolist()
        of = ", ".join(groups) if len(groups) <= 4 else f"{groups[0]} to {groups[-1]}"
        said = f"{some}{of}, {common_words(runs, {'network', 'activation', 'max_steps'})}"
        figure.suptitle(wrapped(said, round(14 * width)), fontsize=9)
        return figure


def _named(kind: tuple[str, int, str]) -> str:
    network, depth, activation = kind
    return f"{network}, {f'{depth} layers, ' if network == 'residual' else ''}{activation}"


def _column(
    column: Sequence[Axes],
    runs: pd.DataFrame,
    layers: pd.DataFrame,
    colours: dict[str, tuple[float, float, float]],
) -> None:
    """All indicators of one kind of net."""
    own = layers[layers["fingerprint"].isin(runs["fingerprint"])]
    counts = own.groupby("step")["fingerprint"].nunique()
    own = own[own["step"].isin(counts.index[counts > len(runs) / 2])]
    medians = own.groupby(["layer", "step"])[list(_ROWS)].median()
    for axes, name in zip(column, _ROWS, strict=True):
        for layer in own["layer"].unique():
            line = medians.loc[layer, name].dropna()
            axes.plot(line.index, line, color=colours[layer], linewidth=1.3)
        axes.set_xscale("log")
        if name in _LOGARITHMIC:
            axes.set_yscale("log")
        references = [_THEORY[name]] if name in _THEORY else []
        if name == "target_irreps" and len(irreps := set(runs["irreps"])) == 1:
            references = [float(*irreps)]
        for reference in references:
            axes.axhline(reference, color="0.25", linestyle="--", linewidth=0.9, zorder=1)
        for event, (_, style) in _EVENTS.items():
            at = runs[event].dropna()
            if len(at):
                axes.axvline(float(at.median()), color="0.45", linestyle=style, linewidth=0.9)
