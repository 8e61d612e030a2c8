"""Learning curves of one cell: how accuracy rises with the step, for each training-set size."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import (
    FuncFormatter,
    MaxNLocator,
    NullFormatter,
    NullLocator,
    PercentFormatter,
)

from analysis.figures.style import PANEL, SIZE_COLOURS, message, styled, wrapped
from analysis.loading import setting_labels
from sweeper.tasks.task import task_label


def learning_curves(records: pd.DataFrame, curves: pd.DataFrame) -> Figure:
    """Test and training accuracy against the step, coloured by n_train, one line a run.

    Dots mark generalization_step; the dashed line is the target.

    Args:
        records: Of one group and one setting.
        curves: Of these runs, as `load_curves` gives them; others are ignored.
    """
    runs = records.set_index("fingerprint")
    drawn = curves[curves["fingerprint"].isin(runs.index)]
    if drawn.empty:
        return message("No learning curves: no run of this cell left one.")
    with styled():
        figure = Figure(figsize=(PANEL[0] + 1.2, PANEL[1] + 1.4), layout="constrained")
        test, train = figure.subplots(2, 1, sharex=True, height_ratios=[2.2, 1])
        sizes = runs["n_train"]
        norm = LogNorm(sizes.min() * 0.999, sizes.max() * 1.001)
        colours = ScalarMappable(norm, SIZE_COLOURS)
        for axes, name in ((test, "test_accuracy"), (train, "train_accuracy")):
            _lines(axes, drawn, runs, name, colours)
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
            axes.set_ylim(-0.03, 1.04)
        target = float(runs["target_test_accuracy"].max())
        test.axhline(target, linestyle="--", color="0.25", linewidth=0.9)
        test.text(
            0.01, target + 0.012, f"target {target:.0%}", transform=test.get_yaxis_transform()
        )
        _mark(test, drawn, runs, colours)
        test.set_ylabel("test accuracy")
        train.set_ylabel("training accuracy")
        train.set_xscale("log")
        train.set_xlim(drawn["step"].min(), drawn["step"].max() * 1.05)
        train.set_xlabel("step")
        task = task_label(*runs[["group", "operands", "expression"]].iloc[0])
        order, setting = runs["group_order"].iloc[0], setting_labels(records).iloc[0]
        title = f"{task} (M = {order}), {len(runs)} runs: {setting}"
        test.set_title(wrapped(title, 66))
        _size_bar(figure, [test, train], colours, sizes)
        return figure


def _lines(
    axes: Axes, curves: pd.DataFrame, runs: pd.DataFrame, name: str, colours: ScalarMappable
) -> None:
    by_run = dict(list(curves.groupby("fingerprint", sort=False)))
    order = runs.loc[list(by_run)].sort_values("n_train").index
    lines = [by_run[fingerprint][["step", name]].to_numpy(float) for fingerprint in order]
    colour = colours.to_rgba(runs.loc[order, "n_train"].to_numpy(float))
    axes.add_collection(LineCollection(lines, colors=colour, linewidths=0.9, alpha=0.9))


def _mark(axes: Axes, curves: pd.DataFrame, runs: pd.DataFrame, colours: ScalarMappable) -> None:
    turned = runs.dropna(subset="generalization_step")[["n_train", "generalization_step"]]
    at = curves.merge(turned, left_on="fingerprint", right_index=True)
    at = at[at["step"] == at["generalization_step"]]
    axes.scatter(
        at["step"],
        at["test_accuracy"],
        s=16,
        c=colours.to_rgba(at["n_train"].to_numpy(float)),
        edgecolors="black",
        linewidths=0.6,
        zorder=3,
    )


def _size_bar(
    figure: Figure, axes: list[Axes], colours: ScalarMappable, sizes: "pd.Series[int]"
) -> None:
    bar = figure.colorbar(colours, ax=axes, pad=0.02, aspect=32)
    bar.set_label("training pairs $n$")
    ticks = MaxNLocator(6, integer=True).tick_values(sizes.min(), sizes.max())
    bar.set_ticks([tick for tick in ticks if sizes.min() <= tick <= sizes.max()] or [sizes.min()])
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.0f}"))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.ax.yaxis.set_minor_formatter(NullFormatter())
