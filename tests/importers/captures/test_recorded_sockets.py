"""Recorded WebSockets as steps: by HAR, and what of their messages names an end."""

import base64
import json

import pytest

from replay.assembly.types import ImportOptions
from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.importers.captures.har import Har
from replay.results.record import read_steps
from replay.target.target import Target
from replay.trace.file.stream import TraceWriter
from replay.trace.redaction.requests import Redactor
from replay.trace.socket_steps import OpenedSocket, SocketMessage, socket_steps
from replay.trace.types import Until
from tests.support.websocket_servers import websocket_server

HEADERS = [
    ("Upgrade", "websocket"),
    ("Sec-WebSocket-Key", "k"),
    ("X-Own", "1"),
    ("Authorization", "Bearer abcdef123456"),
]


def made(*messages, headers=(), took_us=2_000, closed=None):
    """Steps of messages that are (whose, ms, data)."""
    recorded = [
        SocketMessage(
            whose == "out", ms * 1_000, isinstance(data, str), data.encode() if isinstance(data, str) else data
        )
        for whose, ms, data in messages
    ]
    opened = OpenedSocket("/live?v=1", dict(headers), 0, took_us, None, {})
    return socket_steps(opened, recorded, Redactor().of_request(()), closed)


def test_a_step_is_what_was_sent_and_what_came_until_the_next_was():
    found = made(
        ("in", 3, "welcome"), ("out", 10, '{"ask":1}'), ("in", 15, '{"type":"part"}'), ("in", 30, '{"type":"done"}'), ("out", 40, "bye"),
    )  # fmt: skip

    assert [
        (one.start_us, one.took_us, one.first_us, one.step.name, one.step.ws.action) for one in found.steps
    ] == [
        (0, 2_000, None, "WS /live open", "open"),
        (10_000, 20_000, 5_000, "WS /live", "message"),
        (40_000, 0, None, "WS /live", "message"),
    ]
    assert found.unasked == 1
    asked, bye = (one.step for one in found.steps[1:])
    assert (bytes(asked.ws.json), asked.ws.until, asked.took_ms, asked.recorded.ttft_ms) == (
        b'{"ask":1}', Until("/type", "done"), 20.0, 5.0,
    )  # fmt: skip
    assert (bye.ws.text, bye.ws.until) == ("bye", None)


def test_a_socket_on_which_the_client_sent_nothing_was_opened_all_the_same():
    found = made(("in", 3, "welcome"), ("in", 9, "more"))

    assert [one.step.ws.action for one in found.steps] == ["open"]
    assert found.unasked == 2


@pytest.mark.parametrize(
    ("out", "came", "until"),
    [
        ('{"id":7}', ['{"id":6}', '{"id":7}'], Until("/id", 7)),
        ('{"id":"a-1"}', ['{"method":"log"}', '{"id":"a-1","method":"x"}'], Until("/id", "a-1")),
        ('{"id":7}', ['{"id":7,"part":1}', '{"id":7,"type":"end"}'], Until("/type", "end")),
        ("{}", ['{"type":"x"}', '{"type":"x"}'], Until(messages=2)),
        ("{}", ["plain"], Until()),
        ("{}", ['{"type":"a b c, not a name"}'], Until()),
        ("{}", [b"\x00\x01", b"\xff"], Until(messages=2)),
        ("{}", ["[" * 5_000], Until()),
    ],
)
def test_an_end_is_named_by_what_only_the_last_message_says(out, came, until):
    found = made(("out", 1, out), *(("in", 2 + n, data) for n, data in enumerate(came)))
    assert found.steps[1].step.ws.until == until


def test_binary_messages_stay_binary_and_long_ones_keep_their_size():
    found = made(
        ("out", 1, b"\x00\xff"),
        ("out", 2, b"text in binary"),
        ("out", 3, "x" * ((1 << 20) + 1)),
        ("out", 4, ""),
    )

    assert [one.step.ws.base64 and base64.b64decode(one.step.ws.base64) for one in found.steps[1:3]] == [
        b"\x00\xff", b"text in binary",
    ]  # fmt: skip
    assert found.steps[3].step.ws.message_bytes == (1 << 20) + 1
    assert found.steps[4].step.ws.text == ""
    assert found.filled == 1


