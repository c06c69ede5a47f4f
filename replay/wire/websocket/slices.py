"""Bytes as they come on one connection, in slices where there are many at once."""

import asyncio
from collections import deque
from time import monotonic_ns

from replay.wire.opening import Opened

# So much is read at a turn of the loop: of the shortest frames some 10 ms of work.
_SLICE_BYTES = 16 * 1024


class Sliced(Opened):
    """`_read` is called with each slice and when it came, until is_closed."""

    __slots__ = ("_late", "is_closed")

    def __init__(self) -> None:
        super().__init__()
        self._late: deque[tuple[bytes, int]] = deque()
        self.is_closed = False

    def data_received(self, data: bytes) -> None:
        now = self.read_ns = monotonic_ns()
        if self._late:
            self._late.append((data, now))
            return
        size = _SLICE_BYTES + self._lacking
        if len(data) <= size:
            self._read(data, now)
            return
        # So much keeps everything else waiting: nothing more is received until it was looked at.
        self._late.append((data[size:], now))
        self._transport.pause_reading()  # type: ignore[union-attr]
        self._read(data[:size], now)
        asyncio.get_running_loop().call_soon(self._read_late)

    def eof_received(self) -> bool:
        return False

    def _read_late(self) -> None:
        """Read the next of what was put by. It happened when it came, whenever it is looked at."""
        self._read_next()
        if self._late:
            asyncio.get_running_loop().call_soon(self._read_late)
        elif not self.is_closed:
            self.read_ns = monotonic_ns()
            self._transport.resume_reading()  # type: ignore[union-attr]

    def _read_next(self) -> None:
        if not self._late:
            return
        data, came_ns = self._late.popleft()
        size = _SLICE_BYTES + self._lacking
        if len(data) > size:
            self._late.appendleft((data[size:], came_ns))
            data = data[:size]
        self._read(data, came_ns)

    def _read_all(self) -> None:
        """Read what was put by: nothing more comes."""
        while self._late and not self.is_closed:
            self._read_next()

    @property
    def _lacking(self) -> int:
        """How many bytes the frame that has begun lacks: they are no work."""
        raise NotImplementedError

    def _read(self, data: bytes, now: int) -> None:
        raise NotImplementedError
