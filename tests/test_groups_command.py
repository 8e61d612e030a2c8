"""`sweeper groups`: what it prints of a group, a table, a catalogue; and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from sweeper.cli import main
from sweeper.tasks.groups import group_named


def groups(*words: str) -> Result:
    return CliRunner().invoke(main, ["groups", *words])


def told(*words: str) -> str:
    answer = groups(*words)
    assert answer.exit_code == 0, answer.output
    return answer.stdout


def test_it_lists_what_can_be_named() -> None:
    said = told()
    for text in ("Zn", "Zm:Zk[r]", "AGL(1,8)", "<(1 2 3),(1 2)>", "Z4xZ7", "ladder-small"):
        assert text in said
    found = json.loads(told("--json"))
    by_notation = {row["notation"]: row for row in found["families"]}
    dihedral = by_notation["Dn"]
    assert (dihedral["order"], dihedral["example"]) == ("2n", "D12")
    assert (dihedral["example_order"], dihedral["example_max_irrep_dim"]) == (24, 2)
    assert len(found["catalogues"]) == 5


def test_one_group_with_its_irreps_energies_and_predictions() -> None:
    found = json.loads(told("Q8", "--delta", "0.1", "--json"))
    assert {key: found[key] for key in ("name", "order", "classes", "abelian", "delta")} == {
        "name": "Q8", "order": 8, "classes": 5, "abelian": False, "delta": 0.1,
    }  # fmt: skip
    assert (found["max_irrep_dim"], found["effective_dim"]) == (2, 4)
    assert found["irreps"][-1] == {
        "dimension": 2, "type": "quaternionic", "count": 1, "multiplicity": 2, "effective_dim": 4,
        "energy": 0.25, "energy_by_definition": 1.0,
    }  # fmt: skip
    assert found["irreps"][0]["energy"] is None
    assert found["predicted_n_train"] == pytest.approx(
        {
            "theorem_4_up_to_a_constant": 4 * 8 * 4.382026634673881,
            "theorem_4_with_effective_dim_up_to_a_constant": 16 * 8 * 4.382026634673881,
            "papers_code": 2.7482 * 8 * 2.0794415416798357,
        }
    )


def test_one_group_as_tables() -> None:
    said = told("z7 : z3")
    assert said.splitlines()[0] == "Z7⋊Z3"
    assert "order M = 21, 5 conjugacy classes, not abelian; max d_k = 3, effective d = 6" in said
    assert "Theorem 4, max d_k: d² M log(M/0.05), up to a constant" in said
    assert "paper's code: 2.7482 M log M · max d_k/2" in said
    assert "264" in said  # 1.5 · 2.7482 · 21 · ln 21
    assert "paper's code: 2.7482 M log M  " in told("Z23")


def test_brackets_in_names_are_no_markup() -> None:
    assert told("Z15:Z4[2]").splitlines()[0] == "Z15⋊Z4[2]"


def test_a_table_is_a_group_like_any_other(tmp_path: Path) -> None:
    path = tmp_path / "klein.csv"
    path.write_text("0,1,2,3\n1,0,3,2\n2,3,0,1\n3,2,1,0\n")
    found = json.loads(told("--table", str(path), "--json"))
    assert found["name"].startswith("table:klein@")
    assert (found["order"], found["abelian"]) == (4, True)


def test_a_catalogue_is_listed() -> None:
    said = told("--catalogue", "ladder-small")
    assert "Z19⋊Z3" in said
    found = json.loads(told("--catalogue", "figure5-nonabelian", "--json"))
    assert [row["name"] for row in found[:3]] == ["D3", "D4", "D5"]
    assert {row["max_irrep_dim"] for row in found} == {2}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["Z0"], "unknown group 'Z0': found 0 in Z0; should be from 2 to 2,048"),
        (["Z1"], "unknown group 'Z1': found 1 in Z1; should be from 2 to 2,048"),
        (["C5"], "unknown group 'C5': found 'C5'; did you mean Z5?"),
        (
            ["table:mine@000000000000"],
            "unknown group 'table:mine@000000000000': no table with the hash 000000000000 was read"
            " here; in a spec name it by the permutations that `sweeper groups --table FILE` "
            "prints",
        ),
    ],
)
def test_a_bad_name_is_one_line_and_exit_code_2(words: list[str], message: str) -> None:
    answer = groups(*words)
    assert answer.exit_code == 2
    assert answer.stdout == ""
    assert answer.stderr == message + "\n"


def test_a_bad_table_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("0,1\n1,1\n")
    answer = groups("--table", str(path))
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert answer.stderr == (
        f"{path}: 1 has no inverse: no x makes both 1·x and x·1 the identity 0\n"
    )
    missing = groups("--table", str(tmp_path / "none.csv"))
    assert missing.exit_code == 2
    assert "No such file" in missing.stderr


def test_one_thing_is_shown_at_a_time() -> None:
    answer = groups("S4", "--catalogue", "ladder-small")
    assert answer.exit_code == 2
    assert "give one of NAME, --table and --catalogue" in answer.stderr


@pytest.mark.parametrize("name", ["Z2×Z4", "Q8", "S4", "Z7⋊Z3"])
def test_a_table_is_named_in_specs_by_permutations(name: str, tmp_path: Path) -> None:
    group, file = group_named(name), tmp_path / "mine.csv"
    np.savetxt(file, group.table, fmt="%d", delimiter=",")
    found = json.loads(told("--table", str(file), "--json"))
    same = group_named(found["name_in_a_spec"])
    assert same.name == found["name_in_a_spec"]
    assert same.irrep_dims == group.irrep_dims
    assert np.array_equal(np.sort(same.irreps.indicators), np.sort(group.irreps.indicators))
    assert f"in a spec: {same.name[:20]}" in told("--table", str(file))
