"""The axes of a plan: their values, how they are combined, and what is left out."""

import math
from contextlib import suppress
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from sweeper.spec.axes import TEXT_AXES, Axes, Range, values
from sweeper.spec.load import Document
from sweeper.spec.model import SweepSpec
from sweeper.spec.planned import Columns, axis_texts
from sweeper.spec.problems import Problem, shown, some
from sweeper.spec.trial import TRIAL_SCHEMA
from sweeper.tasks.expressions import parse
from sweeper.tasks.groups import group_named

MAX_TRIALS = 10_000_000

_WHOLE = {
    name
    for name in Axes.model_fields
    if name in ("M", "seed")
    or (name in TRIAL_SCHEMA.names and pa.types.is_integer(TRIAL_SCHEMA.field(name).type))
}
"""Axes of whole numbers."""

Mask = NDArray[np.bool_]


def axis_values(spec: SweepSpec) -> Columns:
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


def fractions(spec: SweepSpec, document: Document) -> list[Problem]:
    """Ranges of whole numbers that step on others: rounding them would change the sweep."""
    problems: list[Problem] = []
    for name in sorted(_WHOLE):
        axis = getattr(spec.axes, name)
        numbers = axis.numbers() if isinstance(axis, Range) else []
        if between := {number for number in numbers if abs(number - round(number)) > 1e-9}:
            text = f"steps on {some(between)}; only whole numbers will do"
            problems.append(document.problem(("axes", name), text))
    return problems


def zipped(
    spec: SweepSpec, axes: Columns, document: Document
) -> tuple[list[list[str]], list[Problem]]:
    """The axes in groups: those of a group advance together, the groups are multiplied."""
    problems: list[Problem] = []
    seen: set[str] = set()
    for i, names in enumerate(spec.zip):
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
    groups = [[str(name) for name in names if name in axes] for names in spec.zip]
    groups += [[name] for name in axes if name not in seen]
    return [group for group in groups if group], problems


def exclusions(
    spec: SweepSpec, axes: Columns, document: Document
) -> tuple[list[dict[str, Mask]], list[Problem]]:
    """For each entry of `exclude` and axis that it names, where on the axis its values are.

    Absent axes, and values that are not on theirs, are problems: slips of the pen.
    """
    found: list[dict[str, Mask]] = []
    problems: list[Problem] = []
    texts = axis_texts(spec)
    for i, selection in enumerate(spec.exclude):
        masks: dict[str, Mask] = {}
        for name, wanted in selection.items():
            place = ("exclude", i, name)
            if name not in axes:
                problems.append(document.problem(place, f"{name} is no axis of this sweep"))
                continue
            masks[name] = np.zeros(len(axes[name]), dtype=bool)
            for j, value in enumerate(wanted if isinstance(wanted, list) else [wanted]):
                here = _equal(name, value, axes[name], texts)
                masks[name] |= here
                if not here.any():
                    has = some(texts[name] if name in texts else set(axes[name].tolist()))
                    what = shown(value) if isinstance(value, str) else f"{value:.12g}"
                    text = f"{what} is not on the axis; it has {has}"
                    at = (*place, j) if isinstance(wanted, list) else place
                    problems.append(document.problem(at, text))
        found.append(masks)
    return found, problems


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


def combinations(
    axes: Columns, groups: list[list[str]], excluded: list[dict[str, Mask]]
) -> Columns:
    """All combinations but those that are excluded, a column an axis.

    Args:
        axes: Values.
        groups: Names of axes that advance together, as `zipped` gives them.
        excluded: Entries, as `exclusions` gives them.

    Returns:
        The columns; one of a single value takes no memory.
    """
    lengths = [len(axes[names[0]]) for names in groups]
    group_of = {name: i for i, names in enumerate(groups) for name in names}

    def spread(of_axis: NDArray[Any], name: str) -> NDArray[Any]:
        """What is known of an axis's values as a column; the last group varies fastest."""
        i = group_of[name]
        return np.tile(np.repeat(of_axis, math.prod(lengths[i + 1 :])), math.prod(lengths[:i]))

    kept: slice | Mask = slice(None)
    count = math.prod(lengths)
    if excluded:
        kept = np.ones(count, dtype=bool)
        for masks in excluded:
            hit = [spread(mask, name) for name, mask in masks.items()]
            kept &= ~np.logical_and.reduce(hit)
        count = int(kept.sum())
    return {
        name: spread(axis, name)[kept] if len(axis) > 1 else np.broadcast_to(axis, count)
        for name, axis in axes.items()
    }


def too_many(count: int, what: str, place: tuple[str, ...], document: Document) -> list[Problem]:
    """A problem where there are more trials than one sweep may have."""
    text = f"{count:,} {what}; at most {MAX_TRIALS:,} make one sweep"
    return [document.problem(place, text)] if count > MAX_TRIALS else []
