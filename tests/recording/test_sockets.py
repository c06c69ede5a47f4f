"""WebSockets through the recorder: what passes, and what is recorded of it."""

import base64
import json

import pytest
from websockets.sync.client import connect

from replay.recording.capture import step_of
from replay.recording.sockets import RecordedSocket
from replay.recording.types import OnSocket
from replay.trace.redaction.requests import Redactor
from replay.trace.types import Until
from replay.websocket.frames import frame_bytes
from replay.websocket.messages import closing
from replay.websocket.types import BINARY, CLOSE, PING, TEXT
from tests.support.exchanges import MS, exchange
from tests.support.recorders import Recorded
from tests.support.websocket_servers import websocket_server


class Heard:
    """A WebSocket in a test's hands; what is recorded, as steps."""

    def __init__(self):
        self.now_ns, self.over, self._numbers = 0, [], 1
        opening = exchange(
            "/live?v=1",
            status=101,
            begin_ns=0,
            socket=OnSocket(1, "open"),
            headers=[("X-Own", "1"), ("Sec-WebSocket-Key", "k")],
        )
        opening.end_ns = 5 * MS
        self.over.append(opening)
        self.socket = RecordedSocket(opening, self.over.append, self.number, None, lambda: self.now_ns)

    def number(self):
        self._numbers += 1
        return self._numbers

    def sent(self, at_ms, opcode, payload=b""):
        self.now_ns = at_ms * MS
        self.socket.sent(frame_bytes(opcode, payload, is_masked=True))

    def came(self, at_ms, opcode, payload=b""):
        self.now_ns = at_ms * MS
        self.socket.came(frame_bytes(opcode, payload, is_masked=False))

    def steps(self, bodies="keep"):
        return [step_of(one, 0, Redactor(), bodies) for one in self.over]


def test_a_message_lasts_until_the_last_that_came_before_the_next():
    heard = Heard()
    heard.came(6, TEXT, b"welcome")
    heard.sent(10, TEXT, b'{"api_key":"sk-live-0123456789abcdef"}')
    heard.came(15, TEXT, b'{"type":"part"}')
    heard.came(16, PING)
    heard.came(30, TEXT, b'{"type":"done"}')
    heard.sent(40, BINARY, b"\x00")
    heard.sent(50, CLOSE, closing(4000))
    heard.came(55, CLOSE, closing(4000))
    heard.socket.end(None)
    opened, asked, told, closed = heard.steps()

    assert [(one.ws.action, one.at_ms, one.took_ms, one.name) for one in (opened, asked, told, closed)] == [
        ("open", 0.0, 5.0, "WS /live open"), ("message", 10.0, 20.0, "WS /live"), ("message", 40.0, 0.0, "WS /live"),
        ("close", 50.0, 5.0, "WS /live close"),
    ]  # fmt: skip
    assert json.loads(bytes(asked.ws.json)) == {"api_key": "redacted"}
    assert (asked.ws.until, asked.recorded.ttft_ms, asked.recorded.status) == (Until("/type", "done"), 5.0, 101)
    assert (base64.b64decode(told.ws.base64), told.ws.until, closed.ws.code) == (b"\x00", None, 4000)
    assert {one.ws.connection for one in (opened, asked, told, closed)} == {"r1"}
    assert opened.ws.headers == {"X-Own": "1"}


def test_without_bodies_a_message_is_its_size_and_its_end_a_number():
    heard = Heard()
    heard.sent(10, TEXT, b"secret")
    heard.came(15, TEXT, b'{"type":"alice"}')
    heard.socket.end("client left")
    _, step = heard.steps("drop")

    assert (step.ws.text, step.ws.message_bytes, step.ws.until, step.attributes) == (
        None,
        6,
        Until(messages=1),
        {},
    )


def test_what_breaks_the_rules_is_recorded_up_to_there():
    heard = Heard()
    heard.sent(10, TEXT, b"a")
    heard.socket.came(b"\x83\x00")
    heard.sent(20, TEXT, b"b")
    heard.socket.end(None)

    assert [one.attributes for one in heard.steps()[1:]] == [{"fault": "the rules of WebSocket were broken"}]


def test_an_upstream_that_closes_leaves_the_message_without_an_end():
    heard = Heard()
    heard.sent(10, TEXT, b"a")
    heard.came(20, CLOSE, closing(1011))
    heard.sent(21, CLOSE, closing(1011))
    heard.socket.end(None)
    [step] = heard.steps()[1:]

    assert (step.took_ms, step.attributes) == (None, {"fault": "upstream closed with the code 1011"})


@pytest.mark.parametrize("ends", ["closed", "left open"])
def test_a_recorder_passes_a_websocket_on_and_records_it(tmp_path, ends):
    async def handler(socket):
        async for message in socket:
            await socket.send(json.dumps({"type": "part", "of": json.loads(message)}))
            await socket.send(json.dumps({"type": "done"}))

    with websocket_server(handler) as url:
        recorded = Recorded(tmp_path / "t.jsonl", "--upstream", url)
        with connect(recorded.url.replace("http", "ws") + "/live", additional_headers={"x-own": "1"}) as client:
            for n in range(2):
                client.send(json.dumps({"n": n}))
                assert [json.loads(client.recv())["type"] for _ in range(2)] == ["part", "done"]
            if ends == "left open":
                code, _, _ = recorded.stop()
        if ends == "closed":
            code, _, _ = recorded.stop()

    assert code == 0
    [session] = recorded.sessions()
    actions = [step.ws.action for step in session.steps]
    assert actions[:3] == ["open", "message", "message"]
    assert actions[3:] == (["close"] if ends == "closed" else [])
    assert [step.ws.until for step in session.steps[1:3]] == [Until("/type", "done")] * 2
    assert bytes(session.steps[1].ws.json) == b'{"n": 0}'
    assert [[edge.step for edge in step.after] for step in session.steps[1:3]] == [
        [session.steps[0].id],
        [session.steps[1].id],
    ]


@pytest.mark.parametrize("message", ["hello", "", b"\x00\xff", '{\n "n": 1\r\n}', '{"n":1}'])
def test_a_recording_of_messages_of_any_kind_becomes_a_trace(tmp_path, message):
    """One that was no JSON made a line of the journal that nothing reads, and no trace came of the whole recording."""

    async def handler(socket):
        async for heard in socket:
            await socket.send(heard)

    with websocket_server(handler) as url:
        recorded = Recorded(tmp_path / "t.jsonl", "--upstream", url)
        with connect(recorded.url.replace("http", "ws") + "/live") as client:
            client.send(message)
            assert client.recv() == message
        code, _, _ = recorded.stop()

    assert code == 0
    [session] = recorded.sessions()
    call = session.steps[1].ws
    sent = call.text if call.text is not None else bytes(call.json).decode()
    assert (base64.b64decode(call.base64) if call.base64 is not None else sent) == message
