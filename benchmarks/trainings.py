"""The ways of training that are compared, and the processes they run in.

The engine tells the C library to keep freed memory, for good and for its whole process. Textbook
code is run in another one on a CPU, so that it is neither helped nor hindered by that.
"""

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import ParamSpec, Protocol, TypeVar

import torch

from benchmarks.ensemble import train_ensemble
from benchmarks.idiomatic import train_idiomatic
from benchmarks.setting import Shape, trial
from benchmarks.timing import one_thread, seconds_of
from sweeper.learn.train import train
from sweeper.spec.trial import Trial
from sweeper.store.records import Curve, TrialResult

P = ParamSpec("P")
R = TypeVar("R")

OURS, BFLOAT16, IDIOMATIC, VMAP = "ours", "bfloat16", "idiomatic", "vmap"


class Place(Protocol):
    """Calls a function, here or in another process."""

    def __call__(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """What the function returns."""


def train_pack(
    pack: Sequence[Trial], device: str, batch_size: int | None = None
) -> list[TrialResult]:
    """Train with the engine; the results in the order of the trials.

    Raises:
        RuntimeError: A trial failed.
    """
    found = {
        result.fingerprint: result for ended in train(pack, device, batch_size) for result in ended
    }
    for result in found.values():
        if result.error:
            raise RuntimeError(f"a trial failed:\n{result.error}")
    return [found[one.fingerprint] for one in pack]


def first_run(way: str, shape: Shape, together: int, device: str) -> tuple[float, list[Curve]]:
    """Train some trials, after one alone, which bears whatever is set up by the first call only.

    Args:
        way: "ours", "bfloat16", "idiomatic" or "vmap".
        shape: Of the trials; they differ in their first weights.
        together: How many.
        device: A torch device.

    Returns:
        Seconds, and the curves.
    """
    curves: list[Curve] = []
    with one_thread():
        _trained(way, shape, 1, device)
        _release(device)
        seconds = seconds_of(lambda: curves.extend(_trained(way, shape, together, device)), device)
    return seconds, curves


def sample(way: str, shape: Shape, together: int, device: str, calls: int) -> float:
    """Seconds of training them, the mean of several calls; arguments as for `first_run`."""
    with one_thread():
        _release(device)
        return seconds_of(lambda: _trained(way, shape, together, device), device, calls)


@contextmanager
def places(device: str) -> Iterator[dict[str, Place]]:
    """Where each way is called."""
    if device != "cpu":  # its memory cannot be shared out between two processes
        yield dict.fromkeys((OURS, BFLOAT16, IDIOMATIC, VMAP), _here)
        return
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=spawned) as other:

        def there(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
            return other.submit(function, *args, **kwargs).result()

        yield {OURS: _here, BFLOAT16: _here, IDIOMATIC: there, VMAP: there}


def _here(function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    return function(*args, **kwargs)


def _release(device: str) -> None:
    """Give back what the way before has left reserved: the engine's batches fill what is free."""
    if device != "cpu":
        torch.cuda.empty_cache()


def _trained(way: str, shape: Shape, together: int, device: str) -> list[Curve]:
    precision = "bfloat16" if way == BFLOAT16 else "float32"
    pack = [trial(shape, seed, matmul_precision=precision) for seed in range(together)]
    if way == IDIOMATIC:
        return [train_idiomatic(one, device) for one in pack]
    if way == VMAP:
        return train_ensemble(pack, device)
    return [result.curve for result in train_pack(pack, device)]
