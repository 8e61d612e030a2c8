"""The two-layer net's variants, each against a twin made of torch.nn and torch.optim alone."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from sweeper.learn.activations import Square
from sweeper.learn.autograd_batch import AutogradBatch
from sweeper.learn.data import Batches, training_sets
from sweeper.learn.learner import initial_weights, network_of
from sweeper.learn.ridge import RidgeBatch
from sweeper.learn.train import train
from sweeper.learn.two_layer import TwoLayerBatch
from sweeper.learn.two_layer_costs import step_flops
from sweeper.spec.trial import Trial
from sweeper.store.records import Outcome, TrialResult

Make = Callable[..., Trial]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "square": torch.square,
    "relu": F.relu,
    "relu_square": lambda x: F.relu(x) ** 2,
    "silu": F.silu,
    "gelu": F.gelu,
}

# Every pair of values of any two columns stands in some row (checked below).
NAMES = ("activation", "loss", "optimizer", "output_scale", "output_multiplier", "batch_size",
         "schedule")  # fmt: skip
PAIRWISE = [
    ("square", "mse", "adam", 1.0, 1.0, 0, "constant"),
    ("square", "cross_entropy", "adamw", 0.0, 3.0, 8, "cosine"),
    ("square", "stablemax", "sgd", 0.0, 1.0, 8, "step"),
    ("square", "mse", "muon", 0.0, 3.0, 0, "exponential"),
    ("relu", "cross_entropy", "sgd", 1.0, 3.0, 0, "exponential"),
    ("relu", "stablemax", "adam", 0.0, 3.0, 0, "cosine"),
    ("relu", "mse", "adamw", 0.0, 1.0, 8, "step"),
    ("relu", "cross_entropy", "muon", 1.0, 1.0, 8, "constant"),
    ("relu_square", "stablemax", "muon", 0.0, 1.0, 0, "cosine"),
    ("relu_square", "mse", "sgd", 1.0, 3.0, 8, "cosine"),
    ("relu_square", "cross_entropy", "adam", 1.0, 1.0, 8, "exponential"),
    ("relu_square", "stablemax", "adamw", 1.0, 3.0, 0, "constant"),
    ("relu_square", "mse", "adam", 0.0, 3.0, 8, "step"),
    ("silu", "mse", "sgd", 0.0, 1.0, 0, "constant"),
    ("silu", "cross_entropy", "muon", 1.0, 3.0, 0, "step"),
    ("silu", "stablemax", "adamw", 1.0, 1.0, 8, "exponential"),
    ("silu", "mse", "adam", 1.0, 1.0, 8, "cosine"),
    ("gelu", "stablemax", "muon", 1.0, 3.0, 8, "constant"),
    ("gelu", "cross_entropy", "adam", 0.0, 1.0, 0, "step"),
    ("gelu", "mse", "adamw", 1.0, 1.0, 0, "exponential"),
    ("gelu", "cross_entropy", "sgd", 0.0, 1.0, 8, "cosine"),
]
VARIANTS = [dict(zip(NAMES, row, strict=True)) for row in PAIRWISE]


def test_all_pairs_of_choices_are_covered() -> None:
    columns = list(zip(*PAIRWISE, strict=True))
    for i, one in enumerate(columns):
        for other in columns[:i]:
            wanted = {(a, b) for a in set(one) for b in set(other)}
            assert set(zip(one, other, strict=True)) == wanted


def made(trial: Make, seed: int = 0, **how: object) -> Trial:
    momentum = {"sgd": 0.9, "muon": 0.95}.get(str(how.get("optimizer")), 0.0)
    rates = {"learning_rate": 0.02, "weight_decay": 0.01, "max_steps": 12, "eval_every": 12}
    usual = rates | {"hidden_size": 16, "momentum": momentum, "stop_at_target": False}
    if how.get("schedule", "constant") != "constant":
        usual |= {"warmup_steps": 3, "decay_every": 4, "decay_factor": 0.5}
    return trial(7, 30 - 3 * seed, seed, **(usual | how))


class Twin:
    """The net, its loss and its optimizer as their textbooks write them, in float64."""

    def __init__(self, one: Trial) -> None:
        self.one, M = one, one.group_order
        first = initial_weights(replace(one, output_scale=1.0, ridge=0.0))
        self.hidden = torch.nn.Linear(2 * M, one.hidden_size, bias=False, dtype=torch.float64)
        self.out = torch.nn.Linear(one.hidden_size, M, bias=False, dtype=torch.float64)
        with torch.no_grad():
            self.hidden.weight.copy_(first[: 2 * M].T)
            self.out.weight.copy_(first[2 * M :] * one.output_scale)
        ((codes, labels),) = training_sets([one])
        self.codes, self.labels = codes, labels

    def outputs(self, codes: np.ndarray) -> Tensor:
        M = self.one.group_order
        pairs = [F.one_hot(torch.from_numpy(one), M) for one in (codes // M, codes % M)]
        x = torch.cat(pairs, dim=1).double()
        h = ACTIVATIONS[self.one.activation](self.hidden(x))
        h = h + self.one.linear_term * self.hidden(x)
        return self.one.output_multiplier * self.out(h)

    def losses(self, outputs: Tensor, labels: np.ndarray) -> Tensor:
        y, M = torch.from_numpy(labels), self.one.group_order
        if self.one.loss == "mse":
            centred = outputs - outputs.mean(1, keepdim=True)
            return ((centred - F.one_hot(y, M).double() + 1 / M) ** 2).sum(1)
        if self.one.loss == "stablemax":
            s = torch.where(outputs >= 0, outputs + 1, 1 / (1 - outputs))
            return F.nll_loss((s / s.sum(1, keepdim=True)).log(), y, reduction="none")
        return F.cross_entropy(outputs, y, reduction="none")

    def optimizers(self) -> list[torch.optim.Optimizer]:
        one, both = self.one, [self.hidden.weight, self.out.weight]
        rates = {"lr": one.learning_rate, "weight_decay": one.weight_decay}
        match one.optimizer:
            case "adam":
                return [torch.optim.Adam(both, **rates)]
            case "adamw":
                return [torch.optim.AdamW(both, **rates)]
            case "sgd":
                return [torch.optim.SGD(both, momentum=one.momentum, **rates)]
        muon = NewtonSchulz([self.hidden.weight], momentum=one.momentum, **rates)
        return [muon, torch.optim.Adam([self.out.weight], **rates)]

    def train(self) -> float:
        """The training loss after all steps."""
        optimizers = self.optimizers()
        schedules = [scheduled(optimizer, self.one) for optimizer in optimizers]
        batches = Batches([self.one])
        for _ in range(self.one.max_steps):
            (places,) = batches.draw()
            chosen = self.codes[places], self.labels[places]
            for optimizer in optimizers:
                optimizer.zero_grad()
            self.losses(self.outputs(chosen[0]), chosen[1]).mean().backward()
            for optimizer, schedule in zip(optimizers, schedules, strict=True):
                optimizer.step()
                schedule.step()
        return self.losses(self.outputs(self.codes), self.labels).mean().item()


class NewtonSchulz(torch.optim.SGD):
    """Muon without Nesterov's momentum, in float64: torch.optim.Muon computes in bfloat16."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        (group,) = self.param_groups
        (weight,) = group["params"]
        mean = self.state[weight].setdefault("mean", torch.zeros_like(weight))
        mean.mul_(group["momentum"]).add_(weight.grad)
        X = mean / mean.norm().clamp(min=1e-7)
        for _ in range(5):
            A = X @ X.T
            X = 3.4445 * X + (-4.7750 * A + 2.0315 * A @ A) @ X
        outputs, inputs = weight.shape
        weight.mul_(1 - group["lr"] * group["weight_decay"])
        weight.sub_(group["lr"] * max(1.0, outputs / inputs) ** 0.5 * X)


