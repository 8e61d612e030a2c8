"""The numbers behind a figure: small tables of records and curves, which the gallery keeps."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import pandas as pd

from analysis.dynamics import load_probes
from analysis.loading import load, load_curves
from sweeper.store.records import Outcome
from sweeper.store.results import ResultsFolder

_PROVENANCE = [
    "error", "setup_s", "evaluation_s", "pack_size", "run_id",
    "spec_digest", "code_version", "library_versions", "host", "started_at",
]  # fmt: skip
"""Columns of the records that no statement rests on."""


class NotRunError(LookupError):
    """A sweep, or all of them, have no records that say anything."""


@dataclass(frozen=True)
class Numbers:
    """Of one figure.

    Attributes:
        records: Of its sweep; provenance left out.
        curves: Of the same, if the figure shows any.
        probes: Of the same, if the figure shows any.
    """

    records: pd.DataFrame
    curves: pd.DataFrame | None = None
    probes: pd.DataFrame | None = None

    def keep(self, folder: Path, spec: str) -> None:
        """Write them as Parquet, one file a table."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in _TABLES:
            if (table := getattr(self, name)) is not None:
                table.to_parquet(_file(folder, spec, name), index=False, compression="zstd")

    @classmethod
    def kept(cls, folder: Path, spec: str) -> "Numbers":
        """Read them again.

        Args:
            folder: Where `keep` wrote them.
            spec: Name of the spec's file.

        Raises:
            FileNotFoundError: They were never kept.
        """
        found = {name: _file(folder, spec, name) for name in _TABLES}
        return cls(
            **{name: pd.read_parquet(path) for name, path in found.items()
               if name == "records" or path.exists()}
        )  # fmt: skip


_TABLES = [one.name for one in fields(Numbers)]


def measured(
    results: str, spec: str, curves: Sequence[str] = (), probes: Sequence[str] = ()
) -> Numbers:
    """The numbers of a sweep, as far as it is run; trials that failed say nothing.

    Args:
        results: Where its results folder lies.
        spec: Name of the spec's file, which is that of the folder; one that ends in "_full", of
            the full grid, comes first.
        curves: Columns of the curves to keep.
        probes: Columns of the probes to keep.

    Raises:
        ResultsError: A shard cannot be read; the message names it.
        NotRunError: The sweep has none; the message is its name.
    """
    folder = ResultsFolder.at(results)
    places = [folder.below(f"{spec}_full"), folder.below(spec)]
    place = next((one.location for one in places if one.shards()), None)
    if place is None:
        raise NotRunError(spec)
    records = load(place)
    records = records[records["outcome"] != Outcome.FAILED].reset_index(drop=True)
    if records.empty:
        raise NotRunError(spec)
    return Numbers(
        records.drop(columns=_PROVENANCE),
        load_curves(place)[["fingerprint", "step", *curves]] if curves else None,
        load_probes(place)[["fingerprint", "step", *probes]] if probes else None,
    )


def _file(folder: Path, spec: str, table: str) -> Path:
    return folder / (f"{spec}.parquet" if table == "records" else f"{spec}_{table}.parquet")
