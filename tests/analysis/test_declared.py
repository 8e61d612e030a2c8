import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import (
    DeclaredStatus,
    Form,
    InputError,
    built_in_laws,
    declare,
    fit_law,
    read_laws,
    with_dim,
)
from analysis.tables import declared_summary, declared_table

MakeFrame = Callable[..., pd.DataFrame]
ORDERS = np.array([23, 31, 41, 53, 71, 97, 127])
BUILT_IN = {law.name: law for law in built_in_laws()}
THEOREM_4 = declare(
    "in C and δ", "n = C * d**2 * M * log(M/delta)", {"C": "positive", "delta": [1e-9, 3]}
)


@pytest.fixture
def noisy(cells: MakeFrame) -> pd.DataFrame:
    noise = np.random.default_rng(7).normal(0, 0.05, 2 * len(ORDERS))
    orders, dims = np.tile(ORDERS, 2), np.repeat([1, 2], len(ORDERS))
    return cells(orders, 2.7 * dims**2 * orders * np.log(orders / 0.5) * np.exp(noise), dims)


@pytest.mark.parametrize(
    ("name", "form"), [("power law d^γ", Form.POWER), ("Theorem 4 d^γ", Form.THEOREM_4)]
)
def test_the_built_in_declarations_are_the_laws_that_are_written_out(
    noisy: pd.DataFrame, name: str, form: Form
) -> None:
    found, law = fit_law(noisy, BUILT_IN[name]), fit_law(noisy, form).law
    assert found.status is DeclaredStatus.OK
    assert found.residual_sd == pytest.approx(law.residual_sd)
    assert (found.dof, found.aicc) == (law.dof, pytest.approx(law.aicc))
    beta = found.estimates["beta"]
    assert beta.value == pytest.approx(law.beta.value, abs=1e-6)
    assert (beta.low, beta.high) == pytest.approx((law.beta.low, law.beta.high), abs=1e-6)
    assert found.estimates["n_star"].value == pytest.approx(law.n_star.value)
    # Profiles; the form of Theorem 4 has linearised intervals for γ and n*.
    gamma = found.estimates["gamma"]
    assert (gamma.low, gamma.high) == pytest.approx((law.gamma.low, law.gamma.high), abs=2e-3)
    points = np.array([80.0, 200.0])
    assert found.predict(points, 2.0) == pytest.approx(law.predict(points, 2.0)[0], rel=1e-5)


def test_a_declared_law_is_recovered_with_its_constants(cells: MakeFrame) -> None:
    truth = 2.5 * ORDERS * np.log(ORDERS / 0.3)
    found = fit_law(cells(ORDERS, truth), THEOREM_4)
    assert found.estimates["C"].value == pytest.approx(2.5, rel=1e-6)
    assert found.estimates["delta"].value == pytest.approx(0.3, rel=1e-6)
    assert found.predict(np.array([200.0])) == pytest.approx([2.5 * 200 * math.log(200 / 0.3)])


def test_profile_intervals_end_where_the_f_test_turns(noisy: pd.DataFrame) -> None:
    found = fit_law(noisy, THEOREM_4)
    orders, dims = (noisy[name].to_numpy(float) for name in ("group_order", "max_irrep_dim"))
    y = np.log(noisy["n_c"].to_numpy() / orders / dims**2)

    def rss(delta: float) -> float:
        left = y - np.log(np.log(orders / delta))
        return float(np.sum((left - left.mean()) ** 2))

    best = rss(found.estimates["delta"].value)
    for end in (found.estimates["delta"].low, found.estimates["delta"].high):
        assert stats.f.sf((rss(end) - best) / (best / 12), 1, 12) == pytest.approx(0.05, rel=1e-4)


def test_the_bootstrap_resamples_groups(noisy: pd.DataFrame) -> None:
    law = BUILT_IN["power law d^γ"]
    found = fit_law(noisy, law, bootstrap=300, rng=np.random.default_rng(1))
    again = fit_law(noisy, law, bootstrap=300, rng=np.random.default_rng(1))
    assert found.estimates == again.estimates
    profile = fit_law(noisy, law).estimates["beta"]
    # Percentiles of few groups are too narrow, by √(dof/G) and t against z.
    assert 0.5 < found.estimates["beta"].half_width / profile.half_width < 1.1


