"""GoReplay's captures (.gor): raw requests, and if they were captured their responses.

- A record is a line `1 ID NS` (a request) or `2 ID NS [LATENCY]` (a response), the HTTP message, and a line of three
  monkeys. A request becomes a step at its time; the next response with its ID gives its duration and status, since
  some releases give one ID to all requests of a connection. Chunks are put together.
- Every request is a session of its own, an open load, unless `session_by` names a header: then requests with the same
  value are one session, and edges are inferred as replay/trace/edges/concurrent.py says.
  Where the header is named like a secret, sessions are numbered, not named after it.
- Bodies are kept up to 1 MiB, as text where they are UTF-8, without the values of JSON fields and form parameters that
  are named like secrets. Dropped and counted: replayed responses (records of type 3), headers that hold secrets, and
  records that hold no HTTP request.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from replay.assembly.requests.log_fields import (
    is_secret_session,
    refuse_unknown_session,
    replayable_path,
    request_session,
    session_key,
)
from replay.assembly.starts import refuse_arrivals
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.captures.chunks import unchunked
from replay.reading.damage import Damage
from replay.reading.departures import departure_notes
from replay.reading.inputs import input_files, trace_name
from replay.reading.timestamps import Grain
from replay.trace.edges.concurrent import EdgeCounts, Timed, concurrent_edges
from replay.trace.edges.names import grouped_name
from replay.trace.errors import TraceError, shown_path
from replay.trace.file.rules import LONGEST_MS, MOST_STEPS
from replay.trace.file.stored import StoredBytes, open_lines
from replay.trace.origins import OriginTally
from replay.trace.redaction.requests import NO_BODY, Redactor
from replay.trace.redaction.responses import media_type
from replay.trace.types import FORMAT, VERSION, Header, Recorded, Request, Session, Step
from replay.words.phrases import counted

_SEPARATOR = "\n🐵🙈🙉\n".encode()
_READ_BYTES = 1 << 20
_LARGEST_RECORD_BYTES = 64 << 20
_MOST_REQUESTS = 2_000_000
_MOST_BODY_BYTES = 1 << 20
_END_NS = 1 << 62
_REDACTOR = Redactor()
_CONTENT_TYPE = re.compile(rb"\r\ncontent-type:[ \t]*([^\r\n]{1,200})", re.IGNORECASE).search


class _Call(msgspec.Struct):
    start_ns: int
    step: Step
    session: str | None
    end_ns: int | None = None


class _Counts(msgspec.Struct):
    records: int = 0
    unreadable: int = 0
    replayed: int = 0
    without_request: int = 0
    secret_headers: int = 0
    coded_bodies: int = 0
    cut_bodies: int = 0
    without_response: int = 0
    edges: EdgeCounts = msgspec.field(default_factory=EdgeCounts)
    damage: Damage = msgspec.field(default_factory=Damage)


class Gor:
    """The importer; see the head of this module."""

    name = "gor"
    describe = "GoReplay's captures, requests and responses"

    def sniff(self, first_bytes: bytes) -> bool:
        kind, _, rest = first_bytes.split(b"\n", 1)[0].partition(b" ")
        return kind in (b"1", b"2", b"3") and len(rest.split()) >= 2 and b" HTTP/1." in first_bytes[:4096]

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        refuse_arrivals(self.name, options)
        counts = _Counts(damage=Damage(is_refused=options.strict))
        grain, went_to = Grain(), OriginTally()
        calls: list[_Call] = []
        open_calls: dict[bytes, _Call] = {}
        for record in counts.damage.of_files(input_files(paths, ".*"), _records):
            counts.records += 1
            _take(record, calls, open_calls, options, counts, grain, went_to)
            if len(calls) > _MOST_REQUESTS:
                raise TraceError(
                    f"{shown_path(paths[0])}: more than {_MOST_REQUESTS:,} requests. Import a part of it at a time."
                )
        counts.damage.refuse_most()
        if not calls:
            raise TraceError(
                f"{shown_path(paths[0])}: no requests in {counted(counts.records, 'record')}. "
                f"Is it a capture of GoReplay?{counts.damage.behind}"
            )
        refuse_unknown_session(paths, options.session_by, (call.session for call in calls))
        ordered = sorted(calls, key=lambda call: call.start_ns)
        first_ns = ordered[0].start_ns
        if (ordered[-1].start_ns - first_ns) / 1e6 > LONGEST_MS:
            raise TraceError(
                f"{shown_path(paths[0])}: its first and last request are more than 31 years apart."
            )
        counts.without_response = sum(call.end_ns is None for call in ordered)
        resolution_ms = max(grain.ms, 0.001)
        sessions = _sessions(ordered, first_ns, round(resolution_ms * 1_000), options, counts)
        found = msgspec.to_builtins(counts)
        del found["damage"]
        header = Header(
            format=FORMAT,
            version=VERSION,
            name=options.name or trace_name(paths),
            source=f"{self.name}: {counted(len(ordered), 'request')} in {counted(len(sessions), 'session')}",
            resolution_ms=resolution_ms,
            origins=went_to.origins(),
            attributes={"import": {"format": self.name, **found}},
        )
        return ImportResult(header, lambda: iter(sessions), tuple(_notes(counts, len(ordered), len(sessions))))


def _records(file: Path) -> Iterator[bytes]:
    """The records, without their separators. Raises TraceError for one that has no end."""
    waiting = b""
    with StoredBytes(file, hashed=False) as stored, open_lines(stored, file) as source:
        while block := source.read(_READ_BYTES):
            *whole, waiting = (waiting + block).split(_SEPARATOR)
            yield from whole
            if len(waiting) > _LARGEST_RECORD_BYTES:
                raise TraceError(
                    f"{shown_path(file)}: a record is longer than {_LARGEST_RECORD_BYTES >> 20} MiB; "
                    "is it a capture of GoReplay?"
                )
    if waiting.strip():
        yield waiting


def _take(
    record: bytes,
    calls: list[_Call],
    open_calls: dict[bytes, _Call],
    options: ImportOptions,
    counts: _Counts,
    grain: Grain,
    went_to: OriginTally,
) -> None:
    """One record: a request is kept, a response ends the last request of its ID, which may be one of a connection."""
    meta, _, message = record.lstrip(b"\n").partition(b"\n")
    kind, *fields = meta.split() or [b""]
    if kind == b"3":
        counts.replayed += 1
        return
    if kind not in (b"1", b"2") or len(fields) < 2 or not fields[1].isdigit() or len(fields[1]) > 19:
        counts.unreadable += 1
        return
    key, at_ns = fields[0], int(fields[1])
    if at_ns >= _END_NS:
        counts.unreadable += 1
        return
    if kind == b"2":
        call = open_calls.pop(key, None)
        if call is None or at_ns < call.start_ns:
            counts.without_request += 1
            return
        call.end_ns = at_ns
        status = message[9:12]
        if status.isdigit() and message.startswith(b"HTTP/"):
            call.step.recorded = Recorded(status=int(status), content_type=_type_of(message))
        return
    found = _request(message, counts)
    if found is None:
        counts.unreadable += 1
        return
    request, headers, target = found
    # What is captured on the wire is plain http; whether TLS was taken off before it is not known.
    went_to.add("http", next((value for name, value in headers if name.lower() == "host"), None))
    found_session = None if options.session_by is None else request_session(options.session_by, target, headers)
    session = None if found_session is None else session_key(found_session)
    grain.add(at_ns)
    step = Step("", "http", grouped_name(request.method, request.path), request=request)
    call = open_calls[key] = _Call(at_ns, step, session)
    calls.append(call)


def _type_of(response: bytes) -> str | None:
    found = _CONTENT_TYPE(response.partition(b"\r\n\r\n")[0])
    return None if found is None else media_type(found[1].decode("latin-1"))


def _request(message: bytes, counts: _Counts) -> tuple[Request, list[tuple[str, str]], str] | None:
    """The request without secrets, its headers and its path as they were."""
    head, _, body = message.partition(b"\r\n\r\n")
    body = body.removesuffix(b"\r\n") if body == b"\r\n" else body
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[0].isalpha() or not words[2].startswith("HTTP/"):
        return None
    path = replayable_path(words[1])
    if path is None:
        return None
    pairs = [
        (name.strip(), value.strip()) for name, colon, value in (line.partition(":") for line in lines) if colon
    ]
    if any(name.lower() == "transfer-encoding" and "chunked" in value.lower() for name, value in pairs):
        body, is_whole = unchunked(body)
        counts.cut_bodies += not is_whole
    clean = _REDACTOR.of_request(pairs)
    headers, dropped = clean.headers_and_dropped()
    counts.secret_headers += dropped
    request = Request(words[0].upper()[:20], clean.path(path), headers=headers)
    if len(body) > _MOST_BODY_BYTES:
        request.body_bytes = len(body)
    elif body:
        named = {name.lower(): value for name, value in headers.items()}
        kept = clean.put_body(request, body, named.get("content-type", ""), named.get("content-encoding", ""))
        counts.coded_bodies += kept == NO_BODY
    return request, pairs, path


def _sessions(
    calls: Sequence[_Call], first_ns: int, resolution_us: int, options: ImportOptions, counts: _Counts
) -> list[Session]:
    groups: dict[tuple[bool, str], list[_Call]] = {}
    for n, call in enumerate(calls, 1):
        key = (False, f"r{n}") if call.session is None else (True, call.session or "none")
        groups.setdefault(key, []).append(call)
    is_secret = is_secret_session(options.session_by)
    taken = {value for is_named, value in groups if is_named and not is_secret}

    def free(name: str) -> str:
        """A name that no value of the header is, nor another session has."""
        while name in taken:
            name += "~"
        taken.add(name)
        return name

    found = []
    for n, ((is_named, value), whole) in enumerate(groups.items(), 1):
        keeps_name = is_named and not is_secret
        name = value if keeps_name else free(f"s{n}" if is_named else value)
        for at in range(0, len(whole), MOST_STEPS):
            part = free(f"{name}~{at}") if at else name
            found.append(_session(part, whole[at : at + MOST_STEPS], first_ns, resolution_us, counts))
    return sorted(found, key=lambda session: session.start_ms)


def _session(name: str, calls: Sequence[_Call], first_ns: int, resolution_us: int, counts: _Counts) -> Session:
    zero_us = calls[0].start_ns // 1_000
    timed = [
        Timed(
            str(n),
            call.start_ns // 1_000 - zero_us,
            None if call.end_ns is None else (call.end_ns - call.start_ns) // 1_000,
        )
        for n, call in enumerate(calls, 1)
    ]
    for call, when, after in zip(
        calls, timed, concurrent_edges(timed, resolution_us, counts.edges), strict=True
    ):
        call.step.id, call.step.after, call.step.at_ms = when.id, after, when.start_us / 1_000
        call.step.took_ms = None if when.took_us is None else min(when.took_us / 1_000, LONGEST_MS)
    return Session(name, (zero_us - first_ns // 1_000) / 1_000, [call.step for call in calls])


def _notes(counts: _Counts, requests: int, sessions: int) -> Iterator[str]:
    yield f"{requests} request(s) of {counts.records} record(s): {sessions} session(s)."
    if sessions == requests:
        yield "Every request is a session of its own. --session-by names a header that tells what belongs together."
    if counts.without_response:
        yield f"{counts.without_response} request(s) have no captured response, and so no recorded duration."
    yield from counts.damage.notes()
    yield from departure_notes(
        (
            (
                "Inferred",
                counts.coded_bodies,
                "compressed body(s) that may hold secrets are filled to their size",
            ),
            ("Inferred", counts.cut_bodies, "chunked body(s) that were cut off are kept as far as they came"),
            ("Dropped", counts.unreadable, "record(s) that hold no HTTP request or response"),
            ("Dropped", counts.replayed, "replayed response(s)"),
            ("Dropped", counts.without_request, "response(s) without their request"),
            ("Dropped", counts.secret_headers, "header(s) that hold secrets"),
        )
    )
