"""Runs against servers of the official MCP SDK, in each generation of the protocol, over both wires."""

import logging

import msgspec
import pytest

from replay.engine.forecast.dryrun import foresee
from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.results.record import read_steps
from replay.target.mcp import Mcp
from replay.target.target import Target
from replay.trace.file.stream import TraceWriter
from replay.trace.types import FORMAT, VERSION, Edge, Extract, Header, McpCall, Request, Session, Step
from tests.support.mcp_servers import mcp_server


def raw(value) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


SESSIONS = 3
# Progress is reported to who asks for it.
SLOW = raw({"name": "slow", "arguments": {"steps": 3}, "_meta": {"progressToken": 1}})
CALLS = {
    "list": McpCall("tools/list"),
    "search": McpCall("tools/call", tool="search", arguments=raw({"q": "é"})),
    "broken": McpCall("tools/call", tool="broken"),
    "slow": McpCall("tools/call", params=SLOW),
    "read": McpCall("resources/read", uri="notes://one"),
    "greet": McpCall("prompts/get", name="greet", arguments=raw({"name": "you"})),
    "unknown": McpCall("no/such"),
}


@pytest.fixture(autouse=True)
def quiet():
    # The SDK logs a traceback of each tool that fails.
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def trace(tmp_path):
    path = tmp_path / "calls.jsonl"
    with TraceWriter(path, Header(FORMAT, VERSION, "calls")) as out:
        for n in range(SESSIONS):
            steps = [
                Step(name, "mcp", name, (Edge("list"),) if name != "list" else (), mcp=call)
                for name, call in CALLS.items()
            ]
            out.write(Session(f"s-{n}", n * 5.0, steps))
    return path


def ran(trace, tmp_path, target, **options):
    outcome = replay_trace(trace, target, RunOptions(**options), tmp_path / "run")
    return outcome.summary, list(read_steps(tmp_path / "run" / "steps.jsonl"))


@pytest.mark.parametrize("transport", ["fast", "httpx"])
@pytest.mark.parametrize(
    ("version", "stateless", "json"),
    [
        ("2026-07-28", False, False),
        ("2026-07-28", False, True),
        ("2025-11-25", False, False),
        ("2025-11-25", True, True),
        ("2025-06-18", False, True),
        ("as-recorded", True, False),
    ],
)
def test_every_call_ends_as_the_server_says(trace, tmp_path, version, stateless, json, transport):
    with mcp_server(stateless=stateless, json=json) as (url, ways):
        summary, records = ran(trace, tmp_path, Target(url=url, mcp=Mcp(version), transport=transport))

    ended = {(one.name, one.outcome, one.error) for one in records if not one.handshake}
    # The newest version tells of unknown methods by the status.
    unknown = "status_4xx" if version == "2026-07-28" else "rpc_error"
    assert ended == {
        *((name, "ok", None) for name in ("list", "search", "slow", "read", "greet")),
        ("broken", "failed", "tool_error"),
        ("unknown", "failed", unknown),
    }
    assert ways.calls == {"search": SESSIONS, "broken": SESSIONS, "slow": SESSIONS}
    assert (summary.counts.ok, summary.counts.failed) == (5 * SESSIONS, 2 * SESSIONS)
    assert summary.counts.errors == {unknown: SESSIONS, "tool_error": SESSIONS}
    assert summary.counts.retries == 0


@pytest.mark.parametrize(
    ("version", "stateless", "of_a_session"),
    [("2026-07-28", False, 0), ("2025-11-25", False, 3), ("2025-11-25", True, 2)],
)
def test_handshakes_are_in_nobodys_figures(trace, tmp_path, version, stateless, of_a_session):
    with mcp_server(stateless=stateless) as (url, _):
        summary, records = ran(trace, tmp_path, Target(url=url, mcp=Mcp(version)))

    assert summary.counts.handshakes == SESSIONS * of_a_session
    assert all(one.outcome == "ok" for one in records if one.handshake)
    assert {one.name for one in summary.series} == set(CALLS)
    assert sum(one.response.n for one in summary.series) == summary.counts.ok


