"""Images that stand for those of a recording: of their type, width, height and size as files, and of one colour. Pure.

What an image shows is made up, and so are most of its bytes: they stand where decoders pass them over (a private chunk
of a PNG, comments in a JPEG, metadata of a WebP). The colour is drawn from what the image stands for, so that what
remembers images, by their bytes or their pixels, tells apart those that were different.

The colour stands near the beginning, and all that follows is the same for images of one type and size. That is kept in
base64: an agent sends its images again with every call.
"""

import base64
import struct
import zlib
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache
from hashlib import shake_128
from typing import NamedTuple

from replay.dialects.types import Size

PNG, JPEG, WEBP = "image/png", "image/jpeg", "image/webp"
_NOISE = shake_128(b"noise").digest(1 << 16)
_MOST_COMMENT_BYTES = 65_533
_COLOUR_BYTES = 6
_ROWS_AT_ONCE = 64
# What WebP has no size beyond.
_MOST_WEBP_SIDE = 16_384
_KEPT_BYTES = 64 << 20


class _Rest(NamedTuple):
    """What follows the beginning of an image: its first bytes, and the others in base64."""

    begin: bytes
    encoded: bytes


class Images:
    """Makes images in base64; keeps the rests of those that it made last, within a bound in bytes."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, Size, int], _Rest] = OrderedDict()
        self._kept_bytes = 0

    def __repr__(self) -> str:
        return f"<Images, {len(self._kept)} kept in {self._kept_bytes} bytes>"

    def encoded(self, seed: bytes, media_type: str, size: Size, size_bytes: int) -> tuple[str, bytes]:
        """An image in base64, the same for the same seed, and its media type: a PNG where another cannot be made.

        size_bytes: what it is to weigh. It falls short by up to 11 bytes, and is longer where that is less than such an
        image needs, which is a few hundred bytes, and for a JPEG of a million pixels 4 KiB.
        """
        if media_type not in _MAKERS or (media_type == WEBP and max(size) > _MOST_WEBP_SIDE):
            media_type = PNG
        made = _MAKERS[media_type]
        begin = made.begin(shake_128(seed).digest(_COLOUR_BYTES), size, size_bytes)
        rest = self._rest(media_type, size, size_bytes, len(begin))
        return media_type, base64.b64encode(begin + rest.begin) + rest.encoded

    def _rest(self, media_type: str, size: Size, size_bytes: int, begin_bytes: int) -> _Rest:
        key = (media_type, size, size_bytes)
        kept = self._kept.get(key)
        if kept is not None:
            self._kept.move_to_end(key)
            return kept
        rest = _MAKERS[media_type].rest(size, size_bytes - begin_bytes)
        # Three bytes are four characters: what is kept begins with a whole such group.
        spare = -begin_bytes % 3
        made = self._kept[key] = _Rest(rest[:spare], base64.b64encode(rest[spare:]))
        self._kept_bytes += len(made.encoded)
        while self._kept_bytes > _KEPT_BYTES:
            self._kept_bytes -= len(self._kept.popitem(last=False)[1].encoded)
        return made


class _Maker(NamedTuple):
    """begin(colour, size, size_bytes): the beginning of an image of so many bytes. rest(size, spare): what follows it,
    so many bytes, or more where it needs more.
    """

    begin: Callable[[bytes, Size, int], bytes]
    rest: Callable[[Size, int], bytes]


def _noise(length: int) -> bytes:
    return (_NOISE * (length // len(_NOISE) + 1))[:length]


def _begin_png(colour: bytes, size: Size, _size_bytes: int) -> bytes:
    """Of a palette of two, in one bit a pixel: https://www.w3.org/TR/png-3"""
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 1, 3, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + _chunk(b"PLTE", colour)


def _rest_of_png(size: Size, spare: int) -> bytes:
    end = _pixels(size) + _chunk(b"IEND", b"")
    spare -= len(end) + 12
    filler = _chunk(b"flLr", _noise(spare)) if spare >= 0 else b""
    return filler + end


def _chunk(kind: bytes, data: bytes) -> bytes:
    return b"%b%b%b%b" % (struct.pack(">I", len(data)), kind, data, struct.pack(">I", zlib.crc32(kind + data)))


