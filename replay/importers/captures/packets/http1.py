"""HTTP/1.1 in what the two sides of a connection sent: requests with their answers. Pure.

It is read as those read it who took it: leniently. Answers belong to requests in their order. Where bytes were not
captured, the body that they are of is known by its size; where it may have been more than a body, that side is lost
until a packet begins with a message.
"""

import re
from abc import ABC, abstractmethod
from collections import deque
from typing import NamedTuple

from replay.http.framing import UNTIL_CLOSE, Body, FramingError
from replay.importers.captures.packets.found import Found, body_answered, body_asked
from replay.importers.captures.packets.types import Answer, Ends, Exchange, Pairs, Piece, value_of

_MOST_HEAD_BYTES = 256 << 10
_REQUEST = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}) +([!-~\x80-\xff]+) +HTTP/1\.[0-9][ \t]*").fullmatch
_STATUS = re.compile(rb"HTTP/1\.[0-9] +([1-9][0-9]{2})(?: [^\r\n]*)?").fullmatch
_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_LINE_END = re.compile(rb"\r?\n")
_FOLDED = re.compile(rb"\r?\n[ \t]+")
_DIGITS = re.compile(r"[0-9]{1,18}").fullmatch
_SWITCHING = 101

begins_request = re.compile(
    rb"[A-Z]{3,20} (?:/|https?://|\*(?: |\Z)|[\w.\-]{1,255}:\d)(?:[^\r\n]*\Z|[^\r\n]* HTTP/1\.[01][ \t]*\r?\n)"
).match
"""Whether what a side sent begins with a request, as far as it has come."""

begins_answer = re.compile(rb"HTTP/1\.[01] [1-5][0-9]{2}[ \r\n]").match
"""Whether what a side sent begins with an answer."""


class _Told(NamedTuple):
    """What both sides know. waiting: requests whose answer has not begun. early: answered before they were over."""

    found: Found
    ends: Ends
    waiting: deque[Exchange]
    early: list[Exchange]


