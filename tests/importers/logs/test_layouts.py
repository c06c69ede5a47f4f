"""Logs of load balancers and proxies, laid out as their makers document them, become sessions of requests."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.importers.logs.elb_log import ELB_LOG
from replay.importers.logs.haproxy_log import HAPROXY_LOG
from replay.trace.errors import TraceError
from replay.trace.types import Recorded
from tests.support.imported_logs import first_us, imported_as

ARN = "arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067"
TRACE = "Root=1-58337262-36d228ad5d99923122bbe354"
ALB = (
    "h2 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 10.0.1.252:48160 10.0.0.66:9000 "
    '0.010 0.102 0.001 201 200 305 257 "POST https://10.0.2.105:773/runs?key=hunter2 HTTP/2.0" "curl/7.46.0" '
    f'ECDHE-RSA-AES128-GCM-SHA256 TLSv1.2 {ARN} "{TRACE}" "api.example.com" "arn:x" 1 2018-07-02T22:23:00.070000Z '
    '"redirect" "https://example.com:80/" "-" "10.0.0.66:9000" "200" "-" "-" TID_1234 "-" "-" "-"'
)
ALB_2016 = (
    "http 2016-08-10T22:08:42.945958Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 "
    '0.000 0.001 0.000 200 200 34 366 "GET http://www.example.com:80/ HTTP/1.1" "curl/7.46.0" - - '
    f'{ARN} "{TRACE}"'
)
CLB = (
    "2015-05-13T23:39:43.945958Z my-loadbalancer 192.168.131.39:2817 10.0.0.1:80 0.000086 0.001048 0.001337 200 200 "
    '0 57 "GET https://www.example.com:443/a HTTP/1.1" "curl/7.38.0" DHE-RSA-AES128-SHA TLSv1.2'
)
CLB_TCP = (
    "2015-05-13T23:39:43.945958Z my-loadbalancer 192.168.131.39:2817 10.0.0.1:80 0.001069 0.000028 0.000041 - - "
    '82 305 "- - - " "-" - -'
)
NLB = (
    "tls 2.0 2018-12-20T02:59:40 net/my-network-loadbalancer/c6e77e28c25b2234 g3d4b5e8bb8464cd 72.21.218.154:51341 "
    "172.100.100.185:443 5 2 98 246 - arn:x - ECDHE-RSA-AES128-SHA tlsv12 - my.elb.amazonaws.com - - -"
)
HAPROXY = (
    "10.0.1.2:33317 [06/Feb/2009:12:14:14.655] http-in static/srv1 10/0/30/69/109 200 2750 - - ---- 1/1/1/1/0 0/0 "
    '{1wt.eu} {} "GET /index.html?key=hunter2 HTTP/1.1"'
)
CLOUDFRONT = """#Version: 1.0
#Fields: date time x-edge-location sc-bytes c-ip cs-method cs(Host) cs-uri-stem sc-status cs(Referer) cs(User-Agent) \
cs-uri-query cs(Cookie) x-edge-result-type x-edge-request-id x-host-header cs-protocol cs-bytes time-taken \
x-forwarded-for
2019-12-04\t21:02:31\tLAX1\t392\t192.0.2.100\tGET\td111111abcdef8.cloudfront.net\t/index.html\t200\t-\t\
Mozilla/5.0%2520(X11)\tkey=hunter2\t-\tHit\tSOX4xwn4XV6Q4rgb7Xi==\tapi.example.com\thttps\t23\t0.001\t-
2019-12-04\t21:02:33\tLAX1\t392\t192.0.2.100\tPOST\td111111abcdef8.cloudfront.net\t/run\t504\t-\t\
Mozilla/5.0%2520(X11)\t-\t-\tError\tk6WGMNkEzR5Bew==\tapi.example.com\thttps\t230\t2\t203.0.113.7
"""
IIS = """#Software: Microsoft Internet Information Services 10.0
#Version: 1.0
#Date: 2024-05-01 10:00:00
#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) \
sc-status sc-substatus sc-win32-status time-taken
2024-05-01 10:00:01 10.0.0.4 GET /a.aspx id=1 443 - 192.0.2.7 Mozilla/5.0+(Windows+NT+10.0) - 200 0 0 1500
#Fields: date time cs-method cs-uri-stem c-ip sc-status sc-win32-status time-taken
2024-05-01 10:00:04 POST /b 192.0.2.7 500 64 2000
"""


@pytest.fixture
def imported(tmp_path):
    """Imports these lines as this format; gives the trace's steps and the import itself."""

    def run(name, text, **options):
        return imported_as(name, text, tmp_path / "server.log", **options)

    return run


