"""Model calls of the `litellm` format: what the LiteLLM proxy or library logs of each, as JSON or JSON Lines.

An object is LiteLLM's StandardLoggingPayload, as documented under "Logging" and as its S3, GCS and custom loggers write
it (also within `standard_logging_object`), or a row of its spend logs. What becomes what:

- A completion, of any API (`call_type`), becomes an `llm` step from `startTime` to `endTime`, in s or as texts, with
  model and tokens. `stream` says whether it was streamed; if it was, `completionStartTime` is its first token. Spend
  logs do not say so: there, a first token before the end does.
- All other calls (embeddings, reranking, images, MCP tools) become `tool` steps of that name, an MCP tool's by its own,
  with its arguments where they were logged.
- A session is what has the same `session_id`, or else the same `trace_id`, which LiteLLM gives to calls of one overall
  request, its retries and fallbacks among them. `session_by` names another field, of the payload or its metadata.
- Of messages and tools, where they were logged, the images and definitions are told by their number and size.
- What was answered from LiteLLM's cache has the attribute `cached`, and what failed `error`. Texts, responses, users,
  keys' hashes, costs and addresses are dropped.
- Edges are inferred as replay/trace/edges/spans.py says. Sessions start at their recorded times; `arrivals` lays
  them out anew.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from replay.assembly.tool_requests import as_arguments
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.tracing.span_sessions import SpanCollector
from replay.reading.json_items import Item
from replay.trace.file.rules import MOST_TOKENS
from replay.trace.model_calls import Carried, carried_by, put_carried
from replay.trace.types import LlmCall

_ARRAYS = ("data", "logs")
_KEYS = re.compile(
    rb'"(?:completionStartTime|model_map_information|response_cost|custom_llm_provider|spend)"\s*:'
).search
_CALL_TYPE = re.compile(rb'"call_type"\s*:').search
_COMPLETIONS = frozenset(
    {
        "completion",
        "text_completion",
        "responses",
        "anthropic_messages",
        "generate_content",
        "generate_content_stream",
        "pass_through_endpoint",
    }
)
_MCP = "call_mcp_tool"
_IMAGE = b"base64"
_OF_PAYLOAD = ("model_map_information", "model_parameters", "hidden_params")


def is_of_litellm(first_bytes: bytes) -> bool:
    """Whether these are LiteLLM's keys; `completionStartTime` is Langfuse's, too."""
    return _CALL_TYPE(first_bytes) is not None and _KEYS(first_bytes) is not None


class LiteLlm:
    """The importer; see the head of this module."""

    name = "litellm"
    describe = "LiteLLM's logs of model calls (StandardLoggingPayload, spend logs), JSON or JSON Lines"

    def sniff(self, first_bytes: bytes) -> bool:
        return first_bytes.lstrip()[:1] in (b"{", b"[") and is_of_litellm(first_bytes)

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        collector = SpanCollector(self.name, options)
        return collector.read(paths, _ARRAYS, lambda item: _add(item, collector, options))


def _add(outer: Item, collector: SpanCollector, options: ImportOptions) -> None:
    item = outer.inner("standard_logging_object") or outer
    kind = item.plain("call_type")
    start_ns = collector.time_ns(item, "startTime", unit="s")
    if kind is None or start_ns is None:
        collector.counts.drop("object(s) without a call_type and a start time")
        return
    end_ns = collector.time_ns(item, "endTime", unit="s")
    request_id = item.plain("id") or item.plain("request_id") or collector.new_id()
    told: dict[str, str | None] = {
        "span": request_id,
        "error": "true" if (item.plain("status") or "").startswith("fail") else None,
        "cached": "true" if (item.plain("cache_hit") or "").lower() == "true" else None,
    }
    kind = kind.removeprefix("a") if kind.removeprefix("a") in _COMPLETIONS else kind
    metadata = item.inner("metadata")
    if kind in _COMPLETIONS:
        first_byte_ns = collector.time_ns(item, "completionStartTime", unit="s")
        is_streamed = _is_streamed(item)
        if is_streamed is False or first_byte_ns == end_ns:
            first_byte_ns = None  # LiteLLM writes the end here, where a call was not streamed
        llm = LlmCall(
            input_tokens=_tokens(item, "prompt_tokens"),
            output_tokens=_tokens(item, "completion_tokens"),
            model=item.plain("model"),
        )
        put_carried(llm, _carried(item), collector.image_id)
        times_ns = (start_ns, end_ns, first_byte_ns)
        span = collector.model_span(
            (request_id, None),
            kind,
            times_ns,
            llm,
            told,
            is_streamed=is_streamed,
            cached_tokens=_cached_tokens(metadata),
        )
    else:
        called = None if metadata is None or kind != _MCP else metadata.inner("mcp_tool_call_metadata")
        name = (None if called is None else called.plain("name")) or kind
        arguments = None if called is None else as_arguments(called.raw("arguments"))
        span = collector.tool_span((request_id, None), name, (start_ns, end_ns), arguments, told)
    collector.add(_session_id(item, metadata, options.session_by) or request_id, span, {})


def _carried(item: Item) -> Carried:
    """Images in the messages that were logged, and tools among the parameters."""
    parameters = item.inner("model_parameters")
    tools = None if parameters is None else parameters.raw("tools", "functions")
    if tools is None and _IMAGE not in (item.raw("messages") or b""):
        return Carried()
    messages = item.raw("messages") or b"null"
    return carried_by(b'{"messages":%b,"tools":%b}' % (messages, tools or b"null"))


def _is_streamed(item: Item) -> bool | None:
    """As the payload says it, where null stands for no; None where it is a row of the spend logs, which do not say."""
    if item.raw("stream") == b"true":
        return True
    return False if item.raw(*_OF_PAYLOAD) is not None or item.raw("stream") is not None else None


def _tokens(item: Item, name: str) -> int:
    return int(min(max(item.value(float, name) or 0.0, 0.0), MOST_TOKENS))


def _cached_tokens(metadata: Item | None) -> int | None:
    """Tokens of the prompt that were read from a provider's cache, where the provider's own usage is logged."""
    usage = None if metadata is None else metadata.inner("usage_object")
    details = None if usage is None else usage.inner("prompt_tokens_details", "input_tokens_details")
    for holder, name in ((details, "cached_tokens"), (usage, "cache_read_input_tokens")):
        if holder is not None and holder.raw(name) is not None:
            return _tokens(holder, name)
    return None


def _session_id(item: Item, metadata: Item | None, session_by: str | None) -> str | None:
    names = ("session_id", "trace_id") if session_by is None else (session_by,)
    inner = None if metadata is None else metadata.inner("requester_metadata", "spend_logs_metadata")
    holders = [holder for holder in (item, metadata, inner) if holder is not None]
    return next((value for name in names for holder in holders if (value := holder.plain(name))), None)
