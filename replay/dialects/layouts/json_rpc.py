"""JSON-RPC 2.0, and MCP over it: what a server sends is an answer, or a notification or request of its own.

An answer has `result` or `error`. A tool that failed says so within its result: `isError` is true. Nothing here is
a token: an answer comes whole.

Sources: https://www.jsonrpc.org/specification, https://modelcontextprotocol.io/specification/2025-06-18/server/tools
"""

from replay.dialects.facts import Facts
from replay.dialects.types import Dialect, Document, Shown


def _is_message(document: Document, _kind: str = "") -> bool:
    return "jsonrpc" in document


def _read_message(document: Document, _kind: str, facts: Facts) -> Shown:
    _read_answer(document, facts)
    return ""


def _read_answer(document: Document, facts: Facts) -> None:
    if "method" in document:
        return
    if document.get("error") is not None:
        facts.note_error("rpc_error")
        facts.has_said_end = True
    elif "result" in document:
        facts.has_said_end = True
        result = document["result"]
        if isinstance(result, dict) and result.get("isError") is True:
            facts.note_error("tool_error")


JSON_RPC = Dialect("json-rpc", "rpc", _is_message, _is_message, _read_message, _read_answer)
