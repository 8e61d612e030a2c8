import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from analysis import (
    FitStatus,
    Form,
    GroupMeans,
    constants,
    fit_law,
    fit_laws,
    group_means,
)
from analysis.laws import Array, Estimate, Law, LawFit, aicc

MakeFrame = Callable[..., pd.DataFrame]
Fit = Callable[[pd.DataFrame], LawFit]
ORDERS = np.array([23, 31, 41, 53, 71, 97, 127])
STAR = stats.gmean(ORDERS)


def theorem4(
    orders: Array | float, C: float, delta: float, dims: Array | float = 1.0, gamma: float = 2.0
) -> Array:
    return C * dims**gamma * orders * np.log(orders / delta)


# ---------------------------------------------------------------- known answers


@pytest.mark.parametrize("beta", [0.5, 1.0, 1.37, 2.0])
def test_an_exact_power_law_is_recovered(cells: MakeFrame, beta: float) -> None:
    fit = fit_law(cells(ORDERS, 3.0 * ORDERS**beta))
    law = fit.law
    assert fit.status is FitStatus.OK
    assert law.beta.value == pytest.approx(beta, abs=1e-12)
    assert (law.beta.low, law.beta.high) == pytest.approx((beta, beta), abs=1e-9)
    assert law.n_star.value == pytest.approx(3.0 * STAR**beta)
    assert law.order_star == pytest.approx(STAR)
    assert law.gamma is None
    assert (law.residual_sd, law.resolution) == pytest.approx((0, 0), abs=1e-9)
    assert law.predict(np.array([200.0]))[0] == pytest.approx([3.0 * 200**beta])


@pytest.mark.parametrize("delta", [1e-6, 0.05, 0.5, 1.0])
def test_an_exact_theorem_4_is_recovered_with_its_constants(cells: MakeFrame, delta: float) -> None:
    fit = fit_law(cells(ORDERS, theorem4(ORDERS, 2.5, delta)), "Theorem 4")
    law = fit.law
    assert fit.status is FitStatus.OK
    assert law.beta.value == pytest.approx(1 + 1 / math.log(STAR / delta), abs=1e-7)
    assert law.n_star.value == pytest.approx(theorem4(STAR, 2.5, delta), rel=1e-7)
    found = constants(law)
    assert found.delta.value == pytest.approx(delta, rel=1e-4)
    assert pytest.approx(2.5, rel=1e-5) == found.C
    assert found.reason == ""
    assert law.predict(np.array([200.0]))[0] == pytest.approx([theorem4(200, 2.5, delta)], rel=1e-5)


@pytest.mark.parametrize("form", Form)
def test_the_exponent_of_the_irrep_dimension_is_recovered_where_it_varies(
    cells: MakeFrame, form: Form
) -> None:
    orders, dims = np.tile(ORDERS, 2), np.repeat([1, 2], len(ORDERS))
    law_of = {Form.POWER: lambda M: 3 * M**1.2, Form.THEOREM_4: lambda M: theorem4(M, 2.5, 0.3)}
    law = fit_law(cells(orders, law_of[form](orders) * dims**1.7, dims), form).law
    assert law.gamma.value == pytest.approx(1.7, abs=1e-6)
    assert law.dim_star == pytest.approx(math.sqrt(2))
    assert law.dof == 11
    n_c = law.predict(np.array([80.0]), 2.0)[0]
    assert n_c == pytest.approx(law_of[form](np.array([80.0])) * 2**1.7, rel=1e-5)


def test_the_constant_takes_the_irrep_dimension_out(cells: MakeFrame) -> None:
    orders, dims = np.tile(ORDERS, 2), np.repeat([1, 2], len(ORDERS))
    law = fit_law(cells(orders, theorem4(orders, 2.5, 0.3, dims), dims), "Theorem 4").law
    assert pytest.approx(2.5, rel=1e-4) == constants(law).C


# ---------------------------------------------------------------- against references


@pytest.fixture
def noisy(cells: MakeFrame) -> pd.DataFrame:
    noise = np.random.default_rng(7).normal(0, 0.05, len(ORDERS))
    return cells(ORDERS, theorem4(ORDERS, 2.7, 0.5) * np.exp(noise), width=0.06)


def test_power_law_intervals_equal_the_textbook_regression(noisy: pd.DataFrame) -> None:
    law = fit_law(noisy).law
    x, y = np.log(ORDERS / STAR), np.log(noisy["n_c"])
    line = stats.linregress(x, y)
    t = stats.t.ppf(0.975, len(x) - 2)
    assert law.beta.value == pytest.approx(line.slope)
    assert law.beta.half_width == pytest.approx(t * line.stderr)
    margin = t * line.intercept_stderr
    assert law.n_star.low == pytest.approx(math.exp(line.intercept - margin))
    assert law.n_star.high == pytest.approx(math.exp(line.intercept + margin))
    _, low, high = law.predict(np.array([STAR]))
    assert (low[0], high[0]) == pytest.approx((law.n_star.low, law.n_star.high))
    residuals = y - line.intercept - line.slope * x
    assert law.residual_sd == pytest.approx(math.sqrt(np.sum(residuals**2) / 5))
    assert fit_law(noisy).groups["residual"].to_numpy() == pytest.approx(residuals.to_numpy())
    assert law.aicc == pytest.approx(aicc(float(np.sum(residuals**2)), 7, 2))


