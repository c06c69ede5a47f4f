"""A recorded WebSocket as steps: what the client sent, and what came in until it sent the next. Pure.

Opening it is a step, each message of the client another. That ends with the last message before the client's next one,
named by what only that one says of those in between: the id of the message that it answers, or its type; or else by its
number. Messages before the client's first are nobody's, and counted.
"""

import base64
import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from replay.trace.edges.names import grouped_name
from replay.trace.redaction.requests import NO_BODY, RequestRedactor
from replay.trace.types import Recorded, Request, Step, Until, WsCall
from replay.trace.values.pointer import MISSING, pointed
from replay.trace.values.sockets import with_request
from replay.websocket.handshake import OWN_HEADERS
from replay.websocket.types import NORMAL, is_code

_MOST_MESSAGE_BYTES = 1 << 20
_MOST_SEEN = 10_000
# Members by which protocols name what a message is, and which message it answers.
_KINDS = ("/type", "/event", "/kind", "/op", "/method", "/status")
_ID = "/id"
_IS_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.:/-]{0,59}").fullmatch
_IS_SHORT_ID = re.compile(r"[A-Za-z0-9_-]{1,40}").fullmatch


class SocketMessage(NamedTuple):
    """One message. at_us: when it was sent, or came."""

    is_sent: bool
    at_us: int
    is_text: bool
    data: bytes


class OpenedSocket(NamedTuple):
    """How a connection was opened. took_us: None where that is not recorded. connection: a name, where it needs one."""

    path: str
    headers: dict[str, str]
    at_us: int
    took_us: int | None
    connection: str | None
    attributes: dict[str, str]


class SocketStep(NamedTuple):
    """first_us: until the first message that came for it."""

    start_us: int
    took_us: int | None
    first_us: int | None
    step: Step


class SocketSteps(NamedTuple):
    """unasked: messages that came before the client had sent any."""

    steps: list[SocketStep]
    unasked: int
    filled: int


def socket_steps(
    opened: OpenedSocket,
    messages: Sequence[SocketMessage],
    clean: RequestRedactor,
    closed: tuple[int, int] | None = None,
) -> SocketSteps:
    """The steps of one connection, in order. clean: of the request that opened it. closed: when the client closed it,
    and with which code.
    """
    path = clean.path(opened.path)
    opening = opening_of(path, opened.headers, opened.connection)
    name = grouped_name("WS", path)
    ordered = sorted(messages, key=lambda message: message.at_us)
    took_us = opened.took_us
    if took_us is not None and ordered:
        took_us = max(0, min(took_us, ordered[0].at_us - opened.at_us))

    def call(**fields: Any) -> WsCall:
        return msgspec.structs.replace(opening, **{"action": "message", **fields})

    def step(name: str, call: WsCall, **fields: Any) -> Step:
        return Step("", "ws", name, ws=call, attributes=dict(opened.attributes), **fields)

    is_open = Recorded(status=101)
    steps = [
        SocketStep(opened.at_us, took_us, None, step(f"{name} open", call(action="open"), recorded=is_open))
    ]
    sent = [n for n, message in enumerate(ordered) if message.is_sent]
    filled = 0
    for n, until in pairwise([*sent, len(ordered)]):
        out, came = ordered[n], ordered[n + 1 : until]
        made = with_message(call(), out.data, clean, is_text=out.is_text)
        is_filled = made.message_bytes is not None
        filled += is_filled
        first_us = came[0].at_us - out.at_us if came else None
        last = LastMessage(out.data)
        for message in came:
            last.came(message.data)
        made.until = until_of(last.names, last.messages, clean)
        recorded = Recorded(
            status=101,
            ttft_ms=None if first_us is None else first_us / 1_000,
            response_bytes=sum(len(message.data) for message in came) if came else None,
        )
        took = came[-1].at_us - out.at_us if came else 0
        steps.append(SocketStep(out.at_us, took, first_us, step(name, made, recorded=recorded)))
    if closed is not None:
        at_us, code = closed
        at_us = max(at_us, ordered[-1].at_us if ordered else opened.at_us)
        own = None if code == NORMAL or not is_code(code) else code
        steps.append(SocketStep(at_us, None, None, step(f"{name} close", call(action="close", code=own))))
    return SocketSteps(_timed(steps), sent[0] if sent else len(ordered), filled)


