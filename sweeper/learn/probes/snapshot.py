"""The weights of B trials at one evaluation, and what several probes need of them, computed once.

Shapes: B trials, M classes, K hidden size, N the largest n_train of the batch; samples beyond a
trial's own n are padding, rows of zeros in all that is here. σ(x) = x².
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Self

import numpy as np
import torch
from torch import Tensor

from sweeper.learn.probes.basis import IrrepBasis, dominant_irreps, irrep_powers

ACTIVE = 0.01
"""A neuron counts if ‖w‖²‖v‖, the size of what it adds to the outputs, is this share of the largest
one's. Weight decay takes the others to 0, where directions mean nothing."""


@dataclass(frozen=True, eq=False)
class TrainingPairs:
    """The training pairs of B trials of one group, on their device.

    Attributes:
        M: The group's order.
        rows: (B, N, 2) int64, the rows of W that a pair (a, b) sums: a and M + b.
        labels: (B, N) int64.
        present: (B, N, 1), 1, or 0 on padding.
        counts: (B, 1, 1), n_train.
        targets: (B, N, M), Ỹ = (I − 11ᵀ/n)Y, the one-hot labels less their mean over the samples.
        class_counts: (B, M), how many samples have each label.
        full: No trial has padding.
    """

    M: int
    rows: Tensor
    labels: Tensor
    present: Tensor
    counts: Tensor
    targets: Tensor
    class_counts: Tensor
    full: bool

    @classmethod
    def of(cls, M: int, samples: Sequence[tuple[np.ndarray, np.ndarray]], like: Tensor) -> Self:
        """Place them.

        Args:
            M: The group's order.
            samples: For each trial (n,) codes a·M + b of its pairs, and (n,) their labels.
            like: A tensor on the device, of the dtype, to be used.
        """
        sizes = np.array([len(codes) for codes, _ in samples])
        B, N = len(samples), int(sizes.max())
        rows, labels = np.zeros((B, N, 2), np.int64), np.zeros((B, N), np.int64)
        for i, (codes, its_labels) in enumerate(samples):
            rows[i, : sizes[i]] = np.stack([codes // M, M + codes % M], axis=1)
            labels[i, : sizes[i]] = its_labels
        placed = torch.from_numpy(labels).to(like.device)
        real = torch.from_numpy(np.arange(N) < sizes[:, None]).to(like)[..., None]
        counts = torch.from_numpy(sizes).to(like)[:, None, None]
        one_hot = torch.nn.functional.one_hot(placed, M).to(like) * real
        mean = one_hot.sum(1, keepdim=True) / counts
        return cls(
            M=M,
            rows=torch.from_numpy(rows).to(like.device),
            labels=placed,
            present=real,
            counts=counts,
            targets=(one_hot - mean) * real,
            class_counts=one_hot.sum(1),
            full=bool((sizes == N).all()),
        )

    def keep(self, alive: list[int]) -> Self:
        """Those of some trials only."""
        tensors = {
            field.name: getattr(self, field.name)[alive]
            for field in fields(self)
            if field.type is Tensor
        }
        return replace(self, **tensors)


class Snapshot:
    """Weights of B trials, read only.

    Attributes:
        pairs: What they are trained on.
        basis: The group's irreps.
        W: (B, 2M, K).
        V: (B, K, M).
        ridge: (B,), η for the objective ½‖Ỹ − F̃V‖² + (η/2)‖V‖²: n·wd/2 under coupled weight decay.
    """

    def __init__(
        self, pairs: TrainingPairs, basis: IrrepBasis, W: Tensor, V: Tensor, ridge: Tensor
    ) -> None:
        """Nothing is computed yet; the weights must not change while it is in use."""
        self.pairs, self.basis, self.W, self.V, self.ridge = pairs, basis, W, V, ridge

    @cached_property
    def _rows(self) -> Tensor:
        """(B·N, 2), the rows of the flattened (B·2M, K) weights that each sample sums."""
        B, rows_of_W, _ = self.W.shape
        first = torch.arange(0, B * rows_of_W, rows_of_W, device=self.W.device)
        return (self.pairs.rows + first[:, None, None]).view(-1, 2)

    @cached_property
    def sums(self) -> Tensor:
        """(B, N, K), Xw: W[a] + W[M + b] of each pair."""
        B, _, K = self.W.shape
        flat, (a, b) = self.W.reshape(-1, K), self._rows.unbind(1)
        return flat.index_select(0, a).add_(flat.index_select(0, b)).view(B, -1, K)

    def to_rows(self, of_samples: Tensor, factor: float) -> Tensor:
        """(B, 2M, K), factor times Xᵀ of what belongs to the samples, (B, N, K), 0 on padding."""
        found = of_samples.new_zeros(self.W.shape).view(-1, self.W.shape[2])
        values = of_samples.reshape(-1, self.W.shape[2])
        for row in self._rows.unbind(1):
            found.index_add_(0, row, values, alpha=factor)
        return found.view(self.W.shape)

    @cached_property
    def features(self) -> Tensor:
        """(B, N, K), F̃ = σ(XW) less its mean over the samples."""
        present = self.pairs.present
        features = self.sums.square()
        if not self.pairs.full:
            features *= present
        features -= features.sum(1, keepdim=True) / self.pairs.counts
        return features if self.pairs.full else features.mul_(present)

    @cached_property
    def label_sums(self) -> Tensor:
        """(B, M, K), ỸᵀF̃ = YᵀF̃."""
        return self.pairs.targets.mT @ self.features

    @cached_property
    def centred_v(self) -> Tensor:
        """(B, K, M), V less its mean over the outputs; its outputs are the centred ones."""
        return self.V - self.V.mean(2, keepdim=True)

    @cached_property
    def norms(self) -> Tensor:
        """(B, K), ‖w‖ of each neuron."""
        norms: Tensor = torch.linalg.vector_norm(self.W, dim=1)
        return norms

    @cached_property
    def sizes(self) -> Tensor:
        """(B, K), ‖w‖²‖v‖, v its centred output weights: the size of what a neuron adds."""
        lengths: Tensor = torch.linalg.vector_norm(self.centred_v, dim=2)
        return self.norms.square() * lengths

    @cached_property
    def active(self) -> Tensor:
        """(B, K) bool, the neurons that count: ACTIVE."""
        return self.sizes >= ACTIVE * self.sizes.amax(1, keepdim=True)

    @cached_property
    def gram(self) -> Tensor:
        """(B, S, S) float64, F̃ᵀF̃ or F̃F̃ᵀ, whichever is smaller: η may be 1e-7 of its eigenvalues."""
        return smaller_gram(self.features.double())

    @cached_property
    def eta(self) -> Tensor:
        """(B, 1, 1) float64, η; 1 where it is 0, and the formulas with it mean nothing."""
        return torch.where(self.ridge > 0, self.ridge, 1.0).double().view(-1, 1, 1)

    @cached_property
    def nothing(self) -> Tensor:
        """(B,), 0, or NaN where η is 0: to be added to what has no meaning there."""
        return torch.where(self.ridge > 0, 0.0, torch.nan).to(self.W.dtype)

    @cached_property
    def factor(self) -> Tensor:
        """(B, S, S) float64, the Cholesky factor of `gram` + ηI; NaN where there is none."""
        identity = torch.eye(self.gram.shape[1], dtype=torch.float64, device=self.W.device)
        factor, failed = torch.linalg.cholesky_ex(self.gram + self.eta * identity)
        return torch.where(failed[:, None, None] > 0, torch.nan, factor)

    @cached_property
    def powers(self) -> Tensor:
        """(B, R, K), ‖projection of w‖² on each irrep."""
        return irrep_powers(self.W, self.basis)

    @cached_property
    def dominant(self) -> tuple[Tensor, Tensor]:
        """(B, K) each: the nontrivial irrep of which each neuron is purest, and its purity."""
        return dominant_irreps(self.powers, self.basis)

    def mean_over_neurons(self, values: Tensor) -> Tensor:
        """(B,), mean of (B, K) values over the active neurons, weighted by their sizes."""
        sizes = self.sizes * self.active
        return torch.where(self.active, values * sizes, 0).sum(1) / sizes.sum(1)


def smaller_gram(features: Tensor) -> Tensor:
    """(B, S, S), F̃ᵀF̃ or F̃F̃ᵀ of (B, N, K), S = min(N, K); they have the same eigenvalues but 0."""
    N, K = features.shape[1:]
    return features @ features.mT if N < K else features.mT @ features
