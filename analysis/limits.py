"""The threshold without a horizon, n_c(∞), from how the steps to generalize diverge towards it.

Steps to generalize go as t = A (n/n_c − 1)^(−z) above the threshold, so a horizon T only shows
n_c(T) = n_c (1 + (A/T)^(1/z)). Where enough runs generalized, over enough of that curve, its pole
can be fitted; where they did not, nothing is said.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, stats

from analysis.brackets import BracketStatus
from analysis.laws import LEVEL, Array, Estimate
from analysis.loading import setting_labels
from sweeper.store.records import Outcome

FEWEST = 4
"""Training-set sizes at which a seed has to have generalized, to say where its pole lies."""
WIDEST = 0.4
"""Of log n_c: an interval longer than that determines nothing of use."""
_SCATTER = 0.35
"""Of log t: what is above follows no such curve."""
_NEAREST, _FARTHEST = 1e-4, 3.0
"""How far below the smallest n_train that generalized a pole may lie, in log n."""


class LimitStatus(StrEnum):
    """What came of an extrapolation. The text names the cause and the remedy."""

    OK = "the threshold without a horizon was extrapolated"
    TOO_FEW_RUNS = (
        f"no seed generalized at {FEWEST} or more sizes, or too few runs did in all: add n_train"
        " above the thresholds"
    )
    NOT_DETERMINED = (
        "the steps to generalize do not determine where they diverge: add n_train close above the"
        " thresholds and well above them, or raise max_steps"
    )
    NO_POWER_LAW = (
        "the steps to generalize do not follow A (n/n_c − 1)^(−z): narrow n_train to the"
        " neighbourhood of the thresholds"
    )


@dataclass(frozen=True)
class Limit:
    """The threshold of one group without a horizon.

    Attributes:
        setting: In words.
        group: Its name.
        group_order: M.
        max_irrep_dim: d_k.
        status: OK, or why there is no number.
        n_c: Geometric mean over seeds of the poles, in pairs, with its profile interval; or None.
        z: Exponent of the divergence, the same for all seeds; or None.
        steps: A, the steps at n = 2 n_c; or None.
        residual_sd: Of log t; None without numbers.
        n_runs: Runs that generalized and were fitted.
        n_censored: Runs that did not, and bound the curve from below where it passes them.
        n_seeds: Seeds fitted, each with a pole of its own.
    """

    setting: str
    group: str
    group_order: int
    max_irrep_dim: int
    status: LimitStatus
    n_c: Estimate | None = None
    z: float | None = None
    steps: float | None = None
    residual_sd: float | None = None
    n_runs: int = 0
    n_censored: int = 0
    n_seeds: int = 0


def threshold_limits(records: pd.DataFrame) -> list[Limit]:
    """Extrapolate the threshold of every group to an endless horizon.

    Least squares of log t = log A − z log(n/n_s − 1) over the runs of a group, with one A and z and
    a pole n_s for each seed; runs that did not generalize by their horizon T are censored, and
    count where the curve has them below it: by log T less the curve. The interval of n_c holds the
    geometric means of the n_s with RSS ≤ RSS_min·(1 + F/dof), F the 95 % quantile on (1, dof).

    Args:
        records: As `load` gives them.

    Returns:
        One a setting and group, in order of setting and M; status says whether it has numbers.
        A good one has a residual_sd below 0.1 and an interval of some percent.
    """
    runs = records.assign(setting=setting_labels(records))
    by = ["setting", "group", "group_order", "max_irrep_dim"]
    limits = [_limit(part) for _, part in runs.groupby(by)]
    return sorted(limits, key=lambda one: (one.setting, one.group_order))


def limits_as_thresholds(limits: list[Limit]) -> pd.DataFrame:
    """The same as a table of thresholds, for the fits: n_c(∞), its interval as the bracket.

    Args:
        limits: As `threshold_limits` gives them. Those without a number become cells without one.
    """
    rows = [
        {
            "setting": f"{one.setting}, extrapolated",
            "group": one.group,
            "group_order": one.group_order,
            "max_irrep_dim": one.max_irrep_dim,
            "split_seed": 0,
            "init_seed": 0,
            "status": BracketStatus.BRACKETED if one.n_c else BracketStatus.NO_RUNS,
            "n_low": one.n_c.low if one.n_c else np.nan,
            "n_high": one.n_c.high if one.n_c else np.nan,
            "n_c": one.n_c.value if one.n_c else np.nan,
            "violations": 0,
            "n_runs": one.n_runs,
            "n_excluded": 0,
            "horizon_steps": 0,
            "steps_low": np.nan,
            "steps_high": np.nan,
        }
        for one in limits
    ]
    return pd.DataFrame(rows)


@dataclass(frozen=True, eq=False)
class _Curve:
    """The runs of one group: log n, log t or (censored) log T, whose seed, and its largest pole."""

    log_n: Array
    log_t: Array
    seed: NDArray[np.int64]
    censored: NDArray[np.bool_]
    ends: Array

    def left(self, poles: Array) -> tuple[Array, Array]:
        """Residuals at given log poles, log A and z at their best; and these two."""
        found = ~self.censored
        distance = self.log_n - poles[self.seed]
        x = np.log(np.expm1(np.maximum(distance, _NEAREST / 10)))
        design = np.column_stack([np.ones(int(found.sum())), -x[found]])
        curve = np.linalg.lstsq(design, self.log_t[found])[0]
        residuals = self.log_t - (curve[0] - curve[1] * x)
        # A run below its pole never generalizes, and one above it not before its horizon.
        held = np.where(distance > 0, np.maximum(residuals, 0.0), 0.0)
        return np.where(found, residuals, held), curve

    def best(self, mean: float | None, start: Array) -> tuple[float, Array]:
        """Least RSS over the poles, their mean given or free; and the poles."""
        low, high = self.ends - _FARTHEST, self.ends - _NEAREST

        def spread(inner: Array) -> Array:
            return inner if mean is None else np.append(inner, mean * len(low) - inner.sum())

        def residuals(inner: Array) -> Array:
            poles = spread(inner)
            over = np.maximum(poles - high, 0).sum() + np.maximum(low - poles, 0).sum()
            return np.asarray(self.left(np.clip(poles, low, high))[0] * (1 + 1e3 * over) + over)

        inner = np.clip(start, low, high)[: len(low) - (mean is not None)]
        if len(inner) == 0:
            poles = spread(inner)
            return float(np.sum(residuals(inner) ** 2)), poles
        bounds = low[: len(inner)], high[: len(inner)]
        inside = np.clip(inner, bounds[0] + 1e-9, bounds[1] - 1e-9)
        done = optimize.least_squares(residuals, inside, bounds=bounds, x_scale=0.05)
        return 2 * float(done.cost), spread(done.x)


def _limit(runs: pd.DataFrame) -> Limit:
    one = runs.iloc[0]
    none = Limit(
        str(one["setting"]),
        str(one["group"]),
        int(one["group_order"]),
        int(one["max_irrep_dim"]),
        LimitStatus.TOO_FEW_RUNS,
    )
    curve = _curve_of(runs)
    if curve is None:
        return none
    n_runs, n_seeds = int((~curve.censored).sum()), len(curve.ends)
    dof = n_runs - n_seeds - 2
    if dof < 1:
        return none
    starts = [curve.ends - gap for gap in (0.01, 0.03, 0.1, 0.3, 1.0)]
    rss, poles = min((curve.best(None, start) for start in starts), key=lambda one: one[0])
    (log_steps, z), sd = curve.left(poles)[1], float(np.sqrt(rss / dof))
    interval = _interval(curve, rss, poles, dof)
    if interval is None or interval[1] - interval[0] > WIDEST or z <= 0:
        status = LimitStatus.NOT_DETERMINED
    elif sd > _SCATTER:
        status = LimitStatus.NO_POWER_LAW
    else:
        n_c = Estimate(*np.exp([poles.mean(), *interval]).tolist())
        return replace(
            none,
            status=LimitStatus.OK,
            n_c=n_c,
            z=float(z),
            steps=float(np.exp(log_steps)),
            residual_sd=sd,
            n_runs=n_runs,
            n_censored=int(curve.censored.sum()),
            n_seeds=n_seeds,
        )
    return replace(none, status=status, n_runs=n_runs, n_seeds=n_seeds)


def _curve_of(runs: pd.DataFrame) -> _Curve | None:
    """The runs of the seeds that generalized at enough sizes; None where no seed did."""
    seen = runs["generalization_step"].astype("float64")
    # It happened after the evaluation before: half the distance of two, or of two powers of two.
    step = seen - np.minimum(runs["eval_every"], seen / 2) / 2
    watched = runs["outcome"].isin([Outcome.MEMORIZED, Outcome.UNRESOLVED])
    told = runs.assign(t=step.fillna(runs["max_steps"]), found=step.notna())[step.notna() | watched]
    seeds = [
        part
        for _, part in told.groupby(["split_seed", "init_seed"])
        if part.loc[part["found"], "n_train"].nunique() >= FEWEST
    ]
    if not seeds:
        return None
    kept = pd.concat(seeds)
    number = np.repeat(np.arange(len(seeds)), [len(part) for part in seeds])
    ends = [np.log(part.loc[part["found"], "n_train"].min()) for part in seeds]
    log_n, log_t = (np.log(kept[name].to_numpy(float)) for name in ("n_train", "t"))
    return _Curve(log_n, log_t, number, ~kept["found"].to_numpy(bool), np.array(ends))


def _interval(curve: _Curve, rss: float, poles: Array, dof: int) -> tuple[float, float] | None:
    """The mean log poles with RSS up to the cutoff; None where an end is not reached."""
    cutoff = rss * (1 + stats.f.ppf(LEVEL, 1, dof) / dof) + 1e-12
    centre = float(poles.mean())

    def excess(mean: float) -> float:
        return float(curve.best(mean, poles + (mean - centre))[0] - cutoff)

    ends = []
    for sign in (-1, 1):
        inside, step = centre, 1e-3
        while step < 2 * WIDEST:
            beyond = centre + sign * step
            if excess(beyond) > 0:
                ends.append(float(optimize.brentq(excess, inside, beyond, xtol=1e-6)))
                break
            inside, step = beyond, 1.6 * step
    return (ends[0], ends[1]) if len(ends) == 2 else None
