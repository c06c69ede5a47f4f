"""Sessions with MCP servers, in virtual time: when they are opened, what waits for them, and what becomes of it."""

import json

import msgspec
import pytest

from replay.engine.requests.render import Renderer
from replay.engine.retries import Retries
from replay.results.columns import read_columns
from replay.results.instants import KeptInstants
from replay.results.summary import SummaryFold
from replay.results.tables.table import table_of
from replay.target.auth import Auth
from replay.target.mcp import Mcp
from replay.target.sending import Retry
from replay.target.target import Target
from replay.trace.types import Edge, McpCall, Request, Step
from replay.wire.signin.credentials import Credentials
from tests.support.fake_target import FakeTarget, VirtualRun
from tests.support.manifests import MANIFEST
from tests.support.world import MS, World

OPENED = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}}


class McpTarget(FakeTarget):
    """A server in virtual time, each of whose answers takes 10 ms. refuses: by method, its status or its error.

    said: method, and the session named, of all that was sent.
    """

    def __init__(self, world, version="2025-11-25", session_id=b"sess", refuses=()):
        super().__init__(world)
        self.mcp = Mcp(version)
        self.websockets = ()
        self.conversation = None
        target = Target(url="http://t", mcp=self.mcp, traceparent=False)
        self.renderers = [Renderer(target, target.url, Credentials(Auth()), "run")]
        self._session_id, self.refuses = session_id, dict(refuses)
        self.said: list[tuple[str, str | None]] = []
        self.messages: list[dict] = []
        self.refusals: list[int] = []

    def send(self, attempt):
        lines = dict(line.split(": ", 1) for line in attempt.head.decode().split("\r\n")[1:] if line)
        message = json.loads(attempt.body) if attempt.body else {"method": attempt.method}
        self.said.append((message["method"], lines.get("mcp-session-id")))
        self.messages.append(message)
        attempt.sent_ns = now = self._world.now_ns
        self.sent.append((now - self.origin_ns, attempt.step.id))
        self._world.at(now + 10 * MS, self._answer, attempt, message)

    def _answer(self, attempt, message):
        method, refused = message["method"], self.refuses.get(message["method"], 200)
        attempt.first_byte_ns = attempt.end_ns = self._world.now_ns
        if isinstance(refused, str):
            attempt.error, attempt.phase = refused, "first_byte"
            attempt.censored = refused == "timeout"
        else:
            attempt.status = refused if refused != 200 or "id" in message else 202
            result = OPENED if method == "initialize" else {"content": [], "isError": method == "x/fails"}
            answer = {"jsonrpc": "2.0", "id": message.get("id"), "result": result}
            if attempt.keeps_body:
                attempt.captured = bytearray(msgspec.json.encode(answer))
        if method == "initialize" and self._session_id is not None and attempt.captured_headers is not None:
            attempt.captured_headers.append((b"Mcp-Session-Id", self._session_id))
        attempt.on_done(attempt)

    def refused(self, place, sent_ns):
        self.refusals.append(place)


class Stranger(McpTarget):
    """A target that is no MCP server: it answers everything alike."""

    def __init__(self, world, status, body):
        super().__init__(world)
        self._status, self._body = status, body

    def _answer(self, attempt, message):
        attempt.first_byte_ns = attempt.end_ns = self._world.now_ns
        attempt.status, attempt.captured = self._status, bytearray(self._body)
        attempt.response_bytes = len(self._body)
        attempt.on_done(attempt)


def call(step_id, *after, method="x/y", at_ms=0.0, **fields):
    edges = tuple(Edge(one) for one in after)
    return Step(step_id, "mcp", step_id, edges, at_ms, mcp=McpCall(method), **fields)


@pytest.fixture
def world():
    return World()


def test_a_session_is_opened_once_named_in_each_request_and_closed_at_its_end(world, tmp_path):
    target = McpTarget(world)
    records = VirtualRun(world, target, tmp_path, [(0.0, [call("a"), call("b", "a")])]).run()

    assert target.said == [
        ("initialize", None),
        ("notifications/initialized", "sess"),
        ("x/y", "sess"),
        ("x/y", "sess"),
        ("DELETE", "sess"),
    ]
    assert [(one.name, one.outcome, one.final, one.handshake) for one in records] == [
        ("initialize", "ok", False, True),
        ("notifications/initialized", "ok", False, True),
        ("a", "ok", True, False),
        ("b", "ok", True, False),
        ("DELETE", "ok", False, True),
    ]


def listening(step_id, *after, path="/mcp", **headers):
    edges = tuple(Edge(one) for one in after)
    request = Request("GET", path, {"accept": "text/event-stream", **headers})
    return Step(step_id, "mcp", step_id, edges, 0.0, request=request)


