"""The numbers behind a figure: small tables of records and curves, which the gallery keeps."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from analysis.loading import load, load_curves
from sweeper.store.results import ResultsFolder

_PROVENANCE = [
    "error", "wall_time_s", "setup_s", "evaluation_s", "device", "pack_size", "run_id",
    "spec_digest", "code_version", "library_versions", "host", "started_at",
]  # fmt: skip
"""Columns of the records that no statement rests on."""


@dataclass(frozen=True)
class Numbers:
    """Of one figure.

    Attributes:
        records: Of each of its sweeps, by the name of the spec's file; provenance left out.
        curves: Of the same, where the figure shows any; else empty.
    """

    records: dict[str, pd.DataFrame]
    curves: dict[str, pd.DataFrame] = field(default_factory=dict)

    def keep(self, folder: Path) -> None:
        """Write them as Parquet, one file a table."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, table in self._files().items():
            table.to_parquet(folder / name, index=False, compression="zstd")

    def _files(self) -> dict[str, pd.DataFrame]:
        files = {f"{name}.parquet": table for name, table in self.records.items()}
        return files | {f"{name}_curves.parquet": table for name, table in self.curves.items()}

    @classmethod
    def kept(cls, folder: Path, specs: Sequence[str], curves: Sequence[str] = ()) -> "Numbers":
        """Read them again.

        Args:
            folder: Where `keep` wrote them.
            specs: Names of the specs' files.
            curves: Columns of the curves that the figure shows, as for `measured`.
        """
        return cls(
            {name: pd.read_parquet(folder / f"{name}.parquet") for name in specs},
            {name: pd.read_parquet(folder / f"{name}_curves.parquet") for name in specs if curves},
        )


def measured(results: str, specs: Sequence[str], curves: Sequence[str] = ()) -> Numbers:
    """The numbers of finished sweeps.

    Args:
        results: Where their results folders lie.
        specs: Names of the specs' files, which are those of the folders, or of the folders less
            "_full".
        curves: Columns of the curves to keep.

    Raises:
        ResultsError: A shard cannot be read; the message names it.
        LookupError: A sweep has no records; the message is its name.
    """
    found = {name: _folder(results, name) for name in specs}
    records = {name: load(place) for name, place in found.items()}
    for name, table in records.items():
        if table.empty:
            raise LookupError(name)
    return Numbers(
        {name: table.drop(columns=_PROVENANCE) for name, table in records.items()},
        {
            name: load_curves(place)[["fingerprint", "step", *curves]]
            for name, place in found.items()
            if curves
        },
    )


def _folder(results: str, name: str) -> str:
    base = results.rstrip("/")
    full = f"{base}/{name}_full"
    return full if ResultsFolder.at(full).shards() else f"{base}/{name}"
