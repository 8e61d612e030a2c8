"""The sweep that is long enough for something to happen to it."""

from pathlib import Path

import pytest

from tests.run.sweeps import MEDIUM


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    path = tmp_path / "medium.yaml"
    path.write_text(MEDIUM)
    return path
