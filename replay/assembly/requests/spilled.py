"""Bytes that wait while a recording is imported: a few in memory, many in a file without a name.

The file goes with the last process that has it open. Processes that share the work share the file: each takes room at
its end, and all read everywhere.
"""

import os
import tempfile
import weakref
from collections.abc import Iterable
from io import FileIO
from multiprocessing import get_context
from multiprocessing.reduction import DupFd
from multiprocessing.sharedctypes import Synchronized
from typing import Any

from replay.trace.errors import TraceError

MOST_HELD_BYTES = 64 << 20


class Spilled:
    """Pieces of bytes, each told by where it begins and how long it is. Raises TraceError where the disk takes none.

    most_held_bytes: so many are held in memory before all go to the disk.
    """

    def __init__(self, most_held_bytes: int = MOST_HELD_BYTES) -> None:
        self._most_held_bytes = most_held_bytes
        self._held = bytearray()
        self._file: FileIO | None = None
        self._size = 0
        self._shared_size: Synchronized[int] | None = None

    def put(self, data: bytes) -> int:
        """Keep these bytes, and say where they begin."""
        return self.put_pieces((data,), len(data))

    def put_pieces(self, pieces: Iterable[bytes], length: int) -> int:
        """Keep these, one behind the other, and say where they begin. length: of all of them together."""
        at = end = self._room(length)
        if self._file is None and at + length > self._most_held_bytes:
            self._to_disk()
        for piece in pieces:
            if self._file is None:
                self._held += piece
            else:
                self._write(piece, end)
            end += len(piece)
        return at

    def get(self, at: int, length: int) -> bytes:
        """What was kept there."""
        if self._file is None:
            return bytes(memoryview(self._held)[at : at + length])
        try:
            found = os.pread(self._file.fileno(), length, at)
            while len(found) < length:
                more = os.pread(self._file.fileno(), length - len(found), at + len(found))
                if not more:
                    raise OSError(5, "What was written there is gone")
                found += more
        except OSError as error:
            raise _cannot_keep(error) from error
        return found

    def share(self) -> None:
        """Have other processes put and get pieces as well: those that are given this as they are spawned."""
        if self._shared_size is None:
            if self._file is None:
                self._to_disk()
            self._shared_size = get_context("spawn").Value("q", self._size)

    def _room(self, length: int) -> int:
        if self._shared_size is None:
            at, self._size = self._size, self._size + length
            return at
        with self._shared_size.get_lock():
            at = self._shared_size.value
            self._shared_size.value = at + length
        return at

    def _to_disk(self) -> None:
        try:
            self._open(tempfile.TemporaryFile(prefix="replay-import-", buffering=0))  # noqa: SIM115
        except OSError as error:
            raise _cannot_keep(error) from error
        self._write(self._held, 0)
        self._held = bytearray()

    def _open(self, file: FileIO) -> None:
        self._file = file
        weakref.finalize(self, file.close)

    def _write(self, data: bytes | bytearray, at: int) -> None:
        assert self._file is not None
        left = memoryview(data)
        try:
            while left:
                written = os.pwrite(self._file.fileno(), left, at)
                left, at = left[written:], at + written
        except OSError as error:
            raise _cannot_keep(error) from error

    def __reduce__(self) -> tuple[Any, ...]:
        assert self._file is not None
        return _attached, (DupFd(self._file.fileno()), self._shared_size)


def _attached(duplicate: Any, shared_size: "Synchronized[int]") -> Spilled:
    """The same in another process."""
    spilled = Spilled()
    spilled._open(FileIO(duplicate.detach(), "r+b"))
    spilled._shared_size = shared_size
    return spilled


def _cannot_keep(error: OSError) -> TraceError:
    why = (error.strerror or str(error)).lower()
    text = f"what waits for its place in the trace cannot be kept there: {why}. Make room, or set TMPDIR."
    return TraceError(f"{tempfile.gettempdir()}: {text}")
