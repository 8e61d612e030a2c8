"""The networks beyond the plain two-layer net, each beside its twin of torch.nn modules."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import ks_2samp
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.twins import TWINS, new_twin, train_twin
from sweeper.learn import autograd_batch
from sweeper.learn.learner import batch_of, initial_weights, network_of
from sweeper.learn.train import train
from sweeper.spec.trial import Trial
from sweeper.store.records import Curve, Outcome, TrialResult

Make = Callable[..., Trial]

NETWORKS: dict[str, dict[str, Any]] = {
    "two layers, embedded": {"network": "two_layer_embedded", "embedding_size": 6},
    "embedding": {"network": "embedding", "embedding_size": 6, "activation": "relu"},
    "product": {"network": "product"},
    "complex": {"network": "complex"},
    "two layers": {"network": "residual", "layers": 2, "activation": "silu"},
    "residual": {"network": "residual", "layers": 4, "activation": "relu"},
    "batch norm": {"network": "residual", "layers": 3, "batch_norm": True},
    "transformer": {
        "network": "transformer", "layers": 1, "heads": 2, "embedding_size": 8,
        "activation": "relu",
    },
    "two blocks": {
        "network": "transformer", "layers": 2, "heads": 4, "embedding_size": 8,
        "activation": "gelu",
    },
    "two blocks, not causal": {
        "network": "transformer", "layers": 2, "heads": 1, "embedding_size": 8,
        "activation": "relu", "causal": False,
    },
}  # fmt: skip


@pytest.fixture(params=NETWORKS)
def kind(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The fields of a trial that make one of the networks."""
    return NETWORKS[request.param]


def pack(trial: Make, kind: dict[str, Any], **how: object) -> list[Trial]:
    """Three trials of M = 7 that differ in all that trials of a pack may differ in."""
    rates = ((0.005, 2e-4), (0.02, 0.0), (0.001, 0.01))
    return [
        trial(7, n, seed, hidden_size=12, learning_rate=rate, weight_decay=decay, **kind, **how)
        for seed, (n, (rate, decay)) in enumerate(zip((20, 33, 11), rates, strict=True))
    ]


def results(trials: list[Trial], **options: object) -> dict[str, TrialResult]:
    """Of trials that raise nothing."""
    found = {one.fingerprint: one for ended in train(trials, **options) for one in ended}  # type: ignore[arg-type]
    assert not [one.error for one in found.values() if one.error]
    return found


def assert_same(curve: Curve, other: Curve, rel: float) -> None:
    assert curve.step == other.step
    for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy"):
        assert getattr(curve, name) == pytest.approx(getattr(other, name), rel=rel), name


@pytest.mark.parametrize(("loss", "operands"), [("mse", 2), ("cross_entropy", 3)])
def test_a_network_trains_as_its_twin_of_modules(
    trial: Make, kind: dict[str, Any], loss: str, operands: int
) -> None:
    """Alone and in a pack, step for step in float64, whatever n, the seeds and the rates are."""
    trials = pack(trial, kind, loss=loss, operands=operands, max_steps=12, eval_every=4)
    together = results(trials, batch_size=3, dtype=torch.float64)
    for one in trials:
        twin = train_twin(one, dtype=torch.float64)
        (alone,) = results([one], dtype=torch.float64).values()
        assert_same(alone.curve, twin, 1e-6)
        assert_same(together[one.fingerprint].curve, twin, 1e-6)


def test_a_pack_on_a_cpu_gives_the_same_bits_as_each_trial_alone(
    trial: Make, kind: dict[str, Any]
) -> None:
    trials = pack(trial, kind, max_steps=20)
    together = results(trials)
    for one in trials:
        assert together[one.fingerprint].curve == results([one])[one.fingerprint].curve


def test_trials_that_leave_do_not_disturb_the_others(trial: Make, kind: dict[str, Any]) -> None:
    """Nor lose their running statistics; by Muon, so that each network is trained by it too."""
    muon = {"optimizer": "muon", "momentum": 0.95, "nesterov": True, "eval_every": 4}
    trials = [
        replace(one, max_steps=steps)
        for one, steps in zip(pack(trial, kind, **muon), (4, 16, 12), strict=True)
    ]
    together = results(trials, batch_size=3, dtype=torch.float64)
    for one in trials:
        (alone,) = results([one], dtype=torch.float64).values()
        assert_same(together[one.fingerprint].curve, alone.curve, 1e-6)


def test_mixed_precision_stays_near(trial: Make, kind: dict[str, Any]) -> None:
    """Products of bfloat16 beside float32 weights."""
    trials = pack(trial, kind, max_steps=8)
    mixed = results([replace(one, matmul_precision="bfloat16") for one in trials], batch_size=3)
    for one, found in zip(trials, mixed.values(), strict=True):
        (whole,) = results([one]).values()
        assert found.curve.train_loss == pytest.approx(whole.curve.train_loss, rel=0.02)
        assert found.curve.train_loss != whole.curve.train_loss


