"""Deeper nets: hidden layers with residual connections, with or without batch norm."""

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from sweeper.learn.data import samples_in_step
from sweeper.learn.network import Hidden, Network, Parameter, constant, summed_rows, uniform
from sweeper.learn.registry import networks

MOMENTUM, EPSILON = 0.1, 1e-5
"""Of the running statistics, and beside the variance: those of torch.nn.BatchNorm1d."""


@networks.register("residual")
class Residual(Network):
    """h₁ = σ(W1[a] + W1[M+b] + …), h_{l+1} = h_l + σ(h_l W_{l+1}), o = h V, without biases.

    W1 (P·M, K) ~ U(±1/√PM), W2 … (K, K) and V (K, M) ~ U(±1/√K), as nn.Linear has them: with V
    there are `layers` of them. Muon takes all but V. With batch norm σ gets γ (x − mean) / √(var +
    1e-5) + β in place of x, as from torch.nn.BatchNorm1d: while training with mean and variance of
    the batch, in evaluations with running ones.
    """

    @property
    def parameters(self) -> dict[str, Parameter]:
        """W1, then if batch norm is asked for gamma1 and beta1, W2, …, and V."""
        M, P, K = self.M, self.P, self.trial.hidden_size
        found = {}
        for layer in self._layers:
            rows = P * M if layer == 1 else K
            found[f"W{layer}"] = Parameter((rows, K), uniform(rows**-0.5), matrix=True)
            if self.trial.batch_norm:
                found[f"gamma{layer}"] = Parameter((K,), constant(1.0))
                found[f"beta{layer}"] = Parameter((K,), constant(0.0))
        return found | {"V": Parameter((K, M), uniform(K**-0.5), scaled=True)}

    @property
    def buffers(self) -> dict[str, Parameter]:
        """Running means and variances of each layer, from 0 and 1 on."""
        if not self.trial.batch_norm:
            return {}
        K = self.trial.hidden_size
        return {
            f"{name}{layer}": Parameter((K,), constant(first))
            for layer in self._layers
            for name, first in (("mean", 0.0), ("variance", 1.0))
        }

    @property
    def _layers(self) -> range:
        """The hidden ones."""
        return range(1, self.trial.layers)

    def outputs(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """See `Network`."""
        return self._outputs(parameters, self.hidden(parameters, inputs))

    def training_outputs(
        self, parameters: Mapping[str, Tensor], inputs: Tensor, shares: Tensor
    ) -> Tensor:
        """See `Network`."""
        return self._outputs(parameters, self._hidden(parameters, inputs, shares))

    def hidden(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Iterator[Hidden]:
        """See `Network`."""
        return self._hidden(parameters, inputs, None)

    def read_out(self, parameters: Mapping[str, Tensor], hidden: Tensor) -> Tensor:
        """See `Network`."""
        return torch.bmm(hidden, parameters["V"])

    def _outputs(self, parameters: Mapping[str, Tensor], hidden: Iterator[Hidden]) -> Tensor:
        for layer in hidden:
            last = layer.outputs
        return self.read_out(parameters, last)

    def _hidden(
        self, parameters: Mapping[str, Tensor], inputs: Tensor, shares: Tensor | None
    ) -> Iterator[Hidden]:
        h: Tensor | None = None
        for layer in self._layers:
            W = parameters[f"W{layer}"]
            x = summed_rows(W, inputs) if h is None else torch.bmm(h, W)
            if self.trial.batch_norm:
                x = _normalized(x, shares, *(parameters[f"{name}{layer}"] for name in _NORM))
            activations = self.activation(x)
            h = activations if h is None else h + activations
            yield Hidden(f"W{layer}", x, activations, h)

    def step_flops(self) -> int:
        """6·n·K·((layers − 2)·K + M)."""
        n, K = samples_in_step(self.trial), self.trial.hidden_size
        return 6 * n * K * ((self.trial.layers - 2) * K + self.M)


_NORM = ("gamma", "beta", "mean", "variance")


def _normalized(
    x: Tensor, shares: Tensor | None, gamma: Tensor, beta: Tensor, mean: Tensor, variance: Tensor
) -> Tensor:
    """Batch norm of x (B, n, K) over the samples of each trial.

    Args:
        x: What σ would get.
        shares: (B, n) while training, else None.
        gamma: (B, K), as all that follow.
        beta: See `Residual`.
        mean: Running; moved in place while training.
        variance: Running, with n − 1 in its denominator, as torch has it; likewise.
    """
    if len(x) == 1:  # one pass over memory; there is no padding
        kept = mean[0], variance[0], gamma[0], beta[0]
        training = shares is not None
        return F.batch_norm(x[0], *kept, training, MOMENTUM, EPSILON)[None]
    if shares is None:
        now, spread = mean, variance
    else:
        now = torch.einsum("bn,bnk->bk", shares, x)
        spread = torch.einsum("bn,bnk->bk", shares, (x - now[:, None]).square())
        with torch.no_grad():
            n = (shares > 0).sum(1, keepdim=True)
            mean.lerp_(now, MOMENTUM)
            variance.lerp_(spread * (n / (n - 1)), MOMENTUM)
    scale = gamma * (spread + EPSILON).rsqrt()
    return torch.addcmul((beta - now * scale)[:, None], x, scale[:, None])