def test_the_profile_interval_ends_where_the_f_test_turns(noisy: pd.DataFrame) -> None:
    law = fit_law(noisy, "Theorem 4").law
    x, y = np.log(ORDERS / STAR), np.log(noisy["n_c"]).to_numpy()

    def rss(beta: float) -> float:
        left = y - x - np.log(1 + (beta - 1) * x)
        return np.sum((left - left.mean()) ** 2)

    for end in (law.beta.low, law.beta.high):
        F = (rss(end) - rss(law.beta.value)) / (rss(law.beta.value) / 5)
        assert stats.f.sf(F, 1, 5) == pytest.approx(0.05, rel=1e-5)
    around = law.beta.value + np.linspace(-0.3, 0.3, 601)
    assert min(map(rss, around)) >= rss(law.beta.value) - 1e-12


@pytest.mark.parametrize("form", Form)
def test_intervals_cover_the_truth_as_often_as_they_say(cells: MakeFrame, form: Form) -> None:
    rng = np.random.default_rng(11)
    truth, sweeps, hits = 1 + 1 / math.log(STAR / 0.5), 300, 0
    law_of = {Form.POWER: 3 * ORDERS**truth, Form.THEOREM_4: theorem4(ORDERS, 2.7, 0.5)}
    for _ in range(sweeps):
        table = cells(ORDERS, law_of[form] * np.exp(rng.normal(0, 0.03, len(ORDERS))))
        hits += truth in fit_law(table, form).law.beta
    # 95 % ± 3 binomial standard deviations
    assert stats.binom.ppf(0.0015, sweeps, 0.95) <= hits <= stats.binom.ppf(0.9985, sweeps, 0.95)


def test_aicc_is_the_formula_and_is_missing_where_there_is_none() -> None:
    assert aicc(0.1, 10, 2) == pytest.approx(10 * math.log(0.01) + 6 + 24 / 6)
    assert aicc(0.1, 4, 2) is None
    assert aicc(0.0, 10, 2) is None


# ---------------------------------------------------------------- the resolution of the grid


@settings(max_examples=50, deadline=None)
@given(
    beta=st.floats(0.8, 2.0),
    constant=st.floats(0.5, 5),
    step=st.floats(0.02, 0.3),
    tilt=st.floats(0, 2),
)
def test_without_noise_the_quoted_interval_holds_the_truth_on_any_grid(
    cells: MakeFrame, beta: float, constant: float, step: float, tilt: float
) -> None:
    """The grid is geometric in n/M^tilt: any shape that the grids of all groups could share."""
    truth = np.log(constant) + beta * np.log(ORDERS)
    place = (truth - tilt * np.log(ORDERS)) / step
    middle = (np.floor(place) + 0.5) * step + tilt * np.log(ORDERS)
    law = fit_law(cells(ORDERS, np.exp(middle), width=step)).law
    assert beta in law.quoted_beta.widened(1e-9)


def test_a_grid_in_m_log_m_does_not_pass_for_a_measurement_of_it(cells: MakeFrame) -> None:
    """All groups fall in one cell of the grid, so they scatter not at all, about the wrong law."""
    step, truth = 0.2, 1.2
    m_log_m = ORDERS * np.log(ORDERS) / (STAR * math.log(STAR))
    log_ratio = 1.1 + np.log((ORDERS / STAR) ** truth / m_log_m)
    middle = np.exp((np.floor(log_ratio / step) + 0.5) * step) * m_log_m
    law = fit_law(cells(ORDERS, middle, width=step)).law
    assert truth not in law.beta
    assert truth in law.quoted_beta
    assert law.beta.half_width < 0.02 < law.resolution


# ---------------------------------------------------------------- statuses


def test_too_few_groups_are_said_to_be_so(cells: MakeFrame) -> None:
    for fit in (
        fit_law(cells(ORDERS[:2], ORDERS[:2] * 9.0)),
        fit_law(cells([], np.empty(0)), "Theorem 4"),
    ):
        assert fit.law is None
        assert str(fit.status) == (
            "too few groups have a threshold, and a fit needs one more than its parameters:"
            " add group orders, or n_train on both sides of their thresholds"
        )


