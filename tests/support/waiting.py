"""Waiting for what other processes do: the only thing in tests that no virtual clock can bring about."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path

PATIENCE_S = 30.0


def until(is_so: Callable[[], object], why: str = "it did not come to that") -> None:
    """Look again until it is so; raises AssertionError, with why, where that takes too long on any machine."""
    end_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end_s, why
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and was not waited for does not."""
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


async def until_loop(is_so: Callable[[], object], why: str = "it did not come to that") -> None:
    """The same of what other tasks of this loop do, or come by a socket; the loop goes on meanwhile."""
    end_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < end_s, why
        await asyncio.sleep(0.001)
