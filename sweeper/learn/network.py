"""What a network has to say of itself: its parameters, and its outputs for a batch of trials.

Gradients, optimizers, packs, evaluation and costs follow from these (`AutogradBatch`). A network
that is worth writing out by hand brings a batch of its own, as the two-layer net does.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sweeper.learn import autograd_batch
from sweeper.learn.activations import activation_of
from sweeper.learn.data import Metrics
from sweeper.learn.losses import Loss
from sweeper.learn.optimizers.muon import Matrix
from sweeper.learn.registry import losses
from sweeper.spec.trial import Trial
from sweeper.tasks.streams import bounded_floats, normal_floats

Initial = Callable[[str, tuple[int, ...]], NDArray[np.float64]]
"""Makes first values from the name of a random stream and a shape."""


def uniform(bound: float) -> Initial:
    """Independent draws from U(−bound, bound)."""
    return lambda key, shape: bounded_floats(key, shape, bound)


def normal(deviation: float) -> Initial:
    """Independent draws from N(0, deviation²)."""
    return lambda key, shape: normal_floats(key, shape, deviation)


def constant(value: float) -> Initial:
    """The same value everywhere."""
    return lambda key, shape: np.full(shape, value)


@dataclass(frozen=True)
class Parameter:
    """One array of a network, of each trial its own.

    Attributes:
        shape: Without the trials' dimension.
        initial: Its first values.
        matrix: Whether it is a matrix of a hidden layer, of which Muon orthogonalizes the updates;
            its rows belong to the layer's inputs.
        scaled: Whether `output_scale` multiplies its first values: the read-out.
    """

    shape: tuple[int, ...]
    initial: Initial
    matrix: bool = False
    scaled: bool = False

    @property
    def size(self) -> int:
        """How many numbers it has."""
        return int(np.prod(self.shape))


@dataclass(frozen=True)
class Hidden:
    """A hidden layer at some samples.

    Attributes:
        name: Of its weights among the parameters; their columns are its neurons'.
        sums: (B, n, K), what σ gets.
        activations: (B, n, K), σ of it.
        outputs: (B, n, K), what the next layer reads.
    """

    name: str
    sums: Tensor
    activations: Tensor
    outputs: Tensor


class Batch(Protocol):
    """B trials on a device: their weights, the loss's gradient, the evaluation.

    Attributes:
        weights: (B, …), or those of a single trial without B, to be updated in place.
    """

    weights: Tensor

    def gradient(self) -> Tensor:
        """∂loss/∂weights of every trial, shaped as the weights; moves on to the next step."""
        ...

    def evaluate(self) -> Metrics:
        """Losses and accuracies over all tuples, the training and the test tuples apart."""
        ...

    def keep(self, alive: list[int]) -> Self:
        """A batch of the trials at these places alone, at the step where this one is."""
        ...


class Network(ABC):
    """A function of integer operands, for many trials of one shape at once.

    Attributes:
        trial: Any trial of the pack; only what a pack has in common may be read from it.
        M: Classes, and values of each operand.
        P: Operands.
        activation: σ.
        loss: The loss.
    """

    def __init__(self, trial: Trial) -> None:
        self.trial = trial
        self.M, self.P = trial.group_order, trial.operands
        self.activation = activation_of(trial)
        self.loss: Loss = losses[trial.loss]()

    # ---------------------------------------------------------------- to be written

    @property
    @abstractmethod
    def parameters(self) -> dict[str, Parameter]:
        """What is trained, by name, in the order in which it lies in the flat weights."""

    @abstractmethod
    def outputs(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """The network's answer to every sample.

        Args:
            parameters: Each (B, *shape), and the buffers likewise.
            inputs: (B, n, P) int64 operands, from 0 to M − 1.

        Returns:
            (B, n, M) outputs, before centring and `output_multiplier`.
        """

    # ---------------------------------------------------------------- may be written

    @property
    def buffers(self) -> dict[str, Parameter]:
        """What is kept from step to step but not trained, such as running means."""
        return {}

    def training_outputs(
        self, parameters: Mapping[str, Tensor], inputs: Tensor, shares: Tensor
    ) -> Tensor:
        """`outputs` while training, where that differs; buffers may be changed in place.

        Args:
            parameters: As in `outputs`.
            inputs: As in `outputs`.
            shares: (B, n), each sample's share of its trial's batch; 0 on padding. Sums weighted
                with them are means over a trial's samples.

        Returns:
            As `outputs`.
        """
        return self.outputs(parameters, inputs)

    def hidden(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Iterator[Hidden]:
        """The hidden layers, the lowest first, for probes to look at; arguments as in `outputs`.

        Raises:
            NotImplementedError: The network does not tell.
        """
        raise NotImplementedError(f"{self.trial.network} does not tell its hidden layers")

    def read_out(self, parameters: Mapping[str, Tensor], hidden: Tensor) -> Tensor:
        """`outputs`, of what the last hidden layer gives, (B, n, K).

        Raises:
            NotImplementedError: As `hidden` does.
        """
        raise NotImplementedError(f"{self.trial.network} does not tell its hidden layers")

    def stream(self, name: str, shape: tuple[int, ...], init_seed: int) -> str:
        """The random stream of a parameter: named by the network, shapes and seed alone."""
        return f"init/{self.trial.network}/{'x'.join(map(str, shape))}/{init_seed}/{name}"

    # ---------------------------------------------------------------- follow from these

    def initial_weights(self, trial: Trial) -> Tensor:
        """First weights of one trial, flat, (D,) float64."""
        return torch.from_numpy(np.concatenate(list(self._first(self.parameters, trial))))

    def initial_buffers(self, trial: Trial) -> Tensor:
        """First buffers of one trial, flat, float64."""
        first = [np.zeros(0), *self._first(self.buffers, trial)]
        return torch.from_numpy(np.concatenate(first))

    def _first(
        self, parameters: Mapping[str, Parameter], trial: Trial
    ) -> "list[NDArray[np.float64]]":
        return [
            one.initial(self.stream(name, one.shape, trial.init_seed), one.shape).ravel()
            * (trial.output_scale if one.scaled else 1.0)
            for name, one in parameters.items()
        ]

    @cached_property
    def matrices(self) -> list[Matrix]:
        """Where Muon's matrices lie among the flat weights."""
        found, start = [], 0
        for one in self.parameters.values():
            if one.matrix:
                rows, columns = one.shape
                found.append(Matrix(start, rows, columns, inputs_first=True))
            start += one.size
        return found

    @property
    def by_hand(self) -> bool:
        """Whether its batches do without autograd."""
        return False

    def batch(
        self, trials: Sequence[Trial], weights: Tensor, product_dtype: torch.dtype | None = None
    ) -> Batch:
        """A batch of trials on the device of their weights.

        Args:
            trials: Of one shape.
            weights: Flat, (B, D), or (D,) of a single trial.
            product_dtype: Of what enters the matrix products, by default that of the weights.
        """
        return autograd_batch.AutogradBatch(self, trials, weights, product_dtype)

    def step_flops(self) -> int:
        """Operations of the matrix products of one training step of the trial."""
        return autograd_batch.step_flops(self)

    def batch_bytes(self, trials: int, device: str) -> int:
        """Memory on the device that a batch takes at its peak, if all trials are as this one."""
        return autograd_batch.batch_bytes(self, trials)


