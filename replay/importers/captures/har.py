"""HAR 1.2, as browsers and proxies write it: pages become sessions, their requests steps that wait for one another.

- Sessions are pages (`pageref`), or with `session_by` connections (`connection`) or the values of a request header
  (its name). Entries without a value are one session together. Where the header is named like a secret, sessions
  are numbered, not named after it.
- A step begins when its request was sent: `startedDateTime` and what the browser queued and connected for (blocked,
  dns, connect), which was its own affair. It took send, wait and receive; the first byte came after send and wait. An
  entry without timings takes its `time`.
- Edges: `_initiator` names the URL that made the browser ask, itself or in its stack of calls. The last entry of that
  URL that began before is the parent: the step follows its end, or, if it still ran, its first byte or its start, with
  the recorded delay. Where nothing is stated, edges are inferred from the times as
  replay/trace/edges/concurrent.py says. The header tells the share of edges that were stated.
- Bodies are kept up to 1 MiB, as JSON where they say so and are; longer ones by their size. Values of JSON fields and
  form parameters that are named like secrets are replaced by "redacted". Of responses, headers and JSON bodies up to
  64 KiB are kept in the same way, with `responses` "keep".
- Dropped and counted: entries that are not HTTP requests (data:, blob:, WebSockets), entries answered from a cache, and
  headers that hold secrets. The host becomes an attribute, since a target has its own.

One file is held in memory.
"""

import base64
import binascii
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from replay.importers.call_steps import LONGEST_TEXT
from replay.importers.reading.departures import departure_notes
from replay.importers.reading.inputs import input_files, read_document, trace_name
from replay.importers.reading.json_items import Item
from replay.importers.reading.log_fields import is_secret_session, replayable_path, session_key
from replay.importers.reading.starts import refuse_arrivals
from replay.importers.reading.timestamps import Grain, unix_ns
from replay.importers.types import ImportOptions, ImportResult
from replay.trace.edges.concurrent import EdgeCounts, Timed, concurrent_edges
from replay.trace.edges.names import grouped_name
from replay.trace.errors import TraceError, shown, shown_path
from replay.trace.file.rules import LONGEST_MS, MOST_BODY_BYTES
from replay.trace.origins import OriginTally
from replay.trace.redaction.bodies import of_size_only, redacted_body, redacted_content
from replay.trace.redaction.headers import kept_headers, redacted_path
from replay.trace.redaction.responses import MOST_RESPONSE_BYTES, is_json_type, response_headers, response_json
from replay.trace.types import FORMAT, VERSION, Anchor, Edge, Header, Recorded, Request, Session, Step
from replay.words.numbers import exact, milliseconds

_MOST_BODY_BYTES = 1 << 20
_MOST_ENTRIES = 1_000_000
_MOST_METHOD = 20
_OUR_OWN = ("blocked", "dns", "connect")
_STACK_DEPTH = 8


class _Log(msgspec.Struct):
    entries: list[dict[str, msgspec.Raw]] = []


class _Document(msgspec.Struct):
    log: _Log


class _Call(msgspec.Struct):
    """One entry. start_us: when it was sent. first_us: until its first byte. initiator: URLs, the nearest first."""

    url: str
    session: str
    start_us: int
    took_us: int | None
    first_us: int | None
    step: Step
    initiator: list[str]


class _Counts(msgspec.Struct):
    entries: int = 0
    not_http: int = 0
    from_cache: int = 0
    not_replayable: int = 0
    secret_headers: int = 0
    long_bodies: int = 0
    coded_bodies: int = 0
    bodies_without_text: int = 0
    without_session: int = 0
    stated: int = 0
    inferred: EdgeCounts = msgspec.field(default_factory=EdgeCounts)


