"""Attributes that MLflow, Langfuse and LangSmith name for themselves, by the names that every span is read by.

Pure. MLflow writes every attribute as JSON (`mlflow.spanType` is `"LLM"`, in quotes), Langfuse its usage and times;
all three are documented under their OpenTelemetry integrations. All input tokens that Langfuse counts apart, cached
ones too, add up.
"""

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from replay.reading.timestamps import unix_ns

_KIND = "openinference.span.kind"
_INPUT, _OUTPUT = "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"
_CACHED = "gen_ai.usage.cache_read.input_tokens"

# What tells what a span is, with its values in capitals, each as OpenInference calls it.
_KINDS = {
    "mlflow.spanType": {"CHAT_MODEL": "LLM", "PARSER": "CHAIN", "UNKNOWN": "CHAIN", "WORKFLOW": "CHAIN"},
    "langfuse.observation.type": {"GENERATION": "LLM", "SPAN": "CHAIN", "EVALUATOR": "CHAIN", "GUARDRAIL": "CHAIN"},
    "langsmith.span.kind": {"PROMPT": "CHAIN", "PARSER": "CHAIN"},
}  # fmt: skip
_KNOWN = frozenset({"LLM", "TOOL", "RETRIEVER", "EMBEDDING", "RERANKER", "AGENT", "CHAIN"})
# A span of these that says no more than that it is one may be what the instrumentation below it names better.
_WEAK = frozenset({"CHAIN"})
_TEXTS = {
    "mlflow.llm.model": "llm.model_name",
    "mlflow.chat.model": "llm.model_name",
    "mlflow.spanInputs": "input.value",
    "mlflow.trace.session": "session.id",
    "langfuse.observation.model.name": "llm.model_name",
    "langfuse.observation.input": "input.value",
    "langsmith.metadata.session_id": "session.id",
    "langsmith.metadata.thread_id": "session.id",
    "langsmith.metadata.conversation_id": "session.id",
}
_USAGES = ("mlflow.chat.tokenUsage", "langfuse.observation.usage_details")
_FIRST_TOKEN = "langfuse.observation.completion_start_time"

# What was written to a cache was not read from it.
_IS_CACHED = re.compile(r"(?!.*(?:creat|writ|miss|1h|5m|output)).*(?:cache.?read|cached|cache.?hit)").match

_KIND_OF_MLFLOW = "mlflow.spanType"
_STREAM, _MODEL = "stream", "model"  # parameters of the call, as MLflow logs them

OWN_NAMES = frozenset((*_KINDS, *_TEXTS, *_USAGES, _FIRST_TOKEN, _STREAM))


def by_common_names(attributes: dict[str, Any]) -> int | None:
    """Put what own names say under the common ones, where these say nothing. Gives the first token's time in ns."""
    if OWN_NAMES.isdisjoint(attributes):
        return None
    for name, values in _KINDS.items():
        value = _plain(attributes.get(name))
        if isinstance(value, str):
            kind = values.get(value.upper(), value.upper())
            if kind in _KNOWN and not (kind in _WEAK and "gen_ai.operation.name" in attributes):
                attributes.setdefault(_KIND, kind)
    for name, common in _TEXTS.items():
        value = attributes.get(name)
        value = value if common == "input.value" else _plain(value)
        if isinstance(value, str) and value:
            attributes.setdefault(common, value)
    for name in _USAGES:
        usage = _plain(attributes.get(name))
        if isinstance(usage, Mapping):
            for common, word in ((_INPUT, "input"), (_OUTPUT, "output")):
                told = [n for key, n in usage.items() if word in key.lower()]
                if name == _USAGES[0]:
                    told = [usage.get(f"{word}_tokens")]
                counts = [n for n in told if isinstance(n, int) and n >= 0]
                if counts:
                    attributes.setdefault(common, sum(counts))
            cached = cached_in(usage)
            if cached is not None:
                attributes.setdefault(_CACHED, cached)
    if _KIND_OF_MLFLOW in attributes and isinstance(model := _plain(attributes.get(_MODEL)), str):
        attributes[_MODEL] = model
    if _KIND_OF_MLFLOW in attributes and (stream := _plain(attributes.get(_STREAM))) in (
        True,
        False,
        "true",
        "false",
    ):
        attributes.setdefault("gen_ai.request.stream", stream in (True, "true"))
    first = _plain(attributes.get(_FIRST_TOKEN))
    return unix_ns(first) if isinstance(first, str) else None


def cached_in(usage: Mapping[str, Any]) -> int | None:
    """How many of these tokens were read from a cache, by a name as `cache_read_input_tokens`; None without one."""
    counts = [
        n
        for name, n in usage.items()
        if isinstance(n, int | float) and n >= 0 and _IS_CACHED(name.lower()) and "cost" not in name.lower()
    ]
    return int(max(counts)) if counts else None


def _plain(value: Any) -> Any:
    """A value, or what it is as JSON where it is a text that is JSON."""
    if not isinstance(value, str) or value[:1] not in ('"', "{"):
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return value
