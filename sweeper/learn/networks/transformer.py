"""A transformer without layer norm, as in the literature on grokking; read out at "="."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from sweeper.learn.data import samples_in_step
from sweeper.learn.network import Network, Parameter, constant, normal, rows_of
from sweeper.learn.registry import networks


@networks.register("transformer")
class Transformer(Network):
    """Tokens a, b, …, "=" through blocks of attention and a hidden layer; o = x_"=" U.

    The network of Nanda et al. 2023 (arXiv 2301.05217): x = E[token] + position, of width
    d = `embedding_size`; each block adds attention(x) O, then σ(x W + c) Y + y, with K =
    `hidden_size`. Queries, keys and values are x Q, x K and x V, cut into `heads` parts; scores are
    divided by √(d/heads). No layer norm, no biases but c and y. First values: E (M+1, d; "=" is the
    last row), positions (P+1, d), Q, K, V, O (d, d), W (d, K) and Y (K, d) ~ N(0, 1/d), c and y 0,
    U (d, M) ~ N(0, 1/M). (U has no column for "=", which is never an answer.) Muon takes Q, K, V,
    O, W and Y.

    Before the first block an operand's position has but M values, so Q, K and V are applied to
    these and looked up; in the last block only "=" asks and only "=" is read.
    """

    @property
    def parameters(self) -> dict[str, Parameter]:
        """E and position; Q, K, V, O, W, c, Y, y of block 1, then of 2, …; U."""
        M, P, K, d = self.M, self.P, self.trial.hidden_size, self.trial.embedding_size
        wide = normal(d**-0.5)
        found = {"E": Parameter((M + 1, d), wide), "position": Parameter((P + 1, d), wide)}
        shapes = dict.fromkeys("QKVO", (d, d)) | {"W": (d, K), "c": (K,), "Y": (K, d), "y": (d,)}
        for block in range(1, self.trial.layers + 1):
            for name, shape in shapes.items():
                matrix = len(shape) == 2
                first = wide if matrix else constant(0.0)
                found[f"{name}{block}"] = Parameter(shape, first, matrix)
        return found | {"U": Parameter((d, M), normal(M**-0.5), scaled=True)}

    def outputs(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """See `Network`."""
        M, P, blocks = self.M, self.P, self.trial.layers
        E, position = parameters["E"], parameters["position"]
        operands = (E[:, None, :M] + position[:, :P, None]).flatten(1, 2)
        tokens = torch.cat([operands, E[:, M:] + position[:, P:]], 1)  # (B, P·M + 1, d)
        places = torch.arange(0, P * M + 1, M, device=inputs.device)
        rows: Tensor | None = F.pad(inputs, (0, 1)) + places  # (B, n, L) of them, L = P + 1
        x = tokens  # (B, ·, d): these, from the first block on the n·L positions
        for block in range(1, blocks + 1):
            Q, K, V, back, W, c, Y, y = (parameters[f"{name}{block}"] for name in "QKVOWcYy")
            keys, values = torch.bmm(x, K), self._placed(torch.bmm(x, V), rows)
            if block < blocks:
                queries = self._placed(torch.bmm(x, Q), rows)
                attended = self._attention(queries, self._placed(keys, rows), values)
                x = self._placed(x, rows).flatten(1, 2)
            else:
                x = x[:, -1:] if rows is not None else x[:, P :: P + 1]  # "=" alone
                attended = self._last_attention(torch.bmm(x, Q), keys, values, rows)
            rows = None
            x = x + torch.bmm(attended, back)
            hidden = self.activation(torch.baddbmm(c[:, None], x, W))
            x = x + torch.baddbmm(y[:, None], hidden, Y)
        return torch.bmm(x, parameters["U"])

    def _placed(self, x: Tensor, rows: Tensor | None) -> Tensor:
        """(B, n, L, ·): of tokens the rows of each sample, else what is in this order already."""
        B, _, d = x.shape
        return x.view(B, -1, self.P + 1, d) if rows is None else rows_of(x, rows)

    def _by_head(self, x: Tensor) -> Tensor:
        """(…, d) as (…, heads, d/heads)."""
        return x.view(*x.shape[:-1], self.trial.heads, -1)

    def _attention(self, queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Of every position: (B, n·L, d) from (B, n, L, d) each."""
        q, k, v = (self._by_head(x.flatten(0, 1)).transpose(1, 2) for x in (queries, keys, values))
        found = F.scaled_dot_product_attention(q, k, v, is_causal=self.trial.causal)
        return found.transpose(1, 2).reshape(len(queries), -1, queries.shape[-1])

    def _last_attention(
        self, queries: Tensor, keys: Tensor, values: Tensor, rows: Tensor | None
    ) -> Tensor:
        """Of "=": (B, n, d).

        Args:
            queries: (B, n, d), or (B, 1, d) before the first block.
            keys: (B, ·, d) of all positions, or of all tokens before the first block.
            values: (B, n, L, d).
            rows: (B, n, L) before the first block: there a score belongs to a token.
        """
        if rows is None:
            scores = self._by_head(self._placed(keys, rows) * queries[:, :, None]).sum(-1)
        else:
            scores = rows_of(self._by_head(keys * queries).sum(-1), rows)
        size = queries.shape[-1] // self.trial.heads
        weights = torch.softmax(scores * size**-0.5, 2)  # (B, n, L, heads)
        return (weights[..., None] * self._by_head(values)).sum(2).flatten(-2)

    def step_flops(self) -> int:
        """6 for each multiplication of the matrix products, with attention but in the last block.

        There "=" alone asks, and its scores are sums of products, as are its weighted values.
        """
        M, P, K, d = self.M, self.P, self.trial.hidden_size, self.trial.embedding_size
        n, L = samples_in_step(self.trial), self.P + 1
        found, rows, asking = n * d * M, P * M + 1, 1  # U; tokens, "=" among them
        for block in range(1, self.trial.layers + 1):
            last = block == self.trial.layers
            found += (2 * rows + (asking if last else rows)) * d * d  # K, V; Q
            found += n * (1 if last else L) * d * (d + 2 * K)  # O; W and Y
            found += 0 if last else 2 * n * L * L * d  # attention
            rows, asking = n * L, n
        return 6 * found
