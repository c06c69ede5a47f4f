"""A recording's bytes as UTF-8 without a byte order mark, however they were stored and encoded; rows as JSON Lines.

Lines that end in CR alone, as old Macs wrote them, end in LF.
"""

import codecs
import contextlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from replay.reading.parquet_rows import MAGIC as PARQUET
from replay.reading.parquet_rows import ParquetLines
from replay.trace.file.stored import StoredBytes, open_lines

_BUFFER_BYTES = 1 << 16
_UTF_8 = b"\xef\xbb\xbf"
_UTF_16 = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}
_LONGEST_MARK = 3
# A file without a line feed so far has none.
_TELLING_BYTES = 1 << 16


class _Transcoded(io.RawIOBase):
    """UTF-16 as UTF-8; what is neither becomes U+FFFD."""

    def __init__(self, source: BinaryIO, encoding: str) -> None:
        super().__init__()
        self._source = source
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        while not self._ready:
            piece = self._source.read(_BUFFER_BYTES)
            self._ready = self._decoder.decode(piece, final=not piece).encode("utf-8", "replace")
            if not piece and not self._ready:
                return 0
        target = memoryview(buffer)  # type: ignore[arg-type]
        n = min(len(target), len(self._ready))
        target[:n] = self._ready[:n]
        self._ready = self._ready[n:]
        return n


class _WithLineFeeds(io.RawIOBase):
    """Text of which each CR is the end of a line."""

    def __init__(self, source: BinaryIO) -> None:
        super().__init__()
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        target = memoryview(buffer)  # type: ignore[arg-type]
        piece = self._source.read(len(target)).replace(b"\r", b"\n")
        target[: len(piece)] = piece
        return len(piece)


@contextlib.contextmanager
def open_recording(path: Path) -> Iterator[BinaryIO]:
    """The file, decompressed where it is compressed. Raises TraceError where it cannot be read."""
    with StoredBytes(path, hashed=False) as stored, open_lines(stored, path) as source:
        start = source.peek(4)[:4]  # type: ignore[attr-defined]
        # It is read from its end, so one within a compressed file is left to whoever says so.
        if start == PARQUET and begin_of_stored(source, path) is not None and path.is_file():
            with io.BufferedReader(ParquetLines(path), _BUFFER_BYTES) as rows:
                yield cast(BinaryIO, rows)
            return
        encoding = _UTF_16.get(start[:2]) or _without_a_mark(start)
        if start.startswith(_UTF_8):
            source.read(_LONGEST_MARK)
        if encoding is None:
            yield _with_line_feeds(source)
            return
        if start[:2] in _UTF_16:
            source.read(2)
        with io.BufferedReader(_Transcoded(source, encoding), _BUFFER_BYTES) as transcoded:
            yield _with_line_feeds(cast(BinaryIO, transcoded))


def _with_line_feeds(source: BinaryIO) -> BinaryIO:
    """The source, its lines ended as all others' are."""
    start = source.peek(_TELLING_BYTES)[:_TELLING_BYTES]  # type: ignore[attr-defined]
    if b"\r" not in start or b"\n" in start or b"\0" in start:
        return source
    return cast(BinaryIO, io.BufferedReader(_WithLineFeeds(source), _BUFFER_BYTES))


def begin_of_stored(source: BinaryIO, path: Path) -> int | None:
    """Where in a file the text of this recording begins, which was just opened; None where it is stored otherwise."""
    if not isinstance(getattr(source, "raw", None), StoredBytes):
        return None
    with path.open("rb") as file:
        return _LONGEST_MARK if file.read(_LONGEST_MARK) == _UTF_8 else 0


def _without_a_mark(start: bytes) -> str | None:
    """UTF-16 is told by the zeros beside two characters of ASCII."""
    if len(start) < 4 or start.count(0) != 2:
        return None
    if start[1] == start[3] == 0:
        return "utf-16-le"
    return "utf-16-be" if start[0] == start[2] == 0 else None
