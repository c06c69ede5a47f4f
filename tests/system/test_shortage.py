"""This machine's own limits: what ran out is said, steps wait for what comes free, and none of them hangs."""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import AsyncIterator, Iterator
from time import monotonic_ns

import pytest

from replay.system.shortage import descriptor_limit, most_descriptors, open_socket, shortage_of
from replay.target.sending import Connections, Timeouts
from replay.target.target import Target
from replay.wire import dialing
from replay.wire.addresses import AddressBook
from replay.wire.http1.wire import Http1Wire
from replay.wire.httpx.wire import HttpxWire
from replay.wire.types import Exchange, Wire

resource = pytest.importorskip("resource")

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CLOSING = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Machine:
    """Gives out sockets, so many at once, as open_socket does. A socket that was closed is free again."""

    def __init__(self, code: int = errno.EMFILE) -> None:
        self.room = 1 << 30
        self.code = code
        self._given: list[socket.socket] = []

    def open_socket(self, family: int) -> socket.socket:
        self._given = [sock for sock in self._given if sock.fileno() >= 0]
        if len(self._given) >= self.room:
            raise OSError(self.code, os.strerror(self.code))
        sock = socket.socket(family, socket.SOCK_STREAM)
        self._given.append(sock)
        return sock


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(dialing, "open_socket", machine.open_socket)
    return machine


