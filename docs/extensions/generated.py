"""Tables of the reference that are made from the code, by these directives.

- spec-keys: keys of a part of a spec, such as Axes, from its JSON schema;
- record-columns: columns of a data set, records, curves or probes, from its Arrow schema;
- command: usage, help and options of a command, from click.
"""

import inspect
import json
from typing import Any, get_args

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from sweeper.cli import main
from sweeper.spec.axes import AxisName
from sweeper.spec.schema import json_schema
from sweeper.store.columns import CURVE_COLUMNS, PROBE_COLUMNS, RECORD_COLUMNS
from sweeper.store.probes import PROBE_SCHEMA
from sweeper.store.records import CURVE_SCHEMA, RECORD_SCHEMA

SCHEMA = json_schema()
DATA_SETS = {
    "records": (RECORD_SCHEMA, RECORD_COLUMNS),
    "curves": (CURVE_SCHEMA, CURVE_COLUMNS),
    "probes": (PROBE_SCHEMA, PROBE_COLUMNS),
}
BOUNDS = (
    ("exclusiveMinimum", "above {}"),
    ("minimum", "from {}"),
    ("exclusiveMaximum", "below {}"),
    ("maximum", "to {}"),
)
PAGES = {
    "docs/learners.md": "[learners](/learners.md)",
    "docs/probes.md": "[probes](/probes.md)",
    "docs/dynamics.md": "[dynamics](/dynamics.md)",
    "docs/extending.md": "[extending](/extending.md)",
}
TYPES = {
    "integer": "whole number",
    "number": "number",
    "string": "text",
    "boolean": "true or false",
}


class _Made(SphinxDirective):
    """A directive whose argument becomes Markdown."""

    required_arguments = 1

    def made(self, name: str) -> str:
        raise NotImplementedError

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(self.made(self.arguments[0]))


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    cells = [[one.replace("|", "\\|").replace("*", "\\*") for one in row] for row in lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)


class RecordColumns(_Made):
    """Name, type and meaning of each column of a data set, in order."""

    def made(self, name: str) -> str:
        """A table."""
        schema, words = DATA_SETS[name]
        return _table(
            ["column", "type", "unit", "meaning"],
            [
                [
                    f"`{field.name}`",
                    f"{field.type}{', or null' if field.nullable else ''}",
                    words[field.name].unit,
                    words[field.name].meaning,
                ]
                for field in schema
            ],
        )


class SpecKeys(_Made):
    """Name, values, default and meaning of each key of a part of a spec."""

    def made(self, name: str) -> str:
        """A table; the keys that have to be given come first."""
        part = SCHEMA if name == "SweepSpec" else SCHEMA["$defs"][name]
        required = part.get("required", [])
        keys = [*required, *(key for key in part["properties"] if key not in required)]
        return _table(
            ["key", "values", "default", "meaning"],
            [_row(key, part["properties"][key], key in required) for key in keys],
        )


class Command(_Made):
    """Usage, help and options of a command."""

    def made(self, name: str) -> str:
        """Paragraphs and a table."""
        command = main.commands[name]
        context = click.Context(command, info_name=f"sweeper {name}")
        options = [one for one in command.params if isinstance(one, click.Option)]
        records = [one.get_help_record(context) for one in options]
        usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
        example = (command.epilog or "").partition("Example:\n")[2]
        return "\n\n".join(
            [
                f"```text\n{usage}\n```",
                inspect.cleandoc(command.help or ""),
                _table(["option", ""], [[f"`{one[0]}`", one[1]] for one in records if one]),
                f"```shell\n{inspect.cleandoc(example)}\n```",
            ]
        )


def _row(name: str, key: dict[str, Any], required: bool) -> list[str]:
    default = key.get("default")
    shown = "" if default is None or default == "" else f"`{json.dumps(default).strip(chr(34))}`"
    meaning = key.get("description") or _resolved(key).get("description", "")
    for file, link in PAGES.items():
        meaning = meaning.replace(file, link)
    return [f"`{name}`", _values(key), "required" if required else shown, meaning]


def _resolved(key: dict[str, Any]) -> dict[str, Any]:
    return SCHEMA["$defs"][key["$ref"].rpartition("/")[2]] if "$ref" in key else key


def _values(key: dict[str, Any]) -> str:
    """What a key takes, in words."""
    if "$ref" in key:
        name, part = key["$ref"].rpartition("/")[2], _resolved(key)
        if name == "Seeds":
            return f"{_values(part['oneOf'][0])}: how many; or a list or a range of them"
        if name.startswith("Values"):
            return f"{_values(part['oneOf'][0])}; one, a list or a range"
        if name.startswith("Texts"):
            return f"{_values(part['oneOf'][0])}; one or a list"
        return f"[{name}](#{name.lower()})" if "properties" in part else _values(part)
    if forms := key.get("oneOf", key.get("anyOf")):
        found = [_values(one) for one in forms if one.get("type") != "null"]
        if found[-1] == "text" and len(found) > 1:
            found[-1] = "a name of your own"
        return ", or ".join(found)
    if key.get("enum") == list(get_args(AxisName)):
        return "names of axes"
    if "const" in key or "enum" in key:
        return ", ".join(f"`{one}`" for one in key.get("enum", [key.get("const")]))
    if key["type"] == "array":
        return f"list of {_values(key['items'])}".replace("list of list", "list of lists")
    if key["type"] == "object":
        return "mappings from axes to a value or a list"
    bounds = [text.format(f"{key[bound]:,}") for bound, text in BOUNDS if bound in key]
    return " ".join([TYPES[key["type"]], *bounds])


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("spec-keys", SpecKeys)
    app.add_directive("command", Command)
    app.add_directive("record-columns", RecordColumns)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
