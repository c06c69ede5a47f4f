"""What OpenAI's chat completions and legacy completions have in common: answers are a list of choices."""

from collections.abc import Sequence
from typing import Any

from replay.dialects.errors import is_told
from replay.dialects.facts import Facts
from replay.dialects.types import Document, Scripted, Shown

DONE = b"data: [DONE]\n\n"

# The members of a delta, or of a whole message, that show something if they hold a string of some length. OpenAI
# names `content` and `refusal`; `reasoning_content` is DeepSeek's, vLLM's and SGLang's, `reasoning` OpenRouter's,
# Groq's and newer vLLM's, `thinking` Ollama's, `reasoning_text` Copilot's.
_THOUGHTS = frozenset(("reasoning", "reasoning_content", "reasoning_text", "thinking"))
_TEXTS = _THOUGHTS | {"content", "refusal", "text"}
_THOUGHTS_IN_PARTS = frozenset(("reasoning_details", "thinking_blocks"))
# OpenRouter's word for thoughts that were shortened for show.
_SUMMARY = "reasoning.summary"


def choices_of(document: Document) -> list[Document] | None:
    """The choices of an answer; None if it is not made of choices."""
    choices = document.get("choices")
    if not isinstance(choices, list):
        return None
    return [choice for choice in choices if isinstance(choice, dict)]


def read_choices(document: Document, _kind: str, facts: Facts) -> Shown:
    """Note what an event or a body says; return what its choices show."""
    shown: Shown = ""
    choices = document.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if not isinstance(choice, dict):
            continue
        facts.note_choice(choice.get("index"), choice.get("finish_reason"))
        if "error" in choice and is_told(choice["error"]):
            facts.note_error("model_error")
        part = _shown_by_choice(choice, facts)
        if part:
            shown = True if shown else part
    return shown


def _shown_by_choice(choice: Document, facts: Facts) -> Shown:
    delta = choice.get("delta")
    if not isinstance(delta, dict):
        delta = choice.get("message")
        if not isinstance(delta, dict):
            text = choice.get("text")
            return text if isinstance(text, str) else ""
    shown: Shown = ""
    for name, value in delta.items():
        part: Shown = ""
        if not value:
            continue
        if name in _TEXTS:
            part = value if isinstance(value, str) else _shown_by_parts(value)
        elif name == "tool_calls":
            part = _shown_by_tool_calls(value, facts)
        elif name == "function_call":
            part = _shown_by_call(value, facts)
        elif name in ("reasoning_details", "thinking_blocks", "images"):
            part = _shown_by_parts(value)
        elif name == "audio" and isinstance(value, dict):
            part = bool(value.get("transcript") or value.get("data"))
        if part:
            shown = True if shown else part
            if name in _THOUGHTS or name in _THOUGHTS_IN_PARTS:
                facts.has_thought_aloud |= not _are_summaries(delta.get("reasoning_details"))
    return shown


def _are_summaries(details: Any) -> bool:
    return isinstance(details, list) and any(
        isinstance(detail, dict) and detail.get("type") == _SUMMARY for detail in details
    )


def _shown_by_parts(value: Any) -> bool:
    """Whether content that comes in parts (Mistral, OpenRouter, LiteLLM) holds any; a signature alone is none."""
    if not isinstance(value, list):
        return False
    for part in value:
        if isinstance(part, str) and part:
            return True
        if isinstance(part, dict):
            if any(part.get(name) for name in ("text", "summary", "content", "image_url")):
                return True
            thinking = part.get("thinking")
            if thinking and (isinstance(thinking, str) or _shown_by_parts(thinking)):
                return True
    return False


def _shown_by_tool_calls(calls: Any, facts: Facts) -> Shown:
    shown: Shown = ""
    for call in calls if isinstance(calls, list) else ():
        if not isinstance(call, dict):
            continue
        part: Shown = bool(call.get("id"))
        for name in ("function", "custom"):
            inner = _shown_by_call(call.get(name), facts)
            if inner:
                part = True if part else inner
        if part:
            shown = True if shown else part
    return shown


def _shown_by_call(call: Any, facts: Facts) -> Shown:
    if not isinstance(call, dict):
        return ""
    name = call.get("name")
    if name:
        facts.note_tool(name)
        return True
    text = call.get("arguments") or call.get("input")
    return text if isinstance(text, str) else bool(text)


def read_body(document: Document, facts: Facts) -> None:
    read_choices(document, "", facts)


def bounds(limit: int, is_stream: bool, ignores_eos: bool) -> bytes:
    """The end of a request's body: how long an answer may be, and whether it is streamed."""
    streams = b'true,"stream_options":{"include_usage":true}' if is_stream else b"false"
    ignores = b',"ignore_eos":true}' if ignores_eos else b"}"
    return b'"max_tokens":%d,"stream":%b%b' % (limit, streams, ignores)


def head(kind: bytes, prefix: bytes, name: bytes) -> bytes:
    """How an answer begins, and each chunk of one: the members before its choices."""
    return b'{"id":"%b-%b","object":"%b","created":0,"model":"modelled"' % (prefix, name, kind)


def ending(last: bytes, beginning: bytes, answer: Scripted) -> Sequence[bytes]:
    """The events that end a stream. last: the one with the reason. beginning: the head of its chunks."""
    if not answer.tells_usage:
        return last, DONE
    return last, b'data: %b,"choices":[],"usage":%b}\n\n' % (beginning, usage_told(answer)), DONE


def usage_told(answer: Scripted) -> bytes:
    return b'{"prompt_tokens":%d,"completion_tokens":%d,"total_tokens":%d}' % (
        answer.prompt,
        answer.tokens,
        answer.prompt + answer.tokens,
    )
