"""Cloud Run's request logs become sessions of requests."""

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replay.assembly.types import ImportOptions
from replay.importers.logs.cloud_run import CloudRun
from replay.importers.logs.json_log import JsonLog
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter
from replay.trace.types import Edge, Recorded

IMPORTER = CloudRun()
REQUEST = {
    "requestMethod": "POST",
    "requestUrl": "https://agent-abc-uc.a.run.app/runs/17?key=hunter2",
    "requestSize": "312",
    "status": 200,
    "responseSize": "87",
    "userAgent": "curl/8",
    "remoteIp": "192.0.2.7",
    "serverIp": "192.0.2.1",
    "latency": "0.058927s",
    "protocol": "HTTP/1.1",
}


def entry(seconds="00.250000", labels=None, received=None, **request):
    return {
        "insertId": "1",
        "httpRequest": {**REQUEST, **request},
        "resource": {
            "type": "cloud_run_revision",
            "labels": {"service_name": "agent", "revision_name": "agent-00007", "location": "us-central1"},
        },
        "timestamp": f"2024-05-01T10:00:{seconds}Z",
        "severity": "INFO",
        "labels": {"instanceId": "0087f1", **(labels or {})},
        "logName": "projects/p/logs/run.googleapis.com%2Frequests",
        "trace": f"projects/p/traces/t{seconds[:2]}",
        "receiveTimestamp": f"2024-05-01T10:00:{received or '59.0'}Z",
    }


@pytest.fixture
def imported(tmp_path):
    """Imports these entries, as lines or as bytes; gives the trace's sessions and the import itself."""

    def run(*entries, **options):
        path = tmp_path / "requests.json"
        lines = [each if isinstance(each, bytes) else msgspec.json.encode(each) for each in entries]
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        result = IMPORTER.read([path], ImportOptions(**options))
        return list(result.sessions()), result

    return run


def told(result):
    return result.header.attributes["import"]


def test_an_entry_is_a_step(imported):
    [session], result = imported(entry())
    [step] = session.steps
    assert (step.kind, step.name, step.took_ms) == ("http", "POST /runs/*", 58.927)
    assert (step.request.method, step.request.path) == ("POST", "/runs/17?key=redacted")
    assert step.request.body_bytes == 112
    assert step.recorded == Recorded(
        status=200, request_bytes=312, request_counts_head=True, response_bytes=87, counts_head=True
    )
    assert step.attributes == {
        "instance": "0087f1",
        "service": "agent",
        "revision": "agent-00007",
        "trace": "t00",
    }
    assert result.header.resolution_ms == 10
    assert "192.0.2.7" not in repr((session, result))


def test_the_timestamp_is_the_start(imported):
    [session], result = imported(entry("00.250000"), entry("00.400000"))
    assert [step.at_ms for step in session.steps] == [0, 150]
    assert session.steps[1].after == (Edge("1", "end", 91.073),)
    assert (
        "The timestamp of an entry is taken as the start of its request, as Cloud Run writes it."
        in result.notes
    )


def test_entries_that_were_received_before_their_requests_could_have_ended_are_stamped_at_the_end(imported):
    late = {"latency": "3.5s", "received": "04.1"}
    [session], result = imported(entry("04.000", **late), entry("05.000", latency="0.5s", received="05.1"))
    assert [(step.at_ms, step.took_ms) for step in session.steps] == [(0, 3_500), (4_000, 500)]
    assert any("taken as the end" in note for note in result.notes)


def test_an_array_and_an_answer_of_the_api_are_read_too(imported):
    entries = [entry("00.250000"), entry("00.400000")]
    lines = imported(*entries)[0]
    assert repr(imported(msgspec.json.format(msgspec.json.encode(entries), indent=2))[0]) == repr(lines)
    answer = {"entries": entries, "nextPageToken": "x"}
    assert repr(imported(msgspec.json.format(msgspec.json.encode(answer), indent=2))[0]) == repr(lines)


def test_a_latency_may_be_an_object(imported):
    [session], _ = imported(entry(latency={"seconds": "1", "nanos": 500_000_000}))
    assert session.steps[0].took_ms == 1_500


@pytest.mark.parametrize("latency", [None, "", "-1s", "soon", {"seconds": "x"}, []])
def test_a_latency_that_is_none_is_unknown(imported, latency):
    [session], _ = imported(entry(latency=latency))
    assert session.steps[0].took_ms is None


def test_a_latency_that_is_a_number_is_in_seconds(imported):
    [session], _ = imported(entry(latency=7))
    assert session.steps[0].took_ms == 7_000


