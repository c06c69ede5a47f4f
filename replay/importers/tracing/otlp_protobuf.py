"""Spans out of OTLP in protobuf: a reader of just the fields that are used.

Pure. The numbers are those of opentelemetry-proto `trace/v1/trace.proto`, `common/v1/common.proto` and
`resource/v1/resource.proto`; the wire format is that of protobuf's encoding guide. Fields of another number or wire
type are skipped, as protobuf does.
"""

import struct
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

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

_LONGEST_ID_BYTES = 100
_LONGEST_NAME_BYTES = 200
_DEEPEST = 16
_MOST_SCOPES = 1_000_000
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# Tags of fields: the number, shifted, with the wire type.
_FIRST, _SECOND = 1 << 3 | _BYTES, 2 << 3 | _BYTES
_OLD_SCOPE_SPANS = 1000 << 3 | _BYTES
_EVENT_ATTRIBUTES = 3 << 3 | _BYTES
_ATTRIBUTES, _EVENTS, _STATUS = 9 << 3 | _BYTES, 11 << 3 | _BYTES, 15 << 3 | _BYTES


class WireError(ValueError):
    """Bytes that are no such message; str() says what is wrong with them, to stand behind a place."""


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The number at a position, and the position behind it. Raises WireError where it is cut off or too long."""
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise WireError("a number is cut off" if shift < 70 else "a number is longer than 10 bytes")


def spans_in_message(data: bytes, wanted: Wanted) -> Iterator[OtlpSpan]:
    """The spans of a TracesData or ExportTraceServiceRequest. Raises WireError."""
    for tag, start, end in _fields(data, 0, len(data)):
        if tag == _FIRST:
            yield from _resource_spans(data, start, end, wanted)


def spans_of_resource(data: bytes, wanted: Wanted) -> Iterator[OtlpSpan]:
    """The spans of a ResourceSpans. Raises WireError."""
    return _resource_spans(data, 0, len(data), wanted)


def _fields(data: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """The fields of a message as tag and, for bytes, where they start and end; for numbers the number and 0."""
    while at < end:
        tag, at = varint(data, at, end)
        wire = tag & 7
        if wire == _BYTES:
            size, at = varint(data, at, end)
            if size > end - at:
                raise WireError(f"field {tag >> 3} is longer than the message around it")
            yield tag, at, at + size
            at += size
        elif wire == _VARINT:
            value, at = varint(data, at, end)
            yield tag, value, 0
        elif wire in (_FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
            if size > end - at:
                raise WireError(f"field {tag >> 3} is cut off")
            yield tag, int.from_bytes(data[at : at + size], "little"), 0
            at += size
        else:
            raise WireError(f"field {tag >> 3} has wire type {wire}, which OTLP does not use")


def _resource_spans(data: bytes, start: int, end: int, wanted: Wanted) -> Iterator[OtlpSpan]:
    resource: dict[str, Any] = {}
    scopes: list[tuple[int, int]] = []
    for tag, a, b in _fields(data, start, end):
        if tag == _FIRST:
            for inner, c, d in _fields(data, a, b):
                if inner == _FIRST:
                    _add_attribute(data, c, d, resource, wanted)
        elif tag in (_SECOND, _OLD_SCOPE_SPANS):
            scopes.append((a, b))
            if len(scopes) > _MOST_SCOPES:
                raise WireError(f"a resource has more than {_MOST_SCOPES:,} scopes")
    for a, b in scopes:
        for tag, c, d in _fields(data, a, b):
            if tag == _SECOND:
                yield _span(data, c, d, resource, wanted)


def _span(data: bytes, start: int, end: int, resource: dict[str, Any], wanted: Wanted) -> OtlpSpan:
    span = OtlpSpan("", "", "", "", 0, 0, None, {}, resource)
    for tag, a, b in _fields(data, start, end):
        if tag == _FIRST:
            span.trace_id = data[a : min(b, a + _LONGEST_ID_BYTES)].hex()
        elif tag == _SECOND:
            span.id = data[a : min(b, a + _LONGEST_ID_BYTES)].hex()
        elif tag == 4 << 3 | _BYTES:
            span.parent_id = data[a : min(b, a + _LONGEST_ID_BYTES)].hex()
        elif tag == 5 << 3 | _BYTES:
            span.name = _text(data, a, min(b, a + _LONGEST_NAME_BYTES))
        elif tag == 6 << 3 | _VARINT:
            span.kind = a
        elif tag == 7 << 3 | _FIXED64:
            span.start_ns = _time_ns(a)
        elif tag == 8 << 3 | _FIXED64:
            span.end_ns = _time_ns(a) or None
        elif tag == _ATTRIBUTES:
            _add_attribute(data, a, b, span.attributes, wanted)
        elif tag == _EVENTS:
            _add_event(data, a, b, span)
        elif tag == _STATUS:
            span.is_error = any(t == 3 << 3 | _VARINT and v == ERROR_CODE for t, v, _ in _fields(data, a, b))
    if not span.parent_id.strip("0"):
        span.parent_id = ""
    return span


def _time_ns(value: int) -> int:
    if value > LATEST_NS:
        raise WireError(f"{value} is not a time in ns since 1970")
    return value


def _add_event(data: bytes, start: int, end: int, span: OtlpSpan) -> None:
    at_ns, name = 0, ""
    told: list[tuple[int, int]] = []
    for tag, a, b in _fields(data, start, end):
        if tag == 1 << 3 | _FIXED64:
            at_ns = _time_ns(a)
        elif tag == _SECOND:
            name = _text(data, a, min(b, a + _LONGEST_NAME_BYTES))
        elif tag == _EVENT_ATTRIBUTES:
            told.append((a, b))
    take_event(span.attributes, name, partial(_told_by_event, data, told))
    if at_ns and is_first_chunk(name) and (span.first_chunk_ns is None or at_ns < span.first_chunk_ns):
        span.first_chunk_ns = at_ns


def _told_by_event(data: bytes, told: Sequence[tuple[int, int]], key: str) -> Any:
    """An attribute of an event; None where there is none. told: where each of them stands."""
    for begin, end in told:
        found, value = _key_value(data, begin, end)
        if found == key:
            return _value(data, *value, 0)
    return None


def _add_attribute(data: bytes, start: int, end: int, found: dict[str, Any], wanted: Wanted) -> None:
    key, value = _key_value(data, start, end)
    if wanted(key) and len(found) < MOST_ATTRIBUTES:
        plain = _value(data, *value, 0)
        if plain is not None:
            found[key] = kept_value(key, plain)


def _key_value(data: bytes, start: int, end: int) -> tuple[str, tuple[int, int]]:
    key, value = "", (0, 0)
    for tag, a, b in _fields(data, start, end):
        if tag == _FIRST:
            key = _text(data, a, b)
        elif tag == _SECOND:
            value = (a, b)
    return key, value


def _value(data: bytes, start: int, end: int, depth: int) -> Any:
    """An AnyValue as Python has it; None for bytes, for what is nested too deeply, and for none."""
    found: Any = None
    for tag, a, b in _fields(data, start, end):
        if tag == 1 << 3 | _BYTES:
            found = _text(data, a, b)
        elif tag == 2 << 3 | _VARINT:
            found = bool(a)
        elif tag == 3 << 3 | _VARINT:
            found = a - (1 << 64) if a >= 1 << 63 else a
        elif tag == 4 << 3 | _FIXED64:
            found = struct.unpack("<d", a.to_bytes(8, "little"))[0]
        elif tag == 5 << 3 | _BYTES and depth < _DEEPEST:
            found = [_value(data, c, d, depth + 1) for t, c, d in _fields(data, a, b) if t == _FIRST]
        elif tag == 6 << 3 | _BYTES and depth < _DEEPEST:
            found = {}
            for t, c, d in _fields(data, a, b):
                if t == _FIRST:
                    key, inner = _key_value(data, c, d)
                    found[key] = _value(data, *inner, depth + 1)
    return found


def _text(data: bytes, start: int, end: int) -> str:
    return data[start:end].decode("utf-8", "replace")