def rows_of(table: Tensor, index: Tensor) -> Tensor:
    """Of each trial the rows that it names: a product with one-hot vectors, without them.

    Args:
        table: (B, R, K).
        index: (B, …) int64, from 0 to R − 1.

    Returns:
        (B, …, K).
    """
    B, R, K = table.shape
    if B > 1:
        offsets = torch.arange(0, B * R, R, device=index.device)
        index = index + offsets.view(B, *[1] * (index.dim() - 1))
    return torch.nn.functional.embedding(index, table.reshape(B * R, K))


def summed_rows(table: Tensor, inputs: Tensor) -> Tensor:
    """W[a] + W[M+b] + …: the sum over operands of the rows that they name.

    Args:
        table: (B, P·M, K): M rows for each operand.
        inputs: (B, n, P) int64.

    Returns:
        (B, n, K).
    """
    B, R, K = table.shape
    P = inputs.shape[-1]
    step = torch.arange(0, R, R // P, device=inputs.device)
    if B > 1:
        step = step + torch.arange(0, B * R, R, device=inputs.device)[:, None, None]
    index = (inputs + step).reshape(-1, P)
    summed = torch.nn.functional.embedding_bag(index, table.reshape(B * R, K), mode="sum")
    return summed.view(B, -1, K)


def embedded_rows(E: Tensor, W: Tensor) -> Tensor:
    """E W_j for every operand j: what each of its values adds to a layer on the embeddings.

    An operand has M values and a batch n samples, more of them, so that `summed_rows` of this
    table takes fewer operations than products with the embeddings of the samples.

    Args:
        E: (B, M, e), the operands' embeddings.
        W: (B, P·e, K), e rows for each operand.

    Returns:
        (B, P·M, K).
    """
    B, _, e = E.shape
    return torch.matmul(E[:, None], W.view(B, -1, e, W.shape[2])).flatten(1, 2)
