"""Any network with any loss as a batch of trials: gradients by autograd, all trials at once.

Shapes: B trials, D numbers of weights each, N samples at most in a step, T tuples, M classes.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import numpy as np
import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from sweeper.learn.data import (
    Batches,
    EvaluationSet,
    Metrics,
    PaddedSets,
    padded,
    samples_in_step,
    training_sets,
    tuples,
)
from sweeper.learn.losses import HandLoss
from sweeper.spec.trial import Trial

if TYPE_CHECKING:
    from sweeper.learn.network import Network, Parameter

_EVALUATED_TUPLES = 1024
"""Of all trials at once, at the least: of fewer the calls take longer than the work."""


class AutogradBatch:
    """B trials of a network on a device; see `sweeper.learn.network.Batch`.

    Attributes:
        weights: (B, D), or (D,) of a single trial, to be updated in place. Parameters are views
            into it.
    """

    def __init__(
        self,
        network: "Network",
        trials: Sequence[Trial],
        weights: Tensor,
        product_dtype: torch.dtype | None = None,
        buffers: Tensor | None = None,
        step: int = 0,
    ) -> None:
        """Place the data beside the weights.

        Args:
            network: Of all trials.
            trials: Of one shape.
            weights: (B, D), or (D,) of a single trial, on the device to be used.
            product_dtype: Of what enters the matrix products, by default that of the weights.
            buffers: Flat, (B, ·); by default the network's first ones.
            step: Steps that were made before; batches of samples go on from there.
        """
        self._network, self._trials = network, list(trials)
        self._product_dtype = product_dtype
        self.weights = weights
        B, device = len(trials), weights.device
        if buffers is None:
            first = torch.stack([network.initial_buffers(one) for one in trials])
            buffers = first.to(device, weights.dtype)
        self._buffers = buffers
        self._parameters = {
            name: view.detach().requires_grad_()
            for name, view in views(weights.view(B, -1), network.parameters).items()
        }
        kept = views(self._buffers, network.buffers)
        self._leaves = list(self._parameters.values())
        self._values = self._parameters | kept
        samples = training_sets(trials)
        self._evaluation = EvaluationSet(trials, samples, device, weights.dtype)
        self._sets = padded(samples, network.M, network.P)
        self._batches = Batches(trials, step) if trials[0].batch_size else None
        if not self._batches:
            self._place_samples(self._sets)
        codes = np.arange(network.M**network.P)
        self._every = torch.from_numpy(tuples(codes, network.M, network.P)).to(device)

    def _place_samples(self, sets: PaddedSets) -> None:
        device = self.weights.device
        self._inputs = torch.from_numpy(sets.inputs).to(device)
        self._labels = torch.from_numpy(sets.labels).to(device)
        shares = sets.real / sets.real.sum(axis=1, keepdims=True)
        self._shares = torch.from_numpy(shares).to(device, self.weights.dtype)

    def gradient(self) -> Tensor:
        """∂loss/∂weights of every trial, shaped as the weights; moves on to the next step."""
        if self._batches:
            self._place_samples(self._sets.at(self._batches.draw()))
        network = self._network
        with torch.enable_grad():
            with self._mixed():
                outputs = network.training_outputs(self._values, self._inputs, self._shares)
            outputs = outputs.to(self.weights.dtype)  # the loss is no matrix product
            slopes = None
            if isinstance(network.loss, HandLoss):  # spares autograd a dozen small operations
                slopes = self._slopes(network.loss, outputs.detach())
            else:
                outputs = _loss(network, outputs, self._labels, self._shares)
        found = torch.autograd.grad(outputs, self._leaves, slopes)
        B = len(self._trials)
        return torch.cat([one.reshape(B, -1) for one in found], 1).view_as(self.weights)

    @torch.no_grad()
    def _slopes(self, loss: HandLoss, outputs: Tensor) -> Tensor:
        """∂loss/∂outputs, of outputs that have to be left as they are."""
        adjusted = _adjusted(self._network, outputs)
        if adjusted is outputs:
            adjusted = outputs.clone()
        shares = self._shares * self._network.trial.output_multiplier
        return loss.residual_(adjusted, self._labels).mul_(shares[..., None])

    @torch.no_grad()
    def evaluate(self) -> Metrics:
        """Losses and accuracies over all tuples, the training and the test tuples apart.

        In the weights' dtype, whatever that of the products in training.
        """
        network, B = self._network, len(self._trials)
        labels = self._evaluation.labels
        T = labels.shape[1]
        found = self.weights.new_empty(B, 2, T)  # loss and correctness of every tuple
        in_step = self._batches.largest if self._batches else self._sets.longest
        rows = _evaluated_rows(in_step, B)
        for first in range(0, T, rows):
            part = slice(first, first + rows)
            inputs = self._every[part].expand(B, -1, -1)
            outputs = network.outputs(self._values, inputs).to(self.weights.dtype)
            outputs = _adjusted(network, outputs)
            found[:, 0, part] = network.loss.values(outputs, labels[:, part])
            found[:, 1, part] = outputs.max(2).indices.eq(labels[:, part])
        return self._evaluation.metrics(found)

    def keep(self, alive: list[int]) -> Self:
        """A batch of the trials at these places alone, at the step where this one is."""
        weights = self.weights.view(len(self._trials), -1)[alive]
        return type(self)(
            self._network,
            [self._trials[i] for i in alive],
            weights if len(alive) > 1 else weights[0],
            self._product_dtype,
            self._buffers[alive],
            self._batches.step if self._batches else 0,
        )

    def _mixed(self) -> torch.autocast:
        reduced = self._product_dtype not in (None, self.weights.dtype)
        return torch.autocast(self.weights.device.type, self._product_dtype, enabled=reduced)


def _evaluated_rows(in_step: int, B: int) -> int:
    """Tuples of each trial evaluated at once: no more room than training, but for few trials."""
    return max(in_step, _EVALUATED_TUPLES // B)


def views(flat: Tensor, parameters: "dict[str, Parameter]") -> dict[str, Tensor]:
    """Each parameter as a view (B, *shape) into flat weights (B, D)."""
    pieces = torch.split(flat, [one.size for one in parameters.values()], 1) if parameters else ()
    return {
        name: piece.view(-1, *one.shape)
        for (name, one), piece in zip(parameters.items(), pieces, strict=True)
    }


def _adjusted(network: "Network", outputs: Tensor) -> Tensor:
    """Outputs as the loss gets them: multiplied and, where it asks for it, centred."""
    if network.trial.output_multiplier != 1.0:
        outputs = outputs * network.trial.output_multiplier
    return outputs - outputs.mean(-1, keepdim=True) if network.loss.centred else outputs


def _loss(network: "Network", outputs: Tensor, labels: Tensor, shares: Tensor) -> Tensor:
    """The sum over trials of their mean losses: each trial's gradient is that of its own."""
    return (network.loss.values(_adjusted(network, outputs), labels) * shares).sum()


