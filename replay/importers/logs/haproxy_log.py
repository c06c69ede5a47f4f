"""The `haproxy-log` format: what HAProxy writes with `option httplog` or `option httpslog`.

    192.0.2.7:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0
    {1wt.eu} {} "GET /index.html HTTP/1.1"

on one line, as HAProxy's Configuration Manual has it under "HTTP log format". The time in brackets is when the request
began (before 1.7: when its connection did), in the time of the server, which is taken as UTC; the last of the five
times, in ms, is how long it took from there. A `+` before it, of `option logasap`, says that the response went on. The
server and how the session ended, where not well, become the attributes `server` and `termination`. Captured headers and
cookies are dropped.

--session-by takes `client`, `frontend`, `server`, or `query:NAME`. Requests that could not be parsed (`<BADREQ>`) are
counted, and so is what stands between those lines: connections (`option tcplog`, and those that failed), and what
HAProxy tells of itself, its proxies and servers.
"""

import re

from replay.assembly.requests.log_fields import number, status_of
from replay.importers.logs.line_logs import LineFormat, LoggedLine
from replay.importers.logs.log_times import duration_us, instant_ns

_LINE = re.compile(
    r"(?:<\d{1,3}>)?(?:(?:[^\[\s]{1,100} ){0,6}?[\w.\-]{1,60}\[\d{1,10}\]: )?"
    r"(?P<client>[^\s\"]{1,100}):\d{1,5} \[(?P<time>\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d\.\d{3})\] "
    r"(?P<frontend>[^\s/]{1,200}) (?P<server>[^\s/]{1,200}/[^\s]{1,200}) "
    r"-?\d{1,10}/-?\d{1,10}/-?\d{1,10}/-?\d{1,10}/(?P<goes_on>\+?)(?P<took>-?\d{1,10}) "
    r"(?P<status>-1|\d{1,3}) \+?(?P<bytes>\d{1,18}) \S{1,1000} \S{1,1000} (?P<end>[\w\-]{2,4}) "
    r"\d{1,10}/\d{1,10}/\d{1,10}/\d{1,10}/\+?\d{1,10} \d{1,10}/\d{1,10}"
    r"(?: \{[^}]{0,8000}\}){0,2} \"(?P<request>[^\"]*+)\"(?: [^\"]*+)?",
    re.ASCII | re.DOTALL,
).fullmatch
_REQUEST = re.compile(r"(?P<method>[^\s<]{1,20}) (?P<target>\S.*?)(?: HTTP/\d(?:\.\d)?)?", re.DOTALL).fullmatch

_CONNECTION = re.compile(
    r"[^\s\"]{1,100}:\d{1,5} \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d\.\d{3}\] "
    r"(?:[^\s/]{1,200}/[^\s:]{1,200}: \S|[^\s/]{1,200} \S{1,200}/\S{1,200} "
    r"-?\d{1,10}/-?\d{1,10}/\+?-?\d{1,10} \+?\d{1,18} \S{2,4} [\d/+]{9,60} \d{1,10}/\d{1,10}(?: |\Z))",
    re.ASCII,
).match
_OF_ITSELF = re.compile(
    r"(?:\[(?:NOTICE|WARNING|ALERT)\] |(?:Proxy|Server|Backup Server|Health check|Connect from|Stopping|Pausing|"
    r"Enabling|Resuming|backend|Loading|Current worker|New worker|Former worker|Reexecuting|Initializing|Exiting)\b)"
).match
_PREFIX = re.compile(r"(?:<\d{1,3}>)?(?:(?:[^\[\s]{1,100} ){0,6}?[\w.\-]{1,60}\[\d{1,10}\]: )?").match

_NO_LINE = "not in the format of HAProxy's option httplog."
_EXPLAINED = (
    "The log's times are taken as the starts of requests, and as UTC: HAProxy writes no zone. They may differ from "
    "other logs' by whole hours.",
)


def _tells(line: str) -> bool:
    return _LINE(line) is not None


def _read(line: str) -> LoggedLine | str:
    found = _LINE(line)
    stamp_ns = None if found is None else instant_ns(found["time"])
    if found is None or stamp_ns is None:
        return _told_besides(line)
    request = _REQUEST(found["request"])
    if request is None:
        return LoggedLine(left_out="line(s) with a request that HAProxy could not parse")
    return LoggedLine(
        stamp_ns=stamp_ns,
        took_us=None if found["goes_on"] else duration_us(found["took"], "ms"),
        method=request["method"],
        target=request["target"],
        peer=found["client"],
        status=status_of(found["status"]),
        response_bytes=number(found["bytes"]),
        counts_head=True,
        attributes={
            "server": "" if found["server"].endswith("<NOSRV>") else found["server"],
            "termination": found["end"].strip("-"),
        },
        told={"frontend": found["frontend"].rstrip("~"), "server": found["server"]},
    )


def _told_besides(line: str) -> LoggedLine | str:
    """What a line that tells of no request is."""
    prefix = _PREFIX(line)
    said = line if prefix is None else line[prefix.end() :]
    if _CONNECTION(said):
        return LoggedLine(left_out="connection(s) of option tcplog, or that failed")
    return (
        LoggedLine(left_out="line(s) of HAProxy about itself and its servers") if _OF_ITSELF(said) else _NO_LINE
    )


HAPROXY_LOG = LineFormat(
    "haproxy-log", "HAProxy's HTTP logs (option httplog, httpslog)", _tells, _read, _EXPLAINED
)
