"""No request is read in two ways: the server sees what the relay saw, or the relay refuses it and hangs up.

Each case is what one client sends on its connection, before three servers that read HTTP in three ways. Then another
client, whose request goes to the server on whatever connection is left, must get its own answer.
"""

import asyncio
import contextlib
import re
import shutil
import subprocess
from typing import NamedTuple

import h11
import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from replay.relay import doorway
from tests.support.relays import relay_before

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend():
    return ("asyncio", {"use_uvloop": True})


HOST = b"Host: x\r\n"
LAST = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\nX: "


class Case(NamedTuple):
    """sent: by the first client. is_refused: whether its last request is; the ones before it are not."""

    name: str
    sent: bytes
    is_refused: bool = True


def post(fields, body=b"", first=b"POST /a HTTP/1.1"):
    return first + b"\r\n" + HOST + fields + b"\r\n" + body


CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"
TE = b"Transfer-Encoding: chunked\r\n"

CASES = [
    Case("plain", post(b"Content-Length: 5\r\n", b"hello") + LAST, False),
    Case("chunked", post(TE, CHUNKS) + LAST, False),
    Case("pipelined", b"GET /1 HTTP/1.1\r\nHost: x\r\n\r\n" * 5 + LAST, False),
    Case("blank lines between", post(b"Content-Length: 5\r\n", b"hello") + b"\r\n\r\n" + LAST, False),
    Case("extensions", post(TE, b'5;a=b;c="d e"\r\nhello\r\n0;x\r\n\r\n') + LAST, False),
    Case("trailers", post(TE, b"5\r\nhello\r\n0\r\nX-Sum: 1\r\n\r\n") + LAST, False),
    Case("size in zeros", post(TE, b"0005\r\nhello\r\n000\r\n\r\n") + LAST, False),
    Case("length in zeros", post(b"Content-Length: 0005\r\n", b"hello") + LAST, False),
    Case("spelling of chunked", post(b"tRANSFER-eNCODING: \t ChunKed \t\r\n", CHUNKS) + LAST, False),
    Case("GET with a body", post(b"Content-Length: 5\r\n", b"hello", b"GET /a HTTP/1.1") + LAST, False),
    Case("absolute form", b"GET http://y.example/a HTTP/1.1\r\nHost: x\r\n\r\n" + LAST, False),
    Case(
        "hop by hop", post(b"Connection: X-Gone\r\nX-Gone: 1\r\nContent-Length: 5\r\n", b"hello") + LAST, False
    ),
    Case("h2c", post(b"Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: 5\r\n", b"hello") + LAST, False),
    Case("1.0 with a length", post(b"Content-Length: 5\r\n", b"hello", b"POST /a HTTP/1.0"), False),
    Case("1.0 kept", b"GET /a HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n" + LAST, False),
    Case("CL.TE", post(b"Content-Length: 49\r\n" + TE, b"0\r\n\r\n" + SMUGGLED)),
    Case("TE.CL", post(TE + b"Content-Length: 4\r\n", b"2b\r\n" + SMUGGLED + b"\r\n0\r\n\r\n")),
    Case(
        "CL.TE after another",
        post(b"Content-Length: 5\r\n", b"hello") + post(b"Content-Length: 4\r\n" + TE, CHUNKS),
    ),
    Case("CL.CL", post(b"Content-Length: 5\r\nContent-Length: 0\r\n", b"hello")),
    Case("the same CL twice", post(b"Content-Length: 5\r\nContent-Length: 5\r\n", b"hello")),
    Case("CL as a list", post(b"Content-Length: 5, 5\r\n", b"hello")),
    Case("CL with a sign", post(b"Content-Length: +5\r\n", b"hello")),
    Case("CL in hexadecimal", post(b"Content-Length: 0x5\r\n", b"hello")),
    Case("CL with an odd blank", post(b"Content-Length: \x0b5\r\n", b"hello")),
    Case("CL empty", post(b"Content-Length: \r\n", b"hello")),
    Case("CL before a blank", post(b"Content-Length : 5\r\n", b"hello")),
    Case("TE before a blank", post(b"Transfer-Encoding : chunked\r\n", CHUNKS)),
    Case("TE before a tab", post(b"Transfer-Encoding\t: chunked\r\nContent-Length: 5\r\n", CHUNKS)),
    Case("TE after a blank", post(b" Transfer-Encoding: chunked\r\n", CHUNKS)),
    Case("TE xchunked", post(b"Transfer-Encoding: xchunked\r\n", CHUNKS)),
    Case("TE with an odd blank", post(b"Transfer-Encoding: \x0bchunked\r\n", CHUNKS)),
    Case("TE quoted", post(b'Transfer-Encoding: "chunked"\r\n', CHUNKS)),
    Case("TE.TE", post(TE + b"Transfer-Encoding: identity\r\n", CHUNKS)),
    Case("TE.TE the other way", post(b"Transfer-Encoding: identity\r\n" + TE, CHUNKS)),
    Case("TE twice", post(TE + TE, CHUNKS)),
    Case("TE identity", post(b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n", b"hello")),
    Case("TE gzip", post(b"Transfer-Encoding: gzip, chunked\r\n", CHUNKS)),
    Case("TE chunked first", post(b"Transfer-Encoding: chunked, gzip\r\n", CHUNKS)),
    Case("TE chunked;q", post(b"Transfer-Encoding: chunked;q=1\r\n", CHUNKS)),
    Case("TE folded", post(b"Transfer-Encoding:\r\n chunked\r\n", CHUNKS)),
    Case("TE in the fold", post(b"X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"hello")),
    Case("TE behind a bare LF", post(b"X: a\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n", CHUNKS)),
    Case("TE behind a bare CR", post(b"X: a\rTransfer-Encoding: chunked\r\nContent-Length: 5\r\n", CHUNKS)),
    Case("TE behind a NUL", post(b"X: a\0Transfer-Encoding: chunked\r\n", CHUNKS)),
    Case("TE named by Connection", post(b"Connection: Transfer-Encoding\r\n" + TE, CHUNKS)),
    Case("CL named by Connection", post(b"Connection: content-length\r\nContent-Length: 5\r\n", b"hello")),
    Case("a name with a blank", post(b"Content Length: 5\r\n", b"hello")),
    Case("a name of nothing", post(b": 5\r\n", b"hello")),
    Case("a name with an underscore's cousin", post(b"Content\xadLength: 5\r\n", b"hello")),
    Case("a line without colon", post(b"X-A\r\n", b"")),
    Case("1.0 with chunks", post(TE, CHUNKS, b"POST /a HTTP/1.0")),
    Case("lines that end with LF", b"POST /a HTTP/1.1\nHost: x\nContent-Length: 5\n\nhello"),
    Case("a head that ends with LF", b"GET /a HTTP/1.1\r\nHost: x\r\n\n" + LAST),
    Case("a blank in the target", b"GET /a HTTP/1.1 /b HTTP/1.1\r\nHost: x\r\n\r\n"),
    Case("a tab before the version", b"GET /a\tHTTP/1.1\r\nHost: x\r\n\r\n"),
    Case("two blanks", b"GET  /a HTTP/1.1\r\nHost: x\r\n\r\n"),
    Case("no version", b"GET /a\r\nHost: x\r\n\r\n"),
    Case("another version", b"GET /a HTTP/2.0\r\nHost: x\r\n\r\n"),
    Case("two hosts", b"GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n"),
    Case("no host", b"GET /a HTTP/1.1\r\nX: y\r\n\r\n"),
    Case("a host with a path", b"GET /a HTTP/1.1\r\nHost: x/y\r\n\r\n"),
    Case("a user in the target", b"GET http://u@y/a HTTP/1.1\r\nHost: x\r\n\r\n"),
    Case("a tunnel", b"CONNECT x:80 HTTP/1.1\r\nHost: x\r\n\r\n" + SMUGGLED),
    *(
        Case(f"chunks {chunks!r}", post(TE, chunks + LAST))
        for chunks in (
            b"0x5\r\nhello\r\n0\r\n\r\n",
            b"+5\r\nhello\r\n0\r\n\r\n",
            b"-5\r\nhello\r\n0\r\n\r\n",
            b"5_\r\nhello\r\n0\r\n\r\n",
            b" 5\r\nhello\r\n0\r\n\r\n",
            b"5 \r\nhello\r\n0\r\n\r\n",
            b"5 ;a\r\nhello\r\n0\r\n\r\n",
            b"5\x00\r\nhello\r\n0\r\n\r\n",
            b"5\nhello\r\n0\r\n\r\n",
            b"5;\nhello\r\n0\r\n\r\n",
            b"5;a\rb\r\nhello\r\n0\r\n\r\n",
            b"5\r\nhelloXX0\r\n\r\n",
            b"5\r\nhello\n0\r\n\r\n",
            b"5\r\nhello\r0\r\n\r\n",
            b"5\r\nhello0\r\n\r\n",
            b"5\r\nhello\r\n0\n\r\n",
            b"5\r\nhello\r\n0\r\n\n",
            b"5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n",
            b"5\r\nhello\r\n0\r\nX : a\r\n\r\n",
            b"5\r\nhello\r\n0\r\nX: a\n\r\n",
            b"ffffffffffffffff5\r\nhello\r\n0\r\n\r\n",
            b"\r\nhello\r\n0\r\n\r\n",
        )
    ),
]


class Seen(NamedTuple):
    """A request as its server saw it, whole."""

    method: str
    target: str
    body: bytes


@contextlib.asynccontextmanager
async def h11_server(seen):
    async def connected(reader, writer):
        connection = h11.Connection(h11.SERVER)
        asked, body = None, b""
        with contextlib.suppress(OSError, h11.RemoteProtocolError):
            while True:
                event = connection.next_event()
                if event is h11.NEED_DATA:
                    connection.receive_data(await reader.read(65_536))
                elif isinstance(event, h11.Request):
                    asked, body = event, b""
                elif isinstance(event, h11.Data):
                    body += bytes(event.data)
                elif isinstance(event, h11.EndOfMessage):
                    seen.append(Seen(asked.method.decode(), asked.target.decode(), body))
                    answer = asked.target
                    headers = [("content-length", str(len(answer)))]
                    writer.write(connection.send(h11.Response(status_code=200, headers=headers)))
                    writer.write(connection.send(h11.Data(data=answer)) + connection.send(h11.EndOfMessage()))
                    if connection.our_state is h11.MUST_CLOSE:
                        break
                    connection.start_next_cycle()
                else:
                    break
        writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@contextlib.asynccontextmanager
async def httptools_server(seen):
    async def app(scope, receive, send):
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        target = scope["raw_path"]
        seen.append(Seen(scope["method"], target.decode(), body))
        headers = [(b"content-length", b"%d" % len(target))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": target})

    config = uvicorn.Config(app, http="httptools", lifespan="off", log_config=None, access_log=False)
    config.load()
    state = ServerState()
    server = await asyncio.get_running_loop().create_server(
        lambda: HttpToolsProtocol(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in list(state.connections):
            connection.shutdown()


SERVERS = {"h11": h11_server, "httptools": httptools_server}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("server", SERVERS)
async def test_the_server_sees_what_the_relay_saw_or_nothing(kind, server, case, monkeypatch):
    seen = []
    async with SERVERS[server](seen) as server_port:
        taken = await told_apart(kind, server_port, case, monkeypatch)

    assert [(one.method, one.target) for one in seen] == taken
    assert all(one.body in (b"", b"hello") for one in seen)


@pytest.fixture(scope="module")
def nginx(tmp_path_factory):
    """The port of an nginx that answers with the target that it saw."""
    program = shutil.which("nginx")
    if program is None:
        pytest.skip("nginx is not installed")
    place = tmp_path_factory.mktemp("nginx")
    configuration = place / "nginx.conf"
    with contextlib.closing(asyncio.new_event_loop()) as loop:
        server = loop.run_until_complete(loop.create_server(asyncio.Protocol, "127.0.0.1", 0))
        port = server.sockets[0].getsockname()[1]
        server.close()
    configuration.write_text(
        f"daemon off; master_process off; pid {place}/pid; error_log {place}/errors;"
        f"events {{}} http {{ access_log off; default_type text/plain; client_body_temp_path {place}/b;"
        f"proxy_temp_path {place}/p; fastcgi_temp_path {place}/f; uwsgi_temp_path {place}/u; scgi_temp_path {place}/s;"
        f'server {{ listen 127.0.0.1:{port}; location / {{ return 200 "$request_uri"; }} }} }}'
    )
    process = subprocess.Popen(
        [program, "-c", configuration, "-e", place / "errors"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield port
    process.kill()
    process.wait()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_before_nginx_every_client_gets_its_own_answer(kind, nginx, case, monkeypatch):
    for _ in range(200):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", nginx)
            writer.close()
            break
        await asyncio.sleep(0.01)
    await told_apart(kind, nginx, case, monkeypatch)


async def told_apart(kind, server_port, case, monkeypatch):
    """Send a case, and what another client asks for; the requests that the relay took to be whole."""
    taken = []
    read = doorway.read_request

    def note(head, **options):
        request = read(head, **options)
        taken.append((request.method.decode(), request.target.decode()))
        return request

    monkeypatch.setattr(doorway, "read_request", note)
    async with relay_before(kind, server_port) as relay:
        answer = await relay.ask(case.sent)
        status = re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)[-1]
        victim = await relay.ask(b"GET /victim HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert (status in (b"400", b"501")) == case.is_refused, answer
    assert b"/smuggled" not in answer
    if not case.is_refused:
        answered = [part.partition(b"\r\n\r\n")[2].decode() for part in answer.split(b"HTTP/1.1 ")[1:]]
        assert answered == [target for _, target in taken[:-1]]
    assert victim.endswith(b"/victim")
    if case.is_refused and taken[-2:-1] == [("POST", "/a")] and b"/a" not in answer:
        del taken[-2]  # its body was refused, so the server must not have had it whole
    return taken
