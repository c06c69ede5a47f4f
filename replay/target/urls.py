"""URLs that steps, proxies and observers may be sent to, and what is wrong with one."""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit

from replay.trace.redaction.shown_urls import NO_PORT, problem_of

ASGI_PREFIX = "asgi:"


def check_url(url: str) -> None:
    """Raises ValueError, with a reason, if steps cannot be sent to this URL."""
    if url.startswith(ASGI_PREFIX):
        if not re.fullmatch(r"asgi:[\w.]+:[\w.]+", url):
            raise ValueError("an asgi url is written asgi:module:app")
        return
    parts = _split(url)
    if parts.scheme in ("ws", "wss"):
        raise ValueError(
            f"url begins with {parts.scheme}://; write http{parts.scheme[2:]}://, for WebSockets too"
        )
    if parts.scheme not in ("http", "https"):
        raise ValueError("url must begin with http://, https:// or asgi:")
    if not parts.hostname:
        raise ValueError("url has no host")
    check_host(parts.hostname)
    if "@" in parts.netloc:
        raise ValueError("url holds a user or password; take them from the environment with [auth]")
    if parts.query or parts.fragment:
        raise ValueError("url must end before ? and #; paths and queries come from the trace")


def check_other_url(what: str, url: str, schemes: tuple[str, ...]) -> None:
    """Raises ValueError, with a reason, if what the target file calls so is not a URL of one of these schemes."""
    parts = _split(url, what)
    if parts.scheme not in schemes:
        *first, last = (f"{scheme}://" for scheme in schemes)
        raise ValueError(f"{what} must begin with {', '.join(first)} or {last}")
    if not parts.hostname:
        raise ValueError(f"{what} has no host")
    check_host(parts.hostname)


def check_host(host: str) -> None:
    """Raises ValueError, with a reason, if no name server can be asked for this name (RFC 1035, section 2.3.4)."""
    labels = host.removesuffix(".").split(".")
    if ":" not in host and (len(host) > 254 or not all(0 < len(label) < 64 for label in labels)):
        shown = host if len(host) < 64 else f"{host[:60]}…"
        raise ValueError(
            f"{shown!r} is not a valid host name: a name has at most 253 characters, with 1 to 63 between two dots"
        )


def _in_letters(url: str) -> str | None:
    """The host of a URL where it has other letters than those of ASCII."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return None
    return None if host.isascii() or not host.isprintable() else host


def _split(url: str, what: str = "url") -> SplitResult:
    host = _in_letters(url)
    if host is not None:
        try:
            hint = f", {host.encode('idna').decode('ascii')}"
        except UnicodeError:
            hint = ""
        raise ValueError(
            f"{what} has a host with letters beyond ASCII; write the form that name servers know{hint}"
        )
    if not url.isascii() or not url.isprintable() or " " in url:
        raise ValueError(f"{what} holds a character that must be percent-encoded")
    try:
        parts = urlsplit(url)
        is_port = parts.port != 0
    except ValueError as cause:
        raise ValueError(f"{what} cannot be read: {problem_of(url, cause)}") from cause
    if not is_port:
        raise ValueError(f"{what} cannot be read: {NO_PORT}")
    if "[" in parts.netloc:
        # What stands in front of the bracket is passed over by urlsplit.
        if not parts.netloc.rpartition("@")[2].startswith("["):
            raise ValueError(f"{what} has a bracket within its host")
        try:
            ipaddress.IPv6Address(parts.hostname or "")
        except ValueError as cause:
            raise ValueError(f"{what} has something in brackets that is not an IPv6 address") from cause
    return parts