class Har:
    """The importer; see the head of this module."""

    name = "har"
    describe = "HAR 1.2 of browsers and proxies: pages as sessions, requests as steps"

    def sniff(self, first_bytes: bytes) -> bool:
        start = first_bytes.lstrip(b"\xef\xbb\xbf \t\r\n")
        return start.startswith(b"{") and b'"log"' in start[:200] and b'"creator"' in start[:4096]

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        refuse_arrivals(self.name, options)
        counts, grain = _Counts(), Grain()
        calls = [call for file in input_files(paths, ".[hj]*") for call in _calls(file, options, counts, grain)]
        if not calls:
            raise TraceError(f"{shown_path(paths[0])}: no HTTP requests in {counts.entries} entries.")
        calls.sort(key=lambda call: call.start_us)
        first_us = calls[0].start_us
        if calls[-1].start_us - first_us > LONGEST_MS * 1_000:
            raise TraceError(
                f"{shown_path(paths[0])}: its first and last request are more than 31 years apart."
            )
        resolution_ms = max(grain.ms, 0.001)
        sessions = _sessions(calls, first_us, round(resolution_ms * 1_000), options, counts)
        edges = counts.stated + counts.inferred.followed
        confidence = round(counts.stated / edges, 3) if edges else 1.0
        header = Header(
            format=FORMAT,
            version=VERSION,
            name=options.name or trace_name(paths),
            source=f"{self.name}: {len(calls)} requests in {len(sessions)} session(s)",
            resolution_ms=resolution_ms,
            origins=_origins(calls),
            attributes={
                "import": {
                    "format": self.name,
                    "first_unix_ns": first_us * 1_000,
                    "session_by": options.session_by or "page",
                    "stated_edges_ratio": confidence,
                    **msgspec.to_builtins(counts),
                }
            },
        )
        notes = tuple(_notes(counts, len(calls), len(sessions), resolution_ms))
        return ImportResult(header, lambda: iter(sessions), notes)


def _origins(calls: Sequence[_Call]) -> tuple[str, ...]:
    tally = OriginTally()
    for call in calls:
        tally.add_url(call.url)
    return tally.origins()


def _calls(file: Path, options: ImportOptions, counts: _Counts, grain: Grain) -> Iterator[_Call]:
    entries = read_document(file, _Document, levels=4).log.entries
    if len(entries) > _MOST_ENTRIES:
        raise TraceError(
            f"{shown_path(file)}: more than {_MOST_ENTRIES:,} entries. Import a part of it at a time."
        )
    for n, fields in enumerate(entries, 1):
        counts.entries += 1
        call = _call(Item(fields, f"{shown_path(file)}, entry {n}"), options, counts, grain)
        if call is not None:
            yield call


def _call(entry: Item, options: ImportOptions, counts: _Counts, grain: Grain) -> _Call | None:
    """One entry as a call; None where it is not replayed. Raises TraceError that names the entry and the field."""
    request = entry.inner("request")
    if request is None:
        raise TraceError(f"{entry.place}: has no request.")
    url = request.text("url") or ""
    try:
        parts = urlsplit(url)
    except ValueError:
        counts.not_replayable += 1
        return None
    if parts.scheme not in ("http", "https"):
        counts.not_http += 1
        return None
    if entry.raw("_fromCache") is not None:
        counts.from_cache += 1
        return None
    started = entry.text("startedDateTime")
    at_ns = unix_ns(started or "")
    if at_ns is None:
        raise TraceError(
            f"{entry.place}, startedDateTime: {shown(started or '')} is not a valid time in ISO 8601."
        )
    grain.add(at_ns)
    path = replayable_path(url)
    method = (request.text("method") or "").upper()
    if path is None or not method.isalpha() or len(method) > _MOST_METHOD:
        counts.not_replayable += 1
        return None
    ours_us, took_us, first_us = _times(entry)
    pairs = [
        (header.text("name") or "", header.plain("value") or "")
        for header in request.objects("headers")
        if not (header.text("name") or ":").startswith(":")
    ]
    headers, dropped = kept_headers(pairs)
    counts.secret_headers += dropped
    response = entry.inner("response")
    status = response.value(int, "status") if response is not None else None
    size = response.value(int, "bodySize") if response is not None else None
    path = redacted_path(path)
    step = Step(
        id="",
        kind="http",
        name=grouped_name(method, path),
        took_ms=None if took_us is None else took_us / 1_000,
        request=_request(request, method, path, headers, counts),
        recorded=Recorded(
            status=status if status is not None and 100 <= status <= 599 else None,
            ttft_ms=None if first_us is None else first_us / 1_000,
            response_bytes=size if size is not None and size >= 0 else None,
        ),
        attributes={"host": parts.netloc.rpartition("@")[2][:LONGEST_TEXT]},
    )
    if options.responses == "keep" and response is not None:
        _keep_response(step, response)
    return _Call(
        url.partition("#")[0],
        _session_of(entry, pairs, options, counts),
        at_ns // 1_000 + ours_us,
        took_us,
        first_us,
        step,
        _initiators(entry),
    )


