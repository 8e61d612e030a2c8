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
from sweeper.tasks.groups import Group, group_named
from sweeper.tasks.splits import split_order
from sweeper.tasks.streams import bounded_floats

_BLOCK_ELEMENTS = {"cpu": 1 << 18, "cuda": 1 << 28}
"""Hidden activations computed at once: on a CPU few enough to stay in a core's cache between the
passes over them, on a GPU as many as keep it busy."""


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


def batch_bytes(trial: Trial, trials: int, device: str) -> int:
    """Memory on the device that a batch takes at its peak, if all its trials are as this one."""
    M, K, n, B = trial.group_order, trial.hidden_size, trial.n_train, trials
    kind = device.split(":")[0]
    reduced = trial.matmul_precision == "bfloat16"
    size = 2 if reduced else 4  # of what enters the products
    rows = _block_rows(B, n, K, torch.bfloat16 if reduced else torch.float32, kind)
    weights = 3 * M * K
    kept = 3 * 4 * weights + (4 + size) * M * K  # Adam's moments, V centred, its gradient
    kept += size * (n * K + n * M) + 40 * n + 24 * M  # gradient of the sums, targets, indices
    kept += size * rows * (K + M) + 8 * M * M  # a block's buffers, which pair is train or test
    step = size * (rows * K + weights) + (6 * weights + 4 * M * K if reduced else 0)
    step = max(step, (8 if B > 1 else 0) * weights + 4 * weights)  # Adam's temporaries
    evaluated = _evaluated_rows(B, M, K, kind) * M
    evaluation = 4 * (evaluated * (K + 2 * M) + 2 * M * M + M * K)
    return B * (kept + max(step, evaluation)) + 8 * M * M + 4 * M * M


