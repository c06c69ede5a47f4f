"""HTTP/2 through httpx: shared connections, their limits, and how a target takes leave."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from time import monotonic_ns
from typing import Any

import h2.config
import h2.connection
import h2.events
import pytest

from replay.target.sending import Tls
from replay.target.target import Target
from replay.wire.errors import TargetUnreachable
from replay.wire.httpx.wire import HttpxWire
from replay.wire.types import Wire
from tests.support.nginx import nginx_serving
from tests.support.wires import (
    OK,
    Serve,
    answers,
    ask,
    serving,
    through_httpx,
)


@pytest.fixture
def nginx(tmp_path) -> Iterator[tuple[str, str]]:
    """A URL that speaks HTTP/2 over TLS, four streams to a connection, and its CA's file."""
    with nginx_serving(tmp_path, keepalive_requests=10_000) as url_and_ca:
        yield url_and_ca


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


@pytest.mark.anyio
async def test_what_waits_for_a_stream_of_the_target_has_been_put_by_and_is_not_late_by_us(tmp_path):
    """On a connection that is being opened nobody knows yet how many streams the target allows."""
    with nginx_serving(tmp_path, keepalive_requests=1000) as url_and_ca:
        async with through_httpx(h2_target(*url_and_ca)) as wire:
            got = await asyncio.gather(*(ask(wire) for _ in range(12)))

    put_by = [x for x in got if x.queued_ns]
    assert len(put_by) == 8
    assert all(x.queued_ns < x.sent_ns and not x.held_ns for x in put_by)
    assert all(x.held_ns for x in got if not x.queued_ns)