def _timed(steps: list[SocketStep]) -> list[SocketStep]:
    return [
        one._replace(
            step=msgspec.structs.replace(one.step, took_ms=None if one.took_us is None else one.took_us / 1_000)
        )
        for one in steps
    ]


def with_message(call: WsCall, data: bytes, clean: RequestRedactor, *, is_text: bool) -> WsCall:
    """The call with this message, without secrets; only its size is left of one that is too long, or hides some."""
    made = Request("GET", call.path, call.headers)
    kind = "text/plain" if is_text else "application/octet-stream"
    if is_text and data.lstrip()[:1] in (b"{", b"["):
        kind = "application/json"
    if len(data) > _MOST_MESSAGE_BYTES:
        made.body_bytes = len(data)
    elif clean.put_body(made, data, kind) != NO_BODY and not is_text and made.body_base64 is None:
        # It was binary, whatever could be read in it.
        text = bytes(made.json) if made.json else (made.body or "").encode("utf-8", "surrogatepass")
        made.json, made.body, made.body_base64 = msgspec.Raw(b""), None, base64.b64encode(text).decode()
    if made.body is None and made.body_base64 is None and not made.json and made.body_bytes is None:
        made.body = ""
    return with_request(call, made)


def opening_of(path: str, headers: dict[str, str], connection: str | None) -> WsCall:
    """What opens a connection that was opened by this request, which is without secrets."""
    asked = next((value for name, value in headers.items() if name.lower() == "sec-websocket-protocol"), "")
    protocols = tuple(part for text in asked.split(",") if (part := text.strip()))
    kept = {name: value for name, value in headers.items() if name.lower() not in OWN_HEADERS}
    return WsCall(path, connection, action="open", headers=kept, protocols=protocols)


class LastMessage:
    """Told of the messages that come after one that was sent, tells what names the last of them."""

    __slots__ = ("_asked", "_last", "_seen", "messages")

    def __init__(self, sent: bytes) -> None:
        self._asked = _value(_document(sent), _ID)
        self._last: list[tuple[str, Any]] = []
        # How often each kind and id came; beyond a bound they name nothing.
        self._seen: dict[tuple[str, Any], int] = {}
        self.messages = 0

    def __repr__(self) -> str:
        return f"<LastMessage of {self.messages}>"

    def came(self, data: bytes) -> None:
        """One more message."""
        self.messages += 1
        document = _document(data)
        values = ((pointer, _value(document, pointer)) for pointer in (_ID, *_KINDS))
        self._last = [(pointer, value) for pointer, value in values if isinstance(value, str | int)]
        for each in self._last:
            if each in self._seen or len(self._seen) < _MOST_SEEN:
                self._seen[each] = self._seen.get(each, 0) + 1

    @property
    def names(self) -> tuple[tuple[str, Any], ...]:
        """By which pointers and values the last of them may be named, the best first: no other said that."""
        found = []
        for pointer, value in self._last:
            is_it = value == self._asked and type(value) is type(self._asked) if pointer == _ID else True
            if is_it and self._seen.get((pointer, value)) == 1:
                found.append((pointer, value))
        return tuple(found)


def until_of(names: Sequence[tuple[str, Any]], messages: int, clean: RequestRedactor) -> Until | None:
    """What ends a step for which so many messages came, the last of which has these names; None where none came."""
    if not messages:
        return None
    for pointer, value in names:
        if (_is_id if pointer == _ID else _is_kind)(value, clean):
            return Until(pointer, value)
    return Until(messages=messages)


def _document(data: bytes) -> Any:
    if len(data) > _MOST_MESSAGE_BYTES:
        return None
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _value(document: Any, pointer: str) -> Any:
    return pointed(document, pointer) if isinstance(document, dict) else MISSING


def _is_id(value: Any, clean: RequestRedactor) -> bool:
    if isinstance(value, str):
        return _IS_SHORT_ID(value) is not None and clean.text(value) == value
    return isinstance(value, int) and not isinstance(value, bool)


def _is_kind(value: Any, clean: RequestRedactor) -> bool:
    return isinstance(value, str) and _IS_NAME(value) is not None and clean.text(value) == value
