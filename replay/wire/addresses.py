"""Where a target is on the network: its name looked up ahead, its addresses in turn, the TLS context."""

import asyncio
import contextlib
import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle
from time import monotonic_ns
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from replay.target.target import Target
from replay.wire.errors import TargetMiswritten, TargetUnreachable
from replay.wire.racing import interleaved
from replay.wire.tls_words import tls_file_problem


class Address(NamedTuple):
    family: int
    sockaddr: Any


class NoSuchNameError(OSError):
    """The name of the target no longer exists."""


def _of_family(addresses: Iterable[str], family: int) -> list[str]:
    return [text for text in addresses if (":" in text) == (family == socket.AF_INET6)]


class AddressBook:
    """The addresses of one URL's host: looked up before they are needed, when all have failed, and when they are old.

    New connections take turns over the addresses of the family that the system prefers; those that failed come last,
    until one of them is reached again or the name is looked up anew. is_tls: whether connections are to be secured.
    name: what they lead to, in words, where that is not the target itself.
    """

    name: str | None = None

    def __init__(self, target: Target, url: str, now: Callable[[], int] = monotonic_ns) -> None:
        parts = urlsplit(url)
        self._target = target
        self._url = url
        self._now = now
        self.is_tls = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self.is_tls else 80)
        self._is_fixed = target.unix_socket is not None or _is_literal(self._host)
        self._ttl_ns = int(target.connections.dns_ttl_s * 1e9)
        self._local: dict[int, Iterator[str]] = {
            family: cycle(of_family)
            for family in (socket.AF_INET, socket.AF_INET6)
            if (of_family := _of_family(target.connections.local_addresses, family))
        }
        self._known: list[Address] = []
        self._failing: set[Address] = set()
        self._reached: set[Address] = set()
        self._looked_up_ns = 0
        self._turn = 0
        self._renewal: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<AddressBook {self._host}: {len(self._known)} addresses, {len(self._failing)} failing>"

    def in_turn(self) -> list[Address]:
        """The addresses in the order in which the next connection is to try them."""
        if len(self._known) > 1:
            turn = self._turn
            self._turn += 1
            well: list[Address] = []
            failing: list[Address] = []
            for address in interleaved(_rotated(self._known, turn), lambda address: address.family):
                (failing if address in self._failing else well).append(address)
            return well + failing
        return list(self._known)

    def local_address(self, address: Address) -> str | None:
        """Where the next connection to this one is to be opened from; None: wherever the system takes it from."""
        local = self._local.get(address.family)
        return None if local is None else next(local)

    def reached(self, address: Address) -> None:
        self._reached.add(address)
        self._failing.discard(address)

    def was_reached(self, address: Address) -> bool:
        return address in self._reached

    def failed(self, address: Address) -> None:
        self._failing.add(address)

    async def resolve(self) -> None:
        """Look the name up; raises TargetUnreachable if it has no address."""
        self._looked_up_ns = self._now()
        if self._target.unix_socket is not None:
            self._known = [Address(socket.AF_UNIX, self._target.unix_socket)]
            return
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as cause:
            # UnicodeError: IDNA has no form of this name, so that nobody can be asked for it.
            why = (cause.strerror if isinstance(cause, OSError) else "it is not a valid host name") or cause
            kind = TargetUnreachable if isinstance(cause, OSError) else TargetMiswritten
            raise kind(
                f"{self._url}: the name {self._host!r} has no address ({why}). "
                "Check the host in the target's url."
            ) from cause
        self._known = list(dict.fromkeys(Address(family, sockaddr) for family, _, _, _, sockaddr in found))
        self._failing.clear()

    async def resolve_again(self) -> bool:
        """Look the name up again after every address failed; False if that cannot help.

        Raises NoSuchNameError where the name is gone.
        """
        if self._is_fixed:
            return False
        before = set(self._known)
        try:
            await self.resolve()
        except TargetUnreachable as gone:
            if isinstance(gone.__cause__, socket.gaierror) and gone.__cause__.errno == socket.EAI_NONAME:
                raise NoSuchNameError(str(gone)) from gone
            return False
        return set(self._known) != before

    def renew_if_old(self) -> None:
        """Look the name up in the background, if that was too long ago; while that fails, the old addresses stay."""
        is_old = self._now() - self._looked_up_ns > self._ttl_ns
        if is_old and not self._is_fixed and (self._renewal is None or self._renewal.done()):
            self._renewal = asyncio.get_running_loop().create_task(self._renew())

    async def _renew(self) -> None:
        # Where it fails, the time of this try counts, so that the next is not made at once.
        with contextlib.suppress(NoSuchNameError):
            await self.resolve_again()

    def close(self) -> None:
        if self._renewal is not None:
            self._renewal.cancel()
            self._renewal = None

    def tls(self, protocol: str = "http/1.1") -> tuple[ssl.SSLContext | None, str | None]:
        """The TLS context and the name to ask for (SNI), or (None, None) for plain http.

        protocol: what is offered by ALPN, and nothing else.
        """
        if not self.is_tls:
            return None, None
        options = self._target.tls
        context = ssl.create_default_context()
        if options.ca_file:
            with _used("ca_file", options.ca_file):
                context = ssl.create_default_context(cafile=options.ca_file)
        if options.client_cert:
            if options.client_key:
                # What loads both does not say which of them is not there.
                with _used("client_key", options.client_key), open(options.client_key, "rb"):
                    pass
            with _used("client_cert", options.client_cert):
                context.load_cert_chain(options.client_cert, options.client_key)
        context.set_alpn_protocols([protocol])
        if not options.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context, options.server_name or self._host


@contextlib.contextmanager
def _used(which: str, path: str) -> Iterator[None]:
    """Raises TargetMiswritten, which names the file, where it cannot be used."""
    try:
        yield
    except OSError as cause:
        raise TargetMiswritten(tls_file_problem(which, path, cause)) from cause


def _is_literal(host: str) -> bool:
    """Whether a host is an address itself, so that there is no name to look up."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _rotated(addresses: list[Address], turn: int) -> list[Address]:
    """Each family's addresses from another one on at each turn; the family that came first still does."""
    by_family: dict[int, list[Address]] = {}
    for address in addresses:
        by_family.setdefault(address.family, []).append(address)
    return [of_one[(n + turn) % len(of_one)] for of_one in by_family.values() for n in range(len(of_one))]
