"""The training pairs of a plan: how many, and where a design searches among them."""

import math
import zlib
from collections import defaultdict

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from sweeper.spec.axes import FractionOfPairs, TimesMLogM
from sweeper.spec.load import Document
from sweeper.spec.model import SweepSpec
from sweeper.spec.planned import Columns, PlannedTask
from sweeper.spec.planned_axes import too_many
from sweeper.spec.problems import Problem, SpecError, some


def unsearchable(spec: SweepSpec, axes: Columns, document: Document) -> list[Problem]:
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


def candidates(
    plan: Columns, tasks: list[PlannedTask], tolerance: float, document: Document
) -> Columns:
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
    if problems := too_many(int(counts.sum()), "candidates", ("design",), document):
        raise SpecError(document.path, problems)  # before they fill the memory
    cell = np.repeat(np.arange(len(ends)), counts)
    place = np.arange(len(cell)) - np.repeat(counts.cumsum() - counts, counts)
    n = ends["min"].to_numpy()[cell] * np.exp(step * (offset[cell] + place))
    found = {name: ends[name].to_numpy()[cell] for name in others}
    most = ends["max"].to_numpy()[cell]  # a range below the tolerance has its one step beyond it
    return found | {"n_train": np.minimum(np.rint(n).astype(np.int64), most)}


def _phase(task: PlannedTask) -> float:
    """In [0, 1), to tell apart groups of one order; 0 for those that are given by M."""
    return zlib.crc32(task.group.encode()) / 2**32 if task.named else 0.0


def joined(first: Columns, second: Columns) -> Columns:
    """The rows of both."""
    return {name: np.concatenate([first[name], second[name]]) for name in first}


def n_train_of(
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
            f"found {some(wrong)}, which at {tasks[code]} gives no n_train between 1 and "
            f"{tasks[code].most_pairs} ({tasks[code].bound})",
        )
        for code, wrong in found.items()
    ]
    return np.where(bad, 0, rounded).astype(np.int64), problems
