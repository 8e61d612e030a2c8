"""The JSON schema says of every field what the tool says of it."""

import json
import os
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


@settings(
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "400")),
    deadline=None,
    database=None,
)
@given(at=st.sampled_from(FIELDS), value=values)
def test_the_schema_refuses_what_the_tool_refuses(at: tuple[str, ...], value: object) -> None:
    data = json.loads(json.dumps(SMALL))
    inner = data
    if at == ("axes", "group"):
        del data["axes"]["M"]
    for key in at[:-1]:
        inner[key] = inner.get(key, {"measure": ["stages"]} if key == "probes" else {})
        inner = inner[key]
    inner[at[-1]] = value
    assert differ(data) == []


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
