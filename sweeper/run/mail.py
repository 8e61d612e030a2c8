"""What passes through Tune's hands: it is kept small, for Tune keeps it all, and never copied."""

import pickle
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from sweeper.run.worker import Delivery


class Here:
    """Part of this process: Tune pickles and copies whatever it is given, but never uses that."""

    def __deepcopy__(self, memo: dict[int, Any]) -> "Here":
        return self

    def __reduce__(self) -> tuple[type[object], tuple[()]]:
        return object, ()


class CompactPlan:
    """A plan as it travels to workers: a value that all rows share is sent once.

    Of a million trials 60 MB instead of 350, which each node of a cluster keeps in memory.
    """

    def __init__(self, plan: pa.Table) -> None:
        """Take a plan apart.

        Args:
            plan: As PLAN_SCHEMA.
        """
        self._schema = plan.schema
        self._alike: dict[str, pa.Scalar] = {}
        self._columns: dict[str, pa.Array] = {}
        for name in plan.column_names:
            column = plan[name].combine_chunks()
            if name != "fingerprint":
                column = column.dictionary_encode()
                if len(column.dictionary) == 1:
                    self._alike[name] = column.dictionary[0]
                    continue
            self._columns[name] = column

    def take(self, rows: Sequence[int]) -> pa.Table:
        """Some rows, as the plan has them."""
        places = pa.array(rows, pa.int64())
        columns = []
        for field in self._schema:
            if field.name in self._alike:
                columns.append(pa.repeat(self._alike[field.name], len(places)))
            else:
                columns.append(self._columns[field.name].take(places).cast(field.type))
        return pa.table(columns, schema=self._schema)


def write_rows(rows: tuple[int, ...]) -> str:
    """Rows as ranges, "0-63,70": Tune keeps every config in its state, so it should be short."""
    parts: list[list[int]] = []
    for row in rows:
        if parts and row == parts[-1][1] + 1:
            parts[-1][1] = row
        else:
            parts.append([row, row])
    return ",".join(f"{first}-{last}" for first, last in parts)


def read_rows(text: str) -> list[int]:
    """The rows that `write_rows` wrote."""
    ranges = [map(int, part.split("-")) for part in text.split(",")]
    return [row for first, last in ranges for row in range(first, last + 1)]


def packed(deliveries: list[Delivery]) -> bytes:
    """Deliveries as bytes that stay small in Tune's hands."""
    return pickle.dumps(deliveries) if deliveries else b""


def unpacked(mail: bytes) -> list[Delivery]:
    """The deliveries that `packed` packed."""
    return pickle.loads(mail) if mail else []
