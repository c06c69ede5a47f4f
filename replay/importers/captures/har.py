"""HAR 1.2, as browsers and proxies write it: pages become sessions, their requests steps that wait for one another.

- Sessions are pages (`pageref`), or with `session_by` connections (`connection`) or the values of a header (its name),
  a query parameter (`query:NAME`) or a cookie (`cookie:NAME`). Entries without a value are one session together.
  What is named like a secret tells sessions apart, and does not name them.
- A step begins when its request was sent: `startedDateTime` and what the browser queued and connected for (blocked,
  dns, connect, and ssl where it is counted beside), which was its own affair. It took send, wait and receive; the first
  byte came after send and wait. An entry without timings takes its `time`.
- Where no entry has a time, requests are sessions of their own, laid out by `arrivals`.
- Edges: `_initiator` names the URL that made the browser ask, itself or in its stack of calls. The last entry of that
  URL that began before is the parent: the step follows its end, or, if it still ran, its first byte or its start, with
  the recorded delay. Where nothing is stated, edges are inferred from the times as
  replay/trace/edges/concurrent.py says. The header tells the share of edges that were stated.
- Bodies are kept up to 1 MiB, longer ones by their size, or, where a model was asked and told its tokens, as a call by
  its counts; a form is made of its parameters where its text is missing.
  Content codings that the browser took off are not said again. Secrets are taken out as
  replay/trace/redaction/requests.py says. Of responses, headers and JSON bodies up to 64 KiB are kept in the same way,
  with `responses` "keep".
- WebSockets whose messages were recorded (`_webSocketMessages`) are steps as
  replay/trace/socket_steps.py says.
- Dropped and counted: what was never sent over HTTP (data:, other WebSockets, tunnels, what a cache answered or a
  server pushed, what was blocked), and headers that hold secrets. The host becomes an attribute, since a target has
  its own.

One file is held in memory. Comments, commas behind last values and a call around the whole (JSONP, as HARP files have
it) are taken off.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from replay.assembly.call_steps import LONGEST_TEXT
from replay.assembly.requests.log_fields import (
    is_secret_session,
    refuse_unknown_session,
    replayable_path,
    request_session,
    session_key,
)
from replay.assembly.starts import refuse_arrivals
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.captures.har_entries import (
    NotSent,
    count,
    initiators,
    posted,
    timing_of,
    why_not_sent,
)
from replay.importers.captures.har_sockets import recorded_messages
from replay.reading.damage import Damage
from replay.reading.departures import Departures
from replay.reading.documents import as_plain_json, read_salvaged
from replay.reading.inputs import input_files, trace_name
from replay.reading.json_items import Item
from replay.reading.timestamps import Grain, epoch_ns, unix_ns
from replay.trace.arrivals import DEFAULT_ARRIVALS, parse_arrivals
from replay.trace.edges.concurrent import EdgeCounts, Timed, concurrent_edges
from replay.trace.edges.names import grouped_name
from replay.trace.errors import TraceError, shown, shown_path
from replay.trace.file.rules import LONGEST_MS, MOST_BODY_BYTES
from replay.trace.model_calls import call_by_counts
from replay.trace.origins import OriginTally
from replay.trace.redaction.requests import NO_BODY, Redactor, RequestRedactor
from replay.trace.redaction.responses import (
    MOST_RESPONSE_BYTES,
    is_json_type,
    media_type,
    response_headers,
    response_json,
)
from replay.trace.socket_steps import OpenedSocket, socket_steps
from replay.trace.types import FORMAT, VERSION, Anchor, Edge, Header, Recorded, Request, Session, Step
from replay.words.numbers import milliseconds
from replay.words.phrases import counted

_MOST_BODY_BYTES = 1 << 20
_MOST_ENTRIES = 1_000_000
_MOST_METHOD = 20
_EARLIEST_NS = 10**17  # in 1973, before which a number's unit cannot be told
# Where what stands before the entries is longer than what a format is told by.
_BEGINS_WITH_VERSION = re.compile(rb'\{\s*"log"\s*:\s*\{\s*"version"\s*:\s*"1\.').match
_REDACTOR = Redactor()
_NOT_SENT: dict[NotSent, str] = {
    "not http": "entries that are not HTTP requests",
    "websocket": "WebSockets of which no message was recorded",
    "cache": "entries that came from the browser's cache",
    "tunnel": "tunnels of a proxy (CONNECT)",
    "pushed": "entries that the server pushed unasked",
    "never sent": "entries that were blocked, or failed before anything was sent",
}
# The text of such a body is what is left once the coding is off.
_OF_THE_CODING = ("content-encoding", "content-md5", "digest", "content-digest")


class _Log(msgspec.Struct):
    entries: list[msgspec.Raw] = []


class _Document(msgspec.Struct):
    log: _Log


class _Call(msgspec.Struct):
    """One entry. start_us: when it was sent; None where no time is recorded. first_us: until its first byte.

    session: the value that tells it; None where it has none. initiator: URLs, the nearest first.
    """

    url: str
    session: str | None
    start_us: int | None
    took_us: int | None
    first_us: int | None
    step: Step
    initiator: list[str]


class _Counts(msgspec.Struct):
    entries: int = 0
    stated: int = 0
    inferred: EdgeCounts = msgspec.field(default_factory=EdgeCounts)
    departures: Departures = msgspec.field(default_factory=Departures)
    damage: Damage = msgspec.field(default_factory=Damage)
    images: dict[int, int] = {}


class Har:
    """The importer; see the head of this module."""

    name = "har"
    describe = "HAR 1.2 of browsers and proxies: pages as sessions, requests as steps"

    def sniff(self, first_bytes: bytes) -> bool:
        start = first_bytes.lstrip(b"\xef\xbb\xbf \t\r\n")
        if not start.startswith(b"{"):
            start = as_plain_json(start).lstrip()
        has_log = start.startswith(b"{") and b'"log"' in start[:4096]
        has_key = any(key in start for key in (b'"creator"', b'"entries"', b'"startedDateTime"'))
        return (has_log and has_key) or _BEGINS_WITH_VERSION(start) is not None

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        counts, grain = _Counts(damage=Damage(is_refused=options.strict)), Grain()
        files = input_files(paths, ".[hj]*")
        calls = list(counts.damage.of_files(files, lambda file: _calls(file, options, counts, grain)))
        counts.damage.refuse_most()
        if not calls:
            why = "".join(f" Left out: {n} {what}." for what, n in counts.departures.dropped.items())
            raise TraceError(
                f"{shown_path(paths[0])}: no HTTP requests in {counted(counts.entries, 'entry', 'entries')}."
                f"{why}{counts.damage.behind}"
            )
        refuse_unknown_session(
            paths, options.session_by, (call.session for call in calls), ("page", "connection")
        )
        timed = [call for call in calls if call.start_us is not None]
        has_times = bool(timed)
        if has_times:
            refuse_arrivals(self.name, options)
            counts.departures.drop("entries without a time", len(calls) - len(timed))
            calls = sorted(timed, key=lambda call: call.start_us or 0)
        first_us = calls[0].start_us or 0
        if (calls[-1].start_us or 0) - first_us > LONGEST_MS * 1_000:
            raise TraceError(
                f"{shown_path(paths[0])}: its first and last request are more than 31 years apart."
            )
        resolution_ms = max(grain.ms, 0.001)
        groups = _groups(calls, options, counts, has_times)
        if has_times:
            sessions = [
                _session(name, group, first_us, round(resolution_ms * 1_000), counts) for name, group in groups
            ]
        else:
            sessions = _laid_out(groups, options)
        edges = counts.stated + counts.inferred.followed
        confidence = round(counts.stated / edges, 3) if edges else 1.0
        found = msgspec.to_builtins(counts)
        del found["damage"], found["images"]
        header = Header(
            format=FORMAT,
            version=VERSION,
            name=options.name or trace_name(paths),
            source=f"{self.name}: {counted(len(calls), 'request')} in {counted(len(sessions), 'session')}",
            resolution_ms=resolution_ms if has_times else None,
            origins=_origins(calls),
            attributes={
                "import": {
                    "format": self.name,
                    "first_unix_ns": first_us * 1_000,
                    "session_by": options.session_by or "page",
                    "stated_edges_ratio": confidence,
                    **counts.damage.told(),
                    **found.pop("departures"),
                    **found,
                }
            },
        )
        notes = tuple(_notes(counts, len(calls), len(sessions), resolution_ms if has_times else None, options))
        return ImportResult(header, lambda: iter(sessions), notes)


def _origins(calls: Sequence[_Call]) -> tuple[str, ...]:
    tally = OriginTally()
    for call in calls:
        tally.add_url(call.url)
    return tally.origins()


def _calls(file: Path, options: ImportOptions, counts: _Counts, grain: Grain) -> Iterator[_Call]:
    document = read_salvaged(file, _Document, "entries", counts.damage)
    entries = document if isinstance(document, list) else document.log.entries
    if len(entries) > _MOST_ENTRIES:
        raise TraceError(
            f"{shown_path(file)}: more than {_MOST_ENTRIES:,} entries. Import a part of it at a time."
        )
    for n, raw in enumerate(entries, 1):
        counts.entries += 1
        counts.damage.lines += 1
        place = f"{shown_path(file)}, entry {n}"
        try:
            found = _of_entry(Item.of(raw, place), n, options, counts, grain)
        except TraceError as error:
            counts.damage.lose(error)
            continue
        yield from found


def _of_entry(entry: Item, n: int, options: ImportOptions, counts: _Counts, grain: Grain) -> Sequence[_Call]:
    """One entry as a call, or several; none where it is not replayed. Raises TraceError that names entry and field."""
    request = entry.inner("request")
    if request is None:
        raise TraceError(f"{entry.place}: has no request.")
    url = request.plain("url") or ""
    pairs = _pairs(request)
    try:
        parts = urlsplit(url)
    except ValueError:
        counts.departures.drop("requests whose method or address cannot be replayed")
        return ()
    why = why_not_sent(entry, request, parts.scheme, pairs)
    if why == "websocket" and (found := _of_socket(entry, n, url, pairs, options, counts, grain)):
        return found
    if why is not None:
        counts.departures.drop(_NOT_SENT[why])
        return ()
    path = replayable_path(url)
    method = (request.plain("method") or "").upper()
    if path is None or not method.isalpha() or len(method) > _MOST_METHOD:
        counts.departures.drop("requests whose method or address cannot be replayed")
        return ()
    timing = timing_of(entry)
    at_ns = _started_ns(entry)
    if at_ns is not None:
        grain.add(at_ns)
    clean = _REDACTOR.of_request(pairs)
    headers, dropped = clean.headers_and_dropped()
    counts.departures.drop("headers that hold secrets", dropped)
    response = entry.inner("response")
    status = count(response, "status")
    kept_path = clean.path(path)
    step = Step(
        id="",
        kind="http",
        name=grouped_name(method, kept_path),
        took_ms=None if timing.took_us is None else timing.took_us / 1_000,
        request=_request(request, Request(method, kept_path, headers=headers), clean, counts.departures),
        recorded=Recorded(
            status=status if status is not None and 100 <= status <= 599 else None,
            ttft_ms=None if timing.first_us is None else timing.first_us / 1_000,
            response_bytes=count(response, "bodySize"),
            content_type=None if response is None else _type_of(response),
        ),
        attributes={"host": parts.netloc.rpartition("@")[2][:LONGEST_TEXT]},
    )
    if step.request is not None and step.request.body_bytes:
        _count_call(step, path, request, response, counts)
    if options.responses == "keep" and response is not None:
        _keep_response(step, response, pairs)
    called = _Call(
        url.partition("#")[0],
        _session_of(entry, path, pairs, options),
        None if at_ns is None else at_ns // 1_000 + timing.ours_us,
        timing.took_us,
        timing.first_us,
        step,
        initiators(entry),
    )
    return (called,)


def _of_socket(
    entry: Item,
    n: int,
    url: str,
    pairs: Sequence[tuple[str, str]],
    options: ImportOptions,
    counts: _Counts,
    grain: Grain,
) -> list[_Call]:
    """The messages of a WebSocket; none where they, or their times, were not recorded."""
    url = f"http{url[2:]}" if url.startswith("ws") else url
    path, at_ns = replayable_path(url), _started_ns(entry)
    if path is None or at_ns is None:
        return []
    timing = timing_of(entry)
    at_us = at_ns // 1_000 + timing.ours_us
    messages = recorded_messages(entry, at_us)
    if not messages:
        return []
    grain.add(at_ns)
    for message in messages:
        grain.add(message.at_us * 1_000)
    clean = _REDACTOR.of_request(pairs)
    headers, dropped = clean.headers_and_dropped()
    counts.departures.drop("headers that hold secrets", dropped)
    host = urlsplit(url).netloc.rpartition("@")[2][:LONGEST_TEXT]
    opened = OpenedSocket(path, headers, at_us, timing.took_us, str(n), {"host": host})
    made = socket_steps(opened, messages, clean)
    counts.departures.drop("messages of WebSockets that came before any was sent", made.unasked)
    counts.departures.infer("bodies that were not recorded, which are filled to their size", made.filled)
    session = _session_of(entry, path, pairs, options)
    steps = made.steps
    # The browser asked once; the messages follow one another.
    asked_by = [initiators(entry), *[[]] * (len(steps) - 1)]
    return [
        _Call(
            url if not i else f"{url}#{i}",
            session,
            one.start_us,
            one.took_us,
            one.first_us,
            one.step,
            asked_by[i],
        )
        for i, one in enumerate(steps)
    ]


def _pairs(message: Item) -> list[tuple[str, str]]:
    """A request's or response's headers, without those that stand for HTTP/2's first line."""
    return [
        (name, header.plain("value") or "")
        for header in message.objects("headers")
        if (name := header.plain("name") or "") and not name.startswith(":")
    ]


