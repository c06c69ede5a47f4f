"""What the Host header of a request tells of who sent it. Pure."""

import ipaddress
import re
from functools import lru_cache

# Names that no public DNS gives out: RFC 6761 (localhost, test), RFC 6762 (local), RFC 8375 (home.arpa), ICANN's
# resolution 2024.07.29.06 (internal), what Kubernetes calls a service by, and what is never given to anybody since so
# many networks use it (corp, home: ICANN, 2018; lan).
_RESERVED = ("localhost", "test", "local", "internal", "home.arpa", "svc", "corp", "home", "lan")
_HTTP_PORT = 80
REBOUND = "A page in a browser may have come here by this name. Ask for 127.0.0.1 or localhost."
"""What to say to such a request, with status 421 (RFC 9110, section 15.5.20)."""

_has_port = re.compile(rb"(.*):([0-9]{0,5})\Z", re.DOTALL).match


def names_loopback(host: bytes) -> bool:
    """Whether a Host header names this machine by itself, with a port or without."""
    name = _name_and_port(host)[0]
    return name == "localhost" or ((address := _address(name)) is not None and address.is_loopback)


@lru_cache(maxsize=64)
def is_rebound(host: bytes, port: int) -> bool:
    """Whether a page in a browser may have come by this Host header to who listens on loopback, at this port.

    A page from http://NAME:PORT may read what answers there, and its owner can have NAME lead to 127.0.0.1 once the
    page is loaded (DNS rebinding). The Host header then still has that name, which is one of public DNS, and that port.
    An address, a name of one label and one that is reserved can be nobody else's; a proxy on this machine that passes
    its own Host on names its own port, or none.
    """
    name, named_port = _name_and_port(host)
    if named_port != port or "." not in name or _address(name) is not None:
        return False
    return not any(name == reserved or name.endswith("." + reserved) for reserved in _RESERVED)


def _name_and_port(host: bytes) -> tuple[str, int]:
    found = _has_port(host)
    name, port = (host, b"") if found is None else (found[1], found[2])
    return name.decode("latin-1").strip("[]").rstrip(".").lower(), int(port or _HTTP_PORT)


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return None
    # Python before 3.13 knows no loopback behind it.
    return getattr(address, "ipv4_mapped", None) or address


def loopback_port(sockname: object) -> int | None:
    """The port of a socket whose own end, as `getsockname` has it, is an address of loopback; None for any other."""
    if not isinstance(sockname, tuple):
        return None
    address = _address(str(sockname[0]).partition("%")[0])
    return int(sockname[1]) if address is not None and address.is_loopback else None
