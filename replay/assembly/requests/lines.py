"""Sessions of logged requests as the lines of a trace, numbered and named in order of their starts.

In which order they come, and what they are called, is told of one after the other, by what is short: their heads. Their
texts are then put together, and compressed, by as many processes as there are.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import chain

import msgspec
import numpy as np

from replay.assembly.call_steps import LONGEST_TEXT
from replay.assembly.requests.collected import CollectedRequests
from replay.assembly.requests.edge_texts import ms_texts
from replay.assembly.requests.session_lines import name_of
from replay.assembly.requests.spilled import Spilled
from replay.assembly.requests.step_texts import agent_text, frame_text, json_text
from replay.assembly.requests.types import NOTHING, Ints, Ordered
from replay.assembly.requests.waiting import WaitingSessions
from replay.assembly.requests.workers import Workers
from replay.assembly.types import Pack, SessionLines
from replay.trace.redaction.labels import label_without_secrets
from replay.trace.redaction.names import REDACTED
from replay.trace.types import Session

_decode = msgspec.json.Decoder(Session).decode


class RequestLines:
    """The sessions in `waiting` of these requests, put together by `workers`, who end with them.

    are_named: whether they bear the names of the requests' sessions.
    """

    def __init__(
        self, waiting: WaitingSessions, requests: CollectedRequests, are_named: bool, workers: Workers
    ) -> None:
        self._waiting = waiting
        self._workers = workers
        self._names = {key: name[:LONGEST_TEXT] for key, name in requests.names.items()} if are_named else {}
        self._agents = {found: agent_text(agent) for found, agent in requests.agents.items()} | {NOTHING: ""}
        self._first_us = requests.first_us

    def sessions(self) -> Iterator[Session]:
        """As sessions. Raises TraceError where what waits for its place cannot be read back."""
        for lines in self.lines():
            yield from map(_decode, lines.text.splitlines())

    def lines(self, pack: Pack = bytes) -> Iterator[SessionLines]:
        """As they stand in a trace, packed. Raises TraceError where what waits for its place cannot be read back."""
        try:
            yield from self._workers.made_of(self._stretches(), partial(_put_together, pack))
        finally:
            self._workers.close()

    def _stretches(self) -> "Iterator[_Stretch]":
        ids = _Ids(self._names)
        for ordered in self._waiting.in_order():
            heads = ordered.heads
            yield _Stretch(
                ordered=ordered,
                ids=ids.of(heads["key"]),
                starts_us=heads["start_us"] - self._first_us,
                agents=list(map(self._agents.__getitem__, heads["agent"].tolist())),
            )


class _Stretch(msgspec.Struct, frozen=True):
    """Sessions that follow one another in the trace, and what stands around their steps.

    ids: as JSON. starts_us: from that of the trace. agents: as agent_text makes them.
    """

    ordered: Ordered
    ids: Sequence[str]
    starts_us: Ints
    agents: Sequence[str]


def _put_together(pack: Pack, spilled: Spilled, stretch: _Stretch) -> SessionLines:
    """The lines of a stretch. Raises TraceError where the texts cannot be read back."""
    heads = stretch.ordered.heads
    frames = map(frame_text, stretch.ids, ms_texts(stretch.starts_us), heads["client"].tolist(), stretch.agents)
    around = "".join(frames).encode().splitlines(keepends=True)
    befores, behinds = map(bytes.rstrip, around[::2]), around[1::2]
    lines = list(zip(befores, _steps(spilled, stretch.ordered), behinds, strict=True))
    return SessionLines(
        text=pack(b"".join(chain.from_iterable(lines))),
        starts_ms=(stretch.starts_us / 1_000).tolist(),
        steps=int(heads["steps"].sum()),
        long=[b"".join(lines[n]) for n in np.flatnonzero(heads["is_long"]).tolist()],
    )


def _steps(spilled: Spilled, ordered: Ordered) -> list[memoryview]:
    """The JSON of the steps of each session."""
    order = np.argsort(ordered.texts_at)
    at, sizes = ordered.texts_at[order], ordered.heads["size_bytes"][order]
    begins_piece = np.flatnonzero(np.concatenate([[True], at[1:] != at[:-1] + sizes[:-1]]))
    lengths = np.add.reduceat(sizes, begins_piece)
    pieces = zip(at[begins_piece].tolist(), lengths.tolist(), strict=True)
    texts = memoryview(b"".join(spilled.get(begin, length) for begin, length in pieces))
    ends = np.empty(len(order), np.int64)
    ends[order] = np.cumsum(sizes)
    begins = ends - ordered.heads["size_bytes"] + 1  # behind a line break
    return [texts[begin:end] for begin, end in zip(begins.tolist(), ends.tolist(), strict=True)]


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
