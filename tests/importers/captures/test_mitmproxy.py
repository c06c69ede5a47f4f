"""mitmproxy's flow dumps: by a fake of the part of its library that is used, and by the library where it is there."""

import base64
import gzip
import io
import json
import sys
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.frames import Opcode

from replay.assembly.types import ImportOptions
from replay.importers.captures import mitmproxy as module
from replay.importers.captures.mitmproxy import Mitmproxy
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter
from replay.trace.types import Edge, Until
from tests.support.carried import openai_image

ZERO_S = 1_795_436_345

same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def flow(at_ms=0.0, took_ms=20.0, path="/a", **changed):
    """A flow as the library gives it. headers: of the request, in bytes; what else is changed is the flow's own."""
    start_s = ZERO_S + at_ms / 1_000
    end_s = None if took_ms is None else start_s + took_ms / 1_000
    first_s = None if took_ms is None else start_s + took_ms / 2_000
    request = SimpleNamespace(
        timestamp_start=start_s,
        method=changed.pop("method", "GET"),
        path=path,
        host_header="api.test",
        host="127.0.0.1",
        port=8080,
        scheme="https",
        headers=SimpleNamespace(fields=tuple(changed.pop("headers", ()))),
        raw_content=changed.pop("body", b""),
    )
    response = SimpleNamespace(
        timestamp_start=first_s,
        timestamp_end=end_s,
        status_code=changed.pop("status", 200),
        raw_content=b"ok",
        headers=SimpleNamespace(fields=((b"Content-Type", b"Text/Plain; charset=utf-8"),)),
    )
    connection = SimpleNamespace(id=changed.pop("connection", "c-1"))
    made = SimpleNamespace(
        type="http", websocket=None, is_replay=None, request=request, response=response, client_conn=connection
    )
    vars(made).update(changed)
    return made


@pytest.fixture
def library(monkeypatch):
    """Puts a library in place whose reader gives these flows, and raises those that are errors."""

    def install(*flows):
        class FlowReader:
            def __init__(self, source):
                pass

            def stream(self):
                for each in flows:
                    if isinstance(each, Exception):
                        raise each
                    yield each

        package, inner = ModuleType("mitmproxy"), ModuleType("mitmproxy.io")
        inner.FlowReader = FlowReader
        monkeypatch.setitem(sys.modules, "mitmproxy", package)
        monkeypatch.setitem(sys.modules, "mitmproxy.io", inner)

    return install


@pytest.fixture
def imported(library, tmp_path):
    def read(*flows, **options):
        library(*flows)
        return _read(tmp_path, b"1:", **options)

    return read


def _read(folder, data, **options):
    """The result and its sessions, which must be such that a trace can hold them."""
    path = folder / "x.flow"
    path.write_bytes(data)
    result = Mitmproxy().read([path], ImportOptions(**options))
    sessions = list(result.sessions())
    with TraceWriter(folder / "out.jsonl", result.header) as writer:
        for session in sessions:
            writer.write(session)
    return result, sessions


def test_a_client_connection_is_a_session_and_its_flows_follow_one_another(imported):
    result, sessions = imported(
        flow(50, 10, "/b"), flow(5, 10, "/other", connection="c-2"), flow(0, 20, "/users/7", status=503)
    )

    assert [(s.id, s.start_ms) for s in sessions] == [("c-1", 0.0), ("c-2", 5.0)]
    first, second = sessions[0].steps
    assert (first.name, first.took_ms, first.after, first.attributes) == (
        "GET /users/*",
        20.0,
        (),
        {"host": "api.test"},
    )
    assert (first.recorded.status, first.recorded.ttft_ms, first.recorded.response_bytes) == (503, 10.0, 2)
    assert second.after == (Edge("1", "end", 30.0),)
    assert result.header.attributes["import"]["edges"]["followed"] == 1


def test_requests_that_overlap_do_not_follow_one_another(imported):
    _, (session,) = imported(flow(0, 10), flow(30, 50), flow(31, 20), flow(100, 5))

    assert [[edge.step for edge in step.after] for step in session.steps] == [[], ["1"], ["1"], ["2", "3"]]


