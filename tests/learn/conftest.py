"""Random tensors, and torch's Muon without its rounding."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor


@pytest.fixture
def normal() -> Callable[..., Tensor]:
    """Standard normal float64 tensors of a shape, seeded for each test."""
    generator = torch.Generator().manual_seed(0)
    return lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.fixture
def exact_torch_muon(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch.optim.Muon with its products in the precision of the gradient, not in bfloat16."""
    monkeypatch.setattr(Tensor, "bfloat16", Tensor.clone)
