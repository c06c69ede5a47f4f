"""The journal of a recording: an append-only file of steps as they end, from which the trace is made.

JSON Lines: a header, then an entry a line. Only its owner may read it. What a kill cuts off is the last line.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

import msgspec

from replay.recording.types import JOURNAL_FORMAT, JOURNAL_VERSION, JournalEntry, JournalHeader
from replay.trace.errors import TraceError, shown_path
from replay.trace.file.raw_json import in_one_line, leave_out_empty

try:
    import fcntl
except ImportError:  # Windows: a recording there cannot be told from one that was killed
    fcntl = None  # type: ignore[assignment]

_LONGEST_LINE_BYTES = 64 << 20


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where in the journal an entry stands, how long it is, and what is needed to put it in order."""

    session: str
    at_ms: float
    offset: int
    line_bytes: int


class JournalWriter:
    """A new journal, locked while it is written. What is added reaches the file with the next `flush`.

    Raises TraceError if the file is there already, since it may be the only copy of a recording, or on a full disk.
    unwritten: entries that a flush which failed has left.
    """

    def __init__(self, path: Path, header: JournalHeader) -> None:
        self.path = path
        self._waiting: list[bytes] = []
        self._left = b""
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        except FileExistsError as error:
            raise TraceError(_why_taken(path)) from error
        except OSError as error:
            raise self._error(error) from error
        if fcntl is not None:
            with suppress(OSError):  # a file system without locks
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._waiting.append(msgspec.json.encode(header) + b"\n")
        try:
            self.flush()
        except TraceError:
            # Nothing is in it that the next recording should have to be told about.
            os.close(self._descriptor)
            path.unlink(missing_ok=True)
            raise

    def __enter__(self) -> "JournalWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if not self.unwritten:
                self.flush()
        finally:
            os.close(self._descriptor)

    @property
    def unwritten(self) -> int:
        return self._left.count(b"\n")

    def add(self, entry: JournalEntry) -> None:
        leave_out_empty(entry.step)
        self._waiting.append(in_one_line(msgspec.json.encode(entry)) + b"\n")

    def flush(self) -> None:
        """Hand everything to the operating system, which keeps it when this process is killed."""
        data = memoryview(b"".join((self._left, *self._waiting)))
        self._left, self._waiting = b"", []
        while data:
            try:
                data = data[os.write(self._descriptor, data) :]
            except OSError as error:
                # The next attempt goes on in the middle of the line, so that no other line is spoiled.
                self._left = bytes(data)
                raise self._error(error) from error

    def _error(self, error: OSError) -> TraceError:
        why = (error.strerror or str(error)).lower()
        return TraceError(f"{shown_path(self.path)}: cannot be written: {why}.")


def _why_taken(path: Path) -> str:
    if _is_being_written(path):
        return f"{shown_path(path)}: another recording is writing it now. Stop that one, or name another OUT."
    return (
        f"{shown_path(path)}: is there already, left by a recording that was killed. Make a trace of it with "
        f"--recover, or remove it."
    )


def _is_being_written(path: Path) -> bool:
    """Whether a recording that lives holds the journal's lock; those that were killed hold none."""
    if fcntl is None:
        return False
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


class Found(NamedTuple):
    """What a journal holds. cut_bytes: of a last line that a kill cut off. damaged: lines that are no JSON."""

    header: JournalHeader
    places: list[Place]
    cut_bytes: int
    damaged: int


class JournalReader:
    """Reads a journal, first as places, then each entry from its place. Raises TraceError."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file: BinaryIO = path.open("rb")
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise TraceError(f"{shown_path(path)}: cannot be read: {why}.") from error

    def __enter__(self) -> "JournalReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def scan(self) -> Found:
        """Find the last entry of every step. A last line without its end is left out, as lines are that are no JSON:
        what a disk has lost takes nothing else with it. Raises TraceError for JSON that is no entry.
        """
        places: dict[str, Place] = {}
        header: JournalHeader | None = None
        sessions: dict[str, str] = {}
        cut_bytes = damaged = 0
        for number, offset, line in self._lines():
            if not line.endswith(b"\n"):
                cut_bytes = len(line)
                break
            if header is None:
                header = self._header(line)
                continue
            try:
                entry = msgspec.json.decode(line, type=JournalEntry)
            except msgspec.ValidationError as error:
                text = f"{shown_path(self._path)}, line {number}: no entry of a journal: {error}."
                raise TraceError(text) from error
            except (msgspec.DecodeError, UnicodeError, RecursionError):
                damaged += 1
                continue
            session = sessions.setdefault(entry.session, entry.session)
            places[entry.step.id] = Place(session, entry.step.at_ms, offset, len(line))
        if header is None:
            raise TraceError(f"{shown_path(self._path)}: not a recording's journal. Name an OUT.journal file.")
        return Found(header, list(places.values()), cut_bytes, damaged)

    def entry(self, offset: int) -> JournalEntry:
        self._file.seek(offset)
        return msgspec.json.decode(self._file.readline(), type=JournalEntry)

    def _header(self, line: bytes) -> JournalHeader:
        try:
            header = msgspec.json.decode(line, type=JournalHeader)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            text = f"{shown_path(self._path)}: not a recording's journal. Name an OUT.journal file."
            raise TraceError(text) from error
        if header.format != JOURNAL_FORMAT or header.version != JOURNAL_VERSION:
            raise TraceError(
                f"{shown_path(self._path)}: a {header.format} of version {header.version}; this version of replay "
                f"reads {JOURNAL_FORMAT} of version {JOURNAL_VERSION}."
            )
        return header

    def _lines(self) -> Iterator[tuple[int, int, bytes]]:
        number = offset = 0
        while line := self._file.readline(_LONGEST_LINE_BYTES + 1):
            number += 1
            if len(line) > _LONGEST_LINE_BYTES:
                raise TraceError(f"{shown_path(self._path)}, line {number}: longer than any line of a journal.")
            yield number, offset, line
            offset += len(line)
