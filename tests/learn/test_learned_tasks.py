"""The engine on other tasks: more operands, groups, expressions, noise, against torch.nn."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from sweeper.learn.learner import initial_weights
from sweeper.learn.train import train
from sweeper.learn.two_layer import TwoLayerBatch
from sweeper.learn.two_layer_costs import batch_bytes, step_flops
from sweeper.spec.trial import Trial
from sweeper.store.records import Outcome, TrialResult
from sweeper.tasks.splits import training_set
from sweeper.tasks.task import Task, task_of

Make = Callable[..., Trial]
THREE = {"group": "Z5", "group_order": 5, "operands": 3}
NON_ABELIAN = {"group": "S3", "group_order": 6}
MIXED = {"group": "S3", "group_order": 6, "operands": 3}
FRACTION = {"group": "Z7", "group_order": 7, "expression": "x/y"}
CUBIC = {"group": "Z5", "group_order": 5, "operands": 3, "expression": "a*b - c**2"}
NOISY = {"group": "Z7", "group_order": 7, "label_noise": 0.3}
BALANCED = {"group": "Z7", "group_order": 7, "split": "balanced"}
TASKS = [THREE, NON_ABELIAN, MIXED, FRACTION, CUBIC, NOISY, BALANCED]


class Twin(torch.nn.Module):
    """The net as a textbook writes it: one-hot inputs, two linear layers."""

    def __init__(self, weights: Tensor, task: Task) -> None:
        super().__init__()
        self.task = task
        inputs = task.operands * task.order
        self.hidden = torch.nn.Linear(inputs, weights.shape[1], bias=False, dtype=weights.dtype)
        self.out = torch.nn.Linear(weights.shape[1], task.order, bias=False, dtype=weights.dtype)
        with torch.no_grad():
            self.hidden.weight.copy_(weights[:inputs].T)
            self.out.weight.copy_(weights[inputs:])

    def forward(self, codes: np.ndarray) -> Tensor:
        M = self.task.order
        operands = np.unravel_index(codes, (M,) * self.task.operands)
        one_hot = [torch.nn.functional.one_hot(torch.from_numpy(a), M) for a in operands]
        x = torch.cat(one_hot, dim=1).to(self.out.weight.dtype)
        return self.out(torch.square(self.hidden(x)))

    def loss(self, codes: np.ndarray, labels: np.ndarray) -> Tensor:
        o = self(codes)
        target = torch.nn.functional.one_hot(torch.from_numpy(labels), self.task.order)
        error = o - o.mean(1, keepdim=True) - (target.to(o.dtype) - 1 / self.task.order)
        return (error**2).sum(1).mean()

    def accuracy(self, codes: np.ndarray, labels: np.ndarray) -> float:
        return float((self(codes).argmax(1).numpy() == labels).mean())


def made(trial: Make, n: int, seed: int, how: dict[str, object]) -> tuple[Trial, Task]:
    one = trial(n=n, seed=seed, hidden_size=24, **how)
    return one, task_of(one.group, one.operands, one.expression)


def trained_on(one: Trial, task: Task) -> tuple[np.ndarray, np.ndarray]:
    return training_set(task, one.split, one.split_seed, one.n_train, one.label_noise)


@pytest.mark.parametrize("how", TASKS)
@pytest.mark.parametrize("batch", [1, 2])
def test_gradient_and_evaluation_equal_the_textbook(
    trial: Make, how: dict[str, object], batch: int
) -> None:
    both = [made(trial, n, seed, how) for seed, n in enumerate((20, 13)[:batch])]
    trials = [one for one, _ in both]
    weights = torch.stack([initial_weights(one) for one in trials]) * 2
    net = TwoLayerBatch(trials, weights if batch > 1 else weights[0])
    gradient, found = net.gradient().view_as(weights), net.evaluate()
    for i, (one, task) in enumerate(both):
        codes, labels = trained_on(one, task)
        twin = Twin(weights[i], task)
        loss = twin.loss(codes, labels)
        loss.backward()
        expected = torch.cat([twin.hidden.weight.grad.T, twin.out.weight.grad])  # type: ignore[union-attr, list-item]
        torch.testing.assert_close(gradient[i], expected, rtol=1e-11, atol=1e-13)
        test = np.setdiff1d(task.valid, codes)
        assert len(test) == one.tuples - one.n_train
        clean = task.targets[test]  # test labels are never noisy
        assert found.train_loss[i] == pytest.approx(loss.item(), rel=1e-11)
        assert found.test_loss[i] == pytest.approx(twin.loss(test, clean).item(), rel=1e-11)
        assert found.train_accuracy[i] == pytest.approx(twin.accuracy(codes, labels), rel=1e-12)
        assert found.test_accuracy[i] == pytest.approx(twin.accuracy(test, clean), rel=1e-12)


@pytest.mark.parametrize("how", [THREE, NON_ABELIAN])
def test_training_follows_the_textbook(trial: Make, how: dict[str, object]) -> None:
    """40 steps in float64 beside torch's own Adam."""
    one, task = made(trial, 20, 1, how | {"max_steps": 40, "eval_every": 40})
    twin = Twin(initial_weights(one), task)
    adam = torch.optim.Adam(twin.parameters(), lr=one.learning_rate, weight_decay=one.weight_decay)
    codes, labels = trained_on(one, task)
    for _ in range(40):
        adam.zero_grad()
        twin.loss(codes, labels).backward()
        adam.step()
    (result,) = [one for ended in train([one], dtype=torch.float64) for one in ended]
    assert result.curve.train_loss[-1] == pytest.approx(twin.loss(codes, labels).item(), rel=1e-9)


