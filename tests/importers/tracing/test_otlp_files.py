"""OTLP is read in every form that OpenTelemetry's own programs write, whatever its bytes.

The spans are made by OpenTelemetry's SDK and encoded by its own exporter's encoder.
"""

import contextlib
import json
from typing import get_args

import pytest
import zstandard
from google.protobuf.json_format import MessageToDict, MessageToJson
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, TracesData
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context

from replay.assembly.types import ImportOptions
from replay.importers.tracing.otlp import Otlp
from replay.importers.tracing.otlp_files import Framing, framing_of, read_spans
from replay.importers.tracing.otlp_protobuf import WireError, spans_in_message
from replay.importers.tracing.otlp_spans import OtlpSpan
from replay.reading.damage import Damage
from replay.reading.inputs import first_bytes
from replay.trace.errors import TraceError

START_NS = 1_767_225_600_000_000_000
SAID = {
    "gen_ai.conversation.id": "c-1",
    "gen_ai.agent.name": "support",
    "gen_ai.operation.name": "invoke_agent",
}
ASKED = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m-1", "gen_ai.usage.input_tokens": 1800}
CALLED = {
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "crm",
    "gen_ai.tool.call.arguments": "{}",
}
SENT = {
    "http.request.method": "GET",
    "url.full": "https://crm.test/customers/7",
    "http.response.status_code": 200,
    "http.request.header.x-tenant": ("a", "b"),
}


def at(ms):
    return START_NS + round(ms * 1e6)


