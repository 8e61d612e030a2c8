from pathlib import Path

import pytest

from analysis import load, load_curves, load_probes
from analysis.dynamics import load_probe_summaries
from sweeper.store.absence import existing
from sweeper.store.results import ResultsError, ResultsFolder


def begin(path: Path) -> Path:
    """A sweep's results folder in which a run has begun."""
    ResultsFolder.at(path).write_run("r", {"run_id": "r"})
    return path


def refusal(path: Path) -> str:
    with pytest.raises(ResultsError) as caught:
        existing(ResultsFolder.at(path))
    return str(caught.value)


def test_a_run_that_has_begun_is_there_without_records(tmp_path: Path) -> None:
    folder = ResultsFolder.at(begin(tmp_path / "mine"))
    assert existing(folder) is folder
    assert load(tmp_path / "mine").empty


def test_what_could_have_been_meant_is_named(tmp_path: Path) -> None:
    makes = "; `sweeper run SPEC` makes some"
    (tmp_path / "other").mkdir()
    spec = tmp_path / "mine.yaml"
    spec.touch()
    assert refusal(tmp_path / "mine") == f"{tmp_path}/mine: no such folder{makes}"
    assert refusal(tmp_path / "other") == f"{tmp_path}/other: no records here{makes}"
    results = begin(tmp_path / "results" / "mine").parent
    assert refusal(spec) == f"{spec}: a file, no folder of results; there are results/mine"
    assert refusal(results) == f"{results}: holds sweeps, not results of one; name one: mine"
    for name in "abcde":
        begin(results / name)
    assert refusal(results / "mien").endswith("/mien: no such folder; there are a, b, c, d, e, …")
    assert refusal(results / "a" / "runs") == (
        f"{results}/a/runs: a part of a sweep's results; name {results}/a"
    )


@pytest.mark.parametrize("read", [load, load_curves, load_probes, load_probe_summaries])
def test_a_sweep_that_is_not_there_does_not_look_empty(read: object, tmp_path: Path) -> None:
    assert callable(read)
    with pytest.raises(ResultsError, match="/mine: no such folder"):
        read(tmp_path / "mine")
