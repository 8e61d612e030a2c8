"""`sweeper thresholds`, `fit`, `scaling`, `collapse` and `landscape`: numbers from records."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sweeper.cli.options import (
    EXAMPLE,
    PICTURES,
    as_json,
    complains,
    dim_option,
    finite,
    folder_argument,
    laws_option,
    of_format,
    out_option,
    records_of,
)
from sweeper.store.results import ResultsError
from sweeper.terminal.tables import new_console, rich_table

if TYPE_CHECKING:
    import analysis
    from analysis.export import Export


@click.command(epilog=f"{EXAMPLE}sweeper thresholds results/quickstart --out thresholds.tex")
@folder_argument
@click.option(
    "--horizon", type=click.FloatRange(0, 1, min_open=True), default=1.0, show_default=True,
    callback=finite,
    help="Part of each trial's max_steps: what a shorter sweep would have found.",
)  # fmt: skip
@click.option(
    "--limit", is_flag=True,
    help="n_c without a horizon, extrapolated from the steps to generalize of each group.",
)  # fmt: skip
@out_option
@as_json
@complains
def thresholds(results: str, horizon: float, limit: bool, out: Path | None, as_json: bool) -> None:
    """Bracket n_c for each group and seed.

    n_c is the number of training pairs from which trials generalize.
    """
    import analysis
    from analysis.export import Export
    from analysis.frames import threshold_frame
    from analysis.paper_tables import threshold_latex
    from analysis.tables import plain, threshold_table

    records = records_of(results)
    if limit:
        _print_limits(analysis.threshold_limits(records), out, as_json)
        return
    cells = analysis.thresholds(records, horizon)
    by_group = Export("groups", threshold_frame(cells), threshold_latex)
    _write([by_group, Export("cells", cells)], out)
    if as_json:
        click.echo(json.dumps(plain(cells), indent=2, ensure_ascii=False))
        return
    console = new_console()
    for setting, part in cells.groupby("setting", sort=False):
        table = threshold_table(part)
        console.print(str(setting), style="bold", highlight=False)
        console.print(rich_table(table.columns, table.rows))
    for scatter in analysis.seed_scatter(cells):
        if words := analysis.scatter_words(scatter):
            console.print(words, highlight=False)


def _print_limits(limits: "list[analysis.Limit]", out: Path | None, as_json: bool) -> None:
    from analysis.export import Export
    from analysis.frames import limit_frame
    from analysis.paper_tables import limit_latex
    from analysis.tables import limit_table, plain

    _write([Export("limits", limit_frame(limits), limit_latex)], out)
    if as_json:
        click.echo(json.dumps(plain(limits), indent=2, ensure_ascii=False))
        return
    table = limit_table(limits)
    new_console().print(rich_table(table.columns, table.rows))
    for status in sorted({one.status for one in limits if not one.n_c}):
        click.echo(f"{status.name.lower().replace('_', ' ')}: {status}")


@click.command(
    epilog=f"{EXAMPLE}sweeper fit results/quickstart\n  sweeper fit --thresholds measured.csv"
)
@click.argument("results", type=str, required=False)
@click.option(
    "--thresholds", "table", metavar="FILE", type=click.Path(path_type=Path),
    help="Instead of results: a .csv or .parquet of group, order, d, n_c (n_low, n_high, seed).",
)  # fmt: skip
@laws_option
@dim_option("complex")
@click.option(
    "--bootstrap", type=click.IntRange(0), default=0, metavar="N",
    help="Intervals of --laws from so many resamples of groups, instead of profiles.",
)  # fmt: skip
@click.option(
    "--limit", is_flag=True,
    help="Fit n_c without a horizon, extrapolated from the steps to generalize.",
)  # fmt: skip
@click.option(
    "--covariates", metavar="NAME,…",
    help="Fit all settings together, n_c being a power of these: learning_rate,weight_decay.",
)  # fmt: skip
@out_option
@as_json
@complains
def fit(
    results: str | None,
    table: Path | None,
    laws: Path | None,
    dim: str,
    bootstrap: int,
    limit: bool,
    covariates: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Fit how n_c grows with the order M.

    The power law and Theorem 4, with intervals; what they exclude; whether the horizon bends them;
    laws of your own.
    """
    if (results is None) == (table is None):
        raise click.UsageError("give either RESULTS or --thresholds FILE")
    if table and limit:
        raise click.UsageError("--limit needs the steps of RESULTS; a table has thresholds alone")
    if covariates is not None and (table or limit):
        raise click.UsageError("--covariates needs the settings of RESULTS, within their horizon")
    from sweeper.terminal.laws import fit_all, fit_tables, plain_fits, print_fits

    names = None if covariates is None else [name.strip() for name in covariates.split(",")]
    found = fit_all(results, table, laws, dim, bootstrap, limit, names)
    _write(fit_tables(found), out)
    if as_json:
        click.echo(json.dumps(plain_fits(found), indent=2, ensure_ascii=False))
    else:
        print_fits(found, new_console())


