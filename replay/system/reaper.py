"""Ends what a gateway or a run leaves behind, however it ended: a process of its own that outlives it by a moment.

They write a line for each process group that they start (`+ID`) and for each that has ended (`-ID`). When the
pipe closes, because it was closed or they are no more, every group that is left is killed.
"""

import contextlib
import os
import signal
import subprocess
import sys


class Reaper:
    """Our end of it."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            # -P: this file's folder is not searched for modules, lest one there hides one of Python's own.
            [sys.executable, "-P", "-S", "-E", __file__],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )

    def __repr__(self) -> str:
        return f"<Reaper {self._process.pid}>"

    def watch(self, group: int) -> None:
        self._tell(f"+{group}\n")

    def forget(self, group: int) -> None:
        self._tell(f"-{group}\n")

    def close(self) -> None:
        """Kill what is left, and wait until that is done."""
        with contextlib.suppress(OSError):
            self._process.communicate(timeout=10)

    def _tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()


def main() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: set[int] = set()
    for line in sys.stdin:
        group = int(line[1:])
        groups.add(group) if line[0] == "+" else groups.discard(group)
    for group in groups:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)


if __name__ == "__main__":
    main()
