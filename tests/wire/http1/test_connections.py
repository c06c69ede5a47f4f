"""Connections on real loopback sockets: reuse, stale keep-alive, failures, limits, TLS, Unix sockets, IPv6."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from time import monotonic_ns

import pytest
import trustme

from replay.target.sending import Connections, Retry, Timeouts, Tls
from replay.target.target import Target
from replay.wire.addresses import AddressBook
from replay.wire.errors import TargetUnreachable
from replay.wire.http1.connection import Connection
from replay.wire.http1.wire import Http1Wire
from replay.wire.types import Exchange

pytestmark = pytest.mark.anyio

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Server:
    """Counts connections and hands each, with its number, to a coroutine."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self.connections = 0
        self.requests = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await self._serve(reader, writer, self.connections)
        writer.close()


@contextlib.asynccontextmanager
async def serving(serve: Serve, **options: object) -> AsyncIterator[tuple[str, Server]]:
    server = Server(serve)
    listening = await asyncio.start_server(server, "127.0.0.1", 0, **options)  # type: ignore[arg-type]
    host, port = listening.sockets[0].getsockname()[:2]
    yield f"http://{host}:{port}", server
    listening.close()


async def read_request(reader: asyncio.StreamReader) -> bytes:
    return await reader.readuntil(b"\r\n\r\n")


