"""Sessions out of spans, as exports of tracing tools hold them: in any order, of many sessions at once.

Memory holds the calls, since spans of one session may stand anywhere.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from replay.assembly.call_steps import model_step, tool_step
from replay.assembly.prompt_blocks import SessionPrompts
from replay.assembly.recorded_sessions import Counts, RecordedSession, imported_sessions
from replay.assembly.requests.log_fields import is_secret_session
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.tracing.clocks import set_clocks_right
from replay.importers.tracing.prompt_prefixes import with_prefixes
from replay.reading.damage import Damage
from replay.reading.inputs import input_files
from replay.reading.json_items import Item, read_items
from replay.reading.timestamps import Grain, unix_ns
from replay.trace.edges.spans import Span, SpanCounts, linked_steps
from replay.trace.errors import TraceError
from replay.trace.types import LlmCall

_LATEST_NS = 9_000_000_000_000_000_000  # in the year 2255; it still fits an int64
_UNIT_NS = {"s": 1_000_000_000, "ms": 1_000_000, "us": 1_000}
_FINEST_MS = 0.001  # as fine as a trace tells times
_COARSEST_MS = 1.0  # the tools write ms or finer, so times that happen to be round are no coarser than that


class _Group(msgspec.Struct):
    spans: list[Span]
    attributes: dict[str, str]


class SpanCollector:
    """Takes spans as they are read, and gives the trace."""

    def __init__(self, format_name: str, options: ImportOptions) -> None:
        self.counts = Counts(damage=Damage(is_refused=options.strict))
        self._format_name = format_name
        self._options = options
        self._groups: dict[str, _Group] = {}
        self._grain = Grain()
        self._models: list[LlmCall] = []
        self._has_first_bytes = False
        self._unnamed = 0
        self._images: dict[int, int] = {}

    def time_ns(self, item: Item, *names: str, unit: Literal["s", "ms", "us"] = "ms") -> int | None:
        """A time of a span: an ISO 8601 text, or a number since 1970. Raises TraceError if it is neither.

        unit: of a number.
        """
        raw = item.raw(*names)
        if raw is None or raw == b'""':
            return None
        if raw.startswith(b'"'):
            text = item.text(*names) or ""
            at_ns = unix_ns(text)
        else:
            value = item.value(int, *names) if raw.isdigit() else item.value(float, *names)
            at_ns = _since_1970(value or 0, _UNIT_NS[unit])
        if at_ns is None:
            raise item.error(names[0], "not a time like 2026-01-01T00:00:00.000Z")
        self._grain.add(at_ns)
        return at_ns

    def new_id(self) -> str:
        """An id for a span that has none."""
        self._unnamed += 1
        return f"unnamed {self._unnamed}"

    def image_id(self, told: int) -> int:
        """What an image is called in the trace, by what tells it from others."""
        return self._images.setdefault(told, len(self._images))

    def add(self, session_id: str, span: Span, attributes: dict[str, str]) -> None:
        """A span of a session. attributes: of the session; those that come first stay."""
        group = self._groups.setdefault(session_id, _Group([], {}))
        group.spans.append(span)
        for key, value in attributes.items():
            group.attributes.setdefault(key, value)

    def model_span(
        self,
        ids: tuple[str, str | None],
        name: str,
        times_ns: tuple[int, int | None, int | None],
        llm: LlmCall,
        attributes: dict[str, str | None],
        *,
        is_streamed: bool | None = None,
        cached_tokens: int | None = None,
    ) -> Span:
        """A model call. ids: its own and its parent's. times_ns: its start, end and first byte.

        is_streamed: where the recording says so itself. cached_tokens: see Span.
        """
        start_ns, end_ns, first_byte_ns = times_ns
        if is_streamed is None:
            self._has_first_bytes = self._has_first_bytes or first_byte_ns is not None
            self._models.append(llm)
        llm.stream = first_byte_ns is not None if is_streamed is None else is_streamed
        step = model_step(name, start_ns, end_ns, first_byte_ns, llm, attributes)
        return Span(*ids, start_ns, step, cached_tokens)

    def tool_span(
        self,
        ids: tuple[str, str | None],
        name: str,
        times_ns: tuple[int, int | None],
        arguments: bytes | None,
        attributes: dict[str, str | None],
    ) -> Span:
        """A tool call. ids: its own and its parent's. times_ns: its start and end."""
        start_ns, end_ns = times_ns
        step, is_left_out = tool_step(name, start_ns, end_ns, arguments, attributes)
        self.counts.drop("arguments of a tool call that are not JSON of up to 64 KiB", is_left_out)
        return Span(*ids, start_ns, step)

    def read(self, paths: Sequence[Path], arrays: Sequence[str], take: Callable[[Item], None]) -> ImportResult:
        """The trace of all sessions. arrays: see read_items. take: adds an item's spans.

        Raises TraceError where there is no call.
        """
        damage = self.counts.damage
        return self.read_from(paths, ".json*", lambda file: read_items(file, arrays, damage), take)

    def read_from(
        self,
        paths: Sequence[Path],
        suffix: str,
        items: Callable[[Path], Iterator[Item]],
        take: Callable[[Item], None],
        rest: Callable[[], Iterable[Item]] = tuple,
    ) -> ImportResult:
        """As read. suffix: of the files in a folder. items: those of a file. rest: those known once all are read."""
        damage = self.counts.damage
        for item in _behind(damage.of_files(input_files(paths, suffix), items), rest):
            try:
                take(item)
            except TraceError as error:
                damage.lose(error)
        options = self._options
        streamed = "Calls with a recorded first token are streamed, the others are not."
        if not self._models:
            streamed = "Whether calls were streamed is recorded."
        elif not self._has_first_bytes:
            for llm in self._models:
                llm.stream = options.stream
            how = "are streamed" if options.stream else "are not streamed"
            streamed = f"Not recorded, and assumed: model calls {how}."
        resolution_ms = min(_COARSEST_MS, max(_FINEST_MS, self._grain.ms))
        groups = list(self._groups.items())
        is_secret = is_secret_session(options.session_by)

        def load(unit: int, counts: Counts) -> RecordedSession | None:
            name, group = groups[unit]
            prompts = SessionPrompts(unit, options.block_size)
            return _session("" if is_secret else name, group, resolution_ms, prompts, counts)

        notes = (streamed,)
        return imported_sessions(
            self._format_name, paths, options, len(groups), load, resolution_ms, notes, counted=self.counts
        )


