"""What a request to a model carries beside its text, in whatever layout: images, and definitions of tools.

| layout | an image in base64 | definitions |
|---|---|---|
| openai-chat | `image_url.url`, a data URL | `tools`; `functions`, as they were once |
| openai-responses | `image_url`, a data URL | `tools` |
| anthropic-messages | `source` with `media_type` and `data` | `tools` |
| gemini-generate | `inlineData` with `mimeType` and `data` | `functionDeclarations` in `tools` |
| bedrock-converse | `image` with `format`, and `bytes` in its `source` | `tools` in `toolConfig` |

Images that are told by an address alone are not in the request, and have no size here.
"""

import base64
import binascii
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, NamedTuple

import msgspec

from replay.dialects.images import HEAD_BYTES, is_image_type, size_of
from replay.dialects.types import Size

DEFINITION_TOKENS = 32
"""What stands around the words of a tool's definition, at about four bytes a token."""

_DATA_URL = "data:"
_MOST_PLACES = 1_000_000
# A profile, a preview or other metadata may stand before what tells a JPEG's size.
_LONG_HEAD_BYTES = 256 << 10
_ID_BYTES = 6


class CarriedImage(NamedTuple):
    """size: None where the image does not tell it. id: the same for the same image."""

    media_type: str
    size_bytes: int
    size: Size | None
    id: int


class Carried(NamedTuple):
    """images: in order. tools: how many definitions, of tool_bytes as JSON."""

    images: tuple[CarriedImage, ...] = ()
    tools: int = 0
    tool_bytes: int = 0


def carried_in(document: Any) -> Carried:
    """What the document of a request carries."""
    if not isinstance(document, dict):
        return Carried()
    found = tuple(images_in(document))
    tools = tools_in(document)
    return Carried(found, len(tools), len(msgspec.json.encode(tools)) if tools else 0)


def images_in(document: Any) -> Iterator[CarriedImage]:
    """The images anywhere in a document, or in a part of one, in order."""
    waiting, places = [document], 0
    while waiting and places < _MOST_PLACES:
        part = waiting.pop()
        places += 1
        if isinstance(part, list):
            waiting += reversed(part)
        elif isinstance(part, dict):
            image = _image_of(part)
            if image is not None:
                yield image
            else:
                waiting += reversed(list(part.values()))


def tools_in(document: dict[str, Any]) -> list[Any]:
    """The definitions of tools in a request's document."""
    config = document.get("toolConfig")
    tools = document.get("tools") or (config.get("tools") if isinstance(config, dict) else None)
    tools = tools or document.get("functions")
    if not isinstance(tools, list):
        return []
    found: list[Any] = []
    for tool in tools:
        declared = tool.get("functionDeclarations") if isinstance(tool, dict) else None
        found += declared if isinstance(declared, list) else [tool]
    return found


def _image_of(part: dict[str, Any]) -> CarriedImage | None:
    """The image that an object is, whatever layout it is in."""
    url = part.get("image_url")
    if isinstance(url, dict):
        url = url.get("url")
    if isinstance(url, str):
        return _of_data_url(url)
    inner = part.get("inlineData", part.get("inline_data"))
    if isinstance(inner, dict):
        return _of_base64(inner.get("mimeType", inner.get("mime_type")), inner.get("data"))
    source = part.get("source")
    if isinstance(source, dict):
        if "bytes" in source:
            return _of_base64(f"image/{part.get('format')}", source["bytes"])
        return _of_base64(source.get("media_type"), source.get("data"))
    return None


def _of_data_url(url: str) -> CarriedImage | None:
    head, comma, data = url.partition(",")
    media_type, _, coding = head.removeprefix(_DATA_URL).partition(";")
    if not comma or not head.startswith(_DATA_URL) or not coding.endswith("base64"):
        return None
    return _of_base64(media_type, data)


def _of_base64(media_type: Any, data: Any) -> CarriedImage | None:
    if not isinstance(media_type, str) or not isinstance(data, str):
        return None
    media_type = media_type.lower().replace("image/jpg", "image/jpeg")
    if not is_image_type(media_type):
        return None
    size = _size_of(data, HEAD_BYTES) or _size_of(data, _LONG_HEAD_BYTES)
    length = len(data) * 3 // 4 - data[-2:].count("=")
    told = blake2b(data.encode("utf-8", "replace"), digest_size=_ID_BYTES)
    return CarriedImage(media_type, max(0, length), size, int.from_bytes(told.digest()))


def _size_of(data: str, most_bytes: int) -> Size | None:
    begins = data[: most_bytes // 3 * 4]
    try:
        return size_of(base64.b64decode(begins[: len(begins) // 4 * 4]))
    except (binascii.Error, ValueError):
        return None
