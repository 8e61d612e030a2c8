"""A spec expanded into trials: a columnar plan, in an order that depends on the spec alone."""

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from sweeper.spec.learners import FIELDS
from sweeper.spec.load import Document
from sweeper.spec.model import SweepSpec
from sweeper.spec.planned import Columns, PlannedTask, task_conflicts, task_problems, with_tasks
from sweeper.spec.planned_axes import (
    axis_values,
    combinations,
    exclusions,
    fractions,
    too_many,
    zipped,
)
from sweeper.spec.planned_learners import learner_conflicts, with_learners
from sweeper.spec.planned_n_train import candidates, joined, n_train_of, unsearchable
from sweeper.spec.planned_probes import probe_problems
from sweeper.spec.problems import SpecError
from sweeper.spec.trial import DEFAULTS, TRIAL_SCHEMA, fingerprints

MAX_EVALUATIONS = 100_000
_BLOCK = 65_536
"""Rows that are looked at together where columns would take too much memory."""

PLAN_SCHEMA = pa.schema([pa.field("fingerprint", pa.string(), nullable=False), *TRIAL_SCHEMA])

_ORDER = [
    "task", *FIELDS, "hidden_size", "learning_rate", "weight_decay", "max_steps", "label_noise",
    "split_seed", "init_seed", "n_train",
]  # fmt: skip


def expand(spec: SweepSpec, document: Document, modules: str = "") -> pa.Table:
    """Every trial of a spec once, as PLAN_SCHEMA, sorted by task, rates, seeds and n_train.

    Where n_c is searched these are the candidates: for each combination of the other axes,
    values of n_train between the smallest and the largest on the axis, in steps of the tolerance.

    Args:
        spec: The spec.
        document: The file that it was read from, for the places of problems.
        modules: Labels of the users' modules, for trials with learners that are not built in.

    Raises:
        SpecError: Combinations that cannot be run, each kind of problem once for each axis value.
    """
    return _table(spec, *combined(spec, document, modules))


def combined(
    spec: SweepSpec, document: Document, modules: str = ""
) -> tuple[Columns, list[PlannedTask], dict[str, Any]]:
    """The columns of a plan before they are a table: what `expand` makes it of, and checks.

    Returns:
        The columns that vary, with duplicates; the tasks that "task" among them counts; the fields
        of learners that are alike throughout.

    Raises:
        SpecError: As `expand`.
    """
    axes = axis_values(spec)
    groups, problems = zipped(spec, axes, document)
    excluded, more = exclusions(spec, axes, document)
    problems += more + unsearchable(spec, axes, document) + fractions(spec, document)
    problems += task_conflicts(spec, document) + learner_conflicts(spec, document)
    total = math.prod(len(axes[names[0]]) for names in groups)
    problems += too_many(total, "combinations", ("axes",), document)
    evaluations = int(axes["max_steps"].max()) // spec.training.eval_every
    if evaluations > MAX_EVALUATIONS:
        text = f"{evaluations:,} evaluations a trial, by training.eval_every; at most"
        problems.append(
            document.problem(("axes", "max_steps"), f"{text} {MAX_EVALUATIONS:,} can be kept")
        )
    if problems:
        raise SpecError(document.path, problems)
    columns, tasks = with_tasks(spec, combinations(axes, groups, excluded))
    problems, sound = task_problems(spec, tasks, document)
    learners, more = with_learners(spec, columns, modules, document)
    problems += more
    if not more:
        of_tasks = {
            "operands": [task.operands for task in tasks],
            "expression": [task.expression for task in tasks],
        }
        problems += probe_problems(spec, learners | of_tasks, document)
    n_train, more = n_train_of(spec, columns, tasks, sound, document)
    problems += more
    if not len(n_train):
        problems.append(document.problem(("exclude",), "leaves no trial at all"))
    if problems:
        raise SpecError(document.path, problems)
    varying = {name: value for name, value in learners.items() if isinstance(value, np.ndarray)}
    others = {name: column for name, column in columns.items() if name not in FIELDS}
    plan = others | varying | {"n_train": n_train}
    if spec.search.kind != "grid":
        found = candidates(plan, tasks, spec.search.tolerance, document)
        plan = found if spec.search.kind == "boundary" else joined(plan, found)
        problems += too_many(len(plan["task"]), "candidates", ("design",), document)
    if problems:
        raise SpecError(document.path, problems)
    alike = {name: value for name, value in learners.items() if name not in varying}
    return plan, tasks, alike