# ---------------------------------------------------------------- costs, without computing


def _rehearsed(network: "Network", B: int, n: int) -> tuple[Tensor, Tensor]:
    """The loss of one training step of n samples, and its weights, as shapes without values."""
    with torch.device("meta"), torch.enable_grad():
        flat = torch.empty(B, sum(p.size for p in network.parameters.values()))
        kept = torch.empty(B, sum(p.size for p in network.buffers.values()))
        inputs = torch.empty(B, n, network.P, dtype=torch.int64)
        labels, shares = torch.empty(B, n, dtype=torch.int64), torch.empty(B, n)
        parameters = views(flat.requires_grad_(), network.parameters)
        values = parameters | views(kept, network.buffers)
        outputs = network.training_outputs(values, inputs, shares)
        return _loss(network, outputs, labels, shares), flat


def step_flops(network: "Network") -> int:
    """Operations of the matrix products of one training step of one trial."""
    with FlopCounterMode(display=False) as counter:
        torch.autograd.grad(*_rehearsed(network, 1, samples_in_step(network.trial)))
    flops: int = counter.get_total_flops()
    return flops


def batch_bytes(network: "Network", trials: int) -> int:
    """Memory of a batch at its peak: what autograd keeps for the way back, weights, data.

    Args:
        network: Of a trial that all are as large as.
        trials: B.
    """
    one = network.trial
    weights = 4 * sum(p.size for p in network.parameters.values())
    T: int = network.M**network.P
    # an evaluation has no way back, but may be of more tuples than a step
    rows = min(_evaluated_rows(samples_in_step(one), trials), T)
    activations = _kept_bytes(network, trials, rows)
    data = 8 * one.n_train * (network.P + 2) + 8 * T + (8 * T if one.label_noise else 0)
    evaluation = 8 * T
    # weights, their gradient in pieces and whole, two moments and their temporaries
    return activations + trials * (6 * weights + data + evaluation) + 8 * T


def _kept_bytes(network: "Network", B: int, n: int) -> int:
    """What autograd keeps of a step of n samples, and temporaries."""
    saved: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        saved[storage._cdata] = storage.nbytes()
        held.append(tensor)  # else its storage's place could be taken by another
        return tensor

    held: list[Tensor] = []
    with saved_tensors_hooks(note, lambda tensor: tensor):
        _rehearsed(network, B, n)
    return sum(saved.values()) + 2 * max((tensor.nbytes for tensor in held), default=0)
