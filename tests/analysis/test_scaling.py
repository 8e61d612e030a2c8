import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from analysis import InputError, ScalingStatus, fit_scaling_law
from sweeper.cli import main

CHINCHILLA = {"E": 1.69, "A": 406.4, "B": 410.7, "alpha": 0.34, "beta": 0.28}
"""Hoffmann et al. 2022, equation 10."""
FORMULA = "L = E + A/N**alpha + B/D**beta"
KAPLAN = {"Nc": 6.4e13, "Dc": 1.8e13, "aN": 0.076, "aD": 0.103}
"""Kaplan et al. 2020 (arXiv 2001.08361), table 2."""
KAPLAN_FORMULA = "L = ((Nc/N)**(aN/aD) + Dc/D)**aD"
KAPLAN_BOUNDS = {"Nc": (1e9, 1e18), "Dc": (1e9, 1e18)}


def runs(noise: float, seed: int = 0) -> pd.DataFrame:
    sizes = np.meshgrid(np.geomspace(7e7, 1.6e10, 12), np.geomspace(5e9, 5e11, 12))
    N, D = (one.ravel() for one in sizes)
    frame = pd.DataFrame({"N": N, "D": D})
    scatter = np.exp(np.random.default_rng(seed).normal(0, noise, len(frame)))
    c = CHINCHILLA
    return frame.assign(L=(c["E"] + c["A"] / N ** c["alpha"] + c["B"] / D ** c["beta"]) * scatter)


def kaplan(noise: float) -> pd.DataFrame:
    sizes = np.meshgrid(np.geomspace(1e5, 1e9, 12), np.geomspace(2e7, 2e10, 8))
    N, D = (one.ravel() for one in sizes)
    loss = ((KAPLAN["Nc"] / N) ** (KAPLAN["aN"] / KAPLAN["aD"]) + KAPLAN["Dc"] / D) ** KAPLAN["aD"]
    scatter = np.exp(np.random.default_rng(0).normal(0, noise, len(N)))
    return pd.DataFrame({"N": N, "D": D, "L": loss * scatter})


@pytest.mark.parametrize("huber", [1e-3, None])
def test_published_coefficients_are_recovered_without_noise(huber: float | None) -> None:
    found = fit_scaling_law(runs(0.0), FORMULA, huber=huber)
    assert found.status is ScalingStatus.OK
    for name, value in CHINCHILLA.items():
        assert found.estimates[name].value == pytest.approx(value, rel=1e-5)
    found = fit_scaling_law(kaplan(0.0), KAPLAN_FORMULA, KAPLAN_BOUNDS, huber)
    for name, value in KAPLAN.items():
        assert found.estimates[name].value == pytest.approx(value, rel=1e-4)


def test_published_coefficients_are_recovered_with_noise_to_the_digits_stated() -> None:
    found = fit_scaling_law(runs(1e-3), FORMULA, bootstrap=60)
    values = {name: one.value for name, one in found.estimates.items()}
    assert values["E"] == pytest.approx(1.69, abs=0.005)
    assert values["alpha"] == pytest.approx(0.34, abs=0.005)
    assert values["beta"] == pytest.approx(0.28, abs=0.005)
    for name, value in CHINCHILLA.items():
        assert value in found.estimates[name].widened(0.3 * found.estimates[name].half_width)
    assert found.residual_sd == pytest.approx(1e-3, rel=0.15)
    found = fit_scaling_law(kaplan(1e-3), KAPLAN_FORMULA, KAPLAN_BOUNDS)
    assert found.estimates["aN"].value == pytest.approx(0.076, abs=0.0005)
    assert found.estimates["aD"].value == pytest.approx(0.103, abs=0.0005)
    assert found.estimates["Nc"].value == pytest.approx(6.4e13, rel=0.05)
    assert found.estimates["Dc"].value == pytest.approx(1.8e13, rel=0.05)


