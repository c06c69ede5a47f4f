"""Runs with steps on WebSockets, against the `websockets` package: what is sent, what is told, what is left behind."""

import json

import msgspec
import pytest

from replay.engine.forecast.dryrun import foresee
from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.results.record import read_steps
from replay.target.errors import TargetError
from replay.target.routes import ExpectRule
from replay.target.sending import Retry, Timeouts
from replay.target.target import Target
from replay.trace.file.stream import TraceWriter
from replay.trace.types import (
    FORMAT,
    VERSION,
    Edge,
    Expect,
    Extract,
    Header,
    JsonCheck,
    Recorded,
    Request,
    Session,
    Step,
    Until,
    WsCall,
)
from tests.support.websocket_servers import byte_server, opened, websocket_server

DONE = Until(json="/type", equals="done")


def raw(value) -> msgspec.Raw:
    return msgspec.Raw(msgspec.json.encode(value))


def ask(value, until=DONE, **fields):
    return WsCall("/talk?v=1", json=raw(value), until=until, **fields)


def chained(*steps):
    """The same steps, each after the one before it."""
    return [
        msgspec.structs.replace(step, after=(Edge(steps[n - 1].id),)) if n else step
        for n, step in enumerate(steps)
    ]


def ran(tmp_path, url, *steps, sessions=1, target=None, **options):
    path = tmp_path / "talk.jsonl"
    with TraceWriter(path, Header(FORMAT, VERSION, "talk")) as out:
        for n in range(sessions):
            out.write(Session(f"s-{n}", n * 2.0, chained(*steps)))
    outcome = replay_trace(path, target or Target(url=url), RunOptions(**options), tmp_path / "run")
    return outcome.summary, list(read_steps(tmp_path / "run" / "steps.jsonl"))


class Heard:
    def __init__(self):
        self.paths, self.messages, self.headers, self.codes = [], [], [], []


def talking(heard):
    """Answers {"n": 2, ...} with two messages and one that says done, with what was asked in it."""

    async def handler(socket):
        heard.paths.append(socket.request.path)
        heard.headers.append({name.lower(): value for name, value in socket.request.headers.items()})
        async for message in socket:
            heard.messages.append(message)
            asked = json.loads(message)
            for n in range(asked.get("n", 0)):
                await socket.send(json.dumps({"type": "part", "n": n}))
            await socket.send(json.dumps({"type": "done", "id": "x-7", "of": asked}))
        heard.codes.append(socket.close_code)

    return handler


def test_a_session_holds_its_connection_and_leaves_it_when_it_is_over(tmp_path):
    heard = Heard()
    with websocket_server(talking(heard)) as url:
        summary, records = ran(
            tmp_path,
            url,
            Step("a", "ws", "ask", ws=ask({"n": 2})),
            Step("b", "ws", "ask", ws=ask({})),
            sessions=3,
        )

    assert {
        (one.step, one.outcome, one.status, one.messages, one.tokens, one.connection) for one in records
    } == {
        ("a", "ok", 101, 3, 3, "new"),
        ("b", "ok", 101, 1, 1, "reused"),
    }
    assert heard.paths == ["/talk?v=1"] * 3
    assert heard.codes == [1000] * 3
    assert summary.counts.ok == 6
    assert not summary.notes
    first = next(one for one in records if one.step == "a")
    assert first.sent_ns <= first.first_byte_ns == first.first_token_ns <= first.last_token_ns == first.end_ns
    assert summary.latency_ms["ttft"].n == 6
    assert summary.latency_ms["itl"].n == 6


def test_values_of_the_message_that_ends_a_step_go_into_later_ones(tmp_path):
    heard = Heard()
    with websocket_server(talking(heard)) as url:
        _, records = ran(
            tmp_path,
            url,
            Step("a", "ws", "ask", ws=ask({"n": 1}), extract={"id": Extract(json="/id")}),
            Step("b", "ws", "ask", ws=ask({"after": "{{id}}"})),
            Step("c", "http", "get", request=Request("GET", "/{{id}}")),
        )  # fmt: skip

    assert [json.loads(message) for message in heard.messages] == [{"n": 1}, {"after": "x-7"}]
    assert [one.outcome for one in records[:2]] == ["ok", "ok"]


