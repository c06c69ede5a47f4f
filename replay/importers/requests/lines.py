"""Sessions of logged requests as the lines of a trace, numbered and named in order of their starts."""

from collections.abc import Iterator, Mapping
from itertools import chain

import msgspec
import numpy as np

from replay.importers.call_steps import LONGEST_TEXT
from replay.importers.requests.collected import CollectedRequests
from replay.importers.requests.edge_texts import ms_texts
from replay.importers.requests.session_lines import name_of
from replay.importers.requests.step_texts import agent_text, frame_text, json_text
from replay.importers.requests.types import NOTHING, Ints
from replay.importers.requests.waiting import WaitingSessions
from replay.importers.types import SessionLines
from replay.trace.redaction.labels import label_without_secrets
from replay.trace.redaction.names import REDACTED
from replay.trace.types import Session

_decode = msgspec.json.Decoder(Session).decode


class RequestLines:
    """The sessions in `waiting` of these requests. are_named: whether they bear the names of the requests' sessions."""

    def __init__(self, waiting: WaitingSessions, requests: CollectedRequests, are_named: bool) -> None:
        self._waiting = waiting
        self._names = {key: name[:LONGEST_TEXT] for key, name in requests.names.items()} if are_named else {}
        self._agents = {found: agent_text(agent) for found, agent in requests.agents.items()} | {NOTHING: ""}
        self._first_us = requests.first_us

    def sessions(self) -> Iterator[Session]:
        """As sessions. Raises TraceError where what waits for its place cannot be read back."""
        for lines in self.lines():
            yield from map(_decode, lines.text.splitlines())

    def lines(self) -> Iterator[SessionLines]:
        """As they stand in a trace. Raises TraceError where what waits for its place cannot be read back."""
        ids = _Ids(self._names)
        for heads, steps in self._waiting.in_order():
            starts_us = heads["start_us"] - self._first_us
            agents = map(self._agents.__getitem__, heads["agent"].tolist())
            frames = map(
                frame_text, ids.of(heads["key"]), ms_texts(starts_us), heads["client"].tolist(), agents
            )
            around = "".join(frames).encode().splitlines(keepends=True)
            befores, behinds = map(bytes.rstrip, around[::2]), around[1::2]
            lines = list(zip(befores, steps, behinds, strict=True))
            yield SessionLines(
                text=b"".join(chain.from_iterable(lines)),
                starts_ms=(starts_us / 1_000).tolist(),
                steps=int(heads["steps"].sum()),
                long=[b"".join(lines[n]) for n in np.flatnonzero(heads["is_long"]).tolist()],
            )


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
