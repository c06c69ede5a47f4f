"""Spans as the console exporter of OpenTelemetry's SDK for JavaScript prints them, which is no JSON.

The layout is that of opentelemetry-js, `ConsoleSpanExporter`: times in us, kinds counted from 0, events with their time
as seconds and ns.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from replay.importers.tracing.otlp_spans import (
    LATEST_NS,
    OtlpSpan,
    Wanted,
    is_first_chunk,
    kept_value,
    take_event,
)
from replay.reading.damage import Damage
from replay.reading.node_values import read_printed

_TOLD = re.compile(rb"^  (?:traceId: '[0-9a-f]{32}'|instrumentationScope: \{)", re.MULTILINE).search
_LONGEST_ID = 200
_ERROR = 2


def is_printed_by_node(start: bytes) -> bool:
    return _TOLD(start) is not None


def read_node(path: Path, wanted: Wanted, damage: Damage) -> Iterator[OtlpSpan | None]:
    """The spans of a file; None for another object."""
    for told in read_printed(path, damage):
        start_us, took_us = told.get("timestamp"), told.get("duration")
        if not isinstance(told.get("traceId"), str) or not isinstance(start_us, int | float):
            yield None
            continue
        start_ns = _ns(start_us)
        is_known = (
            start_ns is not None and isinstance(took_us, int | float) and 0 <= took_us < LATEST_NS / 1_000
        )
        above = told.get("parentSpanContext")
        parent = above.get("spanId") if isinstance(above, dict) else told.get("parentId")
        kind = told.get("kind")
        status = told.get("status")
        resource = told.get("resource")
        attributes = _wanted(told.get("attributes"), wanted)
        for event in _events(told.get("events")):
            held = event.get("attributes")
            told_by_event: Mapping[str, Any] = held if isinstance(held, Mapping) else {}
            take_event(attributes, str(event.get("name")), told_by_event.get)
        yield OtlpSpan(
            trace_id=str(told["traceId"])[:_LONGEST_ID],
            id=str(told.get("id") or "")[:_LONGEST_ID],
            parent_id=str(parent or "")[:_LONGEST_ID],
            name=str(told.get("name") or "")[:_LONGEST_ID],
            kind=kind + 1 if isinstance(kind, int) and 0 <= kind <= 4 else 0,
            start_ns=start_ns or 0,
            end_ns=start_ns + round(took_us * 1_000) if is_known and start_ns is not None and took_us else None,
            attributes=attributes,
            resource=_wanted(resource.get("attributes") if isinstance(resource, dict) else None, wanted),
            first_chunk_ns=_first_chunk_ns(told.get("events")),
            is_error=isinstance(status, dict) and status.get("code") == _ERROR,
        )


def _ns(us: float) -> int | None:
    return round(us * 1_000) if 0 < us < LATEST_NS / 1_000 else None


def _wanted(attributes: Any, wanted: Wanted) -> dict[str, Any]:
    told = attributes.items() if isinstance(attributes, Mapping) else ()
    return {name: kept_value(name, value) for name, value in told if wanted(name) and value is not None}


def _events(events: Any) -> list[dict[str, Any]]:
    return [event for event in events if isinstance(event, dict)] if isinstance(events, list) else []


def _first_chunk_ns(events: Any) -> int | None:
    for event in _events(events):
        time = event.get("time")
        if isinstance(time, list) and len(time) == 2 and is_first_chunk(str(event.get("name"))):
            seconds, ns = time
            if isinstance(seconds, int) and isinstance(ns, int) and 0 <= seconds < LATEST_NS // 10**9:
                return seconds * 1_000_000_000 + ns
    return None
