"""What probes saw, for the report: figures that travel in the page."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from analysis.dynamics import load_probe_summaries, load_probed_run
from sweeper.store.records import Outcome

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DPI = 110


@dataclass(frozen=True)
class Picture:
    """A figure in the page.

    Attributes:
        caption: In words.
        source: A data URI.
    """

    caption: str
    source: str


@dataclass(frozen=True)
class DynamicsShown:
    """What probes saw.

    Attributes:
        words: How many runs were probed, and for what.
        pictures: Of the sweep.
        strips: Of some of its runs.
    """

    words: str
    pictures: list[Picture]
    strips: list[Picture]


_CAPTIONS = {
    "stages": "Stages of the runs: when neurons begin to climb their own energies, to interact, "
    "and to settle.",
    "irreps": "Irreps that neurons have learned, against the step.",
    "layers": "Layer by layer: norms, alignment with the own energy, what is sent back and what is "
    "known, medians over runs.",
}


def dynamics_shown(location: str | Path, records: pd.DataFrame) -> DynamicsShown | None:
    """Figures of a sweep's probes; None where no run was probed.

    Args:
        location: A results folder: a local path or a `pyarrow.fs` URI.
        records: As `load` gives them.

    Raises:
        ResultsError: A shard cannot be read; the message names it.
    """
    summaries = load_probe_summaries(location)
    if summaries.empty:
        return None
    from analysis.figures import draw_dynamics, strip  # matplotlib: not where nothing was probed

    figures = draw_dynamics(location, records)
    probed = records.drop(columns=["probes", "probe_s"]).merge(
        summaries[["fingerprint", "probe_s"]], on="fingerprint"
    )
    spent = probed["probe_s"].sum()
    besides = (records["wall_time_s"] - records["probe_s"]).sum()
    names = sorted(set(" ".join(summaries["probes"]).split()))
    words = (
        f"{len(probed):,} of {len(records):,} runs were probed ({', '.join(names)}), which took "
        f"{spent / max(spent + besides, 1e-9):.0%} of the time of training."
    )
    return DynamicsShown(
        words,
        [_picture(_CAPTIONS[name], figure) for name, figure in figures.items()],
        [
            _picture(f"{mark[:8]}: {why}", strip(load_probed_run(location, mark)))
            for why, mark in _telling(probed).items()
        ],
    )


def _telling(probed: pd.DataFrame) -> dict[str, str]:
    """Fingerprints of some runs of the largest group, by what they show."""
    order = probed["group_order"].max()
    runs = probed[(probed["group_order"] == order) & (probed["outcome"] != Outcome.FAILED)]
    turned = runs.dropna(subset="generalization_step").sort_values("generalization_step")
    others = runs[runs["generalization_step"].isna()].sort_values("n_train")
    found = {}
    if len(turned):
        found["generalized last"] = str(turned["fingerprint"].iloc[-1])
    if len(turned) > 1:
        found["generalized first"] = str(turned["fingerprint"].iloc[0])
    if len(others):
        found["did not generalize, at the largest n"] = str(others["fingerprint"].iloc[-1])
    return found


def _picture(caption: str, figure: "Figure") -> Picture:
    from analysis.figures.style import styled

    sink = io.BytesIO()
    with styled():
        figure.savefig(sink, format="png", dpi=_DPI)
    return Picture(caption, "data:image/png;base64," + base64.b64encode(sink.getvalue()).decode())