@pytest.mark.parametrize("name", ["embedding", "complex", "residual"])
def test_first_weights_are_drawn_as_torch_draws_them(trial: Make, name: str) -> None:
    one = trial(31, 100, **NETWORKS[name] | {"hidden_size": 64, "embedding_size": 48})
    torch.manual_seed(0)
    for ours, torchs in zip(
        new_twin(one).parameters(), TWINS[one.network](one).parameters(), strict=True
    ):
        samples = (torch.view_as_real(x + 0j).flatten().detach().numpy() for x in (ours, torchs))
        assert ks_2samp(*samples).pvalue > 0.01


def test_a_transformer_starts_as_that_of_the_paper(trial: Make) -> None:
    """Nanda et al. 2023: normal, of variance 1/width, biases 0; the read-out has 1/M."""
    kind = NETWORKS["transformer"] | {"embedding_size": 64, "hidden_size": 96}
    for name, values in parts(trial(31, 100, **kind)).items():
        expected = {"c1": 0.0, "y1": 0.0, "U": 31**-0.5}.get(name, 64**-0.5)
        assert values.std().item() == pytest.approx(expected, rel=0.15)
        if expected:
            assert values.abs().max() > 2.4 * expected  # a uniform draw ends at 1.7


def test_weights_start_from_shapes_and_seed_alone(trial: Make, kind: dict[str, Any]) -> None:
    one = trial(7, 20, hidden_size=12, **kind)
    other = replace(one, n_train=30, split_seed=4, learning_rate=0.1, weight_decay=0.0)
    assert torch.equal(initial_weights(one), initial_weights(other))
    first, seeded, zeroed = (
        parts(each) for each in (one, replace(one, init_seed=1), replace(one, output_scale=0.0))
    )
    constant = {name for name, part in first.items() if part.min() == part.max()}
    assert {name for name in first if torch.equal(first[name], seeded[name])} == constant
    read_out = {"U"} if one.network == "transformer" else {"V", "d"} & set(first)
    assert {name for name in first if not torch.equal(first[name], zeroed[name])} == read_out
    assert not any(zeroed[name].any() for name in read_out)


def parts(one: Trial) -> dict[str, torch.Tensor]:
    """The first values of each parameter, flat."""
    parameters = network_of(one).parameters
    sizes = [each.size for each in parameters.values()]
    return dict(zip(parameters, initial_weights(one).flatten().split(sizes), strict=True))


MATRICES = {
    "two layers, embedded": ["W"],
    "embedding": ["W"],
    "product": ["E"],
    "complex": ["W"],
    "two layers": ["W1"],
    "residual": ["W1", "W2", "W3"],
    "batch norm": ["W1", "W2"],
    "transformer": [f"{name}1" for name in "QKVOWY"],
    "two blocks": [f"{name}{block}" for block in (1, 2) for name in "QKVOWY"],
}


@pytest.mark.parametrize("name", MATRICES)
def test_muon_takes_hidden_matrices(trial: Make, name: str) -> None:
    network = network_of(trial(7, 20, hidden_size=12, **NETWORKS[name]))
    places = np.cumsum([0, *(one.size for one in network.parameters.values())]).tolist()
    starts = dict(zip(places[:-1], network.parameters, strict=True))
    assert [starts[one.start] for one in network.matrices] == MATRICES[name]
    for one in network.matrices:
        assert (one.rows, one.columns) == network.parameters[starts[one.start]].shape
        assert one.inputs_first


@pytest.mark.parametrize("name", [name for name in NETWORKS if "blocks" not in name])
@pytest.mark.parametrize("changes", [{}, {"operands": 3}, {"batch_size": 20}], ids=str)
def test_operations_are_those_of_the_matrix_products(
    trial: Make, name: str, changes: dict[str, int]
) -> None:
    one = trial(7, 30, hidden_size=12, **NETWORKS[name] | changes)
    assert network_of(one).step_flops() == counted(one)


def counted(one: Trial) -> int:
    """By torch, while a step is made."""
    batch = batch_of([one], initial_weights(one).float())
    with FlopCounterMode(display=False) as counter:
        batch.gradient()
    flops: int = counter.get_total_flops()
    return flops


@pytest.mark.parametrize("name", ["two blocks", "two blocks, not causal"])
def test_attention_s_operations_are_counted_too(trial: Make, name: str) -> None:
    """Where all positions ask; torch leaves its fused attention on a CPU out."""
    one = trial(7, 30, hidden_size=12, **NETWORKS[name])
    n, L, d = 30, 3, 8
    attention = 2 * 6 * n * L * L * d
    assert autograd_batch.step_flops(network_of(one)) == counted(one) + attention
    assert network_of(one).step_flops() == counted(one) + attention


