"""What modelled models say, in the dialect in which they were asked: whole, or streamed as chunks of HTTP/1.1.

A token is a word. Events are rendered once, at import, around the place of the answer's name, so that a token costs
one concatenation.
"""

from collections.abc import Iterable

from replay.dialects.asked import answered_in
from replay.dialects.registry import DIALECTS
from replay.dialects.types import Answering, Layout

WORDS = tuple(
    b"the case is open and its owner has been told so we wait for one more answer before we close it".split()
)
CONTENT_TYPE = b"application/json"
STREAM_TYPE = b"text/event-stream; charset=utf-8"
_NAME = b"#" * 16
_LAST_CHUNK = b"0\r\n\r\n"


class Wording:
    """Answers in one dialect."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._first = _cut(_chunk(answering.token(_NAME, WORDS[0] + b" ", True)))
        self._next = [_cut(_chunk(answering.token(_NAME, word + b" ", False))) for word in WORDS]
        self._end = _cut(b"".join(map(_chunk, answering.end(_NAME))) + _LAST_CHUNK)

    def token(self, name: bytes, n: int) -> bytes:
        """Token n (from 0) of the answer called `name`, as one chunk."""
        return name.join(self._next[n % len(self._next)] if n else self._first)

    def end(self, name: bytes) -> bytes:
        """The end of a stream, and the last chunk."""
        return name.join(self._end)

    def whole(self, name: bytes, tokens: int, prompt: int) -> bytes:
        """An answer as one JSON document. prompt: the tokens of what was asked."""
        rounds, rest = divmod(tokens, len(WORDS))
        return self._answering.whole(name, b" ".join(WORDS * rounds + WORDS[:rest]), tokens, prompt)


def _chunk(event: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(event), event)


def _cut(chunks: bytes) -> list[bytes]:
    """In parts, between which the name belongs."""
    return chunks.split(_NAME)


def _all() -> Iterable[tuple[Layout, Wording]]:
    for dialect in DIALECTS:
        if dialect.answering is not None:
            yield dialect.layout, Wording(dialect.answering)


_WORDINGS = dict(_all())


def answer_name(number: int) -> bytes:
    return b"%016x" % number


def wording_at(path: bytes) -> Wording | None:
    """The dialect in which model calls at a path, without its query, are answered; None where no model is asked."""
    dialect = answered_in(path)
    return None if dialect is None else _WORDINGS[dialect.layout]