def test_a_header_names_the_session_and_flows_without_it_stay_with_their_connection(imported):
    named = [(b"X-Run", b"7")]
    result, sessions = imported(
        flow(0, headers=named), flow(40, headers=named, connection="c-2"), flow(80), session_by="x-run"
    )

    assert [(s.id, len(s.steps)) for s in sessions] == [("7", 2), ("c-1", 1)]
    assert "Inferred: 1 request(s) without the session's header stay with their connection." in result.notes


def test_a_header_and_a_connection_of_the_same_name_are_two_sessions(imported):
    _, sessions = imported(flow(0, headers=[(b"x-run", b"c-1")]), flow(40), session_by="x-run")

    assert len({s.id for s in sessions}) == 2


def test_a_secret_that_tells_sessions_apart_does_not_name_them(imported):
    result, sessions = imported(
        flow(0, headers=[(b"Authorization", b"Bearer hunter2")]),
        flow(40, headers=[(b"Authorization", b"Bearer hunter3")]),
        session_by="authorization",
    )

    assert [s.id for s in sessions] == ["s1", "s2"]
    assert "hunter" not in repr((result.header, sessions, result.notes))


def test_secrets_stay_behind(imported):
    headers = [
        (b"Cookie", b"hunter2"),
        (b"X-Api-Key", b"hunter2"),
        (b"Host", b"x"),
        (b"Content-Type", b"application/x-www-form-urlencoded"),
    ]
    result, (session,) = imported(
        flow(path="/a?token=hunter2&q=1", headers=headers, method="post", body=b"password=hunter2&n=1")
    )

    request = session.steps[0].request
    assert (request.method, request.path) == ("POST", "/a?token=redacted&q=1")
    assert request.headers == {"Content-Type": "application/x-www-form-urlencoded"}
    assert request.body == "password=redacted&n=1"
    assert "Dropped: 2 header(s) that hold secrets." in result.notes


def test_a_body_is_json_text_or_bytes_as_it_was(imported):
    kind = [(b"content-type", b"application/json")]
    _, (session,) = imported(
        flow(0, headers=kind, body=b'{"a": 1.50}'),
        flow(40, headers=kind, body=b'{"a":\n1}'),
        flow(80, headers=kind, body=b'{"a'),
        flow(120, body=b"\xff\x00"),
        flow(160, body=b"x" * ((1 << 20) + 1)),
        flow(200, body=None),
    )

    requests = [step.request for step in session.steps]
    assert bytes(requests[0].json) == b'{"a": 1.50}'
    assert [each.body for each in requests[1:3]] == ['{"a":\n1}', '{"a']
    assert requests[3].body_base64 == "/wA="
    assert requests[4].body_bytes == (1 << 20) + 1
    assert (requests[5].body, requests[5].body_bytes) == (None, None)


def test_a_compressed_body_that_holds_a_secret_is_kept_decoded(imported):
    headers = [(b"Content-Type", b"application/json"), (b"Content-Encoding", b"gzip")]
    harmless, secret = gzip.compress(b'{"a":1}'), gzip.compress(b'{"token":"hunter2"}')

    _, (session,) = imported(flow(0, headers=headers, body=harmless), flow(40, headers=headers, body=secret))

    kept, decoded = (step.request for step in session.steps)
    assert base64.b64decode(kept.body_base64) == harmless
    assert bytes(decoded.json) == b'{"token":"redacted"}'
    assert decoded.headers == {"Content-Type": "application/json"}


def test_what_is_no_request_of_a_client_is_dropped_and_counted(imported):
    result, (session,) = imported(
        flow(0),
        flow(1, type="tcp"),
        flow(2, websocket=SimpleNamespace(messages=[]), id="f"),
        flow(3, is_replay="request"),
        flow(4, path="*", method="OPTIONS"),
    )

    assert len(session.steps) == 1
    for what in (
        "flow(s) that are not HTTP",
        "WebSocket(s) without a message",
        "request(s) that mitmproxy replayed itself",
        "request(s) whose method or address cannot be replayed",
    ):
        assert f"Dropped: 1 {what}." in result.notes