def test_answers_are_held_to_what_is_expected(tmp_path):
    with websocket_server(talking(Heard())) as url:
        _, records = ran(
            tmp_path,
            url,
            Step("a", "ws", "ask", ws=ask({"n": 1}), expect=Expect(json={"/of/n": JsonCheck(equals=1)})),
            Step("b", "ws", "ask", ws=ask({"n": 1}), expect=Expect(json={"/of/n": JsonCheck(equals=2)})),
            Step("c", "ws", "ask", ws=ask({}), recorded=Recorded(status=101)),
            target=Target(url=url, expect=(ExpectRule(kind="ws", max_bytes=10_000),)),
        )  # fmt: skip

    assert [(one.outcome, one.error, one.check) for one in records] == [
        ("ok", None, None), ("failed", "check", "json /of/n equals"), ("ok", None, None)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"type": "error", "error": {"code": "x"}}, "model_error"),
        ({"jsonrpc": "2.0", "id": 1, "error": {"code": -1, "message": "no"}}, "rpc_error"),
    ],
)
def test_an_error_in_the_messages_fails_the_step(tmp_path, answer, error):
    async def handler(socket):
        async for _ in socket:
            await socket.send(json.dumps(answer))

    with websocket_server(handler) as url:
        _, records = ran(tmp_path, url, Step("a", "ws", "ask", ws=ask({})))

    assert [(one.error, one.messages) for one in records] == [(error, 1)]


def test_codes_of_closing_are_told_and_the_next_message_opens_anew(tmp_path):
    async def handler(socket):
        async for message in socket:
            if json.loads(message).get("go"):
                await socket.close(4321)
            await socket.send('{"type":"done"}')

    with websocket_server(handler) as url:
        summary, records = ran(
            tmp_path, url,
            Step("a", "ws", "ask", ws=ask({"go": True})), Step("b", "ws", "ask", ws=ask({})),
            Step("c", "ws", "bye", ws=WsCall("/talk?v=1", action="close", code=3001)),
        )  # fmt: skip

    assert [(one.outcome, one.error, one.close_code, one.connection) for one in records] == [
        ("failed", "closed", 4321, "new"), ("ok", None, None, "new"), ("ok", None, 3001, "reused"),
    ]  # fmt: skip
    assert summary.counts.errors == {"closed": 1}
    assert summary.counts.error_examples == {"closed": "the target closed the connection with the code 4321"}


def test_a_step_that_was_closed_on_is_tried_again_where_the_target_file_says_so(tmp_path):
    heard = Heard()
    well = talking(heard)

    async def handler(socket):
        if not heard.codes:
            heard.codes.append(None)
            await socket.recv()
            await socket.close(1012)
            return
        await well(socket)

    retry = Retry(attempts=2, errors=("closed",), unsafe=True, backoff_s=0.001)
    with websocket_server(handler) as url:
        summary, records = ran(
            tmp_path, url, Step("a", "ws", "ask", ws=ask({})), target=Target(url=url, retry=retry)
        )

    assert [(one.error, one.final) for one in records] == [("closed", False), (None, True)]
    assert summary.counts.retries == 1


