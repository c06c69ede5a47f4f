"""Names and addresses: who is tried when, what a silent address costs, and when a name is looked up again."""

import asyncio
import socket
from typing import Any

import pytest

from replay.system.shortage import ShortageError
from replay.target.sending import Connections
from replay.target.target import Target
from replay.wire.addresses import Address, AddressBook
from replay.wire.dialing import Dialler
from replay.wire.errors import TargetUnreachable
from replay.wire.racing import first_to_succeed, interleaved

pytestmark = pytest.mark.anyio
V4, V6 = socket.AF_INET, socket.AF_INET6


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def test_the_families_take_turns_and_the_first_stays_first():
    addresses = ["6a", "6b", "6c", "4a"]

    assert interleaved(addresses, lambda address: int(address[0])) == ["6a", "4a", "6b", "6c"]


class Race:
    """Attempts that succeed, fail or stay silent as the test says; keeps what was begun, discarded and noted."""

    def __init__(self, **ends: Any) -> None:
        self._ends = ends
        self.begun: list[str] = []
        self.discarded: list[str] = []
        self.failed: list[str] = []

    async def attempt(self, address: str) -> str:
        self.begun.append(address)
        end = self._ends[address]
        if isinstance(end, OSError):
            raise end
        if end is None:
            await asyncio.get_running_loop().create_future()
        return f"to {address}"

    async def run(self, delay_s: float = 0.001) -> tuple[str, str]:
        return await first_to_succeed(
            list(self._ends),
            self.attempt,
            self.discarded.append,
            lambda address, _: self.failed.append(address),
            delay_s,
        )


async def test_a_silent_address_costs_only_the_delay_until_the_next_is_tried():
    race = Race(silent=None, good=True, unused=True)

    assert await race.run() == ("good", "to good")
    assert (race.begun, race.failed) == (["silent", "good"], ["silent"])


async def test_an_address_that_refuses_is_followed_at_once():
    race = Race(refuses=ConnectionRefusedError(), good=True)

    assert await race.run(delay_s=3600) == ("good", "to good")
    assert race.failed == ["refuses"]


async def test_where_all_fail_the_last_says_why():
    race = Race(a=ConnectionRefusedError("a"), b=TimeoutError("b"))

    with pytest.raises(OSError, match="b"):
        await race.run()


async def test_a_host_that_no_name_server_can_be_asked_for_is_unreachable_in_words():
    book = AddressBook(Target(url="http://x"), "http://a..b/")

    with pytest.raises(TargetUnreachable) as raised:
        await book.resolve()
    assert str(raised.value) == (
        "http://a..b/: the name 'a..b' has no address (it is not a valid host name). Check the host in the target's url."
    )


@pytest.mark.parametrize("order", [["ports", "refuses"], ["refuses", "ports"]])
async def test_where_all_fail_what_this_machine_lacks_is_said_whatever_came_last(order):
    ends = {"ports": ShortageError("out of local ports"), "refuses": ConnectionRefusedError("refused")}

    with pytest.raises(ShortageError, match="out of local ports"):
        await Race(**{name: ends[name] for name in order}).run()


async def test_the_rest_are_given_up_when_one_has_won_or_all_is_cancelled():
    before = len(asyncio.all_tasks())
    await Race(silent=None, good=True).run()
    waiting = asyncio.ensure_future(Race(one=None, two=None).run())
    await asyncio.sleep(0.01)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert len(asyncio.all_tasks()) == before


class Resolver:
    """Stands in for the system's: answers with these addresses, and counts how often it was asked."""

    def __init__(self, *hosts: str) -> None:
        self.hosts = list(hosts)
        self.asked = 0
        self.port = 80

    async def getaddrinfo(self, *_: Any, **__: Any) -> list[Any]:
        self.asked += 1
        if not self.hosts:
            raise socket.gaierror(socket.EAI_AGAIN, "try again")
        return [(V6 if ":" in host else V4, 1, 6, "", (host, self.port)) for host in self.hosts]


@pytest.fixture
def resolver(monkeypatch: pytest.MonkeyPatch):
    def answering(*hosts: str) -> Resolver:
        resolver = Resolver(*hosts)
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolver.getaddrinfo)
        return resolver

    return answering


class Clock:
    now_ns = 0

    def now(self) -> int:
        return self.now_ns


async def book_of(clock: Clock | None = None, url: str = "http://name") -> AddressBook:
    target = Target(url=url, connections=Connections(dns_ttl_s=60.0))
    book = AddressBook(target, url, (clock or Clock()).now)
    await book.resolve()
    return book


