"""The `k6` format: the requests of a load test of Grafana k6, as `k6 run --out json=FILE` writes them.

The layout is that of k6's documentation of its JSON output: a metric or a point a line. A request is the point of
`http_req_duration` (ms), which has the time of the request's end (`lib/netext/httpext/tracer.go`); the other points
tell its parts, and are dropped and counted. Its tags are `method`, `url`, `status`; with `--system-tags` that have `vu`
and `iter`, an iteration is a session and a virtual user a client. Without these a request is a session of its own.
Sizes, headers and bodies are not recorded, nor connecting, which k6 does not count as part of a request.

--session-by takes a tag, as `scenario`, `group`, `name` or one of the test's own.
"""

from typing import Any

import msgspec

from replay.importers.logs.line_logs import LineFormat, LoggedLine
from replay.importers.logs.log_times import duration_us
from replay.importers.reading.log_fields import status_of
from replay.importers.reading.timestamps import unix_ns

_METRIC = '"http_req_duration"'
_OTHERS = "line(s) of other metrics"
_NO_POINT = "not a point of k6's JSON output."
_SESSION = (
    "A session is an iteration of a virtual user, where tags tell it (vu, iter), and else a single request."
)
_EXPLAINED = ("The times of points are taken as the ends of requests, as k6 writes them.",)


class _Data(msgspec.Struct):
    time: str = ""
    value: float | None = None
    tags: dict[str, Any] | None = None


class _Line(msgspec.Struct):
    metric: str
    type: str
    data: _Data


_decode = msgspec.json.Decoder(_Line).decode


def _read(line: str) -> LoggedLine | str:
    if _METRIC not in line and line.startswith('{"') and line.endswith("}") and '"metric"' in line:
        return LoggedLine(left_out=_OTHERS)
    try:
        found = _decode(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return _NO_POINT
    if found.type != "Point" or found.metric != "http_req_duration":
        return LoggedLine(left_out=_OTHERS)
    stamp_ns, value = unix_ns(found.data.time), found.data.value
    if stamp_ns is None or value is None:
        return _NO_POINT
    tags = {name: str(tag) for name, tag in (found.data.tags or {}).items() if isinstance(tag, str | int)}
    user = f"{tags.get('scenario', '')} {tags['vu']}" if "vu" in tags else None
    iteration = f"{user} {tags['iter']}" if user is not None and "iter" in tags else None
    url = tags.get("url") or tags.get("name", "")
    status = status_of(tags.get("status", ""))
    return LoggedLine(
        stamp_ns=stamp_ns,
        is_end=True,
        took_us=duration_us(f"{value:.6f}", "ms") if value >= 0 else None,
        method=tags.get("method", ""),
        target=url,
        client=user or "k6",
        session=iteration or (None if user else f"{found.data.time} {url} {value}"),
        status=status,
        attributes={"error": tags.get("error_code", ""), "scenario": tags.get("scenario", "")},
        told=tags,
    )


def _tells(line: str) -> bool:
    if '"metric"' not in line or '"type"' not in line:
        return False
    try:
        found = msgspec.json.decode(line)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return False
    return (
        isinstance(found, dict)
        and found.get("type") in ("Metric", "Point")
        and isinstance(found.get("data"), dict)
    )


K6 = LineFormat("k6", "results of k6 (--out json)", _tells, _read, _EXPLAINED, _SESSION, ".json*")