def test_a_refused_opening_is_a_failure_by_its_status(tmp_path):
    def handler(sock):
        sock.recv(4096)
        sock.sendall(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")

    with byte_server(handler) as url:
        _, records = ran(tmp_path, url, Step("a", "ws", "ask", ws=ask({})))

    assert [(one.outcome, one.error, one.status, one.connection) for one in records] == [
        ("failed", "status_4xx", 403, "new")
    ]


def test_a_target_that_breaks_the_rules_is_told_in_a_sentence(tmp_path):
    with byte_server(opened(lambda sock: (sock.recv(4096), sock.sendall(b"\x83\x00"), sock.recv(4096)))) as url:
        _, records = ran(tmp_path, url, Step("a", "ws", "ask", ws=ask({})))

    assert [(one.error, one.phase, one.why) for one in records] == [
        ("protocol", "first_byte", "the target broke the rules of WebSocket: a frame of an unknown kind")
    ]


def test_a_target_that_never_ends_is_ended_by_its_limit(tmp_path):
    def endless(sock):
        while True:
            sock.sendall(b"\x81\x02no" * 100)

    target = Timeouts(total_s=0.1)
    with byte_server(opened(endless)) as url:
        _, records = ran(
            tmp_path, url, Step("a", "ws", "ask", ws=ask({})), target=Target(url=url, timeouts=target)
        )

    [one] = records
    assert (one.error, one.censored, one.phase) == ("timeout", True, "body")
    assert one.end_ns - one.sent_ns == 100_000_000


def test_messages_that_no_step_waits_for_are_noted(tmp_path):
    async def handler(socket):
        await socket.send("welcome")
        async for _ in socket:
            await socket.send('{"type":"done"}')

    with websocket_server(handler) as url:
        summary, records = ran(
            tmp_path, url,
            Step("o", "ws", "open", ws=WsCall("/talk?v=1", action="open")),
            Step("w", "tool", "think", took_ms=20.0),
            Step("p", "ws", "ping", ws=WsCall("/talk?v=1", action="ping")),
            Step("a", "ws", "ask", ws=ask({})),
        )  # fmt: skip

    assert [one.outcome for one in records] == ["ok"] * 4
    assert summary.notes == ["1 message came on WebSockets while no step waited for one"]


def test_a_step_may_follow_the_first_message_of_another(tmp_path):
    heard = Heard()
    path = tmp_path / "t.jsonl"
    steps = [
        Step("a", "ws", "ask", ws=ask({"n": 2})),
        Step("b", "ws", "tell", (Edge("a", "first_byte"),), ws=WsCall("/talk?v=1", text='{"told":1}')),
    ]
    with TraceWriter(path, Header(FORMAT, VERSION, "t")) as out:
        out.write(Session("s", 0.0, steps))
    with websocket_server(talking(heard)) as url:
        replay_trace(path, Target(url=url), RunOptions(), tmp_path / "run")
    records = {one.step: one for one in read_steps(tmp_path / "run" / "steps.jsonl")}

    assert records["b"].intended_ns == records["a"].first_byte_ns
    assert (records["b"].outcome, records["b"].first_byte_ns, records["b"].messages) == ("ok", None, None)
    assert records["b"].end_ns == records["b"].sent_ns


def test_headers_and_credentials_go_with_the_opening_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("KEY", "k-1")
    heard = Heard()
    target = {"url": "", "headers": {"x-team": "t"}, "auth": {"bearer_env": "KEY"}}
    call = ask(
        {},
        headers={"X-Own": "{{session}}", "Sec-WebSocket-Key": "old", "Connection": "close"},
        protocols=("p",),
    )
    with websocket_server(talking(heard), subprotocols=["p"]) as url:
        ran(
            tmp_path,
            url,
            Step("a", "ws", "ask", ws=call),
            target=msgspec.convert(target | {"url": url}, Target),
        )

    [headers] = heard.headers
    assert {name: headers.get(name) for name in ("x-team", "authorization", "x-own", "connection", "content-length", "content-type")} == {
        "x-team": "t", "authorization": "Bearer k-1", "x-own": "s-0", "connection": "Upgrade", "content-length": None, "content-type": None,
    }  # fmt: skip
    assert headers["traceparent"].startswith("00-")
    assert headers["sec-websocket-key"] != "old"


def test_a_read_only_run_opens_and_pings_and_sends_no_message(tmp_path):
    heard = Heard()
    with websocket_server(talking(heard)) as url:
        _, records = ran(
            tmp_path, url,
            Step("o", "ws", "open", ws=WsCall("/talk?v=1", action="open")), Step("a", "ws", "ask", ws=ask({})),
            Step("c", "ws", "bye", ws=WsCall("/other", action="close")), read_only=True,
        )  # fmt: skip

    assert (heard.messages, len(heard.paths)) == ([], 1)
    assert {one.step: one.withheld for one in records} == {"o": False, "a": True, "c": False}


@pytest.mark.parametrize(("field", "what"), [("proxy", "a proxy"), ("url", "an application in this process")])
def test_a_target_that_is_not_reached_directly_is_refused_before_anything_is_sent(tmp_path, field, what):
    given = {"url": "http://127.0.0.1:1", "transport": "httpx"}
    given |= (
        {"proxy": "http://127.0.0.1:2"} if field == "proxy" else {"url": "asgi:tests.support.small_app:app"}
    )
    with pytest.raises(TargetError, match=f"has 1 step on WebSockets, which do not go through {what}"):
        ran(tmp_path, "", Step("a", "ws", "ask", ws=ask({})), target=Target(**given))


def test_no_connections_for_requests_are_prepared_where_there_are_none(tmp_path):
    heard = Heard()
    with websocket_server(talking(heard)) as url:
        summary, _ = ran(tmp_path, url, Step("a", "ws", "ask", ws=ask({})), sessions=20)

    # One shows that the target is there.
    assert summary.counts.connections_opened == 21


def test_a_dry_run_says_what_would_be_sent(tmp_path):
    path = tmp_path / "t.jsonl"
    with TraceWriter(path, Header(FORMAT, VERSION, "t")) as out:
        for n in range(2):
            out.write(Session(f"s{n}", 0.0, [Step("a", "ws", "ask", ws=ask({"n": 1}), took_ms=5.0)]))
    found = foresee(path, Target(url="http://127.0.0.1:1"), RunOptions())

    assert (found.requests, found.identical_requests, found.by_step[0].kind) == (2, 1, "ws")
