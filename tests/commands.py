"""The command line: called in this process, or started as a user does."""

import subprocess
import sys
from typing import Any

from click.testing import CliRunner, Result

from sweeper.cli import main

SWEEPER = [sys.executable, "-m", "sweeper"]


def called(*words: object, code: int = 0) -> Result:
    """A command in this process, where all is loaded already."""
    answer = CliRunner().invoke(main, [str(word) for word in words])
    if answer.exception and not isinstance(answer.exception, SystemExit):
        raise answer.exception
    assert answer.exit_code == code, answer.output
    return answer


def started(
    *words: object,
    code: int = 0,
    **options: Any,  # noqa: ANN401
) -> "subprocess.CompletedProcess[str]":
    """A command in a process of its own."""
    answer = subprocess.run(
        [*SWEEPER, *map(str, words)],
        capture_output=True, text=True, timeout=280, check=False, **options,
    )  # fmt: skip
    assert answer.returncode == code, answer.stdout + answer.stderr
    return answer