def test_secrets_are_taken_out_of_messages_and_headers_stay_without_those_of_the_connection():
    found = made(
        ("out", 1, '{"api_key":"sk-live-0123456789abcdef","ask":1}'),
        headers={"Sec-WebSocket-Key": "k", "Sec-WebSocket-Protocol": "v1, v2", "X-Own": "1"}.items(),
    )
    call = found.steps[1].step.ws

    assert json.loads(bytes(call.json)) == {"api_key": "redacted", "ask": 1}
    assert (call.headers, call.protocols) == ({"X-Own": "1"}, ("v1", "v2"))


def test_a_connection_that_the_client_closed_ends_with_a_close():
    assert [one.step.ws.code for one in made(("out", 1, "x"), closed=(9_000, 4_001)).steps[2:]] == [4_001]
    assert made(("out", 1, "x"), closed=(9_000, 1006)).steps[-1].step.ws.code is None
    assert made(("out", 1, "x")).steps[-1].step.ws.action == "message"


def har(tmp_path, messages, url="wss://app.test/live", **entry):
    started = "2026-06-01T00:00:00.000Z"
    told = {
        "startedDateTime": started, "time": 5, "timings": {"send": 0, "wait": 5, "receive": 0}, "pageref": "p",
        "request": {"method": "GET", "url": url, "headers": [{"name": n, "value": v} for n, v in HEADERS]},
        "response": {"status": 101, "headers": []}, "_resourceType": "websocket", "_webSocketMessages": messages, **entry,
    }  # fmt: skip
    path = tmp_path / "x.har"
    path.write_text(json.dumps({"log": {"version": "1.2", "creator": {"name": "Chrome"}, "entries": [told]}}))
    result = Har().read([path], ImportOptions())
    return result, list(result.sessions())


START_S = 1780272000.0


def said(kind, ms, data, opcode=1):
    return {"type": kind, "time": START_S + ms / 1000, "opcode": opcode, "data": data}


def test_messages_of_a_har_are_steps_that_follow_one_another(tmp_path):
    result, (session,) = har(
        tmp_path,
        [
            said("send", 20, '{"id":1}'), said("receive", 50, '{"id":1}'),
            said("send", 90, base64.b64encode(b"\x01").decode(), 2), said("receive", 95, "", 8), said("receive", 99, "ok"),
        ],
    )  # fmt: skip

    assert result.header.origins == ("https://app.test",)
    assert [(step.kind, step.ws.action, step.at_ms, step.took_ms) for step in session.steps] == [
        ("ws", "open", 0.0, 5.0), ("ws", "message", 20.0, 30.0), ("ws", "message", 90.0, 9.0),
    ]  # fmt: skip
    assert [[(edge.step, edge.delay_ms) for edge in step.after] for step in session.steps] == [
        [],
        [("1", 15.0)],
        [("2", 40.0)],
    ]
    first = session.steps[1].ws
    assert (first.headers, first.until) == ({"X-Own": "1"}, Until("/id", 1))
    assert session.steps[2].ws.until == Until()


def test_a_har_without_messages_or_times_has_no_steps_of_a_websocket(tmp_path):
    for messages in ([], [{"type": "send", "data": "x"}], [said("send", 1, "?", 2)], "odd"):
        with pytest.raises(Exception, match="1 WebSockets of which no message was recorded"):
            har(tmp_path, messages)


def test_what_was_recorded_is_replayed(tmp_path):
    result, sessions = har(
        tmp_path,
        [
            said("send", 20, '{"n":2}'),
            said("receive", 25, '{"type":"part"}'),
            said("receive", 30, '{"type":"done"}'),
        ],
    )
    with TraceWriter(tmp_path / "t.jsonl", result.header) as out:
        for session in sessions:
            out.write(session)

    async def handler(socket):
        async for _ in socket:
            await socket.send('{"type":"part"}')
            await socket.send('{"type":"done"}')

    with websocket_server(handler) as url:
        replay_trace(tmp_path / "t.jsonl", Target(url=url), RunOptions(), tmp_path / "run")
    records = list(read_steps(tmp_path / "run" / "steps.jsonl"))

    assert [(one.outcome, one.messages) for one in records] == [("ok", None), ("ok", 2)]
