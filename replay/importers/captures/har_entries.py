"""What an entry of a HAR says, whoever wrote it: whether it was sent, when, and with what body. Pure.

The specification (HAR 1.2) is read as its writers do: Chrome, Firefox, Safari, WebPageTest and Browsertime, Charles,
Fiddler, Insomnia, Proxyman, mitmproxy, Playwright. Numbers may be texts, or missing; what is no number is unknown.
"""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import Literal, NamedTuple
from urllib.parse import quote_plus

import msgspec

from replay.reading.json_items import Item
from replay.trace.errors import TraceError
from replay.trace.file.rules import LONGEST_MS
from replay.words.numbers import exact

NotSent = Literal["not http", "cache", "websocket", "tunnel", "pushed", "never sent"]

_OUR_OWN = ("blocked", "dns", "connect")
_FORM = "application/x-www-form-urlencoded"
_STACK_DEPTH = 8
# Safari's ways to an answer that need no network.
_FROM_CACHE = ("memory cache", "disk cache", "service worker", "prefetch cache")
_BY_WORKER = ("cache-storage", "http-cache", "fallback-code")
# Chrome's errors of requests of which no byte left the machine.
_UNSENT = re.compile(
    r"ERR_(?:BLOCKED_BY|NAME_NOT_RESOLVED|NAME_RESOLUTION|CONNECTION_REFUSED|CONNECTION_FAILED|CONNECTION_TIMED_OUT"
    r"|INTERNET_DISCONNECTED|ADDRESS_|CERT_|SSL_|PROXY_|FILE_NOT_FOUND|CACHE_MISS|UNKNOWN_URL_SCHEME|TUNNEL_)"
).search
_NUMBER = re.compile(rb'"?\s*(-?\d{1,18}(?:\.\d{1,18})?(?:[eE][+-]?\d{1,3})?)\s*"?').fullmatch
_URL = re.compile(r"[a-z][a-z0-9+.\-]{0,20}://", re.IGNORECASE).match
# Of a form: characters that stand for themselves, and percent-encoded ones.
_IS_ENCODED = re.compile(r"[\w.~*+\-]*(?:%[0-9A-Fa-f]{2}[\w.~*+\-]*)+", re.ASCII).fullmatch
_BOUNDARY = re.compile(r'boundary\s*=\s*"?([^";\s]{1,70})', re.IGNORECASE).search


class Timing(NamedTuple):
    """In us: what was the client's own before it sent, how long the rest took, and until the first byte."""

    ours_us: int
    took_us: int | None
    first_us: int | None


class Posted(NamedTuple):
    """A request's body. data: None where only its size is known. is_decoded: whether a content coding was taken off.

    is_made: whether it was put together of a form's parameters. missing: how many of its files were not recorded.
    """

    data: bytes | None
    size: int | None
    content_type: str
    is_decoded: bool = True
    is_made: bool = False
    missing: int = 0


def number(item: Item | None, *names: str) -> float | None:
    """The first of these fields that is a number, or a text of one."""
    for name in names:
        found = None if item is None else _NUMBER(item.raw(name) or b"")
        if found is not None:
            return float(found[1])
    return None


def count(item: Item | None, *names: str) -> int | None:
    """The same, as a whole number; None where it is negative, as is written for what is unknown."""
    found = number(item, *names)
    return None if found is None or not 0 <= found < 1 << 50 else int(found)


def why_not_sent(entry: Item, request: Item, scheme: str, headers: Sequence[tuple[str, str]]) -> NotSent | None:
    """Why an entry is no request that went over the network; None where it is one."""
    response = entry.inner("response")
    if scheme not in ("http", "https"):
        return "websocket" if scheme in ("ws", "wss") else "not http"
    if _is_websocket(entry, response, headers):
        return "websocket"
    if (request.plain("method") or "").upper() == "CONNECT":
        return "tunnel"
    if _is_true(entry, "_was_pushed") or _is_true(entry, "_wasPushed"):
        return "pushed"
    if _is_from_cache(entry, response):
        return "cache"
    status = number(response, "status")
    error = " ".join(
        text
        for holder, name in (
            (response, "_error"),
            (entry, "_error"),
            (response, "_failureText"),
            (response, "statusText"),
        )
        if holder is not None and (text := holder.plain(name))
    )
    if (status is None or status <= 0) and (_UNSENT(error) or _took_no_time(entry)):
        return "never sent"
    return None


def _is_websocket(entry: Item, response: Item | None, headers: Sequence[tuple[str, str]]) -> bool:
    if entry.raw("_webSocketMessages", "_websocketMessages") is not None:
        return True
    if (entry.plain("_resourceType") or "").lower() == "websocket" or number(response, "status") == 101:
        return True
    return any(name.lower() == "upgrade" and "websocket" in value.lower() for name, value in headers)


def _is_from_cache(entry: Item, response: Item | None) -> bool:
    for holder in (entry, response):
        if holder is None:
            continue
        if any(
            _is_true(holder, name)
            for name in ("_fromCache", "fromCache", "_fromDiskCache", "fromDiskCache", "_cached")
        ):
            return True
        if (holder.plain("_fetchType") or "").lower() in _FROM_CACHE:
            return True
        if holder.plain("_serviceWorkerResponseSource") in _BY_WORKER:
            return True
    return False


def _is_true(item: Item, name: str) -> bool:
    return item.raw(name) not in (None, b"false", b"0", b'""', b'"false"', b'"0"')


