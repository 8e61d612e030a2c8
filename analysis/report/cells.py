"""The runs of a sweep, aggregated into cells and thinned, as a page can hold them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.loading import setting_labels, settings
from analysis.tables import Plain, plain
from sweeper.store.records import Outcome

MOST_CELLS = 20_000
"""Beyond it, sizes are pooled into bins, then the last settings are left out."""
_BINS = (64, 32, 16, 8)
"""Of n_train, for each group, tried in turn."""
RUNS_A_CELL, MOST_RUNS, MOST_CURVES = 8, 6000, 800
POINTS = 160
"""Of a curve, at most."""

ReadCurves = Callable[[Sequence[str]], pd.DataFrame]
"""Of the runs named by fingerprint, as `load_curves` gives them."""
Codes = NDArray[np.intp]

_LABELS = {
    "group_order": "group order M",
    "group": "group",
    "max_irrep_dim": "irrep dimension d_k",
    "hidden_size": "hidden width K",
    "max_steps": "horizon (steps)",
}
SIZES = {
    "n_over_m_log_m": "n / (M log M)",
    "train_fraction": "training fraction",
    "n_train": "training pairs n",
}
_RUN_COLUMNS = [
    "fingerprint", "n_train", "split_seed", "init_seed", "outcome", "fit_step",
    "generalization_step", "final_step", "train_accuracy", "test_accuracy", "best_test_accuracy",
    "wall_time_s",
]  # fmt: skip


@dataclass(frozen=True)
class Axis:
    """A column that varies, and its values.

    Attributes:
        name: Of the column.
        label: In words.
        levels: Its values, in order.
    """

    name: str
    label: str
    levels: list[Plain]


@dataclass(frozen=True)
class Cells:
    """What the phase diagram shows, and what a click on it does.

    Attributes:
        axes: Those that vary, the order M always.
        table: One row a cell: for each axis the number of its value; M, n (a geometric mean where
            sizes were pooled), n_low, n_high, tuples (M², for pairs in a group), runs, one count an
            outcome, accuracy (mean best test accuracy) and steps (mean step of generalization).
        of_run: (records,) the cell of each run, or −1.
        notes: What was pooled or left out, in words.
    """

    axes: list[Axis]
    table: pd.DataFrame
    of_run: Codes
    notes: list[str]


def aggregate(records: pd.DataFrame) -> Cells:
    """Pool the runs that differ in their seeds alone; in n too, where cells would be too many.

    Args:
        records: As `load` gives them.
    """
    names = _varying(records)
    coded = {name: np.unique(records[name].to_numpy(), return_inverse=True) for name in names}
    if "group" in coded:
        coded["group"] = _by_order(records)
    axes = [Axis(name, label(name), values.tolist()) for name, (values, _) in coded.items()]
    where = [codes for _, codes in coded.values()]
    if "group" not in names:
        where = [pd.factorize(records["group"])[0], *where]
    keep, notes = np.ones(len(records), bool), []
    cell, count = _numbered([*where, records["n_train"].to_numpy()])
    for bins in _BINS:
        if count <= MOST_CELLS:
            break
        cell, count = _numbered([*where, _binned(records, bins)])
        notes = [f"Neighbouring sizes are pooled, into {bins} at most for each group."]
    if count > MOST_CELLS:
        keep = cell < MOST_CELLS
        notes.append(f"Only {MOST_CELLS:,} of {count:,} cells are shown.")
    of_run = np.where(keep, cell, -1)
    table = _summaries(
        records[keep], cell[keep], {n: codes[keep] for n, (_, codes) in coded.items()}
    )
    return Cells(axes, table, of_run, notes)


def label(name: str) -> str:
    """A column in words."""
    return _LABELS.get(name, name.replace("_", " "))


def _varying(records: pd.DataFrame) -> list[str]:
    names = ["group_order"]
    if records["group"].nunique() > records["group_order"].nunique():
        names += ["group"]
    if records["max_irrep_dim"].min() < records["max_irrep_dim"].max():
        names += ["max_irrep_dim"]
    return names + settings(records)


def _by_order(records: pd.DataFrame) -> tuple[NDArray[np.generic], Codes]:
    """The groups, by order and then by name; and the number of each record's."""
    firsts = records[["group", "group_order"]].drop_duplicates("group")
    groups = firsts.sort_values(["group_order", "group"])["group"].to_numpy()
    return groups, pd.Index(groups).get_indexer(records["group"])


