"""Model calls in OpenAI's chat format, answered at a pace: no model is behind them.

Token k of an answer is due at ttft + prefill + k * itl from the request's arrival. Tokens are held to these instants
rather than to pauses between them, so that a late one makes none of the others late.
"""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

from targets.app.settings import Pace
from targets.app.web import Answer, Refused, Request

MOST_TOKENS = 100_000
_DEFAULT_TOKENS = 64
_TEXT = (
    "I have looked into this and the order was sent on time so your refund will arrive within five working days "
    "if it does not please write to us again and we will see to it at once"
)
_WORDS = _TEXT.split()


class Model:
    """Answers chat requests."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace

    def __repr__(self) -> str:
        return f"<Model {self._pace}>"

    async def chat(self, request: Request) -> Answer:
        """`POST /v1/chat/completions`, streamed or whole. Raises Refused (400) for a request that is not one."""
        arrived_s = asyncio.get_running_loop().time()
        asked = request.json()
        tokens = _tokens_asked(asked)
        prompt_tokens = _prompt_tokens(asked.get("messages"))
        first_s = arrived_s + (self._pace.ttft_ms + self._pace.prefill_ms * prompt_tokens / 1000) / 1000
        usage = {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": tokens,
            "total_tokens": prompt_tokens + tokens,
        }
        named = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": str(asked.get("model") or "none"),
        }
        if asked.get("stream"):
            options = asked.get("stream_options")
            is_told = isinstance(options, dict) and bool(options.get("include_usage"))
            return Answer(events=self._events(named, tokens, first_s, usage if is_told else None))
        await _until(first_s + max(0, tokens - 1) * self._pace.itl_ms / 1000)
        message = {"role": "assistant", "content": "".join(_word(n) for n in range(tokens))}
        choice = {"index": 0, "message": message, "finish_reason": "length"}
        return Answer({**named, "object": "chat.completion", "choices": [choice], "usage": usage})

    async def words(self, text: str) -> AsyncIterator[str]:
        """A text word by word, each when a token would be due."""
        first_s = asyncio.get_running_loop().time() + self._pace.ttft_ms / 1000
        for n, word in enumerate(text.split()):
            await _until(first_s + n * self._pace.itl_ms / 1000)
            yield word

    async def _events(
        self, named: dict[str, Any], tokens: int, first_s: float, usage: dict[str, int] | None
    ) -> AsyncIterator[bytes]:
        chunk = {**named, "object": "chat.completion.chunk"}
        if usage is not None:
            chunk["usage"] = None
        for n in range(tokens):
            await _until(first_s + n * self._pace.itl_ms / 1000)
            delta = {"content": _word(n)} if n else {"role": "assistant", "content": _word(n)}
            yield _event({**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
        yield _event({**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "length"}]})
        if usage is not None:
            yield _event({**chunk, "choices": [], "usage": usage})
        yield b"data: [DONE]\n\n"


def _event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def _word(n: int) -> str:
    return (" " if n else "") + _WORDS[n % len(_WORDS)]


async def _until(instant_s: float) -> None:
    left_s = instant_s - asyncio.get_running_loop().time()
    if left_s > 0:
        await asyncio.sleep(left_s)


def _tokens_asked(asked: dict[str, Any]) -> int:
    tokens = asked.get("max_completion_tokens", asked.get("max_tokens"))
    if tokens is None:
        return _DEFAULT_TOKENS
    if not isinstance(tokens, int) or not 1 <= tokens <= MOST_TOKENS:
        raise Refused(400, f"max_tokens must be a whole number from 1 to {MOST_TOKENS}")
    return tokens


def _prompt_tokens(messages: Any) -> int:
    """How many words the messages have; no tokeniser is part of this."""
    if not isinstance(messages, list) or not messages:
        raise Refused(400, "messages must be a list of one message or more")
    words = 0
    for message in messages:
        content = message.get("content") if isinstance(message, dict) else None
        if isinstance(content, list):
            content = " ".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
        words += len(content.split()) if isinstance(content, str) else 0
    return words
