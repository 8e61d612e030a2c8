"""A spec expanded into trials: a columnar plan, in an order that depends on the spec alone."""

import math
import zlib
from collections import defaultdict
from contextlib import suppress
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from sweeper.spec.axes import TEXT_AXES, FractionOfPairs, Range, TimesMLogM, values
from sweeper.spec.learners import FIELDS
from sweeper.spec.load import Document
from sweeper.spec.model import SweepSpec
from sweeper.spec.planned import (
    Columns,
    PlannedTask,
    axis_texts,
    task_conflicts,
    task_problems,
    with_tasks,
)
from sweeper.spec.planned_learners import learner_conflicts, with_learners
from sweeper.spec.planned_probes import probe_problems
from sweeper.spec.problems import Problem, SpecError, shown
from sweeper.spec.trial import DEFAULTS, TRIAL_SCHEMA, fingerprints
from sweeper.tasks.expressions import parse
from sweeper.tasks.groups import group_named

MAX_TRIALS = 10_000_000
MAX_EVALUATIONS = 100_000

PLAN_SCHEMA = pa.schema([pa.field("fingerprint", pa.string(), nullable=False), *TRIAL_SCHEMA])

_ORDER = [
    "task", *FIELDS, "hidden_size", "learning_rate", "weight_decay", "max_steps", "label_noise",
    "split_seed", "init_seed", "n_train",
]  # fmt: skip

_WHOLE = {
    "M", "hidden_size", "max_steps", "n_train", "layers", "heads", "embedding_size", "batch_size",
    "warmup_steps", "decay_every", "seed", "split_seed", "init_seed",
}  # fmt: skip


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
    axes = _axis_values(spec)
    groups, problems = _zipped(spec, axes, document)
    problems += _unknown_exclusions(spec, axes, document)
    problems += _unsearchable(spec, axes, document)
    problems += _fractions(spec, document) + task_conflicts(spec, document)
    problems += learner_conflicts(spec, document)
    total = math.prod(len(axes[names[0]]) for names in groups)
    if total > MAX_TRIALS:
        problems.append(
            document.problem(
                ("axes",), f"{total:,} combinations; at most {MAX_TRIALS:,} make one sweep"
            )
        )
    evaluations = int(axes["max_steps"].max()) // spec.training.eval_every
    if evaluations > MAX_EVALUATIONS:
        text = f"{evaluations:,} evaluations a trial, by training.eval_every; at most"
        problems.append(
            document.problem(("axes", "max_steps"), f"{text} {MAX_EVALUATIONS:,} can be kept")
        )
    if problems:
        raise SpecError(document.path, problems)
    columns, tasks = with_tasks(spec, _without_excluded(spec, _combinations(axes, groups)))
    problems, sound = task_problems(spec, tasks, document)
    learners, more = with_learners(spec, columns, modules, document)
    problems += more
    if not more:
        of_tasks = {
            "operands": [task.operands for task in tasks],
            "expression": [task.expression for task in tasks],
        }
        problems += probe_problems(spec, learners | of_tasks, document)
    n_train, more = _n_train(spec, columns, tasks, sound, document)
    problems += more
    if not len(n_train):
        problems.append(document.problem(("exclude",), "leaves no trial at all"))
    if problems:
        raise SpecError(document.path, problems)
    varying = {name: value for name, value in learners.items() if isinstance(value, np.ndarray)}
    others = {name: column for name, column in columns.items() if name not in FIELDS}
    plan = others | varying | {"n_train": n_train}
    if spec.search.kind != "grid":
        candidates = _candidates(plan, tasks, spec.search.tolerance)
        joined = candidates if spec.search.kind == "boundary" else _joined(plan, candidates)
        if len(joined["task"]) > MAX_TRIALS:
            text = f"{len(joined['task']):,} candidates; at most {MAX_TRIALS:,} make one sweep"
            raise SpecError(document.path, [document.problem(("design",), text)])
        plan = joined
    return _table(spec, plan, tasks, learners)


def _unsearchable(spec: SweepSpec, axes: Columns, document: Document) -> list[Problem]:
    """What stands in the way of a search along n_train."""
    if spec.search.kind == "grid":
        return []
    problems = []
    if np.ptp(axes["n_train"]) == 0:
        text = f"found {axes['n_train'][0]:g} alone; a search needs two ends of a range"
        problems.append(document.problem(("axes", "n_train"), text))
    used = [(("zip", i), "zipped") for i, names in enumerate(spec.zip) if "n_train" in names]
    used += [(("exclude", i), "excluded") for i, one in enumerate(spec.exclude) if "n_train" in one]
    for place, how in used:
        text = f"n_train cannot be {how} where the design searches along it"
        problems.append(document.problem(place, text))
    return problems


