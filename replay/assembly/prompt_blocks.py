"""Prefix blocks for prompts of which only the lengths were recorded, and how much of each a cache knew.

Pure, and inferred: a prompt begins with as many blocks of the prompt before it, by the same agent to the same model,
as its cached tokens fill; the rest are new. What an agent's first prompt had in a cache can only have come from other
sessions, as instructions and tool definitions do: those blocks are the same in all sessions, for each model. So a
target that caches prefixes sees the reuse that was recorded, expired caches included.
"""

import zlib
from itertools import count

from replay.assembly.recorded_sessions import Counts
from replay.assembly.types import DEFAULT_BLOCK_SIZE
from replay.trace.types import LlmCall

# What one session may hold; a real one of 500 calls with 1 million tokens each has a fourth of it.
_MOST_IDS = 4_000_000
# An id has a session's or model's number above bit 31, and bit 52 where all sessions share it. Such ids fit the
# 53 bits that every JSON reader can hold.
_NUMBER_BIT = 31
_SHARED = 1 << 52
_SESSIONS = 1 << 21
_MODELS = 1 << 20


class SessionPrompts:
    """The blocks of one session's prompts. number: of the session, from 0."""

    def __init__(self, number: int, block_size: int | None) -> None:
        self.block_size = block_size or DEFAULT_BLOCK_SIZE
        self._fresh = count((number % _SESSIONS) << _NUMBER_BIT)
        self._before: dict[tuple[str, str], tuple[int, ...]] = {}
        self._ids_left = _MOST_IDS
        self._images: dict[int, int] = {}
        self._number = number % _SESSIONS

    def image_id(self, told: int) -> int:
        """What an image is called in the trace, by what tells it from others: the same in this session only."""
        return self._images.setdefault(told, self._number << _NUMBER_BIT | len(self._images))

    def blocks(
        self, agent: str, model: str | None, input_tokens: int, cached_tokens: int | None
    ) -> tuple[int, ...]:
        """The blocks of an agent's next prompt; none where the cached tokens are unknown, or there are too many."""
        n = max(input_tokens, 0) // self.block_size
        if cached_tokens is None or n > self._ids_left:
            return ()
        self._ids_left -= n
        cached = min(max(cached_tokens, 0) // self.block_size, n)
        key = (agent, model or "")
        before = self._before.get(key)
        if before is None:
            first = _SHARED | (zlib.crc32(key[1].encode("utf-8", "replace")) % _MODELS) << _NUMBER_BIT
            known: tuple[int, ...] = tuple(range(first, first + cached))
        else:
            known = before[:cached]
        blocks = known + tuple(next(self._fresh) for _ in range(n - len(known)))
        self._before[key] = blocks
        return blocks


def add_prefix(
    llm: LlmCall, agent: str, cached_tokens: int | None, prompts: SessionPrompts, counts: Counts
) -> None:
    """Set a call's prefix blocks, where its cached tokens are known, and count it."""
    llm.prefix = prompts.blocks(agent, llm.model, llm.input_tokens, cached_tokens)
    if llm.prefix:
        llm.prefix_block_tokens = prompts.block_size
        counts.infer("prompt(s) have prefix blocks, shared as their cached tokens say")
