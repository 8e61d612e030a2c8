"""Thresholds that were measured elsewhere, from a CSV or Parquet table."""

from pathlib import Path

import numpy as np
import pandas as pd

from analysis.brackets import BracketStatus
from analysis.formulas import InputError

_OTHER_NAMES = {
    "M": "group_order",
    "order": "group_order",
    "d": "max_irrep_dim",
    "seed": "init_seed",
}
_NEEDED = ("group_order", "n_c")
_DEFAULTS: dict[str, str | float] = {
    "setting": "a table of thresholds",
    "max_irrep_dim": 1,
    "split_seed": 0,
    "init_seed": 0,
    "violations": 0,
    "n_runs": 0,
    "n_excluded": 0,
    "horizon_steps": 0,
    "steps_low": np.nan,
    "steps_high": np.nan,
}


def read_thresholds(path: str | Path) -> pd.DataFrame:
    """A table of thresholds, as `thresholds` gives it.

    Args:
        path: A .csv or .parquet file, one row a group and seed. Columns: group, order (or M, or
            group_order), d (or max_irrep_dim; 1 if absent), n_c in pairs, and where they are known
            n_low and n_high (the bracket; n_c without them), seed, setting, effective_dim. An empty
            n_c beside an n_low is a threshold above it, beside an n_high one below. Rows of a group
            are its seeds, so that each seed that is named has one, and all have one order and d.

    Raises:
        InputError: Columns are missing or hold what they cannot, or rows contradict each other; the
            message has all of it.
        OSError: The file cannot be read.
    """
    frame = read_table(path).rename(columns=_OTHER_NAMES)
    seeds = [name for name in ("split_seed", "init_seed") if name in frame]
    missing = [name for name in _NEEDED if name not in frame]
    if missing or frame.columns.duplicated().any():
        raise InputError(
            f"{path}: a table of thresholds has the columns group, order, d, n_c, and perhaps"
            f" n_low, n_high, seed, setting; {_what_is_wrong(frame, missing)}"
        )
    for name in _DEFAULTS.keys() - set(frame.columns):
        frame[name] = pd.Series(_DEFAULTS[name], index=frame.index)
    if "group" not in frame:
        frame["group"] = "order " + frame["group_order"].astype(str)
    for name in ("n_low", "n_high"):
        if name not in frame:
            frame[name] = frame["n_c"]
    _check(frame, str(path), seeds)
    whole = frame.astype(dict.fromkeys(("n_low", "n_high", "n_c"), float))
    filled = whole.assign(
        n_low=whole["n_low"].fillna(whole["n_c"]), n_high=whole["n_high"].fillna(whole["n_c"])
    )
    if "status" not in filled:
        filled["status"] = _statuses(filled)
    by = ["setting", "group_order", "group", "split_seed", "init_seed"]
    return filled.sort_values(by, ignore_index=True)


def read_table(path: str | Path) -> pd.DataFrame:
    """A .csv or .parquet file as a frame.

    Args:
        path: The file.

    Raises:
        InputError: It is neither, or not what its name says.
        OSError: It cannot be read.
    """
    kind = Path(path).suffix.lower()
    if kind not in {".csv", ".parquet"}:
        raise InputError(f"{path}: a .csv or .parquet file is wanted")
    try:
        return pd.read_csv(path) if kind == ".csv" else pd.read_parquet(path)
    except ValueError as error:  # parsers' own errors are ValueErrors
        raise InputError(f"{path}: cannot be read as {kind[1:]}: {error}") from error


def _what_is_wrong(frame: pd.DataFrame, missing: list[str]) -> str:
    twice = sorted(set(frame.columns[frame.columns.duplicated()]))
    said = [f"without {' and '.join(missing)}"] if missing else []
    said += [f"with {name} twice" for name in twice]
    return f"this one comes {', '.join(said)}"


def _check(frame: pd.DataFrame, path: str, seeds: list[str]) -> None:
    """Numbers where numbers belong, positive, brackets that hold n_c, and one row a seed."""
    problems = []
    names = ["group_order", "max_irrep_dim", "n_c", "n_low", "n_high"]
    for name in [*names, *({"effective_dim"} & set(frame.columns))]:
        numbers = pd.to_numeric(frame[name], errors="coerce")
        may_lack = name.startswith("n_")
        bad = (numbers.isna() & ~(frame[name].isna() & may_lack)) | (numbers <= 0)
        bad |= np.isinf(numbers)
        for row in frame.index[bad][:3]:
            problems.append(f"row {row + 1}, {name} = {frame.loc[row, name]}: a positive number")
        frame[name] = numbers
    small = frame["group_order"] == 1
    problems += [f"row {row + 1}: an order of 2 or more" for row in frame.index[small][:3]]
    whole = frame["group_order"].mod(1).fillna(0) == 0
    problems += [
        f"row {row + 1}, group_order = {frame.loc[row, 'group_order']}: a whole number"
        for row in frame.index[~whole][:3]
    ]
    outside = (frame["n_low"] > frame["n_c"]) | (frame["n_high"] < frame["n_c"])
    outside |= frame["n_low"] > frame["n_high"]
    for row in frame.index[outside][:3]:
        problems.append(f"row {row + 1}: n_c lies between n_low and n_high")
    for name in ("group_order", "max_irrep_dim"):
        for _, rows in frame.groupby(["setting", "group"], sort=False):
            told = [f"{value:g}" for value in rows[name].unique()]
            if len(told) > 1:
                several = f"group {rows['group'].iloc[0]} has {name} {' and '.join(told)}"
                problems.append(f"{several}: one for all its rows")
    if seeds:
        named = frame[seeds].notna().all(axis=1)
        again = frame.duplicated(["setting", "group", *seeds]) & named
        for row in frame.index[again][:3]:
            seed = ", ".join(f"{name} {frame.loc[row, name]}" for name in seeds)
            problems.append(
                f"row {row + 1}: {frame.loc[row, 'group']}, {seed} again; one row a seed"
            )
    if problems:
        wanted = "\n".join(f"{path}: {problem} is wanted" for problem in problems)
        raise InputError(wanted)


def _statuses(frame: pd.DataFrame) -> list[BracketStatus]:
    found = frame["n_c"].notna()
    above = ~found & frame["n_low"].notna() & frame["n_high"].isna()
    below = ~found & frame["n_high"].notna() & frame["n_low"].isna()
    choices = [
        BracketStatus.BRACKETED,
        BracketStatus.NONE_GENERALIZED,
        BracketStatus.ALL_GENERALIZED,
    ]
    picked = np.select([found, above, below], [0, 1, 2], default=3)
    return [[*choices, BracketStatus.NO_RUNS][i] for i in picked]
