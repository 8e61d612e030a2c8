"""What the report's file holds; tests/analysis/test_report_browser.py opens it."""

import base64
import gzip
import json
import math
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
from statsmodels.stats.proportion import proportion_confint

from analysis import (
    collapse,
    collapse_words,
    covariate_words,
    fit_covariates,
    fit_law,
    horizon_tables,
    load,
    load_curves,
    phases,
    read_laws,
    setting_labels,
    thresholds,
    verdict,
    with_dim,
)
from analysis.fitting import fit_laws
from analysis.horizon import horizon_check
from analysis.learning_phases import unsettled
from analysis.report import collapses as collapses_module
from analysis.report import write_report
from analysis.report.covariates import covariate_sections
from analysis.report.gather import gather
from analysis.report.origin import Origin
from analysis.report.render import render
from analysis.tables import Table
from sweeper.store.results import ResultsError
from sweeper.tasks.groups import group_named
from tests.analysis.conftest import make_trial
from tests.analysis.report_sweep import ERROR, NAME, write_report_sweep

MakeFrame = Callable[..., pd.DataFrame]
NO_CURVES = pd.DataFrame(columns=["fingerprint", "step", "test_accuracy", "train_accuracy"])
NOWHERE = Origin([], Table([], []), 0, [])


@pytest.fixture(scope="module")
def ladder(records: MakeFrame) -> pd.DataFrame:
    """Groups of orders 20, 21 and 36, two of each; n_c = 4.2 M times the effective d."""
    names = {"D10": 2, "Z20": 1, "Z21": 1, "Z7⋊Z3": 3, "D18": 2, "Z36": 1}
    trials, real = [], {}
    for name, dim in names.items():
        group = group_named(name)
        real[name] = int(group.irreps.real_dims.max())
        for ratio in np.geomspace(0.8, 1.25, 9):
            n = round(2.1 * real[name] * group.order * ratio)
            trials.append((make_trial(group.order, n, group=name), dim))
    won = {trial.fingerprint: trial.n_train > 2.1 * real[trial.group] * trial.group_order
           for trial, _ in trials}  # fmt: skip
    frame = records([trial for trial, _ in trials], lambda *_: 100)
    lost = ~frame["fingerprint"].map(won)
    frame.loc[lost, ["outcome", "generalization_step"]] = ["memorized", pd.NA]
    frame.loc[lost, "final_step"] = 4000
    return frame.assign(max_irrep_dim=[dim for _, dim in trials])


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
        "#verdict", "#diagram", "#phases", "#collapse", "#covariates", "#tables", "#runs",
        "#provenance", "data:,",
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


def test_phases_are_told_by_setting_and_by_cell(folder: Path, text: str) -> None:
    records = load(folder)
    found = phases(records, load_curves(folder, unsettled(records)["fingerprint"].tolist()))
    counts = found["phase"].value_counts()
    cells = json.loads(packed(text, "data"))["phases"]
    assert {name: sum(one) for name, one in cells.items()} == counts.to_dict()
    shown = visible(text)
    for setting, part in found.groupby(setting_labels(records)):
        assert f"<h3>{setting}</h3>" in text
        won = int((part["phase"] == "comprehension").sum())
        low, high = proportion_confint(won, part["phase"].count(), method="wilson")
        share = won / part["phase"].count()
        assert (
            f"comprehension {won}: {100 * share:.1f} % ({100 * low:.1f} to {100 * high:.1f})"
        ) in shown
    assert "4 failed runs left out." in shown
    assert "reach the target 0.9, less than 1,000 steps apart" in shown


def test_the_collapse_is_shown_or_the_words_why_not(folder: Path, text: str) -> None:
    records = load(folder)
    plots = json.loads(packed(text, "data"))["collapses"]
    for setting, part in records.groupby(setting_labels(records)):
        found = collapse(part)
        words = collapse_words(found).removeprefix(f"{setting}: ")
        assert re.sub(r"\b([nd])_([ck])\b", r"\1\2", words[1:]) in visible(text)
        (plot,) = [one for one in plots if one["setting"] == setting]
        assert plot["quotable"] == found.quotable
        xs = [x for one in plot["orders"] for x in one["x"]]
        assert xs == pytest.approx(found.points["x"], rel=1e-4)


def test_too_much_to_collapse_or_to_extrapolate_is_left_to_the_commands(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collapses_module, "MOST_WORK", 60)
    monkeypatch.setattr(sys.modules["analysis.report.gather"], "MOST_EXTRAPOLATED", 15)
    records = load(folder)
    page = gather(records, lambda names: load_curves(folder, names), NOWHERE)
    assert [words.startswith("Too many runs to collapse") for _, words in page.collapses] == [
        False, True, True, True,
    ]  # fmt: skip
    without = [dict(one.words)["No horizon"] for one in page.sections]
    assert [words.startswith("Too many thresholds") for words in without] == [
        False, True, True, True,
    ]  # fmt: skip


def test_settings_that_differ_in_rates_are_fitted_together(folder: Path, text: str) -> None:
    fit = fit_covariates(thresholds(load(folder)), ["learning_rate", "weight_decay"])
    words = covariate_words(fit).removeprefix(f"{fit.setting}: ")
    assert re.sub(r"\b([nd])_([ck])\b", r"\1\2", words) in visible(text)
    assert fit.setting in visible(text)
    # 8 % more with half the decay, and nothing with the rate
    assert fit.slopes["weight_decay"].value == pytest.approx(-math.log2(1.08), abs=0.05)


