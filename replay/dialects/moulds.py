"""Knows an event again by its bytes: one that differs from an event that was read only where that says nothing new.

Events of one stream differ in one string, nearly always: the text that makes them tokens. So of such an event the
bytes around that string are kept, as a mould. Another event with the same bytes around another string that is not
empty says the same, and is a token too; that is exact, whatever the layout. Numbers and paddings that no dialect
reads may differ as well. Whatever does not fit is to be parsed.
"""

import re
from collections.abc import Callable
from typing import Any

from replay.dialects.documents import read_document

# One without its end is found too, and is no JSON: else what it holds would be looked through from each quote in it.
_STRING = re.compile(rb'"((?:[^"\\]|\\.)*+)"?')
_match_inside = re.compile(rb"(?:[^\"\\\r\n]++|\\(?:[\"\\/bfnrt]|u[0-9a-fA-F]{4}))++").match
_match_number = re.compile(rb"0|[1-9][0-9]*+").match
# A quotation mark inside of a string is escaped: what stands here is the name of a member, or ends like it.
_PADDING = rb'"(?:%s)"\s*:\s*(?:"([^"\\\r\n]+)"|([0-9]+))'
_PADDINGS = re.compile(_PADDING % b"sequence_number|obfuscation")
# Servers that put the time or a new id into each event are few, and passing over them takes time.
_LOOSE_PADDINGS = re.compile(_PADDING % b"sequence_number|obfuscation|created|id")
_PROOF = b"no model says this"


class Mould:
    """The bytes of an event around the places that may differ."""

    __slots__ = ("_begin", "_begin_bytes", "_rest")

    def __init__(self, begin: bytes, rest: list[tuple[Callable[..., Any], bytes, int]]) -> None:
        """rest: after each place, how it is passed over, and which bytes, how many, follow it."""
        self._begin, self._begin_bytes = begin, len(begin)
        self._rest = rest

    def fits(self, block: bytes) -> bool:
        if not block.startswith(self._begin):
            return False
        at = self._begin_bytes
        for match, piece, piece_bytes in self._rest:
            found = match(block, at)
            if found is None:
                return False
            at = found.end()
            if not block.startswith(piece, at):
                return False
            at += piece_bytes
        return at == len(block)


def mould_of(block: bytes, text: str, read: Callable[[bytes], Any], is_loose: bool) -> Mould | None:
    """The mould of an event that this one text makes a token; None where that text is not found in it.

    read: what an event's bytes show, without noting it; it proves that the place found is the text's.
    is_loose: times and ids may differ too.
    """
    place = _place_of(block, text)
    if place is None or read(block[: place[0]] + _PROOF + block[place[1] :]) != _PROOF.decode():
        return None
    places = [(*place, _match_inside)]
    if is_loose or b'"sequence_number"' in block or b'"obfuscation"' in block:
        for found in (_LOOSE_PADDINGS if is_loose else _PADDINGS).finditer(block):
            if found.end() < place[0] or found.start() > place[1]:
                is_number = found[1] is None
                places.append((*found.span(1 + is_number), _match_number if is_number else _match_inside))
    places.sort(key=lambda place: place[0])
    ends = [begin for begin, _, _ in places[1:]] + [len(block)]
    pieces = [block[end:until] for (_, end, _), until in zip(places, ends, strict=True)]
    return Mould(
        block[: places[0][0]],
        [(match, piece, len(piece)) for (_, _, match), piece in zip(places, pieces, strict=True)],
    )


def _place_of(block: bytes, text: str) -> tuple[int, int] | None:
    """Where the inside of the first string with this text begins and ends."""
    if text.isascii() and text.isprintable():
        plain = text.encode()
        at = block.find(b'"' + plain + b'"')
        if at >= 0:
            return at + 1, at + 1 + len(plain)
    for found in _STRING.finditer(block):
        if read_document(found[0]) == text:
            return found.span(1)
    return None
