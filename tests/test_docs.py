"""What the tutorial and the how-to guides tell people to type works, and prints what they show.

On these pages
- `console` blocks are run, `sweeper run` in this process; what they show is compared but for
  times, machines and what `...` stands for. An exit code other than 0 has to be asked for, by
  `echo $?`.
- `yaml` blocks whose first line names a file are written there. All others are specs, parts of
  specs, or laws, and are read as such.
- `python` blocks are run in one namespace, what they print is compared with a `text` block behind.

They share a folder that has `specs/` and `docs/measured/` of the repository and, of
`sweeper run specs/quickstart.yaml`, all but four records, and of the curves their ends.
"""

import doctest
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from click.testing import CliRunner
from ruamel.yaml import YAML
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser

from analysis import read_laws
from sweeper.cli import main
from sweeper.spec.model import SweepSpec
from sweeper.spec.sweep import open_sweep
from sweeper.store.records import CURVE_SCHEMA
from sweeper.store.results import ResultsFolder

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    *sorted(DOCS.glob("tutorial/*.md")),
    *sorted(DOCS.glob("howto/*.md")),
    DOCS / "extending.md",
    DOCS / "reading-results.md",
]
WHOLE: dict[str, Any] = {
    "name": "whole",
    "axes": {
        "M": [11, 23],
        "n_train": {"fraction": [0.4, 0.6]},
        "hidden_size": 32,
        "learning_rate": 0.005,
        "weight_decay": 0.0002,
        "max_steps": 100,
    },
}
"""A spec that parts on the pages are parts of."""

# what is not the same twice: durations, rates, how many trials a run had left, run ids, hosts
CHANGING = re.compile(
    r"\d+ (h|min) \d\d (min|s)\b|\b\d+(\.\d+)? s\b|\b[\d.]+ trials/s|\b\d+ trials? run in"
    r"|\d{8}T\d{6}-[0-9a-f]{6}"
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the pages' commands are typed."""
    for name in ("specs", "docs"):
        (tmp_path / name).symlink_to(ROOT / name)
    records = ResultsFolder.at(DOCS / "measured" / "quickstart").records()
    left = pc.and_(pc.equal(records["group_order"], 11), pc.greater(records["n_train"], 78))
    records = records.filter(pc.invert(left))
    ends = {
        name: pc.cast(records["final_step" if name == "step" else name], column.type.value_type)
        for name, column in zip(CURVE_SCHEMA.names, CURVE_SCHEMA, strict=True)
        if name != "fingerprint"
    }
    lists = {
        name: pa.ListArray.from_arrays(range(len(values) + 1), values.combine_chunks())
        for name, values in ends.items()
    }
    curves = pa.table({"fingerprint": records["fingerprint"]} | lists, schema=CURVE_SCHEMA)
    results = ResultsFolder.at(tmp_path / "results" / "quickstart")
    results.write_shard("measured-000000", records, curves)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


class Reader:
    """Does what the blocks of one page say, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.names: dict[str, object] = {}
        self.printed = ""
        self.code = 0

    def parsers(self) -> list[CodeBlockParser]:
        return [
            CodeBlockParser("console", self.console),
            CodeBlockParser("yaml", self.yaml),
            CodeBlockParser("python", self.python),
            CodeBlockParser("text", self.text),
        ]

    def console(self, example: Example) -> str | None:
        for typed, shown in re.findall(
            r"^\$ (.*(?:\\\n.*)*)\n?((?:(?!\$ ).*\n?)*)", example.parsed, re.MULTILINE
        ):
            printed = self._typed(typed.replace("\\\n", " "))
            if difference := self._differs(shown, printed):
                return f"$ {typed}\n{difference}"
            if self.code and not re.search(r"^\$ echo \$\?$", example.parsed, re.MULTILINE):
                return f"$ {typed}\nended with {self.code}:\n{printed}"
        return None

    def yaml(self, example: Example) -> None:
        if named := re.match(r"# (\S+\.yaml)\b", example.parsed):
            Path(named[1]).write_text(example.parsed)
            return
        part = YAML(typ="safe").load(example.parsed)
        path = self.folder / "part.yaml"
        if set(part) <= set(SweepSpec.model_fields):
            with path.open("w") as file:
                YAML(typ="safe").dump(whole(part), file)
            open_sweep(path)
        else:
            path.write_text(example.parsed)
            read_laws(path)

    def python(self, example: Example) -> None:
        if named := re.match(r"# (\S+\.py)\b", example.parsed):
            Path(named[1]).write_text(example.parsed)
            return
        with redirect_stdout(StringIO()) as printed:
            exec(compile(example.parsed, example.path, "exec"), self.names)
        self.printed = printed.getvalue()

    def text(self, example: Example) -> str | None:
        return self._differs(example.parsed, self.printed)

    def _typed(self, line: str) -> str:
        words = shlex.split(line, comments=True)
        if line == "echo $?":
            code, self.code = self.code, 0
            return f"{code}\n"
        if words[0] != "sweeper":
            answer = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)
            self.code = answer.returncode
            return answer.stdout + answer.stderr
        if words[1] in ("plan", "run") and "--help" not in words:
            words += ["--executor", "inline"]
        answer = CliRunner().invoke(main, words[1:])
        if answer.exception and not isinstance(answer.exception, SystemExit):
            raise answer.exception
        self.code = answer.exit_code
        return answer.output

    def _differs(self, shown: str, printed: str) -> str | None:
        printed = printed.replace(str(self.folder), "/home/you")
        want, got = (CHANGING.sub("…", text) for text in (shown, printed))
        flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
        checker = doctest.OutputChecker()
        if not want.strip() or checker.check_output(want, got, flags):
            return None
        return checker.output_difference(doctest.Example("", want), got, flags)


def whole(part: dict[str, Any]) -> dict[str, Any]:
    """A spec that the part is a part of."""
    if {"name", "axes"} <= part.keys():
        return part
    axes = WHOLE["axes"] | part.get("axes", {})
    if "group" in axes:
        del axes["M"]
    return WHOLE | part | {"axes": axes}


def examples(page: Path, reader: Reader) -> Iterator[Example]:
    return Sybil(parsers=reader.parsers()).parse(page).examples()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_first_sweep_is_that_from_nothing(folder: Path) -> None:
    shutil.rmtree(folder / "results")
    for example in examples(DOCS / "tutorial" / "first-sweep.md", Reader(folder)):
        example.evaluate()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_does_what_it_says(page: Path, folder: Path) -> None:
    for example in examples(page, Reader(folder)):
        example.evaluate()
