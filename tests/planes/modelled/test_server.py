"""The modelled server: a connection in virtual time, then the server on a real socket with another's client."""

import heapq
import json

import anyio
import httpx
import pytest

from replay.planes.modelled.model import Model
from replay.planes.modelled.server import Connection, Site, modelled_server
from replay.planes.modelled.time_types import Spread
from replay.planes.modelled.types import ServiceModel
from replay.system.listening import CannotListen

TIMES = ServiceModel(
    by_kind={"llm": Spread(300.0), "tool": Spread(100.0), "mcp": Spread(50.0), "http": Spread(20.0)},
    between_tokens=Spread(10.0),
)
GET_TOOL = b"GET /tools/x HTTP/1.1\r\nhost: t\r\n\r\n"


class Timer:
    def __init__(self) -> None:
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class Wire:
    """A connection whose clock, loop and transport are values: time passes when `until` is called."""

    def __init__(self, service: ServiceModel = TIMES) -> None:
        self.now_ns = 0
        self.closed = self.aborted = self.reading_paused = False
        self.written: list[tuple[float, bytes]] = []  # (ms, bytes)
        self._timers: list[tuple[int, int, Timer, object, tuple]] = []
        self._order = 0
        self.site = Site(Model(service), clock=lambda: self.now_ns)
        self.connection = Connection(self.site, self)
        self.connection.connection_made(self)

    # What a connection asks of its loop.

    def call_later(self, delay_s, callback, *args):
        timer = Timer()
        self._order += 1
        heapq.heappush(self._timers, (self.now_ns + round(delay_s * 1e9), self._order, timer, callback, args))
        return timer

    def call_soon(self, callback, *args):
        return self.call_later(0.0, callback, *args)

    # What it asks of its transport.

    def write(self, data):
        self.written.append((self.now_ns / 1e6, data))

    def close(self):
        self.closed = True

    def abort(self):
        self.aborted = True

    def pause_reading(self):
        self.reading_paused = True

    def resume_reading(self):
        self.reading_paused = False

    # What a test does.

    def receive(self, *chunks):
        for chunk in chunks:
            self.connection.data_received(chunk)

    def until(self, ms):
        while self._timers and self._timers[0][0] <= ms * 1e6:
            at_ns, _, timer, callback, args = heapq.heappop(self._timers)
            if not timer.cancelled:
                self.now_ns = max(self.now_ns, at_ns)
                callback(*args)
        self.now_ns = round(ms * 1e6)

    @property
    def bytes(self):
        return b"".join(data for _, data in self.written)

    @property
    def times_ms(self):
        return [at for at, _ in self.written]


def chat(**body) -> bytes:
    data = json.dumps(body).encode()
    return b"POST /v1/chat/completions HTTP/1.1\r\ncontent-length: %d\r\n\r\n%s" % (len(data), data)


