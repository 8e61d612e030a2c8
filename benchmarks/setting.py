"""The task as every way of training it gets it: the trial, its pairs, its first weights.

The package's own functions name the split and the weights; a textbook's inputs are made of them.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from sweeper.learn.learner import initial_weights
from sweeper.spec.trial import Trial
from sweeper.tasks.splits import split_order
from sweeper.tasks.task import task_of


@dataclass(frozen=True)
class Shape:
    """What a trial's cost depends on.

    Attributes:
        M: Group order.
        K: Hidden size.
        n: Training pairs.
        steps: Of a trial; enough that its set-up is not what is measured.
    """

    M: int
    K: int
    n: int
    steps: int

    @property
    def step_flops(self) -> int:
        """Operations of the three matrix products of a step, 6·n·K·M."""
        return 6 * self.n * self.K * self.M


def trial(shape: Shape, init_seed: int = 0, **changes: object) -> Trial:
    """A trial of this shape that runs to its last step; trials differ in their first weights."""
    reference: dict[str, object] = {
        "group": f"Z{shape.M}",
        "group_order": shape.M,
        "n_train": shape.n,
        "split": "uniform",
        "split_seed": 0,
        "init_seed": init_seed,
        "network": "two_layer",
        "hidden_size": shape.K,
        "activation": "square",
        "loss": "mse",
        "optimizer": "adam",
        "learning_rate": 0.005,
        "weight_decay": 2e-4,
        "max_steps": shape.steps,
        "eval_every": 25,
        "target_test_accuracy": 0.9,
        "stop_at_target": False,
    }
    return Trial(**(reference | changes))  # type: ignore[arg-type]


def first_weights(one: Trial, device: str) -> tuple[Tensor, Tensor]:
    """Weights as `nn.Linear` keeps them: (K, 2M) of the hidden layer, (M, K) of the outputs."""
    weights = initial_weights(one).to(device, torch.float32)
    hidden, outputs = weights[: 2 * one.group_order], weights[2 * one.group_order :]
    return hidden.T.contiguous(), outputs


@dataclass(frozen=True)
class Pairs:
    """One trial's data as a textbook has it.

    Attributes:
        train: (n, 2M) float32, two one-hot vectors beside each other.
        train_targets: (n, M) float32, e_y − 1/M.
        every: (M², 2M) float32, all pairs.
        every_target: (M², M) float32.
        labels: (M²,) int64.
        is_train: (M²,) bool: those of all pairs that are trained on.
    """

    train: Tensor
    train_targets: Tensor
    every: Tensor
    every_target: Tensor
    labels: Tensor
    is_train: Tensor


def pairs(one: Trial, device: str) -> Pairs:
    """The data of a trial on a device."""
    M = one.group_order
    task = task_of(one.group)
    chosen = torch.from_numpy(split_order(task, one.split_seed)[: one.n_train]).to(device)
    labels = torch.from_numpy(task.targets).to(device)
    a, b = torch.arange(M * M, device=device) // M, torch.arange(M * M, device=device) % M
    every = torch.cat([one_hot(a, M), one_hot(b, M)], dim=1).float()
    targets = one_hot(labels, M).float() - 1.0 / M
    is_train = torch.zeros(M * M, dtype=torch.bool, device=device)
    is_train[chosen] = True
    return Pairs(every[chosen], targets[chosen], every, targets, labels, is_train)