def _numbered(columns: Sequence[NDArray[np.generic]]) -> tuple[Codes, int]:
    """Rows that agree in all columns get one number; in order of the columns, the first first."""
    number = np.zeros(len(columns[0]), np.intp)
    for column in columns:
        distinct, codes = np.unique(column, return_inverse=True)
        number = np.unique(number * len(distinct) + codes, return_inverse=True)[1]
    return number, int(number.max()) + 1 if len(number) else 0


def _binned(records: pd.DataFrame, bins: int) -> Codes:
    log_n = np.log(records["n_train"].to_numpy(float))
    group = pd.factorize(records["group"])[0]
    lows, highs = np.full(group.max() + 1, np.inf), np.full(group.max() + 1, -np.inf)
    np.minimum.at(lows, group, log_n)
    np.maximum.at(highs, group, log_n)
    width = np.maximum(highs - lows, 1e-9)[group]
    found: Codes = np.minimum((bins * (log_n - lows[group]) / width).astype(np.intp), bins - 1)
    return found


def _summaries(records: pd.DataFrame, cell: Codes, codes: dict[str, Codes]) -> pd.DataFrame:
    count = int(cell.max()) + 1 if len(cell) else 0
    runs = np.bincount(cell, minlength=count)
    first = np.unique(cell, return_index=True)[1]
    n = records["n_train"].to_numpy()
    low, high = np.full(count, np.iinfo(np.int64).max), np.zeros(count, np.int64)
    np.minimum.at(low, cell, n)
    np.maximum.at(high, cell, n)
    log_n = np.bincount(cell, np.log(n), minlength=count)
    outcome = records["outcome"].to_numpy()
    columns: dict[str, NDArray[np.generic]] = {
        name: values[first] for name, values in codes.items()
    }
    columns |= {
        "M": records["group_order"].to_numpy()[first],
        "n": np.where(low == high, low, np.round(np.exp(log_n / np.maximum(runs, 1)), 1)),
        "n_low": low,
        "n_high": high,
        "tuples": np.rint(n / records["train_fraction"].to_numpy(float)).astype(int)[first],
        "runs": runs,
    }
    for kind in Outcome:
        columns[kind] = np.bincount(cell[outcome == kind], minlength=count)
    columns["accuracy"] = _mean(records["best_test_accuracy"], cell, count, 4)
    columns["steps"] = _mean(records["generalization_step"], cell, count, 0)
    return pd.DataFrame(columns)


def _mean(values: "pd.Series[float]", cell: Codes, count: int, digits: int) -> NDArray[np.float64]:
    """Of what there is of a column in each cell; NaN where there is nothing."""
    numbers = values.to_numpy(float, na_value=np.nan)
    there = ~np.isnan(numbers)
    totals = np.bincount(cell[there], numbers[there], minlength=count)
    counts = np.bincount(cell[there], minlength=count)
    means = np.divide(totals, counts, out=np.full(count, np.nan), where=counts > 0)
    return np.asarray(np.round(means, digits))


