import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from analysis import compare_laws, declare, fit_law
from analysis.laws import Array

MakeFrame = Callable[..., pd.DataFrame]
ORDERS = np.array([11, 17, 23, 31, 41, 53, 71, 97, 127])
NOISE = np.exp(np.random.default_rng(3).normal(0, 0.01, len(ORDERS)))


@pytest.mark.parametrize(
    ("law", "truth"),
    [
        ("n ∝ M", 9.0 * ORDERS),
        ("M log M", 2.7 * ORDERS * np.log(ORDERS)),
        ("M^(5/3)", ORDERS ** (5 / 3)),
        ("M²", 0.3 * ORDERS**2),
    ],
)
def test_the_true_law_wins_and_predicts_the_largest_orders(
    cells: MakeFrame, law: str, truth: Array
) -> None:
    table = compare_laws(cells(ORDERS, truth * NOISE)).set_index("law")
    assert table.index[0] == law
    assert table.loc[law, "delta_aicc"] == 0
    assert table.loc[law, "held_out_error"] < 0.03
    others = table.drop([law, "power law", "Theorem 4"])
    assert (others["delta_aicc"] > 10).all()
    assert (others["held_out_error"] > 0.1).all()


def test_the_rows_agree_with_the_fits_and_with_hand_work(cells: MakeFrame) -> None:
    thresholds = cells(ORDERS, 2.7 * ORDERS * np.log(ORDERS) * NOISE)
    table = compare_laws(thresholds).set_index("law")
    law = fit_law(thresholds).law
    assert table.loc["power law", "aicc"] == pytest.approx(law.aicc)
    assert table.loc["power law", "residual_sd"] == pytest.approx(law.residual_sd)
    assert table.loc["M log M", "residual_sd"] == pytest.approx(np.std(np.log(NOISE), ddof=1))
    left = np.log(NOISE[7:]) - np.log(NOISE[:7]).mean()
    assert table.loc["M log M", "held_out_error"] == pytest.approx(math.sqrt(np.mean(left**2)))
    before = fit_law(thresholds[:7]).law.predict(ORDERS[7:].astype(float))[0]
    left = np.log(thresholds["n_c"].to_numpy()[7:] / before)
    assert table.loc["power law", "held_out_error"] == pytest.approx(math.sqrt(np.mean(left**2)))


def test_the_irrep_dimension_is_taken_out_where_it_varies(cells: MakeFrame) -> None:
    orders, dims = np.tile(ORDERS, 2), np.repeat([1, 2], len(ORDERS))
    noise = np.exp(np.random.default_rng(5).normal(0, 0.01, len(orders)))
    truth = 2.7 * orders * np.log(orders) * dims**2 * noise
    table = compare_laws(cells(orders, truth, dims)).set_index("law")
    good = ["M log M d^γ", "power law d^γ", "Theorem 4 d^γ", "M log M d²"]
    assert table.loc["M log M d^γ", "delta_aicc"] < 3
    assert table.loc["M log M d²", "delta_aicc"] < 2
    assert (table.drop(good)["delta_aicc"] > 10).all()
    assert table.loc["M log M d^γ", "n_parameters"] == 2
    assert table.loc["Theorem 4 d^γ", "n_parameters"] == 3
    assert table.loc["M log M d^γ", "held_out_error"] < 0.03
    assert table.loc["M log M d²", "p_in_family"] > 0.05


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_with_few_groups_the_missing_is_missing(cells: MakeFrame, count: int) -> None:
    table = compare_laws(cells(ORDERS[:count], 9.0 * ORDERS[:count])).set_index("law")
    assert len(table) == 6
    assert table["aicc"].isna().sum() >= 5
    assert math.isnan(table.loc["power law", "held_out_error"])


def test_a_fixed_shape_is_tested_inside_its_family_as_its_interval_says(cells: MakeFrame) -> None:
    """In the power law the F test is the t test of β: p < 0.05 just where β's interval ends."""
    for truth in (1.0, 1.06, 1.25, 5 / 3):
        noise = np.exp(np.random.default_rng(2).normal(0, 0.05, len(ORDERS)))
        thresholds = cells(ORDERS, 9.0 * ORDERS**truth * noise, width=0.1)
        table = compare_laws(thresholds).set_index("law")
        power, theorem4 = fit_law(thresholds).law, fit_law(thresholds, "Theorem 4").law
        for law, beta in {"n ∝ M": 1.0, "M^(5/3)": 5 / 3, "M²": 2.0}.items():
            assert (table.loc[law, "p_in_family"] > 0.05) == (beta in power.beta)
            assert (table.loc[law, "p_with_grid"] > 0.05) == (beta in power.quoted_beta)
        kept = table.loc["M log M", "p_in_family"] > 0.05
        assert kept == (theorem4.m_log_m_beta in theorem4.beta)
        assert (table["p_with_grid"] >= table["p_in_family"]).sum() == 4
        assert table.loc["power law", "family"] == ""


def test_declared_laws_are_compared_with_the_others(cells: MakeFrame) -> None:
    truth = 2.7 * ORDERS * np.log(ORDERS) * NOISE
    same = declare("mine", "n = exp(a) * M * log(M)", {"a": "free"}, family="Theorem 4")
    table = compare_laws(cells(ORDERS, truth), [same]).set_index("law")
    assert table.loc["mine"].equals(table.loc["M log M"])
