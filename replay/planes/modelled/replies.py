"""What a reply is beside its time: status, headers and body, as a model or a recording has it. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from replay.planes.modelled.answers import ANSWERED
from replay.planes.modelled.script import Recorded
from replay.planes.modelled.tools import spoken
from replay.planes.modelled.types import Asked
from replay.planes.modelled.wording import CONTENT_TYPE
from replay.planes.recorded.bodies import Filled, body_of, filled
from replay.planes.recorded.keys import is_preparing
from replay.planes.recorded.types import Question, RecordedAnswer

_FAILED_STATUS = 502
# A stream of events in which a comment, which is none, stands for each part of its time.
_EVENTS, _SILENCE = b"text/event-stream", Filled(b":\n\n" * 8)


class Reply(NamedTuple):
    """body: of an answer that is not told in tokens. lines: further header lines, with their ends.

    size_bytes: of a model's answer that comes whole; None where it is as large as it is. prompt_tokens: None: as many
    as were asked.
    """

    status: int = 200
    content_type: bytes = CONTENT_TYPE
    lines: bytes = b""
    body: Filled = Filled(ANSWERED)
    size_bytes: int | None = None
    prompt_tokens: int | None = None


USUAL = Reply()


def replied(
    answer: RecordedAnswer, question: Question, asked: Asked, *, can_tell_tokens: bool
) -> tuple[Recorded, Asked, Reply]:
    """What the script is told of an answer, what is taken for asked, and what is sent.

    can_tell_tokens: whether models are asked at this path in a layout that is known.
    """
    status = _FAILED_STATUS if answer.status is None else answer.status
    # A request that is only like the recorded one may want its answer otherwise.
    streams = asked.stream or (answer.is_exact and answer.is_stream)
    tells_tokens = can_tell_tokens and status < 300 and (streams or not answer.json)
    recorded = Recorded(
        answer.took_ms, answer.first_ms, answer.kind, answer.name, answer.output_tokens, not tells_tokens
    )
    content_type, lines = CONTENT_TYPE, b""
    for name, value in answer.headers:
        if name.lower() == "content-type":
            content_type = value.encode("latin-1") or CONTENT_TYPE
        else:
            lines += f"{name}: {value}\r\n".encode("latin-1")
    wanted = msgspec.structs.replace(asked, stream=streams)
    if tells_tokens:
        return (
            recorded,
            wanted,
            Reply(status, CONTENT_TYPE, lines, Filled(b""), answer.body_bytes, answer.input_tokens),
        )
    return recorded, wanted, Reply(status, content_type, lines, body_of(answer, question))


def prepared(question: Question, answer: RecordedAnswer | None, tools: Sequence[str] = ()) -> Reply | None:
    """What an MCP server says where a client opens a session, or the like, and the recording has not kept an answer.

    answer: the recorded one, which is of that size and may be a refusal. tools: those of the recording. None where the
    recording answers: also a leave, and a request for messages of the server's own, which is a stream that has none.
    """
    if answer is not None and (answer.json or answer.status is None or answer.status >= 300):
        return None
    if not is_preparing(question):
        return None
    if answer is not None and question.method == b"GET":
        return Reply(200, _EVENTS, body=_SILENCE)
    if answer is not None and question.method == b"DELETE":
        return None
    said = spoken(question.method, question.body, *([tools] if tools else []))
    return Reply(said.status, body=filled(said.body, None if answer is None else answer.body_bytes))
