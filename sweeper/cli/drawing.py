"""`sweeper figures`, `sweeper probes`, `sweeper report` and `sweeper paper`."""

from pathlib import Path

import click

from sweeper.cli.options import (
    EXAMPLE,
    PICTURES,
    complains,
    dim_option,
    folder_argument,
    laws_option,
    of_format,
    phase_gap_option,
    records_of,
    two_names,
)
from sweeper.store.results import ResultsError, ResultsFolder


@click.command(epilog=f"{EXAMPLE}sweeper figures results/quickstart")
@folder_argument
@click.option("--out", metavar="DIR", type=click.Path(path_type=Path), help="Instead of figures/.")
@click.option(
    "--phase-axes", metavar="X,Y", callback=two_names,
    help="Two columns for the phases, such as learning_rate,weight_decay.  [default: what varies]",
)  # fmt: skip
@phase_gap_option
@dim_option(None, "  [default: complex, unless effective leaves clearly less]")
@complains
def figures(
    results: str,
    out: Path | None,
    phase_axes: tuple[str, str] | None,
    phase_gap: int,
    dim: str | None,
) -> None:
    """Draw the figures, as PNG and SVG.

    The phase diagram, the phases of learning over two axes, the boundary with its laws, the
    collapse of the accuracies, and learning curves; of sweeps with probes the stages of the runs,
    the irreps learned and what each layer does, against the step.
    """
    from analysis import InputError
    from analysis.figures import AxesError, draw_all

    records_of(results)
    folder = out or ResultsFolder.at(results).figures
    try:
        paths = draw_all(results, folder, axes=phase_axes, gap=phase_gap, dim=dim)
    except AxesError as error:
        raise click.BadParameter(str(error), param_hint="--phase-axes") from None
    except InputError as error:
        raise click.BadParameter(str(error), param_hint="--dim") from None
    for path in paths:
        click.echo(path)


@click.command(epilog=f"{EXAMPLE}sweeper probes results/dynamics 3fa2 --out film.gif")
@folder_argument
@click.argument("fingerprint")
@click.option(
    "--out", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    callback=of_format(*PICTURES, ".gif"),
    help=".png, .svg or .pdf; or .gif, to see all frames move.  [default: in figures/]",
)  # fmt: skip
@complains
def probes(results: str, fingerprint: str, out: Path | None) -> None:
    """Draw one trial from inside: what its probes measured.

    The spectrum of its neurons by irrep, their energies beside the maxima of the theory, and the
    stages along its curves. The first digits of its fingerprint will do.
    """
    from analysis.dynamics import load_probed_run
    from analysis.figures import animate, save, strip

    run = load_probed_run(results, fingerprint)
    mark = run.record["fingerprint"][:8]
    path = out or ResultsFolder.at(results).figures / f"probes-{mark}.png"
    if path.suffix.lower() != ".gif":
        click.echo(save(strip(run), path))
    elif run.frames:
        click.echo(animate(run, path))
    else:
        raise ResultsError(f"{run.record['fingerprint']} has no frames of its neurons to show")


@click.command(epilog=f"{EXAMPLE}sweeper report results/quickstart")
@folder_argument
@click.option(
    "--out", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="Instead of report.html in RESULTS.",
)  # fmt: skip
@laws_option
@phase_gap_option
@complains
def report(results: str, out: Path | None, laws: Path | None, phase_gap: int) -> None:
    """Write the report: one HTML file that opens without a network.

    Verdicts, an interactive phase diagram, tables and provenance; it prints, too.
    """
    from analysis.report import write_report

    click.echo(write_report(results, out, laws, phase_gap))


@click.command(epilog=f"{EXAMPLE}sweeper paper results/paper")
@click.argument("results", metavar="RESULTS")
@click.option(
    "--out", metavar="FILE", type=click.Path(path_type=Path, dir_okay=False),
    help="Instead of index.html in RESULTS.",
)  # fmt: skip
@click.option(
    "--gallery", metavar="DIR", type=click.Path(path_type=Path, file_okay=False),
    help="Keep figures, their numbers and a page of Markdown here, too.",
)  # fmt: skip
@complains
def paper(results: str, out: Path | None, gallery: Path | None) -> None:
    """Set the paper's figures beside ours, on one page.

    RESULTS holds the results folders of specs/paper/. Each statement of the paper stands
    with ours, and the statistic that says whether they agree.
    """
    from analysis.paper import NotRunError, write_gallery, write_page

    folder = ResultsFolder.at(results)
    try:
        page, missing = write_page(results, out or folder.report.with_name("index.html"))
    except NotRunError:
        raise ResultsError(
            f"{results}: no sweep of specs/paper/ has records here; `sweeper run "
            f"specs/paper/figure06.yaml --results {results}` makes some"
        ) from None
    for path in write_gallery(results, gallery) if gallery else ():
        click.echo(path)
    if missing:
        click.echo(f"not run yet: {', '.join(missing)}", err=True)
    click.echo(page)
