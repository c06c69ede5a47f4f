"""The trace file: read and written as a stream of sessions, with errors that name the place.

Line 1 is the header, every other line one session, in order of start_ms; JSON Lines in UTF-8, stored as it is
or as zstandard. Memory holds one session at a time, whatever the size of the file.

Every session that comes out of a reader, or goes into a writer, has passed replay/trace/file/rules.py. Only the ids
of sessions are not compared with one another, because that costs memory for each: `scan` does, which every command
that replays begins with.
"""

import io
from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NoReturn

import msgspec
import numpy as np

from replay.trace.copies import Marks
from replay.trace.errors import TraceError, shown, shown_path
from replay.trace.file.explain import HEADER, decoding_fault, header_fault, sentence
from replay.trace.file.import_doubts import import_doubts
from replay.trace.file.raw_json import in_one_line, leave_out_empty
from replay.trace.file.rules import LONGEST_MS, LONGEST_NAME, find_problem
from replay.trace.file.stored import BlankLines, StoredBytes, WholeFile, open_lines
from replay.trace.file.unknown import Resembling, encoded_with_extra, has_extra, resembling, set_aside
from replay.trace.file.weight import is_too_heavy
from replay.trace.origins import MOST_ORIGINS, origin_of
from replay.trace.types import Header, Session
from replay.trace.values.uses import Uses
from replay.words.copies import COPY, LAP
from replay.words.numbers import exact
from replay.words.phrases import counted

LONGEST_LINE_BYTES = 256 << 20
LONGEST_HEADER_BYTES = 1 << 20
_COPIED_BYTES = 1 << 20
_MOST_MISSPELT = 20
_MOST_CALLS = 1_000
MOST_KEPT_BYTES = 16 << 20
"""So long a trace is held in memory rather than read again."""
# How deep a session is decoded: session, steps, step, after, edge. Bodies in JSON lie deeper, or stay as they are.
_LEVELS = 5

_BOM = b"\xef\xbb\xbf"
_decode_header = msgspec.json.Decoder(Header).decode
_decode_session = msgspec.json.Decoder(Session).decode
_encode = msgspec.json.Encoder().encode


_Text = bytes  # of which TraceScan has a number, too


class TraceScan(msgspec.Struct, frozen=True):
    """What one pass over a whole trace finds.

    sha256: of the file as stored. requests: steps that send something, sockets of them on WebSockets; waits: steps that
    send nothing.
    span_ms: from the trace's start to the last recorded end. busy_ms: all recorded durations of requests together.
    bytes: of the file as stored. uses: the reserved references in it; None where nobody looked for them.
    marks: what tells copies of its sessions from them. text: its lines, unpacked, as far as they were to be kept; None
    where they were not, or are too long for that. misspelt: unknown fields that look like known ones, and how often.
    calls: kind and name of steps that make gRPC calls, and whether one of them has its message in JSON.
    """

    header: Header
    sha256: str
    sessions: int
    steps: int
    requests: int
    waits: int
    span_ms: float
    bytes: int
    first_start_ms: float
    last_start_ms: float
    sockets: int = 0
    busy_ms: float = 0.0
    uses: Uses | None = None
    marks: Marks = Marks()
    text: _Text | None = None
    misspelt: dict[Resembling, int] = {}
    calls: dict[tuple[str, str], bool] = {}

    @property
    def has_references(self) -> bool:
        """Whether a request has a reserved reference, to which the run gives the value."""
        return self.uses is not None and bool(self.uses.counts)

    @property
    def doubts(self) -> list[str]:
        """What its importer doubted, and what the file may not say as its author meant it, each as a clause."""
        return import_doubts(self.header) + [
            f"{shown(found.name)} ({counted(times, 'time')}) is not a field of a trace, and is passed over; was "
            f'"{found.known}" meant?'
            for found, times in self.misspelt.items()
        ]

    @property
    def mean_in_flight(self) -> float | None:
        """Requests under way at once on average, by their recorded durations; None where the trace has none."""
        return self.busy_ms / self.span_ms if self.busy_ms > 0 and self.span_ms > 0 else None

    @property
    def mean_gap_ms(self) -> float:
        """The mean time between session starts; 0 where there are fewer than two sessions."""
        if self.sessions < 2:
            return 0.0
        return (self.last_start_ms - self.first_start_ms) / (self.sessions - 1)


