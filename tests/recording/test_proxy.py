"""The proxy between real sockets: a client in front, an upstream that the test plays behind."""

import asyncio
import contextlib
import json
import random
import ssl

import pytest
import trustme

from replay.recording.capture import step_of
from replay.recording.proxy import Proxy
from replay.recording.sessions import Sessions
from replay.recording.types import SessionRules
from replay.recording.upstreams import parse_routes
from replay.trace.redaction.requests import Redactor
from tests.support.waiting import until_loop

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Odd:  kept \r\n\r\nok"
GET = b"GET /a?b=c HTTP/1.1\r\nHost: recorder\r\nX-Session: s-1\r\n\r\n"


@pytest.fixture(params=["asyncio", "uvloop"])
def anyio_backend(request):
    return ("asyncio", {"use_uvloop": request.param == "uvloop"})


class Scene:
    """A proxy with its record. connections: how many the upstream has seen; seen: the heads of its requests."""

    def __init__(self, port):
        self.port = port
        self.over = []
        self.seen = []
        self.connections = 0
        self.proxy = None

    async def client(self):
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def ask(self, request=GET):
        """One request on a connection of its own; the response until the connection's end."""
        reader, writer = await self.client()
        writer.write(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
        data = await reader.read()
        writer.close()
        return data


@contextlib.asynccontextmanager
async def scene_of(
    serve, upstreams=("http://127.0.0.1:{port}",), routes=(), tls=None, server_tls=None, keeps_responses=False
):
    """`serve(reader, writer, scene)` plays the upstream; {port} in an upstream is where it listens."""
    tasks = set()
    writers = []

    async def connected(reader, writer):
        scene.connections += 1
        tasks.add(asyncio.current_task())
        writers.append(writer)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await serve(reader, writer, scene)
        writer.close()

    upstream = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=server_tls)
    upstream_port = upstream.sockets[0].getsockname()[1]
    found = parse_routes([text.format(port=upstream_port) for text in upstreams], routes)
    scene = Scene(0)
    sessions = Sessions(SessionRules(header="x-session", cookie="sid"), b"key")
    scene.proxy = Proxy(
        found, sessions, scene.over.append, hash_key=b"key", keeps_responses=keeps_responses, tls=tls
    )
    server = await asyncio.get_running_loop().create_server(scene.proxy.doorway, "127.0.0.1", 0)
    scene.port = server.sockets[0].getsockname()[1]
    try:
        yield scene
    finally:
        server.close()
        scene.unfinished = await scene.proxy.close()
        upstream.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            writer.close()


async def head_of(reader, scene):
    head = await reader.readuntil(b"\r\n\r\n")
    scene.seen.append(head)
    return head


async def answer_ok(reader, writer, scene):
    while True:
        head = (await head_of(reader, scene)).lower()
        if b"content-length: " in head:
            await reader.readexactly(int(head.split(b"content-length: ")[1].split(b"\r\n")[0]))
        if b"chunked" in head:
            await reader.readuntil(b"0\r\n\r\n")
        writer.write(OK)


async def test_the_type_of_an_answer_is_recorded_even_where_answers_are_not():
    async def answer(reader, writer, scene):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: Text/CSV; charset=utf-8\r\nContent-Length: 0\r\n\r\n")

    async with scene_of(answer) as scene:
        await scene.ask()

    assert [(exchange.content_type, exchange.response_headers) for exchange in scene.over] == [("text/csv", [])]


