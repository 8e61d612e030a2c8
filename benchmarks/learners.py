"""Every network and every optimizer against its twin of torch.nn modules and torch.optim.

Both train the same trials (data, first weights, rates, evaluations at the same steps) in float32,
on a CPU with one thread and subnormals flushed; a sample is whole trainings, set-up included. Their
losses are compared first, then they are timed in turn, round after round.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from benchmarks.agreement import TOLERANCE, check, differences
from benchmarks.report import SHAPE, Column, Row, Table, count, text
from benchmarks.setting import Shape, trial
from benchmarks.timing import enough_calls, interleaved, one_thread, seconds_of
from benchmarks.trainings import IDIOMATIC, OURS, Place, places, train_pack
from benchmarks.twins import train_twin
from sweeper.spec.trial import Trial
from sweeper.store.records import Curve

Fields = dict[str, Any]

_ATTENTION: Fields = {
    "network": "transformer", "hidden_size": 512, "heads": 4, "embedding_size": 128,
    "activation": "relu", "loss": "cross_entropy", "learning_rate": 1e-4, "max_steps": 25,
}  # fmt: skip
LEARNERS: list[Fields] = [
    {"network": "two_layer"},
    {"network": "two_layer", "optimizer": "adamw"},
    {"network": "two_layer", "optimizer": "sgd", "momentum": 0.9},
    {"network": "two_layer", "optimizer": "muon", "momentum": 0.95, "nesterov": True},
    {"network": "two_layer_embedded", "embedding_size": 128, "learning_rate": 1e-3},
    {
        "network": "embedding", "embedding_size": 128, "hidden_size": 128, "activation": "relu",
        "loss": "cross_entropy", "learning_rate": 1e-3,
    },
    {"network": "product"},
    {"network": "complex"},
    {"network": "residual", "layers": 3, "activation": "relu", "learning_rate": 1e-4},
    {
        "network": "residual", "layers": 3, "activation": "relu", "batch_norm": True,
        "learning_rate": 1e-4,
    },
    _ATTENTION | {"layers": 1},
    _ATTENTION | {"layers": 2},
]  # fmt: skip
"""What each differs in from the reference setting; transformers take long, and so few steps."""

BFLOAT16_TOLERANCE = 0.01
"""For Muon: torch.optim.Muon orthogonalizes in bfloat16."""


@dataclass(frozen=True)
class Scale:
    """How much is measured.

    Attributes:
        shapes: K where a learner has no other.
        packs: Trials trained in one call.
        rounds: Samples of each way.
        min_seconds: That a sample lasts.
    """

    shapes: tuple[Shape, ...]
    packs: tuple[int, ...]
    rounds: int
    min_seconds: float


FULL = Scale((Shape(23, 256, 183, 100), Shape(47, 256, 470, 50)), (1, 8), 5, 0.3)
SMOKE = Scale((Shape(5, 8, 15, 4),), (2,), 1, 0.0)
SMOKE_SIZES: Fields = {"hidden_size": 8, "embedding_size": 8, "max_steps": 4}


def measure(device: str, smoke: bool, out: Path) -> Iterator[Table]:
    """The table of this measurement.

    Args:
        device: "cpu" or "cuda".
        smoke: Tiny, to see that it works.
        out: Not used: there is only a table.

    Raises:
        DisagreementError: A learner and its twin have not trained the same thing.
    """
    scale = SMOKE if smoke else FULL
    rows = []
    with one_thread(), places(device) as at:
        for learner in LEARNERS:
            if smoke:
                learner = learner | {k: v for k, v in SMOKE_SIZES.items() if k in learner}
            for shape in scale.shapes:
                for together in scale.packs:
                    pack = [trial(shape, seed, **learner) for seed in range(together)]
                    click.echo(f"learners: {_name(pack[0])}, M = {shape.M}, {together}", err=True)
                    rows.append(_measure_pack(pack, scale, device, at))
    yield Table(
        "learners",
        "Trainings by the engine and by twins of torch.nn and torch.optim",
        "One thread on a CPU; medians over interleaved samples of whole trainings, set-up and "
        "evaluations included. The twin trains one trial after the other.",
        [
            text("network", "Which."),
            text("optimizer", "Which."),
            *SHAPE,
            count("layers", "Of weights, or of a transformer its blocks; 0 of the others."),
            text("batch_norm", "Whether its layers are normalized."),
            count("together", "Trials in one call."),
            Column("ours_us", "Microseconds of a trial's step, ours.", ",.0f"),
            Column("twin_us", "Of the twin's.", ",.0f"),
            Column("ratio", "The twin's over ours: above 1 ours is quicker.", ".2f"),
            Column("early_difference", "Of the training losses up to step 25, relative.", ".1e"),
            Column("late_difference", "At the last step.", ".1e"),
        ],
        rows,
    )


def _name(one: Trial) -> str:
    layers = f" of {one.layers} layers" if one.layers else ""
    norm = ", batch norm" if one.batch_norm else ""
    return f"{one.network}{layers}{norm} by {one.optimizer}"


def _measure_pack(pack: list[Trial], scale: Scale, device: str, at: dict[str, Place]) -> Row:
    one = pack[0]
    ours, twins = (at[way](curves, way, pack, device) for way in (OURS, IDIOMATIC))
    apart = differences(twins, ours, one.max_steps)
    check(_name(one), apart, BFLOAT16_TOLERANCE if one.optimizer == "muon" else TOLERANCE)
    samples: dict[str, Callable[[int], float]] = {
        way: lambda calls, way=way: at[way](sample, way, pack, device, calls)  # type: ignore[misc]
        for way in (OURS, IDIOMATIC)
    }
    calls = {way: enough_calls(call, scale.min_seconds) for way, call in samples.items()}
    timings = interleaved(samples, calls, scale.rounds)
    us = {way: 1e6 * timing.median / (len(pack) * one.max_steps) for way, timing in timings.items()}
    return {
        "network": one.network,
        "optimizer": one.optimizer,
        "M": one.group_order,
        "K": one.hidden_size,
        "n": one.n_train,
        "layers": one.layers,
        "batch_norm": "yes" if one.batch_norm else "no",
        "together": len(pack),
        "ours_us": us[OURS],
        "twin_us": us[IDIOMATIC],
        "ratio": us[IDIOMATIC] / us[OURS],
        "early_difference": apart[0],
        "late_difference": apart[1],
    }


def curves(way: str, pack: Sequence[Trial], device: str) -> list[Curve]:
    """Train the trials in one of the ways, "ours" or "idiomatic"."""
    if way == IDIOMATIC:
        return [train_twin(one, device) for one in pack]
    return [result.curve for result in train_pack(pack, device)]


def sample(way: str, pack: Sequence[Trial], device: str, calls: int) -> float:
    """Seconds of training them, the mean of several calls."""
    with one_thread():
        return seconds_of(lambda: curves(way, pack, device), device, calls)