@click.command(
    epilog=f'{EXAMPLE}sweeper scaling runs.csv --formula "L = E + A/N**alpha + B/D**beta"'
)
@click.argument("table", type=click.Path(path_type=Path))
@click.option("--formula", required=True, help="Names that are no column are parameters.")
@click.option(
    "--bounds", type=(str, float, float), multiple=True, metavar="NAME LOW HIGH",
    help="Of a parameter; exponents are looked for from 0.01 to 2.",
)  # fmt: skip
@click.option(
    "--bootstrap", type=click.IntRange(0), default=200, show_default=True,
    help="Resamples of rows for the intervals.",
)  # fmt: skip
@out_option
@as_json
@complains
def scaling(
    table: Path,
    formula: str,
    bounds: tuple[tuple[str, float, float], ...],
    bootstrap: int,
    out: Path | None,
    as_json: bool,
) -> None:
    """Fit a scaling law to any table, .csv or .parquet.

    Least Huber loss (δ = 0.001) of the log of the response, from many starts.
    """
    import analysis
    from analysis.export import Export
    from analysis.paper_tables import scaling_latex
    from analysis.tables import plain, scaling_table
    from analysis.threshold_files import read_table

    limits = {name: (low, high) for name, low, high in bounds}
    try:
        found = analysis.fit_scaling_law(read_table(table), formula, limits, bootstrap=bootstrap)
    except analysis.InputError as error:
        raise ResultsError(str(error)) from error
    _write([Export("scaling", found.to_frame(), scaling_latex)], out)
    if as_json:
        said = {"formula": formula, "status": plain(found.status), "reason": found.reason}
        said |= {"estimates": plain(found.estimates), "residual_sd": plain(found.residual_sd)}
        click.echo(json.dumps(said, indent=2, ensure_ascii=False))
        return
    shown = scaling_table(found)
    new_console().print(rich_table(shown.columns, shown.rows))
    click.echo(f"{found.reason}; {found.n_rows} rows, log residuals of {found.residual_sd:.2g}")


@click.command(epilog=f"{EXAMPLE}sweeper collapse results/quickstart")
@folder_argument
@out_option
@as_json
@complains
def collapse(results: str, out: Path | None, as_json: bool) -> None:
    """Scale the accuracies of all orders onto one curve.

    How the rise of the test accuracy sharpens with the order M, and whether it is the same rise.
    Needs two sizes or more on the rise of four orders: a fine grid, with two seeds or more.
    """
    import pandas as pd

    import analysis
    from analysis.export import Export
    from analysis.paper_tables import collapse_latex
    from analysis.tables import collapse_summary

    records = records_of(results)
    labels = analysis.setting_labels(records)
    found = [analysis.collapse(part) for _, part in records.groupby(labels)]
    fits = pd.concat([one.to_frame() for one in found], ignore_index=True)
    points = [one.points.assign(setting=one.setting) for one in found]
    data = Export("points", pd.concat(points, ignore_index=True))
    _write([Export("collapse", fits, collapse_latex), data], out)
    if as_json:
        told = [collapse_summary(one) for one in found]
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
        return
    for one in found:
        new_console().print(analysis.collapse_words(one), highlight=False)


@click.command(epilog=f"{EXAMPLE}sweeper landscape results/quickstart --out three.csv")
@click.argument("results", required=False)
@click.option("--groups", "names", metavar="NAME,…", help="Instead of those of the results.")
@click.option(
    "--seeds", type=click.IntRange(1), default=3, show_default=True,
    help="Splits a group at most; those that were trained on.",
)  # fmt: skip
@click.option(
    "--starts", type=click.IntRange(2), default=48, show_default=True,
    help="Ascents a split and training size, at least.",
)  # fmt: skip
@click.option(
    "--delta", type=click.FloatRange(0, 0.5, min_open=True, max_open=True), default=0.05,
    show_default=True, callback=finite, help="Failure probability δ of Theorem 4.",
)  # fmt: skip
@out_option
@click.option(
    "--figure", type=click.Path(path_type=Path), metavar="FILE", callback=of_format(*PICTURES),
    help="Instead of figures/landscape.png and .svg of the results, or FILE.png beside the table.",
)  # fmt: skip
@as_json
@complains
def landscape(
    results: str | None,
    names: str | None,
    seeds: int,
    starts: int,
    delta: float,
    out: Path | None,
    figure: Path | None,
    as_json: bool,
) -> None:
    """Compare thresholds: trained, kept by the energy, by formula.

    Climbs the empirical energy of the train splits from the features of every irrep: from how many
    pairs on does it keep half of them, and all but a share δ? Seconds a group of order 23, minutes
    at order 100.
    """
    given = [name for name in (names or "").split(",") if name.strip()]
    if results is None and not given:
        raise click.UsageError("give a results folder, or --groups")
    from analysis.export import Export
    from analysis.paper_tables import landscape_latex
    from sweeper.terminal import landscape as terminal

    def say(line: str) -> None:
        click.echo(line, err=True)

    records = None if results is None else records_of(results)
    rows, shares = terminal.measure(records, given, seeds, delta, say, starts)
    three = Export("landscape", rows, landscape_latex(delta))
    _write([three, Export("shares", shares)], out)
    paths = terminal.figure_paths(results, out, figure)
    for path in terminal.draw(rows, shares, delta, paths):
        say(f"drew {path}")
    if as_json:
        from analysis.tables import plain

        click.echo(json.dumps(plain(rows), indent=2, ensure_ascii=False))
    else:
        terminal.print_rows(rows, delta, new_console())


def _write(tables: "list[Export]", out: Path | None) -> None:
    """Write tables where a file is named, and say which files were written."""
    from analysis.export import write_tables

    for path in write_tables(tables, out) if out else []:
        click.echo(f"wrote {path}", err=True)
