"""The `elb-log` format: access logs of AWS's load balancers, Application and Classic, as they lie in S3.

The layouts are those of the guides "Access logs for your Application Load Balancer" and "Access logs for your Classic
Load Balancer". An Application Load Balancer's line has its type first, and the time at which it answered; a request
began at `request_creation_time`, behind the certificate. In lines of 2016 that lack it, and in those of no known
duration, that time is all there is. A Classic Load Balancer's line has the time at which it received the request first.

A duration is the sum of the three processing times, in s: from the request's first byte to the response's head. One
of them is -1 where no target answered; then it is what lies between the two times. The size received counts the
request's head as well, but for a Classic Load Balancer. The trace's id becomes the attribute `trace`.

--session-by takes `client`, `user_agent`, `trace`, `host`, or `query:NAME`. Targets, certificates, rules and reasons
are dropped. WebSockets, requests that could not be parsed, and lines of TCP listeners are counted. Network Load
Balancers log TLS connections: they are refused.
"""

import re

from replay.assembly.requests.log_fields import number, status_of
from replay.importers.logs.line_logs import LineFormat, LoggedLine
from replay.importers.logs.log_times import duration_us, instant_ns

_ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z?"
_TIMES = r"(?P<times>(?:-?\d{1,9}(?:\.\d{1,9})? ){2}-?\d{1,9}(?:\.\d{1,9})?)"
_TEXT = r'"((?:[^"\\]|\\.)*+)"'
_LINE = re.compile(
    rf"(?:(?P<type>https?|h2|grpcs|wss?) )?(?P<time>{_ISO}) (?P<elb>\S{{1,200}}) (?P<client>\S{{1,100}}) \S{{1,200}} "
    rf"{_TIMES} (?P<status>\d{{3}}|-|0) (?:\d{{3}}|-|0) (?P<received>\d{{1,18}}) (?P<sent>\d{{1,18}}) "
    rf'"(?P<request>[^"]*+)" "(?P<agent>(?:[^"\\]|\\.)*+)"(?P<rest>(?: .*)?)',
    re.ASCII | re.DOTALL,
).fullmatch
_REST = re.compile(
    rf"(?: \S++){{3}} {_TEXT}(?: {_TEXT} {_TEXT}(?: \S++ (?P<created>{_ISO})(?: .*)?)?)?", re.ASCII | re.DOTALL
).fullmatch
_REQUEST = re.compile(r"(?P<method>[A-Z]{1,20}) (?P<url>\S++) HTTP/\d(?:\.\d)?").fullmatch
_CONNECTION = re.compile(rf"tls \d\.\d {_ISO} net/").match
_ESCAPED = re.compile(r"\\x([0-9A-Fa-f]{2})")

_NO_LINE = "not in the format of an Application or a Classic Load Balancer's access log."
_NO_REQUEST = "tells of a TLS connection of a Network Load Balancer, and of no request that could be replayed."
_EXPLAINED = (
    "A request began when the load balancer received it. Durations end with the head of the response.",
)


def _tells(line: str) -> bool:
    return _LINE(line) is not None or _CONNECTION(line) is not None


def _read(line: str) -> LoggedLine | str:
    found = _LINE(line)
    stamp_ns = None if found is None else instant_ns(found["time"])
    if found is None or stamp_ns is None:
        return _NO_REQUEST if _CONNECTION(line) else _NO_LINE
    kind, request_text, agent = found["type"], found["request"], found["agent"]
    if kind in ("ws", "wss"):
        return LoggedLine(left_out="WebSocket(s)")
    if kind is None and request_text.startswith("- - -"):
        return LoggedLine(left_out="connection(s) of TCP listeners")
    request = _REQUEST(request_text)
    if request is None:
        return LoggedLine(left_out="line(s) with a request that the load balancer could not parse")
    rest = _REST(found["rest"])
    created = None if rest is None or rest["created"] is None else instant_ns(rest["created"])
    took_us = _sum_us(found["times"])
    if took_us is None and created is not None and stamp_ns >= created:
        took_us = (stamp_ns - created) // 1_000
    trace = rest[1] if rest is not None and kind is not None else "-"
    host = rest[2] if rest is not None and kind is not None and rest[2] not in ("", "-", None) else None
    received = number(found["received"])
    return LoggedLine(
        stamp_ns=stamp_ns if created is None else created,
        is_end=kind is not None and created is None,
        took_us=took_us,
        method=request["method"],
        target=_unescaped(request["url"]),
        host=host,
        peer=found["client"],
        user_agent=None if agent in ("", "-") else _unescaped(agent),
        status=status_of(found["status"]),
        request_bytes=received if kind is None else None,
        response_bytes=number(found["sent"]),
        # A classic load balancer logs the bodies' sizes only.
        counts_head=kind is not None,
        body_bytes=received if kind is None else None,
        message_bytes=received,
        attributes={"trace": trace},
        told={"trace": trace, "host": host},
    )


def _sum_us(times: str) -> int | None:
    """The sum of the processing times; None where one of them is not known."""
    parts = [duration_us(text, "s") for text in times.split(" ")]
    known = [part for part in parts if part is not None]
    return sum(known) if len(known) == len(parts) else None


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


ELB_LOG = LineFormat(
    "elb-log",
    "access logs of AWS's Application and Classic Load Balancers",
    _tells,
    _read,
    _EXPLAINED,
)