class TraceReader:
    """An iterator over the sessions of one trace file, and a context manager that closes it.

    checked: whether the rules for sessions are tested; a file that was scanned before need not pay for it again.
    uses: takes note of reserved references, which are then checked too; None: braces are text. text: the file's lines,
    where somebody has kept them; the file is left alone then. keeps: whether to keep the lines, until `keep_no_more`.
    header: the file's first line. line: the number of the line read last, from 1. misspelt: unknown fields read so far
    that look like known ones, and how often.
    A TraceError for one line leaves the reader on the next line, so that a caller can go on and find more.
    """

    def __init__(
        self,
        path: str | PathLike[str],
        *,
        hashed: bool = False,
        checked: bool = True,
        uses: Uses | None = None,
        text: bytes | None = None,
        keeps: bool = False,
    ) -> None:
        self._uses = uses
        self._path = Path(path)
        self._is_checked = checked
        self._lines: BinaryIO
        if text is None:
            self._stored = StoredBytes(self._path, hashed=hashed)
            self._lines = open_lines(self._stored, self._path)
        else:
            self._lines = io.BytesIO(text)
        self._kept: bytearray | None = bytearray() if keeps else None
        self._keeps = keeps
        self._blank = BlankLines(self._path)
        self.line = 0
        self.misspelt: Counter[Resembling] = Counter()
        self._last_start_ms = 0.0
        try:
            self.header = self._read_header()
        except BaseException:
            self.close()
            raise

    def __repr__(self) -> str:
        return f"<TraceReader {str(self._path)!r} at line {self.line}>"

    def __iter__(self) -> Iterator[Session]:
        return self

    def __next__(self) -> Session:
        line = self._next_line(LONGEST_LINE_BYTES)
        while self._blank.passes_over(line):
            line = self._next_line(LONGEST_LINE_BYTES)
        if not line:
            raise StopIteration
        if is_too_heavy(line, _LEVELS):
            self._fail("holds more values than a session may: they would take over a gigabyte of memory.")
        try:
            session = _decode_session(line)
            if not line.isascii():
                line.decode()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            session = self._decode_unusual(line, error)
        if self._is_checked:
            problem = find_problem(session)
            if problem is not None:
                self._fail(sentence(session.id, problem))
        # In JSON, two braces stand side by side in a string only.
        if self._uses is not None and b"{{" in line:
            problem = self._uses.add(session, self.line)
            if problem is not None:
                self._fail(sentence(session.id, problem))
        for step in session.steps:
            request = step.request
            if request is not None and request.json:
                request.json = request.json.copy()  # a view would keep the whole line in memory
            elif (mcp := step.mcp) is not None:
                mcp.arguments, mcp.params = mcp.arguments.copy(), mcp.params.copy()
            elif (ws := step.ws) is not None and ws.json:
                ws.json = ws.json.copy()
            elif (grpc := step.grpc) is not None:
                grpc.message = grpc.message.copy()
        if session.start_ms < self._last_start_ms:
            self._fail(
                f"session {shown(session.id)} starts at {exact(session.start_ms)} ms, before the "
                f"session above it ({exact(self._last_start_ms)} ms). Sort the sessions by start_ms."
            )
        self._last_start_ms = session.start_ms
        return session

    def __enter__(self) -> "TraceReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Closing again does nothing."""
        self._lines.close()

    def sha256(self) -> str:
        """The hash of the stored file, once it has been read to its end with hashed=True."""
        return self._stored.sha256()

    def _keep(self, line: bytes) -> None:
        assert self._kept is not None
        self._kept += line
        if len(self._kept) > MOST_KEPT_BYTES:
            self._kept, self._keeps = None, False

    def keep_no_more(self) -> None:
        """Of the lines that follow none is kept."""
        self._keeps = False

    def kept(self) -> bytes | None:
        """The lines that were to be kept; None where they are too long."""
        return None if self._kept is None else bytes(self._kept)

    @property
    def stored_bytes(self) -> int:
        """The stored bytes read so far."""
        return self._stored.read_bytes

    def _read_header(self) -> Header:
        line = self._next_line(LONGEST_HEADER_BYTES)
        if not line:
            raise TraceError(f"{shown_path(self._path)}: empty. A trace begins with a header line.")
        line = line.removeprefix(_BOM)
        try:
            line.decode()
            fault = header_fault(line)
            if fault is not None:
                self._fail(fault)
            header = _decode_header(set_aside(line, Header))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._error(decoding_fault(line, error, HEADER)) from error
        fault = header_problem(header)
        if fault is not None:
            self._fail(fault)
        return header

    def _next_line(self, longest: int) -> bytes:
        line = self._lines.readline(longest + 1)
        self.line += 1
        if self._keeps:
            self._keep(line)
        if len(line) > longest and not line.endswith(b"\n"):
            self._lines.close()
            self._lines = io.BytesIO()
            self._fail(f"longer than {longest >> 20} MiB, the most that one line may take.")
        return line

    def _decode_unusual(self, line: bytes, first: Exception) -> Session:
        """The session of a line that strict decoding refused: it may only have unknown fields."""
        try:
            line.decode()
            if "unknown field" not in str(first):
                raise first
            session = _decode_session(set_aside(line, Session))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._error(decoding_fault(line, error, "the line")) from error
        for found in resembling(session):
            if found in self.misspelt or len(self.misspelt) < _MOST_MISSPELT:
                self.misspelt[found] += 1
        return session

    def _error(self, text: str) -> TraceError:
        return TraceError(f"{shown_path(self._path)}, line {self.line}: {text}")

    def _fail(self, text: str) -> NoReturn:
        raise self._error(text)


