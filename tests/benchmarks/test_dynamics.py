"""The views of trainings from inside: they run, and measuring changes nothing."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from benchmarks.dynamics.__main__ import main
from benchmarks.dynamics.algebra import read, shares
from benchmarks.dynamics.covering import on_energy
from benchmarks.dynamics.gradient import ridge_path
from benchmarks.dynamics.interaction import planted
from benchmarks.dynamics.notes import events
from benchmarks.dynamics.training import measured
from benchmarks.setting import Shape, trial
from sweeper.learn.learner import initial_weights
from sweeper.learn.optimizers.adam import Adam
from sweeper.learn.probes.recorder import NAMES
from sweeper.learn.two_layer import TwoLayerBatch

COMMANDS = {
    "one": "--group Z7 --n-train 30 --hidden-size 16 --max-steps 60 --rounds 1",
    "notes": "--epochs 3 --seeds 1 --train-fraction 0.02",
    "gradient": "--group Z7 --sizes 20 --sizes 40 --widths 8 --widths 64 --seeds 2 --shown 20",
    "energy": "--net Z7:40 --net S3:36 --hidden-size 16 --max-steps 30",
    "covering": "--group Z7 --widths 4 --widths 6 --seeds 2 --max-steps 30 --climbs 2",
    "interaction": "--group Z7 --n-train 40 --hidden-size 70 --seeds 1 --max-steps 30"
    " --planted-in Z5 --subsets 1",
    "algebra": "--group Z7 --hidden-size 32 --seeds 2 --max-steps 60",
    "layers": "--hidden-size 12 --max-steps 20 --seeds 1",
}
SAID = {
    "one": ("energy_alignment", "stages begin at", "irreps appear at", "orders", "flat", "all:"),
    "notes": ("training pairs fitted (0.99)", "feature_rank"),
    "gradient": ("‖G_F‖ at most", "pairs"),
    "energy": ("flat of a feature", "S3:36"),
    "covering": ("muon", "orthogonalized"),
    "interaction": ("Theorem 6 itself: held for 60 of 60 pairs", "on_planted"),
    "algebra": ("not_4_6", "nu * syn"),
    "layers": ("alignment", "W3"),
}
DRAWN = {"notes", "gradient", "energy", "covering", "interaction", "algebra", "layers"}


@pytest.mark.parametrize("command", COMMANDS)
def test_it_measures_prints_and_draws(command: str, tmp_path: Path) -> None:
    """And draws the same from the files as after measuring."""
    folders = ["--measured", str(tmp_path), "--figures", str(tmp_path)]
    arguments = [command, *COMMANDS[command].split()]
    answer = CliRunner().invoke(main, [*folders, *arguments], catch_exceptions=False)
    assert answer.exit_code == 0
    for said in SAID[command]:
        assert said in answer.stdout
    figures = {path: path.read_bytes() for path in tmp_path.glob("*.png")}
    assert len(figures) == (command in DRAWN)
    if figures:
        again = CliRunner().invoke(main, [*folders, "--draw-only", *arguments])
        assert again.stdout == answer.stdout
        assert {path: path.read_bytes() for path in tmp_path.glob("*.png")} == figures


def test_probes_do_not_change_the_training() -> None:
    """To the bit, however often they measure."""
    one = trial(Shape(7, 16, 30, 90))
    with torch.inference_mode():
        net = TwoLayerBatch([one], initial_weights(one).float())
        adam = Adam(net.weights, [one.learning_rate], [one.weight_decay])
        for _ in range(90):
            adam.update(net.gradient())
        for every in (1, 3):
            *_, (_, weights) = measured(one, NAMES, every)
            assert torch.equal(weights, net.weights)


@pytest.mark.parametrize(("n", "K"), [(20, 8), (20, 19), (20, 50)])
def test_the_ridge_path_is_the_exact_formula(n: int, K: int) -> None:
    rng = np.random.default_rng(0)
    F, Y = rng.standard_normal((n, K)), np.eye(5)[rng.integers(0, 5, n)]
    P = np.eye(n) - 1 / n
    centred, labels = P @ F, P @ Y
    upwards = labels @ labels.T @ centred
    etas = np.array([1e-4, 0.3, 1e6])
    for eta, (_, row) in zip(etas, ridge_path(F, Y, etas).iterrows(), strict=True):
        left = np.linalg.inv(centred @ centred.T + eta * np.eye(n))
        G = eta * left @ upwards @ np.linalg.inv(centred.T @ centred + eta * np.eye(K))
        norm, most = np.linalg.norm(G), np.linalg.norm(upwards)
        of_samples = np.trace(centred @ centred.T) / n + eta
        of_features = np.trace(centred.T @ centred) / K + eta
        expected = {
            "grad_features": norm,
            "label_cosine": np.sum(G * upwards) / (norm * most),
            "lemma_ratio": norm / (eta / (of_samples * of_features) * most),
            "wide_ratio": norm / (eta / of_samples**2 * most),
        }
        assert row[list(expected)].to_dict() == pytest.approx(expected, rel=1e-6)
    assert row["lemma_ratio"] == pytest.approx(1, rel=1e-3)  # at η → ∞ the lemma holds
    assert row["label_cosine"] == pytest.approx(1, rel=1e-3)


def test_wide_random_features_of_own_inputs_have_the_direction_of_the_lemma() -> None:
    """And the size η/(Kc₁ + η)², not the lemma's, whose nc₂ needs n ≥ K."""
    rng = np.random.default_rng(0)
    F, Y = rng.standard_normal((30, 100_000)) ** 2, np.eye(5)[rng.integers(0, 5, 30)]
    row = ridge_path(F, Y, np.array([1.0])).iloc[0]
    assert row["label_cosine"] > 0.999
    assert row["wide_ratio"] == pytest.approx((29 / 30) ** 2, abs=0.02)  # centring takes 1/n
    assert row["lemma_ratio"] < 0.001


