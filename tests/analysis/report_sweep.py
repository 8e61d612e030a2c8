"""A sweep for the tests of the report: five orders, two rates and decays, failures, odd texts."""

import math
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from sweeper.spec.trial import Trial
from sweeper.store.provenance import Provenance
from sweeper.store.records import Curve, Outcome, TrialResult, curves_table, records_table
from sweeper.store.results import ResultsFolder

NAME = "<b>odd</b> & 'named'"
ERROR = (
    'Traceback (most recent call last):\n  File "<string>"\n'
    "ValueError: </script><img src=x onerror=alert(1)> & so on"
)
ORDERS, RATES, DECAYS = (11, 17, 23, 31, 41), (0.002, 0.005), (0.0001, 0.0002)


def write_report_sweep(folder: Path) -> None:
    """Write it, in one shard; the threshold is 2.7 M log M, and 8 % more with the smaller decay."""
    trials, results = [], []
    for M in ORDERS:
        for ratio in np.geomspace(2.2, 3.6, 9):
            for rate in RATES:
                for decay in DECAYS:
                    for seed in (0, 1):
                        trial = _trial(M, round(ratio * M * math.log(M)), rate, decay, seed)
                        trials.append(trial)
                        results.append(_result(trial, len(trials)))
    provenance = Provenance(NAME, "20260101T000000-abcdef", "0123456789abcdef")
    records = records_table(trials, results, provenance, "cpu", 4)
    results_folder = ResultsFolder.at(folder)
    results_folder.write_shard("a", records, curves_table(results))
    results_folder.write_spec("0123456789abcdef", "name: odd  # <i>spec</i>\n")


def _trial(M: int, n: int, rate: float, decay: float, seed: int) -> Trial:
    return Trial(
        group=f"Z{M}", group_order=M, n_train=n, split="uniform", split_seed=seed, init_seed=seed,
        network="two_layer", hidden_size=256, activation="square", loss="mse", optimizer="adam",
        learning_rate=rate, weight_decay=decay, max_steps=4000, eval_every=100,
        target_test_accuracy=0.9, stop_at_target=True,
    )  # fmt: skip


def _result(trial: Trial, number: int) -> TrialResult:
    started = datetime(2026, 1, 1, tzinfo=UTC)
    if number % 90 == 0:
        return TrialResult.failure(trial, ERROR, started)
    M, slower = trial.group_order, 1.08 if trial.weight_decay == DECAYS[0] else 1.0
    over = trial.n_train / (2.7 * slower * M * math.log(M) * 1.01**trial.init_seed) - 1
    won = over > 0.0
    turn = 100 * max(3, math.ceil(400 * over**-0.2 / 100)) if won else math.inf
    steps = [1, 2, 4, 8, 16, 32, 64, *range(100, int(min(turn + 100, 4000)) + 1, 100)]
    rise = [0.95 if step >= turn else min(0.85, 0.02 + step / 9000) for step in steps]
    size = len(steps)
    fitted = [min(1.0, 0.1 + step / 100) for step in steps]
    return TrialResult(
        fingerprint=trial.fingerprint,
        outcome=Outcome.GENERALIZED if won else Outcome.UNRESOLVED,
        fit_step=100,
        generalization_step=int(turn) if won else None,
        n_test=M * M - trial.n_train,
        train_flops=1e9,
        wall_time_s=0.5,
        setup_s=0.01,
        evaluation_s=0.02,
        started_at=started,
        curve=Curve(steps, [0.1] * size, [0.5] * size, fitted, rise),
    )
