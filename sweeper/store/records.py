"""What a finished trial leaves behind: its outcome, its measurements, and their Arrow schema."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Self

import pyarrow as pa

from sweeper.spec.learners import FIELDS as FIELDS
from sweeper.spec.learners import usual as usual
from sweeper.spec.trial import DEFAULTS as DEFAULTS
from sweeper.spec.trial import NUMERICS, TRIAL_SCHEMA, Trial
from sweeper.store.probes import LATER_PROBES, NOT_PROBED, RECORD_COLUMNS, Probed, record_columns
from sweeper.store.provenance import Provenance, host, library_versions, without_environment
from sweeper.tasks.groups import group_named

SCHEMA_VERSION = 7
READABLE_VERSIONS = (2, 3, 4, 5, 6, 7)
"""Of shards. Those of an older version lack columns that have come since with a default."""

LATER_COLUMNS = DEFAULTS | NOT_PROBED | LATER_PROBES | {"hardware": None}
"""Columns that have come since, with their defaults."""


class Outcome(StrEnum):
    """How a trial ended. Every trial ends in exactly one of these."""

    GENERALIZED = "generalized"
    """Test accuracy at or above the target at two evaluations in a row."""
    MEMORIZED = "memorized"
    """Horizon reached, training accuracy ≥ 0.99, best test accuracy within 0.1 of chance."""
    UNRESOLVED = "unresolved"
    """Horizon reached, training accuracy ≥ 0.99, test accuracy between the two: censored."""
    UNDERFIT = "underfit"
    """Horizon reached with training accuracy below 0.99."""
    DIVERGED = "diverged"
    """A loss became NaN or infinite."""
    STOPPED = "stopped"
    """Given up before the horizon, by the rule that the record names."""
    FAILED = "failed"
    """An error, or a worker that died each time it tried; the record keeps the traceback."""


@dataclass(frozen=True)
class Curve:
    """Measurements at each evaluation. All lists have one entry an evaluation, in order of step."""

    step: list[int] = field(default_factory=list)
    train_loss: list[float] = field(default_factory=list)
    test_loss: list[float] = field(default_factory=list)
    train_accuracy: list[float] = field(default_factory=list)
    test_accuracy: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class TrialResult:
    """What training found out about one trial.

    Attributes:
        fingerprint: The trial's.
        outcome: How it ended.
        fit_step: First evaluated step with training accuracy ≥ 0.99, or None.
        generalization_step: First of the two evaluations that made it `generalized`, or None.
        n_test: Pairs that the test metrics are a mean over.
        train_flops: Floating-point operations of the training steps (sweeper/store/columns.py).
        wall_time_s: Seconds that the trial took: set-up, steps, evaluations and probes; in a batch
            its share of them.
        setup_s: Of these, making the split, the weights and the buffers.
        evaluation_s: Of these, evaluations.
        started_at: When, in UTC.
        curve: All evaluations; empty only for `failed`.
        stop_rule: For `stopped`, the rule.
        error: For `failed`, the traceback.
        probed: What its probes measured, if any were on.
    """

    fingerprint: str
    outcome: Outcome
    fit_step: int | None
    generalization_step: int | None
    n_test: int
    train_flops: float
    wall_time_s: float
    setup_s: float
    evaluation_s: float
    started_at: datetime
    curve: Curve
    stop_rule: str | None = None
    error: str | None = None
    probed: Probed | None = None

    @classmethod
    def failure(
        cls, trial: Trial, error: str, started_at: datetime, wall_time_s: float = 0.0
    ) -> Self:
        """The result of a trial that could not be trained, with the reason."""
        return cls(
            fingerprint=trial.fingerprint,
            outcome=Outcome.FAILED,
            fit_step=None,
            generalization_step=None,
            n_test=trial.tuples - trial.n_train,
            train_flops=0.0,
            wall_time_s=wall_time_s,
            setup_s=0.0,
            evaluation_s=0.0,
            started_at=started_at,
            curve=Curve(),
            error=error,
        )


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


RECORD_SCHEMA = pa.schema(
    [
        _required("fingerprint", pa.string()),
        _required("sweep", pa.string()),
        *TRIAL_SCHEMA,
        # derived from the axes
        _required("train_fraction", pa.float64()),
        _required("n_over_m_log_m", pa.float64()),
        _required("max_irrep_dim", pa.int64()),
        # measured; null where there was nothing to measure
        _required("outcome", pa.string()),
        pa.field("fit_step", pa.int64()),
        pa.field("generalization_step", pa.int64()),
        _required("final_step", pa.int64()),
        pa.field("train_loss", pa.float64()),
        pa.field("test_loss", pa.float64()),
        pa.field("train_accuracy", pa.float64()),
        pa.field("test_accuracy", pa.float64()),
        pa.field("best_test_accuracy", pa.float64()),
        _required("n_test", pa.int64()),
        pa.field("stop_rule", pa.string()),
        pa.field("error", pa.string()),
        *RECORD_COLUMNS,
        # cost
        _required("train_flops", pa.float64()),
        _required("wall_time_s", pa.float64()),
        _required("setup_s", pa.float64()),
        _required("evaluation_s", pa.float64()),
        _required("device", pa.string()),
        pa.field("hardware", pa.string()),
        _required("pack_size", pa.int64()),
        # provenance
        _required("run_id", pa.string()),
        _required("spec_digest", pa.string()),
        _required("numerics", pa.int64()),
        _required("code_version", pa.string()),
        _required("library_versions", pa.string()),
        _required("host", pa.string()),
        _required("started_at", pa.timestamp("us", tz="UTC")),
    ],
    metadata={"sweeper.records": str(SCHEMA_VERSION)},
)
"""One row a trial. sweeper/store/columns.py says what each column means."""

CURVE_SCHEMA = pa.schema(
    [
        _required("fingerprint", pa.string()),
        _required("step", pa.list_(pa.int32())),
        _required("train_loss", pa.list_(pa.float32())),
        _required("test_loss", pa.list_(pa.float32())),
        _required("train_accuracy", pa.list_(pa.float32())),
        _required("test_accuracy", pa.list_(pa.float32())),
    ],
    metadata={"sweeper.curves": str(SCHEMA_VERSION)},
)
"""One row a trial; each column a list with one entry an evaluation."""


def curves_table(results: Sequence[TrialResult]) -> pa.Table:
    """The curves of the given results, as CURVE_SCHEMA."""
    columns = {
        name: [getattr(result.curve, name) for result in results]
        for name in CURVE_SCHEMA.names
        if name != "fingerprint"
    }
    return _table(CURVE_SCHEMA, {"fingerprint": [one.fingerprint for one in results]} | columns)


def records_table(
    trials: Sequence[Trial],
    results: Sequence[TrialResult],
    provenance: Provenance,
    device: str,
    pack_size: int,
    hardware: str | None = None,
) -> pa.Table:
    """The records of finished trials, as RECORD_SCHEMA; made where they were trained.

    Args:
        trials: The trials.
        results: Their results, in the same order.
        provenance: Of the run they belong to.
        device: What they were trained on, such as "cpu".
        pack_size: How many trials shared the pack.
        hardware: The model of that device, if it is known.
    """
    here = {
        "sweep": provenance.sweep,
        "run_id": provenance.run_id,
        "spec_digest": provenance.spec_digest,
        "numerics": NUMERICS,
        "code_version": provenance.code_version,
        "library_versions": library_versions(),
        "host": host(),
        "device": device,
        "hardware": hardware,
        "pack_size": pack_size,
    }
    columns = {name: [getattr(one, name) for one in trials] for name in TRIAL_SCHEMA.names}
    columns |= _derived(trials) | _measured(results)
    return _table(RECORD_SCHEMA, columns | {name: [it] * len(trials) for name, it in here.items()})


def _table(schema: pa.Schema, columns: Mapping[str, Sequence[object]]) -> pa.Table:
    arrays = [pa.array(columns[one.name], one.type) for one in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def _derived(trials: Sequence[Trial]) -> dict[str, list[object]]:
    return {
        "train_fraction": [one.n_train / one.tuples for one in trials],
        "n_over_m_log_m": [
            one.n_train / (one.group_order * math.log(one.group_order)) for one in trials
        ],
        "max_irrep_dim": [group_named(one.group).max_irrep_dim for one in trials],
    }


def _measured(results: Sequence[TrialResult]) -> dict[str, list[object]]:
    curves = [one.curve for one in results]
    columns: dict[str, list[object]] = {
        item.name: [getattr(one, item.name) for one in results]
        for item in fields(TrialResult)
        if item.name not in {"curve", "probed"}
    }
    probed = [record_columns(one.probed) for one in results]
    columns |= {name: [row.get(name) for row in probed] for name in NOT_PROBED}
    columns["error"] = [one.error and without_environment(one.error) for one in results]
    columns["final_step"] = [curve.step[-1] if curve.step else 0 for curve in curves]
    for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy"):
        series = [getattr(curve, name) for curve in curves]
        columns[name] = [values[-1] if values else None for values in series]
    columns["best_test_accuracy"] = [max(curve.test_accuracy, default=None) for curve in curves]
    return columns
