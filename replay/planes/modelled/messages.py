"""What a modelled target says on a WebSocket: messages that end a step as its trace says, or a model's answer. Pure."""

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import msgspec

from replay.dialects.asked import answered_in
from replay.dialects.documents import read_document
from replay.dialects.types import Answering, Scripted
from replay.planes.modelled.wording import WORDS, text_of
from replay.planes.recorded.bodies import Filled, filled
from replay.trace.types import Until
from replay.trace.values.sockets import Named
from replay.websocket.types import MOST_MESSAGE_BYTES

_ASKS = "response.create"
_ID = "/id"
_DATA = b"data: "


class Said(Protocol):
    """What is said in answer to one message, in so many parts, each at an instant of its own."""

    @property
    def parts(self) -> int: ...

    def part(self, n: int) -> Sequence[Filled]:
        """The messages of part n, from 0."""


class Messages(NamedTuple):
    """The same message again and again, or another one before it. other: what comes first, and ends nothing."""

    last: Filled
    parts: int = 1
    other: Filled | None = None

    def part(self, n: int) -> Sequence[Filled]:
        return [self.last if self.other is None or n else self.other]


class ModelsAnswer(NamedTuple):
    """The events of a model's answer, each a message; a part is a token, with what comes before or after it."""

    answering: Answering
    scripted: Scripted

    @property
    def parts(self) -> int:
        return self.scripted.tokens

    def part(self, n: int) -> Sequence[Filled]:
        answering, scripted = self.answering, self.scripted
        assert answering.begin is not None
        assert answering.token is not None
        assert answering.end is not None
        events = [] if n else [*answering.begin(scripted)]
        events.append(answering.token(scripted.name, WORDS[n % len(WORDS)] + b" "))
        if n == self.parts - 1:
            events += answering.end(scripted, text_of(scripted.tokens) + b" ")
        return [Filled(_data_of(event)) for event in events]


def asks_model(path: bytes, message: bytes) -> Answering | None:
    """How a model is answered that a message on this path, without its query, asks; None where it asks none."""
    dialect = answered_in(path)
    if dialect is None or dialect.prompting is None or dialect.prompting.conversing is None:
        return None
    document = read_document(message)
    is_asked = isinstance(document, dict) and document.get("type") == _ASKS
    return dialect.answering if is_asked else None


def usual_answer(message: bytes) -> Messages:
    """The answer to a message of which nobody knows what ends it: with its own id, and done, or a JSON-RPC result."""
    document = read_document(message)
    asked = document if isinstance(document, dict) else {}
    own = {"id": asked["id"]} if "id" in asked else {}
    if "jsonrpc" in asked:
        return Messages(Filled(_encoded({"jsonrpc": "2.0", **own, "result": {}})))
    return Messages(Filled(_encoded({"type": "done", **own, "answer": "modelled"})))


def ending(
    until: Until, kept: bytes = b"", size: int | None = None, *, is_slow: bool = False
) -> Messages | None:
    """The messages that end a step as `until` says; None where no message can.

    kept: the last message as it was recorded, if that was kept. size: of all together, where that is known. is_slow:
    whether the first message is to come before the last.
    """
    named = Named(until)
    last = next((one for one in _candidates(until, kept) if named.fits(one)), None)
    if last is None:
        return None
    if until.messages > 1:
        return Messages(_sized(last, None if size is None else size // until.messages), until.messages)
    other = next((one for one in (b"{}", b'""') if not named.fits(one)), None)
    if not is_slow or other is None:
        return Messages(_sized(last, size))
    return Messages(_sized(last, None if size is None else size - len(other)), 2, Filled(other))


def with_id_of(until: Until, message: bytes) -> Until:
    """The same where a step ends with the answer to its own id, and the message has another than was recorded."""
    if until.json != _ID or until.equals is msgspec.UNSET:
        return until
    document = read_document(message)
    if not isinstance(document, dict) or "id" not in document:
        return until
    return msgspec.structs.replace(until, equals=document["id"])


def _candidates(until: Until, kept: bytes) -> Iterator[bytes]:
    """Messages that may fit, the likeliest first."""
    if kept:
        yield kept
    text = None if until.text is None else until.text.encode("utf-8", "surrogatepass")
    if until.json is None:
        yield b"{}" if text is None else text
        return
    document: Any = True if until.equals is msgspec.UNSET else until.equals
    for part in reversed(until.json.split("/")[1:]):
        document = {part.replace("~1", "/").replace("~0", "~"): document}
    plain = _encoded(document)
    yield plain
    # As other servers write it.
    yield json.dumps(document).encode()
    if text is not None:
        if isinstance(document, dict):
            yield _encoded({**document, "text": until.text})
            yield plain[:-1] + b"," + text + b"}"
            yield plain[:-1] + b',"text":"' + text + b'"}'
        yield text
        yield plain + text


def _sized(message: bytes, size: int | None) -> Filled:
    """A message of about this size. Blanks after it are no part of a JSON document."""
    return filled(message, None if size is None else min(size, MOST_MESSAGE_BYTES))


def _encoded(document: Any) -> bytes:
    try:
        return msgspec.json.encode(document)
    except UnicodeEncodeError:
        # It holds half a surrogate pair.
        return json.dumps(document, separators=(",", ":")).encode()


def _data_of(event: bytes) -> bytes:
    """The data of an event of a stream, which is one line here."""
    return next(line for line in event.split(b"\n") if line.startswith(_DATA))[len(_DATA) :]
