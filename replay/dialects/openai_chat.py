"""OpenAI chat completions, and the many servers that speak like them.

A stream is chunks, `{"choices":[{"index":0,"delta":{...},"finish_reason":null}]}`, and then `[DONE]`. The first names
the role; Azure's first has no choices but prompt_filter_results; one without choices gives the usage.

Source: https://platform.openai.com/docs/api-reference/chat/streaming,
https://learn.microsoft.com/azure/ai-foundry/openai/concepts/content-streaming
"""

from replay.dialects.choices import choices_of, read_body, read_choices
from replay.dialects.types import Answering, Dialect, Document, Prompting


def _is_chat(document: Document, _kind: str = "") -> bool:
    return choices_of(document) is not None


def _opening(model: bytes) -> bytes:
    return b'{"model":' + model + b',"messages":[{"role":"user","content":"'


def _closing(limit: int, is_stream: bool, ignores_eos: bool) -> bytes:
    streams = b'true,"stream_options":{"include_usage":true}' if is_stream else b"false"
    ignores = b',"ignore_eos":true}' if ignores_eos else b"}"
    return b'"}],"max_tokens":%d,"stream":%b%b' % (limit, streams, ignores)


def _chunk(name: bytes, delta: bytes, finish: bytes) -> bytes:
    return (
        b'data: {"id":"chatcmpl-%b","object":"chat.completion.chunk","created":0,"model":"modelled",'
        b'"choices":[{"index":0,"delta":%b,"finish_reason":%b}]}\n\n' % (name, delta, finish)
    )


def _token(name: bytes, text: bytes, is_first: bool) -> bytes:
    role = b'"role":"assistant",' if is_first else b""
    return _chunk(name, b'{%b"content":"%b"}' % (role, text), b"null")


def _end(name: bytes) -> tuple[bytes, bytes]:
    return _chunk(name, b"{}", b'"stop"'), b"data: [DONE]\n\n"


def _whole(name: bytes, text: bytes, tokens: int, prompt: int) -> bytes:
    return (
        b'{"id":"chatcmpl-%b","object":"chat.completion","created":0,"model":"modelled","choices":[{"index":0,'
        b'"message":{"role":"assistant","content":"%b"},"finish_reason":"stop"}],"usage":{"prompt_tokens":%d,'
        b'"completion_tokens":%d,"total_tokens":%d}}' % (name, text, prompt, tokens, prompt + tokens)
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
    prompting=Prompting("/v1/chat/completions", _opening, _closing),
    answering=Answering(_token, _end, _whole),
)
