"""The `w3c-log` format: logs in the W3C's extended format, as Amazon CloudFront and Microsoft's IIS write them.

The format is https://www.w3.org/TR/WD-logfile.html: a line `#Fields:` names the columns of those below it, which blanks
or tabs divide; it may come again with others. The names are those of CloudFront's standard logs and of IIS. What
becomes of a request is said in replay/importers/logs/logged_requests.py. What the columns tell:

- `date` and `time`, in UTC, are when a request had ended, so it began `time-taken` earlier: IIS and HTTP.sys write a
  line then, and CloudFront says "the time when the server finished responding". `time-taken` is in s where it has a
  fraction or the file is CloudFront's, in ms where it is IIS's (told by its `#Software` or its own columns);
  elsewhere its unit is not known, and it is not used, and counted.
- The client is the first address of `x-forwarded-for`, or else `c-ip`, with its user agent, blanks of which are written
  as `+` (IIS) or in percent (CloudFront).
- `cs-bytes` is the size of the request with its head; a body has that size.
- CloudFront's id of the request becomes the attribute `request_id`, and what its cache did `cache`.

--session-by takes a column, `client`, `user_agent`, or `query:NAME`. Referers, cookies, users and other columns are
dropped.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

import msgspec

from replay.importers.logs.line_logs import LoggedLine, add_line
from replay.importers.logs.log_times import duration_us, instant_ns
from replay.importers.logs.logged_requests import RequestLog
from replay.importers.reading.inputs import input_files
from replay.importers.reading.log_fields import number, status_of
from replay.importers.reading.text_lines import read_lines
from replay.importers.types import ImportOptions, ImportResult
from replay.trace.errors import TraceError, shown_path
from replay.words.phrases import counted

_FIELDS = "#fields:"
_SOFTWARE = "#software:"
_PATHS = ("cs-uri-stem", "cs-uri")
_HOSTS = ("x-host-header", "cs(host)", "cs-host")
_USER_AGENT = "cs(user-agent)"
_OF_IIS = frozenset({"s-ip", "sc-win32-status", "sc-substatus", "s-sitename", "s-computername"})
_OF_CLOUDFRONT = "x-edge-location"

_NO_TIME = "has no date and time."
_NO_FIELDS = "a row above any #Fields line, which names the columns."
_UNKNOWN_UNIT = "duration(s) of which neither the software nor a fraction tells the unit"
_EXPLAINED = (
    "The log's times are taken as UTC and as the ends of requests, as IIS and CloudFront write them; each began "
    "time-taken earlier."
)


class _Columns(msgspec.Struct):
    """The names of the columns, in lower case, and the unit of time-taken; "" where that is not known."""

    names: tuple[str, ...]
    unit: str


class W3cLog:
    """The importer; see the head of this module."""

    name = "w3c-log"
    describe = "logs of CloudFront and IIS in the W3C's extended format, with a #Fields line"

    def sniff(self, first_bytes: bytes) -> bool:
        lines = first_bytes.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").lower().splitlines()
        return any(_is_of_requests(line.split()[1:]) for line in lines[:50] if line.startswith(_FIELDS))

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        log = RequestLog(self.name, paths, options)
        for line in log.damage.of_files(input_files(paths, ".*"), lambda file: _lines(file, log)):
            add_line(log, line, options)
        return log.result([_EXPLAINED])


def _is_of_requests(names: Sequence[str]) -> bool:
    return "cs-method" in names and any(name in names for name in _PATHS)


def _lines(file: Path, log: RequestLog) -> Iterator[LoggedLine]:
    log.stamps.begin_file()
    columns: _Columns | None = None
    software = ""
    for n, text in read_lines(file, log.damage):
        text = text.strip("\r\n ")
        if text.startswith("#"):
            lower = text.lower()
            software = lower if lower.startswith(_SOFTWARE) else software
            columns = _columns(lower, software) if lower.startswith(_FIELDS) else columns
        elif text:
            log.damage.lines += 1
            line = _NO_FIELDS if columns is None else _line(text, columns, log)
            if isinstance(line, str):
                log.damage.lose(TraceError(f"{shown_path(file)}, line {n}: {line}"))
            else:
                yield line


def _columns(line: str, software: str) -> _Columns:
    names = tuple(line.split()[1:])
    is_of_iis = "microsoft" in software or not _OF_IIS.isdisjoint(names)
    return _Columns(names, "s" if _OF_CLOUDFRONT in names else "ms" if is_of_iis else "")


def _line(text: str, columns: _Columns, log: RequestLog) -> LoggedLine | str:
    cells = text.split("\t") if "\t" in text else text.split()
    if len(cells) != len(columns.names):
        return f"{counted(len(cells), 'field')}, where the #Fields line names {len(columns.names)}."
    row = {name: cell for name, cell in zip(columns.names, cells, strict=True) if cell not in ("", "-")}
    stamp_ns = instant_ns(f"{row.get('date', '')}T{row.get('time', '')}")
    if stamp_ns is None:
        return _NO_TIME
    log.departures.drop("referer(s)", "cs(referer)" in row)
    request_bytes = number(row.get("cs-bytes"))
    return LoggedLine(
        stamp_ns=stamp_ns,
        is_end=True,
        took_us=_took_us(row.get("time-taken"), columns.unit, log),
        method=row.get("cs-method", ""),
        target=_target(row),
        host=_first(row, _HOSTS),
        peer=row.get("c-ip"),
        forwarded=row.get("x-forwarded-for"),
        user_agent=_user_agent(row.get(_USER_AGENT)),
        status=status_of(row.get("sc-status")),
        request_bytes=request_bytes,
        response_bytes=number(row.get("sc-bytes")),
        body_bytes=request_bytes,
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


def _target(row: Mapping[str, str]) -> str:
    path = _first(row, _PATHS) or ""
    query = row.get("cs-uri-query")
    return f"{path}?{query.removeprefix('?')}" if query and "?" not in path else path


def _user_agent(text: str | None) -> str | None:
    """With its blanks. CloudFront has written it encoded twice."""
    if text is None:
        return None
    return unquote(unquote(text)) if "%" in text else text if " " in text else text.replace("+", " ")


def _first(row: Mapping[str, str], names: Sequence[str]) -> str | None:
    return next((row[name] for name in names if name in row), None)
