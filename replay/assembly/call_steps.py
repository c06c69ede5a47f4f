"""Steps for the two kinds of calls that agents' logs tell of: model calls by their tokens, tools by their names.

Pure. Names, texts and counts are brought within what a trace may hold.
"""

from collections.abc import Mapping

from replay.assembly.tool_requests import tool_message, tool_request
from replay.reading.timestamps import ms_between
from replay.trace.file.rules import MOST_TOKENS
from replay.trace.types import LlmCall, Recorded, Step

LONGEST_TEXT = 200


def model_step(
    name: str,
    start_ns: int,
    end_ns: int | None,
    first_byte_ns: int | None,
    llm: LlmCall,
    attributes: Mapping[str, str | None],
) -> Step:
    """A model call, without id and start. An end or first byte before its start is unknown."""
    took_ms = _took_ms(start_ns, end_ns)
    ttft_ms = None
    if first_byte_ns is not None and start_ns <= first_byte_ns:
        ttft_ms = ms_between(start_ns, first_byte_ns)
        ttft_ms = ttft_ms if took_ms is None else min(ttft_ms, took_ms)
    llm.input_tokens = min(max(llm.input_tokens, 0), MOST_TOKENS)
    llm.output_tokens = min(max(llm.output_tokens, 0), MOST_TOKENS)
    llm.model = (llm.model or "")[:LONGEST_TEXT] or None
    return Step(
        id="",
        kind="llm",
        name=name[:LONGEST_TEXT] or "model",
        took_ms=took_ms,
        llm=llm,
        recorded=None if ttft_ms is None else Recorded(ttft_ms=ttft_ms),
        attributes=bounded(attributes),
    )


def tool_step(
    name: str,
    start_ns: int,
    end_ns: int | None,
    arguments: bytes | str | None,
    attributes: Mapping[str, str | None],
) -> tuple[Step, bool]:
    """A tool call, without id and start, and whether its arguments had to be left out.

    arguments: JSON; None where they were not recorded. See replay/assembly/tool_requests.py.
    """
    step = Step(
        id="",
        kind="tool",
        name=name[:LONGEST_TEXT] or "unnamed",
        took_ms=_took_ms(start_ns, end_ns),
        attributes=bounded(attributes),
    )
    message = tool_message(name, arguments)
    if message is not None:
        step.kind, (step.mcp, is_left_out) = "mcp", message
    else:
        step.request, is_left_out = tool_request(name, arguments)
    return step, is_left_out


def bounded(attributes: Mapping[str, str | None]) -> dict[str, str]:
    """The attributes that there are, none of them long."""
    return {key: value[:LONGEST_TEXT] for key, value in attributes.items() if value}


def _took_ms(start_ns: int, end_ns: int | None) -> float | None:
    return None if end_ns is None or end_ns < start_ns else ms_between(start_ns, end_ns)
