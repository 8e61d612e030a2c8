"""Muon: its Newton–Schulz steps, and how it shares the weights with Adam."""

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from sweeper.learn.optimizers.base import chosen
from sweeper.learn.optimizers.muon import Matrix, MatrixMuon, Muon, Scaling, orthogonalized
from sweeper.learn.optimizers.schedule import Schedule

RATES, DECAYS, MOMENTA = [0.1, 0.003, 0.02], [0.0, 0.1, 1e-3], [0.9, 0.0, 0.5]
SCHEDULES = [Schedule(), Schedule(warmup_steps=9), Schedule("cosine", max_steps=30)]


@pytest.mark.parametrize("shape", [(8, 20), (20, 8), (3, 8, 20), (3, 20, 8)], ids=str)
def test_orthogonalized_keeps_singular_vectors_and_levels_singular_values(
    normal: Callable[..., Tensor], shape: tuple[int, ...]
) -> None:
    """Singular values a factor 200 apart; the exact UVᵀ is the theory's Muon."""
    U, _, Vh = torch.linalg.svd(normal(*shape), full_matrices=False)
    S = torch.logspace(0, -2.3, 8, dtype=torch.float64)
    found = orthogonalized((U * S) @ Vh)
    levelled = U.mT @ found @ Vh.mT
    values = levelled.diagonal(dim1=-2, dim2=-1)
    torch.testing.assert_close(levelled, torch.diag_embed(values), rtol=0, atol=1e-12)
    assert values.min() > 0.68
    assert values.max() < 1.21
    assert torch.equal(orthogonalized(torch.zeros(shape)), torch.zeros(shape))


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 0.02), (torch.bfloat16, 5e-4)], ids=str
)
def test_muon_is_within_bfloat16_of_torchs(dtype: torch.dtype, tolerance: float) -> None:
    """torch rounds to bfloat16; told to do so too, the weights agree ten times as well."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(24, 40, generator=generator)
    leaf = weights.clone().requires_grad_()
    twin = torch.optim.Muon([leaf], lr=0.1, weight_decay=0.01)
    ours = MatrixMuon(weights, [0.1], [0.01], scale=1.0, product_dtype=dtype)
    start = weights.clone()
    for _ in range(20):
        leaf.grad = torch.randn(24, 40, generator=generator)
        twin.step()
        ours.update(leaf.grad.clone())
    assert (weights - leaf).norm() < tolerance * (weights - start).norm()


@pytest.mark.usefixtures("exact_torch_muon")
@pytest.mark.parametrize("batch", [1, 2])
def test_muon_takes_the_matrices_and_adam_the_rest(
    normal: Callable[..., Tensor], batch: int
) -> None:
    """Flat weights: 3 for Adam, a 4 × 6 matrix, 2 for Adam, a 6 × 4 one, 1 for Adam."""
    matrices = [Matrix(29, 6, 4), Matrix(3, 4, 6, inputs_first=True)]
    start = normal(batch, 54)
    weights = start.clone() if batch > 1 else start[0].clone()
    ours = Muon(weights, RATES[:batch], DECAYS[:batch], matrices=matrices)
    twins = [[part.clone() for part in parts(one)] for one in start]
    optimizers = [
        torch.optim.Adam([its[0], its[2], its[4]], lr=rate, weight_decay=decay)
        for its, rate, decay in zip(twins, RATES, DECAYS, strict=False)
    ] + [
        torch.optim.Muon([its[1], its[3]], lr=rate, weight_decay=decay)
        for its, rate, decay in zip(twins, RATES, DECAYS, strict=False)
    ]
    for _ in range(30):
        gradient = normal(batch, 54)
        for its, g in zip(twins, gradient, strict=True):
            for twin, part in zip(its, parts(g), strict=True):
                twin.grad = part.clone()
        for optimizer in optimizers:
            optimizer.step()
        ours.update(gradient if batch > 1 else gradient[0])
        for its, one in zip(twins, weights.view(batch, 54), strict=True):
            for twin, found in zip(its, parts(one), strict=True):
                torch.testing.assert_close(found, twin, rtol=1e-12, atol=1e-13)


def parts(flat: Tensor) -> list[Tensor]:
    """What torch is given: rows of a matrix are the outputs there."""
    a, first, b, second, c = flat.split([3, 24, 2, 24, 1])
    return [a, first.view(4, 6).T, b, second.view(6, 4), c]


def test_muon_goes_on_alike_when_trials_leave(normal: Callable[..., Tensor]) -> None:
    """The weights of a two-layer net, W above Vᵀ; two of three trials leave."""
    weights = normal(3, 12, 5)
    alone = weights[2].clone()
    W = [Matrix(0, 8, 5, inputs_first=True)]
    ours = Muon(weights, RATES, DECAYS, SCHEDULES, matrices=W, momentum=MOMENTA)
    single = Muon(
        alone, RATES[2:], DECAYS[2:], SCHEDULES[2:], matrices=W, momentum=MOMENTA[2:]
    )  # fmt: skip
    for step in range(30):
        gradient = normal(3, 12, 5)
        single.update(gradient[2].clone())
        if step == 10:
            ours.keep([1, 2], chosen(ours.weights, [1, 2]))
        if step == 20:
            ours.keep([1], chosen(ours.weights, [1]))
        ours.update(gradient if step < 10 else gradient[1:] if step < 20 else gradient[2])
    assert torch.equal(ours.weights, alone)


@pytest.mark.parametrize(
    ("matrix", "scaling", "scale"),
    [
        (Matrix(0, 8, 2), "original", 2.0),
        (Matrix(0, 8, 2, inputs_first=True), "original", 1.0),
        (Matrix(0, 2, 8, inputs_first=True), "original", 2.0),
        (Matrix(0, 25, 4, inputs_first=True), "match_rms_adamw", 1.0),
        (Matrix(0, 25, 4), "none", 1.0),
    ],
)
def test_scale_follows_the_shape(matrix: Matrix, scaling: Scaling, scale: float) -> None:
    assert matrix.scale(scaling) == pytest.approx(scale, rel=1e-15)


def test_muon_tells_all_that_is_wrong() -> None:
    wrong = [Matrix(0, 4, 5), Matrix(10, 0, 3), Matrix(30, 4, 5)]
    message = (
        "matrices of Muon: that of 0 × 3 from 10 is empty; "
        "that of 0 × 3 from 10 begins before 20, where the one before ends; "
        "that of 4 × 5 from 30 ends at 50, behind the 40 weights of a trial; "
        "scaling is 'rms', not one of none, original, match_rms_adamw"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Muon(torch.zeros(40), [0.1], [0.0], matrices=wrong, scaling="rms")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^matrices of Muon: there is none$"):
        Muon(torch.zeros(40), [0.1], [0.0], matrices=[])
