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
from sweeper.tasks.streams import random_order
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

    @property
    def longest(self) -> int:
        """N."""
        return int(self.real.shape[1])

    def at(self, places: Sequence[np.ndarray]) -> "PaddedSets":
        """Some samples of every trial, padded likewise.

        Args:
            places: Of each trial, ascending.
        """
        sizes = np.array([len(chosen) for chosen in places])
        real = np.arange(sizes.max()) < sizes[:, None]
        trial, place = np.repeat(np.arange(len(places)), sizes), np.concatenate(places)
        inputs = np.zeros((*real.shape, self.inputs.shape[2]), dtype=np.int64)
        labels = np.zeros(real.shape, dtype=np.int64)
        inputs[real], labels[real] = self.inputs[trial, place], self.labels[trial, place]
        return PaddedSets(inputs, labels, real)


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


class Batches:
    """Which of its n training samples each trial takes at each step.

    An epoch is a random order of them, cut into ⌊n/b⌋ batches of b = `batch_size` (or n, if that is
    less); what is left over waits for another epoch. The order is named by n, both seeds and the
    epoch alone.

    Attributes:
        step: Steps drawn so far.
        largest: Samples of a trial in a step at most.
    """

    def __init__(self, trials: Sequence[Trial], step: int = 0) -> None:
        self.step = step
        self._trials = trials
        self._sizes = [samples_in_step(one) for one in trials]
        self._orders: list[tuple[int, np.ndarray]] = [(-1, np.zeros(0, np.int64))] * len(trials)
        self.largest = max(self._sizes)

    def draw(self) -> list[np.ndarray]:
        """Of each trial the places of its samples, ascending; moves on to the next step."""
        drawn = []
        for i, (one, size) in enumerate(zip(self._trials, self._sizes, strict=True)):
            epoch, batch = divmod(self.step, one.n_train // size)
            if self._orders[i][0] != epoch:
                key = f"batches/{one.n_train}/{one.split_seed}/{one.init_seed}/{epoch}"
                self._orders[i] = epoch, random_order(key, one.n_train)
            drawn.append(np.sort(self._orders[i][1][batch * size : (batch + 1) * size]))
        self.step += 1
        return drawn


def samples_in_step(trial: Trial) -> int:
    """How many training samples a trial takes at each step."""
    return min(trial.batch_size or trial.n_train, trial.n_train)


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
