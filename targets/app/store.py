"""The state store: SQLite, or PostgreSQL by URL, behind one thread and one connection an instance.

Statements are written once, in the SQL that both understand, with `?` where a value goes.
"""

import asyncio
import contextlib
import importlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar

from targets.app.settings import SettingsError

T = TypeVar("T")
Row = tuple[Any, ...]
# How long a statement waits for another instance's transaction before it fails.
_BUSY_S = 10.0
_CONNECT_S = 10
_SCHEMA_LOCK = 0x61676E74


class Database(Protocol):
    """A connection inside a transaction."""

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        """Run one statement; returns its rows, if it has any."""
        ...

    def many(self, sql: str, values: Sequence[Sequence[object]]) -> None:
        """Run one statement for each of these."""
        ...


class Connection(Database, Protocol):
    """faults: what its driver raises."""

    faults: tuple[type[Exception], ...]

    def transaction(self, reads: bool = False) -> contextlib.AbstractContextManager[None]:
        """Everything inside happens, or nothing of it. A row that it has changed no one else changes before its end.

        reads: it changes nothing, and need not wait for those who do.
        """
        ...

    def lock_schema(self) -> None:
        """Inside a transaction: instances that boot together make the schema one after another."""
        ...

    def close(self) -> None: ...


class Store:
    """Runs functions of a Database in transactions, one after another, off the event loop."""

    def __init__(self, url: str) -> None:
        """Connect. Raises SettingsError if the URL is of no kind that is known, or its driver is not installed."""
        self._kind = url.partition(":")[0]
        self._thread = ThreadPoolExecutor(1, "store")
        self._connection = self._thread.submit(_connected, url).result()

    def __repr__(self) -> str:
        return f"<Store {self._kind}>"

    def prepare(self, work: Callable[[Database], None]) -> None:
        """Make the schema, at boot. Blocks. Raises SettingsError where the database cannot be used."""

        def locked(connection: Connection) -> None:
            with connection.transaction():
                connection.lock_schema()
                work(connection)

        try:
            self._thread.submit(locked, self._connection).result()
        except self._connection.faults as cause:
            raise SettingsError(f"DATABASE_URL: the database cannot be used: {cause}.") from cause

    async def read(self, work: Callable[[Database], T]) -> T:
        """What work returns, which changes nothing. Raises what it raises."""
        return await self._in_transaction(work, reads=True)

    async def run(self, work: Callable[[Database], T]) -> T:
        """What work returns, its transaction committed. Raises what it raises, and then nothing was changed."""
        return await self._in_transaction(work, reads=False)

    async def _in_transaction(self, work: Callable[[Database], T], reads: bool) -> T:
        def in_transaction() -> T:
            with self._connection.transaction(reads):
                return work(self._connection)

        return await asyncio.get_running_loop().run_in_executor(self._thread, in_transaction)

    def close(self) -> None:
        self._thread.submit(self._connection.close).result()
        self._thread.shutdown()


def _connected(url: str) -> Connection:
    scheme, _, path = url.partition("://")
    if scheme in ("postgres", "postgresql"):
        return _Postgres(url)
    if scheme == "sqlite" and path.startswith("/") and path != "/":
        return _Sqlite(Path(path[1:]))
    raise SettingsError(
        "DATABASE_URL is neither sqlite:///FILE (sqlite:////FILE from the root) nor postgresql://HOST/NAME."
    )


class _Sqlite:
    faults: tuple[type[Exception], ...] = (sqlite3.Error,)

    def __init__(self, path: Path) -> None:
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            if path.parent.stat().st_uid not in (0, os.getuid()):
                raise SettingsError(f"DATABASE_URL: the folder {path.parent} belongs to another user.")
            self._connection = sqlite3.connect(path, timeout=_BUSY_S, isolation_level=None)
            # What a crash of the machine may cost then is the latest transactions, not the file.
            self._connection.execute("PRAGMA synchronous = NORMAL")
        except (OSError, sqlite3.Error) as cause:
            raise SettingsError(f"DATABASE_URL: {path} cannot be opened: {cause}.") from cause
        # Readers do not wait for a writer in this mode. Where another instance is switching to it just now, SQLite
        # refuses at once rather than wait; the mode is kept in the file, so that one's switch is enough.
        # What else may be wrong with the file, the first transaction says.
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("PRAGMA journal_mode = WAL")

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        return self._connection.execute(sql, tuple(values)).fetchall()

    def many(self, sql: str, values: Sequence[Sequence[object]]) -> None:
        self._connection.executemany(sql, values)

    @contextlib.contextmanager
    def transaction(self, reads: bool = False) -> Iterator[None]:
        # Immediate: one that reads first and writes later could not be let through if another wrote in between.
        self._connection.execute("BEGIN" if reads else "BEGIN IMMEDIATE")
        try:
            yield
            self._connection.execute("COMMIT")
        except BaseException:
            # A full disk may have ended it already.
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise

    def lock_schema(self) -> None:
        """Nothing to do: an immediate transaction is the only one."""

    def close(self) -> None:
        self._connection.close()


class _Postgres:
    def __init__(self, url: str) -> None:
        try:
            psycopg: Any = importlib.import_module("psycopg")  # only where it is needed
        except ImportError as cause:
            raise SettingsError(
                "DATABASE_URL is a PostgreSQL URL, and psycopg is not installed: pip install 'psycopg[binary]'."
            ) from cause
        self.faults: tuple[type[Exception], ...] = (psycopg.Error,)
        self._connect: Callable[[], Any] = lambda: psycopg.connect(
            url, autocommit=True, connect_timeout=_CONNECT_S
        )
        try:
            self._connection = self._connect()
        except psycopg.Error as cause:
            # The driver's own words may show the URL, with the password in it.
            raise SettingsError(
                f"DATABASE_URL: the server cannot be reached ({type(cause).__name__})."
            ) from None

    def rows(self, sql: str, values: Sequence[object] = ()) -> list[Row]:
        cursor = self._connection.execute(_for_postgres(sql), tuple(values))
        return cursor.fetchall() if cursor.description else []

    def many(self, sql: str, values: Sequence[Sequence[object]]) -> None:
        with self._connection.cursor() as cursor:
            cursor.executemany(_for_postgres(sql), values)

    @contextlib.contextmanager
    def transaction(self, reads: bool = False) -> Iterator[None]:
        if self._connection.closed:
            # The server went away, and the request that met it has failed; it may be back by now.
            self._connection = self._connect()
        with self._connection.transaction():
            yield

    def lock_schema(self) -> None:
        # Two CREATE TABLE IF NOT EXISTS at once can both find nothing, and the second then fails.
        self._connection.execute("SELECT pg_advisory_xact_lock(%s)", (_SCHEMA_LOCK,))

    def close(self) -> None:
        self._connection.close()


def _for_postgres(sql: str) -> str:
    return sql.replace("?", "%s")
