"""Both wires keep one contract; beyond it, what only httpx serves: HTTP/2, proxies, an application in-process."""

import asyncio
import contextlib
import gzip
import socket
import ssl
import subprocess
import sys
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from textwrap import dedent
from time import monotonic_ns
from types import ModuleType
from typing import Any

import brotli
import h2.config
import h2.connection
import h2.events
import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from replay.target.target import Connections, Retry, Target, Timeouts, Tls
from replay.wire.addresses import AddressBook
from replay.wire.errors import TargetUnreachable
from replay.wire.http1.wire import Http1Wire
from replay.wire.httpx.wire import HttpxWire, http2_headers, read_head
from replay.wire.types import Exchange, Wire
from tests.support.waiting import until_loop

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
NGINX = Path("/usr/sbin/nginx")
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]
Open = Callable[[Target], contextlib.AbstractAsyncContextManager[Wire]]


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    if request.param and sys.platform == "win32":
        pytest.skip("there is no uvloop here")
    return "asyncio", {"use_uvloop": request.param}


class Server:
    """Counts connections, keeps the heads it was sent, and hands each connection to a coroutine."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self.connections = 0
        self.heads: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self._serve(reader, writer, self.connections)
        writer.close()


@contextlib.asynccontextmanager
async def serving(serve: Serve, **options: Any) -> AsyncIterator[tuple[str, Server]]:
    server = Server(serve)
    listening = await asyncio.start_server(server, "127.0.0.1", 0, **options)
    yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}", server
    listening.close()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


def test_a_host_that_httpx_does_not_take_is_told_in_words():
    with pytest.raises(TargetUnreachable) as refused:
        HttpxWire(Target(url="http://xn--", transport="httpx"), "http://xn--/")

    assert str(refused.value) == (
        "http://xn--/: Malformed A-label, no Punycode eligible content found. Check the host in the target's url."
    )


def answers(*parts: bytes) -> Serve:
    """Every request is answered with these bytes, a read of the client's for each part."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        while True:
            await read_request(reader)
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0)

    return serve


