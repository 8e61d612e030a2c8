"""The figure of the cost: two log-log panels, each with a line of slope 1 beside its points."""

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.figures.style import BLUE, GREY, ORANGE, PANEL, save, styled

Numbers = NDArray[np.float64]


def draw(of_trials: pd.DataFrame, of_steps: pd.DataFrame, out: Path) -> None:
    """Write linear.png and linear.svg.

    Args:
        of_trials: Columns trials, seconds and working_s.
        of_steps: Columns step_flops and step_us.
        out: The folder.
    """
    with styled():
        figure = Figure(figsize=(2 * PANEL[0], PANEL[1]), layout="constrained")
        trials, steps = figure.subplots(1, 2)
        x = of_trials["trials"].to_numpy(float)
        _points(
            trials, x, of_trials["seconds"].to_numpy(), "o", BLUE, "whole process, start included"
        )
        working = of_trials["working_s"].to_numpy()
        label = f"from the first trial on: slope {_slope(x, working):.2f}"
        _points(trials, x, working, "s", ORANGE, label)
        _guide(trials, x, working)
        trials.set(xlabel="trials of a sweep", ylabel="seconds of the run")
        trials.set_title("Very small trials, one worker", loc="left")

        x, y = of_steps["step_flops"].to_numpy(), of_steps["step_us"].to_numpy()
        upper = len(x) // 2
        label = f"slope {_slope(x, y):.2f}; of the upper half {_slope(x[upper:], y[upper:]):.2f}"
        _points(steps, x, y, "o", BLUE, label)
        _guide(steps, x, y)
        steps.set(xlabel="operations of a step, $6nKM$", ylabel="microseconds of a step")
        steps.set_title("Trials of ten shapes, one at a time", loc="left")
        for axes in (trials, steps):
            axes.legend(loc="upper left")
        for suffix in ("png", "svg"):
            save(figure, out / f"linear.{suffix}")


def _slope(x: Numbers, y: Numbers) -> float:
    """Of a straight line through the logarithms."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])


def _points(axes: Axes, x: Numbers, y: Numbers, marker: str, colour: object, label: str) -> None:
    axes.loglog(x, y, marker, color=colour, markersize=5, label=label)


def _guide(axes: Axes, x: Numbers, y: Numbers) -> None:
    """A line of slope 1 through the last point."""
    axes.loglog(x, y[-1] * x / x[-1], "--", color=GREY, linewidth=1, zorder=0, label="linear")