def test_an_application_load_balancers_request_began_when_it_was_made(imported):
    [step], result = imported("elb-log", ALB)

    assert first_us(result) == 1_530_570_180_070_000
    assert (step.took_ms, step.request.method, step.request.path) == (113.0, "POST", "/runs?key=redacted")
    assert step.request.body_bytes == 112
    assert step.recorded == Recorded(
        status=201, request_bytes=305, request_counts_head=True, response_bytes=257, counts_head=True
    )
    assert step.attributes == {"trace": TRACE}
    assert result.header.origins


def test_of_a_request_that_no_target_answered_the_duration_lies_between_its_times(imported):
    line = ALB.replace("0.010 0.102 0.001 201 200", "0.001 -1 -1 504 -")
    [step], _ = imported("elb-log", line)

    assert (step.took_ms, step.recorded.status) == (116.641, 504)


def test_a_line_without_the_time_of_creation_tells_the_end(imported):
    [step], result = imported("elb-log", ALB_2016)

    assert (first_us(result) % 1_000_000, step.took_ms) == (944_958, 1.0)


def test_a_classic_load_balancer_tells_when_it_received_a_request(imported):
    [step], result = imported("elb-log", f"{CLB}\n{CLB_TCP}\n")

    assert (first_us(result) % 1_000_000, step.took_ms, step.request.path) == (945_958, 2.471, "/a")
    assert result.header.attributes["import"]["dropped"] == {"connection(s) of TCP listeners": 1}


@pytest.mark.parametrize("kind", ["ws", "wss"])
def test_a_websocket_through_a_load_balancer_is_no_request(imported, kind):
    steps, result = imported("elb-log", f"{ALB}\n{kind}{ALB[2:]}\n")

    assert len(steps) == 1
    assert result.header.attributes["import"]["dropped"] == {"WebSocket(s)": 1}


def test_connections_of_a_network_load_balancer_are_refused_with_the_reason(imported):
    with pytest.raises(TraceError) as caught:
        imported("elb-log", f"{NLB}\n")

    assert str(caught.value).endswith(
        "server.log, line 1: tells of a TLS connection of a Network Load Balancer, and of no request that could be "
        "replayed."
    )


@pytest.mark.parametrize(
    "prefix", ["", "<134>", "haproxy[674]: ", "Feb  6 12:14:14 localhost haproxy[14389]: ", "<134>Feb  6 12:14:14 haproxy[1]: "]
)  # fmt: skip
def test_haproxys_request_began_when_it_says_behind_any_prefix(imported, prefix):
    [step], result = imported("haproxy-log", f"{prefix}{HAPROXY}\n")

    assert first_us(result) == 1_233_922_454_655_000
    assert (step.took_ms, step.request.path) == (109.0, "/index.html?key=redacted")
    assert step.recorded == Recorded(status=200, response_bytes=2750, counts_head=True)
    assert step.attributes == {"server": "static/srv1"}


