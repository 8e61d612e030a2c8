import math
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from analysis import fit_law
from analysis.advice import Advice, Decision, advise, expected_half_width
from analysis.horizon import HorizonCheck, HorizonStatus

MakeFrame = Callable[..., pd.DataFrame]
ORDERS = np.array([23, 31, 41, 53, 71, 97, 127])


def advice_on(
    cells: pd.DataFrame, status: HorizonStatus = HorizonStatus.STABLE, runs: int = 9
) -> Advice:
    fit = fit_law(cells)
    check = HorizonCheck(fit.setting, status, {}, None, None)
    return advise(fit, check, cells.assign(n_runs=runs))


def other_dims(runs: str) -> str:
    """What is advised where all groups are abelian, at M* = 54."""
    return (
        "No spread in d: all groups have d_k = 1, so that its exponent γ, 2 in Theorem 4, cannot be"
        " fitted. Add groups of other d_k, such as D29 (d_k = 2), Z19⋊Z3 (d_k = 3) and Z17⋊Z4"
        f" (d_k = 4) ({runs})."
    )


GRID = "27 runs of 1 seed each on a grid like this one, or about 9 with design: boundary"


def test_one_law_left_is_decided_and_claims_consistency_alone(cells: MakeFrame) -> None:
    scatter = np.exp(0.005 * np.array([1, -2, 1, 0, 1, -2, 1]))
    found = advice_on(cells(ORDERS, 2.7 * ORDERS * np.log(ORDERS) * scatter, width=0.02))
    assert found == Advice(
        Decision.DECIDED,
        "Over M = 23 to 127 the thresholds are consistent with M log M (here M^1.25) alone"
        " of the laws compared.",
        (other_dims(GRID),),
    )
    none = advice_on(cells(ORDERS, 1.0 * ORDERS**1.4, width=0.001))
    assert none.decision is Decision.DECIDED
    assert "are consistent with none of the laws compared." in none.headline


def test_thresholds_that_bend_are_no_exponent_to_carry_on(cells: MakeFrame) -> None:
    x = np.log(ORDERS / 54)
    bent = advice_on(cells(ORDERS, np.exp(6 + 1.25 * x + 0.1 * x**2), width=0.001))
    assert bent.headline.endswith(
        "They bend over these orders in another way, so this need not carry on."
    )


def test_undecided_says_which_orders_and_how_many_runs(cells: MakeFrame) -> None:
    found = advice_on(cells(ORDERS, 9.0 * ORDERS**1.2, width=0.4))
    assert found == Advice(
        Decision.UNDECIDED,
        "Over M = 23 to 127 n ∝ M and M log M (here M^1.25) cannot be told apart.",
        (
            "To tell them apart, add orders, such as M = 7, 11, 13, 17, 181, 257, 359, 509 and 719"
            " (81 runs of 1 seed each on a grid like this one, or about 27 with design: boundary)."
            " If the thresholds scatter as they do now, β should then be known to ±0.12, where the"
            " laws are 0.25 apart.",
            other_dims(GRID),
        ),
    )


def test_the_expected_width_is_that_of_a_fit_to_such_thresholds(cells: MakeFrame) -> None:
    scatter = 0.03 * np.random.default_rng(0).standard_normal(len(ORDERS))
    law = fit_law(cells(ORDERS, np.exp(scatter) * ORDERS**1.3, width=0.06)).law
    assert law is not None
    expected = expected_half_width(ORDERS.astype(float), law, 0.03)
    assert expected == pytest.approx(law.quoted_beta.half_width)


def test_what_is_advised_decides(cells: MakeFrame) -> None:
    """M log M with 3 % scatter: M = 53 to 97 cannot tell it from others, and what is added can."""
    rng = np.random.default_rng(1)

    def measured(orders: np.ndarray, width: float) -> pd.DataFrame:
        n_c = 2.7 * orders * np.log(orders) * np.exp(0.03 * rng.standard_normal(len(orders)))
        return cells(orders, n_c, width=width)

    decided = []
    for _ in range(60):
        few = np.array([53, 61, 71, 83, 97])
        found = advice_on(measured(few, 0.04))
        if found.decision is Decision.DECIDED or "such as M = " not in found.to_add[0]:
            continue
        text = found.to_add[0].split("such as M = ")[1].split(" (")[0]
        added = [int(order) for order in text.replace(" and ", ", ").split(", ")]
        finer = {"half": 2, "a quarter": 4}
        parts = [n for word, n in finer.items() if f"to {word} of" in found.to_add[0]] or [1]
        again = measured(np.array(sorted([*few, *added])), 0.04 / parts[0])
        decided.append(advice_on(again).decision is Decision.DECIDED)
    assert len(decided) > 20
    assert np.mean(decided) > 0.8


