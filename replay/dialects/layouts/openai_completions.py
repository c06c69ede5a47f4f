"""OpenAI's legacy completions: as chat completions, but each choice holds its `text` itself.

Source: https://platform.openai.com/docs/api-reference/completions
"""

from collections.abc import Sequence

from replay.dialects.layouts.choices import (
    bounds,
    choices_of,
    ending,
    head,
    read_body,
    read_choices,
    usage_told,
)
from replay.dialects.types import Answering, Dialect, Document, Prompting, Scripted


def _is_completion(document: Document, _kind: str = "") -> bool:
    choices = choices_of(document)
    if choices is None:
        return False
    return document.get("object") == "text_completion" or any(
        "text" in choice and "delta" not in choice and "message" not in choice for choice in choices
    )


def _opening(model: bytes) -> bytes:
    return b'{"model":' + model + b',"prompt":"'


def _closing(limit: int, is_stream: bool, ignores_eos: bool) -> bytes:
    return b'",%b' % bounds(limit, is_stream, ignores_eos)


def _head(name: bytes) -> bytes:
    return head(b"text_completion", b"cmpl", name)


def _completion(name: bytes, text: bytes, finish: bytes) -> bytes:
    choice = b'{"index":0,"text":"%b","logprobs":null,"finish_reason":%b}' % (text, finish)
    return b'%b,"choices":[%b]' % (_head(name), choice)


def _begin(_answer: Scripted) -> Sequence[bytes]:
    return ()


def _token(name: bytes, text: bytes) -> bytes:
    return b"data: %b}\n\n" % _completion(name, text, b"null")


def _end(answer: Scripted, _text: bytes) -> Sequence[bytes]:
    last = b"data: %b}\n\n" % _completion(answer.name, b"", b'"stop"')
    return ending(last, _head(answer.name), answer)


def _whole(answer: Scripted, text: bytes) -> bytes:
    return b'%b,"usage":%b}' % (_completion(answer.name, text, b'"stop"'), usage_told(answer))


OPENAI_COMPLETIONS = Dialect(
    "openai-completions",
    "model",
    _is_completion,
    _is_completion,
    read_choices,
    read_body,
    ends_with_done=True,
    paths=(r"(?<!/chat)/completions",),
    limits=("max_tokens",),
    prompting=Prompting("/v1/completions", _opening, _closing, can_ignore_eos=True),
    answering=Answering(_whole, _begin, _token, _end),
)
