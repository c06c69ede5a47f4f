"""Agents' traces of the `openai-agents` format: what the OpenAI Agents SDK exports, as JSON or JSON Lines.

Read are traces and spans as the SDK's `export()` gives them, one an object, in an array, or in the `data` of what it
posts to its backend. The fields are those of its source (release 0.24). What becomes what:

- A span of type `generation` or `response` becomes an `llm` step, with its tokens; only `generation` names its model.
- One of type `function`, `transcription` or `speech` becomes a `tool` step, with the input of a function. A function of
  an MCP server (`mcp_data`) is a message to that server.
- All others (`agent`, `task`, `turn`, `handoff`, `guardrail`, `custom`, ...) only hold those below them.
- A session is what has the same `group_id`, or else the same trace. `session_by` names another field of the trace or
  its metadata.
- First tokens are not recorded: calls are streamed unless `stream` is False.
- Edges are inferred as replay/trace/edges/spans.py says.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from replay.assembly.tool_requests import as_arguments
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.tracing.span_sessions import SpanCollector
from replay.reading.json_items import Item
from replay.trace.edges.spans import Span
from replay.trace.file.rules import MOST_TOKENS
from replay.trace.types import LlmCall

_MODELS = ("generation", "response")
_TOOLS = ("function", "transcription", "speech")
_KEYS = re.compile(rb'"object"\s*:\s*"trace(?:\.span)?"').search


class OpenAiAgents:
    """The importer; see the head of this module."""

    name = "openai-agents"
    describe = "traces of the OpenAI Agents SDK, as it exports them, JSON or JSON Lines"

    def sniff(self, first_bytes: bytes) -> bool:
        return first_bytes.lstrip()[:1] in (b"{", b"[") and _KEYS(first_bytes) is not None

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        collector = SpanCollector(self.name, options)
        traces: dict[str, tuple[str | None, dict[str, str]]] = {}
        return collector.read(paths, ("data",), lambda item: _add(item, collector, traces, options))


def _add(
    item: Item,
    collector: SpanCollector,
    traces: dict[str, tuple[str | None, dict[str, str]]],
    options: ImportOptions,
) -> None:
    """traces: the session and the attributes of each that was told before its spans, as the SDK does."""
    if item.plain("object") == "trace":
        name = item.plain("workflow_name")
        traces[item.plain("id") or ""] = (
            _session_id(item, options.session_by),
            {"agent": name} if name else {},
        )
        return
    data = item.inner("span_data")
    start_ns = collector.time_ns(item, "started_at")
    if data is None or start_ns is None:
        collector.counts.drop("object(s) without a span that has a start time")
        return
    trace_id = item.plain("trace_id") or "session"
    session_id, attributes = traces.get(trace_id, (None, {}))
    ids = (item.plain("id") or collector.new_id(), item.plain("parent_id"))
    end_ns = collector.time_ns(item, "ended_at")
    kind, name = data.plain("type") or "", data.plain("name")
    told = {"span": ids[0], "error": None if item.inner("error") is None else "true"}
    if kind in _MODELS:
        usage = data.inner("usage")
        llm = LlmCall(
            _tokens(usage, "input_tokens", "prompt_tokens"),
            _tokens(usage, "output_tokens", "completion_tokens"),
            data.plain("model"),
        )
        details = None if usage is None else usage.inner("input_tokens_details", "prompt_tokens_details")
        cached = (
            None
            if details is None or details.raw("cached_tokens") is None
            else _tokens(details, "cached_tokens")
        )
        times_ns = (start_ns, end_ns, None)
        span = collector.model_span(ids, name or kind, times_ns, llm, told, cached_tokens=cached)
    elif kind in _TOOLS:
        server = None if (mcp := data.inner("mcp_data")) is None else mcp.plain("server")
        tool = f"mcp__{server.replace('__', '_')}__{name}" if server and name else name or kind
        arguments = as_arguments(data.raw("input")) if kind == "function" else None
        span = collector.tool_span(ids, tool, (start_ns, end_ns), arguments, told)
    else:
        span = Span(*ids, start_ns)
    if session_id is None and options.session_by is not None:
        session_id = _session_id(item, options.session_by)
    collector.add(session_id or trace_id, span, attributes)


def _session_id(item: Item, session_by: str | None) -> str | None:
    if session_by is None:
        return item.plain("group_id")
    holders = (item, item.inner("metadata"))
    return next(
        (value for holder in holders if holder is not None and (value := holder.plain(session_by))), None
    )


def _tokens(usage: Item | None, *names: str) -> int:
    found = None if usage is None else usage.value(float, *names)
    return int(min(max(found or 0.0, 0.0), MOST_TOKENS))