def test_a_bootstrap_that_determines_nothing_gives_no_interval() -> None:
    """Of four rows nine resamples in ten hold three at most: three parameters fit them exactly."""
    frame = pd.DataFrame({"N": [1.0, 2.0, 4.0, 8.0], "L": [4.0, 3.0, 2.5, 2.2]})
    found = fit_scaling_law(frame, "L = E + A/N**alpha", bootstrap=40)
    assert found.status is ScalingStatus.OK
    assert all(math.isnan(one.low) and math.isnan(one.high) for one in found.estimates.values())
    assert found.reason.endswith("so it has no intervals: add rows")
    constant = frame.assign(N=[1.0, 1.0, 1.0, 8.0], D=[1.0, 2.0, 4.0, 8.0])
    few = fit_scaling_law(constant, "L = A/N**alpha/D**b", bootstrap=40, huber=None)
    assert math.isnan(few.estimates["alpha"].low)


def test_a_few_bad_runs_bend_nothing() -> None:
    frame = runs(1e-4)
    frame.loc[::20, "L"] *= 1.5
    robust = fit_scaling_law(frame, FORMULA).estimates
    plain = fit_scaling_law(frame, FORMULA, huber=None).estimates
    assert robust["alpha"].value == pytest.approx(0.34, abs=0.005)
    assert abs(plain["alpha"].value - 0.34) > 0.01


def test_a_fit_predicts_and_its_loss_is_hubers() -> None:
    frame = runs(5e-3)
    found = fit_scaling_law(frame, FORMULA)
    left = np.abs(np.log(frame["L"] / found.predict(frame)))
    huber = np.where(left <= 1e-3, left**2 / 2, 1e-3 * (left - 5e-4))
    assert found.loss == pytest.approx(huber.mean())
    assert math.isnan(found.estimates["E"].low)


@pytest.mark.parametrize(
    ("frame", "formula", "status", "reason"),
    [
        (runs(0.0)[:5], FORMULA, ScalingStatus.TOO_FEW_ROWS, "no more rows than parameters: add"
         " runs"),
        (runs(0.0).assign(D=1e10), FORMULA, ScalingStatus.RANK_DEFICIENT, None),
        (runs(0.0), "L = A * B / N**alpha", ScalingStatus.RANK_DEFICIENT, "the parameters A and B"
         " cannot be told apart by these rows: vary the columns independently, or fix one of them"),
        (runs(0.0), "L = A * N**alpha", ScalingStatus.AT_BOUND, "alpha ended at a bound: widen it,"
         " or take a formula without it"),
        (runs(0.0), "L = log(alpha - N)", ScalingStatus.DID_NOT_CONVERGE, "no start ended at a"
         " minimum: narrow the bounds of alpha"),
    ],
)  # fmt: skip
def test_a_fit_that_failed_says_why(
    frame: pd.DataFrame, formula: str, status: ScalingStatus, reason: str | None
) -> None:
    found = fit_scaling_law(frame, formula)
    assert found.status is status
    assert reason is None or found.reason == reason


def test_what_is_wrong_with_the_input_is_said_at_once() -> None:
    with pytest.raises(InputError) as raised:
        fit_scaling_law(runs(0.0).assign(N=-1.0), "X = A / N**a", {"b": (0, 1), "a": (2, 1)})
    assert str(raised.value).splitlines() == [
        "the table has no column X",
        "bounds of b, which is no parameter",
        "bounds of a: a lowest and a highest number are wanted",
        "column N: positive numbers are wanted in every row",
    ]


def test_the_command_fits_a_file(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    runs(1e-4).to_csv(path, index=False)
    command = ["scaling", str(path), "--formula", FORMULA, "--bootstrap", "3"]
    found = json.loads(CliRunner().invoke(main, [*command, "--json"]).output)
    assert found["estimates"]["alpha"]["value"] == pytest.approx(0.34, abs=0.002)
    assert "the law was fitted; 144 rows" in CliRunner().invoke(main, command).output
    wrong = CliRunner().invoke(main, ["scaling", str(path), "--formula", "L = N^2"])
    assert (wrong.exit_code, "write **" in wrong.output) == (2, True)
