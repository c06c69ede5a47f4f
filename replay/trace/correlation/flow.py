"""How values flow through one recorded session: from responses into later requests. Pure.

The session is walked in the order of its recorded times. A response offers its values when it is complete: JSON
texts and whole numbers, and headers. A request asks for each of its places if what stands there was offered. What an
earlier request held already came from somewhere else, and is not offered. The first response that offers a value is
where it comes from.

A value has 6 to 512 visible characters, or is a number of 4 digits or more. It may be all that stands in a place, or,
if it looks like an id and has 8 characters or more, a part of it between characters that no id has.
"""

import heapq
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from replay.trace.correlation.slots import rewritten
from replay.trace.edges.names import grouped_name
from replay.trace.redaction.names import REDACTED
from replay.trace.types import Extract, Recorded, Session, Step

_SHORTEST_NUMBER = 4
_SHORTEST_PART = 8
_MOST_LEAVES = 5_000
_MOST_DEPTH = 64
_MOST_POINTERS = 1 << 14  # kept, since the same few come again with every response
_IS_VALUE = re.compile(r"[!#-\[\]-~]{6,512}").fullmatch
_WIDE_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.~=+:\-]{7,511}")
_NARROW_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_\-]{7,511}")

# Given a text, and whether it is all that stands in a place, what is to stand there instead; None: it stays.
Find = Callable[[str, bool], str | None]


class Link(NamedTuple):
    """A way that a value takes: where in the response of which step it is, and where in which step's request."""

    step: str
    extract: Extract
    to_step: str
    place: str


class Found(NamedTuple):
    """A link seen in a session, by the places of its steps in the session, and the value."""

    link: Link
    from_index: int
    to_index: int
    value: str


class Flow(msgspec.Struct):
    """What was seen in one session. names: of its steps, with values in paths as `*`. places: of each request.

    redacted: places whose value the recording took away, as the name of the step and the place. order: of the
    events, as the index of a step and whether it was answered then; otherwise it was sent.
    """

    found: list[Found]
    names: list[str]
    places: list[set[str]]
    order: list[tuple[int, bool]]
    redacted: set[tuple[str, str]]


class _Origin(NamedTuple):
    step_index: int
    extract: Extract


def is_value(text: str) -> bool:
    """Whether a text may be a value that a client sends back."""
    if text.isdigit():
        return len(text) >= _SHORTEST_NUMBER and text.isascii()
    return _IS_VALUE(text) is not None


def looks_like_id(value: str) -> bool:
    """Whether a value has digits, or capitals within: words of a language seldom do."""
    return any(c.isdigit() for c in value) or (value[1:] != value[1:].lower() and value != value.upper())


def leaves(recorded: Recorded | None) -> Iterator[tuple[Extract, str]]:
    """What a kept response holds, and where: texts and whole numbers of its JSON, then its headers."""
    if recorded is None:
        return
    for pointer, text in islice(_pointed(recorded.response_json, "", 0), _MOST_LEAVES):
        yield _at(pointer), text
    for name, value in recorded.response_headers.items():
        yield Extract(header=name), value


def flow_of(session: Session, resolution_ms: float) -> Flow:
    """Walk the session. resolution_ms: an answer that seems later than what follows it by no more was earlier."""
    flow = Flow([], [step.name for step in session.steps], [set() for _ in session.steps], [], set())
    values = _Values()
    for index, is_answer in _events(session.steps, resolution_ms):
        flow.order.append((index, is_answer))
        if is_answer:
            values.offer(index, session.steps[index])
        else:
            _ask(index, session.steps[index], values, flow)
    return flow


def replaced(text: str, find: Find) -> str:
    """The text with what `find` gives for all of it, or else for its parts."""
    if is_value(text):
        whole = find(text, True)
        if whole is not None:
            return whole

    def wide(part: re.Match[str]) -> str:
        found = find(part[0], False)
        return _NARROW_PART.sub(narrow, part[0]) if found is None else found

    def narrow(part: re.Match[str]) -> str:
        found = find(part[0], False)
        return part[0] if found is None else found

    return _WIDE_PART.sub(wide, text) if len(text) >= _SHORTEST_PART else text


@lru_cache(_MOST_POINTERS)
def _at(pointer: str) -> Extract:
    return Extract(json=pointer)


