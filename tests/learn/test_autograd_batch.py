"""Any network by its declaration alone: autograd over a batch of trials."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from sweeper.learn import autograd_batch
from sweeper.learn.autograd_batch import AutogradBatch
from sweeper.learn.learner import initial_weights, network_of
from sweeper.learn.losses import CrossEntropy, Loss
from sweeper.learn.network import Network, Parameter, constant, rows_of, uniform
from sweeper.learn.networks.two_layer import TwoLayer
from sweeper.learn.registry import losses, networks
from sweeper.learn.train import train
from sweeper.learn.two_layer import TwoLayerBatch
from sweeper.learn.two_layer_costs import step_flops
from sweeper.spec.trial import Trial
from sweeper.store.records import Outcome, TrialResult

Make = Callable[..., Trial]


class Sum(Network):
    """o = (E[a] + E[b] − μ) U + c: one table for all operands, μ a running mean of the sums."""

    @property
    def parameters(self) -> dict[str, Parameter]:
        M, K = self.M, self.trial.hidden_size
        return {
            "E": Parameter((M, K), uniform(1.0), matrix=True),
            "U": Parameter((K, M), uniform(K**-0.5), scaled=True),
            "c": Parameter((M,), constant(0.5)),
        }

    @property
    def buffers(self) -> dict[str, Parameter]:
        return {"mean": Parameter((self.trial.hidden_size,), constant(0.0))}

    def outputs(self, parameters: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        h = rows_of(parameters["E"], inputs).sum(2) - parameters["mean"][:, None]
        return h @ parameters["U"] + parameters["c"][:, None]

    def training_outputs(
        self, parameters: Mapping[str, Tensor], inputs: Tensor, shares: Tensor
    ) -> Tensor:
        sums = rows_of(parameters["E"], inputs).sum(2)
        now = torch.einsum("bn,bnk->bk", shares, sums)
        parameters["mean"].lerp_(now.detach(), 0.1)
        return (sums - now[:, None]) @ parameters["U"] + parameters["c"][:, None]


@pytest.fixture
def with_sum() -> Iterator[None]:
    networks.register("sum")(Sum)
    yield
    del networks._items["sum"]


def pack(trial: Make, **how: object) -> list[Trial]:
    return [trial(7, n, seed, hidden_size=16, **how) for seed, n in enumerate((20, 33, 11))]


def stacked(trials: list[Trial]) -> Tensor:
    return torch.stack([initial_weights(one).flatten() for one in trials])


@pytest.mark.parametrize("operands", [2, 3])
def test_the_declared_two_layer_net_is_the_one_written_by_hand(trial: Make, operands: int) -> None:
    trials = pack(trial, operands=operands)
    weights = stacked(trials) * 2
    by_hand = TwoLayerBatch(trials, weights.view(3, -1, 16))
    declared = AutogradBatch(TwoLayer(trials[0]), trials, weights)
    gradient = declared.gradient()
    torch.testing.assert_close(
        gradient, by_hand.gradient().view_as(weights), rtol=1e-12, atol=1e-14
    )
    one, other = declared.evaluate(), by_hand.evaluate()
    for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy"):
        assert getattr(one, name) == pytest.approx(getattr(other, name), rel=1e-12)
    alone = AutogradBatch(TwoLayer(trials[1]), trials[1:2], weights[1])
    torch.testing.assert_close(alone.gradient(), gradient[1], rtol=1e-12, atol=1e-14)


@pytest.mark.usefixtures("with_sum")
def test_a_network_trains_as_its_textbook_twin(trial: Make) -> None:
    """40 steps beside torch's Adam, in float64, padded beside others; the running mean too."""
    trials = pack(trial, network="sum", max_steps=40, eval_every=40)
    found = results(trials, batch_size=3, dtype=torch.float64)
    for one in trials:
        assert found[one.fingerprint].curve.train_loss[-1] == pytest.approx(twin(one), rel=1e-9)