class TraceWriter:
    """A new trace file, complete or absent: it takes its name when the writer is left without an exception.

    A path that ends in .zst or .gz is compressed. Sessions must come in order of start_ms.
    """

    def __init__(self, path: str | PathLike[str], header: Header) -> None:
        self._path = Path(path)
        fault = header_problem(header)
        if fault is not None:
            raise TraceError(f"{shown_path(self._path)}: {fault}")
        self._header = header
        self._file = WholeFile(self._path)
        self._last_start_ms = 0.0
        self.sessions = 0
        self.steps = 0

    def __enter__(self) -> "TraceWriter":
        self._file.__enter__()
        try:
            self._file.write(encoded_with_extra(self._header) + b"\n")
        except BaseException as error:
            self._file.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.__exit__(kind, error, trace)

    def write(self, session: Session) -> None:
        """Append one session. Raises TraceError if it breaks a rule, starts too early, or the disk is full."""
        problem = find_problem(session)
        if problem is not None:
            raise TraceError(f"{shown_path(self._path)}: {sentence(session.id, problem)}")
        self._refuse_early(session.start_ms, f"session {shown(session.id)}")
        for step in session.steps:
            leave_out_empty(step)
        line = encoded_with_extra(session) if has_extra(session) else _encode(session)
        self._append(in_one_line(line), len(session.steps))

    @property
    def pack(self) -> Callable[[bytes], bytes]:
        """What makes of lines what stands for them in the file; it can be pickled."""
        return self._file.pack

    def write_lines(self, lines: bytes, starts_ms: Sequence[float], steps: int) -> None:
        """Append sessions that are known to keep to all rules, as they stand in a trace, each with its line break.

        lines: as `pack` makes them; nothing but such may follow. starts_ms: of each of them. steps: of all. Raises
        TraceError if one starts too early, or the disk is full.
        """
        for n, start_ms in enumerate(starts_ms, self.sessions + 1):
            if start_ms < self._last_start_ms:
                self._refuse_early(start_ms, f"session {n}")
            self._last_start_ms = start_ms
        self._file.write_packed(lines)
        self.sessions += len(starts_ms)
        self.steps += steps

    def _append(self, line: bytes, steps: int) -> None:
        self._file.write(line + b"\n")
        self.sessions += 1
        self.steps += steps

    def _refuse_early(self, start_ms: float, which: str) -> None:
        if start_ms < self._last_start_ms:
            raise TraceError(
                f"{shown_path(self._path)}: {which} starts before the one written last. "
                "Sort the sessions by start_ms."
            )
        self._last_start_ms = start_ms


def replace_header(path: str | PathLike[str], header: Header) -> None:
    """Give a trace another header, its sessions as they are. Raises TraceError, which leaves the file as it was."""
    file = Path(path)
    fault = header_problem(header)
    if fault is not None:
        raise TraceError(f"{shown_path(file)}: {fault}")
    with StoredBytes(file, hashed=False) as stored, open_lines(stored, file) as lines:
        lines.readline(LONGEST_HEADER_BYTES + 1)
        with WholeFile(file) as whole:
            whole.write(encoded_with_extra(header) + b"\n")
            while piece := lines.read(_COPIED_BYTES):
                whole.write(piece)


def header_problem(header: Header) -> str | None:
    """What is wrong with a header's values, as a sentence; None when nothing is."""
    if not header.name or len(header.name) > LONGEST_NAME:
        return f"the header's name must have 1 to {LONGEST_NAME:,} characters."
    if header.resolution_ms is not None and not 0.0 <= header.resolution_ms <= LONGEST_MS:
        return f"the header's resolution_ms is {exact(header.resolution_ms)}; it must not be negative or huge."
    if len(header.origins) > MOST_ORIGINS:
        return f"the header's origins are {len(header.origins):,}; at most {MOST_ORIGINS:,} are allowed."
    for origin in header.origins:
        if origin_of(origin) is None:
            return f"the header's origins hold {shown(origin)}, which is not a valid origin. Write https://host, or https://host:port."
    return None


