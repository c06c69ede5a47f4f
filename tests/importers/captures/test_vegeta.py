"""Targets of vegeta become single requests, without their secrets and without reading other files."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.assembly.types import ImportOptions
from replay.importers.captures.targets import LARGEST_BODY_BYTES, Targets
from replay.importers.captures.vegeta import VEGETA
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceReader, TraceWriter


@pytest.fixture
def imported(tmp_path):
    def read(text, **options):
        path = tmp_path / "targets.txt"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        result = Targets(VEGETA).read([path], ImportOptions(**options))
        with TraceWriter(tmp_path / "out.jsonl", result.header) as writer:
            for session in result.sessions():
                writer.write(session)
        return result, list(result.sessions())

    return read


def steps_of(sessions):
    return [session.steps[0] for session in sessions]


def test_text_targets_have_headers_and_need_no_blank_lines_between_them(imported):
    text = "# a comment\nGET http://user:pw@shop:8080/a?b=c\nPUT http://shop/d\nX-Account: 8\nAuthorization: Bearer x\n\nHEAD http://shop\n"
    result, sessions = imported(text, arrivals="every:2s")
    steps = steps_of(sessions)
    assert [(step.request.method, step.request.path, step.request.headers) for step in steps] == [
        ("GET", "/a?b=c", {}),
        ("PUT", "/d", {"X-Account": "8"}),
        ("HEAD", "/", {}),
    ]
    assert [session.start_ms for session in sessions] == [0.0, 2000.0, 4000.0]
    assert steps[0].attributes == {"host": "shop:8080"}
    assert [(step.kind, step.name) for step in steps] == [
        ("http", "GET /a"),
        ("http", "PUT /d"),
        ("http", "HEAD /"),
    ]
    assert result.notes == (
        "3 request(s). Neither times nor durations are recorded.",
        "The requests were laid out by --arrivals every:2s.",
        "Dropped: 1 header(s) that hold secrets.",
        "Secrets were taken out of 1 URL(s).",
    )


def test_a_body_file_is_never_read(imported, tmp_path):
    (tmp_path / "secret").write_text("inside")
    result, sessions = imported(f"POST http://a/b\n@{tmp_path / 'secret'}\n")
    request = sessions[0].steps[0].request
    assert (request.body, request.body_base64, request.body_bytes) == (None, None, None)
    assert (
        "Dropped: 1 body(ies) out of files or forms. A trace takes no path from its input: write such targets as JSON, "
        "with the body in them."
    ) in result.notes


def target(**fields):
    return json.dumps({"method": "POST", "url": "http://a/b", **fields}) + "\n"


def test_json_targets_bring_their_bodies(imported):
    text = (
        target(
            body=base64.b64encode('{"a":"ü"}'.encode()).decode(), header={"Content-Type": ["application/json"]}
        )
        + target(body=base64.b64encode(b"\xff\x00").decode(), header={"Accept": ["a", "b"], "Cookie": ["c"]})
        + target(body=base64.b64encode(bytes(LARGEST_BODY_BYTES + 1)).decode())
        + target(url="http://a/ü b?token=t")
    )
    _, sessions = imported(text)
    first, second, third, fourth = (step.request for step in steps_of(sessions))
    assert (bytes(first.json).decode(), first.headers) == ('{"a":"ü"}', {"Content-Type": "application/json"})
    assert (second.body_base64, second.headers) == ("/wA=", {"Accept": "a, b"})
    assert third.body_bytes == LARGEST_BODY_BYTES + 1
    assert fourth.path == "/%C3%BC%20b?token=redacted"


def test_several_targets_arrive_at_random_unless_something_else_is_chosen(imported):
    result, sessions = imported("GET http://a/\nGET http://a/\n")
    assert sessions[1].start_ms > 0
    assert result.header.attributes["import"]["arrivals"] == "poisson:6/min"
    assert imported("GET http://a/\n")[0].header.attributes["import"]["arrivals"] == "at-once"


def test_every_session_is_the_same_each_time_it_is_read(imported):
    result, sessions = imported("GET http://a/1\nGET http://a/2\n")
    assert list(result.sessions()) == sessions


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", ": no targets. Write them as METHOD URL, or as JSON objects."),
        ("hello\n", ', line 1: "hello" is not a valid target. Write METHOD URL, as in GET http://localhost:8080/'),
        ("GET http://a/\nhello\n", ', line 2: "hello" is neither a target, a header (Name: value), nor a body (@file).'),
        ("GET /a\n", ', line 1: "GET" "/a" is not a method and an absolute URL, as in GET http://localhost:8080/.'),
        ("GET http://[::1/\n", ', line 1: "http://[::1/" is not a URL.'),
        (b"GET http://a/\xff\n", ", line 1: not valid UTF-8."),
        ('{"method":"GET"}\n', ", line 1: object missing required field url."),
        ('{"method":"GET","url":"http://a/","body":"%"}\n', ", line 1: body: not base64."),
        ('{"method":"G T","url":"http://a/"}\n', ', line 1: "G T" "http://a/" is not a method and an absolute URL, as in GET http://localhost:8080/.'),
        ("{" * 100_000 + "\n", ", line 1: not valid JSON: object keys must be strings (byte 1)."),
        ("GET http://a/\n" + "a: b\n" * 1001, ", line 1002: more than 1,000 headers of one target."),
    ],
)  # fmt: skip
def test_what_is_no_target_is_refused_with_its_place(imported, tmp_path, text, message):
    with pytest.raises(TraceError) as caught:
        imported(text)
    assert str(caught.value) == f"{tmp_path / 'targets.txt'}{message}"


def test_the_format_is_told_from_text_and_json_but_not_from_other_json():
    sniff = Targets(VEGETA).sniff
    assert sniff(b"GET http://a/\nX: y\n")
    assert sniff(b'{"method": "GET", "url": "http://a/"}\n{"me')
    assert not sniff(b'{"method": "GET", "url": "/a", "status": 200}\n')
    assert not sniff(b"GET /a HTTP/1.1\r\n")
    assert not sniff(b"\xff\xfe")


@given(st.binary(max_size=200), st.sampled_from([b"", b"GET http://a/\n", b'{"method":"GET","url":"http://a/']))
def test_whatever_the_bytes_there_is_a_trace_or_a_plain_error(tmp_path_factory, data, before):
    path = tmp_path_factory.getbasetemp() / "targets"
    path.write_bytes(before + data)
    try:
        result = Targets(VEGETA).read([path], ImportOptions())
    except TraceError:
        return
    with TraceWriter(path.with_suffix(".jsonl"), result.header) as writer:
        for session in result.sessions():
            writer.write(session)
    with TraceReader(path.with_suffix(".jsonl")) as reader:
        assert len(list(reader)) == writer.sessions
