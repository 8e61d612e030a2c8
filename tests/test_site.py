"""`make docs` builds a whole site, which needs no network, and links of the repository lead on."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import click
import pytest
from markdown_it import MarkdownIt

import analysis
from sweeper.cli import main
from sweeper.spec.schema import json_schema
from sweeper.store.probes import PROBE_SCHEMA
from sweeper.store.records import CURVE_SCHEMA, RECORD_SCHEMA

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
NOT_PAGES = {".venv", "build", "results", ".pytest_cache"}


class _Loads(HTMLParser):
    """What a browser fetches for a page, without a click."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag != "a":
            self.found += [given[name] or "" for name in ("src", "href", "srcset") if name in given]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` does, where nothing listens on the other end of a connection."""
    pytest.importorskip("furo", reason="the docs extra is not installed: pip install '.[docs]'")
    folder = tmp_path_factory.mktemp("docs")
    answer = subprocess.run(
        [
            *(sys.executable, "-m", "sphinx", "--quiet", "--fail-on-warning", "--keep-going"),
            *("--doctree-dir", str(folder / "doctrees"), "docs", str(folder / "site")),
        ],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env=os.environ | dict.fromkeys(("http_proxy", "https_proxy"), "http://127.0.0.1:9"),
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return folder / "site"


def test_nothing_is_loaded_from_a_network(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 30
    for page in pages:
        for address in _Loads(page.read_text()).found:
            assert not re.match(r"(\w+:)?//", address), f"{page}: {address}"
    for sheet in site.rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?(https?:)?//|@import", sheet.read_text()), sheet


def test_every_page_can_be_reached_and_searched(site: Path) -> None:
    index = (site / "searchindex.js").read_text()
    for page in [*DOCS.glob("*/*.md"), *DOCS.glob("*.md"), *DOCS.glob("*.ipynb")]:
        name = page.relative_to(DOCS).with_suffix("").as_posix()
        if name != "measured/README":  # project/measured includes it
            assert f'"{name}"' in index
    front = (site / "index.html").read_text()
    for part in ("tutorial", "howto", "reference", "explanation", "project"):
        assert f'href="{part}/index.html"' in front


def test_every_command_and_option_is_in_the_reference(site: Path) -> None:
    text = (site / "reference" / "commands.html").read_text()
    for name, command in main.commands.items():
        assert f"sweeper {name} " in text
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                assert option.opts[0] in text, f"sweeper {name} {option.opts[0]}"


def test_every_key_of_a_spec_is_in_the_reference(site: Path) -> None:
    text = (site / "reference" / "spec.html").read_text()
    schema = json_schema()
    parts = [schema, *(part for part in schema["$defs"].values() if "title" in part)]
    keys = {key for part in parts for key in part.get("properties", {})}
    assert len(keys) > 60
    assert [key for key in sorted(keys) if f'<span class="pre">{key}</span>' not in text] == []


def test_every_column_and_every_name_of_analysis_is_in_the_reference(site: Path) -> None:
    records = (site / "reference" / "records.html").read_text()
    for name in [*RECORD_SCHEMA.names, *CURVE_SCHEMA.names, *PROBE_SCHEMA.names]:
        assert f'<span class="pre">{name}</span>' in records
    python = (site / "reference" / "python.html").read_text()
    assert [name for name in analysis.__all__ if f'id="analysis.{name}"' not in python] == []


def test_formulas_are_mathml(site: Path) -> None:
    text = (site / "explanation" / "theory.html").read_text()
    assert text.count('<math xmlns="http://www.w3.org/1998/Math/MathML" display="block"') >= 5
    assert "$$" not in text


def links(page: Path) -> Iterator[str]:
    for block in MarkdownIt("commonmark").enable("table").parse(page.read_text()):
        for token in block.children or []:
            if target := token.attrGet("href") or token.attrGet("src"):
                yield str(target)


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of headings."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_links_between_files_of_the_repository_lead_on() -> None:
    pages = [
        page for page in ROOT.rglob("*.md") if not NOT_PAGES & set(page.relative_to(ROOT).parts)
    ]
    assert len(pages) > 30
    broken = []
    for page in [*pages, ROOT / "results" / "README.md"]:
        for link in links(page):
            if re.match(r"\w+:", link):
                continue
            path, _, anchor = link.partition("#")
            file = (page.parent / path).resolve() if path else page
            known = file.exists() and (not anchor or anchor in anchors(file))
            broken += [] if known else [f"{page.relative_to(ROOT)}: {link}"]
    assert broken == []
