"""Spans as OpenTelemetry's SDK for Python prints them: `ConsoleSpanExporter`, `span.to_json()`, one after the other.

The layout is that of opentelemetry-python `opentelemetry-sdk/.../sdk/trace/__init__.py`, over several lines or on one.
Ids are hexadecimal behind 0x, times ISO 8601.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from replay.importers.logs.log_lines import read_log_lines
from replay.importers.reading.damage import Damage
from replay.importers.reading.inputs import decoded, first_bytes
from replay.importers.reading.rows import read_rows
from replay.importers.reading.timestamps import unix_ns
from replay.importers.tracing.otlp_spans import MOST_ATTRIBUTES, OtlpSpan, Wanted, is_first_chunk, kept_value
from replay.trace.errors import TraceError, shown_path

_KINDS = {"INTERNAL": 1, "SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}
_TOLD = re.compile(rb'"kind"\s*:\s*"SpanKind\.[A-Z]{4,10}"').search
_IS_LAID_OUT = re.compile(rb"\s*[\[{]\s*\n").match
_LONGEST_ID = 200


class _Context(msgspec.Struct, gc=False):
    trace_id: str = ""
    span_id: str = ""


class _Event(msgspec.Struct, gc=False):
    name: str = ""
    timestamp: str = ""


class _Status(msgspec.Struct, gc=False):
    status_code: str = ""


class _Resource(msgspec.Struct):
    attributes: dict[str, Any] | None = None


class _Span(msgspec.Struct):
    name: str
    context: _Context
    kind: str = ""
    parent_id: str | None = None
    start_time: str | None = None
    end_time: str | None = None
    status: _Status | None = None
    attributes: dict[str, Any] | None = None
    events: list[_Event] | None = None
    resource: _Resource | None = None


def is_console(start: bytes) -> bool:
    """Whether a file that begins like this holds spans of the console exporter."""
    return _TOLD(start) is not None


def read_console(path: Path, wanted: Wanted, damage: Damage) -> Iterator[OtlpSpan | None]:
    """The spans of a file. One that is damaged costs itself only."""
    if not _IS_LAID_OUT(first_bytes(path, 1 << 10)):
        for _, span in read_rows(path, _Span, damage):
            yield _span(span, wanted)
        return
    for n, text in read_log_lines(path, damage):
        try:
            span = decoded(text.encode("utf-8", "replace"), _Span, f"{shown_path(path)}, line {n}")
        except TraceError as error:
            damage.lose(error)
        else:
            yield _span(span, wanted)


def _span(span: _Span, wanted: Wanted) -> OtlpSpan:
    times = [unix_ns(event.timestamp) for event in span.events or () if is_first_chunk(event.name)]
    return OtlpSpan(
        trace_id=_id(span.context.trace_id),
        id=_id(span.context.span_id),
        parent_id=_id(span.parent_id or ""),
        name=span.name[:_LONGEST_ID],
        kind=_KINDS.get(span.kind.removeprefix("SpanKind."), 0),
        start_ns=unix_ns(span.start_time or "") or 0,
        end_ns=unix_ns(span.end_time or ""),
        attributes=_attributes(span.attributes, wanted),
        resource=_attributes(span.resource.attributes if span.resource else None, wanted),
        first_chunk_ns=min((each for each in times if each is not None), default=None),
        is_error=span.status is not None and span.status.status_code == "ERROR",
    )


def _id(text: str) -> str:
    return text.removeprefix("0x")[:_LONGEST_ID]


def _attributes(found: dict[str, Any] | None, wanted: Wanted) -> dict[str, Any]:
    kept = [
        (key, kept_value(key, value))
        for key, value in (found or {}).items()
        if wanted(key) and value is not None
    ]
    return dict(kept[:MOST_ATTRIBUTES])
