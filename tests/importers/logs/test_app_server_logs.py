"""What Heroku's router, uvicorn and uWSGI tell of requests stands among lines of the application, and is told from them."""

import json

import pytest

from replay.trace.errors import TraceError
from replay.trace.types import Recorded
from tests.support.imported_logs import first_us, imported_as


@pytest.fixture
def imported(tmp_path):
    """Imports these lines, which must be told to be of this format alone: the steps, and the import itself."""

    def run(name, *lines, **options):
        return imported_as(name, "".join(f"{line}\n" for line in lines), tmp_path / "app.log", **options)

    return run


ROUTED = (
    'at=info method=POST path="/runs?key=hunter2" host=a.example request_id=r-1 fwd="192.0.2.7, 10.0.0.1" dyno=web.1 '
    "connect=7001ms service=459ms status=200 bytes=15225 protocol=https"
)
FAILED = (
    'at=error code=H12 desc="Request timeout" method=GET path="/" host=a.example request_id=r-2 fwd="192.0.2.7" '
    "dyno=web.1 connect=1ms service=30001ms status=503 bytes=0 protocol=https"
)
OF_DYNOS = (
    "2025-08-08T06:58:51.593828+00:00 heroku[web.1]: State changed from starting to up",
    '2025-08-08T06:58:53.547493+00:00 app[web.1]: INFO:     192.0.2.7:0 - "GET / HTTP/1.1" 200 OK',
)


@pytest.mark.parametrize(
    "front",
    [
        "2025-08-08T06:58:53.550240+00:00 heroku[router]: ",
        "<158>1 2025-08-08T06:58:53.550240+00:00 host heroku router - ",
        "277 <158>1 2025-08-08T06:58:53.550240+00:00 d.1f heroku router - ",
    ],
)
def test_herokus_router_writes_when_a_request_has_ended(imported, front):
    steps, result = imported("heroku-log", *OF_DYNOS, front + ROUTED, front + FAILED)

    failed, routed = steps
    assert first_us(result) == 1_754_636_333_550_240 - 30_002_000
    assert (routed.took_ms, routed.request.method, routed.request.path) == (
        7460.0,
        "POST",
        "/runs?key=redacted",
    )
    assert routed.recorded == Recorded(status=200, response_bytes=15225, counts_head=True)
    assert routed.attributes == {"request_id": "r-1", "dyno": "web.1"}
    assert failed.attributes["error"] == "H12"
    told = result.header.attributes["import"]
    assert (told["clients"], told["unreadable"]) == (1, 0)
    assert told["dropped"]["line(s) of dynos and of the platform"] == 2


def half(later_ms, name="req-1", host="h", **told):
    base = {"level": 30, "time": 1_767_225_600_000 + later_ms, "pid": 7, "hostname": host, "reqId": name}
    return json.dumps({**base, **told})


def came(later_ms, url, **more):
    req = {"method": "GET", "url": url, "host": "a.example", "remoteAddress": "192.0.2.7"}
    return half(later_ms, **more, req=req, msg="incoming request")


def ended(later_ms, took_ms, status=200, **more):
    return half(later_ms, **more, res={"statusCode": status}, responseTime=took_ms, msg="request completed")


def test_fastifys_two_lines_of_a_request_are_put_together(imported):
    """Ids are the process's own, begin anew with it, and other lines of it have them, too."""
    steps, result = imported(
        "fastify-log",
        json.dumps({"level": 30, "time": 1_767_225_599_000, "pid": 7, "msg": "Server listening"}),
        came(0, "/a?key=hunter2"),
        came(10, "/b", host="i"),
        half(12, msg="asking the model"),
        ended(58, 57.5, status=503),
        ended(60, 50.25, host="i"),
        came(100, "/cut"),
        came(200, "/c"),
        ended(240, 40),
        ended(300, 1, name="req-9"),
    )

    told = sorted((step.request.path, step.took_ms, step.recorded and step.recorded.status) for step in steps)
    assert told == [("/a?key=redacted", 57.5, 503), ("/b", 50.25, 200), ("/c", 40.0, 200), ("/cut", None, None)]
    assert first_us(result) == 1_767_225_600_000_000
    attributes = result.header.attributes["import"]
    assert attributes["dropped"]["line(s) of the application itself"] == 3
    assert attributes["inferred"]["request(s) whose end was not logged have no duration"] == 1
    assert result.header.origins == ("https://a.example",)


@pytest.mark.parametrize("took_ms", [-1, 1e300])
def test_a_response_time_that_is_none_is_not_taken(imported, took_ms):
    [step], _ = imported("fastify-log", came(0, "/a"), ended(5, took_ms))

    assert step.took_ms is None


SAID = '192.0.2.7:38194 - "POST /v1/chat/completions?key=hunter2 HTTP/1.1" 200 OK'


