"""Synthetic results with a known truth, in the real schema; nothing here is trained."""

import math
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from sweeper.spec.trial import Trial
from sweeper.store.provenance import Provenance
from sweeper.store.records import Curve, Outcome, TrialResult, curves_table, records_table

DEFAULTS = {
    "split": "uniform",
    "network": "two_layer",
    "hidden_size": 256,
    "activation": "square",
    "loss": "mse",
    "optimizer": "adam",
    "learning_rate": 0.005,
    "weight_decay": 0.0002,
    "max_steps": 4000,
    "eval_every": 25,
    "target_test_accuracy": 0.9,
    "stop_at_target": True,
}
StepsToGeneralize = Callable[[int, int, int], float]
ORDERS = (11, 17, 23, 31, 41, 59)


def make_trial(order: int, n_train: int, seed: int = 0, **how: object) -> Trial:
    where = {"group": f"Z{order}", "group_order": order, "n_train": n_train}
    return Trial(**(where | DEFAULTS | how), split_seed=seed, init_seed=seed)


def trained(trial: Trial, steps: float) -> TrialResult:
    """What training leaves when the test accuracy passes its target after `steps`, for good."""
    every = trial.eval_every
    first = every * max(1, math.ceil(steps / every)) if math.isfinite(steps) else math.inf
    won = first + every <= trial.max_steps
    last = first + every if won and trial.stop_at_target else trial.max_steps
    evaluated = list(range(every, int(last) + 1, every))
    accuracy = [0.95 if step >= first else 0.5 * step / trial.max_steps for step in evaluated]
    return TrialResult(
        fingerprint=trial.fingerprint,
        outcome=Outcome.GENERALIZED if won else Outcome.UNRESOLVED,
        fit_step=every,
        generalization_step=int(first) if won else None,
        n_test=trial.group_order**2 - trial.n_train,
        train_flops=1e9,
        wall_time_s=0.1,
        setup_s=0.01,
        evaluation_s=0.02,
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        curve=Curve(
            evaluated,
            [0.1] * len(evaluated),
            [0.5] * len(evaluated),
            [1.0] * len(evaluated),
            accuracy,
        ),
    )


def make_tables(trials: Iterable[Trial], steps: StepsToGeneralize) -> tuple[pa.Table, pa.Table]:
    """Records and curves; `steps(order, n_train, seed)` is infinite where it never generalizes."""
    kept = list(trials)
    results = [trained(t, steps(t.group_order, t.n_train, t.init_seed)) for t in kept]
    records = records_table(kept, results, Provenance("synthetic", "run", "spec"), "cpu", len(kept))
    return records, curves_table(results)


def make_records(trials: Iterable[Trial], steps: StepsToGeneralize) -> pd.DataFrame:
    """As `load` gives them."""
    frame = make_tables(trials, steps)[0].to_pandas()
    return frame.astype({"fit_step": "Int64", "generalization_step": "Int64"})


def one_cell(outcomes: dict[int, str], **columns: object) -> pd.DataFrame:
    """One run of Z23 for each n_train, with the outcome said."""
    frame = make_records((make_trial(23, n) for n in outcomes), lambda *_: math.inf)
    frame["outcome"] = list(outcomes.values())
    won = frame["outcome"] == "generalized"
    frame.loc[won, "generalization_step"] = 1000
    frame.loc[won, "final_step"] = 1025
    return frame.assign(**columns)


def make_cells(
    orders: Iterable[int],
    n_c: np.ndarray,
    dims: Iterable[int] | int = 1,
    width: float = 0.0,
    setting: str = "a setting",
) -> pd.DataFrame:
    """Thresholds of one seed a group; `width` is the length of their brackets in log n_c."""
    orders = np.asarray(list(orders))
    return pd.DataFrame(
        {
            "setting": setting,
            "group": [f"G{i}" for i in range(len(orders))],
            "group_order": orders,
            "max_irrep_dim": dims,
            "task": [f"G{i}" for i in range(len(orders))],
            "tuples": orders**2,
            "split_seed": 0,
            "init_seed": 0,
            "status": "bracketed",
            "n_low": n_c * math.exp(-width / 2),
            "n_high": n_c * math.exp(width / 2),
            "n_c": n_c,
            "violations": 0,
            "n_runs": 2,
            "n_excluded": 0,
            "horizon_steps": 4000,
            "steps_low": math.nan,
            "steps_high": 1000.0,
        }
    )


@pytest.fixture(scope="session")
def diverging_sweep() -> Callable[..., pd.DataFrame]:
    """Sweeps in which n_c = 2.7 M log M and steps to generalize diverge there, faster for large M.

    t = slowness·(M/11)^1.5·(n/n_c − 1)^−1.2, on grids 2 % apart: what theory.md reports, sharpened.
    """

    def sweep(slowness: float, orders: Iterable[int] = ORDERS, **how: object) -> pd.DataFrame:
        def steps(order: int, n_train: int, seed: int) -> float:
            over = n_train / (2.7 * order * math.log(order) * 1.005**seed) - 1
            return slowness * (order / 11) ** 1.5 * over**-1.2 if over > 0 else math.inf

        trials = [
            make_trial(order, round(ratio * order * math.log(order)), seed, **how)
            for order in orders
            for ratio in np.geomspace(2.2, 6.5, 56)
            if ratio * math.log(order) < 0.95 * order
            for seed in (0, 1)
        ]
        return make_records({trial.fingerprint: trial for trial in trials}.values(), steps)

    return sweep


@pytest.fixture(scope="session")
def cell() -> Callable[..., pd.DataFrame]:
    return one_cell


@pytest.fixture(scope="session")
def cells() -> Callable[..., pd.DataFrame]:
    return make_cells


@pytest.fixture(scope="session")
def records() -> Callable[..., pd.DataFrame]:
    return make_records


@pytest.fixture(scope="session")
def tables() -> Callable[..., tuple[pa.Table, pa.Table]]:
    return make_tables


@pytest.fixture(scope="session")
def trial() -> Callable[..., Trial]:
    return make_trial
