"""The empirical energy: its ascent, what it keeps, and the thresholds that follow."""

import math

import numpy as np
import pandas as pd
import pytest

from analysis import BracketStatus, bracket, fit_law
from analysis.ascent import climb
from analysis.landscape import Landscape, bisected, purities
from analysis.three_thresholds import landscape_thresholds, three_thresholds
from sweeper.tasks.energy import PairEnergy, feature
from sweeper.tasks.groups import group_named
from sweeper.tasks.isotypic import isotypic_bases
from sweeper.tasks.splits import split_order
from sweeper.tasks.task import task_of

NAMES = ["Z11", "Z8", "D6", "Z7⋊Z3"]


def energy_of(name: str, n_train: int, seed: int = 0) -> PairEnergy:
    group = group_named(name)
    return PairEnergy.of(group.table, split_order(task_of(group.name), seed)[:n_train])


# ---------------------------------------------------------------- the ascent


@pytest.mark.parametrize(("name", "n_train"), [("Z11", 60), ("D6", 144), ("Z13", 30)])
def test_an_ascent_ends_at_a_local_maximum_above_its_start(name: str, n_train: int) -> None:
    energy = energy_of(name, n_train)
    rng = np.random.default_rng(0)
    starts = rng.standard_normal((2 * group_named(name).order, 12))
    starts /= np.linalg.norm(starts, axis=0)
    found = climb(energy, starts)
    height, gradient = energy.value_and_gradient(found.w)
    assert found.arrived.all()
    assert np.linalg.norm(found.w, axis=0) == pytest.approx(1)
    assert gradient == pytest.approx(4 * height * found.w, abs=1e-4 * height.max())
    assert (height > energy.value_and_gradient(starts)[0]).all()
    beside = found.w[:, :, None] + 1e-2 * rng.standard_normal((*found.w.shape, 40))
    beside /= np.linalg.norm(beside, axis=0)
    around = energy.value_and_gradient(beside.reshape(len(starts), -1))[0].reshape(12, 40)
    assert (around <= height[:, None] * (1 + 1e-9)).all()


def test_ascents_do_not_depend_on_their_neighbours() -> None:
    energy = energy_of("Z11", 60)
    starts = np.random.default_rng(0).standard_normal((22, 6))
    together = climb(energy, starts).w
    alone = np.concatenate([climb(energy, starts[:, [i]]).w for i in range(6)], axis=1)
    assert alone == pytest.approx(together, abs=1e-4)


def test_an_ascent_that_runs_out_of_steps_says_so() -> None:
    energy = energy_of("Z11", 60)
    found = climb(energy, np.random.default_rng(0).standard_normal((22, 3)), max_steps=2)
    assert not found.arrived.any()
    assert found.steps.tolist() == [2, 2, 2]


# ---------------------------------------------------------------- what is kept


@pytest.mark.parametrize("name", NAMES)
def test_all_pairs_keep_every_feature_where_it_is(name: str) -> None:
    group = group_named(name)
    rng = np.random.default_rng(0)
    starts = np.stack(
        [feature(group.table, group.irreps, i, 1, rng) for i in range(1, len(group.irreps.dims))],
        axis=1,
    )
    found = climb(energy_of(name, group.order**2), starts)
    assert found.w == pytest.approx(starts, abs=1e-9)
    landscape = Landscape(group, starts=8)
    for dim in landscape.irrep_dims:
        assert landscape.kept_share(group.order**2, 0, dim)["share"] == 1
    assert landscape.random_share(group.order**2, 0)["share"] == 1
    assert landscape.shares()["n_unfinished"].sum() == 0


@pytest.mark.parametrize("name", NAMES)
def test_few_pairs_keep_none(name: str) -> None:
    group = group_named(name)
    landscape = Landscape(group, starts=16)
    row = landscape.kept_share(2 * group.order, 0)
    assert row["share"] <= 0.1
    assert row["n_unfinished"] == 0


def test_purity_is_one_for_a_feature_and_zero_for_noise() -> None:
    """Also in the irrep of Z7⋊Z3 that fills 18 of the 21 dimensions."""
    group = group_named("Z7⋊Z3")
    bases = isotypic_bases(group.table, group.irreps)[1:]
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((42, 20_000))
    found = purities(bases, noise / np.linalg.norm(noise, axis=0))
    assert found.mean(axis=1) == pytest.approx(0, abs=0.04)
    pure = feature(group.table, group.irreps, int(group.irreps.real[-1]), 1, rng)[:, None]
    assert purities(bases, pure)[-1] == pytest.approx(1)


def test_half_the_frequencies_of_23_are_kept_from_about_4_m_log_m() -> None:
    """Between 3.7, where an eighth is, and 4.7, where nine tenths are."""
    landscape = Landscape(group_named("Z23"), starts=22)
    unit = 23 * math.log(23)
    assert landscape.kept_share(round(3.7 * unit), 0)["share"] < 0.4
    assert landscape.kept_share(round(4.7 * unit), 0)["share"] > 0.6


def test_the_same_seeds_give_the_same_rows_and_others_do_not() -> None:
    first, again = (Landscape(group_named("D6"), starts=16) for _ in range(2))
    for landscape in (first, again):
        for seed in (0, 1):
            landscape.kept_share(75, seed)
            landscape.random_share(75, seed)
    pd.testing.assert_frame_equal(first.shares(), again.shares())
    assert first.shares()["start"].tolist() == ["feature", "feature", "random", "random"]


