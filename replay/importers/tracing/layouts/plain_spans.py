"""Spans as inference-perf replays them: an object with a trace's `spans`, whose attributes are plain JSON. Pure.

The layout is that of kubernetes-sigs/inference-perf `docs/otel_trace_replay.md` and its `examples/otel/test_traces`:
times in ISO 8601, ids of any text, names of attributes as in GenAI's conventions. A file, or a row of a data set, is a
trace, and each of its spans that has messages a call. These may have no token counts, since inference-perf counts with
the tokenizer of its target: they are then told by the length of the texts, at BYTES_A_TOKEN.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from replay.importers.tracing.otlp_spans import (
    INPUT_TOKENS,
    MOST_ATTRIBUTES,
    OUTPUT_TOKENS,
    OtlpSpan,
    Wanted,
    kept_value,
)
from replay.reading.damage import Damage
from replay.reading.json_items import read_items
from replay.reading.timestamps import epoch_ns, unix_ns
from replay.trace.errors import TraceError

BYTES_A_TOKEN = 4

_KINDS = {"SERVER": 2, "CLIENT": 3, "PRODUCER": 4, "CONSUMER": 5}
_SPANS = re.compile(rb'"spans"\s*+:\s*+\[\s*+\{').search
_TIMES = re.compile(rb'"start_time"\s*+:\s*+"\d{4}-\d\d-\d\dT').search
_OTHERS = re.compile(rb'"(?:resource_?[sS]pans|spanID|mlflow\.\w{1,40}|traceId|data)"\s*+:').search
_LONGEST_ID = 200
_MESSAGES, _TOOLS = "gen_ai.input.messages", "gen_ai.tool.definitions"
_ANSWERS = ("gen_ai.output.text", "gen_ai.completion", "gen_ai.output", "gen_ai.output.messages")
_ASKED, _ANSWERED = "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens"


class _Status(msgspec.Struct, gc=False):
    code: Any = None


class _Span(msgspec.Struct, gc=False):
    trace_id: str | None = None
    span_id: str | None = None
    parent_span_id: str | None = None
    name: str | None = None
    kind: str | None = None
    start_time: str | float | None = None
    end_time: str | float | None = None
    attributes: dict[str, Any] | None = None
    resource_attributes: dict[str, Any] | None = None
    status: _Status | None = None


_FIELDS = tuple(field.encode_name for field in msgspec.structs.fields(_Span))


class PlainTraces(msgspec.Struct):
    """What was seen of traces. names: by the file and the place in it; each is one of its own, whatever its id.

    has_no_counts: whether token counts had to be told by the length of texts.
    """

    names: dict[tuple[Path, str], str] = {}
    has_no_counts: bool = False
    _taken: set[str] = set()
    _last_numbers: dict[str, int] = {}

    def name_of(self, path: Path, place: str, trace_id: str) -> str:
        """A name for the trace that stands there."""
        name = self.names.get((path, place))
        if name is None:
            name = self.names[path, place] = self._new_name(trace_id)
            self._taken.add(name)
        return name

    def _new_name(self, trace_id: str) -> str:
        name, number = trace_id, self._last_numbers.get(trace_id, 1)
        while name in self._taken:
            number += 1
            name = f"{trace_id}~{number}"
        self._last_numbers[trace_id] = number
        return name


def is_plain(first_bytes: bytes) -> bool:
    """Whether a file begins like such spans."""
    start = first_bytes.lstrip()
    return (
        start[:1] in (b"{", b"[") and bool(_SPANS(start) and _TIMES(start)) and _OTHERS(start[:2_000]) is None
    )


def read_plain(path: Path, wanted: Wanted, damage: Damage, traces: PlainTraces) -> Iterator[OtlpSpan | None]:
    """The spans of a file; None for what holds none. One that is damaged costs itself only."""
    for item in read_items(path, ("spans",), damage):
        try:
            if item.raw("span_id") is None or item.raw("start_time") is None:
                yield None
                continue
            span = msgspec.json.decode(item.only(_FIELDS), type=_Span)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            damage.lose(TraceError(f"{item.place}: not a span as inference-perf reads them."))
        else:
            told = item if item.outer is None else item.outer
            trace_id = (told.plain("trace_id") or told.plain("session_id") or "")[:_LONGEST_ID]
            place = "" if item.outer is None else told.place
            yield _span(span, traces.name_of(path, place, trace_id), wanted, traces)


def _span(span: _Span, trace_id: str, wanted: Wanted, traces: PlainTraces) -> OtlpSpan:
    told = span.attributes or {}
    found = [
        (name, kept_value(name, value)) for name, value in told.items() if value is not None and wanted(name)
    ]
    attributes = dict(found[:MOST_ATTRIBUTES])
    _count(told, attributes, traces)
    return OtlpSpan(
        trace_id=trace_id,
        id=(span.span_id or "")[:_LONGEST_ID],
        # Each is a call by itself there: the one that it names is the turn before it.
        parent_id="" if told.get(_MESSAGES) else (span.parent_span_id or "")[:_LONGEST_ID],
        name=(span.name or "")[:_LONGEST_ID],
        kind=_KINDS.get((span.kind or "").removeprefix("SPAN_KIND_"), 1),
        start_ns=_ns(span.start_time) or 0,
        end_ns=_ns(span.end_time),
        attributes=attributes,
        resource={
            name: value for name, value in (span.resource_attributes or {}).items() if wanted(name) and value
        },
        is_error=span.status is not None and str(span.status.code) in ("2", "ERROR", "STATUS_CODE_ERROR"),
    )


def _count(told: Mapping[str, Any], attributes: dict[str, Any], traces: PlainTraces) -> None:
    """Give a call that has messages and no counts those of their length."""
    if not told.get(_MESSAGES):
        return
    for names, name, texts in (
        (INPUT_TOKENS, _ASKED, (told[_MESSAGES], told.get(_TOOLS))),
        (OUTPUT_TOKENS, _ANSWERED, (next((told[key] for key in _ANSWERS if told.get(key)), None),)),
    ):
        size = sum(_size(text) for text in texts if text)
        if size and all(told.get(each) is None for each in names):
            attributes[name] = -(-size // BYTES_A_TOKEN)
            traces.has_no_counts = True


def _size(value: Any) -> int:
    """How long the texts are that a value holds, in bytes, which may be JSON in a text."""
    if isinstance(value, str):
        try:
            inner = msgspec.json.decode(value) if value[:1] in ("[", "{") else None
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            inner = None
        return len(value.encode("utf-8", "surrogatepass")) if inner is None else _size(inner)
    if isinstance(value, dict):
        return sum(_size(each) for key, each in value.items() if key not in ("role", "type", "id"))
    if isinstance(value, list):
        return sum(map(_size, value))
    return 0


def _ns(value: str | float | None) -> int | None:
    if value is None:
        return None
    text = str(value)
    return unix_ns(text) or epoch_ns(text)
