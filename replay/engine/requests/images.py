"""Images that stand for those of a recording: of their type, width, height and size as files, and of one colour. Pure.

What an image shows is made up, and so are most of its bytes: they stand where decoders pass them over (a private chunk
of a PNG, comments in a JPEG, metadata of a WebP). The colour is drawn from what the image stands for, so that what
remembers images by their pixels tells apart those that were different.
"""

import struct
import zlib
from collections.abc import Callable
from functools import lru_cache
from hashlib import shake_128

from replay.dialects.images import Size

PNG, JPEG, WEBP = "image/png", "image/jpeg", "image/webp"
_NOISE_BYTES = 4096
_MOST_COMMENT_BYTES = 65_533
_COLOUR_BYTES = 6
# What WebP has no size beyond.
_MOST_WEBP_SIDE = 16_384


def image(seed: bytes, media_type: str, size: Size, size_bytes: int) -> tuple[str, bytes]:
    """An image, the same for the same seed, and its media type: a PNG where another cannot be made.

    size_bytes: what it is to weigh. It falls short by up to 11 bytes, and is longer where that is less than such an
    image needs, which is a few hundred bytes, and for a JPEG of a million pixels 4 KiB.
    """
    drawn = shake_128(seed).digest(_COLOUR_BYTES + _NOISE_BYTES)
    colour, noise = drawn[:_COLOUR_BYTES], drawn[_COLOUR_BYTES:]
    if media_type == WEBP and max(size) > _MOST_WEBP_SIDE:
        media_type = PNG
    make = _MAKERS.get(media_type, _png)
    return media_type if media_type in _MAKERS else PNG, make(colour, noise, size, size_bytes)


def _noise(noise: bytes, length: int) -> bytes:
    return (noise * (length // len(noise) + 1))[:length]


def _png(colour: bytes, noise: bytes, size: Size, size_bytes: int) -> bytes:
    """Of a palette of two, in one bit a pixel: https://www.w3.org/TR/png-3"""
    begin = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 1, 3, 0, 0, 0))
    begin += _chunk(b"PLTE", colour)
    end = _pixels(size) + _chunk(b"IEND", b"")
    spare = size_bytes - len(begin) - len(end) - 12
    filler = _chunk(b"flLr", _noise(noise, spare)) if spare >= 0 else b""
    return begin + filler + end


def _chunk(kind: bytes, data: bytes) -> bytes:
    return b"%b%b%b%b" % (struct.pack(">I", len(data)), kind, data, struct.pack(">I", zlib.crc32(kind + data)))


@lru_cache(maxsize=64)
def _pixels(size: Size) -> bytes:
    row = bytes(1 + (size.width + 7) // 8)
    pack = zlib.compressobj(9)
    packed = b"".join(pack.compress(row) for _ in range(size.height))
    return _chunk(b"IDAT", packed + pack.flush())


# Codes of one bit each: of a difference of nothing (0) or of eight bits (10), and of the end of a block (0).
_DC_CODES = b"\xff\xc4" + struct.pack(">HB16B2B", 21, 0x00, 1, 1, *[0] * 14, 0, 8)
_AC_CODES = b"\xff\xc4" + struct.pack(">HB16BB", 20, 0x10, 1, *[0] * 15, 0)
_BLOCK = 8


def _jpeg(colour: bytes, noise: bytes, size: Size, size_bytes: int) -> bytes:
    """Baseline, in grey: one level for all blocks, which the first one has, and no difference to it in the others.

    ITU-T T.81: https://www.w3.org/Graphics/JPEG/itu-t81.pdf
    """
    begin = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    begin += b"\xff\xdb\x00\x43\x00" + b"\x04" * 64
    begin += b"\xff\xc0" + struct.pack(">HBHHBBBB", 11, 8, size.height, size.width, 1, 1, 0x11, 0)
    begin += _DC_CODES + _AC_CODES
    blocks = -(-size.width // _BLOCK) * -(-size.height // _BLOCK)
    # 10, the eight bits of a difference, and the end of the block; then two bits a block.
    used = 11 + 2 * (blocks - 1)
    data = bytearray((0b10 << 14 | colour[0] << 6).to_bytes(2) + bytes(-(-used // 8)))[: -(-used // 8)]
    if used % 8:
        # What is left of the last byte is filled with ones.
        data[-1] |= (1 << (8 - used % 8)) - 1
    scan = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" + data.replace(b"\xff", b"\xff\x00")
    end = scan + b"\xff\xd9"
    return begin + _comments(noise, size_bytes - len(begin) - len(end)) + end


def _comments(noise: bytes, spare: int) -> bytes:
    parts = []
    while spare >= 4:
        length = min(spare - 4, _MOST_COMMENT_BYTES)
        # None too short is to be left over for a comment of its own.
        if 0 < spare - 4 - length < 4:
            length -= 4
        parts.append(b"\xff\xfe%b%b" % (struct.pack(">H", length + 2), _noise(noise, length)))
        spare -= 4 + length
    return b"".join(parts)


_HAS_XMP = 0x04


def _webp(colour: bytes, noise: bytes, size: Size, size_bytes: int) -> bytes:
    """Lossless, in one colour, which takes no bits a pixel: https://developers.google.com/speed/webp/docs/webp_lossless_bitstream_specification"""
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
    spare = max(0, size_bytes - 12 - len(head) - 8)
    body = b"WEBP" + head + _riff_chunk(b"XMP ", _noise(noise, spare - spare % 2))
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _riff_chunk(kind: bytes, data: bytes) -> bytes:
    return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)


_MAKERS: dict[str, Callable[[bytes, bytes, Size, int], bytes]] = {PNG: _png, JPEG: _jpeg, WEBP: _webp}
