"""What may stand in a spec, sound or not: pieces for property tests, and how they are written."""

import json
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from hypothesis import strategies as st
from pydantic import BaseModel

from sweeper.spec.axes import AxisName
from sweeper.spec.model import SweepSpec
from sweeper.spec.schema import json_schema

SPECS = sorted(Path(__file__).parents[2].glob("specs/**/*.yaml"))


class Raw(str):
    """YAML as it stands, not a string to be quoted."""


def written(data: Any) -> str:  # noqa: ANN401
    """Data as YAML in flow style."""
    if isinstance(data, Raw):
        return str(data)
    if isinstance(data, dict):
        inner = ", ".join(f"{json.dumps(str(key))}: {written(it)}" for key, it in data.items())
        return f"{{{inner}}}"
    if isinstance(data, list):
        return f"[{', '.join(map(written, data))}]"
    return json.dumps(data)


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


def _fields(model: type[BaseModel], at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, field in model.model_fields.items():
        yield (*at, name)
        for kind in (field.annotation, *get_args(field.annotation)):
            for one in (kind, *get_args(kind)):
                if isinstance(one, type) and issubclass(one, BaseModel):
                    yield from _fields(one, (*at, name))


FIELDS = sorted({at for at in _fields(SweepSpec) if at[:2] != ("axes", "n_train") or len(at) == 2})
"""Where every field of a spec stands, those of ranges aside."""
AXES = list(get_args(AxisName))
_KEYS = sorted({at[-1] for at in FIELDS})
_PARTS = list(parts(json_schema()))
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
BOUNDS = sorted({part[bound] for part in _PARTS for bound in _BOUNDS if bound in part})
WORDS = sorted({word for part in _PARTS for word in part.get("enum", ())})

# ------------------------------------------------------------------ plain data, near what is sound

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
        | st.dictionaries(st.sampled_from(_KEYS), inner, max_size=2)
        | st.fixed_dictionaries({"fraction": inner})
        | st.fixed_dictionaries({"times_m_log_m": inner})
        | st.fixed_dictionaries({"measure": st.lists(st.sampled_from(WORDS), max_size=3)})
    ),
    max_leaves=3,
)

# ------------------------------------------------------------------ YAML of any kind


def _lines(name: str) -> list[str]:
    return Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()


NASTY = [Raw(line) for line in _lines("nasty_pieces.txt")]
NASTY += map(Raw, ["0x" + "F" * 5000, "9" * 5000])
TEXTS = _lines("nasty_texts.txt")
TEXTS += ["\0", "Z" + "9" * 5000, "x" + "+x" * 3000, "a" * 5000]

_ENDS = [
    ("", "[", "", "]", ""), ("", "{a: ", "1", "}", ""), ("", "{from: ", "1", "}", ""),
    ('"', "(", "Z7", ")", '"'), ('"', "(", "x*y", ")", '"'), ('"x*', "-", "y", "", '"'),
    ('"x*y', "+x", "", "", '"'), ('"', "Z2x", "Z2", "", '"'), ('"x*y', "**2", "", "", '"'),
]  # fmt: skip


def _nested(ends: tuple[str, ...], depth: int) -> Raw:
    start, left, middle, right, end = ends
    return Raw(f"{start}{left * depth}{middle}{right * depth}{end}")


deep = st.builds(
    _nested, st.sampled_from(_ENDS), st.sampled_from([3, 30, 60, 99, 190, 260, 330, 480, 700, 3000])
)
tagged = st.builds(
    lambda tag, text: Raw(f"!!{tag} {json.dumps(text)}"),
    st.sampled_from(["int", "float", "bool", "null", "str", "timestamp", "binary", "seq", "set"]),
    st.sampled_from(["", "x", "1", "-", "1_0", "0x", "0b2", "1e", ".", "maybe", "2001-13-45", "é"]),
)

scalars = (
    st.sampled_from(NASTY)
    | st.sampled_from(TEXTS)
    | st.integers()
    | st.floats()
    | st.integers(-3, 60)
    | st.booleans()
    | st.text(max_size=12)
    | st.text(string.printable, max_size=20).map(Raw)
)
pieces = st.recursive(
    scalars | tagged | deep,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(_KEYS) | st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=4,
)

# ------------------------------------------------------------------ what several axes share

names_of_groups = st.text("Zz0123xX×^()<>:⋊[],DQSAgl ", max_size=12)
expressions = st.text("xyz01+-*/() ", max_size=60)
zips = st.lists(st.lists(st.sampled_from(AXES), min_size=1, max_size=3), max_size=2)
exclusions = st.lists(
    st.dictionaries(
        st.sampled_from(AXES),
        singles
        | st.sampled_from([11, 13, 0.3, 0.6, 0.001, 0.01, 0, 1, 16])
        | st.lists(singles | st.integers(0, 20), max_size=3),
        max_size=2,
    ),
    max_size=3,
)
