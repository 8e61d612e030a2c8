"""What to say where a sweep's results were looked for and are not."""

import pyarrow.fs as pafs

from sweeper.store.results import ResultsError, ResultsFolder

_SHOWN = 5
_MARKS = ("records", "runs")
"""Folders that a sweep's results have from its first run on; copies may have records alone."""


def existing(folder: ResultsFolder) -> ResultsFolder:
    """The folder, in which a run has begun or records lie.

    Raises:
        ResultsError: There is nothing of the kind; it would pass for an empty sweep.
    """
    if not folder.shards() and folder.latest_run() is None:
        raise no_records(folder)
    return folder


def no_records(folder: ResultsFolder) -> ResultsError:
    """Why there are no records, and what could have been meant.

    Args:
        folder: Without records.
    """
    kind = folder.filesystem.get_file_info(folder.path).type
    inside = _sweeps(folder, folder.path)
    around, _, name = folder.path.rpartition("/")
    beside = _sweeps(folder, around)
    near = beside or [f"results/{one}" for one in _sweeps(folder, f"{around}/results")]
    if inside:
        text = f"holds sweeps, not results of one; name one: {_some(inside)}"
    elif name in _MARKS and kind == pafs.FileType.Directory:
        text = f"a part of a sweep's results; name {around}"
    elif name in beside:
        text = "has no records"
    else:
        text = {
            pafs.FileType.File: "a file, no folder of results",
            pafs.FileType.NotFound: "no such folder",
        }.get(kind, "no records here")
        text += f"; there are {_some(near)}" if near else "; `sweeper run SPEC` makes some"
    return ResultsError(f"{folder.location}: {text}")


def _sweeps(folder: ResultsFolder, path: str) -> list[str]:
    """The names of the folders just below a path that are a sweep's, as far as it may be read."""
    try:
        return _readable_sweeps(folder, path)
    except OSError:  # such as somebody else's folder among them
        return []


def _readable_sweeps(folder: ResultsFolder, path: str) -> list[str]:
    if not path:
        return []
    if folder.filesystem.get_file_info(path).type != pafs.FileType.Directory:
        return []
    below = folder.filesystem.get_file_info(pafs.FileSelector(path))
    places = sorted(one.path for one in below if one.type == pafs.FileType.Directory)
    marks = [f"{place}/{mark}" for place in places for mark in _MARKS]
    there = folder.filesystem.get_file_info(marks) if marks else []
    found = {one.path.split("/")[-2] for one in there if one.type == pafs.FileType.Directory}
    return sorted(found)


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
