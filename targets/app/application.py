"""The application of one instance: booted, with its routes."""

import os
import re
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

from targets.app import desk, records, sessions, workspace
from targets.app.model import Model
from targets.app.settings import Settings
from targets.app.store import Database, Store
from targets.app.web import Answer, Application, Refused, Request, Route, Talk, route

MOST_MESSAGE = 10_000


class Instance:
    """One running copy. Every answer says which copy it was, and whether it was that one's first.

    x-app-instance: a name drawn at boot. x-app-fresh: 1 in the first answer after boot (health checks aside). Whether
    a request had to wait for the boot is another question, which an instance cannot answer: it was not there yet.
    """

    def __init__(self, settings: Settings) -> None:
        """Boot: connect, make the schema, take boot_s longer. Raises SettingsError."""
        self.name = f"{os.environ.get('K_REVISION', 'app')}-{uuid.uuid4().hex[:12]}"
        self._settings = settings
        self._served = 0
        self._store = Store(settings.database_url)
        self._store.prepare(_fill)
        self._sessions = sessions.sessions_for(settings, self._store)
        time.sleep(settings.boot_s)
        self._model = Model(settings.pace)
        talk = Talk(re.compile("/agent/([^/]{1,200})/talk"), self._talk)
        self.asgi = Application(self._routes(), self._stamp, (talk,))

    def __repr__(self) -> str:
        return f"<Instance {self.name}, {self._served} served, sessions in {self._settings.state}>"

    def close(self) -> None:
        self._sessions.close()
        self._store.close()

    def _routes(self) -> list[Route]:
        support, code, kept = (
            desk.Desk(self._store),
            workspace.Workspace(self._store),
            records.Records(self._store),
        )
        return [
            route("GET", "/health", self._health),
            route("POST", "/v1/chat/completions", self._model.chat),
            route("POST", "/agent/([^/]{1,200})/turn", self._turn),
            route("GET", "/tools/search", support.search),
            route("GET", "/tools/crm", support.crm),
            route("GET", "/tools/policy", support.policy),
            route("POST", "/tools/policy", support.policy),
            route("POST", "/mcp", support.mcp),
            route("GET", "/tools/read-file", code.read_file),
            route("GET", "/tools/edit-file", code.edit_file),
            route("GET", "/tools/search-code", code.search_code),
            route("GET", "/tools/run-tests", code.run_tests),
            route("GET", "/tools/list-issues", code.list_issues),
            route("GET", "/tickets/([0-9]{1,9})", kept.ticket),
            route("POST", "/tickets/([0-9]{1,9})/labels", kept.label),
            route("GET", "/documents/([0-9]{1,9})", kept.document),
            route("POST", "/documents/([0-9]{1,9})/facts", kept.store_facts),
        ]

    def _stamp(self, path: str) -> dict[str, str]:
        stamp = {"x-app-instance": self.name}
        if path != "/health":
            self._served += 1
            stamp["x-app-fresh"] = "1" if self._served == 1 else "0"
        return stamp

    async def _health(self, request: Request) -> Answer:
        return Answer({"status": "ok", "instance": self.name, "state": self._settings.state})

    async def _turn(self, request: Request) -> Answer:
        """One turn of an agent's session: what was said is added to it, and an article is looked up for an answer.

        Body: {"message": TEXT, "turn": N}. N is which turn this is for the caller, who counts too; without it nobody
        can tell a session that was forgotten from one that is new.
        """
        said, is_lost = await self._turned(request.captured[0], request.json())
        return Answer(said, 409 if is_lost and self._settings.when_lost == "fail" else 200)

    async def _talk(self, captured: tuple[str, ...], asked: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """A turn on a WebSocket: its reply word by word, at the model's pace, then what the turn's answer says."""
        said, is_lost = await self._turned(captured[0], asked)
        if is_lost and self._settings.when_lost == "fail":
            raise Refused(409, said["warning"])
        async for word in self._model.words(said["reply"]):
            yield {"type": "word", "delta": word}
        yield {"type": "done", **said}

    async def _turned(self, session: str, asked: dict[str, Any]) -> tuple[dict[str, Any], bool]:
        """What a turn says, and whether earlier ones were forgotten."""
        message, expected = asked.get("message", ""), asked.get("turn")
        if not isinstance(message, str) or len(message) > MOST_MESSAGE:
            raise Refused(400, f"message must be a text of at most {MOST_MESSAGE} characters")
        if expected is not None and (not isinstance(expected, int) or expected < 1):
            raise Refused(400, "turn must be a whole number of 1 or more")
        kept = await self._sessions.turn(session, message)
        found = await self._store.read(lambda db: desk.found_articles(db, message))
        said: dict[str, Any] = {
            "session": session,
            "turn": kept.turns,
            "history": kept.history,
            "reply": found[0]["text"] if found else "Tell me more.",
            "state": self._settings.state,
            "instance": self.name,
        }
        if expected is None or kept.turns >= expected:
            return said, False
        lost = said["lost_turns"] = expected - kept.turns
        said["warning"] = (
            f"this is turn {expected} for the caller and turn {kept.turns} for this instance, which keeps sessions in "
            f"{self._settings.state}: {lost} {'turn was' if lost == 1 else 'turns were'} forgotten"
        )
        return said, True


def _fill(database: Database) -> None:
    for part in (desk, workspace, records, sessions):
        part.fill(database)
