"""Whether the exponent still moves with the horizon, and so says more of the cap than of the task.

Steps to generalize diverge at n_c and grow with M, so a fixed cap on steps pushes the thresholds of
large groups up, and bends β: 1.61, 1.48, 1.41, 1.37 were measured for caps of 500, 1000, 2000 and
8000 steps where M log M means 1.28. What a shorter horizon would have found is in the records.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

import pandas as pd

from analysis.brackets import thresholds
from analysis.dims import Dim
from analysis.fitting import fit_law
from analysis.framed import Framed
from analysis.laws import Estimate, Form, LawFit

FRACTIONS = (0.25, 0.5, 1.0)
"""Of the horizon, at which β is estimated again."""
TOLERABLE_DRIFT = 0.1
"""Of β, allowed at most however wide its interval: half of what the rivals differ by. A group that
the horizon holds up bends β, and widens its interval by the same."""
NEGLIGIBLE_DRIFT = 0.01
"""Of β, allowed however narrow its interval: on grids that are alike in n_train the thresholds may
scatter by nothing, and the laws to be told apart differ by 0.2 and more."""


class HorizonStatus(StrEnum):
    """Whether a verdict on β may be given. The text names the cause and the remedy."""

    STABLE = "β is stable from half the horizon to the whole"
    DRIFTS = (
        "β still moves with the horizon by more than its interval allows, so it measures the cap"
        " on steps: raise max_steps, and space n_train more finely about the thresholds"
    )
    CANNOT_TELL = (
        "a group fitted at the whole horizon has no threshold yet at half of it, so that it cannot"
        " be seen whether β moves with it: raise max_steps, or add n_train above the thresholds"
    )
    NO_LAW = "there is no law at the whole horizon to check"


@dataclass(frozen=True, eq=False, repr=False)
class HorizonCheck(Framed):
    """β at parts of the horizon.

    Attributes:
        setting: In words.
        status: STABLE, or why no verdict may be given.
        fits: For each fraction, ascending, the fit to all groups that have a threshold there.
        drift: β at the whole less β at half the horizon, over the groups of the whole; None where
            one of them has no threshold at half.
        allowed: The half-width of β's interval at the whole horizon, from the scatter of the groups
            alone (a wide bracket excuses no drift), but at least NEGLIGIBLE_DRIFT and at most
            TOLERABLE_DRIFT; None without a law. A good drift is far below it.
    """

    setting: str
    status: HorizonStatus
    fits: dict[float, LawFit]
    drift: float | None
    allowed: float | None
    _brief = ("horizon_fraction", "n_groups", "estimate", "low", "high")

    @property
    def title(self) -> str:
        """The setting, and whether a verdict on it may be given."""
        return f"β at parts of the horizon; {self.setting}: {self.status}"

    def to_frame(self) -> pd.DataFrame:
        """One row a part of the horizon.

        Returns:
            setting, horizon_fraction, n_groups, parameter (beta), estimate, low, high (95 %, from
            the scatter of the groups; NaN without a law), drift, allowed, status (of the check).
        """
        rows = []
        for fraction, fit in self.fits.items():
            beta = fit.law.beta if fit.law else Estimate(math.nan, math.nan, math.nan)
            row = {"horizon_fraction": fraction, "n_groups": len(fit.groups), "parameter": "beta"}
            row |= {"estimate": beta.value, "low": beta.low, "high": beta.high}
            row |= {"drift": self.drift, "allowed": self.allowed}
            rows.append({"setting": self.setting, **row, "status": self.status.name.lower()})
        return pd.DataFrame(rows).astype({"drift": float, "allowed": float})


def horizon_check(
    records: pd.DataFrame,
    law: Form | Literal["power law", "Theorem 4"] = Form.POWER,
    dim: Dim | str | None = None,
    whole: pd.DataFrame | None = None,
) -> list[HorizonCheck]:
    """Estimate β again at a quarter, half and the whole of the horizon.

    Args:
        records: As `load` gives them.
        law: Whose β.
        dim: Which irrep dimension is d, as `fit_law` takes it.
        whole: The thresholds of these records, where they are known already.

    Returns:
        One check a setting, in order of setting. A drift above the interval's half-width refuses
        every verdict on the setting.
    """
    tables = horizon_tables(records, whole)
    return [
        check_tables(
            str(setting),
            {fraction: table[table["setting"] == setting] for fraction, table in tables.items()},
            Form(law),
            dim,
        )
        for setting in tables[1.0]["setting"].unique()
    ]


def horizon_tables(
    records: pd.DataFrame, whole: pd.DataFrame | None = None
) -> dict[float, pd.DataFrame]:
    """Thresholds at each of FRACTIONS of the horizon.

    Args:
        records: As `load` gives them.
        whole: Those at the whole of it, where they are known already.
    """
    return {
        fraction: thresholds(records, fraction) if whole is None or fraction < 1 else whole
        for fraction in FRACTIONS
    }


def check_tables(
    setting: str,
    tables: dict[float, pd.DataFrame],
    law: Form = Form.POWER,
    dim: Dim | str | None = None,
) -> HorizonCheck:
    """The check of thresholds that are known already.

    Args:
        setting: In words.
        tables: For each of FRACTIONS the thresholds of this setting alone.
        law: As `horizon_check` takes it.
        dim: Likewise.
    """
    fits = {fraction: fit_law(table, law, dim) for fraction, table in tables.items()}
    whole = fits[1.0].law
    if whole is None:
        return HorizonCheck(setting, HorizonStatus.NO_LAW, fits, None, None)
    allowed = min(max(whole.beta.half_width, NEGLIGIBLE_DRIFT), TOLERABLE_DRIFT)
    # Over other groups β could differ for reasons other than the horizon, and a group that comes in
    # only with the last half of it is the very one that the horizon holds up.
    groups = fits[1.0].groups["group"]
    half = fit_law(tables[0.5][tables[0.5]["group"].isin(groups)], law, dim)
    if half.law is None or len(half.groups) < len(groups):
        return HorizonCheck(setting, HorizonStatus.CANNOT_TELL, fits, None, allowed)
    drift = whole.beta.value - half.law.beta.value
    status = HorizonStatus.STABLE if abs(drift) <= allowed else HorizonStatus.DRIFTS
    return HorizonCheck(setting, status, fits, drift, allowed)
