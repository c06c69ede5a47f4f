"""Coding-agent sessions of the `claude-sessions` format: one JSON document a file, a session each.

The format is that of callanjfox/kv-cache-tester, specified in agentic-coding-analysis `docs/TRACE_FORMAT.md`.
What becomes what:

- An entry of `requests` of type "n" or "s" becomes an `llm` step, streamed for "s": `t` s its start, `api_time`
  s its duration (unknown where absent: the client gave up), `ttft` s its first byte, `in` and `out` its tokens,
  `hash_ids` its prefix blocks. Tools are not recorded as such: their time is in the delays on the edges.
- An entry of type "subagent" is a lane of its own, whose inner `t` count from its spawn. Its own `t` is its
  spawn, by the specification; `subagent_t="end"` reads it as its end (see `_SUBAGENT_NOTE`).
- Edges are inferred as replay/trace/edges/inference.py says.
- Block ids of scope "local" (or none) mean something in their own file only, so each file's are moved to a
  range of their own, 2^32 apart, in order of the files; ids of scope "global" stay as they are.
- Every file counts from 0: `arrivals` lays the sessions out, in order of file name.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from replay.assembly.types import ImportOptions, ImportResult, SubagentT
from replay.reading.damage import Damage
from replay.reading.departures import departure_notes
from replay.reading.inputs import input_files, read_document, trace_name
from replay.trace.arrivals import DEFAULT_ARRIVALS, Arrivals, parse_arrivals
from replay.trace.edges.inference import Call, Lane, Tally, infer_edges
from replay.trace.errors import TraceError, shown_path
from replay.trace.types import FORMAT, VERSION, Header, LlmCall, Recorded, Session, Step
from replay.words.numbers import milliseconds

_COARSE_MS = 1_000.0
_FINE_MS = 1.0
_BLOCK_RANGE_BITS = 32
_LONGEST_ATTRIBUTE = 200
# A sub-agent is started by a tool call, so within a moment of the end of the model call that asked for it.
_SPAWN_WITHIN_MS = 1_500.0
_SUBAGENT_NOTE = (
    "{end} of {all} sub-agents would have been spawned right at the end of a model call if their `t` were the "
    "time of their end, {spawn} as it stands. The format says that `t` is the spawn, and so it was read; "
    "--subagent-t end reads it the other way."
)


class _Entry(msgspec.Struct):
    """An entry of `requests`; everything may be missing, and what is not listed here is not used."""

    t: float | None = None
    type: str | None = None
    model: str | None = None
    input_tokens: float | None = msgspec.field(default=None, name="in")
    output_tokens: float | None = msgspec.field(default=None, name="out")
    hash_ids: list[int] | None = None
    input_types: list[str] | None = None
    output_types: list[str] | None = None
    stop: str | None = None
    api_time: float | None = None
    ttft: float | None = None
    agent_id: str | None = None
    subagent_type: str | None = None
    status: str | None = None
    duration_ms: float | None = None
    requests: "list[_Entry] | None" = None


class _Document(msgspec.Struct):
    requests: list[_Entry]
    id: str | None = None
    block_size: int | None = None
    hash_id_scope: str | None = None


class _Counts(msgspec.Struct):
    """What was found and dropped in all files."""

    sessions: int = 0
    model_calls: int = 0
    subagents: int = 0
    unknown_durations: int = 0
    dropped_empty_sessions: int = 0
    dropped_empty_subagents: int = 0
    dropped_without_t: int = 0
    dropped_unknown_type: int = 0
    renamed_sessions: int = 0
    spawned_at_t: int = 0
    spawned_before_t: int = 0
    damage: Damage = msgspec.field(default_factory=Damage)


class ClaudeSessions:
    """The importer; see the head of this module."""

    name = "claude-sessions"
    describe = "coding-agent sessions, one JSON document a file; a file or a folder of them"

    def sniff(self, first_bytes: bytes) -> bool:
        start = first_bytes.lstrip()
        return start.startswith(b"{") and b'"requests"' in first_bytes and b'"block_size"' in first_bytes

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        files = input_files(paths, ".json")
        spec = options.arrivals or (DEFAULT_ARRIVALS if len(files) > 1 else "at-once")
        arrivals = parse_arrivals(spec)
        counts, tally = _Counts(damage=Damage(is_refused=options.strict)), Tally()
        resolution_ms = _FINE_MS
        for _, lane in _lanes(files, options, counts):
            resolution_ms = max(resolution_ms, lane.resolution_ms)
            infer_edges(lane, tally)
        counts.damage.refuse_most()
        if not counts.sessions:
            raise TraceError(f"{shown_path(paths[0])}: no model calls in {len(files)} file(s).")
        found = msgspec.to_builtins(counts)
        del found["damage"]
        inferred: dict[str, Any] = {
            "format": self.name,
            "arrivals": spec,
            "seed": options.seed,
            "subagent_t": options.subagent_t,
            **({"unreadable_files": counts.damage.lost_files} if counts.damage.lost_files else {}),
            **found,
            **msgspec.to_builtins(tally),
        }
        header = Header(
            format=FORMAT,
            version=VERSION,
            name=options.name or trace_name(paths),
            source=f"{self.name}: {counts.sessions} of {len(files)} file(s)",
            resolution_ms=resolution_ms,
            attributes={"import": inferred},
        )

        def sessions() -> Iterator[Session]:
            return _sessions(files, options, arrivals)

        notes = _notes(spec, options, len(files), resolution_ms, counts, tally)
        return ImportResult(header, sessions, tuple(notes))


def _sessions(files: Sequence[Path], options: ImportOptions, arrivals: Arrivals) -> Iterator[Session]:
    starts_ms = arrivals.starts_ms(options.seed)
    ids: set[str] = set()
    for (file, lane), start_ms in zip(_lanes(files, options, _Counts(), ids), starts_ms, strict=False):
        steps = [_step(call) for call in infer_edges(lane, Tally())]
        yield Session(file[0], start_ms, steps, {"file": file[1].name[:_LONGEST_ATTRIBUTE]})


def _lanes(
    files: Sequence[Path], options: ImportOptions, counts: _Counts, ids: set[str] | None = None
) -> Iterator[tuple[tuple[str, Path], Lane]]:
    """Each file's session id and path, and its calls; adds to counts what it finds and drops."""
    ids = set() if ids is None else ids
    documents = counts.damage.of_files(files, lambda file: iter([(file, read_document(file, _Document))]))
    for index, (file, document) in enumerate(documents):
        is_global = document.hash_id_scope == "global"
        reading = _Reading(
            counts=counts,
            subagent_t=options.subagent_t,
            block_offset=0 if is_global else index << _BLOCK_RANGE_BITS,
            block_size=options.block_size or document.block_size,
        )
        try:
            lane = reading.lane(document.requests, 0.0, "", "main")
        except RecursionError as error:
            raise TraceError(f"{shown_path(file)}: sub-agents nested too deeply.") from error
        if not lane.entries:
            counts.dropped_empty_sessions += 1
            continue
        counts.sessions += 1
        yield (_unique(document.id or file.stem, ids, counts), file), lane


