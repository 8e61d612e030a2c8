"""Trial-steps per second of the engine, of what people write instead, and of the machine.

All ways train the same trials (data, first weights, rates, evaluations at the same steps) in
float32, on a CPU with one thread and subnormals flushed; a sample is whole trainings, set-up
included. Their losses are compared first, then they are timed in turn, round after round, together
with the products and the bandwidth that the limit is made of.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import click
import torch

from benchmarks.agreement import check, differences
from benchmarks.engine_tables import Found, Measured, tables
from benchmarks.limit import limit_of, ways
from benchmarks.report import Table
from benchmarks.setting import Shape, trial
from benchmarks.timing import enough_calls, interleaved, one_thread, seconds_of
from benchmarks.trainings import BFLOAT16, IDIOMATIC, OURS, VMAP, Place, first_run, places, sample
from sweeper.learn.train import evaluation_steps
from sweeper.store.records import Curve


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    Attributes:
        shapes: Trials long enough that their set-up is not what is measured, and short enough that
            rounding has not yet driven their losses apart.
        rounds: Samples of each way.
        min_seconds: That a sample of a way of training lasts.
        rate_seconds: That a sample of a product, or of the bandwidth, lasts.
        max_seconds: A way whose sample would last longer is left out.
        packs: Trials handed to `train` at once.
        ensembles: Members of a vmap; the best is kept.
    """

    shapes: tuple[Shape, ...]
    rounds: int
    min_seconds: float
    rate_seconds: float
    max_seconds: float
    packs: tuple[int, ...]
    ensembles: tuple[int, ...]


ON_A_CPU = Scale(
    shapes=(
        Shape(11, 256, 73, 1000),
        Shape(23, 256, 183, 500),
        Shape(47, 512, 470, 200),
        Shape(71, 512, 830, 100),
        Shape(127, 1024, 1700, 50),
    ),
    rounds=7,
    min_seconds=0.3,
    rate_seconds=0.03,
    max_seconds=5.0,
    packs=(1, 8, 64, 512),
    ensembles=(1, 4, 8, 32),
)
GPU_TIMES_LONGER = 8
"""Hundreds of trials take their time to set up and are trained in no time, so they get more steps.
Losses are compared at the step that is the last one on a CPU."""
ON_A_GPU = replace(
    ON_A_CPU,
    shapes=tuple(replace(one, steps=GPU_TIMES_LONGER * one.steps) for one in ON_A_CPU.shapes),
    max_seconds=20.0,
    ensembles=(1, 8, 64, 512),
)
FULL = {"cpu": ON_A_CPU, "cuda": ON_A_GPU}
SMOKE = Scale((Shape(5, 8, 15, 56),), 1, 0.0, 0.0, 5.0, (1, 2), (1, 2))


def measure(device: str, smoke: bool, out: Path) -> Iterator[Table]:
    """The tables of this measurement.

    Args:
        device: "cpu" or "cuda".
        smoke: Tiny, to see that it works.
        out: Not used: there are only tables.

    Raises:
        DisagreementError: Two ways have not trained the same thing.
    """
    scale = SMOKE if smoke else FULL[device]
    found = []
    with one_thread(), places(device) as at:
        for shape in scale.shapes:
            click.echo(f"engine: M = {shape.M}, K = {shape.K}, n = {shape.n}", err=True)
            found.append(_measure_shape(shape, scale, device, at))
    yield from tables(found, scale.packs, device)


def _measure_shape(shape: Shape, scale: Scale, device: str, at: dict[str, Place]) -> Found:
    def tried(way: str, sizes: Sequence[int]) -> list[_Tried]:
        return list(_try(at[way], way, shape, sizes, scale.max_seconds, device))

    kept = {
        OURS: tried(OURS, scale.packs),
        BFLOAT16: _best(tried(BFLOAT16, scale.packs)),
        IDIOMATIC: tried(IDIOMATIC, (1,)),
        VMAP: _best(tried(VMAP, scale.ensembles)),
    }
    late_step = shape.steps if device == "cpu" else shape.steps // GPU_TIMES_LONGER
    largest = kept[OURS][-1]
    apart = {
        (way, one.label): differences(one.curves, largest.curves, late_step)
        for way, sizes in kept.items()
        for one in sizes
    }
    for (way, label), found in apart.items():
        if way != BFLOAT16:
            check(f"{way}, {label}, M = {shape.M}", found)

    batch = 1 if device == "cpu" else largest.together
    rates = ways(shape, batch, device)
    samples: dict[tuple[str, str], Callable[[int], float]] = {
        name: partial(seconds_of, call, device) for name, call in rates.items()
    }
    calls = {name: enough_calls(call, scale.rate_seconds) for name, call in samples.items()}
    for way, sizes in kept.items():
        for one in sizes:
            samples[way, one.label] = _sampler(at[way], way, shape, one.together, device)
            calls[way, one.label] = math.ceil(max(1.0, scale.min_seconds / one.seconds))
    timings = interleaved(samples, calls, scale.rounds)
    evaluations = len(evaluation_steps(shape.steps, trial(shape).eval_every))
    return Found(
        shape,
        {
            way: [
                Measured(one.together, timings[way, one.label], *apart[way, one.label])
                for one in sizes
            ]
            for way, sizes in kept.items()
        },
        limit_of(shape, batch, evaluations, {name: timings[name] for name in rates}),
    )


def _sampler(
    at: Place, way: str, shape: Shape, together: int, device: str
) -> Callable[[int], float]:
    return lambda calls: at(sample, way, shape, together, device, calls)


@dataclass(frozen=True)
class _Tried:
    """A way of training some trials together, tried once."""

    together: int
    seconds: float
    curves: list[Curve]

    @property
    def label(self) -> str:
        """The size in words."""
        return f"{self.together} together"


def _try(
    at: Place, way: str, shape: Shape, sizes: Sequence[int], max_seconds: float, device: str
) -> Iterator[_Tried]:
    """More and more trials together, as far as the memory and the time allow."""
    last: _Tried | None = None
    for size in sizes:
        if last is not None:
            # on a CPU more trials take longer in proportion, at the least; on a GPU they may not
            growth = size / last.together if device == "cpu" else 1
            if last.seconds * growth > max_seconds:
                return
        try:
            last = _Tried(size, *at(first_run, way, shape, size, device))
        except torch.OutOfMemoryError:
            return
        yield last


def _best(tried: list[_Tried]) -> list[_Tried]:
    """The fastest alone, by trials per second."""
    return [min(tried, key=lambda one: one.seconds / one.together)]
