"""What docs/reading-results.md tells people to do works."""

import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sweeper.store.results import ResultsFolder

PAGE = Path(__file__).parents[2] / "docs" / "reading-results.md"


def test_the_results_are_read_with_pandas_as_the_page_says(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tables: Callable[..., tuple[object, object]],
    trial: Callable[..., object],
) -> None:
    trials = [trial(M, n) for M in (11, 13) for n in (60, 80)]
    made = tables(trials, lambda M, n, seed: 400 if n > 70 else math.inf)
    ResultsFolder.at(tmp_path / "results" / "quickstart").write_shard("a", *made)
    monkeypatch.chdir(tmp_path)
    (code,) = re.findall(r"## pandas\n\n```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    found: dict[str, object] = {}
    exec(code, found)
    assert found["outcomes"].to_dict("index") == {
        M: {"generalized": 1, "unresolved": 1} for M in (11, 13)
    }
    joined = found["joined"]
    assert len(joined) == 4
    np.testing.assert_allclose(
        joined["last_on_curve"].astype(float), joined["test_accuracy"], rtol=1e-6
    )
