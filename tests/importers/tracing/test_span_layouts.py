"""The same spans become the same steps, whether OTLP, Jaeger, Zipkin or an SDK's console exporter wrote them."""

import io
import json
import re
from datetime import datetime, timedelta, timezone

import pytest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.trace import SpanKind, set_span_in_context

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS
from replay.trace.errors import TraceError

TRACE = "0af7651916cd43dd8448eb211c80319c"
ZERO_US = 1_767_225_600_000_000
CHAT = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 12}
TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"}
HTTP = {
    "http.request.method": "GET",
    "url.full": "https://api.example.com/a?token=x",
    "http.response.status_code": 200,
}
# The number, parent's number, name, kind, start and duration in ms, attributes, and when a first token came.
SPANS = [
    (1, 0, "agent", "INTERNAL", 0, 2_000, {"gen_ai.operation.name": "invoke_agent"}, None),
    (2, 1, "chat m", "CLIENT", 10, 900, CHAT, 310),
    (3, 1, "execute_tool search", "INTERNAL", 950, 400, TOOL, None),
    (4, 3, "GET", "CLIENT", 960, 300, HTTP, None),
    (5, 1, "chat m", "CLIENT", 1_400, 500, {**CHAT, "gen_ai.usage.output_tokens": 7}, None),
]


def span_id(n):
    return f"{n:016x}" if n else ""


def otlp():
    kinds = {"INTERNAL": 1, "CLIENT": 3}

    def value(given):
        return {"intValue": str(given)} if isinstance(given, int) else {"stringValue": given}

    spans = [
        {
            "traceId": TRACE,
            "spanId": span_id(n),
            "parentSpanId": span_id(parent),
            "name": name,
            "kind": kinds[kind],
            "startTimeUnixNano": str((ZERO_US + at * 1_000) * 1_000),
            "endTimeUnixNano": str((ZERO_US + (at + took) * 1_000) * 1_000),
            "attributes": [{"key": key, "value": value(given)} for key, given in told.items()],
            "events": [{"name": "first_token", "timeUnixNano": str((ZERO_US + first * 1_000) * 1_000)}]
            if first
            else [],
        }
        for n, parent, name, kind, at, took, told, first in SPANS
    ]
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]})


def jaeger(indent=None):
    def tags(told, kind):
        typed = {int: "int64", str: "string"}
        pairs = [*told.items(), ("span.kind", kind.lower())]
        return [{"key": key, "type": typed[type(given)], "value": given} for key, given in pairs]

    spans = [
        {
            "traceID": TRACE,
            "spanID": span_id(n),
            "operationName": name,
            "references": [{"refType": "CHILD_OF", "traceID": TRACE, "spanID": span_id(parent)}]
            if parent
            else [],
            "startTime": ZERO_US + at * 1_000,
            "duration": took * 1_000,
            "tags": tags(told, kind),
            "logs": [
                {
                    "timestamp": ZERO_US + first * 1_000,
                    "fields": [{"key": "event", "type": "string", "value": "first_token"}],
                }
            ]
            if first
            else [],
            "processID": "p1",
            "warnings": None,
        }
        for n, parent, name, kind, at, took, told, first in SPANS
    ]
    trace = {
        "traceID": TRACE,
        "spans": spans,
        "processes": {"p1": {"serviceName": "agent", "tags": []}},
        "warnings": None,
    }
    return json.dumps({"data": [trace], "total": 0, "limit": 0, "offset": 0, "errors": None}, indent=indent)


def zipkin_spans():
    return [
        {
            "traceId": TRACE,
            "id": span_id(n),
            **({"parentId": span_id(parent)} if parent else {}),
            "name": name,
            **({"kind": kind} if kind != "INTERNAL" else {}),
            "timestamp": ZERO_US + at * 1_000,
            "duration": took * 1_000,
            "localEndpoint": {"serviceName": "agent"},
            "tags": {key: str(given) for key, given in told.items()},
            "annotations": [{"timestamp": ZERO_US + first * 1_000, "value": "first_token"}] if first else [],
        }
        for n, parent, name, kind, at, took, told, first in SPANS
    ]


class _Numbered(IdGenerator):
    """Gives spans the numbers that they have in the table."""

    def __init__(self):
        self._spans = 0

    def generate_trace_id(self):
        return int(TRACE, 16)

    def generate_span_id(self):
        self._spans += 1
        return self._spans


