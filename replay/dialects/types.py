"""What an answer says of itself, and what a dialect is: how models are asked in it, and how they answer."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, Protocol

Layout = Literal["openai-chat", "openai-completions", "openai-responses", "anthropic-messages", "json-rpc"]
# The layouts in which models are asked for what a trace knows by its token counts alone.
PromptLayout = Literal["openai-chat"]
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


class Prompting(NamedTuple):
    """How a model is asked by a prompt alone: a body in JSON, in which the prompt is the text of a string.

    path: where, unless a target says otherwise. opening(model): the body up to the prompt, for the model's name as
    JSON. closing(limit, is_stream, ignores_eos): what follows the prompt, for an answer of so many tokens at most, all
    of which the server is asked to generate where it ignores the end of sequence.
    """

    path: str
    opening: Callable[[bytes], bytes]
    closing: Callable[[int, bool, bool], bytes]


class Answering(NamedTuple):
    """How an answer is written that no model gave. It has a name of 16 characters, as its id or in it, and its text
    needs no escapes in JSON.

    token(name, text, is_first): the server-sent events that bring one token of a stream. end(name): those with which a
    stream ends. whole(name, text, tokens, prompt): an answer that does not stream, with how many tokens it has, and how
    many were asked.
    """

    token: Callable[[bytes, bytes, bool], bytes]
    end: Callable[[bytes], Sequence[bytes]]
    whole: Callable[[bytes, bytes, int, int], bytes]


class Dialect(NamedTuple):
    """One model API or protocol: its layout of answers, as functions over JSON documents that were read already, and
    how requests in it look.

    is_event, is_body: whether a document tells that the answer is in this layout.
    read_event(document, kind, facts), read_body(document, facts): note what it says; kind is the event's own type
    (Anthropic, Responses). An event's reader returns what the event shows.
    ends_with_done: `[DONE]` is an end of this layout.
    paths: patterns of how the paths end at which a model is asked, whatever stands before. limits: the members of a
    request's body that bound the tokens of its answer; an earlier one goes before a later. prompting, answering: None
    where nothing is asked, or answered, in it by this program.
    """

    layout: Layout
    family: Family
    is_event: Callable[[Document, str], bool]
    is_body: Callable[[Document], bool]
    read_event: Callable[[Document, str, Any], Shown]
    read_body: Callable[[Document, Any], None]
    ends_with_done: bool = False
    paths: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    prompting: Prompting | None = None
    answering: Answering | None = None
