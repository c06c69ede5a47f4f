"""OpenAI Responses: a stream of typed events, of which those called `...delta` bring content.

`response.completed`, `.incomplete`, `.failed` and `.cancelled` end it, and hold the whole response with its usage.

Source: https://platform.openai.com/docs/api-reference/responses-streaming
"""

from typing import Any

from replay.dialects.errors import is_told
from replay.dialects.facts import Facts
from replay.dialects.types import Dialect, Document, Shown

_ENDS = frozenset(("response.completed", "response.incomplete", "response.failed", "response.cancelled"))


def _is_event(_document: Document, kind: str) -> bool:
    return kind.startswith("response.")


def _is_body(document: Document) -> bool:
    return document.get("object") == "response"


def _read_event(document: Document, kind: str, facts: Facts) -> Shown:
    if kind.endswith(".delta"):
        delta = document.get("delta")
        return delta if isinstance(delta, str) else bool(delta)
    item = document.get("item")
    if item is not None:
        _note_tools([item], facts)
    if kind in _ENDS:
        facts.has_said_end = True
        if kind == "response.failed":
            facts.note_error("model_error")
    response = document.get("response")
    if isinstance(response, dict):
        _read_body(response, facts)
    return ""


def _read_body(document: Document, facts: Facts) -> None:
    status = document.get("status")
    if status == "failed" or is_told(document.get("error")):
        facts.note_error("model_error")
    if status in ("completed", "failed", "cancelled"):
        facts.note_finish(status)
    elif status == "incomplete":
        details = document.get("incomplete_details")
        reason = details.get("reason") if isinstance(details, dict) else None
        facts.note_finish(reason or status)
    _note_tools(document.get("output"), facts)


def _note_tools(items: Any, facts: Facts) -> None:
    """Every call of a tool is an item with a name: function_call, custom_tool_call, mcp_call."""
    for item in items if isinstance(items, list) else ():
        if isinstance(item, dict) and str(item.get("type")).endswith("_call"):
            facts.note_tool(item.get("name"))


OPENAI_RESPONSES = Dialect(
    "openai-responses",
    "model",
    _is_event,
    _is_body,
    _read_event,
    _read_body,
    paths=("/responses",),
    limits=("max_output_tokens",),
)