class _Side(ABC):
    """Cuts what one side sends into messages. has_switched: whether it speaks another protocol from `rest` on."""

    def __init__(self, told: "_Told") -> None:
        self.has_switched = self.is_lost = False
        self.rest = b""
        self._told = told
        self._began: Piece | None = None
        self._body: Body | None = None
        self._now = Piece(b"", 0)
        self._is_chunked = False

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'lost' if self.is_lost else self._body or 'between messages'}>"

    def feed(self, piece: Piece) -> None:
        """More of it."""
        self._now = piece
        if piece.lacking:
            self._lack(piece.lacking)
        data, at = piece.data, 0
        if self.is_lost and data and self._begins(data):
            self.is_lost = False
        while at < len(data) and not self.is_lost:
            if self.has_switched:
                self.rest += data[at:]
                return
            at = self._take_head(data, at) if self._body is None else self._take_body(data, at)

    def close(self, at_ns: int) -> None:
        """It sends no more."""
        if self._body is not None and self._body.ends_with_connection and not self.is_lost:
            self._now = Piece(b"", at_ns)
            self._body = None
            self._ended()

    def _take_head(self, data: bytes, at: int) -> int:
        before = len(self.rest)
        if not before:
            while at < len(data) and data[at] in b"\r\n":
                at += 1
            self._began = self._now
            text, begin = data, at
        else:
            text, begin = self.rest + data[at:], 0
        found = _END_OF_HEAD.search(text, max(begin, before - 3))
        if found is None:
            self.rest = text[begin:]
            if len(self.rest) > _MOST_HEAD_BYTES:
                self._lose()
            return len(data)
        head, self.rest = text[begin : found.start()], b""
        end = found.end() + len(data) - len(text)
        try:
            self._body = self._follows(head)
        except FramingError:
            self._lose()
            return end
        if self._body is not None and self._body.is_over:
            self._body = None
            self._ended()
        return end

    def _take_body(self, data: bytes, at: int) -> int:
        body = self._body
        assert body is not None
        try:
            taken = body.take(data, at)
        except FramingError:
            self._lose()
            return len(data)
        if not self._is_chunked:
            self._take_content(data[at : at + taken])
        if body.is_over:
            self._body = None
            self._ended()
        return at + taken

    def _lack(self, size: int) -> None:
        if self.is_lost or self.has_switched:
            return
        if self._body is not None:
            unseen = self._body.take_unseen(size)
            size -= unseen
            if unseen:
                self._lack_content(unseen)
            if self._body.is_over:
                self._body = None
                self._ended()
        if size:
            self._lose()

    def _lose(self) -> None:
        self.is_lost, self._body, self.rest = True, None, b""
        self._told.found.loss(LOST)
        self._lost()

    def _framed(self, headers: Pairs, otherwise: int) -> Body:
        """The body behind these headers. otherwise: its length where they do not tell."""
        self._is_chunked = "chunked" in value_of(headers, "transfer-encoding").lower()
        if self._is_chunked:
            return Body(0, True, self._take_content)
        length = value_of(headers, "content-length").partition(",")[0].strip()
        return Body(int(length) if _DIGITS(length) else otherwise)

    @staticmethod
    @abstractmethod
    def _begins(data: bytes) -> object:
        """Whether a message begins here."""

    @abstractmethod
    def _follows(self, head: bytes) -> Body | None:
        """The body behind a head; None where another protocol follows. Raises FramingError for what is no head."""

    @abstractmethod
    def _take_content(self, data: bytes) -> None:
        """More of the body."""

    @abstractmethod
    def _lack_content(self, size: int) -> None:
        """So much more of the body, which was not captured."""

    @abstractmethod
    def _ended(self) -> None:
        """The message has come to its end."""

    @abstractmethod
    def _lost(self) -> None:
        """What goes on is not known."""


LOST = "place(s) at which packets are missing or cut off, with the requests and answers that were in them"
NO_REQUEST = "answer(s) whose request is not in the file"


class _Requests(_Side):
    def __init__(self, told: _Told) -> None:
        super().__init__(told)
        self._exchange: Exchange | None = None

    @staticmethod
    def _begins(data: bytes) -> object:
        return begins_request(data)

    def _follows(self, head: bytes) -> Body | None:
        first, *lines = _LINE_END.split(_FOLDED.sub(b" ", head))
        line = _REQUEST(first)
        if line is None:
            raise FramingError("no request line")
        began, ends = self._began or self._now, self._told.ends
        headers, target = _pairs(lines), line[2].decode("latin-1")
        self._exchange = Exchange(
            *ends,
            start_ns=began.at_ns,
            has_start=began.has_time,
            method=line[1].decode("latin-1"),
            target=target,
            headers=headers,
            content=body_asked(target),
        )
        self._told.waiting.append(self._exchange)
        return self._framed(headers, 0)

    def _take_content(self, data: bytes) -> None:
        if self._exchange is not None:
            self._exchange.content.take(data)

    def _lack_content(self, size: int) -> None:
        if self._exchange is not None:
            self._exchange.content.lack(size)

    def _ended(self) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.is_asked = True
            if exchange in self._told.early:
                self._told.early.remove(exchange)
                self._told.found.exchange(exchange)

    def _lost(self) -> None:
        self._exchange = None


