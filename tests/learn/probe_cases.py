"""Nets for the tests of probes, and their gradients in NumPy, slowly, by their definitions."""

from dataclasses import dataclass

import numpy as np
import torch

from sweeper.learn.probes.basis import IrrepBasis
from sweeper.learn.probes.snapshot import Snapshot, TrainingPairs
from sweeper.tasks.constructions import Solution
from sweeper.tasks.group import Group
from sweeper.tasks.groups import group_named
from sweeper.tasks.splits import training_set
from sweeper.tasks.task import task_of

Reals = np.ndarray

NETS = [("Z11", 60, 40), ("Z11", 40, 90), ("Z8", 30, 20), ("S3", 25, 12), ("Q8", 50, 33)]
"""Group, n, K: more samples than neurons, and fewer."""


@dataclass(frozen=True)
class Net:
    """One trial's weights and pairs, float64."""

    group: Group
    codes: np.ndarray
    W: Reals
    V: Reals
    ridge: float

    @property
    def inputs(self) -> Reals:
        M = self.group.order
        a, b = np.divmod(self.codes, M)
        return np.concatenate([np.eye(M)[a], np.eye(M)[b]], axis=1)

    @property
    def labels(self) -> np.ndarray:
        return self.group.table.ravel()[self.codes]

    @property
    def one_hot(self) -> Reals:
        return np.eye(self.group.order)[self.labels]

    @property
    def centring(self) -> Reals:
        n = len(self.codes)
        return np.eye(n) - 1 / n

    @property
    def activations(self) -> Reals:
        return (self.inputs @ self.W) ** 2

    @property
    def residual(self) -> Reals:
        """(e_y − 1/M) − (o − ō)."""
        o = self.activations @ self.V
        return self.one_hot - 1 / self.group.order - (o - o.mean(axis=1, keepdims=True))

    def gradient(self) -> Reals:
        """∂loss/∂W over ∂loss/∂Vᵀ."""
        n, centred = len(self.codes), self.V - self.V.mean(axis=1, keepdims=True)
        hidden = -2 / n * self.residual @ centred.T * 2 * (self.inputs @ self.W)
        return np.concatenate([self.inputs.T @ hidden, -2 / n * self.residual.T @ self.activations])

    def energy_gradient(self) -> Reals:
        Y = self.centring @ self.one_hot
        return self.inputs.T @ (
            2 * (self.inputs @ self.W) * (Y @ Y.T @ self.centring @ self.activations)
        )


def random_net(name: str, n: int, K: int, seed: int = 0, ridge: float = 0.05) -> Net:
    """Gaussian weights, and n pairs at random."""
    group, rng = group_named(name), np.random.default_rng(seed)
    M = group.order
    codes = training_set(task_of(name), "uniform", seed, n, 0.0)[0]
    W, V = rng.standard_normal((2 * M, K)) / np.sqrt(M), rng.standard_normal((K, M)) / 4
    return Net(group, codes, W, V, ridge)


def built_net(name: str, solution: Solution, ridge: float = 0.05) -> Net:
    """An exact solution, on all pairs."""
    group = group_named(name)
    return Net(group, np.arange(group.order**2), solution.W, solution.V, ridge)


def snapshot_of(*nets: Net, dtype: torch.dtype = torch.float32) -> Snapshot:
    """The batch of these nets, all of one group and width."""
    group = nets[0].group
    W = torch.from_numpy(np.stack([net.W for net in nets])).to(dtype)
    V = torch.from_numpy(np.stack([net.V for net in nets])).to(dtype)
    pairs = TrainingPairs.of(group.order, [(net.codes, net.labels) for net in nets], W)
    ridge = torch.tensor([net.ridge for net in nets], dtype=dtype)
    return Snapshot(pairs, IrrepBasis.of(group, W), W, V, ridge)


def active(net: Net) -> np.ndarray:
    centred = net.V - net.V.mean(axis=1, keepdims=True)
    sizes = np.sum(net.W**2, axis=0) * np.linalg.norm(centred, axis=1)
    return np.where(sizes >= 0.01 * sizes.max(), sizes, 0)


def cosine(first: Reals, second: Reals) -> float:
    return float(np.sum(first * second) / np.linalg.norm(first) / np.linalg.norm(second))


def values(indicators: dict[str, torch.Tensor], i: int = 0) -> dict[str, object]:
    return {name: tensor[i].tolist() for name, tensor in indicators.items()}