def answers_then_stalls(answer: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await read_request(reader)
        writer.write(answer)
        await reader.read()

    return serve


def answers_then_closes(answer: bytes) -> Serve:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await read_request(reader)
        writer.write(answer)

    return serve


async def goes_stale(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
    """Answers once, takes the next request and closes without a word, as long as it can only be a reused one."""
    await read_request(reader)
    writer.write(OK)
    with contextlib.suppress(asyncio.IncompleteReadError):
        await read_request(reader)


@contextlib.asynccontextmanager
async def fast(target: Target) -> AsyncIterator[Wire]:
    wire = Http1Wire(target, AddressBook(target, target.url))
    await wire.open()
    try:
        yield wire
    finally:
        await wire.close()


@contextlib.asynccontextmanager
async def through_httpx(target: Target) -> AsyncIterator[Wire]:
    wire = HttpxWire(target, target.url)
    await wire.open()
    try:
        yield wire
    finally:
        await wire.close()


@pytest.fixture(params=[fast, through_httpx], ids=["fast", "httpx"])
def wire_to(request: pytest.FixtureRequest) -> Open:
    opener: Open = request.param
    return opener


def exchange(
    method: str = "GET",
    path: str = "/",
    *,
    body: bytes = b"",
    headers: bytes = b"",
    on_done: Callable[[Exchange], None] = lambda _: None,
    **options: Any,
) -> Exchange:
    length = b"content-length: %d\r\n" % len(body) if body else b""
    head = f"{method} {path} HTTP/1.1\r\nhost: t\r\n".encode() + headers + length + b"\r\n"
    return Exchange(head, body, method, on_done, **options)


async def ended(wire: Wire, sent: Exchange) -> Exchange:
    """Send it, keep the limits as the engine does, and wait for its end."""
    done: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()
    sent.on_done = done.set_result
    wire.send(sent)
    while not done.done():
        wire.sweep(monotonic_ns())
        await asyncio.wait([done], timeout=0.005)
    return done.result()


async def ask(wire: Wire, method: str = "GET", path: str = "/", **options: Any) -> Exchange:
    return await ended(wire, exchange(method, path, **{"idempotent": True, **options}))


# What both wires keep.


@pytest.mark.anyio
async def test_a_response_is_recorded_with_its_stamps_in_order(wire_to):
    async with serving(answers(OK)) as (url, _), wire_to(Target(url=url)) as wire:
        before = monotonic_ns()
        got = await ask(wire)

    assert (got.status, got.response_bytes, got.error, got.phase, got.censored) == (200, 2, None, None, False)
    assert before < got.sent_ns <= got.first_byte_ns <= got.end_ns <= monotonic_ns()
    assert got.request_bytes == len(got.head)


HEADS = {
    b"HTTP/1.1 200 OK\r\nx-a: one\r\n two\r\ncontent-length: 2\r\n\r\nok": True,
    b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nok": True,
    b"HTTP/1.1 200 OK\ncontent-length: 2\n\nok": True,
    b"\r\n" + OK: True,
    b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n": False,
    OK + b"and more": False,
    OK + OK: False,
}


@pytest.mark.anyio
@pytest.mark.parametrize(("data", "is_reusable"), HEADS.items())
async def test_an_unusual_response_is_read_and_fails_no_later_step(wire_to, data, is_reusable):
    """is_reusable: whether the next step may have the same connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        for answer in [OK, data, OK] if number == 1 or is_reusable else [OK]:
            await read_request(reader)
            writer.write(answer)
            await writer.drain()

    async with (
        serving(serve) as (url, _),
        wire_to(Target(url=url, connections=Connections(prepare=False))) as wire,
    ):
        got = [await ask(wire) for _ in range(3)]

    assert [(x.status, x.error, x.response_bytes) for x in got] == [(200, None, 2)] * 3
    assert got[2].is_new_connection != is_reusable


@pytest.mark.anyio
@pytest.mark.parametrize(
    "data",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nok",
        b"HTTP/1.1 099 Low\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 1000 High\r\ncontent-length: 0\r\n\r\n",
        b"HTTP/1.1 -1 Low\r\ncontent-length: 0\r\n\r\n",
        b"SSH-2.0-x\r\n",
    ],
)
async def test_what_is_no_head_of_http_is_a_breach_of_protocol(wire_to, data):
    async with serving(answers_then_closes(data)) as (url, _), wire_to(Target(url=url)) as wire:
        got = await ask(wire)

    assert (got.error, got.phase) == ("protocol", "first_byte")


@pytest.mark.anyio
async def test_a_connection_is_reused_and_says_so(wire_to):
    async with serving(answers(OK)) as (url, _), wire_to(Target(url=url)) as wire:
        first, second = await ask(wire), await ask(wire)

    assert (first.is_new_connection, second.is_new_connection) == (True, False)
    assert first.connect_ns > 0
    assert second.connect_ns == 0
    assert wire.opened == 1


@pytest.mark.anyio
async def test_a_step_sent_from_on_done_finds_the_connection_idle(wire_to):
    followed: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()
    async with serving(answers(OK)) as (url, _), wire_to(Target(url=url)) as wire:
        wire.send(exchange(on_done=lambda _: wire.send(exchange(on_done=followed.set_result))))
        second = await followed

    assert not second.is_new_connection


@pytest.mark.anyio
async def test_steps_at_once_have_a_connection_each(wire_to):
    async with serving(answers(OK)) as (url, server), wire_to(Target(url=url)) as wire:
        got = await asyncio.gather(*(ask(wire) for _ in range(50)))

    assert [x.status for x in got] == [200] * 50
    assert server.connections <= 51


@pytest.mark.anyio
async def test_steps_beyond_the_limit_wait_for_a_connection(wire_to):
    target_of = {"connections": Connections(max=2)}
    async with serving(answers(OK)) as (url, _), wire_to(Target(url=url, **target_of)) as wire:
        got = await asyncio.gather(*(ask(wire) for _ in range(10)))

    assert [x.status for x in got] == [200] * 10
    assert wire.opened <= 2
    assert wire.waited_for_limit >= 1


@pytest.mark.anyio
async def test_without_reuse_every_step_has_a_new_connection(wire_to):
    target_of = {"connections": Connections(reuse="none")}
    async with serving(answers(OK)) as (url, server), wire_to(Target(url=url, **target_of)) as wire:
        got = [await ask(wire) for _ in range(3)]

    assert all(x.is_new_connection for x in got)
    assert server.connections == 4  # one more showed that the target is there


@pytest.mark.anyio
async def test_a_session_keeps_its_own_connection(wire_to):
    target_of = {"connections": Connections(reuse="session")}
    async with serving(answers(OK)) as (url, _), wire_to(Target(url=url, **target_of)) as wire:
        kinds = [(await ask(wire, session_key=key)).is_new_connection for key in ("a", "b", "a", "b")]
        wire.end_session("a")
        kinds.append((await ask(wire, session_key="a")).is_new_connection)

    assert kinds == [True, True, False, False, True]


@pytest.mark.anyio
async def test_a_session_that_waits_for_the_limit_holds_up_no_session_that_has_a_connection(wire_to):
    target_of = {"connections": Connections(reuse="session", max=1)}
    waited: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()
    async with serving(answers(OK)) as (url, _), wire_to(Target(url=url, **target_of)) as wire:
        await ask(wire, session_key="a")
        wire.send(exchange(session_key="b", on_done=waited.set_result))
        again = await ask(wire, session_key="a")
        assert not waited.done()
        wire.end_session("a")
        async with asyncio.timeout(10):
            other = await waited

    assert (again.status, again.is_new_connection) == (200, False)
    assert (other.status, other.is_new_connection) == (200, True)


@pytest.mark.anyio
async def test_a_stale_connection_is_noticed_and_the_step_sent_once_more(wire_to):
    async with serving(goes_stale) as (url, _), wire_to(Target(url=url)) as wire:
        await ask(wire)
        again = await ask(wire)

    assert (again.status, again.error, again.stale_retries) == (200, None, 1)
    assert again.is_new_connection
    assert again.stale_sent_ns < again.stale_end_ns <= again.sent_ns
    assert wire.stale_resent == 1


@pytest.mark.anyio
async def test_what_is_sent_once_more_goes_out_on_a_new_connection_though_others_are_idle():
    async with serving(goes_stale) as (url, _), through_httpx(Target(url=url)) as wire:
        await asyncio.gather(*(ask(wire) for _ in range(5)))
        again = await ask(wire)

    assert (again.status, again.stale_retries, again.is_new_connection) == (200, 1, True)


@pytest.mark.anyio
async def test_an_unsafe_method_is_not_sent_twice_unless_the_target_allows_it(wire_to):
    async with serving(goes_stale) as (url, _), wire_to(Target(url=url)) as wire:
        await ask(wire)
        failed = await ask(wire, "DELETE", idempotent=False)
    async with serving(goes_stale) as (url, _):
        async with wire_to(Target(url=url, retry=Retry(stale_unsafe=True))) as wire:
            await ask(wire)
            sent_again = await ask(wire, "DELETE", idempotent=False)

    assert (failed.error, failed.phase, failed.stale_retries) == ("reset", "first_byte", 0)
    assert (sent_again.status, sent_again.stale_retries) == (200, 1)


@pytest.mark.anyio
async def test_a_connection_closed_while_idle_is_not_used(wire_to):
    closed = asyncio.Event()

    async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await read_request(reader)
        writer.write(OK)
        writer.close()
        await writer.wait_closed()
        closed.set()

    async with serving(closes) as (url, _), wire_to(Target(url=url)) as wire:
        await ask(wire)
        await closed.wait()
        for _ in range(20):  # until the loop has seen the end of the connection
            await asyncio.sleep(0)
        second = await ask(wire)

    assert (second.status, second.stale_retries, second.is_new_connection) == (200, 0, True)
    assert wire.closed_while_idle >= 1


@pytest.mark.anyio
async def test_an_end_before_any_answer_is_a_reset(wire_to):
    async with serving(answers_then_closes(b"")) as (url, _), wire_to(Target(url=url)) as wire:
        failed = await ask(wire, idempotent=False)

    assert (failed.status, failed.error, failed.phase) == (0, "reset", "first_byte")


@pytest.mark.anyio
@pytest.mark.parametrize(
    "half",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ],
    ids=["length", "chunked"],
)
async def test_an_end_in_mid_body_is_a_reset_with_what_came_before_it(wire_to, half):
    async with serving(answers_then_closes(half)) as (url, _), wire_to(Target(url=url)) as wire:
        failed = await ask(wire)

    assert (failed.status, failed.error, failed.phase, failed.response_bytes) == (200, "reset", "body", 4)


@pytest.mark.anyio
async def test_what_is_not_http_is_a_breach_of_protocol(wire_to):
    async with serving(answers(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")) as (url, _), wire_to(Target(url=url)) as wire:
        failed = await ask(wire)

    assert (failed.error, failed.phase, failed.status) == ("protocol", "first_byte", 0)


@pytest.mark.anyio
async def test_a_body_that_ends_with_the_connection_is_whole(wire_to):
    answer = b"HTTP/1.1 200 OK\r\n\r\nall of it"
    async with serving(answers_then_closes(answer)) as (url, _), wire_to(Target(url=url)) as wire:
        got = await ask(wire)

    assert (got.status, got.error, got.response_bytes) == (200, None, 9)


@pytest.mark.anyio
async def test_a_method_goes_out_in_the_case_in_which_it_was_recorded(wire_to):
    """Methods are case-sensitive (RFC 9110, section 9.1), and one wire wrote them in capitals."""

    async def serve(reader, writer, n):
        server.heads.append(await read_request(reader))
        writer.write(OK)

    async with serving(serve) as (url, server), wire_to(Target(url=url)) as wire:
        await ask(wire, "get")

    assert server.heads[0].startswith(b"get / HTTP/1.1\r\n")


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("method", "answer"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n"),
        ("GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 10\r\n\r\n"),
    ],
    ids=["HEAD", "204", "100 then 304"],
)
async def test_a_response_without_a_body_leaves_the_connection_usable(wire_to, method, answer):
    async with serving(answers(answer)) as (url, _), wire_to(Target(url=url)) as wire:
        first, second = await ask(wire, method), await ask(wire, method)

    assert [x.response_bytes for x in (first, second)] == [0, 0]
    assert [x.error for x in (first, second)] == [None, None]
    assert not second.is_new_connection


@pytest.mark.anyio
async def test_a_compressed_body_is_counted_as_it_came(wire_to):
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot gzip!"
    async with serving(answers(answer)) as (url, _), wire_to(Target(url=url)) as wire:
        got = await ask(wire)

    assert (got.error, got.response_bytes) == (None, 9)


@pytest.mark.anyio
async def test_the_target_tells_its_instance_and_whether_it_was_cold(wire_to):
    answer = b"HTTP/1.1 200 OK\r\nX-Instance: i-7\r\nX-Cold: True\r\nContent-Length: 0\r\n\r\n"
    async with serving(answers(answer)) as (url, _):
        async with wire_to(Target(url=url, instance_header="x-instance", cold_header="x-cold")) as wire:
            got = await ask(wire)
        async with wire_to(Target(url=url)) as wire:
            untold = await ask(wire)

    assert (got.instance, got.cold) == ("i-7", True)
    assert (untold.instance, untold.cold) == (None, None)


STREAM = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
    b"9\r\ndata: a\n\n\r\n",
    b"9\r\ndata: b\n\n\r\n",
    b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n",
)


@pytest.mark.anyio
async def test_the_tokens_of_a_stream_are_timed(wire_to):
    async with serving(answers(*STREAM)) as (url, _), wire_to(Target(url=url)) as wire:
        got = await ask(wire, is_stream=True)

    assert (got.token_count, got.response_bytes) == (2, 32)
    assert got.first_byte_ns <= got.first_token_ns <= got.end_ns
    assert len(got.itl_ns or ()) == 1


@pytest.mark.anyio
async def test_a_stream_that_breaks_off_keeps_the_tokens_that_came(wire_to):
    cut = answers_then_closes(b"".join(STREAM[:2]))
    async with serving(cut) as (url, _), wire_to(Target(url=url)) as wire:
        got = await ask(wire, is_stream=True)

    assert (got.error, got.phase, got.token_count, got.itl_ns) == ("reset", "body", 1, [])


def streamed(events: bytes, headers: bytes = b"Content-Type: text/event-stream\r\n") -> bytes:
    """A response with these events, which ends with its connection."""
    return b"HTTP/1.1 200 OK\r\n" + headers + b"Connection: close\r\n\r\n" + events


A_TOKEN = b'data: {"choices":[{"delta":{"content":"a"}}]}\n\n'


@pytest.mark.anyio
async def test_a_stream_leaves_what_it_said_with_its_exchange(wire_to):
    events = A_TOKEN + A_TOKEN + b'data: {"error":"boom"}\n\n'
    async with serving(answers_then_closes(streamed(events))) as (url, _), wire_to(Target(url=url)) as wire:
        got = await ask(wire, family="model")

    assert (got.error, got.events.error, got.events.layout) == (None, "model_error", "openai-chat")
    assert got.first_token_ns <= got.last_token_ns <= got.end_ns
    assert got.last_token_ns - got.first_token_ns == sum(got.itl_ns or ())


@pytest.mark.anyio
@pytest.mark.parametrize(("end", "is_cut_short"), [(b"data: [DONE]\n", False), (b"", True)])
async def test_a_stream_that_ended_whole_is_finished(wire_to, end, is_cut_short):
    async with (
        serving(answers_then_closes(streamed(A_TOKEN + end))) as (url, _),
        wire_to(Target(url=url)) as wire,
    ):
        got = await ask(wire, family="model")

    assert (got.error, got.token_count, got.events.is_cut_short) == (None, 1, is_cut_short)


@pytest.mark.anyio
async def test_an_empty_stream_of_a_model_is_cut_short(wire_to):
    async with serving(answers_then_closes(streamed(b""))) as (url, _), wire_to(Target(url=url)) as wire:
        model, other = await ask(wire, family="model"), await ask(wire)

    assert (model.events.is_cut_short, other.events.is_cut_short) == (True, False)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        (b"Content-Type: application/json\r\n", b'{"choices":[]}'),
        (b"Content-Type: text/event-stream\r\nContent-Encoding: gzip\r\n", A_TOKEN),
    ],
)
async def test_what_is_no_stream_or_cannot_be_unpacked_says_nothing_as_a_stream(wire_to, headers, body):
    answer = answers_then_closes(streamed(body, headers))
    async with serving(answer) as (url, _), wire_to(Target(url=url)) as wire:
        got = await ask(wire, is_stream=True, family="model")

    assert (got.events, got.token_count, got.first_token_ns) == (None, 0, 0)


@pytest.mark.anyio
@pytest.mark.parametrize(("coding", "pack"), [(b"gzip", gzip.compress), (b"br", brotli.compress)])
async def test_a_stream_that_came_compressed_is_read_as_it_is_unpacked(wire_to, coding, pack):
    headers = b"Content-Type: text/event-stream\r\nContent-Encoding: " + coding + b"\r\n"
    answer = answers_then_closes(streamed(pack(A_TOKEN + A_TOKEN + b"data: [DONE]\n\n"), headers))
    async with serving(answer) as (url, _), wire_to(Target(url=url)) as wire:
        got = await ask(wire, is_stream=True, family="model")

    assert (got.token_count, got.events.layout, got.events.is_cut_short) == (2, "openai-chat", False)


@pytest.mark.anyio
async def test_a_stream_that_was_asked_for_is_read_whatever_its_content_type(wire_to):
    answer = answers_then_closes(streamed(A_TOKEN, b""))
    async with serving(answer) as (url, _), wire_to(Target(url=url)) as wire:
        got = await ask(wire, is_stream=True)

    assert (got.token_count, got.events.layout) == (1, "openai-chat")


@pytest.mark.anyio
async def test_the_first_byte_and_the_end_are_each_told_once(wire_to):
    told: list[str] = []
    done = asyncio.Event()

    def ends(_: Exchange) -> None:
        told.append("end")
        done.set()

    async with serving(answers(*STREAM)) as (url, _), wire_to(Target(url=url)) as wire:
        wire.send(exchange(on_done=ends, on_first_byte=lambda x: told.append(f"first byte, {x.status}")))
        await done.wait()

    assert told == ["first byte, 200", "end"]


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("answer", "limits", "phase"),
    [
        (b"", Timeouts(first_byte_s=0.02), "first_byte"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", Timeouts(idle_s=0.02), "body"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", Timeouts(total_s=0.02), "body"),
    ],
    ids=["first byte", "idle", "total"],
)
async def test_a_limit_ends_a_step_and_is_recorded_at_the_limit(wire_to, answer, limits, phase):
    told: list[Exchange] = []
    sent = exchange(on_done=told.append)
    async with serving(answers_then_stalls(answer)) as (url, _):
        async with wire_to(Target(url=url, timeouts=limits)) as wire:
            wire.send(sent)
            while not (sent.first_byte_ns if answer else sent.sent_ns) or sent.response_bytes != bool(answer):
                await asyncio.sleep(0)
            wire.sweep(sent.sent_ns + 19_999_999)
            assert told == []
            wire.sweep(sent.sent_ns + 60_000_000_000)

    assert told == [sent]
    assert (sent.error, sent.phase, sent.censored) == ("timeout", phase, True)
    if limits.idle_s == 0.02:
        assert 20_000_000 <= sent.end_ns - sent.first_byte_ns < 60_000_000_000
    else:
        assert sent.end_ns - sent.sent_ns == 20_000_000


@pytest.mark.anyio
async def test_a_limit_frees_the_connection_for_a_step_that_waits(wire_to):
    async def stalls_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        head = await read_request(reader)
        if b"/stalls" in head:
            await reader.read()
        writer.write(OK)

    target_of = {"connections": Connections(max=1), "timeouts": Timeouts(first_byte_s=0.02)}
    async with serving(stalls_once) as (url, _), wire_to(Target(url=url, **target_of)) as wire:
        stalled, waited = await asyncio.gather(ask(wire, path="/stalls"), ask(wire))

    assert (stalled.error, waited.status) == ("timeout", 200)


@pytest.mark.anyio
async def test_closing_the_wire_ends_what_is_in_flight(wire_to):
    told: list[Exchange] = []
    async with serving(answers_then_stalls(b"")) as (url, _):
        async with wire_to(Target(url=url, connections=Connections(max=2))) as wire:
            for _ in range(4):
                wire.send(exchange(on_done=told.append))
            await asyncio.sleep(0)

    assert [x.error for x in told] == ["interrupted"] * 4
    assert all(x.end_ns and not x.censored for x in told)


@pytest.mark.anyio
async def test_a_target_that_is_not_there_is_said_before_anything_is_sent(wire_to):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(TargetUnreachable) as refused:
            async with wire_to(Target(url=url)):
                pass

    assert str(refused.value).startswith(f"cannot connect to {url}: ")
    assert str(refused.value).endswith("Is the target running there?")


@pytest.mark.anyio
async def test_a_name_that_does_not_exist_is_said_before_anything_is_sent(wire_to):
    with pytest.raises(TargetUnreachable, match=r"the name 'no-such-host\.invalid' has no address"):
        async with wire_to(Target(url="http://no-such-host.invalid")):
            pass


@pytest.mark.anyio
async def test_a_target_that_goes_away_fails_the_steps_that_need_a_connection(wire_to):
    listening = await asyncio.start_server(Server(answers(OK)), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with wire_to(Target(url=url, connections=Connections(reuse="none"))) as wire:
        listening.close()
        await listening.wait_closed()
        failed = await ask(wire)

    assert (failed.error, failed.phase, failed.sent_ns) == ("connect", "connect", 0)


@pytest.fixture
def tls_server(tmp_path) -> tuple[ssl.SSLContext, str]:
    """A server's context for 127.0.0.1 and target.example, and the file of the CA that vouches for it."""
    ca = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1", "target.example").configure_cert(context)
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return context, str(tmp_path / "ca.pem")


@pytest.mark.anyio
async def test_tls_is_verified_against_the_ca_file_and_its_time_recorded(wire_to, tls_server):
    context, ca_file = tls_server
    async with serving(answers(OK), ssl=context) as (url, _):
        url = url.replace("http:", "https:")
        async with wire_to(Target(url=url, tls=Tls(ca_file=ca_file, server_name="target.example"))) as wire:
            got = await ask(wire)
        with pytest.raises(TargetUnreachable, match="TLS failed"):
            async with wire_to(Target(url=url)):
                pass
        async with wire_to(Target(url=url, tls=Tls(verify=False))) as wire:
            unverified = await ask(wire)

    assert (got.status, got.connect_ns > 0, got.tls_ns > 0) == (200, True, True)
    assert unverified.status == 200


@pytest.mark.anyio
async def test_a_client_certificate_is_shown(wire_to, tmp_path):
    ca = trustme.CA()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(context)
    ca.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    ca.issue_cert("agent@example.org").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "me.pem"))
    async with serving(answers(OK), ssl=context) as (url, _):
        tls = Tls(ca_file=str(tmp_path / "ca.pem"), client_cert=str(tmp_path / "me.pem"))
        async with wire_to(Target(url=url.replace("http:", "https:"), tls=tls)) as wire:
            got = await ask(wire)

    assert got.status == 200


