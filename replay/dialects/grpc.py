"""gRPC over HTTP/2: messages behind their lengths, deadlines, and how a call ended, which its trailers say.

Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

import re
from collections.abc import Iterable
from math import ceil
from typing import NamedTuple, get_args
from urllib.parse import unquote_to_bytes

from replay.dialects.types import GrpcStatus

CONTENT_TYPE = "application/grpc"
_CODINGS = ("deflate", "gzip")
ACCEPTED_CODINGS = ",".join(("identity", *_CODINGS))
"""How messages of an answer may be compressed."""

STATUSES: tuple[GrpcStatus, ...] = get_args(GrpcStatus)
"""By their codes."""

TRANSIENT: frozenset[GrpcStatus] = frozenset(
    (
        "CANCELLED",
        "UNKNOWN",
        "DEADLINE_EXCEEDED",
        "RESOURCE_EXHAUSTED",
        "ABORTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
    )
)
"""What a recording may hold by chance, as it may hold a status of 500 or more: no answer that was meant."""

PREFIX_BYTES = 5
LONGEST_MESSAGE_TEXT = 200
_MOST_UNITS = 99_999_999
_is_grpc = re.compile(rb"application/grpc(?:[+;].*)?\s*", re.IGNORECASE | re.DOTALL).fullmatch
_is_code = re.compile(rb"[0-9]{1,9}").fullmatch
# A field that no message has: its number is of those that protobuf keeps for itself.
_FILLER_TAG = b"\xc2\xa3\x09"
_FILLING = bytes(range(0x20, 0x7F)) * 64

Fields = Iterable[tuple[bytes, bytes]]

NOT_GRPC = "the answer is not gRPC: its content type is not application/grpc"
NO_TRAILERS = "the answer has no trailers, which would say how the call ended"
NO_STATUS = "the trailers of the answer do not say how the call ended (grpc-status)"
BAD_STATUS = "the status of the call (grpc-status) is not one number"
NO_MESSAGE = "the call ended as OK without a message"
CUT_MESSAGE = "the message of the answer is shorter than announced"
MORE_MESSAGES = "the answer holds more than the one message of a unary call"
BAD_FLAG = "the message of the answer does not begin as one of gRPC does"
BAD_CODING = "the message of the answer is compressed in a way that nobody has asked for"


class Answer(NamedTuple):
    """What one answer says. status: one of STATUSES. text: the server's own words (grpc-message), decoded and cut.

    problem: why it is no answer of a unary call; the rest then says nothing. coding: what its message is compressed
    with, "" where it is not.
    """

    status: str = ""
    text: str = ""
    problem: str | None = None
    coding: str = ""


def framed(message: bytes) -> bytes:
    """A message as it is sent: not compressed, behind its length."""
    return b"\0" + len(message).to_bytes(4) + message


def filler(size: int) -> bytes:
    """A message of this many bytes, 0 or at least 4, that is valid for any type: one field, which none of them has."""
    if not size:
        return b""
    # A longer length leaves less room; one that begins with zeros is as valid.
    width = next(n for n in range(1, 6) if size - len(_FILLER_TAG) - n < 1 << 7 * n)
    room = size - len(_FILLER_TAG) - width
    length = bytes(room >> 7 * n & 0x7F | (0x80 if n < width - 1 else 0) for n in range(width))
    return _FILLER_TAG + length + (_FILLING * (room // len(_FILLING) + 1))[:room]


def timeout_text(timeout_ms: float) -> str:
    """A deadline of at most 99,999,999 s as grpc-timeout has it: a whole number and its unit; never shorter."""
    if timeout_ms < 1_000 and timeout_ms != int(timeout_ms):
        return f"{ceil(timeout_ms * 1_000)}u"
    return f"{ceil(timeout_ms)}m" if timeout_ms <= _MOST_UNITS else f"{ceil(timeout_ms / 1_000)}S"


def read_answer(head: Fields, trailers: Fields | None, body: bytes, body_bytes: int) -> Answer:
    """What an answer with the status 200 says.

    head: its fields. trailers: those that came after it, None where there were none: then the head itself may be them.
    body: as far as it was kept, its first bytes at least. body_bytes: its whole size.
    """
    named = dict(_lowered(head))
    if not _is_grpc(named.get(b"content-type", b"")):
        return Answer(problem=NOT_GRPC)
    if trailers is None:
        if body_bytes or b"grpc-status" not in named:
            return Answer(problem=NO_TRAILERS)
        trailers = head
    said = [(name, value) for name, value in _lowered(trailers) if name.startswith(b"grpc-")]
    codes = {value for name, value in said if name == b"grpc-status"}
    if not codes:
        return Answer(problem=NO_STATUS)
    code = codes.pop()
    if codes or not _is_code(code):
        return Answer(problem=BAD_STATUS)
    # What is no code of ours is to be taken for UNKNOWN (https://grpc.io/docs/guides/status-codes).
    status = STATUSES[int(code)] if int(code) < len(STATUSES) else "UNKNOWN"
    if status != "OK":
        return Answer(status, _text(dict(said).get(b"grpc-message", b"")))
    problem = _framing_problem(body, body_bytes)
    if problem is not None:
        return Answer(problem=problem)
    if body[0] == 0:
        return Answer(status)
    coding = named.get(b"grpc-encoding", b"").lower().decode("latin-1")
    return Answer(status, coding=coding) if coding in _CODINGS else Answer(problem=BAD_CODING)


def _framing_problem(body: bytes, body_bytes: int) -> str | None:
    """Why a body is not one whole message."""
    if not body_bytes:
        return NO_MESSAGE
    if body_bytes < PREFIX_BYTES or len(body) < PREFIX_BYTES:
        return CUT_MESSAGE
    if body[0] > 1:
        return BAD_FLAG
    announced = int.from_bytes(body[1:PREFIX_BYTES]) + PREFIX_BYTES
    if announced > body_bytes:
        return CUT_MESSAGE
    return MORE_MESSAGES if announced < body_bytes else None


def _lowered(fields: Fields) -> list[tuple[bytes, bytes]]:
    return [(name.lower(), value.strip()) for name, value in fields]


def _text(value: bytes) -> str:
    """The words of a grpc-message: percent-encoded UTF-8, of which what cannot be read stays as it is."""
    text = unquote_to_bytes(value[: LONGEST_MESSAGE_TEXT * 12]).decode("utf-8", "replace")
    return " ".join(text.split())[:LONGEST_MESSAGE_TEXT]
