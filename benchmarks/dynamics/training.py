"""Training by the engine's own batches, with the weights at hand."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor

from benchmarks.setting import Shape, trial
from benchmarks.timing import one_thread
from benchmarks.trainings import train_pack
from sweeper.learn.data import Metrics
from sweeper.learn.learner import batch_of, initial_weights, network_of, optimizer_of
from sweeper.learn.probes.recorder import Measured, Recorder
from sweeper.learn.train import evaluation_steps
from sweeper.spec.trial import Trial


@contextmanager
def settled() -> Iterator[None]:
    """As in the engine: one thread, no subnormals, no gradients kept, freed memory kept."""
    train_pack([trial(Shape(5, 4, 10, 1))], "cpu")  # tells the C library, for good
    with one_thread(), torch.no_grad(), np.errstate(invalid="ignore"):  # no test pairs: 0/0
        yield


def trained(
    one: Trial, steps: Sequence[int] = (), first: Tensor | None = None
) -> Iterator[tuple[int, Metrics, Tensor]]:
    """Train one trial to its horizon.

    Args:
        one: Of any network.
        steps: Ascending, where to evaluate, the horizon last; by default where the engine does.
        first: Its weights at the beginning, if they are not the network's own.

    Yields:
        A step, the losses and accuracies, and the weights there, flat or as the network has them:
        to be read, not to be kept, for they move on.
    """
    first = initial_weights(one).float() if first is None else first
    quick = torch.inference_mode if network_of(one).by_hand else torch.no_grad
    with quick():
        net = batch_of([one], first.clone())
        optimizer = optimizer_of([one], net.weights)
    step = 0
    for due in steps or evaluation_steps(one.max_steps, one.eval_every):
        with quick():
            while step < due:
                optimizer.update(net.gradient())
                step += 1
            metrics = net.evaluate()
        yield step, metrics, net.weights


def measured(
    one: Trial, names: tuple[str, ...], every: int
) -> Iterator[tuple[Measured, torch.Tensor]]:
    """Train one two-layer net; at each evaluation that is measured its indicators, its weights.

    Args:
        one: The trial, in the reference setting.
        names: Of the probes.
        every: Evaluations from one measurement to the next, but for the first, log-spaced ones.
    """
    weights = initial_weights(one).float()
    recorder = Recorder([one], weights, names) if names else None
    for count, (step, metrics, weights) in enumerate(trained(one)):
        last = step == one.max_steps
        if recorder and (step < one.eval_every or count % every == 0 or last):
            with torch.inference_mode():
                found = recorder.measure(step, recorder.look(weights))[0]
            found |= {"step": step, "train_accuracy": metrics.train_accuracy[0]}
            yield found | {"test_accuracy": metrics.test_accuracy[0]}, weights


def spaced(last: int, count: int) -> list[int]:
    """Steps from 1 to the last, evenly spaced in their logarithm; fewer where they coincide."""
    return sorted({round(step) for step in np.geomspace(1, last, count)})


def up_to(last: int, steps: Sequence[int]) -> list[int]:
    """Those of the steps that come before the last, and the last."""
    return [*(step for step in steps if step < last), last]


def matrices(one: Trial, weights: Tensor) -> tuple[Tensor, Tensor]:
    """W, (2M, K), and V, (K, M), of the two-layer net, as float64 copies."""
    M = one.group_order
    together = weights.view(3 * M, -1).double().clone()
    return together[: 2 * M], together[2 * M :].T
