"""The request that stands for a tool call of which only the name, and perhaps the arguments, were recorded; for a tool
of an MCP server, the message to that.

Pure.
"""

import re
from typing import Any
from urllib.parse import quote

import msgspec

from replay.trace.redaction.secrets import redacted_value, without_secrets
from replay.trace.types import McpCall, Request

LARGEST_ARGUMENTS_BYTES = 1 << 16
LONGEST_TOOL_NAME = 200

# https://docs.claude.com/en/docs/claude-code/mcp: names of servers hold no two underscores in a row.
_of_a_server = re.compile(r"mcp__((?:(?!__).)+?)__(.+)", re.DOTALL).fullmatch
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")
_NO_ARGUMENTS = msgspec.Raw(b"{}")


def tool_request(name: str, arguments: bytes | str | None = None) -> tuple[Request, bool]:
    """POST /tools/NAME with the arguments as its JSON body, and whether they had to be left out.

    arguments: JSON; None where they were not recorded: the body is then an empty object, as it is where they
    are no JSON object or larger than 64 KiB. Secrets in it, in its commands and texts too, are replaced.
    """
    body = None if arguments is None else _kept(arguments.encode() if isinstance(arguments, str) else arguments)
    request = Request("POST", f"/tools/{_segment(name)}", {"content-type": "application/json"})
    request.json = body or _NO_ARGUMENTS
    return request, arguments is not None and body is None


def tool_message(name: str, arguments: bytes | str | None = None) -> tuple[McpCall, bool] | None:
    """The message to an MCP server that such a call is, and whether its arguments had to be left out, as above; None
    where the name is not one that agents give to tools of such servers: mcp__SERVER__TOOL.
    """
    found = _of_a_server(name)
    if found is None:
        return None
    request, is_left_out = tool_request("", arguments)
    tool = without_secrets(found[2][:LONGEST_TOOL_NAME])
    server = _CONTROLS.sub("", without_secrets(found[1][:LONGEST_TOOL_NAME])).lstrip("/") or None
    return McpCall("tools/call", tool=tool, arguments=request.json, server=server), is_left_out


def _segment(name: str) -> str:
    """name as one segment of a path, without secrets; never one that steps out of it."""
    name = without_secrets(name[:LONGEST_TOOL_NAME]) or "unnamed"
    if not name.strip("."):
        return name.replace(".", "%2E")
    return quote(name, safe="", errors="replace")


def _kept(arguments: bytes) -> msgspec.Raw | None:
    if len(arguments) > LARGEST_ARGUMENTS_BYTES:
        return None
    try:
        value = msgspec.json.decode(arguments, type=dict[str, Any])
        return msgspec.Raw(msgspec.json.encode(redacted_value(value, without_secrets)))
    except (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError):
        return None


def as_arguments(raw: bytes | None) -> bytes | None:
    """What a log holds as a tool's input, as a JSON object: itself, the object in its text, or one around it.

    raw: JSON. None, null and an empty text are no arguments.
    """
    if raw is None or raw in (b"", b"null", b'""') or raw.startswith(b"{"):
        return raw if raw is not None and raw.startswith(b"{") else None
    if raw.startswith(b'"'):
        try:
            text = msgspec.json.decode(raw, type=str).strip()
        except (msgspec.MsgspecError, UnicodeError):
            return raw
        if text.startswith("{") and _kept(text.encode("utf-8", "replace")) is not None:
            return text.encode("utf-8", "replace")
    return b'{"input":' + raw + b"}"
