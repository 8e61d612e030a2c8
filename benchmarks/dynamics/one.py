"""What the probes see in one training, and what they cost.

    python -m benchmarks.dynamics one --group Z23 --n-train 220

Trains in the reference setting, prints the indicators at some steps, the stages, the order in which
irreps appear and the algebra of the solution; then times training with and without, in turn.
"""

import math
import statistics
from dataclasses import replace
from functools import partial
from typing import Any

import click
import torch
from rich.console import Console
from rich.table import Table

from benchmarks.dynamics.energy import NEARLY_FLAT
from benchmarks.dynamics.training import matrices, measured
from benchmarks.setting import Shape, trial
from benchmarks.timing import interleaved, one_thread, seconds_of
from benchmarks.trainings import train_pack
from sweeper.learn.probes.algebra import algebra
from sweeper.learn.probes.basis import IrrepBasis
from sweeper.learn.probes.energy import flat_directions
from sweeper.learn.probes.irreps import order_of_appearance
from sweeper.learn.probes.recorder import NAMES
from sweeper.learn.probes.stages import stage_labels, stage_starts
from sweeper.spec.trial import Trial
from sweeper.tasks.energy import PairEnergy
from sweeper.tasks.groups import group_named
from sweeper.tasks.splits import training_set
from sweeper.tasks.task import task_of

ROUNDS = 5
"""Trainings with each set of probes, in turn."""

TIMED_STEPS = 600
"""Of each."""


def show(one: Trial, every: int, console: Console) -> None:
    """Train it to its horizon, and print what was seen."""
    seen = list(measured(one, NAMES, every))
    rows = [row for row, _ in seen]
    columns: dict[str, Any] = {name: [row[name] for row in rows] for name in rows[0]}
    shown = [name for name, values in columns.items() if not isinstance(values[0], list)]
    wanted = {0, *(round(len(rows) ** (i / 11)) - 1 for i in range(12))}
    table = Table(box=None, header_style="bold")
    table.add_column("indicator")
    picked = [rows[i] for i in sorted(wanted)]
    for row in picked:
        table.add_column(f"{row['step']:,}", justify="right")
    for name in shown:
        table.add_row(name, *(f"{row[name]:.3g}" for row in picked))
    console.print(table)
    labels = stage_labels(columns)
    starts = stage_starts(columns["step"], labels)
    console.print("stages begin at", {stage.name.lower(): step for stage, step in starts.items()})
    group, weights = group_named(one.group), seen[-1][1].double()
    basis = IrrepBasis.of(group, weights)
    console.print(
        "irreps appear at", order_of_appearance(columns["step"], columns["irrep_neurons"], basis)
    )
    console.print("neurons of each at the end", columns["irrep_neurons"][-1])
    W, V = (part.numpy() for part in matrices(one, weights))
    if group.max_irrep_dim == 1:
        found = algebra(group, W, V)
        errors = [solution.error for solution in found.solutions if solution.form] or [math.nan]
        console.print("orders", dict(found.orders), "forms", dict(found.forms))
        console.print(f"loss {found.potential_loss:.3g}, its factors' error {max(errors):.3g}")
    size = (W**2).sum(axis=0) * (V**2).sum(axis=1) ** 0.5
    largest = size.argsort()[::-1][:16]
    task = task_of(one.group)
    codes = training_set(task, one.split, one.split_seed, one.n_train, 0.0)[0]
    for what, pairs in (("training pairs", codes), ("all pairs", task.valid)):
        energy = PairEnergy.of(group.table, pairs)
        flat = [flat_directions(energy, W[:, j], NEARLY_FLAT) for j in largest]
        console.print(
            f"on {what}, 16 largest neurons: flat directions {[f for f, _ in flat]}, "
            f"largest curvature {max(c for _, c in flat):.3g} of 4E"
        )


def costs(one: Trial, every: int, rounds: int, console: Console) -> None:
    """Time training without probes, with each and with all, in turn."""
    sets: dict[str, tuple[str, ...]] = {"none": (), **{n: (n,) for n in NAMES}, "all": NAMES}
    train_pack([replace(one, max_steps=1)], "cpu")  # the C library keeps freed memory from now on
    with one_thread(), torch.inference_mode():
        timings = interleaved(
            {name: partial(_seconds, one, probes, every) for name, probes in sets.items()},
            dict.fromkeys(sets, 1),
            rounds,
        )
    none = timings["none"].seconds
    for name, timing in timings.items():
        ratios = [with_it / without for with_it, without in zip(timing.seconds, none, strict=True)]
        console.print(
            f"{name}: {timing.median:.3f} s, {statistics.median(ratios):.2f} × none "
            f"({min(timing.seconds) / min(none):.2f} by the fastest of each)"
        )


def _seconds(one: Trial, names: tuple[str, ...], every: int, calls: int) -> float:
    return seconds_of(lambda: list(measured(one, names, every)), "cpu", calls)


@click.command(name="one")
@click.option("--group", default="Z23", show_default=True)
@click.option("--n-train", default=220, show_default=True)
@click.option("--hidden-size", default=256, show_default=True)
@click.option("--weight-decay", default=2e-4, show_default=True)
@click.option("--max-steps", default=4000, show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--every", default=1, show_default=True, help="Evaluations to a measurement.")
@click.option("--rounds", default=ROUNDS, show_default=True, help="Of the timing; 0 is none.")
def main(
    group: str,
    n_train: int,
    hidden_size: int,
    weight_decay: float,
    max_steps: int,
    seed: int,
    every: int,
    rounds: int,
) -> None:
    """Train one trial with all probes, and time them."""
    order = group_named(group).order
    how: dict[str, object] = {"group": group, "split_seed": seed, "weight_decay": weight_decay}
    console = Console(width=200)
    with one_thread(), torch.inference_mode():
        show(trial(Shape(order, hidden_size, n_train, max_steps), seed, **how), every, console)
    if rounds:
        short = Shape(order, hidden_size, n_train, min(max_steps, TIMED_STEPS))
        costs(trial(short, seed, **how), every, rounds, console)
