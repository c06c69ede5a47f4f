"""What a command is at, on a terminal, where that takes longer than a second: one line on stderr, gone when it is done.

How far it has read is seen from outside, by where in its files this process stands (proc(5), /proc/PID/fdinfo); so
nothing that reads need know of it. Where the system does not tell, the line has the time alone.
"""

import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from replay.words.names import clean
from replay.words.numbers import clock

_FIRST_S = 1.0
_EVERY_S = 0.5
# Smaller files are read before anybody looks.
_LEAST_BYTES = 1 << 20
_CLEAR = "\r\x1b[K"


class Work:
    """A line that tells of work until it is over; it may be told what is done now.

    paths: files, or folders of files, that are read. stream: a terminal; None: nothing is shown.
    """

    def __init__(self, what: str, paths: Sequence[Path], stream: IO[str] | None) -> None:
        self._what, self._paths, self._stream = what, paths, stream
        self._began_s = time.monotonic()
        self._is_over = threading.Event()
        self._is_shown = False
        self._thread = threading.Thread(target=self._turn, name="working", daemon=True)

    def __repr__(self) -> str:
        return f"<Work {self._what}>"

    def begin(self) -> None:
        if self._stream is not None:
            self._thread.start()

    def end(self) -> None:
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join()
        self._clear()

    def now(self, what: str) -> None:
        """Tell what is done from now on; its time counts anew."""
        self._what, self._began_s = what, time.monotonic()

    def line(self) -> str:
        """What it is at, how far it has read, and for how long."""
        read = read_of(self._paths)
        far = "" if read is None else f" {round(100 * read)}%"
        return f"{clean(self._what)}{far}  {clock(time.monotonic() - self._began_s)}"

    def _turn(self) -> None:
        wait_s = _FIRST_S
        while not self._is_over.wait(wait_s):
            wait_s = _EVERY_S
            self._show(self.line()[: shutil.get_terminal_size().columns - 1])

    def _show(self, line: str) -> None:
        self._write(_CLEAR + line)
        self._is_shown = True

    def _clear(self) -> None:
        if self._is_shown:
            self._write(_CLEAR)
            self._is_shown = False

    def _write(self, text: str) -> None:
        assert self._stream is not None
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            # A terminal that has gone is no reason to stop working.
            self._is_over.set()


@contextmanager
def working(what: str, *paths: Path) -> Iterator[Work]:
    """Tell of work that is done inside, if it takes more than a second and stderr is a terminal.

    Nothing else should be printed meanwhile, and no step be due: whatever a thread does can make one late. A run under
    way has a view of its own (replay/live/live.py).
    """
    is_told = sys.stderr is not None and sys.stderr.isatty()
    is_told = is_told and os.environ.get("TERM", "dumb") != "dumb"
    work = Work(what, paths, sys.stderr if is_told else None)
    work.begin()
    try:
        yield work
    finally:
        work.end()


def read_of(paths: Sequence[Path], root: Path = Path("/proc/self")) -> float | None:
    """How much of the file that is being read has been read, 0 to 1; None where there is none, or that is not told."""
    if not paths:
        return None
    try:
        named = [os.path.realpath(path) for path in paths]
        descriptors = os.listdir(root / "fd")
    except OSError:
        return None
    for descriptor in descriptors:
        try:
            path = os.readlink(root / "fd" / descriptor)
            if not any(path == name or path.startswith(f"{name}/") for name in named):
                continue
            size = os.stat(path).st_size
            told = (root / "fdinfo" / descriptor).read_text()
        except OSError:
            # Closed meanwhile.
            continue
        position = int(told.split("pos:", 1)[1].split()[0])
        if size >= _LEAST_BYTES and 0 < position < size:
            return position / size
    return None