@pytest.fixture(scope="module")
def request_message():
    """What an exporter would send for one agent's run."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("agent")

    def begun(name, ms, parent, attributes, kind=SpanKind.INTERNAL):
        context = None if parent is None else set_span_in_context(parent)
        return tracer.start_span(name, context, kind, attributes, start_time=at(ms))

    run = begun("invoke_agent support", 0, None, SAID)
    plan = begun("chat m-1", 0.5, run, ASKED, SpanKind.CLIENT)
    plan.add_event("gen_ai.first_token", timestamp=at(300.5))
    plan.end(at(800.5))
    crm = begun("execute_tool crm", 801, run, CALLED)
    get = begun("GET", 802, crm, SENT, SpanKind.CLIENT)
    get.end(at(902))
    crm.end(at(903))
    answer = begun("chat m-1", 905, run, {**ASKED, "error.type": "timeout"}, SpanKind.CLIENT)
    answer.set_status(StatusCode.ERROR, "took too long")
    answer.end(at(1905))
    run.end(at(1906))
    return encode_spans(exporter.get_finished_spans())


def in_hex(message):
    """As the specification of OTLP in JSON has it: ids in hex, enums as numbers."""
    found = MessageToDict(message, use_integers_for_enums=True)
    for resource, raw_resource in zip(found["resourceSpans"], message.resource_spans, strict=True):
        for scope, raw_scope in zip(resource["scopeSpans"], raw_resource.scope_spans, strict=True):
            for span, raw in zip(scope["spans"], raw_scope.spans, strict=True):
                span.update(traceId=raw.trace_id.hex(), spanId=raw.span_id.hex())
                if raw.parent_span_id:
                    span["parentSpanId"] = raw.parent_span_id.hex()
    return found


def varint(n):
    found = bytearray()
    while n > 0x7F:
        found.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes((*found, n))


def halves(message):
    """The message as two, with the spans in the wrong order."""
    spans = message.resource_spans[0].scope_spans[0].spans
    found = []
    for part in (spans[2:], spans[:2]):
        half = type(message)()
        half.CopyFrom(message)
        del half.resource_spans[0].scope_spans[0].spans[:]
        half.resource_spans[0].scope_spans[0].spans.extend(part)
        found.append(half)
    return found


def raw_halves(message):
    return [half.SerializeToString() for half in halves(message)]


def prefixed(parts):
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


FORMS = {
    "json, as the specification has it": lambda m: json.dumps(in_hex(m)).encode(),
    "json lines": lambda m: b"".join(json.dumps(in_hex(half)).encode() + b"\n" for half in halves(m)),
    "json over several lines": lambda m: json.dumps(in_hex(m), indent=2).encode(),
    "json of protobuf's own mapping": lambda m: MessageToJson(m).encode(),
    "a json array": lambda m: json.dumps([in_hex(half) for half in halves(m)]).encode(),
    "a protobuf message": lambda m: m.SerializeToString(),
    "a zstandard file": lambda m: zstandard.compress(m.SerializeToString()),
    "protobuf behind 4 bytes of length": lambda m: prefixed(raw_halves(m)),
    "protobuf behind a varint": lambda m: b"".join(varint(len(half)) + half for half in raw_halves(m)),
    "compressed protobuf messages": lambda m: prefixed(map(zstandard.compress, raw_halves(m))),
    "compressed json messages": lambda m: prefixed(
        zstandard.compress(json.dumps(in_hex(half)).encode()) for half in halves(m)
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_spans_of_opentelemetrys_own_sdk_become_the_same_session_in_every_form(
    tmp_path, request_message, form, walked_starts_ms
):
    path = tmp_path / "traces"
    path.write_bytes(FORMS[form](request_message))
    found = Otlp().read([path], ImportOptions())
    [session] = found.sessions()
    plan, crm, answer = session.steps

    assert (session.id, session.attributes) == ("c-1", {"agent": "support", "service": "shop"})
    assert (plan.kind, plan.name, plan.took_ms, plan.recorded.ttft_ms) == ("llm", "chat m-1", 800.0, 300.0)
    assert (plan.llm.model, plan.llm.input_tokens, plan.llm.stream) == ("m-1", 1800, True)
    assert (crm.kind, crm.name, crm.request.method, crm.request.path) == ("tool", "crm", "GET", "/customers/7")
    assert (crm.request.headers, crm.recorded.status) == ({"x-tenant": "a, b"}, 200)
    assert (crm.at_ms, crm.took_ms, crm.attributes["host"]) == (801.5, 100.0, "crm.test")
    assert (answer.attributes["error"], answer.llm.stream) == ("timeout", False)
    assert [edge.delay_ms for step in session.steps for edge in step.after] == [1.5, 3.0]
    assert found.header.resolution_ms == 0.1
    assert walked_starts_ms(session) == pytest.approx({step.id: step.at_ms for step in session.steps})


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_told_by_its_first_bytes(tmp_path, request_message, form):
    path = tmp_path / "traces"
    path.write_bytes(FORMS[form](request_message))
    assert Otlp().sniff(first_bytes(path, 4096))


@pytest.mark.parametrize(
    "data", [b"", b"\n", b"\nX\nhello", b"hello", b"{}", b'{"requests":[]}', b"\x00\x00\x00\x00", b"a,b\n1,2\n"]
)
def test_what_is_something_else_is_not_taken_for_it(data):
    assert not Otlp().sniff(data)


def test_a_protobuf_file_that_was_cut_anywhere_is_refused_plainly(tmp_path, request_message):
    path = tmp_path / "traces"
    first, _ = raw_halves(request_message)
    for whole in (request_message.SerializeToString(), prefixed(raw_halves(request_message))):
        for end in range(1, len(whole), 5):
            if end != len(first) + 4:  # where one message ends, nothing tells that another was to come
                path.write_bytes(whole[:end])
                with pytest.raises(TraceError):
                    Otlp().read([path], ImportOptions())


def test_a_file_that_was_cut_off_is_refused_with_the_message(tmp_path, request_message):
    path = tmp_path / "traces"
    path.write_bytes(prefixed(raw_halves(request_message))[:-1])
    with pytest.raises(TraceError) as caught:
        Otlp().read([path], ImportOptions())
    assert str(caught.value) == (
        f"{path}, message 2: ends too early. The file was probably cut off while it was written or copied."
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x0a\x04\x12\x02\x12\x05", ", message 1: not OTLP trace data: field 2 is longer than the message around it."),
        (b"\x0a\x03\x12\x01\x0b", ", message 1: not OTLP trace data: field 1 has wire type 3, which OTLP does not use."),
        (b"\x0a\x02\x12\x00\x08\x01", ", message 2: not OTLP trace data: no ResourceSpans begins here."),
        (b"\x0a\xff\xff\xff\xff\x7f", ": neither OTLP in JSON nor OTLP in protobuf. Name a file of trace data in one of these."),
        (b"\x00\x00\x00\x08\x28\xb5\x2f\xfd\x00\x00\x00\x00", ", message 1: not a readable zstandard stream (it ends too early)."),
        (b"\x0a\x02\x12\x00", ": no model calls, tool calls or HTTP client's requests among the spans."),
    ],
)  # fmt: skip
def test_bytes_that_make_no_sense_are_refused_with_their_place(tmp_path, data, message):
    path = tmp_path / "traces"
    path.write_bytes(data)
    with pytest.raises(TraceError) as caught:
        Otlp().read([path], ImportOptions())
    assert str(caught.value).startswith(f"{path}{message}")


def test_a_message_that_decompresses_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("replay.importers.tracing.otlp_files.LARGEST_MESSAGE_BYTES", 1 << 20)
    path = tmp_path / "traces"
    path.write_bytes(prefixed([zstandard.compress(bytes(2 << 20))]))
    with pytest.raises(TraceError, match="message 1: longer than 1 MiB, the most that a message may take"):
        Otlp().read([path], ImportOptions())


def plain(value):
    """An AnyValue as Python has it, by protobuf's own reader."""
    match value.WhichOneof("value"):
        case "array_value":
            return [plain(each) for each in value.array_value.values]
        case "kvlist_value":
            return {each.key: plain(each.value) for each in value.kvlist_value.values}
        case None | "bytes_value":
            return None
        case name:
            return getattr(value, name)