def _started_ns(entry: Item) -> int | None:
    """When an entry began; None where it does not say. Raises TraceError where what it says is no time."""
    started = entry.plain("startedDateTime")
    if started is None:
        return None
    at_ns = unix_ns(started)
    if at_ns is None and (number_ns := epoch_ns(started)) is not None and number_ns >= _EARLIEST_NS:
        at_ns = number_ns
    if at_ns is None:
        raise TraceError(f"{entry.place}, startedDateTime: {shown(started)} is not a valid time in ISO 8601.")
    return at_ns


def _session_of(
    entry: Item, path: str, headers: Sequence[tuple[str, str]], options: ImportOptions
) -> str | None:
    by = options.session_by or "page"
    if by == "page":
        found = entry.plain("pageref")
    elif by == "connection":
        found = entry.plain("connection") or entry.plain("_connectionId")
    else:
        found = request_session(by, path, headers)
    return None if found is None else session_key(found)


def _request(request: Item, made: Request, clean: RequestRedactor, departures: Departures) -> Request:
    """The request with its body."""
    named = {name.lower(): value for name, value in made.headers.items()}
    body = posted(request, named.get("content-type", ""))
    if body is None:
        return made
    if body.is_decoded:
        made.headers = {
            name: value for name, value in made.headers.items() if name.lower() not in _OF_THE_CODING
        }
    if body.is_made and "content-type" not in named:
        made.headers = {**made.headers, "content-type": body.content_type}
    departures.drop("files of forms that were not recorded", body.missing)
    if body.data is None:
        departures.infer("bodies that were not recorded, which are filled to their size")
        made.body_bytes = min(body.size or 0, MOST_BODY_BYTES) or None
    elif len(body.data) > _MOST_BODY_BYTES:
        departures.infer("bodies longer than 1 MiB, which are filled to their size")
        made.body_bytes = min(len(body.data), MOST_BODY_BYTES)
    else:
        coding = "" if body.is_decoded else named.get("content-encoding", "")
        kept = clean.put_body(made, body.data, body.content_type, coding)
        departures.infer(
            "compressed bodies that may hold secrets, which are filled to their size", kept == NO_BODY
        )
    return made


