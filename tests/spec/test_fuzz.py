"""Whatever stands in a spec: it can be planned, or is refused with a list of problems."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

import sweeper.spec.planned_axes
from sweeper.cli import main
from sweeper.spec.sweep import open_sweep
from sweeper.spec.trial import trials
from tests.commands import called
from tests.spec.pieces import (
    FIELDS,
    SPECS,
    exclusions,
    expressions,
    names_of_groups,
    pieces,
    values,
    written,
    zips,
)

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "80"))
"""More of them by hand: FUZZ_EXAMPLES=5000 pytest tests/spec/test_fuzz.py."""

SMALL = {
    "name": "small",
    "axes": {
        "M": [11, 13], "n_train": {"fraction": {"from": 0.3, "to": 0.9, "count": 3}},
        "hidden_size": 16, "learning_rate": {"log": [0.001, 0.01], "count": 2},
        "weight_decay": [0.0001], "max_steps": 100, "seed": 2,
    },
    "zip": [["learning_rate", "seed"]], "exclude": [{"M": 11, "seed": 1}],
    "task": {"operands": 2, "split": "uniform"}, "model": {"kind": "two_layer"},
    "training": {"optimizer": "adam", "loss": "mse"}, "resources": {"workers": 1},
    "design": {"kind": "grid"},
}  # fmt: skip


ODD = [
    ("%YAML 1.1\n---\n", ""), ("%YAML 1.2\n---\n", "\n...\n"), ("%TAG ! !x\n---\n", ""),
    ("\ufeff", ""), ("--- ", "\n--- {}"), ("# x\r\n", "\r\n"), ("&all ", ""), ("!!map ", ""),
]  # fmt: skip
"""What may stand before and after a document."""


def base(path: Path | None) -> Any:  # noqa: ANN401
    """A sound spec, as plain data."""
    if path is None:
        return json.loads(json.dumps(SMALL))
    return json.loads(json.dumps(YAML(typ="safe", pure=True).load(path), default=str))


def places(data: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401
    """Where something stands in data."""
    if isinstance(data, dict | list):
        for key, value in list(data.items() if isinstance(data, dict) else enumerate(data)):
            yield (*at, key)
            yield from places(value, (*at, key))


def put(data: Any, at: tuple[Any, ...], value: Any) -> None:  # noqa: ANN401
    """Write a field, and the parts that it is in."""
    for key in at[:-1]:
        if not isinstance(data.get(key), dict):
            data[key] = {}
        data = data[key]
    data[at[-1]] = value


def change(draw: st.DrawFn, data: Any) -> None:  # noqa: ANN401
    """A piece of a spec replaced, removed or added."""
    known = list(places(data))
    way = draw(st.sampled_from(["field", "field", "replace", "remove", "together", "text"]))
    if way == "field" or not known:
        put(data, draw(st.sampled_from(FIELDS)), draw(values | pieces))
    elif way == "together":
        data["zip"] = draw(zips)
        data["exclude"] = draw(exclusions)
    elif way == "text":
        put(data, ("axes", "group"), draw(names_of_groups | st.lists(names_of_groups, max_size=2)))
        put(data, ("task", "expression"), draw(expressions))
        data["axes"].pop(draw(st.sampled_from(["group", "M"])), None)
    else:
        *above, last = draw(st.sampled_from(known))
        inner = data
        for key in above:
            inner = inner[key]
        if way == "replace":
            inner[last] = draw(values | pieces)
        else:
            del inner[last]


@st.composite
def specs(draw: st.DrawFn) -> str:
    """A sound spec with a few changes, as YAML that may be odd itself; or text of any kind."""
    if draw(st.integers(0, 19)) == 0:
        return draw(st.text(max_size=60) | pieces.map(written))
    data = base(draw(st.sampled_from([None, None, *SPECS])))
    for _ in range(draw(st.integers(1, 3))):
        change(draw, data)
    text = written(data)
    if draw(st.integers(0, 9)) == 0:
        key, value = draw(st.sampled_from(list(data) or ["a"])), written(draw(values))
        text = f"{text[:-1]}, {key}: {value}}}"
    head, tail = draw(st.sampled_from([("", "")] * 8 + ODD))
    return head + text + tail


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large sweeps are sound and slow; the limit itself has a test of its own."""
    monkeypatch.setattr(sweeper.spec.planned_axes, "MAX_TRIALS", 20_000)


def call(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(
        main, [*words, str(folder / "s.yaml"), "--results", str(folder / "results")]
    )


@settings(
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(text=specs())
def test_a_spec_is_planned_or_refused_with_every_problem_in_its_place(
    text: str, tmp_path: Path
) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    answer = call(tmp_path, "plan", "--no-calibration")
    if answer.exception and not isinstance(answer.exception, SystemExit):
        raise answer.exception
    assert "Traceback" not in answer.output
    assert answer.exit_code in (0, 2)
    if answer.exit_code == 2:
        place = re.escape(str(path)) + r"(:\d+)?( \S.*)?: \S"
        assert re.match(place, answer.output), answer.output
        run = call(tmp_path, "run", "--executor", "inline")
        assert (run.exit_code, run.output) == (2, answer.output)
    else:
        plan = open_sweep(path).plan
        assert len(set(plan["fingerprint"].to_pylist())) == plan.num_rows > 0
        for name, one in zip(plan["fingerprint"][:20].to_pylist(), trials(plan[:20]), strict=True):
            assert one.fingerprint == name
            assert 1 <= one.n_train < one.tuples
    assert list(tmp_path.iterdir()) == [path]


def test_numbers_too_long_to_write_are_refused(tmp_path: Path) -> None:
    spec = tmp_path / "long.yaml"
    spec.write_text(f"name: 0x{'F' * 5000}\naxes: {{M: 11, n_train: 0x{'F' * 5000}}}\n")
    assert "a number of thousands of digits" in called("plan", spec, code=2).output
