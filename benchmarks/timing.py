"""Times that can be compared: one thread, subnormals flushed, all ways taken in turn."""

import math
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

import torch

Name = TypeVar("Name")


@dataclass(frozen=True)
class Timing:
    """Seconds of one call, a sample a round.

    Attributes:
        calls: Made in each sample.
        seconds: Of one call, on average over the calls of each sample.
    """

    calls: int
    seconds: list[float]

    @property
    def median(self) -> float:
        """The middle sample."""
        return statistics.median(self.seconds)


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread and no subnormals for whatever torch does in between, on a CPU."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_flush_denormal(False)


def seconds_of(call: Callable[[], object], device: str, calls: int = 1) -> float:
    """Seconds of one call, the mean of several in a row; on a GPU until it has finished."""
    _settle(device)
    start = time.perf_counter()
    for _ in range(calls):
        call()
    _settle(device)
    return (time.perf_counter() - start) / calls


def enough_calls(sample: Callable[[int], float], min_seconds: float) -> int:
    """How many calls make a sample last so long; tried once, or twice where a call is short.

    Args:
        sample: Makes a number of calls and returns the seconds of one, as `seconds_of` does.
        min_seconds: That it should last.
    """
    seconds = sample(1)
    if seconds < min_seconds:  # the first call may have had to set things up
        seconds = sample(1)
    return max(1, math.ceil(min_seconds / seconds))


def interleaved(
    samples: Mapping[Name, Callable[[int], float]], calls: Mapping[Name, int], rounds: int
) -> dict[Name, Timing]:
    """Time several ways side by side: one sample of each, round after round.

    So whatever else the machine does falls on all of them.

    Args:
        samples: Each makes a number of calls and returns the seconds of one.
        calls: That number.
        rounds: Samples of each.
    """
    taken: dict[Name, list[float]] = {name: [] for name in samples}
    for _ in range(rounds):
        for name, sample in samples.items():
            taken[name].append(sample(calls[name]))
    return {name: Timing(calls[name], taken[name]) for name in samples}


def _settle(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize(device)