def _behind(items: Iterable[Item], rest: Callable[[], Iterable[Item]]) -> Iterator[Item]:
    yield from items
    yield from rest()


def _since_1970(value: float, unit_ns: int) -> int | None:
    """The instant, as finely as a trace tells times: finer digits of a number of s are noise. Exact of an integer."""
    if not 0 <= value < _LATEST_NS / unit_ns:
        return None
    return round(value * unit_ns / 1_000) * 1_000 if unit_ns == _UNIT_NS["s"] else round(value * unit_ns)


def _session(
    name: str, group: _Group, resolution_ms: float, prompts: SessionPrompts, counts: Counts
) -> RecordedSession | None:
    found = SpanCounts()
    set_clocks_right(group.spans, resolution_ms, found)
    start_ns, steps = linked_steps(group.spans, resolution_ms, counts.tally, found)
    steps = with_prefixes(steps, group.spans, prompts, counts)
    for step in steps:
        counts.add(step)
    counts.drop("span(s) that hold no call", found.empty)
    counts.drop("span(s) with an id that occurred before", found.repeated_ids)
    counts.drop("wait(s) for more calls than one step may join", found.shortened_joins)
    counts.infer(
        "span(s) that began before their parent, by another clock, are moved behind its start", found.early
    )
    counts.infer("tool call(s) that hold calls are these calls", found.tools_that_hold_calls)
    counts.infer("model call(s) that hold model calls are these calls", found.models_that_hold_models)
    counts.infer("span(s) whose parent is not recorded stand at the top", found.unknown_parents)
    return RecordedSession(name, start_ns, steps, group.attributes) if steps else None