def test_a_flow_that_got_no_whole_response_has_no_duration(imported):
    _, (session,) = imported(flow(0, None), flow(10, -5), flow(20, response=None))

    assert [step.took_ms for step in session.steps] == [None, None, None]


@pytest.mark.parametrize("time_s", [None, float("nan"), float("inf"), -1.0, 10**400, True, "0"])
def test_a_request_without_a_sensible_time_is_dropped(imported, time_s):
    odd = flow(5)
    odd.request.timestamp_start = time_s

    result, (session,) = imported(flow(0), odd)

    assert len(session.steps) == 1
    assert "Dropped: 1 request(s) without a time." in result.notes


def test_without_the_library_it_is_said_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "mitmproxy.io", None)

    with pytest.raises(TraceError) as raised:
        _read(tmp_path, b"1:")

    assert str(raised.value) == (
        "reading flows of mitmproxy needs the extra `mitmproxy`. "
        "Install it with: pip install 'agent-replay[mitmproxy]'"
    )


@pytest.mark.parametrize("error", [ValueError("Invalid data format."), RecursionError("too deep"), KeyError()])
def test_what_the_library_cannot_read_costs_itself_only_and_is_named(imported, error):
    result, sessions = imported(flow(0), error)

    assert [len(session.steps) for session in sessions] == [1]
    assert any("x.flow, flow 2: cannot be read: " in note for note in result.notes)
    with pytest.raises(TraceError, match=r"x\.flow, flow 1: cannot be read: .+\. Was it cut off"):
        imported(error)
    with pytest.raises(TraceError, match=r"x\.flow, flow 2: cannot be read: .+\. Was it cut off"):
        imported(flow(0), error, strict=True)


@pytest.mark.parametrize("field", ["path", "host", "host_header", "scheme"])
@pytest.mark.parametrize("value", [7, b"\xff"])
def test_a_flow_whose_fields_are_of_other_types_costs_itself_only_and_is_named(imported, field, value):
    odd = flow(10)
    setattr(odd.request, field, value)

    result, sessions = imported(flow(0), odd, flow(20))

    assert sum(len(session.steps) for session in sessions) == 2
    assert any("x.flow, flow 2: cannot be read" in note for note in result.notes)


@pytest.mark.parametrize(
    ("fields", "origins"),
    [
        ({}, ("https://127.0.0.1:8080", "https://api.test")),
        ({"host_header": None}, ("https://127.0.0.1:8080",)),
        ({"host": "::1", "port": 443}, ("https://[::1]", "https://api.test")),
        ({"port": "x"}, ("https://api.test",)),
        ({"scheme": "quic"}, ()),
    ],
)
def test_where_flows_went_is_told_by_what_can_be_read_as_an_origin(imported, fields, origins):
    odd = flow()
    vars(odd.request).update(fields)

    result, _ = imported(odd)

    assert result.header.origins == origins


def test_a_dump_without_requests_is_refused(imported):
    with pytest.raises(TraceError, match=r"x\.flow: no HTTP requests in 1 flow\."):
        imported(flow(type="dns"))


def test_a_file_of_another_format_is_not_given_to_the_library(library, tmp_path):
    library(flow())
    with pytest.raises(TraceError, match=r"x\.flow: not a dump of mitmproxy\."):
        _read(tmp_path, b'{"log":{}}')


def test_a_flow_that_claims_to_be_huge_is_not_read(tmp_path):
    source = module._Bounded(io.BufferedReader(io.BytesIO(b"x" * 10)), tmp_path / "x.flow")

    assert source.read(4) == b"xxxx"
    for n in (-1, 10**12):
        with pytest.raises(TraceError, match="a flow is longer than 256 MiB"):
            source.read(n)


