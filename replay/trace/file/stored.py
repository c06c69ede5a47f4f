"""A trace's bytes as they are stored: read and hashed as a stream, and written whole or not at all."""

import contextlib
import hashlib
import io
import os
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Protocol

import zstandard

from replay.system.files import as_private, end_of_links, open_written, part_of
from replay.trace.errors import TraceError, shown_path

_BUFFER_BYTES = 1 << 20
# One zstandard block of a few bytes can stand for 128 KiB, so the input is decompressed in small slices: a
# hostile file can then ask for no more than some 90 MB at a time (with gzip, 1,032 bytes for one: 2 MB). Slices of
# 2 KiB cost under 1 % in speed.
_SLICE_BYTES = 2048
_USUAL_LEVEL = 3  # of zstandard
# Takes half as long: sessions of logged requests come to 4 % less at it, but recorded prompts' to 80 % more.
_PACKED_LEVEL = 1
_LARGEST_WINDOW_BYTES = 1 << 27  # zstd's own default limit for decompression
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_GZIP_MAGIC = b"\x1f\x8b"
_GZIP_WINDOW_BITS = 31  # zlib's way to ask for a gzip header with the largest window
# Agents send the same long prompt with every call, so honest recordings come to 200 or 300 times their stored size.
MOST_UNPACKED_RATIO = 500
_SMALL_BYTES = 64 << 20
_MOST_BLANK_LINES = 1_000_000


class StoredBytes(io.RawIOBase):
    """The file's bytes, counted and, if asked, hashed as they are read."""

    def __init__(self, path: Path, *, hashed: bool) -> None:
        super().__init__()
        try:
            self._file: io.FileIO | None = open_written(path)
        except OSError as error:
            raise TraceError(cannot_read(path, error)) from error
        assert self._file is not None
        self.size = os.fstat(self._file.fileno()).st_size
        self.read_bytes = 0
        self._path = path
        self._hash = hashlib.sha256() if hashed else None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        assert self._file is not None
        try:
            n: int = self._file.readinto(buffer)  # type: ignore[arg-type]
        except OSError as error:
            raise TraceError(cannot_read(self._path, error)) from error
        self.read_bytes += n
        if self._hash is not None:
            self._hash.update(memoryview(buffer)[:n])  # type: ignore[arg-type]
        return n

    def sha256(self) -> str:
        """The hash of everything read so far, in hex."""
        assert self._hash is not None
        return self._hash.hexdigest()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        super().close()


class _Frame(Protocol):
    """One compressed stream of the several that a file may hold: a frame of zstandard, a member of gzip."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


def _zstandard_frame() -> _Frame:
    return zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW_BYTES).decompressobj()


def _gzip_member() -> _Frame:
    return zlib.decompressobj(_GZIP_WINDOW_BITS)


class _Decompressed(io.RawIOBase):
    """The content of one or more compressed frames; a stream that is cut off is an error.

    padding: bytes that may follow a frame and mean nothing.
    """

    def __init__(
        self,
        source: "io.BufferedReader[StoredBytes]",
        path: Path,
        name: str,
        new_frame: Callable[[], _Frame],
        padding: bytes = b"",
    ) -> None:
        super().__init__()
        self._source = source
        self._path = path
        self._name = name
        self._new_frame = new_frame
        self._padding = padding
        self._frame = new_frame()
        self._in_frame = self._is_later_frame = False
        self._unused = b""
        self._ready = memoryview(b"")
        self._packed_bytes = self._unpacked_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        while not self._ready:
            if not self._fill():
                return 0
        target = memoryview(buffer)  # type: ignore[arg-type]
        n = min(len(target), len(self._ready))
        target[:n] = self._ready[:n]
        self._ready = self._ready[n:]
        return n

    def _fill(self) -> bool:
        piece = self._unused
        if not piece:
            piece = self._source.read(_SLICE_BYTES)
            self._packed_bytes += len(piece)
        self._unused = b""
        if not piece:
            if self._in_frame:
                text = f"the {self._name} stream ends too early. The file was probably cut off while it was written"
                raise TraceError(f"{shown_path(self._path)}: {text} or copied.")
            return False
        if self._is_later_frame and not self._in_frame:
            piece = piece.lstrip(self._padding)
            if not piece:
                return True
        try:
            self._ready = memoryview(self._frame.decompress(piece))
        except (zstandard.ZstdError, zlib.error) as error:
            text = f"not a readable {self._name} stream ({error})."
            raise TraceError(f"{shown_path(self._path)}: {text}") from error
        self._unpacked_bytes += len(self._ready)
        if unfolds_too_far(self._packed_bytes, self._unpacked_bytes):
            raise TraceError(f"{shown_path(self._path)}: {unfolded_too_far(self._name)}")
        self._in_frame = True
        if self._frame.eof:
            self._unused = self._frame.unused_data
            self._frame = self._new_frame()
            self._in_frame, self._is_later_frame = False, True
        return True

    def close(self) -> None:
        self._source.close()
        super().close()


def unfolds_too_far(packed_bytes: int, unpacked_bytes: int) -> bool:
    """Whether so many bytes are more than may come of so few: a small file must not cost gigabytes of memory."""
    return unpacked_bytes > max(_SMALL_BYTES, packed_bytes * MOST_UNPACKED_RATIO)


def unfolded_too_far(name: str) -> str:
    """What to say of it, behind the place. name: the compression's."""
    return (
        f"unpacks to more than {MOST_UNPACKED_RATIO} times its size, as hostile files do. If it is sound, "
        f"decompress it with {name}, and name what comes out."
    )


