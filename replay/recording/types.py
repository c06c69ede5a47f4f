"""What a recording is made of: where requests go, what is kept of them, one exchange, and the journal's lines."""

from typing import Any, Literal

import msgspec

from replay.trace.types import Step, WsAction

JOURNAL_FORMAT = "replay-journal"
JOURNAL_VERSION = 1
# Stamps are taken in ns and kept to the microsecond.
RESOLUTION_MS = 0.001

Bodies = Literal["keep", "hash", "drop"]
# How a request's session was told.
ToldBy = Literal["header", "traceparent", "cookie", "client"]


class Upstream(msgspec.Struct, frozen=True):
    """Where requests are passed on to. name: empty for the only one. base_path: without a slash at its end."""

    name: str
    host: str
    port: int
    is_tls: bool
    authority: str
    base_path: str = ""


class Route(msgspec.Struct, frozen=True):
    """Paths that are prefix, or lie under it, go to upstream. strips: whether they go there without the prefix."""

    prefix: str
    upstream: Upstream
    strips: bool = False


class SessionRules(msgspec.Struct, frozen=True):
    """How sessions are told apart. idle_gap_s: silence that ends a session told by cookie or client address."""

    header: str | None = None
    cookie: str | None = None
    idle_gap_s: float = 300.0
    most_open: int = 10_000


class SessionRef(msgspec.Struct, frozen=True):
    """The session that a request belongs to. id: as it may stand in a file."""

    id: str
    told_by: ToldBy


class OnSocket(msgspec.Struct):
    """What an exchange is on a WebSocket. connection: the number of the exchange that opened it.

    is_text, code: of the message, and of closing. messages: that came before the client's next one; names: by which
    pointers and values the last of them is told from the others.
    """

    connection: int
    action: WsAction
    is_text: bool = True
    code: int | None = None
    messages: int = 0
    names: tuple[tuple[str, Any], ...] = ()


class Exchange(msgspec.Struct):
    """One request and what became of it, with its secrets: this never touches a disk.

    path: below the upstream's URL. client_path: as the client asked. Times: ns, monotonic; None: it did not happen.
    first_token_ns: of a model's stream.
    body: the request's, without its transfer coding; None where it is larger than what is kept. body_hash: of all of
    it. is_cut_short: whether the request's body did not come to its end. usage: token counts seen in the response.
    content_type: the media type of the response's body.
    response_headers, response_body: only where they are to be kept; the body without its transfer coding, None where it
    is too large. fault: what went wrong, in words. socket: None for a request; else body is the message, and the
    response all that came before the client's next.
    """

    number: int
    session: SessionRef
    method: str
    path: str
    client_path: str
    headers: list[tuple[str, str]]
    upstream: str
    begin_ns: int
    first_byte_ns: int | None = None
    first_token_ns: int | None = None
    end_ns: int | None = None
    body: bytes | None = b""
    body_bytes: int = 0
    body_hash: str | None = None
    is_cut_short: bool = False
    status: int | None = None
    response_bytes: int = 0
    content_type: str | None = None
    usage: dict[str, int] = {}
    response_headers: list[tuple[str, str]] = []
    response_body: bytes | None = None
    fault: str | None = None
    socket: OnSocket | None = None


class JournalHeader(msgspec.Struct, omit_defaults=True):
    """The journal's first line. started: wall time, ISO 8601 in UTC. origins: of the upstreams."""

    format: str
    version: int
    name: str
    source: str
    started: str
    attributes: dict[str, str] = {}
    origins: tuple[str, ...] = ()


class JournalEntry(msgspec.Struct, omit_defaults=True):
    """Every other line of the journal: a step, without edges, at_ms from the recording's start.

    A later line with the same step replaces an earlier one, which was written while the step went on; its session may
    be another, where the answer told it.
    """

    session: str
    told_by: ToldBy
    step: Step
