"""What a recording may keep of a response, so that values in it can be found again in later requests. Pure.

Only what values are taken from: JSON bodies up to 64 KiB, and the headers that are not the same for every response.
"""

import re
from collections.abc import Iterable
from typing import Any

import msgspec

from replay.trace.redaction.headers import kept_headers

MOST_RESPONSE_BYTES = 64 << 10
_MOST_HEADER_BYTES = 8 << 10
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+\-]{0,60}/[a-z0-9][a-z0-9!#$&^_.+\-]{0,60}").fullmatch
# Of the message, the server or the hop; nothing that a client would send back.
_NEVER_SENT_BACK = frozenset(
    {
        "accept-ranges",
        "access-control-allow-credentials",
        "access-control-allow-headers",
        "access-control-allow-methods",
        "access-control-allow-origin",
        "access-control-expose-headers",
        "access-control-max-age",
        "age",
        "alt-svc",
        "cache-control",
        "content-encoding",
        "content-language",
        "content-security-policy",
        "content-type",
        "date",
        "expires",
        "pragma",
        "server",
        "server-timing",
        "strict-transport-security",
        "vary",
        "via",
        "x-content-type-options",
        "x-frame-options",
        "x-powered-by",
    }
)


def media_type(content_type: str | None) -> str | None:
    """The type that a header names, in small letters and without parameters; None where that is none."""
    kind = (content_type or "").partition(";")[0].strip().lower()
    return kind if _MEDIA_TYPE(kind) else None


def is_json_type(content_type: str) -> bool:
    """Whether a content type says that the body is one JSON document."""
    kind = content_type.partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")


def response_json(body: str | bytes) -> Any:
    """The document that a JSON body holds, as recorded.response_json keeps it; None where it cannot be kept."""
    if len(body) > MOST_RESPONSE_BYTES:
        return None
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def response_headers(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The headers that a later request may take a value from; those that hold secrets are left out."""
    kept, _ = kept_headers(headers)
    found: dict[str, str] = {}
    left_bytes = _MOST_HEADER_BYTES
    for name, value in kept.items():
        left_bytes -= len(name) + len(value)
        if name.lower() not in _NEVER_SENT_BACK and left_bytes >= 0:
            found[name.lower()] = value
    return found