async def answer_all(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
    while True:
        await read_request(reader)
        writer.write(OK)


@contextlib.asynccontextmanager
async def wire_to(target: Target) -> AsyncIterator[Http1Wire]:
    wire = Http1Wire(target, AddressBook(target, target.url))
    await wire.open()
    try:
        yield wire
    finally:
        await wire.close()


async def ask(
    wire: Http1Wire, method: str = "GET", session: object = None, idempotent: bool = True
) -> Exchange:
    ended: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()
    exchange = Exchange(
        f"{method} / HTTP/1.1\r\nhost: t\r\n\r\n".encode(),
        b"",
        method,
        ended.set_result,
        session_key=session,
        idempotent=idempotent,
    )
    wire.send(exchange)
    while not ended.done():
        wire.sweep(monotonic_ns())
        await asyncio.wait([ended], timeout=0.01)
    return ended.result()


async def test_a_connection_is_reused_and_says_so():
    async with serving(answer_all) as (url, server), wire_to(Target(url=url)) as wire:
        first, second = await ask(wire), await ask(wire)

    assert (first.is_new_connection, second.is_new_connection) == (True, False)
    assert first.connect_ns > 0
    assert second.connect_ns == 0
    assert server.connections == 1


async def test_steps_at_once_have_a_connection_each():
    async with serving(answer_all) as (url, server), wire_to(Target(url=url)) as wire:
        ended = await asyncio.gather(*(ask(wire) for _ in range(5)))

    assert [x.status for x in ended] == [200] * 5
    assert 2 <= server.connections <= 5


async def test_without_reuse_every_step_has_a_new_connection():
    target = Connections(reuse="none")
    async with serving(answer_all) as (url, server), wire_to(Target(url=url, connections=target)) as wire:
        ended = [await ask(wire) for _ in range(3)]

    assert all(x.is_new_connection for x in ended)
    assert server.connections == 4  # one more showed that the target is there


async def test_a_session_keeps_its_own_connection():
    target = Connections(reuse="session")
    async with serving(answer_all) as (url, server), wire_to(Target(url=url, connections=target)) as wire:
        kinds = [(await ask(wire, session=key)).is_new_connection for key in ("a", "b", "a", "b")]
        wire.end_session("a")

    assert kinds == [True, True, False, False]
    assert server.connections == 2


async def closes_after_one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
    """Answers once, takes the next request, and closes without a word: a stale keep-alive connection."""
    await read_request(reader)
    writer.write(OK)
    if number == 1:
        await read_request(reader)
        return
    await answer_all(reader, writer, number)


async def test_a_stale_connection_is_noticed_and_the_step_sent_once_more():
    async with serving(closes_after_one) as (url, _), wire_to(Target(url=url)) as wire:
        await ask(wire)
        again = await ask(wire)

    assert (again.status, again.error, again.stale_retries) == (200, None, 1)
    assert again.is_new_connection
    assert again.stale_sent_ns < again.stale_end_ns <= again.sent_ns


async def test_an_unsafe_method_is_not_sent_twice_unless_the_target_allows_it():
    async with serving(closes_after_one) as (url, _), wire_to(Target(url=url)) as wire:
        await ask(wire)
        failed = await ask(wire, "POST", idempotent=False)
    async with serving(closes_after_one) as (url, _):
        async with wire_to(Target(url=url, retry=Retry(stale_unsafe=True))) as wire:
            await ask(wire)
            sent_again = await ask(wire, "POST", idempotent=False)

    assert (failed.error, failed.phase) == ("reset", "first_byte")
    assert sent_again.status == 200


async def test_a_connection_closed_while_idle_is_not_used():
    async def closes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await read_request(reader)
        writer.write(OK)

    async with serving(closes) as (url, server), wire_to(Target(url=url)) as wire:
        await ask(wire)
        while wire._open:
            await asyncio.sleep(0.001)
        second = await ask(wire)

    assert (second.status, second.stale_retries) == (200, 0)
    assert wire.closed_while_idle >= 1
    assert server.connections == 2


async def test_a_reset_in_mid_body_is_recorded_with_its_phase():
    async def cuts(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")

    async with serving(cuts) as (url, _), wire_to(Target(url=url)) as wire:
        failed = await ask(wire)

    assert (failed.status, failed.error, failed.phase, failed.response_bytes) == (200, "reset", "body", 4)


async def test_a_target_that_is_not_there_is_said_before_anything_is_sent():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(TargetUnreachable, match="cannot connect to"):
            async with wire_to(Target(url=url)):
                pass


async def test_a_target_that_goes_away_fails_the_steps_that_need_a_connection():
    listening = await asyncio.start_server(Server(answer_all), "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    async with wire_to(Target(url=url, connections=Connections(reuse="none"))) as wire:
        listening.close()
        await listening.wait_closed()
        failed = await ask(wire)

    assert (failed.error, failed.phase, failed.sent_ns) == ("connect", "connect", 0)


def named(url: str) -> str:
    """The same with a name in it, for an address needs no looking up."""
    return url.replace("127.0.0.1", "localhost")


async def test_the_name_is_looked_up_again_when_every_address_fails():
    async with serving(answer_all) as (url, _), wire_to(Target(url=named(url))) as wire:
        wire._addresses._known = [a._replace(sockaddr=("127.0.0.1", 1)) for a in wire._addresses.in_turn()]
        wire._idle.pop().close()
        ended = await ask(wire)

    assert ended.status == 200
    assert ended.dns_ns > 0


@pytest.mark.parametrize(
    ("answer", "limits", "phase"),
    [
        (b"", Timeouts(first_byte_s=0.02), "first_byte"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", Timeouts(idle_s=0.02), "body"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx", Timeouts(total_s=0.02), "body"),
    ],
    ids=["first byte", "idle", "total"],
)
async def test_a_limit_ends_a_step_and_is_recorded_at_the_limit(answer, limits, phase):
    async def stalls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await read_request(reader)
        writer.write(answer)
        await reader.read()

    async with serving(stalls) as (url, _), wire_to(Target(url=url, timeouts=limits)) as wire:
        ended = await ask(wire)

    since_ns = ended.sent_ns if phase == "first_byte" or limits.total_s == 0.02 else ended.first_byte_ns
    assert (ended.error, ended.phase, ended.censored) == ("timeout", phase, True)
    assert ended.end_ns - since_ns == 20_000_000


async def test_tls_is_verified_against_the_ca_file_and_its_time_recorded(tmp_path):
    ca = trustme.CA()
    server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("target.example").configure_cert(server_tls)
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    async with serving(answer_all, ssl=server_tls) as (url, _):
        url = url.replace("http:", "https:")
        good = Target(url=url, tls=Tls(ca_file=str(tmp_path / "ca.pem"), server_name="target.example"))
        async with wire_to(good) as wire:
            ended = await ask(wire)
        with pytest.raises(TargetUnreachable, match="TLS failed"):
            async with wire_to(Target(url=url)):
                pass

    assert (ended.status, ended.tls_ns > 0) == (200, True)


async def test_a_client_certificate_is_shown(tmp_path):
    ca = trustme.CA()
    server_tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    ca.issue_cert("127.0.0.1").configure_cert(server_tls)
    ca.configure_trust(server_tls)
    server_tls.verify_mode = ssl.CERT_REQUIRED
    ca.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    ca.issue_cert("agent@example.org").private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "me.pem"))
    async with serving(answer_all, ssl=server_tls) as (url, _):
        tls = Tls(ca_file=str(tmp_path / "ca.pem"), client_cert=str(tmp_path / "me.pem"))
        async with wire_to(Target(url=url.replace("http:", "https:"), tls=tls)) as wire:
            ended = await ask(wire)

    assert ended.status == 200


async def test_a_unix_socket(tmp_path):
    server = Server(answer_all)
    path = str(tmp_path / "s")
    listening = await asyncio.start_unix_server(server, path)
    async with wire_to(Target(url="http://localhost", unix_socket=path)) as wire:
        ended = await ask(wire)
    listening.close()

    assert ended.status == 200


@pytest.mark.skipif(not socket.has_ipv6, reason="this system has no IPv6")
async def test_ipv6():
    server = Server(answer_all)
    try:
        listening = await asyncio.start_server(server, "::1", 0)
    except OSError:
        pytest.skip("no IPv6 loopback here")
    async with wire_to(Target(url=f"http://[::1]:{listening.sockets[0].getsockname()[1]}")) as wire:
        ended = await ask(wire)
    listening.close()

    assert ended.status == 200


async def test_connections_are_opened_ahead():
    async with serving(answer_all) as (url, server), wire_to(Target(url=url)) as wire:
        wire.prepare(5)
        while ", 5 idle" not in repr(wire):
            await asyncio.sleep(0.001)
        ended = await asyncio.gather(*(ask(wire) for _ in range(5)))

    assert server.connections == 5
    assert all(x.status == 200 for x in ended)


async def test_closing_the_wire_ends_what_is_in_flight():
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        await reader.read()

    done: list[Exchange] = []
    async with serving(silent) as (url, _), wire_to(Target(url=url)) as wire:
        for _ in range(3):
            wire.send(Exchange(b"GET / HTTP/1.1\r\n\r\n", b"", "GET", done.append))

    assert [x.error for x in done] == ["interrupted"] * 3


async def test_a_sweep_looks_at_connections_only_when_a_limit_may_have_passed(monkeypatch):
    """Thousands of them take a millisecond, a hundred times a second."""
    looks = []

    def expire(conn, *limits):
        looks.append(conn)
        return original(conn, *limits)

    original = Connection.expire
    monkeypatch.setattr(Connection, "expire", expire)

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: int) -> None:
        await reader.read()

    limits = Timeouts(first_byte_s=20.0, idle_s=5.0, total_s=60.0)
    async with serving(never_answer) as (url, _), wire_to(Target(url=url, timeouts=limits)) as wire:
        ended: list[Exchange] = []
        sent = Exchange(b"GET / HTTP/1.1\r\nhost: t\r\n\r\n", b"", "GET", ended.append)
        wire.send(sent)
        for after_ns in (1_000_000, 2_000_000, 3_000_000, 5_100_000_000, 5_200_000_000, 19_999_000_000):
            wire.sweep(sent.sent_ns + after_ns)
        looked, before = len(looks), list(ended)
        wire.sweep(sent.sent_ns + 20_000_000_000)

    assert (looked, before) == (3, [])
    assert ended == [sent]
    assert (sent.error, sent.censored, sent.end_ns - sent.sent_ns) == ("timeout", True, 20_000_000_000)
