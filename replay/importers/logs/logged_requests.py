"""What importers of servers' logs have in common: single requests, made into the sessions of their clients.

- A request becomes an `http` step. Its name is its method and path, ids left out. Headers and bodies are not in
  logs: where a body's size is known, the step has a body of that size; where that of the whole message is, of what
  replay/assembly/requests/body_sizes.py makes of it.
- Requests with the same value of what `session_by` names are one session. Else, those of one client are, until it
  was silent for longer than `idle_gap_s`: a client is an address and a user agent, or what the importer says.
- Edges are inferred in each session as replay/trace/edges/concurrent.py says.
- Addresses and users are not imported: clients are numbered. Values of query parameters that are named like
  secrets are replaced. The user agent becomes an attribute of the session.

What grows with a log is on the disk (replay/assembly/requests/), but for four bytes a session, a table of clients
where sessions have names, and user agents and names of sessions, up to 1 GiB.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import numpy as np

from replay.assembly.call_steps import bounded
from replay.assembly.requests.body_sizes import ESTIMATED_BODIES, body_within
from replay.assembly.requests.collected import CollectedRequests
from replay.assembly.requests.kept import parts_for
from replay.assembly.requests.lines import RequestLines
from replay.assembly.requests.log_fields import is_method, is_secret_session, replayable_path
from replay.assembly.requests.spilled import Spilled
from replay.assembly.requests.step_texts import (
    BODY_UNKNOWN,
    FILLED_BODIES,
    SECRET_PATHS,
    WITH_BODY,
    attributes_text,
    body_text,
    called_texts,
    recorded_text,
    text_of_step,
    took_text,
)
from replay.assembly.requests.told import Seen, Telling, TellsBlocks, place_of, told
from replay.assembly.requests.types import Ints, SessionRule
from replay.assembly.requests.waiting import WaitingSessions
from replay.assembly.requests.workers import Workers, workers_for
from replay.assembly.starts import refuse_arrivals
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.logs.log_frames import CLOUDWATCH, TOLD_BY_LINES, frames_of, lines_without_frames
from replay.importers.logs.log_lines import (
    LONGEST_LINE_BYTES,
    LogLines,
    is_of_cloudwatch,
    is_of_documents,
    read_log_lines,
)
from replay.reading.blocks import read_blocks
from replay.reading.damage import Damage
from replay.reading.departures import Departures
from replay.reading.inputs import trace_name
from replay.reading.timestamps import Grain
from replay.trace.errors import TraceError, shown, shown_path
from replay.trace.file.rules import LONGEST_MS
from replay.trace.origins import OriginTally
from replay.trace.types import FORMAT, VERSION, Header, Step
from replay.words.numbers import milliseconds, seconds
from replay.words.phrases import counted

MOST_HELD_BYTES = 1 << 30

_Found = TypeVar("_Found")


# What session_by may name that tells who sent a request: such sessions end by silence.
_CLIENTS = ("client", "user")
# So many clients a session, on average, are rather all those behind one address than the devices of one person.
_CROWD = 3
# So many requests of one session show too much of it to be the whole of what there is.
_MANY_REQUESTS = 100
_PACKED, _UNPACKED = (".gz", ".zst"), 10


class LoggedRequest(msgspec.Struct, gc=False, kw_only=True):
    """One request. client: what tells clients apart, with user_agent. session: the value of session_by, if any.

    host: where it went, as in a Host header. counts_head: whether response_bytes counts the response's head, too.
    body_bytes: the size of the request's body; None where it is not known. message_bytes: of the request as a whole.
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
    counts_head: bool = False
    body_bytes: int | None = None
    message_bytes: int | None = None
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

    def pass_by(self, stamps_ns: Ints, with_duration: int, is_end: bool) -> None:
        """Count many, in the order of their lines. with_duration: how many have one."""
        self.grain.add_all(stamps_ns)
        latest_ns = np.maximum.accumulate(np.concatenate(([self.latest_ns], stamps_ns)))
        self.backwards += int(np.count_nonzero(latest_ns[:-1] - stamps_ns > 1_000_000_000))
        self.latest_ns = int(latest_ns[-1])
        self.without_duration += len(stamps_ns) - with_duration
        if is_end:
            self.at_end += with_duration
        else:
            self.at_start += with_duration


