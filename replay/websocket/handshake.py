"""The request that opens a WebSocket, and the answer to it (RFC 6455, section 4), from both sides. Pure."""

import base64
import os
import re
from collections.abc import Mapping, Sequence
from hashlib import sha1
from typing import NamedTuple

from replay.websocket.compression import OFFER, Compression, agreed
from replay.websocket.telling import EXTENSION
from replay.websocket.types import BrokenRule

VERSION = "13"
_KEY_BYTES = 16
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_STATUS_LINE = re.compile(rb"HTTP/1\.1 ([1-5][0-9]{2})(?: [^\r\n]*)?").fullmatch

OWN_HEADERS = frozenset(
    ("sec-websocket-key", "sec-websocket-version", "sec-websocket-extensions", "sec-websocket-protocol")
)
"""Of the opening of one connection, so that whoever opens another writes its own."""


def new_key() -> str:
    """A nonce, as the client's key."""
    return base64.b64encode(os.urandom(16)).decode()


def accept_of(key: str) -> str:
    """What a server answers to a key."""
    return base64.b64encode(sha1(key.encode() + _GUID, usedforsecurity=False).digest()).decode()


class Agreed(NamedTuple):
    """What an answer of status 101 agrees to. compression: None for none. is_told: whether messages are told of
    (telling.py).
    """

    compression: Compression | None = None
    is_told: bool = False


def opening_lines(key: str, protocols: Sequence[str], *, compresses: bool, tells: bool = False) -> bytes:
    """The header lines that ask for a WebSocket."""
    lines = f"upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-key: {key}\r\n"
    lines += f"sec-websocket-version: {VERSION}\r\n"
    if protocols:
        lines += f"sec-websocket-protocol: {', '.join(protocols)}\r\n"
    if offers := [*([OFFER] if compresses else ()), *([EXTENSION] if tells else ())]:
        lines += f"sec-websocket-extensions: {', '.join(offers)}\r\n"
    return lines.encode()


def read_answer(head: bytes) -> tuple[int, dict[str, str]]:
    """The status of an answer, and its headers by name in lower case; several of one name are joined by commas.

    head: without the empty line that ends it. Raises BrokenRule where that is no HTTP/1.1.
    """
    first, *lines = head.split(b"\r\n")
    found = _STATUS_LINE(first)
    if found is None:
        raise BrokenRule("an answer to the opening that does not begin with a status line of HTTP/1.1")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.decode("latin-1").partition(":")
        key, text = name.lower(), value.strip(" \t")
        if not colon or not name or name != name.strip(" \t"):
            raise BrokenRule("an answer to the opening with a malformed header")
        headers[key] = f"{headers[key]}, {text}" if key in headers else text
    return int(found[1]), headers


def settled(
    headers: Mapping[str, str], key: str, protocols: Sequence[str], *, compresses: bool, tells: bool = False
) -> Agreed:
    """What an answer of status 101 agrees to. Raises BrokenRule where it is no agreement."""
    if headers.get("upgrade", "").lower() != "websocket":
        raise BrokenRule("an answer to the opening that switches to something else than a WebSocket")
    if "upgrade" not in (part.strip().lower() for part in headers.get("connection", "").split(",")):
        raise BrokenRule("an answer to the opening without Connection: Upgrade")
    if headers.get("sec-websocket-accept") != accept_of(key):
        raise BrokenRule("an answer to the opening that is none to its key")
    protocol = headers.get("sec-websocket-protocol")
    if protocol is not None and protocol not in protocols:
        raise BrokenRule("a subprotocol that was not asked for")
    compression, is_told = None, False
    for extension in filter(None, _items(headers.get("sec-websocket-extensions", ""))):
        if extension == EXTENSION and tells and not is_told:
            is_told = True
        elif compresses and compression is None:
            compression = agreed(extension)
        else:
            raise BrokenRule("an extension that was not asked for")
    return Agreed(compression, is_told)


class Asked(NamedTuple):
    """A request for a WebSocket, as who may agree to it reads it. protocols: that it offers. may_tell: whether it
    offers to tell of its messages (telling.py).
    """

    key: str
    protocols: tuple[str, ...]
    may_tell: bool


def read_asked(headers: Mapping[str, str]) -> Asked:
    """What a request's headers ask for, by name in lower case. Raises BrokenRule where that is no WebSocket of RFC
    6455.
    """
    key = headers.get("sec-websocket-key", "")
    try:
        is_key = len(base64.b64decode(key, validate=True)) == _KEY_BYTES
    except ValueError:
        is_key = False
    if not is_key:
        raise BrokenRule("an opening without a key of 16 bytes")
    if headers.get("sec-websocket-version") != VERSION:
        raise BrokenRule("an opening of another version than 13")
    protocols = tuple(filter(None, _items(headers.get("sec-websocket-protocol", ""))))
    return Asked(key, protocols, EXTENSION in _items(headers.get("sec-websocket-extensions", "")))


def agreeing_lines(asked: Asked) -> bytes:
    """The header lines of an answer of 101 that agrees: to the first of the protocols, and to be told; not to
    compression.
    """
    lines = f"upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-accept: {accept_of(asked.key)}\r\n"
    if asked.protocols:
        lines += f"sec-websocket-protocol: {asked.protocols[0]}\r\n"
    if asked.may_tell:
        lines += f"sec-websocket-extensions: {EXTENSION}\r\n"
    return lines.encode("latin-1")


def _items(value: str) -> list[str]:
    """The items of a list in a header."""
    return [item.strip() for item in value.split(",")]