@given(st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 900) | st.none()), min_size=1, max_size=12))
@same_folder
def test_walked_with_the_recorded_durations_every_step_starts_as_recorded(imported, walked_starts_ms, found):
    result, (session,) = imported(*(flow(at_ms, took_ms) for at_ms, took_ms in found))

    walked = walked_starts_ms(session)
    for step in session.steps:
        assert walked[step.id] == pytest.approx(step.at_ms, abs=result.header.resolution_ms + 0.002)


needs_library = pytest.mark.skipif(
    find_spec("mitmproxy") is None, reason="needs the extra `mitmproxy`, which pins versions of other packages"
)


@pytest.fixture
def dump():
    """The bytes that mitmproxy's own writer makes of its own sample flows, 100 ms after one another."""
    from mitmproxy.io import FlowWriter
    from mitmproxy.test import tflow

    def write(n=3):
        written = io.BytesIO()
        connection = tflow.tclient_conn()
        for k in range(n):
            made = tflow.tflow(client_conn=connection, resp=True)
            made.request.timestamp_start = ZERO_S + k / 10
            made.request.timestamp_end = ZERO_S + k / 10 + 0.001
            made.response.timestamp_start = ZERO_S + k / 10 + 0.02
            made.response.timestamp_end = ZERO_S + k / 10 + 0.03
            FlowWriter(written).add(made)
        return written.getvalue()

    return write


@needs_library
def test_what_the_library_wrote_is_read(dump, tmp_path):
    data = dump()
    result, (session,) = _read(tmp_path, data)

    assert Mitmproxy().sniff(data)
    assert [(step.at_ms, step.took_ms, step.recorded.ttft_ms) for step in session.steps] == [
        (0.0, 30.0, 20.0),
        (100.0, 30.0, 20.0),
        (200.0, 30.0, 20.0),
    ]
    assert session.steps[2].after == (Edge("2", "end", 70.0),)
    assert result.header.resolution_ms == 100.0


@needs_library
def test_a_dump_that_was_cut_off_keeps_what_is_whole_and_names_the_flow(dump, tmp_path):
    result, (session,) = _read(tmp_path, dump()[:-5])

    assert [step.at_ms for step in session.steps] == [0.0, 100.0]
    assert any("x.flow, flow 3: cannot be read: Invalid data format." in note for note in result.notes)
    with pytest.raises(TraceError, match=r"x\.flow, flow 3: cannot be read: Invalid data format\."):
        _read(tmp_path, dump()[:-5], strict=True)
    with pytest.raises(TraceError, match=r"x\.flow, flow 1: cannot be read: Invalid data format\."):
        _read(tmp_path, dump(1)[:-5])


@needs_library
def test_a_dump_that_claims_a_huge_flow_is_refused(tmp_path):
    with pytest.raises(TraceError, match=r"x\.flow: a flow is longer than 256 MiB"):
        _read(tmp_path, b"999999999999:x")


@needs_library
@given(data=st.data())
@same_folder
def test_a_dump_with_any_bytes_changed_is_read_or_refused_plainly(dump, tmp_path, data):
    whole = bytearray(dump(1))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))

    try:
        _, sessions = _read(tmp_path, bytes(whole))
        found = str(sum(len(session.steps) for session in sessions))
    except TraceError as error:
        found = str(error)

    assert found == "1" or "x.flow" in found


@needs_library
@given(depth=st.integers(1, 3000))
@same_folder
def test_a_deeply_nested_dump_is_refused_plainly(tmp_path, depth):
    data = b"0:]"
    for _ in range(depth):
        data = b"%d:%b]" % (len(data), data)

    with pytest.raises(TraceError):
        _read(tmp_path, data)


def test_responses_are_kept_on_request_and_without_their_secrets(imported):
    made = flow()
    made.response.raw_content = gzip.compress(b'{"id":"r-771","token":"hush"}')
    fields = ((b"Content-Type", b"application/json"), (b"Content-Encoding", b"gzip"), (b"ETag", b'"77a1"'))
    made.response.headers = SimpleNamespace(fields=fields)

    _, (session,) = imported(made, responses="keep")

    assert session.steps[0].recorded.response_json == {"id": "r-771", "token": "redacted"}
    assert session.steps[0].recorded.response_headers == {"etag": '"77a1"'}


