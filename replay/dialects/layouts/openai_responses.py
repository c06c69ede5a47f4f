"""OpenAI Responses: a stream of typed events, of which those called `...delta` and `...partial_image` bring content.

`response.completed`, `.incomplete`, `.failed` and `.cancelled` end it, and hold the whole response with its usage.

On a WebSocket the same events come as messages; a message out is `response.create`, with the fields of a request, and
goes on from an earlier answer by `previous_response_id`.

Source: https://platform.openai.com/docs/api-reference/responses-streaming and /docs/guides/websocket-mode
"""

import json
from collections.abc import Sequence
from typing import Any

from replay.dialects.errors import is_told
from replay.dialects.facts import Facts
from replay.dialects.images import tokens_by_tiles
from replay.dialects.types import Answering, Carrying, Conversing, Dialect, Document, Prompting, Scripted, Shown

_LONGEST_ID = 1_000
_ENDS = frozenset(("response.completed", "response.incomplete", "response.failed", "response.cancelled"))


def _is_event(_document: Document, kind: str) -> bool:
    return kind.startswith("response.")


def _is_body(document: Document) -> bool:
    return document.get("object") == "response"


def _read_event(document: Document, kind: str, facts: Facts) -> Shown:
    if kind.endswith(".delta"):
        delta = document.get("delta")
        return delta if isinstance(delta, str) else bool(delta)
    if kind.endswith(".partial_image"):
        return bool(document.get("partial_image_b64"))
    item = document.get("item")
    if item is not None:
        _note_tools([item], facts)
    if kind in _ENDS:
        facts.has_said_end = True
        if kind == "response.failed":
            facts.note_error("model_error")
    response = document.get("response")
    if isinstance(response, dict):
        _read_body(response, facts)
    return ""


def _read_body(document: Document, facts: Facts) -> None:
    status = document.get("status")
    if status == "failed" or is_told(document.get("error")):
        facts.note_error("model_error")
    if status in ("completed", "failed", "cancelled"):
        facts.note_finish(status)
    elif status == "incomplete":
        details = document.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, dict) else None
        facts.note_finish(reason or status)
    _note_tools(document.get("output"), facts)


def _note_tools(items: Any, facts: Facts) -> None:
    """Every call of a tool is an item with a name: function_call, custom_tool_call, mcp_call."""
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and str(item.get("type")).endswith("_call"):
            facts.note_tool(item.get("name"))


def _opening(model: bytes) -> bytes:
    return b'{"model":' + model + b',"input":"'


def _closing(limit: int, is_stream: bool, ignores_eos: bool) -> bytes:
    return b'","max_output_tokens":%d,"stream":%b,"store":false}' % (limit, b"true" if is_stream else b"false")


def _image(media_type: bytes, data: bytes) -> bytes:
    return b'{"type":"input_image","image_url":"data:%b;base64,%b","detail":"auto"}' % (media_type, data)


def _input(model: bytes, images: Sequence[bytes]) -> bytes:
    parts = b",".join([*images, b'{"type":"input_text","text":"'])
    return b'"model":%b,"input":[{"role":"user","content":[%b' % (model, parts)


def _with_images(model: bytes, images: Sequence[bytes]) -> bytes:
    return b"{" + _input(model, images)


def _socket_with_images(model: bytes, images: Sequence[bytes]) -> bytes:
    return b'{"type":"response.create",' + _input(model, images)


def _tool(name: bytes, description: bytes, schema: bytes) -> bytes:
    said = (name, description, schema)
    return b'{"type":"function","name":"%b","description":"%b","parameters":%b,"strict":false}' % said


def _tools(definitions: bytes) -> bytes:
    return b'"tools":[%b],"tool_choice":"none"' % definitions


def _socket_opening(model: bytes) -> bytes:
    return b'{"type":"response.create","model":' + model + b',"input":"'


def _socket_closing(limit: int) -> bytes:
    # Neither is there a stream to be asked for, nor are answers to be stored: the connection keeps the latest.
    return b'","max_output_tokens":%d,"store":false}' % limit


def _following(message: bytes, earlier: str) -> bytes:
    return b'%b,"previous_response_id":%b}' % (message[:-1], json.dumps(earlier).encode())


def _id_of(document: Document) -> str | None:
    response = document.get("response")
    found = response.get("id") if isinstance(response, dict) else None
    return found if isinstance(found, str) and 0 < len(found) <= _LONGEST_ID else None


def _event(kind: bytes, fields: bytes) -> bytes:
    return b'event: response.%b\ndata: {"type":"response.%b","sequence_number":0,%b}\n\n' % (kind, kind, fields)


def _response(name: bytes, status: bytes, output: bytes, usage: bytes) -> bytes:
    return (
        b'{"id":"resp_%b","object":"response","created_at":0,"status":"%b","error":null,"incomplete_details":null,'
        b'"model":"modelled","output":[%b],"parallel_tool_calls":true,"tool_choice":"auto","tools":[],"usage":%b}'
        % (name, status, output, usage)
    )


def _item(name: bytes, status: bytes, content: bytes) -> bytes:
    return b'{"type":"message","id":"msg_%b","status":"%b","role":"assistant","content":[%b]}' % (
        name,
        status,
        content,
    )


def _part(text: bytes) -> bytes:
    return b'{"type":"output_text","text":"%b","annotations":[]}' % text


def _begin(answer: Scripted) -> Sequence[bytes]:
    name = answer.name
    return (
        _event(b"created", b'"response":' + _response(name, b"in_progress", b"", b"null")),
        _event(b"output_item.added", b'"output_index":0,"item":' + _item(name, b"in_progress", b"")),
        _event(
            b"content_part.added",
            b'"item_id":"msg_%b","output_index":0,"content_index":0,"part":%b' % (name, _part(b"")),
        ),
    )


def _token(name: bytes, text: bytes) -> bytes:
    return _event(
        b"output_text.delta",
        b'"item_id":"msg_%b","output_index":0,"content_index":0,"delta":"%b","logprobs":[]' % (name, text),
    )


def _end(answer: Scripted, text: bytes) -> Sequence[bytes]:
    place = b'"item_id":"msg_%b","output_index":0,"content_index":0' % answer.name
    item = _item(answer.name, b"completed", _part(text))
    return (
        _event(b"output_text.done", place + b',"text":"%b","logprobs":[]' % text),
        _event(b"content_part.done", place + b',"part":' + _part(text)),
        _event(b"output_item.done", b'"output_index":0,"item":' + item),
        _event(b"completed", b'"response":' + _whole(answer, text)),
    )


def _whole(answer: Scripted, text: bytes) -> bytes:
    usage = (
        b'{"input_tokens":%d,"input_tokens_details":{"cached_tokens":0},"output_tokens":%d,'
        b'"output_tokens_details":{"reasoning_tokens":0},"total_tokens":%d}'
        % (answer.prompt, answer.tokens, answer.prompt + answer.tokens)
    )
    return _response(answer.name, b"completed", _item(answer.name, b"completed", _part(text)), usage)


OPENAI_RESPONSES = Dialect(
    "openai-responses",
    "model",
    _is_event,
    _is_body,
    _read_event,
    _read_body,
    paths=("/responses",),
    limits=("max_output_tokens",),
    prompting=Prompting(
        "/v1/responses",
        _opening,
        _closing,
        conversing=Conversing(_socket_opening, _socket_closing, _socket_with_images, _following, _id_of),
        carrying=Carrying(_image, _with_images, b'"}]}]', tokens_by_tiles, _tool, _tools, most_tools=128),
    ),
    answering=Answering(_whole, _begin, _token, _end),
)