def test_a_tool_that_reports_progress_ends_with_its_result(trace, tmp_path):
    with mcp_server() as (url, _):
        _, records = ran(trace, tmp_path, Target(url=url))

    slow = [one for one in records if one.name == "slow"]
    assert {(one.streamed, one.layout, one.tokens) for one in slow} == {(True, "json-rpc", None)}
    assert all(one.end_ns - one.sent_ns >= 3 * 5_000_000 for one in slow)


def test_values_of_answers_go_into_later_messages_also_out_of_streams(tmp_path):
    path = tmp_path / "calls.jsonl"
    first = Step(
        "a", "mcp", "search", mcp=CALLS["search"], extract={"said": Extract(json="/result/content/0/text")}
    )
    arguments = raw({"q": "{{said}}"})
    second = Step(
        "b", "mcp", "again", (Edge("a"),), mcp=McpCall("tools/call", tool="search", arguments=arguments)
    )
    second.extract = {"again": Extract(json="/result/content/0/text", regex=None)}
    last = Step("c", "mcp", "last", (Edge("b"),), mcp=McpCall("resources/read", uri="notes://{{again}}"))
    with TraceWriter(path, Header(FORMAT, VERSION, "calls")) as out:
        out.write(Session("s", 0.0, [first, second, last]))
    with mcp_server() as (url, ways):
        _, records = ran(path, tmp_path, Target(url=url))

    ended = [(one.name, one.error) for one in records if not one.handshake]
    assert ended == [("search", None), ("again", None), ("last", "rpc_error")]
    assert ways.calls == {"search": 2}


def test_a_read_only_run_calls_no_tool(trace, tmp_path):
    with mcp_server() as (url, ways):
        summary, _ = ran(trace, tmp_path, Target(url=url), read_only=True)

    assert ways.calls == {}
    assert summary.counts.withheld == 4 * SESSIONS
    assert summary.counts.ok == 7 * SESSIONS


def test_a_recorded_request_is_sent_as_it_was(tmp_path):
    path = tmp_path / "raw.jsonl"
    headers = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2025-11-25"}
    body = raw({"jsonrpc": "2.0", "id": 3, "method": "tools/list"})
    with TraceWriter(path, Header(FORMAT, VERSION, "raw")) as out:
        step = Step("a", "mcp", "list", request=Request("POST", "/mcp", headers, json=body))
        out.write(Session("s", 0.0, [step]))
    with mcp_server(stateless=True) as (url, _):
        summary, _ = ran(path, tmp_path, Target(url=url))

    assert (summary.counts.ok, summary.counts.handshakes) == (1, 0)


def test_a_dry_run_shows_the_messages(trace):
    target = Target(url="https://mcp.example", name="t", mcp=Mcp("2026-07-28", path="/v1/mcp"))
    forecast = foresee(trace, target, RunOptions())

    assert forecast.requests == 7 * SESSIONS
    assert [(one.method, one.to) for one in forecast.destinations] == [("POST", "https://mcp.example")]
    assert "https://mcp.example/v1/mcp" in forecast.first[0]
    assert "mcp-method: tools/list" in forecast.first[0]


@pytest.mark.parametrize("transport", ["fast", "httpx"])
def test_a_stream_that_listens_is_let_go_of_at_its_sessions_end_and_is_no_failure(tmp_path, transport):
    listens = Request("GET", "/mcp", {"accept": "text/event-stream"})
    steps = [
        Step("first", "mcp", "first", mcp=CALLS["search"]),
        Step("listen", "mcp", "listen", (Edge("first"),), request=listens),
        Step("last", "mcp", "last", (Edge("listen", delay_ms=50.0),), mcp=CALLS["search"]),
    ]
    path = tmp_path / "listening.jsonl"
    with TraceWriter(path, Header(FORMAT, VERSION, "listening")) as out:
        for n in range(SESSIONS):
            out.write(Session(f"s-{n}", n * 5.0, steps))

    with mcp_server() as (url, _):
        summary, records = ran(path, tmp_path, Target(url=url, mcp=Mcp("2025-11-25"), transport=transport))

    assert (summary.counts.ok, summary.counts.failed, summary.counts.errors) == (3 * SESSIONS, 0, {})
    assert {(one.name, one.status) for one in records if one.handshake and one.name == "DELETE"} == {
        ("DELETE", 200)
    }
    assert {one.outcome for one in records} == {"ok"}
