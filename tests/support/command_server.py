"""Carries out `replay` commands, each in a process of its own, forked from this one, which has imported them all.

Started by commands.py, which says over the socket what is to be done: see there for what it is good for.
"""

import importlib.util
import json
import os
import pkgutil
import signal
import socket
import sys
import threading

import replay
from replay.cli import entry

_MOST_BYTES = 1 << 20
# What is imported only once there is something to judge or to serve.
_LATER = ("scipy.optimize", "scipy.special")


def main(descriptor: int) -> None:
    """Serve until the other end is closed."""
    for found in pkgutil.walk_packages(replay.__path__, "replay."):
        if not found.name.endswith(("__main__", "pytest_plugin")):
            importlib.import_module(found.name)
    for name in _LATER:
        importlib.import_module(name)
    assert threading.active_count() == 1, "a process with threads must not be forked"
    with socket.socket(fileno=descriptor) as asker:
        while True:
            asked, outlets, _, _ = socket.recv_fds(asker, _MOST_BYTES, 2)
            if not asked:
                return
            child = os.fork()
            if not child:
                asker.detach()
                os.close(descriptor)
                _carry_out(json.loads(asked), outlets)
            for outlet in outlets:
                os.close(outlet)
            asker.send(json.dumps(child).encode())
            _, ended = os.waitpid(child, 0)
            asker.send(json.dumps(os.waitstatus_to_exitcode(ended)).encode())


def _carry_out(asked: dict[str, object], outlets: list[int]) -> None:
    """Be the command; raises SystemExit."""
    os.chdir(str(asked["cwd"]))
    os.environ.clear()
    os.environ.update(asked["env"])  # type: ignore[arg-type]
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    for standard, outlet in enumerate(outlets, 1):
        os.dup2(outlet, standard)
        os.close(outlet)
    sys.stdin = os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
    # As `python -m replay` has it, by which a command is called in its help, and processes are begun.
    of_replay = importlib.util.find_spec("replay.__main__")
    assert of_replay is not None
    started = sys.modules["__main__"]
    started.__spec__, started.__package__ = of_replay, "replay"
    sys.argv = [str(of_replay.origin), *asked["arguments"]]  # type: ignore[misc]
    entry.main()
    raise SystemExit(0)


if __name__ == "__main__":
    # Commands have Ctrl-C sent to them by number; what is pressed at a terminal is for whoever runs the tests.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    main(int(sys.argv[1]))
