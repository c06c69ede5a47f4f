"""Evaluations of the `inspect` format: the logs of UK AISI's Inspect, `.eval` archives and `.json` documents.

Read are the samples with their events, as release 0.3.285 writes them, and as older ones did that put the events of a
tool or a subtask inside of it. What becomes what:

- A `model` event becomes an `llm` step, those of scorers and sub-agents too, named for the span that it stands in. It
  ends at `completed`, and took `output.time`, that of the request that was answered: what was waited before, for a free
  connection or after a failure, is left out. One that a cache answered was no work: dropped and counted.
- A `tool` event becomes a `tool` step with its arguments, from its time to `completed`.
- Spans, subtasks and steps only hold those below them. A tool that holds calls is these calls.
- A session is a sample of one epoch; `session_by` names a field of the sample or of its metadata. A sample that another
  log has, too, as one has that was tried again, counts once. Of tries that failed only the error is recorded.
- Tokens of a cache are no part of `input_tokens` where the total says so.
- First tokens are not recorded: calls are streamed unless `stream` is False.
- Edges are inferred as replay/trace/edges/spans.py says. Prompts, answers and results are not imported.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from replay.assembly.tool_requests import as_arguments
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.agents.turn_logs import token_count
from replay.importers.foreign import is_evaluation
from replay.importers.tracing.span_sessions import SpanCollector
from replay.reading.damage import Damage
from replay.reading.inputs import LARGEST_DOCUMENT_BYTES, first_bytes
from replay.reading.json_items import Item, read_items
from replay.trace.edges.spans import Span
from replay.trace.errors import TraceError
from replay.trace.file.zipped import zipped_documents
from replay.trace.types import LlmCall

_ARCHIVE = b"PK\x03\x04"
_KEYS = re.compile(rb'\s*\{(?=.{0,200}"status"\s{0,4}:)(?=.{0,400}"eval"\s{0,4}:\s{0,4}\{)', re.DOTALL).match
_OF_EVAL = re.compile(rb'"(?:eval_id|task_id|run_id)"\s{0,4}:').search
_is_sample = re.compile(r"samples/[^/]+\.json").fullmatch
_ATTACHMENT = re.compile(rb'"attachment://([0-9a-f]{8,64})"')
_SUFFIXES = ".[ej][vs][ao][ln]"  # .eval or .json
# The events of a tool or a subtask that stand in it do so no deeper.
_DEEPEST = 20


class InspectLog:
    """The importer; see the head of this module."""

    name = "inspect"
    describe = "evaluation logs of Inspect, .eval or .json"

    def sniff(self, first_bytes: bytes) -> bool:
        if first_bytes.startswith(_ARCHIVE):
            return is_evaluation(first_bytes) is not None
        return _KEYS(first_bytes) is not None and _OF_EVAL(first_bytes) is not None

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        collector = SpanCollector(self.name, options)
        samples = _Samples(collector, options)

        def items(file: Path) -> Iterator[Item]:
            return _items(file, collector.counts.damage)

        return collector.read_from(paths, _SUFFIXES, items, samples.take)


def _items(file: Path, damage: Damage) -> Iterator[Item]:
    """The samples of a log. A damaged one of an archive costs itself only."""
    if not first_bytes(file, len(_ARCHIVE)).startswith(_ARCHIVE):
        yield from read_items(file, ("samples",), damage)
        return
    documents = zipped_documents(file, lambda name: _is_sample(name) is not None, LARGEST_DOCUMENT_BYTES)
    for place, document in documents:
        damage.lines += 1
        try:
            yield Item.of(document, place)
        except TraceError as error:
            damage.lose(error)


class _Samples:
    """Takes samples, each once."""

    def __init__(self, collector: SpanCollector, options: ImportOptions) -> None:
        self._collector = collector
        self._session_by = options.session_by
        self._seen: set[str] = set()
        self._names: set[str] = set()

    def take(self, sample: Item) -> None:
        events = sample.objects("events")
        counts = self._collector.counts
        if not events:
            counts.drop("sample(s) without events")
            return
        name = f"{sample.plain('id') or 'sample'}.{sample.plain('epoch') or '1'}"
        once = sample.plain("uuid") or f"{name} {events[0].plain('timestamp')}"
        if once in self._seen:
            counts.drop("sample(s) that another log has, too")
            return
        self._seen.add(once)
        counts.drop(
            "earlier attempt(s), of which only the error is recorded",
            len(sample.objects("error_retries")),
        )
        if name in self._names:
            name = f"{name} {once}"
        self._names.add(name)
        session = self._named_by(sample) if self._session_by is not None else None
        _Events(self._collector, sample, session or name).take(events, None)

    def _named_by(self, sample: Item) -> str | None:
        holders = (sample, sample.inner("metadata"))
        return next(
            (held for one in holders if one is not None and (held := one.plain(self._session_by or ""))), None
        )


class _Events:
    """The events of one sample. session: its id."""

    def __init__(self, collector: SpanCollector, sample: Item, session: str) -> None:
        self._collector = collector
        self._attachments = sample.inner("attachments")
        self._session = session
        self._span_names: dict[str, str] = {}
        # A tool is told of right after the span that it opens: by their names and what they stand in.
        self._opened: dict[tuple[str, str | None], str] = {}

    def take(self, events: Sequence[Item], within: str | None, depth: int = 0) -> None:
        counts = self._collector.counts
        for event in events:
            try:
                self._take(event, within, depth)
            except TraceError:
                if counts.damage.is_refused:
                    raise
                counts.drop("event(s) without a time that can be read")

    def _take(self, event: Item, within: str | None, depth: int) -> None:
        kind = event.plain("event")
        parent = event.plain("span_id") or within
        if kind == "span_begin":
            self._begin(event, event.plain("parent_id") or within)
        elif kind == "model":
            self._model(event, parent)
        elif kind in ("tool", "subtask"):
            name = event.plain("function") or event.plain("name") or kind
            own = self._opened.pop((name, parent), None) or self._collector.new_id()
            start_ns = self._collector.time_ns(event, "timestamp")
            if start_ns is None:
                raise event.error("timestamp", "not a time like 2026-01-01T00:00:00.000Z")
            if kind == "tool":
                self._tool(event, (own, parent), name, start_ns)
            else:
                self._add(Span(own, parent, start_ns))
            if depth < _DEEPEST:
                self.take(event.objects("events"), own, depth + 1)

    def _begin(self, event: Item, parent: str | None) -> None:
        own, name = event.plain("id") or self._collector.new_id(), event.plain("name") or ""
        if event.plain("type") == "tool":
            self._opened[name, parent] = own
            return
        self._span_names[own] = name
        start_ns = self._collector.time_ns(event, "timestamp")
        if start_ns is not None:
            self._add(Span(own, parent, start_ns))

    def _model(self, event: Item, parent: str | None) -> None:
        counts = self._collector.counts
        if event.plain("cache") == "read":
            counts.drop("model call(s) answered by a cache")
            return
        output = event.inner("output")
        start_ns, end_ns = (self._collector.time_ns(event, name) for name in ("timestamp", "completed"))
        if start_ns is None:
            raise event.error("timestamp", "not a time like 2026-01-01T00:00:00.000Z")
        took_s = None if output is None else output.value(float, "time")
        if end_ns is not None and took_s is not None and 0 <= took_s * 1e9 < end_ns - start_ns:
            start_ns = end_ns - round(took_s * 1e6) * 1_000
        usage = None if output is None else output.inner("usage")
        counts.drop("count(s) of tokens, which are not recorded", usage is None)
        llm = LlmCall(0 if usage is None else _input_tokens(usage), 0, event.plain("model"))
        if usage is not None:
            llm.output_tokens = token_count(usage, "output_tokens")
        name = event.plain("role") or self._span_names.get(parent or "") or "model"
        failed = {
            "error": "true" if event.raw("error") is not None else None,
            "retries": event.plain("retries"),
        }
        ids = (self._collector.new_id(), parent)
        self._add(self._collector.model_span(ids, name, (start_ns, end_ns, None), llm, failed))

    def _tool(self, event: Item, ids: tuple[str, str | None], name: str, start_ns: int) -> None:
        end_ns = self._collector.time_ns(event, "completed")
        arguments = event.raw("arguments")
        whole = None if arguments is None else as_arguments(_ATTACHMENT.sub(self._attached, arguments))
        failed = {"error": None if event.raw("error") is None else "true"}
        self._add(self._collector.tool_span(ids, name, (start_ns, end_ns), whole, failed))

    def _attached(self, found: "re.Match[bytes]") -> bytes:
        raw = None if self._attachments is None else self._attachments.raw(found[1].decode())
        return found[0] if raw is None else raw

    def _add(self, span: Span) -> None:
        self._collector.add(self._session, span, {})


def _input_tokens(usage: Item) -> int:
    given, output = token_count(usage, "input_tokens"), token_count(usage, "output_tokens")
    cached = token_count(usage, "input_tokens_cache_read") + token_count(usage, "input_tokens_cache_write")
    total = token_count(usage, "total_tokens")
    return given if total == given + output else given + cached
