"""Access logs in JSON become sessions of requests, whatever server wrote them."""

import json

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS
from replay.importers.logs.json_log import JsonLog
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter
from replay.trace.types import Edge, Recorded

IMPORTER = JsonLog()
NGINX = {
    "msec": "1714557600.900",
    "time_iso8601": "2024-05-01T10:00:00+00:00",
    "request_time": "0.123",
    "upstream_response_time": "0.120",
    "request_method": "POST",
    "request_uri": "/orders/17?full=1",
    "status": "201",
    "request_length": "700",
    "body_bytes_sent": "87",
    "remote_addr": "192.0.2.7",
    "http_user_agent": "curl/8",
    "http_referer": "https://example.com/?token=x",
    "request_id": "abc",
}
ENVOY = {
    "start_time": "2024-05-01T10:00:00.900Z",
    "duration": 123,
    "method": "POST",
    "path": "/orders/17",
    "response_code": 201,
    "response_flags": "-",
    "bytes_received": 700,
    "bytes_sent": 87,
    "x_forwarded_for": "192.0.2.7,10.0.0.1",
    "downstream_remote_address": "10.0.0.9:5123",
    "user_agent": "curl/8",
    "request_id": "abc",
    "x_envoy_upstream_service_time": "120",
}
CADDY = {
    "level": "info",
    "ts": 1714557601.023,
    "request": {"remote_ip": "192.0.2.7", "method": "POST", "uri": "/orders/17", "headers": {"X-Run": ["r1"]}},
    "duration": 0.123,
    "size": 87,
    "status": 201,
}


@pytest.fixture
def imported(tmp_path):
    """Imports these objects or bytes, a line each; gives the trace's sessions and the import itself."""

    def run(*entries, **options):
        path = tmp_path / "access.json"
        lines = [each if isinstance(each, bytes) else msgspec.json.encode(each) for each in entries]
        path.write_bytes(b"".join(line + b"\n" for line in lines))
        result = IMPORTER.read([path], ImportOptions(**options))
        return list(result.sessions()), result

    return run


def only_step(imported, entry):
    [session], _ = imported(entry)
    [step] = session.steps
    return step


def told(result):
    return result.header.attributes["import"]


def test_nginx_stamps_the_end_and_its_finest_clock_is_used(imported):
    [session], result = imported(NGINX, {**NGINX, "msec": "1714557600.950", "request_time": "0.010"})
    assert [(step.at_ms, step.took_ms) for step in session.steps] == [(0, 123), (163, 10)]
    assert session.steps[1].after == (Edge("1", "end", 40),)
    step = session.steps[0]
    assert (step.name, step.request.method, step.request.path) == (
        "POST /orders/*",
        "POST",
        "/orders/17?full=1",
    )
    assert step.recorded == Recorded(status=201, request_bytes=700, request_counts_head=True, response_bytes=87)
    assert step.attributes == {"request_id": "abc", "upstream_s": "0.120"}
    assert result.header.resolution_ms == 10
    assert told(result)["stamped_at_end"] == 2
    assert told(result)["dropped"] == {"referer(s)": 2}


def test_envoy_stamps_the_start_and_counts_milliseconds(imported):
    [session], result = imported(ENVOY, {**ENVOY, "start_time": "2024-05-01T10:00:01.100Z"})
    assert [(step.at_ms, step.took_ms) for step in session.steps] == [(0, 123), (200, 123)]
    step = session.steps[0]
    assert (step.request.body_bytes, step.recorded.response_bytes) == (700, 87)
    assert step.attributes == {"request_id": "abc", "upstream_ms": "120"}
    assert told(result)["stamped_at_start"] == 2


def test_what_is_in_the_request_is_looked_into(imported):
    step = only_step(imported, CADDY)
    assert (step.name, step.took_ms) == ("POST /orders/*", 123)
    assert step.recorded == Recorded(status=201, response_bytes=87)


