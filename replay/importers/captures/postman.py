"""Requests of the `postman` format: a collection that Postman exports, of version 2.0 or 2.1.

The layout is https://schema.postman.com/collection/json/v2.1.0/: requests in folders. Variables of the collection
(`{{baseUrl}}`) are filled in; those that it does not define are their names. What is disabled is left out. Bodies are
`raw`, `urlencoded` and `graphql`; forms with parts and files are not read, and counted. Scripts, saved answers and
authorisation are dropped. What becomes of a request is said in replay/importers/captures/targets.py.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from replay.importers.captures.targets import Target, TargetLayout
from replay.importers.captures.written_values import absolute, filled_in
from replay.reading.inputs import read_document
from replay.trace.errors import TraceError, shown, shown_path

_SCHEMA = re.compile(rb'"schema"\s*:\s*"https?://schema\.(?:get)?postman\.com/').search
_DEEPEST = 50
_LANGUAGES = {"json": "application/json", "xml": "application/xml", "html": "text/html", "text": "text/plain"}


class _Pair(msgspec.Struct):
    key: str | None = None
    value: Any = None
    disabled: bool = False


class _Body(msgspec.Struct):
    mode: str | None = None
    raw: str | None = None
    urlencoded: list[_Pair] | None = None
    graphql: Any = None
    options: Any = None
    disabled: bool = False


class _Request(msgspec.Struct):
    method: str | None = None
    url: Any = None
    header: list[_Pair] | str | None = None
    body: _Body | None = None


class _Item(msgspec.Struct):
    name: str | None = None
    item: "list[_Item] | None" = None
    request: _Request | str | None = None


class _Collection(msgspec.Struct):
    item: list[_Item] = []
    variable: list[_Pair] | None = None


def _read(file: Path) -> Iterator[Target]:
    found = read_document(file, _Collection)
    values = {
        each.key: str(each.value or "") for each in found.variable or () if each.key and not each.disabled
    }
    yield from _inside(found.item, values, shown_path(file), 0)


def _inside(items: list[_Item], values: Mapping[str, str], place: str, depth: int) -> Iterator[Target]:
    for item in items:
        inner = f"{place}, {shown(item.name or '')}"
        if item.item is not None and depth < _DEEPEST:
            yield from _inside(item.item, values, place, depth + 1)
        elif isinstance(item.request, str):
            yield Target(inner, "GET", absolute(filled_in(item.request, values)))
        elif item.request is not None:
            yield _target(item.request, values, inner)


def _target(request: _Request, values: Mapping[str, str], place: str) -> Target:
    url = request.url.get("raw") if isinstance(request.url, dict) else request.url
    if not isinstance(url, str) or not url:
        raise TraceError(f"{place}: a request without a URL.")
    pairs = request.header if isinstance(request.header, list) else []
    headers = [
        (filled_in(pair.key, values), filled_in(str(pair.value or ""), values))
        for pair in pairs
        if pair.key and not pair.disabled
    ]
    content, kind = _content(request.body)
    if kind and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", kind))
    body = None if content is None else filled_in(content, values).encode("utf-8", "replace")
    has_file_body = request.body is not None and request.body.mode in ("formdata", "file")
    return Target(
        place, (request.method or "GET").upper(), absolute(filled_in(url, values)), headers, body, has_file_body
    )


def _content(body: _Body | None) -> tuple[str | None, str]:
    """A body as text, and its type."""
    if body is None or body.disabled:
        return None, ""
    if body.mode == "urlencoded":
        pairs = [(each.key or "", str(each.value or "")) for each in body.urlencoded or () if not each.disabled]
        return urlencode(pairs, safe="{}"), "application/x-www-form-urlencoded"
    if body.mode == "graphql":
        return msgspec.json.encode(_asked_of_graphql(body.graphql)).decode(), "application/json"
    raw = body.options.get("raw") if isinstance(body.options, dict) else None
    language = raw.get("language") if isinstance(raw, dict) else None
    return (body.raw, _LANGUAGES.get(str(language), "")) if body.mode == "raw" and body.raw else (None, "")


def _asked_of_graphql(written: Any) -> Any:
    """Variables that are the text of JSON go in as they are, as Postman has them: `{{name}}` may stand for a value."""
    variables = written.get("variables") if isinstance(written, dict) else None
    if not isinstance(variables, str):
        return written
    others = {key: value for key, value in written.items() if key != "variables"}
    return {**others, "variables": msgspec.Raw(variables.encode())} if variables.strip() else others


POSTMAN = TargetLayout(
    "postman",
    "collections of Postman (v2.1); they have no times",
    lambda first_bytes: first_bytes.lstrip()[:1] == b"{" and _SCHEMA(first_bytes) is not None,
    _read,
    "no requests in this collection.",
    ".json*",
)