def test_what_haproxy_could_not_read_or_had_not_ended_is_told(imported):
    """The second line was written by HAProxy 2.6 for a request that was none, the third for a server that was down."""
    lines = [
        HAPROXY.replace("/109 200", "/+109 200"),
        "127.0.0.1:57378 [29/Nov/2026:09:42:57.707] fe fe/<NOSRV> -1/-1/-1/-1/0 400 0 - - PR-- 1/1/0/0/0 0/0 "
        '"<BADREQ>"',
        "127.0.0.1:57394 [29/Nov/2026:09:42:58.106] fe be/s1 0/0/-1/-1/3004 503 217 - - SC-- 1/1/0/0/3 0/0 {127.0.0.1} "
        '"GET /down HTTP/1.1"',
        '192.0.2.7:1 [29/Nov/2026:09:42:59.106] fe~ be/s1 0/0/0/1/4 200 2 - - ---- 1/1/0/0/3 0/0 "GET https://a.example/x '
        'HTTP/2.0" 0/0000000000000000/0/0/0 a.example/TLSv1.3/TLS_AES_256_GCM_SHA384',
    ]
    steps, result = imported("haproxy-log", "\n".join(lines), session_by="frontend")

    assert [step.took_ms for step in steps] == [None, 3004.0, 4.0]
    assert steps[1].attributes == {"server": "be/s1", "termination": "SC"}
    assert steps[2].request.path == "/x"
    dropped = result.header.attributes["import"]["dropped"]
    assert dropped["line(s) with a request that HAProxy could not parse"] == 1
    assert [session.id for session in result.sessions()] == ["http-in", "fe"]


@pytest.mark.parametrize(
    "line",
    [
        "192.0.2.7:50033 [28/Feb/2025:02:43:10.123] fe/web: SSL handshake failure (error:0A0000C1:no shared cipher)",
        "192.0.2.7:50033 [28/Feb/2025:02:43:10.123] fe~ be/s1 1/0/5007 212 -- 0/0/0/0/3 0/0",
        "Feb 25 16:19:38 web-1 haproxy[1]: Proxy fe started.",
        "Server be/s1 is DOWN, reason: Layer4 timeout, check duration: 2001ms. 1 active and 0 backup servers left.",
        "[WARNING] 059/161938 (1) : Server be/s1 is DOWN.",
    ],
)
def test_what_haproxy_tells_besides_is_no_damage(imported, line):
    steps, result = imported("haproxy-log", f"{line}\n{line}\n{HAPROXY}\n")

    told = result.header.attributes["import"]
    assert (len(steps), told["unreadable"], sum(told["dropped"].values())) == (1, 0, 2)


def test_cloudfronts_columns_are_read_by_their_names(imported):
    steps, result = imported("w3c-log", CLOUDFRONT)

    sessions = list(result.sessions())
    assert [session.attributes["user_agent"] for session in sessions] == ["Mozilla/5.0 (X11)"] * 2
    assert first_us(result) == 1_575_493_350_999_000
    assert [step.took_ms for step in steps] == [1.0, 2_000.0]
    assert steps[0].request.path == "/index.html?key=redacted"
    assert steps[0].attributes == {"request_id": "SOX4xwn4XV6Q4rgb7Xi==", "cache": "Hit"}
    assert steps[1].request.body_bytes == 77
    assert result.header.origins == ("https://api.example.com",)


def test_iis_counts_ms_and_may_name_its_columns_anew(imported):
    steps, result = imported("w3c-log", IIS)

    assert first_us(result) == 1_714_557_599_500_000
    assert [(step.request.path, step.took_ms) for step in steps] == [("/a.aspx?id=1", 1500.0), ("/b", 2000.0)]
    assert next(result.sessions()).attributes["user_agent"] == "Mozilla/5.0 (Windows NT 10.0)"


def test_a_duration_without_a_unit_is_not_used(imported):
    text = "#Fields: date time cs-method cs-uri time-taken\n2024-05-01 10:00:01 GET /a 7\n"
    [step], result = imported("w3c-log", text)

    assert step.took_ms is None
    told = "duration(s) of which neither the software nor a fraction tells the unit"
    assert result.header.attributes["import"]["dropped"] == {told: 1}


STANDARD = CLOUDFRONT.partition("\n")[2].partition("\n")[2].splitlines()
REAL_TIME = (
    "1575493352.001\t192.0.2.100\t0.101\t200\t392\tPOST\thttps\tapi.example.com\t/run\t230\tLAX53-P1\tSOX4==\t"
    "d1.cloudfront.net\t0.250\tHTTP/2.0\tIPv4\tcurl/8.0\t-\t-\tkey=hunter2\tHit\t-\tTLSv1.3\tTLS_AES\tHit"
)


