"""Spans out of Zipkin's JSON, version 2: what its API `/api/v2/traces` and `/api/v2/trace/ID` answer.

The layout is that of openzipkin/zipkin-api `zipkin2-api.yaml`: a list of spans, or of traces that are lists of spans;
times in us. All tags are texts, by the names that instrumentations gave their attributes. The half of a shared span
that its server wrote stands below the client's. What an event of OpenTelemetry held stands in JSON in an annotation, as
its specification of exporters to Zipkin has it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from replay.importers.tracing.otlp_spans import (
    LATEST_NS,
    MOST_ATTRIBUTES,
    OtlpSpan,
    Wanted,
    is_first_chunk,
    kept_value,
    take_event,
)
from replay.reading.damage import Damage
from replay.reading.inputs import decoded, document_bytes, first_bytes, refuse_heavy
from replay.reading.json_items import read_items
from replay.trace.errors import TraceError, shown_path

_KINDS = {"SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}
_FLAGS = {"true": True, "false": False}
_TRACE_ID = re.compile(rb'"traceId"\s*:\s*"[0-9a-fA-F]{16,32}"').search
_KEYS = re.compile(rb'"(?:timestamp|localEndpoint|duration)"\s*:').search
_OTHERS = re.compile(rb'"(?:startTimeUnixNano|startTime|resourceSpans|parentObservationId|trace_id)"').search
_IS_NESTED = re.compile(rb"\s*\[\s*\[").match
_LONGEST_ID = 200
_LATEST_US = LATEST_NS // 1_000


class _Endpoint(msgspec.Struct, rename={"name": "serviceName"}, gc=False):
    name: str | None = None


class _Annotation(msgspec.Struct, gc=False):
    timestamp: int = 0
    value: str = ""


class _Span(msgspec.Struct, rename="camel", gc=False):
    trace_id: str
    id: str
    parent_id: str | None = None
    name: str | None = None
    kind: str | None = None
    timestamp: int | None = None
    duration: int | None = None
    shared: bool = False
    local_endpoint: _Endpoint | None = None
    tags: dict[str, str] | None = None
    annotations: list[_Annotation] | None = None


_FIELDS = tuple(field.encode_name for field in msgspec.structs.fields(_Span))


def is_zipkin(start: bytes) -> bool:
    """Whether a file that begins like this holds Zipkin's spans."""
    is_json = start.lstrip()[:1] in (b"[", b"{")
    return is_json and bool(_TRACE_ID(start) and _KEYS(start)) and _OTHERS(start) is None


def read_zipkin(path: Path, wanted: Wanted, damage: Damage) -> Iterator[OtlpSpan | None]:
    """The spans of a file. One that is damaged costs itself only."""
    for raw, place in _raw_spans(path, damage):
        try:
            span = decoded(raw, _Span, place)
        except TraceError as error:
            damage.lose(error)
        else:
            yield _span(span, wanted)


def _raw_spans(path: Path, damage: Damage) -> Iterator[tuple[bytes, str]]:
    if _IS_NESTED(first_bytes(path, 1 << 10)):
        data = document_bytes(path)
        refuse_heavy(data, shown_path(path), 3)
        for n, trace in enumerate(decoded(data, list[list[msgspec.Raw]], shown_path(path)), 1):
            damage.lines += len(trace)
            yield from ((bytes(raw), f"{shown_path(path)}, trace {n}") for raw in trace)
        return
    for item in read_items(path, (), damage):
        yield item.only(_FIELDS), item.place


def _span(span: _Span, wanted: Wanted) -> OtlpSpan:
    start_us = span.timestamp if span.timestamp is not None and 0 <= span.timestamp < _LATEST_US else 0
    lasts = span.duration is not None and 0 <= span.duration < _LATEST_US - start_us
    tags = span.tags or {}
    found: list[tuple[str, Any]] = [
        (key, kept_value(key, _FLAGS.get(value, value))) for key, value in tags.items() if wanted(key)
    ]
    attributes = dict(found[:MOST_ATTRIBUTES])
    for each in span.annotations or ():
        name, held = _event_in(each.value)
        take_event(attributes, name, held.get)
    times = [
        each.timestamp * 1_000
        for each in span.annotations or ()
        if 0 < each.timestamp < _LATEST_US and is_first_chunk(each.value)
    ]
    span_id = span.id[:_LONGEST_ID]
    service = span.local_endpoint.name if span.local_endpoint is not None else None
    return OtlpSpan(
        trace_id=span.trace_id[:_LONGEST_ID],
        id=f"{span_id} shared" if span.shared else span_id,
        parent_id=span_id if span.shared else (span.parent_id or "")[:_LONGEST_ID],
        name=(span.name or "")[:_LONGEST_ID],
        kind=_KINDS.get(span.kind or "", 1),
        start_ns=start_us * 1_000,
        end_ns=(start_us + (span.duration or 0)) * 1_000 if lasts else None,
        attributes=attributes,
        resource={"service.name": service} if service else {},
        first_chunk_ns=min(times, default=None),
        is_error="error" in tags or tags.get("otel.status_code") == "ERROR",
    )


def _event_in(annotation: str) -> tuple[str, dict[str, Any]]:
    """The name of an event, and what it held: `{"name": {...}}`, or without the braces around."""
    text = annotation.strip()
    if text.endswith("}") and text[:1] in ("{", '"'):
        try:
            told = msgspec.json.decode(
                text if text.startswith("{") else f"{{{text}}}", type=dict[str, dict[str, Any]]
            )
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return annotation, {}
        return next(iter(told.items()), (annotation, {}))
    return annotation, {}
