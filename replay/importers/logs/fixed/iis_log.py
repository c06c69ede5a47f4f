"""The `iis-log` format: logs of IIS in its own layout, fifteen values behind commas.

The layout is that of Microsoft's "IIS Log File Formats". A line is written when a request has ended; its date is that
of the United States, with two digits of the year or four, and its time the server's own, read as UTC. Durations are in
ms. Users are dropped; lines of other services (FTP, SMTP) are counted.

--session-by takes `client`, `service`, or `query:NAME`.
"""

import re

from replay.assembly.requests.log_fields import number, status_of
from replay.importers.logs.line_logs import LineFormat, LoggedLine
from replay.importers.logs.log_times import duration_us, instant_ns

_LINE = re.compile(
    r"(?P<client>[0-9A-Fa-f.:%]{2,60}), [^,]{1,200}, (?P<month>\d{1,2})/(?P<day>\d{1,2})/(?P<year>\d{4}|\d\d), "
    r"(?P<time>\d{1,2}:\d\d:\d\d(?:\.\d{3})?), (?P<service>[A-Z0-9]{1,30}), [^,]{1,100}, [0-9A-Fa-f.:%]{2,60}, "
    r"(?P<took>\d{1,12}), (?P<received>\d{1,18}), (?P<sent>\d{1,18}), (?P<status>\d{1,5}), \d{1,12}, "
    r"(?P<method>[^,]{1,40}), (?P<path>.{1,8000}), (?P<query>[^,\s]*+),?",
    re.ASCII,
).fullmatch
_METHOD = re.compile(r"[A-Z]{1,20}").fullmatch
_NO_LINE = "not in IIS' own format, fifteen values behind commas."
_EXPLAINED = ("Times are the server's own and are read as UTC. A line is written when its request has ended.",)


def _read(line: str) -> LoggedLine | str:
    found = _LINE(line)
    if found is None:
        return _NO_LINE
    year = (
        found["year"] if len(found["year"]) == 4 else f"{'19' if found['year'] > '69' else '20'}{found['year']}"
    )
    hour, _, rest = found["time"].partition(":")
    at_ns = instant_ns(f"{year}-{found['month'].zfill(2)}-{found['day'].zfill(2)}T{hour.zfill(2)}:{rest}")
    if at_ns is None:
        return _NO_LINE
    if not found["service"].startswith("W3SVC") or not _METHOD(found["method"]):
        return LoggedLine(left_out="line(s) of other services than HTTP")
    query = found["query"]
    received = number(found["received"])
    return LoggedLine(
        stamp_ns=at_ns,
        is_end=True,
        took_us=duration_us(found["took"], "ms"),
        method=found["method"],
        target=found["path"] if query in ("", "-") else f"{found['path']}?{query}",
        peer=found["client"],
        status=status_of(found["status"]),
        response_bytes=number(found["sent"]),
        counts_head=True,
        message_bytes=received,
        told={"service": found["service"]},
    )


IIS_LOG = LineFormat(
    "iis-log", "logs of IIS in its own comma format", lambda line: _LINE(line) is not None, _read, _EXPLAINED
)
