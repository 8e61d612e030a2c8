"""Stage indicators: how far the weights move, how large they are, where their gradients point."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

import torch
from torch import Tensor

from sweeper.learn.probes.snapshot import Snapshot, smaller_gram


class Stage(IntEnum):
    """What a net is doing at an evaluation; the first three are those of arXiv 2509.21519."""

    LAZY = 1
    """The hidden layer hardly moves; the output layer fits."""
    INDEPENDENT = 2
    """Every neuron climbs its own energy."""
    INTERACTIVE = 3
    """Features repel each other, and what is missing is learned."""
    SETTLED = 4
    """The test pairs are known, and nothing moves any more."""


@dataclass(frozen=True)
class Thresholds:
    """Where one stage ends and the next begins; docs/dynamics.md has the reasons.

    Attributes:
        fit_accuracy: Training accuracy from which the output layer has fitted.
        alignment: Energy alignment from which neurons climb their own energies.
        rank_fall: Share of the largest feature rank that is lost when neurons interact.
        accuracy: Test accuracy from which no feature is missing.
        change: W_change below which W does not move.
    """

    fit_accuracy: float = 0.99
    alignment: float = 0.6
    rank_fall: float = 0.25
    accuracy: float = 0.95
    change: float = 3e-4


_TOLD_BY = ("train_accuracy", "test_accuracy", "energy_alignment", "feature_rank", "W_change")


def stage_labels(
    columns: Mapping[str, Sequence[float]], thresholds: Thresholds | None = None
) -> list[Stage]:
    """The stage at each measurement of one trial.

    In this order: SETTLED if the test accuracy is there and W does not move; INTERACTIVE if it is
    there, or if neurons have been INDEPENDENT and the feature rank has fallen since its largest
    value; INDEPENDENT if the training pairs are fitted, W moves and neurons climb their energies;
    else LAZY.

    Args:
        columns: train_accuracy, test_accuracy, energy_alignment, feature_rank and W_change, each
            with one entry a measurement; others are ignored.
        thresholds: By default those of `Thresholds`.
    """
    limits = thresholds or Thresholds()
    labels: list[Stage] = []
    largest, climbed = 0.0, False
    for fitted, known, alignment, rank, change in zip(
        *(columns[name] for name in _TOLD_BY), strict=True
    ):
        largest = max(largest, rank)
        moves = change >= limits.change
        climbs = fitted >= limits.fit_accuracy and moves and alignment >= limits.alignment
        if known >= limits.accuracy:
            label = Stage.INTERACTIVE if moves else Stage.SETTLED
        elif climbed and rank <= (1 - limits.rank_fall) * largest:
            label = Stage.INTERACTIVE
        else:
            label = Stage.INDEPENDENT if climbs else Stage.LAZY
        climbed = climbed or climbs
        labels.append(label)
    return labels


def stage_starts(steps: Sequence[int], labels: Sequence[Stage]) -> dict[Stage, int]:
    """The first of two evaluations in a row with each label: its step, absent if there is none."""
    starts: dict[Stage, int] = {}
    for step, label, following in zip(steps, labels, labels[1:], strict=False):
        if label == following:
            starts.setdefault(label, step)
    return starts


def stage_indicators(snapshot: Snapshot, before: Tensor, steps: Tensor | int) -> dict[str, Tensor]:
    """The indicators of every trial.

    Args:
        snapshot: The weights.
        before: (B, 2M, K), W at the measurement before.
        steps: How many steps ago that was; (B,) where trials differ.

    Returns:
        (B,) each: W_norm, V_norm, W_grad_norm and V_grad_norm (Frobenius), W_change (‖ΔW‖ a step
        over ‖W‖ before), gradient_cosine (mean over pairs of active neurons of the cosine between
        their gradients), energy_alignment (mean by size of the cosine between −∂loss/∂w and ∂Ê/∂w)
        and feature_rank ((tr A)²/‖A‖² for A = F̃ᵀF̃, from 1 to the least of n − 1 and K).
    """
    W, norm = snapshot.W, torch.linalg.matrix_norm
    of_W, of_V = loss_gradients(snapshot)
    return {
        "W_norm": norm(W),
        "V_norm": norm(snapshot.V),
        "W_grad_norm": norm(of_W),
        "V_grad_norm": norm(of_V),
        "W_change": norm(W - before) / norm(before) / steps,
        "gradient_cosine": mean_cosine(of_W, snapshot.active),
        "energy_alignment": energy_alignment(snapshot, of_W),
        "feature_rank": participation(snapshot.features),
    }


def loss_gradients(snapshot: Snapshot) -> tuple[Tensor, Tensor]:
    """∂loss/∂W, (B, 2M, K), and ∂loss/∂Vᵀ, (B, M, K), over all training pairs, no weight decay.

    The loss is the mean over pairs of ‖o − ō − (e_y − 1/M)‖².
    """
    pairs, V = snapshot.pairs, snapshot.centred_v
    one_hot = torch.nn.functional.one_hot(pairs.labels, pairs.M).to(V.dtype)
    activations = snapshot.sums.square()
    residual = torch.baddbmm(one_hot, activations, V, beta=-1).add_(1 / pairs.M)
    residual.mul_(pairs.present * (2 / pairs.counts))
    slope = (residual @ V.mT).mul_(snapshot.sums)
    return snapshot.to_rows(slope, 2.0), residual.mT @ activations


def mean_cosine(columns: Tensor, active: Tensor) -> Tensor:
    """(B,), mean cosine over all pairs of the active ones, (B, K), of the columns of (B, rows, K).

    Σ_{i≠j} cos_ij = ‖Σ_j ĝ_j‖² − Σ_j ‖ĝ_j‖², ĝ the columns at unit length, spares K² cosines.
    """
    lengths: Tensor = torch.linalg.vector_norm(columns, dim=1)
    there = active & (lengths > 0)
    scale = torch.where(there, 1 / lengths, 0)
    total = (columns @ scale[:, :, None])[:, :, 0]
    count = there.sum(1)
    return (total.square().sum(1) - count) / (count * (count - 1))


def energy_gradient(snapshot: Snapshot) -> Tensor:
    """(B, 2M, K), ∂Ê/∂w = 2Xᵀ(Xw ∘ ỸỸᵀF̃) of every neuron (Theorem 1)."""
    slope = (snapshot.pairs.targets @ snapshot.label_sums).mul_(snapshot.sums)
    return snapshot.to_rows(slope, 2.0)


def energy_alignment(snapshot: Snapshot, gradient: Tensor) -> Tensor:
    """(B,), mean cosine between −gradient, (B, 2M, K), and ∂Ê/∂w, neurons weighted by size."""
    upwards = energy_gradient(snapshot)
    return snapshot.mean_over_neurons(-torch.cosine_similarity(gradient, upwards, dim=1, eps=1e-30))


def participation(features: Tensor) -> Tensor:
    """(B,), (Σλ)²/Σλ² of the eigenvalues of F̃ᵀF̃, F̃ (B, N, K): how many directions they fill."""
    gram = smaller_gram(features)
    trace = gram.diagonal(dim1=1, dim2=2).sum(1)
    return trace.square() / gram.square().sum((1, 2))
