"""What a fitted law is: n_c ~ d_k² M log(M/δ), or a power of M.

With x = ln(M/M*), M* and d* the geometric means of the orders and irrep dimensions fitted,

    power law   log n_c = log n* + βx + γ ln(d/d*)
    Theorem 4   log n_c = log n* + x + log(1 + (β − 1)x) + γ ln(d/d*)

The second is C d^γ M log(M/δ) of arXiv 2509.21519, Theorem 4, written with its value and its slope
at M*, which the data determine, in place of C and log δ, which they leave 99 % correlated:
β = 1 + 1/ln(M*/δ) and n* = C d*^γ M*/(β − 1). β is the local exponent at M* in both.

No law but its own has one exponent in a form: a power law through exact values of M log M over the
odd orders from 11 to 97 has β = 1.285, where M log M has the local exponent 1.262 at their M*. So β
is held against what the same least squares make of each rival's exact values at the same groups.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis import theorem4
from analysis.declarations import built_in_law
from analysis.framed import Framed

Array = NDArray[np.float64]
LEVEL = 0.95
"""Of every interval here."""


LOG_RIVALS: dict[str, Callable[[Array], Array]] = {
    "n ∝ M": lambda log_m: log_m,
    "M log M": lambda log_m: log_m + np.log(log_m),
    "M^(5/3)": lambda log_m: 5 / 3 * log_m,
    "M²": lambda log_m: 2 * log_m,
}
"""The laws that β is held against: log n_c up to a constant, of log M."""


class Form(StrEnum):
    """A family of laws."""

    POWER = "power law"
    THEOREM_4 = "Theorem 4"

    def curve(self, x: Array, beta: float) -> tuple[Array, Array]:
        """Give log n_c less log n* at d*, and its derivative in β, at x = ln(M/M*)."""
        if self is Form.POWER:
            return beta * x, x
        return theorem4.shape(x, beta), theorem4.slope(x, beta)


class FitStatus(StrEnum):
    """What came of a fit. The text names the cause and the remedy."""

    OK = "the law was fitted"
    TOO_FEW_GROUPS = (
        "too few groups have a threshold, and a fit needs one more than its parameters:"
        " add group orders, or n_train on both sides of their thresholds"
    )
    NO_SPREAD = (
        "the groups' orders and irrep dimensions do not vary independently, so their effects"
        " cannot be told apart: add groups of other orders, and of like order but other dimensions"
    )
    INTERVAL_OPEN = (
        "the local exponent has no bound within what this form can take: the thresholds scatter too"
        " much, or do not follow it: see the power law, and add group orders at both ends"
    )


@dataclass(frozen=True)
class Estimate:
    """A number and its 95 % interval [low, high]."""

    value: float
    low: float
    high: float

    @property
    def half_width(self) -> float:
        """Half the interval's length."""
        return (self.high - self.low) / 2

    def widened(self, margin: float) -> "Estimate":
        """The same number, with `margin` more on either side."""
        return Estimate(self.value, self.low - margin, self.high + margin)

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, eq=False)
class Law:
    """The numbers of a fitted law.

    Attributes:
        form: The family.
        order_star: M*, geometric mean order of the groups fitted.
        dim_star: d*, geometric mean irrep dimension of the groups fitted.
        n_star: n_c at M* and d*, in pairs.
        beta: Local exponent d log n_c / d log M at M*; its interval is from the scatter of the
            groups alone.
        gamma: Exponent of d_k, 2 in Theorem 4; None where d_k does not vary.
        resolution: How far β could move with every n_c staying inside its bracket. Groups whose
            grids of n_train are alike err alike, so no number of them averages this away, and
            their scatter does not show it: on a coarse grid in n/(M log M) all agree on M log M.
        gamma_resolution: The same for γ; 0 where there is none.
        curvature: Coefficient of x², were it added to the law: 0 if the form is right. Its interval
            is widened by its own resolution. None with too few groups for it.
        residual_sd: Of log n_c about the law, on `dof` degrees of freedom.
        dof: Groups less parameters.
        aicc: Small-sample Akaike criterion over groups; None where it does not exist.
        covariance: (parameters, parameters) of log n*, β and γ; for Theorem 4 linearised.
        rival_betas: For each of LOG_RIVALS the β that this form takes on its exact values at these
            groups; NaN where it has none, as M log M at M = 1.
    """

    form: Form
    order_star: float
    dim_star: float
    n_star: Estimate
    beta: Estimate
    gamma: Estimate | None
    resolution: float
    gamma_resolution: float
    curvature: Estimate | None
    residual_sd: float
    dof: int
    aicc: float | None
    covariance: Array
    rival_betas: Mapping[str, float]

    @property
    def quoted_beta(self) -> Estimate:
        """β with its interval widened by `resolution` on either side: what verdicts rest on."""
        return self.beta.widened(self.resolution)

    @property
    def quoted_gamma(self) -> Estimate | None:
        """γ with its interval widened by `gamma_resolution` on either side."""
        return self.gamma.widened(self.gamma_resolution) if self.gamma else None

    @property
    def m_log_m_beta(self) -> float:
        """What β is where n_c grows as M log M; in the form of Theorem 4 that is 1 + 1/ln M*."""
        return self.rival_betas["M log M"]

    def predict(
        self, orders: Array, irrep_dims: Array | float | None = None
    ) -> tuple[Array, Array, Array]:
        """The law's n_c and the ends of its pointwise 95 % band, in pairs.

        The band is that of the law itself, from the scatter, not of a new group about it; for
        Theorem 4 linearised. NaN with the value where its 1 + (β − 1)x is not positive, and at
        another d than that of the groups fitted where these have one alone.

        Args:
            orders: (points,) M.
            irrep_dims: (points,) d, or one for all; by default d*.
        """
        x = np.log(orders / self.order_star)
        dims = self.dim_star if irrep_dims is None else irrep_dims
        log_dim = np.log(dims / self.dim_star) + 0 * x
        shape, slope = self.form.curve(x, self.beta.value)
        gamma = self.gamma.value if self.gamma else np.where(np.abs(log_dim) < 1e-9, 0.0, np.nan)
        centre = np.log(self.n_star.value) + shape + gamma * log_dim
        jacobian = np.column_stack([np.ones_like(x), slope, log_dim])[:, : len(self.covariance)]
        variance = np.einsum("pi,ij,pj->p", jacobian, self.covariance, jacobian)
        margin = stats.t.ppf((1 + LEVEL) / 2, self.dof) * np.sqrt(variance)
        return np.exp(centre), np.exp(centre - margin), np.exp(centre + margin)


