"""Time to the law: how long until the exponent β of n_c is known, against a grid of single runs.

Ours is `sweeper run` on the boundary design, seed after seed until β's interval is narrow enough.
The other is a uniform grid in n_train of as many orders and seeds, each run trained alone by
textbook code. It would take hours, so it is extrapolated: seconds of a step are measured, at every
order and at both ends of the grid; steps are those that our own records make probable.
"""

import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pyarrow as pa

from analysis import fit_law, load, thresholds
from benchmarks.idiomatic import train_idiomatic
from benchmarks.report import Column, Row, Table, against, count, goal_columns, text
from benchmarks.runs import WORKERS, Spec, run_sweep, write_spec
from benchmarks.setting import Shape, trial
from benchmarks.timing import one_thread, seconds_of
from sweeper.run.forecast import expected_steps
from sweeper.spec.sweep import open_sweep

GOAL = 50.0
HALF_WIDTH = 0.05
POINTS = 24
MOST_SEEDS = 5

SPEC: Spec = {
    "name": "law",
    "axes": {
        "M": {"from": 11, "to": 53, "step": 2},
        "n_train": {"times_m_log_m": [1.5, 4.5]},
        "hidden_size": 256,
        "learning_rate": 0.005,
        "weight_decay": 2e-4,
        "max_steps": 8000,
    },
    "design": {"kind": "boundary", "tolerance": 0.05},
}
SMOKE_AXES = {"M": [11, 13, 15], "hidden_size": 64, "weight_decay": 1e-3, "max_steps": 1500}
SMOKE_SPEC = SPEC | {"axes": SPEC["axes"] | SMOKE_AXES}
LENGTHS = {False: {25: (50, 250), 1: (25, 75)}, True: {25: (25, 50), 1: (5, 10)}}
"""By whether it is a smoke test, and by the steps between two evaluations: two lengths of a run."""


@dataclass(frozen=True)
class Pace:
    """Seconds of one step of textbook code, at an order, linear in n.

    Attributes:
        M: Order.
        ends: n_train at which it was measured.
        usual: Seconds at either end, with an evaluation every 25 steps.
        every: Seconds at either end, with an evaluation at every step.
    """

    M: int
    ends: tuple[int, int]
    usual: tuple[float, float]
    every: tuple[float, float]


def measure(device: str, smoke: bool, out: Path) -> Iterator[Table]:
    """The tables of this measurement.

    Args:
        device: "cpu" or "cuda".
        smoke: Tiny, to see that it works.
        out: Not used: there are only tables.
    """
    spec = SMOKE_SPEC if smoke else SPEC
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = Path(scratch)
        rounds, records = _ours(spec, folder, device, 1 if smoke else MOST_SEEDS)
        grid = spec["axes"] | {
            "n_train": {"times_m_log_m": {"log": [1.5, 4.5], "count": POINTS}},
            "seed": len(rounds),
        }
        path = write_spec({"name": "grid", "axes": grid}, folder / "grid")
        plan = open_sweep(path).plan
    about = (
        f"{WORKERS} workers of one thread each. Whole processes from start to exit, Ray's start "
        f"included; seed after seed until the t interval of β has a half-width below {HALF_WIDTH}."
    )
    yield Table(
        "law",
        "Time until the exponent of n_c is known, for odd orders from 11 to 53",
        about,
        [
            count("seeds", "Seeds so far."),
            count("trials", "Trials run so far."),
            Column("seconds", "Seconds so far.", ".1f"),
            Column("beta", "β of the power law, from the records so far.", ".3f"),
            Column("half_width", "Half-width of its t interval.", ".3f"),
        ],
        rounds,
    )
    click.echo("law: steps of the textbook", err=True)
    with one_thread():
        paces = [_pace(part, device, smoke) for part in _by_order(plan)]
    yield _against_a_grid(plan, records, paces, rounds[-1]["seconds"])


