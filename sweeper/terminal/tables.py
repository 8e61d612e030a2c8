"""Tables on the console."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table


def new_console() -> Console:
    """Standard output; tables in a file or a pipe are not squeezed into 80 columns.

    Texts are said as they are: names and paths may have brackets and colons in them.
    """
    console = Console(markup=False, emoji=False)
    if not console.is_terminal:
        console = Console(markup=False, emoji=False, width=max(console.width, 160))
    return console


def rich_table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> Table:
    """A table without lines, the first column to the left; whole numbers with commas."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row))
    return table
