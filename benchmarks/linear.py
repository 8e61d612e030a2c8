"""Whether the cost of a sweep is linear: in its trials, and in the operations of their steps."""

import statistics
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import click
import pandas as pd

from benchmarks.linear_figure import draw
from benchmarks.report import SHAPE, Column, Row, Table, count
from benchmarks.runs import Spec, run_sweep
from benchmarks.setting import Shape, trial
from benchmarks.timing import one_thread
from benchmarks.trainings import train_pack

TRIALS = (10, 100, 1_000, 10_000)
SHAPES = (
    Shape(5, 64, 20, 4096),
    Shape(7, 128, 40, 4096),
    Shape(11, 128, 80, 4096),
    Shape(17, 256, 150, 2048),
    Shape(23, 256, 220, 1024),
    Shape(31, 512, 330, 512),
    Shape(47, 512, 560, 256),
    Shape(71, 512, 930, 128),
    Shape(97, 1024, 1390, 64),
    Shape(127, 1024, 1910, 32),
)
ROUNDS = {False: (3, 5), True: (1, 1)}
"""Of sweeps and of steps, by whether it is a smoke test; the largest sweep is run once."""


def measure(device: str, smoke: bool, out: Path) -> Iterator[Table]:
    """The tables of this measurement; the figure goes to linear.png and linear.svg.

    Args:
        device: "cpu" or "cuda".
        smoke: Tiny, to see that it works.
        out: Folder for the figure.
    """
    sweeps, steps = ROUNDS[smoke]
    of_trials = _cost_of_trials((2, 4) if smoke else TRIALS, sweeps, device, smoke)
    shapes = tuple(replace(one, steps=8) for one in SHAPES[:3]) if smoke else SHAPES
    click.echo(f"linear: {len(shapes)} shapes", err=True)
    with one_thread():
        of_steps = _cost_of_steps(shapes, steps, device)
    draw(pd.DataFrame(of_trials), pd.DataFrame(of_steps), out)
    yield Table(
        "linear_trials",
        "Cost of a sweep against the number of its trials",
        "Trials of a very small task (M = 5, K = 8, 25 steps) through `sweeper run`, one worker of "
        f"one thread; medians over {sweeps} rounds, but the largest is run once.",
        [
            count("trials", "Trials in the sweep."),
            Column("seconds", "Seconds of the whole process, from start to exit.", ".2f"),
            Column(
                "working_s", "Seconds from the first trial's start to the last one's end.", ".3f"
            ),
        ],
        of_trials,
    )
    yield Table(
        "linear_steps",
        "Cost of a step against its operations",
        f"Medians over {steps} rounds, all shapes in turn; on a CPU with one thread.",
        [
            *SHAPE,
            Column("step_flops", "Operations of the three products of a step, 6·n·K·M.", ".3g"),
            Column(
                "step_us",
                "Microseconds of a step, by the engine's own clock: wall_time_s less setup_s and "
                "evaluation_s of a trial, over its steps.",
                ".1f",
            ),
        ],
        of_steps,
    )


def _cost_of_trials(numbers: Sequence[int], rounds: int, device: str, smoke: bool) -> list[Row]:
    executor = "inline" if smoke else "ray"  # Ray's start is slow, and other smoke tests see it
    seconds: dict[int, list[float]] = {number: [] for number in numbers}
    working: dict[int, list[float]] = {number: [] for number in numbers}
    for turn in range(rounds):
        for number in numbers[: None if turn == 0 else -1]:
            click.echo(f"linear: round {turn + 1}, {number:,} trials", err=True)
            with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
                took, records = run_sweep(_spec(number), Path(scratch), device, 1, executor)
            ends = records["started_at"] + pd.to_timedelta(records["wall_time_s"], unit="s")
            seconds[number].append(took)
            working[number].append((ends.max() - records["started_at"].min()).total_seconds())
    return [
        {
            "trials": number,
            "seconds": statistics.median(seconds[number]),
            "working_s": statistics.median(working[number]),
        }
        for number in numbers
    ]


def _spec(trials: int) -> Spec:
    return {
        "name": "tiny",
        "axes": {
            "M": 5,
            "n_train": 15,
            "hidden_size": 8,
            "learning_rate": 0.005,
            "weight_decay": 2e-4,
            "max_steps": 25,
            "seed": trials,
        },
        "training": {"stop_at_target": False},
    }


def _cost_of_steps(shapes: Sequence[Shape], rounds: int, device: str) -> list[Row]:
    packs = {shape: [trial(shape)] for shape in shapes}
    for pack in packs.values():
        train_pack(pack, device)  # whatever is set up by the first call only
    step_s: dict[Shape, list[float]] = {shape: [] for shape in shapes}
    for _ in range(rounds):
        for shape, pack in packs.items():
            (found,) = train_pack(pack, device)
            seconds = found.wall_time_s - found.setup_s - found.evaluation_s
            step_s[shape].append(seconds / shape.steps)
    return [
        {
            "M": shape.M,
            "K": shape.K,
            "n": shape.n,
            "step_flops": float(shape.step_flops),
            "step_us": 1e6 * statistics.median(step_s[shape]),
        }
        for shape in shapes
    ]
