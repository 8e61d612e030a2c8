"""What `sweeper fit` prints: laws, their comparison, and what they mean."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table as Shown

import analysis
from analysis.tables import (
    Plain,
    Table,
    covariate_table,
    declared_summary,
    declared_table,
    law_summary,
    law_table,
    plain,
    rivals_table,
)
from sweeper.store.results import ResultsError


@dataclass(frozen=True, eq=False)
class Fitted:
    """Everything fitted to the thresholds of one setting.

    Attributes:
        power_law: The free power.
        theorem4: The form of Theorem 4.
        censored: The free power, with the groups that lie above what was run.
        declared: Laws of the user's own.
        rivals: As `compare_laws` gives them.
        check: The horizon check; None for thresholds measured elsewhere.
        covariates: How n_c goes with them, where the thresholds are those at their mean.
    """

    power_law: analysis.LawFit
    theorem4: analysis.LawFit
    censored: analysis.CensoredFit
    declared: list[analysis.DeclaredFit]
    rivals: pd.DataFrame
    check: analysis.HorizonCheck | None
    covariates: analysis.CovariateFit | None = None


def fit_all(
    results: str | None,
    table: Path | None,
    laws: Path | None = None,
    dim: str = "complex",
    bootstrap: int = 0,
    limit: bool = False,
    covariates: Sequence[str] | None = None,
) -> list[Fitted]:
    """Every law for every setting.

    Args:
        results: A results folder, or None.
        table: Thresholds measured elsewhere, if not a results folder.
        laws: A YAML file of laws beside the built-in ones.
        dim: The convention of d.
        bootstrap: Resamples of groups for the intervals of declared laws; 0 for profiles.
        limit: Fit the thresholds extrapolated to an endless horizon.
        covariates: Columns; then all settings are fitted together, at the mean of these.

    Raises:
        ResultsError: There are no records, or the table, the laws or the covariates are not what
            they should be.
    """
    try:
        declared = analysis.read_laws(laws) if laws else ()
        if covariates is not None:
            return [_jointly(_records(results), covariates, declared, dim, bootstrap)]
        cells, checks = _thresholds(results, table, dim, limit)
    except analysis.InputError as error:
        raise ResultsError(str(error)) from error
    return [
        _fitted(part, declared, checks.get(str(setting)), bootstrap)
        for setting, part in cells.groupby("setting")
    ]


def _thresholds(
    results: str | None, table: Path | None, dim: str, limit: bool
) -> tuple[pd.DataFrame, dict[str, analysis.HorizonCheck]]:
    if table:
        return analysis.with_dim(analysis.read_thresholds(table), dim), {}
    records = _records(results)
    if limit:
        found = analysis.limits_as_thresholds(analysis.threshold_limits(records))
        return analysis.with_dim(found, dim), {}

    def power_law(cells: pd.DataFrame) -> analysis.LawFit:
        return analysis.fit_power_law(analysis.with_dim(cells, dim))

    checks = {check.setting: check for check in analysis.horizon_check(records, power_law)}
    return analysis.with_dim(analysis.thresholds(records), dim), checks


def _records(results: str | None) -> pd.DataFrame:
    records = analysis.load(str(results))
    if records.empty:
        raise ResultsError(f"{results}: no records here; `sweeper run SPEC` makes some")
    return records


def _jointly(
    records: pd.DataFrame,
    names: Sequence[str],
    declared: Sequence[analysis.DeclaredLaw],
    dim: str,
    bootstrap: int,
) -> Fitted:
    """All settings together, at the mean of the covariates."""
    fits = {
        part: analysis.fit_covariates(table, names)
        for part, table in analysis.horizon_tables(records).items()
    }
    tables = {part: analysis.with_dim(fit.thresholds, dim) for part, fit in fits.items()}
    check = analysis.check_tables(fits[1.0].setting, tables)
    return replace(_fitted(tables[1.0], declared, check, bootstrap), covariates=fits[1.0])


def _fitted(
    cells: pd.DataFrame,
    declared: Sequence[analysis.DeclaredLaw],
    check: analysis.HorizonCheck | None,
    bootstrap: int,
) -> Fitted:
    return Fitted(
        analysis.fit_power_law(cells),
        analysis.fit_theorem4(cells),
        analysis.fit_censored(cells),
        [analysis.fit_declared(cells, law, bootstrap) for law in declared],
        analysis.compare_laws(cells, declared),
        check,
    )


def plain_fits(found: list[Fitted]) -> list[dict[str, Plain]]:
    """The fits for a JSON file, two a setting: the power law and Theorem 4."""
    return [
        law_summary(fit, one.check)
        | {
            "rivals": plain(one.rivals),
            "declared": [declared_summary(law) for law in one.declared],
            "censored": plain(one.censored),
            "covariates": plain(one.covariates),
        }
        for one in found
        for fit in (one.power_law, one.theorem4)
    ]


def print_fits(found: list[Fitted], console: Console) -> None:
    """Tables, then the verdict in words."""
    for one in found:
        if one.covariates and one.covariates.slopes:
            console.print(_shown(covariate_table(one.covariates)))
        laws = law_table([one.power_law, one.theorem4])
        console.print(_shown(Table(laws.columns[1:], [row[1:] for row in laws.rows])))
        if one.declared:
            console.print(_shown(declared_table(one.declared)))
        if one.power_law.law:
            console.print(_shown(rivals_table(one.rivals)))
        sentences = [
            *([analysis.covariate_words(one.covariates)] if one.covariates else []),
            analysis.verdict(one.power_law, one.check),
            analysis.theorem4_constants(one.theorem4, one.check),
            *([analysis.censored_words(one.censored)] if one.censored.beta else []),
            *(f"{law.law.name}: {law.reason}." for law in one.declared if not law.well),
            *([analysis.horizon_words(one.check)] if one.check else []),
            "",
        ]
        for text in sentences:
            console.print(text, highlight=False, markup=False)


def _shown(table: Table) -> Shown:
    shown = Shown(box=None, header_style="bold", pad_edge=False)
    for place, column in enumerate(table.columns):
        shown.add_column(column, justify="left" if place == 0 else "right", overflow="fold")
    for row in table.rows:
        shown.add_row(*row)
    return shown