def test_a_decay_of_0_and_texts_are_no_covariates(folder: Path) -> None:
    records = load(folder)
    none = records["weight_decay"].where(records["weight_decay"] > 0.00015, 0.0)
    other = records["learning_rate"].map({0.002: "uniform", 0.005: "balanced"})
    tables = horizon_tables(records.assign(weight_decay=none))
    (rates,) = covariate_sections(tables)
    assert [row[0] for row in rates.tables["n_c goes as a power of"].rows] == ["learning rate"]
    split = records.assign(learning_rate=0.002, split=other)
    two = covariate_sections(horizon_tables(split))
    assert len(two) == 2
    assert {"balanced split" in one.setting for one in two} == {True, False}
    assert covariate_sections(horizon_tables(split.assign(weight_decay=none))) == []


def test_declared_laws_and_another_gap_are_taken(folder: Path, tmp_path: Path) -> None:
    laws = tmp_path / "laws.yaml"
    laws.write_text("mine: {formula: n = C * M**1.4, parameters: {C: positive}}\n")
    text = write_report(folder, tmp_path / "page.html", laws, gap=100).read_text()
    cells = json.loads(packed(text, "data"))["phases"]
    assert "comprehension" not in cells
    assert sum(cells["grokking"]) == (load(folder)["outcome"] == "generalized").sum()
    _, cells = next(iter(thresholds(load(folder)).groupby("setting")))
    own = fit_law(cells, read_laws(laws)[0])
    assert "Declared laws" in visible(text)
    assert f"<td>{own.estimates['C'].value:.4g}</td>" in text
    assert '<th scope="row">mine</th>' in text
    laws.write_text("mine: {formula: n = C * Q, parameters: {C: positive}}\n")
    with pytest.raises(ResultsError, match="Q is unknown"):
        write_report(folder, tmp_path / "none.html", laws)
    assert not (tmp_path / "none.html").exists()


def test_both_conventions_of_d_are_compared_where_groups_differ_in_it(
    ladder: pd.DataFrame,
) -> None:
    page = gather(ladder, lambda _: NO_CURVES, NOWHERE)
    (one,) = page.sections
    tables = list(one.tables)
    for dim in ("d = max d_k, of the complex irreps", "d = M/(8E*), of the real irreps"):
        assert f"Fitted laws, {dim}" in tables
        assert f"Rivals, the best by AICc first, {dim}" in tables
    best = one.tables["Rivals, the best by AICc first, d = M/(8E*), of the real irreps"].rows
    assert best[0][0] == "n ∝ M d^γ"  # what the thresholds are made of
    told = dict(one.words)["Dimension"]
    assert "d = max d_k, of the complex irreps, the power law leaves" in told
    cells = thresholds(ladder)
    fit = fit_law(with_dim(cells, "effective"))
    assert fit.law
    assert f"of the real irreps, the power law leaves {100 * fit.law.residual_sd:.1f} %" in told


def test_groups_of_one_order_are_told_apart(ladder: pd.DataFrame) -> None:
    page = gather(ladder, lambda _: NO_CURVES, NOWHERE)
    axes = {axis["name"]: axis["levels"] for axis in page.diagram["axes"]}
    assert axes["group"] == ["D10", "Z20", "Z21", "Z7⋊Z3", "D18", "Z36"]
    groups = [(group["M"], group["d_k"]) for group in page.diagram["groups"]]
    assert groups == [(20, 2), (20, 1), (21, 1), (21, 3), (36, 2), (36, 1)]
    # the law of effective dimensions leaves less, so the page is drawn by these
    assert [group["dim"] for group in page.diagram["groups"]] == [2, 2, 2, 6, 2, 2]
    of_cell = page.diagram["cells"]["group"]
    for number, name in enumerate(axes["group"]):
        runs = sum(n for n, g in zip(page.diagram["cells"]["runs"], of_cell, strict=True)
                   if g == number)  # fmt: skip
        assert runs == (ladder["group"] == name).sum()


def test_a_folder_without_records_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="/none: no such folder; `sweeper run SPEC` makes some"):
        write_report(tmp_path / "none")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("kind", ["one run", "all failed", "none generalized"])
def test_little_or_nothing_to_show_is_a_page_all_the_same(cell: MakeFrame, kind: str) -> None:
    frame = {
        "one run": lambda: cell({150: "generalized"}),
        "all failed": lambda: cell({150: "failed", 180: "failed"}, best_test_accuracy=np.nan),
        "none generalized": lambda: cell({150: "memorized", 180: "memorized"}),
    }[kind]()
    page = gather(frame, lambda _: NO_CURVES, NOWHERE)
    shown = visible(render(page, "0"))
    assert "No law yet: 0 groups with a threshold" in shown
    assert "No C and δ" not in shown  # for the same cause, which the verdict tells
    assert "to check" not in shown


def test_the_report_does_not_load_torch_ray_or_matplotlib() -> None:
    code = "import analysis.report, sys; print({'torch', 'ray', 'matplotlib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.slow
def test_a_hundred_thousand_records_take_seconds_and_megabytes(records: MakeFrame) -> None:
    frame = many_records(records, 100_000)
    started = time.process_time()
    page = gather(frame, lambda _: NO_CURVES, NOWHERE)
    html = render(page, "0")
    assert time.process_time() - started < 30
    assert len(html) < 4_000_000
    assert sum(page.diagram["cells"]["runs"]) == len(frame)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2_000_000  # KiB


def many_records(records: MakeFrame, count: int) -> pd.DataFrame:
    """Synthetic runs of 20 settings, 50 orders and 40 sizes, with as many seeds as it takes."""
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
