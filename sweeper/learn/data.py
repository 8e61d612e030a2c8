"""The data of a batch of trials: training tuples, and all tuples for the evaluation.

Shapes: B trials, P operands of M values each, T = M^P tuples, N the largest n_train of the batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sweeper.spec.trial import Trial
from sweeper.tasks.splits import training_set
from sweeper.tasks.task import Task, task_of

Samples = tuple[np.ndarray, np.ndarray]
"""(n,) codes of a trial's training tuples, ascending, and (n,) their labels."""


@dataclass(frozen=True)
class Metrics:
    """Losses and accuracies at one evaluation, one entry a trial."""

    train_loss: list[float]
    test_loss: list[float]
    train_accuracy: list[float]
    test_accuracy: list[float]


def task_in(trial: Trial) -> Task:
    """What a trial learns."""
    return task_of(trial.group, trial.operands, trial.expression)


def training_sets(trials: Sequence[Trial]) -> list[Samples]:
    """What each trial is trained on; ascending codes, for neighbours then read the same rows."""
    return [
        training_set(task_in(one), one.split, one.split_seed, one.n_train, one.label_noise)
        for one in trials
    ]


@dataclass(frozen=True)
class PaddedSets:
    """Training sets of a batch side by side.

    Attributes:
        inputs: (B, N, P) int64 operands; 0 on padding.
        labels: (B, N) int64; 0 on padding.
        real: (B, N) bool; False on padding.
    """

    inputs: np.ndarray
    labels: np.ndarray
    real: np.ndarray


def padded(samples: Sequence[Samples], order: int, operands: int) -> PaddedSets:
    """Training sets filled up to the longest.

    Args:
        samples: Of every trial.
        order: M.
        operands: P.
    """
    n = np.array([len(codes) for codes, _ in samples])
    real = np.arange(n.max()) < n[:, None]
    inputs = np.zeros((*real.shape, operands), dtype=np.int64)
    labels = np.zeros(real.shape, dtype=np.int64)
    inputs[real] = tuples(np.concatenate([codes for codes, _ in samples]), order, operands)
    labels[real] = np.concatenate([its_labels for _, its_labels in samples])
    return PaddedSets(inputs, labels, real)


def tuples(codes: np.ndarray, order: int, operands: int) -> np.ndarray:
    """The operands of some codes, (len(codes), P) int64."""
    return np.stack(np.unravel_index(codes, (order,) * operands), axis=1)


class EvaluationSet:
    """All T tuples, for each trial sorted into training tuples, test tuples and neither.

    Attributes:
        labels: (B, T) int64, those that each trial has learned or should have.
    """

    def __init__(
        self,
        trials: Sequence[Trial],
        samples: Sequence[Samples],
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        """Place it.

        Args:
            trials: Of one task.
            samples: Their training sets.
            device: Where to.
            dtype: Of the losses.
        """
        task, B = task_in(trials[0]), len(trials)
        noisy = any(one.label_noise for one in trials)
        sides = np.zeros((B, len(task.targets), 2))  # 1 for train, for test; else no target
        sides[:, task.valid, 1] = 1.0
        labels = np.tile(task.targets, (B if noisy else 1, 1))
        for i, (codes, its_labels) in enumerate(samples):
            sides[i, codes] = 1.0, 0.0
            if noisy:
                labels[i, codes] = its_labels
        self._sides = torch.from_numpy(sides).to(device, dtype)  # (B, T, 2)
        self._sizes = sides.sum(axis=1)[:, None]  # (B, 1, 2)
        self.labels = torch.from_numpy(labels).to(device).expand(B, -1)

    def metrics(self, found: Tensor) -> Metrics:
        """Means over training and test tuples.

        Args:
            found: (B, 2, T) of every tuple its loss, and 1 where it is answered right, else 0.
        """
        sums = torch.bmm(found, self._sides)
        means = sums.cpu().double().numpy() / self._sizes  # counts divide to exact shares
        (train_loss, test_loss), (train_accuracy, test_accuracy) = means.transpose(1, 2, 0).tolist()
        return Metrics(train_loss, test_loss, train_accuracy, test_accuracy)
