"""mitmproxy's flow dumps, read by the mitmproxy library: client connections become sessions, HTTP flows steps.

- Sessions are client connections, or with `session_by` the values of a request header; a flow without that header
  stays with its connection. Where the header is named like a secret, sessions are numbered, not named after it.
- A step begins when the proxy read the first byte of the request, and took until it read the last of the response;
  that includes the proxy's own connecting. A flow without a response, or one that ends before it begins, has no
  recorded duration.
- Edges are inferred from the times as replay/trace/edges/concurrent.py says.
- Bodies are kept up to 1 MiB, as JSON where they say so and are, as text where they are UTF-8; longer ones by size,
  and so are compressed ones in which a secret is found, or that cannot be looked into.
  Of responses, headers and JSON bodies up to 64 KiB are kept with `responses` "keep".
- WebSockets are steps as replay/trace/socket_steps.py says; one that the client closed ends so.
- Dropped and counted: flows that are not HTTP, requests that mitmproxy itself replayed, and headers that
  hold secrets. The host becomes an attribute, since a target has its own.

One flow and the kept parts of all are held in memory. The library is the extra `mitmproxy`.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from replay.assembly.call_steps import LONGEST_TEXT
from replay.assembly.requests.log_fields import (
    is_secret_session,
    replayable_path,
    request_session,
    status_of,
)
from replay.assembly.starts import refuse_arrivals
from replay.assembly.types import ImportOptions, ImportResult
from replay.http.codings import uncoded
from replay.reading.damage import Damage
from replay.reading.departures import departure_notes
from replay.reading.inputs import input_files, trace_name
from replay.reading.timestamps import Grain
from replay.trace.edges.concurrent import EdgeCounts, Timed, concurrent_edges
from replay.trace.edges.names import grouped_name
from replay.trace.errors import TraceError, shortened, shown_path
from replay.trace.file.rules import LONGEST_MS, MOST_STEPS
from replay.trace.file.stored import StoredBytes, open_lines
from replay.trace.model_calls import call_by_counts, is_model_path
from replay.trace.origins import OriginTally
from replay.trace.redaction.requests import NO_BODY, Redactor, RequestRedactor
from replay.trace.redaction.responses import (
    MOST_RESPONSE_BYTES,
    is_json_type,
    media_type,
    response_headers,
    response_json,
)
from replay.trace.socket_steps import OpenedSocket, SocketMessage, socket_steps
from replay.trace.types import FORMAT, VERSION, Header, Recorded, Request, Session, Step
from replay.trace.values.sockets import as_request
from replay.websocket.types import BINARY, NORMAL, TEXT
from replay.words.numbers import milliseconds
from replay.words.phrases import counted

_LARGEST_FLOW_BYTES = 256 << 20
_MOST_REQUESTS = 2_000_000
_MOST_BODY_BYTES = 1 << 20
_MOST_KEPT_BYTES = 1 << 30
_MOST_VALUES = 10_000_000
_MOST_METHOD = 20
_END_S = 1 << 33  # the year 2242
_TICK_NS = 1_000
_REDACTOR = Redactor()
# A dump is netstrings: a length, then the length, name and value of the first field of a flow's state.
_FIRST_FIELD = re.compile(
    rb"\d{2,12}:\d{1,2}:(?:websocket|response|request|messages|error|type|id|version|backup|intercepted|is_replay"
    rb"|marked|metadata|comment|client_conn|server_conn|timestamp_created)[;,]"
).match

# A flow as the library gives it, and its reader. Any: the library is not there when types are checked.
_Flow = Any
_Reader = Callable[[BinaryIO], Any]


class _Call(msgspec.Struct):
    """One flow. took_us: None where no response was recorded. group: what tells its session, and that one's name."""

    start_us: int
    took_us: int | None
    group: tuple[bool, str]
    step: Step


class _Counts(msgspec.Struct):
    flows: int = 0
    not_http: int = 0
    websockets: int = 0
    unasked_messages: int = 0
    replayed: int = 0
    not_replayable: int = 0
    without_time: int = 0
    without_body: int = 0
    long_bodies: int = 0
    coded_bodies: int = 0
    counted_calls: int = 0
    images: dict[int, int] = {}
    secret_headers: int = 0
    without_header: int = 0
    without_duration: int = 0
    edges: EdgeCounts = msgspec.field(default_factory=EdgeCounts)
    damage: Damage = msgspec.field(default_factory=Damage)


