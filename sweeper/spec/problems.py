"""Everything that is wrong with a spec, each problem with its place."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a spec.

    Attributes:
        line: Line in the file, from 1; 0 for a file that could not be read.
        place: Path inside the spec, such as "axes.n_train[2]"; empty for the file as a whole.
        text: What was found and what would be right.
    """

    line: int
    place: str
    text: str


class SpecError(Exception):
    """A spec that cannot be run; `str()` gives one line a problem."""

    def __init__(self, path: Path | str, problems: list[Problem]) -> None:
        self.path = path
        self.problems = sorted(dict.fromkeys(problems), key=_order)
        super().__init__("\n".join(self._line(problem) for problem in self.problems))

    def _line(self, problem: Problem) -> str:
        place = f" {problem.place}" if problem.place else ""
        line = f":{problem.line}" if problem.line else ""
        return f"{self.path}{line}{place}: {problem.text}"


def _order(problem: Problem) -> tuple[int, list[str | int]]:
    """By line, then by place, in which [10] comes after [2]."""
    parts = re.split(r"(\d+)", problem.place)
    return problem.line, [int(part) if i % 2 else part for i, part in enumerate(parts)]


def dotted(path: tuple[str | int, ...]) -> str:
    """("axes", "n_train", 2) as "axes.n_train[2]"."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f"{'.' * bool(text)}{_legible(part)}"
    return text


def _legible(key: str) -> str:
    """A key as it stands, unless it would garble the place."""
    return key if re.fullmatch(r"[\w-]{1,60}", key) else shown(key)


def shown(value: Any) -> str:  # noqa: ANN401
    """A value as found, cut to a length that fits into a message."""
    try:
        text = "nothing" if value is None else repr(value)
    except ValueError:  # Python writes no number of more than 4,300 digits
        text = "a number of thousands of digits"
    return text if len(text) <= 60 else f"{text[:57]}..."


def some(values: Iterable[Any]) -> str:
    """The first of some values: numbers in order, texts as they stand."""
    listed = list(values)
    if not any(isinstance(value, str) for value in listed):
        listed.sort()
    first = [f"{one:.12g}" if isinstance(one, float) else str(one) for one in listed[:5]]
    return ", ".join(first) + (" …" if len(listed) > 5 else "")
