"""The two-layer net of the theory: o = Vᵀσ(Wᵀx), x the operands' one-hot vectors, no biases."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sweeper.learn import two_layer_costs
from sweeper.learn.activations import HandActivation
from sweeper.learn.losses import HandLoss
from sweeper.learn.network import (
    Batch,
    Hidden,
    Initial,
    Network,
    Parameter,
    summed_rows,
    uniform,
)
from sweeper.learn.registry import networks
from sweeper.learn.ridge import RidgeBatch
from sweeper.learn.two_layer import TwoLayerBatch
from sweeper.spec.trial import Trial
from sweeper.tasks.streams import bounded_floats


@networks.register("two_layer")
class TwoLayer(Network):
    """W (P·M, K) ~ U(±1/√PM) and V (K, M) ~ U(±1/√K), as nn.Linear has them.

    Trained by hand-written gradients where activation and loss have their derivatives written out,
    else by autograd. With `ridge` V is no parameter: it is solved at every step.
    """

    @property
    def parameters(self) -> dict[str, Parameter]:
        """W, then V transposed: a trial's weights are one ((P+1)M, K) block."""
        M, P, K = self.M, self.P, self.trial.hidden_size
        W = Parameter((P * M, K), uniform((P * M) ** -0.5), matrix=True)
        if self.trial.ridge:
            return {"W": W}
        return {"W": W, "V": Parameter((M, K), _transposed(K**-0.5), scaled=True)}

    def stream(self, name: str, shape: tuple[int, ...], init_seed: int) -> str:
        """As it was before there were other networks."""
        inputs = str(self.M) if self.P == 2 else f"{self.P}x{self.M}"
        return f"init/two_layer/{inputs}/{self.trial.hidden_size}/{init_seed}/{name}"

    def initial_weights(self, trial: Trial) -> Tensor:
        """((P+1)M, K) float64."""
        return super().initial_weights(trial).view(-1, trial.hidden_size)

    def outputs(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """σ(W[a] + W[M+b]) V."""
        [layer] = self.hidden(parameters, inputs)
        return self.read_out(parameters, layer.outputs)

    def hidden(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Iterator[Hidden]:
        """See `Network`."""
        sums = summed_rows(parameters["W"], inputs)
        activations = self.activation(sums)
        yield Hidden("W", sums, activations, activations)

    def read_out(self, parameters: Mapping[str, Tensor], hidden: Tensor) -> Tensor:
        """See `Network`."""
        return torch.bmm(hidden, parameters["V"].mT)

    @property
    def by_hand(self) -> bool:
        """Where activation and loss have their derivatives written out."""
        return isinstance(self.activation, HandActivation) and isinstance(self.loss, HandLoss)

    def batch(
        self, trials: Sequence[Trial], weights: Tensor, product_dtype: torch.dtype | None = None
    ) -> Batch:
        """See `Network`.

        Raises:
            ValueError: V should be solved, and activation or loss have no written derivative.
        """
        if self.trial.ridge:
            return RidgeBatch(trials, weights, product_dtype)
        if self.by_hand:
            return TwoLayerBatch(trials, weights, product_dtype)
        return super().batch(trials, weights, product_dtype)

    def step_flops(self) -> int:
        """See `two_layer_costs`."""
        return two_layer_costs.step_flops(self.trial)

    def batch_bytes(self, trials: int, device: str) -> int:
        """See `Network`."""
        if self.by_hand:
            return two_layer_costs.batch_bytes(self.trial, trials, device)
        return super().batch_bytes(trials, device)


def _transposed(bound: float) -> Initial:
    """U(±bound), drawn in the order of V (K, M) where Vᵀ (M, K) is kept."""

    def initial(key: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
        return bounded_floats(key, shape[::-1], bound).T

    return initial
