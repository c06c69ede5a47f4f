"""What importers of servers' logs have in common: single requests, made into the sessions of their clients.

- A request becomes an `http` step. Its name is its method and path, ids left out. Headers and bodies are not in
  logs: where a body's size is known, or that of the whole message, the step has a body of that size.
- Requests with the same value of what `session_by` names are one session. Else, those of one client are, until it
  was silent for longer than `idle_gap_s`: a client is an address and a user agent, or what the importer says.
- Edges are inferred in each session as replay/trace/edges/concurrent.py says.
- Addresses and users are not imported: clients are numbered. Values of query parameters that are named like
  secrets are replaced. The user agent becomes an attribute of the session.

All requests are held in memory, about 1 KB each: up to 2 million of them, and 1 GiB of paths.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from replay.importers.call_steps import LONGEST_TEXT, bounded
from replay.importers.logs.log_frames import lines_without_frames
from replay.importers.logs.log_lines import read_log_lines
from replay.importers.reading.damage import Damage
from replay.importers.reading.departures import Departures
from replay.importers.reading.inputs import trace_name
from replay.importers.reading.log_fields import LONGEST_PATH, is_secret_session, replayable_path
from replay.importers.reading.starts import refuse_arrivals
from replay.importers.reading.timestamps import Grain
from replay.importers.types import ImportOptions, ImportResult
from replay.trace.edges.concurrent import EdgeCounts, Timed, concurrent_edges
from replay.trace.edges.names import grouped_name
from replay.trace.errors import TraceError, shown, shown_path
from replay.trace.file.rules import LONGEST_MS, MOST_BODY_BYTES, MOST_STEPS
from replay.trace.origins import OriginTally
from replay.trace.redaction.requests import clean_path
from replay.trace.types import FORMAT, VERSION, Header, Recorded, Request, Session, Step
from replay.words.numbers import milliseconds, seconds
from replay.words.phrases import counted

MOST_REQUESTS = 2_000_000
MOST_HELD_BYTES = 1 << 30

_Found = TypeVar("_Found")
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z][!#$%&'*+\-.^_`|~0-9A-Za-z]{0,19}").fullmatch
# What session_by may name that tells who sent a request: such sessions end by silence.
_CLIENTS = ("client", "user")
# So many clients a session, on average, are rather all those behind one address than the devices of one person.
_CROWD = 3
# So many requests of one session show too much of it to be the whole of what there is.
_MANY_REQUESTS = 100
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class LoggedRequest(msgspec.Struct, gc=False, kw_only=True):
    """One request. client: what tells clients apart. session: the value of session_by; None where it has none.

    host: where it went, as in a Host header. body_bytes: the size of its body; None where it is not known.
    cold: whether it waited for an instance to boot, where the log tells. attributes: of the step.
    """

    start_us: int
    took_us: int | None
    method: str
    path: str
    client: str
    host: str | None = None
    user_agent: str | None = None
    session: str | None = None
    status: int | None = None
    request_bytes: int | None = None
    response_bytes: int | None = None
    body_bytes: int | None = None
    cold: bool | None = None
    attributes: dict[str, str] = {}


class Stamps(msgspec.Struct):
    """What the instants in a log stand for. grain: of all of them, which is the recording's resolution.

    backwards: how many lie more than 1 s before one that stands above them in the same file.
    """

    at_start: int = 0
    at_end: int = 0
    without_duration: int = 0
    backwards: int = 0
    grain: Grain = msgspec.field(default_factory=Grain)
    latest_ns: int = 0

    def begin_file(self) -> None:
        self.latest_ns = 0

    def start_us(self, stamp_ns: int, took_us: int | None, is_end: bool) -> int:
        """When a request began. A stamp without a duration is taken as the start, as nothing else is known."""
        self.grain.add(stamp_ns)
        self.backwards += self.latest_ns - stamp_ns > 1_000_000_000
        self.latest_ns = max(self.latest_ns, stamp_ns)
        self.without_duration += took_us is None
        if took_us is None or not is_end:
            self.at_start += took_us is not None
            return stamp_ns // 1_000
        self.at_end += 1
        return stamp_ns // 1_000 - took_us


class RequestLog:
    """Collects the requests of a log, and what could not be read, and makes a trace of them.

    session_is: a sentence that says what a session is, where it is not what an address and a user agent sent.
    """

    def __init__(
        self, format_name: str, paths: Sequence[Path], options: ImportOptions, *, session_is: str | None = None
    ) -> None:
        refuse_arrivals(format_name, options)
        self._format_name = format_name
        self._paths = paths
        self._options = options
        self._session_is = session_is
        self._requests: list[LoggedRequest] = []
        self._texts: dict[str, str] = {}
        self._held_bytes = 0
        self._clients = 0
        self._went_to = OriginTally()
        self._frames: list[str] = []
        self.damage = Damage(is_refused=options.strict)
        self.departures = Departures()
        self.stamps = Stamps()

    def read_lines(
        self,
        files: Sequence[Path],
        parsed: Callable[[str], _Found | str],
        fits: Callable[[str], bool] = lambda line: False,
    ) -> Iterator[_Found]:
        """What the lines of all files hold. parsed: what a line does, or a sentence that says why it holds nothing.

        fits: whether a line has surely nothing around it that a collector wrote.
        """

        def read(file: Path) -> Iterator[_Found]:
            self.stamps.begin_file()
            first_lines, lines = read_log_lines(file, Damage()), read_log_lines(file, self.damage)
            for n, line in lines_without_frames(first_lines, lines, self._frames, fits):
                found = parsed(line)
                if isinstance(found, str):
                    self.damage.lose(TraceError(f"{shown_path(file)}, line {n}: {found}"))
                else:
                    yield found

        yield from self.damage.of_files(files, read)

    def add(self, request: LoggedRequest) -> None:
        """Keep a request. Raises TraceError where there are too many."""
        path = replayable_path(request.path)
        if path is None or not _METHOD(request.method):
            self.departures.drop("request(s) whose method or path cannot be replayed")
            return
        if request.path[0] != "/":
            self._went_to.add_url(request.path)
        self._went_to.add("https", request.host)
        redacted = clean_path(path)
        self.departures.infer('path(s) with secrets in the query, replaced by "redacted"', redacted != path)
        request.path = self._shared(redacted)
        request.method = self._shared(request.method)
        request.client = self._shared(request.client)
        if request.user_agent is not None:
            request.user_agent = self._shared(request.user_agent[:LONGEST_TEXT])
        if request.session is not None:
            request.session = self._shared(request.session[:LONGEST_PATH])
        request.attributes = bounded(request.attributes)
        if request.method not in _WITH_BODY:
            request.body_bytes = None
        elif request.body_bytes is None:
            self.departures.drop("body or bodies of POST, PUT or PATCH, as not even the size is known")
        else:
            request.body_bytes = min(request.body_bytes, MOST_BODY_BYTES)
            self.departures.infer(
                "request(s) with a body, which is filled to the size recorded", bool(request.body_bytes)
            )
        self._requests.append(request)
        if len(self._requests) > MOST_REQUESTS or self._held_bytes > MOST_HELD_BYTES:
            limit = f"{MOST_REQUESTS:,} requests, or {MOST_HELD_BYTES >> 20} MiB of paths and clients"
            text = f"more than {limit}. Import a part of the log at a time."
            raise TraceError(f"{shown_path(self._paths[0])}: {text}")

    def _shared(self, text: str) -> str:
        """The text, kept once however often it comes."""
        known = self._texts.setdefault(text, text)
        if known is text:
            self._held_bytes += 100 + len(text)
        return known

    def result(self, explained: Sequence[str]) -> ImportResult:
        """The trace. explained: assumptions, for people. Raises TraceError where too little could be read."""
        file = shown_path(self._paths[0])
        self.damage.refuse_most()
        if not self._requests:
            why = "".join(f" Left out: {n} {what}." for what, n in self.departures.dropped.items())
            raise TraceError(f"{file}: no requests.{why}")
        self._requests.sort(key=lambda request: request.start_us)
        first_us = self._requests[0].start_us
        span_us = self._requests[-1].start_us - first_us
        if span_us > LONGEST_MS * 1_000:
            text = "its first and last request are more than 31 years apart. Remove the lines with wrong times."
            raise TraceError(f"{file}: {text}")
        session_by = self._options.session_by
        if session_by is not None and all(request.session is None for request in self._requests):
            raise TraceError(f"{file}: no request has a value for --session-by {shown(session_by)}.")
        groups = self._groups()
        resolution_ms = max(self.stamps.grain.ms, 0.001)
        resolution_us = round(resolution_ms * 1_000)
        counts = EdgeCounts()
        for group in groups:
            concurrent_edges(_timed(group.requests), resolution_us, counts)
        header = self._header(first_us, resolution_ms, len(groups), counts)

        def sessions() -> Iterator[Session]:
            for group in groups:
                yield _session(group, first_us, resolution_us)

        notes = (*self._notes(span_us, resolution_ms, groups, counts), *explained)
        return ImportResult(header, sessions, notes)

    def _groups(self) -> "list[_Group]":
        """The requests by session, in order of their starts."""
        options = self._options
        by_value = options.session_by is not None
        may_show = by_value and not is_secret_session(options.session_by)
        gap_us = round(options.idle_gap_s * 1e6)
        groups: list[_Group] = []
        open_groups: dict[tuple[bool, str], _Group] = {}
        clients: dict[str, int] = {}
        ids: set[str] = set()
        for request in self._requests:
            is_named = request.session is not None and options.session_by not in _CLIENTS
            key = (True, request.session or "") if request.session is not None else (False, request.client)
            client = clients.setdefault(request.client, len(clients) + 1)
            group = open_groups.get(key)
            is_silent = group is not None and not is_named and request.start_us - group.end_us > gap_us
            if group is None or is_silent or len(group.requests) >= MOST_STEPS:
                name = (request.session or "")[:LONGEST_TEXT] if is_named and may_show else ""
                group = _Group(_unique(name, len(groups) + 1, ids), f"client {client}", request.user_agent)
                open_groups[key] = group
                groups.append(group)
            group.requests.append(request)
            group.end_us = max(group.end_us, request.start_us + (request.took_us or 0))
        if by_value:
            self.departures.infer(
                "request(s) without a value for --session-by, put together by client",
                sum(request.session is None for request in self._requests),
            )
        self._clients = len(clients)
        return groups

    def _header(self, first_us: int, resolution_ms: float, sessions: int, counts: EdgeCounts) -> Header:
        stamps = self.stamps
        inferred: dict[str, Any] = {
            "format": self._format_name,
            "first_unix_ns": first_us * 1_000,
            "session_by": self._options.session_by or "client",
            "idle_gap_s": self._options.idle_gap_s,
            "clients": self._clients,
            **self.damage.told(),
            "frames": self._frames,
            "stamped_at_start": stamps.at_start,
            "stamped_at_end": stamps.at_end,
            "without_duration": stamps.without_duration,
            "backwards": stamps.backwards,
            **msgspec.to_builtins(counts),
            **msgspec.to_builtins(self.departures),
        }
        return Header(
            format=FORMAT,
            version=VERSION,
            name=self._options.name or trace_name(self._paths),
            source=f"{self._format_name}: {counted(len(self._requests), 'request')} in {counted(sessions, 'session')}",
            resolution_ms=resolution_ms,
            origins=self._went_to.origins(),
            attributes={"import": inferred},
        )

    def _notes(
        self, span_us: int, resolution_ms: float, groups: "Sequence[_Group]", counts: EdgeCounts
    ) -> Iterator[str]:
        options, n = self._options, len(self._requests)
        yield f"{n} request(s) of {self._clients} client(s) over {seconds(span_us / 1e6)}: {len(groups)} session(s)."
        if self._session_is is None:
            yield from _crowding(groups, self._requests, options.session_by)
        if self._session_is is not None:
            yield self._session_is
        elif options.session_by is None:
            yield (
                "A session is what one address and user agent sent until it was silent for longer than "
                f"{seconds(options.idle_gap_s)}. --session-by names something better, where the log has it."
            )
        if self._session_is is None:
            yield "Addresses and users are not imported: clients are numbered."
        yield f"Times are recorded to {milliseconds(resolution_ms)}."
        yield (
            f"Who waited for whom is inferred from the times: {counts.followed} request(s) follow those that had "
            f"ended, {counts.joins} of them several; {counts.overlapping} overlap another, or start within "
            f"{milliseconds(resolution_ms)} of one, and do not wait for it."
        )
        if counts.clamped:
            yield (
                f"{counts.clamped} request(s) were recorded as starting up to "
                f"{milliseconds(counts.most_clamped_us / 1_000)} "
                "before the ones they follow had ended, within the resolution: they follow them at once."
            )
        if self._frames:
            yield f"Of each line, {' and '.join(self._frames)} was taken off."
        if self.stamps.without_duration:
            yield f"{self.stamps.without_duration} request(s) have no recorded duration."
        yield from self.damage.notes()
        yield from self.departures.notes()


def _crowding(
    groups: "Sequence[_Group]", requests: Sequence[LoggedRequest], session_by: str | None
) -> Iterator[str]:
    """A warning where sessions are rather many agents taken for one: what is judged of them then has no evidence."""
    crowds = [len({request.client for request in group.requests}) for group in groups]
    if session_by is not None and sum(crowds) >= _CROWD * len(groups):
        where = "one session" if len(groups) == 1 else "a session"
        yield (
            f"Warning: requests of {max(crowds)} client(s) are in {where}, so what ran side by side may follow one "
            f"another. Do they share an address, as behind a balancer? Then leave --session-by {shown(session_by)} "
            "out, or name what tells agents apart."
        )
    elif len(groups) == 1 and len(requests) >= _MANY_REQUESTS:
        yield (
            f"Warning: all {len(requests)} request(s) are one session, of which little can be judged. If they "
            "are of several agents, name what tells these apart with --session-by, where the log has it."
        )


class _Group(msgspec.Struct):
    """A session to be. end_us: the end of its last request."""

    id: str
    client: str
    user_agent: str | None
    requests: list[LoggedRequest] = []
    end_us: int = -(2**62)


def _unique(name: str, n: int, ids: set[str]) -> str:
    """The name, or one made of it and n, which no other session has."""
    name = name or f"s{n}"
    while name in ids:
        name += f"~{n}"
    ids.add(name)
    return name


def _timed(requests: Sequence[LoggedRequest]) -> list[Timed]:
    zero_us = requests[0].start_us
    return [Timed(str(n), each.start_us - zero_us, each.took_us) for n, each in enumerate(requests, 1)]


def _session(group: _Group, first_us: int, resolution_us: int) -> Session:
    timed = _timed(group.requests)
    steps = [
        Step(
            id=call.id,
            kind="http",
            name=grouped_name(request.method, request.path),
            after=after,
            at_ms=call.start_us / 1_000,
            took_ms=None if request.took_us is None else request.took_us / 1_000,
            request=Request(request.method, request.path, body_bytes=request.body_bytes or None),
            recorded=_recorded(request),
            attributes=request.attributes,
        )
        for call, request, after in zip(
            timed, group.requests, concurrent_edges(timed, resolution_us, EdgeCounts()), strict=True
        )
    ]
    start_ms = (group.requests[0].start_us - first_us) / 1_000
    attributes = bounded({"client": group.client, "user_agent": group.user_agent})
    return Session(group.id, start_ms, steps, attributes)


def _recorded(request: LoggedRequest) -> Recorded | None:
    found = Recorded(
        status=request.status,
        request_bytes=request.request_bytes,
        response_bytes=request.response_bytes,
        cold=request.cold,
    )
    return None if found == Recorded() else found