def console():
    """As the SDK itself prints them."""
    out = io.StringIO()
    resource = Resource({"service.name": "agent"})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False, id_generator=_Numbered())
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=out)))
    tracer = provider.get_tracer("test")
    contexts, spans = {0: None}, []
    for n, parent, name, kind, at, took, told, first in SPANS:
        span = tracer.start_span(
            name, contexts[parent], SpanKind[kind], told, start_time=(ZERO_US + at * 1_000) * 1_000
        )
        if first:
            span.add_event("first_token", timestamp=(ZERO_US + first * 1_000) * 1_000)
        contexts[n] = set_span_in_context(span)
        spans.append((span, (ZERO_US + (at + took) * 1_000) * 1_000))
    for span, end_ns in reversed(spans):
        span.end(end_ns)
    return out.getvalue()


def go(indent=None):
    """As stdouttrace of the SDK for Go prints them, with nanoseconds and a zone."""

    def at(ms):
        when = datetime.fromtimestamp((ZERO_US + ms * 1_000) / 1e6, timezone(timedelta(hours=2)))
        return when.isoformat(timespec="microseconds").replace("+", "000+")

    def context(n):
        return {"TraceID": TRACE if n else "0" * 32, "SpanID": span_id(n), "TraceFlags": "01", "Remote": False}

    def attributes(told):
        typed = {int: "INT64", str: "STRING"}
        return [
            {"Key": key, "Value": {"Type": typed[type(given)], "Value": given}} for key, given in told.items()
        ]

    spans = [
        {
            "Name": name,
            "SpanContext": context(n),
            "Parent": context(parent),
            "SpanKind": SpanKind[kind].value + 1,
            "StartTime": at(begun),
            "EndTime": at(begun + took),
            "Attributes": attributes(told),
            "Events": [{"Name": "first_token", "Attributes": None, "Time": at(first)}] if first else None,
            "Links": None,
            "Status": {"Code": "Unset", "Description": ""},
            "ChildSpanCount": 0,
            "Resource": attributes({"service.name": "agent"}),
        }
        for n, parent, name, kind, begun, took, told, first in SPANS
    ]
    return "".join(f"{json.dumps(span, indent=indent)}\n" for span in reversed(spans))


def node():
    """As `ConsoleSpanExporter` of the SDK for JavaScript, 2.12, prints them, with what a program prints between."""
    kinds = {"INTERNAL": 0, "CLIENT": 2}

    def text(given):
        return str(given) if isinstance(given, int) else f"'{given}'"

    def span(n, parent, name, kind, at, took, told, first):
        above = (
            f"{{ traceId: '{TRACE}', spanId: '{span_id(parent)}', traceFlags: 1, traceState: undefined }}"
            if parent
            else "undefined"
        )
        time = f"[ {(ZERO_US + (first or 0) * 1_000) // 1_000_000}, {(ZERO_US + (first or 0) * 1_000) % 1_000_000 * 1_000} ]"
        event = f"\n    {{\n      name: 'first_token',\n      attributes: {{}},\n      time: {time},\n      droppedAttributesCount: 0\n    }}\n  "
        lines = [
            "resource: { attributes: { 'service.name': 'agent' } }",
            "instrumentationScope: { name: 'x', version: undefined, schemaUrl: undefined }",
            f"traceId: '{TRACE}'",
            f"parentSpanContext: {above}",
            "traceState: undefined",
            f"name: '{name}'",
            f"id: '{span_id(n)}'",
            f"kind: {kinds[kind]}",
            f"timestamp: {ZERO_US + at * 1_000}",
            f"duration: {took * 1_000}",
            "attributes: {"
            + ",".join(f"\n    '{key}': {text(given)}" for key, given in told.items())
            + "\n  }",
            "status: { code: 0 }",
            f"events: [{event if first else ''}]",
            "links: []",
        ]
        return "{\n" + ",\n".join(f"  {each}" for each in lines) + "\n}\n"

    return "listening on 8080\n" + "ok {\n".join(span(*each) for each in reversed(SPANS))


def alone(trace):
    """The spans of a trace of Jaeger's, each a line with its process."""
    spans = ({**span, "process": trace["processes"][span["processID"]]} for span in trace["spans"])
    return "".join(f"{json.dumps({key: each[key] for key in each if key != 'processID'})}\n" for each in spans)