def test_a_stream_for_what_the_server_says_of_itself_is_within_the_session_of_its_path(world, tmp_path):
    target = McpTarget(world)
    steps = [call("a"), listening("waits"), listening("l", "a"), listening("elsewhere", "a", path="/other")]
    steps.append(listening("own", "a", **{"mcp-session-id": "recorded"}))
    records = VirtualRun(world, target, tmp_path, [(0.0, steps)]).run()

    assert target.said == [
        ("initialize", None),
        ("notifications/initialized", "sess"),
        ("x/y", "sess"),
        ("GET", "sess"),
        ("GET", "sess"),
        ("GET", None),
        ("GET", "recorded"),
        ("DELETE", "sess"),
    ]
    assert {one.outcome for one in records} == {"ok"}


def test_a_stream_where_no_session_is_goes_as_it_is(world, tmp_path):
    target = McpTarget(world)
    VirtualRun(world, target, tmp_path, [(0.0, [listening("l")])]).run()

    assert target.said == [("GET", None)]


def test_the_step_that_needs_the_session_waits_for_it_and_that_is_no_lag_of_ours(world, tmp_path):
    run = VirtualRun(world, McpTarget(world), tmp_path, [(0.0, [call("a"), call("b", "a")])])
    records = {one.step: one for one in run.run()}

    first, second = records["a"], records["b"]
    assert round((first.end_ns - first.intended_ns) / MS) == 30
    assert round((first.end_ns - first.sent_ns) / MS) == 10
    assert round(first.waited_ns / MS) == 20
    assert second.waited_ns is None
    assert run.recorder.lag.quantiles().max < 1_000  # µs


def test_steps_at_once_share_one_session_and_each_session_has_its_own(world, tmp_path):
    target = McpTarget(world)
    steps = [call("a"), call("b"), call("c", at_ms=15.0)]
    VirtualRun(world, target, tmp_path, [(0.0, steps), (5.0, [call("d")])]).run()

    assert [method for method, _ in target.said].count("initialize") == 2
    assert [session for method, session in target.said if method == "x/y"] == ["sess"] * 4


def test_a_handshake_that_fails_fails_the_steps_that_wait_with_its_class_and_the_next_step_tries_anew(
    world, tmp_path
):
    target = McpTarget(world, refuses={"initialize": "timeout"})
    run = VirtualRun(world, target, tmp_path, [(0.0, [call("a"), call("b"), call("c", "a")])])
    run.begin()
    run.at(12.0, target.refuses.clear)
    records = {one.step: one for one in run.go_on()}

    assert [(records[name].outcome, records[name].error, records[name].sent_ns) for name in "ab"] == [
        ("failed", "timeout", None)
    ] * 2
    assert records["c"].outcome == "ok"
    assert [method for method, _ in target.said].count("initialize") == 2


@pytest.mark.parametrize(
    ("refuses", "error"),
    [
        ({"initialize": 503}, "status_5xx"),
        ({"initialize": 401}, "status_4xx"),
        ({"notifications/initialized": 400}, "status_4xx"),
        ({"notifications/initialized": "reset"}, "reset"),
    ],
)
def test_each_way_in_which_a_handshake_fails_is_told(world, tmp_path, refuses, error):
    target = McpTarget(world, refuses=refuses)
    (step,) = [
        one for one in VirtualRun(world, target, tmp_path, [(0.0, [call("a")])]).run() if not one.handshake
    ]

    assert (step.outcome, step.error) == ("failed", error)
    assert target.refusals == ([0] if 401 in refuses.values() else [])


def test_a_version_that_nobody_knows_is_a_breach_of_protocol(world, tmp_path, monkeypatch):
    monkeypatch.setitem(OPENED, "protocolVersion", "1999-01-01")
    records = VirtualRun(world, McpTarget(world), tmp_path, [(0.0, [call("a")])]).run()

    assert [(one.name, one.error) for one in records] == [("initialize", "protocol"), ("a", "protocol")]


@pytest.mark.parametrize(
    ("status", "body", "error", "why"),
    [
        (404, b"no", "status_4xx", "has the status 404"),
        (302, b"", "redirect", "is a redirect (status 302), which is not followed"),
        (200, b"<html></html>", "protocol", "is a web page (HTML): no MCP server is there"),
        (200, b'{"ok":true}', "protocol", "is not JSON-RPC: no MCP server is there"),
        (200, b"hello", "protocol", "is no JSON: no MCP server is there"),
        (200, b"", "protocol", "is empty: no MCP server is there"),
        (
            200,
            b'{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"1999-01-01"}}',
            "protocol",
            "names no version of the protocol that is known here",
        ),
    ],
)
def test_what_is_no_mcp_server_is_told_as_what_it_is(world, tmp_path, status, body, error, why):
    records = VirtualRun(world, Stranger(world, status, body), tmp_path, [(0.0, [call("a")])]).run()

    said = f"the answer to initialize at /mcp {why}"
    assert [(one.handshake, one.error, one.why) for one in records] == [
        (True, error, said),
        (False, error, said),
    ]


