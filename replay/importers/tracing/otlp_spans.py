"""One span as OTLP carries it, whatever the encoding, and what it is by the names that instrumentations use.

Pure. The names are those of OpenTelemetry's semantic conventions for generative AI, MCP and HTTP, with their
legacy forms, and of the instrumentations that have names of their own: OpenInference, OpenLLMetry, the AI SDK, and
Claude Code (`span.type`); those of MLflow, Langfuse and LangSmith are in replay/importers/tracing/otlp_own_names.py.
"""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from replay.assembly.tool_requests import LARGEST_ARGUMENTS_BYTES
from replay.importers.tracing.otlp_own_names import OWN_NAMES
from replay.trace.model_calls import definitions_told
from replay.trace.types import LlmTools

# A model, tool or MCP call, an HTTP request; an agent holds calls; an execution is the part of a tool call in which
# the tool ran, without the wait for permission. Other clients' calls are not replayed.
Role = Literal["model", "tool", "mcp", "http", "agent", "execution", "server", "client", "internal"]
Wanted = Callable[[str], bool]

INTERNAL_KIND, SERVER_KIND, CLIENT_KIND, PRODUCER_KIND, CONSUMER_KIND = 1, 2, 3, 4, 5
ERROR_CODE = 2
LATEST_NS = (1 << 63) - 1
HEADER_PREFIX = "http.request.header."
MOST_ATTRIBUTES = 1_000

# What a span is, by an attribute and its value; the first attribute that decides does.
_ROLES: dict[str, dict[str, Role]] = {
    "gen_ai.operation.name": {
        "chat": "model",
        "text_completion": "model",
        "responses": "model",
        "response": "model",
        "messages": "model",
        "completions": "model",
        "chat_completion": "model",
        "generate": "model",
        "generate_content": "model",
        "completion": "model",
        "chat.completions": "model",
        "text.completions": "model",
        "execute_tool": "tool",
        "embeddings": "tool",
        "retrieval": "tool",
        "invoke_agent": "agent",
        "create_agent": "agent",
        "invoke_workflow": "agent",
    },
    "openinference.span.kind": {
        "LLM": "model",
        "TOOL": "tool",
        "RETRIEVER": "tool",
        "EMBEDDING": "tool",
        "RERANKER": "tool",
        "AGENT": "agent",
        "CHAIN": "internal",
    },
    "llm.request.type": {"chat": "model", "completion": "model", "embedding": "tool", "rerank": "tool"},
    "traceloop.span.kind": {"tool": "tool", "agent": "agent", "workflow": "agent", "task": "internal"},
    "ai.operationId": {
        "ai.generateText.doGenerate": "model",
        "ai.streamText.doStream": "model",
        "ai.generateObject.doGenerate": "model",
        "ai.streamObject.doStream": "model",
        "ai.toolCall": "tool",
        "ai.embed.doEmbed": "tool",
        "ai.embedMany.doEmbed": "tool",
    },
    "span.type": {
        "llm_request": "model",
        "tool": "tool",
        "tool.execution": "execution",
        "tool.blocked_on_user": "internal",
        "interaction": "agent",
    },
}

# LlamaIndex tells of methods of a model that only prepare a call (`OpenAI._prepare_chat_with_tools`) as of calls.
_IS_PRIVATE = re.compile(r"\w{1,100}\._\w{1,100}").fullmatch