def test_a_response_that_unfolds_to_more_than_is_kept_is_left_out(imported):
    made = flow()
    made.response.raw_content = gzip.compress(b'"' + b"x" * 10_000_000 + b'"')
    fields = ((b"Content-Type", b"application/json"), (b"Content-Encoding", b"gzip"))
    made.response.headers = SimpleNamespace(fields=fields)

    _, (session,) = imported(made, responses="keep")

    assert session.steps[0].recorded.response_json is None


def test_a_flow_of_nothing_but_tiny_values_is_refused_before_it_is_taken_apart(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "_MOST_VALUES", 100)
    source = module._Bounded(io.BytesIO(b"0:]" * 101), tmp_path / "dump")

    with pytest.raises(TraceError, match="a flow holds more than 100 values"):
        source.read(303)


def test_messages_of_a_websocket_are_steps_and_so_is_the_clients_close(imported):
    def message(from_client, ms, content, opcode=Opcode.TEXT):
        return SimpleNamespace(
            from_client=from_client, timestamp=ZERO_S + ms / 1000, type=opcode, content=content
        )

    socket = SimpleNamespace(
        messages=[
            message(True, 30, b'{"a":1}'),
            message(False, 45, b'{"type":"done"}'),
            message(True, 50, b"", Opcode.PING),
        ],
        closed_by_client=True,
        close_code=1000,
        timestamp_end=ZERO_S + 0.08,
    )
    headers = [(b"Upgrade", b"websocket"), (b"Sec-WebSocket-Key", b"k"), (b"X-Own", b"1")]

    _, (session,) = imported(flow(0, 10, "/live", status=101, websocket=socket, headers=headers, id="f-1"))

    assert [(step.ws.action, step.at_ms, step.took_ms) for step in session.steps] == [
        ("open", 0.0, 10.0),
        ("message", 30.0, 15.0),
        ("close", 80.0, None),
    ]
    assert (session.steps[1].ws.until, session.steps[1].ws.headers) == (Until("/type", "done"), {"X-Own": "1"})


def test_a_model_call_too_long_to_be_kept_is_known_by_its_counts(imported):
    asked = {"model": "m-1", "messages": [{"role": "user", "content": [openai_image(size_bytes=1_500_000)]}]}
    told = {"object": "chat.completion", "choices": [], "usage": {"prompt_tokens": 900, "completion_tokens": 7}}
    packed = gzip.compress(json.dumps(told).encode())
    answered = {
        "timestamp_start": ZERO_S + 0.01,
        "timestamp_end": ZERO_S + 0.02,
        "status_code": 200,
        "raw_content": packed,
        "headers": SimpleNamespace(fields=((b"Content-Encoding", b"gzip"),)),
    }
    body = json.dumps(asked).encode()
    call = flow(path="/v1/chat/completions", method="POST", body=body, response=SimpleNamespace(**answered))
    result, [session] = imported(call, flow(30, path="/files", method="POST", body=body))
    first, second = session.steps

    assert (first.kind, first.request, first.llm.input_tokens, first.llm.output_tokens) == ("llm", None, 900, 7)
    assert (first.llm.model, first.llm.stream, [image.bytes for image in first.llm.images]) == (
        "m-1",
        False,
        [1_500_000],
    )
    assert (second.llm, second.request.body_bytes) == (None, len(body))
    assert any("1 model call(s) among them are known by the counts" in note for note in result.notes)


def test_one_whose_answer_tells_no_counts_leaves_its_size(imported):
    _, [session] = imported(
        flow(path="/v1/responses", method="POST", body=b'{"input":"' + b"x" * 2_000_000 + b'"}', response=None)
    )

    assert session.steps[0].request.body_bytes == 2_000_012
