"""The same training as a good researcher would write it in PyTorch: a module, autograd, Adam.

Whatever does not change is made once: the one-hot inputs, the targets, the masks. Adam is as torch
makes it unasked, on a CPU without its fused kernel.
"""

import torch
from torch import Tensor, nn

from benchmarks.setting import Pairs, first_weights, pairs
from sweeper.learn.train import evaluation_steps
from sweeper.spec.trial import Trial
from sweeper.store.records import Curve


class TwoLayerNet(nn.Module):
    """o − ō with o = (xW)²V, and ō the mean over the outputs."""

    def __init__(self, order: int, hidden_size: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(2 * order, hidden_size, bias=False)
        self.outputs = nn.Linear(hidden_size, order, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Centred outputs (…, M) for inputs (…, 2M)."""
        o: Tensor = self.outputs(self.hidden(x).square())
        return o - o.mean(dim=-1, keepdim=True)


def new_net(trial: Trial, device: str) -> TwoLayerNet:
    """The net of a trial with its first weights."""
    net = TwoLayerNet(trial.group_order, trial.hidden_size).to(device)
    hidden, outputs = first_weights(trial, device)
    with torch.no_grad():
        net.hidden.weight.copy_(hidden)
        net.outputs.weight.copy_(outputs)
    return net


def squared_error(outputs: Tensor, targets: Tensor) -> Tensor:
    """Summed over the outputs, a mean over the samples."""
    return (outputs - targets).square().sum(dim=-1).mean()


def metrics(outputs: Tensor, data: Pairs) -> Tensor:
    """(4,): loss of the training and the test pairs, accuracy of both.

    Args:
        outputs: (M², M), of all pairs.
        data: The trial's.
    """
    loss = (outputs - data.every_target).square().sum(dim=-1)
    correct = (outputs.argmax(dim=-1) == data.labels).float()
    train = data.is_train.float()
    sides = torch.stack([train / train.sum(), (1 - train) / (1 - train).sum()])  # (2, M²)
    return torch.cat([sides @ loss, sides @ correct])


def train_idiomatic(trial: Trial, device: str = "cpu") -> Curve:
    """Train one trial to its last step.

    Args:
        trial: The trial; `stop_at_target` is not looked at.
        device: A torch device.

    Returns:
        All evaluations.
    """
    data = pairs(trial, device)
    net = new_net(trial, device)
    optimizer = torch.optim.Adam(
        net.parameters(), lr=trial.learning_rate, weight_decay=trial.weight_decay
    )
    evaluations = set(evaluation_steps(trial.max_steps, trial.eval_every))
    curve = Curve()
    for step in range(1, trial.max_steps + 1):
        optimizer.zero_grad()
        loss = squared_error(net(data.train), data.train_targets)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step in evaluations:
            with torch.no_grad():
                add(curve, step, metrics(net(data.every), data).tolist())
    return curve


def add(curve: Curve, step: int, measured: list[float]) -> None:
    """Append one evaluation, in the order of `metrics`."""
    curve.step.append(step)
    columns = (curve.train_loss, curve.test_loss, curve.train_accuracy, curve.test_accuracy)
    for column, value in zip(columns, measured, strict=True):
        column.append(value)
