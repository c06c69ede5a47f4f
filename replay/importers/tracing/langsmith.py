"""Agents' traces of the `langsmith` format: runs that LangSmith exports, as JSON, JSON Lines or CSV.

The fields are those of LangSmith's run data format. Read are runs (one an object), answers of the API, and runs with
others in their `child_runs`. What becomes what:

- A run of `run_type` llm becomes an `llm` step: `start_time` to `end_time`, `first_token_time` (or the first
  `new_token` among its events) its first byte, its tokens (or those of `usage_metadata` in its outputs), and the
  model of its metadata. It is streamed if its first token was recorded; where no call's was, calls are streamed
  unless `stream` is False.
- A run of type tool, retriever or embedding becomes a `tool` step. Its `inputs` are kept as
  replay/assembly/tool_requests.py says.
- All others (chain, prompt, parser) only hold those below them.
- A session is what has the same `session_id`, `thread_id` or `conversation_id` in its metadata, or else the same
  `trace_id`: the `session_id` of a run itself is its project. `session_by` names another field of the run or of
  its metadata.
- A batch that its SDK sent, in JSON or as a form, with the beginnings of runs in `post` and their ends in `patch`, and
  a table (CSV) with the names of these fields become the same: replay/importers/tracing/langsmith_runs.py.
- A bulk export has `extra`, `inputs`, `outputs` and `events` as texts of JSON, and becomes the same.
- Edges are inferred as replay/trace/edges/spans.py says. The resolution is the coarsest power of ten that
  divides all times, between 1 ms and 1 us.
- Sessions start at their recorded times; `arrivals` lays them out anew.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import msgspec

from replay.assembly.tool_requests import as_arguments
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.tracing.langsmith_runs import COLUMNS, RunFiles, is_form
from replay.importers.tracing.span_sessions import SpanCollector
from replay.reading.csv_rows import has_columns
from replay.reading.json_items import Item
from replay.trace.edges.spans import Span
from replay.trace.errors import TraceError
from replay.trace.file.rules import MOST_TOKENS
from replay.trace.types import LlmCall

_TOOLS = ("tool", "retriever", "embedding")
_THREAD_KEYS = ("session_id", "thread_id", "conversation_id")
_MODEL_KEYS = ("ls_model_name", "model_name", "model")
_KEYS = re.compile(rb'"run_type"\s*:')


class _Child(msgspec.Struct, frozen=True):
    """A run that stood in another one's child_runs, and what it does not repeat."""

    item: Item
    parent_id: str | None
    session_id: str | None


class LangSmith:
    """The importer; see the head of this module."""

    name = "langsmith"
    describe = "runs exported from LangSmith, JSON, JSON Lines or CSV, and batches of its SDK"

    def sniff(self, first_bytes: bytes) -> bool:
        if has_columns(first_bytes, COLUMNS) or is_form(first_bytes):
            return True
        start = first_bytes.lstrip()[:1]
        return start in (b"{", b"[") and _KEYS.search(first_bytes) is not None

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        collector = SpanCollector(self.name, options)

        def take(item: Item) -> None:
            left = [_Child(item, None, None)]
            while left:
                left += reversed(_add(left.pop(), collector, options))

        files = RunFiles(collector.counts.damage)
        return collector.read_from(paths, ".json*", files.runs, take, files.rest)


def _add(child: _Child, collector: SpanCollector, options: ImportOptions) -> list[_Child]:
    """Take a run; returns the runs in it."""
    item = child.item
    run_id = item.text("id") or collector.new_id()
    session_id = _session_id(item, options.session_by) or child.session_id or item.text("trace_id") or run_id
    inside = [_Child(inner, run_id, session_id) for inner in item.objects("child_runs")]
    start_ns = collector.time_ns(item, "start_time")
    if start_ns is None:
        collector.counts.drop("object(s) without a start time")
        return inside
    parent_id = item.text("parent_run_id") or _parent_id(item) or child.parent_id
    ids = (run_id, parent_id)
    end_ns = collector.time_ns(item, "end_time")
    kind = (item.text("run_type") or "chain").lower()
    name = item.text("name") or kind
    told: dict[str, str | None] = {"span": run_id, "error": "true" if item.raw("error") else None}
    if kind == "llm":
        llm = LlmCall(*_tokens(item), model=_model(item))
        times_ns = (start_ns, end_ns, _first_token_ns(item, collector))
        span = collector.model_span(ids, name, times_ns, llm, told, cached_tokens=_cached_tokens(item))
    elif kind in _TOOLS:
        span = collector.tool_span(ids, name, (start_ns, end_ns), as_arguments(item.raw("inputs")), told)
    else:
        span = Span(*ids, start_ns)
    agent = name if parent_id is None else ""
    collector.add(session_id, span, {"agent": agent} if agent else {})
    return inside


def _session_id(item: Item, session_by: str | None) -> str | None:
    extra = item.parsed("extra")
    metadata = [each.parsed("metadata") for each in (item, extra) if each is not None]
    if session_by is not None:
        return next(
            (v for each in (item, *metadata) if each is not None and (v := each.plain(session_by))), None
        )
    for key in _THREAD_KEYS:
        for each in metadata:
            value = None if each is None else each.plain(key)
            if value:
                return value
    return item.plain("thread_id")


def _parent_id(item: Item) -> str | None:
    """The last of all parents, or the last but one run in the order's dotted path."""
    parents = item.value(list[str], "parent_run_ids")
    if parents:
        return parents[-1]
    path = (item.text("dotted_order") or "").split(".")
    return path[-2].partition("Z")[2] or None if len(path) > 1 else None


def _first_token_ns(item: Item, collector: SpanCollector) -> int | None:
    recorded_ns = collector.time_ns(item, "first_token_time")
    if recorded_ns is not None:
        return recorded_ns
    for event in _in_text(item, "events").objects("events"):
        if event.plain("name") == "new_token":
            return collector.time_ns(event, "time")
    return None


def _in_text(item: Item, name: str) -> Item:
    """The field with the array in its text, where it holds one."""
    text = item.plain(name)
    raw = None if text is None else text.encode("utf-8", "replace")
    try:
        return item if raw is None else Item.of(b'{"%s":%s}' % (name.encode(), raw), item.place)
    except TraceError:
        return item


def _tokens(item: Item) -> tuple[int, int]:
    """Tokens in and out."""
    found = (_count(item, "prompt_tokens"), _count(item, "completion_tokens"))
    if any(found):
        return found
    usage = _usage(item)
    return found if usage is None else (_count(usage, "input_tokens"), _count(usage, "output_tokens"))


def _usage(item: Item) -> Item | None:
    extra = item.parsed("extra")
    holders = (item.parsed("outputs"), None if extra is None else extra.parsed("metadata"))
    found = (holder.inner("usage_metadata") for holder in holders if holder is not None)
    return next((usage for usage in found if usage is not None), None)


def _cached_tokens(item: Item) -> int | None:
    """Tokens of the prompt that were read from a cache, where the run tells."""
    usage = _usage(item)
    details = item.parsed("prompt_token_details") if usage is None else usage.inner("input_token_details")
    return None if details is None or details.raw("cache_read") is None else _count(details, "cache_read")


def _count(item: Item, name: str) -> int:
    return int(min(max(item.value(float, name) or 0.0, 0.0), MOST_TOKENS))


def _model(item: Item) -> str | None:
    extra = item.parsed("extra")
    if extra is None:
        return None
    for holder in (extra.inner("metadata"), extra.inner("invocation_params")):
        for key in _MODEL_KEYS:
            value = None if holder is None else holder.plain(key)
            if value:
                return value
    return None
