"""Spans out of Jaeger's JSON: what its UI downloads, its API `/api/traces` answers, and its stores keep.

The layout is that of jaegertracing/jaeger `internal/uimodel/model.go`: traces in `data`, each with its `spans` and the
`processes` that made them; times in us. The kind of a span and its error are the tags `span.kind`, `error` and
`otel.status_code`. A span alone is as Elasticsearch has it, its `process` within it (`internal/storage/v1/
elasticsearch/spanstore/internal/dbmodel`). Tags keep the names that instrumentations gave their attributes.
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
from replay.reading.inputs import decoded
from replay.reading.json_items import Item, read_items
from replay.trace.errors import TraceError

_KINDS = {"internal": 1, "server": 2, "client": 3, "producer": 4, "consumer": 5}
_KEYS = re.compile(rb'"(?:operationName|processID)"\s*:').search
_LONGEST_ID = 200
_LATEST_US = LATEST_NS // 1_000


class _Tag(msgspec.Struct, gc=False):
    key: str = ""
    value: Any = None


class _Reference(
    msgspec.Struct, rename={"kind": "refType", "span_id": "spanID", "trace_id": "traceID"}, gc=False
):
    kind: str = "CHILD_OF"
    trace_id: str = ""
    span_id: str = ""


class _Log(msgspec.Struct, gc=False):
    timestamp: int = 0
    fields: list[_Tag] | None = None


class _Span(
    msgspec.Struct,
    rename={
        "trace_id": "traceID",
        "span_id": "spanID",
        "name": "operationName",
        "start_us": "startTime",
        "process_id": "processID",
        "parent_id": "parentSpanID",
    },
    gc=False,
):
    trace_id: str = ""
    span_id: str = ""
    parent_id: str | None = None
    name: str = ""
    references: list[_Reference] | None = None
    start_us: int = 0
    duration: int | None = None
    tags: list[_Tag] | None = None
    logs: list[_Log] | None = None
    process_id: str | None = None


_FIELDS = tuple(field.encode_name for field in msgspec.structs.fields(_Span))


class _Process(msgspec.Struct, rename={"name": "serviceName"}, gc=False):
    name: str = ""
    tags: list[_Tag] | None = None


def is_jaeger(first_bytes: bytes) -> bool:
    return first_bytes.lstrip()[:1] in (b"{", b"[") and _KEYS(first_bytes) is not None


def read_jaeger(path: Path, wanted: Wanted, damage: Damage) -> Iterator[OtlpSpan | None]:
    """The spans of a file; None for an object that holds none. A trace that is damaged costs itself only."""
    for item in read_items(path, ("data",), damage):
        try:
            spans = _spans(item, wanted)
        except TraceError as error:
            damage.lose(error)
            continue
        yield from spans or (None,)


def _spans(item: Item, wanted: Wanted) -> list[OtlpSpan]:
    if item.raw("spanID") is not None:
        span = decoded(item.only(_FIELDS), _Span, item.place)
        return [_span(span, _resource(item.value(_Process, "process") or _Process(), wanted), wanted)]
    processes = item.value(dict[str, _Process], "processes") or {}
    resources = {key: _resource(process, wanted) for key, process in processes.items()}
    return [
        _span(span, resources.get(span.process_id or "", {}), wanted)
        for span in item.value(list[_Span], "spans") or ()
    ]


def _resource(process: _Process, wanted: Wanted) -> dict[str, Any]:
    return {**_attributes(process.tags, wanted), **({"service.name": process.name} if process.name else {})}


def _span(span: _Span, resource: dict[str, Any], wanted: Wanted) -> OtlpSpan:
    told = {tag.key: tag.value for tag in span.tags or ()}
    parents = [
        each.span_id
        for each in span.references or ()
        if each.kind == "CHILD_OF" and each.trace_id == span.trace_id
    ]
    start_us = span.start_us if 0 <= span.start_us < _LATEST_US else 0
    attributes = _attributes(span.tags, wanted)
    for log in span.logs or ():
        fields = {field.key: field.value for field in log.fields or ()}
        take_event(attributes, str(fields.get("event", "")), fields.get)
    lasts = span.duration is not None and 0 <= span.duration < _LATEST_US - start_us
    return OtlpSpan(
        trace_id=span.trace_id[:_LONGEST_ID],
        id=span.span_id[:_LONGEST_ID],
        parent_id=(next(iter(parents), "") or span.parent_id or "")[:_LONGEST_ID],
        name=span.name[:_LONGEST_ID],
        kind=_KINDS.get(str(told.get("span.kind", "")).lower(), 0),
        start_ns=start_us * 1_000,
        end_ns=(start_us + (span.duration or 0)) * 1_000 if lasts else None,
        attributes=attributes,
        resource=resource,
        first_chunk_ns=_first_chunk_ns(span.logs or ()),
        is_error=told.get("error") in (True, "true") or told.get("otel.status_code") == "ERROR",
    )


def _first_chunk_ns(logs: "list[_Log] | tuple[()]") -> int | None:
    times = [
        log.timestamp * 1_000
        for log in logs
        if 0 < log.timestamp < _LATEST_US
        and any(field.key == "event" and is_first_chunk(str(field.value)) for field in log.fields or ())
    ]
    return min(times, default=None)


def _attributes(tags: list[_Tag] | None, wanted: Wanted) -> dict[str, Any]:
    found = [
        (tag.key, kept_value(tag.key, tag.value))
        for tag in tags or ()
        if wanted(tag.key) and tag.value is not None
    ]
    return dict(found[:MOST_ATTRIBUTES])
