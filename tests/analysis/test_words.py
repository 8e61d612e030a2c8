import json
import math
import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis import (
    FitStatus,
    compare_laws,
    fit_law,
    fit_laws,
    horizon_check,
    thresholds,
)
from analysis.dims import Dim
from analysis.horizon import HorizonCheck, HorizonStatus
from analysis.laws import Estimate, Form, LawFit, constants
from analysis.limits import Limit, LimitStatus, limits_as_thresholds
from analysis.tables import law_summary, law_table, plain, rivals_table, threshold_table
from analysis.words import (
    dims_words,
    horizon_words,
    limit_words,
    rival_exponents,
    span,
    theorem4_constants,
    verdict,
)

MakeFrame = Callable[..., pd.DataFrame]
ORDERS = np.array([23, 31, 41, 53, 71, 97, 127])
WHERE = "two_layer, K 256, square, mse, adam, lr 0.005, wd 0.0002, horizon 4000 steps"


@pytest.fixture
def m_log_m(cells: MakeFrame) -> pd.DataFrame:
    return cells(ORDERS, 2.7 * ORDERS * np.log(ORDERS), width=0.02, setting=WHERE)


def checked(fit: LawFit, status: HorizonStatus, drift: float | None = 0.001) -> HorizonCheck:
    return HorizonCheck(fit.setting, status, {1.0: fit}, drift, 0.01)


def test_a_verdict_names_the_setting_and_claims_consistency_not_proof(
    m_log_m: pd.DataFrame,
) -> None:
    fit = fit_law(m_log_m, "Theorem 4")
    assert verdict(fit, checked(fit, HorizonStatus.STABLE)) == (
        f"{WHERE}: n_c grows with the local exponent β = 1.25 (1.24 to 1.27) at M* = 54.1"
        " (Theorem 4, 7 groups, M = 23 to 127). Consistent with M log M (local exponent 1.25),"
        " which is no proof of it. Not with n ∝ M, M^(5/3) and M² (a constant fraction)."
    )


def test_a_drifting_exponent_gets_no_verdict(m_log_m: pd.DataFrame) -> None:
    fit = fit_law(m_log_m, "Theorem 4")
    assert verdict(fit, checked(fit, HorizonStatus.DRIFTS, -0.05)).endswith(
        "No verdict on the law, because β still moves with the horizon by more than its interval"
        " allows, so it measures the cap on steps: raise max_steps, and space n_train more finely"
        " about the thresholds (by −0.050 from half to the whole, against 0.010 allowed)."
    )
    assert "No verdict on the law, because a group fitted at the whole horizon has no" in verdict(
        fit, checked(fit, HorizonStatus.CANNOT_TELL, None)
    )


def test_without_a_horizon_check_the_verdict_says_so(m_log_m: pd.DataFrame) -> None:
    text = verdict(fit_law(m_log_m, "Theorem 4"))
    assert text.endswith(" Whether β moves with the horizon was not checked.")


def test_laws_that_cannot_be_told_apart_are_listed_with_what_to_add(cells: MakeFrame) -> None:
    text = verdict(fit_law(cells(ORDERS, 9.0 * ORDERS**1.2, width=0.4)))
    assert (
        "Consistent with n ∝ M and M log M (here M^1.25), which is no proof of it."
        " Not with M^(5/3) and M² (a constant fraction). To tell these apart, add orders at both"
        " ends of the range and space n_train more finely about the thresholds; more seeds help"
        " little."
    ) in text


def test_no_law_and_no_bounds_are_said_with_their_remedy(cells: MakeFrame) -> None:
    none = fit_law(cells(ORDERS[:2], ORDERS[:2] * 9.0, setting=WHERE))
    assert verdict(none) == (
        f"{WHERE}: no law (power law), because too few groups have a threshold, and a fit needs"
        " one more than its parameters: add group orders, or n_train on both sides of their"
        " thresholds."
    )
    unbounded = fit_law(cells([23, 53, 127], np.array([100.0, 2000.0, 300.0])), "Theorem 4")
    assert unbounded.status is FitStatus.INTERVAL_OPEN
    assert f"No verdict on the law, because {unbounded.status}." in verdict(unbounded)