def scheduled(optimizer: torch.optim.Optimizer, one: Trial) -> torch.optim.lr_scheduler.LRScheduler:
    w, total = one.warmup_steps, one.max_steps
    module = torch.optim.lr_scheduler
    match one.schedule:
        case "step":
            main = module.StepLR(optimizer, one.decay_every, one.decay_factor)
        case "exponential":
            main = module.ExponentialLR(optimizer, one.decay_factor ** (1 / one.decay_every))
        case "cosine":
            main = module.CosineAnnealingLR(optimizer, total - w)
        case _:
            return module.ConstantLR(optimizer, 1.0)
    warm = module.LinearLR(optimizer, 1 / (w + 1), total_iters=w)
    return module.SequentialLR(optimizer, [warm, main], [w])


def results(trials: list[Trial], **options: object) -> list[TrialResult]:
    """In the order of the trials."""
    found = {one.fingerprint: one for ended in train(trials, **options) for one in ended}  # type: ignore[arg-type]
    assert not [one.error for one in found.values() if one.error]
    return [found[one.fingerprint] for one in trials]


def ids(how: dict[str, object]) -> str:
    return "-".join(map(str, how.values()))


@pytest.mark.filterwarnings("ignore:The epoch parameter in")  # torch's own, of SequentialLR
@pytest.mark.parametrize("how", VARIANTS, ids=ids)
def test_training_follows_the_textbook(trial: Make, how: dict[str, object]) -> None:
    """12 steps in float64: alone, and beside trials of other n, rates and seeds."""
    trials = [made(trial, seed, **how) for seed in range(3)]
    trials[1] = replace(trials[1], learning_rate=0.01, weight_decay=0.0)
    together = results(trials, batch_size=3, dtype=torch.float64)
    for one, found in zip(trials, together, strict=True):
        assert found.curve.train_loss[-1] == pytest.approx(Twin(one).train(), rel=1e-8)
    (alone,) = results(trials[:1], dtype=torch.float64)
    assert alone.curve.train_loss == pytest.approx(together[0].curve.train_loss, rel=1e-9)


