"""Where an agent's session is kept between its turns: in memory, in files, or in the store.

memory  gone with the process; another instance has never heard of the session
file    on this instance's disk: gone with it, unless FILE_DIR names a folder that outlives the instance
store   in the database: whichever instance gets the next turn goes on with the session
"""

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from targets.app.settings import Settings, SettingsError
from targets.app.store import Database, Store

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS sessions (id TEXT PRIMARY KEY, turns INTEGER NOT NULL)",
    "CREATE TABLE IF NOT EXISTS turns (session TEXT, number INTEGER, message TEXT, PRIMARY KEY (session, number))",
)
HISTORY_KEPT = 20


@dataclass
class Session:
    """turns: how many there were. history: the messages of the latest HISTORY_KEPT of them."""

    turns: int = 0
    history: list[str] = field(default_factory=list)

    def take(self, message: str) -> None:
        """One more turn."""
        self.turns += 1
        self.history = [*self.history, message][-HISTORY_KEPT:]


class Sessions(Protocol):
    """A state strategy. Turns of one session that come at once are taken one after another."""

    async def turn(self, session: str, message: str) -> Session:
        """The session as it is with this turn."""
        ...

    def close(self) -> None:
        """The instance goes away."""
        ...


def fill(database: Database) -> None:
    """Make the schema."""
    for statement in SCHEMA:
        database.rows(statement)


def sessions_for(settings: Settings, store: Store) -> Sessions:
    """The strategy that the settings name. Raises SettingsError if its folder cannot be made."""
    if settings.state == "store":
        return StoreSessions(store)
    if settings.state == "file":
        return FileSessions(settings.file_dir)
    return MemorySessions()


class MemorySessions:
    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}

    def __repr__(self) -> str:
        return f"<MemorySessions {len(self._sessions)} sessions>"

    async def turn(self, session: str, message: str) -> Session:
        kept = self._sessions.setdefault(session, Session())
        kept.take(message)
        # A copy: the next turn may come before this one is answered.
        return replace(kept)

    def close(self) -> None:
        self._sessions.clear()


class FileSessions:
    """A JSON file for each session. folder: None makes one that goes away with this instance, as its disk would."""

    def __init__(self, folder: Path | None) -> None:
        self._is_own = folder is None
        try:
            self._folder = folder or Path(tempfile.mkdtemp(prefix="agent-app-disk-"))
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as cause:
            raise SettingsError(f"FILE_DIR={folder} cannot be made: {cause.strerror}.") from cause
        if not os.access(self._folder, os.W_OK | os.X_OK):
            raise SettingsError(f"FILE_DIR={folder} cannot be written to by this user.")

    def __repr__(self) -> str:
        return f"<FileSessions in {self._folder}>"

    async def turn(self, session: str, message: str) -> Session:
        return await asyncio.to_thread(self._turn, session, message)

    def close(self) -> None:
        if self._is_own:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _turn(self, session: str, message: str) -> Session:
        # A digest, because an id may hold what a file name may not.
        path = self._folder / f"{hashlib.sha256(session.encode()).hexdigest()}.json"
        # Other instances may have the same folder, so a lock of this process alone would not do.
        with path.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            kept = Session()
            with contextlib.suppress(FileNotFoundError):
                read: dict[str, Any] = json.loads(path.read_text())
                kept = Session(**read)
            kept.take(message)
            # Replaced as a whole: an instance that is killed while it writes leaves the file as it was.
            written = path.with_suffix(".new")
            written.write_text(json.dumps({"turns": kept.turns, "history": kept.history}))
            os.replace(written, path)
        return kept


class StoreSessions:
    def __init__(self, store: Store) -> None:
        self._store = store

    def __repr__(self) -> str:
        return f"<StoreSessions in {self._store!r}>"

    async def turn(self, session: str, message: str) -> Session:
        def taken(db: Database) -> Session:
            # The update locks the session's row, so a second turn of it waits for this transaction's end.
            turns = db.rows(
                "INSERT INTO sessions (id, turns) VALUES (?, 1)"
                " ON CONFLICT (id) DO UPDATE SET turns = sessions.turns + 1 RETURNING turns",
                (session,),
            )[0][0]
            db.rows("INSERT INTO turns (session, number, message) VALUES (?, ?, ?)", (session, turns, message))
            rows = db.rows(
                "SELECT message FROM turns WHERE session = ? AND number > ? ORDER BY number",
                (session, turns - HISTORY_KEPT),
            )
            return Session(turns, [said for (said,) in rows])

        return await self._store.run(taken)

    def close(self) -> None:
        """Nothing to do: the store outlives the instance."""
