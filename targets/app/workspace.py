"""The tools of a coding agent: read, edit, search and test a few files that are kept in the store."""

import hashlib

from targets.app.store import Database, Store
from targets.app.web import Answer, Refused, Request

SCHEMA = ("CREATE TABLE IF NOT EXISTS files (id INTEGER PRIMARY KEY, path TEXT, body TEXT, version INTEGER)",)

_FILES = 20
_LINES = 200
_ROUNDS = 20


def fill(database: Database) -> None:
    """Make the schema, and the files where there are none."""
    for statement in SCHEMA:
        database.rows(statement)
    if database.rows("SELECT 1 FROM files LIMIT 1"):
        return
    files = [
        (n, f"src/part_{n:02}.py", "\n".join(f"value_{line} = {line * (n + 1)}" for line in range(_LINES)), 1)
        for n in range(_FILES)
    ]
    database.many("INSERT INTO files (id, path, body, version) VALUES (?, ?, ?, ?)", files)


class Workspace:
    """`/tools/read-file`, `edit-file`, `search-code`, `run-tests` and `list-issues`; n picks the file."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __repr__(self) -> str:
        return f"<Workspace on {self._store!r}>"

    async def read_file(self, request: Request) -> Answer:
        chosen = _chosen(request)
        rows = await self._store.read(
            lambda db: db.rows("SELECT path, body, version FROM files WHERE id = ?", (chosen,))
        )
        path, body, version = rows[0]
        return Answer({"path": path, "version": version, "text": body})

    async def edit_file(self, request: Request) -> Answer:
        """Changes the file's first line, so that its size stays what it is."""
        chosen = _chosen(request)

        def edited(db: Database) -> tuple[str, int]:
            # Changed before it is read: from then on the row is ours, whoever else edits the same file.
            path, body, version = db.rows(
                "UPDATE files SET version = version + 1 WHERE id = ? RETURNING path, body, version", (chosen,)
            )[0]
            _, _, rest = body.partition("\n")
            db.rows("UPDATE files SET body = ? WHERE id = ?", (f"version = {version}\n{rest}", chosen))
            return path, version

        path, version = await self._store.run(edited)
        return Answer({"path": path, "version": version})

    async def search_code(self, request: Request) -> Answer:
        """The lines of all the files that hold this number."""
        wanted = f"= {_number(request)}"
        rows = await self._store.read(lambda db: db.rows("SELECT path, body FROM files ORDER BY id"))
        found = [
            {"path": path, "line": number}
            for path, body in rows
            for number, line in enumerate(body.split("\n"), 1)
            if line.endswith(wanted)
        ]
        return Answer({"found": found})

    async def run_tests(self, request: Request) -> Answer:
        """Work for the processor, as tests are: it is done on the event loop, and whatever else is asked waits."""
        rows = await self._store.read(lambda db: db.rows("SELECT body FROM files ORDER BY id"))
        digest = hashlib.sha256()
        for _ in range(_ROUNDS):
            for (body,) in rows:
                digest.update(body.encode())
        return Answer({"passed": len(rows), "failed": 0, "digest": digest.hexdigest()})

    async def list_issues(self, request: Request) -> Answer:
        rows = await self._store.read(
            lambda db: db.rows("SELECT label, COUNT(*) FROM labels GROUP BY label ORDER BY label")
        )
        return Answer({"issues": dict(rows)})


def _number(request: Request) -> int:
    written = request.query.get("n", "0")
    if not (written.isascii() and written.isdigit() and len(written) < 10):
        raise Refused(400, "n must be a whole number")
    return int(written)


def _chosen(request: Request) -> int:
    return _number(request) % _FILES
