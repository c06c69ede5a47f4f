"""A journal turned into a trace: sessions whole, in order of their starts, with the edges between their steps.

Memory holds a place for each step of the journal, and one session at a time.
"""

from pathlib import Path

import msgspec

from replay.recording.capture import INCOMPLETE
from replay.recording.journal import JournalReader
from replay.recording.types import RESOLUTION_MS, JournalEntry
from replay.trace.edges.inference import Call, Lane, Tally, infer_edges
from replay.trace.errors import TraceError, shown_path
from replay.trace.file.stream import TraceWriter
from replay.trace.types import FORMAT, VERSION, Header, Session, Step

# A session of more becomes several. A trace may have ten times as many steps, and twice as many bytes, in a session.
MOST_STEPS = 100_000
MOST_BYTES = 128 << 20


class NothingRecorded(TraceError):
    """There is no step to make a trace of."""


class Written(msgspec.Struct, frozen=True):
    """What was made of a journal. told_by: sessions by how they were told. incomplete: steps whose request's body did
    not come to its end. by_counts: model calls whose body was not kept. cut_bytes: of a last line cut off.
    damaged: lines of the journal that could not be read.
    """

    sessions: int
    steps: int
    told_by: dict[str, int]
    overlapping: int
    unfinished: int
    incomplete: int
    by_counts: int
    cut_bytes: int
    damaged: int


def write_trace(journal: Path, out: Path, name: str | None = None) -> Written:
    """Make the trace `out` of a journal, which stays as it is. name: of the trace; None: as the journal says.

    Raises TraceError where the journal cannot be read or holds no step, or the trace cannot be written.
    """
    with JournalReader(journal) as reader:
        found = reader.scan()
        if not found.places:
            raise NothingRecorded(
                f"{shown_path(journal)}: no request was recorded, so there is no trace to write."
            )
        offsets: dict[str, list[int]] = {}
        starts: dict[str, float] = {}
        parts: dict[str, str] = {}
        sizes: dict[str, int] = {}
        for place in found.places:
            part = parts.get(place.session, place.session)
            is_full = sizes.get(part, 0) + place.line_bytes > MOST_BYTES
            if part in offsets and (is_full or len(offsets[part]) >= MOST_STEPS):
                part = parts[place.session] = f"{place.session[:200]}~{len(offsets)}"
            offsets.setdefault(part, []).append(place.offset)
            sizes[part] = sizes.get(part, 0) + place.line_bytes
            starts[part] = min(place.at_ms, starts.get(part, place.at_ms))
        del found.places[:]
        order = sorted(starts, key=lambda session: (starts[session], session))
        begin_ms = starts[order[0]]
        tally = Tally()
        told_by: dict[str, int] = {}
        unfinished = incomplete = by_counts = 0
        header = Header(
            FORMAT,
            VERSION,
            name or found.header.name,
            source=found.header.source,
            resolution_ms=RESOLUTION_MS,
            origins=found.header.origins,
            attributes={
                **found.header.attributes,
                "recorded_at": found.header.started,
                "edges": "inferred from times",
            },
        )
        with TraceWriter(out, header) as writer:
            for session_id in order:
                entries = [reader.entry(offset) for offset in offsets.pop(session_id)]
                session = _session(session_id, entries, starts[session_id] - begin_ms, tally)
                unfinished += sum(step.took_ms is None for step in session.steps)
                by_counts += sum(step.llm is not None for step in session.steps)
                incomplete += sum(INCOMPLETE in step.attributes for step in session.steps)
                told_by[entries[0].told_by] = told_by.get(entries[0].told_by, 0) + 1
                writer.write(session)
    return Written(
        writer.sessions,
        writer.steps,
        told_by,
        tally.overlapping,
        unfinished,
        incomplete,
        by_counts,
        found.cut_bytes,
        found.damaged,
    )


def _session(session_id: str, entries: list[JournalEntry], start_ms: float, tally: Tally) -> Session:
    begin_ms = min(entry.step.at_ms for entry in entries)
    calls = [
        Call(
            step.id,
            round(step.at_ms - begin_ms, 3),
            step.took_ms,
            step.recorded.ttft_ms if step.recorded is not None else None,
            payload=step,
        )
        for step in (entry.step for entry in entries)
    ]
    steps: list[Step] = []
    for call in infer_edges(Lane(calls, RESOLUTION_MS), tally):
        step: Step = call.payload
        step.at_ms = call.start_ms
        step.after = tuple(call.edges)
        steps.append(step)
    attributes: dict[str, str] = {"told_by": entries[0].told_by}
    return Session(session_id, round(start_ms, 3), steps, attributes)
