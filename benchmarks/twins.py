"""Each network as a good researcher would write it in PyTorch: a module, autograd, torch.optim.

Whatever does not change is made once: the inputs, the targets, the masks. Optimizers are as torch
makes them unasked.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from benchmarks.idiomatic import add
from sweeper.learn.activations import activation_of
from sweeper.learn.data import task_in, training_sets, tuples
from sweeper.learn.learner import network_of
from sweeper.learn.train import evaluation_steps
from sweeper.spec.trial import Trial
from sweeper.store.records import Curve


class Twin(nn.Module):
    """A network of single trials.

    Attributes:
        one_hot: Whether it takes one-hot vectors beside each other, (n, P·M); else operands, (n, P)
            int64.
    """

    one_hot = True

    def __init__(self, trial: Trial) -> None:
        super().__init__()
        self.M, self.P, self.K = trial.group_order, trial.operands, trial.hidden_size
        self.activation = activation_of(trial)

    def load(self, weights: dict[str, Tensor]) -> None:
        """Take first values, by their names in `sweeper.learn.networks`; Linear has them as W.T."""
        raise NotImplementedError


class TwoLayerTwin(Twin):
    """Two linear layers without biases."""

    def __init__(self, trial: Trial) -> None:
        super().__init__(trial)
        self.hidden = nn.Linear(self.P * self.M, self.K, bias=False)
        self.read_out = nn.Linear(self.K, self.M, bias=False)

    def load(self, weights: dict[str, Tensor]) -> None:
        """See `Twin`."""
        self.hidden.weight.copy_(weights["W"].T)
        self.read_out.weight.copy_(weights["V"])

    def forward(self, x: Tensor) -> Any:  # noqa: ANN401
        """(n, M)."""
        return self.read_out(self.activation(self.hidden(x)))


class EmbeddingTwin(Twin):
    """Embeddings side by side, two linear layers."""

    one_hot = False

    def __init__(self, trial: Trial) -> None:
        super().__init__(trial)
        biases = trial.network == "embedding"
        self.embedding = nn.Embedding(self.M, trial.embedding_size)
        self.hidden = nn.Linear(self.P * trial.embedding_size, self.K, bias=biases)
        self.read_out = nn.Linear(self.K, self.M, bias=biases)

    def load(self, weights: dict[str, Tensor]) -> None:
        """See `Twin`."""
        self.embedding.weight.copy_(weights["E"])
        self.hidden.weight.copy_(weights["W"].T)
        self.read_out.weight.copy_(weights["V"].T)
        if self.hidden.bias is not None:
            self.hidden.bias.copy_(weights["c"])
            self.read_out.bias.copy_(weights["d"])

    def forward(self, x: Tensor) -> Any:  # noqa: ANN401
        """(n, M)."""
        return self.read_out(self.activation(self.hidden(self.embedding(x).flatten(1))))


class ProductTwin(Twin):
    """A product of one embedding an operand, and a linear layer."""

    one_hot = False

    def __init__(self, trial: Trial) -> None:
        super().__init__(trial)
        self.embeddings: Any = nn.ModuleList(nn.Embedding(self.M, self.K) for _ in range(self.P))
        self.read_out = nn.Linear(self.K, self.M, bias=False)

    def load(self, weights: dict[str, Tensor]) -> None:
        """See `Twin`."""
        for embedding, rows in zip(self.embeddings, weights["E"].chunk(self.P), strict=True):
            embedding.weight.copy_(rows)
        self.read_out.weight.copy_(weights["V"].T)

    def forward(self, x: Tensor) -> Any:  # noqa: ANN401
        """(n, M)."""
        h = self.embeddings[0](x[:, 0])
        for j in range(1, self.P):
            h = h * self.embeddings[j](x[:, j])
        return self.read_out(h)


class ComplexTwin(Twin):
    """Two complex linear layers; the real part of what they give."""

    def __init__(self, trial: Trial) -> None:
        super().__init__(trial)
        dtype = {torch.float32: torch.complex64, torch.float64: torch.complex128}[
            torch.get_default_dtype()
        ]
        self.hidden = nn.Linear(self.P * self.M, self.K, bias=False, dtype=dtype)
        self.read_out = nn.Linear(self.K, self.M, bias=False, dtype=dtype)

    def load(self, weights: dict[str, Tensor]) -> None:
        """See `Twin`."""
        self.hidden.weight.copy_(torch.complex(*weights["W"].chunk(2, 1)).T)
        self.read_out.weight.copy_(torch.complex(*weights["V"].chunk(2)).T)

    def forward(self, x: Tensor) -> Any:  # noqa: ANN401
        """(n, M)."""
        return self.read_out(self.hidden(x.to(self.hidden.weight.dtype)).square()).real


class ResidualTwin(Twin):
    """Linear layers without biases, all but the first around a shortcut; BatchNorm1d if asked."""

    def __init__(self, trial: Trial) -> None:
        super().__init__(trial)
        widths = [self.P * self.M] + [self.K] * (trial.layers - 1)
        self.hidden: Any = nn.ModuleList(
            nn.Linear(rows, self.K, bias=False) for rows in widths[:-1]
        )
        self.norms: Any = nn.ModuleList(
            nn.BatchNorm1d(self.K) if trial.batch_norm else nn.Identity() for _ in self.hidden
        )
        self.read_out = nn.Linear(self.K, self.M, bias=False)

    def load(self, weights: dict[str, Tensor]) -> None:
        """See `Twin`."""
        for layer, hidden in enumerate(self.hidden, 1):
            hidden.weight.copy_(weights[f"W{layer}"].T)
        self.read_out.weight.copy_(weights["V"].T)

    def forward(self, x: Tensor) -> Any:  # noqa: ANN401
        """(n, M)."""
        x = self.activation(self.norms[0](self.hidden[0](x)))
        for hidden, norm in zip(self.hidden[1:], self.norms[1:], strict=True):
            x = x + self.activation(norm(hidden(x)))
        return self.read_out(x)


class TransformerTwin(Twin):
    """nn.MultiheadAttention and linear layers at every position; the last one is read out."""

    one_hot = False

    def __init__(self, trial: Trial) -> None:
        super().__init__(trial)
        d, self.L = trial.embedding_size, self.P + 1
        self.embedding = nn.Embedding(self.M + 1, d)
        self.position = nn.Parameter(torch.empty(self.L, d))
        blocks = range(trial.layers)
        self.attentions: Any = nn.ModuleList(
            nn.MultiheadAttention(d, trial.heads, bias=False, batch_first=True) for _ in blocks
        )
        self.hidden: Any = nn.ModuleList(nn.Linear(d, self.K) for _ in blocks)
        self.back: Any = nn.ModuleList(nn.Linear(self.K, d) for _ in blocks)
        self.read_out = nn.Linear(d, self.M, bias=False)
        behind = torch.ones(self.L, self.L, dtype=torch.bool).triu(1)
        self.register_buffer("mask", behind if trial.causal else None)

    def load(self, weights: dict[str, Tensor]) -> None:
        """See `Twin`."""
        self.embedding.weight.copy_(weights["E"])
        self.position.copy_(weights["position"])
        for block, (attention, hidden, back) in enumerate(
            zip(self.attentions, self.hidden, self.back, strict=True), 1
        ):
            queries_keys_values = [weights[f"{name}{block}"].T for name in "QKV"]
            attention.in_proj_weight.copy_(torch.cat(queries_keys_values))
            attention.out_proj.weight.copy_(weights[f"O{block}"].T)
            hidden.weight.copy_(weights[f"W{block}"].T)
            hidden.bias.copy_(weights[f"c{block}"])
            back.weight.copy_(weights[f"Y{block}"].T)
            back.bias.copy_(weights[f"y{block}"])
        self.read_out.weight.copy_(weights["U"].T)

    def forward(self, x: Tensor) -> Any:  # noqa: ANN401
        """(n, M)."""
        tokens = F.pad(x, (0, 1), value=self.M)
        x = self.embedding(tokens) + self.position
        for attention, hidden, back in zip(self.attentions, self.hidden, self.back, strict=True):
            x = x + attention(x, x, x, attn_mask=self.mask, need_weights=False)[0]
            x = x + back(self.activation(hidden(x)))
        return self.read_out(x[:, -1])


TWINS: dict[str, type[Twin]] = {
    "two_layer": TwoLayerTwin,
    "two_layer_embedded": EmbeddingTwin,
    "embedding": EmbeddingTwin,
    "product": ProductTwin,
    "complex": ComplexTwin,
    "residual": ResidualTwin,
    "transformer": TransformerTwin,
}


def new_twin(trial: Trial, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Twin:
    """The twin of a trial's network with the trial's first weights."""
    network = network_of(trial)
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        twin = TWINS[trial.network](trial).to(device)
    finally:
        torch.set_default_dtype(before)
    flat = network.initial_weights(trial).flatten().to(device, dtype)
    sizes = [one.size for one in network.parameters.values()]
    named = zip(network.parameters.items(), torch.split(flat, sizes), strict=True)
    with torch.no_grad():
        twin.load({name: values.view(one.shape) for (name, one), values in named})
    return twin


@dataclass(frozen=True)
class Data:
    """A trial's samples as its twin and its loss take them.

    Attributes:
        train: (n, ·) inputs.
        train_targets: Labels (n,) int64, or for the squared error e_y − 1/M, (n, M).
        every: (T, ·) inputs, all tuples.
        every_target: Likewise.
        labels: (T,) int64.
        sides: (2, T): 1/n on training tuples and 0 elsewhere, and likewise of test tuples.
    """

    train: Tensor
    train_targets: Tensor
    every: Tensor
    every_target: Tensor
    labels: Tensor
    sides: Tensor


def data_of(trial: Trial, one_hot: bool, device: str, dtype: torch.dtype) -> Data:
    """The data of a trial without label noise, on a device."""
    M, P, task = trial.group_order, trial.operands, task_in(trial)
    ((codes, _),) = training_sets([trial])
    chosen = torch.from_numpy(codes)
    every = torch.from_numpy(tuples(np.arange(M**P), M, P))
    if one_hot:
        every = F.one_hot(every, M).flatten(1).to(dtype)
    sides = torch.zeros(2, M**P, dtype=dtype)
    sides[1, torch.from_numpy(task.valid)] = 1.0
    sides[:, chosen] = torch.tensor([[1.0], [0.0]], dtype=dtype)
    sides /= sides.sum(1, keepdim=True)
    labels = torch.from_numpy(task.targets)
    targets = F.one_hot(labels, M).to(dtype) - 1.0 / M if trial.loss == "mse" else labels
    found = every[chosen], targets[chosen], every, targets, labels, sides
    return Data(*(one.to(device) for one in found))


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Of each sample, the outputs centred."""
    return (outputs - outputs.mean(1, keepdim=True) - targets).square().sum(1)


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mse": squared_error,
    "cross_entropy": partial(F.cross_entropy, reduction="none"),
}


