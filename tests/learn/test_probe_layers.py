"""Indicators layer by layer: slow float64 references, the two-layer probes, known answers."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.setting import Shape, trial
from sweeper.learn.learner import batch_of, initial_weights
from sweeper.learn.probes.layers import LayerProbe
from sweeper.learn.probes.recorder import Recorder
from sweeper.spec.trial import Trial
from sweeper.tasks.groups import group_named
from sweeper.tasks.isotypic import isotypic_bases
from sweeper.tasks.splits import training_set
from sweeper.tasks.task import task_of
from tests.learn.probe_cases import Reals, cosine

K, N = 10, 40

KINDS: dict[str, dict[str, Any]] = {
    "square": {"network": "residual", "layers": 3},
    "relu": {"network": "residual", "layers": 4, "activation": "relu", "loss": "cross_entropy"},
    "multiplied": {"network": "residual", "layers": 3, "output_multiplier": 3.0},
    "embedding": {
        "network": "embedding", "embedding_size": 6, "activation": "relu", "loss": "cross_entropy",
    },
    "embedded": {"network": "two_layer_embedded", "embedding_size": 6},
}  # fmt: skip


def net(group: str = "Z8", **how: object) -> Trial:
    M = group_named(group).order
    return trial(Shape(M, K, N, 100), group=group, **how)


def moved(one: Trial, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """First weights, and some that are larger and elsewhere; float64."""
    first = initial_weights(one)
    rng = torch.Generator().manual_seed(seed)
    return first, 2 * first + 0.1 * torch.randn(len(first), generator=rng, dtype=first.dtype)


def pieces(one: Trial, flat: Reals) -> dict[str, Reals]:
    M, e, found, start = one.group_order, one.embedding_size, {}, 0
    shapes = {
        "residual": {"W1": (2 * M, K)}
        | {f"W{layer}": (K, K) for layer in range(2, one.layers)}
        | {"V": (K, M)},
        "embedding": {"E": (M, e), "W": (2 * e, K), "c": (K,), "V": (K, M), "d": (M,)},
        "two_layer_embedded": {"E": (M, e), "W": (2 * e, K), "V": (K, M)},
    }[one.network]
    for name, shape in shapes.items():
        found[name] = flat[start : start + math.prod(shape)].reshape(shape)
        start += math.prod(shape)
    assert start == len(flat)
    return found


class Slow:
    """A net in NumPy at some pairs; the loss's gradients by going back layer by layer."""

    def __init__(self, one: Trial, flat: Reals, codes: np.ndarray) -> None:
        self.one, self.M = one, one.group_order
        p = self.p = pieces(one, flat)
        a, b = np.divmod(codes, self.M)
        eye = np.eye(self.M)
        self.labels = group_named(one.group).table.ravel()[codes]
        self.Y = eye[self.labels]
        self.centring = np.eye(len(codes)) - 1 / len(codes)
        X = np.concatenate([eye[a], eye[b]], axis=1)
        if one.network == "residual":
            self.names, read, bias = [f"W{i}" for i in range(1, one.layers)], X, 0.0
        else:
            read = np.concatenate([p["E"][a], p["E"][b]], axis=1)
            self.names, bias = ["W"], p.get("c", 0.0)
        self.reads, self.sums, self.activations, self.outputs = [], [], [], []
        for name in self.names:
            x = read @ p[name] + bias
            act = self.sigma(x)
            h = act if not self.outputs else self.outputs[-1] + act
            for kept, value in zip(
                (self.reads, self.sums, self.activations, self.outputs),
                (read, x, act, h),
                strict=True,
            ):
                kept.append(value)
            read = h
        self.o = (read @ p["V"] + p.get("d", 0.0)) * one.output_multiplier

    def sigma(self, x: Reals) -> Reals:
        return x**2 if self.one.activation == "square" else np.maximum(x, 0)

    def slope(self, x: Reals) -> Reals:
        return 2 * x if self.one.activation == "square" else (x > 0) * 1.0

    def gradients(self) -> tuple[dict[str, Reals], list[Reals]]:
        """Of each layer's weights and of V, and what reaches each h_l."""
        n = len(self.Y)
        if self.one.loss == "mse":
            back = 2 / n * (self.o - self.o.mean(axis=1, keepdims=True) - self.Y + 1 / self.M)
        else:
            e = np.exp(self.o - self.o.max(axis=1, keepdims=True))
            back = (e / e.sum(axis=1, keepdims=True) - self.Y) / n
        back = back * self.one.output_multiplier
        found = {"V": self.outputs[-1].T @ back}
        back = back @ self.p["V"].T
        reached: list[Reals] = []
        for name, read, x in reversed(list(zip(self.names, self.reads, self.sums, strict=True))):
            reached.insert(0, back)
            at_sums = back * self.slope(x)
            found[name] = read.T @ at_sums
            if len(reached) < len(self.names):  # what is below the lowest layer has no neurons
                back = back + at_sums @ self.p[name].T
        return found, reached

    def energy_gradient(self, layer: int) -> Reals:
        P, Y = self.centring, self.centring @ self.Y
        back = Y @ Y.T @ P @ self.activations[layer] * self.slope(self.sums[layer])
        return np.asarray(self.reads[layer].T @ back)


