"""Users' modules that a spec names: found, read and hashed here, but never imported."""

import hashlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sweeper.spec.load import Document
from sweeper.spec.problems import Problem


@dataclass(frozen=True)
class UserModule:
    """A Python file that registers learners (docs/extending.md).

    Attributes:
        name: Of the module.
        text: Of the file; workers get it from the driver, and need no disk in common with it.
        path: Where it was found; empty where only its text is known.
    """

    name: str
    text: str
    path: str = ""

    @property
    def label(self) -> str:
        """Its name and a hash of its text: another text makes other trials."""
        return f"{self.name}@{hashlib.blake2b(self.text.encode(), digest_size=6).hexdigest()}"


def find_modules(
    names: Sequence[str], document: Document, known: Mapping[str, str] | None = None
) -> tuple[tuple[UserModule, ...], list[Problem]]:
    """The modules of a spec, files beside it, else on Python's path; and what cannot be found.

    Args:
        names: Of the modules.
        document: The spec's.
        known: Texts by name, to be taken instead of files.
    """
    found: list[UserModule] = []
    problems: list[Problem] = []
    for i, name in enumerate(names):
        place = ("modules", i)
        if name in names[:i]:
            problems.append(document.problem(place, f"{name} stands twice"))
        elif known is not None and name in known:
            found.append(UserModule(name, known[name]))
        else:
            try:
                found.append(_found(name, Path(document.path).resolve().parent))
            except ValueError as error:
                problems.append(document.problem(place, str(error)))
    return tuple(found), problems


def _found(name: str, beside: Path) -> UserModule:
    paths = [folder / f"{name}.py" for folder in (beside, *map(Path, sys.path))]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise ValueError(f"no file {name}.py beside the spec ({beside}) or on Python's path")
    try:
        return UserModule(name, path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read: {error}") from None