@lru_cache(maxsize=64)
def _pixels(size: Size) -> bytes:
    row = bytes(1 + (size.width + 7) // 8)
    pack = zlib.compressobj(9)
    whole, left = divmod(size.height, _ROWS_AT_ONCE)
    packed = [pack.compress(row * _ROWS_AT_ONCE) for _ in range(whole)]
    return _chunk(b"IDAT", b"".join((*packed, pack.compress(row * left), pack.flush())))


# Codes of one bit and two: of a difference of nothing (0) or of three bits (10), and of the end of a block (0).
_DC_CODES = b"\xff\xc4" + struct.pack(">HB16B2B", 21, 0x00, 1, 1, *[0] * 14, 0, 3)
_AC_CODES = b"\xff\xc4" + struct.pack(">HB16BB", 20, 0x10, 1, *[0] * 15, 0)
_BLOCK = 8


def _begin_jpeg(colour: bytes, _size: Size, _size_bytes: int) -> bytes:
    """Up to the table of quantities, whose first says how light the grey is.

    ITU-T T.81: https://www.w3.org/Graphics/JPEG/itu-t81.pdf
    """
    begin = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    return begin + b"\xff\xdb\x00\x43\x00" + bytes([max(1, colour[0])]) + b"\x08" * 63


def _rest_of_jpeg(size: Size, spare: int) -> bytes:
    """Baseline, in grey: one level for all blocks, which the first one has, and no difference to it in the others."""
    head = b"\xff\xc0" + struct.pack(">HBHHBBBB", 11, 8, size.height, size.width, 1, 1, 0x11, 0)
    head += _DC_CODES + _AC_CODES
    blocks = -(-size.width // _BLOCK) * -(-size.height // _BLOCK)
    # 10, the three bits of a difference of four, and the end of the block; then two bits a block.
    used = 6 + 2 * (blocks - 1)
    data = bytearray((0b10_100_0 << 2).to_bytes() + bytes(used // 8))[: -(-used // 8)]
    if used % 8:
        # What is left of the last byte is filled with ones.
        data[-1] |= (1 << (8 - used % 8)) - 1
    end = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + data.replace(b"\xff", b"\xff\x00") + b"\xff\xd9"
    return head + _comments(spare - len(head) - len(end)) + end


def _comments(spare: int) -> bytes:
    parts = []
    while spare >= 4:
        length = min(spare - 4, _MOST_COMMENT_BYTES)
        # None too short is to be left over for a comment of its own.
        if 0 < spare - 4 - length < 4:
            length -= 4
        parts.append(b"\xff\xfe%b%b" % (struct.pack(">H", length + 2), _noise(length)))
        spare -= 4 + length
    return b"".join(parts)


_HAS_XMP = 0x04
_RIFF_BYTES, _CHUNK_BYTES = 12, 8


def _begin_webp(colour: bytes, size: Size, size_bytes: int) -> bytes:
    """Lossless, in one colour, which takes no bits a pixel:
    https://developers.google.com/speed/webp/docs/webp_lossless_bitstream_specification
    """
    bits, at = 0x2F, 8
    # Width and height less one, no transparency, version, no transform, no cache of colours, no meta codes.
    fields = [(size.width - 1, 14), (size.height - 1, 14), (0, 1), (0, 3), (0, 1), (0, 1), (0, 1)]
    # Green, red, blue, alpha: one symbol each, of eight bits; and no distance.
    for symbol in (colour[1], colour[0], colour[2], 0xFF):
        fields += [(1, 1), (0, 1), (1, 1), (symbol, 8)]
    fields += [(1, 1), (0, 1), (0, 1), (0, 1)]
    for value, width in fields:
        bits |= value << at
        at += width
    pixels = _riff_chunk(b"VP8L", bits.to_bytes(-(-at // 8), "little"))
    extended = struct.pack("<I", _HAS_XMP) + b"".join((side - 1).to_bytes(3, "little") for side in size)
    head = _riff_chunk(b"VP8X", extended) + pixels
    metadata_bytes = _metadata_bytes(size_bytes - _RIFF_BYTES - len(head))
    return b"RIFF%bWEBP%b" % (struct.pack("<I", 4 + len(head) + _CHUNK_BYTES + metadata_bytes), head)


def _rest_of_webp(_size: Size, spare: int) -> bytes:
    return _riff_chunk(b"XMP ", _noise(_metadata_bytes(spare)))


def _metadata_bytes(spare: int) -> int:
    """An even number, as chunks have."""
    return max(0, spare - _CHUNK_BYTES) & ~1


def _riff_chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


_MAKERS = {
    PNG: _Maker(_begin_png, _rest_of_png),
    JPEG: _Maker(_begin_jpeg, _rest_of_jpeg),
    WEBP: _Maker(_begin_webp, _rest_of_webp),
}