def test_too_few_groups_for_a_bootstrap_are_said(noisy: pd.DataFrame) -> None:
    law = declare("mine", "n = C * M**a * exp(b * log(M)**2)",
                  {"C": "positive", "a": "free", "b": "free"})  # fmt: skip
    few = fit_law(noisy[:4], law, bootstrap=50)
    assert few.status is DeclaredStatus.NO_INTERVAL
    assert "determine C, a and b, so there is no bootstrap interval" in few.reason
    assert math.isnan(few.estimates["a"].low)


# ---------------------------------------------------------------- statuses


@pytest.mark.parametrize(
    ("formula", "parameters", "status", "reason"),
    [
        (
            "n = C * d**gamma * M",
            {"C": "positive", "gamma": "free"},
            DeclaredStatus.NO_SPREAD_IN_DIM,
            "the irrep dimension d is the same in all groups, so the exponent of it (gamma) cannot"
            " be fitted: add groups of other dimensions, or declare the law without it",
        ),
        (
            "n = B * C * M",
            {"B": "positive", "C": "positive"},
            DeclaredStatus.RANK_DEFICIENT,
            "the parameters B and C cannot be told apart by these groups: fix one of them in the"
            " formula, or add groups of other orders and dimensions",
        ),
        (
            "n = C * M**beta",
            {"C": "positive", "beta": [2, 3]},
            DeclaredStatus.AT_BOUND,
            "beta ended at a bound of its own, so the fit is the bound's and not the thresholds':"
            " widen the bounds, or take a law without it",
        ),
        (
            "n = C * log(b - M)",
            {"C": "positive", "b": [1, 2]},
            DeclaredStatus.DID_NOT_CONVERGE,
            "the descent in b found no minimum where the formula is positive: narrow the bounds to"
            " where it is",
        ),
        (
            "n = C * M * log(M/delta)",
            {"C": "positive", "delta": [0.7, 2]},
            DeclaredStatus.INTERVAL_OPEN,
            "the interval of delta is open up to its bound: these groups do not determine it; add"
            " orders at both ends, or write the law in what they determine, its value and slope at"
            " M_star",
        ),
        (
            "n = C * M**b1 + A * M**b2 + c",
            {"C": [1, 9], "b1": [0, 2], "A": [1, 9], "b2": [0, 2], "c": [0, 9], "unused": "free"},
            DeclaredStatus.TOO_FEW_GROUPS,
            "too few groups have a threshold, and a fit needs one more than its parameters:"
            " add group orders, or n_train on both sides of their thresholds",
        ),
    ],
)
def test_a_fit_that_failed_says_why_and_what_to_do(
    cells: MakeFrame,
    formula: str,
    parameters: dict[str, object],
    status: DeclaredStatus,
    reason: str,
) -> None:
    parameters.pop("unused", None)
    noise = np.exp(np.random.default_rng(7).normal(0, 0.02, len(ORDERS)))
    few = status is DeclaredStatus.TOO_FEW_GROUPS
    count = 5 if few else len(ORDERS)
    n_c = 2.7 * ORDERS * np.log(ORDERS) * noise
    table = cells(ORDERS[:count], n_c[:count])
    found = fit_law(table, declare("mine", formula, parameters))
    assert (found.status, found.reason) == (status, reason)
    with_numbers = status in {DeclaredStatus.AT_BOUND, DeclaredStatus.INTERVAL_OPEN}
    assert bool(found.estimates) == with_numbers
    assert np.isfinite(found.predict(np.array([80.0]))).all() == with_numbers
    assert declared_summary(found)["status"] == status.name.lower()
    assert len(declared_table([found]).rows) == max(1, len(found.estimates))


# ---------------------------------------------------------------- declarations


