"""Fields of logged requests, as servers write them: paths, addresses, counts.

Pure. What makes no sense is None, so that one odd field does not cost its line.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from urllib.parse import parse_qsl, quote

import msgspec

from replay.assembly.call_steps import LONGEST_TEXT
from replay.trace.errors import TraceError, shown, shown_path
from replay.trace.redaction.names import is_secret_header, is_secret_parameter
from replay.trace.remembered import remembered

LONGEST_PATH = 1 << 14

_AUTHORITY = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]{0,30}://[^/?#]+").match

_REQUEST = re.compile(r"(?P<method>\S+) (?P<path>.+?)(?: HTTP/\d(?:\.\d)?)?", re.DOTALL).fullmatch
_ADDRESSES = re.compile(r"(?=.*[.:])[0-9a-fA-F.:]{3,45}(?:, ?[0-9a-zA-Z.:\-_\[\]]{1,60}){0,20}").fullmatch

_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z][!#$%&'*+\-.^_`|~0-9A-Za-z]{0,19}").fullmatch

_LARGEST_COUNT = 1 << 50
# The same few come again with every request.
_MOST_KNOWN = 1 << 14
_WHOLE_FLOAT = re.compile(r"(\d{1,18})\.0{1,20}", re.ASCII).fullmatch
_IS_VISIBLE = re.compile(r"[!-~]*+").fullmatch
_VISIBLE = "".join(map(chr, range(ord("!"), ord("~") + 1)))
_ESCAPE = re.compile(r'\\(?:x(?P<hex>[0-9A-Fa-f]{2})|(?P<character>["\\nrtbvf]))')
_CONTROLS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "v": "\v", "f": "\f"}
_WITH_PORT = re.compile(r"\[(?P<inner>[^\]]+)\]:\d+|(?P<address>\d+\.\d+\.\d+\.\d+):\d+").fullmatch


def replayable(text: str) -> str | None:
    """The path and query of a request line's target or a URL, as a trace may hold it; None where there is none."""
    if not text.startswith("/"):
        authority = _AUTHORITY(text)
        if authority is None:
            return None
        text = text[authority.end() :]
        text = text if text.startswith("/") else f"/{text}"
    path = text.partition("#")[0]
    path = path if _IS_VISIBLE(path) else quote(path, safe=_VISIBLE, errors="replace")
    return path if path.startswith("/") and len(path) <= LONGEST_PATH else None


replayable_path = remembered(_MOST_KNOWN)(replayable)


def query_value(path: str, name: str) -> str | None:
    """The value of a query parameter."""
    _, mark, query = path.partition("?")
    if not mark or name not in query:
        return None
    try:
        pairs = parse_qsl(query, max_num_fields=1_000)
    except ValueError:
        return None
    return next((value for key, value in pairs if key == name), None)


@remembered(_MOST_KNOWN)
def request_line(text: str) -> tuple[str, str] | None:
    """The method and the target of a request line, as it stands in a log; None where it has none."""
    found = _REQUEST(unescaped(text))
    return None if found is None else (found["method"], found["path"])


def forwarded_addresses(text: str | None) -> str | None:
    """For whom a request was forwarded, where a text tells that."""
    return None if text is None or not _ADDRESSES(text) else text


def text_or_none(text: str | None) -> str | None:
    """What the server escaped, as it was; None for nothing."""
    return None if text in (None, "-", "") else unescaped(text)


@remembered(_MOST_KNOWN)
def first_address(forwarded_for: str | None, peer: str | None) -> str:
    """The client's address: the first that it was forwarded for, or else the peer's, without its port."""
    text = next((each for each in (forwarded_for, peer) if each and each != "-"), "")
    address = text.partition(",")[0].strip()[:LONGEST_TEXT]
    found = _WITH_PORT(address)
    return (found["inner"] or found["address"]) if found else address


