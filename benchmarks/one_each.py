"""A sweep as people write it with Ray Tune: one Tune trial each, textbook training, one table.

    python -m benchmarks.one_each TRIALS.json OUT.parquet WORKERS DEVICE

Nothing is held back: actors are reused, one core each; Tune's loggers, its progress output and the
dashboard are switched off; torch has one thread and flushes subnormals, as in the engine.
"""

import json
import logging
import os
import sys
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")

import pandas as pd
import ray
import torch
from ray import tune

from benchmarks.idiomatic import train_idiomatic
from sweeper.spec.trial import Trial
from sweeper.store.records import Curve


class OneTrial(tune.Trainable):
    """One trial, trained in one step."""

    def setup(  # type: ignore[override]
        self, config: dict[str, Any], trials: list[dict[str, Any]], device: str
    ) -> None:
        """Once an actor."""
        torch.set_num_threads(1)
        torch.set_flush_denormal(True)
        self._number, self._trials, self._device = config["number"], trials, device

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take another trial in the same process."""
        self._number = new_config["number"]
        return True

    def step(self) -> dict[str, Any]:
        """Train to the last step."""
        trial = Trial(**self._trials[self._number])
        curve = train_idiomatic(trial, self._device)
        return {
            "fingerprint": trial.fingerprint,
            "outcome": outcome(curve, trial.target_test_accuracy),
            "train_loss": curve.train_loss[-1],
            "test_loss": curve.test_loss[-1],
            "train_accuracy": curve.train_accuracy[-1],
            "test_accuracy": curve.test_accuracy[-1],
            "done": True,
        }


def outcome(curve: Curve, target: float) -> str:
    """How a trial that ran to its last step ended, as docs/glossary.md has it.

    Args:
        curve: All evaluations; accuracies are float32.
        target: The test accuracy that counts as generalized.
    """
    tested, rounding = curve.test_accuracy, 1e-6
    if any(min(two) >= target - rounding for two in pairwise(tested)):
        return "generalized"
    return "fitted" if curve.train_accuracy[-1] >= 0.99 - rounding else "underfit"


def main(trials_file: Path, out: Path, workers: int, device: str) -> None:
    """Train all trials and write their results.

    Args:
        trials_file: JSON, a list of the fields of each trial.
        out: Parquet, a row a trial.
        workers: At once.
        device: "cpu", or "cuda", which the workers share.
    """
    trials = json.loads(trials_file.read_text(encoding="utf-8"))
    ray.init(
        address="local",
        num_cpus=workers,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.WARNING,
    )
    resources = {"cpu": 1.0} | ({"gpu": 1 / workers} if device == "cuda" else {})
    trainable = tune.with_parameters(OneTrial, trials=trials, device=device)
    with tempfile.TemporaryDirectory(prefix="one-each-") as scratch:
        tuner = tune.Tuner(
            tune.with_resources(trainable, resources),
            param_space={"number": tune.grid_search(list(range(len(trials))))},
            tune_config=tune.TuneConfig(reuse_actors=True),
            run_config=tune.RunConfig(
                storage_path=scratch,
                verbose=0,
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            ),
        )
        results = tuner.fit()
    if results.errors:
        raise results.errors[0]
    found = [results[number].metrics for number in range(len(results))]
    pd.DataFrame(found).drop(columns="config").to_parquet(out)
    ray.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
