"""Files of the repository that are pages of the site too, and links to them.

Pages are plain Markdown that is read in the repository as well, so their links name files. MyST
finds those that are pages and copies others beside the site; those outside docs/ that a page
includes are looked up here.
"""

import os
import re
from pathlib import Path

from sphinx.application import Sphinx

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
INCLUDE = re.compile(r"^```\{include\} (\S+)\n```$", re.MULTILINE)
LINK = re.compile(r"\[([^\]]*)\]\((?!\w+:|#|/)([^)#\s]+)((?:#[^)\s]*)?)\)")


def _including() -> dict[Path, str]:
    """Files outside docs/ with the pages that stand for them."""
    return {ROOT / "README.md": "/index.md"} | {
        (page.parent / name).resolve(): "/" + page.relative_to(DOCS).as_posix()
        for page in DOCS.rglob("*.md")
        for name in INCLUDE.findall(page.read_text())
    }


def _linked(text: str, folder: Path, pages: dict[Path, str]) -> str:
    """The text of a file in `folder`, its links told from docs/; a folder is no place to go."""

    def told(match: re.Match[str]) -> str:
        text, target, anchor = match.groups()
        file = (folder / target).resolve()
        if file.is_dir():
            return text
        path = pages.get(file) or "/" + Path(os.path.relpath(file, DOCS)).as_posix()
        return f"[{text}]({path}{anchor})"

    return LINK.sub(told, text)


def _read(app: Sphinx, page: str, source: list[str]) -> None:
    file = Path(app.env.doc2path(page))
    if file.suffix != ".md":
        return
    pages = _including()
    if includes := INCLUDE.findall(source[0]):
        for name in includes:
            app.env.note_dependency(str((file.parent / name).resolve()))
        source[0] = INCLUDE.sub(lambda match: _text(file.parent / match[1], pages), source[0])
    else:
        source[0] = _linked(source[0], file.parent, pages)


def _text(file: Path, pages: dict[Path, str]) -> str:
    return _linked(file.read_text(), file.resolve().parent, pages)


def setup(app: Sphinx) -> dict[str, bool]:
    """Read pages so."""
    app.connect("source-read", _read)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
