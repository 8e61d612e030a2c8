"""The two-layer net on trained embeddings in place of one-hot vectors, without biases."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from sweeper.learn.data import samples_in_step
from sweeper.learn.network import (
    Hidden,
    Network,
    Parameter,
    embedded_rows,
    normal,
    summed_rows,
    uniform,
)
from sweeper.learn.registry import networks


@networks.register("two_layer_embedded")
class TwoLayerEmbedded(Network):
    """o = σ([E[a], E[b], …] W) V, one table E of width e = `embedding_size` for all operands.

    E (M, e) ~ N(0, 1) as nn.Embedding has it; W (P·e, K) ~ U(±1/√(P·e)) and V (K, M) ~ U(±1/√K) as
    nn.Linear has them. Muon takes W.
    """

    @property
    def parameters(self) -> dict[str, Parameter]:
        """E, W and V."""
        M, P, K, e = self.M, self.P, self.trial.hidden_size, self.trial.embedding_size
        return {
            "E": Parameter((M, e), normal(1.0)),
            "W": Parameter((P * e, K), uniform((P * e) ** -0.5), matrix=True),
            "V": Parameter((K, M), uniform(K**-0.5), scaled=True),
        }

    def outputs(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """See `Network`."""
        [layer] = self.hidden(parameters, inputs)
        return self.read_out(parameters, layer.outputs)

    def hidden(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Iterator[Hidden]:
        """See `Network`."""
        sums = summed_rows(embedded_rows(parameters["E"], parameters["W"]), inputs)
        activations = self.activation(sums)
        yield Hidden("W", sums, activations, activations)

    def read_out(self, parameters: Mapping[str, Tensor], hidden: Tensor) -> Tensor:
        """See `Network`."""
        return torch.bmm(hidden, parameters["V"])

    def step_flops(self) -> int:
        """6·K·(P·M·e + n·M): E W for every operand and value, then V."""
        n, e = samples_in_step(self.trial), self.trial.embedding_size
        return 6 * self.trial.hidden_size * self.M * (self.P * e + n)
