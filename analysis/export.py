"""Tables as files: CSV and Parquet for programs, LaTeX for papers."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd


@dataclass(frozen=True, eq=False)
class Export:
    """A table that may become a file.

    Attributes:
        name: Added to the file's name, if there is another table before it.
        frame: Plain columns, one number each.
        latex: The same as a paper has it, from the frame; None for data that no paper prints.
    """

    name: str
    frame: pd.DataFrame
    latex: Callable[[pd.DataFrame], str] | None = None


def write_tables(tables: Sequence[Export], path: Path) -> list[Path]:
    """Write tables in the format of a suffix: the first to `path`, others to `path`-name.

    All are written aside before the first is moved into place, so that an error leaves the files as
    they were.

    Args:
        tables: The first has LaTeX; others that have none are left out of .tex.
        path: A .csv, .parquet or .tex, in either case; folders on the way are made.

    Returns:
        The files written.

    Raises:
        KeyError: The suffix is another.
        OSError: A file cannot be written.
    """
    write = {".csv": _csv, ".parquet": _parquet, ".tex": _tex}[path.suffix.lower()]
    kept = [table for table in tables if write is not _tex or table.latex]
    paths = [path, *(path.with_stem(f"{path.stem}-{table.name}") for table in kept[1:])]
    path.parent.mkdir(parents=True, exist_ok=True)
    asides = [one.with_name(f".{one.name}.{os.getpid()}") for one in paths]
    try:
        for table, aside in zip(kept, asides, strict=True):
            write(table, aside)
        for aside, one in zip(asides, paths, strict=True):
            aside.replace(one)
    finally:
        for aside in asides:
            aside.unlink(missing_ok=True)
    return paths


def _csv(table: Export, path: Path) -> None:
    table.frame.to_csv(path, index=False)


def _parquet(table: Export, path: Path) -> None:
    table.frame.to_parquet(path, index=False)


def _tex(table: Export, path: Path) -> None:
    assert table.latex
    made = table.latex(table.frame)
    packages = "booktabs, amssymb" if r"\rtimes" in made else "booktabs"
    path.write_text(f"% \\usepackage{{{packages}}}\n{made}", encoding="utf-8")