@dataclass(frozen=True, eq=False, repr=False)
class LawFit(Framed):
    """What came of fitting one form to the thresholds of one setting.

    Attributes:
        form: The family.
        setting: The setting in words: network, optimizer, horizon and what else it takes.
        status: OK, or why there is no law, or (INTERVAL_OPEN) why its interval has infinite ends.
        groups: One row a group fitted, in order of M: group, group_order, irrep_dim, log_n_c,
            half_width, n_seeds (see `group_means`) and, with a law, residual, of log n_c.
        dropped: The groups left out, each with its reason.
        horizon_steps: Smallest and largest horizon of the cells, in steps.
        law: The numbers, or None.
        violations: Share of the runs of these groups on the wrong side of their cells' cuts.
    """

    form: Form
    setting: str
    status: FitStatus
    groups: pd.DataFrame
    dropped: tuple[str, ...]
    horizon_steps: tuple[int, int]
    law: Law | None = None
    violations: float = 0.0
    _brief = ("parameter", "estimate", "low", "high", "low_with_grid", "high_with_grid")

    @property
    def title(self) -> str:
        """The form, the groups and the setting; and why there is no law, or what is wrong."""
        return title(self.form, self.groups, self.setting, self.status)

    def to_frame(self) -> pd.DataFrame:
        """One row a parameter, or a single one with NaN where there is no law.

        Returns:
            setting, law, formula, parameter (n_star, beta, and gamma where d varies), estimate, low
            and high (95 %, from the scatter of the groups), low_with_grid and high_with_grid (of
            β and γ, widened by the resolution; NaN for n*), order_star and dim_star (M* and d*),
            n_groups, order_min, order_max, residual_sd (of log n_c), dof, aicc, status.
        """
        law = self.law
        found = {"n_star": law.n_star, "beta": law.beta, "gamma": law.gamma} if law else {}
        varies = " d^γ" if law and law.gamma else ""
        table = parameter_frame(
            {name: one for name, one in found.items() if one},
            setting=self.setting,
            law=str(self.form),
            formula=built_in_law(f"{self.form}{varies}").formula.text,
            order_star=law.order_star if law else None,
            dim_star=law.dim_star if law else None,
            orders=self.groups["group_order"],
            residual_sd=law.residual_sd if law else None,
            dof=law.dof if law else None,
            aicc=law.aicc if law else None,
            status=self.status.name.lower(),
        )
        quoted = {"beta": law.quoted_beta, "gamma": law.quoted_gamma} if law else {}
        for name, one in quoted.items():
            if one:
                ends = ["low_with_grid", "high_with_grid"]
                table.loc[table["parameter"] == name, ends] = one.low, one.high
        return table