def training_codes(one: Trial) -> np.ndarray:
    return training_set(task_of(one.group), one.split, one.split_seed, one.n_train, 0.0)[0]


@pytest.fixture(params=KINDS)
def case(request: pytest.FixtureRequest) -> tuple[Trial, list[dict[str, Any]], Slow, Slow]:
    one = net(**KINDS[request.param])
    first, now = moved(one)
    rows: list[dict[str, Any]] = LayerProbe(one, first).measure(5, now)  # type: ignore[assignment]
    codes = training_codes(one)
    return one, rows, Slow(one, now.numpy(), codes), Slow(one, first.numpy(), codes)


def test_weights_and_their_gradients(case: tuple[Trial, list[dict[str, Any]], Slow, Slow]) -> None:
    _, rows, slow, before = case
    gradients, _ = slow.gradients()
    assert [row["weights"] for row in rows] == [n for n, w in slow.p.items() if w.ndim == 2]
    for row in rows:
        now, then = slow.p[row["weights"]], before.p[row["weights"]]
        assert row["W_norm"] == pytest.approx(np.linalg.norm(now))
        change = np.linalg.norm(now - then) / np.linalg.norm(then) / 5
        assert row["W_change"] == pytest.approx(change)
        if row["weights"] != "E":
            assert row["W_grad_norm"] == pytest.approx(np.linalg.norm(gradients[row["weights"]]))
        if row["weights"] not in slow.names:
            assert math.isnan(row["label_cosine"])
            assert row["target_powers"] == []


def test_hidden_indicators_are_those_of_their_definitions(
    case: tuple[Trial, list[dict[str, Any]], Slow, Slow],
) -> None:
    _, rows, slow, _ = case
    gradients, reached = slow.gradients()
    hidden = [row for row in rows if row["weights"] in slow.names]
    P, Y = slow.centring, slow.centring @ slow.Y
    for layer, row in enumerate(hidden):
        of_W, upwards = gradients[row["weights"]], slow.energy_gradient(layer)
        sizes = np.linalg.norm(P @ slow.activations[layer], axis=0)
        there = np.flatnonzero((sizes >= 0.01 * sizes.max()) & (np.abs(of_W).sum(axis=0) > 0))
        pairs = [cosine(of_W[:, i], of_W[:, j]) for i in there for j in there if i != j]
        aligned = [sizes[j] * cosine(-of_W[:, j], upwards[:, j]) for j in there]
        H = P @ slow.outputs[layer]
        spectrum = np.linalg.eigvalsh(H.T @ H)
        expected = {
            "gradient_cosine": np.mean(pairs),
            "energy_alignment": np.sum(aligned) / sizes[sizes >= 0.01 * sizes.max()].sum(),
            "feature_rank": spectrum.sum() ** 2 / np.sum(spectrum**2),
            "grad_features": N * np.linalg.norm(P @ reached[layer]),
            "label_cosine": cosine(-P @ reached[layer], Y @ Y.T @ H),
            "active_neurons": np.sum(sizes >= 0.01 * sizes.max()),
        }
        assert {name: row[name] for name in expected} == pytest.approx(expected, rel=1e-9)


