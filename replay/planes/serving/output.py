"""Where a plane's messages and its instances' output go: to a reader that may be slow, or gone. Nobody waits for it."""

import os
import select
import threading
from collections import deque
from contextlib import suppress
from typing import IO

# What a terminal shows in seconds; a reader that is further behind loses the newest lines, which are counted.
MOST_WAITING_BYTES = 1 << 20
# How long the lines of the end may take to be read.
_CLOSE_S = 1.0


class Output:
    """Lines for a stream. `say` never blocks and never raises: the plane's books must not hang on a print.

    A thread writes, straight to the descriptor: one that is stuck in a stream's own buffer would hold its lock, and
    every other print of this process with it. A stream without a descriptor is memory, and is written at once.
    """

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream
        self._encoding = getattr(stream, "encoding", None) or "utf-8"
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._dropped = 0
        self._is_gone = self._is_closing = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._descriptor: int | None = None
        with suppress(OSError, ValueError, AttributeError):
            self._descriptor = stream.fileno()

    def __repr__(self) -> str:
        state = "gone" if self._is_gone else f"{self._waiting_bytes} bytes waiting"
        return f"<Output {state}, {self._dropped} dropped>"

    def say(self, line: str) -> None:
        """Show a line, or drop and count it where too many wait."""
        if self._descriptor is None:
            with suppress(OSError, ValueError):
                print(line, file=self._stream, flush=True)
            return
        data = (line + "\n").encode(self._encoding, "backslashreplace")
        with self._changed:
            if self._is_gone or self._is_closing:
                return
            if self._waiting_bytes + len(data) > MOST_WAITING_BYTES:
                self._dropped += 1
                return
            if self._dropped:
                data = _told(self._dropped) + data
                self._dropped = 0
            self._waiting.append(data)
            self._waiting_bytes += len(data)
            if self._thread is None:
                with suppress(OSError, ValueError):
                    self._stream.flush()  # what was printed before comes before
                self._thread = threading.Thread(target=self._write_on, name="plane-output", daemon=True)
                self._thread.start()
            self._changed.notify()

    def close(self) -> None:
        """Take no more lines; those that wait have a moment to be read."""
        with self._changed:
            if self._dropped and not self._is_gone:
                self._waiting.append(_told(self._dropped))
            self._is_closing = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(_CLOSE_S)

    def _write_on(self) -> None:
        assert self._descriptor is not None
        while True:
            with self._changed:
                while not self._waiting and not self._is_closing:
                    self._changed.wait()
                if not self._waiting:
                    return
                # As one: a line that was counted as waiting is written before more are taken.
                data = memoryview(b"".join(self._waiting))
                self._waiting.clear()
            try:
                while data:
                    try:
                        written = os.write(self._descriptor, data)
                    except BlockingIOError:  # somebody else has made the descriptor so
                        select.select([], [self._descriptor], [])
                        continue
                    data = data[written:]
                    with self._changed:
                        self._waiting_bytes -= written
            except OSError:
                with self._changed:
                    self._is_gone = True
                    self._waiting.clear()
                return


def _told(dropped: int) -> bytes:
    what = b"line was dropped: nobody read it" if dropped == 1 else b"lines were dropped: nobody read them"
    return b"[plane] %d %b\n" % (dropped, what)
