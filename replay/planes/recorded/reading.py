"""Reads a trace for what it holds of answers."""

from pathlib import Path

from replay.planes.recorded.recording import Recording, Rows
from replay.trace.errors import TraceError, shown_path
from replay.trace.file.stream import read_sessions
from replay.words.numbers import count

MOST_STEPS = 4_000_000
"""The most that a recording has in memory: some 600 MB."""


def read_recording(path: Path) -> Recording:
    """Raises TraceError where the trace cannot be read, has more than MOST_STEPS steps, or none with an answer."""
    rows = Rows()
    for session in read_sessions(path):
        rows.add(session)
        if len(rows) > MOST_STEPS:
            raise TraceError(
                f"{shown_path(path)}: more than {count(MOST_STEPS)} steps, the most that a plane answers from. "
                "Take a part of it by `replay trace transform`."
            )
    if not len(rows):
        raise TraceError(f"{shown_path(path)}: no step of it is a call, so there is nothing to answer from.")
    return Recording(rows)
