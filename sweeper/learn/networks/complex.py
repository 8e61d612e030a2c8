"""The two-layer net with complex weights; its outputs are real parts."""

from collections.abc import Mapping

import torch
from torch import Tensor

from sweeper.learn.data import samples_in_step
from sweeper.learn.network import Network, Parameter, summed_rows, uniform
from sweeper.learn.registry import networks


@networks.register("complex")
class Complex(Network):
    """o = Re(z² V), z = W[a] + W[M+b] + …, W and V complex (arXiv 2509.21519, Theorem 3).

    Real and imaginary parts lie beside each other: a row of W (P·M, 2K) is [Re, Im], V (2K, M) has
    Re above Im. Every optimizer sees real numbers, twice as many: Adam has moments of either part,
    as torch.optim.Adam has of complex parameters, and Muon takes W as a real matrix. Each part of
    W ~ U(±1/√PM) and of V ~ U(±1/√K), as nn.Linear has them with a complex dtype.
    """

    @property
    def parameters(self) -> dict[str, Parameter]:
        """W and V."""
        M, P, K = self.M, self.P, self.trial.hidden_size
        return {
            "W": Parameter((P * M, 2 * K), uniform((P * M) ** -0.5), matrix=True),
            "V": Parameter((2 * K, M), uniform(K**-0.5), scaled=True),
        }

    def outputs(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """Re(z² V) = [Re z², −Im z²] [Re V; Im V], with z² = x² − y² + 2ixy."""
        x, y = summed_rows(parameters["W"], inputs).chunk(2, -1)
        squared = torch.cat([(x + y) * (x - y), -2.0 * x * y], -1)
        return torch.bmm(squared, parameters["V"])

    def step_flops(self) -> int:
        """12·n·K·M: of the product's four real parts two are wanted."""
        return 12 * samples_in_step(self.trial) * self.trial.hidden_size * self.M
