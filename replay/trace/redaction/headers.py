"""What of a recorded request is never imported: secrets, and headers that belong to one connection.

Pure. Names decide, not values: a secret under a harmless name passes, and a harmless value under a name like
`max_tokens` does not. Query values are replaced rather than removed, so that a path keeps its shape.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from urllib.parse import unquote_plus

from replay.http.codings import uncoded
from replay.http.fields import NOT_OF_A_TRACE, is_not_for_value
from replay.http.multipart import Part, with_contents
from replay.trace.types import Request

REDACTED = "redacted"

# A field of a JSON object with a text or a number as its value.
_FIELD = re.compile(r'("((?:[^"\\]|\\.){1,100})"\s*:\s*)(?:"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*)')

_SECRET_HEADERS = frozenset({"authorization", "cookie", "set-cookie", "proxy-authorization"})
# "author" and "authority" name no secret; "authorization" and "authorisation" do.
_SECRET_NAME = re.compile(
    r"auth(?!or(?!i[sz]))|token|secret|password|api[-_]?key|credential", re.IGNORECASE
).search
_ALSO_SECRET = re.compile(
    r"pass(?:wd|phrase|code)|pwd|private[-_]?key|access[-_]?key|jwt|bearer|[cx]srf", re.IGNORECASE
).search
# Headers alone, such as x-origin-verify and x-vercel-protection-bypass, by which a front knows who may pass.
_IS_SHARED = re.compile(
    r"(?<![a-z0-9])(?:psk|creds?|sas)\d*(?![a-z0-9])|shared[-_]?access|origin[-_]?verify|protection[-_]?bypass",
    re.IGNORECASE,
).search
# The same few names come again with every request.
_MOST_NAMES = 4096
# How URLs carry keys and signatures besides: Google's key, Azure's sig, the clouds' X-...-Signature.
_SECRET_PARAMETER = re.compile(r"(?:.*signature|sig|key|jwt|pwd|passwd)", re.IGNORECASE | re.DOTALL).fullmatch

# Those, and what whoever sends the request says that it can read.
_NOT_REPLAYED = NOT_OF_A_TRACE | {"accept-encoding"}
_OF_THE_BODY = ("content-encoding", "content-md5", "digest", "content-digest")
_MOST_UNCODED_BYTES = 16 << 20
# Each level is read once for every one around it.
_MOST_NESTED = 4
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,1000}").fullmatch


def is_secret_name(name: str) -> bool:
    """Whether a header, field or parameter of this name is taken to hold a secret."""
    return name.lower() in _SECRET_HEADERS or _SECRET_NAME(name) is not None


@lru_cache(_MOST_NAMES)
def is_credential_name(name: str) -> bool:
    """Whether a header, or a member of a JSON object, of this name is taken to hold a secret; wider than the above."""
    return is_secret_name(name) or _ALSO_SECRET(name) is not None


@lru_cache(_MOST_NAMES)
def is_secret_header(name: str) -> bool:
    """Whether a header of this name is taken to hold a secret, so that no trace holds it."""
    return is_credential_name(name) or _IS_SHARED(name) is not None


def kept_headers(headers: Mapping[str, str] | Iterable[tuple[str, str]]) -> tuple[dict[str, str], int]:
    """The headers to replay, and how many were dropped because they hold secrets.

    Headers of the connection, and names or values that HTTP does not allow, are dropped without being counted.
    Names keep their case; the values of a name that occurs again are joined with a comma.
    """
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    kept: dict[str, str] = {}
    names: dict[str, str] = {}
    dropped = 0
    for name, value in pairs:
        lower = name.lower()
        if is_secret_header(lower):
            dropped += 1
        elif lower not in _NOT_REPLAYED and _TOKEN(name) and not is_not_for_value(value):
            first = names.setdefault(lower, name)
            kept[first] = f"{kept[first]}, {value}" if first in kept else value
    return kept, dropped


def redacted_path(path: str) -> str:
    """path with the values of query parameters that are named like secrets replaced by "redacted"."""
    before, mark, query = path.partition("?")
    if not mark:
        return path
    return f"{before}?{'&'.join(_redacted_pair(pair) for pair in query.split('&'))}"


def redacted_body(text: str, content_type: str) -> str:
    """A body with the values replaced of JSON fields, form parameters and parts that are named like secrets.

    A multipart body whose parts cannot be told apart is replaced whole.
    """
    kind = content_type.lower()
    if kind.lstrip().startswith("multipart/"):
        made = redacted_parts(text, content_type, is_secret_name, redacted_body)
        return REDACTED if made is None else made
    if "x-www-form-urlencoded" in kind:
        return redacted_path(f"?{text}")[1:]
    if "json" not in kind:
        return text
    return _FIELD.sub(lambda found: f'{found[1]}"{REDACTED}"' if is_secret_name(found[2]) else found[0], text)


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


def _redacted_pair(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    decoded = unquote_plus(name)
    if equals and (is_secret_name(decoded) or _SECRET_PARAMETER(decoded)):
        return f"{name}={REDACTED}"
    return pair
