"""`sweeper landscape`: what it writes and prints, and how it refuses."""

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from sweeper.cli import main


def landscape(*arguments: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, ["landscape", *map(str, arguments)])
    return done.exit_code, done.stdout, done.stderr


def test_groups_alone_give_a_table_their_shares_and_a_figure(tmp_path: Path) -> None:
    out = tmp_path / "three.csv"
    code, printed, told = landscape(
        "--groups", "Z5, z3", "--seeds", 1, "--starts", 2, "--out", out, "--json"
    )
    assert code == 0
    assert told.splitlines() == [
        "Z3: climbing (1 of 2 groups)",
        "Z5: climbing (2 of 2 groups)",
        f"wrote {out}",
        f"wrote {tmp_path / 'three-shares.csv'}",
        f"drew {tmp_path / 'three.png'}",
    ]
    assert pd.read_csv(out)["group"].tolist() == ["Z3", "Z5"]
    assert set(pd.read_csv(tmp_path / "three-shares.csv")["start"]) == {"feature", "random"}
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "three-shares.csv", "three.csv", "three.png",
    ]  # fmt: skip
    rows = json.loads(printed)
    assert rows[1]["all_pairs"] == 25
    assert rows[1]["trained"] is None
    assert rows[1]["kept_half_low"] < rows[1]["kept_half"] < rows[1]["kept_half_high"] <= 25


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Error: give a results folder, or --groups"),
        (("--groups", "Z5", "--out", "a.xls"), "none of .csv, .parquet and .tex"),
        (("--groups", "Z5", "--figure", "a.gif"), "none of .png, .svg and .pdf"),
        (("--groups", "Z5,Y3"), "Y3"),
        (("nowhere",), "/nowhere: no such folder; `sweeper run SPEC` makes some"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, printed, told = landscape(*arguments)
    assert code == 2
    assert printed == ""
    assert message in told.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []
