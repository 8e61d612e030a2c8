"""What a report says of one setting: advice, verdicts in words, tables."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.advice import Advice, advise
from analysis.censored import fit_censored
from analysis.declarations import DeclaredLaw
from analysis.dims import Dim, with_dim
from analysis.fitting import fit_law
from analysis.formulas import InputError
from analysis.horizon import HorizonCheck, check_tables
from analysis.laws import Form, LawFit
from analysis.limits import limits_as_thresholds, threshold_limits
from analysis.rivals import compare_laws
from analysis.seeds import seed_scatter
from analysis.tables import (
    Table,
    declared_table,
    law_table,
    limit_table,
    rivals_table,
    threshold_table,
)
from analysis.words import (
    censored_words,
    dim_words,
    dims_words,
    horizon_words,
    limit_words,
    scatter_words,
    span,
    theorem4_constants,
    verdict,
)

Tables = dict[float, pd.DataFrame]
"""Thresholds of one setting at parts of its horizon, as `horizon_tables` gives them."""


@dataclass(frozen=True)
class Told:
    """What is told under one heading.

    Attributes:
        setting: In words: network, optimizer, horizon and what else it takes.
        words: The verdict and what belongs to it: what of, and a paragraph, each.
        tables: By heading.
    """

    setting: str
    words: list[tuple[str, str]]
    tables: dict[str, Table]


@dataclass(frozen=True)
class Section(Told):
    """One setting.

    Attributes:
        advice: What it decides, and what to add.
    """

    advice: Advice


def section(
    fits: list[LawFit],
    check: HorizonCheck,
    tables: Tables,
    records: pd.DataFrame | None,
    declared: Sequence[DeclaredLaw],
    dim: Dim,
) -> Section:
    """Everything about one setting.

    Args:
        fits: The power law and Theorem 4.
        check: The horizon check of the first.
        tables: Its thresholds.
        records: Its runs, as `load` gives them; None where they are too many to extrapolate.
        declared: Laws beside the built-in ones.
        dim: The convention of d that the fits, the check and the thresholds have.
    """
    (power_law, theorem4), cells = fits, tables[1.0]
    name = power_law.setting
    dims, dims_told = _conventions(power_law, check, tables, dim)
    limits, limits_told = _limits(records, cells)
    shown = {"Thresholds": threshold_table(cells)} | limits
    for one, part in dims.items():
        mark = f", {dim_words(one)}" if len(dims) > 1 else ""
        both = fits if one is dim else [fit_law(part), fit_law(part, Form.THEOREM_4)]
        shown[f"Fitted laws{mark}"] = without_setting(law_table(both))
        if declared:
            own = [fit_law(part, law) for law in declared]
            shown[f"Declared laws{mark}"] = declared_table(own)
        if both[0].law:
            rivals = rivals_table(compare_laws(part, declared))
            shown[f"Rivals, the best by AICc first{mark}"] = rivals
    if power_law.law:
        shown["Horizon check"] = _horizon_table(check)
    censored, scatter = fit_censored(cells), seed_scatter(cells)
    has_law = bool(power_law.law or theorem4.law)  # without one the verdict has the cause
    words = [
        ("Verdict", verdict(power_law, check)),
        ("Constants", theorem4_constants(theorem4, check) if has_law else ""),
        ("Dimension", dims_told),
        ("Censored", censored_words(censored) if censored.beta else ""),
        ("Horizon", horizon_words(check).removeprefix("Horizon: ") if has_law else ""),
        ("No horizon", limits_told),
        *(("Scatter", scatter_words(one)) for one in scatter),
    ]
    told = [(what, _without(text, name)) for what, text in words if text]
    return Section(name, told, shown, advise(power_law, check, cells))


def without_setting(table: Table) -> Table:
    """A table under a heading that names the setting already, in its first column."""
    return Table(table.columns[1:], [row[1:] for row in table.rows])


def _conventions(
    power_law: LawFit, check: HorizonCheck, tables: Tables, dim: Dim
) -> tuple[dict[Dim, pd.DataFrame], str]:
    """The thresholds under each convention of d that matters, and what the power law leaves."""
    cells = tables[1.0]
    found = {dim: cells}
    if (cells["task"] != cells["group"]).any():
        return found, ""  # an expression modulo M has no irreps
    try:
        both = {one: with_dim(cells, one) for one in Dim}
    except InputError as error:
        several = len(cells["max_irrep_dim"].unique()) > 1
        return found, f"With d = max d_k alone: {error}" if several else ""
    if all(len(table["irrep_dim"].unique()) == 1 for table in both.values()):
        return found, ""
    (other,) = set(Dim) - {dim}
    found[other] = both[other]
    own = {part: with_dim(table, other) for part, table in tables.items()}
    fits = {dim: power_law, other: fit_law(both[other])}
    checks = {dim: check, other: check_tables(check.setting, own)}
    return found, dims_words(fits, checks) + " All else here takes the first."


def _limits(records: pd.DataFrame | None, cells: pd.DataFrame) -> tuple[dict[str, Table], str]:
    """Thresholds without a horizon, and what they do to β."""
    if records is None:
        return {}, "Too many thresholds to extrapolate for a page: `sweeper thresholds --limit`."
    limits = threshold_limits(records)
    known = [one.group for one in limits if one.n_c]
    table = without_setting(limit_table(limits))
    limited = fit_law(limits_as_thresholds(limits))
    within = fit_law(cells[cells["group"].isin(known)])
    told = limit_words(limits, limited, within)
    return {"Thresholds without a horizon, n_c(∞)": table} if known else {}, told


def _without(words: str, setting: str) -> str:
    """A verdict under a heading that names its setting already."""
    rest = words.removeprefix(f"{setting}: ")
    return "No law" + rest.removeprefix("no law") if rest.startswith("no law") else rest


def _horizon_table(check: HorizonCheck) -> Table:
    rows = [
        [
            f"{fraction:g}",
            f"{fit.horizon_steps[1]:,}",
            str(len(fit.groups)),
            span(fit.law.beta) if fit.law else "–",
        ]
        for fraction, fit in check.fits.items()
    ]
    return Table(["part of the horizon", "steps", "groups", "β (scatter)"], rows)