class BlankLines:
    """Lines to be passed over, up to a million in a file: beyond, they are there to cost time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._n = 0

    def passes_over(self, line: bytes) -> bool:
        """Whether this line is blank. Raises TraceError for one too many."""
        if not line.isspace():
            return False
        self._n += 1
        if self._n > _MOST_BLANK_LINES:
            raise TraceError(f"{shown_path(self._path)}: more than {_MOST_BLANK_LINES:,} blank lines.")
        return True


def cannot_read(path: Path, error: OSError) -> str:
    """The sentence for a file that cannot be read."""
    if isinstance(error, FileNotFoundError):
        return f"{shown_path(path)}: no such file."
    if isinstance(error, IsADirectoryError):
        return f"{shown_path(path)}: a directory, not a trace file. Name a .jsonl or .jsonl.zst file."
    return f"{shown_path(path)}: cannot be read: {(error.strerror or str(error)).lower()}."


def open_lines(stored: StoredBytes, path: Path) -> BinaryIO:
    """The file's content, decompressed if it is zstandard or gzip (told by its first bytes, not by its name)."""
    source = io.BufferedReader(stored, _BUFFER_BYTES)
    try:
        start = source.peek(4)[:4]
        if start == _ZSTD_MAGIC:
            content = _Decompressed(source, path, "zstandard", _zstandard_frame)
            return io.BufferedReader(content, _BUFFER_BYTES)
        if start[:2] == _GZIP_MAGIC:
            content = _Decompressed(source, path, "gzip", _gzip_member, b"\0")
            return io.BufferedReader(content, _BUFFER_BYTES)
        for suffix, name in ((".zst", "zstandard"), (".gz", "gzip")):
            if path.suffix == suffix and start:
                raise TraceError(f"{shown_path(path)}: named {suffix}, but not compressed with {name}.")
    except BaseException:
        source.close()
        raise
    return source


class _GzipWriter:
    """Compresses what is written. The same bytes come out every time: no name and no time go in."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._compressor = zlib.compressobj(wbits=_GZIP_WINDOW_BITS)

    def write(self, data: bytes) -> None:
        self._file.write(self._compressor.compress(data))

    def close(self) -> None:
        self._file.write(self._compressor.flush())


def _zstandard_packed(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=_PACKED_LEVEL).compress(data)


def _gzip_packed(data: bytes) -> bytes:
    return zlib.compress(data, wbits=_GZIP_WINDOW_BITS)


class WholeFile:
    """A new file that appears under its name only once it is complete; compressed if it ends in .zst or .gz.

    It is for its owner alone: a trace may hold prompts, bodies, and what no redaction knows for a secret.

    A context manager, and nothing is on the disk before it is entered: leaving it by an exception, or an interrupt at
    any instant, leaves nothing behind, and an older file as it was.
    """

    _raw: io.FileIO
    _file: BinaryIO
    _frame: zstandard.ZstdCompressionWriter | _GzipWriter | None

    def __init__(self, path: Path) -> None:
        self._path = path
        # As the user names it: what a shell has put behind /dev/stdout has no name of its own.
        if path.exists() and not path.is_file() and not path.is_dir():
            raise TraceError(f"{shown_path(path)}: not a regular file. Name a file to write.")
        with self._translated():
            self._path = path = end_of_links(path)
        self._part = part_of(path)

    def _open(self) -> None:
        with self._translated():
            if self._path.is_dir():
                raise IsADirectoryError(21, "Is a directory")
            self._raw = io.FileIO(self._part, "xb", opener=as_private)
        self._file = io.BufferedWriter(self._raw, _BUFFER_BYTES)
        self._frame = self._new_frame()

    def _new_frame(self) -> zstandard.ZstdCompressionWriter | _GzipWriter | None:
        if self._path.suffix == ".zst":
            return zstandard.ZstdCompressor(level=_USUAL_LEVEL).stream_writer(self._file, closefd=False)
        return _GzipWriter(self._file) if self._path.suffix == ".gz" else None

    def write(self, data: bytes) -> None:
        try:
            (self._frame or self._file).write(data)
        except OSError as error:
            raise self._cannot_write(error) from error

    @property
    def pack(self) -> Callable[[bytes], bytes]:
        """What makes of data a frame of its own, or nothing else where the file is not compressed.

        So that other processes can compress what goes into the file: it can be pickled.
        """
        return {".zst": _zstandard_packed, ".gz": _gzip_packed}.get(self._path.suffix, bytes)

    def write_packed(self, data: bytes) -> None:
        """Append what `pack` has made; nothing but such may follow."""
        try:
            self._end_frame()
            self._file.write(data)
        except OSError as error:
            raise self._cannot_write(error) from error

    def _end_frame(self) -> None:
        if self._frame is not None:
            self._frame.close()
            self._frame = None

    def __enter__(self) -> "WholeFile":
        try:
            self._open()
        except BaseException:
            with contextlib.suppress(OSError):
                self._part.unlink(missing_ok=True)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                with self._translated():
                    self._end_frame()
                    self._file.flush()
                    os.fsync(self._file.fileno())
                    self._file.close()
                    os.replace(self._part, self._path)
        finally:
            self._discard()

    def _discard(self) -> None:
        """Close what is open and remove what is left; after a success neither does anything."""
        if not self._file.closed:
            self._frame = None
            with contextlib.suppress(OSError):
                self._raw.close()
        with contextlib.suppress(OSError):
            self._part.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._cannot_write(error) from error

    def _cannot_write(self, error: OSError) -> TraceError:
        why = (error.strerror or str(error)).lower()
        return TraceError(f"{shown_path(self._path)}: cannot be written: {why}. Nothing was left behind.")
