"""`--out FILE`: the tables of the command line as CSV, Parquet and LaTeX."""

import json
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from matplotlib.mathtext import MathTextParser
from pylatexenc.latexwalker import LatexEnvironmentNode, LatexWalker

from analysis import (
    compare_laws,
    comparison_latex,
    fit_laws,
    law_latex,
    threshold_frame,
    threshold_latex,
)
from analysis.export import Export, write_tables
from sweeper.cli import main

MakeFrame = Callable[..., pd.DataFrame]
READERS = {".csv": pd.read_csv, ".parquet": pd.read_parquet}


def sweeper(*words: object) -> Result:
    done = CliRunner().invoke(main, [*map(str, words)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done


@pytest.fixture(scope="module")
def records(diverging_sweep: MakeFrame) -> pd.DataFrame:
    return diverging_sweep(slowness=2)


@pytest.fixture
def results(records: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("analysis.load", lambda _: records)
    return "results/of_this_test"


@pytest.fixture
def runs(tmp_path: Path) -> list[object]:
    """A table, and the words that fit a scaling law to it."""
    path, rng = tmp_path / "in.csv", np.random.default_rng(5)
    N = 10 ** np.linspace(1, 4, 40)
    pd.DataFrame({"N": N, "L": (1.5 + 30 / N**0.6) * np.exp(rng.normal(0, 0.01, 40))}).to_csv(path)
    return ["scaling", path, "--formula", "L = E + A_0/N**alpha", "--bootstrap", 20]


def tables_of(path: Path) -> list[list[list[str]]]:
    """The cells of each booktabs table of a file, its header first, by the parser of pylatexenc."""
    found = []
    for node in LatexWalker(path.read_text(), tolerant_parsing=False).get_latex_nodes()[0]:
        if not isinstance(node, LatexEnvironmentNode):
            continue
        assert node.environmentname == "table"
        text = node.latex_verbatim()
        marks = [text.index(one) for one in (r"\caption{", r"\label{tab:", r"\begin{tabular}")]
        assert marks == sorted(marks)
        (tabular,) = [
            one
            for one in node.nodelist
            if isinstance(one, LatexEnvironmentNode) and one.environmentname == "tabular"
        ]
        body = tabular.latex_verbatim().split(r"\toprule")[1].split(r"\bottomrule")[0]
        lines = body.replace(r"\midrule", "").strip().split("\\\\\n")
        rows = [re.split(r"(?<!\\)&", line.removesuffix("\\\\")) for line in lines]
        sides = re.search(r"\\begin\{tabular\}\{([lr]+)\}", text)
        assert sides
        assert {len(row) for row in rows} == {len(sides[1])}
        found.append([[cell.strip() for cell in row] for row in rows])
    return found


def check_tex(path: Path) -> list[list[list[str]]]:
    """Structure, math that matplotlib can set, nothing but ASCII; and TeX itself where it is."""
    source = path.read_text()
    assert source.startswith("% \\usepackage{booktabs")
    assert source.isascii()
    for math in re.findall(r"(?<!\\)\$[^$]*(?<!\\)\$", source):
        MathTextParser("path").parse(math)
    if tex := shutil.which("pdflatex"):
        packages = source.splitlines()[0].removeprefix("% ")
        document = path.with_name("document.tex")
        document.write_text(
            f"\\documentclass{{article}}\n{packages}\n\\begin{{document}}\n"
            f"\\input{{{path.stem}}}\n\\end{{document}}\n"
        )
        subprocess.run(
            [tex, "-halt-on-error", "-interaction=nonstopmode", document.name],
            cwd=path.parent, check=True, capture_output=True, timeout=120,
        )  # fmt: skip
    return tables_of(path)


@pytest.mark.parametrize("suffix", READERS)
def test_thresholds_read_back_as_they_were_printed(
    results: str, tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / "new" / f"n_c{suffix}"
    done = sweeper("thresholds", results, "--out", out)
    cells_file = out.with_stem("n_c-cells")
    assert done.stderr.splitlines() == [f"wrote {out}", f"wrote {cells_file}"]
    assert sorted(out.parent.iterdir()) == sorted([out, cells_file])
    groups, cells = READERS[suffix](out), READERS[suffix](cells_file)
    for row in groups.to_dict("records"):
        numbers = [str(row["group_order"]), f"{row['n_c']:.1f}", f"{row['n_c_share']:.3f}"]
        numbers += [f"{row['n_c_over_m_log_m']:.3f}"]
        assert " ".join([row["task"], *numbers]) in re.sub(" +", " ", done.stdout)
        own = cells[cells["group"] == row["group"]]
        assert row["n_c"] == pytest.approx(np.exp(np.log(own["n_c"]).mean()), rel=1e-12)
        assert (row["n_low"], row["n_high"]) == (own["n_low"].min(), own["n_high"].max())
    said = json.loads(sweeper("thresholds", results, "--json").stdout)
    assert [cell["n_c"] for cell in said] == cells["n_c"].tolist()
    assert [cell["status"] for cell in said] == cells["status"].tolist()


@pytest.mark.parametrize("suffix", READERS)
def test_fits_read_back_as_they_were_said(results: str, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"laws{suffix}"
    done = sweeper("fit", results, "--out", out)
    compared_file = out.with_stem("laws-comparison")
    assert done.stderr.splitlines() == [f"wrote {out}", f"wrote {compared_file}"]
    laws, compared = READERS[suffix](out), READERS[suffix](compared_file)
    said = json.loads(sweeper("fit", results, "--json").stdout)
    for one, law in zip(said, ("power law", "Theorem 4"), strict=True):
        rows = laws[laws["law"] == law].set_index("parameter")
        for name in ("n_star", "beta"):
            told = rows.loc[name, ["estimate", "low", "high"]].tolist()
            assert told == list(one["law"][name].values())
        beta = rows.loc["beta"]
        assert [beta["low_with_grid"], beta["high_with_grid"]] == [
            one["quoted_beta"]["low"], one["quoted_beta"]["high"],
        ]  # fmt: skip
        assert rows["horizon_check"].unique().tolist() == [one["horizon_check"]["status"]]
        printed = f"{beta['estimate']:.2f} ({beta['low']:.2f} to {beta['high']:.2f})"
        assert printed in done.stdout
    constants = laws[laws["parameter"].isin(["delta", "C"])].set_index("parameter")["estimate"]
    assert constants["C"] == said[1]["constants"]["C"]
    assert constants["delta"] == said[1]["constants"]["delta"]["value"]
    rivals = pd.DataFrame(said[0]["rivals"])
    assert compared["law"].tolist() == rivals["law"].tolist()
    for name in ("aicc", "delta_aicc", "residual_sd", "held_out_error", "p_with_grid"):
        np.testing.assert_array_equal(compared[name], rivals[name].astype(float))


def test_what_thresholds_writes_fit_reads(results: str, tmp_path: Path) -> None:
    sweeper("thresholds", results, "--out", tmp_path / "n_c.parquet")
    again = sweeper("fit", "--thresholds", tmp_path / "n_c-cells.parquet", "--json").stdout
    whole = json.loads(sweeper("fit", results, "--json").stdout)
    assert json.loads(again)[0]["law"] == whole[0]["law"]


def test_a_law_without_a_verdict_says_so_in_its_files(
    diverging_sweep: MakeFrame, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    records = diverging_sweep(slowness=250)
    monkeypatch.setattr("analysis.load", lambda _: records)
    sweeper("fit", "x", "--out", tmp_path / "a.csv")
    laws = pd.read_csv(tmp_path / "a.csv")
    assert set(laws["horizon_check"]) == {"cannot_tell"}
    assert not {"delta", "C"} & set(laws["parameter"])
    sweeper("fit", "x", "--out", tmp_path / "a.tex")
    check_tex(tmp_path / "a.tex")
    assert "no verdict, for whether" in (tmp_path / "a.tex").read_text()


def test_groups_above_what_was_run_have_rows_of_their_own(tmp_path: Path) -> None:
    orders = np.array([11, 17, 23, 31, 41, 53])
    n_c = 2.6 * orders * np.log(orders) * [1.01, 0.99, 1.0, 1.02, 0.98, 1.0]
    table = pd.DataFrame({"order": orders, "n_c": n_c, "n_low": 0.97 * n_c, "n_high": 1.03 * n_c})
    table.loc[5, ["n_c", "n_high"]] = np.nan
    table.to_csv(tmp_path / "in.csv")
    words = "fit", "--thresholds", tmp_path / "in.csv"
    sweeper(*words, "--out", tmp_path / "a.csv")
    (said, _) = json.loads(sweeper(*words, "--json").stdout)
    rows = pd.read_csv(tmp_path / "a.csv").query("law == 'power law, censored'")
    beta = rows.set_index("parameter").loc["beta", ["estimate", "low", "high"]]
    assert beta.tolist() == list(said["censored"]["beta"].values())
    assert set(rows["n_groups"]) == {6}
    sweeper(*words, "--out", tmp_path / "a.tex")
    assert "power law, censored" in [row[0] for row in check_tex(tmp_path / "a.tex")[0]]


@pytest.mark.parametrize("suffix", READERS)
def test_scaling_and_collapse_read_back(
    results: str, runs: list[object], tmp_path: Path, suffix: str
) -> None:
    out = tmp_path / f"scaling{suffix}"
    said = json.loads(sweeper(*runs, "--out", out, "--json").stdout)
    for row in READERS[suffix](out).to_dict("records"):
        told = {name: row[name] for name in ("estimate", "low", "high")}
        assert list(told.values()) == list(said["estimates"][row["parameter"]].values())
    out = tmp_path / f"collapse{suffix}"
    (one,) = json.loads(sweeper("collapse", results, "--out", out, "--json").stdout)
    (row,) = READERS[suffix](out).to_dict("records")
    assert (row["estimate"], row["status"]) == (one["inverse_nu"]["value"], one["status"])
    assert len(READERS[suffix](tmp_path / f"collapse-points{suffix}")) == len(one["points"])


def test_limits_read_back(results: str, tmp_path: Path) -> None:
    out = tmp_path / "limits.parquet"
    said = json.loads(sweeper("thresholds", results, "--limit", "--out", out, "--json").stdout)
    rows = pd.read_parquet(out).to_dict("records")
    assert [row["n_c"] for row in rows] == [one["n_c"]["value"] for one in said]
    assert [row["n_c_low"] for row in rows] == [one["n_c"]["low"] for one in said]
    assert [row["z"] for row in rows] == [one["z"] for one in said]


def test_latex_has_the_numbers_that_are_printed(
    results: str, runs: list[object], tmp_path: Path
) -> None:
    printed = sweeper("thresholds", results, "--out", tmp_path / "a.tex")
    assert printed.stderr.splitlines() == [f"wrote {tmp_path / 'a.tex'}"]
    ((head, *rows),) = check_tex(tmp_path / "a.tex")
    assert head[:3] == ["task", "$M$", "$n_c$"]
    assert [row[0] for row in rows] == [f"$Z_{{{M}}}$" for M in (11, 17, 23, 31, 41, 59)]
    for row in rows:
        plain = [re.sub(r"[${}_]", "", cell) for cell in row[:3]]
        assert " ".join(plain) in re.sub(" +", " ", printed.stdout)
    sweeper("fit", results, "--out", tmp_path / "b.tex")
    ((_, power, beta, *_),) = check_tex(tmp_path / "b.tex")
    assert power[:2] == ["power law", "$n^{*}$"]
    law = json.loads(sweeper("fit", results, "--json").stdout)[0]["law"]["beta"]
    found = [float(one) for one in re.findall(r"[\d.]+", beta[2])]
    assert found == pytest.approx(list(law.values()), abs=0.0051)
    ((_, first, *_),) = check_tex(tmp_path / "b-comparison.tex")
    assert first[2].endswith(r"\,\%")
    sweeper("thresholds", results, "--limit", "--out", tmp_path / "c.tex")
    sweeper("collapse", results, "--out", tmp_path / "d.tex")
    sweeper(*runs, "--out", tmp_path / "e.tex")
    sizes = [len(check_tex(tmp_path / f"{name}.tex")[0]) for name in "cde"]
    assert sizes == [7, 2, 4]
    assert r"$L = E + \frac{A_{0}}{N^{\alpha}}$" in (tmp_path / "e.tex").read_text()


def test_every_setting_has_a_table_of_its_own_and_odd_names_are_escaped(
    cells: MakeFrame, tmp_path: Path
) -> None:
    orders = np.array([11, 17, 23, 31])
    parts = [
        cells(orders, 9.0 * orders**1.2, setting=one).assign(group=["Z11", "a_b", "Z7⋊Z3", "50%"])
        for one in ("lr 1e-3 & 5 %", "β ≤ #1")
    ]
    pd.concat(parts).to_parquet(tmp_path / "in.parquet")
    sweeper("fit", "--thresholds", tmp_path / "in.parquet", "--out", tmp_path / "a.tex")
    assert len(check_tex(tmp_path / "a.tex")) == 2
    found = re.findall(r"\\label\{(.*?)\}", (tmp_path / "a.tex").read_text())
    assert found == ["tab:laws", "tab:laws-2"]
    assert r"Setting: lr 1e-3 \& 5 \%." in (tmp_path / "a.tex").read_text()


def test_the_landscape_is_written_as_latex(tmp_path: Path) -> None:
    out = tmp_path / "three.tex"
    words = "--groups", "Z5,Z7:Z3", "--seeds", 1, "--starts", 2
    done = sweeper("landscape", *words, "--out", out)
    assert done.stderr.splitlines()[-2:] == [f"wrote {out}", f"drew {tmp_path / 'three.png'}"]
    assert out.read_text().startswith("% \\usepackage{booktabs, amssymb}")
    ((head, *rows),) = check_tex(out)
    assert len(rows) == 2
    assert rows[1][0] == r"$Z_{7} \rtimes Z_{3}$"
    assert rows[0][head.index("trained $n_c$")] == "--"
    assert not (tmp_path / "three-shares.tex").exists()


@pytest.mark.parametrize(
    "words",
    [["thresholds", "x"], ["fit", "x"], ["collapse", "x"], ["landscape", "x"],
     ["scaling", "x.csv", "--formula", "L = A/N"]],
)  # fmt: skip
@pytest.mark.parametrize("name", ["a.xls", "a", "a.tex.gz"])
def test_an_unknown_suffix_is_one_error_before_any_work(
    words: list[str], name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(main, [*words, "--out", name])
    assert done.exit_code == 2
    assert done.stdout == ""
    said = f"Error: Invalid value for '--out': {name}: none of .csv, .parquet and .tex"
    assert done.stderr.splitlines()[-1] == said
    assert list(tmp_path.iterdir()) == []


def test_an_error_leaves_the_files_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"before")
    (tmp_path / "a-two.parquet").write_bytes(b"before")
    mixed = pd.DataFrame({"x": [1, "no number"]})
    tables = [Export("one", pd.DataFrame({"x": [1]})), Export("two", mixed)]
    with pytest.raises(ValueError, match="Could not convert"):
        write_tables(tables, tmp_path / "a.parquet")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {
        "a.parquet": b"before",
        "a-two.parquet": b"before",
    }


def test_a_folder_in_the_way_is_told(results: str, tmp_path: Path) -> None:
    (tmp_path / "n_c-cells.csv").mkdir()
    done = CliRunner().invoke(main, ["thresholds", results, "--out", str(tmp_path / "n_c.csv")])
    assert done.exit_code == 2
    assert "n_c-cells.csv" in done.stderr
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_tables_are_made_in_python_too(cells: MakeFrame) -> None:
    orders = np.array([11, 17, 23, 31])
    table = cells(orders, 9.0 * orders**1.2, width=0.1)
    laws = pd.concat([fit.to_frame() for fit in fit_laws(table)])
    assert "the horizon was not checked" in law_latex(laws)
    compared = comparison_latex(compare_laws(table))
    assert r"Theorem 4 & $2$ &" in compared
    assert r"$\Delta$AICc (scatter)" in compared
    assert r"estimate [95\,\%] (scatter)" in law_latex(laws)
    assert "& 1/1" in threshold_latex(threshold_frame(table))
