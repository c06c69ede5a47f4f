"""Envoy's access logs in text become sessions of requests."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replay.assembly.types import ImportOptions
from replay.importers.logs.access_log import AccessLog
from replay.importers.logs.envoy_log import EnvoyLog
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter
from replay.trace.types import Edge, Recorded

IMPORTER = EnvoyLog()
DEFAULT = (
    '[2024-05-01T10:00:{seconds}Z] "POST /runs/17?key=hunter2 HTTP/2" 201 - 154 87 226 100 "192.0.2.7,10.0.0.1" '
    '"agent/1" "cc21d9b0" "api.example.com" "10.0.2.1:80"'
)
ISTIO = (
    '[2024-05-01T10:00:{seconds}Z] "POST /runs/17?key=hunter2 HTTP/2" 201 - via_upstream - "-" 154 87 226 100 '
    '"192.0.2.7,10.0.0.1" "agent/1" "cc21d9b0" "api.example.com" "10.0.2.1:80" outbound|80||api.example.com '
    "10.0.0.5:4242 10.0.0.6:80 10.0.0.5:4241 - default"
)


@pytest.fixture
def imported(tmp_path):
    """Imports these lines; gives the trace's sessions and the import itself."""

    def run(*lines, **options):
        path = tmp_path / "envoy.log"
        path.write_text("".join(f"{line}\n" for line in lines))
        result = IMPORTER.read([path], ImportOptions(**options))
        return list(result.sessions()), result

    return run


@pytest.mark.parametrize("text", [DEFAULT, ISTIO])
def test_a_line_is_a_step_that_began_when_it_says(imported, text):
    [session], result = imported(text.format(seconds="00.310"), text.format(seconds="00.610"))
    assert [(step.at_ms, step.took_ms) for step in session.steps] == [(0, 226), (300, 226)]
    assert session.steps[1].after == (Edge("1", "end", 74),)
    step = session.steps[0]
    assert (step.name, step.request.path) == ("POST /runs/*", "/runs/17?key=redacted")
    assert step.request.body_bytes == 154
    assert step.recorded == Recorded(status=201, request_bytes=154, response_bytes=87)
    assert step.attributes == {"request_id": "cc21d9b0", "upstream_ms": "100"}
    assert result.header.resolution_ms == 10
    assert IMPORTER.sniff(text.format(seconds="00.310").encode())
    assert not AccessLog().sniff(text.format(seconds="00.310").encode())


def test_what_failed_before_it_had_an_answer_is_read(imported):
    line = (
        '[2024-05-01T10:00:00.310Z] "GET /a HTTP/1.1" 503 UF,URX upstream_reset{connection_refused} - '
        '"delayed connect error: 111" 0 91 3 - "-" "agent/1" "-" "api" "-"'
    )
    [session], _ = imported(line)
    [step] = session.steps
    assert step.recorded == Recorded(status=503, request_bytes=0, response_bytes=91)
    assert step.attributes == {"response_flags": "UF,URX"}


@pytest.mark.parametrize(
    ("session_by", "ids"), [("authority", ["a", "b"]), ("request_id", ["cc21d9b0"]), ("client", ["s1"])]
)
def test_what_names_a_session_may_be_chosen(imported, session_by, ids):
    lines = [DEFAULT.format(seconds="00.0").replace("api.example.com", each) for each in ("a", "b")]
    assert [session.id for session in imported(*lines, session_by=session_by)[0]] == ids


def test_lines_of_another_kind_are_counted_and_too_many_are_refused(imported, tmp_path):
    _, result = imported(DEFAULT.format(seconds="00.0"), "[info] starting")
    assert result.header.attributes["import"]["unreadable"] == 1
    with pytest.raises(TraceError) as caught:
        imported("[info] starting")
    assert str(caught.value) == (
        f"{tmp_path}/envoy.log, line 1: not in Envoy's default access log format. Name the format that it is in, or "
        "leave it out."
    )


pieces = st.sampled_from(
    ["[2024-05-01T10:00:00Z]", " ", '"', "GET /x HTTP/2", "200", "-", "0", '"-"', "via_upstream"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(pieces | st.text(max_size=8), max_size=30).map("".join))
def test_no_line_is_refused_with_a_traceback_or_makes_a_step_that_cannot_be_sent(imported, tmp_path, text):
    text = text.encode("utf-8", "replace").decode().replace("\n", " ").replace("\r", " ")
    sessions, result = imported(DEFAULT.format(seconds="00.0"), text)
    with TraceWriter(tmp_path / "t.jsonl", result.header) as writer:
        for session in sessions:
            writer.write(session)


def test_a_long_line_that_nearly_matches_is_refused_quickly(imported):
    damaged = DEFAULT.format(seconds="00.0").split(" 154")[0] + " x" * 30_000
    _, result = imported(DEFAULT.format(seconds="00.0"), damaged)
    assert result.header.attributes["import"]["unreadable"] == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9_999), st.integers(0, 3_000)), min_size=1, max_size=30))
def test_a_walk_of_what_was_imported_starts_when_the_log_says(imported, walked_starts_ms, times):
    lines = []
    for start_ms, took_ms in times:
        text = DEFAULT.format(seconds=f"{start_ms // 1_000:02}.{start_ms % 1_000:03}")
        lines.append(text.replace("/runs/17?key=hunter2", f"/{start_ms}").replace(" 226 ", f" {took_ms} "))
    sessions, result = imported(*lines)
    first_ms = min(start_ms for start_ms, _ in times)
    found = 0
    for session in sessions:
        walked = walked_starts_ms(session)
        for step in session.steps:
            assert session.start_ms + step.at_ms == pytest.approx(int(step.request.path[1:]) - first_ms)
            assert -1e-6 <= walked[step.id] - step.at_ms < result.header.resolution_ms
            found += 1
    assert found == len(times)
