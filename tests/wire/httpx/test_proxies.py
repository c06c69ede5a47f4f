"""Proxies before a target: HTTP, a tunnel, SOCKS; and how theirs are told from the target's failures."""

import asyncio
import socket

import pytest

from replay.target.sending import Connections, Timeouts, Tls
from replay.target.target import Target
from replay.wire.errors import TargetUnreachable
from tests.support.proxies import HttpProxy, join
from tests.support.wires import (
    OK,
    Serve,
    answers,
    ask,
    serving,
    through_httpx,
)

WANTS_USER = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"


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
@pytest.mark.parametrize("has_body", [False, True])
async def test_a_proxy_that_wants_to_know_who_asks_is_told_apart_from_the_target(has_body):
    body = b"HTTP/1.1 407 No\r\nContent-Length: 2\r\n\r\nno" if has_body else WANTS_USER
    async with serving(answers(body)) as (proxy_url, _):
        with_secret = proxy_url.replace("http://", "http://me:secret@")
        target = Target(url="http://t.invalid", transport="httpx", proxy=with_secret)
        async with through_httpx(target) as wire:
            failed = await ask(wire)

    assert (failed.error, failed.phase, failed.status) == ("proxy", "first_byte", 407)
    assert failed.why.startswith(f"the proxy {proxy_url} wants to be told who asks (407)")


@pytest.mark.anyio
async def test_a_target_that_says_407_without_a_proxy_says_it_itself():
    async with serving(answers(WANTS_USER)) as (url, _):
        async with through_httpx(Target(url=url, transport="httpx")) as wire:
            said = await ask(wire)

    assert (said.error, said.status) == (None, 407)


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
