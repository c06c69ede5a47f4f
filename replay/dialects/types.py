"""What an answer says of itself, and what a dialect is."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Protocol

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


class StreamFacts(Protocol):
    """What one event stream says: of itself, as BodyFacts, and of its layout.

    is_cut_short: a model's answer ended without its layout's end, and without an error that would say why; to be asked
    once the response is over. further_itl_ns: of the gaps between token events that are listed nowhere, how often each
    came.
    """

    @property
    def layout(self) -> Layout | None: ...

    @property
    def error(self) -> AnswerError | None: ...

    @property
    def is_cut_short(self) -> bool: ...

    @property
    def usage(self) -> Usage | None: ...

    @property
    def finish_reasons(self) -> tuple[str, ...]: ...

    @property
    def tool_names(self) -> tuple[str, ...]: ...

    further_itl_ns: dict[int, int]


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
