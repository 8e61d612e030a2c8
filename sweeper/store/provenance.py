"""Where a record comes from: code, libraries, host, run."""

import hashlib
import json
import os
import platform
import socket
import subprocess
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import sweeper

_LIBRARIES = ("torch", "numpy", "ray", "pyarrow")

ENVIRONMENT = frozenset(
    {
        "HOME", "PATH", "PWD", "OLDPWD", "USER", "LOGNAME", "SHELL", "LANG", "LC_ALL", "TERM",
        "TMPDIR", "HOSTNAME", "VIRTUAL_ENV", "PYTHONPATH",
    }
)  # fmt: skip
"""Variables whose values may stand in what is kept: parts of a traceback's paths."""

_SECRET_LENGTH = 8
"""Shorter values, such as "1" or "true", stand in any text."""


@cache
def code_version() -> str:
    """The package's version and, in a checkout, the commit (`+dirty` if the tree was changed)."""
    root = Path(sweeper.__file__).parents[1]
    if not (root / ".git").exists():
        return sweeper.__version__
    git = ["git", "-C", str(root), "describe", "--always", "--dirty=+dirty", "--exclude=*"]
    try:
        commit = subprocess.run(git, capture_output=True, text=True, timeout=10, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return sweeper.__version__
    return f"{sweeper.__version__} ({commit.strip()})"


@dataclass(frozen=True)
class Provenance:
    """What every record of one run says about its origin.

    Attributes:
        sweep: The spec's name.
        run_id: Names the run; the results folder keeps its description under runs/.
        spec_digest: Names the text of the spec as run, kept under specs/ in the results folder.
        code_version: Of the driver; workers run the same code, and cannot ask git where they got
            it over the wire.
    """

    sweep: str
    run_id: str
    spec_digest: str
    code_version: str = field(default_factory=code_version)


@cache
def source_digest() -> str:
    """Names the text of the package: equal where all its files are."""
    root = Path(sweeper.__file__).parent
    digest = hashlib.blake2b(digest_size=6)
    for path in sorted(root.rglob("*.py")):
        digest.update(f"{path.relative_to(root).as_posix()}\0".encode())
        digest.update(path.read_bytes() + b"\0")
    return f"{sweeper.__version__} ({digest.hexdigest()})"


@cache
def library_versions() -> str:
    """JSON object of the versions that can move a number, Python's among them."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return json.dumps(found)


@cache
def host() -> str:
    """This machine's name, or what SWEEPER_HOST calls it."""
    return os.environ.get("SWEEPER_HOST") or socket.gethostname()


def without_environment(text: str) -> str:
    """A text that is kept, such as a traceback, with `$NAME` for what only the environment knows.

    Values of variables other than ENVIRONMENT are taken out: one may be a token or a password.
    """
    values = {value: name for name, value in os.environ.items() if name not in ENVIRONMENT}
    for value in sorted(values, key=len, reverse=True):  # one may be part of another
        if len(value) >= _SECRET_LENGTH:
            text = text.replace(value, f"${values[value]}")
    return text