@pytest.mark.parametrize(
    "line",
    [
        f"2026-07-14 22:37:50,765 INFO:     {SAID}",
        f"(APIServer pid=34633) [2026-07-14 22:37:50,765] INFO:     {SAID}",
        f"2026-07-14 22:37:50,765 - uvicorn.access - INFO - {SAID.removesuffix(' OK')}",
        f"2026-07-14T22:37:50.765123456Z stdout F INFO:     {SAID}",
        f"web-1  | 2026-07-14T22:37:50.765Z INFO:     {SAID}",
        "2026-07-15T00:37:50.765+02:00 \x1b[32mINFO\x1b[0m:     192.0.2.7:38194 - "
        '"\x1b[1mPOST /v1/chat/completions?key=hunter2 HTTP/1.1\x1b[0m" \x1b[32m200 OK\x1b[0m',
        json.dumps({"log": f"INFO:     {SAID}\n", "stream": "stdout", "time": "2026-07-14T22:37:50.765Z"}),
    ],
)
def test_uvicorns_line_has_its_time_from_whoever_wrote_one_in_front(imported, line):
    own = "(APIServer pid=34633) INFO 07-14 22:38:21 [loggers.py:257] Engine 000: Avg prompt throughput: 3.1 tokens/s"
    [step], result = imported("uvicorn-log", own, own, line)

    assert first_us(result) // 1_000 == 1_784_068_670_765
    assert (step.took_ms, step.request.method) == (None, "POST")
    assert (step.request.path, step.recorded.status) == ("/v1/chat/completions?key=redacted", 200)
    assert result.header.attributes["import"]["dropped"]["line(s) of the application itself"] == 2


def test_uvicorns_lines_without_times_are_refused_with_the_way_to_have_them(imported):
    with pytest.raises(TraceError) as caught:
        imported("uvicorn-log", f"INFO:     {SAID}", f"INFO:     {SAID}")

    assert "app.log, line 1: has no time: uvicorn writes none by itself. Collect its log with times" in str(
        caught.value
    )


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("uvicorn-log", f"2026-07-14 22:37:50,765 INFO:     {SAID[:40]}"),
        ("uwsgi-log", "[pid: 88185|app: 0|req: 3/3] 192.0.2.7 () {34 vars in 617 bytes} [Sun Mar  6 22"),
    ],
)
def test_a_line_that_was_cut_off_is_damage(imported, name, line):
    whole = (
        f"2026-07-14 22:37:50,765 INFO:     {SAID}" if name == "uvicorn-log" else UWSGI.format(took="1 msecs")
    )
    _, result = imported(name, whole, line)

    assert result.header.attributes["import"]["unreadable"] == 1


UWSGI = (
    "[pid: 88185|app: 0|req: 3/3] 192.0.2.7 (ada) {{34 vars in 617 bytes}} [Sun Mar  6 22:49:15 2016] POST /a?key=hunter2 "
    "=> generated 215 bytes in {took} (HTTP/1.1 201) 9 headers in 373 bytes (1 switches on core 8)"
)


@pytest.mark.parametrize(
    ("took", "took_ms"), [("129 msecs", 129.0), ("68 micros", 0.068), ("via sendfile() in 2 msecs", 2.0)]
)
def test_uwsgis_request_began_when_it_says(imported, took, took_ms):
    line = UWSGI.format(took=took).replace("in via sendfile() in", "via sendfile() in")
    [step], result = imported("uwsgi-log", "*** Operational MODE: preforking ***", line)

    assert first_us(result) == 1_457_304_555_000_000
    assert (step.took_ms, step.request.method, step.request.path) == (took_ms, "POST", "/a?key=redacted")
    assert step.recorded == Recorded(status=201, response_bytes=215)
    assert result.header.attributes["import"]["dropped"]["line(s) that tell of no request"] == 1


def test_cloudfronts_lines_as_json_end_when_they_say(imported):
    row = {
        "date": "2026-04-04", "time": "12:57:53", "x-edge-location": "SFO53-P7", "sc-bytes": "1068", "c-ip": "192.0.2.7",
        "cs-method": "GET", "cs(Host)": "d1.cloudfront.net", "cs-uri-stem": "/feed", "cs-uri-query": "key=hunter2",
        "sc-status": "304", "cs(User-Agent)": "Mozilla/5.0%20(X11)", "x-host-header": "a.example", "time-taken": "0.250",
    }  # fmt: skip
    exact = {**row, "timestamp(ms)": "1775307473750", "date": "-", "time": "-"}
    steps, result = imported("json-log", json.dumps(row), json.dumps(exact))

    assert first_us(result) == 1_775_307_472_750_000
    assert [(step.took_ms, step.request.path, step.at_ms) for step in steps] == [
        (250.0, "/feed?key=redacted", 0.0),
        (250.0, "/feed?key=redacted", 750.0),
    ]
    assert next(result.sessions()).attributes["user_agent"] == "Mozilla/5.0 (X11)"
    assert result.header.origins == ("https://a.example",)


def test_uwsgis_log_is_told_behind_all_that_it_says_as_it_starts(imported):
    banner = ["*** Starting uWSGI 2.0.31 (64bit) on [Tue Dec  1 01:13:22 2026] ***", *["*** WARNING ***"] * 60]
    request = (
        "[pid: 4309|app: 0|req: 1/1] 192.0.2.7 () {28 vars in 370 bytes} [Tue Dec  1 01:13:22 2026] GET /a?i=0 => generated "
        "0 bytes in 21 msecs (HTTP/1.1 500) 2 headers in 63 bytes (1 switches on core 1)"
    )
    steps, result = imported("uwsgi-log", *banner, request)

    assert [step.request.path for step in steps] == ["/a?i=0"]
    assert result.header.attributes["import"]["dropped"]["line(s) that tell of no request"] == len(banner)
