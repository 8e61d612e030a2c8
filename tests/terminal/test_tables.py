"""Tables say everything at any width that has room for their words."""

import time

from rich.console import Console

from sweeper.terminal.tables import rich_table

COLUMNS = ["law", "β (with the grid)", "n* at M*", "notes"]
ROWS = [["power law", "1.27 (1.19 to 1.36)", 15_560, ""], ["Theorem 4", None, 15_616, ""]]


def lines(width: int, columns: list[str] = COLUMNS, rows: list[list[object]] = ROWS) -> list[str]:
    console = Console(width=width)
    with console.capture() as capture:
        console.print(rich_table(columns, rows))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_where_there_is_room_heads_and_cells_have_one_line() -> None:
    assert lines(60) == [
        "law          β (with the grid)  n* at M*  notes",
        "power law  1.27 (1.19 to 1.36)    15,560",
        "Theorem 4                    –    15,616",
    ]


def test_heads_take_several_lines_before_cells_do() -> None:
    assert lines(45) == [
        "                                 n* at",
        "law          β (with the grid)      M*  notes",
        "power law  1.27 (1.19 to 1.36)  15,560",
        "Theorem 4                    –  15,616",
    ]


def test_columns_that_say_nothing_go_first() -> None:
    assert lines(40) == [
        "law          β (with the grid)  n* at M*",
        "power law  1.27 (1.19 to 1.36)    15,560",
        "Theorem 4                    –    15,616",
    ]


def test_a_few_wide_rows_become_columns() -> None:
    columns = [f"quantity {i}" for i in range(5)]
    row = ["a law", *(f"{i}.27 (1.19 to 1.36)" for i in range(1, 5))]
    assert lines(60, columns, [row]) == [
        "quantity 0  a law",
        *(f"quantity {i}  {i}.27 (1.19 to 1.36)" for i in range(1, 5)),
    ]


def test_no_word_is_cut_where_all_words_fit() -> None:
    rows: list[list[object]] = [[f"Z{i}", "cyclic, that is, commutative", 10**6] for i in range(9)]
    found = lines(30, ["group", "what it is", "order"], rows)
    assert max(map(len, found)) <= 30
    assert " ".join(found).split().count("commutative") == 9
    assert " ".join(found).split().count("1,000,000") == 9


def test_a_cell_is_text_and_never_markup() -> None:
    assert lines(40, ["name"], [["Z8⋊Z2[red]"]]) == ["name", "Z8⋊Z2[red]"]


def test_a_table_without_rows_or_words_has_its_heads() -> None:
    for rows in ([], [["–", "", None, ""]]):
        assert lines(60, rows=list(rows))[0].split() == " ".join(COLUMNS).split()
        assert lines(10, rows=list(rows))


def test_long_tables_are_laid_out_at_once() -> None:
    columns = [f"a head of words {i}" for i in range(8)]
    rows: list[list[object]] = [[f"{i}.{j}" for j in range(8)] for i in range(5000)]
    began = time.process_time()
    assert len(lines(80, columns, rows)) > 5000
    assert time.process_time() - began < 10