@pytest.mark.anyio
async def test_a_unix_socket(wire_to, tmp_path):
    path = str(tmp_path / "s")
    listening = await asyncio.start_unix_server(Server(answers(OK)), path)
    async with wire_to(Target(url="http://localhost", unix_socket=path)) as wire:
        got = await ask(wire)
    listening.close()

    assert got.status == 200


@pytest.mark.anyio
async def test_the_head_goes_out_as_it_was_rendered(wire_to):
    seen: list[bytes] = []

    async def keeps(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        seen.append(await read_request(reader) + await reader.readexactly(4))
        writer.write(OK)

    odd = exchange(
        "PATCH",
        "/a%20b|[c]/%7e/../?q=x&x",
        body=b"body",
        headers=b"X-Odd:  v \r\nx-odd: w\r\n",
    )
    async with serving(keeps) as (url, _), wire_to(Target(url=url)) as wire:
        got = await ended(wire, odd)

    assert got.status == 200
    assert [line.replace(b" ", b"") for line in seen[-1].split(b"\r\n")] == [
        line.replace(b" ", b"") for line in (odd.head + odd.body).split(b"\r\n")
    ]


# Heads.


def test_a_head_is_read_back_into_its_parts():
    head = b"POST /v1?a=b HTTP/1.1\r\nHost: t\r\nX-Empty:\r\nx-a: b: c\r\n\r\n"

    assert read_head(head) == (b"/v1?a=b", [(b"Host", b"t"), (b"X-Empty", b""), (b"x-a", b"b: c")])


@pytest.mark.parametrize(
    ("head", "problem"),
    [
        (b"GET / HTTP/1.1\r\nhost: t\r\n", "does not end in an empty line"),
        (b"GET /a b HTTP/1.1\r\nhost: t\r\n\r\n", "request line"),
        (b"GET / HTTP/1.0\r\nhost: t\r\n\r\n", "request line"),
        (b"GET  HTTP/1.1\r\nhost: t\r\n\r\n", "request line"),
        (b"GET / HTTP/1.1\r\nhost: t\r\nno colon\r\n\r\n", "header line"),
        (b"GET / HTTP/1.1\r\nhost: t\r\n folded: x\r\n\r\n", "header line"),
        (b"GET / HTTP/1.1\r\nx-a: b\r\n\r\n", "no Host"),
    ],
)
def test_a_head_that_is_not_one_is_refused(head, problem):
    with pytest.raises(ValueError, match=problem):
        read_head(head)


TOKEN = st.from_regex(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+", fullmatch=True)
VALUE = st.binary(max_size=30).map(lambda b: b.replace(b"\r", b"").replace(b"\n", b"").strip(b" \t"))


@given(st.lists(st.tuples(TOKEN, VALUE)))
def test_every_rendered_head_is_read_back_whole(headers):
    headers = [(b"Host", b"t"), *headers]
    head = b"GET / HTTP/1.1\r\n" + b"".join(b"%b: %b\r\n" % header for header in headers) + b"\r\n"

    assert read_head(head) == (b"/", headers)


def test_http2_leaves_out_what_belongs_to_a_connection():
    headers = [(b"Host", b"t"), (b"Connection", b"close, X-Hop"), (b"x-hop", b"1"), (b"TE", b"trailers")]
    headers += [(b"Upgrade", b"h2c"), (b"HTTP2-Settings", b"AAMAAABk"), (b"Transfer-Encoding", b"chunked")]
    headers += [(b"te", b"gzip"), (b"x-kept", b"1")]

    assert http2_headers(headers) == [(b"Host", b"t"), (b"TE", b"trailers"), (b"x-kept", b"1")]


@pytest.mark.anyio
async def test_a_head_that_is_not_one_fails_its_step_alone():
    told: list[Exchange] = []
    async with serving(answers(OK)) as (url, _), through_httpx(Target(url=url)) as wire:
        wire.send(Exchange(b"GET /\r\n\r\n", b"", "GET", told.append))
        got = await ask(wire)

    assert [(x.error, x.phase, x.sent_ns) for x in told] == [("protocol", "send", 0)]
    assert got.status == 200


# Connecting: limits and failures that only a slow or broken peer shows.


@pytest.mark.anyio
@pytest.mark.parametrize("http2", [False, True], ids=["http/1.1", "http/2"])
async def test_a_tls_handshake_that_never_ends_is_timed_out_and_its_socket_closed(http2):
    """With HTTP/2 two of the three wait for the first to open the connection; they are not sent later."""
    opened, closed = 0, 0

    async def never_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        nonlocal opened, closed
        opened += 1
        await reader.read()
        closed += 1

    async with serving(never_answers) as (url, _):
        url = url.replace("http:", "https:")
        target = Target(url=url, transport="httpx", http2=http2, timeouts=Timeouts(connect_s=0.05))
        wire = HttpxWire(target, url)
        with pytest.raises(TargetUnreachable, match=r"no answer within 0\.05 s"):
            await wire.open()
        wire._ssl = ssl.create_default_context()
        got = await asyncio.gather(*(ask(wire) for _ in range(3)))
        await until_loop(lambda: opened == closed == (2 if http2 else 4), "not all sockets were closed")
        await wire.close()

    assert {(x.error, x.phase, x.censored, x.sent_ns) for x in got} == {("timeout", "connect", True, 0)}
    assert opened == closed == (2 if http2 else 4), "one more was opened"


@pytest.mark.anyio
async def test_a_name_that_vanishes_during_the_run_is_told_apart_from_a_refusal(wire_to, monkeypatch):
    async def look_up(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    async with serving(answers_then_closes(OK)) as (url, _):
        target = Target(url=url.replace("127.0.0.1", "localhost"), connections=Connections(reuse="none"))
        opening = wire_to(target)
        wire = await opening.__aenter__()
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up, raising=False)
    failed = await ask(wire)
    await opening.__aexit__(None, None, None)

    assert (failed.error, failed.phase, failed.sent_ns) == ("dns", "connect", 0)


@pytest.mark.anyio
async def test_a_certificate_that_is_no_longer_trusted_is_told_apart_from_a_refusal(tls_server):
    context, ca_file = tls_server
    async with serving(answers(OK), ssl=context) as (url, _):
        url = url.replace("http:", "https:")
        wire = HttpxWire(Target(url=url, tls=Tls(ca_file=ca_file), connections=Connections(reuse="none")), url)
        await wire.open()
        wire._ssl = ssl.create_default_context()
        failed = await ask(wire)
        await wire.close()

    assert (failed.error, failed.phase, failed.sent_ns) == ("tls", "connect", 0)


# Proxies.


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


async def join(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, host: str, port: int, first: bytes = b""
) -> None:
    far_reader, far_writer = await asyncio.open_connection(host, port)
    far_writer.write(first)
    await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))


