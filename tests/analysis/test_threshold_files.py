import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from analysis import InputError, fit_law, read_thresholds
from sweeper.cli import main

MakeFrame = Callable[..., pd.DataFrame]
ORDERS = np.array([23, 31, 41, 53, 71, 97])
CSV = "group,order,d,n_c\n" + "".join(f"Z{M},{M},1,{9 * M}\n" for M in ORDERS)


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str) -> Path:
        path = tmp_path / "measured.csv"
        path.write_text(text)
        return path

    return write


def test_a_table_made_elsewhere_is_fitted(file: Callable[[str], Path]) -> None:
    cells = read_thresholds(file(CSV))
    law = fit_law(cells).law
    assert law.beta.value == pytest.approx(1)
    assert law.resolution == 0
    assert set(cells["status"]) == {"bracketed"}


def test_thresholds_survive_a_parquet_file(cells: MakeFrame, tmp_path: Path) -> None:
    made = cells(ORDERS, 9.0 * ORDERS, width=0.1)
    made.to_parquet(tmp_path / "cells.parquet")
    read = read_thresholds(tmp_path / "cells.parquet")
    assert fit_law(read).law.quoted_beta == fit_law(made).law.quoted_beta


def test_missing_thresholds_lie_beyond_the_end_that_is_known(file: Callable[[str], Path]) -> None:
    table = "group,order,n_c,n_low,n_high\na,11,,90,\nb,13,,,50\nc,17,70,60,80\nd,19,,,\n"
    assert read_thresholds(file(table))["status"].tolist() == [
        "none_generalized",
        "all_generalized",
        "bracketed",
        "no_runs",
    ]


def test_rows_of_a_group_without_seeds_are_its_seeds(file: Callable[[str], Path]) -> None:
    cells = read_thresholds(file(CSV + "Z23,23,1,230\n"))
    assert fit_law(cells).groups["n_seeds"].tolist() == [2, 1, 1, 1, 1, 1]


def test_rows_with_an_empty_seed_are_seeds_too(file: Callable[[str], Path]) -> None:
    cells = read_thresholds(file("group,order,n_c,seed\nZ11,11,80,\nZ11,11,82,\nZ11,11,84,3\n"))
    assert cells["n_c"].tolist() == [84, 80, 82]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("group,d\nZ2,1\n", "{}: a table of thresholds has the columns group, order, d, n_c, and"
         " perhaps n_low, n_high, seed, setting; this one comes without group_order and n_c"),
        ("M,order,n_c\n2,2,1\n", "{}: a table of thresholds has the columns group, order, d, n_c,"
         " and perhaps n_low, n_high, seed, setting; this one comes with group_order twice"),
        ("M,n_c\n11,-2\nx,5\n", "{}: row 2, group_order = x: a positive number is wanted\n"
         "{}: row 1, n_c = -2: a positive number is wanted\n"
         "{}: row 1, n_low = -2: a positive number is wanted\n"
         "{}: row 1, n_high = -2: a positive number is wanted"),
        ("M,n_c,n_low,n_high\n11,5,6,7\n", "{}: row 1: n_c lies between n_low and n_high is"
         " wanted"),
        ("M,n_c,n_low,n_high\n11,,7,6\n", "{}: row 1: n_c lies between n_low and n_high is"
         " wanted"),
        ("M,n_c\n1,5\n2.5,6\n", "{}: row 1: an order of 2 or more is wanted\n"
         "{}: row 2, group_order = 2.5: a whole number is wanted"),
        ("group,M,d,n_c\na,11,1,50\na,13,2,60\n",
         "{}: group a has group_order 11 and 13: one for all its rows is wanted\n"
         "{}: group a has max_irrep_dim 1 and 2: one for all its rows is wanted"),
        ("group,M,seed,n_c\na,11,0,50\na,11,1,51\na,11,1,90\n",
         "{}: row 3: a, init_seed 1 again; one row a seed is wanted"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_table_is_said(
    file: Callable[[str], Path], text: str, message: str
) -> None:
    path = file(text)
    with pytest.raises(InputError) as raised:
        read_thresholds(path)
    assert str(raised.value) == message.replace("{}", str(path))


def test_the_command_fits_a_table_with_laws_of_ones_own(
    file: Callable[[str], Path], tmp_path: Path
) -> None:
    laws = tmp_path / "laws.yaml"
    laws.write_text("mine: {formula: n = C * M**b / d, parameters: {C: positive, b: free}}")
    command = ["fit", "--thresholds", str(file(CSV)), "--laws", str(laws), "--dim", "effective"]
    done = CliRunner().invoke(main, [*command, "--json"], catch_exceptions=False)
    found = json.loads(done.output)
    assert [one["form"] for one in found] == ["power", "theorem_4"]
    (mine,) = found[0]["declared"]
    assert mine["estimates"]["C"]["value"] == pytest.approx(18)
    assert "mine" in [row["law"] for row in found[0]["rivals"]]
    said = CliRunner().invoke(main, command, catch_exceptions=False).output
    assert "n = C * M**b / d" in said
    assert "Whether β moves with the horizon was not checked." in said.replace("\n", " ")


def test_the_command_wants_one_source_and_says_what_is_wrong_with_laws(
    file: Callable[[str], Path], tmp_path: Path
) -> None:
    run = CliRunner().invoke
    assert "give either RESULTS or --thresholds FILE" in run(main, ["fit"]).output
    laws = tmp_path / "laws.yaml"
    laws.write_text("mine: {formula: n = C^2}")
    done = run(main, ["fit", "--thresholds", str(file(CSV)), "--laws", str(laws)])
    assert done.exit_code == 2
    assert done.output.endswith("column 5, 'C^2': ^ is no power here; write **\n")