LAYOUTS = {
    "jaeger as its UI saves it": ("jaeger", lambda: jaeger(indent=2)),
    "jaeger on one line": ("jaeger", jaeger),
    "jaeger as Elasticsearch keeps it": ("jaeger", lambda: "".join(map(alone, json.loads(jaeger())["data"]))),
    "zipkin, a trace": ("zipkin", lambda: json.dumps(zipkin_spans())),
    "zipkin, traces": ("zipkin", lambda: json.dumps([zipkin_spans()[:2], zipkin_spans()[2:]], indent=1)),
    "zipkin, a span a line": ("zipkin", lambda: "".join(f"{json.dumps(span)}\n" for span in zipkin_spans())),
    "console": ("otel-console", console),
    "console of JavaScript": ("otel-console", node),
    "console of Go, a span a line": ("otel-console", go),
    "console of Go, laid out": ("otel-console", lambda: go(indent="\t")),
}


@pytest.fixture
def imported(tmp_path):
    def run(name, text):
        path = tmp_path / "spans.json"
        path.write_text(text)
        result = IMPORTERS[name].read([path], ImportOptions(name="n"))
        return list(result.sessions()), result

    return run


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_same_spans_become_the_same_steps(imported, layout):
    name, write = LAYOUTS[layout]
    text = write()
    expected, _ = imported("otlp", otlp())
    found, result = imported(name, text)

    assert [each for each, importer in IMPORTERS.items() if importer.sniff(text[: 1 << 16].encode())] == [name]
    assert [session.steps for session in found] == [session.steps for session in expected]
    [session] = found
    assert [(step.kind, step.at_ms, step.took_ms) for step in session.steps] == [
        ("llm", 0.0, 900.0),
        ("tool", 950.0, 300.0),
        ("llm", 1_390.0, 500.0),
    ]
    assert session.steps[0].recorded.ttft_ms == 300.0
    assert result.header.attributes["import"]["unreadable"] == 0


def test_half_a_pair_and_a_duration_without_end_stop_no_import(imported):
    """Node prints both as they were: a lone surrogate behind a backslash, and a number of any size."""
    text = node().replace("'agent'", r"'a\ud83d'")
    text = re.sub(r"duration: \d+", "duration: 9e999", text, count=1)

    sessions, _ = imported("otel-console", text)

    assert len(sessions) == 1


def test_the_servers_half_of_a_shared_zipkin_span_is_no_call_of_its_own(imported):
    [chat] = [span for span in zipkin_spans() if span["id"] == span_id(2)]
    http = {**next(span for span in zipkin_spans() if span["id"] == span_id(4)), "parentId": span_id(1)}
    server = {**http, "kind": "SERVER", "shared": True}
    [session], _ = imported("zipkin", json.dumps([chat, http, server]))

    assert [step.kind for step in session.steps] == ["llm", "http"]


@pytest.mark.parametrize("value", [None, "x", -1, 1e300, [], {}, True])
@pytest.mark.parametrize("name", ["jaeger", "zipkin"])
def test_a_field_of_another_type_costs_its_trace_or_span_only(imported, name, value):
    whole = json.loads(jaeger())["data"][0] if name == "jaeger" else zipkin_spans()[1]
    span = whole["spans"][1] if name == "jaeger" else whole
    for key in list(span):
        damaged = {**span, key: value}
        record = {**whole, "spans": [damaged]} if name == "jaeger" else damaged
        try:
            _, result = imported(name, f"{json.dumps(whole)}\n" * 2 + f"{json.dumps(record)}\n")
        except TraceError as error:
            assert str(error).endswith(".")  # noqa: PT017
        else:
            assert result.header.attributes["import"]["unreadable"] <= 1


OWN = {
    "MLflow": (
        {
            "mlflow.spanType": '"CHAT_MODEL"',
            "mlflow.llm.model": '"m"',
            "mlflow.chat.tokenUsage": '{"input_tokens": 12, "output_tokens": 7, "total_tokens": 19}',
        },
        {"mlflow.spanType": '"TOOL"', "mlflow.spanInputs": '{"q": 1, "api_key": "x"}'},
    ),
    "Langfuse": (
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.model.name": "m",
            "langfuse.observation.usage_details": '{"input": 2, "input_cached_tokens": 10, "output": 7, "total": 19}',
            "langfuse.observation.completion_start_time": '"2026-01-01T00:00:00.310Z"',
        },
        {"langfuse.observation.type": "tool", "langfuse.observation.input": '{"q": 1, "api_key": "x"}'},
    ),
    "LangSmith": (
        {
            "langsmith.span.kind": "llm",
            "gen_ai.request.model": "m",
            "gen_ai.usage.input_tokens": "12",
            "gen_ai.usage.output_tokens": "7",
        },
        {"langsmith.span.kind": "tool", "input.value": '{"q": 1, "api_key": "x"}'},
    ),
    "OpenInference": (
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "m",
            "llm.token_count.prompt": "12",
            "llm.token_count.completion": "7",
        },
        {"openinference.span.kind": "TOOL", "input.value": '{"q": 1, "api_key": "x"}'},
    ),
}