def test_keys_may_be_written_otherwise(imported):
    entry = {
        "@timestamp": "2024-05-01T10:00:00Z",
        "Request": "GET /a HTTP/1.1",
        "Status": 200,
        "X-Forwarded-For": "a",
    }
    step = only_step(imported, entry)
    assert (step.name, step.took_ms, step.recorded.status) == ("GET /a", None, 200)


def test_a_query_of_its_own_belongs_to_the_path(imported):
    entry = {
        "time": "2024-05-01T10:00:00Z",
        "method": "GET",
        "uri": "/a",
        "args": "b=1&api_key=x",
        "status": 200,
    }
    assert only_step(imported, entry).request.path == "/a?b=1&api_key=redacted"


@pytest.mark.parametrize(
    ("key", "value", "took_ms"),
    [
        ("duration_ms", 12.5, 12.5),
        ("duration_us", 12, 0.012),
        ("duration_ns", 12_000, 0.012),
        ("latency_ns", 12_000, 0.012),
        ("elapsed_seconds", 1.5, 1_500),
        ("latency", "1.5s", 1_500),
        ("duration", "12ms", 12),
        ("duration", 12, None),
        ("request_time", "-", None),
        ("request_time", -1, None),
        ("request_time", True, None),
        ("request_time", [1], None),
    ],
)
def test_a_duration_needs_a_unit(imported, key, value, took_ms):
    entry = {"time": "2024-05-01T10:00:00Z", "method": "GET", "path": "/a", "status": 200, key: value}
    assert only_step(imported, entry).took_ms == took_ms


@pytest.mark.parametrize(
    ("durations", "took_ms"),
    [
        # The same time twice, once rounded.
        ({"duration_s": 0, "duration_ms": 250}, 250),
        ({"duration_s": 1, "duration_ms": 1250}, 1250),
        ({"latency_seconds": 1, "latency_ms": 1250}, 1250),
        ({"duration_sec": 1, "latency_millis": 1250}, 1250),
        ({"request_time_s": 0, "duration_us": 250_000}, 250),
        ({"duration_ms": 0, "duration_us": 250}, 0.25),
        ({"elapsed_time_s": 0, "elapsed_time_ns": 250_000_000}, 250),
        ({"request_time": 0, "request_time_ms": 250}, 250),
        ({"took_s": 0, "took_ms": 250}, 250),
        # What the request took, and something else.
        ({"elapsed_seconds": 86_400, "latency_ms": 250}, 250),
        ({"elapsed_ns": 86_400_000_000_000, "latency_ms": 250}, 250),
        ({"took_us": 1, "response_time_ms": 250}, 250),
        ({"elapsed_s": 86_400, "duration_s": 0.25}, 250),
        ({"duration_ms": 1, "latency_ms": 250, "request_time_ms": 300}, 300),
        ({"latency_ns": 1_000_000, "request_time_ms": 300}, 300),
        ({"duration_ms": 1, "request_time": "0.300"}, 300),
        # Not every one of them is a duration.
        ({"latency_ms": "n/a", "duration_ms": 250}, 250),
        ({"request_time": "2024-05-01T10:00:00Z", "duration_ms": 250}, 250),
        ({"latency_ms": "n/a", "duration_ms": "-"}, None),
    ],
)
def test_of_several_durations_the_one_that_tells_most_of_the_request_is_taken(imported, durations, took_ms):
    told = {"time": "2024-05-01T10:00:00Z", "method": "GET", "path": "/a", "status": 200}
    backwards = dict(reversed(durations.items()))

    assert only_step(imported, told | durations).took_ms == took_ms
    assert only_step(imported, told | backwards).took_ms == took_ms


def test_a_duration_without_a_unit_is_counted(imported):
    _, result = imported({"time": 1714557600, "method": "GET", "path": "/a", "status": 200, "duration": 12})
    assert told(result)["dropped"] == {"duration(s) without a unit in name or value": 1}


