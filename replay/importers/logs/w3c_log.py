"""The `w3c-log` format: logs in the W3C's extended format, as Amazon CloudFront and Microsoft's IIS write them.

The format is https://www.w3.org/TR/WD-logfile.html: a line `#Fields:` names the columns of those below it; it may come
again with others (replay/importers/logs/w3c_columns.py). The names are those of IIS and of CloudFront's standard and
real-time logs. What becomes of a request is said in replay/importers/logs/logged_requests.py. What the columns tell:

- `date` and `time`, in UTC, or `timestamp`, are when a request had ended, so it began `time-taken` earlier: IIS and
  HTTP.sys write a line then, and CloudFront says "the time when the server finished responding". `date-local` and
  `time-local` are the server's own, and said to be; where no column has a date, that of `#Date:` is taken. `time-taken`
  is in s where it has a fraction or the file is CloudFront's, in ms where it is IIS's (told by its `#Software` or its
  own columns); elsewhere its unit is not known, and it is not used, and counted. Imperva's `cs-start` is the start.
- The client is the first address of `x-forwarded-for`, or else `c-ip`, with its user agent, blanks of which are written
  as `+` (IIS) or in percent (CloudFront).
- `cs-bytes` is the size of the request with its head.
- CloudFront's id of the request becomes the attribute `request_id`, and what its cache did `cache`.

--session-by takes a column, `client`, `user_agent`, or `query:NAME`. Referers, cookies, users and other columns are
dropped.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

from replay.assembly.requests.log_fields import number, status_of
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.logs.line_logs import LoggedLine, add_line
from replay.importers.logs.log_times import duration_us, instant_ns
from replay.importers.logs.logged_requests import RequestLog
from replay.importers.logs.w3c_columns import Columns, cloudfront_columns, named_columns
from replay.reading.inputs import input_files
from replay.reading.text_lines import read_lines
from replay.trace.errors import TraceError, shown_path
from replay.words.phrases import counted

_FIELDS = "#fields:"
_SOFTWARE = "#software:"
_DATE = "#date:"
_PATHS = ("cs-uri-stem", "cs-uri")
_HOSTS = ("x-host-header", "cs(host)", "cs-host")
_USER_AGENT = "cs(user-agent)"
_HOST_AND_PATH = re.compile(r"(?P<host>[\w.\-]{1,253}(?::\d{1,5})?)(?P<path>/.*)", re.DOTALL).fullmatch

_NO_TIME = "has no date and time."
_NO_FIELDS = "a row above any #Fields line, which names the columns."
_UNKNOWN_UNIT = "duration(s) of which neither the software nor a fraction tells the unit"
_LOCAL = "time(s) of the server's own zone, which is not recorded; they are taken as UTC"
_EXPLAINED = (
    "The log's times are taken as UTC and as the ends of requests, as IIS and CloudFront write them; each began "
    "time-taken earlier."
)


class W3cLog:
    """The importer; see the head of this module."""

    name = "w3c-log"
    describe = "logs of CloudFront and IIS in the W3C's extended format, with a #Fields line"

    def sniff(self, first_bytes: bytes) -> bool:
        lines = first_bytes.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").splitlines()[:50]
        fields = (line.lower().split()[1:] for line in lines if line.lower().startswith(_FIELDS))
        return any(map(_is_of_requests, fields)) or any(cloudfront_columns(line) for line in lines)

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        log = RequestLog(self.name, paths, options)
        for line in log.damage.of_files(input_files(paths, ".*"), lambda file: _lines(file, log)):
            add_line(log, line, options)
        return log.result([_EXPLAINED])


def _is_of_requests(names: Sequence[str]) -> bool:
    return "cs-method" in names and any(name in names for name in _PATHS)


def _lines(file: Path, log: RequestLog) -> Iterator[LoggedLine]:
    log.stamps.begin_file()
    columns: Columns | None = None
    software = date = ""
    for n, text in read_lines(file, log.damage):
        text = text.strip("\r\n ")
        if text.startswith("#"):
            lower = text.lower()
            software = lower if lower.startswith(_SOFTWARE) else software
            date = lower.removeprefix(_DATE).strip().partition(" ")[0] if lower.startswith(_DATE) else date
            columns = named_columns(lower, software, date) if lower.startswith(_FIELDS) else columns
        elif text:
            log.damage.lines += 1
            columns = columns or cloudfront_columns(text)
            line = _NO_FIELDS if columns is None else _line(text, columns, log)
            if isinstance(line, str):
                log.damage.lose(TraceError(f"{shown_path(file)}, line {n}: {line}"))
            else:
                yield line


def _line(text: str, columns: Columns, log: RequestLog) -> LoggedLine | str:
    row = columns.row(text)
    if isinstance(row, int):
        return f"{counted(row, 'field')}, where the #Fields line names {len(columns.names)}."
    stamp_ns = instant_ns(row.get("timestamp") or f"{row.get('date', columns.date)}T{row.get('time', '')}")
    begun_ns = instant_ns(row.get("cs-start", ""))
    if stamp_ns is None and begun_ns is None:
        return _NO_TIME
    log.departures.drop("referer(s)", "cs(referer)" in row)
    log.departures.infer(_LOCAL, columns.is_local)
    host, target = _target(row)
    return LoggedLine(
        stamp_ns=begun_ns or stamp_ns or 0,
        is_end=begun_ns is None,
        took_us=_took_us(row.get("time-taken"), columns.unit, log),
        method=row.get("cs-method", ""),
        target=target,
        host=_first(row, _HOSTS) or host,
        peer=row.get("c-ip"),
        forwarded=row.get("x-forwarded-for"),
        user_agent=_user_agent(row.get(_USER_AGENT)),
        status=status_of(row.get("sc-status")),
        response_bytes=number(row.get("sc-bytes")),
        counts_head=True,
        message_bytes=number(row.get("cs-bytes")),
        attributes={
            "request_id": row.get("x-edge-request-id", ""),
            "cache": row.get("x-edge-result-type", ""),
        },
        told=row,
    )


def _took_us(text: str | None, unit: str, log: RequestLog) -> int | None:
    if text is None:
        return None
    unit = "s" if "." in text else unit
    if not unit:
        log.departures.drop(_UNKNOWN_UNIT)
        return None
    return duration_us(text, unit)


def _target(row: Mapping[str, str]) -> tuple[str | None, str]:
    """The host where it stands in front of the path, without a scheme, and the target."""
    path = _first(row, _PATHS) or ""
    found = _HOST_AND_PATH(path)
    host = None if found is None else found["host"]
    path = path if found is None else found["path"]
    query = row.get("cs-uri-query")
    return host, f"{path}?{query.removeprefix('?')}" if query and "?" not in path else path


def _user_agent(text: str | None) -> str | None:
    """With its blanks. CloudFront has written it encoded twice."""
    if text is None:
        return None
    return unquote(unquote(text)) if "%" in text else text if " " in text else text.replace("+", " ")


def _first(row: Mapping[str, str], names: Sequence[str]) -> str | None:
    return next((row[name] for name in names if name in row), None)
