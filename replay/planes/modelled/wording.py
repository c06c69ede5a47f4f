"""What modelled models say, in the dialect in which they were asked: whole, or streamed as chunks of HTTP/1.1.

A token is a word. Events are rendered once, at import, around the place of the answer's name, so that a token costs
one concatenation.
"""

from collections.abc import Iterable

from replay.dialects.asked import answered_in
from replay.dialects.registry import DIALECTS
from replay.dialects.types import Answering, Layout, Scripted

WORDS = tuple(
    b"the case is open and its owner has been told so we wait for one more answer before we close it".split()
)
CONTENT_TYPE = b"application/json"
_NAME = b"#" * 16
_LAST_CHUNK = b"0\r\n\r\n"


class Wording:
    """Answers in one dialect. stream_type: the content type of its streams."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self.stream_type = answering.stream_type
        token = answering.token
        self._tokens = [] if token is None else [_cut(_chunk(token(_NAME, word + b" "))) for word in WORDS]

    def token(self, answer: Scripted, n: int) -> bytes:
        """Token n (from 0) of an answer, each event a chunk; the first with what a stream begins with."""
        token = answer.name.join(self._tokens[n % len(self._tokens)])
        if n:
            return token
        assert self._answering.begin is not None
        return b"".join(map(_chunk, self._answering.begin(answer))) + token

    def end(self, answer: Scripted) -> bytes:
        """The end of a stream, and the last chunk."""
        assert self._answering.end is not None
        return b"".join(map(_chunk, self._answering.end(answer, text_of(answer.tokens) + b" "))) + _LAST_CHUNK

    def whole(self, answer: Scripted) -> bytes:
        """An answer as one JSON document."""
        return self._answering.whole(answer, text_of(answer.tokens))


def text_of(tokens: int) -> bytes:
    rounds, rest = divmod(tokens, len(WORDS))
    return b" ".join(WORDS * rounds + WORDS[:rest])


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
