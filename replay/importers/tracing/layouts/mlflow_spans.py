"""Spans out of MLflow's own traces: what `Trace.to_json`, `mlflow traces`, `search_traces` and its database hold.

Pure. A trace is an object with its `info` and, in `data`, its `spans`, as MLflow's classes Trace and Span write
them: of release 3 with the names of OTLP's fields and ids in base64, of release 2 with `context`, `start_time` and
`status_code`. All attributes are texts of JSON. A trace's session stands in its metadata, and is given to its spans.
Events tell when the pieces of an answer came, but where MLflow noted them all at the end: their times then lie close
together.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from replay.importers.tracing.otlp_spans import (
    LATEST_NS,
    MOST_ATTRIBUTES,
    OtlpSpan,
    Wanted,
    kept_value,
)
from replay.reading.databases import MAGIC
from replay.reading.json_items import Item

_KEYS = re.compile(
    rb'\\{0,3}"mlflow\.(?:trace\w{1,40}|trace\.\w{1,40}|spanType|source\.name)\\{0,3}"\s{0,4}:'
).search
_TABLES = tuple(
    re.compile(pattern).search for pattern in (rb"CREATE TABLE \W?spans\W", rb"start_time_unix_nano")
)
_SESSION = "mlflow.trace.session"
_LONGEST_ID = 200
_PIECE = "mlflow.chunk.item."
_LEAST_OF_SPAN = 10  # pieces that came over less than a tenth of a call may have been noted at its end


class _Context(msgspec.Struct, gc=False):
    trace_id: str = ""
    span_id: str = ""


class _Status(msgspec.Struct, gc=False):
    code: Any = None


class _Event(msgspec.Struct, gc=False):
    name: str = ""
    time_unix_nano: int | str | float | None = None
    timestamp: int | float | None = None


class _Span(msgspec.Struct, gc=False):
    name: str | None = None
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    start_time_unix_nano: int | str | float | None = None
    end_time_unix_nano: int | str | float | None = None
    status: _Status | str | None = None
    attributes: dict[str, Any] | None = None
    context: _Context | None = None
    parent_id: str | None = None
    start_time: int | float | None = None
    end_time: int | float | None = None
    status_code: str | None = None
    events: list[_Event] | None = None


class _Info(msgspec.Struct, gc=False):
    trace_metadata: dict[str, Any] | None = None
    request_metadata: dict[str, Any] | None = None


def is_mlflow(first_bytes: bytes) -> bool:
    """Whether a file begins like traces of MLflow's, or is its database."""
    if first_bytes.startswith(MAGIC):
        return all(search(first_bytes) for search in _TABLES)
    return first_bytes.lstrip()[:1] in (b"{", b"[") and _KEYS(first_bytes) is not None


def mlflow_spans(item: Item, wanted: Wanted) -> Iterator[OtlpSpan] | None:
    """The spans of an object that is a trace, or a row with one; None where it is neither. Raises TraceError."""
    trace = item.parsed("trace") or item
    data = trace.inner("data")
    holder = trace if data is None else data
    if holder.raw("spans") is None or (
        data is None and item.raw("resourceSpans", "resource_spans") is not None
    ):
        return None
    info = trace.value(_Info, "info") or _Info()
    session = (info.trace_metadata or info.request_metadata or {}).get(_SESSION)
    return spans_of(holder.value(list[_Span], "spans") or (), {_SESSION: session} if session else {}, wanted)


def span_of_row(content: str, session: Any, place: str, wanted: Wanted) -> Iterator[OtlpSpan]:
    """The span in a row of the database. Raises TraceError."""
    item = Item.of(f'{{"span":{content}}}'.encode("utf-8", "replace"), place)
    span = item.value(_Span, "span")
    return spans_of([span] if span else (), {_SESSION: session} if session else {}, wanted)


def spans_of(spans: Iterable[_Span], told: Mapping[str, Any], wanted: Wanted) -> Iterator[OtlpSpan]:
    """told: what the trace tells of all of them."""
    for span in spans:
        context = span.context or _Context()
        attributes = [
            (name, kept_value(name, value))
            for name, value in {**told, **(span.attributes or {})}.items()
            if wanted(name) and value is not None
        ]
        code = span.status.code if isinstance(span.status, _Status) else span.status or span.status_code
        start_ns = _ns(span.start_time_unix_nano or span.start_time) or 0
        end_ns = _ns(span.end_time_unix_nano or span.end_time)
        yield OtlpSpan(
            trace_id=(span.trace_id or context.trace_id)[:_LONGEST_ID],
            id=(span.span_id or context.span_id)[:_LONGEST_ID],
            parent_id=(span.parent_span_id or span.parent_id or "")[:_LONGEST_ID],
            name=(span.name or "")[:_LONGEST_ID],
            kind=0,
            start_ns=start_ns,
            end_ns=end_ns,
            attributes=dict(attributes[:MOST_ATTRIBUTES]),
            resource={},
            first_chunk_ns=_first_piece_ns(span.events or (), start_ns, end_ns),
            is_error=str(code).endswith("ERROR"),
        )


def _first_piece_ns(events: Iterable[_Event], start_ns: int, end_ns: int | None) -> int | None:
    """When the first piece of an answer came, where its pieces were noted as they came."""
    told = (_ns(each.time_unix_nano or each.timestamp) for each in events if each.name.startswith(_PIECE))
    times_ns = [at_ns for at_ns in told if at_ns is not None]
    if end_ns is None or not times_ns:
        return None
    first_ns = min(times_ns)
    is_noted_late = (max(times_ns) - first_ns) * _LEAST_OF_SPAN < end_ns - start_ns
    return None if is_noted_late or not start_ns <= first_ns <= end_ns else first_ns


def _ns(value: int | str | float | None) -> int | None:
    try:
        at_ns = int(value or 0)
    except (ValueError, OverflowError):
        return None
    return at_ns if 0 < at_ns <= LATEST_NS else None
