"""gRPC calls as captures tell of them: requests of HTTP/2 as calls, and how these ended. Pure.

A call is unary where one message went each way; other calls cannot be replayed.
"""

import base64
import re
from collections.abc import Mapping

from replay.dialects.grpc import CONTENT_TYPE, MORE_MESSAGES, PREFIX_BYTES, STATUSES, read_answer
from replay.dialects.types import GrpcStatus
from replay.http.fields import NOT_OF_A_TRACE
from replay.trace.file.grpc_rules import LEAST_FILLER_BYTES, grpc_problem
from replay.trace.redaction.requests import RequestRedactor
from replay.trace.types import GrpcCall

Pairs = list[tuple[str, str]]

_UNIT_MS = {"H": 3_600_000.0, "M": 60_000.0, "S": 1_000.0, "m": 1.0, "u": 0.001, "n": 0.000_001}
_TIMEOUT = re.compile(r"(\d{1,8})([HMSmun])", re.ASCII).fullmatch
_OWN = NOT_OF_A_TRACE | {"content-type", "user-agent", "accept-encoding"}
_IS_ASCII = re.compile(r"[\x20-\x7e]*").fullmatch


def is_grpc(content_type: str) -> bool:
    """Whether a content type is that of gRPC, and not of gRPC-Web, which is HTTP like any other."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind == CONTENT_TYPE or kind.startswith(f"{CONTENT_TYPE}+")


def unary_call(
    path: str, timeout: str, headers: Mapping[str, str], body: bytes | None, size: int, clean: RequestRedactor
) -> GrpcCall | None:
    """A call with one message; None where it has none, or several, or cannot be made again.

    headers: without secrets. timeout: the value of grpc-timeout. body: None where only its size is known, which is
    then that of one message. A message that is compressed, or holds a secret, is kept by its size.
    """
    call = GrpcCall(path.partition("?")[0].lstrip("/"), timeout_ms=_timeout_ms(timeout))
    call.metadata = {
        name: value
        for key, value in headers.items()
        if (name := key.lower()) not in _OWN and not name.startswith("grpc-") and _IS_ASCII(value)
    }
    if size < PREFIX_BYTES or (
        body is not None and int.from_bytes(body[1:PREFIX_BYTES]) + PREFIX_BYTES != len(body)
    ):
        return None
    if body is None or body[0] or clean.body(body[PREFIX_BYTES:], "").content != body[PREFIX_BYTES:]:
        length = size - PREFIX_BYTES
        call.message_bytes = max(length, LEAST_FILLER_BYTES) if length else 0
    else:
        call.message_base64 = base64.b64encode(body[PREFIX_BYTES:]).decode()
    return None if grpc_problem(call) else call


def _timeout_ms(text: str) -> float | None:
    found = _TIMEOUT(text)
    return (int(found[1]) * _UNIT_MS[found[2]] or None) if found else None


def ended_as(headers: Pairs, trailers: Pairs, body: bytes, size: int) -> tuple[GrpcStatus | None, bool]:
    """How a call ended, where its answer tells, and whether the answer held several messages.

    body: as far as it was kept; its first bytes at least. size: of all of it.
    """
    head, tail = _encoded(headers), _encoded(trailers) if trailers else None
    said = read_answer(head, tail, body, size)
    if said.problem == MORE_MESSAGES:
        return None, True
    return (said.status if said.problem is None and said.status in STATUSES else None), False


def _encoded(pairs: Pairs) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in pairs]