@pytest.mark.parametrize("tool", OWN)
def test_names_of_their_own_say_what_a_span_is(imported, tool):
    model, search = OWN[tool]
    [_, chat, called, *_] = zipkin_spans()
    spans = [{**chat, "tags": model, "annotations": []}, {**called, "name": "search", "tags": search}]
    [session], _ = imported("zipkin", json.dumps(spans))

    plan, step = session.steps
    assert (plan.kind, plan.llm.model, plan.llm.input_tokens, plan.llm.output_tokens) == ("llm", "m", 12, 7)
    assert (step.kind, json.loads(bytes(step.request.json))) == ("tool", {"q": 1, "api_key": "redacted"})
    if tool == "Langfuse":
        assert plan.recorded.ttft_ms == 300.0


# What Strands Agents tells of a tool's arguments stands in an event of its span.
_TOOL = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather"}
_EVENT, _ARGUMENTS = "gen_ai.tool.message", '{"city": "Vienna"}'


def _zipkin_with_event(annotation):
    span = {
        "traceId": TRACE,
        "id": "1" * 16,
        "name": "execute_tool weather",
        "timestamp": ZERO_US,
        "duration": 1_000,
        "tags": _TOOL,
        "annotations": [{"timestamp": ZERO_US, "value": annotation}],
    }
    return json.dumps([span])


def _go_with_event():
    def told(pairs):
        return [{"Key": key, "Value": {"Type": "STRING", "Value": value}} for key, value in pairs.items()]

    span = json.loads(go().splitlines()[0])
    event = {
        "Name": _EVENT,
        "Attributes": told({"content": _ARGUMENTS, "role": "tool"}),
        "Time": span["StartTime"],
    }
    return json.dumps({**span, "Attributes": told(_TOOL), "Events": [event]}) + "\n"


def _node_with_event():
    return f"""{{
  resource: {{ attributes: {{ 'service.name': 'agent' }} }},
  instrumentationScope: {{ name: 'x', version: undefined, schemaUrl: undefined }},
  traceId: '{TRACE}',
  parentSpanContext: undefined,
  name: 'execute_tool weather',
  id: '{"1" * 16}',
  kind: 0,
  timestamp: {ZERO_US},
  duration: 1000,
  attributes: {{ 'gen_ai.operation.name': 'execute_tool', 'gen_ai.tool.name': 'weather' }},
  status: {{ code: 0 }},
  events: [
    {{
      name: '{_EVENT}',
      attributes: {{ role: 'tool', content: '{_ARGUMENTS}' }},
      time: [ {ZERO_US // 1_000_000}, 0 ],
      droppedAttributesCount: 0
    }}
  ],
  links: []
}}
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("zipkin", _zipkin_with_event(json.dumps({_EVENT: {"content": _ARGUMENTS}}))),
        ("zipkin", _zipkin_with_event(f'"{_EVENT}": {json.dumps({"content": _ARGUMENTS})}')),
        ("otel-console", _go_with_event()),
        ("otel-console", _node_with_event()),
    ],
    ids=["zipkin", "zipkin, by its specification", "Go", "JavaScript"],
)
def test_a_tools_arguments_may_stand_in_an_event(imported, name, text):
    [session], _ = imported(name, text)
    assert json.loads(bytes(session.steps[0].request.json)) == {"city": "Vienna"}


@pytest.mark.parametrize("annotation", ["{", '"x": }', '{"gen_ai.tool.message": 1}', "{}", '"}'])
def test_an_annotation_of_zipkin_that_only_looks_like_an_event_is_none(imported, annotation):
    [session], _ = imported("zipkin", _zipkin_with_event(annotation))
    assert bytes(session.steps[0].request.json) == b"{}"
