"""The JSON schema says of every field what the tool says of it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sweeper.spec.load import parse, validated
from sweeper.spec.schema import json_schema
from tests.spec.pieces import FIELDS, SPECS, parts, values

SCHEMA = json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
SMALL = {
    "name": "small",
    "axes": {"M": [11, 13], "n_train": 60, "hidden_size": 16, "learning_rate": 0.005,
             "weight_decay": 0.0002, "max_steps": 100},
}  # fmt: skip

BOUND_WORDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")

TOGETHER = (
    "log should be two numbers above 0, the smaller one first",
    "to should be at least from",
    "more than 100,000 values",
    "give either seed, or split_seed and init_seed",
)
"""What the tool says of several values together, which the schema leaves to it."""


def refusals(data: dict[str, Any]) -> list[ErrorDetails]:
    """What the tool says of each field that is wrong."""
    try:
        validated(data)
    except ValidationError as error:
        return error.errors()
    return []


def beyond_fields(error: ErrorDetails) -> bool:
    """Whether it is of several values, or of what a group's name or an expression means."""
    meaning = {"group", "expression"} & set(error["loc"])
    together = any(text in error["msg"] for text in TOGETHER)
    return error["type"] == "value_error" and (bool(meaning) or together)


def differ(data: dict[str, Any]) -> list[str]:
    """How schema and tool differ, but for what the schema leaves to the tool."""
    told = refusals(data)
    if VALIDATOR.is_valid(data):
        return [f"only the tool: {one['msg']}" for one in told if not beyond_fields(one)]
    refused = [f"only the schema: {one.message}" for one in VALIDATOR.iter_errors(data)]
    return [] if told else refused


def reached(schema: dict[str, Any], seen: set[str]) -> Iterator[dict[str, Any]]:
    """Every schema inside a schema, and in what it refers to."""
    for part in parts(schema):
        yield part
        if (name := part.get("$ref", "").rpartition("/")[2]) and name not in seen:
            seen.add(name)
            yield from reached(SCHEMA["$defs"][name], seen)


def of_field(at: tuple[str, ...]) -> list[dict[str, Any]]:
    """The schema of a field, with all that is inside."""
    found = [{name: part for name, part in SCHEMA.items() if name not in ("$defs", "then")}]
    for key in at:
        (field,) = [p["properties"][key] for p in found if key in p.get("properties", {})][:1]
        found = list(reached(field, set()))
    return found


def edges(at: tuple[str, ...]) -> Iterator[object]:
    """Values at the edge of what a field may hold, and beyond; in every way to write an axis."""
    inside = of_field(at)
    numbers = {part[bound] for part in inside for bound in BOUND_WORDS if bound in part}
    near = [moved for n in sorted(numbers) for moved in (n - 1, n - 0.5, n, n + 0.5, n + 1)]
    near += [float(n) for n in numbers]
    yield from near
    for word in {word for part in inside for word in part.get("enum", ())}:
        yield from (word, f"{word}x", [word], [word, word], [f"{word}x"])
    yield from (None, True, "1", "a b", "", 1.5, 10**15, [], {}, [[]], [None])
    if at in ONE_OF_EACH:
        for value in near:
            yield from ([value], {"log": [value, value], "count": 3})
            yield {"from": value, "to": value, "count": 3}
            yield from ({"fraction": value}, {"times_m_log_m": [value]})
        for value in (None, 1, 2, 2.0, 100_000, 100_001, -1, 0, 0.5, True, "2"):
            yield from ({"from": 3, "to": 3, key: value} for key in ("count", "step"))
            yield from ({"log": [3, 3], "count": value}, {"log": [3] * 3, "count": 2})
        yield from ({"from": 3, "to": 3}, {"from": 3, "to": 3, "count": 2, "step": 1})


def with_field(at: tuple[str, ...], value: object) -> dict[str, Any]:
    """A small spec with one field given."""
    data: dict[str, Any] = json.loads(json.dumps(SMALL))
    inner = data
    if at == ("axes", "group"):
        del data["axes"]["M"]
    for key in at[:-1]:
        inner[key] = inner.get(key, {"measure": ["stages"]} if key == "probes" else {})
        inner = inner[key]
    inner[at[-1]] = value
    return data


ONE_OF_EACH = {
    json.dumps([part.get("$ref") for part in of_field(at)]): at
    for at in FIELDS
    if len(at) == 2 and at[0] == "axes"
}.values()
"""For each kind of axis one."""


@pytest.mark.parametrize("part", sorted({at[0] for at in FIELDS}))
def test_the_schema_refuses_what_the_tool_refuses_at_every_edge(part: str) -> None:
    tried = [(at, value) for at in FIELDS if at[0] == part for value in edges(at)]
    found = [(at, value, differ(with_field(at, value))) for at, value in tried]
    assert [one for one in found if one[-1]] == []


@settings(
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "100")),
    deadline=None,
    database=None,
)
@given(at=st.sampled_from(FIELDS), value=values)
def test_the_schema_refuses_what_the_tool_refuses(at: tuple[str, ...], value: object) -> None:
    assert differ(with_field(at, value)) == []


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_the_schema_accepts_the_shipped_specs(path: Path) -> None:
    assert differ(parse(path.read_text(), path).data) == []


def test_the_schema_has_only_keywords_of_the_standard() -> None:
    """Editors pass over others in silence: pydantic writes `ge` where it finds no better."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    words = {"$schema", "$defs", "title", "description", "default", "then"}
    words |= set(jsonschema.Draft202012Validator.VALIDATORS)
    assert {key for part in parts(SCHEMA) for key in part} <= words
    assert not [name for name in SCHEMA["$defs"] if "Annotated" in name or "__" in name]
