"""Traces of the `otlp` format: spans as OpenTelemetry exports them, in JSON or protobuf.

The format is OTLP's TracesData (opentelemetry-proto, with the JSON encoding of its specification), in the files that
replay/importers/tracing/otlp_files.py tells apart. Spans may stand in any order, in any of the files. The names of
attributes are in replay/importers/tracing/otlp_spans.py. What becomes what:

- A span whose `gen_ai.operation.name` is chat, text_completion, generate_content, responses or the like becomes an
  `llm` step, with its tokens, model, and first chunk (an attribute, or an event that tells of a first token). It is
  streamed if an attribute says so or its first chunk was recorded; where neither is known of any call, calls are
  streamed unless `stream` is False.
- execute_tool, embeddings and retrieval become `tool` steps: their HTTP request where that was recorded, or else a
  request as replay/assembly/tool_requests.py makes it.
- A client span with MCP's attributes becomes an `mcp` step, made anew from its attributes: a JSON-RPC request to the
  path of the HTTP request that carried it, or else a message, for which a run opens sessions by itself; what opened
  those that were recorded is then dropped. An HTTP client's span becomes an `http` step; its server is
  kept as the attribute `host`. Bodies are filled to the recorded size, or left empty where none was recorded.
- Which of these are the same call, and which are somebody else's, is said in replay/importers/tracing/otlp_calls.py.
  Agents and workflows only hold those below them; so do all other spans, which are counted as dropped.
- A session is what has the same `gen_ai.conversation.id`, or `session.id` in traces without it, which the spans below
  inherit; a trace with no more than one of these belongs to it as a whole, and without one is a session. `session_by`
  names another attribute, or a header that was recorded, in their place.
- Edges are inferred as replay/trace/edges/spans.py says. The resolution is the coarsest power of ten that
  divides all times, between 1 s and 1 us.
- Secrets are dropped as replay/trace/redaction/headers.py says. Of errors their type is kept, never their message.
- Sessions start at their recorded times; `arrivals` lays them out anew.

Memory holds what is kept of all spans, since spans of one trace may stand anywhere.

What Jaeger, Zipkin and the SDK's console exporter write (`jaeger`, `zipkin`, `otel-console`) are the same spans in
other layouts, and become the same.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from replay.assembly.prompt_blocks import SessionPrompts
from replay.assembly.recorded_sessions import Counts, RecordedSession, imported_sessions
from replay.assembly.requests.log_fields import is_secret_session
from replay.assembly.types import ImportOptions, ImportResult
from replay.importers.tracing.clocks import set_clocks_right
from replay.importers.tracing.layouts.console_spans import is_console, read_console
from replay.importers.tracing.layouts.jaeger import is_jaeger, read_jaeger
from replay.importers.tracing.layouts.mlflow_spans import is_mlflow
from replay.importers.tracing.layouts.zipkin import is_zipkin, read_zipkin
from replay.importers.tracing.otlp_calls import TraceCalls
from replay.importers.tracing.otlp_files import framing_of, is_printable, read_spans
from replay.importers.tracing.otlp_own_names import by_common_names
from replay.importers.tracing.otlp_requests import UNKNOWN_HOST
from replay.importers.tracing.otlp_spans import OtlpSpan, Wanted, wanted_names
from replay.importers.tracing.otlp_steps import Streaming
from replay.importers.tracing.prompt_prefixes import with_prefixes
from replay.reading.damage import Damage
from replay.reading.inputs import input_files
from replay.reading.timestamps import Grain, other_unit
from replay.trace.edges.spans import Span, SpanCounts, linked_steps
from replay.trace.errors import TraceError, shown_path
from replay.trace.origins import OriginTally

MOST_SPANS = 5_000_000

_FINEST_MS = 0.001
_JSON_KEYS = re.compile(
    rb'"(?:resource_?[sS]pans|scope_?[sS]pans|instrumentation_?[lL]ibrary_?[sS]pans)"\s*:'
).search


class _Group(msgspec.Struct):
    spans: list[Span] = []
    attributes: dict[str, str] = {}


class SpanLayout(msgspec.Struct, frozen=True):
    """How spans are written. tells: by how a file begins. read_spans: those of a file; None for what holds none."""

    name: str
    describe: str
    tells: Callable[[bytes], bool]
    read_spans: Callable[[Path, Wanted, Damage], Iterator[OtlpSpan | None]]


def _is_otlp(first_bytes: bytes) -> bool:
    if is_mlflow(first_bytes):
        return not is_console(first_bytes)
    framing = framing_of(first_bytes)
    if framing == "json":
        return _JSON_KEYS(first_bytes) is not None
    return framing is not None and not is_printable(first_bytes[:64])


OTLP = SpanLayout(
    "otlp",
    "OpenTelemetry spans (OTLP, with GenAI, MCP or HTTP attributes), JSON or protobuf",
    _is_otlp,
    read_spans,
)
JAEGER = SpanLayout("jaeger", "spans in Jaeger's JSON, with the attributes of otlp", is_jaeger, read_jaeger)
ZIPKIN = SpanLayout("zipkin", "spans in Zipkin's JSON v2, with the attributes of otlp", is_zipkin, read_zipkin)
CONSOLE = SpanLayout(
    "otel-console",
    "spans that OpenTelemetry's SDKs for Python, Go and JavaScript printed",
    is_console,
    read_console,
)


class Otlp:
    """The importer of a layout; see the head of this module."""

    def __init__(self, layout: SpanLayout = OTLP) -> None:
        self.name = layout.name
        self.describe = layout.describe
        self._layout = layout

    def sniff(self, first_bytes: bytes) -> bool:
        return self._layout.tells(first_bytes)

    def read(self, paths: Sequence[Path], options: ImportOptions) -> ImportResult:
        counts, streaming = Counts(damage=Damage(is_refused=options.strict)), Streaming()
        traces, resolution_ms = _traces(self._layout, input_files(paths, ""), options, counts)
        reading = TraceCalls(options.session_by, counts, streaming)
        by_id: dict[str, _Group] = {}
        while traces:
            trace_id, spans = traces.popitem()
            for call in reading.calls(trace_id, spans):
                group = by_id.setdefault(call.session_id, _Group())
                group.spans.append(call.span)
                for key, value in call.attributes.items():
                    group.attributes.setdefault(key, value)
        groups = list(by_id.items())
        kinds = [span.step.kind for _, group in groups for span in group.spans if span.step is not None]
        counts.damage.refuse_most()
        if not kinds:
            what = "no model calls, tool calls or HTTP client's requests among the spans."
            raise TraceError(f"{shown_path(paths[0])}: {what}")
        is_secret = is_secret_session(options.session_by)
        streamed = _settle_streaming(streaming, options)

        def load(unit: int, found: Counts) -> RecordedSession | None:
            name, group = groups[unit]
            prompts = SessionPrompts(unit, options.block_size)
            return _session("" if is_secret else name, group, resolution_ms, prompts, found)

        # Which tools' requests are made up is counted, as not all are.
        result = imported_sessions(
            self.name,
            paths,
            options,
            len(groups),
            load,
            resolution_ms,
            streamed,
            counted=counts,
            makes_up_tools=False,
        )
        result.header.attributes["import"].update(
            http_requests=kinds.count("http"), mcp_calls=kinds.count("mcp")
        )
        result.header.origins = _origins(groups)
        requests = f"{kinds.count('http')} HTTP request(s), {kinds.count('mcp')} MCP call(s)."
        first, *others = result.notes
        return ImportResult(result.header, result.sessions, (first, requests, *others))


def _origins(groups: Sequence[tuple[str, _Group]]) -> tuple[str, ...]:
    """Where the HTTP requests went. The scheme is not kept with a step, and https the likelier one."""
    went_to = OriginTally()
    for _, group in groups:
        for span in group.spans:
            host = None if span.step is None else span.step.attributes.get("host")
            if host != UNKNOWN_HOST:
                went_to.add("https", host)
    return went_to.origins()


def _traces(
    layout: SpanLayout, files: Sequence[Path], options: ImportOptions, counts: Counts
) -> tuple[dict[str, list[OtlpSpan]], float]:
    """The spans of all files by their trace, and the resolution of their times in ms."""
    wanted = wanted_names(options.session_by)
    grain = Grain()
    traces: dict[str, list[OtlpSpan]] = {}
    n = 0
    units: set[str | None] = set()
    for span in counts.damage.of_files(files, lambda file: layout.read_spans(file, wanted, counts.damage)):
        if span is None:
            counts.drop("object(s) that hold no spans")
        elif not span.start_ns:
            counts.drop("span(s) without a start time")
        else:
            n += 1
            if n > MOST_SPANS:
                what = f"more than {MOST_SPANS:,} spans. Import fewer files at a time."
                raise TraceError(f"{shown_path(files[0])}: {what}")
            named_ns = by_common_names(span.attributes)
            span.first_chunk_ns = span.first_chunk_ns or named_ns
            units.add(other_unit(span.start_ns))
            grain.add(span.start_ns)
            if span.end_ns is not None:
                grain.add(span.end_ns)
            traces.setdefault(span.trace_id, []).append(span)
    _refuse_other_unit(units, files[0])
    return traces, max(_FINEST_MS, grain.ms)


def _refuse_other_unit(units: set[str | None], file: Path) -> None:
    """Raises TraceError where all starts would lie in 1970 as ns, and in our time in one other unit."""
    unit = next(iter(units), None)
    if len(units) == 1 and unit is not None:
        text = f"all spans begin in 1970, if their times are ns; they look like {unit}. Multiply them to be ns."
        raise TraceError(f"{shown_path(file)}: {text}")


def _settle_streaming(streaming: Streaming, options: ImportOptions) -> list[str]:
    """Say of the calls of which it is not known whether they are streamed; returns what to tell people."""
    if streaming.is_recorded:
        return ["Model calls of which no stream or first chunk is recorded are not streamed."]
    for llm in streaming.unknown:
        llm.stream = options.stream
    how = "are streamed" if options.stream else "are not streamed"
    return [f"Not recorded, and assumed: model calls {how}."] if streaming.unknown else []


def _session(
    name: str, group: _Group, resolution_ms: float, prompts: SessionPrompts, counts: Counts
) -> RecordedSession | None:
    found = SpanCounts()
    set_clocks_right(group.spans, resolution_ms, found)
    start_ns, steps = linked_steps(group.spans, resolution_ms, counts.tally, found)
    steps = with_prefixes(steps, group.spans, prompts, counts)
    for step in steps:
        counts.add(step)
    counts.drop("wait(s) for more calls than one step may join", found.shortened_joins)
    counts.infer(
        "span(s) that began before their parent, by another clock, are moved behind its start", found.early
    )
    counts.infer("tool call(s) that hold calls are these calls", found.tools_that_hold_calls)
    counts.infer("model call(s) that hold model calls are these calls", found.models_that_hold_models)
    counts.infer("span(s) whose parent is not recorded stand at the top", found.unknown_parents)
    return RecordedSession(name, start_ns, steps, group.attributes) if steps else None
