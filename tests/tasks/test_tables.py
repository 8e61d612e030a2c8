"""Cayley tables from files: what is a group is found by name, what is none is told why."""

import json
import pickle
import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeper.tasks import tables
from sweeper.tasks.axioms import check_group
from sweeper.tasks.groups import GroupError, group_named, read_table, register, tables_in

KLEIN = [[0, 1, 2, 3], [1, 0, 3, 2], [2, 3, 0, 1], [3, 2, 1, 0]]
KLEIN_HASH = tables.digest(np.array(KLEIN))[:12]


def written(folder: Path, rows: list[list[int]], ending: str, name: str = "mine") -> Path:
    path = folder / f"{name}.{ending}"
    if ending == "csv":
        path.write_text("".join(",".join(map(str, row)) + "\n" for row in rows))
    elif ending == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        columns = {str(b): [row[b] for row in rows] for b in range(len(rows))}
        pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("base", [0, 1])
def test_every_format_gives_the_same_group(tmp_path: Path, ending: str, base: int) -> None:
    rows = [[entry + base for entry in row] for row in KLEIN]
    group = read_table(written(tmp_path, rows, ending))
    assert group.name == f"table:mine@{KLEIN_HASH}"
    assert group.table.tolist() == KLEIN
    assert group.irrep_dims == (1, 1, 1, 1)


@settings(deadline=None)
@given(st.sampled_from(["Z5", "S3", "Q8", "Z7⋊Z3"]), st.integers(0, 999))
def test_elements_in_any_order_are_a_group(name: str, seed: int) -> None:
    """The identity is exchanged with the first element; the rest stays in place."""
    known = group_named(name)
    order = np.random.default_rng(seed).permutation(known.order)
    shuffled = np.argsort(order)[known.table[np.ix_(order, order)]]
    assert check_group(shuffled) == int(np.argmin(order))
    group = tables.group_of(shuffled, "shuffled")
    assert np.array_equal(group.table[0], np.arange(group.order))
    assert check_group(group.table) == 0
    assert group.irrep_dims == known.irrep_dims


def test_the_name_leads_back_to_the_table(tmp_path: Path) -> None:
    group = read_table(written(tmp_path, KLEIN, "csv"))
    assert group_named(group.name).table.tolist() == KLEIN
    assert group_named(f"Z3 x {group.name}").name == f"Z3×{group.name}"
    assert group_named(f"Z3×{group.name}").irrep_dims == (1,) * 12


def test_a_file_s_name_and_format_are_no_part_of_the_hash(tmp_path: Path) -> None:
    """Equal tables under two labels: two names, each of which leads to the table."""
    one = read_table(written(tmp_path, KLEIN, "csv", "one"))
    two = read_table(written(tmp_path, KLEIN, "parquet", "two"))
    assert (one.name, two.name) == (f"table:one@{KLEIN_HASH}", f"table:two@{KLEIN_HASH}")
    assert np.array_equal(group_named(one.name).table, group_named(two.name).table)
    assert read_table(written(tmp_path, KLEIN, "csv", "my group, 2")).name == (
        f"table:my-group-2@{KLEIN_HASH}"
    )


