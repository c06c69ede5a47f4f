"""The messages of one recorded WebSocket as steps: what the client sent, and what came in until it sent the next. Pure.

Opening it is a step, each message of the client another. That ends with the last message before the client's next one,
named by what only that one says of those in between: the id of the message that it answers, or its type; or else by its
number. Messages before the client's first are nobody's, and counted.
"""

import base64
import re
from collections.abc import Sequence
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
    names = {name.lower(): name for name in opened.headers}
    asked = opened.headers.get(names.get("sec-websocket-protocol", ""), "")
    protocols = tuple(part for text in asked.split(",") if (part := text.strip()))
    headers = {name: value for name, value in opened.headers.items() if name.lower() not in OWN_HEADERS}
    name = grouped_name("WS", path)
    ordered = sorted(messages, key=lambda message: message.at_us)
    took_us = opened.took_us
    if took_us is not None and ordered:
        took_us = max(0, min(took_us, ordered[0].at_us - opened.at_us))

    def call(**fields: Any) -> WsCall:
        return WsCall(path, opened.connection, headers=headers, protocols=protocols, **fields)

    def step(name: str, call: WsCall, **fields: Any) -> Step:
        return Step("", "ws", name, ws=call, attributes=dict(opened.attributes), **fields)

    is_open = Recorded(status=101)
    steps = [
        SocketStep(opened.at_us, took_us, None, step(f"{name} open", call(action="open"), recorded=is_open))
    ]
    sent = [n for n, message in enumerate(ordered) if message.is_sent]
    filled = 0
    for n, until in zip(sent, [*sent[1:], len(ordered)], strict=True):
        out, came = ordered[n], ordered[n + 1 : until]
        made, is_filled = _message(call(), out, clean)
        filled += is_filled
        first_us = came[0].at_us - out.at_us if came else None
        made.until = _end_of(out, came, clean) if came else None
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


def _message(call: WsCall, message: SocketMessage, clean: RequestRedactor) -> tuple[WsCall, bool]:
    """The call with the message, without secrets, and whether only its size is left."""
    made = Request("GET", call.path, call.headers)
    kind = "text/plain" if message.is_text else "application/octet-stream"
    if message.is_text and message.data.lstrip()[:1] in (b"{", b"["):
        kind = "application/json"
    if len(message.data) > _MOST_MESSAGE_BYTES:
        made.body_bytes = len(message.data)
    elif (
        clean.put_body(made, message.data, kind) != NO_BODY and not message.is_text and made.body_base64 is None
    ):
        # It was binary, whatever could be read in it.
        text = bytes(made.json) if made.json else (made.body or "").encode("utf-8", "surrogatepass")
        made.json, made.body, made.body_base64 = msgspec.Raw(b""), None, base64.b64encode(text).decode()
    if made.body is None and made.body_base64 is None and not made.json and made.body_bytes is None:
        made.body = ""
    return with_request(call, made), made.body_bytes is not None


def _end_of(out: SocketMessage, came: Sequence[SocketMessage], clean: RequestRedactor) -> Until:
    """What tells the last of these messages from those before it."""
    documents = [_document(message) for message in came]
    asked = _value(_document(out), _ID)
    pointers = [(_ID, asked)] if _is_id(asked, clean) else []
    pointers += [(kind, value) for kind in _KINDS if _is_kind(value := _value(documents[-1], kind), clean)]
    for pointer, value in pointers:
        fitting = [document for document in documents if _value(document, pointer) == value]
        if fitting and fitting[0] is documents[-1] and len(fitting) == 1:
            return Until(pointer, value)
    return Until(messages=len(came))


def _document(message: SocketMessage) -> Any:
    try:
        return msgspec.json.decode(message.data)
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
