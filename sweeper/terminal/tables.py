"""Tables on the console, laid out for its width."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

_GAP = 2
"""Blanks between two columns."""


def new_console() -> Console:
    """Standard output; tables in a file or a pipe are not squeezed into 80 columns.

    Texts are said as they are: names and paths may have brackets and colons in them.
    """
    console = Console(markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(markup=False, emoji=False, width=max(console.width, 160))
    return console


def rich_table(
    columns: Sequence[str], rows: Sequence[Sequence[object]], left: int = 1
) -> "FittingTable":
    """A table without lines, for Rich to print.

    Args:
        columns: The heads.
        rows: Whole numbers get commas, None is a dash.
        left: So many columns, the first, are text and start at the left.
    """
    told = [[_told(cell) for cell in row] for row in rows]
    return FittingTable(list(columns), told, left)


def _told(cell: object) -> str:
    if cell is None:
        return "–"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)


@dataclass(frozen=True)
class FittingTable:
    """A table that takes the first of these forms that fits the console.

    As it is; heads in several lines; without columns in which nothing stands; turned, a row for
    each column; and last with cells in several lines, cut between words as long as these fit.

    Attributes:
        columns: The heads.
        rows: The cells.
        left: So many columns, the first, start at the left.
    """

    columns: list[str]
    rows: list[list[str]]
    left: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Rich's protocol: what is printed."""
        yield self._fitted(options.max_width)

    def _fitted(self, room: int) -> Table:
        shorter = self._without_blanks()
        turned = shorter._turned()
        for one in (self, shorter):
            if _whole(one._natural) <= room:
                return one._table()
            if _whole(one._least) <= room:
                return one._table(one._widened(one._least, room))
        if _whole(turned._natural) <= room:
            return turned._table()
        words = [max(map(_longest_word, column)) for column in shorter._by_column]
        return shorter._table(shorter._widened(words, room) if _whole(words) <= room else None)

    @property
    def _by_column(self) -> list[list[str]]:
        return [[head, *(row[i] for row in self.rows)] for i, head in enumerate(self.columns)]

    @property
    def _natural(self) -> list[int]:
        return [max(map(cell_len, column)) for column in self._by_column]

    @property
    def _least(self) -> list[int]:
        """Widths that keep cells in one line, and words of heads whole."""
        return [
            max([_longest_word(head), *map(cell_len, cells)]) for head, *cells in self._by_column
        ]

    def _widened(self, widths: list[int], room: int) -> list[int]:
        """Widths, and what room is left given to the columns with the most lines."""
        widths = list(widths)
        # texts that fit a width fit all larger ones
        columns = [
            [text for text in column if cell_len(text) > width]
            for column, width in zip(self._by_column, widths, strict=True)
        ]
        lines = [_most_lines(column, width) for column, width in zip(columns, widths, strict=True)]
        for _ in range(room - _whole(widths)):
            place = lines.index(max(lines))
            if lines[place] == 1:
                break
            widths[place] += 1
            lines[place] = _most_lines(columns[place], widths[place])
        return widths

    def _without_blanks(self) -> "FittingTable":
        said = [i for i, (_, *cells) in enumerate(self._by_column) if {*cells} - {"", "–"}]
        if not said:
            return self
        rows = [[row[i] for i in said] for row in self.rows]
        left = sum(i < self.left for i in said)
        return FittingTable([self.columns[i] for i in said], rows, left)

    def _turned(self) -> "FittingTable":
        (head, *heads), *others = self._by_column
        return FittingTable([head, *heads], others, len(self.rows) + 1)

    def _table(self, widths: list[int] | None = None) -> Table:
        table = Table(box=None, header_style="bold", pad_edge=False)
        for place, column in enumerate(self.columns):
            table.add_column(
                Text(column),
                justify="left" if place < self.left else "right",
                overflow="fold",
                width=widths[place] if widths else None,
            )
        for row in self.rows:
            table.add_row(*map(Text, row))
        return table


def _whole(widths: list[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _most_lines(texts: list[str], width: int) -> int:
    wrapped = (textwrap.wrap(text, width, break_long_words=False) for text in texts)
    return max(map(len, wrapped), default=1)


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)
