"""All that a report shows, as plain values; how it looks is `analysis.report.render`'s affair."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.brackets import thresholds
from analysis.declarations import DeclaredLaw
from analysis.dims import with_dim
from analysis.fitting import fit_laws, preferred_dim
from analysis.horizon import HorizonStatus, check_tables, horizon_tables
from analysis.laws import LawFit
from analysis.loading import setting_labels, settings
from analysis.report.cells import (
    SIZES,
    Cells,
    ReadCurves,
    aggregate,
    plain_runs,
    runs_shown,
)
from analysis.report.collapses import collapses
from analysis.report.covariates import covariate_sections
from analysis.report.dynamics import DynamicsShown
from analysis.report.origin import Failure, Origin, failures
from analysis.report.overlays import law_lines, threshold_marks, tuples_power
from analysis.report.phases import PhasesShown, phases_shown
from analysis.report.sections import Section, Told, section
from analysis.tables import Plain, Table, plain
from sweeper.store.records import Outcome

MOST_EXTRAPOLATED = 120
"""Thresholds (a group and seed each) that are extrapolated to an endless horizon: it takes long."""
MOST_SETTINGS = 24
"""That have a section; of the others the counts are told."""


@dataclass(frozen=True)
class Page:
    """A whole report.

    Attributes:
        name: Of the sweep.
        summary: The settings in one sentence, and the runs in another.
        sections: Of the settings, in order of their words.
        sections_left_out: How many more settings there are.
        phases: Of learning, their shares.
        collapses: Of the accuracies of each setting, or why there is none, in words.
        covariates: What learning rates, weight decays and the like do to n_c.
        counts: Runs by setting and outcome.
        stops: Rules by which runs were stopped, with their counts.
        failures: By cause.
        origin: Where the records come from.
        notes: What of the runs is pooled or left out.
        dynamics: What probes saw, if any were on.
        diagram: For the page's script: axes, cells, runs, curves, laws and thresholds.
    """

    name: str
    summary: list[str]
    sections: list[Section]
    sections_left_out: int
    phases: PhasesShown
    collapses: list[tuple[str, str]]
    covariates: list[Told]
    counts: Table
    stops: list[str]
    failures: list[Failure]
    origin: Origin
    notes: list[str]
    dynamics: DynamicsShown | None
    diagram: dict[str, Plain]


def gather(
    records: pd.DataFrame,
    read_curves: ReadCurves,
    origin: Origin,
    declared: Sequence[DeclaredLaw] = (),
    gap: int = 1000,
    dynamics: DynamicsShown | None = None,
) -> Page:
    """Thresholds, laws, verdicts and cells of records.

    Args:
        records: As `load` gives them; at least one.
        read_curves: Where the curves of the runs that are shown come from.
        origin: Where the records come from.
        declared: Laws to fit and compare beside the built-in ones.
        gap: In steps, as `phases` takes it.
        dynamics: What probes saw, if any were on.
    """
    records = records.reset_index(drop=True)
    labels = setting_labels(records)
    found = thresholds(records)
    dim = preferred_dim(found)
    tables = {f: with_dim(table, dim) for f, table in horizon_tables(records, found).items()}
    found = tables[1.0]
    parts = {
        str(setting): {f: table[table["setting"] == setting] for f, table in tables.items()}
        for setting in found["setting"].unique()
    }
    checks = {name: check_tables(name, part) for name, part in parts.items()}
    fits: dict[str, list[LawFit]] = {}
    for fit in fit_laws(found):
        fits.setdefault(fit.setting, []).append(fit)
    shown = list(parts)[:MOST_SETTINGS]

    def runs_of(setting: str) -> pd.DataFrame:
        return records[labels == setting]

    room = np.cumsum([len(parts[name][1.0]) for name in shown]) <= MOST_EXTRAPOLATED
    sections = [
        section(
            fits[name], checks[name], parts[name], runs_of(name) if few else None, declared, dim
        )
        for name, few in zip(shown, room, strict=True)
    ]
    cells = aggregate(records)
    runs = runs_shown(records, cells, found)
    phases, curves = phases_shown(records, labels, runs, read_curves, gap)
    scaled = collapses({name: parts[name][1.0] for name in shown}, runs_of)
    drawn = found[found["setting"].isin(shown)]
    lines: dict[str, Plain] = {
        name: law_lines(fits[name], parts[name][1.0], checks[name].status is HorizonStatus.STABLE)
        for name in shown
    }
    return Page(
        name=", ".join(sorted(records["sweep"].unique())),
        summary=[_decisions(sections, len(parts)), _runs_in_words(records)],
        sections=sections,
        sections_left_out=len(parts) - len(shown),
        phases=phases,
        collapses=scaled.words,
        covariates=covariate_sections(tables),
        counts=_counts(records, labels),
        stops=_stops(records),
        failures=failures(records),
        origin=origin,
        notes=cells.notes,
        dynamics=dynamics,
        diagram=_diagram(records, labels, cells, drawn, lines)
        | phases.of_cells(cells)
        | {"collapses": scaled.plots}
        | plain_runs(runs, curves),
    )


def _decisions(sections: list[Section], count: int) -> str:
    kinds = [str(section.advice.decision) for section in sections]
    told = ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds))
    if count > len(sections):
        return f"Of the first {len(sections)} of {count:,} settings: {told}."
    return f"{count} settings: {told}." if count > 1 else ""


def _runs_in_words(records: pd.DataFrame) -> str:
    low, high = records["group_order"].min(), records["group_order"].max()
    counts = records["outcome"].value_counts()
    outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in counts.items())
    span_of = f"M = {low}" + (f" to {high}" if low < high else "")
    groups = records["group"].nunique()
    return (
        f"{len(records):,} run{'s' * (len(records) != 1)} of {groups:,} group"
        f"{'s' * (groups != 1)}, {span_of}: {outcomes}."
    )


def _counts(records: pd.DataFrame, labels: "pd.Series[str]") -> Table:
    table = pd.crosstab(labels.to_numpy(), records["outcome"].to_numpy())
    kinds = [kind for kind in Outcome if kind in table.columns]
    hours = (records["wall_time_s"] / 3600).groupby(labels.to_numpy()).sum().to_numpy()
    rows = [
        [
            str(name),
            *(f"{row[kind]:,}" for kind in kinds),
            f"{row.sum():,}",
            f"{hours[i]:,.2f}",
        ]
        for i, (name, row) in enumerate(table.iloc[:MOST_SETTINGS].iterrows())
    ]
    if len(table) > 1:
        total = table.sum()
        sums = [f"{total[kind]:,}" for kind in kinds]
        name = f"all {len(table):,} settings"
        rows.append([name, *sums, f"{total.sum():,}", f"{hours.sum():,.2f}"])
    return Table(["setting", *map(str, kinds), "all", "hours of workers"], rows)


def _stops(records: pd.DataFrame) -> list[str]:
    counts = records["stop_rule"].dropna().value_counts()
    return [f"{count:,} stopped: {rule}" for rule, count in counts.items()]


def _diagram(
    records: pd.DataFrame,
    labels: "pd.Series[str]",
    cells: Cells,
    found: pd.DataFrame,
    lines: dict[str, Plain],
) -> dict[str, Plain]:
    numbers: dict[str, dict[object, int]] = {
        axis.name: {value: i for i, value in enumerate(axis.levels)} for axis in cells.axes
    }
    how = settings(records)
    labels = labels.drop_duplicates().sort_values()
    firsts = records.loc[labels.index].to_dict("records")
    pairs = bool((cells.table["tuples"] == cells.table["M"] ** 2).all())
    sizes = SIZES | {"train_fraction": "training fraction n / M²" if pairs else "training fraction"}
    return {
        "axes": [plain(axis) for axis in cells.axes],
        "groups": _groups(found, cells),
        "sizes": [{"name": name, "label": text} for name, text in sizes.items()],
        "outcomes": [str(kind) for kind in Outcome],
        "target": float(records["target_test_accuracy"].max()),
        "cells": {name: plain(cells.table[name].tolist()) for name in cells.table.columns},
        "settings": [
            {
                "words": name,
                "where": {axis: numbers[axis][here[axis]] for axis in how},
                "power": tuples_power(found[found["setting"] == name]),
                "lines": lines[name],
            }
            for here, name in zip(firsts, labels, strict=True)
            if name in lines
        ],
        "thresholds": threshold_marks(found, numbers),
    }


def _groups(thresholds: pd.DataFrame, cells: Cells) -> list[Plain]:
    """M, d and d_k of each value of the axis of groups; nothing where there is none."""
    if all(axis.name != "group" for axis in cells.axes):
        return []
    # in the order of the axis, as `aggregate` has it
    firsts = thresholds.drop_duplicates("group").sort_values(["group_order", "group"])
    rows = firsts[["group_order", "irrep_dim", "max_irrep_dim"]].itertuples(index=False)
    return [{"M": int(order), "dim": int(dim), "d_k": int(d_k)} for order, dim, d_k in rows]