def test_an_applications_own_entries_are_left_out(imported):
    sessions, result = imported({"textPayload": "hello", "timestamp": "2024-05-01T10:00:00Z"}, entry())
    assert len(sessions) == 1
    assert told(result)["dropped"] == {"entries without httpRequest": 1}
    assert told(result)["inferred"]["request(s) with a body, which is filled to the size recorded"] == 1


@pytest.mark.parametrize(
    ("session_by", "ids"),
    [
        ("trace", ["projects/p/traces/t00", "projects/p/traces/t01"]),
        ("labels.example.com/run", ["a", "b"]),
        ("httpRequest.status", ["200"]),
        ("query:run", ["1", "2"]),
        ("client", ["s1"]),
    ],
)
def test_what_names_a_session_may_be_chosen(imported, session_by, ids):
    sessions, _ = imported(
        entry("00.0", {"example.com/run": "a"}, requestUrl="https://a.run.app/?run=1"),
        entry("01.0", {"example.com/run": "b"}, requestUrl="https://a.run.app/?run=2"),
        session_by=session_by,
    )
    assert [session.id for session in sessions] == ids


def test_entries_without_a_time_are_counted_and_the_first_is_named(imported, tmp_path):
    untimed = {**entry(), "timestamp": "yesterday"}
    _, result = imported(entry(), untimed)
    place = f"{tmp_path}/requests.json, line 2"
    said = f"{place}: httpRequest without a timestamp like 2024-05-01T10:00:00.123456Z."
    assert f"1 line(s) could not be read. The first: {said}" in result.notes
    with pytest.raises(
        TraceError, match=r"line 1: httpRequest without a timestamp like 2024-05-01T10:00:00.123456Z.$"
    ):
        imported(untimed)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "line 2: not valid JSON: Input data was truncated."),
        (b'{"httpRequest":' + b"[" * 100_000, "line 2: nested too deeply to be read."),
        (b"\xff", "line 2: not valid UTF-8."),
    ],
)
def test_what_is_no_json_is_counted_and_the_first_is_named(imported, tmp_path, data, said):
    _, result = imported(entry(), data)
    assert f"1 line(s) could not be read. The first: {tmp_path}/requests.json, {said}" in result.notes


def test_the_format_is_told_by_its_first_bytes():
    assert IMPORTER.sniff(msgspec.json.format(msgspec.json.encode([entry()]), indent=2))
    assert IMPORTER.sniff(msgspec.json.encode(entry()))
    assert not JsonLog().sniff(msgspec.json.encode(entry()))
    assert not IMPORTER.sniff(b'{"status":200}')


values = st.none() | st.booleans() | st.integers(0, 10**12) | st.text(max_size=10) | st.just({"seconds": 1})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(st.sampled_from([*REQUEST]), values, max_size=6), st.text(max_size=20))
def test_no_entry_is_refused_with_a_traceback_or_makes_a_step_that_cannot_be_sent(
    imported, tmp_path, fields, field
):
    sessions, result = imported(entry(), {**entry(**fields), field: "x"}, entry(), session_by="trace")
    with TraceWriter(tmp_path / "t.jsonl", result.header) as writer:
        for session in sessions:
            writer.write(session)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 9_999_999_999), st.none() | st.integers(0, 3_000_000)), min_size=1, max_size=30
    )
)
def test_a_walk_of_what_was_imported_starts_when_the_log_says(imported, walked_starts_ms, times):
    """Every request is found at its recorded start, to the microsecond."""
    entries = []
    for start_ns, took_us in times:
        latency = None if took_us is None else f"{took_us / 1e6:.6f}s"
        seconds = f"{start_ns // 10**9:02}.{start_ns % 10**9:09}"
        entries.append(entry(seconds, latency=latency, requestUrl=f"https://a/{start_ns}"))
    sessions, result = imported(*entries)
    first_us = min(start_ns for start_ns, _ in times) // 1_000
    found = 0
    for session in sessions:
        walked = walked_starts_ms(session)
        for step in session.steps:
            start_us = int(step.request.path[1:]) // 1_000
            assert session.start_ms + step.at_ms == pytest.approx((start_us - first_us) / 1_000)
            assert -1e-6 <= walked[step.id] - step.at_ms < result.header.resolution_ms
            found += 1
    assert found == len(times)


def test_names_of_fields_may_be_those_of_protobuf(imported):
    """Such exports were refused."""

    def renamed(told):
        snake = lambda name: "".join(f"_{each.lower()}" if each.isupper() else each for each in name)  # noqa: E731
        return {snake(name): value for name, value in told.items()}

    asked = entry(latency={"seconds": "0", "nanos": 120_000_000})
    given = {**renamed(asked), "http_request": renamed(asked["httpRequest"])}

    assert IMPORTER.sniff(msgspec.json.encode(given))
    assert imported(given)[0] == imported(asked)[0]
