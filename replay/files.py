"""Files as this package leaves them: whole or not at all, and for their owner alone where they may hold what was said.

A reader, a crash or a full disk never meets half of one under its name.
"""

import contextlib
import os
import secrets
from pathlib import Path

_PRIVATE = 0o600
_LONGEST_NAME = 200


def as_private(path: str, flags: int) -> int:
    """An opener for `open`: a file that it makes is for its owner alone, whatever the umask."""
    return os.open(path, flags, _PRIVATE)


def part_of(path: Path) -> Path:
    """Where a file is written until it is whole: beside it, hidden, and never there before."""
    return path.with_name(f".{path.name[:_LONGEST_NAME]}.{secrets.token_hex(4)}.part")


def write_whole(path: Path, data: bytes | str) -> None:
    """Put this in a file, in UTF-8 if it is text; a pipe or a device, which keeps nothing, is written to as it is.

    Raises OSError that names the file, which is then as it was before.
    """
    data = data.encode("utf-8") if isinstance(data, str) else data
    try:
        if _is_written_through(path):
            path.write_bytes(data)
            return
        path = path.resolve() if path.is_symlink() else path
        part = part_of(path)
        try:
            with part.open("wb") as file:
                file.write(data)
                file.flush()
                # Or a power cut may keep the new name and lose what it was given for.
                os.fsync(file.fileno())
            part.replace(path)
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
    except OSError as cause:
        raise OSError(cause.errno, cause.strerror or str(cause), str(path)) from cause


def _is_written_through(path: Path) -> bool:
    """Whether what is written here goes on to a reader: a pipe, a device, or what a shell has put in their place."""
    return (path.exists() and not path.is_file()) or path.absolute().parts[:2] in (("/", "dev"), ("/", "proc"))
