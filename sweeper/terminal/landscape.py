"""`sweeper landscape`: thresholds of training, of the empirical energy and of the formulas."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.text import Text

from analysis import fit_laws, thresholds
from analysis.landscape import STARTS, Landscape
from analysis.laws import LawFit
from analysis.three_thresholds import landscape_thresholds, three_thresholds
from sweeper.store.results import ResultsFolder
from sweeper.tasks.groups import Group, group_named
from sweeper.terminal.tables import rich_table

GRID = 12
"""Sizes n_train, from 1.5 M log M (or M²/4, if less) to M², at which shares are told besides."""


def split_seeds(cells: pd.DataFrame | None, group: str, at_most: int) -> list[int]:
    """The first splits that were trained on, or the first there are."""
    seen = [] if cells is None else cells.loc[cells["group"] == group, "split_seed"].tolist()
    return sorted({int(seed) for seed in seen})[:at_most] or list(range(at_most))


def measure(
    records: pd.DataFrame | None,
    names: Iterable[str],
    seeds: int,
    delta: float,
    say: Callable[[str], None],
    starts: int = STARTS,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Climb Ê for every group.

    Args:
        records: Of training, or None.
        names: Of the groups; by default (if empty) those of the records.
        seeds: Splits a group, at most; those that were trained on where there are any.
        delta: Failure probability δ.
        say: Told a line before each group.
        starts: Features of each irrep dimension, and random starts, a split, at least.

    Returns:
        The three thresholds, with the laws fitted to these groups; and all shares.

    Raises:
        GroupError: A name stands for no group, before anything is climbed.
    """
    cells = None if records is None else thresholds(records)
    wanted = list(names) or sorted(set() if cells is None else cells["group"])
    groups = sorted({group_named(name) for name in wanted}, key=lambda g: (g.order, g.name))
    kept, shares = [], []
    for i, group in enumerate(groups, start=1):
        say(f"{group.name}: climbing ({i} of {len(groups)} groups)")
        landscape = Landscape(group, starts)
        here = split_seeds(cells, group.name, seeds)
        kept.append(landscape_thresholds(landscape, here, delta))
        for n_train in grid(group):
            for seed in here:
                landscape.kept_share(n_train, seed)
                landscape.random_share(n_train, seed)
        shares.append(landscape.shares())
    shown = {group.name for group in groups}
    fits: list[LawFit] = [] if cells is None else fit_laws(cells[cells["group"].isin(shown)])
    best = {fit.setting: fit for fit in fits if fit.law}  # Theorem 4 where it was fitted
    rows = three_thresholds(pd.concat(kept), cells, list(best.values()), delta)
    return rows, pd.concat(shares, ignore_index=True)


def grid(group: Group) -> list[int]:
    """Sizes spread evenly in log n, up to all pairs."""
    M = group.order
    first = min(1.5 * M * np.log(M), M**2 / 4)
    return sorted({round(n) for n in np.geomspace(first, M**2, GRID)})


def figure_paths(results: str | None, out: Path | None, figure: Path | None) -> list[Path]:
    """Where the figure goes: as told, else to the results, else beside the table, else nowhere."""
    if figure:
        return [figure]
    if results is not None:
        folder = ResultsFolder.at(results).figures
        return [folder / f"landscape.{suffix}" for suffix in ("png", "svg")]
    return [out.with_suffix(".png")] if out else []


def draw(
    rows: pd.DataFrame, shares: pd.DataFrame, delta: float, paths: list[Path]
) -> Iterator[Path]:
    """Draw one figure a setting, numbered if there are several; gives each file once written."""
    from analysis.figures import save
    from analysis.figures.landscape import landscape_figure

    parts = [part for _, part in rows.groupby("setting", sort=False)] if paths else []
    for number, part in enumerate(parts, start=1):
        drawn = landscape_figure(part, shares, delta)
        mark = f"-{number}" if len(parts) > 1 else ""
        for path in paths:
            yield save(drawn, path.with_stem(path.stem + mark))


def print_rows(rows: pd.DataFrame, delta: float, console: Console) -> None:
    """Print the three thresholds, one table a setting."""
    columns = [
        "group", "M", "d_k", "trained n_c", "kept: half", f"kept: {1 - delta:.0%}",
        "half/n_c", "half/(M log M)", "half/M²", "law fitted", "paper's code", "Theorem 4, C = 1",
    ]  # fmt: skip
    for setting, part in rows.groupby("setting", sort=False):
        if setting:
            console.print(Text(str(setting), "bold"))
        cells = []
        for row in part.to_dict("records"):
            M, half = row["group_order"], row["kept_half"]
            cells.append([
                row["group"], str(M), str(row["max_irrep_dim"]),
                *(_spanned(row, name) for name in ("trained", "kept_half", "kept_most")),
                *(_number(half / one, ".2f") for one in (row["trained"], M * np.log(M), M**2)),
                _spanned(row, "fitted"),
                *(_number(row[name], ".0f") for name in ("papers_code", "theorem4")),
            ])  # fmt: skip
        console.print(rich_table(columns, cells))


def _spanned(row: Mapping[Any, Any], name: str) -> str:
    if np.isnan(row[name]):
        return "–"
    return f"{row[name]:.0f} ({row[f'{name}_low']:.0f}–{row[f'{name}_high']:.0f})"


def _number(value: float, form: str) -> str:
    return "–" if np.isnan(value) else format(value, form)