@pytest.mark.parametrize("how", VARIANTS[1::4], ids=ids)
def test_on_a_cpu_a_pack_gives_the_same_bits_as_each_trial_alone(
    trial: Make, how: dict[str, object]
) -> None:
    trials = [made(trial, seed, **how) for seed in range(3)]
    for one, found in zip(trials, results(trials), strict=True):
        assert found.curve == results([one])[0].curve


@pytest.mark.parametrize("how", [
    {"activation": name, "loss": loss, "output_multiplier": 1.5}
    for name in ACTIVATIONS for loss in ("mse", "cross_entropy", "stablemax")
] + [{"linear_term": -0.4}, {"linear_term": 0.4, "loss": "stablemax"}], ids=ids)  # fmt: skip
def test_gradient_and_evaluation_by_hand_are_those_by_autograd(
    trial: Make, monkeypatch: pytest.MonkeyPatch, how: dict[str, object]
) -> None:
    """Also where the samples go through in several blocks."""
    trials = [made(trial, seed, **how) for seed in range(2)]
    weights = torch.stack([initial_weights(one) for one in trials]) * 3
    monkeypatch.setattr("sweeper.learn.two_layer_costs.BLOCK_ELEMENTS", {"cpu": 11 * 16 * 2})
    by_hand = TwoLayerBatch(trials, weights)
    by_autograd = AutogradBatch(network_of(trials[0]), trials, weights.view(2, -1))
    expected = by_autograd.gradient().view_as(weights)
    torch.testing.assert_close(by_hand.gradient(), expected, rtol=1e-11, atol=1e-13)
    one, other = by_hand.evaluate(), by_autograd.evaluate()
    assert one.train_loss == pytest.approx(other.train_loss, rel=1e-11)
    assert one.test_loss == pytest.approx(other.test_loss, rel=1e-11)
    assert one.test_accuracy == other.test_accuracy


# ------------------------------------------------------------------ V by ridge regression


