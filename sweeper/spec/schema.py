"""The JSON schema of a spec, made from the one place where its fields are declared."""

from typing import Any

from sweeper.spec.learners import CHOICES, EXTENSIBLE
from sweeper.spec.model import SweepSpec
from sweeper.spec.planned_learners import KEYS


def json_schema() -> dict[str, Any]:
    """JSON schema (draft 2020-12) of a spec; editors complete and check with it.

    It says what each field may hold. What several fields, a group's name or an expression mean
    together is left to `sweeper plan`.
    """
    no_modules = {"properties": {"modules": {"maxItems": 0}}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **SweepSpec.model_json_schema(),
        "if": no_modules,
        "then": {"properties": _built_in()},
    }


def _built_in() -> dict[str, Any]:
    """The parts of a spec that name learners: without users' modules there are no others."""
    parts: dict[str, dict[str, Any]] = {}
    for kind in EXTENSIBLE:
        part, key = KEYS[kind]
        names = {"enum": list(CHOICES[kind])}
        parts.setdefault(part, {})[key] = names
        several = {"type": "array", "items": names}
        parts.setdefault("axes", {})[kind] = {"anyOf": [names, several, {"type": "null"}]}
    return {part: {"properties": keys} for part, keys in parts.items()}
