"""Agents' traces of the `langfuse` format: observations that Langfuse exports, as JSON or JSON Lines.

Read are exports of observations (one an object), downloads of a trace or a session, answers of the API, and batches
that its SDKs send (replay/importers/tracing/layouts/langfuse_batches.py); names as `traceId` and as `trace_id`. The
fields are those of Langfuse's blob storage export reference. What becomes what:

- An observation of type GENERATION becomes an `llm` step: `startTime` to `endTime`, `completionStartTime` its first
  byte, its model and tokens. All counts of `usageDetails` whose name has "input" in it add up to its input, cached
  ones too, and likewise for "output"; a `usage` in another unit than tokens tells of none. It is streamed if its first
  token was recorded; where no call's was, calls are streamed unless `stream` is False.
- One of type TOOL, RETRIEVER or EMBEDDING becomes a `tool` step. Its `input` is kept as
  replay/assembly/tool_requests.py says.
- A SPAN whose metadata say what it is (`openinference.span.kind`, `gen_ai.operation.name`, `gen_ai.tool.name`) is that.
- All others (SPAN, AGENT, CHAIN and so on) only hold those below them, and EVENTs are dropped. A tool that is
  logged as a SPAN without anything below it cannot be told from other work: its time is in the delays on the edges.
- A session is what has the same `sessionId`, or else the same `traceId`. `session_by` names another field, of
  the observation, its trace or their metadata.
- Edges are inferred as replay/trace/edges/spans.py says. The resolution is the coarsest power of ten that
  divides all times, between 1 ms and 1 us.
- Sessions start at their recorded times; `arrivals` lays them out anew.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from replay.assembly.tool_requests import as_arguments
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.tracing.layouts.langfuse_batches import LangfuseObservations, is_batch
from replay.importers.tracing.litellm import is_of_litellm
from replay.importers.tracing.otlp_own_names import cached_in
from replay.importers.tracing.span_sessions import SpanCollector
from replay.reading.json_items import Item
from replay.trace.edges.spans import Span
from replay.trace.file.rules import MOST_TOKENS
from replay.trace.types import LlmCall

_TOOLS = ("TOOL", "RETRIEVER", "EMBEDDING")
_TOLD_KINDS = {
    "tool": "TOOL",
    "execute_tool": "TOOL",
    "retriever": "RETRIEVER",
    "retrieval": "RETRIEVER",
    "embedding": "EMBEDDING",
    "embeddings": "EMBEDDING",
    "llm": "GENERATION",
    "chat": "GENERATION",
    "text_completion": "GENERATION",
    "agent": "AGENT",
    "chain": "CHAIN",
}
_OLD_USAGE = {"input": ("promptTokens", "prompt_tokens"), "output": ("completionTokens", "completion_tokens")}
_OLD_WORDS = {"input": "prompt", "output": "completion"}
_KEYS = re.compile(
    rb'"(?:parentObservationId|parent_observation_id|completionStartTime|completion_start_time)"'
)


class Langfuse:
    """The importer; see the head of this module."""

    name = "langfuse"
    describe = "observations exported from Langfuse, JSON or JSON Lines"

    def sniff(self, first_bytes: bytes) -> bool:
        start = first_bytes.lstrip()[:1]
        is_told = _KEYS.search(first_bytes) is not None or is_batch(first_bytes)
        return start in (b"{", b"[") and is_told and not is_of_litellm(first_bytes)

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        collector = SpanCollector(self.name, options)
        found = LangfuseObservations(collector.counts.damage, collector.counts)
        return collector.read_from(
            paths, ".json*", found.items, lambda item: _add(item, collector, options), found.rest
        )


def _add(item: Item, collector: SpanCollector, options: ImportOptions) -> None:
    kind, tool = _kind_of(item)
    start_ns = collector.time_ns(item, "startTime", "start_time")
    if start_ns is None or kind == "EVENT":
        collector.counts.drop("event(s)" if kind == "EVENT" else "object(s) without a start time")
        return
    trace_id = item.text("traceId", "trace_id") or _outer_text(item, "id") or ""
    ids = (item.text("id") or collector.new_id(), item.text("parentObservationId", "parent_observation_id"))
    end_ns = collector.time_ns(item, "endTime", "end_time")
    name = tool or item.text("name") or kind.lower()
    told: dict[str, str | None] = {"span": ids[0], "error": "true" if item.text("level") == "ERROR" else None}
    if kind == "GENERATION":
        first_byte_ns = collector.time_ns(item, "completionStartTime", "completion_start_time")
        usage = item.value(dict[str, Any], "usageDetails", "usage_details", "usage") or {}
        if usage.get("unit") not in (None, "", "TOKENS"):
            usage = {}
        llm = LlmCall(
            input_tokens=_tokens(item, usage, "input"),
            output_tokens=_tokens(item, usage, "output"),
            model=item.text("model", "provided_model_name", "providedModelName"),
        )
        times_ns = (start_ns, end_ns, first_byte_ns)
        span = collector.model_span(ids, name, times_ns, llm, told, cached_tokens=cached_in(usage))
    elif kind in _TOOLS:
        span = collector.tool_span(ids, name, (start_ns, end_ns), as_arguments(item.raw("input")), told)
    else:
        span = Span(*ids, start_ns)
    session_id = _session_id(item, options.session_by) or trace_id or "session"
    agent = _outer_text(item, "name") or item.text("traceName", "trace_name") or ""
    collector.add(session_id, span, {"agent": agent} if agent else {})


def _kind_of(item: Item) -> tuple[str, str | None]:
    """What an observation is, and the tool that it names: as a SPAN it may be told by its metadata only."""
    kind = (item.text("type") or "SPAN").upper()
    if kind != "SPAN":
        return kind, None
    metadata = item.parsed("metadata")
    attributes = None if metadata is None else metadata.parsed("attributes")
    for holder in (attributes, metadata):
        if holder is None:
            continue
        tool = holder.plain("gen_ai.tool.name") or holder.plain("tool.name")
        told = holder.plain("openinference.span.kind") or holder.plain("gen_ai.operation.name") or ""
        found = _TOLD_KINDS.get(told.lower(), "TOOL" if tool else kind)
        if found != kind:
            return found, tool if found == "TOOL" else None
    return kind, None


def _tokens(item: Item, usage: dict[str, Any], word: str) -> int:
    """All tokens of a kind, whatever the categories that they were counted in."""
    for each in (word, _OLD_WORDS[word]):
        counts = [
            min(max(count, 0), MOST_TOKENS)
            for key, value in usage.items()
            if each in key.lower() and "cost" not in key.lower() and (count := _number(value)) is not None
        ]
        if counts:
            return int(sum(counts))
    return int(min(item.value(float, *_OLD_USAGE[word]) or 0.0, MOST_TOKENS))


def _number(value: Any) -> int | float | None:
    """A number; databases write those of 64 bits as texts."""
    if isinstance(value, str):
        return int(value) if value.isdecimal() and len(value) < 20 else None
    return value if isinstance(value, int | float) else None


def _session_id(item: Item, session_by: str | None) -> str | None:
    if session_by is None:
        return item.text("sessionId", "session_id") or _outer_text(item, "sessionId", "session_id")
    for holder in (item, item.inner("metadata"), *_outers(item)):
        if holder is not None and (value := holder.plain(session_by)):
            return value
    return None


def _outers(item: Item) -> list[Item]:
    """What is known of the trace that an observation stands in."""
    if item.outer is None:
        return []
    found = [item.outer.inner("trace"), item.outer, item.outer.inner("metadata")]
    return [each for each in found if each is not None]


def _outer_text(item: Item, *names: str) -> str | None:
    return next((text for outer in _outers(item) for name in names if (text := outer.plain(name))), None)
