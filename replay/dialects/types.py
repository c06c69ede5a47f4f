"""What an answer says of itself, and what a dialect is."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

Layout = Literal["openai-chat", "openai-completions", "openai-responses", "anthropic-messages", "json-rpc"]
Family = Literal["model", "rpc"]
AnswerError = Literal["model_error", "rpc_error", "tool_error"]
# What a document shows: the one string that makes it a token; True where it takes more than one string, or none
# alone, to say so; "" where it shows nothing.
Shown = str | bool
Document = dict[str, Any]


class Usage(NamedTuple):
    """Token counts as an answer tells them; None where it does not.

    input_tokens: with those that came from a cache. cached_tokens: how many of them did.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None


class BodyFacts(NamedTuple):
    """What one whole answer says. finish_reasons, tool_names: distinct, in order of appearance."""

    error: AnswerError | None = None
    usage: Usage | None = None
    finish_reasons: tuple[str, ...] = ()
    tool_names: tuple[str, ...] = ()


class Dialect(NamedTuple):
    """One layout of answers, as functions over JSON documents that were read already.

    is_event, is_body: whether a document tells that the answer is in this layout.
    read_event(document, kind, facts), read_body(document, facts): note what it says; kind is the event's own type
    (Anthropic, Responses). An event's reader returns what the event shows.
    ends_with_done: `[DONE]` is an end of this layout.
    """

    layout: Layout
    family: Family
    is_event: Callable[[Document, str], bool]
    is_body: Callable[[Document], bool]
    read_event: Callable[[Document, str, Any], Shown]
    read_body: Callable[[Document, Any], None]
    ends_with_done: bool = False