class HttpProxy:
    """CONNECT and absolute-form, one target to a connection. asked: the request lines it was sent."""

    def __init__(self, refuses: bool = False) -> None:
        self._refuses = refuses
        self.asked: list[bytes] = []
        self.authorisations: list[bytes] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        head = await read_request(reader)
        line, _, rest = head.partition(b"\r\n")
        self.asked.append(line)
        self.authorisations += [x for x in rest.split(b"\r\n") if x.lower().startswith(b"proxy-auth")]
        method, where, _ = line.split(b" ")
        if self._refuses:
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
        elif method == b"CONNECT":
            host, _, port = where.decode().rpartition(":")
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            await join(reader, writer, host, int(port))
        else:
            authority, _, path = where.removeprefix(b"http://").partition(b"/")
            host, _, port = authority.decode().rpartition(":")
            await join(reader, writer, host, int(port), b"%b /%b HTTP/1.1\r\n%b" % (method, path, rest))


@pytest.mark.anyio
async def test_an_http_proxy_forwards_requests_in_absolute_form():
    proxy = HttpProxy()
    async with serving(answers(OK)) as (url, _), serving(proxy) as (proxy_url, _):
        with_secret = proxy_url.replace("http://", "http://me:secret@")
        async with through_httpx(Target(url=url, transport="httpx", proxy=with_secret)) as wire:
            first, second = await ask(wire, path="/a?b=|"), await ask(wire)

    assert (first.status, second.status, second.is_new_connection) == (200, 200, False)
    assert first.connect_ns > 0
    assert proxy.asked == [f"GET {url}/a?b=| HTTP/1.1".encode()]
    assert proxy.authorisations == [b"Proxy-Authorization: Basic bWU6c2VjcmV0"]


