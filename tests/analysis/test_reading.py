"""What docs/reading-results.md tells people to do works."""

import math
import re
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest

from analysis import load, load_curves
from sweeper.store.results import ResultsFolder

PAGE = Path(__file__).parents[2] / "docs" / "reading-results.md"


@pytest.fixture
def results(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tables: Callable[..., tuple[object, object]],
    trial: Callable[..., object],
) -> Path:
    """Four trials in two shards, in the folder that the page reads."""
    folder = tmp_path / "results" / "quickstart"
    for M in (11, 13):
        made = tables(
            [trial(M, n) for n in (60, 80)], lambda M, n, seed: 400 if n > 70 else math.inf
        )
        ResultsFolder.at(folder).write_shard(f"of{M}", *made)
    monkeypatch.chdir(tmp_path)
    return folder


def snippet(heading: str, language: str) -> str:
    (code,) = re.findall(
        rf"^## {heading}\n(?:(?!^## ).)*?```{language}\n(.*?)```",
        PAGE.read_text(),
        re.DOTALL | re.MULTILINE,
    )
    return str(code)


def ran(heading: str) -> dict[str, object]:
    found: dict[str, object] = {}
    exec(snippet(heading, "python"), found)
    return found


def test_the_results_are_read_with_pandas_as_the_page_says(results: Path) -> None:
    found = ran("pandas")
    assert found["outcomes"].to_dict("index") == {
        M: {"generalized": 1, "unresolved": 1} for M in (11, 13)
    }
    joined = found["joined"]
    assert len(joined) == 4
    np.testing.assert_allclose(
        joined["last_on_curve"].astype(float), joined["test_accuracy"], rtol=1e-6
    )


def test_the_results_are_read_with_polars_as_the_page_says(results: Path) -> None:
    found = ran("Polars")
    assert found["outcomes"].rows() == [
        (M, outcome, 1) for M in (11, 13) for outcome in ("generalized", "unresolved")
    ]
    by = ["fingerprint", "step"]
    rows = found["rows"].sort(by).to_dict(as_series=False)
    pd.testing.assert_frame_equal(
        pd.DataFrame(rows),
        load_curves(results).sort_values(by, ignore_index=True),
        check_dtype=False,
    )
    assert found["records"].height == len(load(results))


def test_the_results_are_read_with_duckdb_as_the_page_says(results: Path) -> None:
    with duckdb.connect() as database:
        statements = database.extract_statements(snippet("DuckDB", "sql"))
        outcomes, rows = (database.execute(one).fetchall() for one in statements)
    assert outcomes == [
        (M, outcome, 1) for M in (11, 13) for outcome in ("generalized", "unresolved")
    ]
    curves = load_curves(results)
    expected = curves[["fingerprint", "step", "test_accuracy"]].itertuples(index=False, name=None)
    assert sorted(rows) == sorted(expected)
