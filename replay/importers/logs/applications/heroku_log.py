"""The `heroku-log` format: what Heroku's router tells of requests, among the lines of an application's log.

    2014-01-09T06:16:53.916977+00:00 heroku[router]: at=info method=GET path="/a" host=a.example fwd="192.0.2.7"
    dyno=web.1 connect=1ms service=18ms status=200 bytes=975

on one line, as `heroku logs` prints it, or as a drain gets it in syslog's frame (RFC 5424). The layout is that of the
Dev Center's "HTTP Routing". A line is written when the request has ended, so it began `connect` and `service` earlier:
the first is the router's waiting for the dyno. A request that failed has the code of its error (`H12`) as the
attribute `error`. Lines of dynos and of the platform are counted.

--session-by takes `client`, `host`, `dyno`, `request_id` or `query:NAME`.
"""

import re

from replay.assembly.requests.log_fields import number, status_of
from replay.importers.logs.line_logs import LineFormat, LoggedLine
from replay.importers.logs.log_times import duration_us, instant_ns

_ISO = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:?\d\d)"
_LINE = re.compile(
    rf"(?:\d{{1,5}} )?(?:<\d{{1,3}}>1 )?(?P<time>{_ISO}) "
    r"(?:heroku\[router\]:|\S{1,255} heroku router -) (?P<fields>at=.*)",
    re.ASCII | re.DOTALL,
).fullmatch
_OF_HEROKU = re.compile(
    rf"(?:\d{{1,5}} )?(?:<\d{{1,3}}>1 )?{_ISO} "
    r"(?:(?:app|heroku)\[[\w.\-]{1,100}\]:|\S{1,255} (?:app|heroku) [\w.\-]{1,100} -)",
    re.ASCII,
).match
_FIELD = re.compile(r'(\w{1,40})=(?:"((?:[^"\\]|\\.)*+)"|(\S*+))').findall

_NO_LINE = "not a line of Heroku's log."
_NO_REQUEST = "a line of Heroku's router without a path or a status."
_OTHERS = "line(s) of dynos and of the platform"
_EXPLAINED = (
    "The router's times are taken as the ends of requests; each began its connect and service times earlier.",
)


def _tells(line: str) -> bool:
    return _LINE(line) is not None


def _is_whole(line: str) -> bool:
    return _OF_HEROKU(line) is not None


def _read(line: str) -> LoggedLine | str:
    found = _LINE(line)
    if found is None:
        return LoggedLine(left_out=_OTHERS) if _is_whole(line) else _NO_LINE
    fields = {name: quoted or plain for name, quoted, plain in _FIELD(found["fields"])}
    stamp_ns = instant_ns(found["time"])
    if stamp_ns is None or not fields.get("path") or status_of(fields.get("status")) is None:
        return _NO_REQUEST
    connect_us, service_us = (duration_us(fields.get(name, ""), "ms") for name in ("connect", "service"))
    return LoggedLine(
        stamp_ns=stamp_ns,
        is_end=True,
        took_us=None if service_us is None else service_us + (connect_us or 0),
        method=fields.get("method", ""),
        target=fields["path"],
        host=fields.get("host"),
        forwarded=fields.get("fwd"),
        status=status_of(fields.get("status")),
        response_bytes=number(fields.get("bytes")),
        counts_head=True,
        attributes={
            "request_id": fields.get("request_id", ""),
            "dyno": fields.get("dyno", ""),
            "error": fields.get("code", ""),
        },
        told=fields,
    )


HEROKU_LOG = LineFormat(
    "heroku-log", "Heroku's logs, with the router's lines", _tells, _read, _EXPLAINED, is_whole=_is_whole
)
