"""Content codings (RFC 9110, section 8.4.1): bodies without them, whole or as they come, never larger than allowed.

gzip and deflate (with or without zlib's wrapper, since servers send both), br (RFC 7932), zstd (RFC 8878), and several
of them one after the other. What is not to be trusted is how large a body unfolds: a kilobyte may hold a gigabyte.
"""

import zlib
from typing import Any, Protocol

import brotli
import zstandard

_GZIP_OR_ZLIB = 47  # wbits: 32 to tell the two apart, 15 for the window
_RAW_DEFLATE = -15
_GZIP_MAGIC = b"\x1f\x8b"
_SLICE_BYTES = 4096
# A block of four bytes may stand for 128 KiB of one byte (RFC 8878, section 3.1.1.2): no more than 2 MiB at a time.
_ZSTD_SLICE_BYTES = 64
_LARGEST_WINDOW_BYTES = 8 << 20
_MOST_CODINGS = 3
_PLAIN = ("", "identity")


class CodingError(ValueError):
    """A body that is not in the coding that it is said to be in, or is larger than allowed."""


class Uncoder(Protocol):
    """Takes a coding off a body that comes in parts."""

    def feed(self, data: bytes) -> bytes:
        """What these bytes bring. Raises CodingError."""


def codings_of(content_encoding: str) -> list[str] | None:
    """The codings of a Content-Encoding, in the order in which they come off; None where one is not known."""
    named = [coding.strip().lower().removeprefix("x-") for coding in content_encoding.split(",")]
    found = [coding for coding in reversed(named) if coding not in _PLAIN]
    if len(found) > _MOST_CODINGS or any(coding not in ("gzip", "deflate", "br", "zstd") for coding in found):
        return None
    return found


def uncoded(body: bytes, content_encoding: str, most_bytes: int) -> bytes | None:
    """A whole body without its codings; None where one is not known, the body is cut, or it is larger than allowed."""
    codings = codings_of(content_encoding)
    if codings is None or (codings and len(body) > most_bytes):
        return None
    for coding in codings:
        plain = _unzstd(body, most_bytes) if coding == "zstd" else _whole(body, coding, most_bytes)
        if plain is None:
            return None
        body = plain
    return body


def uncoded_so_far(body: bytes, content_encoding: str, most_bytes: int) -> bytes | None:
    """As `uncoded`, of a body that need not have come to its end, in one of the codings that `uncoder` takes off."""
    coded = uncoder(content_encoding, most_bytes)
    if coded is None:
        return uncoded(body, content_encoding, most_bytes)
    try:
        return coded.feed(body)
    except CodingError:
        return None


def uncoder(content_encoding: str, most_bytes: int) -> Uncoder | None:
    """For a body that comes in parts, in one coding; None for several, and for zstd, whose output has no bound.

    most_bytes: what may come of one part.
    """
    codings = codings_of(content_encoding)
    if codings is None or len(codings) != 1 or codings[0] == "zstd":
        return None
    return _Brotli(most_bytes) if codings[0] == "br" else _Inflate(most_bytes)


class _Inflate:
    """gzip, of one member or several (RFC 1952, section 2.2), and deflate, with zlib's wrapper or without.

    What follows the last member is no part of the body, and is passed over as browsers do.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        # None: between members, or before the first.
        self._inflate: Any = None
        # The wrapper shows in the first two bytes, which may come one by one.
        self._head = b""
        self._is_first = True
        self._is_gzip = False
        self._is_over = False

    @property
    def is_whole(self) -> bool:
        return self._inflate is None and not self._is_first

    def feed(self, data: bytes) -> bytes:
        if self._is_over:
            return b""
        # What follows a member is copied when it ends: in small slices, so that many members cost no more than few.
        rest = memoryview(self._head + data)
        self._head = b""
        plain = bytearray()
        left = b""
        try:
            while (left or rest) and not self._is_over:
                if not left:
                    left, rest = bytes(rest[:_SLICE_BYTES]), rest[_SLICE_BYTES:]
                if self._inflate is None:
                    if len(left) < 2:
                        left, rest = left + bytes(rest[:_SLICE_BYTES]), rest[_SLICE_BYTES:]
                    if len(left) < 2:
                        self._head = left
                        break
                    left = self._begun(left, plain)
                else:
                    left = self._inflated(left, plain)
        except zlib.error as cause:
            raise CodingError(str(cause)) from cause
        return bytes(plain)

    def _begun(self, data: bytes, plain: bytearray) -> bytes:
        """Take the beginning of a member; what is left after its end."""
        self._is_gzip = data.startswith(_GZIP_MAGIC)
        if not self._is_first and not self._is_gzip:
            self._is_over = True
            return b""
        self._inflate = zlib.decompressobj(_GZIP_OR_ZLIB)
        try:
            left = self._inflated(data, plain)
        except zlib.error:
            if self._is_gzip:
                raise
            self._inflate = zlib.decompressobj(_RAW_DEFLATE)
            left = self._inflated(data, plain)
        self._is_first = False
        return left

    def _inflated(self, data: bytes, plain: bytearray) -> bytes:
        """Add what these bytes bring to the plain ones; what is left after the end of the member."""
        # One more than allowed, since 0 would be no bound at all.
        plain += self._inflate.decompress(data, self._most_bytes - len(plain) + 1)
        if len(plain) > self._most_bytes:
            raise CodingError("larger than allowed")
        if not self._inflate.eof:
            return b""
        left: bytes = self._inflate.unused_data
        self._inflate = None
        # Only gzip has members.
        self._is_over = not self._is_gzip
        return left


class _Brotli:
    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._decompressor = brotli.Decompressor()

    @property
    def is_whole(self) -> bool:
        return bool(self._decompressor.is_finished())

    def feed(self, data: bytes) -> bytes:
        try:
            plain: bytes = self._decompressor.process(data, output_buffer_limit=self._most_bytes)
            if not self._decompressor.can_accept_more_data() and not self._decompressor.is_finished():
                raise CodingError("larger than allowed")
        except brotli.error as cause:
            raise CodingError(str(cause)) from cause
        return plain


def _whole(body: bytes, coding: str, most_bytes: int) -> bytes | None:
    reader = _Brotli(most_bytes) if coding == "br" else _Inflate(most_bytes)
    try:
        plain = reader.feed(body)
    except CodingError:
        return None
    return plain if reader.is_whole else None


def _unzstd(body: bytes, most_bytes: int) -> bytes | None:
    """Of one frame or several (RFC 8878, section 3.1); a frame that was cut is none."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW_BYTES)
    plain = bytearray()
    frame = None
    rest = memoryview(body)
    left = b""
    try:
        while left or rest:
            if not left:
                left, rest = bytes(rest[:_ZSTD_SLICE_BYTES]), rest[_ZSTD_SLICE_BYTES:]
            frame = frame or decompressor.decompressobj()
            plain += frame.decompress(left)
            if len(plain) > most_bytes:
                return None
            left = frame.unused_data
            if frame.eof:
                frame = None
    except zstandard.ZstdError:
        return None
    return bytes(plain) if frame is None else None
