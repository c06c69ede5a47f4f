"""Reads an event stream as it comes, server-sent or of Amazon's: when its tokens came, and what else it says.

A token is an event that brings content: text, reasoning, a tool call. Roles, pings, usage, errors and ends are none.
The first event that tells the layout decides how all others are read. In no known layout, each event that is
neither empty, nor `[DONE]`, a ping or an error counts as a token.

An event happens in the read that brings its end (the empty line). Events that one read brings together happen
together, so the gaps between them are 0: the client cannot know more, and spreading them would invent it.

An event that fits the mould of an earlier one (replay.dialects.moulds) costs a comparison of bytes; all others are
parsed. Against ten searches for the marks of a chunk without content, as was done before, with one event of a chat
completion a read: a quarter in the mould, 1 to 1.6 parsed, and 1.2 for a whole stream of eight events, which hardly
come to use the mould.
"""

import re
from typing import Any

from replay.dialects.aws_frames import FrameCutter
from replay.dialects.documents import MOST_BYTES, read_cut_document, read_document
from replay.dialects.errors import has_graphql_errors, is_error
from replay.dialects.facts import Facts
from replay.dialects.layouts.json_rpc import Awaited
from replay.dialects.moulds import Mould, mould_of
from replay.dialects.registry import dialect_of_event
from replay.dialects.sse import EventCutter, fields_of
from replay.dialects.types import AnswerError, Dialect, Layout, Shown, Usage
from replay.dialects.usage import usage_in

is_event_stream = re.compile(rb"text/event-stream|application/vnd\.amazon\.eventstream", re.IGNORECASE).search
"""Whether a content type, or the head of an answer, tells of a stream that is read here."""

_DONE = b"[DONE]"
_PINGS = frozenset(("ping", "heartbeat", "keepalive", "keep-alive"))
# Making a mould costs three readings of an event. One is made of the second event that had to be parsed; where it fits
# few others, the next is made after twice as many, and is loose.
_FIRST_PATIENCE = 2
_MOST_PATIENCE = 64
_LONGEST_MOULD_BYTES = 16 * 1024
MOST_GAPS = 100_000
"""Of one stream, kept as they are. A stream of a million tokens is no model's, and would take 36 bytes for each."""

# Further gaps are counted by their first four digits, within 0.1 % as in the histogram that they end in.
_DIGITS = 10_000


