"""What a figure of the paper says, and whether our numbers agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats
from statsmodels.regression.linear_model import OLS


class Agreement(StrEnum):
    """How our numbers stand to a statement."""

    AGREES = "agrees"
    DISAGREES = "disagrees"
    OPEN = "cannot be told"


@dataclass(frozen=True)
class Statement:
    """One sentence of the paper, judged.

    Attributes:
        says: The paper's sentence, in our words.
        agreement: What comes of ours.
        statistic: The numbers that it rests on.
        why: Where it is no agreement: what stands between.
    """

    says: str
    agreement: Agreement
    statistic: str
    why: str = ""


@dataclass(frozen=True)
class Mean:
    """A mean with its 95 % interval.

    Attributes:
        value: The mean.
        low: Lower end of Student's t interval; with fewer than two values −∞.
        high: Upper end; with fewer than two values ∞.
        count: Values.
    """

    value: float
    low: float
    high: float
    count: int

    def between(self, digits: int = 2) -> str:
        """The interval, as text has it."""
        return f"{self.value:.{digits}f} [{self.low:.{digits}f}, {self.high:.{digits}f}]"


def mean_of(values: ArrayLike, logarithms: bool = False) -> Mean:
    """Mean and interval of independent values.

    Args:
        values: Shape (count,), finite.
        logarithms: Whether they are logarithms, of which the geometric mean is wanted.
    """
    found = np.asarray(values, dtype=float)
    count = len(found)
    if not count:
        raise ValueError("no values")
    half = np.inf
    if count > 1:
        half = stats.t.ppf(0.975, count - 1) * found.std(ddof=1) / np.sqrt(count)
    ends = np.array([found.mean(), found.mean() - half, found.mean() + half])
    centre, low, high = (np.exp(ends) if logarithms else ends).tolist()
    return Mean(centre, low, high, count)


def ratio_within(logs: ArrayLike, chosen: ArrayLike, strata: ArrayLike) -> Mean | None:
    """Geometric mean of chosen values over that of the others of the same strata.

    A least-squares fit with a constant for each stratum; its interval is Student's t.

    Args:
        logs: Logarithms, shape (count,), finite.
        chosen: Which of them, shape (count,), bool.
        strata: What is alike for those that are compared, shape (count,).

    Returns:
        None where no stratum has several values, chosen ones and others among them.
    """
    runs = pd.DataFrame({"log": np.asarray(logs, float), "chosen": np.asarray(chosen, bool)})
    runs["stratum"] = pd.Categorical(np.asarray(strata))
    both = runs.groupby("stratum", observed=True)["chosen"].agg(["nunique", "size"])
    runs = runs[runs["stratum"].isin(both.index[(both["nunique"] == 2) & (both["size"] > 2)])]
    if runs.empty:
        return None
    constants = pd.get_dummies(runs["stratum"].cat.remove_unused_categories(), dtype=float)
    design = constants.assign(chosen=runs["chosen"].astype(float)).to_numpy()
    fit = OLS(runs["log"].to_numpy(), design).fit()
    low, high = np.exp(fit.conf_int(0.05)[-1]).tolist()
    return Mean(float(np.exp(fit.params[-1])), low, high, len(runs))


def compared(mean: Mean, with_value: float, above: bool) -> Agreement:
    """Whether a mean lies on the stated side of a value, beyond its interval.

    Args:
        mean: Ours.
        with_value: What it should lie above or below.
        above: Which of both.
    """
    margin = 1e-9  # equal values have no interval
    if mean.low > with_value + margin:
        return Agreement.AGREES if above else Agreement.DISAGREES
    if mean.high < with_value - margin:
        return Agreement.DISAGREES if above else Agreement.AGREES
    return Agreement.OPEN


def counted(flags: Sequence[bool]) -> str:
    """How many of all, as text has it."""
    return f"{sum(flags)} of {len(flags)}"
