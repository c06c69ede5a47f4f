"""What a gRPC call must keep to, so that it can be sent. Pure.

Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

import binascii
import re

from replay.http.fields import NOT_OF_A_TRACE, is_not_for_value
from replay.trace.errors import shown
from replay.trace.types import Expect, GrpcCall
from replay.words.numbers import exact

LEAST_FILLER_BYTES = 4
"""What is filled in is a field that no message has: three bytes of its number, and one of its length at least."""

MOST_MESSAGE_BYTES = 1 << 30
_LONGEST_TIMEOUT_MS = 99_999_999 * 1_000.0  # grpc-timeout has eight digits; beyond this, in seconds

_METHOD = re.compile(r"[A-Za-z_][A-Za-z0-9_.]{0,500}/[A-Za-z_][A-Za-z0-9_]{0,500}").fullmatch
_NAME = re.compile(r"[0-9a-z_.\-]{1,1000}").fullmatch
_IS_ASCII = re.compile(r"[\x20-\x7e]*").fullmatch
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/=]").search
# What the call itself says.
_OWN = frozenset(("content-type", "user-agent"))


def grpc_problem(call: GrpcCall) -> tuple[str, str] | None:
    """The field that breaks a rule and how, to follow the step's name; None where the call can be made."""
    if not _METHOD(call.method):
        text = f"has grpc.method {shown(call.method)}, which is not a method such as shop.v1.Catalogue/Search"
        return "grpc.method", text
    if bool(call.message) + (call.message_base64 is not None) + (call.message_bytes is not None) > 1:
        return "grpc", "has more than one of grpc.message, message_base64 and message_bytes"
    size = call.message_bytes
    if size is not None and size != 0 and not LEAST_FILLER_BYTES <= size <= MOST_MESSAGE_BYTES:
        range_text = f"between {LEAST_FILLER_BYTES} and {MOST_MESSAGE_BYTES:,}"
        return "grpc.message_bytes", f"has grpc.message_bytes {size:,}; it must be 0, or lie {range_text}"
    if call.message_base64 is not None and not is_base64(call.message_base64):
        return "grpc.message_base64", "has a grpc.message_base64 that is not base64"
    timeout_ms = call.timeout_ms
    if timeout_ms is not None and not 0.0 < timeout_ms <= _LONGEST_TIMEOUT_MS:
        text = f"has grpc.timeout_ms {exact(timeout_ms)}; it must be above 0, and at most {exact(_LONGEST_TIMEOUT_MS)}"
        return "grpc.timeout_ms", text
    for name, value in call.metadata.items():
        why = _metadata_problem(name, value)
        if why is not None:
            return "grpc.metadata", f"has the metadata {shown(name)}, {why}"
    return None


def _metadata_problem(name: str, value: str) -> str | None:
    if not _NAME(name):
        return "which is not a name in small letters, digits, _, - and dots"
    if name in NOT_OF_A_TRACE or name in _OWN or name.startswith("grpc-"):
        return "which a run sets itself; leave it out"
    if name.endswith("-bin"):
        return None if is_base64(value) else "whose value is not base64"
    if is_not_for_value(value) or not _IS_ASCII(value):
        return "whose value is not printable ASCII; for anything else there are names that end in -bin"
    return None


def misplaced_status(expect: Expect, *, is_call: bool) -> str | None:
    """Why a step that makes a gRPC call, or that makes none, cannot be held to such a status, to follow its name."""
    if is_call and expect.status != ():
        return "expects a status of HTTP, which is the same for every gRPC call that is answered; write grpc_status"
    if expect.grpc_status != () and not is_call:
        return "expects a grpc_status, and makes no gRPC call"
    return None


def is_base64(text: str) -> bool:
    """Whether a text is base64 as a whole, padding included."""
    if _NOT_BASE64(text):
        return False
    try:
        binascii.a2b_base64(text, strict_mode=True)
    except (binascii.Error, ValueError):
        return False
    return True