class StreamReader:
    """Fed with a stream's bytes as they come.

    family: "model", "rpc" or "graphql" where the request tells that the answer comes from such, else None. awaited:
    what of a stream of JSON-RPC the request waits for; None: its end. is_answered: that has come.
    first_token_ns, last_token_ns: 0 until there is one. itl_ns: gaps between token events, one fewer than
    token_count, or the first MOST_GAPS of them; further_itl_ns: how often each further gap came, to four digits.
    layout: None until an event tells it. has_events: an event with data came, of any kind.
    """

    __slots__ = (
        "_awaited",
        "_cutter",
        "_dialect",
        "_facts",
        "_family",
        "_is_begun",
        "_is_between",
        "_mould",
        "_patience",
        "_tokens_at_mould",
        "_unfit",
        "first_token_ns",
        "further_itl_ns",
        "has_events",
        "is_answered",
        "itl_ns",
        "last_token_ns",
        "token_count",
    )

    def __init__(self, family: str | None = None, awaited: Awaited | None = None) -> None:
        self._family = family
        self._cutter: EventCutter | FrameCutter = EventCutter()
        self._is_begun = False
        self._awaited = awaited
        self.is_answered = awaited is not None and awaited.listens
        self._facts = Facts()
        self._dialect: Dialect | None = None
        self._mould: Mould | None = None
        self._is_between = True
        # How many tokens were parsed since a mould was made, and how many of them lead to the next.
        self._unfit = self._tokens_at_mould = 0
        self._patience = _FIRST_PATIENCE
        self.has_events = False
        self.first_token_ns = self.last_token_ns = self.token_count = 0
        self.itl_ns: list[int] = []
        self.further_itl_ns: dict[int, int] = {}

    def __repr__(self) -> str:
        return f"<StreamReader {self.layout or 'unknown layout'}, {self.token_count} tokens>"

    @property
    def layout(self) -> Layout | None:
        return None if self._dialect is None else self._dialect.layout

    @property
    def awaited(self) -> Awaited | None:
        return self._awaited

    @property
    def error(self) -> AnswerError | None:
        """What the first error event was; None if there was none."""
        return self._facts.error

    @property
    def has_ended(self) -> bool:
        """Whether the layout's end was seen."""
        return self._facts.has_ended

    @property
    def is_cut_short(self) -> bool:
        """Whether a model's answer ended without its layout's end, or a stream of JSON-RPC without the answer, and
        without an error that would say why.

        To be asked once the response is over. Where the layout is not known, neither is its end, but that there was
        something. An end alone ends nothing: some gateways send `[DONE]` whatever became of the model behind them.
        """
        if self._facts.error is not None:
            return False
        if self._awaited is not None:
            return not self.is_answered
        if self._dialect is None:
            return self._family == "model" and not self.token_count
        facts = self._facts
        if self._dialect.family != "model":
            return False
        is_hollow = not self.token_count and not facts.finish_reasons and facts.usage is None
        return is_hollow or not facts.has_ended

    @property
    def usage(self) -> Usage | None:
        return self._facts.usage

    @property
    def hidden_tokens(self) -> int | None:
        return self._facts.hidden_tokens

    @property
    def finish_reasons(self) -> tuple[str, ...]:
        return self._facts.finish_reasons

    @property
    def tool_names(self) -> tuple[str, ...]:
        return self._facts.tool_names

    def feed(self, data: bytes, now_ns: int) -> None:
        """Read these bytes, which came at now_ns."""
        mould = self._mould
        if mould is not None and self._is_between and data.endswith(b"\n\n"):
            # Nearly every read brings exactly one event, and nearly every event fits the mould.
            block = data[:-2]
            if mould.fits(block):
                self._token(now_ns)
                return
            if b"\n\n" not in block and b"\r" not in block:
                if self._shows(block):
                    self._token(now_ns)
                return
        if not self._is_begun and data:
            self._is_begun = True
            # The first byte of a length; no text begins so.
            if data[0] == 0:
                self._cutter = FrameCutter()
        for block in self._cutter.feed(data):
            mould = self._mould
            if (mould is not None and mould.fits(block)) or self._shows(block):
                self._token(now_ns)
        self._is_between = self._cutter.is_between

    def finish(self) -> None:
        """The response ended whole. An event without its empty line is no token, but may say how the answer ended."""
        _, value = fields_of(rest := self._cutter.unfinished())
        if value is not None and (value.strip() == _DONE or read_document(value) is not None):
            self._read(rest)

    def _token(self, now_ns: int) -> None:
        count = self.token_count
        if 0 < count <= MOST_GAPS:
            self.itl_ns.append(now_ns - self.last_token_ns)
        elif count:
            self._count_gap(now_ns - self.last_token_ns)
        else:
            self.first_token_ns = now_ns
        self.last_token_ns = now_ns
        self.token_count += 1

    def _count_gap(self, gap_ns: int) -> None:
        unit = 1
        while gap_ns >= _DIGITS * unit:
            unit *= 10
        gap_ns -= gap_ns % unit
        self.further_itl_ns[gap_ns] = self.further_itl_ns.get(gap_ns, 0) + 1

    def _shows(self, block: bytes) -> bool:
        shown = self._read(block)
        # Unless it is a string, more than one makes this a token, or what is none.
        if shown and isinstance(shown, str):
            self._unfit += 1
            if self._unfit >= self._patience and len(block) <= _LONGEST_MOULD_BYTES:
                self._make_mould(block, shown)
        return bool(shown)

    def _make_mould(self, block: bytes, shown: str) -> None:
        fitted = self.token_count - self._tokens_at_mould - self._unfit
        is_loose = self._mould is not None and fitted < self._unfit
        self._patience = min(2 * self._patience, _MOST_PATIENCE) if is_loose else _FIRST_PATIENCE
        self._unfit, self._tokens_at_mould = 0, self.token_count
        self._mould = mould_of(block, shown, self._reread, is_loose) or self._mould

    def _reread(self, block: bytes) -> Shown:
        """What an event in the known layout shows, without noting what it says."""
        name, value = fields_of(block)
        document = read_document(value or b"")
        if self._dialect is None or not isinstance(document, dict):
            return ""
        return self._dialect.read_event(document, _kind_of(document, name), Facts())

    def _read(self, block: bytes) -> Shown:
        """Note what an event says; return what it shows."""
        name, value = fields_of(block)
        value = b"" if value is None else value.strip()
        if value:
            self.has_events = True
            return self._read_value(name, value)
        if name == b"error":
            self._note_error()
        return ""

    def _read_value(self, name: bytes, value: bytes) -> Shown:
        if value == _DONE:
            if self._dialect is None or self._dialect.ends_with_done:
                self._facts.has_said_end = True
            return ""
        document = read_document(value)
        if type(document) is dict:
            return self._read_object(name, document, value)
        if document is None and len(value) > MOST_BYTES // 2:
            document = read_cut_document(value)
        if isinstance(document, dict):
            return self._read_object(name, document, value)
        if isinstance(document, list) and document and all(isinstance(part, dict) for part in document):
            # A batch of JSON-RPC; nothing else comes in lists.
            shown = [self._read_object(name, part, value) for part in document]
            return any(shown)
        if document is None and b"\n" in value:
            # Against the standard, but seen: an event of several documents, each on a line of its own.
            return self._read_lines(name, value)
        if name == b"error":
            self._note_error()
            return ""
        return not (self._dialect is not None or _is_ping(name) or _is_ping(value.lower()))

    def _read_lines(self, name: bytes, value: bytes) -> bool:
        is_token = False
        for line in filter(None, map(bytes.strip, value.split(b"\n"))):
            dialect = self._dialect
            shown = bool(self._read_value(name, line))
            # The lines before the one that told the layout are no tokens, as are the events before it.
            is_token = shown if self._dialect is not dialect else shown or is_token
        return is_token

    def _read_object(self, name: bytes, document: dict[str, Any], value: bytes) -> Shown:
        kind, facts = _kind_of(document, name), self._facts
        dialect = self._dialect
        if dialect is None:
            dialect = dialect_of_event(document, kind)
            if dialect is not None:
                self._dialect = dialect
                # What came before it was in no layout was not of this one: a greeting, a ping of the server's own.
                self._forget_tokens()
        if dialect is not None and dialect.family == "rpc":
            if self._awaited is not None:
                if self._awaited.is_prevented_by(document):
                    facts.note_error("input_required")
                    self.is_answered = True
                    return ""
                if not self._awaited.is_in(document):
                    # An answer to somebody else, or a message on the way to ours.
                    return ""
                self.is_answered = True
            return dialect.read_event(document, kind, facts)
        if b'"usage' in value:
            facts.note_usage(usage_in(document))
        shown: Shown
        if dialect is not None:
            shown = dialect.read_event(document, kind, facts)
        else:
            shown = not (_is_ping(name) or kind in _PINGS)
        if self._family == "graphql" and has_graphql_errors(document):
            facts.note_error("graphql_error")
            return ""
        if name == b"error" or is_error(document):
            self._note_error()
            return ""
        return shown

    def _note_error(self) -> None:
        family = self._family if self._dialect is None else self._dialect.family
        self._facts.note_error("rpc_error" if family == "rpc" else "model_error")

    def _forget_tokens(self) -> None:
        self.first_token_ns = self.last_token_ns = self.token_count = 0
        self.itl_ns = []
        self.further_itl_ns = {}


def _kind_of(document: dict[str, Any], name: bytes) -> str:
    """The type of an event: its own word, or its name in the stream."""
    kind = document.get("type")
    return kind if isinstance(kind, str) else name.decode("latin-1")


def _is_ping(name: bytes) -> bool:
    return name.decode("latin-1") in _PINGS