def twin(one: Trial) -> float:
    """The training loss after its steps, with tensors of its own."""
    network = Sum(one)
    M, K = 7, 16
    flat = network.initial_weights(one)
    E, U, c = (
        part.clone().view(shape).requires_grad_()
        for part, shape in zip(flat.split([M * K, K * M, M]), [(M, K), (K, M), (M,)], strict=True)
    )
    from sweeper.learn.data import training_sets

    ((codes, labels),) = training_sets([one])
    a, b = torch.from_numpy(codes // M), torch.from_numpy(codes % M)
    target = torch.nn.functional.one_hot(torch.from_numpy(labels), M).double() - 1 / M
    adam = torch.optim.Adam([E, U, c], lr=one.learning_rate, weight_decay=one.weight_decay)
    mean = torch.zeros(K, dtype=torch.float64)
    for _ in range(one.max_steps):
        adam.zero_grad()
        h = E[a] + E[b]
        mean = 0.9 * mean + 0.1 * h.mean(0).detach()
        loss_of((h - h.mean(0)) @ U + c, target).backward()
        adam.step()
    return loss_of((E[a] + E[b] - mean) @ U + c, target).item()


def loss_of(o: Tensor, target: Tensor) -> Tensor:
    return ((o - o.mean(1, keepdim=True) - target) ** 2).sum(1).mean()


@pytest.mark.usefixtures("with_sum")
def test_trials_that_leave_do_not_disturb_the_others(trial: Make) -> None:
    """Nor lose their running means: horizons differ, each ends as it does alone."""
    trials = [
        replace(one, max_steps=steps)
        for one, steps in zip(pack(trial, network="sum", eval_every=10), (20, 60, 35), strict=True)
    ]
    together = results(trials, batch_size=3, dtype=torch.float64)
    for one in trials:
        (alone,) = results([one], dtype=torch.float64).values()
        curve = together[one.fingerprint].curve
        assert curve.step == alone.curve.step
        assert curve.test_loss == pytest.approx(alone.curve.test_loss, rel=1e-10)


def results(trials: list[Trial], **options: object) -> dict[str, TrialResult]:
    """Of trials that raise nothing."""
    found = {one.fingerprint: one for ended in train(trials, **options) for one in ended}  # type: ignore[arg-type]
    assert not [one.error for one in found.values() if one.error]
    return found


@pytest.mark.usefixtures("with_sum")
def test_on_a_cpu_a_pack_gives_the_same_bits_as_each_trial_alone(trial: Make) -> None:
    trials = pack(trial, network="sum", max_steps=30)
    together = results(trials)
    for one in trials:
        assert together[one.fingerprint].curve == results([one])[one.fingerprint].curve


def test_costs_are_counted_without_computing(trial: Make) -> None:
    one = trial(23, 200)
    network = TwoLayer(one)
    assert autograd_batch.step_flops(network) == step_flops(one) == 6 * 200 * 256 * 23
    weights = stacked([one] * 2).float()
    batch = AutogradBatch(network, [one] * 2, weights)
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        batch.gradient()
    events = [
        event
        for event in profile.profiler.kineto_results.events()  # type: ignore[union-attr]
        if event.name() == "[memory]"
    ]
    changes = [event.nbytes() for event in sorted(events, key=lambda event: event.start_ns())]
    assert max(np.cumsum(changes)) < autograd_batch.batch_bytes(network, 2) < 5 * max(
        np.cumsum(changes)
    )  # fmt: skip


def test_weights_start_from_shapes_and_seed_alone(trial: Make) -> None:
    base = Sum(trial(7, 20)).initial_weights(trial(7, 20))
    other = trial(7, 30, split_seed=4, learning_rate=0.1, weight_decay=0.0, max_steps=3)
    assert torch.equal(base, Sum(other).initial_weights(other))
    seeded, scaled = trial(7, 20, init_seed=1), trial(7, 20, output_scale=0.5)
    assert not torch.equal(base, Sum(seeded).initial_weights(seeded))
    K = 256
    E, U, c = base.split([7 * K, 7 * K, 7])
    assert torch.equal(Sum(scaled).initial_weights(scaled), torch.cat([E, U / 2, c]))
    assert [(m.start, m.rows, m.columns) for m in Sum(scaled).matrices] == [(0, 7, K)]


def test_an_unknown_learner_is_recorded_with_those_that_there_are(trial: Make) -> None:
    one = trial(7, 20, network="two_layers", max_steps=2)
    ((found,),) = train([one])
    assert found.outcome is Outcome.FAILED
    assert "no network 'two_layers'; did you mean two_layer? there are" in str(found.error)
    with pytest.raises(ValueError, match="no loss 'huber'; there are cross_entropy, mse, stablem"):
        network_of(trial(loss="huber"))


def test_a_name_is_given_once() -> None:
    mse = losses["mse"]
    assert losses.register("mse")(mse) is mse
    with pytest.raises(ValueError, match="there are two of loss 'mse'; give one another name"):
        losses.register("mse")(losses["cross_entropy"])


@pytest.mark.parametrize("name", losses.names())
def test_autograd_has_the_derivative_that_a_loss_has_written_out(trial: Make, name: str) -> None:
    """Of what a user's loss has none."""

    class Unwritten(Loss):
        centred = losses[name].centred

        def values(self, outputs: Tensor, labels: Tensor) -> Tensor:
            return losses[name]().values(outputs, labels)

    trials = pack(trial, loss=name, output_multiplier=1.7)
    written, unwritten = TwoLayer(trials[0]), TwoLayer(trials[0])
    unwritten.loss = Unwritten()
    one, other = (
        AutogradBatch(network, trials, stacked(trials)).gradient()
        for network in (written, unwritten)
    )
    torch.testing.assert_close(one, other, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("written", [True, False])
def test_of_bfloat16_are_the_products_alone(trial: Make, written: bool) -> None:
    """Losses get outputs in the weights' dtype, and evaluations are those of float32."""
    seen: list[torch.dtype] = []

    class Watched(CrossEntropy if written else Loss):  # type: ignore[misc]
        def values(self, outputs: Tensor, labels: Tensor) -> Tensor:
            seen.append(outputs.dtype)
            return CrossEntropy().values(outputs, labels)

        def residual_(self, outputs: Tensor, labels: Tensor) -> Tensor:
            seen.append(outputs.dtype)
            return CrossEntropy().residual_(outputs, labels)

    trials = pack(trial, loss="cross_entropy")
    network = TwoLayer(trials[0])
    network.loss = Watched()
    weights = stacked(trials).float() * 2
    mixed = AutogradBatch(network, trials, weights, torch.bfloat16)
    first, adam = mixed.gradient(), torch.optim.Adam([weights], lr=0.02)
    assert not torch.equal(first, AutogradBatch(network, trials, weights).gradient())
    for _ in range(300):
        weights.grad = mixed.gradient()
        adam.step()
    fitted = mixed.evaluate()
    assert fitted.train_accuracy == [1.0] * 3
    assert all(0 < loss < 0.01 for loss in fitted.train_loss)
    assert fitted == AutogradBatch(network, trials, weights).evaluate()
    assert set(seen) == {torch.float32}
