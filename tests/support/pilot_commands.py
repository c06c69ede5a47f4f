"""`replay` as a process of its own, and a trace that it pilots in moments."""

import subprocess
import sys

from replay.trace.file.stream import TraceWriter
from replay.trace.types import FORMAT, VERSION, Header, Request, Session, Step


def replay(*arguments, cwd, timeout=300):
    return subprocess.run(
        [sys.executable, "-m", "replay", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        cwd=cwd,
    )


def bursts(path, sessions=240, name="bursts"):
    with TraceWriter(path, Header(FORMAT, VERSION, name)) as writer:
        for n in range(sessions):
            step = Step("a", "http", "hook", (), 0.0, 150.0, Request("POST", "/hook"))
            writer.write(Session(f"s-{n}", (n // 20) * 600_000.0, [step]))
    return path
