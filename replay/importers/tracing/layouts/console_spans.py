"""Spans as OpenTelemetry's SDKs for Python and Go print them, one after the other, over several lines or on one.

Python's `ConsoleSpanExporter` prints `span.to_json()`, as opentelemetry-python has it in
`opentelemetry-sdk/.../sdk/trace/__init__.py`: ids are hexadecimal behind 0x, times ISO 8601. Go's `stdouttrace` prints
its `SpanStub` (`sdk/trace/tracetest/span.go`): attributes are lists of keys and values with types, a parent that there
is not has zeros for its id.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from replay.importers.logs.log_lines import read_log_lines
from replay.importers.tracing.layouts.node_console import is_printed_by_node, read_node
from replay.importers.tracing.otlp_spans import (
    MOST_ATTRIBUTES,
    OtlpSpan,
    Wanted,
    is_first_chunk,
    kept_value,
    take_event,
)
from replay.reading.damage import Damage
from replay.reading.inputs import decoded, first_bytes
from replay.reading.rows import read_rows
from replay.reading.timestamps import unix_ns
from replay.trace.errors import TraceError, shown_path

_KINDS = {"INTERNAL": 1, "SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}
_TOLD = re.compile(rb'"kind"\s*:\s*"SpanKind\.[A-Z]{4,10}"').search
_TOLD_BY_GO = re.compile(rb'"SpanContext"\s*:\s*\{\s*"TraceID"\s*:').search
_IS_LAID_OUT = re.compile(rb"\s*[\[{]\s*\n").match
_LONGEST_ID = 200
_TELLING_BYTES = 1 << 16


class _Context(msgspec.Struct, gc=False):
    trace_id: str = ""
    span_id: str = ""


class _Event(msgspec.Struct, gc=False):
    name: str = ""
    timestamp: str = ""
    attributes: dict[str, Any] | None = None


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


class _GoValue(msgspec.Struct, rename="pascal", gc=False):
    value: Any = None


class _GoAttribute(msgspec.Struct, rename="pascal", gc=False):
    key: str = ""
    value: _GoValue | None = None


class _GoContext(msgspec.Struct, gc=False):
    trace_id: str = msgspec.field(default="", name="TraceID")
    span_id: str = msgspec.field(default="", name="SpanID")


class _GoEvent(msgspec.Struct, rename="pascal", gc=False):
    name: str = ""
    time: str = ""
    attributes: list[_GoAttribute] | None = None


class _GoStatus(msgspec.Struct, rename="pascal", gc=False):
    code: str = ""


class _GoSpan(msgspec.Struct, rename="pascal"):
    name: str
    span_context: _GoContext
    parent: _GoContext | None = None
    span_kind: int = 0
    start_time: str | None = None
    end_time: str | None = None
    attributes: list[_GoAttribute] | None = None
    events: list[_GoEvent] | None = None
    status: _GoStatus | None = None
    resource: list[_GoAttribute] | None = None


_Printed = TypeVar("_Printed", _Span, _GoSpan)


def is_console(start: bytes) -> bool:
    """Whether a file that begins like this holds spans that an SDK printed."""
    return _TOLD(start) is not None or _TOLD_BY_GO(start) is not None or is_printed_by_node(start)


def read_console(path: Path, wanted: Wanted, damage: Damage) -> Iterator[OtlpSpan | None]:
    """The spans of a file. One that is damaged costs itself only."""
    start = first_bytes(path, _TELLING_BYTES)
    if is_printed_by_node(start):
        yield from read_node(path, wanted, damage)
    elif _TOLD_BY_GO(start) is not None:
        yield from _read(path, _GoSpan, _go_span, wanted, damage)
    else:
        yield from _read(path, _Span, _span, wanted, damage)


def _read(
    path: Path,
    kind: type[_Printed],
    span_of: Callable[[_Printed, Wanted], OtlpSpan],
    wanted: Wanted,
    damage: Damage,
) -> Iterator[OtlpSpan]:
    if not _IS_LAID_OUT(first_bytes(path, 1 << 10)):
        for _, span in read_rows(path, kind, damage):
            yield span_of(span, wanted)
        return
    for n, text in read_log_lines(path, damage):
        try:
            span = decoded(text.encode("utf-8", "replace"), kind, f"{shown_path(path)}, line {n}")
        except TraceError as error:
            damage.lose(error)
        else:
            yield span_of(span, wanted)


def _span(span: _Span, wanted: Wanted) -> OtlpSpan:
    times = [unix_ns(event.timestamp) for event in span.events or () if is_first_chunk(event.name)]
    attributes = _attributes(span.attributes, wanted)
    for event in span.events or ():
        take_event(attributes, event.name, (event.attributes or {}).get)
    return OtlpSpan(
        trace_id=_id(span.context.trace_id),
        id=_id(span.context.span_id),
        parent_id=_id(span.parent_id or ""),
        name=span.name[:_LONGEST_ID],
        kind=_KINDS.get(span.kind.removeprefix("SpanKind."), 0),
        start_ns=unix_ns(span.start_time or "") or 0,
        end_ns=unix_ns(span.end_time or ""),
        attributes=attributes,
        resource=_attributes(span.resource.attributes if span.resource else None, wanted),
        first_chunk_ns=min((each for each in times if each is not None), default=None),
        is_error=span.status is not None and span.status.status_code == "ERROR",
    )


def _go_span(span: _GoSpan, wanted: Wanted) -> OtlpSpan:
    times = [unix_ns(event.time) for event in span.events or () if is_first_chunk(event.name)]
    parent = "" if span.parent is None else span.parent.span_id
    attributes = _attributes(_told(span.attributes), wanted)
    for event in span.events or ():
        take_event(attributes, event.name, _told(event.attributes).get)
    return OtlpSpan(
        trace_id=_id(span.span_context.trace_id),
        id=_id(span.span_context.span_id),
        parent_id=_id(parent) if parent.strip("0") else "",
        name=span.name[:_LONGEST_ID],
        kind=span.span_kind,
        start_ns=unix_ns(span.start_time or "") or 0,
        end_ns=unix_ns(span.end_time or ""),
        attributes=attributes,
        resource=_attributes(_told(span.resource), wanted),
        first_chunk_ns=min((each for each in times if each is not None), default=None),
        is_error=span.status is not None and span.status.code == "Error",
    )


def _told(attributes: Sequence[_GoAttribute] | None) -> dict[str, Any]:
    return {each.key: None if each.value is None else each.value.value for each in attributes or ()}


def _id(text: str) -> str:
    return text.removeprefix("0x")[:_LONGEST_ID]


def _attributes(found: dict[str, Any] | None, wanted: Wanted) -> dict[str, Any]:
    kept = [
        (key, kept_value(key, value))
        for key, value in (found or {}).items()
        if wanted(key) and value is not None
    ]
    return dict(kept[:MOST_ATTRIBUTES])
