"""Anthropic messages: a stream of typed events, of which content_block_delta brings content.

message_start (usage so far), then for each block content_block_start (a tool's name), its deltas and
content_block_stop, then message_delta (stop_reason, output tokens until now) and message_stop; pings anywhere.

Source: https://docs.anthropic.com/en/docs/build-with-claude/streaming
"""

from collections.abc import Sequence
from typing import Any

from replay.dialects.facts import Facts
from replay.dialects.images import tokens_by_pixels
from replay.dialects.types import Answering, Carrying, Dialect, Document, Prompting, Scripted, Shown

_EVENTS = frozenset(
    (
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    )
)
# By a delta's type what it shows is in text (text_delta), thinking or partial_json (input_json_delta). A
# signature_delta and a citations_delta are about content that was shown, and are none. A thought that is not to be read
# comes in the data of the block itself (redacted_thinking), all at once.
_TEXTS = ("text", "thinking", "partial_json", "data")


def _is_event(_document: Document, kind: str) -> bool:
    return kind in _EVENTS


def _is_body(document: Document) -> bool:
    return document.get("type") == "message"


def _read_event(document: Document, kind: str, facts: Facts) -> Shown:
    if kind == "content_block_delta":
        return _shown_by(document.get("delta"))
    if kind == "content_block_start":
        block = document.get("content_block")
        _note_tools([block], facts)
        return _shown_by(block)
    if kind == "message_delta":
        delta = document.get("delta")
        if isinstance(delta, dict):
            facts.note_finish(delta.get("stop_reason"))
    elif kind == "message_stop":
        facts.has_said_end = True
    elif kind == "message_start":
        message = document.get("message")
        if isinstance(message, dict):
            _read_body(message, facts)
    return ""


def _read_body(document: Document, facts: Facts) -> None:
    facts.note_finish(document.get("stop_reason"))
    _note_tools(document.get("content"), facts)


def _shown_by(delta: Any) -> Shown:
    if isinstance(delta, dict):
        for name in _TEXTS:
            text = delta.get(name)
            if text and isinstance(text, str):
                return text
    return ""


def _note_tools(blocks: Any, facts: Facts) -> None:
    """tool_use, server_tool_use and mcp_tool_use name a tool."""
    for block in blocks if isinstance(blocks, list) else ():
        if isinstance(block, dict) and str(block.get("type")).endswith("tool_use"):
            facts.note_tool(block.get("name"))


def _opening(model: bytes) -> bytes:
    return b'{"model":' + model + b',"messages":[{"role":"user","content":"'


def _closing(limit: int, is_stream: bool, ignores_eos: bool) -> bytes:
    return b'"}],"max_tokens":%d,"stream":%b}' % (limit, b"true" if is_stream else b"false")


def _image(media_type: bytes, data: bytes) -> bytes:
    return b'{"type":"image","source":{"type":"base64","media_type":"%b","data":"%b"}}' % (media_type, data)


def _with_images(model: bytes, images: Sequence[bytes]) -> bytes:
    parts = b",".join([*images, b'{"type":"text","text":"'])
    return b'{"model":%b,"messages":[{"role":"user","content":[%b' % (model, parts)


def _tool(name: bytes, description: bytes, schema: bytes) -> bytes:
    return b'{"name":"%b","description":"%b","input_schema":%b}' % (name, description, schema)


def _tools(definitions: bytes) -> bytes:
    return b'"tools":[%b],"tool_choice":{"type":"none"}' % definitions


def _event(kind: bytes, fields: bytes = b"") -> bytes:
    return b'event: %b\ndata: {"type":"%b"%b}\n\n' % (kind, kind, fields)


def _message(name: bytes, content: bytes, stop_reason: bytes, prompt: int, tokens: int) -> bytes:
    return (
        b'{"id":"msg_%b","type":"message","role":"assistant","model":"modelled","content":[%b],"stop_reason":%b,'
        b'"stop_sequence":null,"usage":{"input_tokens":%d,"output_tokens":%d}}'
        % (name, content, stop_reason, prompt, tokens)
    )


def _begin(answer: Scripted) -> Sequence[bytes]:
    message = _message(answer.name, b"", b"null", answer.prompt, 0)
    return (
        _event(b"message_start", b',"message":' + message),
        _event(b"content_block_start", b',"index":0,"content_block":{"type":"text","text":""}'),
    )


def _token(_name: bytes, text: bytes) -> bytes:
    return _event(b"content_block_delta", b',"index":0,"delta":{"type":"text_delta","text":"%b"}' % text)


def _end(answer: Scripted, _text: bytes) -> Sequence[bytes]:
    return (
        _event(b"content_block_stop", b',"index":0'),
        _event(
            b"message_delta",
            b',"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":%d}'
            % answer.tokens,
        ),
        _event(b"message_stop"),
    )


def _whole(answer: Scripted, text: bytes) -> bytes:
    content = b'{"type":"text","text":"%b"}' % text
    return _message(answer.name, content, b'"end_turn"', answer.prompt, answer.tokens)


ANTHROPIC_MESSAGES = Dialect(
    "anthropic-messages",
    "model",
    _is_event,
    _is_body,
    _read_event,
    _read_body,
    paths=(r"/v\d[^/]*/messages",),
    limits=("max_tokens",),
    prompting=Prompting(
        "/v1/messages",
        _opening,
        _closing,
        carrying=Carrying(_image, _with_images, b'"}]', tokens_by_pixels, _tool, _tools),
    ),
    answering=Answering(_whole, _begin, _token, _end),
)