def _count_call(step: Step, path: str, request: Item, response: Item | None, counts: _Counts) -> None:
    """Make a request whose body is not kept a model call by its counts, where it was one, and they are told."""
    body = posted(request, "application/json")
    content = None if response is None else response.inner("content")
    answer = None if content is None else _content(content)
    if body is None or body.data is None or not answer:
        return
    images = counts.images
    llm = call_by_counts(path, body.data, answer, lambda told: images.setdefault(told, len(images)))
    if llm is not None:
        step.kind, step.request, step.llm = "llm", None, llm
        counts.departures.infer(
            "model calls among them, which are known by the counts of their answers instead"
        )


def _content(content: Item) -> bytes | None:
    """A response's body; None where it cannot be read."""
    text = content.plain("text") or ""
    data = text.encode("utf-8", "surrogatepass")
    if content.plain("encoding") != "base64":
        return data
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _type_of(response: Item) -> str | None:
    """The type of a response's body, by its header or else by what the browser took it for."""
    stated = next((value for name, value in _pairs(response) if name.lower() == "content-type"), None)
    content = response.inner("content")
    return media_type(stated) or media_type(None if content is None else content.plain("mimeType"))


def _keep_response(step: Step, response: Item, sent: Sequence[tuple[str, str]]) -> None:
    """Keep the response's headers, and its body where it is a small JSON document."""
    recorded = step.recorded
    assert recorded is not None
    pairs = _pairs(response)
    clean = _REDACTOR.of_request([*sent, *pairs])
    recorded.response_headers = {name: clean.header(value) for name, value in response_headers(pairs).items()}
    content = response.inner("content")
    if content is None or not is_json_type(content.plain("mimeType") or ""):
        return
    data = _content(content)
    if data is not None and len(data) <= MOST_RESPONSE_BYTES:
        recorded.response_json = response_json(clean.body(data, "application/json").content)


