from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from analysis import (
    CensoredStatus,
    CovariateStatus,
    Form,
    InputError,
    censored_words,
    fit_censored,
    fit_covariates,
    fit_law,
)
from analysis.covariates import numeric_covariates
from analysis.words import covariate_words, span, verdict

MakeFrame = Callable[..., pd.DataFrame]
ORDERS = np.array([23, 29, 37, 43, 53, 67, 79, 97, 109, 127])


def cut_off(cells: MakeFrame, n_c: np.ndarray, largest: float) -> pd.DataFrame:
    """Thresholds above the largest n_train are only known to lie there."""
    table = cells(ORDERS, n_c)
    above = (table["n_c"] > largest).to_numpy()
    table.loc[above, ["status", "n_low"]] = ["none_generalized", largest]
    table.loc[above, ["n_c", "n_high"]] = np.nan
    return table


def scattered(seed: int) -> np.ndarray:
    return 9 * ORDERS**1.25 * np.exp(np.random.default_rng(seed).normal(0, 0.05, len(ORDERS)))


@pytest.mark.parametrize("form", Form)
def test_a_censored_group_that_says_nothing_changes_nothing(cells: MakeFrame, form: Form) -> None:
    """Its bound is far below the law; then the interval is that of least squares."""
    table = cut_off(cells, scattered(1), 9 * 90**1.25)
    table.loc[table["status"] == "none_generalized", "n_low"] = 10.0
    law = fit_law(table, form).law
    found = fit_censored(table, form)
    assert found.status is CensoredStatus.OK
    assert found.beta.value == pytest.approx(law.beta.value, abs=1e-4)
    assert (found.beta.low, found.beta.high) == pytest.approx(
        (law.beta.low, law.beta.high), abs=1e-3
    )
    assert found.n_star == pytest.approx(law.n_star.value, rel=1e-4)


def test_groups_above_the_largest_size_raise_the_exponent_they_were_left_out_of(
    cells: MakeFrame,
) -> None:
    table = cut_off(cells, np.minimum(scattered(1), 3000.0), 9 * 67**1.25)
    table.loc[table["status"] == "none_generalized", "n_low"] = 9 * 127**1.3
    found, law = fit_censored(table), fit_law(table).law
    assert found.beta.value > law.beta.value
    assert len(found.measured) + len(found.censored) == len(ORDERS)
    assert censored_words(found).startswith("With G5, ")


def test_without_censored_groups_or_a_law_there_is_nothing_to_add(cells: MakeFrame) -> None:
    none = fit_censored(cells(ORDERS, scattered(1)))
    assert (none.status, none.beta) == (CensoredStatus.NOT_CENSORED, None)
    assert fit_censored(cut_off(cells, scattered(1), 600.0)).status is CensoredStatus.NO_LAW
    assert censored_words(none) == ""


def test_a_censored_group_of_another_dimension_says_nothing_of_the_exponent(
    cells: MakeFrame,
) -> None:
    """Measured groups have d = 1 alone; those of d = 3 lie above, as they do for any β."""
    table = cut_off(cells, scattered(1), 9 * 90**1.25)
    table = pd.concat([table, cells([21, 39, 57], np.full(3, np.nan), 3)], ignore_index=True)
    other = (table["max_irrep_dim"] == 3).to_numpy()
    table.loc[other, ["status", "n_low", "group"]] = ["none_generalized", 2000.0, "T"]
    table.loc[other, "group"] = ["T21", "T39", "T57"]
    found, without = fit_censored(table), fit_censored(table[~other])
    assert (found.beta, found.censored) == (without.beta, ("G7", "G8", "G9"))
    alone = table[(table["status"] == "bracketed") | other]
    assert fit_censored(alone).status is CensoredStatus.NOT_CENSORED


@pytest.mark.slow
def test_censored_intervals_cover_and_are_less_biased_than_leaving_out(cells: MakeFrame) -> None:
    hits, errors, left_out = 0, [], []
    for seed in range(200):
        table = cut_off(cells, scattered(seed), 9 * 90**1.25)
        found = fit_censored(table)
        hits += 1.25 in found.beta
        errors.append(found.beta.value - 1.25)
        left_out.append(fit_law(table).law.beta.value - 1.25)
    assert 0.90 <= hits / 200 <= 0.99
    assert abs(np.mean(errors)) <= 0.015
    assert np.std(errors) < np.std(left_out)


# ---------------------------------------------------------------- covariates


def settings(cells: MakeFrame, scatter: float, seed: int = 0) -> pd.DataFrame:
    """n_c ~ M^1.25 rate^-0.2 decay^0.1; a group's scatter is the same in all of its settings."""
    rng, parts = np.random.default_rng(seed), []
    of_group = np.exp(rng.normal(0, scatter, len(ORDERS)))
    for rate in (0.002, 0.004, 0.008):
        for decay in (1e-4, 2e-4):
            factor = (rate / 0.004) ** -0.2 * (decay / 1e-4) ** 0.1
            n_c = 9 * ORDERS**1.25 * factor * of_group
            n_c = n_c * np.exp(rng.normal(0, scatter / 5, len(ORDERS)))
            part = cells(ORDERS, n_c, setting=f"K 256, lr {rate}, wd {decay}, horizon 4000 steps")
            parts.append(part.assign(learning_rate=rate, weight_decay=decay))
    return pd.concat(parts, ignore_index=True)


