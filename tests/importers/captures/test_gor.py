"""GoReplay's captures, laid out as its documentation and its own output show them."""

import contextlib
import gzip

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replay.assembly.types import ImportOptions
from replay.importers.captures.gor import Gor
from replay.trace.errors import TraceError
from replay.trace.types import Edge

SEPARATOR = "\n🐵🙈🙉\n".encode()
ZERO_NS = 1_714_557_600_000_000_000


def request(key, at_ms, path="/a", headers="", body=b"", method="GET"):
    head = f"1 {key} {ZERO_NS + int(at_ms * 1e6)} 0\n{method} {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n"
    return head.encode() + body + SEPARATOR


def response(key, at_ms, status=200, headers=""):
    head = f"HTTP/1.1 {status} OK\r\nContent-Length: 0\r\n{headers}\r\n"
    return f"2 {key} {ZERO_NS + int(at_ms * 1e6)} 5\n{head}".encode() + SEPARATOR


def imported(tmp_path, *records, **options):
    file = tmp_path / "x.gor"
    file.write_bytes(b"".join(records))
    result = Gor().read([file], ImportOptions(**options))
    return result, list(result.sessions())


def test_a_response_gives_its_request_a_duration_and_a_status(tmp_path):
    _, sessions = imported(
        tmp_path, request("a1", 0, "/users/7"), request("b2", 10), response("b2", 14, 503), response("a1", 30)
    )

    assert [s.start_ms for s in sessions] == [0.0, 10.0]
    assert [(s.steps[0].took_ms, s.steps[0].recorded.status) for s in sessions] == [(30.0, 200), (4.0, 503)]
    assert sessions[0].steps[0].name == "GET /users/*"


def test_a_header_makes_sessions_of_requests(tmp_path):
    header = "X-Run: 7\r\n"
    result, (session,) = imported(
        tmp_path,
        request("a", 0, headers=header),
        response("a", 20),
        request("b", 50, headers=header),
        response("b", 60),
        session_by="x-run",
    )

    assert session.id == "7"
    assert session.steps[1].after == (Edge("1", "end", 30.0),)
    assert "no captured response" not in " ".join(result.notes)


def test_secrets_stay_behind_and_bodies_come_along(tmp_path):
    result, (session,) = imported(
        tmp_path,
        request(
            "a", 0, "/a?api_key=hunter2", "Authorization: Bearer hunter2\r\nX-A: 1\r\n", b'{"q":1}', "POST"
        ),
    )

    made = session.steps[0].request
    assert (made.path, made.headers, bytes(made.json)) == ("/a?api_key=redacted", {"X-A": "1"}, b'{"q":1}')
    assert "Dropped: 1 header(s) that hold secrets." in result.notes


def test_what_cannot_be_read_is_counted_and_nothing_at_all_is_an_error(tmp_path):
    result, sessions = imported(tmp_path, b"noise" + SEPARATOR, request("a", 0), response("z", 5))

    assert len(sessions) == 1
    assert "Dropped: 1 record(s) that hold no HTTP request or response." in result.notes
    assert "Dropped: 1 response(s) without their request." in result.notes
    with pytest.raises(TraceError, match=r"no requests in 1 record\. Is it a capture of GoReplay\?"):
        imported(tmp_path, b"noise" + SEPARATOR)


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_read_or_refused_plainly(tmp_path, data):
    with contextlib.suppress(TraceError):
        assert imported(tmp_path, request("a", 0), data)[1]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 900)), min_size=1, max_size=12))
def test_walked_with_the_recorded_durations_every_step_starts_as_recorded(tmp_path, walked_starts_ms, found):
    records = []
    for n, (at_ms, took_ms) in enumerate(sorted(found)):
        records += [request(n, at_ms, headers="x-run: 1\r\n"), response(n, at_ms + took_ms)]

    result, (session,) = imported(tmp_path, *records, session_by="x-run")

    walked = walked_starts_ms(session)
    for step in session.steps:
        assert walked[step.id] == pytest.approx(step.at_ms, abs=result.header.resolution_ms + 0.002)


def test_a_secret_that_tells_sessions_apart_does_not_name_them(tmp_path):
    result, sessions = imported(
        tmp_path,
        request("a", 0, headers="Authorization: Bearer hunter2\r\n"),
        request("b", 40, headers="Authorization: Bearer hunter3\r\n"),
        session_by="authorization",
    )

    assert [s.id for s in sessions] == ["s1", "s2"]
    assert "hunter" not in repr((result.header, sessions, result.notes))


def test_fields_of_a_body_that_are_named_like_secrets_stay_behind(tmp_path):
    body = b'{"q":1,"password":"hunter2"}'

    _, (session,) = imported(
        tmp_path, request("a", 0, "/a", "Content-Type: application/json\r\n", body, "POST")
    )

    assert bytes(session.steps[0].request.json) == b'{"q":1,"password":"redacted"}'


def test_a_compressed_body_that_holds_a_secret_is_kept_decoded(tmp_path):
    secret = gzip.compress(b'{"token":"hunter2"}')
    headers = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n"

    _, (session,) = imported(tmp_path, request("a", 0, "/a", headers, secret, "POST"))

    made = session.steps[0].request
    assert (bytes(made.json), made.headers) == (b'{"token":"redacted"}', {"Content-Type": "application/json"})


def test_a_compressed_body_that_cannot_be_looked_into_is_filled_to_its_size(tmp_path):
    cut = gzip.compress(b'{"token":"hunter2"}')[:-3]
    headers = "Content-Type: application/json\r\nContent-Encoding: gzip\r\n"

    result, (session,) = imported(tmp_path, request("a", 0, "/a", headers, cut, "POST"))

    made = session.steps[0].request
    assert (made.body_base64, made.body_bytes) == (None, len(cut))
    assert made.headers == {"Content-Type": "application/json"}
    assert "Inferred: 1 compressed body(s) that may hold secrets are filled to their size." in result.notes


def test_a_session_that_is_named_like_a_request_without_one_stays_apart(tmp_path):
    _, sessions = imported(
        tmp_path,
        request("a", 0, headers="X-Run: r2\r\n"),
        request("b", 10),
        request("c", 20),
        session_by="x-run",
    )

    assert [session.id for session in sessions] == ["r2", "r2~", "r3"]


def test_values_that_differ_only_far_behind_are_sessions_of_their_own(tmp_path):
    long = "x" * 500
    _, sessions = imported(
        tmp_path,
        request("a", 0, headers=f"X-Run: {long}1\r\n"),
        request("b", 10, headers=f"X-Run: {long}2\r\n"),
        session_by="x-run",
    )

    assert len({session.id for session in sessions}) == 2
    assert all(len(session.id) == 200 for session in sessions)


@pytest.mark.parametrize(
    ("headers", "kind"),
    [
        ("content-type: Application/JSON; charset=utf-8\r\n", "application/json"),
        ("Content-Type: <b>\r\n", None),
        ("", None),
    ],
)
def test_the_type_of_an_answer_is_kept(tmp_path, headers, kind):
    _, [session] = imported(tmp_path, request("a1", 0), response("a1", 30, headers=headers))

    assert session.steps[0].recorded.content_type == kind