def test_laws_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "laws.yaml"
    path.write_text(
        "mine:\n  formula: n = C * M * log(M/delta)\n"
        "  parameters: {C: positive, delta: [1e-9, 1]}\n  family: Theorem 4 d^γ\n"
    )
    (law,) = read_laws(path)
    assert (law.name, law.family) == ("mine", "Theorem 4 d^γ")
    assert law.bounds == {"C": (0, math.inf), "delta": (1e-9, 1)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: {formula: n = C * m, parameters: {C: positive}}", ":1 a: formula: m is unknown; did"
         " you mean M?"),
        ("\nM²: {formula: n = M}", ":2 M²: the name of a built-in law; choose another"),
        ("a: 3", ":1 a: a mapping is wanted with formula: n = ..., and parameters:"),
        ("- a", ": a mapping of laws by name is wanted, as in analysis/laws.yaml"),
        ("a: {formula: n = M, famly: M²}", ":1 a: famly is unknown; did you mean family?; valid"
         " keys are formula, parameters, family"),
        ("a: {formula: n = M, family: M log m}", ":1 a: family: M log m is unknown; did you mean"
         " M log M?"),
        ("a: {formula: n = M**b, parameters: {b: free}, family: M²}", " a: its family, M², has 1"
         " parameters; it needs more than 1 for the law to lie inside it"),
        ("a: {formula: n = M + b, parameters: {b: free}}", ":1 a: parameters.b: enters nonlinearly,"
         " and so needs a lowest and a highest value to start between, such as [1e-6, 1]"),
        ("a: {formula: n = M**b, parameters: {b: [2, 1], c: free, M: free}}", ":1 a: parameters.b:"
         " [2, 1] is none of free, positive and [lowest, highest]\n{path}:1 a: parameters.c: not in"
         " the formula; take it out\n{path}:1 a: parameters.M: the name of a column; choose"
         " another"),
        ("a: {formula: m = M, parameters: 2}", ":1 a: parameters: a mapping is wanted, such as"
         " {C: positive}"),
        ("a: {formula: m = M}", ":1 a: formula: the left-hand side is n, not m"),
        ("a: {formula: n = __import__('os')}", ":1 a: n = __import__('os'): column 5,"
         " \"__import__('os')\": only log, exp and sqrt are functions here; write __import__ *"
         " (...) for a product"),
        ("a: !!python/object/apply:os.system [x]", ":1 a: a mapping is wanted with formula: n ="
         " ..., and parameters:"),
        ("a: [", ":1: expected the node content, but found '<stream end>'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_of_laws_is_said_with_its_line(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "laws.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        read_laws(path)
    assert str(raised.value) == str(path) + message.replace("{path}", str(path))


# ---------------------------------------------------------------- the two conventions of d


def test_both_conventions_of_the_irrep_dimension(cells: MakeFrame) -> None:
    table = cells([23, 29], np.array([200.0, 300.0])).assign(group=["Z23", "Z29"])
    assert with_dim(table, "complex")["irrep_dim"].tolist() == [1, 1]
    assert with_dim(table, "effective")["irrep_dim"].tolist() == [2, 2]
    assert with_dim(table.assign(effective_dim=3), "effective")["irrep_dim"].tolist() == [3, 3]
    others = table.assign(group=["D6", "Q8"])  # real irreps of dimension 2, and a quaternionic one
    assert with_dim(others, "effective")["irrep_dim"].tolist() == [2, 4]
    with pytest.raises(InputError, match=r"^unknown group 'G1': .*; put thresholds into a table"):
        with_dim(table.assign(group=["Z23", "G1"]), "effective")
    gamma = fit_law(
        with_dim(
            cells(ORDERS, 3.0 * ORDERS * 2.0 ** (2 * (ORDERS > 50))).assign(
                effective_dim=1 + (ORDERS > 50)
            ),
            "effective",
        ),
        BUILT_IN["power law d^γ"],
    ).estimates["gamma"]
    assert gamma.value == pytest.approx(2)
