"""The example runs, its committed outputs are those of the code, and so does the tutorial's."""

import ast
import base64
import re
import runpy
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import matplotlib.image
import nbformat
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
STALE = "run `make example`, look at the outputs, and commit them"


@pytest.fixture(scope="module")
def notebooks() -> tuple[nbformat.NotebookNode, nbformat.NotebookNode]:
    """As committed, and as it comes out now."""
    page = runpy.run_path(str(ROOT / "docs" / "run_example.py"))
    return nbformat.read(page["NOTEBOOK"], as_version=4), page["executed"]()


def outputs(notebook: nbformat.NotebookNode) -> Iterator[tuple[str, str, str]]:
    """(source, kind, content) of all outputs; tracebacks and warnings among them."""
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            kinds = output.get("data") or {output.get("name", output.output_type): str(output)}
            for kind, content in sorted(kinds.items()):
                text = output.get("text", content)
                yield cell.source, kind, text


def test_the_outputs_committed_are_those_of_the_code(
    notebooks: tuple[nbformat.NotebookNode, nbformat.NotebookNode],
) -> None:
    committed, now = (list(outputs(one)) for one in notebooks)
    assert [one[:2] for one in committed] == [one[:2] for one in now], STALE
    assert {kind for _, kind, _ in now} == {"stdout", "text/plain", "text/html", "image/png"}
    for (_, kind, before), (source, _, after) in zip(committed, now, strict=True):
        if kind == "image/png":
            old, new = (
                matplotlib.image.imread(BytesIO(base64.b64decode(one))) for one in (before, after)
            )
            assert old.shape == new.shape, f"{source}: {STALE}"
            assert np.sqrt(np.mean((old - new) ** 2)) < 0.02, f"{source}: {STALE}"
        else:
            assert before == after, f"{source}: {STALE}"


def test_the_example_is_as_long_as_it_says(
    notebooks: tuple[nbformat.NotebookNode, nbformat.NotebookNode],
) -> None:
    sources = [cell.source for cell in notebooks[0].cells if cell.cell_type == "code"]
    lines = [line for line in "\n".join(sources).splitlines() if not line.startswith("%")]
    made = [one for one in ast.parse("\n".join(lines)).body if isinstance(one, ast.Assign)]
    assert len(made) <= 5
    assert len(ast.parse("\n".join(lines)).body) <= 12
    assert Path(ROOT / "docs" / "example.ipynb").stat().st_size < 300_000


def test_the_tutorial_goes_the_same_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "quickstart").symlink_to(ROOT / "docs" / "measured" / "quickstart")
    monkeypatch.chdir(tmp_path)
    page = ROOT / "docs" / "tutorial" / "from-spec-to-law.md"
    (code,) = re.findall(r"^```python\n(.*?)```", page.read_text(), re.M | re.S)
    assert len(code.strip().splitlines()) <= 12
    exec(code, {})
    assert "local exponent β = 1.27 (1.18 to 1.35)" in capsys.readouterr().out
    assert r"$M \log M$ & $1$" in (tmp_path / "laws.tex").read_text()
    assert (tmp_path / "phases.pdf").read_bytes().startswith(b"%PDF")