class Mitmproxy:
    """The importer; see the head of this module."""

    name = "mitmproxy"
    describe = "flow dumps of mitmproxy: client connections as sessions, requests as steps"

    def sniff(self, first_bytes: bytes) -> bool:
        return _FIRST_FIELD(first_bytes) is not None

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        refuse_arrivals(self.name, options)
        counts = _Counts(damage=Damage(is_refused=options.strict))
        grain, went_to = Grain(_TICK_NS), OriginTally()
        calls = _calls(input_files(paths, ".*"), options, counts, grain, went_to)
        counts.damage.refuse_most()
        if not calls:
            raise TraceError(f"{shown_path(paths[0])}: no HTTP requests in {counted(counts.flows, 'flow')}.")
        calls.sort(key=lambda call: call.start_us)
        first_us = calls[0].start_us
        if calls[-1].start_us - first_us > LONGEST_MS * 1_000:
            raise TraceError(
                f"{shown_path(paths[0])}: its first and last request are more than 31 years apart."
            )
        sessions = _sessions(calls, first_us, round(grain.ms * 1_000), options, counts)
        found = msgspec.to_builtins(msgspec.structs.replace(counts, images={}))
        del found["damage"]
        header = Header(
            format=FORMAT,
            version=VERSION,
            name=options.name or trace_name(paths),
            source=f"{self.name}: {counted(len(calls), 'request')} in {counted(len(sessions), 'session')}",
            resolution_ms=grain.ms,
            origins=went_to.origins(),
            attributes={
                "import": {
                    "format": self.name,
                    "first_unix_ns": first_us * 1_000,
                    "session_by": options.session_by or "connection",
                    **found,
                }
            },
        )
        notes = tuple(_notes(counts, len(calls), len(sessions), grain.ms))
        return ImportResult(header, lambda: iter(sessions), notes)


class _Bounded:
    """A source that refuses to read more than one flow may take; its lengths are the file's own claim."""

    def __init__(self, source: BinaryIO, file: Path) -> None:
        self._source = source
        self._file = file

    def read(self, n: int = -1) -> bytes:
        if not 0 <= n <= _LARGEST_FLOW_BYTES:
            raise TraceError(
                f"{shown_path(self._file)}: a flow is longer than {_LARGEST_FLOW_BYTES >> 20} MiB; "
                "is it a dump of mitmproxy?"
            )
        data = self._source.read(n)
        # Each value has a length and a colon before it, so there are no more values than colons.
        if data.count(b":") > _MOST_VALUES:
            raise TraceError(f"{shown_path(self._file)}: a flow holds more than {_MOST_VALUES:,} values.")
        return data

    def peek(self, n: int) -> bytes:
        return self._source.peek(n)  # type: ignore[attr-defined,no-any-return]


def _calls(
    files: Sequence[Path], options: ImportOptions, counts: _Counts, grain: Grain, went_to: OriginTally
) -> list[_Call]:
    reader = _reader()
    calls: list[_Call] = []
    kept_bytes = 0
    damage = counts.damage
    for place, flow in damage.of_files(files, lambda file: _flows(file, reader, damage)):
        counts.flows += 1
        try:
            found = _calls_of(flow, options, counts, grain)
            if found:
                _add_origins(flow.request, went_to)
        except Exception as error:  # the library checks a flow's fields only when they are asked for
            damage.lose(_unreadable(place, error))
            continue
        calls += found
        kept_bytes += sum(_kept_bytes(call.step) for call in found)
        if len(calls) > _MOST_REQUESTS or kept_bytes > _MOST_KEPT_BYTES:
            raise TraceError(
                f"{place}: more than {_MOST_REQUESTS:,} requests, or {_MOST_KEPT_BYTES >> 30} GiB of bodies. "
                "Import a part of it at a time."
            )
    return calls


def _add_origins(request: _Flow, went_to: OriginTally) -> None:
    """Where the client meant to go, and where a reverse proxy passed it on to."""
    scheme = _text(request.scheme)
    went_to.add(scheme, _text(request.host_header or ""))
    host = _text(request.host)
    went_to.add(scheme, f"[{host}]:{request.port}" if ":" in host else f"{host}:{request.port}")