def test_bends_irrep_dimensions_and_dropped_groups_are_mentioned(cells: MakeFrame) -> None:
    orders, dims = np.tile(ORDERS, 2), np.repeat([1, 2], 7)
    x = np.log(orders / 54)
    table = cells(orders, np.exp(6 + 1.2 * x + 0.3 * x**2) * dims**1.7, dims)
    table.loc[13, ["status", "n_c"]] = ["none_generalized", math.nan]
    text = verdict(fit_law(table))
    assert "The thresholds bend up from this law (x² coefficient 0.30 (0.30 to 0.30))" in text
    assert re.search(r"n_c goes as d to the power 1\.\d\d \(.* to .*\); Theorem 4 has 2\.", text)
    assert text.endswith(
        " Left out: G13: threshold above the largest n_train, or beyond the horizon, for 1 of 1"
        " seeds."
    )


def test_a_law_that_has_no_exponent_at_an_order_of_1_is_no_rival(cells: MakeFrame) -> None:
    """M log M is 0 at M = 1; then 1 + 1/ln M* is where δ is 1."""
    orders = np.array([1, 23, 31, 41, 53, 71, 97])
    table = cells(orders, 9.0 * orders**1.25 * np.exp(0.02 * np.sin(7.0 * orders)))
    law = fit_law(table).law
    assert law
    assert np.isnan(law.m_log_m_beta)
    assert list(rival_exponents(law)) == ["n ∝ M", "M^(5/3)", "M² (a constant fraction)"]
    assert "nan" not in verdict(fit_law(table))
    high = replace(law, form=Form.THEOREM_4, beta=Estimate(3.0, 2.9, 3.1))
    limit = 1 + 1 / math.log(law.order_star)
    assert f"1 + 1/ln M* = {limit:.3f}" in constants(high).reason


def test_runs_on_the_wrong_side_are_told_with_the_law(m_log_m: pd.DataFrame) -> None:
    few = verdict(fit_law(m_log_m.assign(n_runs=50, violations=1)))
    many = verdict(fit_law(m_log_m.assign(n_runs=20, violations=[0, 4, 6, 2, 6, 4, 6])))
    said = (
        "20 % of the runs lie on the wrong side of their thresholds, which are less sharp than"
        " their brackets."
    )
    assert said in many
    assert "wrong side" not in few


# ---------------------------------------------------------------- plain values and tables


def test_plain_values_are_json_without_nan() -> None:
    value = {
        "status": FitStatus.OK,
        "numbers": (np.float64(1.5), np.int64(2), math.nan, -math.inf, None, pd.NA, True),
        "frame": pd.DataFrame({"n_c": [1.0, math.nan]}),
        "array": np.eye(2),
    }
    assert plain(value) == {
        "status": "ok",
        "numbers": [1.5, 2, None, None, None, None, True],
        "frame": [{"n_c": 1.0}, {"n_c": None}],
        "array": [[1.0, 0.0], [0.0, 1.0]],
    }


def test_thresholds_and_laws_survive_a_strict_json_file(diverging_sweep: MakeFrame) -> None:
    records = diverging_sweep(slowness=60)
    cells = thresholds(records)
    (check,) = horizon_check(records)
    everything = [plain(cells), *(law_summary(fit, check) for fit in fit_laws(cells))]
    read = json.loads(json.dumps(everything, allow_nan=False))
    assert len(read[0]) == 12
    power, theorem = read[1], read[2]
    assert (power["form"], theorem["form"]) == ("power", "theorem_4")
    assert power["status"] == "ok"
    assert power["horizon_check"]["status"] == "drifts"
    assert [at["horizon_fraction"] for at in power["horizon_check"]["at"]] == [0.25, 0.5, 1.0]
    assert power["law"]["beta"]["value"] == pytest.approx(fit_laws(cells)[0].law.beta.value)
    assert power["verdict"] == verdict(fit_laws(cells)[0], check)
    nothing = law_summary(fit_law(cells[:0]))
    assert (nothing["law"], nothing["quoted_beta"], nothing["horizon_check"]) == (None, None, None)


