"""Spans out of OTLP in JSON, as its specification and the JSON mapping of protobuf write it.

Pure. 64-bit integers are texts or numbers, enums numbers or names, and ids any text.
"""

import math
from collections.abc import Iterator
from typing import Any

import msgspec

from replay.importers.tracing.otlp_spans import (
    ERROR_CODE,
    LATEST_NS,
    MOST_ATTRIBUTES,
    OtlpSpan,
    Wanted,
    is_first_chunk,
    kept_value,
    take_event,
)
from replay.reading.json_items import Item
from replay.trace.errors import TraceError, escaped, shown
from replay.trace.remembered import remembered

_SPANS = ("resourceSpans", "batches")  # the second is Tempo's name
_PROTO_SPANS = "resource_spans"
_KINDS = {"INTERNAL": 1, "SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}
_LONGEST_ID = 200
_DEEPEST = 16


class _Value(msgspec.Struct, rename="camel", gc=False):
    string_value: str | None = None
    bool_value: bool | None = None
    int_value: int | str | None = None
    double_value: float | str | None = None
    array_value: "_Values | None" = None
    kvlist_value: "_KeyValues | None" = None


class _KeyValue(msgspec.Struct, gc=False):
    key: str = ""
    value: _Value | None = None


class _Values(msgspec.Struct):
    values: list[_Value] | None = None


class _KeyValues(msgspec.Struct):
    values: list[_KeyValue] | None = None


class _Event(msgspec.Struct, rename="camel", gc=False):
    name: str | None = None
    time_unix_nano: int | str | float | None = None
    attributes: list[_KeyValue] | None = None

    def told(self, key: str) -> Any:
        """An attribute; None where there is none."""
        values = (each.value for each in self.attributes or () if each.key == key)
        return next((_plain(value, 0) for value in values if value is not None), None)


class _Status(msgspec.Struct, gc=False):
    code: int | str | None = None


class _Span(msgspec.Struct, rename="camel", gc=False):
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    name: str | None = None
    kind: int | str | None = None
    start_time_unix_nano: int | str | float | None = None
    end_time_unix_nano: int | str | float | None = None
    attributes: list[_KeyValue] | None = None
    events: list[_Event] | None = None
    status: _Status | None = None


class _ScopeSpans(msgspec.Struct):
    spans: list[_Span] | None = None


class _Resource(msgspec.Struct):
    attributes: list[_KeyValue] | None = None


class _ResourceSpans(msgspec.Struct, rename="camel"):
    resource: _Resource | None = None
    scope_spans: list[_ScopeSpans] | None = None
    instrumentation_library_spans: list[_ScopeSpans] | None = None


def spans_in_item(item: Item, wanted: Wanted) -> Iterator[OtlpSpan] | None:
    """The spans of an object that is a TracesData or holds one; None where it is neither. Raises TraceError."""
    holder = item.inner("trace") or item
    found = holder.value(list[_ResourceSpans], *_SPANS)
    if found is None and (named := holder.value(list[Any], _PROTO_SPANS)) is not None:
        try:
            found = msgspec.convert(_in_camel_case(named, 0), list[_ResourceSpans], strict=False)
        except msgspec.ValidationError as error:
            raise TraceError(f"{item.place}, {_PROTO_SPANS}: {escaped(str(error))}.") from error
    return None if found is None else _spans(found, item.place, wanted)


def _in_camel_case(value: Any, depth: int) -> Any:
    """The value with its keys in camel case: JSON of protobuf may have its fields' own names, too."""
    if depth > _DEEPEST:
        return None
    if isinstance(value, dict):
        return {_camel(key): _in_camel_case(inner, depth + 1) for key, inner in value.items()}
    if isinstance(value, list):
        return [_in_camel_case(inner, depth + 1) for inner in value]
    return value


@remembered(1024)
def _camel(key: str) -> str:
    first, *others = key.split("_")
    return first + "".join(map(str.capitalize, others))


def _spans(found: list[_ResourceSpans], place: str, wanted: Wanted) -> Iterator[OtlpSpan]:
    for each in found:
        resource = _attributes(each.resource.attributes if each.resource else None, wanted)
        for scope in (*(each.scope_spans or ()), *(each.instrumentation_library_spans or ())):
            for span in scope.spans or ():
                yield _span(span, resource, place, wanted)


def _span(span: _Span, resource: dict[str, Any], place: str, wanted: Wanted) -> OtlpSpan:
    name = span.name or ""
    inner = f"{place}, span {shown(name)}"
    parent_id = (span.parent_span_id or "")[:_LONGEST_ID]
    status = span.status.code if span.status else None
    attributes = _attributes(span.attributes, wanted)
    for event in span.events or ():
        take_event(attributes, event.name or "", event.told)
    return OtlpSpan(
        trace_id=(span.trace_id or "")[:_LONGEST_ID],
        id=(span.span_id or "")[:_LONGEST_ID],
        parent_id=parent_id if parent_id.strip("0") else "",
        name=name[:_LONGEST_ID],
        kind=_kind(span.kind),
        start_ns=_time_ns(span.start_time_unix_nano, f"{inner}, startTimeUnixNano") or 0,
        end_ns=_time_ns(span.end_time_unix_nano, f"{inner}, endTimeUnixNano"),
        attributes=attributes,
        resource=resource,
        first_chunk_ns=_first_chunk_ns(span.events, inner),
        is_error=status == ERROR_CODE or (isinstance(status, str) and status.endswith("ERROR")),
    )


def _kind(kind: int | str | None) -> int:
    if isinstance(kind, str):
        return _KINDS.get(kind.removeprefix("SPAN_KIND_"), 0)
    return kind or 0


def _time_ns(value: int | str | float | None, place: str) -> int | None:
    """A time; None where it is not recorded. Raises TraceError where it is none."""
    if value is None or value in ("", "0", 0):
        return None
    at_ns: int | None = None
    if isinstance(value, str):
        if len(value) <= 20 and value.isascii() and value.isdigit():
            at_ns = int(value)
    elif math.isfinite(value):
        at_ns = int(value)
    if at_ns is None or not 0 <= at_ns <= LATEST_NS:
        raise TraceError(f"{place}: {shown(str(value)[:100])} is not a time in ns since 1970.")
    return at_ns or None


def _first_chunk_ns(events: list[_Event] | None, place: str) -> int | None:
    times = [
        at_ns
        for event in events or ()
        if is_first_chunk(event.name or "")
        and (at_ns := _time_ns(event.time_unix_nano, f"{place}, an event's timeUnixNano")) is not None
    ]
    return min(times, default=None)


def _attributes(pairs: list[_KeyValue] | None, wanted: Wanted) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in pairs or ():
        if pair.value is not None and wanted(pair.key) and len(found) < MOST_ATTRIBUTES:
            value = _plain(pair.value, 0)
            if value is not None:
                found[pair.key] = kept_value(pair.key, value)
    return found


def _plain(value: _Value, depth: int) -> Any:
    """A value as Python has it; None for bytes, for what is nested too deeply, and for none."""
    if value.string_value is not None:
        return value.string_value
    if value.bool_value is not None:
        return value.bool_value
    if value.int_value is not None:
        return _integer(value.int_value)
    if value.double_value is not None:
        return value.double_value if isinstance(value.double_value, float) else None  # "NaN", "Infinity"
    if depth >= _DEEPEST:
        return None
    if value.array_value is not None:
        return [_plain(inner, depth + 1) for inner in value.array_value.values or ()]
    if value.kvlist_value is not None:
        pairs = value.kvlist_value.values or ()
        return {pair.key: _plain(pair.value, depth + 1) for pair in pairs if pair.value is not None}
    return None


def _integer(value: int | str) -> int | None:
    if isinstance(value, int):
        return value
    digits = value.removeprefix("-")
    return int(value) if len(digits) <= 20 and digits.isascii() and digits.isdigit() else None
