"""Bytes that torch allocates while a batch trains, against the engine's own estimate.

On a GPU the peak is torch's own count. On a CPU it is summed up from the allocations and frees that
torch's profiler sees, and NumPy arrays behind tensors, which on a GPU would be copied there, are
added as they stand at the first evaluation. What a library keeps to itself is seen by neither.
"""

import json
import tempfile
import tracemalloc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import click
import numpy as np
import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.engine import FULL, SMOKE
from benchmarks.report import SHAPE, Column, Row, Table, count, text
from benchmarks.setting import trial
from benchmarks.timing import one_thread
from benchmarks.trainings import train_pack
from sweeper.learn.train import train
from sweeper.learn.two_layer_costs import batch_bytes
from sweeper.spec.trial import Trial

GOAL = 0.10
STEPS = 5
PRECISIONS = ("float32", "bfloat16")
BATCHES = {"cpu": (1, 8), "cuda": (1, 64, 512)}


def measure(device: str, smoke: bool, out: Path) -> Iterator[Table]:
    """The table of this measurement.

    Args:
        device: "cpu" or "cuda".
        smoke: Tiny, to see that it works.
        out: Not used: there is only a table.
    """
    rows: list[Row] = []
    with one_thread():
        for shape in (SMOKE if smoke else FULL[device]).shapes:
            click.echo(f"memory: M = {shape.M}, K = {shape.K}, n = {shape.n}", err=True)
            for precision, batch in product(PRECISIONS, BATCHES[device]):
                short = replace(shape, steps=STEPS)
                pack = [trial(short, seed, matmul_precision=precision) for seed in range(batch)]
                row = {"M": shape.M, "K": shape.K, "n": shape.n, "precision": precision}
                estimate = batch_bytes(pack[0], batch, device)
                if device == "cpu" or estimate < 0.8 * torch.cuda.mem_get_info(device)[0]:
                    rows.append(row | {"batch": batch} | _measured(pack, estimate, device))
    yield Table(
        "memory",
        "Memory of a batch, measured and estimated",
        "Peak over set-up, steps and evaluations of trials of five steps; on a CPU one thread.",
        [
            *SHAPE,
            text("precision", "Of what enters the matrix products."),
            count("batch", "Trials trained at once."),
            count("torch_bytes", "Largest sum of what torch has allocated and not yet freed."),
            count("array_bytes", "NumPy arrays behind tensors, on a CPU."),
            count("estimate_bytes", "What the engine reckons with."),
            Column("off", "Measured (torch and arrays) over estimated, less 1.", "+.1%"),
            Column("goal", "The most it should be off, either way.", ".0%"),
            text("met", "Whether it is no more off than that."),
        ],
        rows,
    )


def _measured(pack: Sequence[Trial], estimate: int, device: str) -> Row:
    train_pack(pack[:1], device)  # whatever is allocated once and kept
    if device == "cpu":
        peak, arrays = _peak_on_cpu(pack), _arrays_of(pack)
    else:
        peak, arrays = _peak_on_gpu(pack, device), 0
    off = (peak + arrays) / estimate - 1
    return {
        "torch_bytes": peak,
        "array_bytes": arrays,
        "estimate_bytes": estimate,
        "off": off,
        "goal": GOAL,
        "met": "yes" if abs(off) <= GOAL else "no",
    }


def _peak_on_gpu(pack: Sequence[Trial], device: str) -> int:
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    train_pack(pack, device, len(pack))
    return torch.cuda.max_memory_allocated(device) - before


def _peak_on_cpu(pack: Sequence[Trial]) -> int:
    """The largest running sum of allocations and frees, from the profiler's trace."""
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        path = Path(scratch) / "trace.json"
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
            train_pack(pack, "cpu", len(pack))
        profiler.export_chrome_trace(str(path))
        trace = json.loads(path.read_text(encoding="utf-8"))
    events = [event for event in trace["traceEvents"] if event.get("name") == "[memory]"]
    return max(int(event["args"]["Total Allocated"]) for event in events)


def _arrays_of(pack: Sequence[Trial]) -> int:
    """Bytes of the NumPy arrays that are alive at the first evaluation."""
    tracemalloc.start()
    try:
        training = train(pack, "cpu", batch_size=len(pack))
        next(training)
        only_numpy = tracemalloc.DomainFilter(True, np.lib.tracemalloc_domain)
        snapshot = tracemalloc.take_snapshot().filter_traces([only_numpy])
        list(training)
    finally:
        tracemalloc.stop()
    return sum(trace.size for trace in snapshot.traces)