def _groups(
    calls: Sequence[_Call], options: ImportOptions, counts: _Counts, has_times: bool
) -> list[tuple[str, list[_Call]]]:
    """The calls by session, with its name."""
    groups: dict[str | int, list[_Call]] = {}
    for n, call in enumerate(calls):
        is_alone = call.session is None and not has_times
        groups.setdefault(n if is_alone else call.session or "", []).append(call)
    if has_times:
        counts.departures.infer("requests that name no session, taken for one", len(groups.get("", ())))
    taken = {str(value) for value in groups}
    is_secret = is_secret_session(options.session_by)
    found = []
    for n, (value, group) in enumerate(groups.items(), 1):
        name = "" if is_secret or isinstance(value, int) else _REDACTOR.of_request(()).text(value)
        session_id = name or f"s{n}"
        while not name and session_id in taken:
            session_id += "~"
        found.append((session_id, group))
    return found


def _laid_out(groups: Sequence[tuple[str, list[_Call]]], options: ImportOptions) -> list[Session]:
    """Sessions of requests without times: each waits for the one before it."""
    arrivals = parse_arrivals(options.arrivals or (DEFAULT_ARRIVALS if len(groups) > 1 else "at-once"))
    found = []
    for (name, group), start_ms in zip(groups, arrivals.starts_ms(options.seed), strict=False):
        for n, call in enumerate(group, 1):
            call.step.id, call.step.after = str(n), (Edge(str(n - 1)),) if n > 1 else ()
        found.append(Session(name, start_ms, [call.step for call in group]))
    return found