def _unique(name: str, ids: set[str], counts: _Counts) -> str:
    unique, n = name, 1
    while unique in ids:
        n += 1
        unique = f"{name}~file{n}"
    counts.renamed_sessions += unique != name
    ids.add(unique)
    return unique


class _Reading(msgspec.Struct):
    """Turns one document's entries into lanes of calls."""

    counts: _Counts
    subagent_t: SubagentT
    block_offset: int
    block_size: int | None

    def lane(self, entries: Sequence[_Entry], base_ms: float, prefix: str, name: str) -> Lane:
        """base_ms: what `t` counts from. prefix: of the ids of its steps. name: of its steps."""
        found: list[Call | Lane] = []
        whole_seconds = True
        for index, entry in enumerate(entries):
            if entry.t is None:
                self.counts.dropped_without_t += 1
                continue
            start_ms = max(0.0, base_ms + round(entry.t * 1_000.0, 3))
            place = f"{prefix}{index + 1}"
            if entry.type == "subagent" or (entry.type is None and entry.requests is not None):
                inner = self._subagent(entry, start_ms, place)
                if inner is not None:
                    found.append(inner)
            elif entry.type in ("n", "s", None):
                whole_seconds = whole_seconds and entry.t == int(entry.t)
                found.append(self._call(entry, start_ms, place, name))
            else:
                self.counts.dropped_unknown_type += 1
        self._count_spawns(found)
        return Lane(found, _COARSE_MS if whole_seconds else _FINE_MS)

    def _subagent(self, entry: _Entry, t_ms: float, place: str) -> Lane | None:
        took_ms = _positive(entry.duration_ms)
        spawned_ms, end_ms = t_ms, None if took_ms is None else t_ms + took_ms
        if self.subagent_t == "end" and took_ms is not None:
            spawned_ms, end_ms = max(0.0, t_ms - took_ms), t_ms
        name = (entry.subagent_type or "subagent")[:_LONGEST_ATTRIBUTE]
        lane = self.lane(entry.requests or (), spawned_ms, f"{place}.", name)
        if not lane.entries:
            self.counts.dropped_empty_subagents += 1
            return None
        self.counts.subagents += 1
        lane.spawned_ms, lane.end_ms = spawned_ms, end_ms
        for call in _calls(lane):
            step: Step = call.payload
            step.attributes.setdefault("agent", (entry.agent_id or place)[:_LONGEST_ATTRIBUTE])
        return lane

    def _call(self, entry: _Entry, start_ms: float, place: str, name: str) -> Call:
        took_ms = None if entry.api_time is None else _positive(entry.api_time * 1_000.0)
        ttft_ms = None if entry.ttft is None else _positive(entry.ttft * 1_000.0)
        self.counts.model_calls += 1
        self.counts.unknown_durations += took_ms is None
        told = {
            "stop": entry.stop,
            "input": ",".join(entry.input_types or ()),
            "output": ",".join(entry.output_types or ()),
        }
        step = Step(
            id=place,
            kind="llm",
            name=name,
            at_ms=start_ms,
            took_ms=took_ms,
            llm=LlmCall(
                input_tokens=int(entry.input_tokens or 0),
                output_tokens=int(entry.output_tokens or 0),
                model=entry.model,
                stream=entry.type == "s",
                prefix=tuple(block + self.block_offset for block in entry.hash_ids or ()),
                prefix_block_tokens=self.block_size if entry.hash_ids else None,
            ),
            recorded=None if ttft_ms is None else Recorded(ttft_ms=ttft_ms),
            attributes={key: value[:_LONGEST_ATTRIBUTE] for key, value in told.items() if value},
        )
        return Call(place, start_ms, took_ms, ttft_ms, step)

    def _count_spawns(self, found: Sequence[Call | Lane]) -> None:
        """Which reading of a sub-agent's `t` puts its spawn right after a call of its parent."""
        ends = [call.end_ms for call in found if isinstance(call, Call) and call.took_ms is not None]
        for lane in found:
            if isinstance(lane, Lane) and lane.spawned_ms is not None and lane.end_ms is not None:
                took_ms = lane.end_ms - lane.spawned_ms
                t_ms = lane.spawned_ms if self.subagent_t == "spawn" else lane.end_ms
                self.counts.spawned_at_t += _is_just_after(ends, t_ms)
                self.counts.spawned_before_t += _is_just_after(ends, t_ms - took_ms)


