"""Figures for the report and for print: PNG at 200 dpi and SVG, drawn without pyplot's globals."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from analysis.brackets import thresholds
from analysis.dims import Dim, with_dim
from analysis.dynamics import load_probe_summaries, load_probed_layers, load_probes
from analysis.figures.boundary import boundary
from analysis.figures.collapse import collapse_figure
from analysis.figures.curves import learning_curves
from analysis.figures.layers import layers_over_steps
from analysis.figures.phase import phase_diagram
from analysis.figures.phases import AxesError, phase_map
from analysis.figures.stages import evenly, irreps_learned, stage_timeline
from analysis.figures.strip import animate, strip
from analysis.figures.style import save
from analysis.finite_size import collapse
from analysis.fitting import fit_laws, preferred_dim
from analysis.horizon import HorizonStatus, horizon_check
from analysis.laws import LawFit
from analysis.learning_phases import unsettled
from analysis.loading import load, load_curves, setting_labels

_MOST_PROBED = 1000
"""Runs whose probes are read for the figures of a sweep."""

__all__ = [
    "AxesError",
    "animate",
    "boundary",
    "collapse_figure",
    "draw_all",
    "draw_dynamics",
    "irreps_learned",
    "layers_over_steps",
    "learning_curves",
    "phase_diagram",
    "phase_map",
    "save",
    "stage_timeline",
    "strip",
]


def draw_all(
    location: str | Path,
    out_dir: str | Path,
    formats: Sequence[str] = ("png", "svg"),
    axes: tuple[str, str] | None = None,
    gap: int = 1000,
    dim: Dim | str | None = None,
) -> list[Path]:
    """Every figure of a results folder.

    `phase_diagram`, one panel a setting, with its law unless the horizon bends it; `phases`; then
    for each setting `boundary`, `collapse` where there is one, and `curves-<group>` for its
    smallest, middle and largest group. With several settings the latter three are numbered, in
    order of the setting's words. Where runs were probed, `stages`, `irreps` and `layers` too.

    Args:
        location: A results folder: a local path or a `pyarrow.fs` URI.
        out_dir: Where the figures go; made if it is not there.
        formats: Suffixes that matplotlib can write.
        axes: Of `phases`, as `phase_map` takes them.
        gap: In steps, as `phase_map` takes it.
        dim: The convention of d, which the boundary names; by default that of `preferred_dim`.

    Returns:
        The files written, each whole.

    Raises:
        ResultsError: A shard cannot be read; the message names it.
        AxesError: `axes` cannot be drawn against each other.
        InputError: The effective dimension was asked for, and that of a group is not known.
    """
    records = load(location)
    folder = Path(out_dir)
    return [
        save(figure, folder / f"{name}.{suffix}")
        for name, figure in (
            _figures(location, records, axes, gap, dim) | draw_dynamics(location, records)
        ).items()
        for suffix in formats
    ]


def draw_dynamics(location: str | Path, records: pd.DataFrame) -> dict[str, Figure]:
    """What probes saw over a sweep, by name: `stages`, `irreps`, `layers`, as far as measured.

    Args:
        location: A results folder: a local path or a `pyarrow.fs` URI.
        records: As `load` gives them.

    Raises:
        ResultsError: A shard cannot be read; the message names it.
    """
    summaries = load_probe_summaries(location)
    if summaries.empty:
        return {}
    probed = records.merge(summaries[["fingerprint", "irreps"]], on="fingerprint")
    probed = probed.sort_values(["group_order", "group", "n_train", "split_seed", "init_seed"])
    some = evenly(probed, _MOST_PROBED)
    probes = load_probes(location, some["fingerprint"].tolist())
    probes = probes.merge(some[["fingerprint", "irreps"]], on="fingerprint")
    figures = {}
    if probes["stage"].notna().any():
        figures["stages"] = stage_timeline(records, probes, len(probed))
    if probes["irreps_covered"].notna().any():
        figures["irreps"] = irreps_learned(records, probes)
    layers = load_probed_layers(location, some["fingerprint"].tolist())
    if len(layers):
        figures["layers"] = layers_over_steps(probed, layers)
    return figures


def _figures(
    location: str | Path,
    records: pd.DataFrame,
    axes: tuple[str, str] | None,
    gap: int,
    dim: Dim | str | None,
) -> dict[str, Figure]:
    cells = thresholds(records)
    dim = dim or preferred_dim(cells)
    records, cells = with_dim(records, dim), with_dim(cells, dim)
    fits = fit_laws(cells)
    checks = {check.setting: check for check in horizon_check(records, dim=dim, whole=cells)}
    labels = setting_labels(records)
    decided = [fit for fit in fits if checks[fit.setting].status is HorizonStatus.STABLE]
    figures = {"phase_diagram": phase_diagram(records, cells, _one_each(decided))}
    open_curves = load_curves(location, unsettled(records)["fingerprint"].tolist())
    figures["phases"] = phase_map(records, open_curves, axes, gap)
    cells_shown: dict[str, pd.DataFrame] = {}
    for number, setting in enumerate(sorted(labels.unique()), start=1):
        mark = f"-{number}" if len(checks) > 1 else ""
        here = [fit for fit in fits if fit.setting == setting]
        part = cells[cells["setting"] == setting]
        figures[f"boundary{mark}"] = boundary(part, here, checks[setting])
        runs = records[labels == setting]
        found = collapse(runs)
        if found.inverse_nu:
            figures[f"collapse{mark}"] = collapse_figure(found)
        for group in _ends_and_middle(runs):
            cells_shown[f"curves{mark}-{_file_name(group)}"] = runs[runs["group"] == group]
    wanted = [name for cell in cells_shown.values() for name in cell["fingerprint"]]
    curves = load_curves(location, wanted)  # once: a sweep's curves are many
    for name, cell in cells_shown.items():
        own = curves[curves["fingerprint"].isin(cell["fingerprint"])]
        figures[name] = learning_curves(cell, own)
    return figures


def _file_name(group: str) -> str:
    """Its name without what file systems or shells take amiss: "Z7⋊Z3" as "Z7sdZ3"."""
    plain = group.replace("×", "x").replace("⋊", "sd")
    return re.sub(r"[^A-Za-z0-9.@-]+", "_", plain).strip("_")


def _one_each(fits: list[LawFit]) -> list[LawFit]:
    """The form of Theorem 4 where it was fitted, else the power law."""
    return list({fit.setting: fit for fit in fits if fit.law}.values())


def _ends_and_middle(runs: pd.DataFrame) -> list[str]:
    groups = runs.sort_values(["group_order", "group"])["group"].unique().tolist()
    return list(dict.fromkeys([groups[0], groups[len(groups) // 2], groups[-1]]))