def _reader() -> _Reader:
    try:
        from mitmproxy.io import FlowReader
    except ImportError as error:
        raise TraceError(
            "reading flows of mitmproxy needs the extra `mitmproxy`. "
            "Install it with: pip install 'agent-replay[mitmproxy]'"
        ) from error
    reader: _Reader = FlowReader
    return reader


def _flows(file: Path, reader: _Reader, damage: Damage) -> Iterator[tuple[str, _Flow]]:
    """The flows of one file, each with its place. What is left of a dump that was cut off is damaged.

    Raises TraceError where not even the first flow can be read.
    """
    with StoredBytes(file, hashed=False) as stored, open_lines(stored, file) as source:
        if not source.peek(1)[:1].isdigit():  # type: ignore[attr-defined]
            raise TraceError(f"{shown_path(file)}: not a dump of mitmproxy.")
        flows = iter(reader(_Bounded(source, file)).stream())  # type: ignore[arg-type]
        n = 0
        while True:
            n += 1
            place = f"{shown_path(file)}, flow {n}"
            try:
                flow = next(flows)
            except StopIteration:
                return
            except Exception as error:  # whatever a hostile file makes the library raise
                if n == 1:
                    raise _unreadable(place, error) from error
                damage.lines += 1
                damage.lose(_unreadable(place, error))
                return
            damage.lines += 1
            yield place, flow


def _unreadable(place: str, error: Exception) -> TraceError:
    """What to say of a flow that cannot be read; what we said ourselves below the library stays as it is."""
    for each in (error, error.__cause__):
        if isinstance(each, TraceError):
            return each
    said = shortened(str(error).rstrip("."), 200) or type(error).__name__
    return TraceError(
        f"{place}: cannot be read: {said}. "
        "Was it cut off, or written by a newer mitmproxy than the one installed?"
    )


def _calls_of(flow: _Flow, options: ImportOptions, counts: _Counts, grain: Grain) -> Sequence[_Call]:
    """One flow as a call, or as several where it is a WebSocket; none where it is not replayed."""
    call = _call(flow, options, counts, grain)
    if call is None or flow.websocket is None:
        return () if call is None else (call,)
    return _of_socket(flow, call, counts, grain)


def _of_socket(flow: _Flow, call: _Call, counts: _Counts, grain: Grain) -> Sequence[_Call]:
    """The messages of a WebSocket, as its opening was read: a call."""
    request = call.step.request
    assert request is not None
    socket = flow.websocket
    messages = [
        SocketMessage(
            bool(message.from_client), max(at_us, call.start_us), message.type == TEXT, message.content
        )
        for message in socket.messages
        if message.type in (TEXT, BINARY) and (at_us := _us(message.timestamp)) is not None
    ]
    if not messages:
        counts.websockets += 1
        return ()
    closed = None
    if socket.closed_by_client and (at_us := _us(socket.timestamp_end)) is not None:
        closed = at_us, socket.close_code or NORMAL
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in flow.request.headers.fields]
    opened = OpenedSocket(
        request.path, request.headers, call.start_us, call.took_us, _text(flow.id), call.step.attributes
    )
    for recorded in messages:
        grain.add(recorded.at_us)
    made = socket_steps(opened, messages, _REDACTOR.of_request(pairs), closed)
    counts.unasked_messages += made.unasked
    counts.long_bodies += made.filled
    return [_Call(one.start_us, one.took_us, call.group, one.step) for one in made.steps]


