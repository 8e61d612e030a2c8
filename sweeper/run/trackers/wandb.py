"""Weights & Biases: a run for each pack, its shape as config, and its records as a table."""

import os
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import ray
from ray.air.integrations.wandb import WandbLoggerCallback, _WandbLoggingActor

from sweeper.run.trackers import observers
from sweeper.spec.trackers import Wandb
from sweeper.store.provenance import Provenance


def open_wandb(options: Wandb, folder: Path, provenance: Provenance) -> WandbLoggerCallback:
    """Ray Tune's logger, set up, with the records as a table and as an artifact.

    Args:
        options: Of the spec.
        folder: For what stays on this machine.
        provenance: Of the run.
    """
    mode = options.mode or os.environ.get("WANDB_MODE")
    given: dict[str, Any] = {"entity": options.entity, "mode": mode}
    logger = _Wandb(
        project=options.project or os.environ.get("WANDB_PROJECT") or provenance.sweep,
        group=provenance.run_id,
        upload_checkpoints=True,
        upload_timeout=int(observers.CLOSING_SECONDS),
        dir=str(folder.absolute()),
        tags=[provenance.sweep],
        **{name: value for name, value in given.items() if value},
    )
    before = os.environ.get("WANDB_MODE")
    os.environ["WANDB_MODE"] = mode or "online"  # Ray asks for a key unless this is offline
    try:
        logger.setup()  # type: ignore[no-untyped-call]
    finally:
        os.environ.pop("WANDB_MODE") if before is None else os.environ.update(WANDB_MODE=before)
    return logger


class _Actor(_WandbLoggingActor):
    """Talks to W&B, in a process of its own for each pack."""

    def _handle_checkpoint(self, checkpoint_path: str) -> None:
        file = Path(checkpoint_path) / "records.parquet"
        artifact = self._wandb.Artifact(name=f"records-{self._trial_name}", type="records")
        artifact.add_file(str(file))
        self._wandb.log_artifact(artifact)
        table = pq.read_table(file).to_pandas()
        table["started_at"] = table["started_at"].astype(str)
        self._wandb.log({"records": self._wandb.Table(dataframe=table)})


class _Wandb(WandbLoggerCallback):
    _logger_actor_cls = _Actor
    _failure: Exception | None = None

    def log_trial_end(self, trial: Any, failed: bool = False) -> None:  # noqa: ANN401
        trial.write_records()
        self.log_trial_save(trial)
        super().log_trial_end(trial, failed)
        self._raise()

    def on_experiment_end(self, trials: list[Any], **info: object) -> None:
        super().on_experiment_end(trials, **info)
        self._raise()

    def _cleanup_logging_actor(self, trial: Any) -> None:  # noqa: ANN401
        """Ray would not look at how it ended."""
        ending = self._trial_logging_futures[trial]
        super()._cleanup_logging_actor(trial)
        try:
            ray.get(ending, timeout=1)
        except Exception as error:
            self._failure = self._failure or error

    def _raise(self) -> None:
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