# The attributes of one meaning; the first that is there counts.
CONVERSATION = (
    "gen_ai.conversation.id",
    "session.id",
    "langfuse.session.id",
    "traceloop.association.properties.session_id",
)
OPERATION = ("gen_ai.operation.name",)
MODEL = (
    "gen_ai.request.model",
    "gen_ai.response.model",
    "llm.request.model",
    "llm.response.model",
    "llm.model_name",
    "ai.model.id",
    "model",
)
ANSWERED_MODEL = ("gen_ai.response.model", "llm.response.model")
INPUT_TOKENS = (
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.prompt_tokens",
    "llm.usage.prompt_tokens",
    "llm.token_count.prompt",
    "ai.usage.promptTokens",
    "ai.usage.inputTokens",
    "ai.usage.tokens",
)
CACHED_TOKENS = (
    "gen_ai.usage.cache_read.input_tokens",
    "gen_ai.usage.cache_read_input_tokens",
    "gen_ai.usage.cache_read_tokens",
    "gen_ai.usage.cached_input_tokens",
    "gen_ai.usage.input_tokens.cached",
    "gen_ai.usage.input_token_details.cached",
    "gen_ai.usage.details.cache_read_tokens",
    "gen_ai.usage.details.cache_read_input_tokens",
    "gen_ai.usage.details.cached_tokens",
    "llm.usage.cache_read_input_tokens",
    "llm.token_count.prompt_details.cache_read",
    "ai.usage.inputTokenDetails.cacheReadTokens",
    "ai.usage.cachedInputTokens",
    "cache_read_tokens",
)
# Claude Code counts these apart from one another; the others' counts hold all input.
INPUT_TOKENS_IN_PARTS = ("input_tokens", "cache_read_tokens", "cache_creation_tokens")
OUTPUT_TOKENS = (
    "gen_ai.usage.output_tokens",
    "gen_ai.usage.completion_tokens",
    "llm.usage.completion_tokens",
    "llm.token_count.completion",
    "ai.usage.completionTokens",
    "ai.usage.outputTokens",
    "output_tokens",
)
IS_STREAMED = ("gen_ai.request.stream", "gen_ai.request.is_stream", "gen_ai.is_streaming", "llm.is_streaming")
FIRST_CHUNK_S = ("gen_ai.response.time_to_first_chunk", "gen_ai.response.time_to_first_token")
FIRST_CHUNK_MS = ("ai.response.msToFirstChunk", "ai.stream.msToFirstChunk", "ttft_ms")
# Whole ms as Strands Agents writes it; s where the convention for metrics of that name is followed.
FIRST_CHUNK_MS_OR_S = ("gen_ai.server.time_to_first_token",)
TOOL_NAME = ("gen_ai.tool.name", "tool.name", "ai.toolCall.name", "tool_name")
TOOL_CALL = ("gen_ai.tool.call.id",)
ARGUMENTS = (
    "gen_ai.tool.call.arguments",
    "ai.toolCall.args",
    "tool.parameters",
    "input.value",
    "traceloop.entity.input",
    "gen_ai.tool.message",
)
# An event on a tool's span holds what it was called with, as Strands Agents writes it; on a model's, what a tool gave.
_TOOL_EVENT, _TOOL_EVENT_CONTENT = "gen_ai.tool.message", "content"
TOOL_DEFINITIONS = ("gen_ai.tool.definitions", "ai.prompt.tools")
AGENT_NAME = ("gen_ai.agent.name", "gen_ai.workflow.name", "agent.name", "traceloop.entity.name")
ENTITY_NAME = ("traceloop.entity.name",)
ERROR_TYPE = ("error.type", "exception.type")
HAS_SUCCEEDED = ("success",)
SERVICE = ("service.name",)

HTTP_METHOD = ("http.request.method", "http.method")
ORIGINAL_METHOD = ("http.request.method_original",)
URL = ("url.full", "http.url")
URL_PATH = ("url.path", "http.target")
URL_QUERY = ("url.query",)
HOST = ("server.address", "http.host", "net.peer.name")
PORT = ("server.port", "net.peer.port")
STATUS = ("http.response.status_code", "http.status_code")
REQUEST_BYTES = ("http.request.body.size", "http.request_content_length", "http.request.header.content-length")
RESPONSE_BYTES = ("http.response.body.size", "http.response_content_length")

MCP_METHOD = ("mcp.method.name",)
MCP_SESSION = ("mcp.session.id",)
MCP_VERSION = ("mcp.protocol.version",)
RESOURCE_URI = ("mcp.resource.uri",)
PROMPT_NAME = ("gen_ai.prompt.name", "mcp.prompt.name")
JSONRPC_ID = ("jsonrpc.request.id",)

NAMES = frozenset(_ROLES).union(
    *(CONVERSATION, OPERATION, MODEL, ANSWERED_MODEL, INPUT_TOKENS, OUTPUT_TOKENS, IS_STREAMED),
    *(
        FIRST_CHUNK_S,
        FIRST_CHUNK_MS,
        FIRST_CHUNK_MS_OR_S,
        TOOL_NAME,
        ARGUMENTS,
        AGENT_NAME,
        ENTITY_NAME,
        ERROR_TYPE,
        SERVICE,
    ),
    *(INPUT_TOKENS_IN_PARTS, CACHED_TOKENS, TOOL_CALL, HAS_SUCCEEDED, TOOL_DEFINITIONS),
    *(HTTP_METHOD, ORIGINAL_METHOD, URL, URL_PATH, URL_QUERY, HOST, PORT),
    *(STATUS, REQUEST_BYTES, RESPONSE_BYTES),
    *(MCP_METHOD, MCP_SESSION, MCP_VERSION, RESOURCE_URI, PROMPT_NAME, JSONRPC_ID),
)


