"""What the tables of a target file have checked alike: headers, and numbers in their bounds."""

import re
from ipaddress import ip_address

import msgspec

from replay.keys import quoted
from replay.words.numbers import number

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")

# 31 years: what no clock of ours overflows at, and nobody means.
LONGEST_S = 1e9
MOST = 1e12


def check_header(name: str, value: str) -> None:
    """Raises ValueError, with a reason, if no request can have this header."""
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{quoted(name)} is not a valid header name")
    if not value.isprintable() and value:
        raise ValueError(f"the value of header {quoted(name)} holds a control character")


def check_address(what: str, text: str) -> None:
    """Raises ValueError, with a reason, if this is no IP address."""
    try:
        ip_address(text)
    except ValueError:
        raise ValueError(f"{what} names {quoted(text)}, which is not an IP address") from None


def check_positive(options: msgspec.Struct, *names: str, most: float = MOST) -> None:
    """Raises ValueError, with a reason, if one of these options is not above 0, or beyond what is sensible."""
    for name in names:
        value = getattr(options, name)
        if not value > 0:
            raise ValueError(f"{name} must be more than 0")
        if value > most:
            raise ValueError(f"{name} must be at most {number(most)}")
