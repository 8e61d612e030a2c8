"""Small calibrations; `make calibrate` has the large ones."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from scipy import stats

from benchmarks import calibrate
from benchmarks.calibrate import bent, coverage, main, rejections
from benchmarks.synthetic import Truth


@pytest.mark.parametrize(
    "truth", [Truth(groups=6, softness=0.02, violation=0.01), Truth(theorem4=True, adaptive=True)]
)
def test_intervals_cover_as_often_as_they_say(truth: Truth) -> None:
    found = coverage("", truth, 40)
    # 95 % less 3 binomial standard deviations
    for share in (found.beta, found.n_star, found.quoted):
        assert share >= stats.binom.ppf(0.0015, 40, 0.95) / 40
    assert abs(found.bias) <= 0.02


def test_wrong_laws_are_rejected_and_the_true_one_is_not() -> None:
    found = rejections(Truth(), 15)
    assert min(min(found[law]) for law in ("n ∝ M", "M^(5/3)", "M²")) >= 0.95
    assert max(found["M log M"]) <= stats.binom.ppf(0.9985, 15, 0.05) / 15


def test_a_horizon_that_bends_the_exponent_is_refused_and_an_ample_one_is_not() -> None:
    held_up, ample = bent(60, 1), bent(2, 1)
    assert held_up.bias > 0.05
    assert (held_up.refused, ample.refused) == (1, 0)
    assert abs(held_up.limit_bias) < 0.02


def test_the_command_writes_its_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibrate, "SCENARIOS", {"plain": Truth(groups=6, seeds=1)})
    monkeypatch.setattr(calibrate, "SLOWNESSES", (60,))
    out = tmp_path / "calibration.md"
    done = CliRunner().invoke(main, ["--sweeps", "1", "--out", str(out)], catch_exceptions=False)
    assert done.exit_code == 0
    assert out.read_text() == done.output
    assert "| plain | 100.0 % |" in done.output


@pytest.mark.slow
@pytest.mark.parametrize("name", calibrate.SCENARIOS)
def test_every_scenario_is_calibrated(name: str) -> None:
    found = coverage(name, calibrate.SCENARIOS[name], 400, seed=1)
    shares = [one for one in (found.beta, found.n_star, found.gamma) if one == one]
    low, high = (stats.binom.ppf(q, 400, 0.95) / 400 for q in (0.0005, 0.9995))
    assert all(low <= one <= high for one in shares)
    assert abs(found.bias) <= calibrate.MOST_BIAS
