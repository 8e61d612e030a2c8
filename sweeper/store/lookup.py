"""One trial among all records, by its fingerprint or the first digits of it."""

import re
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from sweeper.store.results import ResultsError, ResultsFolder
from sweeper.store.standing import KEY

_SHOWN = 5


def checked(prefix: str) -> str:
    """The first digits of a fingerprint, in lower case.

    Raises:
        ResultsError: It cannot be any.
    """
    if not re.fullmatch(r"[0-9a-fA-F]{1,32}", prefix):
        raise ResultsError(
            f"{prefix!r} is no fingerprint: it should be 32 hexadecimal digits or the first of them"
        )
    return prefix.lower()


def the_only(found: Iterable[str], prefix: str) -> str | None:
    """The one fingerprint found, or None where none was.

    Args:
        found: Those that begin with the prefix.
        prefix: It.

    Raises:
        ResultsError: There are several.
    """
    distinct = sorted(found)
    if len(distinct) > 1:
        some = ", ".join(distinct[:_SHOWN]) + (", …" if len(distinct) > _SHOWN else "")
        raise ResultsError(
            f"{prefix}: {len(distinct):,} trials begin with it: {some}; give more digits"
        )
    return distinct[0] if distinct else None


def find(folder: ResultsFolder, prefix: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The record and the curve of one trial, as plain values; None where none has this name.

    Args:
        folder: Where to look.
        prefix: Its fingerprint, or as many of its first digits as name no other trial.

    Raises:
        ResultsError: Several trials begin so, or a shard cannot be read.
    """
    prefix = checked(prefix)
    found: list[pa.Table] = []
    for name in folder.shards():
        rows = folder.records_shard(name, KEY)
        rows = rows.filter(pc.starts_with(rows["fingerprint"], prefix))
        found.append(rows.append_column("shard", pa.repeat(name, rows.num_rows)))
    stands = folder.together(found, KEY).to_pylist()
    fingerprint = the_only((row["fingerprint"] for row in stands), prefix)
    if fingerprint is None:
        return None
    (name,) = (row["shard"] for row in stands)
    tables = folder.records_shard(name), folder.curves_shard(name)
    record, curve = (  # a shard may hold the curves of very many
        table.filter(pc.equal(table["fingerprint"], fingerprint)).to_pylist()[0] for table in tables
    )
    return record, curve
