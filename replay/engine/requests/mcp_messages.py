"""A message to an MCP server as the request that its version of the protocol makes of it. Pure."""

import msgspec

from replay import __version__
from replay.dialects.mcp import (
    INITIALIZE,
    STATELESS,
    Client,
    headers_of,
    message,
    named_params,
    version_spoken,
)
from replay.target.mcp import Mcp
from replay.trace.types import McpCall, Request

_client = Client(__version__)


class McpMessages:
    """Messages to the servers of one target."""

    def __init__(self, mcp: Mcp) -> None:
        self._mcp = mcp

    def __repr__(self) -> str:
        return f"<McpMessages to {self._mcp.path_of(None)} in {self._mcp.version}>"

    def request_of(self, call: McpCall, message_id: str) -> Request:
        """The request, without what names the session that it belongs to."""
        version = version_spoken(self._mcp.version, call.version)
        params = _params(call)
        if call.method == INITIALIZE:
            body = _client.initialize(message_id, version)
        else:
            if version == STATELESS:
                params = _client.with_meta(params)
            body = message(call.method, message_id, params)
        headers = headers_of(call.method, params, version)
        return Request("POST", self._mcp.path_of(call.server), headers, json=msgspec.Raw(body))


def _params(call: McpCall) -> bytes:
    """The parameters as the message has them: an object as JSON, or nothing."""
    name = call.tool or call.name or call.uri
    if name is not None:
        return named_params(call.method, name, bytes(call.arguments))
    return bytes(call.params)
