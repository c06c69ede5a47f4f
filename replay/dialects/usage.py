"""Token counts as model APIs tell them: the `usage` of OpenAI chat completions, completions and Responses, of
Anthropic messages, of Gemini's generateContent (`usageMetadata`), Bedrock's Converse, and those that follow them.

What counts cached tokens, and what leaves them out:

| count | of | cached tokens |
|---|---|---|
| `prompt_tokens` | chat completions, completions; DeepSeek, xAI, LiteLLM | within, whatever else tells of them |
| `input_tokens` with `input_tokens_details` | Responses | within |
| `input_tokens` alone | Anthropic messages | beside it, as `cache_read_input_tokens`, `cache_creation_…` |
| `promptTokenCount` | Gemini; its thoughts count beside its candidates | within |
| `inputTokens` | Bedrock's Converse | beside it, as `cacheReadInputTokens`, `cacheWriteInputTokens` |

What a model thought is within `completion_tokens` and `output_tokens`, and beside Gemini's candidates. xAI has it
beside `completion_tokens`, too, which only the total tells. Anthropic and Bedrock count it, and do not say how much.

Sources: https://platform.openai.com/docs/api-reference/chat/object, .../responses/object,
https://docs.anthropic.com/en/api/messages, https://api-docs.deepseek.com/api/create-chat-completion,
https://docs.x.ai/developers/advanced-api-usage/prompt-caching/usage-and-pricing,
https://docs.litellm.ai/docs/completion/prompt_caching,
https://ai.google.dev/api/generate-content#UsageMetadata,
https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html
"""

from typing import Any

from replay.dialects.types import Usage

_PARTS = (
    "cacheReadInputTokens",
    "cacheWriteInputTokens",
    "cachedContentTokenCount",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "candidatesTokenCount",
    "completion_tokens",
    "completion_tokens_details",
    "inputTokens",
    "input_tokens",
    "input_tokens_details",
    "outputTokens",
    "output_tokens",
    "output_tokens_details",
    "prompt_cache_hit_tokens",
    "prompt_tokens",
    "prompt_tokens_details",
    "promptTokenCount",
    "thoughtsTokenCount",
    "toolUsePromptTokenCount",
    "total_tokens",
)
# Where a document holds its usage: itself (all), `response` (Responses), `message` (message_start), `x_groq` (Groq).
_HOLDERS = ("response", "message", "x_groq")


def usage_in(document: dict[str, Any]) -> Any:
    """The usage that a document holds, unread; None if it holds none."""
    usage = document.get("usage")
    if usage is None:
        usage = document.get("usageMetadata")
    if usage is None:
        for name in _HOLDERS:
            holder = document.get(name)
            if isinstance(holder, dict):
                usage = holder.get("usage")
                if usage is not None:
                    break
    return usage


def noted_usage(known: dict[str, Any] | None, told: dict[str, Any]) -> dict[str, Any]:
    """What is known with what is told now: a stream tells its counts bit by bit, and a null takes nothing back."""
    parts = {part: told[part] for part in _PARTS if told.get(part) is not None}
    return {**known, **parts} if known else parts


def usage_of(parts: dict[str, Any]) -> Usage | None:
    """The counts in a usage; None if there are none."""
    if "promptTokenCount" in parts or "candidatesTokenCount" in parts:
        return _usage_of_gemini(parts)
    if "inputTokens" in parts or "outputTokens" in parts:
        return _usage_of_bedrock(parts)
    details = parts.get("prompt_tokens_details", parts.get("input_tokens_details"))
    read = _count(parts.get("cache_read_input_tokens"))
    written = _count(parts.get("cache_creation_input_tokens"))
    prompt = _count(parts.get("prompt_tokens"))
    given = _count(parts.get("input_tokens"))
    if prompt or given is None:
        given = prompt
    elif not isinstance(details, dict):
        given += (read or 0) + (written or 0)
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else None
    if cached is None:
        cached = read if read is not None else _count(parts.get("prompt_cache_hit_tokens"))
    completion = _count(parts.get("completion_tokens"))
    output = _count(parts.get("output_tokens"))
    # Gateways that fill in both forms leave a zero in the one that they do not use.
    output = completion if completion or output is None else output
    thought = _thought(parts)
    if thought and output is not None and given is not None:
        is_beside = _count(parts.get("total_tokens")) == given + output + thought
        output += thought if is_beside else 0
    usage = Usage(input_tokens=given, output_tokens=output, cached_tokens=cached, reasoning_tokens=thought)
    return None if usage == _NOTHING else usage


def _usage_of_gemini(parts: dict[str, Any]) -> Usage | None:
    asked = [_count(parts.get(name)) for name in ("promptTokenCount", "toolUsePromptTokenCount")]
    given = [_count(parts.get(name)) for name in ("candidatesTokenCount", "thoughtsTokenCount")]
    usage = Usage(_sum(asked), _sum(given), _count(parts.get("cachedContentTokenCount")), given[1])
    return None if usage == _NOTHING else usage


def _usage_of_bedrock(parts: dict[str, Any]) -> Usage | None:
    names = ("inputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
    given, read, written = (_count(parts.get(name)) for name in names)
    usage = Usage(_sum([given, read, written]), _count(parts.get("outputTokens")), read)
    return None if usage == _NOTHING else usage


def _thought(parts: dict[str, Any]) -> int | None:
    for name in ("completion_tokens_details", "output_tokens_details"):
        details = parts.get(name)
        thought = _count(details.get("reasoning_tokens")) if isinstance(details, dict) else None
        if thought is not None:
            return thought
    return None


def _sum(counts: list[int | None]) -> int | None:
    """Of those that there are; None where there is none."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


_NOTHING = Usage()


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53 else None