def title(name: str, groups: pd.DataFrame, setting: str, status: StrEnum) -> str:
    """What was fitted to what, in one line.

    Args:
        name: Of the law.
        groups: Those fitted.
        setting: In words.
        status: Told if it is not `OK`.
    """
    orders = groups["group_order"]
    spread = f", M = {orders.min()} to {orders.max()}" if len(orders) else ""
    of = f"{name}, {len(orders)} groups{spread}; {setting}"
    return of if status.name == "OK" else f"{of}: {status.name.lower().replace('_', ' ')}"


def parameter_frame(
    estimates: Mapping[str, Estimate], orders: "pd.Series[int]", **of_all: object
) -> pd.DataFrame:
    """One row a parameter, as `LawFit.to_frame` has them.

    Args:
        estimates: By parameter; none gives one row without numbers.
        orders: M of the groups fitted.
        of_all: What all rows have in common; setting, law and formula come first, status last.
    """
    nothing = Estimate(np.nan, np.nan, np.nan)
    first = {name: of_all.pop(name) for name in ("setting", "law", "formula")}
    status = of_all.pop("status")
    rows = [
        {
            **first,
            "parameter": name,
            "estimate": one.value,
            "low": one.low,
            "high": one.high,
            "low_with_grid": np.nan,
            "high_with_grid": np.nan,
            "n_groups": len(orders),
            "order_min": orders.min() if len(orders) else None,
            "order_max": orders.max() if len(orders) else None,
            **of_all,
            "status": status,
        }
        for name, one in (estimates or {"": nothing}).items()
    ]
    numbers = ["order_star", "dim_star", "residual_sd", "aicc"]
    whole = ["order_min", "order_max", "dof"]
    kinds = dict.fromkeys(numbers, "float64") | dict.fromkeys(whole, "Int64")
    return pd.DataFrame(rows).astype(kinds)


@dataclass(frozen=True)
class Constants:
    """C and δ of n_c = C d^γ M log(M/δ), where the data allow them.

    Attributes:
        delta: M* e^(−1/(β − 1)), with the values at the ends of β's interval; it may reach above
            1, which Theorem 4 excludes, as far as the interval of β does. Or None.
        C: n*(β − 1)/(M* d*^γ), at the estimates; or None.
        reason: Why they are None; empty otherwise.
    """

    delta: Estimate | None
    C: float | None
    reason: str


def constants(law: Law) -> Constants:
    """C and δ from a law of the form of Theorem 4.

    They exist only where β's interval (as quoted) lies above 1 and meets (1, 1 + 1/ln M*], which is
    what δ in (0, 1] allows: β → 1 is n ∝ M (δ → 0), 1 + 1/ln M* is M log M (δ = 1).

    Args:
        law: Fitted as Form.THEOREM_4.
    """
    if law.form is not Form.THEOREM_4:
        return Constants(None, None, "C and δ belong to the form of Theorem 4")
    beta = law.quoted_beta
    if beta.low <= 1:
        return Constants(
            None, None, "the interval of β does not lie above 1, where n ∝ M and δ → 0"
        )
    most = law.m_log_m_beta
    if np.isnan(most):  # an order of 1
        most = float(1 + 1 / np.log(law.order_star))
    if beta.low > most:
        limit = f"1 + 1/ln M* = {most:.3f}"
        return Constants(None, None, f"the interval of β lies above {limit}, where δ = 1")
    ends = np.array([beta.value, beta.low, beta.high])
    delta = Estimate(*(law.order_star * np.exp(-1 / (ends - 1))).tolist())
    gamma = law.gamma.value if law.gamma else 0.0
    C = law.n_star.value * (beta.value - 1) / (law.order_star * law.dim_star**gamma)
    return Constants(delta, C, "")


def aicc(rss: float, n_groups: int, n_parameters: int) -> float | None:
    """The criterion G ln(RSS/G) + 2k + 2k(k + 1)/(G − k − 1), with k counting the residual sd too.

    Args:
        rss: Residual sum of squares, of log n_c.
        n_groups: G.
        n_parameters: Of the law.

    Returns:
        Less is better; forms less than 2 apart cannot be told apart. None where G is too small or
        the fit is exact, for which it does not exist.
    """
    k = n_parameters + 1
    if n_groups - k - 1 <= 0 or rss <= 0:
        return None
    return float(n_groups * np.log(rss / n_groups) + 2 * k + 2 * k * (k + 1) / (n_groups - k - 1))
