"""Where a target is on the network: names resolved ahead, addresses in turn, the TLS context."""

import asyncio
import socket
import ssl
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from replay.target import Target
from replay.wire.errors import TargetUnreachable


class Address(NamedTuple):
    family: int
    sockaddr: Any


class AddressBook:
    """The addresses of one URL's host, resolved before they are needed and again when all have failed."""

    def __init__(self, target: Target, url: str) -> None:
        parts = urlsplit(url)
        self._target = target
        self._url = url
        self._is_tls = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._is_tls else 80)
        self._known: list[Address] = []

    def current(self) -> list[Address]:
        return list(self._known)

    async def resolve(self) -> None:
        """Look the name up; raises TargetUnreachable if it has no address."""
        if self._target.unix_socket is not None:
            self._known = [Address(socket.AF_UNIX, self._target.unix_socket)]
            return
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except OSError as cause:
            raise TargetUnreachable(
                f"{self._url}: the name {self._host!r} has no address ({cause.strerror or cause}). "
                "Check the host in the target's url."
            ) from cause
        self._known = [Address(family, sockaddr) for family, _, _, _, sockaddr in found]

    async def resolve_again(self) -> bool:
        """Look the name up again after every address failed; False if that cannot help."""
        if self._target.unix_socket is not None:
            return False
        before = set(self._known)
        try:
            await self.resolve()
        except TargetUnreachable:
            return False
        return set(self._known) != before

    def tls(self) -> tuple[ssl.SSLContext | None, str | None]:
        """The TLS context and the name to ask for (SNI), or (None, None) for plain http."""
        if not self._is_tls:
            return None, None
        options = self._target.tls
        try:
            context = ssl.create_default_context(cafile=options.ca_file)
            if options.client_cert:
                context.load_cert_chain(options.client_cert, options.client_key)
        except (OSError, ssl.SSLError) as cause:
            raise TargetUnreachable(
                f"the target's TLS files cannot be loaded: {cause}. Check [tls]."
            ) from cause
        context.set_alpn_protocols(["http/1.1"])
        if not options.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        return context, options.server_name or self._host
