"""Requests of the `postman` format: a collection that Postman exports, of version 2.0 or 2.1, or newman's JSON report.

The layout is https://schema.postman.com/collection/json/v2.1.0/: requests in folders. Variables of the collection
(`{{baseUrl}}`) and of a path (`:id`) are filled in; those that it does not define are their names. What is disabled is
left out. Bodies are `raw`, `urlencoded`, `graphql` and forms of texts; parts that are files are not read, and counted.
GET and HEAD go out without a body, unless the request says that they keep it. Scripts, saved answers and authorisation
are dropped. Of a report, the requests are those that newman sent, in their order, with what its environment filled in:
it says how long each took, and not when it began. What becomes of a request is said in
replay/importers/captures/targets.py.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from replay.importers.captures.targets import Target, TargetLayout
from replay.reading.forms import FormPart, form_body
from replay.reading.inputs import read_document
from replay.reading.written_values import absolute, filled_in, kept_value
from replay.trace.errors import TraceError, shown, shown_path

_IS_REPORT = re.compile(rb'\s*\{\s*"collection"\s*:\s*\{').match
_SCHEMA = re.compile(rb'"schema"\s*:\s*"https?://schema\.(?:get)?postman\.com/').search
_DEEPEST = 50
_PRUNED = ("GET", "HEAD", "COPY", "PURGE", "UNLOCK")
_BY_CONNECTION = ("host", "connection", "content-length", "postman-token")
_PATH_VARIABLE = re.compile(r"(?<=/):([^/?#:]{1,200})")
_LANGUAGES = {"json": "application/json", "xml": "application/xml", "html": "text/html", "text": "text/plain"}


class _Pair(msgspec.Struct):
    key: str | None = None
    value: Any = None
    disabled: bool = False
    type: str | None = None


class _Url(msgspec.Struct):
    raw: str | None = None
    protocol: str | None = None
    host: list[str] | str | None = None
    port: str | int | None = None
    path: list[Any] | str | None = None
    query: list[_Pair] | None = None
    variable: list[_Pair] | None = None


class _Body(msgspec.Struct):
    mode: str | None = None
    raw: str | None = None
    urlencoded: list[_Pair] | str | None = None
    formdata: list[_Pair] | None = None
    graphql: Any = None
    options: Any = None
    disabled: bool = False


class _Request(msgspec.Struct):
    method: str | None = None
    url: _Url | str | None = None
    header: list[_Pair] | str | None = None
    auth: Any = None
    body: _Body | None = None


class _Behaviour(msgspec.Struct, rename="camel"):
    disable_body_pruning: bool = False


class _Item(msgspec.Struct):
    name: str | None = None
    behaviour: _Behaviour | None = msgspec.field(default=None, name="protocolProfileBehavior")
    item: "list[_Item] | None" = None
    request: _Request | str | None = None


class _Sent(msgspec.Struct):
    request: _Request | None = None


class _Run(msgspec.Struct):
    executions: list[_Sent] | None = None


class _Collection(msgspec.Struct):
    item: list[_Item] = []
    variable: list[_Pair] | None = None
    run: _Run | None = None


def _read(file: Path) -> Iterator[Target]:
    found = read_document(file, _Collection)
    for n, sent in enumerate((found.run and found.run.executions) or (), 1):
        if sent.request is not None and isinstance(url := sent.request.url, _Url) and url.host:
            yield _target(_Item(), sent.request, {}, f"{shown_path(file)}, execution {n}")
    if found.run is not None:
        return
    values = {
        each.key: kept_value(each.key, str(each.value or ""), each.type == "secret")
        for each in found.variable or ()
        if each.key and not each.disabled
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
            yield _target(item, item.request, values, inner)


def _target(item: _Item, request: _Request, values: Mapping[str, str], place: str) -> Target:
    url = _address(request.url) if isinstance(request.url, _Url) else request.url
    if not url:
        raise TraceError(f"{place}: a request without a URL.")
    secret = _key_name(request.auth)
    if secret is not None and isinstance(request.url, _Url):
        url = _address(
            msgspec.structs.replace(
                request.url, query=[each for each in request.url.query or () if each.key != secret]
            )
        )
    pairs = request.header if isinstance(request.header, list) else []
    headers = [
        (filled_in(pair.key, values), filled_in(str(pair.value or ""), values))
        for pair in pairs
        if pair.key and pair.key != secret and not pair.disabled and pair.key.lower() not in _BY_CONNECTION
    ]
    method = (request.method or "GET").upper()
    is_pruned = method in _PRUNED and not (item.behaviour and item.behaviour.disable_body_pruning)
    content, kind = (None, "") if is_pruned else _content(request.body)
    if kind and not any(name.lower() == "content-type" for name, _ in headers):
        headers.append(("Content-Type", kind))
    body = None if content is None else filled_in(content, values).encode("utf-8", "replace")
    has_file_body = not is_pruned and request.body is not None and _has_file(request.body)
    return Target(place, method, absolute(filled_in(url, values)), headers, body, has_file_body)


def _key_name(auth: Any) -> str | None:
    """What the header or parameter is called in which a request's key went, whatever that is."""
    given = auth.get("apikey") if isinstance(auth, dict) else None
    if isinstance(given, dict):  # as version 2.0 writes it
        return str(given["key"]) if given.get("key") else None
    told = {each.get("key"): each.get("value") for each in given or () if isinstance(each, dict)}
    return str(told["key"]) if told.get("key") else None


