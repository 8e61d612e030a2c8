"""Shared by all tests: small sweeps, and trials in the reference setting."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from _pytest.terminal import TerminalReporter

from sweeper.spec.trial import Trial

os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
os.environ.pop("RAY_ADDRESS", None)

SMALL = """\
name: small
axes:
  M: [7, 11]
  n_train: {fraction: [0.4, 0.6, 0.8]}
  hidden_size: 32
  learning_rate: 0.01
  weight_decay: 0.0002
  max_steps: 150
  seed: 2
"""


@pytest.fixture
def trial() -> Callable[..., Trial]:
    """Makes a Trial in the reference setting of the theory, with changes."""

    def make(M: int = 11, n: int = 80, seed: int = 0, **changes: object) -> Trial:
        reference: dict[str, object] = {
            "group": f"Z{M}",
            "group_order": M,
            "n_train": n,
            "split": "uniform",
            "split_seed": seed,
            "init_seed": seed,
            "network": "two_layer",
            "hidden_size": 256,
            "activation": "square",
            "loss": "mse",
            "optimizer": "adam",
            "learning_rate": 0.005,
            "weight_decay": 0.0002,
            "max_steps": 4000,
            "eval_every": 25,
            "target_test_accuracy": 0.9,
            "stop_at_target": True,
        }
        return Trial.from_row(reference | changes)

    return make


@pytest.fixture
def note(record_property: Callable[[str, object], None]) -> Callable[..., None]:
    """Notes a row of the table of faults, which is printed at the end: docs/reliability.md."""

    def row(fault: str, lost: int, repeated: str = "0", seconds: str = "") -> None:
        record_property("fault", json.dumps([fault, f"{lost}", repeated, seconds]))

    return row


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """Print what tests have noted of faults, as a table in Markdown."""
    rows = [
        json.loads(value)
        for report in terminalreporter.stats.get("passed", [])
        for name, value in report.user_properties
        if name == "fault"
    ]
    if rows:
        terminalreporter.section("faults")
        for row in [["fault", "records lost", "trainings begun again", "s to the next record"]]:
            terminalreporter.line(f"| {' | '.join(row)} |")
        terminalreporter.line("| --- | --- | --- | --- |")
        for row in rows:
            terminalreporter.line(f"| {' | '.join(row)} |")


@pytest.fixture
def small_spec(tmp_path: Path) -> Path:
    """A sweep of twelve trials that take a few hundredths of a second each."""
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path
