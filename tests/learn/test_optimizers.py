"""Each optimizer and schedule beside its twin in torch.optim, alone and in batches."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sweeper.learn.optimizers.adam import Adam
from sweeper.learn.optimizers.adamw import AdamW
from sweeper.learn.optimizers.base import Optimizer, chosen
from sweeper.learn.optimizers.muon import MatrixMuon
from sweeper.learn.optimizers.schedule import Schedule
from sweeper.learn.optimizers.sgd import SGD

RATES, DECAYS, MOMENTA = [0.1, 0.003, 0.02], [0.0, 0.1, 1e-3], [0.9, 0.0, 0.5]
SCHEDULES = [
    Schedule("step", warmup_steps=7, decay_every=20, decay_factor=0.3),
    Schedule("cosine", max_steps=60),
    Schedule("exponential", warmup_steps=3, decay_every=5, decay_factor=0.9),
]
CONSTANT = [Schedule()] * 3
NAMES = ["adam", "adamw", "sgd", "nesterov", "muon", "plain muon"]
SHAPE = 6, 5


@dataclass
class Case:
    """Some of the three trials, under one optimizer and its twin.

    Attributes:
        name: Of the optimizer.
        places: Which of the trials.
        schedules: Of all three.
    """

    name: str
    places: Sequence[int]
    schedules: Sequence[Schedule]

    def ours(self, weights: Tensor) -> Optimizer:
        rates, decays, momenta, schedules = (
            [values[i] for i in self.places] for values in (RATES, DECAYS, MOMENTA, self.schedules)
        )
        match self.name:
            case "adam":
                return Adam(weights, rates, decays, schedules, beta2=0.98)
            case "adamw":
                return AdamW(weights, rates, decays, schedules, beta1=0.8)
            case "sgd":
                return SGD(weights, rates, decays, schedules, momentum=momenta)
            case "nesterov":
                momenta = [0.9] * len(rates)
                return SGD(weights, rates, decays, schedules, momentum=momenta, nesterov=True)
            case "muon":
                return MatrixMuon(weights, rates, decays, schedules, scale=(6 / 5) ** 0.5)
            case "plain muon":
                return MatrixMuon(
                    weights, rates, decays, schedules, scale=0.2 * 6**0.5,
                    momentum=momenta, nesterov=False,
                )  # fmt: skip
        raise KeyError(self.name)

    def twins(self, weights: Tensor) -> "list[Twin]":
        makers: dict[str, Callable[..., torch.optim.Optimizer]] = {
            "adam": lambda w, i, **o: torch.optim.Adam(w, betas=(0.9, 0.98), foreach=False, **o),
            "adamw": lambda w, i, **o: torch.optim.AdamW(w, betas=(0.8, 0.999), foreach=False, **o),
            "sgd": lambda w, i, **o: torch.optim.SGD(w, momentum=MOMENTA[i], foreach=False, **o),
            "nesterov": lambda w, i, **o: torch.optim.SGD(
                w, momentum=0.9, nesterov=True, foreach=False, **o
            ),
            "muon": lambda w, i, **o: torch.optim.Muon(w, adjust_lr_fn="original", **o),
            "plain muon": lambda w, i, **o: torch.optim.Muon(
                w, momentum=MOMENTA[i], nesterov=False, adjust_lr_fn="match_rms_adamw", **o
            ),
        }
        return [
            Twin(
                w, self.schedules[i],
                lambda leaf, i=i: makers[self.name]([leaf], i, lr=RATES[i], weight_decay=DECAYS[i]),
            )
            for i, w in zip(self.places, weights, strict=True)
        ]  # fmt: skip


class Twin:
    """One trial's weights, moved by torch.optim and its schedulers."""

    def __init__(
        self,
        weights: Tensor,
        schedule: Schedule,
        make: Callable[[Tensor], torch.optim.Optimizer],
    ) -> None:
        self.weights = weights.clone().requires_grad_()
        self.optimizer = make(self.weights)
        self.scheduler = scheduler_of(self.optimizer, schedule)

    def update(self, gradient: Tensor) -> None:
        self.weights.grad = gradient.clone()
        self.optimizer.step()
        self.scheduler.step()


def scheduler_of(
    optimizer: torch.optim.Optimizer, schedule: Schedule
) -> torch.optim.lr_scheduler.LRScheduler:
    kinds = torch.optim.lr_scheduler
    warmup, gamma = schedule.warmup_steps, schedule.decay_factor
    after: dict[str, Callable[[], Any]] = {
        "constant": lambda: kinds.ConstantLR(optimizer, factor=1.0),
        "step": lambda: kinds.StepLR(optimizer, schedule.decay_every, gamma),
        "exponential": lambda: kinds.ExponentialLR(optimizer, gamma ** (1 / schedule.decay_every)),
        "cosine": lambda: kinds.CosineAnnealingLR(optimizer, schedule.max_steps - warmup),
    }
    if not warmup:
        return after[schedule.kind]()
    rise = kinds.LinearLR(optimizer, start_factor=1 / (warmup + 1), total_iters=warmup)
    return kinds.SequentialLR(optimizer, [rise, after[schedule.kind]()], milestones=[warmup])


def strided(weights: Tensor) -> Tensor:
    """The same trials, each with its columns outermost in memory."""
    return weights.mT.contiguous().mT


