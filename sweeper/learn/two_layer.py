"""The two-layer net with its gradients written out, many copies at once.

For trial i with weights W (2M×K) and V (K×M), a pair (a, b) gives

    h = σ(W[a] + W[M+b]),    o = hV,

In the theory σ is the square and the loss ‖o − ō − (e_{a·b} − 1/M)‖², ō the mean over the M outputs
(arXiv 2509.21519, eq. 1). Inputs are rows of W, summed, never products with one-hot vectors. Of
more operands W has M more rows each. All copies of a batch share the task and K; n may differ.

Shapes below: B trials, M classes, P operands, T = M^P tuples of them, K hidden size, N the largest
number of samples in a step. The weights of a trial are one ((P+1)M, K) block: rows 0..PM−1 are W,
the last M are Vᵀ. So the optimizer sees a single tensor, and every product runs over rows that are
contiguous.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from sweeper.learn.activations import HandActivation, activation_of
from sweeper.learn.data import Batches, EvaluationSet, Metrics, PaddedSets, padded, training_sets
from sweeper.learn.losses import MSE, HandLoss
from sweeper.learn.registry import losses
from sweeper.learn.two_layer_costs import block_rows, evaluated_rows
from sweeper.spec.trial import Trial


@dataclass(frozen=True)
class _Block:
    """Some of the training samples of every trial: R of each, with the buffers they share.

    Attributes:
        rows: (B·R·P,) rows of the flattened weights that a sample sums, but for padding.
        bags: (B·R,) where each sample's begin.
        targets: (…, R, M) centred one-hot labels, 0 on padding; of MSE alone.
        labels: (…, R), for the other losses.
        hidden: (…, R, K) activations; a buffer.
        hidden_grad: (…, R, K) ∂loss/∂(W[a] + W[M+b]): this block's part of it.
        residual: (…, R, M) ∂loss/∂outputs; a buffer.
        residual_t: The same memory, transposed.
        carry: 1 where the gradient of V adds to that of the blocks before, 0 for the first.
    """

    rows: Tensor
    bags: Tensor
    targets: Tensor
    labels: Tensor
    hidden: Tensor
    hidden_grad: Tensor
    residual: Tensor
    residual_t: Tensor
    carry: int


def _by_hand(trial: Trial) -> tuple[HandActivation, HandLoss]:
    activation, loss = activation_of(trial), losses[trial.loss]()
    if not (isinstance(activation, HandActivation) and isinstance(loss, HandLoss)):
        raise ValueError(
            f"{trial.activation} and {trial.loss} do not both have their derivatives written out "
            "(HandActivation, HandLoss)"
        )
    return activation, loss


class TwoLayerBatch:
    """B trials on a device: their weights, the loss's gradient, the evaluation.

    A batch of one has no dimension B ("…" here), which spares every operation some microseconds.

    Attributes:
        weights: (…, R, K), to be updated in place; R is (P+1)M, or PM where V is no weight.
    """

    _trained_read_out = True

    def __init__(
        self,
        trials: Sequence[Trial],
        weights: Tensor,
        product_dtype: torch.dtype | None = None,
        step: int = 0,
    ) -> None:
        """Place the data beside the weights.

        Args:
            trials: Of one shape.
            weights: (…, R, K), on the device to be used.
            product_dtype: Of the activations and of all that enters the matrix products, by default
                that of the weights; bfloat16 beside float32 weights is mixed precision.
            step: Steps that were made before; batches of samples go on from there.

        Raises:
            ValueError: Activation or loss have no derivative written out.
        """
        first = trials[0]
        self._activation, self._loss = _by_hand(first)
        self._squared = isinstance(self._loss, MSE)
        self._trials = list(trials)
        self.M, self.K, self.B = first.group_order, first.hidden_size, len(trials)
        self.P = first.operands
        self._R = (self.P + self._trained_read_out) * self.M
        self._lead = () if self.B == 1 else (self.B,)
        self._product = torch.addmm if self.B == 1 else torch.baddbmm
        self._dtype = product_dtype or weights.dtype
        self.weights = weights.view(*self._lead, self._R, self.K)
        self._rows_of_W = weights.view(-1, self.K)
        self._multiplier = first.output_multiplier
        self._place_read_out()
        samples = training_sets(trials)
        self._sets = padded(samples, self.M, self.P)
        self._batches = Batches(trials, step) if first.batch_size else None
        self._place_buffers(self._batches.largest if self._batches else self._sets.longest)
        if not self._batches:
            self._place_samples(self._sets)
        self._evaluation = EvaluationSet(trials, samples, weights.device, weights.dtype)
        # of each tuple of all operands but the last, the rows of W that it sums
        self._first_rows = None  # (P − 1, T/M); of pairs it would be all of them in order
        if self.P > 2:
            firsts = np.indices((self.M,) * (self.P - 1)).reshape(self.P - 1, -1)
            self._first_rows = self._send(firsts + self.M * np.arange(self.P - 1)[:, None])

    def _place_read_out(self) -> None:
        """V is the last M rows of the weights; outputs are centred by centring V."""
        self._Vt = self.weights[..., self.P * self.M :, :]
        self._V_used = torch.empty_like(self._Vt, memory_format=torch.contiguous_format)
        factor = torch.eye(self.M, device=self.weights.device, dtype=self.weights.dtype)
        if self._loss.centred:
            factor = factor - 1 / self.M
        if self._multiplier != 1.0:
            factor = factor * self._multiplier
        self._factor = factor.expand(*self._lead, self.M, self.M)

    def _read_out(self) -> Tensor:
        """Vᵀ as outputs are made with it, (…, M, K): less its mean over the outputs if centred."""
        if not self._loss.centred and self._multiplier == 1.0:
            return self._Vt
        return self._product(self._V_used, self._factor, self._Vt, beta=0, out=self._V_used)

    def _place_buffers(self, N: int) -> None:
        """Room for N samples of each trial in a step."""
        self._targets = self._empty(N, self.M)
        self._hidden_grad = self._empty(N, self.K)
        self._V_grad = self._empty(self.M, self.K)
        self._rows = self._block_rows(N)
        self._hidden, self._residual = (
            self._empty(self._rows, self.K),
            self._empty(self._rows, self.M),
        )

    def _block_rows(self, N: int) -> int:
        return block_rows(self.B, N, self.K, self._dtype, self.weights.device.type)

    def _place_samples(self, sets: PaddedSets) -> None:
        """The samples of a step, as many as there is room for."""
        M, B, P, R = self.M, self.B, self.P, self._R
        real = sets.real
        n, N = real.sum(axis=1), real.shape[1]
        # rows of the flattened (B·R, K) weights
        uses = sets.inputs + M * np.arange(P) + R * np.arange(B)[:, None, None]
        factor = 2.0 if self._squared else 1.0  # of the loss's derivative
        self._alpha, self._scale = (
            factor / N,
            None,
        )  # residuals are scaled in passing where n is one
        if B > 1:
            self._alpha = 1.0
            self._scale = self._send((factor / n)[:, None, None]).to(self.weights.dtype)

        # The transpose of the gather: which samples use each row of W (none use those of V).
        sample = np.repeat(np.arange(B * N)[real.ravel()], P)
        used = uses[real].ravel()
        counts = np.bincount(used, minlength=R * B)
        self._samples = self._send(sample[np.argsort(used, kind="stable")])
        self._sample_bags = self._send(np.cumsum(counts) - counts)

        labels = self._send(sets.labels).view(*self._lead, N)
        if self._squared:
            self._targets.fill_(-1.0 / M).scatter_(-1, labels[..., None], 1.0 - 1.0 / M)
            if B > 1:
                self._targets[self._send(~real)] = 0.0
        self._blocks = []
        for first in range(0, N, self._rows):
            part = slice(first, min(first + self._rows, N))
            size = part.stop - part.start
            lengths = P * real[:, part].ravel()
            residual = self._residual[..., :size, :]
            block = _Block(
                rows=self._send(uses[:, part][real[:, part]].ravel()),
                bags=self._send(np.cumsum(lengths) - lengths),
                targets=self._targets[..., part, :],
                labels=labels[..., part],
                hidden=self._hidden[..., :size, :],
                hidden_grad=self._hidden_grad[..., part, :],
                residual=residual,
                residual_t=residual.mT,
                carry=int(first > 0),
            )
            self._blocks.append(block)

    def _send(self, array: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.weights.device)

    def _empty(self, *shape: int) -> Tensor:
        return torch.empty(*self._lead, *shape, device=self.weights.device, dtype=self._dtype)

    def gradient(self) -> Tensor:
        """∂loss/∂weights of every trial, (…, R, K); moves on to the next step."""
        if self._batches:
            self._place_samples(self._sets.at(self._batches.draw()))
        product, activation = self._product, self._activation
        rows_of_W, Vt = self._rows_of_W, self._read_out()
        if self._dtype != self.weights.dtype:
            rows_of_W, Vt = rows_of_W.to(self._dtype), Vt.to(self._dtype)
        V = Vt.mT.contiguous() if len(self._blocks) > 1 else Vt.mT
        for block in self._blocks:
            summed = self._summed(rows_of_W, block)
            hidden = block.hidden
            activation.forward(summed, hidden)
            residual = self._residual_of(block, V)
            into = block.hidden_grad
            product(into, residual, Vt, beta=0, alpha=activation.slope, out=into)
            activation.backward_(into, summed)
            into = self._V_grad
            product(
                into, block.residual_t, hidden, beta=block.carry, alpha=self._multiplier, out=into
            )
        gradient = self._gathered()
        gradient[..., self.P * self.M :, :] = self._V_grad
        return gradient.to(self.weights.dtype)

    def _summed(self, rows_of_W: Tensor, block: _Block) -> Tensor:
        """W[a] + W[M+b] of a block's samples, (…, R, K)."""
        summed = _sum_rows(rows_of_W, block.rows, block.bags)
        return summed.view_as(block.hidden) if self._lead else summed

    def _gathered(self) -> Tensor:
        """The gradient of W from that of the sums; rows of V are left 0."""
        grads = self._hidden_grad.view(-1, self.K)
        gradient = _sum_rows(grads, self._samples, self._sample_bags)
        return gradient.view_as(self.weights) if self._lead else gradient

    def _residual_of(self, block: _Block, V: Tensor) -> Tensor:
        """∂loss/∂outputs of a block, in its buffer; one pass over the outputs if it is MSE's."""
        product, alpha, out = self._product, self._alpha, block.residual
        if self._squared:
            product(block.targets, block.hidden, V, beta=-alpha, alpha=alpha, out=out)
        else:
            product(out, block.hidden, V, beta=0, out=out)
            exact = out if out.dtype == self.weights.dtype else out.to(self.weights.dtype)
            exact = self._loss.residual_(exact, block.labels)
            if alpha != 1.0:
                exact.mul_(alpha)
            if exact is not out:
                out.copy_(exact)
        return out if self._scale is None else out.mul_(self._scale)

    def evaluate(self) -> Metrics:
        """Losses and accuracies over all tuples, the training and the test tuples apart."""
        M, K, B, P = self.M, self.K, self.B, self.P
        weights = self.weights.view(B, self._R, K)
        last = weights[:, (P - 1) * M : P * M]
        V = self._read_out().reshape(B, M, K).mT.contiguous()
        firsts = M ** (P - 1)
        rows = evaluated_rows(B, firsts, M, K, weights.device.type)
        hidden = weights.new_empty(B, rows, M, K)
        found = weights.new_empty(B, 2, firsts * M)  # loss and correctness of every tuple
        for first in range(0, firsts, rows):
            part = slice(first * M, min(first + rows, firsts) * M)
            some = hidden[:, : min(rows, firsts - first)]
            left = self._summed_but_last(weights, slice(first, first + rows))
            torch.add(left[:, :, None], last[:, None], out=some)
            self._activation.forward(some, some)
            outputs = self._outputs(some.view(B, -1, K), V)  # (B, rows·M, M)
            labels = self._evaluation.labels[:, part]
            found[:, 1, part] = outputs.max(2).indices.eq(labels)
            found[:, 0, part] = self._loss.values_(outputs, labels)
        return self._evaluation.metrics(found)

    def _outputs(self, hidden: Tensor, V: Tensor) -> Tensor:
        return torch.bmm(hidden, V)

    def keep(self, alive: list[int]) -> Self:
        """A batch of the trials at these places alone, at the step where this one is."""
        weights = self.weights.view(self.B, self._R, self.K)[alive]
        return type(self)(
            [self._trials[i] for i in alive],
            weights if len(alive) > 1 else weights[0],
            self._dtype,
            self._batches.step if self._batches else 0,
        )

    def _summed_but_last(self, weights: Tensor, part: slice) -> Tensor:
        """Sums of W's rows over all operands but the last, for some of their tuples: (B, ., K)."""
        if self._first_rows is None:
            return weights[:, part.start : min(part.stop, self.M)]
        parts = [weights[:, rows[part]] for rows in self._first_rows]
        return torch.stack(parts).sum(0)


def _sum_rows(source: Tensor, rows: Tensor, bags: Tensor) -> Tensor:
    """Row j is the sum of source[rows[bags[j]:bags[j+1]]]; a bag may be empty."""
    return torch.embedding_bag(source, rows, bags, False, 0, False)[0]
