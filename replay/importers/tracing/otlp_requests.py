"""HTTP and MCP requests out of what spans tell of them.

Pure. Spans hold no bodies: a request is filled to its recorded size, and that of an MCP call is made anew from what
its span tells.
"""

import re
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from replay.assembly.tool_requests import LONGEST_TOOL_NAME, as_arguments, tool_message, tool_request
from replay.importers.tracing import otlp_spans as names
from replay.importers.tracing.otlp_spans import OtlpSpan
from replay.trace.file.mcp_rules import mcp_problem
from replay.trace.file.rules import MOST_BODY_BYTES
from replay.trace.redaction.requests import Redactor
from replay.trace.redaction.secrets import redacted_value, without_secrets
from replay.trace.types import McpCall, Request

LONGEST_PATH = 1 << 14
MCP_PATH = "/mcp"

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}").fullmatch
_VISIBLE = "".join(map(chr, range(0x21, 0x7F)))
_WITHOUT_BODY = ("GET", "HEAD", "OPTIONS", "TRACE", "DELETE")
_FIRST_VERSION = "2025-06-18"
_LONGEST_HOST = 200
UNKNOWN_HOST = "unknown"
_REDACTOR = Redactor()


class FoundRequest(msgspec.Struct):
    """A request, where it went, and what was taken out of it. is_without_body: its body is not recorded at all."""

    request: Request
    host: str
    secret_headers: int = 0
    is_redacted: bool = False
    is_without_body: bool = False


class FoundMessage(msgspec.Struct):
    """A message to an MCP server, and the server as far as it is told. is_left_out: its arguments had to be."""

    message: McpCall
    host: str
    is_left_out: bool


def http_request(span: OtlpSpan) -> FoundRequest | None:
    """The request of an HTTP client span; None where its method or URL is none."""
    method = span.text(names.HTTP_METHOD)
    method = (span.text(names.ORIGINAL_METHOD) or "GET") if method == "_OTHER" else method
    target = _target(span)
    if target is None or not _TOKEN(method):
        return None
    host, path, has_userinfo = target
    clean = _REDACTOR.of_request(_headers(span))
    kept = clean.path(path)
    if len(kept) > LONGEST_PATH:
        return None
    headers, dropped = clean.headers_and_dropped()
    found = FoundRequest(Request(method.upper(), kept, headers), host, dropped, kept != path or has_userinfo)
    if method.upper() not in _WITHOUT_BODY:
        size = span.number(names.REQUEST_BYTES)
        if size is None:
            found.is_without_body = True
        elif 0 < size <= MOST_BODY_BYTES:
            found.request.body_bytes = int(size)
    return found


def mcp_request(span: OtlpSpan, carrier: FoundRequest | None) -> tuple[FoundRequest, bool]:
    """The JSON-RPC request of an MCP call, and whether its arguments had to be left out.

    carrier: the HTTP request that carried it, whose path and headers it takes; None where that is not recorded.
    """
    method = span.text(names.MCP_METHOD)
    params, is_left_out = _params(span, method)
    body: dict[str, Any] = {"jsonrpc": "2.0", "method": method[:LONGEST_TOOL_NAME]}
    if not method.startswith("notifications/"):
        body["id"] = span.text(names.JSONRPC_ID)[:100] or 1
    if params:
        body["params"] = params
    found = carrier or FoundRequest(Request("POST", MCP_PATH), "")
    headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
    others = {key: value for key, value in found.request.headers.items() if key.lower() not in headers}
    found.request = Request(
        "POST", found.request.path, {**headers, **others}, json=_json(redacted_value(body, without_secrets))
    )
    found.is_without_body = False
    return found, is_left_out


def mcp_message(span: OtlpSpan) -> FoundMessage | None:
    """The message that an MCP call is; None where a run could not send it in a session of its own."""
    method = span.text(names.MCP_METHOD)
    params, is_left_out = _params(span, method)
    call = McpCall(method, version=span.text(names.MCP_VERSION) or None)
    if "arguments" in params:
        named = tool_message(params["name"])  # as an agent names it, where only that tells
        call.tool = without_secrets(params["name"]) if named is None else named[0].tool
        call.server = None if named is None else named[0].server
        call.arguments = params["arguments"]
    elif method == "prompts/get":
        call.name = without_secrets(params["name"])
    elif method == "resources/read":
        call.uri = params.get("uri")
    elif params:
        call.params = _json(redacted_value(params, without_secrets))
    target = None if not span.text(names.HOST) else _target(span)
    if target is not None and target[1] != "/":
        call.server = _REDACTOR.of_request(()).path(target[1].partition("?")[0])
    if mcp_problem(call) is not None:
        return None
    return FoundMessage(call, "" if target is None else target[0], is_left_out)


