"""Requests that somebody wrote down, without times: each a session of one `http` step, laid out by `arrivals`.

- A request has its method, the path and query of its URL, its headers, and its body up to 1 MiB, or else its size. The
  URL's scheme and host are not replayed: the host is kept in the step's attribute `host`.
- A trace takes no path from its input, so bodies that stand in other files are not read: they are dropped.
- Secrets are dropped as replay/trace/redaction/requests.py says, and so is the URL's userinfo.
- `arrivals` lays requests out in order of the files.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from replay.assembly.types import ImportOptions, ImportResult
from replay.reading.departures import Passed
from replay.reading.inputs import input_files, trace_name
from replay.trace.arrivals import DEFAULT_ARRIVALS, parse_arrivals
from replay.trace.edges.names import grouped_name
from replay.trace.errors import TraceError, shown, shown_path
from replay.trace.origins import OriginTally
from replay.trace.redaction.requests import NO_BODY, Redactor, RequestRedactor
from replay.trace.types import FORMAT, VERSION, Header, Request, Session, Step
from replay.words.phrases import counted

LARGEST_BODY_BYTES = 1 << 20

_LONGEST_HOST = 200
_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,100}").fullmatch
# Visible ASCII that may stand in a path or query as it is; everything else is percent-encoded.
_VISIBLE = "".join(map(chr, range(0x21, 0x7F)))
_REDACTOR = Redactor()


class Target(msgspec.Struct):
    """A request, and where it stands, for errors. has_file_body: whether its body stands in another file.

    has_unset: whether variables that nothing sets stand in it. is_conditional: whether a loop may send it several
    times, or a condition not at all. is_repeated: whether its sender repeats it when it fails.
    """

    place: str
    method: str
    url: str
    headers: list[tuple[str, str]] = []
    body: bytes | None = None
    has_file_body: bool = False
    has_unset: bool = False
    is_conditional: bool = False
    is_repeated: bool = False


class TargetLayout(msgspec.Struct, frozen=True):
    """How requests are written. tells: by how a file begins. read: those of a file; raises TraceError.

    What is left out is among what read gives. nothing: a sentence for a file without any. suffix: of such files in a
    folder. with_bodies: what to write, where the layout has another way that brings a body along.
    """

    name: str
    describe: str
    tells: Callable[[bytes], bool]
    read: Callable[[Path], Iterator[Target | Passed]]
    nothing: str
    suffix: str = ""
    with_bodies: str = ""


class _Counts(msgspec.Struct):
    targets: int = 0
    dropped_secret_headers: int = 0
    redacted_urls: int = 0
    dropped_file_bodies: int = 0
    bodies_by_size: int = 0
    coded_bodies: int = 0
    redacted_bodies: int = 0
    with_unset_variables: int = 0
    conditional: int = 0
    repeated_on_failure: int = 0
    passed: dict[str, list[int | str]] = {}

    def passes(self, passed: Passed) -> None:
        """Count what is left out, with the first example."""
        found = self.passed.setdefault(passed.what, [0, passed.place])
        found[0] = int(found[0]) + 1


class Targets:
    """The importer of a layout."""

    def __init__(self, layout: TargetLayout) -> None:
        self.name = layout.name
        self.describe = layout.describe
        self._layout = layout

    def sniff(self, first_bytes: bytes) -> bool:
        return self._layout.tells(first_bytes)

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        files = input_files(paths, self._layout.suffix)
        counts = _Counts()
        went_to = OriginTally()
        for target in self._found(files):
            if isinstance(target, Passed):
                counts.passes(target)
                continue
            _step(target, counts)
            went_to.add_url(target.url)
        if not counts.targets:
            why = "".join(
                f" Left out: {n} {what}, as in {place}." for what, (n, place) in counts.passed.items()
            )
            raise TraceError(f"{shown_path(paths[0])}: {self._layout.nothing}{why}")
        spec = options.arrivals or (DEFAULT_ARRIVALS if counts.targets > 1 else "at-once")
        arrivals = parse_arrivals(spec)

        def sessions() -> Iterator[Session]:
            found = (target for target in self._found(files) if isinstance(target, Target))
            numbered = enumerate(found, 1)
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
            source=f"{self.name}: {counted(counts.targets, 'target')}",
            origins=went_to.origins(),
            attributes={"import": inferred},
        )
        return ImportResult(
            header, sessions, tuple(_notes(counts, spec, options.seed, self._layout.with_bodies))
        )

    def _found(self, files: Sequence[Path]) -> Iterator[Target | Passed]:
        for file in files:
            yield from self._layout.read(file)


def _step(target: Target, counts: _Counts) -> Step:
    try:
        url = urlsplit(target.url)
        host = (url.netloc.rpartition("@")[2])[:_LONGEST_HOST]
    except ValueError as error:
        raise TraceError(f"{target.place}: {shown(target.url)} is not a URL.") from error
    if not host or not _METHOD(target.method):
        what = "a method and an absolute URL, as in GET http://localhost:8080/."
        raise TraceError(f"{target.place}: {shown(target.method)} {shown(target.url)} is not {what}")
    path = url.path if url.path.startswith("/") else f"/{url.path}"
    whole = quote(f"{path}?{url.query}" if url.query else path, safe=_VISIBLE)
    clean = _REDACTOR.of_request(target.headers)
    redacted = clean.path(whole)
    headers, dropped = clean.headers_and_dropped()
    request = Request(target.method, redacted, headers)
    if target.body:
        _set_body(request, target.body, clean, counts)
    counts.targets += 1
    counts.dropped_secret_headers += dropped
    counts.redacted_urls += redacted != whole or "@" in url.netloc
    counts.dropped_file_bodies += target.has_file_body
    counts.with_unset_variables += target.has_unset
    counts.conditional += target.is_conditional
    counts.repeated_on_failure += target.is_repeated
    return Step("1", "http", grouped_name(target.method, redacted), request=request, attributes={"host": host})


def _set_body(request: Request, body: bytes, clean: RequestRedactor, counts: _Counts) -> None:
    if len(body) > LARGEST_BODY_BYTES:
        counts.bodies_by_size += 1
        request.body_bytes = len(body)
        return
    named = {name.lower(): value for name, value in request.headers.items()}
    kept = clean.put_body(request, body, named.get("content-type", ""), named.get("content-encoding", ""))
    counts.coded_bodies += kept == NO_BODY
    counts.redacted_bodies += kept != NO_BODY and kept.content != body


def _notes(counts: _Counts, spec: str, seed: int, with_bodies: str) -> Iterator[str]:
    yield f"{counts.targets} request(s). Neither times nor durations are recorded."
    drawn = f", seed {seed}" if spec.startswith("poisson") else ""
    yield f"The requests were laid out by --arrivals {spec}{drawn}."
    if counts.dropped_file_bodies:
        dropped = f"Dropped: {counts.dropped_file_bodies} body(ies) out of files or forms."
        yield f"{dropped} A trace takes no path from its input{f': {with_bodies}' if with_bodies else ''}."
    for what, (n, place) in counts.passed.items():
        yield f"Dropped: {n} {what}, as in {place}."
    if counts.with_unset_variables:
        text = "request(s) with variables that nothing in the file sets, which stand as they are written"
        yield f"Inferred: {counts.with_unset_variables} {text}."
    if counts.conditional:
        yield f"Inferred: {counts.conditional} request(s) of commands in loops or behind conditions, each sent once."
    if counts.repeated_on_failure:
        text = "request(s) with --retry, sent once: [retry] in a target file sends again what fails."
        yield f"Inferred: {counts.repeated_on_failure} {text}"
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
