"""The phases of learning, as a page shows them: by cell, and their shares by setting."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.learning_phases import Phase, phase_shares, phases, unsettled
from analysis.report.cells import MOST_CURVES, Cells, Codes, ReadCurves
from analysis.tables import Plain

_MEANINGS = {
    Phase.COMPREHENSION: "training and test accuracy reach the target {target:g}, less than {gap:,}"
    " steps apart",
    Phase.GROKKING: "both do, {gap:,} steps or more apart",
    Phase.UNRESOLVED: "the training accuracy alone does, and the test accuracy had risen by more"
    " than 0.1 at the horizon",
    Phase.MEMORIZATION: "the training accuracy alone does",
    Phase.COLLAPSE: "weight decay took the fit away",
    Phase.CONFUSION: "neither does, or the run diverged",
}
MOST_OPEN = 20_000
"""Runs whose phase is read from their curves, where the record alone may not tell."""


@dataclass(frozen=True)
class Share:
    """How often a phase came up in a setting.

    Attributes:
        phase: Its name.
        runs: So many.
        share: Of all runs but failed ones.
        low: Of its 95 % Wilson interval.
        high: Likewise.
    """

    phase: str
    runs: int
    share: float
    low: float
    high: float


@dataclass(frozen=True)
class PhasesShown:
    """The phases of all runs.

    Attributes:
        code: (records,) number of each run's phase in Phase, −1 for failed runs.
        gap: Steps, from which on a run groks.
        meanings: The phases that came up, and what they are.
        shares: Settings in words, each with the shares of the phases that came up in any.
        notes: What could not be read, in words.
    """

    code: Codes
    gap: int
    meanings: list[tuple[str, str]]
    shares: list[tuple[str, list[Share]]]
    notes: list[str]

    def of_cells(self, cells: Cells) -> dict[str, Plain]:
        """Runs of each cell by phase, for the page's script.

        Args:
            cells: Of the same records.
        """
        counts = {}
        for number, phase in enumerate(Phase):
            mine = cells.of_run[(self.code == number) & (cells.of_run >= 0)]
            counts[str(phase)] = np.bincount(mine, minlength=len(cells.table)).tolist()
        return {"phases": {name: one for name, one in counts.items() if any(one)}, "gap": self.gap}


def phases_shown(
    records: pd.DataFrame,
    labels: "pd.Series[str]",
    shown: pd.DataFrame,
    read_curves: ReadCurves,
    gap: int,
) -> tuple[PhasesShown, pd.DataFrame]:
    """Tell the phases, and read the curves that a page needs; all at once, for they are many.

    Args:
        records: As `load` gives them.
        labels: Their settings in words.
        shown: The runs that the page lists, as `runs_shown` gives them.
        read_curves: Where curves come from.
        gap: In steps, as `phases` takes it.

    Returns:
        The phases; and the curves of the first MOST_CURVES of `shown`.
    """
    unknown = unsettled(records)["fingerprint"]
    own = shown["fingerprint"].iloc[:MOST_CURVES]
    curves = read_curves(pd.concat([own, unknown.iloc[:MOST_OPEN]]).unique().tolist())
    phased = phases(records, curves[curves["fingerprint"].isin(unknown)], gap)
    place = {str(phase): number for number, phase in enumerate(Phase)}
    code: Codes = phased["phase"].map(place).fillna(-1).to_numpy().astype(np.intp)
    notes = []
    if (more := len(unknown) - MOST_OPEN) > 0:
        notes.append(f"{more:,} runs are sorted by their records alone, not by their curves.")
    if failed := int((code < 0).sum()):
        notes.append(f"{failed:,} failed run{'s' * (failed != 1)} left out.")
    target = float(records["target_test_accuracy"].max())
    meanings = [
        (str(phase), meaning.format(target=target, gap=gap))
        for number, (phase, meaning) in enumerate(_MEANINGS.items())
        if (code == number).any()
    ]
    found = PhasesShown(code, gap, meanings, _shares(phased["phase"], labels), notes)
    return found, curves[curves["fingerprint"].isin(own)]


def _shares(phase: "pd.Series[str]", labels: "pd.Series[str]") -> list[tuple[str, list[Share]]]:
    counted = pd.DataFrame({"setting": labels, "all": "", "phase": phase})
    table = phase_shares(counted, "setting", "all")
    there = table.groupby("phase")["runs"].sum()
    table = table[(table["of"] > 0) & (table["phase"].map(there) > 0)]
    return [
        (
            str(setting),
            [
                Share(str(row["phase"]), int(row["runs"]), row["share"], row["low"], row["high"])
                for row in part.to_dict("records")
            ],
        )
        for setting, part in table.groupby("setting")
    ]