def runs_shown(records: pd.DataFrame, cells: Cells, thresholds: pd.DataFrame) -> pd.DataFrame:
    """The runs that a page lists: a few of each cell, those near a threshold first.

    Args:
        records: As `load` gives them.
        cells: Of these records.
        thresholds: Of these records.

    Returns:
        Rows of `records`, with `cell`; at most RUNS_A_CELL of a cell and MOST_RUNS in all.
    """
    kept = cells.of_run >= 0
    near = pd.DataFrame(
        {
            "cell": cells.of_run[kept],
            "split_seed": records["split_seed"].to_numpy()[kept],
            "init_seed": records["init_seed"].to_numpy()[kept],
            "distance": _distance(records, thresholds)[kept],
            "row": np.flatnonzero(kept),
        }
    ).sort_values(["cell", "split_seed", "init_seed"], kind="stable")
    near["rank"] = near.groupby("cell").cumcount()
    near = near[near["rank"] < RUNS_A_CELL].sort_values(["rank", "distance"], kind="stable")
    chosen = near.iloc[:MOST_RUNS]
    return records.iloc[chosen["row"]].assign(cell=chosen["cell"].to_numpy())


def _distance(records: pd.DataFrame, thresholds: pd.DataFrame) -> NDArray[np.float64]:
    """How far each run is from its group's threshold, in |log n/n_c|; infinite without one."""
    log_n_c = thresholds.assign(log=np.log(thresholds["n_c"].astype(float)))
    means = log_n_c.groupby(["setting", "group"])["log"].mean()
    keys = pd.MultiIndex.from_arrays([setting_labels(records), records["group"]])
    at = means.index.get_indexer(keys)
    found = np.where(at >= 0, means.to_numpy()[at] if len(means) else np.nan, np.nan)
    distance = np.abs(np.log(records["n_train"].to_numpy(float)) - found)
    return np.asarray(np.nan_to_num(distance, nan=np.inf))


def plain_runs(shown: pd.DataFrame, read: pd.DataFrame) -> dict[str, Plain]:
    """Runs as columns, and the thinned curves that were read.

    Args:
        shown: As `runs_shown` gives them.
        read: Curves of some of them, as `load_curves` gives them.
    """
    curves = thinned(read, shown)
    columns: dict[str, Plain] = {
        name: plain(_rounded(shown[name])) for name in ["cell", *_RUN_COLUMNS]
    }
    place = {fingerprint: i for i, fingerprint in enumerate(curves)}
    columns["curve"] = [place.get(fingerprint, -1) for fingerprint in shown["fingerprint"]]
    return {"runs": columns, "curves": list(curves.values())}


def thinned(curves: pd.DataFrame, runs: pd.DataFrame) -> dict[str, Plain]:
    """Curves of at most POINTS points, dense at both ends of a logarithmic axis.

    Args:
        curves: As `load_curves` gives them.
        runs: Their records.

    Returns:
        By fingerprint: steps, test accuracy and training accuracy in units of 0.0001. The step of
        generalization is always among them.
    """
    turned = runs.set_index("fingerprint")["generalization_step"]
    found: dict[str, Plain] = {}
    for fingerprint, curve in curves.groupby("fingerprint", sort=False):
        steps = curve["step"].to_numpy()
        at = _spread(len(steps))
        step = turned.get(fingerprint)
        if not pd.isna(step):
            at = np.union1d(at, np.flatnonzero(steps == step))
        accuracies = curve[["test_accuracy", "train_accuracy"]].to_numpy(float)[at].T
        scaled = np.where(np.isnan(accuracies), -1, np.round(1e4 * accuracies)).astype(int)
        found[str(fingerprint)] = [steps[at].tolist(), *scaled.tolist()]
    return found


def _spread(count: int) -> Codes:
    if count <= POINTS:
        return np.arange(count)
    half = POINTS // 2
    log_spaced = np.geomspace(1, count, half - 1) - 1
    return np.unique(np.rint(np.concatenate([log_spaced, np.linspace(0, count - 1, half)]))).astype(
        np.intp
    )


def _rounded(column: "pd.Series[Any]") -> list[Any]:
    return (column.round(5) if column.dtype.kind == "f" else column).tolist()
