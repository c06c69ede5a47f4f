"""What a request says that may find its answer, and an answer as it was recorded."""

from typing import Literal, NamedTuple

from replay.trace.types import Kind, Until

Way = Literal["step", "body", "path", "name"]
"""How an answer was found: by the step that the request names; by method, path and body; by method and path; by kind
and name."""
Ids = tuple[str, str]
"""Of a session and of a step in it."""


class Question(NamedTuple):
    """A request. target: with its query. body: without its framing; None where it is too large to be looked at.

    ids: of the step that it says it is. told: kind and name that it says it has. usual: those that its path tells.
    """

    method: bytes
    target: bytes
    body: bytes | None
    ids: Ids | None
    told: tuple[Kind, str] | None
    usual: tuple[Kind, str]


class Ending(NamedTuple):
    """What ended a recorded step on a WebSocket. until: None where that was that its message was sent. is_known: False
    where there was no room to keep it.
    """

    until: Until | None
    is_known: bool = True


class RecordedAnswer(NamedTuple):
    """first_ms: until its first byte, or a stream's first token; None where only the whole is known.

    on_socket: of a message on a WebSocket.
    status: None where the recording has no answer, because the request failed. is_stream: False also where it is not
    known. body_bytes: None where it is not known. json: the body, where it was kept; else empty. headers: those kept.
    """

    way: Way
    kind: Kind
    name: str
    status: int | None
    took_ms: float
    first_ms: float | None
    is_stream: bool
    input_tokens: int | None
    output_tokens: int | None
    body_bytes: int | None
    json: bytes
    headers: tuple[tuple[str, str], ...]
    on_socket: Ending | None = None

    @property
    def is_exact(self) -> bool:
        """Whether the request is the recorded one, not only like it."""
        return self.way in ("step", "body")
