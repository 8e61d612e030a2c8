"""A sound spec to change, and what is said of one that is not."""

import pytest

from sweeper.spec.problems import SpecError
from sweeper.spec.sweep import open_text

AXES = """\
  M: [11, 13]
  n_train: [60, 70]
  hidden_size: 64
  learning_rate: 0.005
  weight_decay: 0.0002
  max_steps: 100
"""
GOOD = f"name: good\naxes:\n{AXES}"


def with_axis(**lines: str) -> str:
    """GOOD with some axes written differently."""
    text = GOOD
    for name, value in lines.items():
        old = [line for line in text.splitlines() if line.startswith(f"  {name}:")]
        text = text.replace(old[0], f"  {name}: {value}") if old else text + f"  {name}: {value}\n"
    return text


def problems(text: str) -> list[str]:
    """The lines of the error that a spec gives."""
    with pytest.raises(SpecError) as caught:
        open_text(text, "s.yaml")
    return str(caught.value).splitlines()
