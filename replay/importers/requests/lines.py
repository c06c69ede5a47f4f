"""Sessions of logged requests as the lines of a trace, numbered and named in order of their starts."""

from collections.abc import Iterator

import msgspec

from replay.importers.call_steps import LONGEST_TEXT
from replay.importers.requests.collected import CollectedRequests
from replay.importers.requests.session_lines import name_of
from replay.importers.requests.step_texts import json_text, session_line
from replay.importers.requests.types import NOTHING, MadeSession
from replay.importers.requests.waiting import WaitingSessions
from replay.importers.types import SessionLine
from replay.trace.redaction.labels import label_without_secrets
from replay.trace.redaction.names import REDACTED
from replay.trace.types import Session

_decode = msgspec.json.Decoder(Session).decode


class RequestLines:
    """The sessions in `waiting` of these requests. are_named: whether they bear the names of the requests' sessions."""

    def __init__(self, waiting: WaitingSessions, requests: CollectedRequests, are_named: bool) -> None:
        self._waiting = waiting
        self._names = {key: name[:LONGEST_TEXT] for key, name in requests.names.items()} if are_named else {}
        self._agents = {
            found: json_text(label_without_secrets(agent)).encode() for found, agent in requests.agents.items()
        }
        self._first_us = requests.first_us

    def sessions(self) -> Iterator[Session]:
        """As sessions. Raises TraceError where what waits for its place cannot be read back."""
        for line in self.lines():
            yield _decode(line.text)

    def lines(self) -> Iterator[SessionLine]:
        """As they stand in a trace. Raises TraceError where what waits for its place cannot be read back."""
        for session, name in self._named():
            start_ms = (session.start_us - self._first_us) / 1_000
            agent = self._agents[session.agent] if session.agent != NOTHING else None
            text = session_line(session, name, start_ms, agent)
            yield SessionLine(text, start_ms, session.steps, session.is_long)

    def _named(self) -> Iterator[tuple[MadeSession, str]]:
        ids: set[str] = set()
        secret = 0
        for n, session in enumerate(self._waiting.in_order(), 1):
            name = f"s{n}"
            if self._names:
                key = name_of(session.key)
                name = _unique("" if key is None else self._names[key], n, ids)
                if label_without_secrets(name) != name:
                    secret += 1
                    name = f"{REDACTED}-{secret}"
            yield session, name


def _unique(name: str, n: int, ids: set[str]) -> str:
    """The name, or one made of it and n, which no other session has."""
    name = name or f"s{n}"
    while name in ids:
        name += f"~{n}"
    ids.add(name)
    return name
