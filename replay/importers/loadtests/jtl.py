"""The `jtl` format: the samples of a load test of Apache JMeter, as its result files (JTL) hold them in CSV.

The columns are those of JMeter's manual, "CSV Log format", named by the first line. A sample began at `timeStamp` (ms
since 1970, or a date, taken as UTC), as JMeter is shipped (`sampleresult.timestamp.start`), and took `elapsed`. Its
path is that of `URL`, or else of a label that is a path; methods are not recorded but for labels that begin with one:
GET is taken and counted. Samples without either are transactions or of other protocols: dropped and counted. A thread
is a client (`threadName`), so its pauses are kept. `Latency` includes connecting, and becomes `first_byte_ms`.

--session-by takes `label`, `threadName` or another column.
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from replay.importers.logs.line_logs import LoggedLine, add_line
from replay.importers.logs.log_times import instant_ns
from replay.importers.logs.logged_requests import RequestLog
from replay.importers.reading.csv_rows import Row, has_columns, read_csv
from replay.importers.reading.inputs import input_files
from replay.importers.reading.log_fields import number, status_of
from replay.importers.types import ImportOptions, ImportResult
from replay.trace.errors import TraceError

_NEEDED = ("timestamp", "elapsed", "label")
_LABEL = re.compile(
    r"(?:(?P<method>GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) )?(?P<target>/\S*|https?://\S+)"
).fullmatch
_METHOD = re.compile(r"(?P<method>GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)\b").match
_NONE = ("", "null")
_OTHERS = "sample(s) without a URL: transactions, or of other protocols"
_ASSUMED = "request(s) of which the method is not recorded: GET"
_SESSION = "A session is what one thread of JMeter sent until it was silent for longer than --idle-gap."
_EXPLAINED = "Times are taken as the starts of samples, as JMeter is shipped."


class Jtl:
    """The importer; see the head of this module."""

    name = "jtl"
    describe = "results of JMeter (JTL) in CSV, with the names of the columns"

    def sniff(self, first_bytes: bytes) -> bool:
        return has_columns(first_bytes, (*_NEEDED, "responsecode"))

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        log = RequestLog(self.name, paths, options, session_is=None if options.session_by else _SESSION)
        for line in log.damage.of_files(input_files(paths, ".*"), lambda file: _lines(file, log)):
            add_line(log, line, options)
        return log.result([_EXPLAINED])


def _lines(file: Path, log: RequestLog) -> Iterator[LoggedLine]:
    log.stamps.begin_file()
    for row in read_csv(file, _NEEDED, log.damage):
        try:
            yield _line(row, log)
        except TraceError as error:
            log.damage.lose(error)


def _line(row: Row, log: RequestLog) -> LoggedLine:
    stamp_ns = instant_ns(row.text("timestamp").replace("/", "-"))
    if stamp_ns is None:
        raise row.error("timestamp", "which is no time")
    took_ms = row.count("elapsed", 10**12)
    label, url = row.text("label"), row.text("url")
    named = _LABEL(label)
    if url in _NONE:
        if named is None:
            return LoggedLine(left_out=_OTHERS)
        url = named["target"]
    told_method = _METHOD(label)
    log.departures.infer(_ASSUMED, told_method is None)
    first_ms = number(row.text("latency"))
    return LoggedLine(
        stamp_ns=stamp_ns,
        took_us=None if took_ms is None else took_ms * 1_000,
        method=told_method["method"] if told_method is not None else "GET",
        target=url,
        client=row.text("threadname") or "JMeter",
        status=status_of(row.text("responsecode")),
        request_bytes=number(row.text("sentbytes")),
        response_bytes=number(row.text("bytes")),
        body_bytes=number(row.text("sentbytes")),
        attributes={"label": label, "first_byte_ms": str(first_ms) if first_ms else ""},
        told={name: row.text(name.lower()) for name in ("label", "threadName", *row.columns)},
    )