def _times(entry: Item) -> tuple[int, int | None, int | None]:
    """In us: what was the client's own before it sent, how long the rest took, and until the first byte."""
    timings = entry.inner("timings")
    spent: dict[str, int | None] = {}
    for name in (*_OUR_OWN, "send", "wait", "receive"):
        value = timings.value(float, name) if timings is not None else None
        if value is not None and not value <= LONGEST_MS:
            raise TraceError(f"{entry.place}, timings.{name}: {exact(value)} ms is longer than 31 years.")
        spent[name] = None if value is None or value < 0 else round(value * 1_000)
    ours_us = sum(spent[name] or 0 for name in _OUR_OWN)
    if spent["wait"] is not None:
        first_us = (spent["send"] or 0) + (spent["wait"] or 0)
        return ours_us, first_us + (spent["receive"] or 0), first_us
    whole = entry.value(float, "time")
    if whole is None or whole < 0 or whole > LONGEST_MS:
        return ours_us, None, None
    return ours_us, max(0, round(whole * 1_000) - ours_us), None


def _session_of(
    entry: Item, headers: Sequence[tuple[str, str]], options: ImportOptions, counts: _Counts
) -> str:
    by = options.session_by or "page"
    if by == "page":
        found = entry.plain("pageref")
    elif by == "connection":
        found = entry.plain("connection")
    else:
        found = next((value for name, value in headers if name.lower() == by.lower()), None)
    counts.without_session += found is None
    return session_key(found or "")


def _initiators(entry: Item) -> list[str]:
    """The URLs that made the browser ask, the nearest first: of the parser, or of the scripts on the stack."""
    initiator = entry.inner("_initiator")
    if initiator is None:
        return []
    found = [url for url in (initiator.plain("url"),) if url]
    stack = initiator.inner("stack")
    for _ in range(_STACK_DEPTH):
        if stack is None:
            break
        found += [url for frame in stack.objects("callFrames") if (url := frame.plain("url"))]
        stack = stack.inner("parent")
    return [url.partition("#")[0] for url in dict.fromkeys(found)]


def _request(request: Item, method: str, path: str, headers: dict[str, str], counts: _Counts) -> Request:
    made = Request(method, path, headers=headers)
    posted = request.inner("postData")
    if posted is None:
        return made
    text = posted.text("text")
    if text is None:
        counts.bodies_without_text += posted.raw("params") not in (None, b"[]")
        return made
    kind = posted.text("mimeType") or ""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > _MOST_BODY_BYTES:
        counts.long_bodies += 1
        made.body_bytes = min(size, MOST_BODY_BYTES)
        return made
    if posted.text("encoding") == "base64":
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            made.body_bytes = size
            return made
        coding = next((value for name, value in headers.items() if name.lower() == "content-encoding"), "")
        kept = redacted_content(data, kind, coding)
        if kept is None:
            counts.coded_bodies += 1
            return of_size_only(made, len(data))
        made.body_base64 = base64.b64encode(kept).decode()
        return made
    text = redacted_body(text, kind)
    if "json" in kind.lower() and _is_json(text):
        made.json = msgspec.Raw(text.encode())
    else:
        made.body = text
    return made


def _keep_response(step: Step, response: Item) -> None:
    """Keep the response's headers, and its body where it is a small JSON document."""
    recorded = step.recorded
    assert recorded is not None
    pairs = [(header.text("name") or "", header.plain("value") or "") for header in response.objects("headers")]
    recorded.response_headers = response_headers(pairs)
    content = response.inner("content")
    if content is None or not is_json_type(content.text("mimeType") or ""):
        return
    text = content.text("text") or ""
    if content.text("encoding") == "base64":
        try:
            text = base64.b64decode(text, validate=True).decode()
        except (binascii.Error, ValueError):
            return
    if len(text) <= MOST_RESPONSE_BYTES:
        recorded.response_json = response_json(redacted_body(text, "json"))


def _is_json(text: str) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    # A line end would end the line of the trace.
    return "\n" not in text and "\r" not in text


