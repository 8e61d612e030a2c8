"""What `sweeper fit` prints: laws, their comparison, and what they mean."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pandas as pd
from rich.console import Console

import analysis
from analysis.export import Export
from analysis.paper_tables import comparison_latex, law_latex
from analysis.tables import (
    Plain,
    covariate_table,
    declared_summary,
    declared_table,
    law_summary,
    law_table,
    plain,
    rivals_table,
)
from sweeper.store.absence import no_records
from sweeper.store.results import ResultsError, ResultsFolder
from sweeper.terminal.tables import rich_table


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

    checks = {check.setting: check for check in analysis.horizon_check(records, dim=dim)}
    return analysis.with_dim(analysis.thresholds(records), dim), checks


def _records(results: str | None) -> pd.DataFrame:
    records = analysis.load(str(results))
    if records.empty:
        raise no_records(ResultsFolder.at(str(results)))
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
        analysis.fit_law(cells),
        analysis.fit_law(cells, analysis.Form.THEOREM_4),
        analysis.fit_censored(cells),
        [analysis.fit_law(cells, law, bootstrap=bootstrap) for law in declared],
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


def fit_tables(found: list[Fitted]) -> list[Export]:
    """The laws and their comparison, for files.

    The laws have the columns of `LawFit.to_frame`, and horizon_check and horizon_drift: no verdict
    rests on a law unless the check is `stable`. δ and C of Theorem 4 stand where the thresholds
    give them, with the interval that the grid leaves. "power law, censored" counts the groups above
    what was run too; only its β has an interval.
    """
    laws = pd.concat([_law_frame(one) for one in found], ignore_index=True)
    rivals = [
        one.rivals.assign(setting=one.power_law.setting) for one in found if one.power_law.law
    ]
    tables = [Export("laws", laws, law_latex)]
    if rivals:
        compared = pd.concat(rivals, ignore_index=True)
        compared.insert(0, "setting", compared.pop("setting"))
        tables.append(Export("comparison", compared, comparison_latex))
    return tables


def _law_frame(one: Fitted) -> pd.DataFrame:
    parts = [one.power_law.to_frame(), one.theorem4.to_frame()]
    stable = one.check is None or one.check.status is analysis.HorizonStatus.STABLE
    if one.theorem4.law and stable:
        parts.append(_constants(one.theorem4))
    if one.censored.beta:
        parts.append(_censored(one))
    frame = pd.concat([*parts, *(law.to_frame() for law in one.declared)], ignore_index=True)
    checked = one.check.status.name.lower() if one.check else "not_checked"
    drift = math.nan if one.check is None or one.check.drift is None else one.check.drift
    return frame.assign(horizon_check=checked, horizon_drift=drift)


def _constants(fit: analysis.LawFit) -> pd.DataFrame:
    """The rows of δ and C, where there are these two."""
    assert fit.law
    found = analysis.constants(fit.law)
    like = fit.to_frame().iloc[:1].assign(low=math.nan, high=math.nan)
    if found.delta is None or found.C is None:
        return like[:0]
    ends = {"low_with_grid": found.delta.low, "high_with_grid": found.delta.high}
    delta = like.assign(parameter="delta", estimate=found.delta.value, **ends)
    return pd.concat([delta, like.assign(parameter="C", estimate=found.C)])


def _censored(one: Fitted) -> pd.DataFrame:
    """The rows of the power law with the groups above what was run."""
    found, nan = one.censored, math.nan
    assert found.beta
    numbers = {
        "n_star": (found.n_star, nan, nan),
        "beta": (found.beta.value, found.beta.low, found.beta.high),
        "gamma": (found.gamma, nan, nan),
    }
    frame = one.power_law.to_frame()
    told = pd.DataFrame([numbers[name] for name in frame["parameter"]], dtype=float)
    frame[["estimate", "low", "high"]] = told.to_numpy()
    return frame.assign(
        law="power law, censored",
        low_with_grid=nan,
        high_with_grid=nan,
        n_groups=len(found.measured) + len(found.censored),
        residual_sd=found.residual_sd,
        dof=pd.array([pd.NA] * len(frame), "Int64"),
        aicc=nan,
    )


def print_fits(found: list[Fitted], console: Console) -> None:
    """Tables, then the verdict in words."""
    for one in found:
        if one.covariates and one.covariates.slopes:
            powers = covariate_table(one.covariates)
            console.print(rich_table(powers.columns, powers.rows))
        laws = law_table([one.power_law, one.theorem4])
        console.print(rich_table(laws.columns[1:], [row[1:] for row in laws.rows]))
        if one.declared:
            declared = declared_table(one.declared)
            console.print(rich_table(declared.columns, declared.rows))
        if one.power_law.law:
            rivals = rivals_table(one.rivals)
            console.print(rich_table(rivals.columns, rivals.rows))
        sentences = [
            *([analysis.covariate_words(one.covariates)] if one.covariates else []),
            analysis.verdict(one.power_law, one.check),
            *([analysis.theorem4_constants(one.theorem4, one.check)] if one.theorem4.law else []),
            *([analysis.censored_words(one.censored)] if one.censored.beta else []),
            *(f"{law.law.name}: {law.reason}." for law in one.declared if not law.well),
            *([analysis.horizon_words(one.check)] if one.check and one.power_law.law else []),
            "",
        ]
        for text in sentences:
            console.print(text, highlight=False)
