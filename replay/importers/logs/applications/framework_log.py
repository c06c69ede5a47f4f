"""The `framework-log` format: requests as web frameworks and servers of applications log them by themselves.

    [GIN] 2026/12/01 - 01:22:27 | 200 |   20.227862ms |       192.0.2.7 | POST     "/api/chat"

is Gin's, and so Ollama's; `_LAYOUTS` has the others. Their lines stand among those of the application, which are
counted. A line is written when its request has been answered: where it has a duration, its time is taken as the end,
but for aiohttp's and Granian's, which write when a request came; where it has none, as the start. Times without a zone
are taken as UTC. morgan, Koa and llama.cpp write no time: it has to stand in front.

--session-by takes `client` or `query:NAME`.
"""

import re
import string
from collections.abc import Callable, Iterator
from typing import NamedTuple
from urllib.parse import quote

from replay.assembly.requests.log_fields import number, status_of
from replay.importers.logs.applications.fronts import LONGEST_FRONT, stamp_ns, unpacked, without_time
from replay.importers.logs.line_logs import LineFormat, LoggedLine
from replay.importers.logs.log_times import duration_us, instant_ns

_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?:Z| ?[+-]\d\d:?\d\d)?"
_COMMON = r"\d\d/[A-Z][a-z]{2}/\d{4}[: ]\d\d:\d\d:\d\d(?: [+-]\d{4})?"
_SLASHED = r"\d{4}/\d\d/\d\d(?: -)? \d\d:\d\d:\d\d(?:\.\d{1,9})?"
_METHOD = r"(?P<method>[A-Z]{1,20})"
_TARGET = r"(?P<target>(?:/|https?://)[^\s\"]{0,8000})"
# A path that was decoded may hold anything.
_DECODED = r"(?P<target>/[^\n]{0,8000}?)"
_STATUS = r"(?P<status>\d{3})"
_BYTES = r"(?P<bytes>\d{1,18}|-)"
_TOOK = r"(?P<took>(?:\d{1,9}h)?(?:\d{1,9}m)?\d{1,12}(?:\.\d{1,9})?(?:ns|us|µs|ms|s))"
_NUMBER = r"(?P<took>\d{1,12}(?:\.\d{1,9})?)"
_CLIENT = r"(?P<client>(?:[\da-fA-F]|::(?!:))[\da-fA-F.:]{1,44})"
_AGENT = r' "(?:[^"\\]|\\.){0,2000}" "(?P<agent>.{0,2000})"'


class _Layout(NamedTuple):
    """A layout. server: whose it is. begins: what its line has, by which it is looked for, and what stands in front of
    that left alone. pattern: from there to the end of the line.

    when: what makes an instant of its time; None: the time stands in front. unit: of durations that have none.
    is_end: whether the time is that of the end. counts_head: whether sizes are those of answers with their heads.
    """

    server: str
    begins: Callable[[str], "re.Match[str] | None"]
    pattern: Callable[[str, int], "re.Match[str] | None"]
    when: Callable[[str], int | None] | None = None
    unit: str = "s"
    is_end: bool = True
    counts_head: bool = False


def _layout(server: str, begins: str, pattern: str, **more: object) -> _Layout:
    found = re.compile(pattern + r"\s*\Z", re.ASCII).match
    return _Layout(server, re.compile(begins, re.ASCII).search, found, **more)  # type: ignore[arg-type]


def _slashed_ns(text: str) -> int | None:
    """An instant as `2026/12/01 - 01:22:27`, in UTC."""
    return instant_ns(text.replace(" -", "", 1).replace("/", "-"))


def _tornado_ns(text: str) -> int | None:
    """An instant as `261201 01:22:27`, of this century and in UTC, or in ISO's notation."""
    return instant_ns(text) if "-" in text else instant_ns(f"20{text[:2]}-{text[2:4]}-{text[4:]}")


