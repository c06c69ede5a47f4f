"""Watching a run while it goes on, from a process of its own, so that judging makes no step late.

The process is told once what to look for, reads steps.jsonl as it grows, and says what it finds, a line each; the run
looks for those lines. It ends with whoever started it.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from replay.results.merging.layout import step_files
from replay.results.types import StepRecord
from replay.system.interrupts import interrupts_held

_LOOK_EVERY_S = 0.1
_READ_BYTES = 1 << 20


class Watcher:
    """The run's side: a process of a module that is there. Close it."""

    def __init__(self, module: str) -> None:
        with interrupts_held():
            self._process = subprocess.Popen(
                # Whose process it is: one that is killed before this one asks for its parent has left it to another.
                [sys.executable, "-m", module, str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        self._heard = b""
        self.has_ended = False

    def tell(self, told: bytes) -> None:
        """What to look for; it is told once."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(told)
            self._process.stdin.close()
        self._process.stdin = None

    def heard(self) -> list[bytes]:
        """The lines that it has said since. has_ended is set once it will say no more."""
        assert self._process.stdout is not None
        with contextlib.suppress(BlockingIOError):
            read = os.read(self._process.stdout.fileno(), 1 << 16)
            self.has_ended = not read
            self._heard += read
        *lines, self._heard = self._heard.split(b"\n")
        return lines

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def told() -> bytes:
    """In the process: what it is to look for. Ctrl-C is the run's, and the run goes first."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(10)
    return sys.stdin.buffer.read()


def say(line: bytes) -> None:
    """In the process: let the run hear something."""
    sys.stdout.buffer.write(line + b"\n")
    sys.stdout.buffer.flush()


def followed(directory: Path) -> Iterator[list[StepRecord]]:
    """In the process: the records as they come, and nothing, ten times a second, while none do.

    Ends when whoever started this process has ended.
    """
    parent = int(sys.argv[1])
    files: dict[Path, _Followed] = {}
    while True:
        # Workers may come to write their first line at different times.
        for path in step_files(directory):
            if path not in files:
                files[path] = _Followed(path)
        found: list[StepRecord] = []
        has_more = False
        for file in files.values():
            found += file.read()
            has_more = has_more or file.has_more
        yield found
        if not has_more:
            if os.getppid() != parent:
                return
            time.sleep(_LOOK_EVERY_S)


class _Followed:
    """One file that lines are still written to."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self._decoder = msgspec.json.Decoder(StepRecord)
        self._rest = b""
        self.has_more = False

    def read(self) -> list[StepRecord]:
        """The records that have come since, or the first of them."""
        read = self._file.read(_READ_BYTES)
        self.has_more = len(read) == _READ_BYTES
        lines, _, self._rest = (self._rest + read).rpartition(b"\n")
        return self._decoder.decode_lines(lines) if lines else []