def is_method(text: str) -> bool:
    """Whether this may be the method of a request."""
    return _METHOD(text) is not None


def session_key(value: str) -> str:
    """The value of a session, as it may name one: a long one cut, with its hash, so that no two become the same."""
    if len(value) <= LONGEST_TEXT:
        return value
    digest = blake2b(value.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
    return f"{value[: LONGEST_TEXT - len(digest) - 1]}~{digest}"


def number(value: object, most: int = _LARGEST_COUNT) -> int | None:
    """A count, as a number or its text; None where it is none, or too large to be true."""
    if value is None:
        return None
    if isinstance(value, str):
        if not value.isdigit() and (whole := _WHOLE_FLOAT(value)) is not None:
            value = whole[1]
        value = int(value) if value.isdigit() and value.isascii() and len(value) <= 18 else None
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= most else None


def said(value: object) -> str | None:
    """A text that says something, or a number, as a text; a long one cut."""
    if isinstance(value, str):
        return value[:LONGEST_PATH] if value not in ("", "-") else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return f"{value:.6f}" if isinstance(value, float) else str(value)[:30]


def status_of(value: object) -> int | None:
    """An HTTP status; None where it is none."""
    found = number(value, 999)
    return found if found is not None and found >= 100 else None


def is_secret_session(session_by: str | None) -> bool:
    """Whether what tells sessions apart is named like a secret: they are then numbered, and not named after it."""
    if session_by is None:
        return False
    kind, colon, name = session_by.partition(":")
    is_secret = is_secret_parameter(name) if colon and kind == "query" else is_secret_header(session_by)
    return is_secret or "cookie" in session_by.lower()


def request_session(session_by: str, path: str, headers: Sequence[tuple[str, str]]) -> str | None:
    """What tells the session of a captured request: a header, `query:NAME` of its path, or `cookie:NAME`."""
    kind, colon, name = session_by.partition(":")
    if colon and kind == "query":
        return query_value(path, name)
    if colon and kind == "cookie":
        pairs = (
            pair.strip().partition("=")
            for key, value in headers
            if key.lower() == "cookie"
            for pair in value.split(";")
        )
        return next((value for key, _, value in pairs if key == name and value), None)
    lower = session_by.lower()
    return next((value for key, value in headers if key.lower() == lower and value), None)


def refuse_unknown_session(
    paths: Sequence[Path], session_by: str | None, values: Iterable[str | None], built_in: Sequence[str] = ()
) -> None:
    """Raises TraceError where sessions were to be told by what no request has."""
    if session_by is not None and session_by not in built_in and all(value is None for value in values):
        raise TraceError(
            f"{shown_path(paths[0])}: no request has a value for --session-by {shown(session_by)}."
        )


def session_value(session_by: str | None, path: str, fields: Mapping[str, str | None]) -> str | None:
    """The value of session_by where it is `query:NAME`, or names one of these fields."""
    if session_by is None:
        return None
    kind, colon, name = session_by.partition(":")
    found = query_value(path, name) if colon and kind == "query" else fields.get(session_by)
    return found if found and found != "-" else None


def unescaped(text: str) -> str:
    """A text as it was before the server escaped it: nginx writes \\xHH, Apache \\" and \\n besides."""
    if "\\" not in text:
        return text
    parts: list[bytes] = []
    end = 0
    for found in _ESCAPE.finditer(text):
        character = found["character"]
        parts.append(text[end : found.start()].encode())
        parts.append(
            bytes.fromhex(found["hex"]) if character is None else _CONTROLS.get(character, character).encode()
        )
        end = found.end()
    parts.append(text[end:].encode())
    return b"".join(parts).decode("utf-8", "replace")


def unescaped_json(text: str) -> str | None:
    """A text as it was before it was escaped for JSON; None where it was not."""
    try:
        return msgspec.json.decode(f'"{text}"', type=str)
    except (msgspec.DecodeError, UnicodeError):
        return None
