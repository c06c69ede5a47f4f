"""What httpx does of its own: which connection takes what, and how it fails while it connects."""

import asyncio
import ssl

import pytest

from replay.target.sending import Connections, Timeouts, Tls
from replay.target.target import Target
from replay.wire.errors import TargetUnreachable
from replay.wire.httpx.wire import HttpxWire
from tests.support.waiting import until_loop
from tests.support.wires import (
    OK,
    answers,
    ask,
    goes_stale,
    serving,
    through_httpx,
)


def test_a_host_that_httpx_does_not_take_is_told_in_words():
    with pytest.raises(TargetUnreachable) as refused:
        HttpxWire(Target(url="http://xn--", transport="httpx"), "http://xn--/")

    assert str(refused.value) == (
        "http://xn--/: Malformed A-label, no Punycode eligible content found. Check the host in the target's url."
    )


@pytest.mark.anyio
async def test_what_is_sent_once_more_goes_out_on_a_new_connection_though_others_are_idle():
    async with serving(goes_stale) as (url, _), through_httpx(Target(url=url)) as wire:
        await asyncio.gather(*(ask(wire) for _ in range(5)))
        again = await ask(wire)

    assert (again.status, again.stale_retries, again.is_new_connection) == (200, 1, True)


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
        with pytest.raises(TargetUnreachable, match=r"no answer within 50 ms"):
            await wire.open()
        wire._transports._ssl = ssl.create_default_context()
        got = await asyncio.gather(*(ask(wire) for _ in range(3)))
        await wire.close()
        # Whoever waits opens one of its own if the first is given up in a turn of the loop before its own limit.
        least = 2 if http2 else 4
        await until_loop(lambda: least <= opened == closed <= 4, "not all sockets were closed")

    assert {(x.error, x.phase, x.censored, x.sent_ns) for x in got} == {("timeout", "connect", True, 0)}


@pytest.mark.anyio
async def test_a_certificate_that_is_no_longer_trusted_is_told_apart_from_a_refusal(tls_server):
    context, ca_file = tls_server
    async with serving(answers(OK), ssl=context) as (url, _):
        url = url.replace("http:", "https:")
        wire = HttpxWire(Target(url=url, tls=Tls(ca_file=ca_file), connections=Connections(reuse="none")), url)
        await wire.open()
        wire._transports._ssl = ssl.create_default_context()
        failed = await ask(wire)
        await wire.close()

    assert (failed.error, failed.phase, failed.sent_ns) == ("tls", "connect", 0)
