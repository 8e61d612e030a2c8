"""MLflow: a run for each pack, its shape as parameters, and its records as artifacts."""

import os
import shutil
from pathlib import Path
from typing import Any

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "3")  # 7 would take minutes

from ray.air.integrations.mlflow import MLflowLoggerCallback

from sweeper.spec.trackers import MLflow
from sweeper.store.provenance import Provenance

DATABASES = ("sqlite", "postgresql", "mysql", "mssql")


def open_mlflow(options: MLflow, folder: Path, provenance: Provenance) -> MLflowLoggerCallback:
    """Ray Tune's logger, set up, with the records as artifacts.

    Args:
        options: Of the spec.
        folder: For what stays on this machine.
        provenance: Of the run.
    """
    here = f"sqlite:///{folder.absolute() / 'mlflow.db'}"
    uri = options.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or here
    logger = _MLflow(
        tracking_uri=uri,
        experiment_name=options.experiment or provenance.sweep,
        tags={
            "sweep": provenance.sweep,
            "run_id": provenance.run_id,
            "spec_digest": provenance.spec_digest,
        },
        save_artifact=True,
    )
    logger.setup_at(uri, (folder.absolute() / "mlflow").as_uri())
    return logger


class _MLflow(MLflowLoggerCallback):
    def setup_at(self, uri: str, artifacts: str) -> None:
        """Set up; an experiment that is made in a database then keeps its artifacts there.

        MLflow itself would put them under the working folder. A server has a place of its own.
        """
        self._uri_before = os.environ.get("MLFLOW_TRACKING_URI")
        if uri.startswith(DATABASES):
            self.mlflow_util.setup_mlflow(
                tracking_uri=uri,
                experiment_name=self.experiment_name,
                artifact_location=artifacts,
            )
        self.setup()  # type: ignore[no-untyped-call]

    def log_trial_end(self, trial: Any, failed: bool = False) -> None:  # noqa: ANN401
        trial.write_records()
        super().log_trial_end(trial, failed)
        shutil.rmtree(trial.local_path)

    def on_experiment_end(self, trials: list[Any], **info: object) -> None:
        """MLflow's address is global; the next run in this process may have another."""
        self.mlflow_util._mlflow.set_tracking_uri(self._uri_before)