@pytest.mark.parametrize(
    ("session_by", "ids"),
    [
        ("run", ["7", "8"]),
        ("Labels.Run-Id", ["x.y", "s2"]),
        ("query:q", ["1", "2"]),
        ("session_token", ["s1", "s2"]),
        ("client", ["s1"]),
    ],
)
def test_a_session_is_told_by_a_key_or_by_one_in_an_object(imported, session_by, ids):
    first = {**NGINX, "run": 7, "labels": {"run-id": "x.y"}, "request_uri": "/?q=1", "session_token": "a"}
    second = {**NGINX, "run": 8, "labels": 3, "request_uri": "/?q=2", "session_token": "b"}
    sessions, _ = imported(first, second, session_by=session_by)
    assert [session.id for session in sessions] == ids


def test_values_named_like_secrets_do_not_get_into_the_trace(imported):
    sessions, result = imported({**NGINX, "session_token": "hunter2"}, session_by="session_token")
    assert "hunter2" not in repr((sessions, result))


def test_damaged_lines_are_counted_and_the_first_is_named(imported, tmp_path):
    deep = b'{"a":' * 50_000 + b"1" + b"}" * 50_000
    lines = [b"{", b"[1]", b'{"a":Nan}', b"\xff", deep, {"status": 200}, {"msec": -5}]
    _, result = imported(*[NGINX] * 8, *lines)
    assert told(result)["unreadable"] == 7
    place = f"{tmp_path}/access.json, line 9"
    assert f"7 line(s) could not be read. The first: {place}: not a JSON object." in result.notes
    with pytest.raises(TraceError, match=r"line 1: no request with a time: a key like .* So 2 of 2 lines"):
        imported({"status": 200}, {"msec": -5})


def test_a_line_that_is_no_request_is_left_out(imported):
    _, result = imported(NGINX, {"time": "2024-05-01T10:00:00Z", "msg": "started"})
    assert told(result)["dropped"]["line(s) without a method and path"] == 1


def test_logs_in_a_folder_may_be_named_for_json_or_not(tmp_path):
    (tmp_path / "access.log").write_bytes(msgspec.json.encode(NGINX))
    assert len(list(IMPORTER.read([tmp_path], ImportOptions()).sessions())) == 1
    (tmp_path / "access.jsonl").write_bytes(msgspec.json.encode({**NGINX, "request_uri": "/other"}))
    [session] = IMPORTER.read([tmp_path], ImportOptions()).sessions()
    assert session.steps[0].name == "POST /other"


def test_an_end_tells_the_duration_from_any_start_and_goes_before_an_instant_of_another_kind(imported):
    ended = {"finished_at": "2024-05-01T10:00:02Z", "method": "GET", "path": "/a", "status": 200}
    step = only_step(imported, {**ended, "request_start": "2024-05-01T10:00:00.500Z"})
    assert step.took_ms == 1500
    _, result = imported({**ended, "timestamp": "2024-05-01T10:00:09Z", "took_ms": 500})
    assert told(result)["first_unix_ns"] == 1_714_557_601_500_000_000


def test_what_a_response_says_of_its_own_counts_unless_the_line_says_it(imported):
    entry = {
        "time": "2024-05-01T10:00:00Z",
        "method": "GET",
        "path": "/a",
        "response": {"status": 404, "size": 9},
    }
    assert only_step(imported, entry).recorded == Recorded(status=404, response_bytes=9)
    assert only_step(imported, {**entry, "status": 200}).recorded == Recorded(status=200, response_bytes=9)