def test_what_a_server_says_to_a_notification_means_nothing(world, tmp_path):
    target = McpTarget(world)
    answer = target._answer

    def complains(attempt, message):
        if message["method"] == "notifications/initialized":
            attempt.captured = bytearray(b'{"jsonrpc":"2.0","id":null,"error":{"code":-32601}}')
            attempt.keeps_body = 0
        answer(attempt, message)

    target._answer = complains
    records = VirtualRun(world, target, tmp_path, [(0.0, [call("a")])]).run()

    assert {one.outcome for one in records} == {"ok"}


def test_a_server_without_sessions_is_named_none_and_not_taken_leave_of(world, tmp_path):
    target = McpTarget(world, session_id=None)
    VirtualRun(world, target, tmp_path, [(0.0, [call("a")])]).run()

    assert target.said == [("initialize", None), ("notifications/initialized", None), ("x/y", None)]


def test_the_stateless_version_opens_nothing(world, tmp_path):
    target = McpTarget(world, version="2026-07-28")
    VirtualRun(world, target, tmp_path, [(0.0, [call("a")])]).run()

    assert target.said == [("x/y", None)]


def test_a_session_that_the_server_has_forgotten_is_opened_again(world, tmp_path):
    target = McpTarget(world, refuses={"x/gone": 404})
    VirtualRun(world, target, tmp_path, [(0.0, [call("a", method="x/gone"), call("b", "a")])]).run()

    assert [method for method, _ in target.said] == [
        "initialize",
        "notifications/initialized",
        "x/gone",
        "initialize",
        "notifications/initialized",
        "x/y",
        "DELETE",
    ]


def test_a_further_attempt_is_another_message_of_the_same_session(world, tmp_path):
    target = McpTarget(world, refuses={"x/busy": 503})
    ids = []
    send = target.send
    target.send = lambda attempt: (ids.append(json.loads(attempt.body or b"{}").get("id")), send(attempt))
    retries = Retries(Retry(attempts=2, unsafe=True), 1)
    records = VirtualRun(world, target, tmp_path, [(0.0, [call("a", method="x/busy")])], retries=retries).run()

    assert [one.attempt for one in records if one.step == "a"] == [1, 2]
    tries = [said for said in ids if said is not None]
    assert len(set(tries)) == len(tries) == 3


def test_a_server_that_does_not_answer_its_leave_holds_the_run_up_for_a_second(world, tmp_path):
    target = McpTarget(world)
    send = target.send
    target.send = lambda attempt: None if attempt.method == "DELETE" else send(attempt)
    run = VirtualRun(world, target, tmp_path, [(0.0, [call("a")])])
    run.run()

    assert run.loop.is_over
    assert 1_000 < (world.now_ns - run.loop.start_ns) / MS < 1_100


@pytest.mark.parametrize("session_id", [b"sess", None])
def test_a_server_is_told_of_a_call_that_nobody_waits_for_any_more(world, tmp_path, session_id):
    target = McpTarget(world, session_id=session_id, refuses={"x/slow": "timeout"})
    steps = [call("a", method="x/slow"), call("b", "a")]
    records = VirtualRun(world, target, tmp_path, [(0.0, steps)]).run()

    named = None if session_id is None else "sess"
    assert target.said[2:5] == [("x/slow", named), ("notifications/cancelled", named), ("x/y", named)]
    slow, cancelled = target.messages[2:4]
    assert "id" not in cancelled
    assert cancelled["params"]["requestId"] == slow["id"]
    assert [(one.name, one.outcome) for one in records if one.handshake][2] == ("notifications/cancelled", "ok")


@pytest.mark.parametrize(
    ("version", "method", "refused"),
    [
        # There the end of the connection says so.
        ("2026-07-28", "x/slow", "timeout"),
        ("2025-11-25", "x/slow", "reset"),
        ("2025-11-25", "notifications/x", "timeout"),
        ("2025-11-25", "subscriptions/listen", "timeout"),
    ],
)
def test_of_all_else_it_is_told_nothing(world, tmp_path, version, method, refused):
    target = McpTarget(world, version, refuses={method: refused})
    VirtualRun(world, target, tmp_path, [(0.0, [call("a", method=method)])]).run()

    assert "notifications/cancelled" not in [said for said, _ in target.said]