def _took_no_time(entry: Item) -> bool:
    timings = entry.inner("timings")
    spent = [number(timings, name) or 0.0 for name in (*_OUR_OWN, "send", "wait", "receive")]
    has_timings = timings is not None and any(timings.raw(name) for name in ("send", "wait", "receive"))
    return has_timings and max(spent) <= 0 and (number(entry, "time") or 0.0) <= 0


def timing_of(entry: Item) -> Timing:
    """When its parts were. Raises TraceError for a time that is longer than a trace may be.

    `connect` has `ssl` in it, says the specification; Firefox and mitmproxy count it beside: then `time` is the sum
    with ssl, or else ssl is longer than what it would be a part of.
    """
    timings = entry.inner("timings")
    spent: dict[str, int | None] = {}
    for name in (*_OUR_OWN, "ssl", "send", "wait", "receive"):
        value = number(timings, name)
        if value is not None and value > LONGEST_MS:
            raise TraceError(f"{entry.place}, timings.{name}: {exact(value)} ms is longer than 31 years.")
        spent[name] = None if value is None or value < 0 else round(value * 1_000)
    whole = number(entry, "time")
    whole_us = None if whole is None or whole < 0 or whole > LONGEST_MS else round(whole * 1_000)
    ours_us = sum(spent[name] or 0 for name in _OUR_OWN)
    ssl_us = spent["ssl"] or 0
    if ssl_us:
        without_us = sum(us or 0 for name, us in spent.items() if name != "ssl")
        if whole_us:
            is_beside = abs(whole_us - without_us - ssl_us) < abs(whole_us - without_us)
        else:
            is_beside = ssl_us > (spent["connect"] or 0)
        ours_us += ssl_us if is_beside else 0
    if spent["wait"] is not None:
        first_us = (spent["send"] or 0) + (spent["wait"] or 0)
        return Timing(ours_us, first_us + (spent["receive"] or 0), first_us)
    # A time of 0 beside no timings at all is what some write for one that they do not know.
    if whole_us is None or (not whole_us and not any(spent.values())):
        return Timing(ours_us, None, None)
    return Timing(ours_us, max(0, whole_us - ours_us), None)


def initiators(entry: Item) -> list[str]:
    """The URLs that made the browser ask, the nearest first: of the parser, or of the scripts on the stack.

    WebPageTest, Browsertime and chrome-har name one URL as a text, and may hold Chrome's object as a text beside it.
    """
    raw = entry.raw("_initiator")
    if raw is not None and raw.startswith(b'"'):
        text = entry.plain("_initiator") or ""
        if not text.lstrip().startswith("{"):
            return [text.partition("#")[0]] if _URL(text) else _of(_parsed(entry, "_initiator_detail"))
        return _of(_parsed(entry, "_initiator"))
    return _of(entry.inner("_initiator"))


def _parsed(entry: Item, name: str) -> Item | None:
    try:
        fields = msgspec.json.decode(entry.plain(name) or "", type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    return Item(fields, entry.place)


def _of(initiator: Item | None) -> list[str]:
    if initiator is None:
        return []
    found = [url for url in (initiator.plain("url"),) if url]
    stack = initiator.inner("stack")
    for _ in range(_STACK_DEPTH):
        if stack is None:
            break
        found += [url for frame in stack.objects("callFrames") if (url := frame.plain("url"))]
        stack = stack.inner("parent")
    return [url.partition("#")[0] for url in dict.fromkeys(found)]


def posted(request: Item, content_type: str) -> Posted | None:
    """The request's body; None where it has none. content_type: what its headers say."""
    data = request.inner("postData")
    size = count(request, "bodySize")
    if data is None:
        return Posted(None, size, content_type) if size else None
    kind = data.plain("mimeType") or content_type
    text = data.plain("text")
    if text:
        if (data.plain("encoding") or data.plain("_encoding")) == "base64":
            try:
                return Posted(base64.b64decode(text, validate=True), None, kind, is_decoded=False)
            except (binascii.Error, ValueError):
                return Posted(None, size or len(text), kind)
        return Posted(text.encode("utf-8", "surrogatepass"), None, kind)
    parameters = data.objects("params")
    if not parameters:
        return Posted(None, size, kind) if size else None
    boundary = _BOUNDARY(kind)
    if boundary is not None and kind.lower().lstrip().startswith("multipart/"):
        made, missing = _parts(parameters, boundary[1])
        return Posted(made.encode("utf-8", "surrogatepass"), None, kind, is_made=True, missing=missing)
    pairs = (f"{_encoded(each.plain('name'))}={_encoded(each.plain('value'))}" for each in parameters)
    return Posted("&".join(pairs).encode("utf-8", "surrogatepass"), None, kind or _FORM, is_made=True)


def _encoded(text: str | None) -> str:
    """As it stands in a form; Chrome gives parameters as they were sent, others what they stand for."""
    text = text or ""
    return text if _IS_ENCODED(text) else quote_plus(text, errors="replace")


def _parts(parameters: Sequence[Item], boundary: str) -> tuple[str, int]:
    """A multipart form, and how many of its files were not recorded."""
    lines: list[str] = []
    missing = 0
    for each in parameters:
        file, value, kind = each.plain("fileName"), each.plain("value"), each.plain("contentType")
        missing += file is not None and value is None
        named = f'; filename="{_quoted(file)}"' if file is not None else ""
        head = f'Content-Disposition: form-data; name="{_quoted(each.plain("name") or "")}"{named}\r\n'
        head += f"Content-Type: {' '.join(kind.split())}\r\n" if kind else ""
        lines.append(f"--{boundary}\r\n{head}\r\n{value or ''}\r\n")
    return "".join(lines) + f"--{boundary}--\r\n", missing


def _quoted(text: str) -> str:
    return text.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")
