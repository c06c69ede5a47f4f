"""What a message to an MCP server must keep to."""

import msgspec
import pytest

from replay.trace.file.mcp_rules import mcp_problem
from replay.trace.types import McpCall


def raw(value) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


NO = raw({})


@pytest.mark.parametrize(
    "call",
    [
        McpCall("tools/list"),
        McpCall("tools/list", params=raw({"cursor": "x"})),
        McpCall("tools/call", tool="search"),
        McpCall("tools/call", tool="any \r\n name\ud800", arguments=raw({"q": [1]}), version="2025-11-25"),
        McpCall("tools/call", params=raw({"name": "search"})),
        McpCall("prompts/get", name="greet", arguments=NO),
        McpCall("resources/read", uri="file:///x y"),
        McpCall("notifications/cancelled", params=raw({"requestId": "1"})),
        McpCall("vendor.example/any-thing_$1"),
    ],
)
def test_these_can_be_sent(call):
    assert mcp_problem(call) is None


@pytest.mark.parametrize(
    ("call", "field", "text"),
    [
        (McpCall(""), "mcp.method", 'has mcp.method "", which is not a method such as tools/call'),
        (McpCall("a\r\nb: c"), "mcp.method", 'has mcp.method "a\\r\\nb: c", which is not a method such as tools/call'),
        (McpCall("é"), "mcp.method", 'has mcp.method "é", which is not a method such as tools/call'),
        (McpCall("initialize"), "mcp.method", "has mcp.method initialize; a run opens its sessions by itself, so leave the step out"),
        (McpCall("tools/call"), "mcp.tool", "has mcp.method tools/call without mcp.tool"),
        (McpCall("prompts/get", arguments=NO), "mcp.name", "has mcp.method prompts/get without mcp.name"),
        (McpCall("resources/read"), "mcp.uri", "has mcp.method resources/read without mcp.uri"),
        (McpCall("tools/call", tool=""), "mcp.tool", "has mcp.tool that is empty; it may have 1 to 4,096"),
        (McpCall("resources/read", uri="x" * 5_000), "mcp.uri", "has mcp.uri that has 5,000 characters; it may have 1 to 4,096"),
        (McpCall("tools/list", tool="x"), "mcp.tool", "has mcp.tool, which tools/list does not take"),
        (McpCall("tools/call", tool="x", uri="y"), "mcp.uri", "has mcp.uri, which tools/call does not take"),
        (McpCall("tools/list", arguments=NO), "mcp.arguments", "has mcp.arguments, which tools/list does not take; it takes mcp.params"),
        (McpCall("tools/call", tool="x", arguments=raw([1])), "mcp.arguments", "has mcp.arguments that are no JSON object"),
        (McpCall("tools/list", params=raw(None)), "mcp.params", "has mcp.params that are no JSON object"),
        (McpCall("tools/call", tool="x", params=NO), "mcp.params", "has mcp.params beside the fields that make them; give one or the other"),
        (McpCall("tools/list", server="/a b"), "mcp.server", 'has mcp.server "/a b", which is neither a name nor a path such as /search/mcp'),
        (McpCall("tools/list", server=""), "mcp.server", 'has mcp.server "", which is neither a name nor a path such as /search/mcp'),
        (McpCall("tools/list", version="a b"), "mcp.version", 'has mcp.version "a b", which is not one such as 2025-11-25'),
    ],
)  # fmt: skip
def test_what_no_version_of_the_protocol_can_send_is_named(call, field, text):
    assert mcp_problem(call) == (field, text)
