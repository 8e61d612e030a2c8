"""The JSON schema says of every field what the tool says of it."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sweeper.spec.load import parse, validated
from sweeper.spec.model import SweepSpec
from sweeper.spec.schema import json_schema

SCHEMA = json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
SPECS = sorted(Path(__file__).parents[2].glob("specs/**/*.yaml"))
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


def parts(schema: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401
    """Every schema inside a schema."""
    if isinstance(schema, list):
        for one in schema:
            yield from parts(one)
    elif isinstance(schema, dict):
        yield schema
        for key, inner in schema.items():
            named = key in {"properties", "$defs"}
            if key not in {"default", "enum", "const", "required"}:
                yield from parts(list(inner.values()) if named else inner)


def fields(model: type[BaseModel], at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where every field of a spec stands, those of ranges aside."""
    for name, field in model.model_fields.items():
        yield (*at, name)
        for kind in (field.annotation, *get_args(field.annotation)):
            for one in (kind, *get_args(kind)):
                if isinstance(one, type) and issubclass(one, BaseModel):
                    yield from fields(one, (*at, name))


FIELDS = sorted({at for at in fields(SweepSpec) if at[:2] != ("axes", "n_train") or len(at) == 2})
BOUNDS = sorted(
    {
        part[bound]
        for part in parts(SCHEMA)
        for bound in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
        if bound in part
    }
)
WORDS = sorted({word for part in parts(SCHEMA) for word in part.get("enum", ()) if word})

numbers = st.sampled_from(BOUNDS).flatmap(
    lambda bound: st.sampled_from(
        [bound, bound - 1, bound + 1, float(bound), bound - 0.5, bound + 0.5, bound / 2, -bound]
    )
)
singles = (
    numbers
    | st.sampled_from(WORDS)
    | st.sampled_from(WORDS).map(lambda word: word + "s")
    | st.sampled_from(["", "S4", "a b", "-x", "x.y", "x_1", "auto", 1e308, 1e-300])
    | st.none()
    | st.booleans()
)
ranges = st.fixed_dictionaries(
    {}, optional={"from": numbers, "to": numbers, "count": singles, "step": singles}
) | st.fixed_dictionaries({}, optional={"log": st.lists(singles, max_size=3), "count": numbers})
values = st.recursive(
    singles | st.lists(singles, max_size=3) | ranges,
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(sorted({at[-1] for at in FIELDS})), inner, max_size=2)
        | st.fixed_dictionaries({"fraction": inner})
        | st.fixed_dictionaries({"times_m_log_m": inner})
        | st.fixed_dictionaries({"measure": st.lists(st.sampled_from(WORDS), max_size=3)})
    ),
    max_leaves=3,
)


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
