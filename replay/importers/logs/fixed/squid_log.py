"""The `squid-log` format: Squid's own access.log.

    1760104536.123    250 192.0.2.7 TCP_MISS/200 1234 GET http://example.org/a?b=1 - HIER_DIRECT/198.51.100.7 text/html

on one line, as Squid's wiki has it under "Squid Log Files" and its documentation under `logformat squid`. A line is
written when its request has ended, at a time in s since 1970, and tells how long it took in ms. Its size is of the
answer with its head. How Squid answered (TCP_MISS) becomes the attribute `cache`. Users are dropped.

--session-by takes `client`, `cache`, or `query:NAME`. Tunnels (CONNECT), what other caches asked (ICP, HTCP), requests
for what is not asked for by HTTP (`ftp://`, Squid's own `cache_object://`), and those that Squid could not read are
counted.
"""

import re

from replay.assembly.requests.log_fields import number, status_of
from replay.importers.logs.line_logs import LineFormat, LoggedLine
from replay.importers.logs.log_times import duration_us, instant_ns

_LINE = re.compile(
    r"(?P<time>\d{9,10}\.\d{3}) +(?P<took>-?\d{1,12}) (?P<client>[^\s\"]{1,255}) "
    r"(?P<cache>[A-Z_]{3,60})/(?P<status>\d{3}) (?P<bytes>\d{1,18}) (?P<method>\S{1,40}) (?P<url>\S{1,8000}) "
    r"\S{1,255} [A-Z_]{3,60}/\S{1,255} \S{1,255}(?: .*)?",
    re.ASCII,
).fullmatch
_URL = re.compile(r"(?:http|ws)s?://(?P<host>[^/?#\s]{1,255})(?P<target>[/?#]\S*)?", re.IGNORECASE).fullmatch
_METHOD = re.compile(r"[A-Z]{1,20}(?:-[A-Z]{1,20}){0,3}").fullmatch
# What Squid writes in place of what it could not read.
_NO_METHODS = ("NONE", "-")
_NO_URL = "error:"
_NO_LINE = "not in Squid's own format of access.log."
_EXPLAINED = ("A line is written when its request has ended.",)


def _read(line: str) -> LoggedLine | str:
    found = _LINE(line)
    stamp_ns = None if found is None else instant_ns(found["time"])
    if found is None or stamp_ns is None:
        return _NO_LINE
    if found["method"] == "CONNECT":
        return LoggedLine(left_out="tunnel(s) (CONNECT), in which requests are not seen")
    if found["cache"].startswith("UDP_") or found["method"].startswith(("ICP_", "HTCP_")):
        return LoggedLine(left_out="question(s) of other caches")
    if found["method"] in _NO_METHODS or found["url"].startswith(_NO_URL) or not _METHOD(found["method"]):
        return LoggedLine(left_out="line(s) with a request that Squid could not read")
    url = _URL(found["url"])
    if url is None:
        return LoggedLine(
            left_out="request(s) for what is not asked for by HTTP, as ftp:// and cache_object://"
        )
    target = url["target"] or "/"
    return LoggedLine(
        stamp_ns=stamp_ns,
        is_end=True,
        took_us=duration_us(found["took"], "ms"),
        method=found["method"],
        target=target if target.startswith("/") else f"/{target}",
        host=url["host"].rpartition("@")[2],
        peer=found["client"],
        status=status_of(found["status"]),
        response_bytes=number(found["bytes"]),
        counts_head=True,
        attributes={"cache": found["cache"]},
        told={"cache": found["cache"]},
    )


SQUID_LOG = LineFormat(
    "squid-log", "Squid's own access logs", lambda line: _LINE(line) is not None, _read, _EXPLAINED
)
