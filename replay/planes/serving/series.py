"""What a plane says of itself over time: a line a second in a file, each as `/state` has it, and one at the end.

The lines are those that an observing run leaves in plane.jsonl; at_s counts from when the plane began. Times are
those of the lines themselves: one that is written late says so. The file may be a pipe, whose reader holds nothing up.
"""

import asyncio
import contextlib
import errno
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic_ns
from typing import Any

import msgspec

_EVERY_NS = 1_000_000_000


class SeriesError(Exception):
    """The series cannot be written where it was asked for; str() is the whole message."""


@asynccontextmanager
async def series_file(
    path: Path | None,
    state: Callable[[int], dict[str, Any]],
    say: Callable[[str], None],
    now: Callable[[], int] = monotonic_ns,
) -> AsyncIterator[None]:
    """Append to the file while the context lasts; None: write nothing. state: the plane's, at an instant in ns.

    Raises SeriesError if the file cannot be opened. When it cannot be written to later, the plane goes on without, and
    says why, once.
    """
    if path is None:
        yield
        return
    try:
        file = path.open("ab", buffering=0)
    except OSError as cause:
        raise SeriesError(f"cannot write the series to {path}: {cause.strerror}.") from cause
    is_seekable = file.seekable()
    if not is_seekable:
        os.set_blocking(file.fileno(), False)
    begin_ns = now()

    def append() -> bool:
        at_ns = now()
        line = msgspec.json.encode({"at_s": round((at_ns - begin_ns) / 1e9, 3), **state(at_ns)}) + b"\n"
        whole_bytes = file.tell() if is_seekable else None
        try:
            while line:
                written = file.write(line)
                if written is None:
                    raise BlockingIOError(errno.EAGAIN, "nobody reads it")
                line = line[written:]
        except OSError as cause:
            if whole_bytes is not None:
                with contextlib.suppress(OSError):
                    file.truncate(whole_bytes)
            say(f"[plane] the series in {path} ends here: {cause.strerror}")
            return False
        return True

    async def appending() -> bool:
        """Go on until cancelled, or until the file takes no more."""
        lines = 0
        while append():
            # The next whole second from the beginning: what one line costs delays no other.
            lines = max(lines + 1, (now() - begin_ns) // _EVERY_NS)
            await asyncio.sleep(max(0, begin_ns + lines * _EVERY_NS - now()) / 1e9)
        return False

    with file:
        task = asyncio.create_task(appending())
        try:
            yield
        finally:
            is_over = task.done()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            if not is_over:
                append()
