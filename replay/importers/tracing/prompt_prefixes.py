"""Prefix blocks of the model calls of a session, where their spans tell how much of a prompt was cached. Pure."""

from collections.abc import Sequence

import msgspec

from replay.assembly.prompt_blocks import SessionPrompts, add_prefix
from replay.assembly.recorded_sessions import Counts
from replay.trace.edges.spans import Span
from replay.trace.types import Step


def with_prefixes(
    steps: Sequence[Step], spans: Sequence[Span], prompts: SessionPrompts, counts: Counts
) -> list[Step]:
    """The steps of a session, in their order, those with cached tokens with blocks.

    Instrumentations leave out a count of zero: a call without one has none where others of its model have some. Steps
    with blocks are copies, as spans stay in memory while the sessions are written, and blocks are the most of them.
    """
    calls = [
        (span.step, span.cached_tokens) for span in spans if span.step is not None and span.step.llm is not None
    ]
    models = {step.llm.model for step, tokens in calls if step.llm is not None and tokens is not None}
    if not models:
        return list(steps)
    cached = {
        id(step): tokens or 0 for step, tokens in calls if step.llm is not None and step.llm.model in models
    }
    found = list(steps)
    for n, step in enumerate(steps):
        tokens = cached.get(id(step))
        if step.llm is not None and tokens is not None:
            llm = msgspec.structs.replace(step.llm)
            add_prefix(llm, step.attributes.get("agent", ""), tokens, prompts, counts)
            found[n] = msgspec.structs.replace(step, llm=llm)
    return found
