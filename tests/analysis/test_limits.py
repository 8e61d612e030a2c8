import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from analysis import (
    LimitStatus,
    SeedStatus,
    fit_law,
    limits_as_thresholds,
    scatter_words,
    seed_scatter,
    threshold_limits,
    thresholds,
)
from sweeper.cli import main

MakeFrame = Callable[..., pd.DataFrame]
STRAY = 1.005**0.5
"""Of the mean threshold of the two seeds of `diverging_sweep`."""


def true_n_c(order: int) -> float:
    return 2.7 * order * math.log(order) * STRAY


def test_the_pole_is_found_where_a_horizon_holds_the_thresholds_up(
    diverging_sweep: MakeFrame,
) -> None:
    records = diverging_sweep(slowness=60)
    limits = threshold_limits(records)
    assert [one.status for one in limits] == [LimitStatus.OK] * 6
    measured = thresholds(records).groupby("group_order")["n_c"].mean()
    for one in limits:
        true = true_n_c(one.group_order)
        assert one.n_c.value == pytest.approx(true, rel=0.02)
        assert one.n_c.low <= true * 1.005
        assert true <= one.n_c.high * 1.005
        assert one.n_c.high < measured[one.group_order]
        assert one.z == pytest.approx(1.2, abs=0.1)
        assert one.steps == pytest.approx(60 * (one.group_order / 11) ** 1.5, rel=0.15)
        assert (one.n_seeds, one.n_censored > 0) == (2, True)


def test_the_law_of_the_poles_is_free_of_the_bend_that_the_horizon_made(
    diverging_sweep: MakeFrame,
) -> None:
    records = diverging_sweep(slowness=60)
    bent = fit_law(thresholds(records)).law
    straight = fit_law(limits_as_thresholds(threshold_limits(records))).law
    assert bent.m_log_m_beta not in bent.beta
    assert straight.beta.value == pytest.approx(straight.m_log_m_beta, abs=0.015)
    assert straight.m_log_m_beta in straight.quoted_beta


def test_what_the_runs_do_not_determine_is_refused(diverging_sweep: MakeFrame) -> None:
    records = diverging_sweep(slowness=60, orders=(23,))
    n_c = true_n_c(23)
    below = records[records["n_train"] < 1.15 * n_c]
    assert {one.status for one in threshold_limits(below)} == {LimitStatus.TOO_FEW_RUNS}
    far = records[(records["n_train"] > 1.6 * n_c) & (records["n_train"] < 2.2 * n_c)].copy()
    noise = np.exp(np.random.default_rng(1).normal(0, 0.2, len(far)))
    noisy = (far["generalization_step"].astype(float) * noise).round()
    (one,) = threshold_limits(far.assign(generalization_step=noisy.astype("Int64")))
    assert (one.status, one.n_c) == (LimitStatus.NOT_DETERMINED, None)
    assert str(one.status) == (
        "the steps to generalize do not determine where they diverge: add n_train close above the"
        " thresholds and well above them, or raise max_steps"
    )
    assert limits_as_thresholds([one])["status"].tolist() == ["no_runs"]


@pytest.mark.slow
def test_intervals_of_the_pole_cover_it(records: MakeFrame, trial: Callable[..., object]) -> None:
    rng, hits, count = np.random.default_rng(4), 0, 150
    sizes = np.unique(np.round(195 * np.geomspace(0.9, 2.2, 24)).astype(int))
    for _ in range(count):
        poles = 195 * np.exp(rng.normal(0, 0.03, 3))

        def steps(order: int, n: int, seed: int, poles: np.ndarray = poles) -> float:
            over = n / poles[seed] - 1
            return 190 * over**-1.2 * np.exp(rng.normal(0, 0.1)) if over > 0 else math.inf

        trials = [trial(23, int(n), seed) for n in sizes for seed in range(3)]
        (one,) = threshold_limits(records(trials, steps))
        hits += one.n_c.low <= np.exp(np.log(poles).mean()) <= one.n_c.high
    assert 0.90 <= hits / count <= 0.99


# ---------------------------------------------------------------- split and initial weights


def crossed(cells: MakeFrame, split: float, init: float, rest: float, seed: int) -> pd.DataFrame:
    rng, parts = np.random.default_rng(seed), []
    for order in range(11, 41):
        a, b = rng.normal(0, split, 3), rng.normal(0, init, 4)
        for i, j in np.ndindex(3, 4):
            n_c = 9.0 * order * math.exp(a[i] + b[j] + rng.normal(0, rest))
            cell = cells([order], np.array([n_c])).assign(group=f"Z{order}")
            parts.append(cell.assign(split_seed=i, init_seed=j))
    return pd.concat(parts)


def test_the_scatter_is_divided_between_split_and_initial_weights(cells: MakeFrame) -> None:
    (found,) = seed_scatter(crossed(cells, 0.06, 0.02, 0.01, 3))
    assert found.status is SeedStatus.OK
    assert (found.split_sd, found.init_sd) == pytest.approx((0.06, 0.02), rel=0.25)
    assert found.residual_sd == pytest.approx(0.01, rel=0.15)
    assert len(found.groups) == 30
    assert max(found.split_p, found.init_p) < 1e-6
    (only_split,) = seed_scatter(crossed(cells, 0.06, 0.0, 0.01, 2))
    assert only_split.init_sd < 0.004
    assert only_split.init_p > 0.01
    assert scatter_words(only_split).startswith("a setting: n_c scatters by ")


def test_scatter_that_the_grid_hides_is_not_called_none(cells: MakeFrame) -> None:
    same = crossed(cells, 0.0, 0.0, 0.0, 0)
    same = same.assign(n_low=same["n_c"] / 1.1, n_high=same["n_c"] * 1.1)
    (found,) = seed_scatter(same)
    assert (found.status, found.split_sd, found.split_p) == (SeedStatus.GRID, None, None)
    assert scatter_words(found) == (
        f"a setting: {SeedStatus.GRID} (30 groups, brackets leave ±9.5 %)."
    )
    (split,) = seed_scatter(crossed(cells, 0.06, 0.0, 0.0, 0))
    assert split.residual_sd == 0
    assert (split.split_p, split.init_p) == (None, None)
    assert "nan" not in scatter_words(split)


def test_seeds_that_vary_together_are_not_told_apart(cells: MakeFrame) -> None:
    table = crossed(cells, 0.06, 0.02, 0.01, 1)
    together = table[table["split_seed"] == table["init_seed"]]
    (found,) = seed_scatter(together)
    assert (found.status, found.split_sd) == (SeedStatus.NOT_CROSSED, None)
    assert scatter_words(found) == ""


def test_the_command_extrapolates(
    diverging_sweep: MakeFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = diverging_sweep(slowness=60, orders=(11, 23))
    monkeypatch.setattr("analysis.load", lambda _: records)
    said = CliRunner().invoke(main, ["thresholds", "x", "--limit"], catch_exceptions=False).output
    assert "n_c(∞)" in said
    said = CliRunner().invoke(main, ["thresholds", "x"], catch_exceptions=False).output
    assert "steps below / above" in said
    records = diverging_sweep(slowness=60)
    said = CliRunner().invoke(main, ["fit", "x", "--limit"], catch_exceptions=False).output
    assert ", extrapolated: n_c grows as M to the power" in said.replace("\n", " ")
