"""The report: verdicts, an interactive phase diagram, tables and provenance, in one HTML file.

`gather` has all that it shows as plain values, `render` makes a page of them. Imported on its own:
nothing else in `analysis` needs plotly and jinja2.
"""

from pathlib import Path

from analysis.declarations import read_laws
from analysis.formulas import InputError
from analysis.loading import load, load_curves
from analysis.report.dynamics import dynamics_shown
from analysis.report.gather import gather
from analysis.report.origin import origin
from analysis.report.render import render, write
from sweeper.store.absence import no_records
from sweeper.store.provenance import code_version
from sweeper.store.results import ResultsError, ResultsFolder

__all__ = ["write_report"]


def write_report(
    location: str | Path,
    out: str | Path | None = None,
    laws: str | Path | None = None,
    gap: int = 1000,
) -> Path:
    """Write the report of a results folder.

    Args:
        location: A results folder: a local path or a `pyarrow.fs` URI.
        out: The file; by default report.html in the folder, or beside the figures of a remote one.
        laws: A file of laws to fit and compare beside the built-in ones, as `read_laws` takes it.
        gap: In steps, as `analysis.phases` takes it.

    Returns:
        The file, whole.

    Raises:
        ResultsError: There are no records, a shard cannot be read, or `laws` is no file of laws;
            the message names it.
        OSError: `laws` cannot be read.
    """
    try:
        declared = read_laws(laws) if laws else ()
    except InputError as error:
        raise ResultsError(str(error)) from error
    folder = ResultsFolder.at(location)
    records = load(location)
    if records.empty:
        raise no_records(folder)
    found = origin(folder, records)
    seen = dynamics_shown(location, records)
    page = gather(records, lambda names: load_curves(location, names), found, declared, gap, seen)
    return write(render(page, code_version()), Path(out) if out else folder.report)
