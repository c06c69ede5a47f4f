"""The `vegeta-results` format: what a load test of vegeta did, as `vegeta encode` writes it, in JSON or CSV.

The layouts are those of tsenart/vegeta `lib/results.go`: an object a line, or the columns timestamp (ns since 1970),
code, latency (ns), bytes out, bytes in, error, body, attack's name, number, method, URL and headers. The timestamp is
when a hit began. Hits are paced without waiting for one another: each is a session. Bodies are of the size sent;
answers and headers are dropped.

Its own encoding (gob) is not read: `vegeta encode --to json results.bin` first. --session-by takes `attack`, or
`query:NAME`.
"""

import csv
import re
from typing import Any

import msgspec

from replay.assembly.requests.log_fields import number, status_of
from replay.importers.logs.line_logs import LineFormat, LoggedLine
from replay.importers.logs.log_times import instant_ns

_ROW = re.compile(r"\d{16,19},\d{1,3},\d{1,19},\d{1,18},\d{1,18},").match
_COLUMNS = (
    "timestamp", "code", "latency", "bytes_out", "bytes_in", "error", "body", "attack", "seq", "method", "url",
)  # fmt: skip
_NO_HIT = "not a result of vegeta, in JSON or CSV."
_SESSION = "Each hit is a session: vegeta does not wait for one to send the next."
_EXPLAINED = ("Times are taken as the starts of hits, as vegeta writes them.",)


def _row(line: str) -> dict[str, Any] | None:
    if line.startswith("{"):
        try:
            found = msgspec.json.decode(line)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return None
        is_result = isinstance(found, dict) and all(name in found for name in ("timestamp", "latency", "code"))
        return found if is_result else None
    if not _ROW(line):
        return None
    try:
        cells = next(csv.reader((line,), strict=True), [])
    except csv.Error:
        return None
    return dict(zip(_COLUMNS, cells, strict=False)) if len(cells) >= 11 else None


def _read(line: str) -> LoggedLine | str:
    row = _row(line)
    stamp_ns = None if row is None else instant_ns(str(row["timestamp"]))
    latency_ns = None if row is None else number(row["latency"])
    if row is None or stamp_ns is None or latency_ns is None:
        return _NO_HIT
    sent = number(row.get("bytes_out"))
    status = status_of(row["code"]) if not isinstance(row["code"], str) else status_of(row["code"].strip())
    method, url, attack = (str(row.get(name) or "") for name in ("method", "url", "attack"))
    hit = f"{attack} {row.get('seq')} {stamp_ns}"
    return LoggedLine(
        stamp_ns=stamp_ns,
        took_us=(latency_ns + 500) // 1_000,
        method=method,
        target=url,
        client=hit,
        session=hit,
        status=status,
        request_bytes=sent,
        response_bytes=number(row.get("bytes_in")),
        body_bytes=sent,
        attributes={"attack": attack},
        told={"attack": attack},
    )


def _tells(line: str) -> bool:
    row = _row(line)
    return row is not None and "bytes_in" in row and "seq" in row


VEGETA_RESULTS = LineFormat(
    "vegeta-results", "results of vegeta, encoded to JSON or CSV", _tells, _read, _EXPLAINED, _SESSION, ""
)