class RequestLog:
    """Collects the requests of a log, and what could not be read, and makes a trace of them.

    session_is: a sentence that says what a session is, where it is not what an address and a user agent sent.
    is_dated: whether instants count from 1970, and not from a start that is not recorded.
    """

    def __init__(
        self,
        format_name: str,
        paths: Sequence[Path],
        options: ImportOptions,
        *,
        session_is: str | None = None,
        is_dated: bool = True,
    ) -> None:
        refuse_arrivals(format_name, options)
        self._format_name = format_name
        self._paths = paths
        self._options = options
        self._session_is = session_is
        self._is_dated = is_dated
        size = _recording_bytes(paths)
        self._parts = parts_for(size)
        spilled = Spilled()
        self._requests = CollectedRequests(spilled, self._parts)
        self._workers = Workers(workers_for(size, options.workers), spilled, shown_path(paths[0]))
        self._lines_before = self._line = 0
        self._went_to = OriginTally()
        self._frames: list[str] = []
        self._without_session = 0
        self.damage = Damage(is_refused=options.strict)
        self.departures = Departures()
        self.stamps = Stamps()

    def read_lines(
        self,
        files: Sequence[Path],
        parsed: Callable[[str], _Found | str],
        fits: Callable[[str], bool] = lambda line: False,
        blocks: TellsBlocks | None = None,
    ) -> Iterator[_Found]:
        """What the lines of all files hold. parsed: what a line does, or a sentence that says why it holds nothing.

        fits: whether a line has surely nothing around it that a collector wrote. blocks: takes what it can of files
        whose lines stand by themselves, so that only its odd lines are left.
        """

        def read(file: Path) -> Iterator[_Found]:
            self.stamps.begin_file()
            first = list(islice(read_log_lines(file, Damage()), TOLD_BY_LINES))
            frames = frames_of([line for _, line in first], fits)
            is_of_events = is_of_cloudwatch(file)
            if is_of_events and CLOUDWATCH not in self._frames:
                self._frames.append(CLOUDWATCH)
            if blocks is None or frames.taken or is_of_events or is_of_documents(file):
                lines = lines_without_frames(read_log_lines(file, self.damage), frames, self._frames)
            else:
                lines = self._odd_lines(file, blocks)
            n = 0
            try:
                for n, line in lines:
                    self._line = self._lines_before + n
                    found = parsed(line)
                    if isinstance(found, str):
                        self.damage.lose(TraceError(f"{shown_path(file)}, line {n}: {found}"))
                    else:
                        yield found
            finally:
                # Also behind a file that breaks off: the next one's lines come after its own.
                self._lines_before = max(self._lines_before + n, self._line)

        try:
            yield from self.damage.of_files(files, read)
        except BaseException:
            self._workers.close()
            raise

    def _odd_lines(self, file: Path, blocks: TellsBlocks) -> Iterator[tuple[int, str]]:
        """The lines that no block told, the requests of all others being added."""
        lines = LogLines(file, self.damage)
        tell = partial(told, Telling(blocks, self._options.session_by, self._parts, LONGEST_LINE_BYTES))
        lines_told = 0
        for block in self._workers.made_of(read_blocks(file, LONGEST_LINE_BYTES, self._line), tell):
            self._lines_before = block.before - lines_told
            if block.collected is not None:
                self._requests.take(block.collected)
                self._refuse_many()
            for piece in block.pieces:
                if isinstance(piece, Seen):
                    self._pass_by(piece)
                else:
                    n, line = piece
                    yield from lines.of(lines_told + n, line)
            lines_told += block.lines
            self._line = self._lines_before + lines_told

    def _pass_by(self, seen: Seen) -> None:
        self.damage.lines += len(seen.stamps_ns)
        self.stamps.pass_by(seen.stamps_ns, seen.with_duration, seen.is_end)
        for host, n in seen.hosts.items():
            self._went_to.add("https", host, n)
        for each in seen.inferred:
            self.departures.infer(each.what, each.n)
        for each in seen.dropped:
            self.departures.drop(each.what, each.n)
        self._without_session += seen.without_session

    def add(self, request: LoggedRequest) -> None:
        """Keep a request. Raises TraceError where there are too many."""
        path = replayable_path(request.path)
        if path is None or not is_method(request.method):
            self.departures.drop("request(s) whose method or path cannot be replayed")
            return
        if request.path[0] != "/":
            self._went_to.add_url(request.path)
        self._went_to.add("https", request.host)
        called = called_texts(request.method, path)
        self.departures.infer(SECRET_PATHS, called.has_secrets)
        body = ""
        if request.method in WITH_BODY:
            body_bytes = request.body_bytes
            if body_bytes is None:
                target = f"{request.method} {request.path}"
                body_bytes = body_within(request.message_bytes, target, request.host, request.user_agent)
                self.departures.infer(ESTIMATED_BODIES, body_bytes is not None)
            body = body_text(body_bytes)
            self.departures.drop(BODY_UNKNOWN, body_bytes is None)
            self.departures.infer(FILLED_BODIES, bool(body))
        recorded = recorded_text(
            request.status,
            request.message_bytes if request.request_bytes is None else request.request_bytes,
            request.response_bytes,
            request.cold,
            request.counts_head,
            request.request_bytes is None,
        )
        attributes = attributes_text(bounded(request.attributes))
        text = f"{called.head}{took_text(request.took_us)},{called.request}{body}}}{recorded}{attributes}}}"
        who = request.client, request.user_agent, request.session
        self._requests.add(request.start_us, request.took_us, *who, text, place_of(self._line))
        self._without_session += request.session is None
        self._refuse_many()

    def add_step(
        self,
        step: Step,
        start_us: int,
        took_us: int | None,
        *,
        client: str,
        user_agent: str | None,
        session: str | None,
        host: str,
    ) -> None:
        """Keep a request that was recorded as a whole. step: valid and without secrets; its id and edges are made.

        client, user_agent, session, host: as of a LoggedRequest. Raises TraceError where there are too many.
        """
        self._went_to.add("http", host)
        self.stamps.grain.add(start_us * 1_000)
        self.stamps.without_duration += took_us is None
        self._requests.add(
            start_us, took_us, client, user_agent, session, text_of_step(step), place_of(self._line)
        )
        self._without_session += session is None
        self._refuse_many()

    def _refuse_many(self) -> None:
        if self._requests.held_bytes > MOST_HELD_BYTES:
            text = f"more than {MOST_HELD_BYTES >> 20} MiB of clients and sessions. Import a part of the log at a time."
            raise TraceError(f"{shown_path(self._paths[0])}: {text}")

    def result(self, explained: Sequence[str]) -> ImportResult:
        """The trace. explained: assumptions, for people. Raises TraceError where too little could be read."""
        try:
            return self._result(explained)
        except BaseException:
            self._workers.close()
            raise

    def _result(self, explained: Sequence[str]) -> ImportResult:
        file = shown_path(self._paths[0])
        self.damage.refuse_most()
        requests = self._requests
        requests.settle()
        if not requests:
            why = "".join(f" Left out: {n} {what}." for what, n in self.departures.dropped.items())
            raise TraceError(f"{file}: no requests.{why}{self.damage.behind}")
        first_us, span_us = requests.first_us, requests.last_us - requests.first_us
        if span_us > LONGEST_MS * 1_000:
            text = "its first and last request are more than 31 years apart. Remove the lines with wrong times."
            raise TraceError(f"{file}: {text}")
        session_by = self._options.session_by
        if session_by is not None and not requests.names:
            raise TraceError(f"{file}: no request has a value for --session-by {shown(session_by)}.")
        resolution_ms = max(self.stamps.grain.ms, 0.001)
        waiting = requests.sessions(self._rule(round(resolution_ms * 1_000)), self._workers)
        if session_by is not None:
            self.departures.infer(
                "request(s) without a value for --session-by, put together by client", self._without_session
            )
        header = self._header(first_us, resolution_ms, waiting)
        are_named = session_by not in (None, *_CLIENTS) and not is_secret_session(session_by)
        lines = RequestLines(waiting, requests, are_named, self._workers)
        notes = (*self._notes(span_us, resolution_ms, waiting), *explained)
        return ImportResult(header, lines.sessions, notes, lines.lines)

    def _rule(self, resolution_us: int) -> SessionRule:
        has_gaps = self._options.session_by in _CLIENTS
        return SessionRule(round(self._options.idle_gap_s * 1e6), resolution_us, has_gaps)

    def _header(self, first_us: int, resolution_ms: float, waiting: WaitingSessions) -> Header:
        stamps = self.stamps
        inferred: dict[str, Any] = {
            "format": self._format_name,
            **({"first_unix_ns": first_us * 1_000} if self._is_dated else {}),
            "session_by": self._options.session_by or "client",
            "idle_gap_s": self._options.idle_gap_s,
            "clients": waiting.different_clients,
            **self.damage.told(),
            "frames": self._frames,
            "stamped_at_start": stamps.at_start,
            "stamped_at_end": stamps.at_end,
            "without_duration": stamps.without_duration,
            "backwards": stamps.backwards,
            **msgspec.to_builtins(waiting.counts),
            **msgspec.to_builtins(self.departures),
        }
        found = f"{counted(len(self._requests), 'request')} in {counted(waiting.sessions, 'session')}"
        return Header(
            format=FORMAT,
            version=VERSION,
            name=self._options.name or trace_name(self._paths),
            source=f"{self._format_name}: {found}",
            resolution_ms=resolution_ms,
            origins=self._went_to.origins(),
            attributes={"import": inferred},
        )

    def _notes(self, span_us: int, resolution_ms: float, waiting: WaitingSessions) -> Iterator[str]:
        options, n, clients = self._options, len(self._requests), waiting.different_clients
        counts = waiting.counts
        yield f"{n} request(s) of {clients} client(s) over {seconds(span_us / 1e6)}: {waiting.sessions} session(s)."
        if self._session_is is None:
            yield from _crowding(waiting, n, options.session_by)
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
                "before the end of what came in front, within the resolution: no pause is left between the two."
            )
        if self._frames:
            yield f"Of each line, {' and '.join(self._frames)} was taken off."
        if self.stamps.without_duration:
            yield f"{self.stamps.without_duration} request(s) have no recorded duration."
        yield from self.damage.notes()
        yield from self.departures.notes()


def _crowding(waiting: WaitingSessions, requests: int, session_by: str | None) -> Iterator[str]:
    """A warning where sessions are rather many agents taken for one: what is judged of them then has no evidence."""
    if session_by is not None and waiting.clients >= _CROWD * waiting.sessions:
        where = "one session" if waiting.sessions == 1 else "a session"
        yield (
            f"Warning: requests of {waiting.most_clients} client(s) are in {where}, so what ran side by side may "
            "follow one another. Do they share an address, as behind a balancer? Then leave --session-by "
            f"{shown(session_by)} out, or name what tells agents apart."
        )
    elif waiting.sessions == 1 and requests >= _MANY_REQUESTS:
        yield (
            f"Warning: all {requests} request(s) are one session, of which little can be judged. If they "
            "are of several agents, name what tells these apart with --session-by, where the log has it."
        )


def _recording_bytes(paths: Sequence[Path]) -> int:
    """How long a recording is once it is unpacked, about."""
    files = (file for path in paths for file in (path.rglob("*") if path.is_dir() else (path,)))
    return sum(
        file.stat().st_size * (_UNPACKED if file.suffix in _PACKED else 1) for file in files if file.is_file()
    )
