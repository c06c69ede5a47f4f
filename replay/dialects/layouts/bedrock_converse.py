"""Bedrock's Converse: one layout for all models of Amazon Bedrock, and a stream of it in Amazon's own framing.

A stream is messageStart, then for each block contentBlockStart (a tool's name), its deltas and contentBlockStop, then
messageStop (why it ended) and metadata (the usage).

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
"""

from collections.abc import Sequence
from typing import Any

from replay.dialects.aws_frames import CONTENT_TYPE, frame
from replay.dialects.facts import Facts
from replay.dialects.images import tokens_by_pixels
from replay.dialects.types import Answering, Carrying, Dialect, Document, Prompting, Scripted, Shown

_EVENTS = frozenset(
    ("messageStart", "contentBlockStart", "contentBlockDelta", "contentBlockStop", "messageStop")
)


def _is_event(_document: Document, kind: str) -> bool:
    return kind in _EVENTS


def _is_body(document: Document) -> bool:
    output = document.get("output")
    return isinstance(output, dict) and isinstance(output.get("message"), dict) and "stopReason" in document


def _read_event(document: Document, kind: str, facts: Facts) -> Shown:
    if kind == "contentBlockDelta":
        return _shown_by(document.get("delta"))
    if kind == "contentBlockStart":
        _note_tools([document.get("start")], facts)
    elif kind == "messageStop":
        facts.note_finish(document.get("stopReason"))
        facts.has_said_end = True
    return ""


def _shown_by(delta: Any) -> Shown:
    if not isinstance(delta, dict):
        return ""
    tool, thought = delta.get("toolUse"), delta.get("reasoningContent")
    texts = [delta.get("text")]
    texts += [tool.get("input")] if isinstance(tool, dict) else []
    # A signature is about a thought that was shown, and is none.
    texts += [thought.get("text"), thought.get("redactedContent")] if isinstance(thought, dict) else []
    return next((text for text in texts if text and isinstance(text, str)), "")


def _read_body(document: Document, facts: Facts) -> None:
    facts.note_finish(document.get("stopReason"))
    _note_tools(document["output"]["message"].get("content"), facts)


def _note_tools(blocks: Any, facts: Facts) -> None:
    for block in blocks if isinstance(blocks, list) else ():
        tool = block.get("toolUse") if isinstance(block, dict) else None
        if isinstance(tool, dict):
            facts.note_tool(tool.get("name"))


def _opening(_model: bytes) -> bytes:
    return b'{"messages":[{"role":"user","content":[{"text":"'


def _closing(limit: int, _is_stream: bool, _ignores_eos: bool) -> bytes:
    return b'"}]}],"inferenceConfig":{"maxTokens":%d}}' % limit


def _image(media_type: bytes, data: bytes) -> bytes:
    return b'{"image":{"format":"%b","source":{"bytes":"%b"}}}' % (media_type.removeprefix(b"image/"), data)


def _with_images(_model: bytes, images: Sequence[bytes]) -> bytes:
    return b'{"messages":[{"role":"user","content":[%b' % b",".join([*images, b'{"text":"'])


def _tool(name: bytes, description: bytes, schema: bytes) -> bytes:
    said = (name, description, schema)
    return b'{"toolSpec":{"name":"%b","description":"%b","inputSchema":{"json":%b}}}' % said


def _tools(definitions: bytes) -> bytes:
    # That none is to be called cannot be said here.
    return b'"toolConfig":{"tools":[%b]}' % definitions


def _usage(answer: Scripted) -> bytes:
    return b'"usage":{"inputTokens":%d,"outputTokens":%d,"totalTokens":%d},"metrics":{"latencyMs":0}' % (
        answer.prompt,
        answer.tokens,
        answer.prompt + answer.tokens,
    )


def _begin(_answer: Scripted) -> Sequence[bytes]:
    return (frame(b"messageStart", b'{"role":"assistant"}'),)


def _token(_name: bytes, text: bytes) -> bytes:
    return frame(b"contentBlockDelta", b'{"contentBlockIndex":0,"delta":{"text":"%b"}}' % text)


def _end(answer: Scripted, _text: bytes) -> Sequence[bytes]:
    return (
        frame(b"contentBlockStop", b'{"contentBlockIndex":0}'),
        frame(b"messageStop", b'{"stopReason":"end_turn"}'),
        frame(b"metadata", b"{%b}" % _usage(answer)),
    )


def _whole(answer: Scripted, text: bytes) -> bytes:
    return (
        b'{"output":{"message":{"role":"assistant","content":[{"text":"%b"}]}},"stopReason":"end_turn",%b}'
        % (text, _usage(answer))
    )


BEDROCK_CONVERSE = Dialect(
    "bedrock-converse",
    "model",
    _is_event,
    _is_body,
    _read_event,
    _read_body,
    paths=(r"/model/[^/]+/(?:converse|converse-stream)",),
    limits=("maxTokens",),
    streams_at="/converse-stream",
    prompting=Prompting(
        "/model/{model}/converse",
        _opening,
        _closing,
        stream_path="/model/{model}/converse-stream",
        # Of many vendors' models, each with a count of its own: those of Anthropic's.
        carrying=Carrying(_image, _with_images, b'"', tokens_by_pixels, _tool, _tools),
    ),
    answering=Answering(_whole, _begin, _token, _end, CONTENT_TYPE),
)