async def test_a_request_and_its_response_pass_through_and_are_recorded():
    async with scene_of(answer_ok) as scene:
        answer = await scene.ask()

    assert answer == b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Odd:  kept \r\nConnection: close\r\n\r\nok"
    (seen,) = scene.seen
    assert seen.startswith(b"GET /a?b=c HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"X-Session: s-1\r\n" in seen
    assert b"Connection" not in seen  # the client's business with the proxy, not with the upstream
    (exchange,) = scene.over
    assert (exchange.session.id, exchange.method, exchange.path) == ("s-1", "GET", "/a?b=c")
    assert (exchange.status, exchange.response_bytes, exchange.fault) == (200, 2, None)
    assert exchange.begin_ns < exchange.first_byte_ns <= exchange.end_ns


async def test_connections_are_kept_on_both_sides():
    async with scene_of(answer_ok) as scene:
        reader, writer = await scene.client()
        for _ in range(3):
            writer.write(GET)
            assert (await reader.readuntil(b"ok")).endswith(b"ok")
        writer.close()
        await scene.ask()

    assert scene.connections == 1
    assert len(scene.over) == 4


async def test_requests_that_come_together_are_answered_in_order():
    async with scene_of(answer_ok) as scene:
        reader, writer = await scene.client()
        writer.write(GET.replace(b"/a", b"/1") + GET.replace(b"/a", b"/2"))
        await reader.readuntil(b"ok")
        await reader.readuntil(b"ok")
        writer.close()

    assert [exchange.path for exchange in scene.over] == ["/1?b=c", "/2?b=c"]


@pytest.mark.parametrize("step", [1, 7])
async def test_a_request_may_come_in_pieces(step):
    request = b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
    async with scene_of(answer_ok) as scene:
        reader, writer = await scene.client()
        for at in range(0, len(request), step):
            writer.write(request[at : at + step])
            await writer.drain()
            await asyncio.sleep(0)
        await reader.readuntil(b"ok")
        writer.close()

    assert (scene.over[0].body, scene.over[0].body_bytes) == (b"hello", 5)
    assert scene.over[0].body_hash is not None


async def test_a_chunked_request_passes_as_it_came_and_is_recorded_without_its_chunks():
    async with scene_of(answer_ok) as scene:
        await scene.ask(
            b"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
        )

    assert scene.over[0].body == b"abcde"


async def test_every_piece_of_a_stream_reaches_the_client_before_the_next_is_sent():
    pieces = [b"data: %d\n\n" % n for n in range(5)]
    may_go_on = asyncio.Event()

    async def stream(reader, writer, scene):
        await head_of(reader, scene)
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for piece in pieces:
            writer.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            await may_go_on.wait()
            may_go_on.clear()
        writer.write(b"0\r\n\r\n")

    async with scene_of(stream) as scene:
        reader, writer = await scene.client()
        writer.write(GET)
        await reader.readuntil(b"\r\n\r\n")
        for piece in pieces:
            assert await reader.readuntil(piece + b"\r\n")
            assert not scene.over
            may_go_on.set()
        await reader.readuntil(b"0\r\n\r\n")
        writer.close()

    assert scene.over[0].first_byte_ns < scene.over[0].end_ns


async def test_token_counts_are_read_from_a_stream_as_it_passes():
    usage = json.dumps({"usage": {"prompt_tokens": 3, "completion_tokens": 4}}).encode()

    async def stream(reader, writer, scene):
        await head_of(reader, scene)
        body = b"data: {}\n\ndata: " + usage + b"\n\ndata: [DONE]\n\n"
        writer.write(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for at in range(0, len(body), 10):
            writer.write(b"%x\r\n%s\r\n" % (len(body[at : at + 10]), body[at : at + 10]))
        writer.write(b"0\r\n\r\n")

    async with scene_of(stream) as scene:
        await scene.ask(GET.replace(b"/a?b=c", b"/v1/chat/completions"))

    assert scene.over[0].usage == {"input_tokens": 3, "output_tokens": 4}


async def test_a_response_that_ends_with_its_connection_is_whole():
    async def serve(reader, writer, scene):
        await head_of(reader, scene)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it")

    async with scene_of(serve) as scene:
        answer = await scene.ask()

    assert answer == b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nall of it"
    assert (scene.over[0].fault, scene.over[0].response_bytes) == (None, 9)


async def test_a_client_that_reads_slowly_slows_its_upstream():
    size, piece = 64 << 20, b"x" * 65_536
    sent = 0

    async def flood(reader, writer, scene):
        nonlocal sent
        await head_of(reader, scene)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        while sent < size:
            writer.write(piece)
            await writer.drain()
            sent += len(piece)

    async with scene_of(flood) as scene:
        reader, writer = await scene.client()
        writer.write(GET)
        for _ in range(5_000):
            await asyncio.sleep(0)
        assert sent < size // 2

        await reader.readuntil(b"\r\n\r\n")
        received = 0
        while received < size:
            received += len(await reader.read(1 << 20))
        writer.close()
        await until_loop(lambda: scene.over)

    assert scene.over[0].response_bytes == size


async def test_an_upstream_that_reads_slowly_slows_its_client():
    size, piece = 64 << 20, b"x" * 65_536
    may_read = asyncio.Event()

    async def serve(reader, writer, scene):
        await head_of(reader, scene)
        await may_read.wait()
        await reader.readexactly(size)
        writer.write(OK)

    async with scene_of(serve) as scene:
        reader, writer = await scene.client()
        writer.write(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
        sent = 0

        async def upload():
            nonlocal sent
            while sent < size:
                writer.write(piece)
                await writer.drain()
                sent += len(piece)

        uploading = asyncio.ensure_future(upload())
        for _ in range(5_000):
            await asyncio.sleep(0)
        assert sent < size // 2
        may_read.set()
        await uploading
        await reader.readuntil(b"ok")
        writer.close()

    assert (scene.over[0].body, scene.over[0].body_bytes) == (None, size)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"CONNECT example.org:443 HTTP/1.1\r\nHost: example.org\r\n\r\n", b"501 Not Implemented"),
        (b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", b"501 Not Implemented"),
        (b"nonsense\r\n\r\n", b"400 Bad Request"),
        (b"GET /a HTTP/1.1\r\nHost: x\r\nContent-Length : 5\r\n\r\nhello", b"400 Bad Request"),
        (b"GET /a HTTP/1.1\r\nHost: x\r\nX: a\nContent-Length: 5\r\n\r\nhello", b"400 Bad Request"),
        (
            b"GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"400 Bad Request",
        ),
        (b"GET /a HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 70_000, b"431 Request Header Fields Too Large"),
    ],
)
async def test_what_a_recorder_of_http_cannot_pass_on_is_refused(request_, status):
    async with scene_of(answer_ok) as scene:
        reader, writer = await scene.client()
        writer.write(request_)
        answer = await reader.read()
        writer.close()

    assert answer.startswith(b"HTTP/1.1 " + status)
    assert (scene.seen, scene.over) == ([], [])


async def test_an_offer_to_speak_http2_is_passed_over():
    async with scene_of(answer_ok) as scene:
        answer = await scene.ask(
            b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n\r\n"
        )

    assert answer.endswith(b"ok")
    assert b"h2c" not in scene.seen[0]


async def test_a_request_for_a_whole_url_goes_to_the_upstream():
    async with scene_of(answer_ok) as scene:
        await scene.ask(b"GET http://somewhere.example/x?y HTTP/1.1\r\nHost: somewhere.example\r\n\r\n")

    assert scene.over[0].path == "/x?y"


async def test_a_path_that_no_upstream_is_responsible_for_is_not_found():
    async with scene_of(answer_ok, ["tools=http://127.0.0.1:{port}/base"]) as scene:
        assert (await scene.ask()).startswith(b"HTTP/1.1 404 ")
        assert (await scene.ask(GET.replace(b"/a", b"/tools/a"))).endswith(b"ok")

    assert scene.seen[0].startswith(b"GET /base/a?b=c HTTP/1.1\r\n")
    (exchange,) = scene.over
    assert (exchange.path, exchange.client_path, exchange.upstream) == ("/a?b=c", "/tools/a?b=c", "tools")


async def test_an_upstream_that_cannot_be_reached_is_answered_and_recorded_as_502():
    # Port 1 of loopback: nothing listens there.
    async with scene_of(answer_ok, ["http://127.0.0.1:1"]) as scene:
        answer = await scene.ask()

    assert answer.startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    (exchange,) = scene.over
    assert exchange.status == 502
    assert exchange.fault.startswith("upstream unreachable")


async def test_a_response_that_is_cut_off_does_not_look_complete():
    async def serve(reader, writer, scene):
        await head_of(reader, scene)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nabc")

    async with scene_of(serve) as scene:
        reader, writer = await scene.client()
        writer.write(GET)
        received = b""
        with contextlib.suppress(ConnectionResetError):
            received = await reader.read()
        writer.close()

    assert not received or b"Content-Length: 99" in received
    (exchange,) = scene.over
    assert (exchange.status, exchange.end_ns) == (200, None)
    assert exchange.fault == "upstream closed the connection before its answer was complete"


@pytest.mark.parametrize(
    "answer",
    [b"garbage\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"x" * 70_000],
)
async def test_an_upstream_that_does_not_speak_http_is_a_bad_gateway(answer):
    async def serve(reader, writer, scene):
        await head_of(reader, scene)
        writer.write(answer)
        await reader.read()

    async with scene_of(serve) as scene:
        assert (await scene.ask()).startswith(b"HTTP/1.1 502 ")

    assert scene.over[0].fault.startswith("upstream did not answer in HTTP/1.1")


@pytest.mark.parametrize(("method", "status"), [(b"GET", b"200"), (b"POST", b"502")])
async def test_a_kept_connection_that_was_closed_is_replaced_only_for_what_is_safe_to_send_twice(
    method, status
):
    async def serve(reader, writer, scene):
        await head_of(reader, scene)
        writer.write(OK)
        await head_of(reader, scene)  # taken, then closed without an answer

    async with scene_of(serve) as scene:
        await scene.ask()
        answer = await scene.ask(method + b" /a HTTP/1.1\r\nHost: x\r\n\r\n")

    assert answer.startswith(b"HTTP/1.1 " + status)
    assert [str(exchange.status).encode() for exchange in scene.over] == [b"200", status]


async def test_a_kept_connection_that_its_upstream_closed_is_forgotten():
    closed = asyncio.Event()

    async def serve(reader, writer, scene):
        await head_of(reader, scene)
        writer.write(OK)
        await writer.drain()
        writer.close()
        closed.set()

    async with scene_of(serve) as scene:
        for _ in range(3):
            await scene.ask(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            await closed.wait()
            await until_loop(lambda: not any(scene.proxy._kept.values()))

    assert [exchange.status for exchange in scene.over] == [200] * 3


async def test_a_client_that_leaves_ends_its_request_upstream_and_is_recorded():
    left = asyncio.Event()

    async def serve(reader, writer, scene):
        await head_of(reader, scene)
        assert await reader.read() == b""
        left.set()

    async with scene_of(serve) as scene:
        _, writer = await scene.client()
        writer.write(GET)
        await until_loop(lambda: scene.seen)
        writer.close()
        await left.wait()

    (exchange,) = scene.over
    assert (exchange.fault, exchange.end_ns) == ("client left", None)


async def test_requests_that_go_on_when_the_recording_ends_are_told():
    async def serve(reader, writer, scene):
        await head_of(reader, scene)
        await reader.read()

    async with scene_of(serve) as scene:
        _, writer = await scene.client()
        writer.write(GET)
        await until_loop(lambda: scene.seen)
        assert len(scene.proxy.open_exchanges) == 1
    writer.close()

    assert scene.over == []
    (exchange,) = scene.unfinished
    assert (exchange.fault, exchange.end_ns) == ("unfinished", None)


async def test_informational_responses_pass_and_do_not_count_as_the_answer():
    async def serve(reader, writer, scene):
        await head_of(reader, scene)
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        assert await reader.readexactly(5) == b"hello"
        writer.write(OK)

    async with scene_of(serve) as scene:
        reader, writer = await scene.client()
        writer.write(b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n")
        assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        writer.write(b"hello")
        await reader.readuntil(b"ok")
        writer.close()

    assert scene.over[0].status == 200


@pytest.mark.parametrize(
    ("method", "answer"),
    [
        (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"),
        (b"DELETE", b"HTTP/1.1 204 No Content\r\n\r\n"),
        (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"),
    ],
)
async def test_responses_without_a_body_are_over_with_their_head(method, answer):
    async def serve(reader, writer, scene):
        while True:
            await head_of(reader, scene)
            writer.write(answer)

    async with scene_of(serve) as scene:
        reader, writer = await scene.client()
        for _ in range(2):
            writer.write(method + b" /a HTTP/1.1\r\nHost: x\r\n\r\n")
            assert await reader.readuntil(b"\r\n\r\n") == answer
        writer.close()


async def test_an_https_upstream_is_verified_and_asked_by_its_own_name():
    ca = trustme.CA()
    server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("localhost").configure_cert(server_tls)
    trusting, untrusting = ssl.create_default_context(), ssl.create_default_context()
    ca.configure_trust(trusting)

    async with scene_of(answer_ok, ["https://localhost:{port}"], tls=trusting, server_tls=server_tls) as scene:
        assert (await scene.ask()).endswith(b"ok")
    assert b"\r\nHost: localhost:" in scene.seen[0]

    async with scene_of(
        answer_ok, ["https://localhost:{port}"], tls=untrusting, server_tls=server_tls
    ) as scene:
        assert (await scene.ask()).startswith(b"HTTP/1.1 502 ")
    assert scene.over[0].fault == "upstream failed TLS: CERTIFICATE_VERIFY_FAILED"


async def test_whenever_clients_and_upstreams_leave_every_request_is_recorded_once():
    dice = random.Random(7)
    answers = [OK, OK, OK, OK[:20], OK[:-1], b"", b"junk\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\nto the end"]

    async def serve(reader, writer, scene):
        while True:
            head = await head_of(reader, scene)
            if dice.random() < 0.5 and b"POST" in head:
                await reader.readexactly(5)
            answer = dice.choice(answers)
            writer.write(answer)
            if answer is not OK:
                return

    async def one(scene):
        request = dice.choice([GET, b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"])
        reader, writer = await scene.client()
        with contextlib.suppress(OSError):
            for _ in range(dice.randrange(1, 4)):
                writer.write(request)
                for _ in range(dice.randrange(30)):
                    await asyncio.sleep(0)
                if dice.random() < 0.3:
                    break
                await reader.read(1)
        writer.transport.abort()

    async with scene_of(serve) as scene:
        await asyncio.gather(*(one(scene) for _ in range(200)))
        await until_loop(lambda: not scene.proxy.open_exchanges and not len(scene.proxy._clients))

    numbers = [exchange.number for exchange in scene.over]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    assert scene.unfinished == []
    assert all((exchange.end_ns is None) <= (exchange.fault is not None) for exchange in scene.over)


JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nX-Run: r-1\r\n"
CHUNKED = JSON + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        (JSON + b'Content-Length: 8\r\n\r\n{"a": 1}', b'{"a": 1}'),
        (CHUNKED + b'4\r\n{"a"\r\n4\r\n: 1}\r\n0\r\n\r\n', b'{"a": 1}'),
        (JSON + b'Connection: close\r\n\r\n{"a": 1}', b'{"a": 1}'),
        (JSON + b"Content-Length: 65537\r\n\r\n" + b"7" * 65_537, None),
        (OK, None),
    ],
    ids=["by length", "in chunks", "until the end", "too large", "no JSON"],
)
async def test_small_json_of_responses_is_kept_where_it_was_asked_for(answer, kept):
    async def serve(reader, writer, scene):
        await head_of(reader, scene)
        for at in range(0, len(answer), 1_000):
            writer.write(answer[at : at + 1_000])
            await writer.drain()
        writer.close()

    for keeps in (True, False):
        async with scene_of(serve, keeps_responses=keeps) as scene:
            assert (await scene.ask()).endswith(answer[-2:])
            await until_loop(lambda scene=scene: scene.over)

        (exchange,) = scene.over
        assert exchange.response_body == (kept if keeps else None)
        assert bool(exchange.response_headers) == keeps
        assert exchange.fault is None


async def test_a_login_is_in_the_session_of_the_cookie_that_it_is_given():
    async def serve(reader, writer, scene):
        await head_of(reader, scene)
        writer.write(
            b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=%d; Path=/\r\nContent-Length: 0\r\n\r\n" % len(scene.seen)
        )
        while True:
            await head_of(reader, scene)
            writer.write(OK)

    async with scene_of(serve) as scene:
        for user in (b"1", b"2"):
            await scene.ask(b"POST /login HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
            await scene.ask(b"GET /a HTTP/1.1\r\nHost: x\r\nCookie: sid=%s\r\n\r\n" % user)
            # The next user's login is asked for on a connection that has not given a cookie yet.
            for kept in scene.proxy._kept.values():
                kept.pop().close()
            scene.seen[:] = [b""] * int(user)

    logins, others = scene.over[0::2], scene.over[1::2]
    assert [one.session for one in logins] == [one.session for one in others]
    assert logins[0].session != logins[1].session


async def test_a_client_that_is_redirected_within_the_upstream_stays_with_the_recorder():
    async def redirect(reader, writer, scene):
        head = await head_of(reader, scene)
        host = head.split(b"Host: ")[1].split(b"\r\n")[0]
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://" + host + b"/next\r\nContent-Length: 0\r\n\r\n")

    async with scene_of(redirect, keeps_responses=True) as scene:
        answer = await scene.ask(GET)

    assert b"Location: http://recorder/next\r\n" in answer
    # What is recorded is what the upstream said.
    assert b"Host: " in scene.seen[0]
    location = dict(scene.over[0].response_headers)["Location"]
    assert location.startswith("http://127.0.0.1:")


async def test_what_is_refused_is_counted_by_its_reason():
    async with scene_of(answer_ok, upstreams=("crm=http://127.0.0.1:{port}",)) as scene:
        await scene.ask(GET)
        await scene.ask(GET)
        await scene.ask(b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n")

    assert scene.proxy.refused == {
        (404, "No upstream of the recorder is responsible for this path."): 2,
        (501, "CONNECT is not supported here."): 1,
    }
    assert not scene.over


@pytest.mark.parametrize("leaves", [True, False])
async def test_an_upload_that_is_interrupted_is_marked(leaves):
    async with scene_of(answer_ok) as scene:
        _, writer = await scene.client()
        writer.write(b"PUT /a HTTP/1.1\r\nHost: r\r\nContent-Length: 10\r\n\r\n123")
        await until_loop(lambda: scene.seen)
        if leaves:
            writer.close()
            await until_loop(lambda: scene.over)
    (exchange,) = scene.over or scene.unfinished
    writer.close()

    assert (exchange.is_cut_short, exchange.body, exchange.body_bytes) == (True, b"123", 3)
    step = step_of(exchange, 0, Redactor(), "keep")
    assert step.attributes["incomplete"] == "request body"


async def test_an_upload_that_came_whole_is_not_marked():
    async with scene_of(answer_ok) as scene:
        await scene.ask(b"PUT /a HTTP/1.1\r\nHost: r\r\nContent-Length: 3\r\n\r\n123")

    assert not scene.over[0].is_cut_short
    assert "incomplete" not in step_of(scene.over[0], 0, Redactor(), "keep").attributes
