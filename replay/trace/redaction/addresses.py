"""IP addresses in a text, told from versions. Pure.

Loopback and unspecified addresses, and masks, are nobody's. Four numbers are a version behind a product's name
(`Chrome/120.0.0.0`, `foo-1.2.3.4.tar.gz`) or a word for it (`version 1.2.3.4`, `v="1.2.3.4"`).
"""

import re
from collections.abc import Callable
from ipaddress import AddressValueError, IPv4Address, IPv6Address

_OCTET = r"(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)"
_V4 = re.compile(rf"(?<![\w.])(?<![A-Za-z_]-){_OCTET}(?:\.{_OCTET}){{3}}(?!\w|\.\d)")
# What an address of version 6 stands in: `2001:db8::7`, `ip:2001:db8::7`.
_WITH_COLONS = re.compile(r"(?<![\w.:])[\w.]*+:[\w.:]++")
_LABELS = re.compile(r"(?:(?![0-9A-Fa-f]{1,4}:)[\w.]++:(?!:(?!:)))*+").match
_LOOKED_BACK = 40
_VERSION_BEFORE = re.compile(
    r"(?:(?:^|[^\w/.@\-])[A-Za-z][\w.+\-]{0,38}/|(?:^|[^A-Za-z])(?:v|ver|version|release|build|rev|revision)[\s:=\"']{1,4})\Z",
    re.IGNORECASE,
).search


def with_addresses(text: str, put: Callable[[str], str]) -> str:
    """The text with what is put for each address. put: given the address, always written in the same way."""
    if text.count(":") >= 2:
        text = _WITH_COLONS.sub(lambda found: _v6(found[0], put), text)
    return _V4.sub(lambda found: _v4(found, put), text) if text.count(".") >= 3 else text


def _v4(found: "re.Match[str]", put: Callable[[str], str]) -> str:
    # By places of the whole text: a piece of it would begin where a word does not.
    is_version = _VERSION_BEFORE(found.string, max(0, found.start() - _LOOKED_BACK), found.start())
    address = IPv4Address(found[0])
    is_nobodys = address.is_loopback or address.is_unspecified or found[0].startswith("255.")
    return found[0] if is_nobodys or is_version else put(str(address))


def _v6(text: str, put: Callable[[str], str]) -> str:
    labels = _LABELS(text)
    begin, end = labels.end() if labels else 0, len(text.rstrip("."))
    written = text[begin:end]
    try:
        address = IPv6Address(written)
    except AddressValueError:
        return text
    # `a::b` is a name in C++ and Rust.
    is_name = not any(map(str.isdigit, written))
    is_nobodys = address.is_loopback or address.is_unspecified
    return (
        text
        if is_name or is_nobodys
        else f"{text[:begin]}{put(str(address.ipv4_mapped or address))}{text[end:]}"
    )