@pytest.mark.anyio
async def test_an_http_proxy_opens_a_tunnel_to_a_target_with_tls(tls_server):
    context, ca_file = tls_server
    proxy = HttpProxy()
    async with serving(answers(OK), ssl=context) as (url, _), serving(proxy) as (proxy_url, _):
        url = url.replace("http:", "https:")
        target = Target(url=url, transport="httpx", proxy=proxy_url, tls=Tls(ca_file=ca_file))
        async with through_httpx(target) as wire:
            first, second = await ask(wire), await ask(wire)

    assert (first.status, second.status) == (200, 200)
    assert (first.is_new_connection, second.is_new_connection) == (True, False)
    assert first.tls_ns > 0
    assert first.sent_ns <= first.first_byte_ns <= first.end_ns
    assert proxy.asked == [f"CONNECT {url.removeprefix('https://')} HTTP/1.1".encode()]


@pytest.mark.anyio
async def test_a_proxy_that_refuses_a_tunnel_is_told_apart_from_the_target():
    async with serving(HttpProxy(refuses=True)) as (proxy_url, _):
        async with through_httpx(Target(url="https://t.invalid", transport="httpx", proxy=proxy_url)) as wire:
            failed = await ask(wire)

    assert (failed.error, failed.phase, failed.sent_ns) == ("proxy", "connect", 0)


@pytest.mark.anyio
async def test_a_proxy_that_is_not_there_is_said_without_its_password():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        target = Target(url="http://t.invalid", transport="httpx", proxy=f"http://me:secret@127.0.0.1:{port}")
        with pytest.raises(TargetUnreachable) as refused:
            async with through_httpx(target):
                pass

    assert str(refused.value).startswith(f"cannot connect to the proxy http://127.0.0.1:{port}: ")
    assert "secret" not in str(refused.value)


def socks5(reply: int | None) -> Serve:
    """A SOCKS5 proxy (RFC 1928) that lets everybody through (0), refuses with a code, or says nothing (None)."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        _, methods = await reader.readexactly(2)
        await reader.readexactly(methods)
        writer.write(b"\x05\x00")
        kind = (await reader.readexactly(4))[3]
        size = {1: 4, 4: 16}.get(kind) or (await reader.readexactly(1))[0]
        address = await reader.readexactly(size)
        port = int.from_bytes(await reader.readexactly(2), "big")
        host = address.decode() if kind == 3 else socket.inet_ntop(socket.AF_INET, address)
        if reply is None:
            await reader.read()
            return
        writer.write(b"\x05%c\x00\x01\x00\x00\x00\x00\x00\x00" % reply)
        if reply == 0:
            await join(reader, writer, host, port)

    return serve


@pytest.mark.anyio
async def test_a_socks_proxy_lets_requests_through():
    async with serving(answers(OK)) as (url, _), serving(socks5(0)) as (proxy_url, _):
        proxy = proxy_url.replace("http:", "socks5:")
        async with through_httpx(Target(url=url, transport="httpx", proxy=proxy)) as wire:
            first, second = await ask(wire), await ask(wire)

    assert (first.status, second.status, second.is_new_connection) == (200, 200, False)


@pytest.mark.anyio
async def test_a_socks_proxy_that_refuses_is_told_apart_from_the_target():
    async with serving(socks5(2)) as (proxy_url, _):
        proxy = proxy_url.replace("http:", "socks5:")
        async with through_httpx(Target(url="http://t.invalid", transport="httpx", proxy=proxy)) as wire:
            failed = await ask(wire)

    assert (failed.error, failed.phase) == ("proxy", "connect")


@pytest.mark.anyio
async def test_a_socks_proxy_that_says_nothing_is_timed_out_and_takes_no_place_for_good():
    target_of = {"timeouts": Timeouts(connect_s=0.02), "connections": Connections(max=1), "transport": "httpx"}
    async with serving(socks5(None)) as (proxy_url, _):
        proxy = proxy_url.replace("http:", "socks5:")
        async with through_httpx(Target(url="http://t.invalid", proxy=proxy, **target_of)) as wire:
            failed = [await ask(wire) for _ in range(40)]

    assert {(x.error, x.phase, x.censored) for x in failed} == {("timeout", "connect", True)}


# HTTP/2.


@pytest.fixture
def nginx(tmp_path) -> Iterator[tuple[str, str]]:
    """A URL that speaks HTTP/2 over TLS, four streams to a connection, and its CA's file."""
    with nginx_serving(tmp_path, keepalive_requests=10_000) as url_and_ca:
        yield url_and_ca


