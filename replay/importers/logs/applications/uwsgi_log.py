"""The `uwsgi-log` format: what uWSGI writes of each request by default.

    [pid: 88185|app: 0|req: 1/1] 192.0.2.7 () {38 vars in 696 bytes} [Sun Mar 13 22:49:12 2016] POST /a => generated 47
    bytes in 129 msecs (HTTP/1.1 200) 9 headers in 378 bytes (1 switches on core 3)

on one line, as its source has it. The time is when the request began, in the time of the server,
which is taken as UTC, to the second; how long it took is in ms, or in us where its clock is finer (`micros`). What it
writes besides is counted.

--session-by takes `client`, `user` or `query:NAME`.
"""

import re
from datetime import UTC, datetime

from replay.assembly.requests.log_fields import number, status_of
from replay.importers.logs.line_logs import LineFormat, LoggedLine
from replay.importers.logs.log_times import duration_us

_LINE = re.compile(
    r"\[pid: \d{1,10}\|app: [\d\-]{1,10}\|req: [\d/\-]{1,40}\] (?P<client>\S{0,100}) \((?P<user>[^)]{0,200})\) "
    r"\{\d{1,6} vars in \d{1,12} bytes\} \[[A-Z][a-z]{2} (?P<time>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4})\] "
    r"(?P<method>[A-Z]{1,20}) (?P<target>\S{1,8000}) => generated (?P<bytes>\d{1,18}) bytes "
    r"(?:via \S{1,40} )?in (?P<took>\d{1,12}) (?P<unit>msecs|micros)(?: \w{1,20})? "
    r"\(HTTP/[\d.]{1,3} (?P<status>\d{3})\) .*",
    re.ASCII | re.DOTALL,
).fullmatch
_UNITS = {"msecs": "ms", "micros": "us"}

_NO_LINE = "not in uWSGI's default format, which its beginning is of."
_OTHERS = "line(s) that tell of no request"
_EXPLAINED = (
    "The log's times are taken as the starts of requests, and as UTC: uWSGI writes no zone. They may differ from other "
    "logs' by whole hours.",
)


def _tells(line: str) -> bool:
    return _LINE(line) is not None


def _read(line: str) -> LoggedLine | str:
    found = _LINE(line)
    if found is None:
        return _NO_LINE if line.startswith("[pid: ") else LoggedLine(left_out=_OTHERS)
    try:
        began = datetime.strptime(found["time"], "%b %d %H:%M:%S %Y").replace(tzinfo=UTC)
    except ValueError:
        return "has a time that is none."
    return LoggedLine(
        stamp_ns=int(began.timestamp()) * 1_000_000_000,
        took_us=duration_us(found["took"], _UNITS[found["unit"]]),
        method=found["method"],
        target=found["target"],
        peer=found["client"] or None,
        status=status_of(found["status"]),
        response_bytes=number(found["bytes"]),
        told={"user": found["user"] or None},
    )


UWSGI_LOG = LineFormat("uwsgi-log", "uWSGI's logs of requests", _tells, _read, _EXPLAINED, is_whole=_tells)
