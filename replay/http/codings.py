"""Content codings (RFC 9110, section 8.4.1): bodies without them, whole or as they come, never larger than allowed.

gzip and deflate (with or without zlib's wrapper, since servers send both), br (RFC 7932), zstd (RFC 8878), and several
of them one after the other. What is not to be trusted is how large a body unfolds: a kilobyte may hold a gigabyte.
"""

import io
import zlib
from typing import Protocol

import brotli
import zstandard

_GZIP_OR_ZLIB = 47  # wbits: 32 to tell the two apart, 15 for the window
_RAW_DEFLATE = -15
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


def uncoder(content_encoding: str, most_bytes: int) -> Uncoder | None:
    """For a body that comes in parts, in one coding; None for several, and for zstd, whose output has no bound.

    most_bytes: what may come of one part.
    """
    codings = codings_of(content_encoding)
    if codings is None or len(codings) != 1 or codings[0] == "zstd":
        return None
    return _Brotli(most_bytes) if codings[0] == "br" else _Inflate(most_bytes)


class _Inflate:
    """gzip and deflate, the latter with zlib's wrapper or without."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._inflate = zlib.decompressobj(_GZIP_OR_ZLIB)
        # The wrapper shows in the first two bytes, which may come one by one.
        self._head = b""
        self._has_begun = False

    @property
    def is_whole(self) -> bool:
        return self._inflate.eof

    def feed(self, data: bytes) -> bytes:
        if not self._has_begun:
            data = self._head + data
            if len(data) < 2:
                self._head = data
                return b""
        try:
            plain = self._decompressed(data)
        except zlib.error as cause:
            raise CodingError(str(cause)) from cause
        if self._inflate.unconsumed_tail:
            raise CodingError("larger than allowed")
        self._has_begun = True
        return plain

    def _decompressed(self, data: bytes) -> bytes:
        try:
            return self._inflate.decompress(data, self._most_bytes)
        except zlib.error:
            if self._has_begun:
                raise
            self._inflate = zlib.decompressobj(_RAW_DEFLATE)
            return self._inflate.decompress(data, self._most_bytes)


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
    decompressor = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW_BYTES)
    try:
        with decompressor.stream_reader(io.BytesIO(body), read_across_frames=True) as reader:
            plain = reader.read(most_bytes + 1)
    except zstandard.ZstdError:
        return None
    # A frame that was cut reads as a shorter one; its header tells how long it is, where it does.
    stated = zstandard.frame_content_size(body) if body else -1
    is_cut = stated > len(plain)
    return None if len(plain) > most_bytes or is_cut else plain