def _candidates(plan: Columns, tasks: list[PlannedTask], tolerance: float) -> Columns:
    """For each combination of the other axes, n_train from its smallest to its largest.

    The steps of two orders, two groups or two seeds are offset against each other: were they the
    same in n/(M log M), all brackets would agree about M log M by construction.
    """
    frame = pd.DataFrame(plan)
    others = [name for name in frame.columns if name != "n_train"]
    ends = frame.groupby(others, sort=False)["n_train"].agg(["min", "max"]).reset_index()
    step = math.log1p(tolerance)
    split, init = (ends["seed" if "seed" in ends else name] for name in ("split_seed", "init_seed"))
    # multiples of unrelated irrational numbers fill [0, 1) evenly
    place = np.array([math.sqrt(3) * task.order + _phase(task) for task in tasks])
    walk = place[ends["task"]] + math.sqrt(5) * split + math.sqrt(7) * init
    offset = np.asarray(walk) % 1
    span = np.log(np.asarray(ends["max"] / ends["min"]))
    counts = np.maximum(1, np.floor(span / step - offset + 1e-9).astype(int) + 1)
    cell = np.repeat(np.arange(len(ends)), counts)
    place = np.arange(len(cell)) - np.repeat(counts.cumsum() - counts, counts)
    n = ends["min"].to_numpy()[cell] * np.exp(step * (offset[cell] + place))
    found = {name: ends[name].to_numpy()[cell] for name in others}
    return found | {"n_train": np.rint(n).astype(np.int64)}


def _phase(task: PlannedTask) -> float:
    """In [0, 1), to tell apart groups of one order; 0 for those that are given by M."""
    return zlib.crc32(task.group.encode()) / 2**32 if task.named else 0.0


def _joined(first: Columns, second: Columns) -> Columns:
    return {name: np.concatenate([first[name], second[name]]) for name in first}


def _axis_values(spec: SweepSpec) -> Columns:
    """The values of every axis, as written: n_train still as count, fraction or multiple.

    Of an axis of texts their places in `axis_texts`.
    """
    axes = spec.axes
    found: Columns = {name: np.arange(len(texts)) for name, texts in axis_texts(spec).items()}
    for name in type(axes).model_fields:
        axis = getattr(axes, name)
        if axis is not None and name not in TEXT_AXES:
            found[name] = np.array(values(axis, name in _WHOLE))
    if "seed" not in found:
        if not {"split_seed", "init_seed"} & set(found):
            found["seed"] = np.array([0])
        else:
            found = {"split_seed": np.array([0]), "init_seed": np.array([0])} | found
    return found


def _fractions(spec: SweepSpec, document: Document) -> list[Problem]:
    """Ranges of whole numbers that step on others: rounding them would change the sweep."""
    problems: list[Problem] = []
    for name in sorted(_WHOLE):
        axis = getattr(spec.axes, name)
        numbers = axis.numbers() if isinstance(axis, Range) else []
        if between := {number for number in numbers if abs(number - round(number)) > 1e-9}:
            text = f"steps on {_some(between)}; only whole numbers will do"
            problems.append(document.problem(("axes", name), text))
    return problems


def _zipped(
    spec: SweepSpec, axes: Columns, document: Document
) -> tuple[list[list[str]], list[Problem]]:
    """The axes in groups: those of a group advance together, the groups are multiplied."""
    problems: list[Problem] = []
    seen: set[str] = set()
    zips: list[list[str]] = [list(names) for names in spec.zip]
    for i, names in enumerate(zips):
        for j, name in enumerate(names):
            place = ("zip", i, j)
            if name not in axes:
                problems.append(document.problem(place, f"{name} is no axis of this sweep"))
            elif name in seen:
                problems.append(document.problem(place, f"{name} is zipped twice"))
            seen.add(name)
        lengths = {name: len(axes[name]) for name in names if name in axes}
        if len(set(lengths.values())) > 1:
            text = ", ".join(f"{name} {length}" for name, length in lengths.items())
            problems.append(
                document.problem(("zip", i), f"axes of different lengths ({text}) cannot be zipped")
            )
    alone = [[name] for name in axes if name not in seen]
    return zips + alone, problems


def _unknown_exclusions(spec: SweepSpec, axes: Columns, document: Document) -> list[Problem]:
    """Exclusions that name an absent axis or a value that is not on it: slips of the pen."""
    problems: list[Problem] = []
    texts = axis_texts(spec)
    for i, selection in enumerate(spec.exclude):
        for name, wanted in selection.items():
            place = ("exclude", i, name)
            if name not in axes:
                problems.append(document.problem(place, f"{name} is no axis of this sweep"))
                continue
            for value in wanted if isinstance(wanted, list) else [wanted]:
                if not _equal(name, value, axes[name], texts).any():
                    some = _some(texts[name] if name in texts else set(axes[name].tolist()))
                    found = shown(value) if isinstance(value, str) else f"{value:g}"
                    problems.append(
                        document.problem(place, f"{found} is not on the axis; it has {some}")
                    )
    return problems


def _equal(
    name: str, value: float | str, column: NDArray[Any], texts: dict[str, list[str]]
) -> NDArray[np.bool_]:
    """Where a column of an axis has a value that is written in `exclude`."""
    if name in texts:
        wanted = _canonical(name, str(value))
        return np.isin(column, [i for i, text in enumerate(texts[name]) if text == wanted])
    if isinstance(value, str):
        return np.zeros(len(column), dtype=bool)
    return np.asarray(np.isclose(column, value, rtol=1e-9, atol=0))


