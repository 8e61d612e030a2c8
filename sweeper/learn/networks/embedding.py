"""Embeddings side by side, a hidden layer, logits; with biases."""

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


@networks.register("embedding")
class Embedding(Network):
    """o = σ([E[a], E[b], …] W + c) V + d, one table E of width e for all operands.

    E (M, e) ~ N(0, 1) as nn.Embedding has it; W (P·e, K) and c (K) ~ U(±1/√(P·e)), V (K, M) and
    d (M) ~ U(±1/√K) as nn.Linear has them. Muon takes W.
    """

    @property
    def parameters(self) -> dict[str, Parameter]:
        """E, W and c, V and d."""
        M, P, K, e = self.M, self.P, self.trial.hidden_size, self.trial.embedding_size
        hidden, read_out = uniform((P * e) ** -0.5), uniform(K**-0.5)
        return {
            "E": Parameter((M, e), normal(1.0)),
            "W": Parameter((P * e, K), hidden, matrix=True),
            "c": Parameter((K,), hidden),
            "V": Parameter((K, M), read_out, scaled=True),
            "d": Parameter((M,), read_out, scaled=True),
        }

    def outputs(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """See `Network`."""
        [layer] = self.hidden(parameters, inputs)
        return self.read_out(parameters, layer.outputs)

    def hidden(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Iterator[Hidden]:
        """See `Network`."""
        E, W, c = (parameters[name] for name in "EWc")
        table = embedded_rows(E, W) + c[:, None] / self.P  # a sample sums P of its rows
        sums = summed_rows(table, inputs)
        activations = self.activation(sums)
        yield Hidden("W", sums, activations, activations)

    def read_out(self, parameters: Mapping[str, Tensor], hidden: Tensor) -> Tensor:
        """See `Network`."""
        return torch.baddbmm(parameters["d"][:, None], hidden, parameters["V"])

    def step_flops(self) -> int:
        """6·K·(P·M·e + n·M): E W for every operand and value, then V."""
        n, e = samples_in_step(self.trial), self.trial.embedding_size
        return 6 * self.trial.hidden_size * self.M * (self.P * e + n)
