"""Workers as processes of this machine: one each, with a core of its own where there are enough."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from typing import Protocol

from replay.scale.worker import ending
from replay.system.cores import usable_cores


class Launched(Protocol):
    """A worker that was started, or that was waited for. sock: to it."""

    sock: socket.socket

    def ending(self) -> str | None:
        """How it ended, if that is known; None while it lives, as far as can be seen from here."""

    def kill(self) -> None:
        """End it and its engine at once, where that can be done from here."""


class LocalWorker:
    """A process of this machine, in a session of its own, so that a Ctrl-C is the conductor's alone."""

    def __init__(self, index: int) -> None:
        self.sock, theirs = socket.socketpair()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "replay.scale.worker", str(theirs.fileno()), str(index)],
                stdin=subprocess.DEVNULL,
                stdout=sys.stderr,
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        finally:
            theirs.close()

    def __repr__(self) -> str:
        return f"<LocalWorker {self._process.pid}>"

    def ending(self) -> str | None:
        status = self._process.poll()
        return None if status is None else ending(status)

    def kill(self) -> None:
        """Its group is there for as long as its engine is, though it may have died before it."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()


def cores_for(workers: int) -> list[int | None]:
    """A core for each worker, where this process may use as many; else none is kept to any."""
    usable = usable_cores()
    return list(usable[-workers:]) if len(usable) >= workers else [None] * workers
