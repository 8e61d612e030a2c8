"""A pack as a tracker sees it: what it is made of, how far it is, and its records."""

import time
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from sweeper.spec.trial import TRIAL_SCHEMA
from sweeper.store.records import RECORD_SCHEMA, Outcome


class PackLog:
    """What is known of a pack; the driver's thread writes it, those of the trackers read it.

    Attributes:
        pack_id: Tune's name for it.
        reports: How often its worker has spoken up.
        ended: It will say no more; set last.
        failed: It did not come to its end.
    """

    def __init__(self, pack_id: str, plan: pa.Table, rows: list[int]) -> None:
        self.pack_id, self._plan, self._rows = pack_id, plan, rows
        self.reports = 0
        self.ended = self.failed = False
        self._tables: list[pa.Table] = []
        self._began = self._heard = time.monotonic()

    def add(self, records: list[pa.Table]) -> None:
        """Note what its worker has sent."""
        self._tables += records
        self.reports += 1
        self._heard = time.monotonic()

    @property
    def records(self) -> pa.Table:
        """Of its finished trials, as RECORD_SCHEMA."""
        tables = self._tables.copy()
        return pa.concat_tables(tables) if tables else RECORD_SCHEMA.empty_table()

    @cached_property
    def shape(self) -> dict[str, Any]:
        """The axes of its trials: one value, or the smallest and the largest."""
        table = self._plan.select(TRIAL_SCHEMA.names).take(self._rows)
        found: dict[str, Any] = {"trials": len(self._rows)}
        for name in table.column_names:
            ends = pc.min_max(table[name]).as_py()
            if ends["min"] == ends["max"]:
                found[name] = ends["min"]
            else:
                found |= {f"{name}_{end}": value for end, value in ends.items()}
        return found

    def metrics(self, records: pa.Table) -> dict[str, Any]:
        """What a tracker draws, from the records so far."""
        counts = Counter(records["outcome"].to_pylist())
        found = {
            "trials_finished": records.num_rows,
            "outcomes": {outcome.value: counts[outcome.value] for outcome in Outcome},
            "best_test_accuracy": pc.max(records["best_test_accuracy"]).as_py(),
            "mean_test_accuracy": pc.mean(records["test_accuracy"]).as_py(),
            "training_steps": pc.sum(records["final_step"]).as_py(),
            "train_flops": pc.sum(records["train_flops"]).as_py(),
            "training_seconds": pc.sum(records["wall_time_s"]).as_py(),
            "seconds": self._heard - self._began,
        }
        return {name: value for name, value in found.items() if value is not None}


@dataclass(eq=False)
class TrackedPack:
    """A pack in the shape of a Tune trial, as far as Ray Tune's loggers look at one.

    They get this instead of Tune's own, for that holds the records as bytes, rows for a config and
    a folder that is thrown away.

    Attributes:
        trial_id: Tune's name of the pack.
        config: Its shape.
        experiment_dir_name: The run.
        local_path: A folder of its own.
        records: As RECORD_SCHEMA, once it has ended.
    """

    trial_id: str
    config: dict[str, Any]
    experiment_dir_name: str
    local_path: str
    records: pa.Table

    def __str__(self) -> str:
        return f"pack-{self.trial_id}"

    @property
    def evaluated_params(self) -> dict[str, Any]:
        """Its shape, once more."""
        return self.config

    @property
    def checkpoint(self) -> Any:  # noqa: ANN401
        """Its folder, for loggers that upload checkpoints."""
        from ray.tune import Checkpoint

        return Checkpoint(self.local_path, pafs.LocalFileSystem())

    def init_local_path(self) -> None:
        """Make its folder."""
        Path(self.local_path).mkdir(parents=True, exist_ok=True)

    def write_records(self) -> None:
        """Put the records into its folder: exact as Parquet, and as CSV for people."""
        self.init_local_path()
        pq.write_table(self.records, Path(self.local_path) / "records.parquet")
        self.records.to_pandas().to_csv(Path(self.local_path) / "records.csv", index=False)
