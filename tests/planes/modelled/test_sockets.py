"""WebSockets that modelled targets hold, as the `websockets` package and raw bytes find them."""

import asyncio
import contextlib
import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from replay.planes.modelled.server import modelled_server
from replay.planes.modelled.time_types import Constant, Spread
from replay.planes.modelled.types import Faults, ModelSpec, ServiceModel
from replay.planes.recorded.recording import Recording, Rows
from replay.trace.types import Recorded, Session, Step, Until, WsCall
from replay.websocket.frames import frame_bytes
from replay.websocket.telling import EXTENSION, TOLD
from replay.websocket.types import TEXT
from tests.support.gateways import Client
from tests.support.modelled_planes import behind_a_gateway

pytestmark = pytest.mark.anyio

AT_ONCE = ModelSpec(boot=Constant(0.0), service=Constant(0.0), between_tokens=Constant(0.0))
KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
ASKS = b"GET /talk HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n%bSec-WebSocket-Version: 13\r\n%b\r\n"
TELLS = b"Sec-WebSocket-Extensions: %b\r\n" % EXTENSION.encode()
UNTIL_TWO = b"\r\nx-replay-recorded-ws: message %7B%22messages%22%3A2%7D"


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request):
    return ("asyncio", {"use_uvloop": request.param == "uvloop"})


@contextlib.asynccontextmanager
async def talking(url, path="/talk", **options):
    async with connect(url.replace("http", "ws", 1) + path, proxy=None, close_timeout=1, **options) as socket:
        yield socket


@contextlib.asynccontextmanager
async def plane(model=AT_ONCE, recording=None, **rules):
    """The URL of a plane, and its instances."""
    async with behind_a_gateway(model, **rules) as (client, instances):
        instances.recording = recording
        yield str(client.base_url).rstrip("/"), instances


@contextlib.asynccontextmanager
async def asking(url, data):
    """A client of bytes that has sent these, and the head of the answer."""
    client = await Client.to(int(url.rpartition(":")[2]))
    client.writer.write(data)
    yield client, await asyncio.wait_for(client.reader.readuntil(b"\r\n\r\n"), 10)
    client.writer.close()
    with contextlib.suppress(ConnectionError):
        await client.writer.wait_closed()


def opened(url, lines=b""):
    """One whose opening is agreed to."""
    return asking(url, ASKS % (KEY, lines))


async def code_of(socket):
    with pytest.raises(ConnectionClosed):
        await asyncio.wait_for(socket.recv(), 10)
    return socket.close_code


def recording_of(*steps):
    rows = Rows()
    rows.add(Session("s-1", 0.0, list(steps)))
    return Recording(rows)


def on_socket(step_id, took_ms=0.0, recorded=None, **call):
    return Step(step_id, "ws", "say", took_ms=took_ms, recorded=recorded, ws=WsCall("/talk", **call))


@pytest.fixture(params=["a plane", "one target"])
async def url(request):
    async with contextlib.AsyncExitStack() as stack:
        if request.param == "a plane":
            yield (await stack.enter_async_context(plane()))[0]
        else:
            yield await stack.enter_async_context(
                modelled_server(ServiceModel(by_kind={"ws": Spread(0.1), "llm": Spread(0.1)}, speed=1e6))
            )


async def test_messages_are_answered_and_pings_and_closes_too(url):
    async with talking(url) as socket:
        await socket.send(json.dumps({"id": 1}))
        await socket.send("hello")
        assert json.loads(await socket.recv()) == {"type": "done", "id": 1, "answer": "modelled"}
        assert json.loads(await socket.recv()) == {"type": "done", "answer": "modelled"}
        await asyncio.wait_for(await socket.ping(b"still there?"), 10)
        await socket.close(4321)
    assert (socket.close_code, socket.protocol.close_rcvd.code) == (4321, 4321)


