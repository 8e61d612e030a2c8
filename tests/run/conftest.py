"""The sweep that is long enough for something to happen to it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.run.faults import Watched
from tests.run.sweeps import MEDIUM


@pytest.fixture
def watch() -> Iterator[Callable[..., Watched]]:
    """Makes a Watched, whose runs end with the test."""
    made: list[Watched] = []

    def make(spec: Path, disturbance: str = "") -> Watched:
        made.append(Watched(spec, disturbance))
        return made[-1]

    yield make
    for one in made:
        one.end()


@pytest.fixture
def medium(tmp_path: Path) -> Path:
    path = tmp_path / "medium.yaml"
    path.write_text(MEDIUM)
    return path
