"""The two-layer net with square activation and MSE on centred outputs, many copies at once.

For trial i with weights W (2M×K) and V (K×M), a pair (a, b) gives

    h = (W[a] + W[M+b])²,    o = hV,    loss = mean over pairs of ‖o − ō − (e_{a·b} − 1/M)‖²,

ō the mean over the M outputs (theory: arXiv 2509.21519, eq. 1). Inputs are rows of W, summed, never
products with one-hot vectors. All copies of a batch share M and K; n may differ.

Shapes below: B trials, M group order, K hidden size, N the largest n_train of the batch. The
weights of a trial are one (3M, K) block: rows 0..2M−1 are W, rows 2M..3M−1 are Vᵀ. So the optimizer
sees a single tensor, and every product runs over rows that are contiguous.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sweeper.spec.trial import Trial
from sweeper.tasks.groups import group_named
from sweeper.tasks.splits import split_order
from sweeper.tasks.streams import bounded_floats

_CHUNK_ELEMENTS = {"cpu": 1 << 18, "cuda": 1 << 28}
"""Hidden activations computed at once in an evaluation: what fits a core's cache, or a GPU."""


def initial_weights(trial: Trial) -> Tensor:
    """(3M, K) float64: W ~ U(±1/√2M) over Vᵀ ~ U(±1/√K), from the shapes and the seed alone."""
    M, K = trial.group_order, trial.hidden_size
    key = f"init/two_layer/{M}/{K}/{trial.init_seed}"
    W = bounded_floats(f"{key}/W", (2 * M, K), (2 * M) ** -0.5)
    V = bounded_floats(f"{key}/V", (K, M), K**-0.5)
    return torch.from_numpy(np.concatenate([W, V.T]))


def step_flops(trial: Trial) -> int:
    """Operations of the three matrix products of one training step, 6·n·K·M."""
    return 6 * trial.n_train * trial.hidden_size * trial.group_order


def trial_bytes(trial: Trial) -> int:
    """Device memory that one trial of a batch needs, roughly: state, activations, targets."""
    M, K, n = trial.group_order, trial.hidden_size, trial.n_train
    return 4 * (6 * 3 * M * K + 4 * n * K + 5 * n * M + 8 * M * M)


@dataclass(frozen=True)
class Metrics:
    """Losses and accuracies at one evaluation, one entry a trial."""

    train_loss: list[float]
    test_loss: list[float]
    train_accuracy: list[float]
    test_accuracy: list[float]