@contextlib.contextmanager
def nginx_serving(folder: Path, keepalive_requests: int) -> Iterator[tuple[str, str]]:
    """nginx on a free port; it says goodbye (GOAWAY) on a connection after keepalive_requests."""
    if not NGINX.exists():
        pytest.skip("nginx is not installed")
    built_with = subprocess.run([NGINX, "-V"], capture_output=True, text=True, check=True, timeout=10).stderr
    if "http_v2_module" not in built_with:
        pytest.skip("this nginx was built without HTTP/2")
    ca = trustme.CA()
    ca.cert_pem.write_to_path(str(folder / "ca.pem"))
    ca.issue_cert("127.0.0.1").private_key_and_cert_chain_pem.write_to_path(str(folder / "server.pem"))
    (folder / "big").write_bytes(b"x" * 300_000)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = f"""
        daemon off; master_process off; pid pid; error_log error.log;
        events {{ worker_connections 64; }}
        http {{
            access_log off;
            client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4;
            scgi_temp_path t5; keepalive_requests {keepalive_requests}; http2_max_concurrent_streams 4;
            server {{
                listen 127.0.0.1:{port} ssl http2;
                ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem;
                location = /big {{ root {folder}; }}
                location / {{ add_header x-protocol $server_protocol; return 200 "ok"; }}
            }}
        }}
    """
    (folder / "nginx.conf").write_text(dedent(config))
    process = subprocess.Popen([NGINX, "-p", folder, "-c", folder / "nginx.conf", "-e", "stderr"])
    try:
        _await_listening(port, process)
        yield f"https://127.0.0.1:{port}", str(folder / "ca.pem")
    finally:
        process.terminate()
        process.wait(timeout=10)


def _await_listening(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(500):
        if process.poll() is not None:
            pytest.skip(f"nginx ended with {process.returncode} instead of listening")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=0.01)
    pytest.fail("nginx did not listen")


def h2_target(url: str, ca_file: str, **options: Any) -> Target:
    return Target(url=url, transport="httpx", http2=True, tls=Tls(ca_file=ca_file), **options)


@pytest.mark.anyio
async def test_http2_carries_steps_at_once_on_one_connection(nginx):
    async with through_httpx(h2_target(*nginx, instance_header="x-protocol")) as wire:
        first = await ask(wire, headers=b"connection: close\r\n")
        got = await asyncio.gather(*(ask(wire, "POST", body=b"x" * 1000) for _ in range(20)))

    assert (first.status, first.instance, first.is_new_connection) == (200, "HTTP/2.0", True)
    assert first.connect_ns > 0
    assert first.tls_ns > 0
    assert {(x.status, x.error, x.is_new_connection, x.response_bytes) for x in got} == {(200, None, False, 2)}
    assert all(x.sent_ns <= x.first_byte_ns <= x.end_ns for x in got)
    assert wire.opened == 1


@pytest.mark.anyio
async def test_http2_bodies_larger_than_a_window_come_whole(nginx):
    async with through_httpx(h2_target(*nginx)) as wire:
        got = await asyncio.gather(*(ask(wire, path="/big") for _ in range(8)))

    assert [(x.status, x.response_bytes) for x in got] == [(200, 300_000)] * 8


@pytest.mark.anyio
async def test_an_http2_connection_that_the_target_ends_costs_no_step_that_may_be_sent_twice(tmp_path):
    with nginx_serving(tmp_path, keepalive_requests=50) as url_and_ca:
        async with through_httpx(h2_target(*url_and_ca)) as wire:
            got = [await ask(wire) for _ in range(120)]

    assert {(x.status, x.error) for x in got} == {(200, None)}
    assert wire.opened == 3
    assert sum(x.stale_retries for x in got) == wire.stale_resent == 2


@pytest.mark.anyio
async def test_known_limitation_an_http2_goodbye_resets_what_may_not_be_sent_twice(tmp_path):
    """h2 4.4 refuses the answer that follows a GOAWAY (RFC 9113, section 6.8, lets it come)."""
    with nginx_serving(tmp_path, keepalive_requests=50) as url_and_ca:
        async with through_httpx(h2_target(*url_and_ca)) as wire:
            got = [await ask(wire, "POST", body=b"x", idempotent=False) for _ in range(60)]

    assert [(x.error, x.phase) for x in got if x.error] == [("reset", "first_byte")]


@pytest.mark.anyio
async def test_more_steps_than_a_connection_has_streams_open_another(nginx):
    async with through_httpx(h2_target(*nginx)) as wire:
        got = await asyncio.gather(*(ask(wire) for _ in range(150)))

    assert {(x.status, x.error) for x in got} == {(200, None)}
    assert wire.opened >= 2


@pytest.mark.anyio
async def test_a_target_without_http2_is_not_silently_spoken_to_in_http1(tls_server):
    context, ca_file = tls_server
    context.set_alpn_protocols(["http/1.1"])
    async with serving(answers(OK), ssl=context) as (url, _):
        url = url.replace("http:", "https:")
        with pytest.raises(TargetUnreachable, match=r"HTTP/2|TLS failed"):
            async with through_httpx(h2_target(url, ca_file)):
                pass


