"""The places in a request where a value can stand, and the request with other values there. Pure.

Places are named for people: `path 2` (the second segment), `query cursor`, `header x-run`, `form run`, and
`json /items/*/id` with `*` for the place in a list.
"""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote, quote_plus, unquote, unquote_plus

import msgspec

from replay.trace.types import Request

# Given a place and the text there, the text that is to stand there instead.
Rewrite = Callable[[str, str], str]

_IN_SEGMENT = "-._~!$'()*,;:@{}"
_IN_FORM = "-._~{}"
# Marks a number in JSON that becomes a reference, so that no quotes are left around it.
_BARE = "\x01"
_BARE_JSON = '"\\u0001', '\\u0001"'


def rewritten(request: Request, rewrite: Rewrite) -> Request:
    """The request with what `rewrite` makes of each place; the same one if it changes nothing.

    Numbers in JSON are offered as text; a body in which one becomes something else turns from json into text.
    Bodies that are neither JSON nor a form are not looked into.
    """
    path = _path(request.path, rewrite)
    headers = {name: rewrite(f"header {name.lower()}", value) for name, value in request.headers.items()}
    changed: dict[str, Any] = {}
    if request.json:
        text = bytes(request.json).decode("utf-8", "surrogatepass")
        found = _json(text, rewrite)
        if found != text and _BARE_JSON[0] in found:
            changed = {"json": msgspec.Raw(b""), "body": _unquoted(found)}
            if all(name.lower() != "content-type" for name in headers):
                headers["content-type"] = "application/json"  # which a json body has by itself
        elif found != text:
            changed = {"json": msgspec.Raw(found.encode("utf-8", "surrogatepass"))}
    elif request.body:
        found = _body(request, rewrite)
        if found != request.body:
            changed = {"body": _unquoted(found)}
    if path == request.path and headers == request.headers and not changed:
        return request
    return msgspec.structs.replace(request, path=path, headers=headers, **changed)


def _path(path: str, rewrite: Rewrite) -> str:
    before, mark, query = path.partition("?")
    segments = [
        _coded(segment, unquote, rewrite, f"path {n}", _IN_SEGMENT)
        for n, segment in enumerate(before.split("/"))
    ]
    return "/".join(segments) + mark + _pairs(query, rewrite, "query")


def _pairs(text: str, rewrite: Rewrite, kind: str) -> str:
    pairs = []
    for pair in text.split("&"):
        name, equals, value = pair.partition("=")
        place = f"{kind} {unquote_plus(name)}"
        pairs.append(name + equals + _coded(value, unquote_plus, rewrite, place, _IN_FORM))
    return "&".join(pairs)


def _coded(text: str, decoded: Callable[[str], str], rewrite: Rewrite, place: str, safe: str) -> str:
    """What stands percent-encoded; it is left exactly as it is where nothing changes."""
    if not text:
        return text
    plain = decoded(text)
    found = rewrite(place, plain)
    if found == plain:
        return text
    return quote(found, safe=safe) if decoded is unquote else quote_plus(found, safe=safe)


def _body(request: Request, rewrite: Rewrite) -> str:
    body = request.body or ""
    if body.lstrip()[:1] in ("{", "["):
        return _json(body, rewrite)
    kind = next((value for name, value in request.headers.items() if name.lower() == "content-type"), "")
    if kind.lower().startswith("application/x-www-form-urlencoded"):
        return _pairs(body, rewrite, "form")
    return body


def _json(text: str, rewrite: Rewrite) -> str:
    """JSON with its strings and whole numbers rewritten; as it is where nothing changes or it cannot be read."""
    may_mark = _BARE not in text and "\\u0001" not in text
    try:
        document = msgspec.json.decode(text)
        found = _walked(document, "", rewrite, may_mark)
        if found is document:
            return text
        return msgspec.json.encode(found).decode("utf-8", "surrogatepass")
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return text


def _walked(value: Any, place: str, rewrite: Rewrite, may_mark: bool) -> Any:
    """The value rewritten; the same object where nothing changes."""
    if isinstance(value, str):
        found = rewrite(f"json {place}", value)
        return value if found == value else found
    if isinstance(value, dict):
        walked = {key: _walked(inner, f"{place}/{key}", rewrite, may_mark) for key, inner in value.items()}
        return value if all(walked[key] is value[key] for key in value) else walked
    if isinstance(value, list):
        items = [_walked(inner, f"{place}/*", rewrite, may_mark) for inner in value]
        return value if all(new is old for new, old in zip(items, value, strict=True)) else items
    if isinstance(value, int) and not isinstance(value, bool) and may_mark:
        text = str(value)
        found = rewrite(f"json {place}", text)
        return value if found == text else f"{_BARE}{found}{_BARE}"
    return value


def _unquoted(text: str) -> str:
    return text.replace(_BARE_JSON[0], "").replace(_BARE_JSON[1], "")
