import math
from collections.abc import Callable

import pandas as pd
import pytest

from analysis import Form, HorizonStatus, horizon_check, thresholds
from analysis.horizon import TOLERABLE_DRIFT

MakeFrame = Callable[..., pd.DataFrame]


def test_a_cap_on_steps_bends_the_exponent_and_is_refused(diverging_sweep: MakeFrame) -> None:
    (check,) = horizon_check(diverging_sweep(slowness=60))
    betas = [fit.law.beta.value for fit in check.fits.values() if fit.law]
    assert list(check.fits) == [0.25, 0.5, 1.0]
    assert betas == sorted(betas, reverse=True)
    assert check.drift is not None
    assert check.allowed is not None
    assert check.drift < -check.allowed < 0
    assert check.status is HorizonStatus.DRIFTS
    assert str(check.status) == (
        "β still moves with the horizon by more than its interval allows, so it measures the cap"
        " on steps: raise max_steps, and space n_train more finely about the thresholds"
    )


@pytest.mark.parametrize("form", Form)
def test_an_ample_horizon_is_stable_and_its_exponent_is_right(
    diverging_sweep: MakeFrame, form: Form
) -> None:
    records = diverging_sweep(slowness=0.5)
    (check,) = horizon_check(records, form)
    law = check.fits[1.0].law
    assert check.status is HorizonStatus.STABLE
    assert law is not None
    assert law.m_log_m_beta in law.quoted_beta
    assert str(check.status) == "β is stable from half the horizon to the whole"


def test_groups_that_come_in_with_the_last_half_are_refused(diverging_sweep: MakeFrame) -> None:
    """They are the ones that the horizon holds up: the others may well be stable without them."""
    (check,) = horizon_check(diverging_sweep(slowness=250))
    assert 3 <= len(check.fits[0.5].groups) < len(check.fits[1.0].groups)
    assert (check.status, check.drift) == (HorizonStatus.CANNOT_TELL, None)
    assert str(check.status) == (
        "a group fitted at the whole horizon has no threshold yet at half of it, so that it cannot"
        " be seen whether β moves with it: raise max_steps, or add n_train above the thresholds"
    )


def test_a_wide_interval_excuses_no_large_drift(diverging_sweep: MakeFrame) -> None:
    """The outlier that the horizon makes widens the interval: what is allowed has a limit."""
    records = diverging_sweep(slowness=0.5, orders=(11, 17, 97))
    outlier = records["group"] == "Z17"
    records["n_train"] = records["n_train"].where(~outlier, 2 * records["n_train"])
    (check,) = horizon_check(records)
    law = check.fits[1.0].law
    assert law is not None
    assert law.beta.half_width > TOLERABLE_DRIFT
    assert check.allowed == TOLERABLE_DRIFT


def test_without_a_law_there_is_nothing_to_check(diverging_sweep: MakeFrame) -> None:
    (check,) = horizon_check(diverging_sweep(slowness=1, orders=(11, 17)))
    assert (check.status, check.drift, check.allowed) == (HorizonStatus.NO_LAW, None, None)
    assert str(check.status) == "there is no law at the whole horizon to check"


def test_each_setting_is_checked_by_itself(diverging_sweep: MakeFrame) -> None:
    slow = diverging_sweep(slowness=60, learning_rate=0.001)
    fast = diverging_sweep(slowness=0.5, learning_rate=0.005)
    checks = horizon_check(pd.concat([fast, slow], ignore_index=True))
    assert [("lr 0.001" in check.setting, check.status) for check in checks] == [
        (True, HorizonStatus.DRIFTS),
        (False, HorizonStatus.STABLE),
    ]
    assert horizon_check(fast[:0]) == []


def test_unresolved_runs_never_lower_a_threshold(diverging_sweep: MakeFrame) -> None:
    records = diverging_sweep(slowness=60)
    cells = thresholds(records).set_index(["group", "init_seed"])
    unresolved = records[records["outcome"] == "unresolved"]
    assert len(unresolved) > 100
    for (group, seed), runs in unresolved.groupby(["group", "init_seed"]):
        assert runs["n_train"].max() == cells.loc[(group, seed), "n_low"]
    assert math.isfinite(cells["n_c"].min())