def _call(flow: _Flow, options: ImportOptions, counts: _Counts, grain: Grain) -> _Call | None:
    """One flow as a call; None where it is not replayed."""
    if flow.type != "http":
        counts.not_http += 1
        return None
    if flow.is_replay == "request":
        counts.replayed += 1
        return None
    request, response = flow.request, flow.response
    start_us = _us(request.timestamp_start)
    if start_us is None:
        counts.without_time += 1
        return None
    path = replayable_path(request.path)
    method = request.method.upper()
    if path is None or not (method.isascii() and method.isalpha()) or len(method) > _MOST_METHOD:
        counts.not_replayable += 1
        return None
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.fields]
    group = (False, _text(flow.client_conn.id))
    if options.session_by is not None:
        value = request_session(options.session_by, path, pairs)
        counts.without_header += value is None
        group = group if value is None else (True, value)
    clean = _REDACTOR.of_request(pairs)
    path = clean.path(path)
    headers, dropped = clean.headers_and_dropped()
    counts.secret_headers += dropped
    took_us, recorded = _answer(response, start_us)
    counts.without_duration += took_us is None
    if options.responses == "keep" and recorded is not None:
        _keep_response(recorded, response, pairs)
    grain.add(start_us)
    step = Step(
        id="",
        kind="http",
        name=grouped_name(method, path),
        took_ms=None if took_us is None else min(took_us / 1_000, LONGEST_MS),
        request=_request(request, Request(method, path, headers=headers), clean, counts),
        recorded=recorded,
        attributes={"host": _text(request.host_header or request.host)},
    )
    is_left_out = step.request is not None and bool(step.request.body_bytes)
    if is_left_out and response is not None and is_model_path(path):
        _count_call(step, request, response, counts)
    return _Call(start_us, took_us, group, step)


def _count_call(step: Step, request: _Flow, response: _Flow, counts: _Counts) -> None:
    """Make a request whose body is not kept a model call by its counts, where it was one, and they are told."""
    asked, answer = (_plain(message) for message in (request, response))
    if asked is None or answer is None:
        return
    images = counts.images
    llm = call_by_counts(request.path, asked, answer, lambda told: images.setdefault(told, len(images)))
    if llm is not None:
        step.kind, step.request, step.llm = "llm", None, llm
        counts.counted_calls += 1


def _plain(message: _Flow) -> bytes | None:
    """A body without its content coding; None where that cannot be taken off."""
    named = {name.lower(): value for name, value in message.headers.fields}
    coding: str = named.get(b"content-encoding", b"").decode("latin-1")
    return uncoded(message.raw_content or b"", coding, _LARGEST_FLOW_BYTES)


def _answer(response: _Flow | None, start_us: int) -> tuple[int | None, Recorded | None]:
    """How long a request took in us, and what was recorded of its response."""
    if response is None:
        return None, None
    first_us, end_us = _us(response.timestamp_start), _us(response.timestamp_end)
    took_us = None if end_us is None or end_us < start_us else end_us - start_us
    ttft_us = None
    if first_us is not None and took_us is not None and 0 <= first_us - start_us <= took_us:
        ttft_us = first_us - start_us
    content = response.raw_content
    named = {name.lower(): value for name, value in response.headers.fields}
    return took_us, Recorded(
        status=status_of(response.status_code),
        ttft_ms=None if ttft_us is None else min(ttft_us / 1_000, LONGEST_MS),
        response_bytes=None if content is None else len(content),
        content_type=media_type(named.get(b"content-type", b"").decode("latin-1")),
    )


def _keep_response(recorded: Recorded, response: _Flow, sent: Sequence[tuple[str, str]]) -> None:
    """Keep the response's headers, and its body where it is a small JSON document."""
    pairs = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.fields]
    clean = _REDACTOR.of_request([*sent, *pairs])
    headers = response_headers(pairs)
    recorded.response_headers = {name: clean.header(value) for name, value in headers.items()}
    named = {name.lower(): value for name, value in pairs}
    if not response.raw_content or not is_json_type(named.get("content-type", "")):
        return
    body = uncoded(response.raw_content, named.get("content-encoding", ""), MOST_RESPONSE_BYTES)
    if body is not None and len(body) <= MOST_RESPONSE_BYTES:
        recorded.response_json = response_json(clean.body(body, "application/json").content)


def _request(request: _Flow, made: Request, clean: RequestRedactor, counts: _Counts) -> Request:
    """The request with its body, without secrets and otherwise as it was sent: compressed where it was compressed."""
    content: bytes | None = request.raw_content
    if content is None:
        counts.without_body += 1
    elif len(content) > _MOST_BODY_BYTES:
        counts.long_bodies += 1
        made.body_bytes = len(content)
    elif content:
        named = {name.lower(): value for name, value in made.headers.items()}
        kept = clean.put_body(made, content, named.get("content-type", ""), named.get("content-encoding", ""))
        counts.coded_bodies += kept == NO_BODY
    return made


