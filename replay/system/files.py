"""Files as this package leaves them: whole or not at all, and for their owner alone where they may hold what was said.

A reader, a crash or a full disk never meets half of one under its name.
"""

import contextlib
import errno
import io
import os
import secrets
import select
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_PRIVATE = 0o600
_PART = ".part"
_LONGEST_HINT = 24
_READ_BYTES = 1 << 20
_OF_ITS_GROUP = 0o070
# What writes into a pipe, or reads from it, may first ask somebody for a password.
_OTHER_END_WITHIN_S = 30
_LOOK_EVERY_S = 0.05


def as_private(path: str, flags: int) -> int:
    """An opener for `open`: a file that it makes is for its owner alone, whatever the umask."""
    return os.open(path, flags, _PRIVATE)


def to_reader(path: str, flags: int) -> int:
    """An opener for `open`: a pipe, once somebody reads from it; one that nobody reads from would wait for ever.

    Raises OSError; ETIMEDOUT where nobody does.
    """
    until_s = time.monotonic() + _OTHER_END_WITHIN_S
    while True:
        try:
            file = os.open(path, flags | os.O_NONBLOCK)
        except OSError as cause:
            if cause.errno != errno.ENXIO:
                raise
        else:
            os.set_blocking(file, True)
            return file
        if time.monotonic() >= until_s:
            why = f"nobody has read from this pipe for {_OTHER_END_WITHIN_S} s"
            raise OSError(errno.ETIMEDOUT, why, path)
        time.sleep(_LOOK_EVERY_S)


def opener_for(path: Path) -> Callable[[str, int], int]:
    """An opener for `open`, of what is written as it comes: a file, a device or a pipe."""
    return to_reader if path.is_fifo() else as_private


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """What goes wrong as this file is written is told by its name: not by that of its part, or none at all."""
    try:
        yield
    except OSError as cause:
        is_other = cause.filename is not None and not str(cause.filename).endswith(_PART)
        name = str(cause.filename if is_other else path)
        raise OSError(cause.errno, cause.strerror or str(cause), name) from cause


def part_of(path: Path) -> Path:
    """Where a file is written until it is whole: beside it, hidden, and never there before.

    Of its name only so much is in it that no file system that takes the one refuses the other.
    """
    return path.with_name(f".{path.name[:_LONGEST_HINT]}.{secrets.token_hex(4)}{_PART}")


def settle(part: Path, path: Path) -> None:
    """Give what was written beside a file, and closed, its name.

    It is on the disk by then: or a power cut may keep the new name and lose what it was given for. Raises OSError.
    """
    file = os.open(part, os.O_RDWR)
    try:
        os.fsync(file)
    finally:
        os.close(file)
    part.replace(path)


def end_of_links(path: Path) -> Path:
    """The path that a link leads to, whether something is there or not. Raises OSError for links in a circle."""
    if not path.is_symlink():
        return path
    end = Path(os.path.realpath(path))
    if end.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return end


def write_whole(path: Path, data: bytes | str) -> None:
    """Put this in a file, in UTF-8 if it is text; a pipe or a device, which keeps nothing, is written to as it is.

    Whoever may read and write a file that was there may do so afterwards, and nobody else.
    Raises OSError that names the file, which is then as it was before.
    """
    data = data.encode("utf-8") if isinstance(data, str) else data
    with naming(path):
        if is_written_through(path):
            # Whoever reads from a pipe may have had enough: `replay report RUN --csv /dev/stdout | head`.
            with contextlib.suppress(BrokenPipeError), open(path, "wb", opener=opener_for(path)) as device:
                device.write(data)
            return
        path = end_of_links(path)
        part = part_of(path)
        replaced = path.stat() if path.exists() else None
        try:
            with open(part, "xb", opener=None if replaced is None else as_private) as file:
                if replaced is not None:
                    _open_to_the_same(file.fileno(), replaced)
                file.write(data)
                file.flush()
                # Or a power cut may keep the new name and lose what it was given for.
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def _open_to_the_same(file: int, replaced: os.stat_result) -> None:
    """Give the open file the mode of the one that it replaces, and its group, or else no rights for any group."""
    mode = stat.S_IMODE(replaced.st_mode) & 0o777
    if os.fstat(file).st_gid != replaced.st_gid:
        try:
            os.fchown(file, -1, replaced.st_gid)
        except OSError:
            mode &= ~_OF_ITS_GROUP
    # A file system without modes may refuse; it stays private as far as it can, then.
    with contextlib.suppress(OSError):
        os.fchmod(file, mode)


def read_small(path: Path, most_bytes: int = 16 << 20) -> bytes:
    """A file that is read as a whole, since it is small; a device or a pipe without an end is not read for ever.

    Raises OSError; EFBIG where it holds more.
    """
    with open_written(path) as file:
        content = bytearray()
        while chunk := file.read(min(_READ_BYTES, most_bytes + 1 - len(content))):
            content += chunk
            if len(content) > most_bytes:
                raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return bytes(content)


def open_written(path: Path) -> io.FileIO:
    """A file, or a pipe that is written to, for reading; to open one that nobody writes to would wait for ever.

    Raises OSError; ETIMEDOUT where nothing comes out of a pipe.
    """
    if not path.is_fifo():
        return path.open("rb", buffering=0)
    file = io.FileIO(path, opener=_without_waiting)
    try:
        if not select.select([file], [], [], _OTHER_END_WITHIN_S)[0]:
            why = f"nothing was written to this pipe for {_OTHER_END_WITHIN_S} s"
            raise OSError(errno.ETIMEDOUT, why, str(path))
        os.set_blocking(file.fileno(), True)
    except BaseException:
        file.close()
        raise
    return file


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def is_written_through(path: Path) -> bool:
    """Whether what is written here goes on to a reader: a pipe, a device, or what a shell has put in their place."""
    parts = path.absolute().parts
    is_of_system = parts[:2] in (("/", "dev"), ("/", "proc")) and parts[:3] != ("/", "dev", "shm")
    return is_of_system or (path.exists() and not path.is_file())