def h2_serving(*events_of: Callable[[h2.connection.H2Connection, int], None]) -> Serve:
    """An HTTP/2 server that does these, in turn, with the streams that are opened on a connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        server = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False))
        server.initiate_connection()
        todo = iter(events_of)
        while True:
            writer.write(server.data_to_send())
            data = await reader.read(65536)
            if not data:
                return
            for event in server.receive_data(data):
                if isinstance(event, h2.events.RequestReceived):
                    next(todo)(server, event.stream_id)

    return serve


def h2_answers(server: h2.connection.H2Connection, stream_id: int) -> None:
    server.send_headers(stream_id, [(":status", "200")], end_stream=True)


def h2_resets(server: h2.connection.H2Connection, stream_id: int) -> None:
    server.reset_stream(stream_id, error_code=2)


@pytest.mark.anyio
async def test_a_reset_http2_stream_is_no_stale_connection(tls_server):
    context, ca_file = tls_server
    context.set_alpn_protocols(["h2"])
    async with serving(h2_serving(h2_answers, h2_resets, h2_answers), ssl=context) as (url, _):
        async with through_httpx(h2_target(url.replace("http:", "https:"), ca_file)) as wire:
            got = [await ask(wire) for _ in range(3)]

    assert [(x.error, x.phase, x.stale_retries) for x in got] == [
        (None, None, 0),
        ("reset", "first_byte", 0),
        (None, None, 0),
    ]
    assert wire.opened == 1


@pytest.mark.anyio
@pytest.mark.parametrize("status", ["2000", "99", "0", "-1", "two hundred"])
async def test_a_status_that_http_does_not_have_is_a_breach_of_protocol(h2_wire, status):
    """HTTP/2 sends it as text of any length; a record with such a one cannot be read again."""

    def answers_oddly(server: h2.connection.H2Connection, stream_id: int) -> None:
        server.config.validate_outbound_headers = False
        server.send_headers(stream_id, [(":status", status)], end_stream=True)

    async with h2_wire(h2_answers, answers_oddly, h2_answers) as wire:
        got = [await ask(wire) for _ in range(3)]

    assert [(x.error, x.status) for x in got] == [(None, 200), ("protocol", 0), (None, 200)]
    assert got[1].phase in ("first_byte", "body")


def h2_is_silent(server: h2.connection.H2Connection, stream_id: int) -> None:
    """The stream stays open, and nothing comes."""


@pytest.fixture
def h2_wire(tls_server):
    """A wire to an HTTP/2 server that does these, in turn, with the streams that are opened on a connection."""

    @contextlib.asynccontextmanager
    async def opened(*events_of: Callable[[h2.connection.H2Connection, int], None]) -> AsyncIterator[Wire]:
        context, ca_file = tls_server
        context.set_alpn_protocols(["h2"])
        async with serving(h2_serving(*events_of), ssl=context) as (url, _):
            async with through_httpx(h2_target(url.replace("http:", "https:"), ca_file)) as wire:
                yield wire

    return opened


@pytest.mark.anyio
async def test_an_answer_is_seen_when_it_comes_whoever_else_still_waits_for_one(h2_wire):
    async with h2_wire(h2_answers, h2_is_silent, h2_is_silent, h2_answers) as wire:
        await ask(wire)
        silent = [asyncio.ensure_future(ask(wire)) for _ in range(2)]
        await asyncio.sleep(0.01)
        got = await ask(wire)

        assert (got.status, got.error) == (200, None)
        assert not any(one.done() for one in silent)
        await wire.close()
        await asyncio.gather(*silent)


@pytest.mark.anyio
async def test_httpx_is_given_only_as_many_as_it_can_send_soon(h2_wire):
    async with h2_wire(*[h2_answers] * 61) as wire:
        await ask(wire)
        asked = [asyncio.ensure_future(ask(wire)) for _ in range(60)]
        await asyncio.sleep(0)
        assert repr(wire) == "<HttpxWire 8 in flight, 52 waiting, 1 lanes>"
        got = await asyncio.gather(*asked)

    assert {(x.status, x.error) for x in got} == {(200, None)}
    assert (wire.opened, wire.waited_for_limit) == (1, 0)


@pytest.mark.anyio
async def test_the_time_that_this_client_takes_to_send_is_its_own_and_that_of_the_connection_is_not(h2_wire):
    async with h2_wire(*[h2_answers] * 20) as wire:
        before = monotonic_ns()
        got = await asyncio.gather(*(ask(wire) for _ in range(20)))

    (first,) = [x for x in got if x.is_new_connection]
    assert all(x.held_ns > 0 for x in got)
    assert all(x.held_ns + first.connect_ns + first.tls_ns <= x.sent_ns - before for x in got)


@pytest.mark.anyio
async def test_steps_that_were_to_share_a_connection_fail_with_it(tls_server):
    context, ca_file = tls_server
    context.set_alpn_protocols(["h2"])
    async with serving(h2_serving(), ssl=context) as (url, _):
        target = h2_target(url.replace("http:", "https:"), ca_file)
        wire = HttpxWire(target, target.url)
        await wire.open()
    got = await asyncio.gather(*(ask(wire) for _ in range(5)))
    await wire.close()

    assert [(x.error, x.phase) for x in got] == [("connect", "connect")] * 5


# Applications in this process.


@pytest.fixture
def app_module() -> Iterator[ModuleType]:
    """A module that can be imported as asgi:replay_app_under_test:..."""
    module = ModuleType("replay_app_under_test")
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


def asgi(path: str, **options: Any) -> Target:
    return Target(url=f"asgi:replay_app_under_test:{path}", transport="httpx", **options)


async def sse_app(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]}
    )
    for token in (b"a", b"b", b"[DONE]"):
        await asyncio.sleep(0)
        await send({"type": "http.response.body", "body": b"data: " + token + b"\n\n", "more_body": True})
    await send({"type": "http.response.body"})


@pytest.mark.anyio
async def test_an_application_streams_and_its_tokens_are_timed(app_module):
    app_module.app = sse_app
    async with through_httpx(asgi("app")) as wire:
        got = await ask(wire, is_stream=True)

    assert (got.status, got.error, got.token_count, got.response_bytes) == (200, None, 2, 32)
    assert got.sent_ns <= got.first_byte_ns <= got.first_token_ns <= got.end_ns
    assert not got.is_new_connection


@pytest.mark.anyio
async def test_an_application_sees_the_request_that_was_rendered(app_module):
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        seen.append((scope, await receive()))
        await send({"type": "http.response.start", "status": 201, "headers": [(b"x-cold", b"1")]})
        await send({"type": "http.response.body", "body": b"made"})

    app_module.app = app
    async with through_httpx(asgi("app", cold_header="x-cold")) as wire:
        got = await ask(wire, "POST", "/a%20b?q=%7c", body=b"body", headers=b"X-A: 1\r\n")

    scope, message = seen[0]
    assert (got.status, got.cold, got.response_bytes) == (201, True, 4)
    assert (scope["method"], scope["path"], scope["query_string"]) == ("POST", "/a b", b"q=%7c")
    assert scope["headers"] == [(b"host", b"t"), (b"x-a", b"1"), (b"content-length", b"4")]
    assert message == {"type": "http.request", "body": b"body", "more_body": False}


@pytest.mark.anyio
async def test_a_lifespan_is_run_around_the_requests(app_module):
    told: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            scope["state"]["db"] = "open"
            for answer in ("lifespan.startup.complete", "lifespan.shutdown.complete"):
                told.append((await receive())["type"])
                await send({"type": answer})
            return
        told.append(scope["state"]["db"])
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    app_module.app = app
    async with through_httpx(asgi("app")) as wire:
        await ask(wire)

    assert told == ["lifespan.startup", "open", "lifespan.shutdown"]


@pytest.mark.anyio
async def test_an_application_that_cannot_start_is_a_target_that_cannot_be_reached(app_module):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    app_module.app = app
    with pytest.raises(TargetUnreachable) as refused:
        async with through_httpx(asgi("app")):
            pass

    assert str(refused.value) == (
        "asgi:replay_app_under_test:app: the application could not start: no database."
    )


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("url", "message"),
    [
        (
            "asgi:no_such_module_here:app",
            "asgi:no_such_module_here:app: the module 'no_such_module_here' cannot be imported "
            "(ModuleNotFoundError: No module named 'no_such_module_here'). "
            "Run from the folder that holds it, or set PYTHONPATH.",
        ),
        (
            "asgi:os:no_app",
            "asgi:os:no_app: the module 'os' has no 'no_app'. Name its ASGI application.",
        ),
        ("asgi:os:sep", "asgi:os:sep: 'sep' cannot be called. Name an ASGI application."),
    ],
)
async def test_an_application_that_is_not_there_is_said_plainly(url, message):
    with pytest.raises(TargetUnreachable) as refused:
        async with through_httpx(Target(url=url, transport="httpx")):
            pass

    assert str(refused.value) == message


@pytest.mark.anyio
@pytest.mark.parametrize(("starts", "phase"), [(False, "first_byte"), (True, "body")])
async def test_an_application_that_raises_fails_its_step_alone(app_module, starts, phase):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if starts:
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise KeyError("x")

    app_module.app = app
    async with through_httpx(asgi("app")) as wire:
        failed = await ask(wire)

    assert (failed.error, failed.phase, failed.response_bytes) == ("app", phase, 4 if starts else 0)


class Unheard(BaseException):
    """Something that is no Exception, and that nobody here has heard of."""


NO_EXCEPTIONS = [
    SystemExit(0),
    KeyboardInterrupt(),
    asyncio.CancelledError(),
    GeneratorExit(),
    Unheard(),
    pytest.fail.Exception("an outcome of pytest"),
    BaseExceptionGroup("several", [SystemExit(0)]),
]


@pytest.mark.anyio
@pytest.mark.parametrize("raised", NO_EXCEPTIONS, ids=lambda raised: type(raised).__name__)
@pytest.mark.parametrize(("starts", "phase"), [(False, "first_byte"), (True, "body")])
async def test_whatever_an_application_raises_fails_its_step_alone(app_module, raised, starts, phase):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        if starts:
            await send({"type": "http.response.start", "status": 200})
        raise raised

    app_module.app = app
    async with through_httpx(asgi("app")) as wire:
        failed = await ask(wire)

    assert (failed.error, failed.phase) == ("app", phase)


@pytest.mark.anyio
@pytest.mark.parametrize("waits", [False, True])
async def test_an_application_that_cancels_itself_fails_its_step(app_module, waits):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        current = asyncio.current_task()
        assert current is not None
        current.cancel()
        if waits:
            await asyncio.sleep(0)

    app_module.app = app
    async with through_httpx(asgi("app")) as wire:
        failed = await ask(wire)

    assert (failed.error, failed.phase) == ("app", "first_byte")


@pytest.mark.anyio
async def test_an_application_that_fails_with_chunks_unread_fails_its_step(app_module):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        await send({"type": "http.response.start", "status": 200})
        for _ in range(63):
            await send({"type": "http.response.body", "body": b".", "more_body": True})
        raise SystemExit(0)

    app_module.app = app
    async with through_httpx(asgi("app")) as wire:
        failed = await ask(wire)

    assert (failed.error, failed.phase, failed.response_bytes) == ("app", "body", 63)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "message",
    [
        {},
        *({"status": status} for status in ("200", 200.0, True, 1000, 99, 0, -1, 10**400)),
        {"status": 200, "headers": [1]},
        {"status": 200, "body": "text"},
    ],
    ids=lambda message: repr(message)[:40],
)
async def test_a_response_that_no_server_could_send_fails_its_step(app_module, message):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        await send({"type": "http.response.start", **message})
        await send({"type": "http.response.body", "body": message.get("body", b"")})

    app_module.app = app
    async with through_httpx(asgi("app")) as wire:
        failed = await ask(wire)

    assert failed.error == "app"


@pytest.mark.anyio
@pytest.mark.parametrize("raised", NO_EXCEPTIONS, ids=lambda raised: type(raised).__name__)
async def test_what_is_raised_after_a_response_costs_neither_the_response_nor_the_next(app_module, raised):
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})
        raise raised

    app_module.app = app
    async with through_httpx(asgi("app")) as wire:
        got = [await ask(wire), await ask(wire)]

    assert [(one.status, one.error) for one in got] == [(200, None), (200, None)]
    assert told == ([] if isinstance(raised, asyncio.CancelledError) else [raised, raised])


@pytest.mark.anyio
@pytest.mark.parametrize("raised", NO_EXCEPTIONS, ids=lambda raised: type(raised).__name__)
async def test_a_start_up_that_raises_what_is_no_exception_is_a_target_that_cannot_be_reached(
    app_module, raised
):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        raise raised

    app_module.app = app
    with pytest.raises(TargetUnreachable) as refused:
        async with through_httpx(asgi("app")):
            pass

    assert str(refused.value).startswith(
        f"asgi:replay_app_under_test:app: the application could not start: {type(raised).__name__}"
    )


@pytest.mark.anyio
async def test_a_start_up_that_is_told_of_by_a_traceback_is_told_of_by_its_last_line(app_module):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        try:
            raise OSError("no database")
        except OSError:
            await send({"type": "lifespan.startup.failed", "message": traceback.format_exc()})
            raise

    app_module.app = app
    with pytest.raises(TargetUnreachable) as refused:
        async with through_httpx(asgi("app")):
            pass

    assert str(refused.value) == (
        "asgi:replay_app_under_test:app: the application could not start: OSError: no database."
    )


@pytest.mark.anyio
@pytest.mark.parametrize("raised", NO_EXCEPTIONS, ids=lambda raised: type(raised).__name__)
async def test_a_shutdown_that_raises_costs_no_step(app_module, raised):
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            raise raised
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})

    app_module.app = app
    async with through_httpx(asgi("app")) as wire:
        got = await ask(wire)

    assert (got.status, got.error) == (200, None)


@pytest.mark.anyio
async def test_a_module_that_ends_the_program_when_it_is_imported_is_said_plainly(tmp_path, monkeypatch):
    (tmp_path / "exits_at_import.py").write_text("import sys\nsys.exit(0)\n")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(TargetUnreachable) as refused:
        async with through_httpx(Target(url="asgi:exits_at_import:app", transport="httpx")):
            pass

    assert str(refused.value) == (
        "asgi:exits_at_import:app: the module 'exits_at_import' cannot be imported (SystemExit: 0). "
        "Run from the folder that holds it, or set PYTHONPATH."
    )


@pytest.mark.anyio
async def test_an_application_that_returns_without_a_whole_response_fails_its_step(app_module):
    async def app(scope: Any, receive: Any, send: Any) -> None:
        return None

    app_module.app = app
    async with through_httpx(asgi("app")) as wire:
        failed = await ask(wire)

    assert (failed.error, failed.phase) == ("app", "first_byte")


@pytest.mark.anyio
@pytest.mark.parametrize("ending", ["limit", "close"])
async def test_an_application_is_cancelled_when_its_step_is_given_up(app_module, ending):
    told: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        try:
            await asyncio.get_running_loop().create_future()
        except asyncio.CancelledError:
            told.append("cancelled")
            raise

    app_module.app = app
    sent = exchange()
    async with through_httpx(asgi("app", timeouts=Timeouts(first_byte_s=0.02))) as wire:
        wire.send(sent)
        while not sent.sent_ns:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        if ending == "limit":
            wire.sweep(sent.sent_ns + 20_000_000)

    assert told == ["cancelled"]
    assert sent.error == ("timeout" if ending == "limit" else "interrupted")
    assert sent.phase == "first_byte"


@pytest.mark.anyio
async def test_an_application_may_go_on_after_its_response(app_module):
    finished = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body"})
        await asyncio.sleep(0)
        finished.set()

    app_module.app = app
    async with through_httpx(asgi("app")) as wire:
        got = await ask(wire)
        await finished.wait()

    assert (got.status, got.error) == (200, None)


def test_an_application_is_looked_for_in_the_working_directory(tmp_path):
    (tmp_path / "here_app.py").write_text("async def app(scope, receive, send): pass\n")
    program = """
        import asyncio, os, sys
        sys.path = [part for part in sys.path if part]  # as it is for a console script
        from replay.wire.httpx.asgi import load_app
        os.chdir(sys.argv[1])
        print(load_app("asgi:here_app:app").__name__)
    """
    root = Path(__file__).parents[3]
    ran = subprocess.run(
        [sys.executable, "-c", dedent(program), tmp_path], cwd=root, env={"PYTHONPATH": str(root)},
        capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip

    assert ran.stdout == "app\n"