async def test_a_model_is_asked_on_a_connection_and_answers_in_events(url):
    async with talking(url, "/v1/responses") as socket:
        await socket.send('{"type":"response.create","model":"m","input":"hi","max_output_tokens":4}')
        kinds = [json.loads(await socket.recv())["type"]]
        while kinds[-1] != "response.completed":
            kinds.append(json.loads(await socket.recv())["type"])
    assert kinds.count("response.output_text.delta") == 4


async def test_the_first_subprotocol_that_is_offered_is_agreed_on_and_compression_never(url):
    async with talking(url, subprotocols=["b", "a"]) as socket:
        assert socket.subprotocol == "b"
        assert socket.response.headers.get("sec-websocket-extensions") is None


async def test_a_run_that_tells_of_a_message_is_told_what_ends_the_step(url):
    async with opened(url, TELLS) as (client, head):
        client.writer.write(
            frame_bytes(TOLD, UNTIL_TWO, is_masked=True) + frame_bytes(TEXT, b"hello", is_masked=True)
        )

        assert f"sec-websocket-extensions: {EXTENSION}".encode() in head.lower()
        assert await asyncio.wait_for(client.reader.readexactly(8), 10) == b"\x81\x02{}\x81\x02{}"


async def test_who_did_not_offer_to_tell_may_not(url):
    async with opened(url) as (client, _):
        client.writer.write(frame_bytes(TOLD, UNTIL_TWO, is_masked=True))

        assert await asyncio.wait_for(client.reader.read(), 10) == b"\x88\x02\x03\xea"  # 1002


async def test_what_comes_with_the_opening_or_a_byte_at_a_time_is_read(url):
    async with asking(url, ASKS % (KEY, b"") + frame_bytes(TEXT, b"one", is_masked=True)) as (client, _):
        for byte in frame_bytes(TEXT, b"two", is_masked=True):
            client.writer.write(bytes([byte]))
            await asyncio.sleep(0)

        data = await asyncio.wait_for(client.reader.readexactly(2 * 37), 10)

    assert data == b'\x81\x23{"type":"done","answer":"modelled"}' * 2


@pytest.mark.parametrize(
    ("sent", "code"),
    [(b"\x81\x01x", 1002), (b"\x81\x81\0\0\0\0\xff", 1007), (b"\x82\xff" + b"\x01" * 12, 1009)],
)
async def test_who_breaks_the_rules_is_told_and_left(url, sent, code):
    async with opened(url) as (client, _):
        client.writer.write(sent)

        assert await asyncio.wait_for(client.reader.read(), 10) == b"\x88\x02" + code.to_bytes(2)


async def test_a_flood_of_messages_is_answered_whole(url):
    async with talking(url) as socket:
        for n in range(2_000):
            await socket.send(json.dumps({"id": n}))
        answers = [json.loads(await asyncio.wait_for(socket.recv(), 20))["id"] for _ in range(2_000)]
    assert sorted(answers) == list(range(2_000))


@pytest.mark.parametrize("lines", [b"", b"Sec-WebSocket-Key: c2hvcnQ=\r\n", b"Sec-WebSocket-Key: !\r\n"])
@pytest.mark.parametrize(
    "asks",
    [
        ASKS,
        ASKS.replace(b"Version: 13", b"Version: 8"),
        ASKS.replace(b"Sec-WebSocket-Version: 13\r\n", b""),
    ],
    ids=["version 13", "version 8", "no version"],
)
async def test_an_opening_that_is_none_of_the_standard_is_told_the_version(url, lines, asks):
    async with asking(url, asks % (lines, b"")) as (_, head):
        pass
    assert head.startswith(b"HTTP/1.1 426 ")
    assert b"sec-websocket-version: 13\r\n" in head


async def test_a_fault_ends_the_connection_as_an_application_that_fails_does():
    async with plane(ModelSpec(boot=Constant(0.0), service=Constant(0.0), faults=Faults(error_ratio=1.0))) as (
        url,
        instances,
    ):
        async with talking(url) as socket:
            await socket.send("hello")
            assert await code_of(socket) == 1011
        assert instances.counts["fails"] == 1


