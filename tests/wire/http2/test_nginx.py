"""HTTP/2 with nginx, by TLS (ALPN) and in clear (prior knowledge)."""

import asyncio
from collections.abc import Iterator

import pytest

from replay.target.sending import Connections, Tls
from replay.target.target import Target
from tests.support.nginx import nginx_serving
from tests.support.wires import ask, fast_http2


@pytest.fixture(params=[True, False], ids=["tls", "clear"])
def nginx(request, tmp_path) -> Iterator[Target]:
    """50 requests to a connection and then a goodbye, 20 streams at once."""
    with nginx_serving(tmp_path, 50, 20, is_tls=request.param) as (url, ca_file):
        yield Target(
            url=url,
            http2=True,
            tls=Tls(ca_file=ca_file),
            instance_header="x-protocol",
            connections=Connections(max=8, prepare=False),
        )


@pytest.mark.anyio
async def test_nothing_is_lost_where_connections_are_full_and_end(nginx):
    async with fast_http2(nginx) as wire:
        first = await ask(wire, headers=b"connection: close\r\n")
        got = await asyncio.gather(
            *(ask(wire, "POST", body=b"x" * (n * 100), idempotent=False) for n in range(400))
        )

    assert (first.instance, first.is_new_connection, first.tls_ns > 0) == (
        "HTTP/2.0",
        True,
        nginx.url.startswith("https"),
    )
    assert {(x.status, x.error, x.response_bytes) for x in got} == {(200, None, 2)}
    assert all(x.sent_ns <= x.first_byte_ns <= x.end_ns for x in got)
    assert wire.opened >= 8
    assert wire.plan == (
        "HTTP/2, on each connection at most 100 at once (20, as the target allows); connections are for all, "
        "opened when the others are full, at most 8"
    )


@pytest.mark.anyio
async def test_large_answers_and_long_heads_come_and_go_whole(nginx):
    long = b"x-long: " + b"y" * 20_000 + b"\r\n"
    async with fast_http2(nginx) as wire:
        got = await asyncio.gather(*(ask(wire, path="/big", headers=long) for _ in range(30)))

    assert {(x.status, x.error, x.response_bytes) for x in got} == {(200, None, 300_000)}


@pytest.mark.anyio
async def test_a_session_keeps_connections_of_its_own(nginx):
    async with fast_http2(
        Target(
            url=nginx.url, http2=True, tls=nginx.tls, connections=Connections(reuse="session", prepare=False)
        )
    ) as wire:
        got = [
            await asyncio.gather(*(ask(wire, session_key=key) for key in ("a", "a", "b", "b")))
            for _ in range(3)
        ]
        wire.end_session("a")
        again = await ask(wire, session_key="a")

    assert [x.is_new_connection for x in got[1] + got[2]] == [False] * 8
    assert again.is_new_connection
    assert wire.opened == 3