_LAYOUTS = (
    _layout(
        # https://github.com/gin-gonic/gin/blob/v1.10.0/logger.go; One API and New API have an id behind the time.
        "Gin",
        r"\[GIN\] \d{4}/",
        rf"\[GIN\] (?P<time>{_SLASHED}) \| (?:[\w\-]{{4,80}} \| )?\s{{0,4}}{_STATUS} \|\s{{0,20}}{_TOOK} \|"
        rf"\s{{0,45}}(?P<client>[^\s|]{{0,100}}) \|\s{{0,20}}{_METHOD} {{1,20}}"
        r"(?P<target>\"/(?:[^\"\\]|\\.){0,8000}\"|/.{0,8000})",
        when=_slashed_ns,
    ),
    _layout(
        # https://github.com/go-chi/chi/blob/v5.2.1/middleware/logger.go
        "chi",
        rf"{_SLASHED} (?:\[[^\]\s]{{1,200}}\] )?\"[A-Z]",
        rf"(?P<time>{_SLASHED}) (?:\[[^\]\s]{{1,200}}\] )?\"{_METHOD} {_TARGET} HTTP/[\d.]{{1,3}}\" "
        rf"from (?P<client>\S{{1,100}}) - {_STATUS} {_BYTES}B in {_TOOK}",
        when=_slashed_ns,
    ),
    _layout(
        # tornado.web.Application.log_request, tornado.log.LogFormatter; Jupyter's servers have their own time and user.
        "Tornado",
        r"\[[DIWEC] [\d:. \-]{15,30} [^\]\s]{1,60}\] \d{3} [A-Z]",
        rf"\[[DIWEC] (?P<time>\d{{6}} \d\d:\d\d:\d\d|{_ISO}) [^\]\s]{{1,60}}\] {_STATUS} {_METHOD} {_TARGET} "
        rf"\((?:[^\s@()]{{0,100}}@)?(?P<client>[^\s()]{{0,100}})\) {_NUMBER}ms(?: referer=\S{{0,8000}})?",
        when=_tornado_ns,
        unit="ms",
    ),
    _layout(
        # aiohttp.web_log.AccessLogger.LOG_FORMAT
        "aiohttp",
        rf"{_CLIENT} \[{_COMMON}\] \"[A-Z]",
        rf"{_CLIENT} \[(?P<time>{_COMMON})\] \"{_METHOD} {_TARGET} HTTP/[\d.]{{1,3}}\" {_STATUS} {_BYTES}{_AGENT}",
        when=instant_ns,
        is_end=False,
        counts_head=True,
    ),
    _layout(
        # django.core.servers.basehttp.WSGIRequestHandler, which `runserver` is served by.
        "Django",
        # Not behind an address and a user, as in an access log.
        rf"(?:^|(?<=Z )|(?<=[|:\]] )|(?<=INFO )|(?<=WARNING )|(?<=ERROR ))\[{_COMMON}\] \"[A-Z]",
        rf"\[(?P<time>{_COMMON})\] \"{_METHOD} {_TARGET} HTTP/[\d.]{{1,3}}\" {_STATUS} {_BYTES}",
        when=instant_ns,
    ),
    _layout(
        # sanic.http.Http.log_response, with and without the duration that newer ones write.
        "Sanic",
        rf"{_ISO}(?: INFO: |\] - \(sanic\.access\)\[INFO\]\[){_CLIENT}",
        rf"(?P<time>{_ISO})(?: INFO: |\] - \(sanic\.access\)\[INFO\]\[){_CLIENT}:\d{{1,5}}(?:\]:)?\s{{1,20}}{_METHOD} "
        rf"{{1,20}}{_TARGET}\s{{1,20}}{_STATUS} {_BYTES}(?:\s{{1,20}}{_NUMBER}ms)?",
        when=instant_ns,
        unit="ms",
    ),
    _layout(
        # hypercorn.logging.AccessLogAtoms: the path is decoded, and has no query.
        "Hypercorn",
        rf"{_CLIENT}:\d{{1,5}} - - \[{_COMMON}\] \"[A-Z]",
        rf"{_CLIENT}:\d{{1,5}} - - \[(?P<time>{_COMMON})\] \"{_METHOD} {_DECODED} (?:1\.[01]|[23])\" {_STATUS} {_BYTES}"
        rf"{_AGENT}",
        when=instant_ns,
    ),
    _layout(
        # granian.log: the path is decoded, and has no query.
        "Granian",
        rf"\[{_ISO}\] {_CLIENT} - \"[A-Z]",
        rf"\[(?P<time>{_ISO})\] {_CLIENT} - \"{_METHOD} {_DECODED} HTTP/[\d.]{{1,3}}\" {_STATUS} {_NUMBER}",
        when=instant_ns,
        unit="ms",
        is_end=False,
    ),
    _layout(
        # https://github.com/expressjs/morgan: `tiny`, `short`, and what has these at its end.
        "morgan",
        r"[A-Z]{3,20} (?:/|https?://)\S{0,8000} (?:HTTP/[\d.]{1,3}\"? )?(?:\d{3}|-) (?:\d{1,18}|-) - ",
        rf"{_METHOD} {_TARGET} (?:HTTP/[\d.]{{1,3}}\"? )?{_STATUS} {_BYTES} - (?:{_NUMBER}|-) ms",
        unit="ms",
    ),
    _layout(
        "morgan",
        r"[A-Z]{3,20} (?:/|https?://)\S{0,8000} \d{3} [\d.]{1,20} ms - ",
        rf"{_METHOD} {_TARGET} {_STATUS} {_NUMBER} ms - {_BYTES}",
        unit="ms",
    ),
    _layout(
        # https://github.com/koajs/logger, whose sizes are rounded.
        "Koa",
        r"--> [A-Z]{3,20} (?:/|https?://)",
        rf"--> {_METHOD} {_TARGET} {_STATUS} {_TOOK} (?:-|[\d.]{{1,12}}[kmg]?b)",
    ),
    _layout(
        # log_server_r in llama.cpp's tools/server/server.cpp, whose newer lines have no address.
        "llama.cpp",
        r"log_server_r: (?:done )?request: [A-Z]",
        rf"log_server_r: (?:done )?request: {_METHOD} {_TARGET}(?: {_CLIENT})? {_STATUS}",
    ),
)
_OTHERS = "line(s) of the application itself"
_BROKEN = (
    "begins like a line of {server}, and does not go on like one; it may be cut off, or in a format of its own."
)
_EXPLAINED = (
    "A line is written when its request has been answered. Times without a zone are taken as UTC: they may differ from "
    "other logs' by whole hours. Hypercorn and Granian write no queries.",
)
_ESCAPE = re.compile(
    r"(?P<bytes>(?:\\x[\da-f]{2})+)|\\(?:u(?P<short>[\da-f]{4})|U00(?P<long>(?:0[\da-f]|10)[\da-f]{4})|(?P<plain>.))"
)
_AS_WRITTEN = "".join(each for each in string.printable if each.isprintable() and each not in ' "<>\\^`{|}')
_CONTROLS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class _Found(NamedTuple):
    layout: _Layout
    front: str
    told: dict[str, str]


