"""HTTP proxies before a target: which one, how a tunnel through it is opened, and how a request is handed to it.

What goes to an https:// URL goes through a tunnel (CONNECT), in which TLS is spoken with the target itself. What goes
to an http:// URL is handed to the proxy in absolute form, with the whole URL for its path.

Source: RFC 9110, section 9.3.6; RFC 9112, section 3.2.
"""

import asyncio
import base64
import re
import socket
import ssl
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit

import msgspec

from replay.target.target import FROM_ENVIRONMENT, Target
from replay.target.urls import check_other_url
from replay.wire.addresses import AddressBook
from replay.wire.errors import TargetMiswritten, TargetUnreachable
from replay.wire.http1.connection import Connection, Pool
from replay.wire.opening import TunnelError
from replay.wire.types import Exchange

_MOST_ANSWER_BYTES = 64 * 1024
_WANTS_USER = 407
_read_status = re.compile(rb"HTTP/1\.[01] (\d{3})(?: ([ -~]{0,100}))?").match


class Proxy(NamedTuple):
    """An HTTP proxy. url: as it may be shown, without its user. line: what authorises requests to it, a header."""

    url: str
    line: bytes = b""


def proxy_before(target: Target, url: str, environment: Mapping[str, str] | None = None) -> Proxy | None:
    """The proxy that requests of a target to this URL go through; None where they go by themselves.

    environment: proxies by scheme, and `no`, as the standard library reads HTTPS_PROXY, HTTP_PROXY and NO_PROXY; None:
    those of this process. Raises TargetMiswritten where the environment names what cannot be used.
    """
    named = target.proxy
    if named is None:
        return None
    if named != FROM_ENVIRONMENT:
        return _proxy(named)
    # Imported here because it brings a client of HTTP, which few runs need.
    from urllib import request

    found = dict(request.getproxies_environment() if environment is None else environment)
    parts = urlsplit(url)
    # It is there, and documented by its name alone.
    if request.proxy_bypass_environment(parts.netloc.rpartition("@")[2], found):  # type: ignore[attr-defined]
        return None
    named = found.get(parts.scheme) or found.get("all")
    if not named:
        return None
    named = named if "://" in named else f"http://{named}"
    try:
        check_other_url("proxy", named, ("http",))
        return _proxy(named)
    except ValueError as cause:
        variable = f"{parts.scheme.upper()}_PROXY"
        raise TargetMiswritten(
            f"{url}: the proxy that the environment names for it ({variable} or ALL_PROXY) cannot be used: it is not "
            "of the form http://host:port. Write another kind of proxy as proxy in the target file."
        ) from cause


def _proxy(url: str) -> Proxy:
    parts = urlsplit(url)
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    # Put together anew, so that no message can show the user and password that may be in it.
    shown = f"http://{host}:{parts.port or 80}"
    if parts.username is None:
        return Proxy(shown)
    told = unquote_to_bytes(parts.username) + b":" + unquote_to_bytes(parts.password or "")
    return Proxy(shown, b"Proxy-Authorization: Basic %b\r\n" % base64.b64encode(told))


class ProxyBook(AddressBook):
    """The addresses of a proxy, and the TLS of the target behind it."""

    def __init__(self, target: Target, url: str, proxy: Proxy) -> None:
        super().__init__(msgspec.structs.replace(target, unix_socket=None), proxy.url)
        self._behind = AddressBook(target, url)
        self.is_tls = self._behind.is_tls
        self.name = f"the proxy {proxy.url}"

    async def resolve(self) -> None:
        try:
            await super().resolve()
        except TargetUnreachable as cause:
            why = cause.__cause__ or cause
            told = why.strerror if isinstance(why, OSError) and why.strerror else "it is not a valid host name"
            raise type(cause)(
                f"the proxy {self._url}: the name {self._host!r} has no address ({told}). Check proxy in the target."
            ) from why

    def tls(self, protocol: str = "http/1.1") -> tuple[ssl.SSLContext | None, str | None]:
        return self._behind.tls(protocol)


class Tunnel:
    """Opens tunnels through a proxy to the host of a URL."""

    def __init__(self, proxy: Proxy, url: str) -> None:
        parts = urlsplit(url)
        host = parts.hostname or ""
        authority = f"[{host}]" if ":" in host else host
        where = f"{authority}:{parts.port or 443}".encode()
        self._proxy = proxy
        self._asks = b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n%b\r\n" % (where, where, proxy.line)

    def __repr__(self) -> str:
        return f"<Tunnel through {self._proxy.url}>"

    async def open(self, sock: socket.socket) -> None:
        """Have the proxy at the other end lead on to the target. Raises TunnelError where it does not."""
        loop = asyncio.get_running_loop()
        answer = b""
        try:
            await loop.sock_sendall(sock, self._asks)
            while b"\r\n\r\n" not in answer:
                data = await loop.sock_recv(sock, 4096)
                answer += data
                if not data:
                    raise ConnectionAbortedError
                if len(answer) > _MOST_ANSWER_BYTES:
                    raise TunnelError(
                        f"the proxy {self._proxy.url} answered at too great a length when asked for a tunnel"
                    )
        except ConnectionError as cause:
            raise TunnelError(
                f"the proxy {self._proxy.url} ended the connection when asked for a tunnel"
            ) from cause
        found = _read_status(answer)
        if found is None:
            raise TunnelError(f"the proxy {self._proxy.url} did not answer in HTTP when asked for a tunnel")
        if not found[1].startswith(b"2"):
            said = " ".join(part.decode() for part in found.groups() if part)
            raise TunnelError(f"the proxy {self._proxy.url} opened no tunnel: {said}")


class Forwarded(Connection):
    """A connection to a proxy, which requests are handed to in absolute form."""

    __slots__ = ("_begin", "_line", "_proxy_url", "_tell")

    def __init__(self, pool: Pool, proxy: Proxy, url: str) -> None:
        super().__init__(pool)
        parts = urlsplit(url)
        self._begin = f" {parts.scheme}://{parts.netloc.rpartition('@')[2]}".encode()
        self._line = proxy.line
        self._proxy_url = proxy.url
        self._tell: Callable[[Any], None] = _untold

    def start(self, exchange: Exchange) -> None:
        direct = exchange.head
        method, _, rest = direct.partition(b" ")
        line, _, fields = rest.partition(b"\r\n")
        exchange.head = b"%b%b%b\r\n%b%b" % (method, self._begin, line, self._line, fields)
        self._tell, exchange.on_done = exchange.on_done, self._ended
        super().start(exchange)
        # Whoever reads the request later wants it as the target has it, and not what the proxy alone may know.
        exchange.head = direct

    def _ended(self, exchange: Exchange) -> None:
        exchange.on_done = self._tell
        fail_if_refused(exchange, self._proxy_url)
        exchange.on_done(exchange)


def fail_if_refused(exchange: Exchange, proxy_url: str) -> None:
    """Give an exchange that a proxy answered itself, since it was not told who asks, its error.

    Of a proxy's other answers nobody can say that they are not the target's. Source: RFC 9110, section 15.5.8.
    """
    if exchange.status == _WANTS_USER and exchange.error is None:
        exchange.error, exchange.phase = "proxy", "first_byte"
        exchange.why = (
            f"the proxy {proxy_url} wants to be told who asks (407): put user and password into its URL"
        )


def _untold(_: Exchange) -> None:
    """Stands for what is called at the end of an exchange, before there is one."""