def test_handshakes_are_in_no_figure_but_their_own(world, tmp_path):
    target = McpTarget(world, refuses={"x/gone": 404})
    sessions = [(0.0, [call("a"), call("b", "a", method="x/gone"), call("c", "b")])]
    records = VirtualRun(world, target, tmp_path, sessions).run()
    steps = [one for one in records if not one.handshake]
    columns = read_columns(tmp_path)
    figures = {}
    for name, lines in (("all", records), ("steps", steps)):
        fold = SummaryFold(None, kept := KeptInstants())
        fold.add(table_of(lines))
        figures[name] = fold.summary(MANIFEST, {}, kept.taken())

    assert list(columns.step) == ["a", "b", "c"]
    assert columns.retried_ns.tolist() == [0, 0, 0]
    ends, starts = [one.end_ns for one in steps], [one.intended_ns for one in steps]
    assert columns.makespan_ns.tolist() == [max(ends) - min(starts)]
    assert figures["all"].counts.handshakes == len(records) - len(steps) == 5
    figures["all"].counts.handshakes = 0
    assert figures["all"] == figures["steps"]


def test_handshakes_that_failed_are_said(world, tmp_path):
    target = McpTarget(world, refuses={"initialize": "timeout"})
    records = VirtualRun(world, target, tmp_path, [(0.0, [call("a")])]).run()
    fold = SummaryFold(None, kept := KeptInstants())
    fold.add(table_of(records))

    assert fold.summary(MANIFEST, {}, kept.taken()).notes == [
        "1 of 1 request to open or close sessions with MCP servers failed; a step whose session could not be opened "
        "has failed with the same class"
    ]


SEVERAL = Mcp("2025-11-25", servers={"github": "/github/mcp", "jira": "/jira"})


class Several(McpTarget):
    """Several servers at one host, each of which knows only the sessions that it gave. went: path and session."""

    def __init__(self, world, mcp):
        super().__init__(world)
        self.mcp = mcp
        target = Target(url="http://t", mcp=mcp, traceparent=False)
        self.renderers = [Renderer(target, target.url, Credentials(Auth()), "run")]
        self.went: list[tuple[str, str, str | None]] = []

    def send(self, attempt):
        super().send(attempt)
        path = attempt.head.split(b" ")[1].decode()
        self._session_id = path.encode()
        self.went.append((path, *self.said[-1]))


def server_call(step_id, server, *after):
    edges = tuple(Edge(one) for one in after)
    return Step(step_id, "mcp", step_id, edges, mcp=McpCall("x/y", server=server))


def test_each_of_several_servers_at_one_host_has_a_session_of_its_own(world, tmp_path):
    target = Several(world, SEVERAL)
    steps = [server_call("a", "github"), server_call("b", "jira", "a"), server_call("c", "github", "b")]
    records = VirtualRun(world, target, tmp_path, [(0.0, steps)]).run()

    assert [(path, session) for path, method, session in target.went if method == "x/y"] == [
        ("/github/mcp", "/github/mcp"),
        ("/jira", "/jira"),
        ("/github/mcp", "/github/mcp"),
    ]
    assert [path for path, method, _ in target.went if method == "initialize"] == ["/github/mcp", "/jira"]
    assert [path for path, method, _ in target.went if method == "notifications/initialized"] == [
        "/github/mcp",
        "/jira",
    ]
    assert sorted((path, session) for path, method, session in target.went if method == "DELETE") == [
        ("/github/mcp", "/github/mcp"),
        ("/jira", "/jira"),
    ]
    assert {one.outcome for one in records} == {"ok"}


@pytest.mark.parametrize(
    ("mcp", "server", "path"),
    [
        (Mcp(), None, "/mcp"),
        (Mcp(), "github", "/mcp"),
        (Mcp(), "/tools/mcp", "/tools/mcp"),
        (Mcp(path="/one"), "/tools/mcp", "/one"),
        (Mcp(path="/one"), "github", "/one"),
        (Mcp(path="/one", servers={"github": "/two"}), "github", "/two"),
        (Mcp(servers={"/tools/mcp": "/v2/mcp"}), "/tools/mcp", "/v2/mcp"),
    ],
)
def test_where_a_server_is_says_the_target_file_before_the_trace(world, tmp_path, mcp, server, path):
    target = Several(world, msgspec.structs.replace(mcp, version="2025-11-25"))
    VirtualRun(world, target, tmp_path, [(0.0, [server_call("a", server)])]).run()

    assert {went for went, _, _ in target.went} == {path}


def test_names_that_lead_to_one_server_share_its_session(world, tmp_path):
    target = Several(world, Mcp("2025-11-25"))
    VirtualRun(
        world, target, tmp_path, [(0.0, [server_call("a", "github"), server_call("b", None, "a")])]
    ).run()

    assert [method for _, method, _ in target.went].count("initialize") == 1