def _events(steps: list[Step], resolution_ms: float) -> Iterator[tuple[int, bool]]:
    """The steps as they were sent, and, with True, as they were answered, in the order of time."""
    pending: list[tuple[float, int]] = []
    for index in sorted(range(len(steps)), key=lambda index: (steps[index].at_ms, index)):
        step = steps[index]
        while pending and pending[0][0] <= step.at_ms:
            yield heapq.heappop(pending)[1], True
        yield index, False
        if step.recorded is not None and step.took_ms is not None:
            heapq.heappush(pending, (step.at_ms + step.took_ms - resolution_ms, index))
    while pending:
        yield heapq.heappop(pending)[1], True


class _Values:
    """What was offered and asked for so far."""

    def __init__(self) -> None:
        self.offered: dict[str, _Origin] = {}
        self._asked: set[str] = set()
        self._known: dict[str, tuple[str, ...]] = {}

    def offer(self, index: int, step: Step) -> None:
        """A response is complete."""
        best: dict[str, Extract] = {}
        for extract, text in leaves(step.recorded):
            if is_value(text) and text not in self._asked and text not in self.offered:
                before = best.get(text)
                if before is None or _list_places(extract) < _list_places(before):
                    best[text] = extract
        for text, extract in best.items():
            self.offered[text] = _Origin(index, extract)

    def taken(self, text: str) -> tuple[str, ...]:
        """The values that stand in a text of a request.

        What a text held when it was first asked for is what it holds ever after, since none of its other parts can be
        offered any more. So conversations, which come again and again, are searched once.
        """
        found = self._known.get(text)
        if found is None:
            found = self._known[text] = self._search(text)
        return found

    def _search(self, text: str) -> tuple[str, ...]:
        parts = {text} if is_value(text) else set()
        if len(text) >= _SHORTEST_PART:
            parts.update(_WIDE_PART.findall(text), _NARROW_PART.findall(text))
        self._asked |= parts
        if self.offered.keys().isdisjoint(parts):
            return ()
        found: dict[str, None] = {}

        def find(part: str, is_whole: bool) -> str | None:
            if part not in self.offered or not (is_whole or (looks_like_id(part) and not part.isdigit())):
                return None
            found[part] = None
            return part

        replaced(text, find)
        return tuple(found)


def _list_places(extract: Extract) -> int:
    """How many places in lists a pointer names: those may be others in the next run."""
    return sum(part.isdigit() for part in (extract.json or "").split("/"))


def _ask(index: int, step: Step, values: _Values, flow: Flow) -> None:
    request = step.request
    if request is None:
        return
    here: dict[tuple[str, str], _Origin] = {}

    def look(place: str, text: str) -> str:
        flow.places[index].add(place)
        if text == REDACTED:
            flow.redacted.add((step.name, place))
        for value in values.taken(text):
            here.setdefault((place, value), values.offered[value])
        return text

    rewritten(request, look)
    if any(place.startswith("path ") for place, _ in here) and step.name == grouped_name(
        request.method, request.path
    ):
        flow.names[index] = _name_without_values(step, here)
    for (place, value), origin in here.items():
        link = Link(flow.names[origin.step_index], origin.extract, flow.names[index], place)
        flow.found.append(Found(link, origin.step_index, index, value))


def _name_without_values(step: Step, here: dict[tuple[str, str], _Origin]) -> str:
    """The name that the step would have had if its path's values looked like ids."""
    request = step.request
    assert request is not None

    def find(place: str, text: str) -> str:
        return replaced(text, lambda part, _: "0" if (place, part) in here else None)

    return grouped_name(request.method, rewritten(request, find).path)


def _pointed(value: Any, pointer: str, depth: int) -> Iterator[tuple[str, str]]:
    """The texts and whole numbers of a JSON document, with their pointers (RFC 6901)."""
    if isinstance(value, str):
        yield pointer, value
    elif isinstance(value, int) and not isinstance(value, bool):
        yield pointer, str(value)
    elif depth < _MOST_DEPTH:
        pairs = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
        for key, inner in pairs:
            part = str(key).replace("~", "~0").replace("/", "~1")
            yield from _pointed(inner, f"{pointer}/{part}", depth + 1)
