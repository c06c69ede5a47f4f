"""Whether a target can be reached at all: its name, a connection, TLS, and how long each takes."""

import socket
import ssl
from collections.abc import Sequence
from time import monotonic, time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from replay.engine.router import Router
from replay.target import ASGI_PREFIX, Target
from replay.wire.addresses import AddressBook
from replay.wire.errors import TargetUnreachable


class Reached(NamedTuple):
    """One address of a target. failure: why it could not be reached, in a sentence; None if it could.

    resolve_ms, connect_ms, tls_ms: how long each took. tls: its version. expires_days: of the certificate; None where
    it is not checked, or there is none.
    """

    where: str
    failure: str | None = None
    resolve_ms: float = 0.0
    connect_ms: float = 0.0
    tls_ms: float | None = None
    tls: str | None = None
    expires_days: float | None = None


def reach(target: Target) -> list[Reached]:
    """Open and close a connection to every URL that steps are sent to; none where it has no network of ours."""
    if target.proxy is not None:
        return []
    urls = [url for url in Router(target).urls if not url.startswith(ASGI_PREFIX)]
    if target.unix_socket is not None:
        return [_reach_socket(target, target.unix_socket)]
    return [_reach(target, url) for url in urls]


def _reach_socket(target: Target, path: str) -> Reached:
    began = monotonic()
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(target.timeouts.connect_s)
        try:
            connection.connect(path)
        except OSError as error:
            return Reached(path, f"nothing accepts connections at the socket {path} ({_why(error)})")
    return Reached(path, connect_ms=_ms_since(began))


def _reach(target: Target, url: str) -> Reached:
    parts = urlsplit(url)
    host, limit_s = parts.hostname or "", target.timeouts.connect_s
    port = parts.port or (443 if parts.scheme == "https" else 80)
    began = monotonic()
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        return Reached(url, f"the name {host} has no address ({_why(error)})")
    resolve_ms, began = _ms_since(began), monotonic()
    try:
        connection = _connected(addresses, limit_s)
    except OSError as error:
        return Reached(url, f"nothing accepts connections at {host}, port {port} ({_why(error)})", resolve_ms)
    reached = Reached(url, None, resolve_ms, _ms_since(began))
    with connection:
        try:
            context, name = AddressBook(target, url).tls()
        except TargetUnreachable as error:
            return reached._replace(failure=str(error))
        return reached if context is None else _secured(reached, connection, context, name)


def _connected(addresses: Sequence[tuple[Any, ...]], limit_s: float) -> socket.socket:
    """A connection to the first address that takes one. Raises the last OSError."""
    failure: OSError = OSError("it has no address")
    for family, kind, protocol, _, address in addresses:
        connection = socket.socket(family, kind, protocol)
        connection.settimeout(limit_s)
        try:
            connection.connect(address)
            return connection
        except OSError as error:
            connection.close()
            failure = error
    raise failure


def _secured(reached: Reached, connection: socket.socket, context: ssl.SSLContext, name: str | None) -> Reached:
    began = monotonic()
    try:
        with context.wrap_socket(connection, server_hostname=name) as secured:
            certificate = secured.getpeercert()
            expires = certificate.get("notAfter") if certificate else None
            return reached._replace(
                tls_ms=_ms_since(began),
                tls=secured.version(),
                expires_days=None
                if not isinstance(expires, str)
                else (ssl.cert_time_to_seconds(expires) - time()) / 86_400,
            )
    except (OSError, ValueError) as error:
        return reached._replace(failure=f"TLS failed with {name} ({_why(error)})")


def _ms_since(began: float) -> float:
    return round((monotonic() - began) * 1000, 3)


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return said[:1].lower() + said[1:]
