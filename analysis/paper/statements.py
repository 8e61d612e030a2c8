"""What a figure of the paper says, and whether our numbers agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

SIGNIFICANT = 0.05
"""From which p on nothing is said."""

RULES = (
    "Each statement has a test of its own at 5 %, so that of twenty about one is misjudged by"
    " chance alone; but whether nets fit first and generalize later, and whether frequencies are"
    " solved by 4 or 6 nodes, is counted without a test. A statement agrees where ours is what the"
    " paper says and the test rejects what stands against it: that is consistency in our setting,"
    " no proof, and where all that is known is that a value was not rejected, the interval says how"
    " far off it may be. It disagrees where the test finds the contrary. Else it cannot be told: no"
    " effect is seen, seeds are too few, or an exponent still moves with the horizon. Units are"
    " seeds, or orders where laws are tested; where runs or frequencies are counted the statistic"
    " says so. Limits are ours where the papers give none; the statistics name them"
)
"""What the verdicts mean, for whoever shows them."""


class Agreement(StrEnum):
    """How our numbers stand to a statement; RULES says what each takes."""

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


def counted_as(number: int, name: str) -> str:
    """So many of something, as text has it."""
    return f"{number} {name}{'s' * (number != 1)}"