def _table(
    spec: SweepSpec, columns: Columns, tasks: list[PlannedTask], learners: dict[str, Any]
) -> pa.Table:
    varying = [name for name in (*FIELDS, "modules") if name in columns]
    seeds = {name: name if name in columns else "seed" for name in ("split_seed", "init_seed")}
    alone = [
        "task", "n_train", "hidden_size", "learning_rate", "weight_decay", "max_steps",
        "label_noise",
    ]  # fmt: skip
    sources = dict(zip([*varying, *alone], [*varying, *alone], strict=True)) | seeds
    # values that round to the same n are the same trial
    order = [name for name in (*_ORDER, "modules") if name in sources]
    rows = _distinct([columns[sources[name]] for name in order])
    frame = {name: _alone(columns[source][rows]) for name, source in sources.items()}
    task = columns["task"][rows]
    columns.clear()  # a fifth of all the memory that a plan takes while it is made
    training = spec.training
    trial: dict[str, Any] = {
        "group": _decoded([one.group for one in tasks], task),
        "group_order": _decoded([one.order for one in tasks], task),
        "operands": _decoded([one.operands for one in tasks], task),
        "expression": _decoded([one.expression for one in tasks], task),
        "split": _decoded([one.split for one in tasks], task),
        "eval_every": training.eval_every,
        "target_test_accuracy": training.target_test_accuracy,
        "stop_at_target": training.stop_at_target,
        "matmul_precision": training.matmul_precision,
        "give_up_after": training.give_up_after or 0,
    } | frame
    trial = DEFAULTS | learners | trial
    arrays = {
        field.name: pa.array(trial[field.name], field.type)
        if isinstance(trial[field.name], np.ndarray)
        else repeated(pa.scalar(trial[field.name], field.type), len(rows))
        for field in TRIAL_SCHEMA
    }
    marks = pa.chunked_array([pa.array(some) for some in fingerprints(trial, _BLOCK)], pa.string())
    return pa.table({"fingerprint": marks} | arrays, schema=PLAN_SCHEMA)


def _alone(column: NDArray[Any]) -> Any:  # noqa: ANN401
    """The one value of a column, or the column where it has several."""
    return column[:1].tolist()[0] if (column == column[0]).all() else column


def _distinct(columns: list[NDArray[Any]]) -> NDArray[np.int64]:
    """The first of all rows that are alike, sorted by the first column, then the next."""
    key, size = np.zeros(len(columns[0]), dtype=np.int64), 1
    for column in columns:
        values, codes = np.unique(column, return_inverse=True)
        if size * len(values) >= 2**63:
            seen, key = np.unique(key, return_inverse=True)
            size = len(seen)
        size *= len(values)
        key = key * len(values) + codes
    return np.unique(key, return_index=True)[1]


def repeated(value: pa.Scalar, count: int) -> pa.ChunkedArray:
    """A column of one value; its chunks share their memory, however long it is."""
    chunk = pa.repeat(value, min(count, _BLOCK))
    whole, rest = divmod(count, _BLOCK)
    return pa.chunked_array([chunk] * whole + [chunk.slice(0, rest)] * bool(rest), value.type)


def rows_where(plan: pa.Table, wanted: pa.Array | pa.ChunkedArray) -> pa.Table:
    """The rows of a plan where a mask is true; what has one value there takes no memory."""
    columns = []
    for column in plan.columns:
        kept = column.filter(wanted)
        alike = len(kept) > _BLOCK and len(pc.unique(kept)) == 1
        columns.append(repeated(kept[0], len(kept)) if alike else kept)
    return pa.table(columns, schema=plan.schema)


def _decoded(values: list[Any], codes: NDArray[np.int64]) -> Any:  # noqa: ANN401
    """The values by code, or the value alone where there is but one."""
    return np.array(values)[codes] if len(set(values)) > 1 else values[0]