@pytest.mark.parametrize("entry", [NGINX, ENVOY, CADDY])
def test_the_format_is_told_by_its_first_line(entry):
    assert IMPORTER.sniff(msgspec.json.encode(entry) + b"\n{")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[1]",
        b'{"timestamp":1,"input_length":3,"hash_ids":[]}',
        b'{"method":"GET","url":"http://a/"}',
        b'{"timestamp":"2024-05-01T10:00:00Z","httpRequest":{"requestMethod":"GET","requestUrl":"/","status":200}}',
    ],
)
def test_other_formats_are_not_taken_for_it(text):
    assert not IMPORTER.sniff(text)


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.just({"uri": 1})
entries = st.dictionaries(st.sampled_from([*NGINX, *ENVOY, "request", "ts"]), values, max_size=12)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(entries)
def test_no_entry_is_refused_with_a_traceback_or_makes_a_step_that_cannot_be_sent(imported, tmp_path, entry):
    try:
        sessions, result = imported(NGINX, ENVOY, {**NGINX, **entry}, session_by="request_id")
    except TraceError as error:
        assert "31 years" in str(error)  # noqa: PT017
        return
    with TraceWriter(tmp_path / "t.jsonl", result.header) as writer:
        for session in sessions:
            writer.write(session)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 9_999), st.integers(0, 3_000)), min_size=1, max_size=30), st.booleans()
)
def test_a_walk_of_what_was_imported_starts_when_the_log_says(imported, walked_starts_ms, times, is_envoy):
    zero_ms = 1_714_557_600_000
    entries = []
    for start_ms, took_ms in times:
        common = {"path": f"/{start_ms}", "method": "GET", "status": 200}
        if is_envoy:
            entries.append({"start_time": zero_ms + start_ms, "duration": took_ms, **common})
        else:
            end_ms = zero_ms + start_ms + took_ms
            entries.append(
                {"msec": f"{end_ms / 1_000:.3f}", "request_time": f"{took_ms / 1_000:.3f}", **common}
            )
    sessions, result = imported(*entries)
    first_ms = min(start_ms for start_ms, _ in times)
    found = 0
    for session in sessions:
        walked = walked_starts_ms(session)
        for step in session.steps:
            assert session.start_ms + step.at_ms == pytest.approx(int(step.request.path[1:]) - first_ms)
            assert -1e-6 <= walked[step.id] - step.at_ms < result.header.resolution_ms
            found += 1
    assert found == len(times)


KONG = {
    "started_at": 1767225600000,
    "latencies": {"request": 15, "proxy": 12, "kong": 3},
    "request": {"method": "GET", "uri": "/a", "size": 120, "headers": {"host": "api.test"}},
    "response": {"status": 200, "size": 300},
    "client_ip": "192.0.2.1",
}
CLOUDFLARE = {
    "ClientRequestMethod": "GET",
    "ClientRequestURI": "/a",
    "ClientRequestHost": "api.test",
    "EdgeResponseStatus": 200,
    "EdgeResponseBytes": 300,
    "ClientIP": "192.0.2.1",
}
AZURE = {
    "time": "2026-01-01T00:00:00.015Z",
    "category": "FrontDoorAccessLog",
    "properties": {
        "httpMethod": "GET",
        "requestUri": "https://api.test:443/a",
        "httpStatusCode": "200",
        "timeTaken": "0.015",
        "responseBytes": "300",
        "clientIp": "192.0.2.1",
        "hostName": "api.test",
    },
}
VERCEL = {
    "timestamp": 1767225600009,
    "proxy": {"timestamp": 1767225600000, "method": "GET", "path": "/a", "statusCode": 200, "host": "api.test"},
}
DOTTED = {
    "asctime": "2026-01-01 00:00:00,015",
    "message": "done",
    "http.method": "GET",
    "http.target": "/a",
    "http.status_code": 200.0,
    "http.duration_ms": "15.0",
    "http.host": "api.test",
}


OPEN_TELEMETRY = {
    "@timestamp": "2026-01-01T00:00:00.015Z",
    "http.request.method": "GET",
    "url.path": "/a",
    "http.response.status_code": 200,
    "event.duration": 15_000_000,
    "client.address": "192.0.2.1",
}
OF_OWN = {"completed_at": "2026-01-01T00:00:00.015Z", "verb": "GET", "route": "/a", "code": 200, "took_ms": 15}
NESTED = {
    "timestamp": 1_767_225_600_015_000_000,
    "request": {"method": "GET", "url": "http://api.test/a"},
    "response": {"status": 200},
    "duration_ns": 15_000_000,
}
FLUENT_BIT = {
    "date": 1767225600.0,
    "remote": "192.0.2.1",
    "host": "-",
    "method": "GET",
    "path": "/a",
    "code": "200",
}


