"""Tables: typed rows into Parquet, and for people Markdown and the terminal."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import rich.table
from rich.console import Console

Row = dict[str, Any]

FLOAT = pa.float64()


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        name: As in Parquet.
        meaning: One sentence.
        form: How its values are shown to people, as for `format`.
        kind: As in Parquet.
    """

    name: str
    meaning: str
    form: str = ".3g"
    kind: pa.DataType = FLOAT

    def shown(self, value: Any) -> str:  # noqa: ANN401
        """A value for people."""
        return "–" if value is None else format(value, self.form)


def count(name: str, meaning: str) -> Column:
    """A column of whole numbers."""
    return Column(name, meaning, ",", pa.int64())


def text(name: str, meaning: str) -> Column:
    """A column of words."""
    return Column(name, meaning, "", pa.string())


SHAPE = [
    count("M", "Order of the group."),
    count("K", "Hidden size."),
    count("n", "Training pairs."),
]
"""The columns that name a trial's shape."""


def goal_columns(measured: str) -> list[Column]:
    """The columns that `against` fills.

    Args:
        measured: What the measured number is; one sentence.
    """
    return [
        Column("measured", measured, ".4g"),
        text("goal_is", "Whether the goal is the least or the most that it should be."),
        Column("goal", "The goal."),
        text("met", "Whether it is met."),
        Column("of_goal", "Measured over goal: how far from it, or beyond it.", ".3f"),
    ]


def against(goal: float, measured: float, at_most: bool = False) -> Row:
    """A measured number beside its goal.

    Args:
        goal: What it should be.
        measured: What it is.
        at_most: Whether less is better.
    """
    return {
        "measured": measured,
        "goal_is": "at most" if at_most else "at least",
        "goal": goal,
        "met": "yes" if (measured <= goal if at_most else measured >= goal) else "no",
        "of_goal": measured / goal,
    }


@dataclass(frozen=True)
class Table:
    """What one measurement found.

    Attributes:
        name: Of its files.
        title: One line.
        about: How it was measured, and with how many threads.
        columns: In order.
        rows: By column name; what is left out is null.
    """

    name: str
    title: str
    about: str
    columns: list[Column]
    rows: list[Row]

    def cells(self) -> list[list[str]]:
        """The rows for people."""
        return [
            [column.shown(row.get(column.name)) for column in self.columns] for row in self.rows
        ]


def write(table: Table, out: Path, origin: dict[str, str]) -> None:
    """Write NAME.parquet and NAME.md, each aside and then into place.

    Args:
        table: The table.
        out: The folder.
        origin: Where its numbers come from, as `benchmarks.origin` says it.
    """
    schema = pa.schema(
        [
            pa.field(column.name, column.kind, metadata={"meaning": column.meaning})
            for column in table.columns
        ],
        metadata={"title": table.title, "about": table.about, "origin": json.dumps(origin)},
    )
    out.mkdir(parents=True, exist_ok=True)
    with _aside(out / f"{table.name}.parquet") as path:
        pq.write_table(pa.Table.from_pylist(table.rows, schema=schema), path)
    with _aside(out / f"{table.name}.md") as path:
        path.write_text(_markdown(table, origin), encoding="utf-8")


def show(table: Table, console: Console) -> None:
    """Print a table."""
    printed = rich.table.Table(box=None, pad_edge=False)
    for column in table.columns:
        words = column.kind == pa.string()
        printed.add_column(column.name, justify="left" if words else "right", overflow="fold")
    for cells in table.cells():
        printed.add_row(*cells)
    console.print(table.title, style="bold", highlight=False)
    console.print(printed, "", highlight=False)


def _markdown(table: Table, origin: dict[str, str]) -> str:
    names = [column.name for column in table.columns]
    rules = ["---" if column.kind == pa.string() else "---:" for column in table.columns]
    lines = [
        f"# {table.title}",
        "",
        *(f"| {' | '.join(cells)} |" for cells in [names, rules, *table.cells()]),
        "",
        table.about,
        "",
        *(f"- `{column.name}`: {column.meaning}" for column in table.columns),
        "",
        *(f"- {what}: {value}" for what, value in origin.items()),
    ]
    return "\n".join(lines) + "\n"


@contextmanager
def _aside(path: Path) -> Iterator[Path]:
    """Another name to write to, moved into place when all is written."""
    aside = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    yield aside
    aside.replace(path)