class OtlpSpan(msgspec.Struct, gc=False):
    """A span. kind: the number that OTLP gives it. start_ns, end_ns: since 1970; end_ns is None where unknown.

    attributes: the wanted ones, as plain values. first_chunk_ns: of the event that tells it.
    resource: the wanted attributes of what made the span.
    """

    trace_id: str
    id: str
    parent_id: str
    name: str
    kind: int
    start_ns: int
    end_ns: int | None
    attributes: dict[str, Any]
    resource: Mapping[str, Any]
    first_chunk_ns: int | None = None
    is_error: bool = False

    def text(self, names: tuple[str, ...]) -> str:
        """The first of these attributes that holds a text or a number, as text; empty where there is none."""
        return text_of(self.attributes, names)

    def number(self, names: tuple[str, ...]) -> float | None:
        """The first of these attributes that holds a number from 0 on."""
        for name in names:
            value = _number(self.attributes.get(name))
            if value is not None and 0 <= value < math.inf:
                return value
        return None

    def tools(self) -> LlmTools | None:
        """The tools that a model call offered, by number and size."""
        held = (self.attributes.get(name) for name in TOOL_DEFINITIONS)
        return next((told for told in held if isinstance(told, LlmTools)), None)

    def flag(self, names: tuple[str, ...]) -> bool | None:
        """The first of these attributes that holds a truth value."""
        for name in names:
            value = self.attributes.get(name)
            if isinstance(value, bool):
                return value
        return None


def wanted_names(session_by: str | None) -> Wanted:
    """Which attributes are kept as a span is read."""
    names = NAMES | OWN_NAMES if session_by is None else NAMES | OWN_NAMES | {session_by}
    return lambda name: name in names or name.startswith(HEADER_PREFIX)


def kept_value(name: str, value: Any) -> Any:
    """An attribute's value as it is kept: texts no longer than arguments may be, and of definitions number and size."""
    if name in TOOL_DEFINITIONS:
        return definitions_told(value)
    return value[: LARGEST_ARGUMENTS_BYTES + 1] if isinstance(value, str) else value


def text_of(attributes: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """The first of these attributes that holds a text or a number, as text; empty where there is none."""
    for name in names:
        value = attributes.get(name)
        if isinstance(value, list) and value:
            value = value[0]
        if isinstance(value, str) and value:
            return value
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
    return ""


def take_event(attributes: dict[str, Any], name: str, told: Callable[[str], Any]) -> None:
    """Put the arguments that an event of a tool's span holds among the span's attributes. told: the event's own."""
    if name == _TOOL_EVENT and attributes.get(OPERATION[0]) == "execute_tool" and name not in attributes:
        content = told(_TOOL_EVENT_CONTENT)
        if isinstance(content, str):
            attributes[name] = kept_value(name, content)


def is_first_chunk(event_name: str) -> bool:
    """Whether an event of this name tells that the first piece of an answer had come."""
    name = event_name.lower()
    return ("first" in name and ("token" in name or "chunk" in name)) or name.endswith("completion.chunk")


def role_of(span: OtlpSpan) -> Role:
    """What a span is."""
    named = _named_role(span)
    is_mcp = any(name.startswith("mcp.") for name in span.attributes)
    is_request = span.kind == CLIENT_KIND and bool(span.text(HTTP_METHOD))
    if is_mcp and span.kind != SERVER_KIND and named in (None, "tool"):
        is_call = bool(span.text(MCP_METHOD)) and (span.kind == CLIENT_KIND or named == "tool")
        if is_call or is_request:
            return "mcp"
    if span.kind == SERVER_KIND and (named == "tool" or (named is None and is_mcp)):
        return "server"
    if named is not None:
        return named
    if span.kind in (SERVER_KIND, CONSUMER_KIND):
        return "server"
    if is_request:
        return "http"
    return "client" if span.kind in (CLIENT_KIND, PRODUCER_KIND) else "internal"


def _named_role(span: OtlpSpan) -> Role | None:
    is_counted = span.number(INPUT_TOKENS) is not None or span.number(OUTPUT_TOKENS) is not None
    for attribute, roles in _ROLES.items():
        value = span.attributes.get(attribute)
        role = roles.get(value) if isinstance(value, str) else None
        if role == "model" and not is_counted and _IS_PRIVATE(span.name):
            return "internal"
        if role is not None:
            return role
    is_told = OPERATION[0] in span.attributes
    if not is_told and span.text(TOOL_NAME) and span.text(TOOL_CALL):
        return "tool"
    # An operation that is none of the convention's names, with a model and its tokens, is a call of that model.
    return "model" if is_counted and span.text(MODEL) else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, int):
        return float(min(max(value, -1), 1 << 62))
    if isinstance(value, float):
        return value
    if isinstance(value, str) and len(value) <= 20 and value.isascii() and value.isdigit():
        return float(value)
    return None
