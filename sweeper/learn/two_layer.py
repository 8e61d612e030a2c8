"""The two-layer net with square activation and MSE on centred outputs, many copies at once.

For trial i with weights W (2M×K) and V (K×M), a pair (a, b) gives

    h = (W[a] + W[M+b])²,    o = hV,    loss = mean over pairs of ‖o − ō − (e_{a·b} − 1/M)‖²,

ō the mean over the M outputs (theory: arXiv 2509.21519, eq. 1). Inputs are rows of W, summed, never
products with one-hot vectors. Of more operands W has M more rows each. All copies of a batch share
the task and K; n may differ.

Shapes below: B trials, M classes, P operands, T = M^P tuples of them, K hidden size, N the largest
n_train of the batch. The weights of a trial are one ((P+1)M, K) block: rows 0..PM−1 are W, the last
M are Vᵀ. So the optimizer sees a single tensor, and every product runs over rows that are
contiguous.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from sweeper.learn.activations import Square
from sweeper.learn.data import EvaluationSet, Metrics, Samples, padded, training_sets
from sweeper.learn.losses import MSE, Loss
from sweeper.spec.trial import Trial
from sweeper.tasks.streams import bounded_floats

_BLOCK_ELEMENTS = {"cpu": 1 << 18, "cuda": 1 << 28}
"""Hidden activations computed at once: on a CPU few enough to stay in a core's cache between the
passes over them, on a GPU as many as keep it busy."""


def initial_weights(trial: Trial) -> Tensor:
    """((P+1)M, K) float64: W ~ U(±1/√PM) over Vᵀ ~ U(±1/√K), from the shapes and the seed alone."""
    M, K, P = trial.group_order, trial.hidden_size, trial.operands
    inputs = str(M) if P == 2 else f"{P}x{M}"
    key = f"init/two_layer/{inputs}/{K}/{trial.init_seed}"
    W = bounded_floats(f"{key}/W", (P * M, K), (P * M) ** -0.5)
    V = bounded_floats(f"{key}/V", (K, M), K**-0.5)
    return torch.from_numpy(np.concatenate([W, V.T]))


def can_do(activation: Callable[[Tensor], Tensor], loss: Loss) -> bool:
    """Whether `TwoLayerBatch` has them."""
    return isinstance(activation, Square) and isinstance(loss, MSE) and not activation.linear_term


def step_flops(trial: Trial) -> int:
    """Operations of the three matrix products of one training step, 6·n·K·M."""
    return 6 * trial.n_train * trial.hidden_size * trial.group_order


def batch_bytes(trial: Trial, trials: int, device: str) -> int:
    """Memory on the device that a batch takes at its peak, if all its trials are as this one."""
    M, K, n, B = trial.group_order, trial.hidden_size, trial.n_train, trials
    P = trial.operands
    T: int = M**P
    kind = device.split(":")[0]
    reduced = trial.matmul_precision == "bfloat16"
    size = 2 if reduced else 4  # of what enters the products
    rows = _block_rows(B, n, K, torch.bfloat16 if reduced else torch.float32, kind)
    weights = (P + 1) * M * K
    kept = 3 * 4 * weights + (4 + size) * M * K  # Adam's moments, V centred, its gradient
    kept += size * (n * K + n * M)  # gradient of the sums, targets
    kept += 8 * (2 * P + 1) * n + 8 * (P + 1) * M  # indices
    kept += size * rows * (K + M) + 8 * T  # a block's buffers, which tuple is train or test
    labels = 8 * T
    if trial.label_noise:
        kept, labels = kept + labels, 0  # of each trial its own
    step = size * (rows * K + weights) + (6 * weights + 4 * M * K if reduced else 0)
    step = max(step, (8 if B > 1 else 0) * weights + 4 * weights)  # Adam's temporaries
    firsts = T // M
    parts = _evaluated_rows(B, firsts, M, K, kind)
    evaluation = 4 * (parts * M * (K + 2 * M) + 2 * T + M * K)
    if P > 2:
        evaluation += 4 * 2 * parts * K  # their sums but for the last operand
        labels += 8 * (P - 1) * firsts  # and what these are sums of
    return B * (kept + max(step, evaluation)) + labels + 4 * M * M


def _block_rows(B: int, N: int, K: int, dtype: torch.dtype, device: str) -> int:
    """Samples of a block: blocks are of even size, and there is but one where sums are rounded."""
    if dtype == torch.bfloat16:
        return N
    most = max(1, _BLOCK_ELEMENTS[device] // (B * K))
    return -(-N // -(-N // most))


def _evaluated_rows(B: int, firsts: int, M: int, K: int, device: str) -> int:
    """Values of a, or of all operands but the last, whose M tuples are evaluated at once."""
    return min(firsts, max(1, _BLOCK_ELEMENTS[device] // (B * M * K)))


@dataclass(frozen=True)
class _Block:
    """Some of the training samples of every trial: R of each, with the buffers they share.

    Attributes:
        rows: (B·R·P,) rows of the flattened weights that a sample sums, but for padding.
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
        weights: (…, (P+1)M, K), to be updated in place.
    """

    def __init__(
        self, trials: Sequence[Trial], weights: Tensor, product_dtype: torch.dtype | None = None
    ) -> None:
        """Place the data beside the weights.

        Args:
            trials: Of one shape.
            weights: (…, (P+1)M, K), on the device to be used.
            product_dtype: Of the activations and of all that enters the matrix products, by default
                that of the weights; bfloat16 beside float32 weights is mixed precision.
        """
        first = trials[0]
        self._trials = list(trials)
        self.M, self.K, self.B = first.group_order, first.hidden_size, len(trials)
        self.P = first.operands
        self._lead = () if self.B == 1 else (self.B,)
        self._product = torch.addmm if self.B == 1 else torch.baddbmm
        self._dtype = product_dtype or weights.dtype
        self.weights = weights
        self._loss = MSE()
        self._rows_of_W = weights.view(-1, self.K)
        self._Vt = weights[..., self.P * self.M :, :]
        centring = torch.eye(self.M, device=weights.device, dtype=weights.dtype) - 1 / self.M
        self._centring = centring.expand(*self._lead, self.M, self.M)
        self._V_centred = torch.empty_like(self._Vt, memory_format=torch.contiguous_format)
        samples = training_sets(trials)
        self._place_training_set(samples)
        self._evaluation = EvaluationSet(trials, samples, weights.device, weights.dtype)
        # of each tuple of all operands but the last, the rows of W that it sums
        self._first_rows = None  # (P − 1, T/M); of pairs it would be all of them in order
        if self.P > 2:
            firsts = np.indices((self.M,) * (self.P - 1)).reshape(self.P - 1, -1)
            self._first_rows = self._send(firsts + self.M * np.arange(self.P - 1)[:, None])

    def _place_training_set(self, samples: list[Samples]) -> None:
        M, K, B, P = self.M, self.K, self.B, self.P
        sets = padded(samples, M, P)
        real = sets.real
        n, N = real.sum(axis=1), real.shape[1]
        # rows of the flattened (B·(P+1)M, K) weights
        uses = sets.inputs + M * np.arange(P) + (P + 1) * M * np.arange(B)[:, None, None]
        self._alpha, self._scale = 2.0 / N, None  # residuals are scaled in passing where n is one
        if B > 1:
            self._alpha = 1.0
            self._scale = self._send((2.0 / n)[:, None, None]).to(self.weights.dtype)

        # The transpose of the gather: which samples use each row of W (none use those of V).
        sample = np.repeat(np.arange(B * N)[real.ravel()], P)
        used = uses[real].ravel()
        counts = np.bincount(used, minlength=(P + 1) * M * B)
        self._samples = self._send(sample[np.argsort(used, kind="stable")])
        self._sample_bags = self._send(np.cumsum(counts) - counts)

        targets = self._empty(N, M).fill_(-1.0 / M)
        targets.scatter_(-1, self._send(sets.labels).view(*self._lead, N, 1), 1.0 - 1.0 / M)
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
            lengths = P * real[:, part].ravel()
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

    def _send(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.weights.device)

    def _empty(self, *shape: int) -> Tensor:
        return torch.empty(*self._lead, *shape, device=self.weights.device, dtype=self._dtype)

    def gradient(self) -> Tensor:
        """∂loss/∂weights of every trial, (…, (P+1)M, K)."""
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
        gradient[..., self.P * self.M :, :] = self._V_grad
        return gradient.to(self.weights.dtype)

    def _centred(self) -> Tensor:
        """Vᵀ minus its mean over the outputs, (…, M, K): with it the outputs are centred."""
        out = self._V_centred
        return self._product(out, self._centring, self._Vt, beta=0, out=out)

    def evaluate(self) -> Metrics:
        """Losses and accuracies over all tuples, the training and the test tuples apart."""
        M, K, B, P = self.M, self.K, self.B, self.P
        weights = self.weights.view(B, (P + 1) * M, K)
        last = weights[:, (P - 1) * M : P * M]
        V = self._centred().view(B, M, K).mT.contiguous()
        firsts = M ** (P - 1)
        rows = _evaluated_rows(B, firsts, M, K, weights.device.type)
        hidden = weights.new_empty(B, rows, M, K)
        found = weights.new_empty(B, 2, firsts * M)  # loss and correctness of every tuple
        for first in range(0, firsts, rows):
            part = slice(first * M, min(first + rows, firsts) * M)
            some = hidden[:, : min(rows, firsts - first)]
            left = self._summed_but_last(weights, slice(first, first + rows))
            torch.add(left[:, :, None], last[:, None], out=some)
            outputs = torch.bmm(some.square_().view(B, -1, K), V)  # (B, rows·M, M)
            labels = self._evaluation.labels[:, part]
            found[:, 1, part] = outputs.max(2).indices.eq(labels)
            found[:, 0, part] = self._loss.values_(outputs, labels)
        return self._evaluation.metrics(found)

    def keep(self, alive: list[int]) -> Self:
        """A batch of the trials at these places alone."""
        weights = self.weights.view(self.B, -1, self.K)[alive]
        trials = [self._trials[i] for i in alive]
        return type(self)(trials, weights if len(alive) > 1 else weights[0], self._dtype)

    def _summed_but_last(self, weights: Tensor, part: slice) -> Tensor:
        """Sums of W's rows over all operands but the last, for some of their tuples: (B, ., K)."""
        if self._first_rows is None:
            return weights[:, part.start : min(part.stop, self.M)]
        parts = [weights[:, rows[part]] for rows in self._first_rows]
        return torch.stack(parts).sum(0)


def _sum_rows(source: Tensor, rows: Tensor, bags: Tensor) -> Tensor:
    """Row j is the sum of source[rows[bags[j]:bags[j+1]]]; a bag may be empty."""
    return torch.embedding_bag(source, rows, bags, False, 0, False)[0]
