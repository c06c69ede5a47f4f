"""SQLite databases that programs keep: what tables one has, and rows out of them.

A database is opened to be read only, with what its program wrote beside it (`-wal`), where most of a young one stands.
Views and what else a schema could have run are not asked.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

from replay.trace.errors import TraceError, shown_path

MAGIC = b"SQLite format 3\0"

PATIENCE_S = 5.0
"""How long a database is waited for that a program has locked."""

# The file format version for reading (https://www.sqlite.org/fileformat.html).
_READ_VERSION, _OF_LOG = 19, b"\x02"
_LARGEST_VALUE_BYTES = 256 << 20
# What SQLite says of a damaged name may be no text itself.
_UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
_LOCKED = "locked by a program that is writing to it. End that program, or import a copy of the file."
_TABLES = "SELECT sql FROM sqlite_master WHERE type = 'table' AND sql IS NOT NULL ORDER BY rowid"


def described(path: Path, most_bytes: int) -> bytes:
    """What stands for a database where a file's beginning is asked for: its mark, and how its tables were made."""
    tables = MAGIC + b"\n"
    try:
        with closing(_opened(path)) as database:
            for (sql,) in database.execute(_TABLES):
                tables += str(sql).encode("utf-8", "replace") + b"\n"
                if len(tables) > most_bytes:
                    break
    except _UNREADABLE as error:
        if _is_locked(error):
            raise TraceError(f"{shown_path(path)}: {_LOCKED}") from error
        return MAGIC  # one that cannot be read is of no format
    return tables[:most_bytes]


def table_rows(path: Path, table: str, columns: Sequence[str], order: str) -> Iterator[tuple[Any, ...]]:
    """These columns of a table's rows in an order; null where it has no such column. Names are the caller's own.

    Raises TraceError where there is no such table, or the database is damaged.
    """
    try:
        with closing(_opened(path)) as database:
            held = {str(row[1]) for row in database.execute(f"PRAGMA table_info({table})")}
            is_table = database.execute(
                "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)
            ).fetchone()
            if is_table is None:
                raise TraceError(f"{shown_path(path)}: {_no_table(path, table)}")
            asked = ", ".join(name if name in held else "NULL" for name in columns)
            # One that is computed, which is none of these here, may take any time and memory a row.
            ordered = ", ".join(each for each in order.split(", ") if each.split()[0] in held) or "rowid"
            yield from database.execute(f"SELECT {asked} FROM {table} ORDER BY {ordered}")
    except _UNREADABLE as error:
        if _is_locked(error):
            raise TraceError(f"{shown_path(path)}: {_LOCKED}") from error
        raise TraceError(f"{shown_path(path)}: not a database that can be read ({_why(error)}).") from error


def _is_locked(error: Exception) -> bool:
    if not isinstance(error, sqlite3.OperationalError):
        return False
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def _why(error: Exception) -> str:
    return str(error) if isinstance(error, sqlite3.Error) else "a name in it is not text"


def _no_table(path: Path, table: str) -> str:
    beside = f"{path.name}-wal"
    return f"a database without a table {table}. What its program wrote last stands in {beside}: copy both."


def _opened(path: Path) -> sqlite3.Connection:
    # Without that file no program has it open; SQLite would make one to read it, and leave it there.
    immutable = "" if path.with_name(f"{path.name}-wal").exists() or not _keeps_log(path) else "&immutable=1"
    database = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro{immutable}", PATIENCE_S, uri=True)
    database.text_factory = lambda data: data.decode("utf-8", "replace")
    database.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_VALUE_BYTES)
    database.execute("PRAGMA trusted_schema = OFF")
    database.execute("PRAGMA query_only = ON")
    return database


def _keeps_log(path: Path) -> bool:
    """Whether what is written goes to a file beside the database first, as its head says."""
    with path.open("rb") as file:
        return file.read(_READ_VERSION + 1)[_READ_VERSION:] == _OF_LOG
