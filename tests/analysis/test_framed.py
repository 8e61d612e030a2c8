"""What results look like in Python: one name a fit, data frames, and how they print."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

import analysis
from analysis import (
    DeclaredFit,
    Form,
    InputError,
    LawFit,
    collapse,
    compare_laws,
    declare,
    fit_law,
    fit_scaling_law,
    horizon_check,
    with_dim,
)

MakeFrame = Callable[..., pd.DataFrame]
ORDERS = np.array([23, 31, 41, 53, 71, 97, 127])
MINE = declare("mine", "n = C * M * log(M) * d**g", {"C": "positive", "g": "free"})


@pytest.fixture
def noisy(cells: MakeFrame) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    return cells(ORDERS, 2.6 * ORDERS * np.log(ORDERS) * np.exp(rng.normal(0, 0.02, 7)), width=0.05)


@pytest.mark.parametrize(
    ("law", "kind"),
    [
        ("power law", LawFit),
        (Form.THEOREM_4, LawFit),
        ("M log M d^γ", DeclaredFit),
        (MINE, DeclaredFit),
    ],
)
def test_one_function_fits_every_law(cells: MakeFrame, law: object, kind: type) -> None:
    dims = np.array([1, 2, 1, 2, 1, 2, 1])
    fit = fit_law(cells(ORDERS, 2.6 * ORDERS * np.log(ORDERS) * dims**0.7, dims), law)
    assert type(fit) is kind
    table = fit.to_frame().set_index("parameter")
    if kind is DeclaredFit:
        assert table["estimate"].tolist() == pytest.approx([2.6, 0.7])
    assert set(table["law"]) == {"mine" if law is MINE else str(law)}
    assert set(table["status"]) == {"ok"}


def test_a_law_that_there_is_not_is_told_with_those_there_are(noisy: pd.DataFrame) -> None:
    with pytest.raises(InputError, match=r"M logM is unknown; did you mean M log M\?; built-in"):
        fit_law(noisy, "M logM")
    with pytest.raises(ValueError, match="power law: bootstrap intervals are those of declared"):
        fit_law(noisy, "power law", bootstrap=10)


def test_the_dimension_can_be_named_where_the_law_is(cells: MakeFrame) -> None:
    table = cells(ORDERS, 9.0 * ORDERS**1.2).assign(effective_dim=[2, 4, 2, 4, 2, 4, 2])
    assert fit_law(table).law.gamma is None
    named = fit_law(table, dim="effective")
    assert named.law.gamma is not None
    pd.testing.assert_frame_equal(
        named.to_frame(), fit_law(with_dim(table, "effective")).to_frame()
    )
    assert "M log M d²" in set(compare_laws(table, dim="effective")["law"])
    assert "M log M d²" not in set(compare_laws(table)["law"])


@pytest.mark.parametrize("form", Form)
def test_the_frame_of_a_law_has_the_numbers_of_the_law(noisy: pd.DataFrame, form: Form) -> None:
    fit = fit_law(noisy, form)
    law, table = fit.law, fit.to_frame().set_index("parameter")
    assert [*table.index] == ["n_star", "beta"]
    ends = ["estimate", "low", "high"]
    assert table.loc["beta", ends].tolist() == [law.beta.value, law.beta.low, law.beta.high]
    assert table.loc["n_star", ends].tolist() == [law.n_star.value, law.n_star.low, law.n_star.high]
    quoted = law.quoted_beta.low, law.quoted_beta.high
    assert tuple(table.loc["beta", ["low_with_grid", "high_with_grid"]]) == quoted
    assert table.loc["n_star", ["low_with_grid", "high_with_grid"]].isna().all()
    two = noisy.assign(max_irrep_dim=[1, 2, 1, 2, 1, 2, 1])
    both = fit_law(two, form)
    gamma = both.to_frame().set_index("parameter").loc["gamma"]
    assert [gamma["low_with_grid"], gamma["high_with_grid"]] == [
        both.law.quoted_gamma.low, both.law.quoted_gamma.high,
    ]  # fmt: skip
    assert gamma["low_with_grid"] < gamma["low"]
    assert (table["n_groups"] == 7).all()
    assert (table["dof"] == 5).all()
    assert (table["order_star"] == law.order_star).all()
    assert (table["aicc"] == law.aicc).all()


def test_no_law_is_one_row_without_numbers_of_the_same_types(noisy: pd.DataFrame) -> None:
    for law in ("Theorem 4", "M²", MINE):
        none, some = fit_law(noisy[:0], law).to_frame(), fit_law(noisy, "power law").to_frame()
        assert len(none) == 1
        assert none["estimate"].isna().all()
        assert none["status"].tolist() == ["too_few_groups"]
        assert none.dtypes.drop("parameter").equals(some.dtypes.drop("parameter"))


def test_results_print_their_numbers_as_text_and_as_html(
    noisy: pd.DataFrame, diverging_sweep: MakeFrame
) -> None:
    fit = fit_law(noisy)
    beta = fit.law.beta
    assert repr(fit).splitlines()[0] == "power law, 7 groups, M = 23 to 127; a setting"
    assert f"{beta.value:.5g}" in repr(fit)
    assert f"<td>{beta.low:.5g}</td>" in fit._repr_html_()
    assert "&lt;b&gt;" in fit_law(noisy.assign(setting="<b>"))._repr_html_()
    none = fit_law(noisy[:2])
    assert repr(none) == "power law, 2 groups, M = 23 to 31; a setting: too few groups"
    assert none._repr_html_() == f"<p>{none!r}</p>"
    records = diverging_sweep(slowness=0.5)
    (check,) = horizon_check(records)
    half = check.to_frame().set_index("horizon_fraction").loc[0.5]
    assert half["estimate"] == check.fits[0.5].law.beta.value
    assert f"{half['estimate']:.5g}" in repr(check)
    found = collapse(records)
    assert found.to_frame()["status"].tolist() == [found.status.name.lower()]
    assert repr(found).startswith(found.setting)


def test_a_scaling_law_has_a_frame_too() -> None:
    table = pd.DataFrame({"N": 10.0 ** np.arange(1, 9)})
    table["L"] = 2 + 50 / table["N"] ** 0.5
    fit = fit_scaling_law(table, "L = E + A/N**a")
    frame = fit.to_frame().set_index("parameter")
    assert frame["estimate"].to_dict() == pytest.approx({"E": 2, "A": 50, "a": 0.5}, rel=1e-4)
    assert frame["low"].isna().all()
    assert repr(fit).startswith("L = E + A/N**a, 8 rows\nparameter")
    few = fit_scaling_law(table[:2], "L = E + A/N**a")
    assert few.to_frame()["status"].tolist() == ["too_few_rows"]
    assert "no more rows than parameters" in repr(few)


def test_what_the_package_offers_is_there() -> None:
    assert [name for name in analysis.__all__ if not hasattr(analysis, name)] == []
    assert analysis.phase_diagram.__module__ == "analysis.figures.phase"
    with pytest.raises(AttributeError, match="has no attribute 'phase_diagrm'"):
        _ = analysis.phase_diagrm
