"""The disk as a process under test sees it: every change to files below a folder is noted, or fails from some write on.

Stands before the functions through which Python programs change files, in the processes under test only; nothing is
mounted, and no real disk fills. Notes name files by their inodes, since a file may be renamed while it is written.
"""

import builtins
import errno
import io
import os
import threading
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import msgspec


class Change(NamedTuple):
    """What was done. file: by its number, where it is about a file's content. path, to: below the folder."""

    what: str  # create, write, truncate, sync, rename, unlink, mkdir
    file: int = 0
    path: str = ""
    to: str = ""
    at: int = 0
    data: bytes = b""


class Full(NamedTuple):
    """Writes fail from the nth on that goes to a file of this name (a glob); after that, to any file."""

    name: str
    nth: int


class Disk:
    """Notes changes below a folder to a log, and fails writes as `full` says."""

    def __init__(self, folder: Path, log: Path | None, full: Full | None) -> None:
        self._folder = f"{folder.resolve()}/"
        self._log = -1 if log is None else os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._full = full
        self._matched = 0
        self._is_full = False
        # By inode, which all processes have in common.
        self._names: dict[int, str] = {}
        self._lock = threading.RLock()
        self._write, self._fstat = os.write, os.fstat

    def install(self) -> None:
        """Take the place of the functions that change files."""
        real_open, real_os_open = io.open, os.open

        def opened(file: Any, mode: str = "r", buffering: int = -1, encoding: Any = None, errors: Any = None,
                   newline: Any = None, closefd: bool = True, opener: Any = None) -> Any:  # fmt: skip
            if isinstance(file, int) or not set(mode) & set("wax+") or not self.is_watched(file):
                return real_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
            raw = io.FileIO(file, mode.replace("b", "").replace("t", ""), True, opener)
            if buffering == 0:
                return raw
            buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
            return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)

        def os_opened(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
            if not flags & (os.O_WRONLY | os.O_RDWR) or not self.is_watched(path):
                return real_os_open(path, flags, mode, **more)
            with self._lock:
                was_there = os.path.exists(path)
                fd = real_os_open(path, flags, mode, **more)
                self.opened(fd, path, is_new=not was_there, is_cut=bool(flags & os.O_TRUNC))
                return fd

        def written(fd: int, data: Any) -> int:
            return self.write(fd, data, lambda: self._write(fd, data))

        builtins.open = io.open = opened  # type: ignore[assignment]
        # A class of its own, for programs derive from it.
        io.FileIO = type("FileIO", (_File,), {"_disk": self})  # type: ignore[misc]
        os.open, os.write = os_opened, written  # type: ignore[assignment]
        for name in ("fsync", "fdatasync"):
            setattr(os, name, self._of_file(getattr(os, name), "sync"))
        os.ftruncate = self._truncating(os.ftruncate)  # type: ignore[assignment]
        for name, what in (("unlink", "unlink"), ("remove", "unlink"), ("mkdir", "mkdir"), ("rmdir", "unlink")):
            setattr(os, name, self._of_path(getattr(os, name), what))
        for name in ("rename", "replace"):
            setattr(os, name, self._renaming(getattr(os, name)))

    def opened(self, fd: int, path: Any, *, is_new: bool, is_cut: bool) -> None:
        """A file was opened to be written."""
        number = self._fstat(fd).st_ino
        self._names[number] = os.path.basename(os.fspath(path))
        if is_new:
            self._note(Change("create", number, self._below(path)))
        elif is_cut:
            self._note(Change("truncate", number))

    def write(self, fd: int, data: Any, really: Callable[[], int]) -> int:
        """A write to any descriptor; those to watched files are noted, or refused."""
        with self._lock:
            number = self._number(fd)
            if number is None:
                return really()
            self._refuse_if_full(number)
            found = self._fstat(fd)
            at = os.lseek(fd, 0, os.SEEK_CUR)
            is_appending = _appends(fd)
            n = really()
            self._note(Change("write", number, at=found.st_size if is_appending else at, data=bytes(data[:n])))
            return n

    def _refuse_if_full(self, number: int) -> None:
        if self._full is None:
            return
        if not self._is_full and fnmatch(self._names[number], self._full.name):
            self._matched += 1
            self._is_full = self._matched >= self._full.nth
        if self._is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _number(self, fd: int) -> int | None:
        try:
            found = self._fstat(fd)
        except OSError:
            return None
        return found.st_ino if found.st_ino in self._names else None

    def is_watched(self, path: Any) -> bool:
        return os.path.realpath(os.fsdecode(path)).startswith(self._folder)

    def _below(self, path: Any) -> str:
        return os.path.realpath(os.fsdecode(path)).removeprefix(self._folder)

    def _of_file(self, real: Callable[[int], None], what: str) -> Callable[[Any], None]:
        def called(fd: Any) -> None:
            with self._lock:
                real(fd)
                number = self._number(fd if isinstance(fd, int) else fd.fileno())
                if number is not None:
                    self._note(Change(what, number))

        return called

    def _truncating(self, real: Callable[[int, int], None]) -> Callable[[int, int], None]:
        def called(fd: int, size: int) -> None:
            with self._lock:
                real(fd, size)
                if (number := self._number(fd)) is not None:
                    self._note(Change("truncate", number, at=size))

        return called

    def _of_path(self, real: Callable[..., None], what: str) -> Callable[..., None]:
        def called(path: Any, *rest: Any, **more: Any) -> None:
            with self._lock:
                is_watched = self.is_watched(os.path.dirname(os.fsdecode(path)) or ".") or self.is_watched(path)
                below = self._below(path)
                real(path, *rest, **more)
                if is_watched:
                    self._note(Change(what, path=below))

        return called

    def _renaming(self, real: Callable[..., None]) -> Callable[..., None]:
        def called(path: Any, to: Any, **more: Any) -> None:
            with self._lock:
                below, below_to = self._below(path), self._below(to)
                real(path, to, **more)
                if self.is_watched(to):
                    self._note(Change("rename", path=below, to=below_to))

        return called

    def _note(self, change: Change) -> None:
        if self._log >= 0:
            packed = msgspec.msgpack.encode(tuple(change))
            self._write(self._log, len(packed).to_bytes(4, "big") + packed)


class _File(io.FileIO):
    """A file opened by Python's own `open`, or by this name, whose writes pass by the disk."""

    _disk: Disk

    def __init__(self, file: Any, mode: str = "r", closefd: bool = True, opener: Any = None) -> None:
        is_named = not isinstance(file, int) and opener is None  # an opener opens by os.open, and so is known
        is_noted = is_named and bool(set(mode) & set("wax+")) and self._disk.is_watched(file)
        was_there = is_noted and os.path.exists(file)
        super().__init__(file, mode, closefd, opener)
        if is_noted:
            self._disk.opened(self.fileno(), file, is_new=not was_there, is_cut="w" in mode)

    def write(self, data: Any) -> int:
        return self._disk.write(self.fileno(), data, lambda: super(_File, self).write(data))


def _appends(fd: int) -> bool:
    import fcntl

    return bool(fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_APPEND)


def install_told(told: dict[str, Any]) -> None:
    """What a process is told of its disk: its folder, where to note changes, and what is full; nothing of none."""
    if "folder" in told:
        log = Path(told["log"]) if told.get("log") else None
        Disk(Path(told["folder"]), log, Full(*told["full"]) if told.get("full") else None).install()


def changes_in(log: Path) -> list[Change]:
    """What was noted, in order; a note that was cut off by a kill is left out. Files get numbers of their own, for an
    inode is given to another file once it is free.
    """
    data, at, found = log.read_bytes(), 0, []
    numbers: dict[int, int] = {}
    while at + 4 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if at + 4 + size > len(data):
            break
        change = Change(*msgspec.msgpack.decode(data[at + 4 : at + 4 + size]))
        if change.file and (change.what == "create" or change.file not in numbers):
            numbers[change.file] = len(found) + 1
        found.append(change._replace(file=numbers.get(change.file, 0)))
        at += 4 + size
    return found
