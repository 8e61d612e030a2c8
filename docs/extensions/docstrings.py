"""Docstrings as Sphinx wants them.

What is indented after a colon is code, as in Markdown; what follows `Returns:` is a sentence, of
which the part before a colon is no type.
"""

from sphinx.application import Sphinx


def _read(app: Sphinx, what: str, name: str, of: object, options: object, lines: list[str]) -> None:
    indents = [len(line) - len(line.lstrip()) for line in lines]
    for place, line in enumerate(lines[:-1]):
        if line == "Returns:":
            lines[place + 1] = " " * indents[place + 1] + ": " + lines[place + 1].lstrip()
        elif line.endswith(":") and not line.endswith("::") and not lines[place + 1]:
            code = place + 2 < len(lines) and indents[place + 2] > indents[place]
            lines[place] += ":" if code else ""


def setup(app: Sphinx) -> dict[str, bool]:
    """Read them so, before napoleon does."""
    app.connect("autodoc-process-docstring", _read, priority=100)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
