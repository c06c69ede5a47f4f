"""Heads of answers: what their header blocks say, by a table of blocks seen before, or by the decoder of hpack.

We announce a header table of no size. Once the target has taken that to heart (it says so in a block of its own), a
block means the same whenever it comes, and one that was read before is looked up by its bytes. Until then, and for a
target that never does, each goes through the decoder of its connection, which keeps the target's table: with a table
of no more than 4096 bytes, which is what HTTP/2 begins with, nothing can be read wrong, and RFC 9113, section 4.3.1,
which has us end such a connection, is not followed in that.
"""

import re
from typing import NamedTuple

import hpack

from replay.dialects.documents import is_web_page_type
from replay.dialects.streams import is_event_stream
from replay.wire.answers import LONGEST_INSTANCE, Tells, is_coded, retry_after_s, says_cold
from replay.wire.http2.faults import (
    COMPRESSION_ERROR,
    ENHANCE_YOUR_CALM,
    PROTOCOL_ERROR,
    ConnectionFault,
    StreamFault,
)
from replay.wire.http2.requests import LEFT_OUT
from replay.wire.http2.settings import LONGEST_HEAD_BYTES
from replay.wire.types import STATUSES

_BLOCKS_MOST = 512
_BLOCK_MOST_BYTES = 4096
# A target whose heads never repeat (a request id in each) fills the table again and again for nothing.
_FILLED_MOST = 8
# RFC 9113, section 8.2.1.
_is_bad_name = re.compile(rb"[\x00-\x20A-Z\x7f-\xff]|(?!^):").search
_is_bad_value = re.compile(rb"[\x00\r\n]|^[ \t]|[ \t]$").search

_BODILESS = (b"204", b"304")

Fields = tuple[tuple[bytes, bytes], ...]


class Head(NamedTuple):
    """What an answer's head says. length: of its body, -1 where it does not say.

    coding: its Content-Encoding, where it has one. is_plain: it may have a body, which is what it seems to be, and says
    nothing else that is kept. fields: all of them, :status left out.
    """

    status: int
    length: int
    coding: bytes | None
    is_event_stream: bool
    instance: str | None
    cold: bool | None
    retry_after_s: float | None
    is_plain: bool
    is_page: bool
    fields: Fields


class KnownHeads:
    """Heads by their blocks, for all connections to one URL."""

    def __init__(self, tells: Tells) -> None:
        self.tells = tells
        self.of: dict[bytes, Head] = {}
        self._filled = 0

    def __repr__(self) -> str:
        return f"<KnownHeads {len(self.of)}>"

    def learn(self, block: bytes, head: Head) -> None:
        if len(block) > _BLOCK_MOST_BYTES or self._filled > _FILLED_MOST or head.retry_after_s is not None:
            return
        if len(self.of) >= _BLOCKS_MOST:
            self.of.clear()
            self._filled += 1
        self.of[block] = head


class HeadReader:
    """Reads the blocks of one connection, each of which has to come through here, or to be known.

    is_stateless: no block depends on one before it, so that those that are known need not be read.
    """

    __slots__ = ("_decoder", "_known", "is_stateless")

    def __init__(self, known: KnownHeads) -> None:
        self._known = known
        self._decoder = hpack.Decoder(LONGEST_HEAD_BYTES)
        self.is_stateless = False

    def fields(self, block: bytes) -> Fields:
        """What a block holds. Raises ConnectionFault where it holds nothing that can be read."""
        try:
            found = tuple((bytes(name), bytes(value)) for name, value in self._decoder.decode(block, raw=True))
        except hpack.OversizedHeaderListError as cause:
            raise ConnectionFault(ENHANCE_YOUR_CALM, "headers that have no end") from cause
        except hpack.HPACKError as cause:
            raise ConnectionFault(COMPRESSION_ERROR, "a header block that cannot be read") from cause
        self.is_stateless = self._decoder.header_table_size == 0
        return found

    def head(self, block: bytes) -> Head:
        """The head that a block is. Raises ConnectionFault, or StreamFault where it is none of an answer."""
        was_stateless = self.is_stateless
        fields = self.fields(block)
        head = read_head(fields, self._known.tells)
        if was_stateless and self.is_stateless and head.status >= 200:
            self._known.learn(block, head)
        return head


def read_head(fields: Fields, tells: Tells) -> Head:
    """Raises StreamFault where this is no head of an answer (RFC 9113, sections 8.2 and 8.3.2)."""
    if not fields or fields[0][0] != b":status":
        raise StreamFault(PROTOCOL_ERROR, "a head that does not begin with its status")
    text, fields = fields[0][1], fields[1:]
    # As bytes, of which only ASCII's digits are digits. 101 is none of HTTP/2 (section 8.6).
    if len(text) != 3 or not text.isdigit() or int(text) not in STATUSES or text == b"101":
        raise StreamFault(PROTOCOL_ERROR, "a status that HTTP/2 does not have")
    check_fields(fields)
    length, retry_after = -1, None
    coding: bytes | None = None
    is_stream = is_page = False
    instance: str | None = None
    cold: bool | None = None
    for name, value in fields:
        if name == b"content-length":
            if not value.isdigit() or len(value) > 18 or length not in (-1, int(value)):
                raise StreamFault(PROTOCOL_ERROR, "a length that is none, or another")
            length = int(value)
        elif name == b"content-type":
            is_stream, is_page = is_event_stream(value) is not None, is_web_page_type(value) is not None
        elif name == b"content-encoding":
            coding = value if is_coded(value) else None
        elif name == b"retry-after":
            retry_after = retry_after_s(value)
        # A target may tell both by one header.
        if name == tells.instance:
            instance = value.decode("latin-1")[:LONGEST_INSTANCE]
        if name == tells.cold:
            cold = says_cold(value)
    says_more = any(said is not None for said in (coding, instance, cold, retry_after))
    is_plain = not (says_more or is_stream or text in _BODILESS)
    return Head(int(text), length, coding, is_stream, instance, cold, retry_after, is_plain, is_page, fields)


def check_fields(fields: Fields) -> None:
    """Raises StreamFault where these are none that may follow a status, or be trailers."""
    for name, value in fields:
        if not name or name[0] == 0x3A or _is_bad_name(name) or _is_bad_value(value):
            raise StreamFault(PROTOCOL_ERROR, "a field that HTTP/2 does not have")
        if name in LEFT_OUT:
            raise StreamFault(PROTOCOL_ERROR, "a field of a connection of HTTP/1.1")
