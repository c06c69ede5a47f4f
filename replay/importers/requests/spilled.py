"""Bytes that wait on the disk while a recording is imported: in a file without a name, which goes with its process."""

import tempfile
import weakref
from collections.abc import Iterable
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

    def put(self, pieces: Iterable[bytes]) -> tuple[int, int]:
        """Keep these bytes, one behind the other."""
        at = self._size
        try:
            self._file.seek(at)
            self._file.writelines(pieces)
            self._file.flush()
            self._size = self._file.tell()
        except OSError as error:
            raise _cannot_keep(error) from error
        return at, self._size - at

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