def _found(line: str) -> _Found | None:
    """What a line tells of a request, and what stands in front of that; None where it is of no layout."""
    line = unpacked(line)
    for layout, at in _begun(line):
        if found := layout.pattern(line, at):
            return _Found(layout, line[:at], found.groupdict(default=""))
    return None


def _begun(line: str) -> Iterator[tuple[_Layout, int]]:
    """The layouts that a line may be of, and where their part of it begins."""
    for layout in _LAYOUTS:
        begins = layout.begins(line)
        if begins is not None and begins.start() <= LONGEST_FRONT:
            yield layout, begins.start()


def _unquoted(target: str) -> str:
    """The path that Go has decoded and quoted; as it is, where it is not quoted."""
    if not target.startswith('"'):
        return target.strip()
    return quote(_ESCAPE.sub(_meant, target[1:-1]), safe=_AS_WRITTEN, errors="surrogateescape")


def _meant(escaped: "re.Match[str]") -> str:
    """What an escape of strconv.Quote stands for; bytes that are no UTF-8 as surrogates."""
    if escaped["bytes"]:
        return bytes.fromhex(escaped["bytes"].replace("\\x", "")).decode("utf-8", "surrogateescape")
    if escaped["plain"]:
        return _CONTROLS.get(escaped["plain"], escaped["plain"])
    code = int(escaped["short"] or escaped["long"], 16)
    return "\ufffd" if 0xD800 <= code < 0xE000 else chr(code)


def _tells(line: str) -> bool:
    return _found(line) is not None


def _read(line: str) -> LoggedLine | str:
    found = _found(line)
    if found is None:
        # Without a time of its own a layout begins like much else.
        broken = next((layout for layout, _ in _begun(unpacked(line)) if layout.when is not None), None)
        return LoggedLine(left_out=_OTHERS) if broken is None else _BROKEN.format(server=broken.server)
    layout, told = found.layout, found.told
    at_ns = stamp_ns(found.front) if layout.when is None else layout.when(told["time"])
    if at_ns is None:
        return without_time(layout.server) if layout.when is None else "has a time that is none."
    took = told.get("took", "")
    return LoggedLine(
        stamp_ns=at_ns,
        is_end=layout.is_end,
        took_us=duration_us(took, layout.unit) if took else None,
        method=told["method"],
        target=_unquoted(told["target"]),
        peer=told.get("client") or None,
        user_agent=told.get("agent") or None,
        status=status_of(told["status"]),
        response_bytes=number(told.get("bytes")),
        counts_head=layout.counts_head,
    )


FRAMEWORK_LOG = LineFormat(
    "framework-log",
    "requests as Gin (Ollama), chi, Tornado, aiohttp, Django, Sanic, Hypercorn, Granian, morgan, Koa and llama.cpp "
    "log them",
    _tells,
    _read,
    _EXPLAINED,
    is_whole=_tells,
)
