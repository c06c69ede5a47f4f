"""OpenAI chat completions, and the many servers that speak like them.

A stream is chunks, `{"choices":[{"index":0,"delta":{...},"finish_reason":null}]}`, and then `[DONE]`. The first names
the role; Azure's first has no choices but prompt_filter_results; one without choices gives the usage.

Source: https://platform.openai.com/docs/api-reference/chat/streaming,
https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-streaming
"""

from collections.abc import Sequence

from replay.dialects.images import tokens_by_tiles
from replay.dialects.layouts.choices import (
    bounds,
    choices_of,
    ending,
    head,
    read_body,
    read_choices,
    usage_told,
)
from replay.dialects.types import Answering, Carrying, Dialect, Document, Prompting, Scripted


def _is_chat(document: Document, _kind: str = "") -> bool:
    return choices_of(document) is not None


def _opening(model: bytes) -> bytes:
    return b'{"model":' + model + b',"messages":[{"role":"user","content":"'


def _closing(limit: int, is_stream: bool, ignores_eos: bool) -> bytes:
    return b'"}],%b' % bounds(limit, is_stream, ignores_eos)


def _image(media_type: bytes, data: bytes) -> bytes:
    return b'{"type":"image_url","image_url":{"url":"data:%b;base64,%b"}}' % (media_type, data)


def _with_images(model: bytes, images: Sequence[bytes]) -> bytes:
    parts = b",".join([*images, b'{"type":"text","text":"'])
    return b'{"model":%b,"messages":[{"role":"user","content":[%b' % (model, parts)


def _tool(name: bytes, description: bytes, schema: bytes) -> bytes:
    function = b'{"name":"%b","description":"%b","parameters":%b}' % (name, description, schema)
    return b'{"type":"function","function":%b}' % function


def _tools(definitions: bytes) -> bytes:
    return b'"tools":[%b],"tool_choice":"none"' % definitions


def _head(name: bytes) -> bytes:
    return head(b"chat.completion.chunk", b"chatcmpl", name)


def _chunk(name: bytes, delta: bytes, finish: bytes) -> bytes:
    return b'data: %b,"choices":[{"index":0,"delta":%b,"finish_reason":%b}]}\n\n' % (_head(name), delta, finish)


def _begin(answer: Scripted) -> Sequence[bytes]:
    return (_chunk(answer.name, b'{"role":"assistant","content":""}', b"null"),)


def _token(name: bytes, text: bytes) -> bytes:
    return _chunk(name, b'{"content":"%b"}' % text, b"null")


def _end(answer: Scripted, _text: bytes) -> Sequence[bytes]:
    return ending(_chunk(answer.name, b"{}", b'"stop"'), _head(answer.name), answer)


def _whole(answer: Scripted, text: bytes) -> bytes:
    return (
        b'%b,"choices":[{"index":0,"message":{"role":"assistant","content":"%b"},"finish_reason":"stop"}],"usage":%b}'
        % (head(b"chat.completion", b"chatcmpl", answer.name), text, usage_told(answer))
    )


OPENAI_CHAT = Dialect(
    "openai-chat",
    "model",
    _is_chat,
    _is_chat,
    read_choices,
    read_body,
    ends_with_done=True,
    paths=("/chat/completions",),
    limits=("max_completion_tokens", "max_tokens"),
    prompting=Prompting(
        "/v1/chat/completions",
        _opening,
        _closing,
        can_ignore_eos=True,
        carrying=Carrying(_image, _with_images, b'"}]', tokens_by_tiles, _tool, _tools, most_tools=128),
    ),
    answering=Answering(_whole, _begin, _token, _end),
)
