"""The two-layer net whose read-out is solved by ridge regression at every step.

Only W is trained. With F = σ(XW) the features of the n training samples, ~ their deviation from the
mean over samples and Ỹ that of the centred one-hot labels,

    V = (F̃ᵀF̃ + ηI)⁻¹F̃ᵀỸ,    o = (f − f̄)V + ȳ

minimizes J = ½‖Ỹ − F̃V‖² + (η/2)‖V‖² (theory: arXiv 2509.21519, stage I): ridge regression with an
intercept that costs nothing. W then follows the gradient of the mean squared error at this V, taken
as a constant, as in the paper. By the envelope theorem it is 2/n times that of min_V J.
"""

import torch
from torch import Tensor

from sweeper.learn.data import PaddedSets
from sweeper.learn.two_layer import TwoLayerBatch


class RidgeBatch(TwoLayerBatch):
    """B trials whose weights are W alone, (…, PM, K); η is the same for all."""

    _trained_read_out = False

    def _place_read_out(self) -> None:
        self._ridge = self._trials[0].ridge

    def _block_rows(self, N: int) -> int:
        return N  # V is known once all samples are through

    def _place_samples(self, sets: PaddedSets) -> None:
        super()._place_samples(sets)
        self._real = self._send(sets.real)[..., None].to(self.weights.dtype)  # (B, N, 1)

    def gradient(self) -> Tensor:
        """∂loss/∂W of every trial with V solved for, (…, PM, K); moves on to the next step."""
        (block,) = self._blocks
        summed = self._features()
        V, offset = self._solved()
        if not self._lead:
            V, offset = V[0], offset[0]
        V = V.to(self._dtype)
        residual = torch.matmul(block.hidden, V, out=block.residual)
        residual.sub_(block.targets).add_(offset.to(self._dtype))
        if self._lead:
            residual.mul_(self._real)
        residual.mul_(self._alpha if self._scale is None else self._scale)
        into = block.hidden_grad
        self._product(into, residual, V.mT, beta=0, alpha=self._activation.slope, out=into)
        self._activation.backward_(into, summed)
        return self._gathered().to(self.weights.dtype)

    def _features(self) -> Tensor:
        """Fill the features in; return what `backward_` needs."""
        (block,) = self._blocks
        summed = self._summed(self._rows_of_W.to(self._dtype), block)
        self._activation.forward(summed, block.hidden)
        return summed

    def _solved(self) -> tuple[Tensor, Tensor]:
        """V (B, K, M) and the intercept ȳ − f̄V (B, 1, M), solved in float64.

        In float32 the rounding of F̃ᵀF̃ is as large as the η of the paper. A system that has no
        solution, for W is not finite, gives NaN.
        """
        (block,) = self._blocks
        B, n = self.B, self._real.sum(1, keepdim=True).double()
        F = block.hidden.reshape(B, -1, self.K).double()
        Y = block.targets.reshape(B, -1, self.M).double()
        F_mean, Y_mean = F.sum(1, keepdim=True) / n, Y.sum(1, keepdim=True) / n
        F, Y = (F - F_mean) * self._real, (Y - Y_mean) * self._real
        wide = F.shape[1] < self.K
        gram = F @ F.mT if wide else F.mT @ F  # the smaller: (F̃ᵀF̃ + ηI)⁻¹F̃ᵀ = F̃ᵀ(F̃F̃ᵀ + ηI)⁻¹
        gram.diagonal(dim1=1, dim2=2).add_(self._ridge)
        factor, info = torch.linalg.cholesky_ex(gram)
        V = torch.cholesky_solve(Y if wide else F.mT @ Y, factor)
        if wide:
            V = F.mT @ V
        V = V.masked_fill_((info != 0)[:, None, None], torch.nan)
        return V, Y_mean - F_mean @ V

    def _read_out(self) -> Tensor:
        """Vᵀ (B, M, K) for the W of now; keeps the intercept."""
        self._features()
        V, offset = self._solved()
        self._offset = offset.to(self.weights.dtype)
        return V.mT.to(self.weights.dtype)

    def _outputs(self, hidden: Tensor, V: Tensor) -> Tensor:
        return torch.baddbmm(self._offset, hidden, V)
