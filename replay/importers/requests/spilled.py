"""Bytes that wait on the disk while a recording is imported: in a file without a name, which goes with its process."""

import tempfile
import weakref
from typing import BinaryIO

from replay.trace.errors import TraceError


class Spilled:
    """Pieces of bytes, each told by where it begins and how long it is. Raises TraceError where the disk takes none."""

    def __init__(self) -> None:
        try:
            self._file: BinaryIO = tempfile.TemporaryFile(prefix="replay-import-")  # noqa: SIM115
        except OSError as error:
            raise _cannot_keep(error) from error
        weakref.finalize(self, self._file.close)
        self._size = 0

    def put(self, data: bytes) -> tuple[int, int]:
        """Keep these bytes."""
        try:
            self._file.seek(self._size)
            self._file.write(data)
            self._file.flush()
        except OSError as error:
            raise _cannot_keep(error) from error
        at = self._size
        self._size += len(data)
        return at, len(data)

    def get(self, at: int, length: int) -> bytes:
        """What was kept there. Raises TraceError."""
        try:
            self._file.seek(at)
            return self._file.read(length)
        except OSError as error:
            raise _cannot_keep(error) from error


def _cannot_keep(error: OSError) -> TraceError:
    why = (error.strerror or str(error)).lower()
    text = f"what waits for its place in the trace cannot be kept there: {why}. Make room, or set TMPDIR."
    return TraceError(f"{tempfile.gettempdir()}: {text}")
