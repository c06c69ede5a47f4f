"""Reads the JSON of an answer as leniently as clients do, and of one that was cut short what is certain.

Lenient: numbers and strings that RFC 8259 forbids and servers send all the same (NaN, half a surrogate pair, control
characters, bytes that are no UTF-8) spoil nothing.
"""

import json
import re
from typing import Any

import msgspec

MOST_BYTES = 1 << 20
BOM = b"\xef\xbb\xbf"

_decode = msgspec.json.Decoder().decode
# A string, or the quotation mark of one that was cut with all that follows: each byte is looked at twice at most.
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"|(").*', re.DOTALL)
_ALL_BUT_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
# The beginning of an escape; the backslashes before it pair up.
_BROKEN_ESCAPE = re.compile(rb"(?<!\\)(?:\\\\)*(\\(?:u[0-9a-fA-F]{0,3})?)\Z")
_ESCAPE_SEEN_BYTES = 4096
# A number or a word that the cut may have shortened.
_BROKEN_VALUE = re.compile(rb"(?<![^\s\"\[\]{}:,])[^\s\"\[\]{}:,]++\Z")
_CLOSED_BY = {b"{": b"}", b"[": b"]"}
_MOST_OPEN = 256
is_web_page_type = re.compile(rb"\s*(?:text/html|application/xhtml\+xml)\b", re.I).match
"""Whether a content type is that of HTML, which says little: much else is sent with it."""
# However it is spelled, what a server, a proxy or a page of maintenance sends to browsers.
_WEB_PAGE = re.compile(
    rb"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--.{0,1000}?-->\s*)?<(?:!doctype html|html)\b", re.I | re.S
)


def is_web_page(data: bytes) -> bool:
    """Whether an answer is HTML."""
    return _WEB_PAGE.match(data.removeprefix(BOM)) is not None


def read_document(data: bytes) -> Any:
    """The JSON value in these bytes; None if they are none."""
    try:
        return _decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        pass
    text = data.removeprefix(BOM).strip()
    # Sparing plain text the second look.
    if not text.startswith((b"{", b"[")) or not text.endswith((b"}", b"]")):
        return None
    try:
        return json.loads(text.decode("utf-8", "replace"), strict=False)
    except (ValueError, RecursionError):
        return None


def read_cut_document(data: bytes) -> Any:
    """The JSON value whose beginning these bytes are, without the member or the number that the cut went through.

    A string that was cut stays, shortened; all else that is told is told exactly. None if they begin no value.
    """
    data = data[:MOST_BYTES].removeprefix(BOM).rstrip()
    if not data.startswith((b"{", b"[")):
        return None
    outside = _STRING.sub(rb"\1", data)
    in_string = outside.find(b'"') >= 0
    if in_string:
        outside = outside[: outside.find(b'"')]
        broken = _BROKEN_ESCAPE.search(data[-_ESCAPE_SEEN_BYTES:])
        if broken is not None:
            data = data[: len(data) - len(broken[1])]
    else:
        broken = _BROKEN_VALUE.search(data[-_ESCAPE_SEEN_BYTES:])
        if broken is not None:
            data = data[: len(data) - len(broken[0])].rstrip()
        data = data.removesuffix(b",")
    closing = _closing(outside)
    if closing is None:
        return None
    # A value was cut, or the name of a member, or what follows that name.
    for between in (b'"', b'":null') if in_string else (b"", b"null", b":null"):
        value = read_document(data + between + closing)
        if value is not None:
            return value
    return None


def _closing(outside: bytes) -> bytes | None:
    """The brackets that close those left open; None if there are too many."""
    brackets, before = outside.translate(None, _ALL_BUT_BRACKETS), -1
    for _ in range(_MOST_OPEN):
        if len(brackets) == before:
            break
        before = len(brackets)
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
    if len(brackets) > _MOST_OPEN or b"]" in brackets or b"}" in brackets:
        return None
    return b"".join(_CLOSED_BY[brackets[i : i + 1]] for i in reversed(range(len(brackets))))
