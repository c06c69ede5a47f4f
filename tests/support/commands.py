"""`replay` commands that are carried out from beginning to end, for what they print, leave and exit with.

Each is a process of its own, with its own arguments, folder, environment and outputs; but it is forked from one that has
imported all commands, since to start Python and to import a command takes longer than most of them do. What begins
before `replay.cli.entry.main` (the start itself, what is imported when, and the coding of standard streams, which is UTF-8
here whatever the environment says) is to be tested with a Python of its own.
"""

import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from functools import cache
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
_ANSWER_BYTES = 64


def replay(
    *arguments: Any, cwd: Any = None, env: dict[str, str] | None = None, timeout: float = 300.0
) -> subprocess.CompletedProcess[str]:
    """As subprocess.run with `python -m replay` and these arguments, with nothing on standard input.

    Raises TimeoutExpired, once the command is killed.
    """
    environment = dict(os.environ) if env is None else env
    return _server().run([*map(str, arguments)], str(cwd or Path.cwd()), environment, timeout)


@cache
def _server() -> "_CommandServer":
    """One for all tests of this process, made when one asks for it first."""
    return _CommandServer()


class _CommandServer:
    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._asker, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.command_server", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                cwd=_ROOT,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
                start_new_session=True,
            )
        atexit.register(self._close)

    def _close(self) -> None:
        self._asker.close()
        self._process.wait(10)

    def run(
        self, arguments: list[str], cwd: str, env: dict[str, str], timeout_s: float
    ) -> subprocess.CompletedProcess[str]:
        asked = json.dumps({"arguments": arguments, "cwd": cwd, "env": env}).encode()
        with self._turn, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
            self._asker.settimeout(None)
            socket.send_fds(self._asker, [asked], [out.fileno(), err.fileno()])
            child = json.loads(self._asker.recv(_ANSWER_BYTES))
            self._asker.settimeout(timeout_s)
            try:
                code = json.loads(self._asker.recv(_ANSWER_BYTES))
            except TimeoutError:
                os.kill(child, signal.SIGKILL)
                self._asker.settimeout(None)
                self._asker.recv(_ANSWER_BYTES)
                raise subprocess.TimeoutExpired(["replay", *arguments], timeout_s) from None
            said = []
            for file in (out, err):
                file.seek(0)
                said.append(file.read().decode("utf-8", "surrogateescape").replace("\r\n", "\n"))
        return subprocess.CompletedProcess(["replay", *arguments], code, *said)