def test_no_pairs_and_too_many_are_refused() -> None:
    landscape = Landscape(group_named("Z5"), starts=4)
    for n_train in (0, 26):
        with pytest.raises(ValueError, match=rf"^n_train {n_train} is not from 1 to 25$"):
            landscape.kept_share(n_train, 0)


# ---------------------------------------------------------------- thresholds


@pytest.mark.parametrize("truth", [31, 100, 101, 350, 899])
def test_bisection_brackets_a_step_within_its_tolerance(truth: int) -> None:
    sizes, holds = bisected(lambda n: n >= truth, 30, 900, 0.03)
    found = bracket(sizes, holds)
    assert found.status is BracketStatus.BRACKETED
    assert found.n_low < truth <= found.n_high
    assert found.n_high / found.n_low <= 1.03 or found.n_high - found.n_low == 1
    assert len(sizes) <= 12


def test_bisection_reports_what_is_not_monotone() -> None:
    """A guard finds the gap just above the bracket, which bisection would pass by."""
    n_high = bracket(*bisected(lambda n: n >= 100, 30, 900, 0.03)).n_high
    sizes, holds = bisected(lambda n: n >= 100 and n != math.ceil(n_high * 1.03), 30, 900, 0.03)
    found = bracket(sizes, holds)
    assert found.status is BracketStatus.NOT_MONOTONE
    assert found.violations == 1


@pytest.mark.parametrize(
    ("truth", "status"),
    [(10, BracketStatus.ALL_GENERALIZED), (1000, BracketStatus.NONE_GENERALIZED)],
)
def test_bisection_stops_at_ends_that_are_alike(truth: int, status: BracketStatus) -> None:
    sizes, holds = bisected(lambda n: n >= truth, 30, 900, 0.03)
    assert sizes.tolist() == [30, 900]
    assert bracket(sizes, holds).status is status


def test_larger_irreps_need_more_pairs() -> None:
    """S4 has d_k = 1, 2 and 3: the order is Theorem 4's, the ratios 1, 4 and 9 are not."""
    landscape = Landscape(group_named("S4"), starts=12)
    n_c = [landscape.threshold(0, irrep_dim=d, tolerance=0.1).n_c for d in (1, 2, 3)]
    assert n_c == sorted(n_c)
    assert n_c[2] / n_c[0] < 2


def kept_of(name: str, half: float, most: float) -> pd.DataFrame:
    group = group_named(name)
    rows = [
        {"share": share, "split_seed": seed, "status": "bracketed", "n_c": n * (1 + seed / 10),
         "n_low": n - 1, "n_high": n + 1}
        for share, n in ((0.5, half), (0.95, most))
        for seed in (0, 1)
    ]  # fmt: skip
    return pd.DataFrame(rows).assign(
        group=name, group_order=group.order, max_irrep_dim=group.max_irrep_dim,
        irrep_dim=group.max_irrep_dim,
    )  # fmt: skip


def test_three_thresholds_stand_side_by_side(cells) -> None:  # noqa: ANN001
    orders = np.array([11, 17, 23, 31])
    trained = cells(orders, 2.7 * orders * np.log(orders), width=0.02)
    trained["group"] = [f"Z{M}" for M in orders]
    fit = fit_law(trained, "Theorem 4")
    kept = pd.concat([kept_of("D6", 80, 100), kept_of("Z23", 300, 340)])
    rows = three_thresholds(kept, trained, [fit], delta=0.1)
    assert rows["group"].tolist() == ["D6", "Z23"]
    z23 = rows.iloc[1]
    n_c = 2.7 * 23 * math.log(23)
    assert z23["trained"] == pytest.approx(n_c)
    assert z23["trained_low"] == pytest.approx(n_c * math.exp(-0.01))
    assert z23["kept_half"] == pytest.approx(300 * math.sqrt(1.1))
    assert (z23["kept_half_low"], z23["kept_half_high"]) == (299, 301)
    assert z23["kept_most"] == pytest.approx(340 * math.sqrt(1.1))
    assert z23["fitted_low"] <= z23["fitted"] <= z23["fitted_high"]
    assert z23["fitted"] == pytest.approx(n_c, rel=1e-3)
    assert z23["papers_code"] == pytest.approx(2.7482 * 23 * math.log(23))
    assert z23["theorem4"] == pytest.approx(23 * math.log(230))
    d6 = rows.iloc[0]
    assert np.isnan(d6["trained"])
    assert d6["trained_seeds"] == 0
    assert d6["theorem4"] == pytest.approx(4 * 12 * math.log(120))
    assert d6["all_pairs"] == 144


def test_a_seed_outside_its_grid_leaves_the_mean_unknown(cells) -> None:  # noqa: ANN001
    trained = pd.concat([cells([23], np.array([190.0]))] * 2, ignore_index=True)
    trained["group"] = "Z23"
    trained.loc[1, ["n_c", "n_high"]] = np.nan
    row = three_thresholds(kept_of("Z23", 300, 340), trained).iloc[0]
    assert np.isnan(row["trained"])
    assert row["trained_seeds"] == 1


def test_every_irrep_dimension_has_thresholds_of_its_own() -> None:
    rows = landscape_thresholds(Landscape(group_named("D3"), starts=8), [0, 1], delta=0.2)
    assert rows.groupby(["irrep_dim", "share"]).size().to_dict() == {
        (1, 0.5): 2, (1, 0.8): 2, (2, 0.5): 2, (2, 0.8): 2,
    }  # fmt: skip
    assert rows["n_c"].notna().all()
    assert (rows["n_high"] <= 36).all()
