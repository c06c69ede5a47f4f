"""What background agents read and write: tickets with labels, documents with the facts found in them."""

import hashlib

from targets.app.store import Database, Store
from targets.app.web import Answer, Refused, Request

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS labels (ticket INTEGER, label TEXT, PRIMARY KEY (ticket, label))",
    "CREATE TABLE IF NOT EXISTS facts (document INTEGER PRIMARY KEY, size_bytes INTEGER, digest TEXT)",
)

_SUBJECTS = ("Where is my order?", "The invoice is wrong", "I cannot sign in", "It stopped working")
_LINES = 40


def fill(database: Database) -> None:
    """Make the schema."""
    for statement in SCHEMA:
        database.rows(statement)


class Records:
    """`/tickets/N`, `/tickets/N/labels`, `/documents/N` and `/documents/N/facts`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def __repr__(self) -> str:
        return f"<Records on {self._store!r}>"

    async def ticket(self, request: Request) -> Answer:
        number = int(request.captured[0])
        rows = await self._store.read(
            lambda db: db.rows("SELECT label FROM labels WHERE ticket = ? ORDER BY label", (number,))
        )
        labels = [label for (label,) in rows]
        return Answer({"ticket": number, "subject": _SUBJECTS[number % len(_SUBJECTS)], "labels": labels})

    async def label(self, request: Request) -> Answer:
        """Put a label on a ticket. Doing it again changes nothing, so a repeated delivery is harmless."""
        number, label = int(request.captured[0]), request.json().get("label")
        if not isinstance(label, str) or not 1 <= len(label) <= 100:
            raise Refused(400, "label must be a text of 1 to 100 characters")
        await self._store.run(
            lambda db: db.rows(
                "INSERT INTO labels (ticket, label) VALUES (?, ?) ON CONFLICT DO NOTHING", (number, label)
            )
        )
        return Answer({"ticket": number, "label": label})

    async def document(self, request: Request) -> Answer:
        number = int(request.captured[0])
        rows = await self._store.read(
            lambda db: db.rows("SELECT size_bytes, digest FROM facts WHERE document = ?", (number,))
        )
        facts = {"size_bytes": rows[0][0], "digest": rows[0][1]} if rows else None
        text = "\n".join(f"Line {n} of document {number}." for n in range(_LINES))
        return Answer({"document": number, "text": text, "facts": facts})

    async def store_facts(self, request: Request) -> Answer:
        """Keep size and digest of whatever is sent: a replayed body may be a filler of the recorded size."""
        number, digest = int(request.captured[0]), hashlib.sha256(request.body).hexdigest()
        await self._store.run(
            lambda db: db.rows(
                "INSERT INTO facts (document, size_bytes, digest) VALUES (?, ?, ?) ON CONFLICT (document)"
                " DO UPDATE SET size_bytes = excluded.size_bytes, digest = excluded.digest",
                (number, len(request.body), digest),
            )
        )
        return Answer({"document": number, "size_bytes": len(request.body), "digest": digest})