def test_memory_is_estimated_from_above(trial: Make, kind: dict[str, Any]) -> None:
    """By less than a factor of three, of what a step of four trials allocates at its peak."""
    wide = {"hidden_size": 128} | ({"embedding_size": 64} if "embedding_size" in kind else {})
    one = trial(23, 300, **kind | wide)
    weights = torch.stack([initial_weights(one).float().flatten()] * 4)
    peak = allocated(batch_of([one] * 4, weights).gradient)
    assert peak < network_of(one).batch_bytes(4, "cpu") < 3 * peak


@pytest.mark.parametrize("batch", [1, 4, 40])
def test_memory_of_an_evaluation_is_that_of_a_step_however_many_samples_there_are(
    trial: Make, batch: int
) -> None:
    """Of mini-batches: an evaluation of n tuples at once would need far more than a step."""
    kind = {"network": "residual", "layers": 3, "activation": "relu", "batch_size": 32}
    one = trial(97, 5000, **kind)
    weights = torch.stack([initial_weights(one).float().flatten()] * batch)
    T, K, M = 97**2, 256, 97
    evaluation = allocated(batch_of([one] * batch, weights).evaluate)
    assert evaluation < network_of(one).batch_bytes(batch, "cpu")
    few = max(32, 1024 // batch)
    assert evaluation < batch * (4 * 4 * few * (K + M) + 64 * T) + 4 * weights.nbytes


def allocated(call: Callable[[], object]) -> int:
    """Bytes at the peak of a call, beyond those before."""
    with torch.profiler.profile(
        activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
    ) as profile:
        call()
    events = [
        event
        for event in profile.profiler.kineto_results.events()  # type: ignore[union-attr]
        if event.name() == "[memory]"
    ]
    ordered = sorted(events, key=lambda event: event.start_ns())
    return int(max(np.cumsum([event.nbytes() for event in ordered])))


QUICK = {"hidden_size": 64, "learning_rate": 0.01, "weight_decay": 3e-3}
GENERALIZING: dict[str, dict[str, Any]] = {
    "two layers, embedded": QUICK | {"network": "two_layer_embedded", "embedding_size": 32},
    "embedding": QUICK | {"network": "embedding", "embedding_size": 32},
    "product": QUICK | {"network": "product", "weight_decay": 1e-3},
    "complex": QUICK | {"network": "complex", "weight_decay": 1e-3},
    "residual": QUICK
    | {"network": "residual", "layers": 3, "learning_rate": 0.005, "weight_decay": 1e-3},
}


DEEP = {"network": "residual", "activation": "relu", "hidden_size": 256, "learning_rate": 0.001,
        "weight_decay": 1e-3}  # fmt: skip


@pytest.mark.parametrize(
    "kind",
    [{"layers": 3}, {"layers": 4}, {"layers": 3, "batch_norm": True, "weight_decay": 0.01}],
    ids=str,
)
def test_a_deep_relu_net_generalizes(trial: Make, kind: dict[str, Any]) -> None:
    """Addition modulo 23 from four fifths of the pairs."""
    one = trial(23, 423, max_steps=3000, target_test_accuracy=0.99, **DEEP | kind)
    (found,) = results([one]).values()
    assert found.outcome is Outcome.GENERALIZED


@pytest.mark.parametrize("name", GENERALIZING)
def test_a_network_generalizes(trial: Make, name: str) -> None:
    """Addition modulo 11 from three quarters of the pairs, all test pairs right."""
    one = trial(11, 90, max_steps=1500, target_test_accuracy=0.99, **GENERALIZING[name])
    (found,) = results([one]).values()
    assert found.outcome is Outcome.GENERALIZED
    assert found.fit_step is not None
    assert found.generalization_step is not None
    assert found.generalization_step > found.fit_step


TRANSFORMER = {
    "network": "transformer", "layers": 1, "heads": 4, "embedding_size": 32, "hidden_size": 64,
    "activation": "relu", "loss": "cross_entropy", "optimizer": "adamw", "learning_rate": 0.01,
    "weight_decay": 1.0,
}  # fmt: skip


@pytest.mark.parametrize("layers", [1, 2])
def test_a_transformer_fits_its_training_pairs(trial: Make, layers: int) -> None:
    one = trial(11, 60, max_steps=100, **TRANSFORMER | {"layers": layers})
    (found,) = results([one]).values()
    assert found.fit_step is not None


@pytest.mark.parametrize("kind", [NETWORKS["batch norm"], NETWORKS["residual"]], ids=str)
def test_deeper_nets_fit_their_training_pairs(trial: Make, kind: dict[str, Any]) -> None:
    one = trial(11, 60, max_steps=100, **kind | {"hidden_size": 64})
    (found,) = results([one]).values()
    assert found.fit_step is not None


@pytest.mark.slow
def test_a_transformer_generalizes(trial: Make) -> None:
    """As in Nanda et al. 2023, smaller: AdamW, weight decay 1, most of all pairs."""
    one = trial(17, 220, max_steps=1500, target_test_accuracy=0.99, **TRANSFORMER)
    (found,) = results([one]).values()
    assert found.outcome is Outcome.GENERALIZED
    assert found.generalization_step > found.fit_step + 300  # type: ignore[operator]