def test_cloudfronts_lines_are_known_without_the_line_that_names_the_columns(imported):
    """As they are left by `zcat *.gz | grep -v '^#'`; their order only ever grew."""
    grown = "\t".join(
        [STANDARD[0], "TLSv1.3\tTLS_AES\tHit\tHTTP/2.0\t-\t-\t51754\t0.001\tHit\ttext/plain\t20\t-\t-"]
    )
    steps, result = imported("w3c-log", f"{STANDARD[0]}\n{STANDARD[1]}\n{grown}\n")
    whole, _ = imported("w3c-log", CLOUDFRONT)

    assert [(step.took_ms, step.request, step.recorded) for step in steps[:2]] == [
        (step.took_ms, step.request, step.recorded) for step in (whole[0], whole[0])
    ]
    assert (steps[2].request.path, result.header.attributes["import"]["unreadable"]) == ("/run", 0)


def test_cloudfronts_real_time_lines_have_columns_of_their_own(imported):
    [step], result = imported("w3c-log", REAL_TIME + "\n")

    assert first_us(result) == 1_575_493_351_751_000
    assert (step.took_ms, step.request.method, step.request.path) == (250.0, "POST", "/run?key=redacted")
    assert step.recorded == Recorded(
        status=200, request_bytes=230, request_counts_head=True, response_bytes=392, counts_head=True
    )
    assert result.header.resolution_ms == 1.0


ADVANCED = """#Software: IIS Advanced Logging Module

#Fields:  date-local time-local s-ip cs-method cs-uri-stem cs-uri-query c-ip cs(User-Agent) cs(Host) sc-status TimeTakenMS
2012-08-15 17:00:00.363 10.0.0.4 GET /a - "192.0.2.7" "Mozilla/5.0 (""X11""; Linux)" "shop.example.com" 200 109
2012-08-15 17:00:01.363 10.0.0.4 GET /b - - - "shop.example.com" 301 0
"""


def test_cells_in_quotes_hold_blanks_and_local_times_are_said_to_be_such(imported):
    steps, result = imported("w3c-log", ADVANCED)

    assert [(step.request.path, step.took_ms) for step in steps] == [("/a", 109.0), ("/b", 0.0)]
    assert next(result.sessions()).attributes["user_agent"] == 'Mozilla/5.0 ("X11"; Linux)'
    told = "time(s) of the server's own zone, which is not recorded; they are taken as UTC"
    assert result.header.attributes["import"]["inferred"] == {told: 2}
    assert first_us(result) == 1_345_050_000_254_000


def test_a_host_may_stand_before_the_path_and_a_start_beside_the_end(imported):
    """As Imperva writes its lines, every cell in quotes."""
    text = (
        "#Software: Incapsula LOGS API\n#Fields: date time c-ip cs-uri cs-method cs-uri-query sc-status cs-start\n"
        '"2017-06-28" "07:26:35" "192.0.2.7" "www.example.com/page.php" "GET" "id=1" "200" "1498634795055"\n'
    )
    [step], result = imported("w3c-log", text)

    assert (step.request.path, first_us(result)) == ("/page.php?id=1", 1_498_634_795_055_000)
    assert result.header.origins == ("https://www.example.com",)


def test_rows_with_a_time_alone_are_of_the_day_that_the_head_names(imported):
    text = (
        "#Software: Microsoft IIS 4.0\n#Date: 2000-10-09 16:44:49\n#Fields: time c-ip cs-method cs-uri-stem\n"
    )
    _, result = imported("w3c-log", text + "16:44:50 192.0.2.7 GET /a\n")

    assert first_us(result) == 971_109_890_000_000


def test_columns_of_iis_tell_no_unit_where_the_software_is_another(imported):
    text = IIS.replace("Microsoft Internet Information Services 10.0", "Netscaler Web Logging(NSWL)")
    steps, _ = imported("w3c-log", text)

    assert [step.took_ms for step in steps] == [None, None]


@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("2024-05-01 10:00:01 GET", "3 fields, where the #Fields line names 4."),
        ("2024-05-01 noon GET /a", "has no date and time."),
    ],
)
def test_a_row_of_other_columns_costs_itself_only(imported, row, why):
    good = "#Fields: date time cs-method cs-uri\n" + "2024-05-01 10:00:01 GET /a\n" * 2
    steps, result = imported("w3c-log", f"{good}{row}\n")

    assert len(steps) == 2
    assert any(note.endswith(f"line 4: {why}") for note in result.notes)


