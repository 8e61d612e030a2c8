"""Whatever stands in a spec: it can be planned, or is refused with a list of problems."""

import json
import os
import re
import string
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
from sweeper.spec.axes import Axes
from sweeper.spec.model import SweepSpec
from tests.commands import called

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "80"))
"""More of them by hand: FUZZ_EXAMPLES=5000 pytest tests/spec/test_fuzz.py."""

SPECS = sorted(Path(__file__).parents[2].glob("specs/**/*.yaml"))


class Raw(str):
    """YAML as it stands, not a string to be quoted."""


def lines(name: str) -> list[str]:
    return Path(__file__).with_name(name).read_text(encoding="utf-8").splitlines()


NASTY = [Raw(line) for line in lines("nasty_pieces.txt")]
NASTY += map(Raw, ["0x" + "F" * 5000, "9" * 5000, "[" * 200 + "]" * 200, "[" * 5000])
TEXTS = lines("nasty_texts.txt")
TEXTS += ["\0", "Z" + "9" * 5000, "(" * 500, "x" + "+x" * 3000, "a" * 5000]
KEYS = sorted(
    {*SweepSpec.model_fields, *Axes.model_fields, "from", "to", "count", "step", "log", "kind"}
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
mild = st.one_of(
    st.integers(1, 60),
    st.lists(st.integers(1, 60), max_size=4),
    st.lists(st.floats(0.01, 0.99), max_size=4),
    st.sampled_from(["uniform", "balanced", "adam", "sgd", "muon", "mse", "relu", "transformer"]),
    st.sampled_from(["cosine", "cross_entropy", "boundary", "Z7", "S4", "D6", "x*y + x", "Z4xZ7"]),
    st.sampled_from([text for text in NASTY if text.startswith("{")]),
)
pieces = mild | st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=4,
)


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


def places(data: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401
    """Where something stands in data."""
    if isinstance(data, dict | list):
        for key, value in list(data.items() if isinstance(data, dict) else enumerate(data)):
            yield (*at, key)
            yield from places(value, (*at, key))


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


def base(path: Path | None) -> Any:  # noqa: ANN401
    """A sound spec, as plain data."""
    if path is None:
        return json.loads(json.dumps(SMALL))
    return json.loads(json.dumps(YAML(typ="safe", pure=True).load(path), default=str))


@st.composite
def specs(draw: st.DrawFn) -> str:
    """A sound spec with a few pieces replaced, removed or added; or text of any kind."""
    if draw(st.integers(0, 19)) == 0:
        return draw(st.text(max_size=60) | pieces.map(written))
    data = base(draw(st.sampled_from([None, None, *SPECS])))
    for _ in range(draw(st.integers(1, 3))):
        way = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
        known = list(places(data))
        if way == "add" or not known:
            name = draw(st.sampled_from([None, "axes", "model", "training", "task"]))
            inner = data.get(name) if name else data
            key = draw(st.sampled_from(KEYS) | st.text(max_size=4))
            if isinstance(inner, dict):
                inner[key] = draw(pieces)
            continue
        *above, last = draw(st.sampled_from(known))
        inner = data
        for key in above:
            inner = inner[key]
        if way == "replace":
            inner[last] = draw(pieces)
        else:
            del inner[last]
    return written(data)


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
        place = re.escape(str(path)) + r"(:\d+)?( [^:]*)?: \S"
        assert re.match(place, answer.output), answer.output
        run = call(tmp_path, "run", "--executor", "inline")
        assert (run.exit_code, run.output) == (2, answer.output)
    assert list(tmp_path.iterdir()) == [path]


def test_numbers_too_long_to_write_are_refused(tmp_path: Path) -> None:
    spec = tmp_path / "long.yaml"
    spec.write_text(f"name: 0x{'F' * 5000}\naxes: {{M: 11, n_train: 0x{'F' * 5000}}}\n")
    assert "a number of thousands of digits" in called("plan", spec, code=2).output