def test_a_worker_is_told_names_and_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a process that read no file."""
    rows = group_named("Q8").table
    name = tables.group_of(rows, "q").name
    product = f"{name}×Z3×{tables.group_of(np.array(KLEIN), 'klein').name}"
    sent = pickle.loads(pickle.dumps(tables_in(product)))
    assert tables_in("Z7⋊Z3×Q8") == {}
    monkeypatch.setattr(tables, "_registry", {})
    group_named.cache_clear()
    with pytest.raises(GroupError, match="in a spec name it by the permutations"):
        group_named(name)
    for one, table in sent.items():
        assert register(one, table).name == one
    assert np.array_equal(group_named(name).table, rows)
    assert group_named(product).order == 8 * 3 * 4


def test_a_name_is_registered_for_its_own_table_only() -> None:
    klein = np.array(KLEIN)
    message = f"'table:mine@000000000000' is not the name of this table, whose hash is {KLEIN_HASH}"
    with pytest.raises(GroupError, match=f"^{message}$"):
        register("table:mine@000000000000", klein)
    with pytest.raises(GroupError, match=r"^'Z4' is not the name of this table"):
        register("Z4", klein)


def changed(rows: list[list[int]], **entries: int) -> str:
    """CSV of a table with some entries replaced, such as r2c3=0."""
    copy = [list(map(str, row)) for row in rows]
    for place, entry in entries.items():
        row, column = map(int, place[1:].split("c"))
        copy[row][column] = str(entry)
    return "\n".join(map(",".join, copy))


ONE_BASED = [[entry + 1 for entry in row] for row in KLEIN]
# A loop of order 5: a Latin square with an identity, where every element is its own inverse.
LOOP = [[0, 1, 2, 3, 4], [1, 0, 3, 4, 2], [2, 4, 0, 1, 3], [3, 2, 4, 0, 1], [4, 3, 1, 2, 0]]

BAD = {
    "row 2 has 3 entries; should be 4, as many as rows": "0,1,2,3\n1,0,3\n2,3,0,1\n3,2,1,0",
    "row 1 has 4 entries; should be 3, as many as rows": "0,1,2,3\n1,0,3,2\n2,3,0,1",
    "found a table of order 0; should be from 2 to 2,048": "",
    "found a table of order 1; should be from 2 to 2,048": "0",
    "found 'a' in row 1, column 2; should be a whole number": "0,a\n1,0",
    "found '1.5' in row 2, column 1; should be a whole number": "0,1\n1.5,0",
    "not closed: 2·3 is 4; should be from 0 to 3": changed(KLEIN, r2c3=4),
    "not closed: 1·1 is -1; should be from 0 to 3": changed(KLEIN, r1c1=-1),
    "not closed: 2·2 is 5; should be from 1 to 4": changed(ONE_BASED, r1c1=5),
    "no identity: 0 comes nearest, but 0·2 is 3": changed(KLEIN, r0c2=3),
    "no identity: 0 comes nearest, but 2·0 is 1": changed(KLEIN, r2c0=1),
    "no identity: 1 comes nearest, but 1·3 is 4": changed(ONE_BASED, r0c2=4),
    "1 has no inverse: no x makes both 1·x and x·1 the identity 0": changed(KLEIN, r1c1=2),
    "2 has no inverse: no x makes both 2·x and x·2 the identity 1": changed(ONE_BASED, r1c1=3),
    "not associative: (1·1)·2 is 2, but 1·(1·2) is 4": changed(LOOP),
    "not associative: (2·2)·3 is 3, but 2·(2·3) is 5": changed(
        [[entry + 1 for entry in row] for row in LOOP]
    ),
}


@pytest.mark.parametrize(("message", "text"), BAD.items())
def test_bad_tables_are_told_with_their_elements(tmp_path: Path, message: str, text: str) -> None:
    path = tmp_path / "bad.csv"
    path.write_text(text)
    with pytest.raises(GroupError, match=f"^{re.escape(f'{path}: {message}')}$"):
        read_table(path)


SECOND = "in row 1, column 2; should be a whole number"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.txt", "0,1\n1,0", "found the ending '.txt'; should be .csv, .jsonl or .parquet"),
        ("x.jsonl", "[0, 1]\n{}\n", "line 2 is '{}'; should be an array of numbers"),
        ("x.jsonl", "[0, 1\n[1, 0]\n", "line 1 is '[0, 1'; should be an array of numbers"),
        ("x.jsonl", "[0, true]\n[1, 0]\n", f"found True {SECOND}"),
        ("x.jsonl", "[0, null]\n[1, 0]\n", f"found None {SECOND}"),
        ("x.jsonl", "[0, [1]]\n[1, 0]\n", f"found [1] {SECOND}"),
    ],
)  # fmt: skip
def test_bad_files_are_told(tmp_path: Path, name: str, text: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(GroupError, match=f"^{re.escape(f'{path}: {message}')}$"):
        read_table(path)


def test_what_is_no_text_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"0,1\n1,\xff")
    with pytest.raises(GroupError, match=f"^{re.escape(str(path))}: cannot be read as text: "):
        read_table(path)


def test_what_is_not_parquet_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_bytes(b"not parquet")
    with pytest.raises(
        GroupError, match=f"^{re.escape(str(path))}: cannot be read as Parquet: "
    ) as e:
        read_table(path)
    assert "\n" not in str(e.value)


def test_a_missing_file_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "none.csv")


@settings(deadline=None)
@given(st.sampled_from(["Z6", "S3", "Q8", "A4"]), st.data())
def test_one_wrong_product_is_always_seen(name: str, data: st.DataObject) -> None:
    """Two tables that are groups differ in many products."""
    table = group_named(name).table.copy()
    M = len(table)
    a, b = data.draw(st.integers(0, M - 1)), data.draw(st.integers(0, M - 1))
    table[a, b] = (table[a, b] + data.draw(st.integers(1, M - 1))) % M
    with pytest.raises(GroupError, match=r"^(no identity|\d+ has no inverse|not associative)"):
        check_group(table)
