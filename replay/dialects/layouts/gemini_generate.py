"""Gemini's generateContent, of Google's own API and of Vertex: answers are candidates with parts.

A stream, asked for with `alt=sse`, is whole answers of which each has the parts that are new; the last has a
finishReason and the usage, which earlier ones may have too. Nothing else ends it. Without `alt=sse` the answers are one
JSON array, which is no event stream: its tokens are not timed.

Sources: https://ai.google.dev/api/generate-content,
https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/inference
"""

from collections.abc import Sequence
from typing import Any

from replay.dialects.facts import Facts
from replay.dialects.images import tokens_by_large_tiles
from replay.dialects.types import Answering, Carrying, Dialect, Document, Prompting, Scripted, Shown

# Parts that show something without a text: what a model calls, runs, and draws.
_SHOWS = ("executableCode", "codeExecutionResult", "inlineData", "fileData")


def _is_answer(document: Document, _kind: str = "") -> bool:
    return isinstance(document.get("candidates"), list) or isinstance(document.get("promptFeedback"), dict)


def _read_event(document: Document, _kind: str, facts: Facts) -> Shown:
    shown: Shown = ""
    candidates = document.get("candidates")
    for candidate in candidates if isinstance(candidates, list) else ():
        if not isinstance(candidate, dict):
            continue
        facts.note_choice(candidate.get("index", 0), candidate.get("finishReason"))
        content = candidate.get("content")
        part = _shown_by(content.get("parts"), facts) if isinstance(content, dict) else ""
        if part:
            shown = True if shown else part
    feedback = document.get("promptFeedback")
    if isinstance(feedback, dict) and feedback.get("blockReason"):
        # Instead of candidates: the prompt was not answered, and that is all.
        facts.note_choice(0, feedback["blockReason"])
    return shown


def _shown_by(parts: Any, facts: Facts) -> Shown:
    shown: Shown = ""
    for part in parts if isinstance(parts, list) else ():
        if not isinstance(part, dict):
            continue
        text = part.get("text")
        call = part.get("functionCall")
        if isinstance(call, dict):
            facts.note_tool(call.get("name"))
        found: Shown = text if isinstance(text, str) else ""
        if not found:
            found = isinstance(call, dict) or any(part.get(name) for name in _SHOWS)
        if found:
            shown = True if shown else found
    return shown


def _read_body(document: Document, facts: Facts) -> None:
    _read_event(document, "", facts)


def _opening(_model: bytes) -> bytes:
    return b'{"contents":[{"role":"user","parts":[{"text":"'


def _closing(limit: int, _is_stream: bool, _ignores_eos: bool) -> bytes:
    return b'"}]}],"generationConfig":{"maxOutputTokens":%d}}' % limit


def _image(media_type: bytes, data: bytes) -> bytes:
    return b'{"inlineData":{"mimeType":"%b","data":"%b"}}' % (media_type, data)


def _with_images(_model: bytes, images: Sequence[bytes]) -> bytes:
    return b'{"contents":[{"role":"user","parts":[%b' % b",".join([*images, b'{"text":"'])


def _tool(name: bytes, description: bytes, schema: bytes) -> bytes:
    return b'{"name":"%b","description":"%b","parameters":%b}' % (name, description, schema)


def _tools(definitions: bytes) -> bytes:
    never = b'"toolConfig":{"functionCallingConfig":{"mode":"NONE"}}'
    return b'"tools":[{"functionDeclarations":[%b]}],%b' % (definitions, never)


def _answer(name: bytes, text: bytes, rest: bytes) -> bytes:
    return (
        b'{"candidates":[{"content":{"parts":[{"text":"%b"}],"role":"model"},"index":0%b,'
        b'"modelVersion":"modelled","responseId":"%b"}' % (text, rest, name)
    )


def _ending(answer: Scripted) -> bytes:
    return (
        b',"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":%d,"candidatesTokenCount":%d,'
        b'"totalTokenCount":%d}' % (answer.prompt, answer.tokens, answer.prompt + answer.tokens)
    )


def _begin(_answer: Scripted) -> Sequence[bytes]:
    return ()


def _token(name: bytes, text: bytes) -> bytes:
    return b"data: %b\r\n\r\n" % _answer(name, text, b"}]")


def _end(answer: Scripted, _text: bytes) -> Sequence[bytes]:
    return (b"data: %b\r\n\r\n" % _answer(answer.name, b"", _ending(answer)),)


def _whole(answer: Scripted, text: bytes) -> bytes:
    return _answer(answer.name, text, _ending(answer))


GEMINI_GENERATE = Dialect(
    "gemini-generate",
    "model",
    _is_answer,
    _is_answer,
    _read_event,
    _read_body,
    paths=(r"/models/[^/]+:(?:generateContent|streamGenerateContent)",),
    limits=("maxOutputTokens",),
    streams_at=r":streamGenerateContent",
    prompting=Prompting(
        "/v1beta/models/{model}:generateContent",
        _opening,
        _closing,
        stream_path="/v1beta/models/{model}:streamGenerateContent?alt=sse",
        carrying=Carrying(_image, _with_images, b'"', tokens_by_large_tiles, _tool, _tools, most_tools=128),
    ),
    answering=Answering(_whole, _begin, _token, _end),
)
