"""The tasks of a plan: what the axes M or group, expression and split make together."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweeper.spec.axes import TASK_TEXTS, TEXT_AXES
from sweeper.spec.load import Document
from sweeper.spec.model import SweepSpec
from sweeper.spec.problems import Problem
from sweeper.tasks.balanced import most_balanced, no_balance
from sweeper.tasks.expressions import parse
from sweeper.tasks.groups import group_named
from sweeper.tasks.task import MAX_TUPLES, count_tuples, task_of

Columns = dict[str, NDArray[Any]]


@dataclass(frozen=True, order=True)
class PlannedTask:
    """What is learned, and how its training set is drawn: columns of a Trial.

    Attributes:
        order: M.
        group: Canonical name; "Z23" for M = 23.
        operands: How many.
        expression: In canonical form, or "".
        split: Kind.
        named: Whether the group was named by its name, not by M.
    """

    order: int
    group: str
    operands: int
    expression: str
    split: str
    named: bool

    def __str__(self) -> str:
        return f"{self.group} (M = {self.order})" if self.named else f"M = {self.order}"

    @cached_property
    def tuples(self) -> int:
        """Tuples of operands that have a target."""
        return count_tuples(self.group, self.order, self.operands, self.expression)

    @property
    def most_pairs(self) -> int:
        """The largest n_train."""
        most = self.tuples - 1
        if self.split == "balanced":
            return min(most, most_balanced(task_of(self.group, self.operands, self.expression)))
        return most

    @property
    def bound(self) -> str:
        """Why n_train cannot be larger, in words."""
        if self.split == "balanced":
            return "more pairs cannot be balanced reliably"
        if self.tuples < self.order**self.operands:
            return f"one less than the {self.tuples} tuples that have a value: some must be left"
        pairs, power = ("pairs", "²") if self.operands == 2 else ("tuples", f"^{self.operands}")
        return f"M{power} − 1: some {pairs} must be left to test on"


def axis_texts(spec: SweepSpec) -> dict[str, list[str]]:
    """The values of the axes that are no numbers, as far as the spec has them as axes."""
    found = {name: getattr(spec.axes, name) for name in TEXT_AXES}
    return {
        name: texts if isinstance(texts, list) else [texts]
        for name, texts in found.items()
        if texts is not None
    }


def task_conflicts(spec: SweepSpec, document: Document) -> list[Problem]:
    """Parts of a spec that say contrary things of its task."""
    axes, task = spec.axes, spec.task
    problems = []
    for name in ("expression", "split"):
        if name in task.model_fields_set and getattr(axes, name) is not None:
            text = f"is an axis too; give it here or under axes.{name}"
            problems.append(document.problem(("task", name), text))
    alone = [task.expression] if task.expression else []
    place = ("axes" if axes.expression is not None else "task", "expression")
    for expression in axis_texts(spec).get("expression", alone):
        if axes.group is not None:
            text = "an expression is computed modulo M; give axes.M instead of axes.group"
            problems.append(document.problem(place, text))
        count = len(parse(expression).variables)
        if task.operands not in (None, count):
            text = f"found {task.operands}, but {expression} has {count} variables"
            problems.append(document.problem(("task", "operands"), text))
    return problems


def with_tasks(spec: SweepSpec, columns: Columns) -> tuple[Columns, list[PlannedTask]]:
    """The columns of a plan with one of tasks in place of those that make them.

    Args:
        spec: The spec.
        columns: Its combinations; axes of texts as places in `axis_texts`.

    Returns:
        The other columns and "task", which has places in the list of tasks; and that list, in order
        of M.
    """
    texts = axis_texts(spec)
    domain = columns["group" if "group" in texts else "M"]
    sizes = [len(texts.get(name, "?")) for name in ("expression", "split")]
    places = [columns.get(name, np.zeros_like(domain)) for name in ("expression", "split")]
    keys = np.ravel_multi_index((domain, *places), (int(domain.max(initial=0)) + 1, *sizes))
    present, inverse = np.unique(keys, return_inverse=True)
    made = [
        _task(spec, texts, int(value), int(expression), int(split))
        for value, expression, split in zip(
            *np.unravel_index(present, (int(domain.max(initial=0)) + 1, *sizes)), strict=True
        )
    ]
    tasks = sorted(set(made))
    rank = {task: i for i, task in enumerate(tasks)}
    codes = np.array([rank[task] for task in made], dtype=np.int64)[inverse]
    others = {name: column for name, column in columns.items() if name not in ("M", *TASK_TEXTS)}
    return others | {"task": codes}, tasks


def _task(
    spec: SweepSpec, texts: dict[str, list[str]], domain: int, expression: int, split: int
) -> PlannedTask:
    named = "group" in texts
    group = texts["group"][domain] if named else f"Z{domain}"
    order = group_named(group).order if named else domain
    written = texts["expression"][expression] if "expression" in texts else spec.task.expression
    operands = len(parse(written).variables) if written else spec.task.operands or 2
    kind = texts["split"][split] if "split" in texts else spec.task.split
    return PlannedTask(order, group, operands, written or "", kind, named)


def task_problems(
    spec: SweepSpec, tasks: list[PlannedTask], document: Document
) -> tuple[list[Problem], list[bool]]:
    """Tasks that cannot be: too many tuples, a division by what has no inverse, no balance.

    Returns:
        The problems; and for each task whether it is without any.
    """
    of_expression = ("axes" if spec.axes.expression is not None else "task", "expression")
    of_split = ("axes" if spec.axes.split is not None else "task", "split")
    of_operands = of_expression if any(task.expression for task in tasks) else ("task", "operands")
    problems, sound = [], []
    for task in tasks:
        found: tuple[tuple[str, ...], str] | None = None
        if task.order**task.operands > MAX_TUPLES:
            count = f"{task.operands} operands at {task} make {task.order**task.operands:,} tuples"
            found = of_operands, f"{count}; at most {MAX_TUPLES:,} can be held"
        elif reason := _no_value(task):
            found = of_expression, reason
        elif task.split == "balanced" and (reason := _unbalanced(task)):
            found = of_split, f"{task} has no balanced split: {reason}"
        sound.append(found is None)
        if found:
            problems.append(document.problem(*found))
    return problems, sound


def _no_value(task: PlannedTask) -> str | None:
    """Why an expression cannot be computed modulo M; None where it can."""
    if not task.expression or not parse(task.expression).divides:
        return None
    M = task.order
    if divisor := next((p for p in range(2, int(M**0.5) + 1) if M % p == 0), None):
        factors = f"{divisor}·{M // divisor}"
        return f"{task.expression} divides, which needs a prime M; found {M} = {factors}"
    if not task.tuples:
        return f"{task.expression} has a value at no operands modulo {M}"
    return None


def _unbalanced(task: PlannedTask) -> str | None:
    learned = task_of(task.group, task.operands, task.expression)
    return no_balance(learned, group_named(task.group))
