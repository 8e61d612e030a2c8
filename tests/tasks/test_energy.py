"""The landscape of Theorem 2, by the definition of E: all heights, and no others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.optimize import check_grad, minimize

from sweeper.tasks.energy import (
    MEASURED_SCALE,
    PairEnergy,
    energy,
    energy_and_gradient,
    feature,
)
from sweeper.tasks.groups import group_named

# Heights at ‖w‖ = 1 by definition: M/(2·d_k) for real irreps, M/(4·d_k) for the others.
HEIGHTS = {
    "Z7": {7 / 4},
    "Z9": {9 / 4},
    "Z8": {8 / 2, 8 / 4},
    "D7": {14 / 2, 14 / 4},
    "D6": {12 / 2, 12 / 4},
    "S4": {24 / 2, 24 / 4, 24 / 6},
    "Q8": {8 / 2, 8 / 8},
    "Z7⋊Z3": {21 / 4, 21 / 12},
    "A4": {12 / 4, 12 / 6},
}


def test_energy_is_the_definition() -> None:
    """With X, Y and the centring written out as matrices."""
    table = group_named("S3").table
    M = 6
    w = np.random.default_rng(0).standard_normal(2 * M)
    pairs = [(a, b) for a in range(M) for b in range(M)]
    X = np.array([np.concatenate([np.eye(M)[a], np.eye(M)[b]]) for a, b in pairs])
    Y = np.array([np.eye(M)[table[a, b]] for a, b in pairs])
    centred = Y - Y.mean(axis=0)
    expected = 0.5 * np.sum((centred.T @ (X @ w) ** 2) ** 2)
    assert energy(table, w) == pytest.approx(expected, rel=1e-12)


@settings(deadline=None)
@given(arrays(np.float64, 12, elements=st.floats(-2, 2)))
def test_the_gradient_is_that_of_the_energy(w: np.ndarray) -> None:
    table = group_named("S3").table
    error = check_grad(
        lambda w: energy(table, w), lambda w: energy_and_gradient(table, w)[1], w, epsilon=1e-6
    )
    assert error < 1e-2  # forward differences of a quartic whose third derivative is about 1e3


@pytest.mark.parametrize("name", ["S3", "Z7"])
def test_the_energy_of_some_pairs_is_the_definition_centred_over_them(name: str) -> None:
    table = group_named(name).table
    M, rng = len(table), np.random.default_rng(0)
    pairs = rng.permutation(M**2)[: M**2 // 2]
    w = rng.standard_normal((2 * M, 3))
    X = np.array([np.concatenate([np.eye(M)[p // M], np.eye(M)[p % M]]) for p in pairs])
    Y = np.array([np.eye(M)[table[p // M, p % M]] for p in pairs])
    P = np.eye(len(pairs)) - 1 / len(pairs)
    expected = 0.5 * np.sum(((P @ Y).T @ (X @ w) ** 2) ** 2, axis=0)
    empirical = PairEnergy.of(table, pairs)
    heights, gradient = empirical.value_and_gradient(w)
    assert heights == pytest.approx(expected, rel=1e-12)
    for i in range(2 * M):
        step = 1e-5 * np.eye(2 * M)[:, [i]]
        above, below = (empirical.value_and_gradient(w + s)[0] for s in (step, -step))
        assert gradient[i] == pytest.approx((above - below) / 2e-5, rel=1e-6, abs=1e-5)


@pytest.mark.parametrize("name", ["S3", "Z8"])
def test_on_all_pairs_the_empirical_energy_is_the_energy(name: str) -> None:
    table = group_named(name).table
    w = np.random.default_rng(0).standard_normal(2 * len(table))
    heights, gradient = PairEnergy.of(table, np.arange(len(table) ** 2)).value_and_gradient(
        w[:, None]
    )
    assert heights[0] == pytest.approx(energy(table, w), rel=1e-12)
    assert gradient[:, 0] == pytest.approx(energy_and_gradient(table, w)[1], rel=1e-9, abs=1e-9)


@settings(deadline=None)
@given(st.floats(-3, 3), st.integers(0, 99))
def test_the_energy_grows_with_the_fourth_power(scale: float, seed: int) -> None:
    table = group_named("D4").table
    w = np.random.default_rng(seed).standard_normal(16)
    assert energy(table, scale * w) == pytest.approx(scale**4 * energy(table, w), rel=1e-9)


@pytest.mark.parametrize("name", HEIGHTS)
@pytest.mark.parametrize("sign", [1, -1])
def test_features_of_one_irrep_are_critical_at_the_predicted_heights(name: str, sign: int) -> None:
    group = group_named(name)
    rng = np.random.default_rng(0)
    heights = set()
    for irrep in range(1, len(group.irreps.dims)):
        w = feature(group.table, group.irreps, irrep, sign, rng)
        height, gradient = energy_and_gradient(group.table, w)
        assert np.linalg.norm(w) == pytest.approx(1)
        assert height == pytest.approx(MEASURED_SCALE * group.irreps.energies[irrep], abs=1e-9)
        assert gradient == pytest.approx((gradient @ w) * w, abs=1e-9)
        heights.add(height)
    assert sorted({round(height, 6) for height in heights}) == pytest.approx(sorted(HEIGHTS[name]))


def summit(table: np.ndarray, start: np.ndarray) -> float:
    """E where ascent on the unit sphere ends."""

    def downhill(w: np.ndarray) -> tuple[float, np.ndarray]:
        """Minus E on the sphere: E is a form of degree four, so E(w)/‖w‖⁴ anywhere."""
        square = w @ w
        height, gradient = energy_and_gradient(table, w)
        return -height / square**2, -gradient / square**2 + 4 * height * w / square**3

    end = minimize(
        downhill, start / np.linalg.norm(start), jac=True, method="L-BFGS-B",
        options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 5000},
    )  # fmt: skip
    return -float(end.fun)


@pytest.mark.parametrize("name", HEIGHTS)
def test_ascent_ends_at_the_predicted_heights_only(name: str) -> None:
    table = group_named(name).table
    rng = np.random.default_rng(1)
    for _ in range(12):
        found = summit(table, rng.standard_normal(2 * len(table)))
        assert min(abs(found - height) for height in HEIGHTS[name]) < 1e-6


@pytest.mark.parametrize("name", HEIGHTS)
def test_features_of_one_irrep_are_local_maxima(name: str) -> None:
    """Ascent from beside one comes back to its height, whatever higher ones there are."""
    group = group_named(name)
    rng = np.random.default_rng(2)
    for irrep in range(1, len(group.irreps.dims)):
        w = feature(group.table, group.irreps, irrep, 1, rng)
        beside = w + 0.02 * rng.standard_normal(len(w)) / np.sqrt(len(w))
        expected = MEASURED_SCALE * group.irreps.energies[irrep]
        assert summit(group.table, beside) == pytest.approx(expected, abs=1e-6)