def test_slopes_in_the_covariates_and_the_law_at_their_mean(cells: MakeFrame) -> None:
    found = fit_covariates(settings(cells, 0.05))
    assert found.status is CovariateStatus.OK
    assert -0.2 in found.slopes["learning_rate"]
    assert 0.1 in found.slopes["weight_decay"]
    assert found.slopes["learning_rate"].half_width < 0.02
    assert found.at == pytest.approx({"learning_rate": 0.004, "weight_decay": 2**0.5 * 1e-4})
    assert found.setting == (
        "K 256, horizon 4000 steps, at the mean of 6 settings (learning rate 0.004, weight decay"
        " 0.000141)"
    )
    law = fit_law(found.thresholds).law
    assert (law.dof, 1.25 in law.beta) == (len(ORDERS) - 2, True)
    # The groups' scatter is common to their settings: pooling them would narrow the interval.
    assert law.beta.half_width > 0.04
    assert found.misfit < 0.01


def test_a_group_with_too_few_settings_is_left_out_and_said_so(cells: MakeFrame) -> None:
    table = settings(cells, 0.05)
    gone = (table["group"] == "G0") & (table["learning_rate"] > 0.002)
    table.loc[gone, ["status", "n_c"]] = ["none_generalized", np.nan]
    found = fit_covariates(table)
    assert found.dropped == ("G0: too few settings with thresholds (2)",)
    assert len(found.thresholds) == len(ORDERS) - 1
    few = fit_covariates(table[table["group"].isin(["G0", "G1"])])
    assert (few.status, few.slopes) == (CovariateStatus.TOO_FEW_GROUPS, {})
    none = fit_covariates(table.assign(n_c=np.nan, status="none_generalized"))
    assert (none.status, len(none.thresholds)) == (CovariateStatus.TOO_FEW_GROUPS, 0)


def test_runs_on_the_wrong_side_are_counted_over_settings(cells: MakeFrame) -> None:
    table = settings(cells, 0.05).assign(n_runs=10, violations=0)
    table.loc[table["learning_rate"] == 0.002, "violations"] = 3
    found = fit_covariates(table)
    assert found.thresholds["n_runs"].tolist() == [60] * len(ORDERS)
    assert found.thresholds["violations"].tolist() == [6] * len(ORDERS)
    assert "10 % of the runs lie on the wrong side" in verdict(fit_law(found.thresholds))


def test_what_cannot_be_a_covariate_is_said(cells: MakeFrame) -> None:
    table = settings(cells, 0.05).assign(
        hidden_size=lambda t: 256 * (1 + (t["learning_rate"] > 0.004))
    )
    with pytest.raises(InputError) as raised:
        fit_covariates(table, ["learning_rate", "max_steps"])
    assert str(raised.value).splitlines() == [
        "max_steps does not vary over these thresholds; leave it out",
        "hidden_size varies too: pick one of its values, or take it in",
        "weight_decay varies too: pick one of its values, or take it in",
    ]
    with pytest.raises(InputError) as raised:
        fit_covariates(table.assign(split=table["setting"]), ["rate", "split", "hidden_size"])
    assert str(raised.value).splitlines()[:2] == [
        "rate is no axis of a setting; valid are learning_rate, weight_decay, hidden_size,"
        " max_steps",
        "split: positive numbers are wanted, for their logs are fitted",
    ]


def test_what_varies_within_a_group_may_be_a_covariate(cells: MakeFrame) -> None:
    table = settings(cells, 0.05)
    grown = table.assign(hidden_size=table["group_order"], max_steps=4000, split="uniform")
    assert numeric_covariates(grown) == ["learning_rate", "weight_decay"]
    assert numeric_covariates(table[table["learning_rate"] == 0.002]) == ["weight_decay"]


def test_the_slopes_are_told_in_words_with_their_setting(cells: MakeFrame) -> None:
    found = fit_covariates(settings(cells, 0.05))
    rate, decay = (span(found.slopes[name]) for name in ("learning_rate", "weight_decay"))
    assert covariate_words(found) == (
        f"{found.setting}: n_c goes with the learning rate to the power {rate} and the weight decay"
        f" to the power {decay}. Beside these powers the settings differ by"
        f" {100 * found.misfit:.1f} % of n_c."
    )
    noise = np.exp(np.random.default_rng(3).normal(0, 0.02, 6 * len(ORDERS)))
    flat = settings(cells, 0.05).assign(n_c=lambda t: 9 * t["group_order"] ** 1.25 * noise)
    assert "That it does not depend on the learning rate and weight decay is possible." in (
        covariate_words(fit_covariates(flat))
    )
    few = fit_covariates(settings(cells, 0.05).query("group == 'G0'"))
    assert covariate_words(few).endswith(f"no slopes, because {CovariateStatus.TOO_FEW_GROUPS}.")


def test_slopes_allow_for_what_all_brackets_have_in_common(cells: MakeFrame) -> None:
    """n_c ~ rate^-0.05 on a grid 20 % apart: both rates have the same cells."""
    parts = []
    for rate in (0.002, 0.004):
        n_c = 9 * ORDERS**1.25
        parts.append(cells(ORDERS, n_c, width=0.2, setting=f"lr {rate}").assign(learning_rate=rate))
    found = fit_covariates(pd.concat(parts, ignore_index=True), ["learning_rate"])
    slope = found.slopes["learning_rate"]
    assert slope.value == pytest.approx(0, abs=1e-9)
    assert slope.half_width == pytest.approx(0.2 / np.log(2))
    assert -0.05 in slope
    assert np.isnan(found.misfit)  # a line through two points
    assert covariate_words(found).endswith(
        "Whether powers fit cannot be seen: no group has a setting to spare."
    )
