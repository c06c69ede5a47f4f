"""Whether a target can be reached at all: its name, a connection, TLS, and how long each takes."""

import asyncio
import os
import ssl
from time import monotonic_ns, time
from typing import NamedTuple
from urllib.parse import urlsplit

from replay.engine.requests.destinations import destinations
from replay.target.target import Target
from replay.wire.addresses import AddressBook
from replay.wire.dialing import Dialled, Dialler
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
    """Open and close a connection, as a run would, to every URL that steps are sent to; to none where it has no network
    of ours.
    """
    if target.proxy is not None:
        return []
    if target.unix_socket is not None:
        return asyncio.run(_reach_all([target]))
    return asyncio.run(_reach_all([place for place in destinations(target) if not place.is_asgi]))


async def _reach_all(places: list[Target]) -> list[Reached]:
    return [await _reach(place) for place in places]


async def _reach(target: Target) -> Reached:
    url = target.url
    reached = Reached(target.unix_socket or url)
    parts = urlsplit(url)
    book = AddressBook(target, url)
    began_ns = monotonic_ns()
    try:
        await book.resolve()
    except TargetUnreachable as error:
        return reached._replace(
            failure=f"the name {parts.hostname} has no address ({_why(error.__cause__ or error)})"
        )
    reached = reached._replace(resolve_ms=_ms_since(began_ns))
    try:
        async with asyncio.timeout(target.timeouts.connect_s):
            dialled = await Dialler(book).dial()
    except OSError as error:
        port = parts.port or (443 if parts.scheme == "https" else 80)
        place = f"the socket {target.unix_socket}" if target.unix_socket else f"{parts.hostname}, port {port}"
        return reached._replace(failure=f"nothing accepts connections at {place} ({_why(error)})")
    finally:
        book.close()
    reached = reached._replace(connect_ms=round(dialled.connect_ns / 1e6, 3))
    try:
        context, name = book.tls("h2" if target.http2 else "http/1.1")
    except TargetUnreachable as error:
        dialled.sock.close()
        return reached._replace(failure=str(error))
    if context is None:
        dialled.sock.close()
        return reached
    return await _secured(reached, dialled, context, name, target.timeouts.connect_s)


async def _secured(
    reached: Reached, dialled: Dialled, context: ssl.SSLContext, name: str | None, limit_s: float
) -> Reached:
    began_ns = monotonic_ns()
    try:
        async with asyncio.timeout(limit_s):
            transport, _ = await asyncio.get_running_loop().create_connection(
                asyncio.Protocol, sock=dialled.sock, ssl=context, server_hostname=name
            )
    except (OSError, ValueError) as error:
        dialled.sock.close()
        return reached._replace(failure=f"TLS failed with {name} ({_why(error)})")
    tls_ms = _ms_since(began_ns)
    secured = transport.get_extra_info("ssl_object")
    certificate = secured.getpeercert()
    expires = certificate.get("notAfter") if certificate else None
    reached = reached._replace(
        tls_ms=tls_ms,
        tls=secured.version(),
        expires_days=(ssl.cert_time_to_seconds(expires) - time()) / 86_400
        if isinstance(expires, str)
        else None,
    )
    transport.abort()
    return reached


def _ms_since(began_ns: int) -> float:
    return round((monotonic_ns() - began_ns) / 1e6, 3)


def _why(error: BaseException) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    if isinstance(error, TimeoutError) and not str(error):
        return "no answer in time"
    if isinstance(error, ConnectionError) and not str(error):
        return "the server closed the connection"
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    if isinstance(error, ConnectionError | FileNotFoundError | PermissionError) and error.errno:
        # In asyncio's own words the reason is missing.
        said = os.strerror(error.errno)
    return said[:1].lower() + said[1:]
