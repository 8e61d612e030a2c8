"""Products of embeddings, then a linear read-out: multiplication takes the place of σ."""

from collections.abc import Mapping
from functools import reduce

import torch
from torch import Tensor

from sweeper.learn.data import samples_in_step
from sweeper.learn.network import Network, Parameter, rows_of, uniform
from sweeper.learn.registry import networks


@networks.register("product")
class Product(Network):
    """o = (E[a] ⊙ E[M+b] ⊙ …) V, without biases.

    Of two operands it is what the square's cross term computes: (u + v)² = u² + 2uv + v².
    E (P·M, K), M rows for each operand, ~ U(±1/√M) as nn.Linear has it for one-hot inputs; V (K, M)
    ~ U(±1/√K). Muon takes E.
    """

    @property
    def parameters(self) -> dict[str, Parameter]:
        """E and V."""
        M, K = self.M, self.trial.hidden_size
        return {
            "E": Parameter((self.P * M, K), uniform(M**-0.5), matrix=True),
            "V": Parameter((K, M), uniform(K**-0.5), scaled=True),
        }

    def outputs(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """See `Network`."""
        tables = parameters["E"].chunk(self.P, 1)
        rows = (rows_of(table, inputs[..., j]) for j, table in enumerate(tables))
        return torch.bmm(reduce(torch.mul, rows), parameters["V"])

    def step_flops(self) -> int:
        """6·n·K·M."""
        return 6 * samples_in_step(self.trial) * self.trial.hidden_size * self.M