def _kept_bytes(step: Step) -> int:
    request = step.request if step.ws is None else as_request(step.ws)
    if request is None:
        return 0
    bodies: Iterable[Any] = (request.body, request.body_base64, request.json)
    held = _response_bytes(step.recorded)
    return held + sum(
        len(memoryview(each) if isinstance(each, msgspec.Raw) else each) for each in bodies if each
    )


def _response_bytes(recorded: Recorded | None) -> int:
    """What a kept response takes at most, as text."""
    if recorded is None or recorded.response_json is None:
        return 0
    return recorded.response_bytes or 0


def _us(time_s: object) -> int | None:
    """A Unix time in whole microseconds; None where it is none."""
    if isinstance(time_s, bool) or not isinstance(time_s, (int, float)) or not 0 <= time_s < _END_S:
        return None
    return round(time_s * 1_000_000)


def _text(text: str) -> str:
    return text.encode("utf-8", "replace").decode()[:LONGEST_TEXT]


def _sessions(
    calls: Sequence[_Call], first_us: int, resolution_us: int, options: ImportOptions, counts: _Counts
) -> list[Session]:
    groups: dict[tuple[bool, str], list[_Call]] = {}
    for call in calls:
        groups.setdefault(call.group, []).append(call)
    is_secret = is_secret_session(options.session_by)
    taken: set[str] = set()
    found = []
    for n, ((is_header, value), whole) in enumerate(groups.items(), 1):
        name = (value[:LONGEST_TEXT] if not (is_header and is_secret) else "") or f"s{n}"
        for at in range(0, len(whole), MOST_STEPS):
            session_id = name
            while session_id in taken:
                session_id = f"{name}~{len(taken)}"
            taken.add(session_id)
            found.append(_session(session_id, whole[at : at + MOST_STEPS], first_us, resolution_us, counts))
    return sorted(found, key=lambda session: session.start_ms)


def _session(
    session_id: str, calls: Sequence[_Call], first_us: int, resolution_us: int, counts: _Counts
) -> Session:
    """The calls of one session, in order of start, with their edges."""
    zero_us = calls[0].start_us
    timed = [Timed(str(n), call.start_us - zero_us, call.took_us) for n, call in enumerate(calls, 1)]
    edges = concurrent_edges(timed, resolution_us, counts.edges)
    for call, when, after in zip(calls, timed, edges, strict=True):
        call.step.id, call.step.after, call.step.at_ms = when.id, after, when.start_us / 1_000
    return Session(session_id, (zero_us - first_us) / 1_000, [call.step for call in calls])


def _notes(counts: _Counts, requests: int, sessions: int, resolution_ms: float) -> Iterator[str]:
    yield f"{requests} request(s) of {counts.flows} flow(s): {sessions} session(s)."
    yield f"{counts.edges.followed} request(s) follow those that had ended, which is inferred from the times."
    yield f"Times are recorded to {milliseconds(resolution_ms)}, by the proxy; they include its own connecting."
    yield from counts.damage.notes()
    if counts.without_duration:
        yield f"{counts.without_duration} request(s) have no whole response, and so no recorded duration."
    yield from departure_notes(
        (
            (
                "Inferred",
                counts.without_header,
                "request(s) without the session's header stay with their connection",
            ),
            ("Inferred", counts.long_bodies, "body(s) longer than 1 MiB are filled to their size"),
            (
                "Inferred",
                counts.counted_calls,
                "model call(s) among them are known by the counts of their answers instead",
            ),
            (
                "Inferred",
                counts.coded_bodies,
                "compressed body(s) that may hold secrets are filled to their size",
            ),
            ("Dropped", counts.not_http, "flow(s) that are not HTTP"),
            ("Dropped", counts.websockets, "WebSocket(s) without a message"),
            ("Dropped", counts.unasked_messages, "message(s) of WebSockets that came before any was sent"),
            ("Dropped", counts.replayed, "request(s) that mitmproxy replayed itself"),
            ("Dropped", counts.not_replayable, "request(s) whose method or address cannot be replayed"),
            ("Dropped", counts.without_time, "request(s) without a time"),
            ("Dropped", counts.without_body, "body(s) that mitmproxy passed on without keeping them"),
            ("Dropped", counts.secret_headers, "header(s) that hold secrets"),
        )
    )
