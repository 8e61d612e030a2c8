"""What the report's file holds; tests/analysis/test_report_browser.py opens it."""

import base64
import gzip
import json
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import load, load_curves, thresholds, verdict
from analysis.fitting import fit_laws
from analysis.horizon import horizon_check
from analysis.report import write_report
from analysis.report.gather import gather
from analysis.report.origin import Origin
from analysis.report.render import render
from analysis.tables import Table
from sweeper.store.results import ResultsError
from tests.analysis.report_sweep import ERROR, NAME, write_report_sweep

MakeFrame = Callable[..., pd.DataFrame]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("results") / "odd"
    write_report_sweep(path)
    return path


@pytest.fixture(scope="module")
def text(folder: Path) -> str:
    return write_report(folder).read_text()


def packed(text: str, name: str) -> str:
    found = re.search(rf'<script type="text/plain" id="{name}">([^<]*)</script>', text)
    assert found
    return gzip.decompress(base64.b64decode(found[1])).decode()


def visible(text: str) -> str:
    """Without scripts, styles and tags."""
    body = re.sub(r"<(script|style)[^>]*>.*?</\1>", " ", text, flags=re.DOTALL)
    words = re.sub(r"<[^>]+>", "", body).replace("&#39;", "'").replace("&amp;", "&")
    return re.sub(r"\s+", " ", words)


def test_the_report_is_written_whole_beside_the_records(folder: Path, text: str) -> None:
    assert (folder / "report.html").read_text() == text
    assert not list(folder.glob(".*"))
    assert text == write_report(folder, folder / "again.html").read_text()
    assert 1_000_000 < len(text) < 3_500_000


def test_the_verdict_of_every_setting_is_there_in_words(folder: Path, text: str) -> None:
    records = load(folder)
    checks = {check.setting: check for check in horizon_check(records)}
    shown = visible(text)
    assert "4 settings: " in shown
    settings = set()
    for fit in fit_laws(thresholds(records))[::2]:
        words = verdict(fit, checks[fit.setting]).removeprefix(f"{fit.setting}: ")
        assert re.sub(r"\b([nd])_([ck])\b", r"\1\2", words) in shown
        settings.add(fit.setting)
    assert len(settings) == 4
    for setting in settings:
        assert f"<h3>{setting}</h3>" in text
        assert "horizon 4000 steps" in setting
    assert text.index("grows as M") < text.index('id="explorer"') < text.index("<table>")


def test_whatever_it_prints_is_escaped(text: str) -> None:
    assert "&lt;b&gt;odd&lt;/b&gt; &amp; &#39;named&#39;" in text
    assert "onerror" in text
    for raw in (NAME, ERROR, "<img", "</script><", "<i>spec"):
        assert raw not in text
    assert "&lt;/script&gt;&lt;img src=x onerror=alert(1)&gt; &amp; so on" in text


def test_nothing_points_outside(text: str) -> None:
    own = re.sub(r'<script type="text/plain"[^>]*>[^<]*</script>', "", text)
    assert re.findall(r"https?://[^\"' ]+", own) == ["http://www.w3.org/2000/svg"]  # a name
    assert set(re.findall(r'(?:href|src)="([^"]*)"', own)) == {
        "#verdict", "#diagram", "#tables", "#runs", "#provenance", "data:,",
    }  # fmt: skip
    assert "default-src 'none'" in own
    assert "plotly.js v" in packed(text, "library")


def test_failures_counts_and_provenance_are_told(text: str) -> None:
    shown = visible(text)
    assert "4 failed: ValueError: " in shown
    assert "Runs and failures" in shown
    assert "20260101T000000-abcdef" in shown
    assert "2026-01-01 00:00:00 UTC" in shown
    assert "360" in shown
    assert "name: odd # &lt;i&gt;spec" in shown
    assert "torch " in shown


