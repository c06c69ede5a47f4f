"""What recorded requests to models carried beside their text, and what their answers counted."""

import base64
from pathlib import Path

import msgspec

from replay.dialects.images import size_of
from replay.trace.file.carried_rules import MOST_IMAGE_BYTES, MOST_IMAGES, MOST_TOOLS
from replay.trace.model_calls import call_by_counts, carried_by, definitions_told
from replay.trace.types import LlmCall
from tests.fuzz import seeds
from tests.fuzz.contract import Harness

_CUT = b"\n\x00\n"
_PATHS = (
    "/v1/chat/completions",
    "/v1/responses",
    "/v1/messages",
    "/v1beta/models/m:generateContent",
    "/model/m/converse",
)
_PNG = base64.b64encode(
    b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + (640).to_bytes(4, "big") + (480).to_bytes(4, "big") + b"\x08\x02\0\0\0"
).decode()
_ASKED = (
    {
        "model": "m",
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "messages": [
            {"content": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_PNG}"}}]}
        ],
    },
    {
        "model": "m",
        "input": [{"content": [{"type": "input_image", "image_url": f"data:image/png;base64,{_PNG}"}]}],
    },
    {
        "model": "m",
        "tools": [{"name": "f", "input_schema": {"type": "object"}}],
        "messages": [
            {
                "content": [
                    {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": _PNG}}
                ]
            }
        ],
    },
    {
        "tools": [{"functionDeclarations": [{"name": "f"}]}],
        "contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": _PNG}}]}],
    },
    {
        "toolConfig": {"tools": [{"toolSpec": {"name": "f"}}]},
        "messages": [{"content": [{"image": {"format": "png", "source": {"bytes": _PNG}}}]}],
    },
)
_COUNTED = b'{"usage":{"prompt_tokens":900,"completion_tokens":20,"input_tokens":900,"output_tokens":20}}'


def _seeds() -> list[bytes]:
    asked = [msgspec.json.encode(one) for one in _ASKED]
    answered = [_COUNTED, *seeds.streams()]
    return [*(one + _CUT + answer for one in asked for answer in answered[:3]), *answered]


def _feed(data: bytes, folder: Path) -> bool:
    asked, _, answer = data.partition(_CUT)
    carried = carried_by(asked)
    assert carried.tools >= 0
    assert all(image.size_bytes >= 0 for image in carried.images)
    size_of(data)
    told = definitions_told(asked.decode(errors="replace"))
    assert told is None or 0 < told.count <= MOST_TOOLS
    calls = [call_by_counts(path, asked, answer, lambda at: at % 7 + 1) for path in _PATHS]
    found = [call for call in calls if call is not None]
    for call in found:
        assert len(call.images) <= MOST_IMAGES
        assert sum(image.bytes for image in call.images) <= MOST_IMAGE_BYTES
        # What a trace may not have would be written, and refused when it is read.
        assert msgspec.json.decode(msgspec.json.encode(call), type=LlmCall) == call
    return bool(found)


HARNESSES = (
    Harness(
        "carried",
        _feed,
        (),
        _seeds,
        ("replay.trace.model_calls", "replay.dialects.carried", "replay.dialects.images"),
        (
            b'"tools":[',
            b'"image_url":',
            b"data:image/webp;base64,",
            b'"usage":',
            _CUT,
            b"RIFF",
            b"\xff\xd8\xff\xc0",
        ),
    ),
)
