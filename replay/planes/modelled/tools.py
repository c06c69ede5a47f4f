"""What a modelled MCP server answers: sessions open, without an id; it has any tool, and each call succeeds. Pure."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from replay.dialects.documents import read_document
from replay.dialects.mcp import INITIALIZE, SESSIONS, STATELESS
from replay.planes.modelled.answers import ANSWERED

MOST_MESSAGE_BYTES = 1 << 20
_METHOD_NOT_ALLOWED, _ACCEPTED = 405, 202
_SELF = {"name": "modelled", "version": "1"}
_CAN: dict[str, Any] = {"tools": {}}
_USUAL_TOOLS = ("modelled",)
_SAID = {"content": [{"type": "text", "text": "modelled"}], "isError": False}


class Spoken(NamedTuple):
    """An answer of such a server: its status and body."""

    status: int
    body: bytes


def is_mcp_server(path: bytes) -> bool:
    """Whether messages of MCP are taken at this path, without its query."""
    return path == b"/mcp" or path.startswith(b"/mcp/")


def spoken(http_method: bytes, body: bytes | None, tools: Sequence[str] = _USUAL_TOOLS) -> Spoken:
    """The answer to a request. body: None where it was too large to be kept. tools: those that it lists.

    What is no message is answered as any request is. There are no sessions to be closed, nor any messages of the
    server's own to be listened for.
    """
    if http_method in (b"DELETE", b"GET"):
        return Spoken(_METHOD_NOT_ALLOWED, b"")
    message = read_document(body) if body else None
    if not isinstance(message, dict) or "method" not in message:
        return Spoken(200, ANSWERED)
    if "id" not in message:
        return Spoken(_ACCEPTED, b"")
    params = message.get("params")
    result = _result(message["method"], params if isinstance(params, dict) else {}, tools)
    return Spoken(200, _encoded({"jsonrpc": "2.0", "id": message["id"], "result": result}))


def _result(method: Any, params: dict[str, Any], tools: Sequence[str]) -> dict[str, Any]:
    if method == INITIALIZE:
        asked = params.get("protocolVersion")
        version = asked if asked in SESSIONS else SESSIONS[0]
        return {"protocolVersion": version, "capabilities": _CAN, "serverInfo": _SELF}
    # The versions without sessions want each result to say whether it is one.
    whole = {"resultType": "complete"} if "_meta" in params else {}
    if method == "server/discover":
        return {**whole, "supportedVersions": [STATELESS], "capabilities": _CAN, "serverInfo": _SELF}
    if method == "tools/list":
        return {**whole, "tools": [{"name": name, "inputSchema": {"type": "object"}} for name in tools]}
    return {**whole, **_SAID} if method == "tools/call" else whole


def _encoded(answer: dict[str, Any]) -> bytes:
    try:
        return msgspec.json.encode(answer)
    except UnicodeEncodeError:
        # An id may hold half a surrogate pair.
        return msgspec.json.encode({**answer, "id": None})