def test_powers_are_those_of_projections(
    case: tuple[Trial, list[dict[str, Any]], Slow, Slow],
) -> None:
    one, rows, slow, _ = case
    M, group = one.group_order, group_named(one.group)
    every = Slow(one, np.concatenate([w.ravel() for w in slow.p.values()]), np.arange(M * M))
    bases = isotypic_bases(group.table, group.irreps)
    for layer, row in enumerate(row for row in rows if row["weights"] in slow.names):
        x = every.sums[layer] - every.sums[layer].mean(axis=0)
        h = every.outputs[layer] - every.outputs[layer].mean(axis=0)
        u = np.array([x[every_a(M) == a].mean(axis=0) for a in range(M)])
        v = np.array([x[np.arange(M * M) % M == b].mean(axis=0) for b in range(M)])
        t = np.array([h[every.labels == c].mean(axis=0) for c in range(M)])
        assert row["operand_share"] == pytest.approx(
            M * np.sum(u**2 + 0) / np.sum(x**2) + M * np.sum(v**2) / np.sum(x**2)
        )
        assert row["target_share"] == pytest.approx(M * np.sum(t**2) / np.sum(h**2))
        for name, parts in (("operand", (u, v)), ("target", (t,))):
            powers = np.array(
                [sum(np.sum((B.T @ part) ** 2, axis=0) for part in parts) for B in bases]
            )
            np.testing.assert_allclose(
                row[f"{name}_powers"], powers.sum(axis=1) / powers.sum(), atol=1e-9
            )
            chance = np.array([B.shape[1] / M for B in bases])[:, None]
            purities = ((powers / powers.sum(axis=0) - chance) / (1 - chance))[1:]
            sizes = np.sqrt(powers.sum(axis=0))
            purity = np.average(purities.max(axis=0), weights=sizes)
            assert row[f"{name}_purity"] == pytest.approx(purity)
            pure = (purities.max(axis=0) >= 0.5) & (sizes >= 0.01 * sizes.max())
            assert row[f"{name}_irreps"] == len(set(purities.argmax(axis=0)[pure]))


def every_a(M: int) -> np.ndarray:
    return np.arange(M * M) // M


def test_with_one_hidden_layer_they_are_the_probes_of_the_two_layer_net() -> None:
    """The same weights read both ways; means over neurons are weighted differently."""
    one = net("Z11", network="residual", layers=2)
    twin = net("Z11")
    first, now = moved(one)
    row: dict[str, Any] = LayerProbe(one, first).measure(5, now)[0]  # type: ignore[assignment]

    def laid_out(flat: torch.Tensor) -> torch.Tensor:
        W, V = flat[: 22 * K].view(22, K), flat[22 * K :].view(K, 11)
        return torch.cat([W, V.T])

    recorder = Recorder([twin], laid_out(first), ("stages", "gradient", "irreps"))
    expected = recorder.measure(5, recorder.look(laid_out(now)))[0]
    for name in ("W_norm", "W_grad_norm", "W_change", "feature_rank", "label_cosine"):
        assert row[name] == pytest.approx(expected[name])
    assert row["grad_features"] == pytest.approx(2 * expected["grad_features"])  # type: ignore[operator]
    assert row["operand_share"] == pytest.approx(1)


def test_it_measures_the_loss_that_the_engine_descends() -> None:
    """The norms of its gradients are those of the training batch, of all layers together."""
    for kind in KINDS.values():
        one = net(**kind)
        first, now = moved(one)
        rows = LayerProbe(one, first).measure(1, now)
        parts = pieces(one, batch_of([one], now.clone()).gradient().numpy())
        for row in rows:
            name = row["weights"]
            assert isinstance(name, str)
            assert row["W_grad_norm"] == pytest.approx(np.linalg.norm(parts[name]))


def test_a_layer_that_knows_the_target_says_so() -> None:
    """x = u(a) + v(b) of a cosine each: the square's cross term is one of a + b, and of a − b."""
    one = net("Z7", network="residual", layers=2)
    angle = 2 * np.pi * np.arange(7) / 7
    W = np.zeros((14, K))
    for j in range(5):  # products of cosines with phases that add to 0: the part in a − b cancels
        phase = 2 * np.pi * j / 5
        W[:7, j], W[7:, j] = np.cos(angle + phase), np.cos(angle - phase)
    flat = torch.from_numpy(np.concatenate([W.ravel(), np.zeros(K * 7)]))
    row: dict[str, Any] = LayerProbe(one, flat + 1).measure(1, flat)[0]  # type: ignore[assignment]
    assert row["operand_irreps"] == 1
    assert row["operand_purity"] == pytest.approx(1)
    assert row["operand_powers"] == pytest.approx([0, 1, 0, 0], abs=1e-12)
    assert row["target_powers"] == pytest.approx([0, 1, 0, 0], abs=1e-12)
    assert 0.1 < row["target_share"] < 1


@pytest.mark.parametrize("how", [{"batch_norm": True}, {"operands": 3}, {"expression": "x*y"}])
def test_other_trials_are_refused(how: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="on pairs of a group, without batch norm"):
        LayerProbe(net(network="residual", layers=3, **how), torch.zeros(1))


def test_a_network_that_does_not_tell_says_so() -> None:
    one = net(network="product")
    first = initial_weights(one)
    with pytest.raises(NotImplementedError, match="product does not tell its hidden layers"):
        LayerProbe(one, first).measure(1, first + 1)