def open_trace(path: str | PathLike[str]) -> TraceReader:
    """Open a trace and read its header. Close the reader, or use it in a `with` statement."""
    return TraceReader(path)


def read_sessions(
    path: str | PathLike[str], *, checked: bool = True, text: bytes | None = None
) -> Iterator[Session]:
    """The sessions of a trace in file order, each checked on its own; session ids are not compared.

    checked: False where the file was scanned just before. text: what that scan has kept of it.
    Raises TraceError where the file cannot be read or a line breaks a rule.
    """
    with TraceReader(path, checked=checked, text=text) as reader:
        yield from reader


def scan(
    path: str | PathLike[str],
    *,
    references: bool = True,
    keeps: Callable[[Session], bool] | None = None,
) -> TraceScan:
    """Read a whole trace once, checking every line and that no session id occurs twice, and count what is in it.

    Keeps 8 bytes for each session, and reads the file a second time if two ids are alike in these.
    references: False takes what looks like a reserved reference for text. keeps: have the lines kept, up to the first
    session for which it says no.
    Raises TraceError for the first thing that is wrong.
    """
    sessions = steps = waits = sockets = 0
    span_ms = first_start_ms = last_start_ms = busy_ms = 0.0
    ids = array("q")
    uses = Uses() if references else None
    marks = Marks()
    calls: dict[tuple[str, str], bool] = {}
    with TraceReader(path, hashed=True, uses=uses, keeps=keeps is not None) as reader:
        for session in reader:
            if keeps is not None and not keeps(session):
                keeps = None
                reader.keep_no_more()
            if not sessions:
                first_start_ms = session.start_ms
            last_start_ms = session.start_ms
            sessions += 1
            steps += len(session.steps)
            session_id = session.id
            if COPY in session_id or LAP in session_id:
                marks.see(session_id)
            for step in session.steps:
                took_ms = step.took_ms or 0.0
                if step.is_wait:
                    waits += 1
                else:
                    busy_ms += took_ms
                    if step.ws is not None:
                        sockets += 1
                    if step.grpc is not None:
                        key = step.kind, step.name
                        if key in calls or len(calls) < _MOST_CALLS:
                            calls[key] = calls.get(key, False) or bool(step.grpc.message)
                end_ms = last_start_ms + step.at_ms + took_ms
                if end_ms > span_ms:
                    span_ms = end_ms
            ids.append(hash(session_id))
        found = TraceScan(
            header=reader.header,
            sha256=reader.sha256(),
            sessions=sessions,
            steps=steps,
            requests=steps - waits,
            waits=waits,
            sockets=sockets,
            span_ms=span_ms,
            bytes=reader.stored_bytes,
            first_start_ms=first_start_ms,
            last_start_ms=last_start_ms,
            busy_ms=busy_ms,
            uses=uses,
            marks=marks,
            text=reader.kept(),
            misspelt=dict(reader.misspelt.most_common()),
            calls=calls,
        )
    repeated = _repeated(ids)
    if repeated:
        for error in _repeated_ids(path, repeated):
            raise error
    return found


def find_errors(path: str | PathLike[str], most: int = 20) -> Iterator[TraceError]:
    """Up to `most` things that are wrong with a trace, line by line; then repeated session ids."""
    ids = array("q")
    n = 0
    with TraceReader(path, uses=Uses()) as reader:
        while n < most:
            try:
                session = next(reader, None)
            except TraceError as error:
                n += 1
                yield error
                continue
            if session is None:
                break
            ids.append(hash(session.id))
    repeated = _repeated(ids)
    if repeated and n < most:
        for repetition in _repeated_ids(path, repeated):
            n += 1
            yield repetition
            if n >= most:
                return


def _repeated(ids: "array[int]") -> set[int]:
    """The hashes that occur twice. Python's own, which are the same throughout a process, cost 0.05 µs an id."""
    if len(ids) < 2:
        return set()
    ordered = np.sort(np.frombuffer(ids, dtype=np.int64))
    return {int(value) for value in ordered[1:][ordered[1:] == ordered[:-1]]}


def _repeated_ids(path: str | PathLike[str], hashes: set[int]) -> Iterator[TraceError]:
    """Name the lines whose session id stands on an earlier line; pass over lines with other errors."""
    lines: dict[str, int] = {}
    with TraceReader(path) as reader:
        while True:
            try:
                session = next(reader, None)
            except TraceError:
                continue
            if session is None:
                return
            if hash(session.id) in hashes:
                first = lines.setdefault(session.id, reader.line)
                if first != reader.line:
                    yield TraceError(
                        f"{shown_path(path)}, line {reader.line}: session {shown(session.id)} has the same id "
                        f"as the session on line {first}. Every session needs an id of its own."
                    )
