"""A trace that is piloted in moments."""

from replay.trace.file.stream import TraceWriter
from replay.trace.types import FORMAT, VERSION, Header, Request, Session, Step


def bursts(path, sessions=240, name="bursts"):
    with TraceWriter(path, Header(FORMAT, VERSION, name)) as writer:
        for n in range(sessions):
            step = Step("a", "http", "hook", (), 0.0, 150.0, Request("POST", "/hook"))
            writer.write(Session(f"s-{n}", (n // 20) * 600_000.0, [step]))
    return path
