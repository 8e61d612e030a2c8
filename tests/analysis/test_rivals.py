import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from analysis import compare_laws, fit_power_law
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
    law = fit_power_law(thresholds).law
    assert table.loc["power law", "aicc"] == pytest.approx(law.aicc)
    assert table.loc["power law", "residual_sd"] == pytest.approx(law.residual_sd)
    assert table.loc["M log M", "residual_sd"] == pytest.approx(np.std(np.log(NOISE), ddof=1))
    left = np.log(NOISE[7:]) - np.log(NOISE[:7]).mean()
    assert table.loc["M log M", "held_out_error"] == pytest.approx(math.sqrt(np.mean(left**2)))
    before = fit_power_law(thresholds[:7]).law.predict(ORDERS[7:].astype(float))[0]
    left = np.log(thresholds["n_c"].to_numpy()[7:] / before)
    assert table.loc["power law", "held_out_error"] == pytest.approx(math.sqrt(np.mean(left**2)))


def test_the_irrep_dimension_is_taken_out_where_it_varies(cells: MakeFrame) -> None:
    orders, dims = np.tile(ORDERS, 2), np.repeat([1, 2], len(ORDERS))
    noise = np.exp(np.random.default_rng(5).normal(0, 0.01, len(orders)))
    truth = 2.7 * orders * np.log(orders) * dims**2 * noise
    table = compare_laws(cells(orders, truth, dims)).set_index("law")
    assert table.loc["M log M", "delta_aicc"] < 2
    assert (table.drop(["M log M", "power law", "Theorem 4"])["delta_aicc"] > 10).all()
    assert table.loc["M log M", "n_parameters"] == 2
    assert table.loc["Theorem 4", "n_parameters"] == 3
    assert table.loc["M log M", "held_out_error"] < 0.03


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_with_few_groups_the_missing_is_missing(cells: MakeFrame, count: int) -> None:
    table = compare_laws(cells(ORDERS[:count], 9.0 * ORDERS[:count])).set_index("law")
    assert len(table) == 6
    assert table["aicc"].isna().sum() >= 5
    assert math.isnan(table.loc["power law", "held_out_error"])
