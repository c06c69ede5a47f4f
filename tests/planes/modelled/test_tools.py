"""What a modelled MCP server answers, and that sessions with one open and close as the protocol has it."""

import contextlib
import json

import anyio
import msgspec
import pytest

from replay.dialects.mcp import negotiated
from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.planes.modelled.server import modelled_server
from replay.planes.modelled.tools import spoken
from replay.planes.modelled.types import ModelSpec, ServiceModel
from replay.target.mcp import Mcp
from replay.target.target import Target
from replay.trace.file.stream import TraceWriter
from replay.trace.types import FORMAT, VERSION, Edge, Header, McpCall, Session, Step
from tests.support.modelled_planes import behind_a_gateway


def said(method: str, **params) -> dict:
    message = {"jsonrpc": "2.0", "id": "7", "method": method, "params": params}
    status, body = spoken(b"POST", json.dumps(message).encode())
    assert status == 200
    answer = json.loads(body)
    assert (answer["jsonrpc"], answer["id"]) == ("2.0", "7")
    return answer["result"]


@pytest.mark.parametrize(
    ("asked", "settled"), [("2025-06-18", "2025-06-18"), ("1999-01-01", "2025-11-25"), (None, "2025-11-25")]
)
def test_a_session_is_opened_in_the_version_that_was_asked_for_or_the_newest(asked, settled):
    message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": asked}}

    assert negotiated(spoken(b"POST", json.dumps(message).encode()).body) == settled


def test_every_tool_is_there_and_succeeds():
    assert said("tools/call", name="any")["isError"] is False
    assert said("tools/list")["tools"]
    assert said("ping") == {}
    assert said("tools/call", _meta={})["resultType"] == "complete"
    assert said("server/discover", _meta={})["supportedVersions"] == ["2026-07-28"]


@pytest.mark.parametrize(
    ("method", "body", "status"),
    [
        (b"POST", b'{"jsonrpc":"2.0","method":"notifications/initialized"}', 202),
        (b"POST", b"no message", 200),
        (b"POST", b"[1]", 200),
        (b"POST", None, 200),
        (b"DELETE", b"", 405),
        (b"GET", b"", 405),
        (b"POST", b'{"id":"\\ud800","method":"ping"}', 200),
        (b"POST", b'{"id":1e400,"method":[1],"params":[2]}', 200),
    ],
)
def test_what_is_no_request_of_mcp_is_answered_too(method, body, status):
    assert spoken(method, body).status == status


@pytest.fixture
def calls(tmp_path):
    path = tmp_path / "calls.jsonl"
    with TraceWriter(path, Header(FORMAT, VERSION, "calls")) as out:
        call = McpCall("tools/call", tool="search", arguments=msgspec.Raw(b'{"q":"x"}'))
        listed = Step("a", "mcp", "list", mcp=McpCall("tools/list"))
        out.write(Session("s", 0.0, [listed, Step("b", "mcp", "search", (Edge("a"),), mcp=call)]))
    return path


@contextlib.asynccontextmanager
async def alone():
    async with modelled_server(ServiceModel(speed=1_000.0)) as url:
        yield url


@contextlib.asynccontextmanager
async def behind():
    async with behind_a_gateway(ModelSpec(speed=1_000.0)) as (client, _):
        yield str(client.base_url)


@pytest.mark.anyio
@pytest.mark.parametrize("version", ["2026-07-28", "2025-11-25", "as-recorded"])
@pytest.mark.parametrize("served", [alone, behind])
async def test_a_trace_of_tools_is_replayed_against_a_modelled_plane(calls, tmp_path, version, served):
    async with served() as url:
        target = Target(url=url.rstrip("/"), mcp=Mcp(version))
        outcome = await anyio.to_thread.run_sync(replay_trace, calls, target, RunOptions(), tmp_path / "run")

    counts = outcome.summary.counts
    assert (counts.ok, counts.failed) == (2, 0)
    assert counts.handshakes == (0 if version == "2026-07-28" else 2)
