"""A report as one HTML file that needs nothing but itself."""

import base64
import gzip
import json
import os
import re
from functools import cache
from importlib.resources import files
from pathlib import Path

import jinja2
from markupsafe import Markup, escape
from plotly.offline import get_plotlyjs

from analysis.report.gather import Page

_SCRIPTS = ("pivot.js", "diagram.js", "details.js", "scaled.js", "page.js")


def render(page: Page, version: str) -> str:
    """The page as HTML. Equal pages are equal texts.

    Whatever comes from records is escaped by the template or, in what the script shows, never
    parsed as HTML. The plotting library and the data are compressed, which halves the file.

    Args:
        page: What to show.
        version: Of the code that makes the report.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_text),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["symbols"] = symbols
    data = json.dumps(page.diagram, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return environment.get_template("page.html.j2").render(
        page=page,
        version=version,
        style=_own("page.css"),
        script=Markup("\n").join(_own(name) for name in _SCRIPTS),
        library=_packed(get_plotlyjs()),
        data=_packed(data),
    )


def write(text: str, path: Path) -> Path:
    """Write a file aside, then move it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    aside.write_text(text, encoding="utf-8")
    aside.replace(path)
    return path


def symbols(text: str) -> Markup:
    """The text, escaped, with n_c and d_k as one writes them."""
    return Markup(re.sub(r"\b([nd])_([ck])\b", r"\1<sub>\2</sub>", str(escape(text))))


@cache
def _text(name: str) -> str:
    return files("analysis.report").joinpath("page", name).read_text(encoding="utf-8")


def _own(name: str) -> Markup:
    """A file of this package, which holds no data and goes in as it is."""
    return Markup(_text(name))


@cache
def _packed(text: str) -> str:
    """Gzip in base 64, which is safe in any HTML."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()
