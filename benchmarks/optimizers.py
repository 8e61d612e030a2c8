"""Seconds of one update of our optimizers, and of torch.optim's, one trial after the other.

The weights are those of the two-layer net, W above Vᵀ; gradients are random and always there, so
that nothing but the update is timed. The ways are timed in turn, round after round.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import click
import torch
from torch import Tensor

from benchmarks.report import Column, Table, count, text
from benchmarks.timing import enough_calls, interleaved, one_thread, seconds_of
from sweeper.learn.optimizers.adam import Adam
from sweeper.learn.optimizers.adamw import AdamW
from sweeper.learn.optimizers.base import Optimizer
from sweeper.learn.optimizers.muon import Matrix, Muon
from sweeper.learn.optimizers.sgd import SGD

SHAPES = [(1, 47, 256), (1, 97, 512), (8, 47, 256)]  # trials, M, K
SMOKE_SHAPES = [(2, 5, 8)]
RATE, DECAY, MOMENTUM = 1e-3, 1e-4, 0.9

Update = Callable[[], object]


def measure(device: str, smoke: bool, out: Path) -> Iterator[Table]:
    """The table of this measurement.

    Args:
        device: "cpu" or "cuda".
        smoke: Tiny, to see that it works.
        out: Not used: there is only a table.
    """
    rows = []
    with one_thread():
        for B, M, K in SMOKE_SHAPES if smoke else SHAPES:
            click.echo(f"optimizers: {B} trials, M = {M}, K = {K}", err=True)
            weights = torch.randn(B, 3 * M, K, device=device)
            for name in ("adam", "adamw", "sgd", "muon", "muon_bfloat16"):
                ways = {
                    "ours": _ours(name, weights, M),
                    "fused": _torchs(name, weights, M, "fused"),
                    "foreach": _torchs(name, weights, M, "foreach"),
                }
                samples = {way: partial(seconds_of, call, device) for way, call in ways.items()}
                seconds = 0.0 if smoke else 0.02
                calls = {way: enough_calls(one, seconds) for way, one in samples.items()}
                found = interleaved(samples, calls, 1 if smoke else 31)
                us = {way: timing.median * 1e6 for way, timing in found.items()}
                quickest = min(us["fused"], us["foreach"])
                shape = {"optimizer": name, "trials": B, "M": M, "K": K}
                times = {f"{way}_us": value for way, value in us.items()}
                rows.append(shape | times | {"ratio": quickest / us["ours"]})
    yield Table(
        "optimizers",
        "One update of all trials by our optimizers and by torch.optim",
        "One thread; medians of 31 interleaved samples of 20 ms or more. Weights of the two-layer "
        "net, (trials, 3M, K). Muon takes W, and Adam V; `muon` multiplies in float32 and "
        "`muon_bfloat16` in bfloat16, torch's always in bfloat16.",
        [
            text("optimizer", "Which."),
            count("trials", "Moved by one update of ours; torch has an optimizer for each."),
            count("M", "Order of the group."),
            count("K", "Hidden size."),
            Column("ours_us", "Microseconds of ours.", ",.1f"),
            Column("fused_us", "Of torch.optim with fused=True; Muon has no such choice.", ",.1f"),
            Column("foreach_us", "Of torch.optim with foreach=True; Muon likewise.", ",.1f"),
            Column("ratio", "The quicker of torch's over ours: above 1 ours is quicker.", ".2f"),
        ],
        rows,
    )


def _ours(name: str, weights: Tensor, M: int) -> Update:
    B, _, K = weights.shape
    rates = [RATE] * B, [DECAY] * B
    its_weights = weights.clone() if B > 1 else weights[0].clone()
    product_dtype = torch.bfloat16 if name == "muon_bfloat16" else None
    W = [Matrix(0, 2 * M, K, inputs_first=True)]
    made: dict[str, Callable[[], Optimizer]] = {
        "adam": lambda: Adam(its_weights, *rates),
        "adamw": lambda: AdamW(its_weights, *rates),
        "sgd": lambda: SGD(its_weights, *rates, momentum=[MOMENTUM] * B),
        "muon": lambda: Muon(its_weights, *rates, matrices=W, product_dtype=product_dtype),
    }
    optimizer = made[name.removesuffix("_bfloat16")]()
    gradient = torch.randn_like(its_weights)
    return torch.inference_mode()(lambda: optimizer.update(gradient))


def _torchs(name: str, weights: Tensor, M: int, way: str) -> Update:
    rates: dict[str, Any] = {"lr": RATE, "weight_decay": DECAY}
    options = rates | {way: True}
    optimizers: list[torch.optim.Optimizer] = []
    for one in weights:
        rest = one
        if name.startswith("muon"):
            rest = one[2 * M :]
            optimizers.append(torch.optim.Muon(_leaf(one[: 2 * M]), **rates))
        match name:
            case "adamw":
                optimizers.append(torch.optim.AdamW(_leaf(rest), **options))
            case "sgd":
                optimizers.append(torch.optim.SGD(_leaf(rest), momentum=MOMENTUM, **options))
            case _:
                optimizers.append(torch.optim.Adam(_leaf(rest), **options))
    return lambda: [optimizer.step() for optimizer in optimizers]


def _leaf(weights: Tensor) -> list[Tensor]:
    leaf = weights.clone().requires_grad_()
    leaf.grad = torch.randn_like(weights)
    return [leaf]
