"""Steps as request bytes."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.engine.requests import render
from replay.engine.requests.render import Renderer
from replay.target.auth import Auth
from replay.target.sending import Connections
from replay.target.target import Target
from replay.trace.types import LlmCall, Recorded, Request, Step
from replay.wire.signin.credentials import Credentials

TOKEN = st.text(st.sampled_from("abcXYZ019-_.!#$%&'*+^`|~"), min_size=1, max_size=10)
VALUE = st.text(st.characters(blacklist_characters="\r\n\0", blacklist_categories=("Cs",)), max_size=20)
PATH = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=20).map("/".__add__)


def renderer(url="http://host:8080", run_id="r", **fields):
    target = Target(url=url, name="t", **fields)
    return Renderer(target, url, Credentials(target.auth), run_id)


def step(request=None, **fields):
    return Step(id="a", kind="tool", name="x", request=request, **fields)


def parsed(rendered):
    """The request as another implementation of HTTP reads it."""
    server = h11.Connection(h11.SERVER)
    server.receive_data(rendered.head + rendered.body)
    request = server.next_event()
    body = b""
    while isinstance(event := server.next_event(), h11.Data):
        body += bytes(event.data)
    assert isinstance(event, h11.EndOfMessage)
    headers = [(name.decode(), value) for name, value in request.headers]
    return request.method.decode(), request.target.decode(), headers, body


@given(method=TOKEN, path=PATH, headers=st.dictionaries(TOKEN, VALUE, max_size=4), body=st.binary(max_size=50))
def test_another_implementation_reads_the_same_request(method, path, headers, body):
    request = Request(method=method, path=path, headers=headers, body=body.decode("latin-1"))

    rendered = renderer().render(step(request), "s")

    lines = rendered.head.split(b"\r\n")
    assert lines[0] == f"{method} {path.partition('#')[0]} HTTP/1.1".encode()
    assert lines[-2:] == [b"", b""]
    assert all(lines[1:-2])
    assert rendered.body == request.body.encode()


def test_a_recorded_request_is_sent_as_it_was():
    request = Request(
        method="POST", path="/x?q=1", headers={"X-One": "1", "Content-Type": "text/csv"}, body="a,b"
    )

    method, path, headers, body = parsed(renderer("http://host:8080/base/").render(step(request), "s"))

    assert (method, path, body) == ("POST", "/base/x?q=1", b"a,b")
    assert ("x-one", b"1") in headers
    assert [value for name, value in headers if name == "content-type"] == [b"text/csv"]
    assert ("host", b"host:8080") in headers
    assert ("content-length", b"3") in headers


def test_headers_of_the_recordings_own_connection_are_left_out():
    recorded = {"Host": "prod", "Connection": "close", "Content-Length": "9", "Transfer-Encoding": "chunked"}
    _, _, headers, _ = parsed(renderer().render(step(Request(method="GET", path="/", headers=recorded)), "s"))

    names = [name for name, _ in headers]
    assert ("host", b"host:8080") in headers
    assert not {"connection", "content-length", "transfer-encoding"} & set(names)
    assert names.count("host") == 1


def test_the_target_overrides_the_recording_and_credentials_override_both(monkeypatch):
    monkeypatch.setenv("TOKEN", "live")
    made = renderer(headers={"X-Env": "staging", "Authorization": "file"}, auth=Auth(bearer_env="TOKEN"))
    recorded = {"x-env": "prod", "authorization": "old", "user-agent": "agent/1"}
    _, _, headers, _ = parsed(made.render(step(Request(method="GET", path="/", headers=recorded)), "s"))

    assert [value for name, value in headers if name == "x-env"] == [b"staging"]
    assert [value for name, value in headers if name == "authorization"] == [b"Bearer live"]
    assert [value for name, value in headers if name == "user-agent"] == [b"agent/1"]


@pytest.mark.parametrize(
    ("request_", "content_type", "length"),
    [
        (Request(method="POST", path="/", body_bytes=100_000), b"application/octet-stream", 100_000),
        (Request(method="POST", path="/", body_base64="aGk="), b"application/octet-stream", 2),
        (Request(method="POST", path="/", body="é"), b"text/plain; charset=utf-8", 2),
        (Request(method="POST", path="/"), None, 0),
    ],
)
def test_a_body_is_framed_by_its_length(request_, content_type, length):
    _, _, headers, body = parsed(renderer().render(step(request_), "s"))

    assert len(body) == length
    assert ("content-length", str(length).encode()) in headers
    assert dict(headers).get("content-type") == content_type


def test_a_get_without_a_body_has_no_length():
    _, _, headers, _ = parsed(renderer().render(step(Request(method="GET", path="/")), "s"))

    assert "content-length" not in dict(headers)


def test_traceparent_depends_on_run_session_and_step_and_can_be_left_out():
    request = Request(method="GET", path="/", headers={"traceparent": "recorded"})
    one = dict(parsed(renderer().render(step(request), "s"))[2])["traceparent"]

    assert one == dict(parsed(renderer().render(step(request), "s"))[2])["traceparent"]
    assert one != dict(parsed(renderer(run_id="q").render(step(request), "s"))[2])["traceparent"]
    assert dict(parsed(renderer(traceparent=False).render(step(request), "s"))[2])["traceparent"] == b"recorded"


def test_steps_of_a_session_share_a_trace_id_however_many_sessions_came_between(monkeypatch):
    monkeypatch.setattr(render, "_MOST_TRACES", 2)
    one, plain = renderer(), step(Request(method="GET", path="/"))

    def ids(session):
        found = dict(parsed(one.render(plain, session))[2])["traceparent"].split(b"-")
        return found[1], found[2]

    first = [ids(session) for session in ("s", "é", "x\udc80", "s")]
    again = [ids(session) for session in ("x\udc80", "é", "s", "s")]

    assert first[0] == first[3] == again[2] == again[3]
    assert (first[1], first[2]) == (again[1], again[0])
    assert len({trace for trace, _ in first}) == len({span for _, span in first}) == 3


@pytest.mark.parametrize(
    ("method", "is_safe"),
    [("GET", True), ("HEAD", True), ("OPTIONS", True), ("POST", False), ("DELETE", False)],
)
def test_only_safe_methods_may_be_sent_again(method, is_safe):
    assert renderer().render(step(Request(method=method, path="/")), "s").is_idempotent is is_safe


def test_a_model_call_becomes_the_shapes_request():
    call = step(llm=LlmCall(input_tokens=5, output_tokens=3, stream=True))
    rendered = renderer(connections=Connections(reuse="none")).render(call, "s")

    method, path, headers, _ = parsed(rendered)
    assert (method, path, rendered.is_stream) == ("POST", "/v1/chat/completions", True)
    assert ("connection", b"close") in headers


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("http://h:80", b"h"),
        ("https://h:443", b"h"),
        ("https://h:80", b"h:80"),
        ("http://[::1]:8080", b"[::1]:8080"),
    ],
)
def test_the_host_header_names_the_port_only_where_it_is_not_the_schemes_own(url, host):
    _, _, headers, _ = parsed(renderer(url).render(step(Request(method="GET", path="/")), "s"))

    assert dict(headers)["host"] == host


def test_a_target_may_be_told_how_long_a_step_took_when_it_was_recorded():
    recorded = step(Request("GET", "/"), took_ms=140.0, recorded=Recorded(ttft_ms=20.5))

    said = b"\r\nx-replay-recorded-ms: 140.000 20.500\r\n"
    assert said in renderer(send_recorded_ms=True).render(recorded, "s").head
    assert said not in renderer().render(recorded, "s").head
