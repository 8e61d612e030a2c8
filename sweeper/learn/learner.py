"""What a trial's columns name: its network, its batch, its first weights, its optimizer."""

from collections.abc import Sequence

import torch
from torch import Tensor

from sweeper.learn.network import Batch, Network
from sweeper.learn.optimizers.base import Optimizer
from sweeper.learn.registry import networks, optimizers
from sweeper.spec.trial import Trial


def network_of(trial: Trial) -> Network:
    """The network of a trial, and of all trials of its shape.

    Raises:
        ValueError: It names a network, an activation or a loss that there is not.
    """
    return networks[trial.network](trial)


def initial_weights(trial: Trial) -> Tensor:
    """A trial's first weights, float64."""
    return network_of(trial).initial_weights(trial)


def batch_of(trials: Sequence[Trial], weights: Tensor) -> Batch:
    """Trials of one shape, to be trained on the device of their weights.

    Args:
        trials: One or more.
        weights: (B, …), or those of a single trial.
    """
    reduced = trials[0].matmul_precision == "bfloat16" and weights.dtype == torch.float32
    return network_of(trials[0]).batch(trials, weights, torch.bfloat16 if reduced else None)


def optimizer_of(trials: Sequence[Trial], weights: Tensor) -> Optimizer:
    """What moves the weights of a batch of trials of one shape, from step 0 on.

    Raises:
        ValueError: They name an optimizer that there is not.
    """
    kind = optimizers[trials[0].optimizer]
    return kind.for_trials(trials, weights, network_of(trials[0]).matrices)