def hosts(addresses: list[Address]) -> list[str]:
    return [address.sockaddr[0] for address in addresses]


async def test_new_connections_take_turns_over_the_addresses_of_the_preferred_family(resolver):
    resolver("::1", "::2", "1.1.1.1")
    book = await book_of()

    assert [hosts(book.in_turn()) for _ in range(3)] == [
        ["::1", "1.1.1.1", "::2"],
        ["::2", "1.1.1.1", "::1"],
        ["::1", "1.1.1.1", "::2"],
    ]


async def test_an_address_that_failed_comes_last_until_it_is_reached_again(resolver):
    resolver("1.1.1.1", "2.2.2.2")
    book = await book_of()
    first = Address(V4, ("1.1.1.1", 80))

    book.failed(first)
    assert [hosts(book.in_turn()) for _ in range(2)] == [["2.2.2.2", "1.1.1.1"]] * 2
    book.reached(first)
    assert hosts(book.in_turn()) == ["1.1.1.1", "2.2.2.2"]


async def test_a_name_is_looked_up_again_in_the_background_once_it_is_old(resolver):
    answering = resolver("1.1.1.1")
    clock = Clock()
    book = await book_of(clock)
    answering.hosts = ["2.2.2.2"]

    clock.now_ns = 60_000_000_000
    book.renew_if_old()
    assert answering.asked == 1

    clock.now_ns += 1
    book.renew_if_old()
    book.renew_if_old()
    assert hosts(book.in_turn()) == ["1.1.1.1"]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (answering.asked, hosts(book.in_turn())) == (2, ["2.2.2.2"])


async def test_the_old_addresses_stay_while_a_name_cannot_be_looked_up(resolver):
    answering = resolver("1.1.1.1")
    clock = Clock()
    book = await book_of(clock)
    answering.hosts = []
    clock.now_ns = 61_000_000_000

    book.renew_if_old()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert (answering.asked, hosts(book.in_turn())) == (2, ["1.1.1.1"])


@pytest.mark.parametrize("url", ["http://127.0.0.1", "http://[::1]"])
async def test_an_address_is_never_looked_up_again(resolver, url):
    answering = resolver("127.0.0.1")
    clock = Clock()
    book = await book_of(clock, url)
    clock.now_ns = 1 << 60

    book.renew_if_old()
    await asyncio.sleep(0)

    assert answering.asked == 1
    assert not await book.resolve_again()


async def test_connections_are_opened_from_the_local_addresses_in_turn():
    came = []

    def came_from(_: Any, writer: asyncio.StreamWriter) -> None:
        came.append(writer.get_extra_info("peername")[0])
        writer.close()

    listening = await asyncio.start_server(came_from, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    local = Connections(local_addresses=("127.0.0.2", "127.0.0.3", "::1"))
    book = AddressBook(Target(url=url, connections=local), url)
    await book.resolve()

    for _ in range(3):
        (await Dialler(book).dial()).sock.close()
    listening.close()
    while len(came) < 3:
        await asyncio.sleep(0)

    assert came == ["127.0.0.2", "127.0.0.3", "127.0.0.2"]


async def test_a_local_address_that_is_none_is_told_as_a_fault_of_this_machine():
    url = "http://127.0.0.1:9"
    book = AddressBook(Target(url=url, connections=Connections(local_addresses=("192.0.2.7",))), url)
    await book.resolve()

    with pytest.raises(
        ShortageError, match=r"^connections\.local_addresses names 192\.0\.2\.7, which this machine"
    ):
        await Dialler(book).dial()


def test_what_is_no_address_is_refused():
    with pytest.raises(ValueError, match='local_addresses names "localhost", which is not an IP address'):
        Connections(local_addresses=("localhost",))


async def test_a_black_hole_is_tried_once_and_then_left_for_last(resolver, monkeypatch):
    """Of two addresses the first takes no connection and refuses none, as behind a firewall that drops."""
    loop = asyncio.get_running_loop()
    connect, tried = loop.sock_connect, []

    async def sock_connect(sock: socket.socket, address: Any) -> None:
        tried.append(address[0])
        if address[0] == "192.0.2.1":
            await loop.create_future()
        await connect(sock, address)

    monkeypatch.setattr(loop, "sock_connect", sock_connect)
    listening = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    answering = resolver("192.0.2.1", "127.0.0.1")
    answering.port = listening.sockets[0].getsockname()[1]
    dialler = Dialler(await book_of())

    for _ in range(3):
        (await dialler.dial()).sock.close()
    listening.close()

    assert tried == ["192.0.2.1", "127.0.0.1", "127.0.0.1", "127.0.0.1"]