def test_the_diagram_has_cells_runs_curves_and_laws(folder: Path, text: str) -> None:
    data = json.loads(packed(text, "data"))
    records = load(folder)
    assert [axis["name"] for axis in data["axes"]] == [
        "group_order", "learning_rate", "weight_decay",
    ]  # fmt: skip
    assert len(data["cells"]["M"]) == 180
    assert sum(data["cells"]["runs"]) == len(records)
    assert sorted(data["runs"]["fingerprint"]) == sorted(records["fingerprint"])
    assert {line["kind"] for line in data["settings"][0]["lines"]} == {
        "power law", "Theorem 4", "M log M", "paper",
    }  # fmt: skip
    assert len(data["thresholds"]) == 20
    run = data["runs"]["outcome"].index("generalized")
    steps, test, _ = data["curves"][data["runs"]["curve"][run]]
    curve = load_curves(folder, [data["runs"]["fingerprint"][run]])
    assert steps == curve["step"].tolist()
    assert test == [round(1e4 * float(value)) for value in curve["test_accuracy"]]
    assert all(data["runs"]["curve"][i] == -1 for i in data["cells"]["M"][:0])


def test_a_folder_without_records_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="no records here; `sweeper run SPEC` makes some"):
        write_report(tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("kind", ["one run", "all failed", "none generalized"])
def test_little_or_nothing_to_show_is_a_page_all_the_same(cell: MakeFrame, kind: str) -> None:
    frame = {
        "one run": lambda: cell({150: "generalized"}),
        "all failed": lambda: cell({150: "failed", 180: "failed"}, best_test_accuracy=np.nan),
        "none generalized": lambda: cell({150: "memorized", 180: "memorized"}),
    }[kind]()
    nothing = pd.DataFrame(columns=["fingerprint", "step", "test_accuracy", "train_accuracy"])
    page = gather(frame, lambda _: nothing, Origin([], Table([], []), 0, []))
    assert "No law yet: 0 groups with a threshold" in visible(render(page, "0"))


def test_the_report_does_not_load_torch_ray_or_matplotlib() -> None:
    code = "import analysis.report, sys; print({'torch', 'ray', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.slow
def test_a_hundred_thousand_records_take_seconds_and_megabytes(records: MakeFrame) -> None:
    frame = many_records(records, 100_000)
    nothing = pd.DataFrame(columns=["fingerprint", "step", "test_accuracy", "train_accuracy"])
    started = time.process_time()
    page = gather(frame, lambda _: nothing, Origin([], Table([], []), 0, []))
    html = render(page, "0")
    assert time.process_time() - started < 30
    assert len(html) < 4_000_000
    assert sum(page.diagram["cells"]["runs"]) == len(frame)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2_000_000  # KiB


def many_records(records: MakeFrame, count: int) -> pd.DataFrame:
    """Synthetic runs of 20 settings, 50 orders and 40 sizes, with as many seeds as it takes."""
    from tests.analysis.conftest import make_trial

    like = records([make_trial(11, 50)], lambda *_: 100)
    settings, orders, sizes = 20, 50, 40
    each = settings * orders * sizes
    seeds = -(-count // each)
    at = np.arange(count)
    setting, order, size = at % settings, at // settings % orders, at // settings // orders % sizes
    seed = at // each
    M = 11 + 2 * order
    n = np.round(np.geomspace(1.6, 4.5, sizes)[size] * M * np.log(M)).astype(int)
    won = n > 2.7 * M * np.log(M) * 1.01**seed
    assert seed.max() == seeds - 1
    frame = like.iloc[np.zeros(count, int)].reset_index(drop=True)
    return frame.assign(
        fingerprint=[f"{i:032x}" for i in at],
        group=np.char.add("Z", M.astype(str)),
        group_order=M,
        n_train=n,
        split_seed=seed,
        init_seed=seed,
        learning_rate=np.geomspace(1e-3, 1e-2, 5)[setting % 5],
        weight_decay=np.geomspace(1e-4, 8e-4, 4)[setting // 5],
        outcome=np.where(won, "generalized", "memorized"),
        generalization_step=pd.Series(np.where(won, 2000, 0), dtype="Int64").where(won),
        final_step=np.where(won, 2025, 4000),
    )
