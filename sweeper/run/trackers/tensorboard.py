"""TensorBoard: curves of a pack, its shape as hyperparameters, and its records as a table."""

from typing import Any

import pyarrow as pa
from ray.tune.logger import TBXLoggerCallback

COLUMNS = [
    "fingerprint", "group", "n_train", "hidden_size", "learning_rate", "weight_decay",
    "split_seed", "init_seed", "outcome", "fit_step", "generalization_step", "final_step",
    "best_test_accuracy", "test_accuracy", "wall_time_s",
]  # fmt: skip


def open_tensorboard() -> TBXLoggerCallback:
    """Ray Tune's logger, with the records as text."""
    return _TensorBoard()  # type: ignore[no-untyped-call]


class _TensorBoard(TBXLoggerCallback):
    def log_trial_end(self, trial: Any, failed: bool = False) -> None:  # noqa: ANN401
        self._trial_writer[trial].add_text("records", _table(trial.records))
        super().log_trial_end(trial, failed)


def _table(records: pa.Table) -> str:
    """Records in Markdown, which TensorBoard shows as a table."""
    rows = records.select(COLUMNS).to_pylist()
    lines = [COLUMNS, ["---"] * len(COLUMNS)]
    lines += [["" if v is None else str(v) for v in row.values()] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
