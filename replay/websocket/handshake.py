"""The request that opens a WebSocket, and the answer to it (RFC 6455, section 4). Pure."""

import base64
import os
import re
from collections.abc import Mapping, Sequence
from hashlib import sha1

from replay.websocket.compression import OFFER, Compression, agreed
from replay.websocket.types import BrokenRule

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


def opening_lines(key: str, protocols: Sequence[str], *, compresses: bool) -> bytes:
    """The header lines that ask for a WebSocket."""
    lines = f"upgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-key: {key}\r\nsec-websocket-version: 13\r\n"
    if protocols:
        lines += f"sec-websocket-protocol: {', '.join(protocols)}\r\n"
    if compresses:
        lines += f"sec-websocket-extensions: {OFFER}\r\n"
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
    headers: Mapping[str, str], key: str, protocols: Sequence[str], *, compresses: bool
) -> Compression | None:
    """What an answer of status 101 agrees to: the compression, or none. Raises BrokenRule where it is no agreement."""
    if headers.get("upgrade", "").lower() != "websocket":
        raise BrokenRule("an answer to the opening that switches to something else than a WebSocket")
    if "upgrade" not in (part.strip().lower() for part in headers.get("connection", "").split(",")):
        raise BrokenRule("an answer to the opening without Connection: Upgrade")
    if headers.get("sec-websocket-accept") != accept_of(key):
        raise BrokenRule("an answer to the opening that is none to its key")
    protocol = headers.get("sec-websocket-protocol")
    if protocol is not None and protocol not in protocols:
        raise BrokenRule("a subprotocol that was not asked for")
    extensions = headers.get("sec-websocket-extensions", "")
    if not extensions:
        return None
    if not compresses:
        raise BrokenRule("an extension that was not asked for")
    return agreed(extensions)