texts = st.text(max_size=8)
scalars = st.one_of(
    st.builds(AnyValue, string_value=texts),
    st.builds(AnyValue, bool_value=st.booleans()),
    st.builds(AnyValue, int_value=st.integers(-(2**63), 2**63 - 1)),
    st.builds(AnyValue, double_value=st.floats(allow_nan=False)),
    st.builds(AnyValue, bytes_value=st.binary(max_size=8)),
    st.just(AnyValue()),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda found: AnyValue(array_value=ArrayValue(values=found))),
        st.dictionaries(texts, inner, max_size=3).map(
            lambda found: AnyValue(
                kvlist_value=KeyValueList(values=[KeyValue(key=k, value=v) for k, v in found.items()])
            )
        ),
    ),
    max_leaves=6,
)
any_span = st.builds(
    lambda attributes, **fields: Span(
        attributes=[KeyValue(key=key, value=value) for key, value in attributes.items()], **fields
    ),
    st.dictionaries(texts, values, max_size=4),
    trace_id=st.binary(max_size=16),
    span_id=st.binary(max_size=8),
    parent_span_id=st.binary(min_size=8, max_size=8),
    name=texts,
    kind=st.integers(0, 5),
    start_time_unix_nano=st.integers(0, 2**63 - 1),
    end_time_unix_nano=st.integers(0, 2**63 - 1),
    trace_state=texts,
    dropped_attributes_count=st.integers(0, 2**32 - 1),
    flags=st.integers(0, 2**32 - 1),
    events=st.lists(st.builds(Span.Event, name=texts, time_unix_nano=st.integers(0, 9)), max_size=2),
    links=st.lists(st.builds(Span.Link, trace_id=st.binary(max_size=16)), max_size=2),
)


@settings(max_examples=80, deadline=None)
@given(made=st.lists(any_span, max_size=3))
def test_the_protobuf_reader_reads_what_protobuf_writes(made):
    data = TracesData(resource_spans=[ResourceSpans(scope_spans=[ScopeSpans(spans=made)])]).SerializeToString()
    read = list(spans_in_message(data, lambda name: True))
    for span, source in zip(read, made, strict=True):
        parent = source.parent_span_id.hex()
        assert (span.trace_id, span.id) == (source.trace_id.hex(), source.span_id.hex())
        assert span.parent_id == (parent if parent.strip("0") else "")
        assert (span.name, span.kind) == (source.name, source.kind)
        assert (span.start_ns, span.end_ns or 0) == (source.start_time_unix_nano, source.end_time_unix_nano)
        expected = {pair.key: plain(pair.value) for pair in source.attributes}
        assert span.attributes == {key: value for key, value in expected.items() if value is not None}


@settings(max_examples=80, deadline=None)
@given(
    data=st.binary(max_size=60) | st.binary(max_size=60).map(lambda tail: b"\x0a" + bytes([len(tail)]) + tail)
)
def test_whatever_the_bytes_they_are_read_or_refused_plainly(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "bytes"
    path.write_bytes(data)
    read = []
    with contextlib.suppress(TraceError):
        read += read_spans(path, lambda name: True, Damage(is_refused=True))
    with contextlib.suppress(WireError):
        read += spans_in_message(data, lambda name: True)

    assert framing_of(data) in (None, *get_args(Framing))
    assert all(span is None or (isinstance(span, OtlpSpan) and span.start_ns >= 0) for span in read)


def one_span(**times):
    span = {"trace_id": "01" * 16, "span_id": "02" * 8, "name": "chat", "kind": 3, **times}
    span["attributes"] = [{"key": "gen_ai.operation.name", "value": {"string_value": "chat"}}]
    return {"resource_spans": [{"scope_spans": [{"spans": [span]}]}]}


def test_json_may_have_the_fields_own_names(tmp_path):
    """As MessageToJson writes them with preserving_proto_field_name."""
    file = tmp_path / "spans.json"
    file.write_text(
        json.dumps(one_span(start_time_unix_nano=str(START_NS), end_time_unix_nano=str(START_NS + 5_000_000)))
    )
    assert Otlp().sniff(file.read_bytes())

    (session,) = Otlp().read([file], ImportOptions()).sessions()

    assert (session.steps[0].kind, session.steps[0].took_ms) == ("llm", 5.0)


@pytest.mark.parametrize(("divisor", "unit"), [(10**9, "s"), (10**6, "ms"), (10**3, "us")])
def test_times_in_another_unit_are_refused(tmp_path, divisor, unit):
    file = tmp_path / "spans.json"
    at = str(START_NS // divisor)
    file.write_text(json.dumps(one_span(start_time_unix_nano=at, end_time_unix_nano=at)))

    with pytest.raises(
        TraceError, match=f"all spans begin in 1970, if their times are ns; they look like {unit}"
    ):
        Otlp().read([file], ImportOptions())
