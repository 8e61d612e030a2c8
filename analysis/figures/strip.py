"""One probed run, from inside: frames of its neurons and the stages along its curves."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, MaxNLocator, PercentFormatter
from numpy.typing import NDArray

from analysis.dynamics import STAGES, Floats, ProbedRun
from analysis.figures.style import (
    ACCURACY_COLOURS,
    BLUE,
    GREY,
    NOT_RUN,
    ORANGE,
    legend_below,
    message,
    styled,
    wrapped,
)
from sweeper.tasks.task import task_label

STAGE_COLOURS = {1: "#dddddd", 2: "#a6cee3", 3: "#fdbf6f", 4: "#b2df8a"}
"""Told apart by colour-blind eyes and in grey; light enough to draw on."""

Places = NDArray[np.int64]

MOST_FRAMES = 5
"""Side by side in a strip; an animation has all."""


def strip(run: ProbedRun) -> Figure:
    """Frames of a run's neurons side by side, and its curves with the stages.

    Above, the spectrum by neuron: the share of ‖w‖² in each real irrep, neurons sorted by the irrep
    that they end in; grey where weight decay has left nothing. In the middle each neuron's energy,
    dots as large as what it adds to the outputs, with the maxima of Theorem 2 as lines, M/8d_k for
    a real irrep and M/16d_k for the others. Below, accuracies and the share of irreps covered
    against the step.

    Args:
        run: As `load_probed_run` gives it; what its probes did not measure is left out.
    """
    places = _spread(run.frames)
    rows = [name for name in ("neuron_share", "neuron_height") if _has(run, name)]
    if not len(run.probes["step"]):
        return message("Nothing was measured: the run diverged before its first measurement.")
    with styled():
        width = 1.9 * max(len(places), 3) + 1.0
        heights = [*([2.6] * len(rows)), 2.2]
        figure = Figure(figsize=(width, sum(heights) + 1.2), layout="constrained")
        grid = figure.add_gridspec(len(heights), max(len(places), 1), height_ratios=heights)
        order = _order(run) if rows else np.array([], int)
        for i, name in enumerate(rows):
            first: Axes | None = None
            for j, place in enumerate(places):
                axes = figure.add_subplot(grid[i, j], sharey=first)
                image = _draw(axes, run, name, place, order)
                if i == 0:
                    axes.set_title(f"step {run.probes['frame_step'][place]:,.0f}")
                if first is not None:
                    axes.tick_params(labelleft=False)
                    axes.set_ylabel("")
                first = first or axes
            if image is not None:
                bar = figure.colorbar(image, ax=axes, pad=0.03, aspect=22)
                bar.set_label("share of $\\|w\\|^2$")
        below = figure.add_subplot(grid[len(rows), :])
        handles = _curves(below, run)
        for place in places:
            below.axvline(run.probes["frame_step"][place], color="0.35", linewidth=0.6, zorder=1.5)
        figure.suptitle(wrapped(_title(run), int(15 * width)), fontsize=9)
        legend_below(figure, handles, 8)
        return figure


def animate(run: ProbedRun, path: Path, per_second: int = 2) -> Path:
    """All frames of a run one after the other, as a GIF, written aside and then into place.

    Args:
        run: As `load_probed_run` gives it.
        path: Of the GIF.
        per_second: Frames; the last one stays four times as long.

    Raises:
        ValueError: No frames of its neurons were kept.
    """
    rows = [name for name in ("neuron_share", "neuron_height") if _has(run, name)]
    if not rows:
        raise ValueError("no frames of its neurons were kept; energy and irreps keep some")
    with styled():
        figure = Figure(figsize=(3.6 * len(rows) + 0.6, 5.6), layout="constrained")
        grid = figure.add_gridspec(2, len(rows), height_ratios=[2.6, 2])
        panels = [figure.add_subplot(grid[0, i]) for i in range(len(rows))]
        below = figure.add_subplot(grid[1, :])
        order = _order(run)
        handles = _curves(below, run)
        now = below.axvline(run.probes["frame_step"][0], color="black", linewidth=1.2)
        figure.suptitle(wrapped(_title(run), 30 * len(rows) + 14), fontsize=9)
        legend_below(figure, handles, 4)
        image = _draw(panels[0], run, rows[0], 0, order)
        if image is not None:
            figure.colorbar(image, ax=panels[0], pad=0.03).set_label("share of $\\|w\\|^2$")

        def show(place: int) -> list[Artist]:
            for axes, name in zip(panels, rows, strict=True):
                axes.clear()
                _draw(axes, run, name, place, order)
            step = run.probes["frame_step"][place]
            panels[0].set_title(f"step {step:,.0f}")
            now.set_xdata([step, step])
            return []

        places = [*range(run.frames), *[run.frames - 1] * 3]
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
        film = FuncAnimation(figure, show, frames=places, blit=False)
        film.save(aside, writer=PillowWriter(fps=per_second), dpi=110)
    aside.replace(path)
    return path


def _spread(frames: int) -> list[int]:
    """Some of the frames, the first and the last among them."""
    if not frames:
        return []
    return sorted({round(place) for place in np.linspace(0, frames - 1, MOST_FRAMES)})


def _has(run: ProbedRun, name: str) -> bool:
    return run.probes[name] is not None and run.frames > 0


def _order(run: ProbedRun) -> Places:
    """Neurons by the irrep that they end in, the largest first within it; then those that are 0."""
    sizes = run.probes["neuron_size"][-1]
    if run.probes["neuron_share"] is None:
        return np.argsort(-sizes)
    shares = run.probes["neuron_share"][-1]
    irreps = np.where(np.isnan(shares[:, 0]), shares.shape[1], shares.argmax(axis=1))
    return np.lexsort([-sizes, irreps])


def _draw(axes: Axes, run: ProbedRun, name: str, place: int, order: Places) -> AxesImage | None:
    if name == "neuron_share":
        return _spectrum(axes, run.probes[name][place][order], run.probes["irrep"])
    _energies(axes, run, place, order)
    return None


def _spectrum(axes: Axes, shares: Floats, irreps: Floats) -> AxesImage:
    image = axes.imshow(
        shares, aspect="auto", interpolation="nearest", cmap=ACCURACY_COLOURS, norm=Normalize(0, 1)
    )
    axes.set_facecolor(NOT_RUN)  # weights of 0 have no share
    step = int(np.ceil(len(irreps) / 7))
    axes.xaxis.set_major_locator(FixedLocator(list(range(0, len(irreps), step))))
    axes.set_xticklabels([f"{irreps[i]:.0f}" for i in range(0, len(irreps), step)])
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.set_xlabel("irrep")
    axes.set_ylabel("neuron, by its last irrep")
    return image


def _energies(axes: Axes, run: ProbedRun, place: int, order: Places) -> None:
    heights = run.probes["neuron_height"][place][order]
    sizes = run.probes["neuron_size"][place][order]
    share = sizes / max(float(sizes.max()), np.finfo(float).tiny)
    top = min(2.2, 1.08 * max(1.0, float(np.nanquantile(run.probes["neuron_height"], 0.99))))
    beyond = heights > top
    axes.scatter(
        np.arange(len(heights))[~beyond], heights[~beyond], s=3 + 22 * share[~beyond],
        color=BLUE, linewidths=0, alpha=0.8,
    )  # fmt: skip
    axes.scatter(
        np.flatnonzero(beyond), np.full(beyond.sum(), 0.985 * top), s=3 + 22 * share[beyond],
        color=BLUE, marker="^", linewidths=0, alpha=0.8,
    )  # fmt: skip
    labelled = np.inf
    for maximum in np.unique(run.probes["irrep_height"][1:])[::-1]:
        axes.axhline(maximum, color=ORANGE, linewidth=1.1, zorder=1)
        if labelled - maximum > 0.07 * top:
            labelled = maximum
            axes.text(
                0.98, maximum + 0.008 * top, f"M/{8 / maximum:g}",
                transform=axes.get_yaxis_transform(), ha="right", va="bottom", fontsize=8,
                bbox={"facecolor": "white", "alpha": 0.75, "linewidth": 0, "pad": 0.8},
            )  # fmt: skip
    axes.set_ylim(0, top)
    axes.set_xlim(-1, len(heights))
    axes.set_xlabel("neuron")
    axes.set_ylabel("energy of each neuron / (M/8)")


def _curves(axes: Axes, run: ProbedRun) -> Sequence[Artist]:
    """Accuracies and covered irreps, over the stages; what the legend needs."""
    curve, probes = run.curve, run.probes
    (train,) = axes.plot(
        curve["step"], curve["train_accuracy"], color=GREY, linewidth=1.2, label="training accuracy"
    )
    (test,) = axes.plot(
        curve["step"], curve["test_accuracy"], color=BLUE, linewidth=1.4, label="test accuracy"
    )
    handles: list[Artist] = [train, test]
    if probes["irreps_covered"] is not None:
        (covered,) = axes.step(
            probes["step"], probes["irreps_covered"] / (len(probes["irrep"]) - 1), where="post",
            color=ORANGE, linewidth=1.4, label="irreps covered",
        )  # fmt: skip
        handles.append(covered)
    end = curve["step"][-1]
    if probes["stage"] is not None:
        for stage in shade(axes, probes["step"], probes["stage"], end):
            handles.append(Patch(color=STAGE_COLOURS[stage], label=STAGES[stage]))
    axes.set_xscale("log")
    axes.set_xlim(curve["step"][0], end)
    axes.set_ylim(-0.02, 1.04)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.set_xlabel("step")
    return handles


def shade(axes: Axes, steps: Floats, stages: Floats, end: float) -> list[int]:
    """Colour the ground by stage, from each measurement to the next; which stages there are."""
    for start, stop, stage in zip(steps, [*steps[1:], end], stages, strict=True):
        if stop > start:
            axes.axvspan(start, stop, color=STAGE_COLOURS[int(stage)], linewidth=0, zorder=0)
    return sorted({int(stage) for stage in stages})


def _title(run: ProbedRun) -> str:
    record = run.record
    task = task_label(record["group"], record["operands"], record["expression"])
    seeds = f"split seed {record['split_seed']}, init seed {record['init_seed']}"
    return (
        f"{task} (M = {record['group_order']}), n = {record['n_train']:,}, "
        f"K = {record['hidden_size']}, {record['optimizer']}, lr {record['learning_rate']:g}, "
        f"wd {record['weight_decay']:g}, {seeds}: {record['outcome']}"
    )