def ridge_objective(W: Tensor, one: Trial) -> tuple[Tensor, Tensor, Tensor]:
    """min_V J by a least-squares solver; and with it the outputs of all pairs."""
    M, K = one.group_order, one.hidden_size
    ((codes, labels),) = training_sets([one])
    every = torch.arange(M * M)
    features = ACTIVATIONS[one.activation](W[every // M] + W[M + every % M])
    centred = features[codes] - features[codes].mean(0)
    y = F.one_hot(torch.from_numpy(labels), M).double() - 1 / M
    target = y - y.mean(0)
    stacked = torch.cat([centred, one.ridge**0.5 * torch.eye(K, dtype=torch.float64)])
    zeros = torch.zeros(K, M, dtype=torch.float64)
    V = torch.linalg.lstsq(stacked, torch.cat([target, zeros])).solution
    J = ((target - centred @ V) ** 2).sum() / 2 + one.ridge / 2 * (V**2).sum()
    return J, (features - features[codes].mean(0)) @ V + y.mean(0), V


@pytest.mark.parametrize("activation", ["square", "silu"])
@pytest.mark.parametrize("K", [8, 40])
def test_ridge_solves_v_and_follows_the_gradient_of_what_it_minimizes(
    trial: Make, activation: str, K: int
) -> None:
    """With fewer samples than features and with more; alone and in a batch."""
    how = {"ridge": 0.03, "activation": activation, "hidden_size": K}
    trials = [made(trial, seed, **how) for seed in range(2)]
    weights = torch.stack([initial_weights(one) for one in trials]) * 2
    assert weights.shape == (2, 14, K)
    batch = RidgeBatch(trials, weights)
    gradient, found = batch.gradient(), batch.evaluate()
    for i, one in enumerate(trials):
        leaf = weights[i].clone().requires_grad_()
        J, outputs, _ = ridge_objective(leaf, one)
        (expected,) = torch.autograd.grad(J, leaf)
        expected = expected * 2 / one.n_train
        torch.testing.assert_close(gradient[i], expected, rtol=1e-8, atol=1e-11)
        alone = RidgeBatch([one], weights[i].clone()).gradient()
        torch.testing.assert_close(alone, expected, rtol=1e-8, atol=1e-11)
        ((codes, labels),) = training_sets([one])
        y = F.one_hot(torch.from_numpy(labels), 7) - 1 / 7
        loss = ((outputs[codes] - y) ** 2).sum(1).mean()
        assert found.train_loss[i] == pytest.approx(loss.item(), rel=1e-5)
        right = outputs[codes].argmax(1).numpy() == labels
        assert found.train_accuracy[i] == pytest.approx(right.mean(), rel=1e-12)


def test_no_learning_from_features_where_ridge_is_free(trial: Make) -> None:
    """Theory, stage I: with K ≥ n − 1 and η → 0 the features interpolate and G_F → 0."""

    def size(eta: float) -> float:
        one = made(trial, hidden_size=64, ridge=eta)
        return RidgeBatch([one], initial_weights(one)).gradient().norm().item()

    assert size(1e-9) < 1e-4 * size(1e-3)


def test_ridge_learns_and_a_broken_weight_diverges(trial: Make) -> None:
    one = trial(11, 95, ridge=1e-3, hidden_size=64, learning_rate=0.01, max_steps=2000)
    (found,) = results([one])
    assert found.outcome is Outcome.GENERALIZED
    assert found.train_flops == step_flops(one) * found.curve.step[-1]
    (wild,) = results([replace(one, learning_rate=1e20)])
    assert wild.outcome is Outcome.DIVERGED


# ------------------------------------------------------------------ mini-batches


def test_an_epoch_takes_every_sample_once(trial: Make) -> None:
    one = trial(7, 24, batch_size=8)
    batches = Batches([one, replace(one, n_train=5)])
    drawn = [batches.draw() for _ in range(6)]
    for epoch in (drawn[:3], drawn[3:]):
        assert sorted(np.concatenate([big for big, _ in epoch])) == list(range(24))
    assert all(np.array_equal(small, np.arange(5)) for _, small in drawn)
    assert any(not np.array_equal(a[0], b[0]) for a, b in zip(drawn[:3], drawn[3:], strict=True))
    assert all(np.array_equal(a[0], Batches([one], 4).draw()[0]) for a in drawn[4:5])
    reseeded = Batches([replace(one, init_seed=1)]).draw()[0]
    assert not np.array_equal(reseeded, drawn[0][0])


def test_a_batch_of_all_samples_is_the_full_batch(trial: Make) -> None:
    (full,), (all_of_it,) = (results([made(trial, batch_size=size)]) for size in (0, 30))
    assert full.curve == all_of_it.curve


def test_mini_batches_go_on_where_they_were_when_trials_leave(trial: Make) -> None:
    trials = [made(trial, seed, batch_size=7, max_steps=5 + 9 * seed, eval_every=3)
              for seed in range(3)]  # fmt: skip
    for one, found in zip(trials, results(trials, batch_size=3, dtype=torch.float64), strict=True):
        (alone,) = results([one], dtype=torch.float64)
        assert found.curve.train_loss == pytest.approx(alone.curve.train_loss, rel=1e-9)
        assert found.train_flops == 6 * 7 * 16 * 7 * one.max_steps


# ------------------------------------------------------------------ and they learn


@pytest.mark.parametrize("how", [
    {"loss": "cross_entropy", "weight_decay": 1e-3},
    {"loss": "stablemax", "weight_decay": 1e-3},
    {"activation": "relu"},
    {"activation": "relu_square"},
    {"activation": "silu"},
    {"activation": "gelu"},
    {"optimizer": "adamw", "weight_decay": 0.1},
    {"linear_term": 0.2},
    {"optimizer": "muon", "momentum": 0.95, "nesterov": True, "learning_rate": 0.01},
    {"optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.5},
    {"output_scale": 0.0},
    {"output_multiplier": 3.0},
    {"batch_size": 32, "learning_rate": 0.003},
], ids=ids)  # fmt: skip
def test_it_generalizes(trial: Make, how: dict[str, object]) -> None:
    usual = {"hidden_size": 128, "learning_rate": 0.01, "max_steps": 3000}
    one = trial(11, 105, target_test_accuracy=0.99, **(usual | how))
    (found,) = results([one])
    assert found.outcome is Outcome.GENERALIZED, found.curve.test_accuracy[-1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_linear_term_keeps_small_activations_in_every_precision(dtype: torch.dtype) -> None:
    x = torch.tensor([0.0, 0.003, -0.01, 0.5], dtype=dtype)
    exact = x.double() * (x.double() + 10)
    slope = x.double() + 5
    for inplace in (False, True):
        summed, gradient = x.clone(), torch.ones_like(x)
        out = summed if inplace else torch.empty_like(x)
        Square(10.0).forward(summed, out)
        torch.testing.assert_close(out.double(), exact, rtol=2 * torch.finfo(dtype).eps, atol=0)
        if not inplace:
            Square(10.0).backward_(gradient, summed)
            torch.testing.assert_close(
                gradient.double(), slope, rtol=2 * torch.finfo(dtype).eps, atol=0
            )
