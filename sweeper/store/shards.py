"""Names of shards: which of those in a folder count, and which rows of one another holds.

A run numbers its shards: `<run>-000000`, `<run>-000001`, and so on. As they grow in number its
driver writes several as one, named by the first and the last number that it holds, and deletes
them: `<run>-000000-to-000031`. The rule for readers is in the names alone: **a shard whose numbers
another one of its run holds too does not count**. So the new shard's name, moved into place, is
what replaces the others, all at once, on any file system; whether they are deleted yet does not
matter. Any other name stands for itself.

A compacted file tells under METADATA how many rows came from each number, in order: who has
listed a folder before a compaction and reads after it finds the rows of a shard that is gone in
the one that holds it.
"""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from typing import Self

import pyarrow as pa

METADATA = b"sweeper.rows"
"""Key in the schema of a compacted file: rows from each number, in order, separated by blanks."""

SUFFIX = ".parquet"
_NAME = re.compile(r"(?P<run>.+?)-(?P<first>\d{6,})(?:-to-(?P<last>\d{6,}))?")


@dataclass(frozen=True, order=True)
class Shard:
    """A numbered shard.

    Attributes:
        run: The run that wrote it.
        first: The first number that it holds.
        last: The last one; of a shard as written the same.
    """

    run: str
    first: int
    last: int

    @classmethod
    def named(cls, name: str) -> Self | None:
        """The shard of a file's name, with its suffix or without; None if it has no number."""
        found = _NAME.fullmatch(name.removesuffix(SUFFIX))
        if found is None:
            return None
        first = int(found["first"])
        last = int(found["last"] or first)
        return cls(found["run"], first, last) if first <= last else None

    @property
    def stem(self) -> str:
        """Its file's name without the suffix."""
        alone = f"{self.run}-{self.first:06d}"
        return alone if self.first == self.last else f"{alone}-to-{self.last:06d}"

    def holds(self, other: "Shard") -> bool:
        """Whether the other's rows are in this one too; a shard does not hold itself."""
        within = self.run == other.run and self.first <= other.first and other.last <= self.last
        return within and self != other


def counting(names: Iterable[str]) -> list[str]:
    """Those of some files' names that count, in the order of writing."""
    names = sorted(names)
    gone = holders(names, names)
    return [name for name in names if name not in gone]


def holders(names: Iterable[str], among: Iterable[str]) -> dict[str, str]:
    """For each of some shards whose rows are in another file, that file.

    Args:
        names: Of the shards.
        among: Names of files, themselves perhaps.
    """
    runs: defaultdict[str, list[tuple[int, int, str]]] = defaultdict(list)
    for name in among:
        if shard := Shard.named(name):
            runs[shard.run].append((shard.first, -shard.last, name))
    for run, files in runs.items():
        # in order of the first number, without those that lie in one before
        outer: list[tuple[int, int, str]] = []
        for file in sorted(files):
            if not outer or file[1] < outer[-1][1]:
                outer.append(file)
        runs[run] = outer
    found = {}
    for name in names:
        if (shard := Shard.named(name)) and (outer := runs.get(shard.run, [])):
            place = bisect_right(outer, shard.first, key=lambda file: file[0]) - 1
            if place >= 0 and Shard(shard.run, outer[place][0], -outer[place][1]).holds(shard):
                found[name] = outer[place][2]
    return found


def rows_metadata(rows: Iterable[int]) -> dict[bytes, bytes]:
    """What a compacted file tells of the rows from each number."""
    return {METADATA: " ".join(map(str, rows)).encode()}


def rows_of(schema: pa.Schema, total: int) -> list[int]:
    """The rows of a file from each of its numbers.

    Args:
        schema: The file's.
        total: Its rows.
    """
    told = (schema.metadata or {}).get(METADATA)
    return [total] if told is None else [int(count) for count in told.split()]


def part(table: pa.Table, schema: pa.Schema, file: str, name: str) -> pa.Table:
    """The rows of one shard in the table of the file that holds it, or that is it.

    Args:
        table: All rows of the file.
        schema: The file's.
        file: Its name.
        name: The shard's.
    """
    outer, inner = Shard.named(file), Shard.named(name)
    if file == name or outer is None or inner is None:
        return table
    ends = [0, *accumulate(rows_of(schema, table.num_rows))]
    start, stop = ends[inner.first - outer.first], ends[inner.last - outer.first + 1]
    return table.slice(start, stop - start)
