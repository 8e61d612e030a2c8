"""The share of a sweep's time that is not training, of many short trials through `sweeper run`."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import click
import pandas as pd

from benchmarks.report import Column, Table, against, count, goal_columns, text
from benchmarks.runs import WORKERS, Spec, run_sweep

GOAL = 0.10

SPEC: Spec = {
    "name": "many",
    "axes": {
        "M": 11,
        "n_train": {"fraction": {"from": 0.3, "to": 0.9, "count": 10}},
        "hidden_size": 128,
        "learning_rate": [0.002, 0.005],
        "weight_decay": [1e-4, 2e-4],
        "max_steps": 2000,
        "seed": 50,
    },
    "training": {"stop_at_target": False},
}
"""2,000 trials of about a tenth of a second each."""

SMOKE_SPEC = SPEC | {"axes": SPEC["axes"] | {"max_steps": 50, "seed": 1}}


def measure(device: str, smoke: bool, out: Path) -> Iterator[Table]:
    """The table of this measurement.

    Args:
        device: "cpu" or "cuda".
        smoke: Tiny, to see that it works.
        out: Not used: there is only a table.
    """
    click.echo("overhead: one sweep", err=True)
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        seconds, records = run_sweep(SMOKE_SPEC if smoke else SPEC, Path(scratch), device)
    training = float(records["wall_time_s"].sum())
    ends = records["started_at"] + pd.to_timedelta(records["wall_time_s"], unit="s")
    between = (ends.max() - records["started_at"].min()).total_seconds()
    yield Table(
        "overhead",
        "The share of a sweep's time that is not training",
        f"{WORKERS} workers of one thread each, one `sweeper run`.",
        [
            text(
                "of", "Whether the run's time is that of its process, or from its first trial on."
            ),
            count("trials", "Trials in the sweep."),
            count("workers", "Workers that train at once."),
            Column("training_s", "Seconds of training: wall_time_s of all records together."),
            Column("setup_s", "Seconds of these that made splits, first weights and buffers."),
            Column("run_s", "Seconds of the run."),
            *goal_columns("1 − training_s / (workers · run_s)."),
        ],
        [
            {
                "of": of,
                "trials": len(records),
                "workers": WORKERS,
                "training_s": training,
                "setup_s": float(records["setup_s"].sum()),
                "run_s": run_s,
            }
            | against(GOAL, 1 - training / (WORKERS * run_s), at_most=True)
            for of, run_s in [
                ("the whole process", seconds),
                ("first trial's start to last one's end", between),
            ]
        ],
    )