@pytest.mark.parametrize("form", Form)
def test_groups_without_spread_are_said_to_be_so(cells: MakeFrame, form: Form) -> None:
    same_order = fit_law(cells([24] * 5, np.arange(300.0, 305)), form)
    dims = np.array([1, 2, 3, 4, 5])
    collinear = fit_law(cells(dims * 8, 9.0 * dims, dims), form)
    assert same_order.law is None
    assert collinear.law is None
    assert (
        str(same_order.status)
        == str(collinear.status)
        == (
            "the groups' orders and irrep dimensions do not vary independently, so their effects"
            " cannot be told apart: add groups of other orders, and of like order but other"
            " dimensions"
        )
    )


@pytest.mark.parametrize(
    ("orders", "n_c"), [(ORDERS, 1e-6 * ORDERS**6.0), ([23, 53, 127], [100.0, 2000.0, 300.0])]
)
def test_an_exponent_without_bounds_is_said_to_be_open(
    cells: MakeFrame, orders: Array, n_c: Array
) -> None:
    fit = fit_law(cells(orders, np.array(n_c)), "Theorem 4")
    assert str(fit.status) == (
        "the local exponent has no bound within what this form can take: the thresholds scatter too"
        " much, or do not follow it: see the power law, and add group orders at both ends"
    )
    assert math.inf in (fit.law.beta.high, -fit.law.beta.low)


def test_a_bend_away_from_the_law_is_measured(cells: MakeFrame) -> None:
    x = np.log(ORDERS / STAR)
    law = fit_law(cells(ORDERS, np.exp(6 + 1.2 * x + 0.3 * x**2))).law
    assert law.curvature.value == pytest.approx(0.3)
    assert fit_law(cells(ORDERS[:3], np.exp(x[:3]))).law.curvature is None


def test_several_settings_are_fitted_one_by_one(cells: MakeFrame) -> None:
    table = pd.concat(
        [cells(ORDERS, 3.0 * ORDERS**beta, setting=f"β {beta}") for beta in (1.4, 1.2)]
    )
    found = [(fit.setting, fit.form) for fit in fit_laws(table)]
    assert found == [(f"β {b}", form) for b in (1.2, 1.4) for form in (Form.POWER, Form.THEOREM_4)]
    with pytest.raises(ValueError, match=r"of 2 settings; fit one at a time \(fit_laws\)$"):
        fit_law(table)
    assert fit_laws(table[:0]) == []


# ---------------------------------------------------------------- stage one


def with_seeds(cells: MakeFrame, statuses: list[str]) -> GroupMeans:
    table = pd.concat([cells([23], np.array([100.0 * 2**i])) for i in range(len(statuses))])
    table["status"] = statuses
    table.loc[table["status"].isin(["none_generalized", "all_generalized"]).to_numpy(), "n_c"] = (
        None
    )
    table.loc[(table["status"] == "no_runs").to_numpy(), ["n_low", "n_high", "n_c"]] = None
    return group_means(table)


def test_a_group_has_the_mean_log_threshold_of_its_seeds(cells: MakeFrame) -> None:
    row = with_seeds(cells, ["bracketed", "not_monotone", "bracketed"]).table.iloc[0]
    assert row["log_n_c"] == pytest.approx(math.log(200))
    assert row["n_seeds"] == 3


def test_a_seed_outside_its_grid_drops_the_group_for_the_others_would_be_biased(
    cells: MakeFrame,
) -> None:
    above = with_seeds(cells, ["bracketed", "none_generalized", "bracketed"])
    below = with_seeds(cells, ["all_generalized", "bracketed"])
    both = with_seeds(cells, ["all_generalized", "none_generalized"])
    assert above.table.empty
    assert above.dropped == (
        "G0: threshold above the largest n_train, or beyond the horizon, for 1 of 3 seeds",
    )
    assert below.dropped == ("G0: threshold below the smallest n_train for 1 of 2 seeds",)
    assert both.dropped == ("G0: threshold outside the n_train run for 2 of 2 seeds",)


def test_a_seed_without_runs_says_nothing_and_leaves_the_group_its_others(cells: MakeFrame) -> None:
    assert with_seeds(cells, ["bracketed", "no_runs"]).table["n_seeds"].tolist() == [1]
    assert with_seeds(cells, ["no_runs"]).dropped == ("G0: every run failed",)


