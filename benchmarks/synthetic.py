"""Synthetic sweeps with a known law, as records: what the analysis is calibrated on."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from sweeper.store.records import DEFAULTS, RECORD_SCHEMA, Outcome

Array = NDArray[np.float64]
ORDERS = (23, 29, 31, 37, 41, 43, 47, 53, 59, 67, 71, 79, 89, 97, 109, 127)
EVAL_EVERY = 25


@dataclass(frozen=True)
class Truth:
    """What a synthetic sweep follows.

    Attributes:
        groups: How many orders, spread over ORDERS.
        beta: Local exponent at M*, the geometric mean order.
        theorem4: Of the form x + log(1 + (β − 1)x); else a power law.
        gamma: Exponent of d, with every order once at d = 1 and once at d = 2; None for d = 1.
        order_scatter: Standard deviation of log n_c between groups.
        seed_scatter: The same between the seeds of a group.
        softness: Scale of the logistic in log n by which a run generalizes; 0 is a step.
        violation: Chance that a run's outcome is the wrong one.
        adaptive: Bisection to 5 % in place of a grid of 16 sizes, 7 % apart.
        seeds: A group.
        horizon: In steps.
        slowness: A of t = A (M/23)^1.5 (n/n_c − 1)^−1.2 steps to generalize; 0 for at once.
    """

    groups: int = 8
    beta: float = 1.25
    theorem4: bool = False
    gamma: float | None = None
    order_scatter: float = 0.05
    seed_scatter: float = 0.02
    softness: float = 0.0
    violation: float = 0.0
    adaptive: bool = False
    seeds: int = 3
    horizon: int = 4000
    slowness: float = 0.0

    @property
    def orders(self) -> Array:
        """Of the groups, without repeats."""
        picked = np.linspace(0, len(ORDERS) - 1, self.groups).round().astype(int)
        return np.array([ORDERS[i] for i in picked], float)

    @property
    def order_star(self) -> float:
        """M*."""
        return float(stats.gmean(self.orders))

    @property
    def n_star(self) -> float:
        """n_c at M* and the geometric mean of d."""
        dim = 1.0 if self.gamma is None else 2 ** (self.gamma / 2)
        return 2.7 * self.order_star * float(np.log(self.order_star)) * dim

    def log_n_c(self, orders: Array, dims: Array) -> Array:
        """Of the law itself.

        Args:
            orders: (groups,) M.
            dims: (groups,) d.
        """
        x = np.log(orders / self.order_star)
        shape = x + np.log1p((self.beta - 1) * x) if self.theorem4 else self.beta * x
        log_dim = 0.0 if self.gamma is None else self.gamma * np.log(dims / np.sqrt(2))
        return np.asarray(np.log(self.n_star) + shape + log_dim)


def synthetic_sweep(truth: Truth, rng: np.random.Generator) -> pd.DataFrame:
    """Records of one sweep, as `analysis.load` gives them.

    Args:
        truth: What it follows.
        rng: Of everything random.
    """
    dims = np.repeat([1.0] if truth.gamma is None else [1.0, 2.0], truth.groups)
    orders = np.tile(truth.orders, len(dims) // truth.groups)
    centre = truth.log_n_c(orders, dims)
    group_means = centre + rng.normal(0, truth.order_scatter, len(orders))
    parts = []
    for i, mean in enumerate(group_means):
        for seed in range(truth.seeds):
            log_n_c = mean + rng.normal(0, truth.seed_scatter)
            sizes, steps = _cell(truth, log_n_c, float(centre[i]), float(orders[i]), rng)
            parts.append((sizes, steps, np.full(len(sizes), i), np.full(len(sizes), seed)))
    named = zip(("n_train", "steps", "number", "seed"), zip(*parts, strict=True), strict=True)
    runs = pd.DataFrame({name: np.concatenate(columns) for name, columns in named})
    number = runs["number"].to_numpy()
    return _records(truth, runs, orders[number].astype(int), dims[number].astype(int))


def _cell(
    truth: Truth, log_n_c: float, guess: float, order: float, rng: np.random.Generator
) -> tuple[NDArray[np.int64], Array]:
    """The sizes run in a cell, and their steps to generalize, infinite where they do not."""
    low, high = guess - 0.5 + rng.uniform(-0.06, 0.0), guess + 0.5 + rng.uniform(0.0, 0.06)
    if not truth.adaptive:
        grid = np.arange(low, high + (1.0 if truth.slowness else 0.0), 0.07)
        sizes = np.unique(np.round(np.exp(grid)).astype(np.int64))
        return sizes, _steps(truth, sizes, log_n_c, order, rng)
    tried: dict[int, float] = {}
    while high - low > 0.05:
        size = int(np.round(np.exp((low + high) / 2)))
        if size not in tried:
            tried[size] = float(_steps(truth, np.array([size]), log_n_c, order, rng)[0])
        if tried[size] + 2 * EVAL_EVERY <= truth.horizon:
            high = (low + high) / 2
        else:
            low = (low + high) / 2
    sizes = np.array(sorted(tried), np.int64)
    return sizes, np.array([tried[int(size)] for size in sizes])


def _steps(
    truth: Truth,
    sizes: NDArray[np.int64],
    log_n_c: float,
    order: float,
    rng: np.random.Generator,
) -> Array:
    distance = np.log(sizes) - log_n_c
    threshold = rng.logistic(0, truth.softness, len(sizes)) if truth.softness else 0.0
    won = (distance > threshold) ^ (rng.random(len(sizes)) < truth.violation)
    steps = np.full(len(sizes), 100.0)  # for at once
    if truth.slowness:
        over = np.expm1(np.maximum(distance, 1e-6))
        steps = truth.slowness * (order / 23) ** 1.5 * over**-1.2
        steps = steps * np.exp(rng.normal(0, 0.1, len(sizes)))
    return np.where(won, steps, np.inf)


def _records(
    truth: Truth, runs: pd.DataFrame, orders: NDArray[np.int64], dims: NDArray[np.int64]
) -> pd.DataFrame:
    every = EVAL_EVERY
    # Evaluations are at powers of two first, then every so many steps.
    steps = np.maximum(runs["steps"].to_numpy(), 1)
    early = 2 ** np.ceil(np.log2(steps))
    first = np.where(early < every, early, np.ceil(steps / every) * every)
    won = first + every <= truth.horizon
    last = np.where(won, first + every, truth.horizon)
    constant = DEFAULTS | {
        "split": "uniform", "network": "two_layer", "hidden_size": 256, "activation": "square",
        "loss": "mse", "optimizer": "adam", "learning_rate": 0.005, "weight_decay": 0.0002,
        "max_steps": truth.horizon,
        "eval_every": every, "target_test_accuracy": 0.9, "stop_at_target": True,
        "sweep": "synthetic", "started_at": datetime(2026, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    names = [f"H{order}-{dim}" for order, dim in zip(orders, dims, strict=True)]
    columns = {
        "group": names,
        "group_order": orders,
        "max_irrep_dim": dims,
        "n_train": runs["n_train"],
        "split_seed": runs["seed"],
        "init_seed": runs["seed"],
        "outcome": np.where(won, Outcome.GENERALIZED, Outcome.MEMORIZED),
        "generalization_step": pd.array(np.where(won, first, np.nan), "Float64").astype("Int64"),
        "final_step": last.astype(np.int64),
    }
    absent = {name: 0 for name in RECORD_SCHEMA.names if name not in {*constant, *columns}}
    return pd.DataFrame({**absent, **constant, **columns}, index=runs.index)
