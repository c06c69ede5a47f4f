"""Which columns a log in the W3C's extended format has, and what stands in them. Pure.

- `#Fields:` names them; blanks or tabs divide them, and what holds blanks stands in quotes (a quote in it is doubled).
- Names of one kind are told as one: `date-local` and `TimeTakenMS` of IIS' Advanced Logging, `cs(Referrer)`, `bytes`.
- CloudFront's logs without that line, as `grep -v '^#'` leaves them, are told by what stands in their first columns:
  those of standard logs have an order that only ever grew, and real-time logs with all their fields have one, too.
"""

import re
from collections.abc import Mapping

import msgspec

_OF_IIS = frozenset({"s-ip", "sc-win32-status", "sc-substatus", "s-sitename", "s-computername"})
_IIS = ("microsoft", "iis")
_OF_CLOUDFRONT = "x-edge-location"
_MS = "timetakenms"
_LOCAL = ("date-local", "time-local")
_ALIASES = {
    "date-local": "date",
    "time-local": "time",
    "utc-date": "date",
    "utc-time": "time",
    _MS: "time-taken",
    "cs(referrer)": "cs(referer)",
    "cs-referer": "cs(referer)",
    "cs-user-agent": "cs(user-agent)",
    "bytes": "sc-bytes",
}

_STANDARD = (
    "date time x-edge-location sc-bytes c-ip cs-method cs(host) cs-uri-stem sc-status cs(referer) cs(user-agent) "
    "cs-uri-query cs(cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken "
    "x-forwarded-for ssl-protocol ssl-cipher x-edge-response-result-type cs-protocol-version fle-status "
    "fle-encrypted-fields c-port time-to-first-byte x-edge-detailed-result-type sc-content-type sc-content-len "
    "sc-range-start sc-range-end"
)
_REAL_TIME = (
    "timestamp c-ip time-to-first-byte sc-status sc-bytes cs-method cs-protocol cs-host cs-uri-stem cs-bytes "
    "x-edge-location x-edge-request-id x-host-header time-taken cs-protocol-version c-ip-version cs(user-agent) "
    "cs(referer) cs-cookie cs-uri-query x-edge-response-result-type x-forwarded-for ssl-protocol ssl-cipher "
    "x-edge-result-type"
)
_IS_STANDARD = re.compile(
    r"\d{4}-\d\d-\d\d\t\d\d:\d\d:\d\d\t[A-Z]{3}\d{1,3}(?:-[A-Z]\d{1,2})?\t\d{1,18}\t[\da-fA-F.:]{2,45}\t[A-Z]{1,20}\t"
    r"[^\t]{1,300}\t/[^\t]{0,8000}\t(?:\d{3}\t|-\t)[^\t]*+\t[^\t]*+\t.*",
    re.ASCII | re.DOTALL,
).fullmatch
_IS_REAL_TIME = re.compile(
    r"\d{10}\.\d{1,6}\t[\da-fA-F.:]{2,45}\t\d{1,9}\.\d{1,6}\t\d{3}\t\d{1,18}\t[A-Z]{1,20}\t(?:https?|wss?)\t"
    r"[^\t]{1,300}\t/[^\t]{0,8000}\t\d{1,18}\t[A-Z]{3}\d{1,3}(?:-[A-Z]\d{1,2})?\t.*",
    re.ASCII | re.DOTALL,
).fullmatch
_CELL = re.compile(r'"(?:[^"]|"")*+"(?!\S)|\S++').findall


class Columns(msgspec.Struct):
    """names: in lower case, one name for each kind. unit: of time-taken, "" where that is not known. date: where no
    column has one. is_local: whether times are the server's own. may_end: whether rows may have fewer or more cells.
    """

    names: tuple[str, ...]
    unit: str
    date: str = ""
    is_local: bool = False
    may_end: bool = False

    def row(self, text: str) -> Mapping[str, str] | int:
        """What stands in a line by its columns, but for what is empty; or how many cells it has, where those differ."""
        cells = self._cells(text)
        if len(cells) != len(self.names) and not self.may_end:
            return len(cells)
        told = zip(self.names, map(_unquoted, cells), strict=False)
        return {name: cell for name, cell in told if cell not in ("", "-")}

    def _cells(self, text: str) -> list[str]:
        if "\t" in text:
            return text.split("\t")
        cells = text.split()
        return cells if len(cells) == len(self.names) or '"' not in text else _CELL(text)


def named_columns(fields_line: str, software: str, date: str) -> Columns:
    """The columns that a `#Fields:` line names, both lines in lower case."""
    told = fields_line.split()[1:]
    names = tuple(_ALIASES.get(name, name) for name in told)
    is_of_iis = (
        any(name in software for name in _IIS)
        or _MS in told
        or (not software and not _OF_IIS.isdisjoint(names))
    )
    unit = "s" if _OF_CLOUDFRONT in names else "ms" if is_of_iis else ""
    return Columns(names, unit, date, any(name in told for name in _LOCAL))


def cloudfront_columns(line: str) -> Columns | None:
    """The columns of a line of CloudFront's above which none is named; None where it is no such line."""
    if _IS_STANDARD(line):
        return Columns(tuple(_STANDARD.split()), "s", may_end=True)
    return Columns(tuple(_REAL_TIME.split()), "s", may_end=True) if _IS_REAL_TIME(line) else None


def _unquoted(cell: str) -> str:
    if len(cell) >= 2 and cell[0] == cell[-1] == '"':
        return cell[1:-1].replace('""', '"')
    return cell