class _Answers(_Side):
    """asked: of the answer that comes; None where its request is not known."""

    def __init__(self, told: _Told) -> None:
        super().__init__(told)
        self.asked: Exchange | None = None
        self._answer: Answer | None = None
        self._was_lost = False

    @staticmethod
    def _begins(data: bytes) -> object:
        return begins_answer(data)

    def _follows(self, head: bytes) -> Body | None:
        first, *lines = _LINE_END.split(_FOLDED.sub(b" ", head))
        line = _STATUS(first)
        if line is None:
            raise FramingError("no status line")
        status, headers = int(line[1]), _pairs(lines)
        if status < 200 and status != _SWITCHING:
            return Body(0)
        exchange = self.asked = self._next_asked()
        began = self._began or self._now
        content = body_answered("" if exchange is None else exchange.target)
        self._answer = Answer(status, headers, began.at_ns if began.has_time else None, content)
        if exchange is None:
            self._told.found.loss(NO_REQUEST)
        else:
            exchange.answer = self._answer
        method = "" if exchange is None else exchange.method
        if status == _SWITCHING or (method == "CONNECT" and status < 300):
            self.has_switched = True
            self._answer.end_ns = self._now.at_ns
            return None
        if method == "HEAD" or status in (204, 304):
            return Body(0)
        return self._framed(headers, UNTIL_CLOSE)

    def _next_asked(self) -> Exchange | None:
        """Of which request the next answer is: behind a hole, the last one."""
        while self._was_lost and len(self._told.waiting) > 1:
            self._told.found.exchange(self._told.waiting.popleft())
        self._was_lost = False
        return self._told.waiting.popleft() if self._told.waiting else None

    def _take_content(self, data: bytes) -> None:
        if self._answer is not None and data:
            self._begin_content(self._answer)
            self._answer.content.take(data)

    def _lack_content(self, size: int) -> None:
        if self._answer is not None:
            self._begin_content(self._answer)
            self._answer.content.lack(size)

    def _begin_content(self, answer: Answer) -> None:
        if answer.data_ns is None and self._now.has_time:
            answer.data_ns = self._now.at_ns

    def _ended(self) -> None:
        exchange, answer = self.asked, self._answer
        self.asked = self._answer = None
        if answer is None:
            return
        # An end that was not captured came at a time that nobody knows.
        answer.end_ns, answer.is_over = self._now.at_ns if self._now.has_time else None, True
        if exchange is None:
            return
        if exchange.is_asked:
            self._told.found.exchange(exchange)
        else:
            self._told.early.append(exchange)

    def _lost(self) -> None:
        self._was_lost = True
        if self.asked is not None:
            self._told.found.exchange(self.asked)
        self.asked = self._answer = None


class Http1:
    """A connection that speaks HTTP/1.1. ends: the connection, its client and its server."""

    def __init__(self, found: Found, ends: Ends) -> None:
        self._told = _Told(found, ends, deque(), [])
        self._requests = _Requests(self._told)
        self._answers = _Answers(self._told)

    def __repr__(self) -> str:
        return f"<Http1, {len(self._told.waiting)} waiting>"

    @property
    def switched(self) -> Exchange | None:
        """The request by which it was agreed to speak another protocol from here on."""
        return self._answers.asked if self._answers.has_switched else None

    @property
    def has_switched(self) -> bool:
        return self._answers.has_switched

    @property
    def rests(self) -> tuple[bytes, bytes]:
        """What both sides have sent behind that, so far."""
        return self._requests.rest, self._answers.rest

    def sent(self, piece: Piece) -> None:
        """The client sent this."""
        self._requests.feed(piece)

    def came(self, piece: Piece) -> None:
        """The server sent this."""
        self._answers.feed(piece)

    def server_closed(self, at_ns: int) -> None:
        """The server sends no more."""
        self._answers.close(at_ns)

    def end(self) -> None:
        """The connection is over, or the file."""
        if self._answers.asked is not None and not self._answers.has_switched:
            self._told.found.exchange(self._answers.asked)
        for exchange in (*self._told.early, *self._told.waiting):
            self._told.found.exchange(exchange)
        self._told.early.clear()
        self._told.waiting.clear()


def _pairs(lines: list[bytes]) -> Pairs:
    parts = (line.decode("latin-1").partition(":") for line in lines)
    return [(name.strip(), value.strip()) for name, colon, value in parts if colon]