def set_arguments(found: FoundRequest, arguments: Any) -> bool:
    """Give a tool's HTTP request the tool's arguments as its body, if it can have one; False: they had to be left out.

    arguments: as recorded; None where they were not.
    """
    raw = recorded_arguments(arguments)
    if raw is None or found.request.method in _WITHOUT_BODY:
        return True
    made, is_left_out = tool_request("", raw)
    if not is_left_out:
        found.request.json, found.request.body_bytes = made.json, None
        found.request.headers.setdefault("content-type", "application/json")
        found.is_without_body = False
    return not is_left_out


def recorded_arguments(value: Any) -> bytes | None:
    """A tool's arguments as JSON, out of an attribute that holds them as text or as a structure."""
    return None if value is None else as_arguments(bytes(_json(value)))


def _json(value: Any) -> msgspec.Raw:
    try:
        return msgspec.Raw(msgspec.json.encode(value))
    except (UnicodeError, OverflowError, RecursionError, ValueError):  # half a surrogate pair, 2^64
        return msgspec.Raw(b"{}")


def _params(span: OtlpSpan, method: str) -> tuple[dict[str, Any], bool]:
    name = span.text(names.TOOL_NAME)[:LONGEST_TOOL_NAME]
    if method == "tools/call":
        made, is_left_out = tool_request("", recorded_arguments(argument_value(span)))
        return {"name": name or "unnamed", "arguments": made.json}, is_left_out
    if method == "prompts/get":
        return {"name": span.text(names.PROMPT_NAME)[:LONGEST_TOOL_NAME] or "unnamed"}, False
    if method.startswith("resources/") and (uri := span.text(names.RESOURCE_URI)):
        return {"uri": _REDACTOR.of_request(()).header(uri[:LONGEST_PATH])}, False
    if method == "initialize":
        version = span.text(names.MCP_VERSION)[:100] or _FIRST_VERSION
        client = {"name": "replay", "version": "1"}
        return {"protocolVersion": version, "capabilities": {}, "clientInfo": client}, False
    return {}, False


def argument_value(span: OtlpSpan) -> Any:
    """What a span holds as its tool's arguments; None where it holds none, or tells only which ones there may be."""
    values = (span.attributes.get(name) for name in names.ARGUMENTS)
    return next((value for value in values if value is not None and not _is_schema(value)), None)


def _is_schema(value: Any) -> bool:
    """Whether it says which arguments a tool takes, as CrewAI's `tool.parameters` does."""
    if isinstance(value, str) and value.lstrip().startswith("{") and '"properties"' in value:
        try:
            value = msgspec.json.decode(value)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return False
    return (
        isinstance(value, dict) and value.get("type") == "object" and isinstance(value.get("properties"), dict)
    )


def _target(span: OtlpSpan) -> tuple[str, str, bool] | None:
    """Host, path with query, and whether the URL held a user; None where it is no URL."""
    host = span.text(names.HOST)
    port = span.text(names.PORT)
    text = span.text(names.URL)
    try:
        url = urlsplit(text or span.text(names.URL_PATH) or "/")
        userinfo, _, netloc = url.netloc.rpartition("@")
        if text and not netloc:
            return None
        if not netloc:
            netloc = host if ":" in host or not port or port in ("80", "443") else f"{host}:{port}"
    except ValueError:
        return None
    query = url.query or span.text(names.URL_QUERY).removeprefix("?")
    path = url.path if url.path.startswith("/") else f"/{url.path}"
    whole = quote(f"{path}?{query}" if query else path, safe=_VISIBLE, errors="replace")
    return (netloc or UNKNOWN_HOST)[:_LONGEST_HOST], whole, bool(userinfo)


def _headers(span: OtlpSpan) -> list[tuple[str, str]]:
    """The request headers that were recorded. Older conventions write dashes as underscores."""
    found: list[tuple[str, str]] = []
    for key, value in span.attributes.items():
        if key.startswith(names.HEADER_PREFIX):
            name = key.removeprefix(names.HEADER_PREFIX).replace("_", "-")
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, str):
                    found.append((name, each[:8192].encode("utf-8", "replace").decode()))
    return found