def test_scatter_that_no_order_helps_against_is_said(cells: MakeFrame) -> None:
    wild = np.exp(np.tile([1.5, -1.5], 4)[:7])
    text, _ = advice_on(cells(ORDERS, wild * ORDERS, width=0.02)).to_add
    assert text.startswith("At this scatter (")
    assert text.endswith("find out first what the thresholds scatter by.")


def test_a_moving_exponent_asks_for_a_longer_horizon(cells: MakeFrame) -> None:
    table = cells(ORDERS, 2.7 * ORDERS * np.log(ORDERS), width=0.02)
    assert advice_on(table, HorizonStatus.DRIFTS) == Advice(
        Decision.UNDECIDED,
        "No verdict: the exponent still moves with the horizon.",
        (
            "Raise max_steps from 4,000 to 8,000. Another horizon is another trial: 63 runs for all"
            " of this setting, or about 21 with design: boundary.",
        ),
    )


def test_too_few_groups_are_told_what_is_missing(cells: MakeFrame) -> None:
    few = advice_on(cells(ORDERS[:1], 9.0 * ORDERS[:1]), runs=3)
    assert few == Advice(
        Decision.NO_LAW,
        "No law yet: 1 group with a threshold, and a fit needs 3.",
        (
            "Add 2 groups at least, and some two more for an interval worth having, such as M = 13,"
            " 17, 37 and 47 (about 12 runs).",
        ),
    )


@pytest.mark.parametrize("order", range(2, 13))
def test_one_order_however_small_is_told_what_is_missing(cells: MakeFrame, order: int) -> None:
    found = advice_on(cells(np.array([order]), np.array([order + 1.5])))
    assert found.decision is Decision.NO_LAW
    assert found.to_add[0].startswith("Add 2 groups at least")


def test_groups_without_a_threshold_are_told_which_side_to_add(cells: MakeFrame) -> None:
    table = pd.concat([cells(ORDERS[:3], np.array([200.0, 300.0, 400.0]), width=0.1)] * 2)
    table["init_seed"] = [0, 0, 0, 1, 1, 1]
    table["status"] = [
        *("none_generalized", "all_generalized", "unresolved"),
        *("all_generalized", "all_generalized", "bracketed"),
    ]
    table.iloc[:5, table.columns.get_loc("n_c")] = math.nan
    assert advice_on(table).to_add == (
        "For G0 (M = 23) add n_train below 210 (1 seed) and n_train above 190, or a longer horizon"
        " (1 seed).",
        "For G1 (M = 31) add n_train below 315 (2 seeds).",
        "For G2 (M = 41) add a longer horizon, for runs still rose at n = 380 (1 seed).",
    )


def test_an_exponent_of_d_that_is_known_asks_for_no_groups(cells: MakeFrame) -> None:
    dims = np.array([1, 2, 1, 3, 1, 2, 1])
    known = cells(ORDERS, 2.7 * ORDERS * np.log(ORDERS) * dims**0.9, dims, width=0.001)
    assert advice_on(known).to_add == ()
    noise = np.exp(0.4 * np.array([1, 1, -1, -1, 1, -1, 0]))
    open_ = cells(ORDERS, 2.7 * ORDERS * np.log(ORDERS) * dims**0.9 * noise, dims, width=0.02)
    fit = fit_law(open_)
    assert fit.law
    assert fit.law.gamma
    assert 0 in fit.law.gamma
    assert 1 in fit.law.gamma
    last = advice_on(open_).to_add[-1]
    assert last.startswith("The exponent of d, γ = ")
    assert "may be 0 or 1" in last
    assert "such as Z17⋊Z4 (d_k = 4) (" in last


def test_expressions_have_no_irreps_to_vary(cells: MakeFrame) -> None:
    table = cells(ORDERS, 2.7 * ORDERS * np.log(ORDERS), width=0.001)
    assert advice_on(table.assign(task=table["group"] + ": x*y")).to_add == ()
