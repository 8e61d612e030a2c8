"""Groups that are given as Cayley tables: read from a file, checked, and found again by name."""

import csv
import json
import re
from functools import partial
from pathlib import Path

import numpy as np

from sweeper.tasks.axioms import check_group
from sweeper.tasks.cache import digest
from sweeper.tasks.group import MAX_ORDER, Group, GroupError, Table

REFERENCE = r"table:\s*([\w.-]+)@([0-9a-f]{12})"
"""Pattern of a table's name: its label, and a hash of the table."""

_registry: dict[str, Table] = {}
"""Tables that this process knows, by their hash."""


def read_table(path: Path | str, label: str | None = None) -> Group:
    """The group of a Cayley table in a file; known to `group_named` in this process from now on.

    The file holds M rows of M whole numbers, row a, column b the product a·b: CSV without a head,
    JSON lines (an array a row), or Parquet (a column of the table a column). Elements are
    0 … M−1 or 1 … M. If the identity is not the first element it is exchanged with that.

    Args:
        path: Ends in .csv, .jsonl (or .ndjson) or .parquet.
        label: Part of the name; by default the file's name. Tables that are equal have names that
            differ in the label only, and are still told apart in trials and splits.

    Raises:
        GroupError: It is no group; the message names the file and the elements.
        OSError: The file cannot be read.
    """
    path = Path(path)
    try:
        table, base = _numbers(_rows(path))
        return group_of(table, label or path.stem, base)
    except GroupError as error:
        raise GroupError(f"{path}: {error}") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise GroupError(f"{path}: cannot be read as text: {error}") from None


def group_of(table: Table, label: str, base: int = 0) -> Group:
    """The group of a Cayley table; known to `group_named` in this process from now on.

    Args:
        table: (M, M) whole numbers 0 … M−1.
        label: Part of the name; what is no letter, digit, dot or dash in it becomes a dash.
        base: What the elements are counted from in messages, 0 or 1.

    Raises:
        GroupError: It is no group; the message names the first offending elements.
    """
    table = np.ascontiguousarray(table, np.int64)
    identity = check_group(table, base)
    exchanged = np.arange(len(table))
    exchanged[[0, identity]] = identity, 0
    table = exchanged[table[np.ix_(exchanged, exchanged)]]
    key = _digest(table)
    _registry[key] = table
    return registered(re.sub(r"[^\w.-]+", "-", label).strip("-") or "group", key)


def register(name: str, table: Table) -> Group:
    """Make a table's name known here: for a worker that was sent the name and the table.

    Args:
        name: As `read_table` made it.
        table: (M, M), the group's `table`.

    Raises:
        GroupError: The name is no table's, or another table's.
    """
    match = re.fullmatch(REFERENCE, name)
    table = np.ascontiguousarray(table, np.int64)
    key = _digest(table)
    if match is None or match[2] != key:
        raise GroupError(f"{name!r} is not the name of this table, whose hash is {key}")
    _registry[key] = table
    return registered(match[1], key)


def tables_in(name: str) -> dict[str, Table]:
    """The tables that a group's name refers to, by their names: what `register` needs elsewhere.

    Empty for a group without tables from files; several for a product of such.

    Raises:
        GroupError: One of them is not known here.
    """
    found = (registered(match[1], match[2]) for match in re.finditer(REFERENCE, name))
    return {group.name: group.table for group in found}


def registered(label: str, key: str) -> Group:
    """The group of a known table.

    Raises:
        GroupError: No table with this hash was read in this process.
    """
    table = _registry.get(key)
    if table is None:
        raise GroupError(
            f"no table with the hash {key} was read here; in a spec name it by the permutations "
            "that `sweeper groups --table FILE` prints"
        )
    return Group(f"table:{label}@{key}", len(table), partial(_registry.__getitem__, key))


def _digest(table: Table) -> str:
    return digest(table)[:12]


def _rows(path: Path) -> list[list[object]]:
    if path.suffix == ".csv":
        with path.open(newline="", encoding="utf-8-sig") as file:
            return [list(row) for row in csv.reader(file) if row]
    if path.suffix in {".jsonl", ".ndjson"}:
        return _json_rows(path)
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            columns = pq.read_table(path)
        except pa.ArrowException as error:
            raise GroupError(f"cannot be read as Parquet: {str(error).splitlines()[0]}") from None
        return [list(row) for row in zip(*(c.to_pylist() for c in columns.columns), strict=True)]
    raise GroupError(f"found the ending {path.suffix!r}; should be .csv, .jsonl or .parquet")


def _json_rows(path: Path) -> list[list[object]]:
    rows = []
    for place, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                row = None
            if not isinstance(row, list):
                raise GroupError(f"line {place} is {line[:40]!r}; should be an array of numbers")
            rows.append(row)
    return rows


def _numbers(rows: list[list[object]]) -> tuple[Table, int]:
    """The rows as a table of elements from 0 on, and what they were counted from.

    Raises:
        GroupError: They are not square, or hold something else than numbers.
    """
    M = len(rows)
    if not 2 <= M <= MAX_ORDER:
        raise GroupError(f"found a table of order {M:,}; should be from 2 to {MAX_ORDER:,}")
    table = np.empty((M, M), np.int64)
    for a, row in enumerate(rows):
        if len(row) != M:
            raise GroupError(f"row {a + 1} has {len(row)} entries; should be {M}, as many as rows")
        for b, entry in enumerate(row):
            text = str(entry).strip()
            if isinstance(entry, bool) or not re.fullmatch(r"-?\d{1,9}", text):
                raise GroupError(
                    f"found {entry!r} in row {a + 1}, column {b + 1}; should be a whole number"
                )
            table[a, b] = int(text)
    base = 1 if table.min() > 0 else 0
    return table - base, base