def _ours(spec: Spec, folder: Path, device: str, most_seeds: int) -> tuple[list[Row], pd.DataFrame]:
    """Run seed after seed; what is known after each, and the records of all."""
    rows: list[Row] = []
    seconds = 0.0
    while True:
        seeds = len(rows) + 1
        click.echo(f"law: seed {seeds}", err=True)
        asked = spec | {"axes": spec["axes"] | {"seed": seeds}}
        spent, records = run_sweep(asked, folder, device)
        seconds += spent
        law = fit_law(thresholds(load(folder / "results" / spec["name"]))).law
        found = {"seeds": seeds, "trials": len(records), "seconds": seconds}
        if law is not None:
            found |= {"beta": law.beta.value, "half_width": law.beta.half_width}
        rows.append(found)
        if seeds == most_seeds or found.get("half_width", 1.0) < HALF_WIDTH:
            return rows, records


def _by_order(plan: pa.Table) -> list[pd.DataFrame]:
    columns = ["group_order", "hidden_size", "n_train"]
    frame: pd.DataFrame = plan.select(columns).to_pandas()
    return [part for _, part in frame.groupby("group_order")]


def _pace(part: pd.DataFrame, device: str, smoke: bool) -> Pace:
    """Measure textbook code at one order; what is set up once falls out of a difference."""
    M, K = int(part["group_order"].iloc[0]), int(part["hidden_size"].iloc[0])
    ends = int(part["n_train"].min()), int(part["n_train"].max())
    seconds: dict[tuple[int, int], float] = {}
    for n in ends:
        for every, (short, long) in LENGTHS[smoke].items():
            more = []
            for _ in range(1 if smoke else 3):
                one, other = (
                    _seconds(Shape(M, K, n, steps), every, device) for steps in (short, long)
                )
                more.append((other - one) / (long - short))
            seconds[n, every] = max(statistics.median(more), 0.0)
    low, high = ends
    return Pace(M, ends, (seconds[low, 25], seconds[high, 25]), (seconds[low, 1], seconds[high, 1]))


def _seconds(shape: Shape, eval_every: int, device: str) -> float:
    one = trial(shape, eval_every=eval_every)
    return seconds_of(lambda: train_idiomatic(one, device), device)


def _against_a_grid(
    plan: pa.Table, records: pd.DataFrame, paces: list[Pace], ours_s: float
) -> Table:
    finished = pa.Table.from_pandas(records, preserve_index=False)
    expected = expected_steps(plan, finished)
    horizon = plan["max_steps"].to_numpy()
    usual, every = _step_seconds(plan, paces)
    ways = [
        ("ends at its target", expected, usual),
        ("runs to its horizon", horizon, usual),
        ("runs to its horizon, evaluated at every step", horizon, every),
    ]
    rows = []
    for way, steps, seconds in ways:
        grid_s = float((steps * seconds).sum()) / WORKERS
        rows.append(
            {
                "each_run": way,
                "grid_trials": plan.num_rows,
                "grid_steps": int(steps.sum()),
                "grid_s": grid_s,
                "ours_s": ours_s,
            }
            | against(GOAL, grid_s / ours_s)
        )
    return Table(
        "law_goals",
        f"How much sooner than by a uniform grid of {POINTS} values of n_train",
        f"The grid is extrapolated: {WORKERS} runs of textbook code at a time, one thread each, "
        "nothing spent on starting them. The last row is what the public code of arXiv 2509.21519 "
        "does; the others give the grid what a careful user would.",
        [
            text("each_run", "When each run of the grid ends, and how often it is evaluated."),
            count("grid_trials", "Runs of the grid: orders, seeds, values of n_train."),
            count("grid_steps", "Their steps, as our records of the same cells make probable."),
            Column("grid_s", "Seconds of the grid.", ".0f"),
            Column("ours_s", "Seconds of ours, to its last round.", ".1f"),
            *goal_columns("Seconds of the grid over ours."),
        ],
        rows,
    )


def _step_seconds(plan: pa.Table, paces: list[Pace]) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of a step of each trial of the grid: evaluated every 25 steps, and at every one."""
    M, n = plan["group_order"].to_numpy(), plan["n_train"].to_numpy()
    usual, every = np.zeros(len(M)), np.zeros(len(M))
    for pace in paces:
        here = pace.M == M
        usual[here] = np.interp(n[here], pace.ends, pace.usual)
        every[here] = np.interp(n[here], pace.ends, pace.every)
    return usual, every