class TwoLayerBatch:
    """The data of B trials on a device, with the loss's gradient and the evaluation.

    Everything here is fixed while the trials train; the weights are passed in.
    """

    def __init__(self, trials: list[Trial], device: str, dtype: torch.dtype) -> None:
        group = group_named(trials[0].group)
        self.M, self.K, self.B = group.order, trials[0].hidden_size, len(trials)
        self.N = max(trial.n_train for trial in trials)
        self._device = torch.device(device)
        self._group = group
        orders = [split_order(group, trial.split_seed) for trial in trials]
        # sorted by (a, b): neighbouring samples then read the same row of W
        pairs = [
            np.sort(order[: trial.n_train]) for trial, order in zip(trials, orders, strict=True)
        ]
        self._place_training_set(pairs, dtype)
        self._place_evaluation_set(pairs, dtype)
        shapes = {
            "hidden": (self.B, self.N, self.K),
            "hidden_grad": (self.B, self.N, self.K),
            "output_grad": (self.B, self.N, self.M),
            "V_centred": (self.B, self.M, self.K),
        }
        self._buffers = {
            name: torch.empty(shape, device=device, dtype=dtype) for name, shape in shapes.items()
        }

    def _place_training_set(self, pairs: list[np.ndarray], dtype: torch.dtype) -> None:
        M, N, B = self.M, self.N, self.B
        rows = np.zeros((B, N, 2), dtype=np.int64)  # rows of the flattened (B·3M, K) weights
        rows += 3 * M * np.arange(B)[:, None, None]
        labels = np.zeros((B, N), dtype=np.int64)
        scale = np.zeros((B, N, 1))  # 2/n on samples, 0 on padding
        for i, pair in enumerate(pairs):
            n = len(pair)
            rows[i, :n, 0] += pair // M
            rows[i, :n, 1] += M + pair % M
            labels[i, :n] = self._group.table[pair // M, pair % M]
            scale[i, :n] = 2.0 / n
        self._rows = self._send(rows.reshape(-1))
        self._row_bags = self._send(2 * np.arange(B * N))
        self._scale = self._send(scale).to(dtype)
        self._targets = self._centred_one_hot(self._send(labels), dtype)  # (B, N, M)

        # The transpose of that gather: which samples use each row of W (none use those of V).
        valid = (scale > 0).repeat(2)
        uses = rows.reshape(-1)[valid]
        sample = np.repeat(np.arange(B * N), 2)[valid]
        by_row = np.argsort(uses, kind="stable")
        counts = np.bincount(uses, minlength=3 * M * B)
        self._samples = self._send(sample[by_row])
        self._sample_bags = self._send(np.cumsum(counts) - counts)

    def _place_evaluation_set(self, pairs: list[np.ndarray], dtype: torch.dtype) -> None:
        M = self.M
        in_train = np.zeros((self.B, M * M))
        for i, pair in enumerate(pairs):
            in_train[i, pair] = 1.0
        sides = np.stack([in_train, 1 - in_train], axis=2)
        self._sides = self._send(sides).to(dtype)  # (B, M², 2): 1 where a pair is train, or test
        self._side_sizes = sides.sum(axis=1)[:, None]  # (B, 1, 2)
        self._labels = self._send(self._group.table).reshape(1, -1, 1)  # (1, M², 1)

    def _send(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)

    def _centred_one_hot(self, labels: Tensor, dtype: torch.dtype) -> Tensor:
        return torch.nn.functional.one_hot(labels, self.M).to(dtype) - 1.0 / self.M

    def gradient(self, weights: Tensor) -> Tensor:
        """∂loss/∂weights of every trial, (B, 3M, K), for weights of that shape."""
        M, K, B, N = self.M, self.K, self.B, self.N
        hidden, hidden_grad = self._buffers["hidden"], self._buffers["hidden_grad"]
        output_grad, V_centred = self._buffers["output_grad"], self._buffers["V_centred"]
        flat = weights.view(B * 3 * M, K)
        summed = _sum_rows(flat, self._rows, self._row_bags).view(B, N, K)
        torch.mul(summed, summed, out=hidden)
        Vt = weights[:, 2 * M :]
        torch.sub(Vt, Vt.mean(1, keepdim=True), out=V_centred)  # centres the outputs
        torch.baddbmm(self._targets, hidden, V_centred.mT, beta=-1, out=output_grad)
        output_grad.mul_(self._scale)
        torch.baddbmm(hidden_grad, output_grad, V_centred, beta=0, alpha=2, out=hidden_grad)
        hidden_grad.mul_(summed)
        gradient = _sum_rows(hidden_grad.view(B * N, K), self._samples, self._sample_bags)
        gradient = gradient.view(B, 3 * M, K)
        torch.bmm(output_grad.mT, hidden, out=gradient[:, 2 * M :])
        return gradient

    def evaluate(self, weights: Tensor) -> Metrics:
        """Losses and accuracies over all M² pairs, the training and the test pairs apart."""
        M, K, B = self.M, self.K, self.B
        left, right, Vt = torch.split(weights, M, dim=1)  # each (B, M, K)
        V = (Vt - Vt.mean(1, keepdim=True)).mT
        budget = _CHUNK_ELEMENTS["cpu" if self._device.type == "cpu" else "cuda"]
        chunk = max(1, budget // (B * M * K))
        minus_one = weights.new_full((1, 1, 1), -1.0)
        sums = torch.zeros(B, 2, 2, device=weights.device, dtype=weights.dtype)
        for first in range(0, M, chunk):
            rows = slice(first * M, min(first + chunk, M) * M)
            hidden = (left[:, first : first + chunk, None] + right[:, None]).square_()
            outputs = torch.bmm(hidden.view(B, -1, K), V)  # (B, chunk·M, M)
            labels = self._labels[:, rows].expand(B, -1, -1)
            correct = outputs.argmax(2) == labels[:, :, 0]
            outputs.scatter_add_(2, labels, minus_one.expand_as(labels)).add_(1.0 / M)
            loss = outputs.square_().sum(2)
            both = torch.stack([loss, correct.to(loss.dtype)], dim=1)  # (B, 2, chunk·M)
            sums += torch.bmm(both, self._sides[:, rows])
        means = sums.cpu().double().numpy() / self._side_sizes  # counts divide to exact shares
        (train_loss, test_loss), (train_accuracy, test_accuracy) = means.transpose(1, 2, 0).tolist()
        return Metrics(train_loss, test_loss, train_accuracy, test_accuracy)


def _sum_rows(source: Tensor, rows: Tensor, bags: Tensor) -> Tensor:
    """Row j is the sum of source[rows[bags[j]:bags[j+1]]]; a bag may be empty."""
    return torch.embedding_bag(source, rows, bags, False, 0, False)[0]
