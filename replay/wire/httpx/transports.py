"""How httpx reaches a target: addresses, proxy and TLS, tried once beforehand; and a transport for each connection."""

import asyncio
import socket
import ssl
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec

from replay.target.target import Target
from replay.wire.addresses import AddressBook
from replay.wire.dialing import Dialler
from replay.wire.errors import TargetMiswritten, TargetUnreachable
from replay.wire.httpx.network import dial_with
from replay.wire.tls_words import CUT_OFF, tls_problem
from replay.words.numbers import seconds

_PROXY_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}


class Transports:
    """The way to one URL of a target. extensions: what goes with every request to it.

    forwarder: the URL of the proxy that requests are handed to whole, as it may be shown; None: they go to the target.
    """

    def __init__(self, target: Target, url: str, base: httpx.URL) -> None:
        self._target = target
        self._url = url
        self._base = base
        self.extensions: dict[str, Any] = {"timeout": {"connect": target.timeouts.connect_s}}
        self._ssl: ssl.SSLContext | None = None
        self._proxy: httpx.Proxy | None = None
        self.forwarder: str | None = None
        self._book: AddressBook | None = None
        self._dialler: Dialler | None = None

    def __repr__(self) -> str:
        return f"<Transports to {self._url}>"

    async def open(self) -> None:
        """Connect once; raises TargetUnreachable if the target, or its proxy, cannot be reached so."""
        context, server_name = AddressBook(self._target, self._url).tls()
        if context is not None:
            self.extensions["sni_hostname"] = server_name
            if self._target.http2:
                _offer_only_http2(context)
        proxy = self._target.proxy
        if proxy is None:
            await self._check(self._url, self._target, context, server_name)
        else:
            await self._use_proxy(proxy)
        # Without TLS a context is never used; httpx would spend milliseconds on one with every CA in it.
        self._ssl = context or ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    def make(self) -> httpx.AsyncBaseTransport:
        """A transport of its own, with no connection yet."""
        assert self._ssl is not None
        assert self._dialler is not None
        is_http2 = self._target.http2
        transport = httpx.AsyncHTTPTransport(
            verify=self._ssl,
            trust_env=False,
            http1=not is_http2,
            http2=is_http2,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=None, keepalive_expiry=None),
            proxy=self._proxy,
            uds=self._target.unix_socket if self._proxy is None else None,
        )
        is_socks = (self._target.proxy or "").startswith("socks")
        dial_with(transport, self._dialler, is_http1=not is_http2 and not is_socks)
        return transport

    def close(self) -> None:
        if self._book is not None:
            self._book.close()

    async def _use_proxy(self, proxy: str) -> None:
        parts = urlsplit(proxy)
        is_http = parts.scheme in ("http", "https")
        if self._target.http2 and is_http and self._base.scheme == "http":
            raise TargetMiswritten(
                f"{self._url}: an HTTP proxy forwards http:// as HTTP/1.1 only. Use https://, or leave http2 out."
            )
        if self._target.tls.server_name is not None and is_http and self._base.scheme == "https":
            raise TargetMiswritten(
                f"{self._url}: tls.server_name cannot be used through an HTTP proxy. Leave it out."
            )
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        # Put together anew, so that no message can show the user and password that may be in it.
        shown = f"{parts.scheme}://{host}:{parts.port or _PROXY_PORTS[parts.scheme]}"
        if is_http and self._base.scheme == "http":
            self.forwarder = shown
        context, _ = AddressBook(self._target, shown).tls()
        taken_by_httpx(shown, "the proxy ")
        self._proxy = httpx.Proxy(proxy, ssl_context=context)
        await self._check(
            shown, msgspec.structs.replace(self._target, unix_socket=None), None, None, "the proxy "
        )

    async def _check(
        self, url: str, target: Target, context: ssl.SSLContext | None, server_name: str | None, what: str = ""
    ) -> None:
        """Open one connection and close it; raises TargetUnreachable if none of the addresses takes it."""
        self._book = book = AddressBook(target, url)
        self._dialler = Dialler(book)
        await book.resolve()
        sock: socket.socket | None = None
        try:
            async with asyncio.timeout(self._target.timeouts.connect_s):
                sock = (await self._dialler.dial()).sock
                protocol = await self._greet(sock, context, server_name)
        except TimeoutError:
            why = f"no answer within {seconds(self._target.timeouts.connect_s)}"
        except ssl.SSLError as cause:
            raise TargetUnreachable(f"cannot connect to {what}{url}: {tls_problem(cause)}") from cause
        except OSError as cause:
            if sock is not None and context is not None:
                raise TargetUnreachable(f"cannot connect to {what}{url}: {CUT_OFF}") from cause
            why = cause.strerror or str(cause)
        else:
            if self._target.http2 and context is not None and protocol != "h2":
                raise TargetUnreachable(f"{url} does not offer HTTP/2. Leave http2 out of the target.")
            return
        raise TargetUnreachable(
            f"cannot connect to {what}{url}: {why}. Is {what or 'the target '}running there?"
        )

    async def _greet(self, sock: socket.socket, context: ssl.SSLContext | None, server_name: str | None) -> str:
        """Begin TLS where there is a context, and close; returns the protocol that it settled on (ALPN), or nothing."""
        try:
            transport, _ = await asyncio.get_running_loop().create_connection(
                asyncio.Protocol, sock=sock, ssl=context, server_hostname=server_name
            )
        except BaseException:
            sock.close()
            raise
        secured = transport.get_extra_info("ssl_object")
        transport.close()
        return (secured.selected_alpn_protocol() or "") if secured is not None else ""


def taken_by_httpx(url: str, what: str = "") -> httpx.URL:
    """The URL as httpx has it; raises TargetMiswritten for a host that is none for httpx, as a broken IDN."""
    try:
        taken = httpx.URL(url)
        _ = taken.host
    except (httpx.InvalidURL, UnicodeError) as cause:
        raise TargetMiswritten(
            f"{what}{url}: {str(cause).rstrip('.')}. Check the host in the target's url."
        ) from cause
    return taken


def _offer_only_http2(context: ssl.SSLContext) -> None:
    """Have TLS negotiate HTTP/2 or nothing. httpcore sets its own list, with HTTP/1.1 in front, again and again."""
    context.set_alpn_protocols(["h2"])
    context.set_alpn_protocols = _keep_protocols  # type: ignore[method-assign]


def _keep_protocols(alpn_protocols: Iterable[str]) -> None:
    """Stands in for set_alpn_protocols."""
