"""What a message to an MCP server must keep to, so that any version of the protocol can send it. Pure.

A method goes into a header as it is; a name, a tool or an address goes there encoded, so these may hold anything.
"""

import re
from collections.abc import Mapping

from replay.trace.errors import shown
from replay.trace.types import McpCall

LONGEST_TARGET = 4_096  # characters of a tool, a prompt's name or an address: servers take heads of 8 KiB

_METHOD = re.compile(r"[A-Za-z0-9_$.\-]{1,100}(?:/[A-Za-z0-9_$.\-]{1,100}){0,7}").fullmatch
# A name is looked up and sent nowhere; a path goes into the head of a request.
_SERVER = re.compile(r"/[\x21-\x7e]{0,999}|[^/\x00-\x1f\x7f][^\x00-\x1f\x7f]{0,199}").fullmatch
_VERSION = re.compile(r"[0-9A-Za-z.\-]{1,40}").fullmatch
# What names the thing that a method is about.
_NAMED: Mapping[str, str] = {"tools/call": "tool", "prompts/get": "name", "resources/read": "uri"}
_TAKES_ARGUMENTS = ("tools/call", "prompts/get")
# A run opens and closes sessions by itself, since a server gives each run others.
OPENED_BY_RUNS = ("initialize", "notifications/initialized")


def mcp_problem(call: McpCall) -> tuple[str, str] | None:
    """The field that breaks a rule and how, to follow the step's name; None where the message can be sent."""
    if not _METHOD(call.method):
        return "mcp.method", f"has mcp.method {shown(call.method)}, which is not a method such as tools/call"
    if call.method in OPENED_BY_RUNS:
        text = f"has mcp.method {call.method}; a run opens its sessions by itself, so leave the step out"
        return "mcp.method", text
    for field in ("arguments", "params"):
        if (raw := getattr(call, field)) and bytes(raw).lstrip()[:1] != b"{":
            return f"mcp.{field}", f"has mcp.{field} that are no JSON object"
    found = _target_problem(call)
    if found is not None:
        return found
    if call.arguments and call.method not in _TAKES_ARGUMENTS:
        return "mcp.arguments", f"has mcp.arguments, which {call.method} does not take; it takes mcp.params"
    if call.version is not None and not _VERSION(call.version):
        return "mcp.version", f"has mcp.version {shown(call.version)}, which is not one such as 2025-11-25"
    if call.server is not None and not _SERVER(call.server):
        text = f"has mcp.server {shown(call.server)}, which is neither a name nor a path such as /search/mcp"
        return "mcp.server", text
    return None


def _target_problem(call: McpCall) -> tuple[str, str] | None:
    """What is wrong with the fields that name what a method is about."""
    wanted = _NAMED.get(call.method)
    for field in _NAMED.values():
        value: str | None = getattr(call, field)
        if value is None:
            continue
        if field != wanted:
            return f"mcp.{field}", f"has mcp.{field}, which {call.method} does not take"
        if not 0 < len(value) <= LONGEST_TARGET:
            said = "is empty" if not value else f"has {len(value):,} characters"
            return f"mcp.{field}", f"has mcp.{field} that {said}; it may have 1 to {LONGEST_TARGET:,}"
    is_named = wanted is not None and getattr(call, wanted) is not None
    if call.params and (is_named or call.arguments):
        return "mcp.params", "has mcp.params beside the fields that make them; give one or the other"
    if wanted is not None and not is_named and not call.params:
        return f"mcp.{wanted}", f"has mcp.method {call.method} without mcp.{wanted}"
    return None