def test_the_threshold_table_shows_each_group_and_what_went_wrong(cells: MakeFrame) -> None:
    table = pd.concat([cells([23, 31], np.array([200.0, 300.0]), width=0.1)] * 2)
    table["status"] = ["bracketed", "none_generalized", "not_monotone", "none_generalized"]
    table["violations"] = [0, 0, 2, 0]
    table["n_excluded"] = [0, 1, 0, 0]
    beyond = table["status"].eq("none_generalized").to_numpy()
    table.loc[beyond, ["n_c", "n_high"]] = math.nan
    shown = threshold_table(table)
    assert shown.columns[:3] == ["group", "M", "n_c"]
    assert shown.rows == [
        [
            *("G0", "23", "200.0", "0.378", "2.773", "190–210, 190–210", "– / 1,000", "2/2"),
            "1 not monotone, 2 violations",
        ],
        [
            *("G1", "31", "–", "–", "–", "> 285, > 285", "– / 1,000", "0/2"),
            "2 none generalized, 1 runs failed",
        ],
    ]
    two = pd.concat([table, table.assign(setting="another")])
    assert threshold_table(two).columns[0] == "setting"
    assert len(threshold_table(two).rows) == 4
    assert threshold_table(table[:0]).rows == []


def test_the_law_table_has_a_row_a_fit(m_log_m: pd.DataFrame, cells: MakeFrame) -> None:
    fits = [*fit_laws(m_log_m), fit_law(cells([], np.empty(0)))]
    shown = law_table(fits)
    assert [row[1:7] for row in shown.rows] == [
        ["power law", "7", "23–127", "1.25 (1.23 to 1.27)", "1.25 (1.22 to 1.29)", "576.9 at 54.1"],
        ["Theorem 4", "7", "23–127", "1.25 (1.25 to 1.25)", "1.25 (1.24 to 1.27)", "582.8 at 54.1"],
        ["power law", "0", "–", "–", "–", "–"],
    ]
    assert all(len(row) == len(shown.columns) for row in shown.rows)
    assert [row[0] for row in shown.rows] == [WHERE, WHERE, "no setting"]
    assert [row[-1] for row in shown.rows] == ["ok", "ok", "too few groups"]


def test_the_constants_of_theorem_4_are_told_where_they_exist(
    m_log_m: pd.DataFrame, cells: MakeFrame
) -> None:
    assert theorem4_constants(fit_law(m_log_m, "Theorem 4")) == (
        "As C M log(M/δ), Theorem 4 has δ = 1.00 (0.78 to 1.24), at most 1 by the theorem, and "
        "C = 2.70 at that δ. The data hardly tell C from δ; β and n* they do tell."
    )
    refused = theorem4_constants(
        fit_law(m_log_m, "Theorem 4"), checked(fit_law(m_log_m, "Theorem 4"), HorizonStatus.DRIFTS)
    )
    assert refused == f"No C and δ for Theorem 4, because {HorizonStatus.DRIFTS}."
    linear = cells(ORDERS, 2.7 * ORDERS, width=0.02, setting=WHERE)
    assert theorem4_constants(fit_law(linear, "Theorem 4")) == (
        "No C and δ for Theorem 4, because the interval of β does not lie above 1, where n ∝ M"
        " and δ → 0."
    )
    none = fit_law(cells([], np.empty(0)), "Theorem 4")
    assert theorem4_constants(none) == (
        f"No C and δ for Theorem 4, because {FitStatus.TOO_FEW_GROUPS}."
    )


def test_the_horizon_is_told_with_every_exponent(m_log_m: pd.DataFrame) -> None:
    fit = fit_law(m_log_m)
    assert fit.law is not None
    assert horizon_words(checked(fit, HorizonStatus.STABLE)) == (
        f"Horizon: β is {fit.law.beta.value:.3f} at 4,000 steps: β is stable from half the horizon"
        " to the whole (by +0.001 from half to the whole, against 0.010 allowed)."
    )