@pytest.mark.parametrize("form", Form)
def test_exact_rivals_have_the_exponent_that_they_are_held_to(cells: MakeFrame, form: Form) -> None:
    """Odd orders lie denser in log M at the top: there M log M is no power 1 + 1/ln M*."""
    orders = np.arange(11.0, 98.0, 4.0)
    rivals = {
        "n ∝ M": orders,
        "M log M": orders * np.log(orders),
        "M^(5/3)": orders ** (5 / 3),
        "M²": orders**2,
    }
    for name, values in rivals.items():
        law = fit_law(cells(orders.astype(int), 3.0 * values), form).law
        assert law.rival_betas[name] == pytest.approx(law.beta.value, abs=1e-7)
    power = fit_law(cells(orders.astype(int), rivals["M log M"])).law
    line = stats.linregress(np.log(orders), np.log(rivals["M log M"]))
    assert power.m_log_m_beta == pytest.approx(line.slope)
    local = 1 + 1 / math.log(power.order_star)
    assert power.m_log_m_beta - local > 0.02
    assert fit_law(cells(orders.astype(int), orders), "Theorem 4").law.m_log_m_beta == (
        pytest.approx(local)
    )


@pytest.mark.parametrize("form", Form)
def test_m_log_m_is_kept_as_often_as_its_interval_says(cells: MakeFrame, form: Form) -> None:
    rng = np.random.default_rng(3)
    orders, kept, sweeps = np.arange(11, 98, 4), 0, 150
    for _ in range(sweeps):
        n_c = 2.7 * orders * np.log(orders) * np.exp(rng.normal(0, 0.02, len(orders)))
        law = fit_law(cells(orders, n_c), form).law
        kept += law.m_log_m_beta in law.beta
    # 95 % less three binomial standard deviations; its bend widens the power law's interval
    assert kept >= stats.binom.ppf(0.0015, sweeps, 0.95)


def test_what_is_said_of_d_and_of_bends_allows_for_the_grid(cells: MakeFrame) -> None:
    """n_c = 2.7 d^0.1 M log M on a grid in n/(M log M) in which each d has one cell."""
    orders, dims, step = np.tile(ORDERS, 2), np.repeat([1, 2], len(ORDERS)), 0.2
    place = np.floor(np.log(2.7 * dims**0.1) / step)
    law = fit_law(cells(orders, np.exp((place + 0.5) * step) * orders * np.log(orders), dims,
                        width=step)).law  # fmt: skip
    assert 0.1 not in law.gamma
    assert 0.1 in law.quoted_gamma
    # each half moves by half a cell: log 2 between them
    assert law.gamma_resolution == pytest.approx(step / math.log(2))
    curve = np.linalg.lstsq(np.vander(np.log(ORDERS / STAR), 3), np.eye(7))[0][0]
    alone = fit_law(cells(ORDERS, 2.7 * ORDERS * np.log(ORDERS), width=step)).law.curvature
    exact = fit_law(cells(ORDERS, 2.7 * ORDERS * np.log(ORDERS))).law.curvature
    assert alone.half_width - exact.half_width == pytest.approx(np.abs(curve).sum() * step / 2)
    assert 0 in alone
    assert 0 not in exact


def test_a_law_says_nothing_of_dimensions_that_were_not_fitted(cells: MakeFrame) -> None:
    law = fit_law(cells(ORDERS, 3.0 * ORDERS**1.2, 2)).law
    for dims in (2.0, None):
        assert law.predict(np.array([80.0]), dims)[0] == pytest.approx([3.0 * 80**1.2])
    assert np.isnan(law.predict(np.array([80.0]), np.array([3.0]))).all()


# ---------------------------------------------------------------- C and δ


def law_with(beta: Estimate, form: Form = Form.THEOREM_4, resolution: float = 0.0) -> Law:
    n_star = Estimate(800, 790, 810)
    return Law(
        form=form,
        order_star=60.0,
        dim_star=1.0,
        n_star=n_star,
        beta=beta,
        gamma=None,
        resolution=resolution,
        gamma_resolution=0.0,
        curvature=None,
        residual_sd=0.01,
        dof=5,
        aicc=None,
        covariance=np.zeros((2, 2)),
        rival_betas={"M log M": 1 + 1 / math.log(60)},
    )


def test_c_and_delta_exist_only_where_theorem_4_allows_them() -> None:
    assert constants(law_with(Estimate(1.2, 0.99, 1.4))).reason == (
        "the interval of β does not lie above 1, where n ∝ M and δ → 0"
    )
    assert constants(law_with(Estimate(1.2, 1.01, 1.4), resolution=0.02)).delta is None
    assert constants(law_with(Estimate(1.5, 1.3, 1.7))).reason == (
        "the interval of β lies above 1 + 1/ln M* = 1.244, where δ = 1"
    )
    assert constants(law_with(Estimate(1.2, 1.1, 1.3), Form.POWER)).reason == (
        "C and δ belong to the form of Theorem 4"
    )
    found = constants(law_with(Estimate(1.2, 1.1, 1.25)))
    assert found.delta.value == pytest.approx(60 * math.exp(-5))
    assert found.delta.low == pytest.approx(60 * math.exp(-10))
    assert found.delta.high == pytest.approx(60 * math.exp(-4))
    assert pytest.approx(800 * 0.2 / 60) == found.C