def _session(
    session_id: str, calls: Sequence[_Call], first_us: int, resolution_us: int, counts: _Counts
) -> Session:
    """The calls of one session, in order of start, with their edges."""
    zero_us = calls[0].start_us or 0
    timed = [Timed(str(n), (call.start_us or 0) - zero_us, call.took_us) for n, call in enumerate(calls, 1)]
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
            parents = sorted({int(edge.step) - 1 for edge in inferred[n]})
            after, at_us = _inferred(parents, calls, walked_us, start_us, counts.inferred)
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
    """Edges from the ends of those that it is taken to have waited for, with one think time for all.

    One of unknown duration is followed from its start, with the recorded delay, and from its end, with none.
    """
    if not parents:
        return (), start_us
    counts.followed += 1
    counts.joins += len(parents) > 1
    ends_us = [walked_us[n] + took_us for n in parents if (took_us := calls[n].took_us) is not None]
    think_us = max(0, start_us - max(ends_us, default=start_us))
    edges: list[Edge] = []
    due_us = [end_us + think_us for end_us in ends_us]
    for n in parents:
        if calls[n].took_us is not None:
            edges.append(Edge(str(n + 1), "end", think_us / 1_000))
            continue
        delay_us = max(0, start_us - walked_us[n])
        edges += (Edge(str(n + 1), "start", delay_us / 1_000), Edge(str(n + 1)))
        due_us.append(walked_us[n] + delay_us)
    return tuple(edges), max(due_us)


def _notes(
    counts: _Counts, requests: int, sessions: int, resolution_ms: float | None, options: ImportOptions
) -> Iterator[str]:
    yield f"{requests} request(s) of {counted(counts.entries, 'entry', 'entries')}: {sessions} session(s)."
    if resolution_ms is None:
        spec = options.arrivals or (DEFAULT_ARRIVALS if sessions > 1 else "at-once")
        yield f"No times are recorded. The requests were laid out by --arrivals {spec}."
    else:
        yield (
            f"{counts.stated} request(s) follow the one that the recording names; {counts.inferred.followed} follow "
            "those that had ended, which is inferred from the times."
        )
        yield (
            f"Times are recorded to {milliseconds(resolution_ms)}; time in the client's own queues and for "
            f"connecting is left out."
        )
    yield from counts.damage.notes()
    yield from counts.departures.notes()
