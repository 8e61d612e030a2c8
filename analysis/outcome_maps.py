"""Outcomes over order and n/(M log M) as small maps, one a setting: to watch a sweep."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.brackets import thresholds
from analysis.loading import setting_labels
from sweeper.store.records import Outcome

NOT_RUN = "not run"
_KINDS = [NOT_RUN, *reversed(Outcome)]
"""Of two outcomes as frequent in a cell, the later one here is shown."""


@dataclass(frozen=True)
class OutcomeRow:
    """One group in a map.

    Attributes:
        label: Its order M, or its name where several groups have that order.
        group: Its name.
        group_order: M.
        cells: For each bin the most frequent outcome, NOT_RUN where its trials have no record, or
            None where none is planned.
        planned: Trials.
        finished: Of these, with a record.
        n_c: Geometric mean of the thresholds that are bracketed, in pairs; None without.
        n_low: Lowest end of their brackets; None without.
        n_high: Highest end of their brackets; None without.
        bracketed: Seeds with a bracket.
        seeds: All seeds.
    """

    label: str
    group: str
    group_order: int
    cells: list[str | None]
    planned: int
    finished: int
    n_c: float | None
    n_low: float | None
    n_high: float | None
    bracketed: int
    seeds: int


@dataclass(frozen=True)
class OutcomeMap:
    """One setting.

    Attributes:
        setting: In words.
        low: n/(M ln M) of the first bin's middle.
        high: Of the last bin's middle; bins are evenly spaced in its logarithm.
        rows: By order.
    """

    setting: str
    low: float
    high: float
    rows: list[OutcomeRow]


class OutcomeMaps:
    """The maps of a plan; made once, then filled with records as they come."""

    def __init__(self, plan: pd.DataFrame, bins: int = 40) -> None:
        """Lay out the maps.

        Args:
            plan: Columns fingerprint, all fields of Trial, and numerics; one row a trial.
            bins: At most so many a map.
        """
        frame = plan.assign(setting=setting_labels(plan))
        M, n = frame["group_order"].to_numpy(float), frame["n_train"].to_numpy(float)
        frame["log_x"] = np.log(n / (M * np.log(M)))
        self._parts = {
            str(setting): _Layout(part.reset_index(drop=True), bins)
            for setting, part in frame.groupby("setting", sort=False)
        }

    @property
    def settings(self) -> list[str]:
        """All settings, in the order of the plan."""
        return list(self._parts)

    def of(self, records: pd.DataFrame, at_most: int | None = None) -> Iterator[OutcomeMap]:
        """One map a setting.

        Args:
            records: Of trials of the plan; columns as `thresholds` needs them, and fingerprint.
            at_most: Only the first so many settings.
        """
        for setting, layout in list(self._parts.items())[:at_most]:
            rows = layout.index.get_indexer(records["fingerprint"])
            mine = records[rows >= 0].reset_index(drop=True)
            yield layout.filled(setting, rows[rows >= 0], mine)


class _Layout:
    """The trials of one setting, each with its row and its bin."""

    def __init__(self, trials: pd.DataFrame, bins: int) -> None:
        self.index = pd.Index(trials["fingerprint"])
        log_x = trials["log_x"].to_numpy()
        self._low, self._high = float(log_x.min()), float(log_x.max())
        self._bins = min(bins, _natural_bins(trials, self._high - self._low))
        steps = (self._bins - 1) / ((self._high - self._low) or 1.0)
        self._bin = np.rint((log_x - self._low) * steps).astype(int)
        names = (
            trials[["group_order", "group"]].drop_duplicates().sort_values(["group_order", "group"])
        )
        self._groups = [(str(group), int(M)) for M, group in names.itertuples(index=False)]
        place = {group: i for i, (group, _) in enumerate(self._groups)}
        self._row = trials["group"].map(place).to_numpy(int)
        seeds = trials[["group", "split_seed", "init_seed"]].drop_duplicates()
        self._seeds = seeds["group"].value_counts()

    def filled(self, setting: str, at: NDArray[np.intp], records: pd.DataFrame) -> OutcomeMap:
        """The map with these records.

        Args:
            setting: Its name.
            at: (records,) rows of their trials here.
            records: As `thresholds` needs them.
        """
        kind = np.zeros(len(self._row), dtype=int)
        kind[at] = records["outcome"].map({name: i for i, name in enumerate(_KINDS)}).to_numpy(int)
        counts = np.zeros((len(self._groups), self._bins, len(_KINDS)), dtype=int)
        np.add.at(counts, (self._row, self._bin, kind), 1)
        planned = counts.sum(axis=2)
        finished = planned - counts[:, :, 0]
        # trials that have not run are shown only where none has
        ran = counts[:, :, 1:]
        best = len(_KINDS) - 1 - np.argmax(ran[:, :, ::-1], axis=2)
        best = np.where(finished > 0, best, 0)
        cuts = dict(list(thresholds(records).groupby("group"))) if len(records) else {}
        orders = [M for _, M in self._groups]
        rows = []
        for i, (group, M) in enumerate(self._groups):
            n_c, n_low, n_high, bracketed = _bracketed(cuts.get(group))
            there = planned[i] > 0
            rows.append(
                OutcomeRow(
                    label=str(M) if orders.count(M) == 1 else group,
                    group=group,
                    group_order=M,
                    cells=[
                        _KINDS[k] if some else None for k, some in zip(best[i], there, strict=True)
                    ],
                    planned=int(planned[i].sum()),
                    finished=int(finished[i].sum()),
                    n_c=n_c,
                    n_low=n_low,
                    n_high=n_high,
                    bracketed=bracketed,
                    seeds=int(self._seeds[group]),
                )
            )
        return OutcomeMap(setting, float(np.exp(self._low)), float(np.exp(self._high)), rows)


def _natural_bins(trials: pd.DataFrame, span: float) -> int:
    """So many that neighbours in n, half of them at least, have bins of their own."""
    distinct = trials[["group", "n_train", "log_x"]].drop_duplicates().sort_values("log_x")
    gaps = distinct.groupby("group")["log_x"].diff().dropna()
    return 1 + round(span / float(gaps.median())) if len(gaps) else 1


def _bracketed(cells: pd.DataFrame | None) -> tuple[float | None, float | None, float | None, int]:
    """A group's n_c, n_low, n_high and bracketed, as OutcomeRow has them."""
    found = None if cells is None else cells.dropna(subset="n_c")
    if found is None or found.empty:
        return None, None, None, 0
    n_c = float(np.exp(np.log(found["n_c"].astype(float)).mean()))
    return n_c, float(found["n_low"].min()), float(found["n_high"].max()), len(found)