def optimizers_of(twin: Twin, trial: Trial) -> list[torch.optim.Optimizer]:
    """The trial's optimizer for all weights; Muon for the hidden matrices, with Adam for the rest.

    Queries, keys and values of `TransformerTwin` are one matrix, which Muon would take as one.
    """
    rates: dict[str, Any] = {"lr": trial.learning_rate, "weight_decay": trial.weight_decay}
    momentum: dict[str, Any] = {"momentum": trial.momentum, "nesterov": trial.nesterov}
    betas = trial.beta1, trial.beta2
    match trial.optimizer:
        case "adam":
            return [torch.optim.Adam(twin.parameters(), betas=betas, **rates)]
        case "adamw":
            return [torch.optim.AdamW(twin.parameters(), betas=betas, **rates)]
        case "sgd":
            return [torch.optim.SGD(twin.parameters(), **rates, **momentum)]
    hidden = [one for name, one in twin.named_parameters() if name.startswith("hidden")]
    rest = [one for name, one in twin.named_parameters() if not name.startswith("hidden")]
    muon = torch.optim.Muon(hidden, adjust_lr_fn=trial.muon_scaling, **rates, **momentum)
    return [muon, torch.optim.Adam(rest, betas=betas, **rates)]


def train_twin(trial: Trial, device: str = "cpu", dtype: torch.dtype = torch.float32) -> Curve:
    """Train one trial to its last step.

    Args:
        trial: The trial; `stop_at_target` is not looked at.
        device: A torch device.
        dtype: Of weights and activations.

    Returns:
        All evaluations.
    """
    twin = new_twin(trial, device, dtype)
    data = data_of(trial, twin.one_hot, device, dtype)
    values = LOSSES[trial.loss]
    optimizers = optimizers_of(twin, trial)
    evaluations = set(evaluation_steps(trial.max_steps, trial.eval_every))
    curve = Curve()
    for step in range(1, trial.max_steps + 1):
        for optimizer in optimizers:
            optimizer.zero_grad()
        values(twin(data.train), data.train_targets).mean().backward()  # type: ignore[no-untyped-call]
        for optimizer in optimizers:
            optimizer.step()
        if step in evaluations:
            twin.eval()
            with torch.no_grad():
                outputs = twin(data.every)
                losses = values(outputs, data.every_target)
                correct = outputs.argmax(1).eq(data.labels).to(dtype)
                add(curve, step, (torch.stack([losses, correct]) @ data.sides.T).flatten().tolist())
            twin.train()
    return curve
