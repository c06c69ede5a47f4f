"""Where requests go to, and where those of a trace once went: origins, one way of writing each.

Pure. An origin is scheme://host[:port] in small letters, without the scheme's own port, without a dot at its end,
international names in ASCII (UTS 46, as browsers do), addresses in their shortest form. Traces and targets are held to
one another by `is_same_service`, which is wider: what answers at http:// and at https:// of a host is one service.
"""

import re
from collections import Counter
from collections.abc import Iterable
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from urllib.parse import urlsplit

import idna

MOST_ORIGINS = 256
"""Of one trace; importers keep those that most requests went to."""

LONGEST_ORIGIN = 300
_MOST_COUNTED = 10_000
_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}
_WRITTEN = {"ws": "http", "wss": "https"}
_HOST = re.compile(r"[a-z0-9_](?:[a-z0-9_.-]*[a-z0-9_])?").fullmatch
_IN_NUMBERS = re.compile(r"(?:0x[0-9a-f]*|\d+)(?:\.(?:0x[0-9a-f]*|\d+)){0,3}").fullmatch
_SCHEME = re.compile(r"([A-Za-z]+)://").match


def origin_of(url: str) -> str | None:
    """The origin of a URL, whatever its path; None for what is not an http:// or https:// URL with a host."""
    parts = _scheme_and_authority(url)
    return None if parts is None else origin_at(*parts)


def _scheme_and_authority(url: str) -> tuple[str, str] | None:
    """Of a URL, as they are written; None for what has no scheme."""
    found = _SCHEME(url)
    return None if found is None else (found[1], re.split(r"[/?#\\]", url[found.end() :], maxsplit=1)[0])


def origin_at(scheme: str, authority: str) -> str | None:
    """The origin of a scheme and what stands behind it, or in a Host header: [user@]host[:port]. None if it is none."""
    scheme = scheme.lower()
    if scheme not in _PORTS or len(authority) > LONGEST_ORIGIN:
        return None
    try:
        parts = urlsplit(f"//{authority.strip().rpartition('@')[2]}")
        port = parts.port
        host = _host(parts.hostname or "", is_literal=parts.netloc.startswith("["))
    except ValueError:
        return None
    if host is None or port == 0:
        return None
    shown_port = "" if port in (None, _PORTS[scheme]) else f":{port}"
    return f"{_WRITTEN.get(scheme, scheme)}://{host}{shown_port}"


def _host(host: str, *, is_literal: bool) -> str | None:
    """A host's one way of being written; None for none. is_literal: it stood in brackets. Raises ValueError."""
    if is_literal:
        address = IPv6Address(host.partition("%")[0])
        return str(address.ipv4_mapped) if address.ipv4_mapped else f"[{address.compressed}]"
    if not host.isascii():
        host = idna.encode(host, uts46=True).decode()
    host = host.lower()
    host = host[:-1] if host.endswith(".") else host
    if _IN_NUMBERS(host):
        return _address_in_numbers(host)
    return host if _HOST(host) and host.strip("_") and ".." not in host and len(host) <= 253 else None


def _address_in_numbers(host: str) -> str | None:
    """An IPv4 address as inet_aton reads it, which resolvers go by: 1 to 4 numbers, octal, decimal or hexadecimal."""
    *first, last = (_number(part) for part in host.split("."))
    room = 4 - len(first)
    if any(number > 255 for number in first) or last >= 256**room:
        return None
    value = last + sum(number << 8 * (3 - n) for n, number in enumerate(first))
    try:
        return str(IPv4Address(value))
    except AddressValueError:
        return None


def _number(text: str) -> int:
    """Raises ValueError, as 09 does."""
    if text.startswith("0x"):
        return int(text[2:] or "0", 16)
    return int(text, 8 if text.startswith("0") else 10)


def service_of(origin: str) -> tuple[str, int | None]:
    """What two origins of one service have in common: host and port, the ports of http and https being one."""
    parts = urlsplit(origin)
    return parts.hostname or "", None if parts.port in (None, 80, 443) else parts.port


def is_same_service(origin: str, other: str) -> bool:
    """Whether what is sent to the one reaches the other."""
    return service_of(origin) == service_of(other)


def is_loopback(origin: str) -> bool:
    """Whether an origin is on the machine of whoever names it."""
    host = urlsplit(origin).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        address = IPv6Address(host) if ":" in host else IPv4Address(host)
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def united(origins: Iterable[str]) -> tuple[str, ...]:
    """These origins, each once, in order, at most as many as a trace may have."""
    return tuple(dict.fromkeys(origins))[:MOST_ORIGINS]


class OriginTally:
    """Collects where the requests of a recording went, in bounded memory. What is no origin is passed over."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()
        self._known: dict[tuple[str, str], str | None] = {}

    def add_url(self, url: str) -> None:
        """A request to this URL; a path alone says nothing."""
        parts = _scheme_and_authority(url)
        if parts is not None:
            self.add(*parts)

    def add(self, scheme: str, authority: str | None, n: int = 1) -> None:
        """So many requests to this host, as in a Host header. scheme: where it is not recorded, the likelier one."""
        if not authority:
            return
        key = (scheme, authority)
        if key not in self._known:
            if len(self._known) >= _MOST_COUNTED:
                return
            self._known[key] = origin_at(scheme, authority)
        origin = self._known[key]
        if origin is not None:
            self._seen[origin] += n

    def origins(self) -> tuple[str, ...]:
        """Those that most requests went to, in order of the alphabet."""
        return tuple(sorted(origin for origin, _ in self._seen.most_common(MOST_ORIGINS)))