def body_of(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[2]


def test_a_request_is_answered_after_the_time_of_its_kind():
    wire = Wire()
    wire.receive(GET_TOOL)
    wire.until(99.9)
    assert wire.written == []

    wire.until(100)
    assert wire.times_ms == [100.0]
    assert wire.bytes.startswith(b"HTTP/1.1 200 OK\r\nreplay-instance: modelled-1\r\n")
    assert not wire.closed


def test_time_counts_from_the_last_byte_of_the_request():
    wire = Wire()
    wire.receive(b"POST /tools/x HTTP/1.1\r\ncontent-length: 2\r\n\r\na")
    wire.until(40)
    wire.receive(b"b")
    wire.until(1_000)

    assert wire.times_ms == [140.0]


def test_a_request_makes_the_same_answer_wherever_it_is_cut():
    request = chat(max_tokens=3)
    whole = Wire()
    whole.receive(request)
    whole.until(1_000)
    for cut in range(1, len(request)):
        wire = Wire()
        wire.receive(request[:cut], request[cut:])
        wire.until(1_000)
        assert wire.written == whole.written


def test_a_stream_sends_its_first_token_then_each_when_it_is_due():
    wire = Wire()
    wire.receive(chat(max_tokens=4, stream=True))
    wire.until(1_000)

    assert wire.times_ms == [300.0, 310.0, 320.0, 330.0]
    assert wire.bytes.count(b'"delta":{"content":') == 4
    assert wire.bytes.endswith(b"data: [DONE]\n\n\r\n0\r\n\r\n")
    assert not wire.connection.is_busy


def test_tokens_that_fell_due_while_the_loop_was_held_up_go_out_together_and_the_rest_on_time():
    wire = Wire()
    wire.receive(chat(max_tokens=6, stream=True))
    wire.until(300)
    wire.now_ns = 325_000_000  # nothing ran for 25 ms
    wire.until(1_000)

    assert wire.times_ms == [300.0, 325.0, 330.0, 340.0, 350.0]


def test_a_stream_waits_for_a_client_that_reads_too_slowly_and_then_catches_up():
    wire = Wire()
    wire.receive(chat(max_tokens=5, stream=True))
    wire.until(305)
    wire.connection.pause_writing()
    wire.until(500)
    written = len(wire.written)
    wire.connection.resume_writing()
    wire.until(501)

    assert written == 2
    assert wire.bytes.count(b'"delta":{"content":') == 5
    assert wire.bytes.endswith(b"0\r\n\r\n")


def test_an_http_1_0_client_gets_no_chunks():
    wire = Wire()
    wire.receive(chat(max_tokens=2, stream=True).replace(b"HTTP/1.1", b"HTTP/1.0"))
    wire.until(1_000)

    assert b"content-length" in wire.bytes
    assert b"chunked" not in wire.bytes
    assert wire.closed


def test_pipelined_requests_are_answered_in_order_one_after_the_other():
    wire = Wire()
    wire.receive(GET_TOOL + b"GET /a HTTP/1.1\r\n\r\n" + GET_TOOL)
    wire.until(1_000)

    assert wire.times_ms == [100.0, 120.0, 220.0]


def test_a_long_pipeline_stops_the_reading_until_it_is_shorter():
    wire = Wire()
    wire.receive(GET_TOOL * 200)
    assert wire.reading_paused

    wire.until(100 * 200)
    assert not wire.reading_paused
    assert len(wire.written) == 200


def test_the_same_traceparent_gets_the_same_time_whatever_came_before():
    traced = (
        b"GET /tools/x HTTP/1.1\r\nTraceParent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n\r\n"
    )
    alone, later = Wire(ServiceModel()), Wire(ServiceModel())
    alone.receive(traced)
    alone.until(60_000)
    later.receive(GET_TOOL)
    later.until(60_000)
    later.receive(traced)
    later.until(120_000)

    assert later.times_ms[1] - 60_000 == pytest.approx(alone.times_ms[0])


def test_a_health_check_is_answered_at_once():
    wire = Wire()
    wire.receive(b"GET /healthz?x=1 HTTP/1.1\r\n\r\n")

    assert body_of(wire.bytes) == b'{"status":"ok"}'


def test_a_head_request_gets_the_length_and_no_body():
    wire = Wire()
    wire.receive(b"HEAD /tools/x HTTP/1.1\r\n\r\n")
    wire.until(1_000)

    assert b"content-length: 32\r\n" in wire.bytes
    assert body_of(wire.bytes) == b""


def test_tools_answer_each_with_its_own_name():
    """Answers that are all alike look like a page to sign in at, and a gate says so."""
    wire = Wire()
    wire.receive(b"GET /tools/crm?customer=1 HTTP/1.1\r\n\r\n")
    wire.until(1_000)
    crm = len(wire.bytes)
    wire.receive(b"GET /tools/" + b"x" * 200 + b" HTTP/1.1\r\n\r\n")
    wire.until(2_000)

    assert body_of(wire.bytes[:crm]) == b'{"answer":"modelled","name":"crm"}'
    assert body_of(wire.bytes[crm:]) == b'{"answer":"modelled","name":"%s"}' % (b"x" * 64)


def test_a_failing_request_is_503_after_its_modelled_time():
    wire = Wire(ServiceModel(by_kind=TIMES.by_kind, error_ratio=1.0))
    wire.receive(chat(stream=True))
    wire.until(1_000)

    assert wire.times_ms == [300.0]
    assert wire.bytes.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")


@pytest.mark.parametrize("rubbish", [b"\x16\x03\x01\x02\x00\x01", b"bad\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n"])
def test_what_is_not_http_gets_400_and_the_connection_is_closed(rubbish):
    wire = Wire()
    wire.receive(rubbish, b"more")

    assert wire.bytes.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert body_of(wire.bytes) == b'{"error":"this is not an HTTP/1.1 request"}'
    assert wire.closed


def test_what_was_asked_before_the_rubbish_is_still_answered():
    wire = Wire()
    wire.receive(GET_TOOL + b"rubbish\r\n\r\n")
    wire.until(1_000)

    assert wire.bytes.startswith(b"HTTP/1.1 200 OK\r\n")
    assert wire.closed


def test_a_head_that_never_ends_is_refused():
    wire = Wire()
    wire.receive(b"GET / HTTP/1.1\r\nx: ", *[b"y" * 10_000] * 7)

    assert wire.bytes.startswith(b"HTTP/1.1 431 ")
    assert wire.closed


def test_an_upgrade_is_answered_as_if_it_had_not_been_asked_for_and_closed():
    wire = Wire()
    wire.receive(b"GET /tools/x HTTP/1.1\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n")
    wire.until(1_000)

    assert wire.bytes.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close\r\n" in wire.bytes
    assert wire.closed


def test_a_client_that_waits_for_100_continue_gets_it():
    wire = Wire()
    wire.receive(b"POST /tools/x HTTP/1.1\r\ncontent-length: 1\r\nexpect: 100-continue\r\n\r\n")

    assert wire.bytes == b"HTTP/1.1 100 Continue\r\n\r\n"


def test_a_client_that_closes_its_half_still_gets_its_answer():
    wire = Wire()
    wire.receive(GET_TOOL)
    assert wire.connection.eof_received() is True
    wire.until(1_000)

    assert wire.times_ms == [100.0]
    assert wire.closed


def test_nothing_is_written_after_the_client_has_gone():
    wire = Wire()
    wire.receive(GET_TOOL, GET_TOOL)
    wire.connection.connection_lost(None)
    wire.until(1_000)

    assert wire.written == []
    assert wire.site.connections == set()


def test_a_server_that_stops_finishes_what_is_under_way():
    busy, idle = Wire(), Wire()
    busy.receive(GET_TOOL, GET_TOOL)
    busy.connection.stop()
    idle.connection.stop()
    assert (busy.closed, idle.closed) == (False, True)

    busy.until(1_000)
    assert len(busy.written) == 1
    assert busy.closed


def test_httpx_reads_plain_answers_streams_and_completions_from_a_real_socket():
    async def scenario():
        service = ServiceModel(speed=200.0)
        async with modelled_server(service) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
            plain = await client.get("/tools/search")
            head = await client.head("/documents/1")
            whole = await client.post("/v1/chat/completions", json={"max_tokens": 3})
            big = await client.post(
                "/v1/chat/completions", json={"prompt": "x" * 8_000_000, "max_tokens": 2, "stream": False}
            )
            async with client.stream(
                "POST", "/v1/chat/completions", json={"max_tokens": 5, "stream": True}
            ) as answer:
                lines = [line async for line in answer.aiter_lines() if line]
            return plain, head, whole, big, lines

    plain, head, whole, big, lines = anyio.run(scenario)

    assert plain.json() == {"answer": "modelled", "name": "search"}
    assert (head.status_code, head.content) == (200, b"")
    assert whole.json()["choices"][0]["message"]["content"] == "the case is"
    assert whole.json()["usage"]["completion_tokens"] == 3
    assert big.json()["usage"]["completion_tokens"] == 2
    events = [json.loads(line.removeprefix("data: ")) for line in lines[:-1]]
    deltas = [event["choices"][0]["delta"] for event in events]
    assert "".join(delta.get("content", "") for delta in deltas) == "the case is open and "
    assert deltas[0]["role"] == "assistant"
    assert events[-1]["choices"][0]["finish_reason"] == "stop"
    assert lines[-1] == "data: [DONE]"


def test_a_port_in_use_is_told_with_what_to_try():
    async def scenario():
        async with modelled_server() as url:
            with pytest.raises(CannotListen, match=r"in use. Try another --port"):
                async with modelled_server(port=httpx.URL(url).port):
                    pass

    anyio.run(scenario)
