"""What is printed for people, in a pipe: figures, and no blanks behind them."""

import io

import pytest

from replay.report.plain import Table, Text, plain_console


def a_table():
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("step")
    table.add_column("why")
    table.add_row("a", "short")
    table.add_row("a longer one", "")
    return table


def test_no_line_ends_with_blanks_in_a_pipe(capsys):
    console = plain_console()
    console.print(a_table())
    console.print(Text("words that are wrapped leave the blank between them where they part " * 3))
    console.print()

    out = capsys.readouterr().out
    assert [line for line in out.splitlines() if line != line.rstrip()] == []
    assert out.startswith("step          why\na             short\na longer one\nwords")
    assert out.endswith("\n\n")


def test_a_file_that_is_named_gets_what_is_printed(tmp_path):
    with (tmp_path / "out.txt").open("w") as file:
        plain_console(file=file).print("said")

    assert (tmp_path / "out.txt").read_text() == "said\n"


@pytest.mark.parametrize("columns", ["0", "00", ""])
def test_a_terminal_of_no_columns_is_one_whose_width_is_not_known(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    console = plain_console(file=io.StringIO())

    console.print("what came of it")

    assert console.file.getvalue() == "what came of it\n"
