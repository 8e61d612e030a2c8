"""What comes from elsewhere does no harm: specs, results folders, the environment, dependencies."""

import importlib.util
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from sweeper.spec.problems import SpecError
from sweeper.spec.sweep import open_text
from sweeper.spec.trial import Trial
from sweeper.store.provenance import Provenance, without_environment
from sweeper.store.records import TrialResult, records_table
from sweeper.store.results import ResultsError, ResultsFolder

LARGE = """\
name: large
axes:
  M: {from: 1000, to: 1099, step: 1}
  n_train: {fraction: {from: 0.001, to: 0.9, count: 2}}
  hidden_size: 16
  learning_rate: 0.1
  weight_decay: 0
  max_steps: 10
  seed: 1000
"""


def refusal(text: str) -> str:
    with pytest.raises(SpecError) as found:
        open_text(text, "s.yaml")
    return str(found.value)


def test_what_would_fill_the_memory_is_refused_before_it_does() -> None:
    n = "{fraction: {from: 0.001, to: 0.9, count: 2}}"
    for nasty in ("{from: 1, to: 1.0e+12, step: 1}", "{from: 1, to: 9, count: 1.0e+12}"):
        assert "s.yaml:4 axes.n_train" in refusal(LARGE.replace(n, nasty))
    assert "100,000,000 combinations; at most 10,000,000 make one sweep" in refusal(
        LARGE.replace("seed: 1000", "seed: {from: 1, to: 1000, step: 1}").replace("0.1", "[%s]")
        % ", ".join(f"0.{i:04d}" for i in range(1, 501))
    )
    candidates = refusal(LARGE + "design: {kind: boundary, tolerance: 0.001}")
    assert candidates.startswith("s.yaml:10 design: 680,")
    assert candidates.endswith(" candidates; at most 10,000,000 make one sweep")


@pytest.mark.parametrize("text", ["a: " + "[" * 20_000, "{a: " * 5000, "- " * 5000 + "1"])
def test_nesting_without_end_is_refused(text: str) -> None:
    assert refusal(text) == "s.yaml:1: is nested too deeply, or holds itself"


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "..", ".x", "a/b", ""])
def test_names_in_a_results_folder_lead_nowhere_else(name: str, tmp_path: Path) -> None:
    folder = ResultsFolder.at(tmp_path / "results")
    (tmp_path / "x.yaml").write_text("secret")
    (tmp_path / "x.json").write_text("{}")
    for read in (folder.spec, folder.spec_modules, folder.state):
        with pytest.raises(ResultsError, match="is no name of a file in a results folder"):
            read(name)


def test_a_traceback_keeps_no_secret(
    trial: Callable[..., Trial], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("API_TOKEN", "hunter2-hunter2")
    monkeypatch.setenv("API_URL", "https://x/hunter2-hunter2")
    monkeypatch.setenv("SHORT", "1")
    monkeypatch.setenv("HOME", "/home/somebody")
    text = 'File "/home/somebody/x.py", line 1: hunter2-hunter2 at https://x/hunter2-hunter2'
    kept = 'File "/home/somebody/x.py", line 1: $API_TOKEN at $API_URL'
    assert without_environment(text) == kept
    failure = TrialResult.failure(trial(), text, datetime.now(UTC))
    (row,) = records_table([trial()], [failure], Provenance("s", "r", "d"), "cpu", 1).to_pylist()
    assert row["error"] == kept


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    path = Path(__file__).parents[1] / ".ci/audit.py"
    spec = importlib.util.spec_from_file_location("audit", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_an_audit_fails_for_a_known_vulnerability_alone(audit: ModuleType) -> None:
    sound = {"name": "a", "version": "1", "vulns": []}
    holed = {"name": "b", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
    absent = {"name": "c", "skip_reason": "not found"}
    report = json.dumps({"dependencies": [sound, holed, absent]})
    looked = ["2 of 3 packages audited"]
    looked += ["1 could not be looked up; is the advisory service reachable?"]
    assert audit.verdict(report, "") == ([*looked, "b 2: PYSEC-1, mended in 3"], 1)
    assert audit.verdict(json.dumps({"dependencies": [sound]}), "") == (
        ["1 of 1 packages audited"],
        0,
    )
    assert audit.verdict("", "x\nConnectionError: y\n") == (["not audited: ConnectionError: y"], 0)


def test_what_an_audit_ignores_has_a_reason(audit: ModuleType) -> None:
    assert audit.ignored("# a\nPYSEC-1 not called here  # b\n\n") == {"PYSEC-1": "not called here"}
    with pytest.raises(ValueError, match="PYSEC-1: say why it is ignored"):
        audit.ignored("PYSEC-1\n")
    path = Path(__file__).parents[1] / ".ci/audit-ignore.txt"
    assert audit.ignored(path.read_text(encoding="utf-8")) is not None
