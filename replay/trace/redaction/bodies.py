"""Pieces of bodies that are named like secrets: parts of multipart forms, members of JSON as text. Pure."""

import re
from collections.abc import Callable

from replay.http.multipart import Part, with_contents
from replay.trace.redaction.names import REDACTED, is_count
from replay.trace.redaction.secrets import holds_secret
from replay.trace.types import Request

# A member of a JSON object with a text or a number as its value.
_MEMBER = re.compile(r'("((?:[^"\\]|\\.){1,100}+)"\s*+:\s*+)(?:"(?:[^"\\]|\\.)*+"|(-?\d[\d.eE+-]*+))')
# A text, which the end of the body may cut, a bracket, a number.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[{}\[\]]|(?<![\w.])-?\d[\d.eE+-]*+', re.DOTALL)
_IS_NAME = re.compile(r"\s*+:").match
_OF_THE_BODY = ("content-encoding", "content-md5", "digest", "content-digest")
# Each level is read once for every one around it.
_MOST_NESTED = 4


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


def without_secret_members(text: str) -> str:
    """JSON with the texts and numbers replaced that stand under a secret's name."""
    return _MEMBER.sub(_redacted_member, text)


def without_secrets_of_broken_json(text: str) -> str:
    """JSON that is cut off or damaged, with what stands under a secret's name replaced, at any depth."""
    pieces: list[str] = []
    end = depth = 0
    # The depth of the array or object under a secret's name that is being read.
    secret_at: int | None = None
    name, is_secret = "", False
    for found in _TOKEN.finditer(text):
        first = found[0][0]
        if first in "{[":
            secret_at = depth if is_secret and secret_at is None else secret_at
            depth += 1
        elif first in "}]":
            depth -= 1
            secret_at = None if secret_at is not None and depth <= secret_at else secret_at
        elif first == '"' and _IS_NAME(text, found.end()):
            name = found[0].strip('"')
            is_secret = holds_secret(name, "", is_secret=False)
            continue
        elif is_secret or secret_at is not None:
            is_text = first == '"'
            if found[0] != '""' and (is_text or not is_count(name)):
                pieces += (text[end : found.start()], f'"{REDACTED}"' if is_text else "0")
                end = found.end()
        is_secret = False
    return "".join([*pieces, text[end:]]) if pieces else text


def _redacted_member(found: "re.Match[str]") -> str:
    is_number = found[3] is not None
    if found[0] == f'{found[1]}""' or not holds_secret(found[2], 0 if is_number else "", is_secret=False):
        return found[0]
    return f"{found[1]}0" if is_number else f'{found[1]}"{REDACTED}"'