def _canonical(name: str, text: str) -> str:
    """A value of an axis of texts as the axis has it, where it could be on it."""
    with suppress(ValueError):
        if name == "group":
            return group_named(text).name
        if name == "expression":
            return parse(text).text
    return text


def _combinations(axes: Columns, groups: list[list[str]]) -> Columns:
    lengths = [len(axes[names[0]]) for names in groups]
    places = np.unravel_index(np.arange(math.prod(lengths)), lengths)
    return {
        name: axes[name][place]
        for names, place in zip(groups, places, strict=True)
        for name in names
    }


def _without_excluded(spec: SweepSpec, columns: Columns) -> Columns:
    keep = np.ones(len(columns["n_train"]), dtype=bool)
    texts = axis_texts(spec)
    for selection in spec.exclude:
        hit = np.ones_like(keep)
        for name, wanted in selection.items():
            values = wanted if isinstance(wanted, list) else [wanted]
            hit &= np.any([_equal(name, value, columns[name], texts) for value in values], axis=0)
        keep &= ~hit
    return {name: column[keep] for name, column in columns.items()}


def _n_train(
    spec: SweepSpec,
    columns: Columns,
    tasks: list[PlannedTask],
    sound: list[bool],
    document: Document,
) -> tuple[NDArray[np.int64], list[Problem]]:
    """Training pairs of every combination, and those that no split of a sound task can have."""
    task, written = columns["task"], columns["n_train"].astype(float)
    M = np.array([one.order for one in tasks], dtype=float)[task]
    ok = np.array(sound, dtype=bool)
    tuples = np.array(
        [one.tuples if good else 2 for one, good in zip(tasks, sound, strict=True)], dtype=float
    )
    most = np.array(
        [one.most_pairs if good else 1 for one, good in zip(tasks, sound, strict=True)], dtype=float
    )
    axis = spec.axes.n_train
    place: tuple[str, ...] = ("axes", "n_train")
    if isinstance(axis, FractionOfPairs):
        n, place = written * tuples[task], (*place, "fraction")
    elif isinstance(axis, TimesMLogM):
        n, place = written * M * np.log(M), (*place, "times_m_log_m")
    else:
        n = written
    rounded = np.rint(n)
    bad = ((rounded > most[task]) | (rounded < 1)) & ok[task]
    found: dict[int, set[float]] = defaultdict(set)
    for code, value in zip(task[bad].tolist(), written[bad].tolist(), strict=True):
        found[code].add(value)
    problems = [
        document.problem(
            place,
            f"found {_some(wrong)}, which at {tasks[code]} gives no n_train between 1 and "
            f"{tasks[code].most_pairs} ({tasks[code].bound})",
        )
        for code, wrong in found.items()
    ]
    return np.where(bad, 0, rounded).astype(np.int64), problems


def _some(wrong: set[float] | list[str]) -> str:
    """The first of them: numbers in order, texts as they stand."""
    listed = wrong if isinstance(wrong, list) else [f"{value:.12g}" for value in sorted(wrong)]
    return ", ".join(listed[:5]) + (" …" if len(listed) > 5 else "")


def _table(
    spec: SweepSpec, columns: Columns, tasks: list[PlannedTask], learners: dict[str, Any]
) -> pa.Table:
    varying = [name for name in (*FIELDS, "modules") if name in columns]
    frame = pd.DataFrame(
        {name: columns[name] for name in varying}
        | {
            "task": columns["task"],
            "n_train": columns["n_train"],
            "split_seed": columns["split_seed" if "split_seed" in columns else "seed"],
            "init_seed": columns["init_seed" if "init_seed" in columns else "seed"],
            "hidden_size": columns["hidden_size"],
            "learning_rate": columns["learning_rate"],
            "weight_decay": columns["weight_decay"],
            "max_steps": columns["max_steps"],
            "label_noise": columns["label_noise"],
        }
    )
    # values that round to the same n are the same trial
    order = [name for name in _ORDER if name in frame]
    frame = frame.drop_duplicates().sort_values(order, ignore_index=True)
    task = frame.pop("task").to_numpy()
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
    } | {str(name): column.to_numpy() for name, column in frame.items()}
    trial = DEFAULTS | learners | trial
    count = len(frame)
    arrays = {
        field.name: pa.array(trial[field.name], field.type)
        if isinstance(trial[field.name], np.ndarray)
        else pa.repeat(pa.scalar(trial[field.name], field.type), count)
        for field in TRIAL_SCHEMA
    }
    marks = pa.array(fingerprints(trial), pa.string())
    return pa.table({"fingerprint": marks} | arrays, schema=PLAN_SCHEMA)


def _decoded(values: list[Any], codes: NDArray[np.int64]) -> Any:  # noqa: ANN401
    """The values by code, or the value alone where there is but one."""
    return np.array(values)[codes] if len(set(values)) > 1 else values[0]
