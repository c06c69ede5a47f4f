"""A server of the official MCP SDK on a loopback port, in a thread of this process."""

import asyncio
import contextlib
from collections.abc import Iterator
from typing import Any

from tests.support.asgi_servers import served
from tests.support.later import later

mcpserver = later("mcp.server.mcpserver")


class Ways:
    """How often the server was asked which way. open_sessions: those that were opened and not closed."""

    def __init__(self) -> None:
        self.calls: dict[str, int] = {}

    def count(self, tool: str) -> None:
        self.calls[tool] = self.calls.get(tool, 0) + 1


def _server(ways: Ways) -> Any:
    server = mcpserver.MCPServer("small")

    @server.tool()
    def search(q: str) -> str:
        ways.count("search")
        return f"found {q}"

    @server.tool()
    def broken() -> str:
        ways.count("broken")
        raise ValueError("no")

    @server.tool()
    async def slow(steps: int, ctx: mcpserver.Context) -> str:
        ways.count("slow")
        for step in range(steps):
            await ctx.report_progress(step, steps)
            await asyncio.sleep(0.005)
        return "done"

    @server.resource("notes://one")
    def note() -> str:
        return "a note"

    @server.prompt()
    def greet(name: str) -> str:
        return f"hello {name}"

    return server


@contextlib.contextmanager
def mcp_server(*, stateless: bool = False, json: bool = False) -> Iterator[tuple[str, Ways]]:
    """Its URL, and what it was asked. stateless: it gives no session ids. json: it answers without event streams."""
    ways = Ways()
    app = _server(ways).streamable_http_app(stateless_http=stateless, json_response=json)
    with served(app) as url:
        yield url, ways
