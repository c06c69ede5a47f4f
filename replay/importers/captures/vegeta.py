"""Requests of the `vegeta` format: a list of targets, as text or as JSON Lines.

The formats are those of tsenart/vegeta `lib/targets.go` and `lib/target.schema.json`. What becomes what:

- A target becomes a session of one `http` step, as replay/importers/captures/targets.py says.
- As text, a target is a line `METHOD URL`, the lines below it are its headers, and a line `@file` names a file
  with its body. A trace takes no path from its input, so those files are not read: such bodies are dropped.
- As JSON, a target is an object with `method`, `url`, `header` (lists of values by name) and `body` in base64.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from replay.importers.captures.targets import Target, TargetLayout
from replay.reading.damage import Damage
from replay.reading.rows import read_rows
from replay.reading.text_lines import read_lines
from replay.trace.errors import TraceError, shown, shown_path

_MOST_HEADERS = 1_000
_TARGET_LINE = re.compile(r"(?P<method>[A-Z]+)\s+(?P<url>\S+)\s*").fullmatch
_SNIFFED_LINE = re.compile(rb"[A-Z]+ +https?://\S+\s*").fullmatch
# What parts the requests of an HTTP file, and what a file of Hurl's expects of answers.
_OTHERS = re.compile(rb"^(?:###|HTTP(?:/[\d.]+)? (?:\d{3}|\*)\s*$)", re.MULTILINE).search
_KEYS = {"method", "url", "body", "header"}
# Left out, a line would leave the headers below it to the target above it.
_NONE = Damage(is_refused=True)


class _JsonTarget(msgspec.Struct):
    method: str
    url: str
    body: str | None = None
    header: dict[str, list[str]] | None = None
    latency: object = None


def _tells(first_bytes: bytes) -> bool:
    line = first_bytes.lstrip().split(b"\n", 1)[0]
    if _SNIFFED_LINE(line):
        return _OTHERS(first_bytes) is None
    try:
        keys = msgspec.json.decode(line, type=dict[str, msgspec.Raw]).keys()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return {"method", "url"} <= keys <= _KEYS


def _read(file: Path) -> Iterator[Target]:
    if not _is_json(file):
        yield from _text_targets(file)
        return
    for line, row in read_rows(file, _JsonTarget, _NONE):
        place = f"{shown_path(file)}, line {line}"
        if row.latency is not None:
            what = "a result of vegeta, and not a target. Name its format: vegeta-results."
            raise TraceError(f"{place}: {what}")
        headers = [(name, value) for name, values in (row.header or {}).items() for value in values]
        yield Target(place, row.method.upper(), row.url, headers, _body(row.body, place))


def _body(encoded: str | None, place: str) -> bytes | None:
    try:
        return base64.b64decode(encoded, validate=True) if encoded else None
    except (binascii.Error, ValueError) as error:
        raise TraceError(f"{place}: body: not base64.") from error


def _is_json(file: Path) -> bool:
    for _, line in read_lines(file, _NONE):
        if line.strip():
            return line.lstrip().startswith("{")
    return False


def _text_targets(file: Path) -> Iterator[Target]:
    target: Target | None = None
    for n, line in read_lines(file, _NONE):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        start = _TARGET_LINE(text)
        if start is not None:
            if target is not None:
                yield target
            target = Target(f"{shown_path(file)}, line {n}", start["method"], start["url"], [])
            continue
        name, colon, value = text.partition(":")
        if target is None:
            what = f"{shown(text)} is not a valid target. Write METHOD URL, as in GET http://localhost:8080/"
            raise TraceError(f"{shown_path(file)}, line {n}: {what}")
        if text.startswith("@"):
            target.has_file_body = True
        elif not colon or not name.strip():
            what = f"{shown(text)} is neither a target, a header (Name: value), nor a body (@file)."
            raise TraceError(f"{shown_path(file)}, line {n}: {what}")
        elif len(target.headers) >= _MOST_HEADERS:
            raise TraceError(
                f"{shown_path(file)}, line {n}: more than {_MOST_HEADERS:,} headers of one target."
            )
        else:
            target.headers.append((name.strip(), value.strip()))
    if target is not None:
        yield target


VEGETA = TargetLayout(
    "vegeta",
    "targets of vegeta, as text or JSON; they have no times",
    _tells,
    _read,
    "no targets. Write them as METHOD URL, or as JSON objects.",
    with_bodies="write such targets as JSON, with the body in them",
)