@pytest.mark.usefixtures("exact_torch_muon")
@pytest.mark.parametrize(
    ("layout", "gradient_layout"),
    [(Tensor.clone, Tensor.clone), (Tensor.clone, strided), (strided, strided)],
    ids=["contiguous", "strided gradient", "strided"],
)
@pytest.mark.parametrize("schedules", [CONSTANT, SCHEDULES], ids=["constant", "scheduled"])
@pytest.mark.parametrize("places", [[0], [1], [0, 1, 2]], ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_equals_torch_step_for_step(
    normal: Callable[..., Tensor],
    name: str,
    places: list[int],
    schedules: list[Schedule],
    layout: Callable[[Tensor], Tensor],
    gradient_layout: Callable[[Tensor], Tensor],
) -> None:
    """60 steps, each trial with rates, decay, momentum and schedule of its own."""
    case = Case(name, places, schedules)
    start = normal(len(places), *SHAPE)
    weights = layout(start if len(places) > 1 else start[0])
    ours, twins = case.ours(weights), case.twins(start)
    for _ in range(60):
        gradient = normal(len(places), *SHAPE)
        for twin, g in zip(twins, gradient, strict=True):
            twin.update(g)
        ours.update(gradient_layout(gradient if len(places) > 1 else gradient[0]))
        expected = torch.stack([twin.weights.detach() for twin in twins])
        torch.testing.assert_close(weights.view_as(expected), expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("kind", [Adam, AdamW, SGD])
def test_alone_equals_torchs_fused_kernel_bit_for_bit(kind: type[Adam] | type[SGD]) -> None:
    """300 steps in float32."""
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(33, 17, generator=generator)
    leaf = weights.clone().requires_grad_()
    twin = getattr(torch.optim, kind.__name__)([leaf], lr=0.01, weight_decay=0.1, fused=True)
    ours = kind(weights, [0.01], [0.1])
    for _ in range(300):
        leaf.grad = torch.randn(33, 17, generator=generator)
        twin.step()
        ours.update(leaf.grad)
    assert torch.equal(weights, leaf)


@pytest.mark.parametrize("name", NAMES)
def test_a_trial_has_the_same_bits_alone_and_in_a_batch(
    normal: Callable[..., Tensor], name: str
) -> None:
    together = normal(3, *SHAPE).float()
    alone = [w.clone() for w in together]
    batch = Case(name, [0, 1, 2], SCHEDULES).ours(together)
    singles = [Case(name, [i], SCHEDULES).ours(w) for i, w in enumerate(alone)]
    for _ in range(40):
        gradient = normal(3, *SHAPE).float()
        for single, g in zip(singles, gradient, strict=True):
            single.update(g.clone())
        batch.update(gradient)
    assert torch.equal(together, torch.stack(alone))


@pytest.mark.parametrize("layout", [Tensor.clone, strided], ids=["contiguous", "strided"])
@pytest.mark.parametrize("name", NAMES)
def test_trials_that_leave_change_nothing_for_those_that_stay(
    normal: Callable[..., Tensor], name: str, layout: Callable[[Tensor], Tensor]
) -> None:
    """The second of three trials leaves after 20 steps, the first after 290; schedules go on.

    Strided weights are contiguous in the end, as a batch on a GPU that shrinks to one trial: it
    goes on by the fused kernel.
    """
    weights = layout(normal(3, *SHAPE))
    schedules = [Schedule("exponential", 3, 50, 0.9), Schedule(), Schedule("cosine", 5, 1, 1, 320)]
    alone = [weights[0].clone(), weights[2].clone()]
    singles = [Case(name, [i], schedules).ours(w) for i, w in zip((0, 2), alone, strict=True)]
    ours = Case(name, [0, 1, 2], schedules).ours(weights)
    for step in range(320):
        if step == 20:
            ours.keep([0, 2], chosen(ours.weights, [0, 2]))
        if step == 290:
            torch.testing.assert_close(ours.weights[0], alone[0], rtol=1e-11, atol=1e-13)
            ours.keep([1], chosen(ours.weights, [1]).contiguous())
        gradient = normal(3, *SHAPE)
        for single, g in zip(singles, gradient[[0, 2]], strict=True):
            single.update(g.clone())
        ours.update(gradient[:3] if step < 20 else gradient[[0, 2]] if step < 290 else gradient[2])
    torch.testing.assert_close(ours.weights, alone[1], rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("warmup_steps", [0, 1, 10])
@pytest.mark.parametrize(
    "schedule",
    [
        {"kind": "constant"},
        {"kind": "step", "decay_every": 30, "decay_factor": 0.2},
        {"kind": "exponential", "decay_factor": 0.97},
        {"kind": "exponential", "decay_every": 100, "decay_factor": 0.1},
        {"kind": "cosine", "max_steps": 200},
    ],
    ids=str,
)
def test_schedule_equals_torchs(schedule: dict[str, Any], warmup_steps: int) -> None:
    one = Schedule(**schedule, warmup_steps=warmup_steps)
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    scheduler = scheduler_of(optimizer, one)
    expected = []
    for _ in range(200):
        expected.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    np.testing.assert_allclose(0.3 * one.factors(np.arange(200)), expected, rtol=1e-12, atol=1e-14)


def test_warm_up_rises_evenly_to_the_full_rate() -> None:
    found = Schedule(warmup_steps=4).factors(np.arange(6))
    np.testing.assert_array_equal(found, [1 / 5, 2 / 5, 3 / 5, 4 / 5, 1, 1])


def test_schedule_tells_all_that_is_wrong() -> None:
    message = (
        "learning-rate schedule: kind is 'linear', not one of constant, step, exponential, cosine; "
        "warmup_steps is -1, below 0; decay_every is 0, below 1; "
        "decay_factor is 2.0, not above 0 and at most 1"
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Schedule("linear", -1, 0, 2.0)  # type: ignore[arg-type]
    message = "learning-rate schedule: max_steps is 50, not above the 50 of the warm-up"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Schedule("cosine", warmup_steps=50, max_steps=50)
