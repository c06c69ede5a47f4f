"""The `load-times` format: times of single requests as load generators for one URL write them: hey, oha and h2load.

The layouts are those of hey's `-o csv` (`requester/print.go`: s to 0.1 ms, `offset` from the start of the run to that
of the request), oha's `--output-format csv` (`src/printer.rs`: s, `request-start` likewise) and h2load's `--log-file`
(its manual page: start in us since 1970, status or -1, duration in us, between tabs). None of them says what was asked
for, so each request is `GET /`; `replay trace transform --rewrite-path` puts the path. Nor do they say on which
connection a request went, so each is a session. hey and oha leave requests without an answer out.

The starts of hey and oha count from that of the run, which is not recorded: of several files it could not be told how
they lie to one another.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from replay.assembly.requests.log_fields import number, status_of
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.logs.line_logs import LoggedLine, add_line
from replay.importers.logs.logged_requests import RequestLog
from replay.reading.csv_rows import Row, has_columns, read_csv
from replay.reading.inputs import first_bytes, input_files
from replay.reading.text_lines import read_lines
from replay.reading.timestamps import scaled_ns
from replay.trace.errors import TraceError, shown_path

_TELLING_BYTES = 1_024
_H2LOAD = re.compile(r"(?P<start_us>\d{16})\t(?P<status>-1|\d{3})\t(?P<took_us>\d{1,15})\s*").fullmatch
_NO_REQUEST = "not a start, a status and a duration, as h2load writes them"
_ASSUMED = "request(s) of which neither path nor method is recorded: GET / (transform --rewrite-path)"
_SESSION = "Each request is a session: on which connection it went is not recorded."
_EXPLAINED = ("Times are taken as the starts of requests, as these tools write them.",)
_DATES = "counts its times from the start of its run, which it does not tell. Import one file at a time."


class _Table(NamedTuple):
    """The columns of a table: start and duration, both in s, and status."""

    start: str
    took: str
    status: str


_TABLES = (
    _Table("offset", "response-time", "status-code"),
    _Table("request-start", "request-duration", "status"),
)


class LoadTimes:
    """The importer; see the head of this module."""

    name = "load-times"
    describe = "times of single requests, as hey (-o csv), oha (csv) and h2load (--log-file) write them"

    def sniff(self, first_bytes: bytes) -> bool:
        return _table(first_bytes) is not None or _is_h2load(first_bytes)

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        files = input_files(paths, ".*")
        is_dated = not any(map(_table, map(_beginning, files)))
        if not is_dated and len(files) > 1:
            raise TraceError(f"{shown_path(files[0])}: {_DATES}")
        log = RequestLog(self.name, paths, options, session_is=_SESSION, is_dated=is_dated)
        for line in log.damage.of_files(files, lambda file: _requests(file, log)):
            log.departures.infer(_ASSUMED)
            add_line(log, line, options)
        return log.result(_EXPLAINED)


def _beginning(file: Path) -> bytes:
    """How a file begins; nothing where it cannot be read, which is said when it is."""
    try:
        return first_bytes(file, _TELLING_BYTES)
    except TraceError:
        return b""


def _table(beginning: bytes) -> _Table | None:
    return next((table for table in _TABLES if has_columns(beginning, table)), None)


def _is_h2load(beginning: bytes) -> bool:
    return _H2LOAD(beginning.partition(b"\n")[0].decode("utf-8", "replace")) is not None


def _requests(file: Path, log: RequestLog) -> Iterator[LoggedLine]:
    log.stamps.begin_file()
    table = _table(first_bytes(file, _TELLING_BYTES))
    if table is None:
        yield from _of_h2load(file, log)
        return
    for row in read_csv(file, table, log.damage):
        try:
            yield _request(
                row.line,
                _ns(row, table.start),
                (_ns(row, table.took) + 500) // 1_000,
                row.text(table.status),
                row.text("bytes"),
            )
        except TraceError as error:
            log.damage.lose(error)


def _of_h2load(file: Path, log: RequestLog) -> Iterator[LoggedLine]:
    for n, line in read_lines(file, log.damage):
        log.damage.lines += 1
        found = _H2LOAD(line)
        if found is None:
            log.damage.lose(TraceError(f"{shown_path(file)}, line {n}: {_NO_REQUEST}."))
        else:
            yield _request(n, int(found["start_us"]) * 1_000, int(found["took_us"]), found["status"])


def _ns(row: Row, column: str) -> int:
    """The cell, which is in s. Raises TraceError."""
    row.number(column)
    ns = scaled_ns(row.text(column), "s")
    if ns is None:
        raise row.error(column, "not a number of seconds")
    return ns


def _request(n: int, start_ns: int, took_us: int, status: str, size: str = "") -> LoggedLine:
    answered = status_of(status)
    return LoggedLine(
        stamp_ns=start_ns,
        took_us=took_us,
        method="GET",
        target="/",
        client=f"request {n}",
        session=f"request {n}",
        status=answered,
        response_bytes=number(size),
        attributes={} if answered else {"error": "no answer"},
    )
