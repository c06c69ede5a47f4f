"""Databases are read whole or refused in words, however they are damaged."""

import random
import sqlite3

import pytest

from replay.reading import databases
from replay.reading.databases import MAGIC, described, table_rows
from replay.trace.errors import TraceError


@pytest.fixture
def database(tmp_path):
    path = tmp_path / "x.db"
    made = sqlite3.connect(path)
    made.execute("CREATE TABLE spans (id TEXT PRIMARY KEY, content TEXT)")
    made.execute("CREATE VIEW seen AS SELECT * FROM spans")
    made.executemany("INSERT INTO spans VALUES (?, ?)", [(f"s{n}", f"text {n} é") for n in range(50)])
    made.commit()
    made.close()
    return path


def test_columns_are_read_in_order_and_those_that_are_not_there_are_null(database):
    rows = list(table_rows(database, "spans", ("id", "more", "content"), "id DESC"))

    assert rows[0] == ("s9", None, "text 9 é")
    assert len(rows) == 50
    assert described(database, 1 << 16).startswith(MAGIC + b"\nCREATE TABLE spans (id TEXT")


@pytest.mark.parametrize("table", ["gone", "seen"])
def test_what_is_no_table_is_refused_with_what_may_be_missing(database, table):
    with pytest.raises(TraceError, match=rf"a database without a table {table}\. .* x.db-wal: copy both\."):
        list(table_rows(database, table, ("id",), "id"))


@pytest.mark.parametrize("seed", range(60))
def test_a_damaged_database_is_read_or_refused_plainly(database, seed):
    """Some messages of SQLite's were no text, and ended the import with a traceback."""
    drawn = random.Random(seed)
    data = bytearray(database.read_bytes())
    for _ in range(drawn.choice((1, 20, 200))):
        data[drawn.randrange(100, len(data))] = drawn.randrange(256)
    at = data.find(b"TABLE spans") if seed % 2 else -1
    if at >= 0:
        data[at + 6 : at + 8] = b"\xff\xfe"
    database.write_bytes(data)
    try:
        described(database, 1 << 16)
        list(table_rows(database, "spans", ("id", "content"), "id"))
    except TraceError as error:
        assert str(error).endswith(".")  # noqa: PT017


def test_a_column_that_is_computed_is_neither_read_nor_ordered_by(tmp_path):
    path = tmp_path / "x.db"
    made = sqlite3.connect(path)
    made.execute("CREATE TABLE spans (id, at GENERATED ALWAYS AS (abs(id)) VIRTUAL)")
    made.executemany("INSERT INTO spans (id) VALUES (?)", [(-2,), (1,)])
    made.commit()
    made.close()

    assert list(table_rows(path, "spans", ("id", "at"), "at, id")) == [(-2, None), (1, None)]
    assert list(table_rows(path, "spans", ("id",), "at")) == [(-2,), (1,)]


def test_what_no_program_has_open_is_read_without_a_file_beside_it(tmp_path):
    path = tmp_path / "x.db"
    made = sqlite3.connect(path)
    made.execute("PRAGMA journal_mode = WAL")
    made.execute("CREATE TABLE spans (id)")
    made.execute("INSERT INTO spans VALUES (1)")
    made.commit()
    made.close()

    assert list(table_rows(path, "spans", ("id",), "id")) == [(1,)]
    assert [each.name for each in tmp_path.iterdir()] == ["x.db"]


def test_a_database_that_a_program_has_locked_is_told_to_be(database, monkeypatch):
    monkeypatch.setattr(databases, "PATIENCE_S", 0.0)
    writer = sqlite3.connect(database, isolation_level=None)
    writer.execute("BEGIN EXCLUSIVE")

    for read in (
        lambda: described(database, 1 << 16),
        lambda: list(table_rows(database, "spans", ("id",), "id")),
    ):
        with pytest.raises(
            TraceError, match=r"x\.db: locked by a program that is writing to it\. End that program"
        ):
            read()
    writer.close()
