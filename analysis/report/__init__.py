"""The report: verdicts, an interactive phase diagram, tables and provenance, in one HTML file.

`gather` has all that it shows as plain values, `render` makes a page of them. Imported on its own:
nothing else in `analysis` needs plotly and jinja2.
"""

from pathlib import Path

from analysis.loading import load, load_curves
from analysis.report.gather import gather
from analysis.report.origin import origin
from analysis.report.render import render, write
from sweeper.store.provenance import code_version
from sweeper.store.results import ResultsError, ResultsFolder

__all__ = ["write_report"]


def write_report(location: str | Path, out: str | Path | None = None) -> Path:
    """Write the report of a results folder.

    Args:
        location: A results folder: a local path or a `pyarrow.fs` URI.
        out: The file; by default report.html in the folder, or beside the figures of a remote one.

    Returns:
        The file, whole.

    Raises:
        ResultsError: There are no records, or a shard cannot be read; the message names it.
    """
    folder = ResultsFolder.at(location)
    records = load(location)
    if records.empty:
        raise ResultsError(f"{location}: no records here; `sweeper run SPEC` makes some")
    page = gather(records, lambda names: load_curves(location, names), origin(folder, records))
    return write(render(page, code_version()), Path(out) if out else folder.report)