def test_evaluation_of_three_operands_does_not_depend_on_its_chunks(
    trial: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = made(trial, 50, 0, THREE)
    net = TwoLayerBatch([one], initial_weights(one))
    whole = net.evaluate()
    monkeypatch.setattr("sweeper.learn.two_layer_costs.BLOCK_ELEMENTS", {"cpu": 3 * 5 * 24})
    pieces = net.evaluate()
    assert pieces.test_loss == pytest.approx(whole.test_loss, rel=1e-12)
    assert pieces.test_accuracy == pytest.approx(whole.test_accuracy, rel=1e-12)


@pytest.mark.parametrize(
    ("how", "batch"),
    [(THREE | {"group": "Z13", "group_order": 13}, 1),
     (THREE | {"group": "Z17", "group_order": 17, "label_noise": 0.1}, 2)],
)  # fmt: skip
def test_memory_of_three_operands_is_within_a_tenth_of_its_estimate(
    trial: Make, how: dict[str, object], batch: int
) -> None:
    pack = [trial(n=400, seed=i, max_steps=2, **how) for i in range(batch)]
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        for _ in train(pack, batch_size=batch):
            pass
    events = [
        event
        for event in profile.profiler.kineto_results.events()  # type: ignore[union-attr]
        if event.name() == "[memory]"
    ]
    changes = [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]
    assert max(np.cumsum(changes)) == pytest.approx(batch_bytes(pack[0], batch, "cpu"), rel=0.1)


def test_initial_weights_depend_on_the_number_of_operands(trial: Make) -> None:
    two, three = trial(M=5, n=9), trial(n=9, **THREE)
    assert initial_weights(three).shape == (20, 256)
    assert initial_weights(three)[:15].abs().max() <= 15**-0.5
    assert not torch.equal(initial_weights(two)[:5], initial_weights(three)[:5])
    assert step_flops(three) == step_flops(two)


def only(trial: Trial) -> TrialResult:
    (found,) = [one for ended in train([trial]) for one in ended]
    return found


def test_noise_is_fitted_as_given_and_tested_without(trial: Make) -> None:
    """At 0.1 and plenty of data the net generalizes, later than without."""
    found = only(trial(23, 420, label_noise=0.1, max_steps=2500, hidden_size=128))
    assert found.outcome is Outcome.GENERALIZED
    assert found.n_test == 529 - 420
    assert found.curve.test_accuracy[-1] >= 0.9
    clean = only(trial(23, 420, max_steps=2500, hidden_size=128))
    assert (found.generalization_step or 0) > (clean.generalization_step or 0) > 0


@pytest.mark.parametrize("how", [NON_ABELIAN | {"n": 33}, BALANCED | {"n": 35},
                                 FRACTION | {"n": 40}])  # fmt: skip
def test_other_tasks_are_learned(trial: Make, how: dict[str, object]) -> None:
    found = only(trial(learning_rate=0.01, max_steps=3000, hidden_size=128, **how))
    assert found.curve.train_accuracy[-1] >= 0.99
    assert found.n_test == {"S3": 36, "Z7": 42 if "expression" in how else 49}[
        str(how["group"])
    ] - int(str(how["n"]))