def _sessions(
    calls: Sequence[_Call], first_us: int, resolution_us: int, options: ImportOptions, counts: _Counts
) -> list[Session]:
    groups: dict[str, list[_Call]] = {}
    for call in calls:
        groups.setdefault(call.session, []).append(call)
    taken = set(groups)
    found = []
    is_secret = is_secret_session(options.session_by)
    for n, (value, group) in enumerate(groups.items(), 1):
        name = "" if is_secret else value
        session_id = name or f"s{n}"
        while not name and session_id in taken:
            session_id += "~"
        found.append(_session(session_id, group, first_us, resolution_us, counts))
    return found


def _session(
    session_id: str, calls: Sequence[_Call], first_us: int, resolution_us: int, counts: _Counts
) -> Session:
    """The calls of one session, in order of start, with their edges."""
    zero_us = calls[0].start_us
    timed = [Timed(str(n), call.start_us - zero_us, call.took_us) for n, call in enumerate(calls, 1)]
    inferred = concurrent_edges(timed, resolution_us, EdgeCounts())
    walked_us: list[int] = []
    last_of: dict[str, int] = {}
    steps = []
    for n, call in enumerate(calls):
        start_us = timed[n].start_us
        parent = next((last_of[url] for url in call.initiator if url in last_of), None)
        if parent is not None:
            after, at_us = _stated(parent, calls[parent], walked_us[parent], start_us, resolution_us)
            counts.stated += 1
        else:
            parents = [int(edge.step) - 1 for edge in inferred[n]]
            after, at_us = _inferred(sorted(set(parents)), calls, walked_us, start_us, counts.inferred)
        walked_us.append(at_us)
        last_of[call.url] = n
        call.step.id, call.step.after, call.step.at_ms = str(n + 1), after, start_us / 1_000
        steps.append(call.step)
    return Session(session_id, (zero_us - first_us) / 1_000, steps)


def _stated(
    parent: int, call: _Call, walked_us: int, start_us: int, resolution_us: int
) -> tuple[tuple[Edge, ...], int]:
    """The edge from a parent that the recording names: from its end, or else its first byte or its start."""
    anchors: list[tuple[Anchor, int | None]] = [
        ("end", call.took_us),
        ("first_byte", call.first_us),
        ("start", 0),
    ]
    for anchor, after_us in anchors:
        if after_us is not None and walked_us + after_us < start_us + resolution_us:
            delay_us = max(0, start_us - walked_us - after_us)
            return (Edge(str(parent + 1), anchor, delay_us / 1_000),), walked_us + after_us + delay_us
    return (Edge(str(parent + 1), "start"),), walked_us


def _inferred(
    parents: Sequence[int], calls: Sequence[_Call], walked_us: Sequence[int], start_us: int, counts: EdgeCounts
) -> tuple[tuple[Edge, ...], int]:
    """Edges from the ends of those that it is taken to have waited for, with one think time for all."""
    if not parents:
        return (), start_us
    counts.followed += 1
    counts.joins += len(parents) > 1
    ends_us = [walked_us[n] + (calls[n].took_us or 0) for n in parents]
    think_us = max(0, start_us - max(ends_us))
    edges = tuple(Edge(str(n + 1), "end", think_us / 1_000) for n in parents)
    return edges, max(ends_us) + think_us


def _notes(counts: _Counts, requests: int, sessions: int, resolution_ms: float) -> Iterator[str]:
    yield f"{requests} request(s) of {counts.entries} entries: {sessions} session(s)."
    yield (
        f"{counts.stated} request(s) follow the one that the recording names; {counts.inferred.followed} follow those "
        "that had ended, which is inferred from the times."
    )
    yield (
        f"Times are recorded to {milliseconds(resolution_ms)}; time in the client's own queues and for "
        f"connecting is left out."
    )
    yield from departure_notes(
        (
            ("Dropped", counts.not_http, "entries that are not HTTP requests"),
            ("Dropped", counts.from_cache, "entries that came from the browser's cache"),
            ("Dropped", counts.not_replayable, "requests whose method or address cannot be replayed"),
            ("Dropped", counts.secret_headers, "headers that hold secrets"),
            ("Dropped", counts.bodies_without_text, "bodies of which only parameters were recorded"),
            ("Inferred", counts.long_bodies, "bodies longer than 1 MiB, which are filled to their size"),
            (
                "Inferred",
                counts.coded_bodies,
                "compressed bodies that may hold secrets, which are filled to their size",
            ),
            ("Inferred", counts.without_session, "requests that say of no session, put together"),
        )
    )