def _is_just_after(ends_ms: Sequence[float], at_ms: float) -> bool:
    return any(-_COARSE_MS < at_ms - end_ms < _SPAWN_WITHIN_MS for end_ms in ends_ms)


def _calls(lane: Lane) -> Iterator[Call]:
    for entry in lane.entries:
        if isinstance(entry, Lane):
            yield from _calls(entry)
        else:
            yield entry


def _step(call: Call) -> Step:
    step: Step = call.payload
    step.after = tuple(call.edges)
    return step


def _positive(value: float | None) -> float | None:
    """The value, to the nearest microsecond; None where it is unknown or makes no sense."""
    return None if value is None or value < 0 else round(value, 3)


def _notes(
    spec: str, options: ImportOptions, files: int, resolution_ms: float, counts: _Counts, tally: Tally
) -> Iterator[str]:
    yield (
        f"{counts.sessions} session(s) from {files} file(s): {counts.model_calls} model calls, "
        f"{counts.subagents} sub-agents."
    )
    seed = f", seed {options.seed}" if spec.startswith("poisson") else ""
    yield f"Every file counts from 0, so the sessions were laid out by --arrivals {spec}{seed}."
    yield f"Start times are recorded to {milliseconds(resolution_ms)}."
    if tally.clamped:
        yield (
            f"{tally.clamped} call(s) were recorded as starting up to {milliseconds(tally.most_clamped_ms)} before "
            "the end of what came in front, within the resolution: no pause is left between the two."
        )
    if tally.overlapping:
        yield (
            f"{tally.overlapping} call(s) start while the call before them runs, and follow its start or first "
            "byte."
        )
    if counts.unknown_durations:
        yield (
            f"{counts.unknown_durations} call(s) have no recorded duration (aborted): the call after one keeps "
            "its distance from its start, and waits for its end."
        )
    if counts.subagents:
        yield (
            f"{tally.joins} sub-agent(s) are waited for by their parent's next call; "
            f"{tally.overlapped_subagents} time(s) a call overlaps one that had not ended."
        )
    if options.subagent_t == "spawn" and counts.spawned_before_t > counts.spawned_at_t:
        yield _SUBAGENT_NOTE.format(
            end=counts.spawned_before_t, all=counts.subagents, spawn=counts.spawned_at_t
        )
    yield from departure_notes(
        (
            ("Dropped", counts.dropped_empty_sessions, "file(s) without a model call"),
            ("Dropped", counts.dropped_empty_subagents, "sub-agent(s) without a model call"),
            ("Dropped", counts.dropped_without_t, "entries without t"),
            ("Dropped", counts.dropped_unknown_type, "entries of an unknown type"),
        )
    )
    yield from counts.damage.notes()
    if counts.renamed_sessions:
        yield f"{counts.renamed_sessions} session id(s) occurred before, and were made unique."
