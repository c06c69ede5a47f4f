"""The `jtl` format: the samples of a load test of Apache JMeter, as its result files (JTL) hold them in CSV or XML.

The columns are those of JMeter's manual, "CSV Log format", named by the first line. A sample began at `timeStamp` (ms
since 1970, or a date, taken as UTC), as JMeter is shipped (`sampleresult.timestamp.start`), and took `elapsed`. Its
path is that of `URL`, or else of a label that is a path; methods are not recorded but for labels that begin with one:
GET is taken and counted; XML has them. Samples without either are transactions or of other protocols: dropped and
counted. A thread is a client (`threadName`), so its pauses are kept. `Latency` includes connecting, and becomes
`first_byte_ms`.

--session-by takes `label`, `threadName` or another column.
What XML calls them is said in replay/importers/loadtests/jtl_xml.py.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from replay.assembly.requests.log_fields import number, status_of
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.loadtests.jtl_xml import read_xml_samples
from replay.importers.logs.line_logs import LoggedLine, add_line
from replay.importers.logs.log_times import instant_ns
from replay.importers.logs.logged_requests import RequestLog
from replay.reading.csv_rows import has_columns, read_csv
from replay.reading.inputs import first_bytes, input_files
from replay.trace.errors import TraceError, shown, shown_path

_NEEDED = ("timestamp", "elapsed", "label")
_LABEL = re.compile(
    r"(?:(?P<method>GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) )?(?P<target>/\S*|https?://\S+)"
).fullmatch
_METHOD = re.compile(r"(?P<method>GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)\b").match
_IS_XML = re.compile(rb"\s*(?:<\?xml[^>]{0,200}>\s*)?(?:<!--[^>]{0,500}>\s*)?<testResults\b").match
_NONE = ("", "null")
_OTHERS = "sample(s) without a URL: transactions, of other protocols, or saved without it (jmeter.save.saveservice.url)"
_HOLDERS = "sample(s) that only hold others: transactions, or requests with their redirects"
_TELLING_BYTES = 1_024
_ASSUMED = "request(s) of which the method is not recorded: GET"
_SESSION = "A session is what one thread of JMeter sent until it was silent for longer than --idle-gap."
_EXPLAINED = "Times are taken as the starts of samples, as JMeter is shipped."


class Jtl:
    """The importer; see the head of this module."""

    name = "jtl"
    describe = "results of JMeter (JTL) in XML, or in CSV with the names of the columns"

    def sniff(self, first_bytes: bytes) -> bool:
        return _IS_XML(first_bytes) is not None or has_columns(first_bytes, (*_NEEDED, "responsecode"))

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        log = RequestLog(self.name, paths, options, session_is=None if options.session_by else _SESSION)
        for line in log.damage.of_files(input_files(paths, ".*"), lambda file: _lines(file, log)):
            add_line(log, line, options)
        return log.result([_EXPLAINED])


def _lines(file: Path, log: RequestLog) -> Iterator[LoggedLine]:
    log.stamps.begin_file()
    for line, cells in _samples(file, log):
        try:
            yield _line(cells, f"{shown_path(file)}, line {line}", log)
        except TraceError as error:
            log.damage.lose(error)


def _samples(file: Path, log: RequestLog) -> Iterator[tuple[int, Mapping[str, str]]]:
    """The cells of each sample by the lower-case name of their column, with its line."""
    if _IS_XML(first_bytes(file, _TELLING_BYTES)) is None:
        for row in read_csv(file, _NEEDED, log.damage):
            yield row.line, {name: row.text(name) for name in row.columns}
        return
    for sample in read_xml_samples(file, log.damage):
        if sample is None:
            log.departures.drop(_HOLDERS)
        else:
            yield sample


def _line(cells: Mapping[str, str], place: str, log: RequestLog) -> LoggedLine:
    stamp_ns = instant_ns(cells.get("timestamp", "").replace("/", "-"))
    if stamp_ns is None:
        raise TraceError(f"{place}: the time {shown(cells.get('timestamp', ''))} is none.")
    took_ms = number(cells.get("elapsed"), 10**12)
    if took_ms is None and cells.get("elapsed"):
        raise TraceError(f"{place}: the duration {shown(cells['elapsed'])} is not a whole number of ms.")
    label, url = cells.get("label", ""), cells.get("url", "")
    named = _LABEL(label)
    if url in _NONE:
        if named is None:
            return LoggedLine(left_out=_OTHERS)
        url = named["target"]
    told_method = _METHOD(cells.get("method", "")) or _METHOD(label)
    log.departures.infer(_ASSUMED, told_method is None)
    first_ms = number(cells.get("latency"))
    return LoggedLine(
        stamp_ns=stamp_ns,
        took_us=None if took_ms is None else took_ms * 1_000,
        method=told_method["method"] if told_method is not None else "GET",
        target=url,
        client=cells.get("threadname") or "JMeter",
        status=status_of(cells.get("responsecode")),
        response_bytes=number(cells.get("bytes")),
        counts_head=True,
        message_bytes=number(cells.get("sentbytes")),
        attributes={"label": label, "first_byte_ms": str(first_ms) if first_ms else ""},
        told={"label": label, "threadName": cells.get("threadname", ""), **cells},
    )