def _address(url: _Url) -> str:
    """What a URL's parts say, which Postman sends, or else its text; its path's own variables are filled in."""
    text = (url.raw or "").partition("#")[0]
    if url.host:
        host = url.host if isinstance(url.host, str) else ".".join(url.host)
        scheme = f"{url.protocol}://" if url.protocol else ""
        parts = url.path.split("/") if isinstance(url.path, str) else url.path or ()
        path = "/".join(
            part if isinstance(part, str) else str(part.get("value") or "") if isinstance(part, dict) else ""
            for part in parts
        ).removeprefix("/")
        text = f"{scheme}{host}{f':{url.port}' if url.port else ''}/{path}"
        asked = url.raw.partition("#")[0].partition("?")[2] if url.raw and url.query is None else _query(url)
        text += f"?{asked}" if asked else ""
    own = {each.key: str(each.value) for each in url.variable or () if each.key and each.value is not None}
    address, mark, query = text.partition("?")
    return _PATH_VARIABLE.sub(lambda found: own.get(found[1], found[1]), address) + mark + query


def _query(url: _Url) -> str:
    return "&".join(
        each.key or "" if each.value is None else f"{each.key or ''}={each.value}"
        for each in url.query or ()
        if not each.disabled
    )


def _has_file(body: _Body) -> bool:
    if body.mode != "formdata":
        return body.mode == "file"
    return body.formdata is None or any(_is_file(part) for part in body.formdata)


def _is_file(part: _Pair) -> bool:
    return part.type == "file" and not part.disabled


def _content(body: _Body | None) -> tuple[str | None, str]:
    """A body as text, and its type."""
    if body is None or body.disabled:
        return None, ""
    if body.mode == "urlencoded":
        given = body.urlencoded or ()
        pairs = (
            ()
            if isinstance(given, str)
            else [(each.key or "", _text(each)) for each in given if not each.disabled]
        )
        text = given if isinstance(given, str) else urlencode(pairs, safe="{}", quote_via=quote)
        return text, "application/x-www-form-urlencoded"
    if body.mode == "formdata" and not _has_file(body):
        return form_body(
            [FormPart(each.key or "", _text(each)) for each in body.formdata or () if not each.disabled]
        )
    if body.mode == "graphql":
        return msgspec.json.encode(_asked_of_graphql(body.graphql)).decode(), "application/json"
    raw = body.options.get("raw") if isinstance(body.options, dict) else None
    language = raw.get("language") if isinstance(raw, dict) else None
    return (
        (body.raw, _LANGUAGES.get(str(language), "text/plain"))
        if body.mode == "raw" and body.raw
        else (None, "")
    )


def _text(pair: _Pair) -> str:
    return "" if pair.value is None else str(pair.value)


def _asked_of_graphql(written: Any) -> Any:
    """Variables that are the text of JSON go in as they are, as Postman has them: `{{name}}` may stand for a value."""
    variables = written.get("variables") if isinstance(written, dict) else None
    if not isinstance(variables, str):
        return written
    others = {key: value for key, value in written.items() if key != "variables"}
    return {**others, "variables": msgspec.Raw(variables.encode())} if variables.strip() else others


def _tells(first_bytes: bytes) -> bool:
    if _IS_REPORT(first_bytes) is not None and b'"item"' in first_bytes:
        return True
    return first_bytes.lstrip()[:1] == b"{" and _SCHEMA(first_bytes) is not None


POSTMAN = TargetLayout(
    "postman",
    "collections of Postman (v2) and newman's reports; they have no times",
    _tells,
    _read,
    "no requests in this collection.",
    ".json*",
)