def test_shares_are_those_of_known_solutions() -> None:
    """Two frequencies: one of order 4 that is z_ν=i * z_ξ, one of three nodes."""
    nu, xi = [[1, 1, 1], [1j, -1j, 1]], [[1, 1, 1], [1, -1j, 1j]]
    nodes = np.array([[a * b for a, b in zip(x, y, strict=True)] for x in nu for y in xi]).T
    rows = pd.DataFrame(
        {"learning_rate": 0.1, "weight_decay": 0.0, "seed": 0, "irrep": k, "z": z}
        for k, z in ((1, np.stack([nodes.real, nodes.imag]).ravel()), (2, np.ones(18)))
    )
    found = read(rows)
    assert found["order"].tolist() == [4, 3]
    assert found["form"].tolist() == ["nu_i * xi", ""]
    [net] = shares(found).to_dict("records")
    assert net["not_4_6"] == 50
    assert net["unfactorable_4"] == 0
    assert np.isnan(net["unfactorable_6"])
    assert net["nu_i * xi"] == 100
    assert net["other"] == 0


def test_events_are_where_thresholds_are_passed() -> None:
    run = pd.DataFrame(
        {
            "epoch": [1, 2, 4],
            "train_fraction": [0.5, 0.5, 0.5],
            "train_accuracy": [0.1, 1.0, 1.0],
            "test_accuracy": [0.0, 0.6, 1.0],
            "W_norm": [1.0, 3.0, 2.0],
            "W_change": [0.1, 0.1, 1e-4],
            "feature_rank": [5.0, 4.0, 3.0],
            "gradient_cosine": [0.7, 0.7, 0.7],
            "energy_alignment": [0.7, 0.7, 0.7],
            **{f"{name}_grad_norm": [1.0, 1.0, 0.2] for name in "EWV"},
        }
    )
    found = events(run)
    assert found["training pairs fitted (0.99)"] == 2
    assert found["test accuracy 0.95"] == 4
    assert found["‖W‖ largest"] == 2
    assert found["‖ΔW‖/‖W‖ below 1e-3"] == 4
    assert [found[f"measurements in {stage}"] for stage in ("I", "II", "III")] == [1, 1, 1]


def test_orthogonalized_climbs_cover_more_irreps_than_neurons_alone() -> None:
    found = pd.DataFrame(on_energy("Z11", [8], 4)).groupby("how")["covered"].mean()
    assert found["orthogonalized"] > found["own gradients"]


def test_nothing_is_left_to_climb_on_planted_irreps() -> None:
    for row in planted(["Z7"], [1.0], 1):
        assert row["arrived"] == row["missing"] == 40
        assert row["least_purity"] > 0.99  # type: ignore[operator]
