"""The `k6` format: requests of a load test of Grafana k6, as `k6 run` writes them with `--out json=` or `--out csv=`.

The layouts are those of k6's documentation of these outputs: JSON Lines, a metric or a point each, or a table of
points, whose times are whole seconds where `K6_CSV_TIME_FORMAT` says nothing else. A request is the point of
`http_req_duration` (ms), which has the time of the request's end (`lib/netext/httpext/tracer.go`); the other points
tell its parts, and are dropped and counted. Its tags are `method`, `url`, `status`; with `--system-tags` that have `vu`
and `iter`, an iteration is a session and a virtual user a client. Without these a request is a session of its own.
Sizes, headers and bodies are not recorded, nor connecting, which k6 does not count as part of a request.

--session-by takes a tag, as `scenario`, `group`, `name` or one of the test's own.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from replay.assembly.requests.log_fields import status_of
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.logs.line_logs import LineFormat, LineLog, LoggedLine, add_line
from replay.importers.logs.log_times import duration_us, instant_ns
from replay.importers.logs.logged_requests import RequestLog
from replay.reading.csv_rows import has_columns, read_csv
from replay.reading.inputs import first_bytes as start_of
from replay.reading.inputs import input_files
from replay.reading.timestamps import unix_ns
from replay.trace.errors import TraceError

_TELLING_BYTES = 4_096
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
    return _request(tags, stamp_ns, value, found.data.time)


def _request(tags: Mapping[str, str], stamp_ns: int, value: float, time: str) -> LoggedLine:
    """The request that a point tells of. value: how long it took, in ms. time: as the point says it."""
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
        session=iteration or (None if user else f"{time} {url} {value}"),
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


_JSON = LineFormat("k6", "results of k6 in JSON", _tells, _read, _EXPLAINED, _SESSION, ".json*")
_COLUMNS = ("metric_name", "timestamp", "metric_value")


class K6(LineLog):
    """The importer; see the head of this module."""

    def __init__(self) -> None:
        super().__init__(_JSON)
        self.describe = "results of k6 (--out json, --out csv)"

    def sniff(self, first_bytes: bytes) -> bool:
        return has_columns(first_bytes, _COLUMNS) or super().sniff(first_bytes)

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        files = [
            file for path in paths for file in input_files([path], ".csv*" if _has_csv(path) else ".json*")
        ]
        if not all(has_columns(start_of(file, _TELLING_BYTES), _COLUMNS) for file in files):
            return super().read(paths, options)
        log = RequestLog(self.name, paths, options, session_is=_SESSION)
        for line in log.damage.of_files(files, lambda file: _rows(file, log)):
            add_line(log, line, options)
        return log.result(_EXPLAINED)


def _has_csv(path: Path) -> bool:
    return path.is_dir() and next(path.rglob("*.csv*"), None) is not None


def _rows(file: Path, log: RequestLog) -> Iterator[LoggedLine]:
    log.stamps.begin_file()
    for row in read_csv(file, _COLUMNS, log.damage):
        if row.text("metric_name") != "http_req_duration":
            yield LoggedLine(left_out=_OTHERS)
            continue
        try:
            value, time = row.number("metric_value"), row.text("timestamp")
            stamp_ns = instant_ns(time)
            if value is None or stamp_ns is None:
                raise row.error("timestamp", "not a time, or has no value beside it")
        except TraceError as error:
            log.damage.lose(error)
            continue
        tags = {name: row.text(name) for name in row.columns if row.text(name)}
        own = (tag.partition("=") for tag in tags.get("extra_tags", "").split("&"))
        yield _request(
            {**{name: value for name, _, value in own if name}, **tags}, stamp_ns, value, f"{row.line}"
        )