@pytest.mark.parametrize(
    ("told", "took_ms"),
    [
        (OPEN_TELEMETRY, 15.0),
        (OF_OWN, 15.0),
        (NESTED, 15.0),
        (FLUENT_BIT, None),
        (KONG, 15.0),
        (
            {**CLOUDFLARE, "EdgeStartTimestamp": 1767225600000000000, "EdgeEndTimestamp": 1767225600015000000},
            15.0,
        ),
        (
            {
                **CLOUDFLARE,
                "EdgeStartTimestamp": "2026-01-01T00:00:00Z",
                "EdgeEndTimestamp": "2026-01-01T00:00:01Z",
            },
            1000.0,
        ),
        (AZURE, 15.0),
        (VERCEL, None),
        (DOTTED, 15.0),
    ],
)
def test_logs_of_gateways_and_networks_are_known_by_their_keys(told, took_ms, tmp_path):
    file = tmp_path / "requests.log"
    file.write_text(f"{json.dumps(told)}\n" * 2)
    importer = IMPORTERS["json-log"]
    assert importer.sniff(file.read_bytes())

    result = importer.read([file], ImportOptions())
    (session,) = result.sessions()

    step = session.steps[0]
    assert (step.request.method, step.request.path, step.recorded.status) == ("GET", "/a", 200)
    assert step.took_ms == took_ms
    assert result.header.attributes["import"]["first_unix_ns"] == 1_767_225_600_000_000_000


def test_bytes_that_json_has_no_escape_for_are_what_apache_wrote(imported):
    """Apache's %U, and nginx without escape=json, write bytes in hexadecimal."""
    text = (
        rb'{"time": "2026-01-01T00:00:00Z", "method": "GET", "path": "/\xc3\xa9/\x22?a=\x5cx41", "status": 200}'
    )

    assert only_step(imported, text).request.path == "/%C3%A9/%22?a=%5Cx41".replace("%22", '"').replace(
        "%5C", "\\"
    )


def test_a_backslash_that_was_escaped_is_no_byte(imported):
    text = rb'{"time": "2026-01-01T00:00:00Z", "method": "GET", "path": "/a?b=\\x41", "status": 200, "n": NaN}'

    assert only_step(imported, text).request.path == "/a?b=\\x41"


@pytest.mark.parametrize("text", [rb'{"path": "\xzz"}', rb'{"path": "\x41', rb"\x41\x42", rb'"\x41"'])
def test_bytes_in_hexadecimal_are_no_excuse_for_what_is_no_object(imported, text):
    _, result = imported(NGINX, text)

    assert told(result)["unreadable"] == 1


def test_a_request_beside_a_method_may_be_its_path(imported):
    """Apache's "%U%q" under that name."""
    entry = {"time": "2026-01-01T00:00:00Z", "method": "PUT", "request": "/a b?c=1", "status": 201}

    step = only_step(imported, entry)

    assert (step.request.method, step.request.path, step.recorded.status) == ("PUT", "/a%20b?c=1", 201)


def test_what_express_winston_writes(imported):
    request = {
        "method": "DELETE",
        "url": "/a",
        "originalUrl": "/v1/a?i=0",
        "headers": {"host": "h:5", "user-agent": "x"},
    }
    meta = {"req": request, "res": {"statusCode": 500}, "responseTime": 22}
    entry = {
        "level": "info",
        "message": "HTTP DELETE /v1/a",
        "meta": meta,
        "timestamp": "2026-12-01T01:17:29.052Z",
    }

    step = only_step(imported, entry)

    assert (step.request.path, step.took_ms, step.recorded.status) == ("/v1/a?i=0", 22, 500)


@pytest.mark.parametrize("keys", [None, "start=time,method=method,path=path"])
@pytest.mark.parametrize("lines", [1, 40])
def test_a_method_that_is_written_small_is_the_method(tmp_path, keys, lines):
    entry = {"time": "2024-05-01T10:00:00Z", "method": "get", "path": "/a", "status": 200}
    path = tmp_path / "requests.json"
    path.write_text(f"{json.dumps(entry)}\n" * lines)

    result = JsonLog().read([path], ImportOptions(keys=keys))

    assert {step.request.method for session in result.sessions() for step in session.steps} == {"GET"}