def test_the_table_of_rivals_has_a_row_a_law(m_log_m: pd.DataFrame) -> None:
    shown = rivals_table(compare_laws(m_log_m))
    assert {row[0] for row in shown.rows} == {
        "power law", "Theorem 4", "n ∝ M", "M log M", "M^(5/3)", "M²",
    }  # fmt: skip
    found = {row[0]: row for row in shown.rows}
    assert found["M log M"][1:3] == ["1", "0.0 %"]
    assert float(found["M²"][3]) > 50
    assert rivals_table(compare_laws(m_log_m[:2])).rows[0][4] == "–"


def test_without_a_horizon_the_words_say_of_whom_and_what_it_does_to_beta() -> None:
    n_c = 2.7 * ORDERS * np.log(ORDERS)
    limits = [
        Limit("a", f"G{i}", int(M), 1, LimitStatus.OK, Estimate(n, 0.98 * n, 1.02 * n))
        for i, (M, n) in enumerate(zip(ORDERS, n_c, strict=True))
    ]
    limits[3] = Limit("a", "G3", 53, 1, LimitStatus.TOO_FEW_RUNS)
    limited = fit_law(limits_as_thresholds(limits))
    table = limits_as_thresholds(limits).assign(n_c=lambda t: 0.5 * t["group_order"] ** 1.5)
    within = fit_law(table[table["group"] != "G3"])
    assert limited.law
    assert limited.law.beta.value == pytest.approx(1.25, abs=0.01)
    assert limit_words(limits, limited, within) == (
        "The steps to generalize, t = A (n/n_c − 1)^(−z), tell n_c(∞) of 6 of 7 groups. Over these"
        f" β is {span(limited.law.beta)} without a horizon and 1.50 (1.50 to 1.50) within it"
        f" (scatter): −0.25. Not of 1 group: {LimitStatus.TOO_FEW_RUNS}."
    )
    few = limits_as_thresholds(limits[:2])
    told = limit_words(limits[:2], fit_law(few), fit_law(few))
    assert f"2 of 2 groups. Of these no law, because {FitStatus.TOO_FEW_GROUPS}." in told


def test_both_conventions_of_d_are_told_with_what_they_leave(cells: MakeFrame) -> None:
    """Thresholds that go with the effective d: 2 for cyclic groups, d_k for real irreps."""
    complex_d = np.array([1, 2, 1, 3, 1, 2, 3])
    effective = np.array([2, 2, 2, 6, 2, 4, 3])
    scatter = np.exp(0.01 * np.array([1, -1, 1, 0, -1, 1, -1]))
    table = cells(ORDERS, 3 * ORDERS**1.3 * effective * scatter, complex_d)
    fits = {
        Dim.COMPLEX: fit_law(table),
        Dim.EFFECTIVE: fit_law(table.assign(irrep_dim=effective)),
    }
    laws = {dim: fit.law for dim, fit in fits.items()}
    assert laws[Dim.EFFECTIVE].residual_sd < 0.02 < 0.1 < laws[Dim.COMPLEX].residual_sd
    assert laws[Dim.EFFECTIVE].gamma.value == pytest.approx(1, abs=0.05)
    checks = {
        Dim.COMPLEX: checked(fits[Dim.COMPLEX], HorizonStatus.DRIFTS),
        Dim.EFFECTIVE: checked(fits[Dim.EFFECTIVE], HorizonStatus.STABLE),
    }
    told = dims_words(fits, checks)
    first, second = told.split(" With ")
    leaves = f"the power law leaves {100 * laws[Dim.COMPLEX].residual_sd:.1f} % of n_c"
    assert first.startswith(f"With d = max d_k, of the complex irreps, {leaves}")
    assert first.endswith("which is no verdict: β moves with the horizon, or may).")
    assert "d = M/(8E*), of the real irreps, the power law leaves 1." in second
    assert "no verdict" not in second
