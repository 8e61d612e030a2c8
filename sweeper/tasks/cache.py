"""Irreps that are kept on disk, in the user's cache folder, by the hash of the Cayley table."""

import contextlib
import hashlib
import os
import zipfile
from dataclasses import fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sweeper.tasks.irreps import Irreps, compute_irreps

WORTH_KEEPING = 256
"""Order from which on irreps are kept; below it they take a few hundredths of a second."""

_FORMAT = 1


def digest(table: NDArray[np.int64]) -> str:
    """32 hex digits that stand for a table; the same on every machine."""
    return hashlib.blake2b(table.astype("<i8").tobytes(), digest_size=16).hexdigest()


def irreps_of(table: NDArray[np.int64]) -> Irreps:
    """All complex irreps of a group, from the cache if they were computed before.

    A cache file that is broken is made again; a folder that cannot be used is not.

    Args:
        table: (M, M) Cayley table; element 0 is the identity.
    """
    folder = cache_folder() if len(table) >= WORTH_KEEPING else None
    if folder is None:
        return compute_irreps(table)
    path = folder / f"{digest(table)}-{_FORMAT}.npz"
    found = _read(path, len(table))
    if found is None:
        found = compute_irreps(table)
        with contextlib.suppress(OSError):  # a full or read-only home is no reason to stop
            _write(path, found)
    return found


def cache_folder() -> Path | None:
    """$XDG_CACHE_HOME/sweeper/irreps, or ~/.cache/sweeper/irreps; None without a home."""
    root = os.environ.get("XDG_CACHE_HOME", "")
    try:
        base = Path(root) if Path(root).is_absolute() else Path.home() / ".cache"
    except RuntimeError:
        return None
    return base / "sweeper" / "irreps"


def _read(path: Path, order: int) -> Irreps | None:
    """What a file holds; None if there is none, or it is broken."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            found = Irreps(**{field.name: file[field.name] for field in fields(Irreps)})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    whole = len(found.class_of) == order == int(np.sum(found.dims**2))
    return found if whole else None


def _write(path: Path, irreps: Irreps) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with aside.open("wb") as file:
            np.savez(file, **{field.name: getattr(irreps, field.name) for field in fields(Irreps)})
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
