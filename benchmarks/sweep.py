"""A sweep of short trials through `sweeper run`, against one Ray Tune trial each.

Both are whole processes, timed from start to exit, in turn; both train the same trials on two
workers, and what they find is compared before any time is told.
"""

import json
import statistics
import tempfile
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click
import pandas as pd

from benchmarks.agreement import TOLERANCE, DisagreementError
from benchmarks.report import Column, Row, Table, against, count, goal_columns
from benchmarks.runs import WORKERS, Spec, run_sweep, seconds_of_process, write_spec
from sweeper.spec.sweep import open_sweep
from sweeper.spec.trial import trials

GOAL = 20.0

SPEC: Spec = {
    "name": "short",
    "axes": {
        "M": 11,
        "n_train": {"fraction": {"from": 0.3, "to": 0.9, "count": 10}},
        "hidden_size": 256,
        "learning_rate": [0.002, 0.005],
        "weight_decay": [1e-4, 2e-4],
        "max_steps": 1000,
        "seed": 5,
    },
    "training": {"stop_at_target": False},
}
"""200 trials in the reference setting, of 0.4 s each where a textbook trains them."""

SMOKE_SPEC = SPEC | {
    "axes": SPEC["axes"] | {"n_train": [40, 80], "hidden_size": 16, "max_steps": 30, "seed": 1}
}


def measure(device: str, smoke: bool, out: Path) -> Iterator[Table]:
    """The tables of this measurement.

    Args:
        device: "cpu" or "cuda".
        smoke: Tiny, to see that it works.
        out: Not used: there are only tables.

    Raises:
        DisagreementError: The two have not trained the same trials to the same end.
    """
    spec = SMOKE_SPEC if smoke else SPEC
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = Path(scratch)
        plan = open_sweep(write_spec(spec, folder)).plan
        listed = folder / "trials.json"
        listed.write_text(json.dumps([asdict(one) for one in trials(plan)]), encoding="utf-8")
        for turn in range(1 if smoke else 3):
            click.echo(f"sweep: round {turn + 1}, {plan.num_rows} trials each", err=True)
            found = folder / f"{turn}.parquet"
            one_each_s = seconds_of_process(
                "-m", "benchmarks.one_each", listed, found, str(WORKERS), device
            )
            sweeper_s, records = run_sweep(spec, folder / str(turn), device)
            difference = _compare(records, pd.read_parquet(found))
            rows.append(
                {
                    "round": turn + 1,
                    "trials": plan.num_rows,
                    "one_each_s": one_each_s,
                    "sweeper_s": sweeper_s,
                    "training_s": float(records["wall_time_s"].sum()),
                    "loss_difference": difference,
                }
            )
    about = (
        f"{WORKERS} workers of one thread each. Whole processes from start to exit, Ray's start "
        "included, one after the other. Outcomes and losses of all trials are the same in both."
    )
    yield Table(
        "sweep",
        "A sweep of short trials, and the same with one Ray Tune trial each",
        about,
        [
            count("round", "Number of the round; both are run once in each."),
            count("trials", "Trials in the sweep."),
            Column("one_each_s", "Seconds of one Tune trial each: reused actors, textbook code."),
            Column("sweeper_s", "Seconds of `sweeper run`."),
            Column("training_s", "Seconds that its trials took, summed over them."),
            Column(
                "loss_difference",
                "Largest absolute difference of the final training losses.",
                ".1e",
            ),
        ],
        rows,
    )
    seconds = {name: statistics.median(row[name] for row in rows) for name in rows[0]}
    yield Table(
        "sweep_goals",
        "How much faster a sweep of short trials is",
        about,
        [
            count("trials", "Trials in the sweep."),
            *goal_columns("Seconds of one Tune trial each over those of `sweeper run`, medians."),
        ],
        [{"trials": plan.num_rows} | against(GOAL, seconds["one_each_s"] / seconds["sweeper_s"])],
    )


def _compare(records: pd.DataFrame, others: pd.DataFrame) -> float:
    """The largest difference of the final training losses; outcomes must be equal.

    Args:
        records: Of `sweeper run`.
        others: Of one Tune trial each.
    """
    if set(records["fingerprint"]) != set(others["fingerprint"]) or len(records) != len(others):
        raise DisagreementError(f"{len(records)} records, {len(others)} results of Tune's trials")
    both = records.merge(others, on="fingerprint", suffixes=("", "_other"))
    # a textbook does not tell apart what it has fitted without generalizing
    plain = both["outcome"].replace({"memorized": "fitted", "unresolved": "fitted"})
    different = both[plain != both["outcome_other"]]
    if len(different):
        raise DisagreementError(
            f"{len(different)} outcomes differ, such as {different.iloc[0].to_dict()}"
        )
    difference = float((both["train_loss"] - both["train_loss_other"]).abs().max())
    if not difference <= TOLERANCE:
        raise DisagreementError(f"final training losses differ by {difference:.1e}")
    return difference
