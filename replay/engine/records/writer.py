"""Writes files off the hot path: a thread that takes bytes in order, and never swallows a failed write."""

import os
import queue
import threading
from pathlib import Path

from replay.system.files import as_private


class FileWriter:
    """Appends to several files from one thread. The writes release the interpreter's lock while they wait.

    failure: the first error, after which nothing more is written; the run looks at it and stops.
    """

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[tuple[int, bytes] | None] = queue.SimpleQueue()
        self._fds: list[int] = []
        self._paths: list[Path] = []
        self._thread = threading.Thread(target=self._work, name="replay-writer", daemon=True)
        self._is_started = False
        self.failure: str | None = None

    def open(self, path: Path, *, is_private: bool = False) -> int:
        """Open a file for appending; returns its number for `write`. is_private: it is for its owner alone."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._fds.append(as_private(str(path), flags) if is_private else os.open(path, flags, 0o644))
        self._paths.append(path)
        return len(self._fds) - 1

    def write(self, file: int, data: bytes) -> None:
        if not self._is_started:
            self._is_started = True
            self._thread.start()
        self._queue.put((file, data))

    def close(self) -> None:
        """Write what is queued, have it on the disk, and close the files.

        Whoever says afterwards, in a file, that the run is over says it of lines that a power cut cannot take.
        """
        if self._is_started:
            self._queue.put(None)
            self._thread.join()
        for fd, path in zip(self._fds, self._paths, strict=True):
            try:
                os.fsync(fd)
            except OSError as cause:
                self._note(path, cause)
            os.close(fd)
        self._fds.clear()
        self._paths.clear()

    def _note(self, path: Path, cause: OSError) -> None:
        self.failure = self.failure or f"{path}: {cause.strerror or cause}"

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            if self.failure is not None:
                continue
            file, data = item
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(self._fds[file], view) :]
            except OSError as cause:
                self._note(self._paths[file], cause)