async def test_a_reset_ends_it_without_a_close():
    async with plane(ModelSpec(boot=Constant(0.0), service=Constant(0.0), faults=Faults(reset_ratio=1.0))) as (
        url,
        _,
    ):
        async with talking(url) as socket:
            await socket.send("hello")
            assert await code_of(socket) == 1006


async def test_an_instance_that_dies_takes_its_connections_with_it_and_the_next_is_on_another():
    model = ModelSpec(boot=Constant(0.0), service=Constant(0.0), faults=Faults(dies_ratio=1.0))
    async with plane(model) as (url, _), talking(url) as idle, talking(url) as socket:
        assert {one.response.headers["x-replay-instance"] for one in (idle, socket)} == {"i-1"}
        await socket.send("hello")
        assert await code_of(socket) == 1006
        assert await code_of(idle) == 1006
        async with talking(url) as anew:
            assert anew.response.headers["x-replay-instance"] == "i-2"


async def test_a_connection_takes_memory_as_a_request_does_and_its_messages_take_none():
    model = ModelSpec(
        boot=Constant(0.0), service=Constant(0.0), memory_mib=100.0, idle_mib=50.0, request_mib=20.0
    )
    async with plane(model) as (url, instances), talking(url) as first, talking(url):
        for _ in range(5):
            await first.send("hello")
        for _ in range(5):
            await first.recv()
        assert instances.killed_for_memory == 0
        async with opened(url):
            assert await code_of(first) == 1006
        assert instances.killed_for_memory == 1


# From a recording.


async def test_a_recording_answers_each_message_as_its_step_ended():
    recording = recording_of(
        on_socket("a", text="one", until=Until(messages=2), recorded=Recorded(status=101, response_bytes=20)),
        on_socket("b", text="two", until=Until("/type", "over"), recorded=Recorded(status=101)),
        on_socket("c", text="three"),
        on_socket("d", text="four", until=Until(text="END")),
    )
    async with plane(recording=recording) as (url, _), talking(url) as socket:
        for message in ("two", "three", "one", "four"):
            await socket.send(message)
        assert [await socket.recv() for _ in range(4)] == ['{"type":"over"}', *["{}        "] * 2, "END"]
    assert (recording.by_way["body"], recording.not_found, recording.never_asked) == (4, 0, 0)


async def test_a_message_that_was_not_recorded_gets_the_next_of_its_path():
    recording = recording_of(on_socket("a", text="one", until=Until("/id", 7)))
    async with plane(recording=recording) as (url, _), talking(url) as socket:
        await socket.send('{"id":"mine"}')
        assert await socket.recv() == '{"id":"mine"}'
    assert recording.by_way["path"] == 1


async def test_a_path_on_which_nothing_was_recorded_opens_nothing():
    recording = recording_of(on_socket("a", text="one", until=Until()))
    async with plane(recording=recording) as (url, _):
        with pytest.raises(InvalidStatus) as refused:
            async with talking(url, "/other"):
                pass
    assert refused.value.response.status_code == 404


async def test_a_step_that_failed_when_it_was_recorded_fails_again():
    recording = recording_of(on_socket("a", text="one", until=Until(), recorded=Recorded(status=503)))
    async with plane(recording=recording) as (url, _), talking(url) as socket:
        await socket.send("one")
        assert await code_of(socket) == 1011


async def test_the_opening_of_a_step_is_answered_from_its_recording_and_counted():
    recording = recording_of(
        on_socket("o", action="open", recorded=Recorded(status=101)),
        on_socket("p", action="ping"),
        on_socket("a", text="one", until=Until()),
        on_socket("z", action="close"),
    )
    async with plane(recording=recording) as (url, _), talking(url) as socket:
        await socket.send("one")
        await socket.recv()
    # A ping and a close are any connection's.
    assert (recording.steps, recording.never_asked, recording.not_found) == (2, 0, 0)
