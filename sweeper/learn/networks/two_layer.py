"""The two-layer net of the theory: o = Vᵀσ(Wᵀx), x the operands' one-hot vectors, no biases."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from sweeper.learn import two_layer
from sweeper.learn.network import Batch, Network, Parameter, summed_rows, uniform
from sweeper.learn.registry import networks
from sweeper.spec.trial import Trial


@networks.register("two_layer")
class TwoLayer(Network):
    """W (P·M, K) ~ U(±1/√PM) and Vᵀ (M, K) ~ U(±1/√K), as nn.Linear has them."""

    @property
    def parameters(self) -> dict[str, Parameter]:
        """W, then V transposed: a trial's weights are one ((P+1)M, K) block."""
        M, P, K = self.M, self.P, self.trial.hidden_size
        return {
            "W": Parameter((P * M, K), uniform((P * M) ** -0.5), matrix=True),
            "V": Parameter((M, K), uniform(K**-0.5), scaled=True),
        }

    def outputs(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """σ(W[a] + W[M+b]) V."""
        hidden = self.activation(summed_rows(parameters["W"], inputs))
        return torch.bmm(hidden, parameters["V"].mT)

    def initial_weights(self, trial: Trial) -> Tensor:
        """((P+1)M, K) float64."""
        return two_layer.initial_weights(trial)

    @property
    def by_hand(self) -> bool:
        """Where activation and loss have their derivatives written out."""
        return two_layer.can_do(self.activation, self.loss)

    def batch(
        self, trials: Sequence[Trial], weights: Tensor, product_dtype: torch.dtype | None = None
    ) -> Batch:
        """See `Network`."""
        if self.by_hand:
            return two_layer.TwoLayerBatch(trials, weights, product_dtype)
        return super().batch(trials, weights, product_dtype)

    def step_flops(self) -> int:
        """6·n·K·M."""
        return two_layer.step_flops(self.trial)

    def batch_bytes(self, trials: int, device: str) -> int:
        """See `Network`."""
        if self.by_hand:
            return two_layer.batch_bytes(self.trial, trials, device)
        return super().batch_bytes(trials, device)
