"""What passes through Tune's hands: it is kept small, for Tune keeps it all, and never copied."""

import pickle
from typing import Any

from sweeper.run.worker import Delivery


class Here:
    """Part of this process: Tune pickles and copies whatever it is given, but never uses that."""

    def __deepcopy__(self, memo: dict[int, Any]) -> "Here":
        return self

    def __reduce__(self) -> tuple[type[object], tuple[()]]:
        return object, ()


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
