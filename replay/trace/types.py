"""What a trace is made of: a header, sessions, steps, and the edges between steps.

These mirror the trace file (JSON Lines) field for field. Times are milliseconds, as recorded; the engine
converts once, when a session is loaded. Fields that this version does not know are kept in `extra`, so that
reading, transforming and writing a trace loses nothing: they stand beside the known fields in the file.

Decoding is strict (unknown fields are refused), because that is the fast way and nearly every line has none;
replay/trace/file/stream.py sets the unknown fields of the other lines aside first.
"""

from typing import Any, Literal

import msgspec

FORMAT = "replay-trace"
VERSION = 1

# The name under which msgspec itself would read and write `extra`; the file room never lets it reach a file.
EXTRA = "(unknown fields)"

Kind = Literal["llm", "tool", "http", "mcp"]
Anchor = Literal["end", "first_byte", "start"]
# Whether a recording or an import keeps what responses held.
Responses = Literal["keep", "drop"]


class Edge(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """Why a step waits for another: `delay_ms` after that step's start, first byte or end."""

    step: str
    anchor: Anchor = "end"
    delay_ms: float = 0.0
    extra: dict[str, Any] | None = msgspec.field(default=None, name=EXTRA)


class Request(msgspec.Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """One recorded HTTP request; at most one of body, json, body_base64 and body_bytes is set.

    body_bytes is a size in bytes, filled deterministically when the request is sent.
    """

    method: str
    path: str
    headers: dict[str, str] = {}
    body: str | None = None
    json: msgspec.Raw = msgspec.Raw(b"")
    body_base64: str | None = None
    body_bytes: int | None = None
    extra: dict[str, Any] | None = msgspec.field(default=None, name=EXTRA)


class LlmCall(msgspec.Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """A model call by its token counts; the target's shape turns it into a request.

    prefix: block ids of the prompt, in order; equal ids mean equal blocks, so prefix caches see the same reuse.
    prefix_block_tokens: tokens in one such block.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    model: str | None = None
    stream: bool = False
    prefix: tuple[int, ...] = ()
    prefix_block_tokens: int | None = None
    extra: dict[str, Any] | None = msgspec.field(default=None, name=EXTRA)


class Recorded(msgspec.Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """What the recording saw of the response.

    response_json, response_headers: a small JSON body and headers without secrets, where the recording was to keep
    them; replays make no use of them, `replay trace correlate` does.
    """

    status: int | None = None
    ttft_ms: float | None = None
    request_bytes: int | None = None
    response_bytes: int | None = None
    cold: bool | None = None
    response_json: Any = None
    response_headers: dict[str, str] = {}
    extra: dict[str, Any] | None = msgspec.field(default=None, name=EXTRA)


class Extract(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """Where a value is in a step's response: one of a JSON pointer (RFC 6901) into its body, a header's name, and a
    regular expression over its body, of which the first group counts, or else the whole match.
    """

    json: str | None = None
    header: str | None = None
    regex: str | None = None


JsonType = Literal["string", "number", "integer", "boolean", "array", "object", "null"]


class JsonCheck(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """What a JSON pointer into a body has to lead to; all that is given must hold. min, max: of a number."""

    exists: bool | None = None
    equals: Any = msgspec.UNSET
    type: JsonType | None = None
    min: float | None = None
    max: float | None = None


class Expect(msgspec.Struct, frozen=True, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """What a step's answer has to be; all that is given must hold.

    status: one of these, as numbers or as classes such as "2xx". header: names with the value, in which * stands for
    anything. contains: texts that are in the body. matches: a regular expression that is found in it. json: JSON
    pointers (RFC 6901) into it. max_bytes: its size at most. Without a status, that is held to the recorded one.
    """

    status: int | str | tuple[int | str, ...] = ()
    header: dict[str, str] = {}
    contains: str | tuple[str, ...] = ()
    matches: str | None = None
    json: dict[str, JsonCheck] = {}
    max_bytes: int | None = None


class Step(msgspec.Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """One call the agent made; with neither request nor llm, a pure wait of took_ms.

    at_ms: recorded start, from the session's start. took_ms: recorded duration; None where unknown. extract: values
    to take from its response, by name; `{{name}}` stands for them in later requests of the session. expect: what its
    answer has to be; None: what was recorded, or else a status below 400.
    """

    id: str
    kind: Kind
    name: str
    after: tuple[Edge, ...] = ()
    at_ms: float = 0.0
    took_ms: float | None = None
    request: Request | None = None
    llm: LlmCall | None = None
    recorded: Recorded | None = None
    attributes: dict[str, str] = {}
    extract: dict[str, Extract] = {}
    expect: Expect | None = None
    extra: dict[str, Any] | None = msgspec.field(default=None, name=EXTRA)

    @property
    def is_wait(self) -> bool:
        return self.request is None and self.llm is None


class Session(msgspec.Struct, gc=False, omit_defaults=True, forbid_unknown_fields=True):
    """One agent run: steps in recorded order, starting start_ms after the trace's start."""

    id: str
    start_ms: float
    steps: list[Step]
    attributes: dict[str, str] = {}
    extra: dict[str, Any] | None = msgspec.field(default=None, name=EXTRA)


class Header(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True):
    """The first line of a trace. resolution_ms says how fine the recording's timestamps were. origins: where its
    requests went when it was recorded (see replay/trace/origins.py); a replay is not to go there by mistake.
    """

    format: str
    version: int
    name: str
    source: str | None = None
    resolution_ms: float | None = None
    attributes: dict[str, Any] = {}
    origins: tuple[str, ...] = ()
    extra: dict[str, Any] | None = msgspec.field(default=None, name=EXTRA)
