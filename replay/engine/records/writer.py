"""Writes files off the hot path: a thread that takes bytes in order, and never swallows a failed write."""

import os
import queue
import tempfile
import threading
import weakref
from io import BufferedReader
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
        # Who reads them asks this system, whether or not they have reached the disk.
        self._unnamed: set[int] = set()
        self._thread = threading.Thread(target=self._work, name="replay-writer", daemon=True)
        self._is_started = False
        self.failure: str | None = None

    def open(self, path: Path, *, is_private: bool = False) -> int:
        """Open a file for appending; returns its number for `write`. is_private: it is for its owner alone."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        self._fds.append(as_private(str(path), flags) if is_private else os.open(path, flags, 0o644))
        self._paths.append(path)
        return len(self._fds) - 1

    def open_unnamed(self, folder: Path) -> "Unnamed":
        """A file on the disk of this folder, in which it has no name: it is gone when nobody has it any more."""
        with tempfile.TemporaryFile(dir=folder) as file:
            unnamed = Unnamed(self, len(self._fds), os.dup(file.fileno()))
            self._unnamed.add(len(self._fds))
            # The writer's own, to close as it does the others.
            self._fds.append(os.dup(file.fileno()))
        self._paths.append(folder)
        return unnamed

    def write(self, file: int, data: bytes) -> None:
        if not self._is_started:
            self._is_started = True
            self._thread.start()
        self._queue.put((file, data))

    @property
    def is_open(self) -> bool:
        """Whether it takes more."""
        return bool(self._fds)

    def close(self) -> None:
        """Write what is queued, have it on the disk where it has a name, and close the files.

        Whoever says afterwards, in a file, that the run is over says it of lines that a power cut cannot take.
        """
        if self._is_started:
            self._queue.put(None)
            self._thread.join()
        for number, (fd, path) in enumerate(zip(self._fds, self._paths, strict=True)):
            try:
                if number not in self._unnamed:
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
            self._append(*item)

    def _append(self, file: int, data: bytes) -> None:
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(self._fds[file], view) :]
        except OSError as cause:
            self._note(self._paths[file], cause)


class PromptWriter(FileWriter):
    """Writes in the thread of whoever writes: for virtual time, which stands still for a slow disk.

    To wake a thread costs more than the few bytes of an interval, and virtual time has thousands of these a second.
    """

    def write(self, file: int, data: bytes) -> None:
        if self.failure is None:
            self._append(file, data)


class Unnamed:
    """A file without a name, for what is needed again before the process ends, and that nobody else will read."""

    def __init__(self, writer: FileWriter, number: int, fd: int) -> None:
        self._writer, self._number, self._fd = writer, number, fd
        weakref.finalize(self, os.close, fd)

    def __repr__(self) -> str:
        return f"<Unnamed, of {self._writer}>"

    def append(self, data: bytes) -> bool:
        """Have these written, after those before; returns whether the writer still takes them."""
        if self._writer.is_open:
            self._writer.write(self._number, data)
        return self._writer.is_open

    def taken(self) -> BufferedReader:
        """All of it, from its start, once the writer is closed."""
        os.lseek(self._fd, 0, os.SEEK_SET)
        return os.fdopen(os.dup(self._fd), "rb")