def _block_rows(B: int, N: int, K: int, dtype: torch.dtype, device: str) -> int:
    """Samples of a block: blocks are of even size, and there is but one where sums are rounded."""
    if dtype == torch.bfloat16:
        return N
    most = max(1, _BLOCK_ELEMENTS[device] // (B * K))
    return -(-N // -(-N // most))


def _evaluated_rows(B: int, M: int, K: int, device: str) -> int:
    """Values of a whose M pairs (a, b) are evaluated at once."""
    return min(M, max(1, _BLOCK_ELEMENTS[device] // (B * M * K)))


@dataclass(frozen=True)
class Metrics:
    """Losses and accuracies at one evaluation, one entry a trial."""

    train_loss: list[float]
    test_loss: list[float]
    train_accuracy: list[float]
    test_accuracy: list[float]


@dataclass(frozen=True)
class _Block:
    """Some of the training samples of every trial: R of each, with the buffers they share.

    Attributes:
        rows: (B·R·2,) rows of the flattened weights that a sample sums, but for padding.
        bags: (B·R,) where each sample's begin.
        targets: (…, R, M) centred one-hot labels, 0 on padding.
        hidden: (…, R, K) activations; a buffer.
        hidden_grad: (…, R, K) ∂loss/∂(W[a] + W[M+b]): this block's part of it.
        residual: (…, R, M) outputs minus targets, times 2/n; a buffer.
        residual_t: The same memory, transposed.
        carry: 1 where the gradient of V adds to that of the blocks before, 0 for the first.
    """

    rows: Tensor
    bags: Tensor
    targets: Tensor
    hidden: Tensor
    hidden_grad: Tensor
    residual: Tensor
    residual_t: Tensor
    carry: int


class TwoLayerBatch:
    """B trials on a device: their weights, the loss's gradient, the evaluation.

    A batch of one has no dimension B ("…" here), which spares every operation some microseconds.

    Attributes:
        weights: (…, 3M, K), to be updated in place.
    """

    def __init__(
        self, trials: list[Trial], weights: Tensor, product_dtype: torch.dtype | None = None
    ) -> None:
        """Place the data beside the weights.

        Args:
            trials: Of one shape.
            weights: (…, 3M, K), on the device to be used.
            product_dtype: Of the activations and of all that enters the matrix products, by default
                that of the weights; bfloat16 beside float32 weights is mixed precision.
        """
        group = group_named(trials[0].group)
        self.M, self.K, self.B = group.order, trials[0].hidden_size, len(trials)
        self._lead = () if self.B == 1 else (self.B,)
        self._product = torch.addmm if self.B == 1 else torch.baddbmm
        self._dtype = product_dtype or weights.dtype
        self.weights = weights
        self._rows_of_W = weights.view(-1, self.K)
        self._Vt = weights[..., 2 * self.M :, :]
        centring = torch.eye(self.M, device=weights.device, dtype=weights.dtype) - 1 / self.M
        self._centring = centring.expand(*self._lead, self.M, self.M)
        self._V_centred = torch.empty_like(self._Vt, memory_format=torch.contiguous_format)
        orders = [split_order(group, trial.split_seed) for trial in trials]
        # sorted by (a, b): neighbouring samples then read the same row of W
        pairs = [
            np.sort(order[: trial.n_train]) for trial, order in zip(trials, orders, strict=True)
        ]
        self._place_training_set(pairs, group)
        self._place_evaluation_set(pairs, group)

    def _place_training_set(self, pairs: list[np.ndarray], group: Group) -> None:
        M, K, B = self.M, self.K, self.B
        n = np.array([len(pair) for pair in pairs])
        N = int(n.max())
        real = np.arange(N) < n[:, None]  # (B, N): False on padding
        uses = np.zeros((B, N, 2), dtype=np.int64)  # rows of the flattened (B·3M, K) weights
        labels = np.zeros((B, N, 1), dtype=np.int64)
        for i, pair in enumerate(pairs):
            a, b = np.divmod(pair, M)
            uses[i, : n[i]] = 3 * M * i + np.stack([a, M + b], axis=1)
            labels[i, : n[i], 0] = group.table[a, b]
        self._alpha, self._scale = 2.0 / N, None  # residuals are scaled in passing where n is one
        if B > 1:
            self._alpha = 1.0
            self._scale = self._send((2.0 / n)[:, None, None]).to(self.weights.dtype)

        # The transpose of the gather: which samples use each row of W (none use those of V).
        sample = np.repeat(np.arange(B * N)[real.ravel()], 2)
        used = uses[real].ravel()
        counts = np.bincount(used, minlength=3 * M * B)
        self._samples = self._send(sample[np.argsort(used, kind="stable")])
        self._sample_bags = self._send(np.cumsum(counts) - counts)

        targets = self._empty(N, M).fill_(-1.0 / M)
        targets.scatter_(-1, self._send(labels).view(*self._lead, N, 1), 1.0 - 1.0 / M)
        if B > 1:
            targets[self._send(~real)] = 0.0
        hidden_grad = self._empty(N, K)
        self._hidden_grads = hidden_grad.view(-1, K)
        self._V_grad = self._empty(M, K)
        rows = _block_rows(B, N, K, self._dtype, self.weights.device.type)
        hidden, residual = self._empty(rows, K), self._empty(rows, M)
        self._blocks = []
        for first in range(0, N, rows):
            part = slice(first, min(first + rows, N))
            size = part.stop - part.start
            lengths = 2 * real[:, part].ravel()
            block = _Block(
                rows=self._send(uses[:, part][real[:, part]].ravel()),
                bags=self._send(np.cumsum(lengths) - lengths),
                targets=targets[..., part, :],
                hidden=hidden[..., :size, :],
                hidden_grad=hidden_grad[..., part, :],
                residual=residual[..., :size, :],
                residual_t=residual[..., :size, :].mT,
                carry=int(first > 0),
            )
            self._blocks.append(block)

    def _place_evaluation_set(self, pairs: list[np.ndarray], group: Group) -> None:
        M = self.M
        in_train = np.zeros((self.B, M * M))
        for i, pair in enumerate(pairs):
            in_train[i, pair] = 1.0
        sides = np.stack([in_train, 1 - in_train], axis=2)
        self._sides = self._send(sides).to(self.weights.dtype)  # (B, M², 2): 1 for train, for test
        self._side_sizes = sides.sum(axis=1)[:, None]  # (B, 1, 2)
        self._labels = self._send(group.table).reshape(1, -1, 1)  # (1, M², 1)

    def _send(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.weights.device)

    def _empty(self, *shape: int) -> Tensor:
        return torch.empty(*self._lead, *shape, device=self.weights.device, dtype=self._dtype)

    def gradient(self) -> Tensor:
        """∂loss/∂weights of every trial, (…, 3M, K)."""
        product = self._product
        rows_of_W, Vt = self._rows_of_W, self._centred()
        if self._dtype != self.weights.dtype:
            rows_of_W, Vt = rows_of_W.to(self._dtype), Vt.to(self._dtype)
        V = Vt.mT.contiguous() if len(self._blocks) > 1 else Vt.mT
        for block in self._blocks:
            summed = _sum_rows(rows_of_W, block.rows, block.bags)
            if self._lead:
                summed = summed.view_as(block.hidden)
            hidden = torch.square(summed, out=block.hidden)
            residual = product(
                block.targets, hidden, V, beta=-self._alpha, alpha=self._alpha, out=block.residual
            )
            if self._scale is not None:
                residual.mul_(self._scale)
            into = block.hidden_grad
            product(into, residual, Vt, beta=0, alpha=2, out=into).mul_(summed)
            into = self._V_grad
            product(into, block.residual_t, hidden, beta=block.carry, out=into)
        gradient = _sum_rows(self._hidden_grads, self._samples, self._sample_bags)
        if self._lead:
            gradient = gradient.view_as(self.weights)
        gradient[..., 2 * self.M :, :] = self._V_grad
        return gradient.to(self.weights.dtype)

    def _centred(self) -> Tensor:
        """Vᵀ minus its mean over the outputs, (…, M, K): with it the outputs are centred."""
        out = self._V_centred
        return self._product(out, self._centring, self._Vt, beta=0, out=out)

    def evaluate(self) -> Metrics:
        """Losses and accuracies over all M² pairs, the training and the test pairs apart."""
        M, K, B = self.M, self.K, self.B
        weights = self.weights.view(B, 3 * M, K)
        left, right = weights[:, :M], weights[:, M : 2 * M]
        V = self._centred().view(B, M, K).mT.contiguous()
        rows = _evaluated_rows(B, M, K, weights.device.type)
        hidden = weights.new_empty(B, rows, M, K)
        minus_one = weights.new_full((1, 1, 1), -1.0)
        found = weights.new_empty(B, 2, M * M)  # loss and correctness of every pair
        for first in range(0, M, rows):
            part = slice(first * M, min(first + rows, M) * M)
            some = hidden[:, : min(rows, M - first)]
            torch.add(left[:, first : first + rows, None], right[:, None], out=some)
            outputs = torch.bmm(some.square_().view(B, -1, K), V)  # (B, rows·M, M)
            labels = self._labels[:, part].expand(B, -1, -1)
            found[:, 1, part] = outputs.max(2, keepdim=True).indices.eq(labels)[..., 0]
            outputs.scatter_add_(2, labels, minus_one.expand_as(labels)).add_(1.0 / M)
            torch.sum(outputs.square_(), 2, out=found[:, 0, part])
        sums = torch.bmm(found, self._sides)
        means = sums.cpu().double().numpy() / self._side_sizes  # counts divide to exact shares
        (train_loss, test_loss), (train_accuracy, test_accuracy) = means.transpose(1, 2, 0).tolist()
        return Metrics(train_loss, test_loss, train_accuracy, test_accuracy)


def _sum_rows(source: Tensor, rows: Tensor, bags: Tensor) -> Tensor:
    """Row j is the sum of source[rows[bags[j]:bags[j+1]]]; a bag may be empty."""
    return torch.embedding_bag(source, rows, bags, False, 0, False)[0]
