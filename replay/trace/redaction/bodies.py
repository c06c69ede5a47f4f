"""Bodies of recorded requests without what is named like a secret. Pure.

As in queries, names decide and not values, and all else stays as it was sent.
"""

import re
from collections.abc import Callable

import msgspec

from replay.http.codings import uncoded
from replay.http.multipart import Part, with_contents
from replay.trace.redaction.headers import REDACTED, redacted_path
from replay.trace.redaction.secrets import holds_secret, is_secret_member, redacted_value
from replay.trace.types import Request

# A member of a JSON object with a text or a number as its value.
_MEMBER = re.compile(r'("((?:[^"\\]|\\.){1,100})"\s*:\s*)(?:"(?:[^"\\]|\\.)*"|(-?\d[\d.eE+-]*))')
_OF_THE_BODY = ("content-encoding", "content-md5", "digest", "content-digest")
_MOST_UNCODED_BYTES = 16 << 20
# Each level is read once for every one around it.
_MOST_NESTED = 4


def redacted_body(text: str, content_type: str) -> str:
    """A body with the values replaced of JSON members, form parameters and parts that are named like secrets.

    A multipart body whose parts cannot be told apart is replaced whole.
    """
    kind = content_type.lower()
    if kind.lstrip().startswith("multipart/"):
        made = redacted_parts(text, content_type, is_secret_member, redacted_body)
        return REDACTED if made is None else made
    if "x-www-form-urlencoded" in kind:
        return redacted_path(f"?{text}")[1:]
    if "json" not in kind:
        return text
    return _redacted_json(text)


def redacted_content(data: bytes, content_type: str, content_encoding: str = "") -> bytes | None:
    """A body as bytes, without what `redacted_body` takes out, whatever its characters are.

    None where its coding hides a secret, or hides whether there is one: taken off, the body would be another.
    """
    plain = uncoded(data, content_encoding, _MOST_UNCODED_BYTES)
    if plain is None:
        return None
    try:
        kept = redacted_body(plain.decode(), content_type).encode()
    except UnicodeDecodeError:
        kept = redacted_body(plain.decode("latin-1"), content_type).encode("latin-1")
    if plain is data:
        return kept
    return data if kept == plain else None


def of_size_only(request: Request, size_bytes: int) -> Request:
    """The request with a body that is told by its size, and without the headers that are said of what it held."""
    request.body_bytes = size_bytes
    request.headers = {
        name: value for name, value in request.headers.items() if name.lower() not in _OF_THE_BODY
    }
    return request


def redacted_parts(
    text: str,
    content_type: str,
    is_secret: Callable[[str], bool],
    clean: Callable[[str, str], str],
    depth: int = 0,
) -> str | None:
    """A multipart body without the parts whose name is a secret's; None where it has no parts that can be told apart.

    clean: what is kept of another part's content, by the part's type. Left out are also parts that are coded, that hold
    whole messages, whose headers may then be secrets, or whose name cannot be told.
    """
    if depth > _MOST_NESTED:
        return None
    is_form = content_type.partition(";")[0].strip().lower() == "multipart/form-data"

    def told(part: Part) -> str:
        names, kind = part.field_names, part.content_type
        if names is None or kind is None or not part.is_plain or (is_form and not names):
            return REDACTED
        lower = kind.lower()
        if any(map(is_secret, names)) or lower.startswith(("message/", "application/http")):
            return REDACTED
        if lower.startswith("multipart/"):
            return redacted_parts(part.content, kind, is_secret, clean, depth + 1) or REDACTED
        return clean(part.content, kind)

    return with_contents(text, content_type, told, REDACTED)


def _redacted_json(text: str) -> str:
    """JSON as it was, but for secrets: texts and numbers, and all that is in lists and objects of such a name."""
    try:
        value = msgspec.json.decode(text)
        cleaned = redacted_value(value, str)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        value = cleaned = None
    if cleaned != value:
        text = msgspec.json.encode(cleaned).decode()
    # What a document holds twice, or a text that is no document, shows its members too.
    return _MEMBER.sub(_redacted_member, text)


def _redacted_member(found: "re.Match[str]") -> str:
    is_number = found[3] is not None
    if found[0] == f'{found[1]}""' or not holds_secret(found[2], 0 if is_number else "", is_secret=False):
        return found[0]
    return f"{found[1]}0" if is_number else f'{found[1]}"{REDACTED}"'
