"""Losses and activations against torch's own and against autograd."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from sweeper.learn.activations import HandActivation, Square
from sweeper.learn.losses import HandLoss
from sweeper.learn.registry import activations, losses

M = 7


@pytest.fixture
def samples() -> tuple[Tensor, Tensor]:
    """Outputs (2, 50, M) of all sizes, some of them 0 or huge, and labels."""
    generator = torch.Generator().manual_seed(0)
    outputs = torch.randn(2, 50, M, generator=generator, dtype=torch.float64)
    outputs *= torch.logspace(-3, 2, 50, dtype=torch.float64)[:, None]
    outputs[0, 0] = 0.0
    return outputs, torch.randint(M, (2, 50), generator=generator)


def centred(outputs: Tensor, name: str) -> Tensor:
    return outputs - outputs.mean(-1, keepdim=True) if losses[name].centred else outputs


def textbook(name: str, outputs: Tensor, labels: Tensor) -> Tensor:
    if name == "mse":
        error = centred(outputs, "mse") - (F.one_hot(labels, M).double() - 1 / M)
        return error.square().sum(-1)
    if name == "cross_entropy":
        return F.cross_entropy(outputs.mT, labels, reduction="none")
    s = torch.where(outputs >= 0, outputs + 1, 1 / (1 - outputs))
    return -(s / s.sum(-1, keepdim=True)).gather(-1, labels[..., None])[..., 0].log()


@pytest.mark.parametrize("name", losses.names())
def test_a_loss_is_the_textbook_s_and_its_residual_the_derivative(
    samples: tuple[Tensor, Tensor], name: str
) -> None:
    outputs, labels = samples
    loss = losses[name]()
    assert isinstance(loss, HandLoss)
    leaf = outputs.clone().requires_grad_()
    values = textbook(name, leaf, labels)
    torch.testing.assert_close(loss.values(centred(outputs, name), labels), values.detach())
    torch.testing.assert_close(loss.values_(centred(outputs, name), labels), values.detach())
    (expected,) = torch.autograd.grad(values.sum(), leaf)
    found = loss.residual_(centred(outputs, name).clone(), labels)
    torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-13)
    before = outputs.clone()
    loss.values(outputs, labels)
    assert torch.equal(outputs, before)


def test_stablemax_pulls_where_softmax_underflows() -> None:
    """Prieto et al.: the gradient of cross-entropy vanishes in float32 once margins are large."""
    outputs = torch.full((1, 1, M), -60.0)
    outputs[..., 0] = 60.0
    labels = torch.zeros(1, 1, dtype=torch.int64)
    assert losses["cross_entropy"]().residual_(outputs.clone(), labels).abs().max() < 1e-30  # type: ignore[attr-defined]
    assert losses["stablemax"]().residual_(outputs.clone(), labels).abs().max() > 1e-5  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", [*activations.names(), "x² + 0.7x"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_an_activation_is_torch_s_and_its_slope_the_derivative(
    name: str, dtype: torch.dtype
) -> None:
    reference = {
        "square": torch.square,
        "relu": F.relu,
        "relu_square": lambda x: F.relu(x) ** 2,
        "silu": F.silu,
        "gelu": F.gelu,
        "x² + 0.7x": lambda x: x**2 + 0.7 * x,
    }
    sigma = Square(0.7) if name.startswith("x²") else activations[name]
    assert isinstance(sigma, HandActivation)
    generator = torch.Generator().manual_seed(1)
    x = (torch.randn(40, 30, generator=generator, dtype=torch.float64) * 4).to(dtype)
    x[0, :3] = torch.tensor([0.0, -0.35, 90.0])
    upstream = torch.randn(40, 30, generator=generator, dtype=dtype)
    leaf = x.clone().requires_grad_()
    value = reference[name](leaf)
    value.backward(upstream)
    torch.testing.assert_close(sigma(x), value.detach())
    given, out = x.clone(), torch.empty_like(x)
    sigma.forward(given, out)
    torch.testing.assert_close(out, value.detach())
    sigma.backward_(upstream, given)
    torch.testing.assert_close(upstream * sigma.slope, leaf.grad)
