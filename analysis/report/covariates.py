"""What a report says of settings that differ in learning rate, weight decay and the like."""

from analysis.covariates import fit_covariates, numeric_covariates
from analysis.fitting import fit_law
from analysis.horizon import check_tables
from analysis.laws import Form
from analysis.loading import HOW_TRAINED
from analysis.report.sections import Tables, Told, without_setting
from analysis.tables import Table, covariate_table, law_table
from analysis.words import covariate_words, verdict


def covariate_sections(tables: Tables) -> list[Told]:
    """One section for all settings that differ in numbers alone.

    Args:
        tables: Thresholds of all settings at parts of the horizon.
    """
    cells = tables[1.0]
    groups = cells.groupby("group")
    free = [name for name in HOW_TRAINED if name in cells and groups[name].nunique().gt(1).any()]
    by = [name for name in free if name not in numeric_covariates(cells)]
    parts = [part for _, part in cells.groupby(by)] if by else [cells]
    found = []
    for part in parts:
        settings = set(part["setting"])
        own = {f: table[table["setting"].isin(settings)] for f, table in tables.items()}
        if one := _section(own):
            found.append(one)
    return found


def _section(tables: Tables) -> Told | None:
    names = numeric_covariates(tables[1.0])
    # a weight decay of 0 has no logarithm
    tables = {
        part: table[(table[names] > 0).all(axis=1)] if names else table
        for part, table in tables.items()
    }
    names = numeric_covariates(tables[1.0])
    if not names:
        return None
    fits = {part: fit_covariates(table, names) for part, table in tables.items()}
    whole = fits[1.0]
    words = [("Slopes", covariate_words(whole).removeprefix(f"{whole.setting}: "))]
    shown: dict[str, Table] = {}
    if whole.slopes:
        check = check_tables(whole.setting, {part: fit.thresholds for part, fit in fits.items()})
        laws = [fit_law(whole.thresholds), fit_law(whole.thresholds, Form.THEOREM_4)]
        words.append(("Law", verdict(laws[0], check).removeprefix(f"{whole.setting}: ")))
        shown["n_c goes as a power of"] = covariate_table(whole)
        shown["Laws at the mean"] = without_setting(law_table(laws))
    return Told(whole.setting, words, shown)
