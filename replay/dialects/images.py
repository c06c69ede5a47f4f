"""How large an image is, told by its first bytes, and how many tokens models count for it."""

import re
from math import ceil

from replay.dialects.types import Size

HEAD_BYTES = 300
"""So much of an image tells its size, where no profile or preview stands before that."""

_PNG, _JPEG, _GIF, _RIFF = b"\x89PNG\r\n\x1a\n", b"\xff\xd8", (b"GIF87a", b"GIF89a"), b"RIFF"
_STARTS_FRAME = frozenset((0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF))


def size_of(data: bytes) -> Size | None:
    """The size of a PNG, JPEG, GIF or WebP by how it begins; None where that does not tell."""
    found = _size_of(data)
    return found if found is not None and min(found) > 0 else None


def _size_of(data: bytes) -> Size | None:
    if data.startswith(_PNG) and len(data) >= 24:
        return Size(int.from_bytes(data[16:20]), int.from_bytes(data[20:24]))
    if data.startswith(_GIF) and len(data) >= 10:
        return Size(int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little"))
    if data.startswith(_RIFF) and data[8:12] == b"WEBP" and len(data) >= 30:
        return _size_of_webp(data)
    return _size_of_jpeg(data) if data.startswith(_JPEG) else None


def _size_of_webp(data: bytes) -> Size | None:
    """https://developers.google.com/speed/webp/docs/riff_container"""
    kind = data[12:16]
    if kind == b"VP8X":
        return Size(1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little"))
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return Size(1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF))
    if kind == b"VP8 ":
        width, height = (int.from_bytes(data[at : at + 2], "little") & 0x3FFF for at in (26, 28))
        return Size(width, height)
    return None


def _size_of_jpeg(data: bytes) -> Size | None:
    """It stands in the segment that starts the frame (ITU-T T.81, B.2.2)."""
    at = 2
    while at + 9 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker in _STARTS_FRAME:
            return Size(int.from_bytes(data[at + 7 : at + 9]), int.from_bytes(data[at + 5 : at + 7]))
        # A marker may be filled up with further FF.
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4])
    return None


_MEDIA_TYPE = re.compile(r"image/[a-z0-9.+\-]{1,40}").fullmatch


def is_image_type(media_type: str) -> bool:
    """Whether this is the media type of an image."""
    return _MEDIA_TYPE(media_type) is not None


_MOST_SIDE, _SHORT_SIDE, _TILE = 2048, 768, 512


def tokens_by_tiles(size: Size) -> int:
    """As OpenAI counts for its models of 4o's kind: fitted into 2,048 pixels, the shorter side then at most 768, 170
    for each tile of 512, and 85. Other models of theirs count by patches.

    Source: https://platform.openai.com/docs/guides/images-vision#calculating-costs
    """
    width, height = _fitted(size, _MOST_SIDE)
    scale = min(1.0, _SHORT_SIDE / min(width, height))
    return 85 + 170 * ceil(width * scale / _TILE) * ceil(height * scale / _TILE)


_ANTHROPIC_SIDE, _PIXELS_A_TOKEN = 1568, 750


def tokens_by_pixels(size: Size) -> int:
    """As Anthropic counts: fitted into 1,568 pixels, a token for each 750.

    Source: https://docs.anthropic.com/en/docs/build-with-claude/vision#calculate-image-costs
    """
    width, height = _fitted(size, _ANTHROPIC_SIDE)
    return ceil(width * height / _PIXELS_A_TOKEN)


_SMALL, _GEMINI_TILE, _GEMINI_TOKENS = 384, 768, 258


def tokens_by_large_tiles(size: Size) -> int:
    """As Gemini counts: 258 for a small image, and else for each tile of 768 pixels.

    Source: https://ai.google.dev/gemini-api/docs/tokens#multimodal-tokens
    """
    if max(size) <= _SMALL:
        return _GEMINI_TOKENS
    return _GEMINI_TOKENS * ceil(size.width / _GEMINI_TILE) * ceil(size.height / _GEMINI_TILE)


def _fitted(size: Size, most: int) -> tuple[float, float]:
    scale = min(1.0, most / max(size))
    return size.width * scale, size.height * scale
