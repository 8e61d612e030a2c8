"""The learners of a plan: what axes, `model` and `training` make together, by the table."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweeper.spec.learners import CHOICES, EXTENSIBLE, FIELDS, OPTIONS, REQUIRED, RULES, Option
from sweeper.spec.load import Document
from sweeper.spec.model import Model, SweepSpec, Training
from sweeper.spec.planned import Columns, axis_texts
from sweeper.spec.problems import Problem, some
from sweeper.spec.trial import DEFAULTS

KEYS = (
    {name: ("model", name) for name in FIELDS if name in Model.model_fields}
    | {name: ("training", name) for name in FIELDS if name in Training.model_fields}
    | {"network": ("model", "kind")}
)
"""Where a field stands in a spec, unless it is an axis."""


def with_learners(
    spec: SweepSpec, columns: Columns, modules: str, document: Document
) -> tuple[dict[str, Any], list[Problem]]:
    """The fields of Trial that say how it is trained, and combinations that cannot be.

    Args:
        spec: The spec.
        columns: Its combinations; axes of texts as places in `axis_texts`.
        modules: Labels of the users' modules.
        document: The file that it was read from, for the places of problems.

    Returns:
        For each field of the table, and for modules, an array, or one value for all trials; and
        the problems.
    """
    texts = axis_texts(spec)
    values = {name: _written(spec, columns, texts, name) for name in FIELDS}
    problems: list[Problem] = []
    for option in OPTIONS:
        values[option.name], problem = _where_it_belongs(spec, option, values, document)
        problems += problem
    for name, value in values.items():
        values[name] = DEFAULTS[name] if value is None else value
    if not problems:
        problems = _broken_rules(spec, values | {"max_steps": columns["max_steps"]}, document)
    own = [~np.isin(values[kind], list(CHOICES[kind])) for kind in EXTENSIBLE]
    theirs = np.logical_or.reduce(np.broadcast_arrays(*own))
    values["modules"] = np.where(theirs, modules, "") if theirs.shape else modules * bool(theirs)
    return values, problems


def place_of(spec: SweepSpec, field: str) -> tuple[str, ...]:
    """Where a field of the table is written in a spec, or would be."""
    return ("axes", field) if getattr(spec.axes, field, None) is not None else KEYS[field]


def _written(spec: SweepSpec, columns: Columns, texts: dict[str, list[str]], name: str) -> Any:  # noqa: ANN401
    """Values of a field as given: an array, a single value, or None."""
    if name in texts:
        return np.array(texts[name])[columns[name]]
    if name in columns:
        return columns[name]
    part, key = KEYS[name]
    return getattr(getattr(spec, part), key)


def learner_conflicts(spec: SweepSpec, document: Document) -> list[Problem]:
    """Fields that are told twice."""
    return [
        document.problem((part, key), f"is an axis too; give it here or under axes.{name}")
        for name, (part, key) in KEYS.items()
        if key in getattr(spec, part).model_fields_set
        and getattr(spec.axes, name, None) is not None
    ]


def _where_it_belongs(
    spec: SweepSpec, option: Option, values: dict[str, Any], document: Document
) -> tuple[Any, list[Problem]]:
    """An option where there is a choice that has it; the default of Trial everywhere else."""
    given, owner = values[option.name], np.asarray(values[option.of])
    default = DEFAULTS[option.name]
    users = ~np.isin(owner, list(CHOICES[option.of]))  # may have any option, but for activations,
    users &= option.of != "activation"  # which see a tensor and no trial
    belongs = users | np.isin(owner, list(option.defaults))
    place = place_of(spec, option.name)
    if given is not None:
        if belongs.all():
            return given, []
        if not belongs.any():
            have = " and ".join(option.defaults)
            text = f"belongs to {option.of} {have}; there is {some(np.unique(owner))} here"
            return default, [document.problem(place, text)]
        return np.where(belongs, given, default).astype(type(default)), []
    found = np.full(owner.shape, default, dtype=np.array(default).dtype.char.replace("U", "O"))
    for choice, usual in option.defaults.items():
        if usual is not REQUIRED:
            found[owner == choice] = usual
        elif (owner == choice).any():
            text = f"missing: {option.of} {choice} needs it ({option.means})"
            return default, [document.problem(place, text)]
    return (found if owner.shape else found.item()), []


def _broken_rules(spec: SweepSpec, values: dict[str, Any], document: Document) -> list[Problem]:
    problems = []
    for rule in RULES:
        broken = np.asarray(rule.broken(values))
        if broken.any():
            fields = [rule.field, *rule.others]
            found = ", ".join(f"{name} {_among(values[name], broken)}" for name in fields)
            text = f"found {found}; {rule.when}: {rule.because}"
            problems.append(document.problem(place_of(spec, rule.field), text))
    return problems


def _among(value: Any, broken: NDArray[np.bool_]) -> str:  # noqa: ANN401
    """The values that a field has where a rule is broken."""
    column = np.asarray(value)
    return some(np.unique(column[broken] if column.shape and broken.shape else column))