class Served:
    """Answers requests when it is told to, so that a test decides who is in flight."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._asked: list[asyncio.StreamWriter] = []
        self.arrived = asyncio.Event()
        self.url = ""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while await reader.readuntil(b"\r\n\r\n"):
                self._asked.append(writer)
                self.arrived.set()
        writer.close()

    async def answer(self) -> None:
        """Answer one request, once there is one."""
        while not self._asked:
            self.arrived.clear()
            await self.arrived.wait()
        self._asked.pop(0).write(self._answer)


@contextlib.asynccontextmanager
async def target(answer: bytes = OK) -> AsyncIterator[Served]:
    served = Served(answer)
    listening = await asyncio.start_server(served, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    yield served
    listening.close()


def fast(target: Target) -> Wire:
    return Http1Wire(target, AddressBook(target, target.url))


def through_httpx(target: Target) -> Wire:
    return HttpxWire(target, target.url)


@pytest.fixture(params=[fast, through_httpx], ids=["fast", "httpx"])
def wire_to(request: pytest.FixtureRequest):
    @contextlib.asynccontextmanager
    async def opened(target: Target) -> AsyncIterator[Wire]:
        wire = request.param(target)
        await wire.open()
        try:
            yield wire
        finally:
            await wire.close()

    return opened


def send(wire: Wire) -> "asyncio.Future[Exchange]":
    ended: asyncio.Future[Exchange] = asyncio.get_running_loop().create_future()
    head = b"GET / HTTP/1.1\r\nhost: t\r\n\r\n"
    wire.send(Exchange(head, b"", "GET", ended.set_result, idempotent=True))
    return ended


async def swept(wire: Wire, *ended: "asyncio.Future[Exchange]") -> list[Exchange]:
    """What these sends came to, while the wire is swept as a run sweeps it."""
    while not all(one.done() for one in ended):
        wire.sweep(monotonic_ns())
        await asyncio.wait(ended, timeout=0.001)
    return [one.result() for one in ended]


async def answered(wire: Wire, served: Served) -> None:
    """Have one request answered, which leaves an open connection."""
    asked = send(wire)
    await served.answer()
    await swept(wire, asked)


@pytest.mark.anyio
@pytest.mark.parametrize("answer", [OK, CLOSING], ids=["keeps", "closes"])
@pytest.mark.parametrize("reuse", ["pool", "none"])
async def test_steps_that_find_no_descriptor_wait_for_one_of_ours(wire_to, machine, answer, reuse):
    async with target(answer) as served:
        wanted = Target(url=served.url, connections=Connections(reuse=reuse))
        async with wire_to(wanted) as wire:
            machine.room = 2
            sent = [send(wire) for _ in range(6)]
            for _ in sent:
                await asyncio.gather(served.answer(), asyncio.sleep(0))
                wire.sweep(monotonic_ns())
            got = await swept(wire, *sent)

    assert [x.error for x in got] == [None] * 6
    assert wire.waited_for_machine >= 1
    assert wire.shortage == f"out of file descriptors (limit {descriptor_limit()}): raise it with ulimit -n"
    assert sum(x.held_ns > 0 for x in got) >= 1


@pytest.mark.anyio
async def test_a_step_that_finds_no_descriptor_within_the_connect_limit_ends_as_local(wire_to, machine):
    async with target() as served:
        # Long enough for the first connection on a machine that has much else to do.
        wanted = Target(url=served.url, timeouts=Timeouts(connect_s=0.4))
        async with wire_to(wanted) as wire:
            await answered(wire, served)
            machine.room = 0
            first = send(wire)
            [got] = await swept(wire, send(wire))
            await served.answer()
            await swept(wire, first)

    assert (got.error, got.phase, got.sent_ns) == ("local", "connect", 0)
    assert got.held_ns >= 400_000_000


@pytest.mark.anyio
async def test_a_run_goes_on_as_before_once_descriptors_are_there_again(wire_to, machine):
    async with target() as served:
        async with wire_to(Target(url=served.url)) as wire:
            await answered(wire, served)
            machine.room = 1
            sent = [send(wire), send(wire)]
            await asyncio.sleep(0)
            wire.sweep(monotonic_ns())
            machine.room = 9
            both = asyncio.create_task(swept(wire, *sent))
            await served.answer()
            await served.answer()
            await both

            waited = wire.waited_for_machine
            last = send(wire)
            await served.answer()
            [got] = await swept(wire, last)

    assert (got.error, wire.waited_for_machine) == (None, waited)


@pytest.mark.anyio
async def test_a_connection_that_nobody_missed_is_no_shortage(wire_to, machine):
    async with target() as served:
        async with wire_to(Target(url=served.url)) as wire:
            machine.room = 0
            wire.prepare(8)
            await asyncio.sleep(0.01)

    assert (wire.shortage, wire.waited_for_machine) == (None, 0)


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENFILE, "this machine is out of file descriptors: raise fs.file-max"),
        (
            errno.EADDRNOTAVAIL,
            "out of local ports to the target: widen net.ipv4.ip_local_port_range, or let connections be reused",
        ),
        (
            errno.ENOBUFS,
            "out of memory for sockets: raise net.ipv4.tcp_mem, or the memory limit of this process",
        ),
        (errno.ECONNREFUSED, None),
        (errno.ETIMEDOUT, None),
    ],
)
def test_what_ran_out_is_said_with_what_to_raise(code, words):
    assert shortage_of(OSError(code, "")) == words


def test_an_address_that_was_never_reached_may_have_no_way_to_it():
    assert shortage_of(OSError(errno.EADDRNOTAVAIL, ""), was_reached=False) is None


@pytest.fixture
def limits() -> Iterator[tuple[int, int]]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_run_asks_for_as_many_descriptors_as_it_may_and_gives_them_back(limits):
    _, hard = limits
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))

    with most_descriptors:
        assert descriptor_limit() == min(hard, 1 << 18) or hard == resource.RLIM_INFINITY

    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (256, hard)


def test_the_last_descriptors_are_kept_for_files(limits):
    _, hard = limits
    with contextlib.ExitStack() as opened:
        probe = opened.enter_context(socket.socket())
        resource.setrlimit(resource.RLIMIT_NOFILE, (probe.fileno() + 64, hard))

        def open_all() -> None:
            while True:
                opened.enter_context(open_socket(socket.AF_INET))

        with pytest.raises(OSError, match="too many open files"):
            open_all()
        for _ in range(8):
            opened.enter_context(open(os.devnull, "rb"))
