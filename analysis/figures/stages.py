"""A probed sweep from inside: the stages of its runs, and when irreps are learned."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from analysis.dynamics import STAGES
from analysis.figures.strip import STAGE_COLOURS
from analysis.figures.style import PANEL, SIZE_COLOURS, legend_below, message, styled, wrapped
from analysis.loading import common_words

MOST_RUNS = 160
"""In a timeline; of more, evenly chosen ones are drawn, and the title says so."""
_MOST_TICKS = 24


def stage_timeline(records: pd.DataFrame, probes: pd.DataFrame, total: int | None = None) -> Figure:
    """The stage of each run against the step: one bar a run, by group and n_train.

    Dots mark fit_step, diamonds generalization_step.

    Args:
        records: As `load` gives them.
        probes: As `load_probes` does; runs without stages are left out.
        total: How many runs these are some of.
    """
    staged = probes.dropna(subset="stage")
    runs = records[records["fingerprint"].isin(staged["fingerprint"])]
    runs = runs.sort_values(["group_order", "group", "n_train", "split_seed", "init_seed"])
    if runs.empty:
        return message("No stages: no run was probed for them.")
    total = total or len(runs)
    runs = evenly(runs, MOST_RUNS).reset_index(drop=True)
    with styled():
        height = min(9.0, 1.8 + 0.16 * max(len(runs), 8))
        figure = Figure(figsize=(PANEL[0] + 2.2, height), layout="constrained")
        axes = figure.subplots()
        by_run = dict(list(staged.groupby("fingerprint", sort=False)))
        seen: set[int] = set()
        for stage in STAGES:
            boxes = [
                box
                for place, (name, end) in enumerate(
                    zip(runs["fingerprint"], runs["final_step"], strict=True)
                )
                for box in _boxes(by_run[name], place, stage, end)
            ]
            if boxes:
                seen.add(stage)
                axes.add_collection(PolyCollection(boxes, facecolors=STAGE_COLOURS[stage]))
        handles: list[Artist] = [
            Patch(color=STAGE_COLOURS[stage], label=STAGES[stage]) for stage in sorted(seen)
        ]
        for name, marker, words in (
            ("fit_step", "o", "training pairs fitted"),
            ("generalization_step", "D", "generalized"),
        ):
            at = runs.dropna(subset=name)
            look: Any = {"marker": marker, "color": "black", "linestyle": "none", "markersize": 3}
            axes.plot(at[name].astype(float), at.index, **look)
            if len(at):
                handles.append(Line2D([], [], label=words, **look))
        axes.set_xscale("log")
        axes.set_xlim(staged["step"].min(), runs["final_step"].max())
        axes.set_ylim(len(runs) - 0.5, -0.5)
        axes.set_xlabel("step")
        _label_runs(axes, runs)
        some = f"{len(runs)} of {total:,} runs" if total > len(runs) else f"{total} runs"
        without = {"max_steps"}
        axes.set_title(wrapped(f"stages of {some}: {common_words(runs, without)}", 84))
        legend_below(figure, handles, 6)
        return figure


def evenly(runs: pd.DataFrame, most: int) -> pd.DataFrame:
    """At most so many of some rows, the first and the last among them."""
    if len(runs) <= most:
        return runs
    return runs.iloc[np.linspace(0, len(runs) - 1, most).round().astype(int)]


def _boxes(
    measured: pd.DataFrame, place: int, stage: int, end: int
) -> list[list[tuple[float, float]]]:
    """Rectangles of one run where it is in a stage, neighbours joined."""
    steps = [*measured["step"].tolist(), end]
    here = (measured["stage"] == stage).to_numpy()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], here, [False]]).astype(int)))
    low, high = place - 0.42, place + 0.42
    return [
        [(steps[i], low), (steps[j], low), (steps[j], high), (steps[i], high)]
        for i, j in edges.reshape(-1, 2)
    ]


def _label_runs(axes: Axes, runs: pd.DataFrame) -> None:
    """One tick for each group and n_train, at the middle of its runs."""
    labels_of = runs["group"] + ", n = " + runs["n_train"].map("{:,}".format)
    blocks = runs.index.to_series().groupby(labels_of, sort=False).mean()
    middles, labels = blocks.tolist(), blocks.index.tolist()
    every = int(np.ceil(len(labels) / _MOST_TICKS))
    axes.set_yticks(middles[::every], labels[::every])
    firsts = runs.index[runs["group"] != runs["group"].shift()]
    for place in firsts[1:]:
        axes.axhline(place - 0.5, color="black", linewidth=0.7)


def irreps_learned(records: pd.DataFrame, probes: pd.DataFrame) -> Figure:
    """Share of a group's nontrivial real irreps that neurons cover, against the step.

    One line a run, coloured by n/(M log M); diamonds mark generalization_step. The smallest, the
    middle and the largest group have a panel each.

    Args:
        records: As `load` gives them.
        probes: As `load_probes` does, with a column irreps, the group's number of them.
    """
    covered = probes.dropna(subset="irreps_covered")
    runs = records[records["fingerprint"].isin(covered["fingerprint"])]
    if runs.empty:
        return message("No irreps: no run was probed for them.")
    groups = runs.sort_values(["group_order", "group"])["group"].unique().tolist()
    shown = list(dict.fromkeys([groups[0], groups[len(groups) // 2], groups[-1]]))
    with styled():
        figure = Figure(
            figsize=(PANEL[0] * 0.8 * max(len(shown), 1.4) + 0.8, PANEL[1]), layout="constrained"
        )
        panels = figure.subplots(1, len(shown), squeeze=False, sharey=True)[0]
        sizes = runs["n_over_m_log_m"]
        colours = ScalarMappable(LogNorm(sizes.min() * 0.999, sizes.max() * 1.001), SIZE_COLOURS)
        for axes, group in zip(panels, shown, strict=True):
            own = runs[runs["group"] == group].sort_values("n_train").set_index("fingerprint")
            _covered(axes, own, covered, colours)
            axes.set_title(f"{group} ({len(own)} runs)")
        panels[0].set_ylabel("irreps covered")
        bar = figure.colorbar(colours, ax=list(panels), pad=0.02, aspect=28)
        bar.set_label("$n / (M \\log M)$")
        _plain_ticks(bar.ax, sizes)
        if runs["generalization_step"].notna().any():
            look: Any = {
                "marker": "D",
                "color": "white",
                "markeredgecolor": "black",
                "markersize": 4,
            }
            mark = Line2D([], [], linestyle="none", label="generalized", **look)
            legend_below(figure, [mark], 1)
        return figure


def _covered(
    axes: Axes, runs: pd.DataFrame, covered: pd.DataFrame, colours: ScalarMappable
) -> None:
    drawn = covered[covered["fingerprint"].isin(runs.index)]
    by_run = dict(list(drawn.groupby("fingerprint", sort=False)))
    lines = []
    for name in runs.index:
        one = by_run[name]
        share = (one["irreps_covered"] / one["irreps"]).to_numpy(float)
        lines.append(np.column_stack([one["step"].to_numpy(float), share]))
    rgba = colours.to_rgba(runs["n_over_m_log_m"].to_numpy(float))
    axes.add_collection(LineCollection(lines, colors=rgba, linewidths=1.0, alpha=0.9))
    for line, name, colour in zip(lines, runs.index, rgba, strict=True):
        step = runs.loc[name, "generalization_step"]
        if pd.notna(step):
            at = float(np.interp(float(step), line[:, 0], line[:, 1]))
            axes.plot(step, at, "D", color=colour, markeredgecolor="black", markersize=4)
    axes.set_xscale("log")
    axes.set_xlim(drawn["step"].min(), drawn["step"].max() * 1.05)
    axes.set_ylim(-0.03, 1.04)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlabel("step")
    axes.axhline(1, color="0.25", linestyle="--", linewidth=0.9, zorder=1)


def _plain_ticks(axes: Axes, sizes: "pd.Series[float]") -> None:
    """Few ticks of a logarithmic bar, as plain numbers."""
    low, high = float(sizes.min()), float(sizes.max())
    ticks = np.geomspace(low, high, 5) if high > 1.05 * low else np.array([low])
    axes.set_yticks(ticks, [f"{tick:.2g}" for tick in ticks])
    axes.set_yticks([], minor=True)