PINO = {
    "level": 30,
    "time": 1_714_557_600_500,
    "req": {
        "id": 1,
        "method": "GET",
        "url": "/a?token=x",
        "headers": {"host": "h"},
        "remoteAddress": "192.0.2.7",
    },
    "res": {"statusCode": 200, "headers": {"content-length": "3"}},
    "responseTime": 20,
    "msg": "request completed",
}
ECS = {
    "@timestamp": "2024-05-01T10:00:00.500Z",
    "http": {
        "request": {"method": "POST", "body": {"bytes": 12}},
        "response": {"status_code": 200, "bytes": 3},
    },
    "url": {"path": "/a", "query": "token=x"},
    "event": {"duration": 20_000_000},
    "client": {"ip": "192.0.2.7"},
}
ECS_DOTTED = {
    "@timestamp": "2024-05-01T10:00:00.480Z",
    "event.start": "2024-05-01T10:00:00.480Z",
    "http.request.method": "POST",
    "http.response.status_code": 200,
    "http.response.body.bytes": 3,
    "url.original": "/a?token=x",
    "event.duration": 20_000_000,
}
GATEWAY = {
    "requestId": "c6af9ac6",
    "ip": "192.0.2.7",
    "requestTimeEpoch": "1714557600480",
    "httpMethod": "GET",
    "path": "/a?token=x",
    "status": "200",
    "responseLength": "3",
    "responseLatency": "20",
}
GATEWAY_ROUTE = {
    **{key: value for key, value in GATEWAY.items() if key not in ("httpMethod", "path")},
    "routeKey": "GET /a?token=x",
}


def test_api_gateway_may_name_the_status_by_its_code(imported):
    entry = {
        "requestId": "r", "httpStatusCode": "200", "httpMethod": "GET", "resourcePath": "/runs", "requestTimeEpoch": "1680997508004",
        "responseLatency": "23", "responseLength": "9", "authorizer": {"status": "403", "latency": "0"},
    }  # fmt: skip
    [step], result = imported("json-log", json.dumps(entry) + "\n")

    assert first_us(result) == 1_680_997_508_004_000
    assert (step.took_ms, step.request.path, step.recorded.status) == (23.0, "/runs", 200)


@pytest.mark.parametrize("entry", [PINO, ECS, ECS_DOTTED, GATEWAY, GATEWAY_ROUTE])
def test_layouts_with_objects_and_keys_of_their_own_are_read(imported, entry):
    [step], result = imported("json-log", json.dumps(entry) + "\n")

    assert (first_us(result), step.took_ms, step.request.path) == (
        1_714_557_600_480_000,
        20.0,
        "/a?token=redacted",
    )
    assert (step.recorded.status, step.recorded.response_bytes) == (200, 3)


@given(text=st.text(max_size=60), at=st.integers(0, 400))
@pytest.mark.parametrize(("layout", "line"), [(ELB_LOG, ALB), (ELB_LOG, CLB), (HAPROXY_LOG, HAPROXY)])
def test_whatever_stands_in_a_line_it_is_read_or_not(layout, line, text, at):
    read = layout.read(line[:at] + text + line[at:])

    assert isinstance(read, str) or 0 <= read.stamp_ns < 1 << 63


@pytest.mark.parametrize(
    ("layout", "own"), [(ELB_LOG, ALB), (HAPROXY_LOG, HAPROXY)], ids=["elb-log", "haproxy-log"]
)
@pytest.mark.parametrize("piece", ['"', " ", "{", "1/", "[x] ", "a ", '" "', "\\"])
def test_a_pattern_ends_in_time_whatever_a_long_line_repeats(layout, own, piece):
    """One that tries every way to divide such a line would not end while the tests run."""
    for line in (ALB, HAPROXY):
        is_told = layout.tells(line[:200] + piece * 20_000 + "\n")

        assert not is_told or line is own
