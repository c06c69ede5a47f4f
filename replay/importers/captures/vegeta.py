"""Requests of the `vegeta` format: a list of targets, as text or as JSON Lines.

The formats are those of tsenart/vegeta `lib/targets.go` and `lib/target.schema.json`. What becomes what:

- A target becomes a session of one `http` step with its method, the path and query of its URL, and its headers.
  The URL's scheme and host are not replayed: the host is kept in the step's attribute `host`.
- As text, a target is a line `METHOD URL`, the lines below it are its headers, and a line `@file` names a file
  with its body. A trace takes no path from its input, so those files are not read: such bodies are dropped.
- As JSON, a target is an object with `method`, `url`, `header` (lists of values by name) and `body` in base64. A
  body of up to 1 MiB is kept; a larger one is replaced by its size.
- Secrets are dropped as replay/trace/redaction/requests.py says, and so is the URL's userinfo.
- Targets have no times: `arrivals` lays them out, in order of the files and lines.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from replay.importers.reading.damage import Damage
from replay.importers.reading.inputs import input_files, trace_name
from replay.importers.reading.rows import read_rows
from replay.importers.reading.text_lines import read_lines
from replay.importers.types import ImportOptions, ImportResult
from replay.trace.arrivals import DEFAULT_ARRIVALS, parse_arrivals
from replay.trace.edges.names import grouped_name
from replay.trace.errors import TraceError, shown, shown_path
from replay.trace.origins import OriginTally
from replay.trace.redaction.requests import NO_BODY, Redactor, RequestRedactor
from replay.trace.types import FORMAT, VERSION, Header, Request, Session, Step

LARGEST_BODY_BYTES = 1 << 20

_MOST_HEADERS = 1_000
_LONGEST_HOST = 200
_TARGET_LINE = re.compile(r"(?P<method>[A-Z]+)\s+(?P<url>\S+)\s*").fullmatch
_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}").fullmatch
_SNIFFED_LINE = re.compile(rb"[A-Z]+ +https?://\S+\s*").fullmatch
# Visible ASCII that may stand in a path or query as it is; everything else is percent-encoded.
_VISIBLE = "".join(map(chr, range(0x21, 0x7F)))
_KEYS = {"method", "url", "body", "header"}
# Left out, a line would leave the headers below it to the target above it.
_NONE = Damage(is_refused=True)
_REDACTOR = Redactor()


class _JsonTarget(msgspec.Struct):
    method: str
    url: str
    body: str | None = None
    header: dict[str, list[str]] | None = None
    latency: object = None


class _Target(msgspec.Struct):
    """One target in either form, and where it stands."""

    file: Path
    line: int
    method: str
    url: str
    headers: list[tuple[str, str]] = []
    body: str | None = None
    has_file_body: bool = False


class _Counts(msgspec.Struct):
    targets: int = 0
    dropped_secret_headers: int = 0
    redacted_urls: int = 0
    dropped_file_bodies: int = 0
    bodies_by_size: int = 0
    coded_bodies: int = 0
    redacted_bodies: int = 0


class Vegeta:
    """The importer; see the head of this module."""

    name = "vegeta"
    describe = "targets of vegeta, as text or JSON; they have no times"

    def sniff(self, first_bytes: bytes) -> bool:
        line = first_bytes.lstrip().split(b"\n", 1)[0]
        if _SNIFFED_LINE(line):
            return True
        try:
            keys = msgspec.json.decode(line, type=dict[str, msgspec.Raw]).keys()
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return False
        return {"method", "url"} <= keys <= _KEYS

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        files = input_files(paths, "")
        counts = _Counts()
        went_to = OriginTally()
        for target in _targets(files):
            _step(target, counts)
            went_to.add_url(target.url)
        if not counts.targets:
            raise TraceError(
                f"{shown_path(paths[0])}: no targets. Write them as METHOD URL, or as JSON objects."
            )
        spec = options.arrivals or (DEFAULT_ARRIVALS if counts.targets > 1 else "at-once")
        arrivals = parse_arrivals(spec)

        def sessions() -> Iterator[Session]:
            numbered = enumerate(_targets(files), 1)
            for (n, target), start_ms in zip(numbered, arrivals.starts_ms(options.seed), strict=False):
                yield Session(f"t{n}", start_ms, [_step(target, _Counts())])

        inferred: dict[str, Any] = {
            "format": self.name,
            "arrivals": spec,
            "seed": options.seed,
            **msgspec.to_builtins(counts),
        }
        header = Header(
            format=FORMAT,
            version=VERSION,
            name=options.name or trace_name(paths),
            source=f"{self.name}: {counts.targets} targets",
            origins=went_to.origins(),
            attributes={"import": inferred},
        )
        return ImportResult(header, sessions, tuple(_notes(counts, spec, options.seed)))


def _targets(files: Sequence[Path]) -> Iterator[_Target]:
    for file in files:
        if _is_json(file):
            for line, row in read_rows(file, _JsonTarget, _NONE):
                if row.latency is not None:
                    what = "a result of vegeta, and not a target. Name its format: vegeta-results."
                    raise TraceError(f"{shown_path(file)}, line {line}: {what}")
                headers = [(name, value) for name, values in (row.header or {}).items() for value in values]
                yield _Target(file, line, row.method.upper(), row.url, headers, row.body)
        else:
            yield from _text_targets(file)


def _is_json(file: Path) -> bool:
    for _, line in read_lines(file, _NONE):
        if line.strip():
            return line.lstrip().startswith("{")
    return False


def _text_targets(file: Path) -> Iterator[_Target]:
    target: _Target | None = None
    for n, line in read_lines(file, _NONE):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        start = _TARGET_LINE(text)
        if start is not None:
            if target is not None:
                yield target
            target = _Target(file, n, start["method"], start["url"], [])
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


def _step(target: _Target, counts: _Counts) -> Step:
    place = f"{shown_path(target.file)}, line {target.line}"
    try:
        url = urlsplit(target.url)
        host = (url.netloc.rpartition("@")[2])[:_LONGEST_HOST]
    except ValueError as error:
        raise TraceError(f"{place}: {shown(target.url)} is not a URL.") from error
    if not host or not _METHOD(target.method):
        what = "a method and an absolute URL, as in GET http://localhost:8080/"
        raise TraceError(f"{place}: {shown(target.method)} {shown(target.url)} is not {what}")
    path = url.path if url.path.startswith("/") else f"/{url.path}"
    whole = quote(f"{path}?{url.query}" if url.query else path, safe=_VISIBLE)
    clean = _REDACTOR.of_request(target.headers)
    redacted = clean.path(whole)
    headers, dropped = clean.headers_and_dropped()
    request = Request(target.method, redacted, headers)
    if target.body:
        _set_body(request, target.body, clean, place, counts)
    counts.targets += 1
    counts.dropped_secret_headers += dropped
    counts.redacted_urls += redacted != whole or "@" in url.netloc
    counts.dropped_file_bodies += target.has_file_body
    return Step("1", "http", grouped_name(target.method, redacted), request=request, attributes={"host": host})


def _set_body(request: Request, encoded: str, clean: RequestRedactor, place: str, counts: _Counts) -> None:
    try:
        body = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise TraceError(f"{place}: body: not base64.") from error
    if len(body) > LARGEST_BODY_BYTES:
        counts.bodies_by_size += 1
        request.body_bytes = len(body)
        return
    named = {name.lower(): value for name, value in request.headers.items()}
    kept = clean.put_body(request, body, named.get("content-type", ""), named.get("content-encoding", ""))
    counts.coded_bodies += kept == NO_BODY
    counts.redacted_bodies += kept != NO_BODY and kept.content != body


def _notes(counts: _Counts, spec: str, seed: int) -> Iterator[str]:
    yield f"{counts.targets} request(s). Neither times nor durations are recorded."
    drawn = f", seed {seed}" if spec.startswith("poisson") else ""
    yield f"The requests were laid out by --arrivals {spec}{drawn}."
    if counts.dropped_file_bodies:
        yield (
            f"Dropped: {counts.dropped_file_bodies} body file(s) named by @. A trace takes no path from its input: "
            "write such targets as JSON, with the body in them."
        )
    if counts.bodies_by_size:
        yield f"{counts.bodies_by_size} body(ies) of more than {LARGEST_BODY_BYTES >> 20} MiB are kept by size only."
    if counts.coded_bodies:
        yield f"Inferred: {counts.coded_bodies} compressed body(s) that may hold secrets are filled to their size."
    if counts.redacted_bodies:
        yield f"Secrets were taken out of {counts.redacted_bodies} body(ies)."
    if counts.dropped_secret_headers:
        yield f"Dropped: {counts.dropped_secret_headers} header(s) that hold secrets."
    if counts.redacted_urls:
        yield f"Secrets were taken out of {counts.redacted_urls} URL(s)."
