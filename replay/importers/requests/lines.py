"""Sessions of logged requests as the lines of a trace, numbered and named in order of their starts."""

from collections.abc import Iterator, Mapping

import msgspec

from replay.importers.call_steps import LONGEST_TEXT
from replay.importers.requests.collected import CollectedRequests
from replay.importers.requests.edge_texts import ms_texts
from replay.importers.requests.session_lines import name_of
from replay.importers.requests.step_texts import agent_text, json_text, session_line
from replay.importers.requests.types import NOTHING, Ints
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
        self._agents = {found: agent_text(agent) for found, agent in requests.agents.items()} | {NOTHING: b""}
        self._first_us = requests.first_us

    def sessions(self) -> Iterator[Session]:
        """As sessions. Raises TraceError where what waits for its place cannot be read back."""
        for line in self.lines():
            yield _decode(line.text)

    def lines(self) -> Iterator[SessionLine]:
        """As they stand in a trace. Raises TraceError where what waits for its place cannot be read back."""
        ids = _Ids(self._names)
        for heads, texts in self._waiting.in_order():
            starts_us = heads["start_us"] - self._first_us
            columns = (heads[name].tolist() for name in ("client", "agent", "steps", "is_long"))
            told = zip(
                ids.of(heads["key"]),
                (starts_us / 1_000).tolist(),
                ms_texts(starts_us),
                texts,
                *columns,
                strict=True,
            )
            for name, start_ms, start_text, text, client, agent, steps, is_long in told:
                line = session_line(name, start_text, text, client, self._agents[agent])
                yield SessionLine(line, start_ms, steps, is_long)


class _Ids:
    """Gives sessions their ids, as JSON, in the order of the trace. names: that requests have, by their digests."""

    def __init__(self, names: Mapping[int, str]) -> None:
        self._names = names
        self._taken: set[str] = set()
        self._sessions = self._secret = 0

    def of(self, keys: Ints) -> list[str]:
        """Of the next ones. keys: of these sessions."""
        before, self._sessions = self._sessions, self._sessions + len(keys)
        numbers = range(before + 1, self._sessions + 1)
        if not self._names:
            return [f'"s{n}"' for n in numbers]
        return [json_text(self._named(name_of(key), n)) for key, n in zip(keys.tolist(), numbers, strict=True)]

    def _named(self, key: int | None, n: int) -> str:
        name = _unique("" if key is None else self._names[key], n, self._taken)
        if label_without_secrets(name) == name:
            return name
        self._secret += 1
        return f"{REDACTED}-{self._secret}"


def _unique(name: str, n: int, ids: set[str]) -> str:
    """The name, or one made of it and n, which no other session has."""
    name = name or f"s{n}"
    while name in ids:
        name += f"~{n}"
    ids.add(name)
    return name
