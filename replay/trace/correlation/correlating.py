"""Correlation of a trace file: read twice to find what reappears, and once more to write it with references."""

from pathlib import Path

import msgspec

from replay.trace.correlation.proposing import Evidence, Proposal, Redacted
from replay.trace.correlation.references import apply
from replay.trace.errors import TraceError, shown_path
from replay.trace.file.stream import TraceWriter, open_trace, read_sessions

# What a trace without a resolution is taken to have.
_RESOLUTION_MS = 0.001


class Correlation(msgspec.Struct, frozen=True):
    """What was found in a trace.

    responses: steps whose response was kept. constants: links left out, since their values are no values of one run.
    """

    sessions: int
    responses: int
    constants: int
    proposals: list[Proposal]
    redacted: list[Redacted]
    resolution_ms: float


class Written(msgspec.Struct):
    """What was written. changed: sessions with references. with_braces: sessions left as they are, since their
    requests hold `{{...}}` of their own. edges: added, from a value's step to its user.
    """

    sessions: int = 0
    changed: int = 0
    places: int = 0
    extracts: int = 0
    edges: int = 0
    with_braces: int = 0


def find_correlation(path: Path) -> Correlation:
    """What reappears in the trace. Raises TraceError where it cannot be read, or holds no responses."""
    with open_trace(path) as reader:
        resolution_ms = reader.header.resolution_ms
        if resolution_ms is None:
            resolution_ms = _RESOLUTION_MS
        evidence = Evidence(resolution_ms)
        for session in reader:
            evidence.add(session)
    if not evidence.responses:
        raise TraceError(
            f"{shown_path(path)}: holds no responses, so it cannot be told where values came from. Record it again "
            "with `replay trace record --responses keep`, or import it with --responses keep (har, mitmproxy)."
        )
    for session in read_sessions(path, checked=False):
        evidence.weigh(session)
    return Correlation(
        evidence.sessions,
        evidence.responses,
        evidence.constants,
        evidence.proposals(),
        evidence.redacted(),
        resolution_ms,
    )


def write_correlated(path: Path, out: Path, found: Correlation, min_share: float) -> Written:
    """Write the trace with the proposals in place that hold often enough, without the kept responses.

    Raises TraceError where it cannot be read or written.
    """
    written = Written()
    with open_trace(path) as reader:
        header = reader.header
        header.attributes = {**header.attributes, "correlated": {"min_share": min_share}}
        with TraceWriter(out, header) as writer:
            for session in reader:
                made, applied = apply(session, found.proposals, found.resolution_ms, min_share)
                writer.write(made)
                written.changed += bool(applied.places)
                written.places += applied.places
                written.extracts += applied.extracts
                written.edges += applied.edges
                written.with_braces += applied.has_braces
        written.sessions = writer.sessions
    return written
