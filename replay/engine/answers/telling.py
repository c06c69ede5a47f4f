"""What one attempt was answered: its status, size and content, a document's shape, and what a model says of itself.

Bodies are read in slices, as shapes are. They come from targets, so whatever they hold is data: one that cannot be
read as what it claims to be is text.
"""

from collections.abc import Callable, Generator
from typing import Any

from replay.dialects.bodies import read_body
from replay.dialects.documents import read_document
from replay.dialects.streams import StreamReader
from replay.dialects.types import StreamFacts
from replay.engine.answers.digests import Digests
from replay.engine.answers.shape import Shape, Values, reading
from replay.engine.attempt import Attempt
from replay.http.codings import uncoded
from replay.results.answer_types import AnswerRecord
from replay.trace.types import Step
from replay.trace.values.extracting import MOST_BODY_BYTES

# What a whole answer says went wrong; every other error of one follows from its status, or from what was expected.
_SAID = ("model_error", "rpc_error", "grpc_error", "tool_error", "graphql_error", "input_required", "cut_short")
Told = tuple[AnswerRecord, Shape | None]


def telling(attempt: Attempt, digests: Digests | None) -> Generator[None, None, Told]:
    """Tell in slices; the generator returns what is to be recorded. The attempt's body is forgotten on the way.

    digests: None where values are of no account.
    """
    step: Step = attempt.step
    told = AnswerRecord(attempt.walk.id, step.id, step.kind, step.name)
    kept, attempt.captured = attempt.captured, None
    if attempt.phase is not None or not attempt.status:
        told.error = attempt.error or "no answer"
        return told, None
    told.status, told.bytes = attempt.status, attempt.response_bytes
    told.error = attempt.error if attempt.error in _SAID else None
    if attempt.events is not None:
        _tell_stream(told, attempt.events)
        return told, None
    body = bytes(kept or b"")
    if attempt.step.grpc is not None and attempt.status == 200:
        # Where the target describes its messages they were made JSON; else they are bytes.
        if read_document(body) is None:
            told.content = "coded" if body else "empty"
            return told, None
        yield
        return told, (yield from _tell_body(told, attempt, body, digests))
    told.is_cut = attempt.method != "HEAD" and attempt.response_bytes > len(body)
    if attempt.content_encoding is not None:
        plain = (
            None if told.is_cut else uncoded(body, attempt.content_encoding.decode("latin-1"), MOST_BODY_BYTES)
        )
        if plain is None:
            told.content = "coded"
            return told, None
        body = plain
        if attempt.is_stream and _holds_events(body, told, attempt.family):
            return told, None
    yield
    return told, (yield from _tell_body(told, attempt, body, digests))


def _tell_body(
    told: AnswerRecord, attempt: Attempt, body: bytes, digests: Digests | None
) -> Generator[None, None, Shape | None]:
    document = None if told.is_cut else read_document(body)
    if told.is_cut:
        told.content = "json" if body.lstrip()[:1] in (b"{", b"[") else "text"
    elif document is not None or body.strip() == b"null":
        told.content = "json"
    else:
        told.content = "text" if body else "empty"
    facts = attempt.facts
    if facts is None and (attempt.family == "model" or told.kind == "llm"):
        facts = read_body(body, "model")
    if facts is not None:
        told.finish_reasons, told.tool_names = facts.finish_reasons, facts.tool_names
    if told.is_cut or told.content == "empty" or (told.content == "text" and digests is None):
        return None
    yield
    values: list[tuple[int, str, str]] = []
    if told.content == "text":
        document = body.decode("utf-8", "replace")
    shape = yield from reading(document, None if digests is None else _noting(digests, values))
    told.values = values or None
    return shape


def _noting(digests: Digests, values: list[tuple[int, str, str]]) -> Callable[[Values], None]:
    def take(found: Values) -> None:
        values.append((found.place, *digests.of(found)))

    return take


def _holds_events(body: bytes, told: AnswerRecord, family: Any) -> bool:
    """Tell of an event stream that came compressed, which no wire looks into; False if it is none."""
    reader = StreamReader(family)
    reader.feed(body, 0)
    reader.finish()
    if reader.has_events:
        _tell_stream(told, reader)
    return reader.has_events


def _tell_stream(told: AnswerRecord, events: StreamFacts) -> None:
    told.content, told.layout = "stream", events.layout
    told.finish_reasons, told.tool_names = events.finish_reasons, events.tool_names
