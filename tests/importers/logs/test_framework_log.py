"""Requests as web frameworks log them, in lines that the frameworks themselves wrote, among those of applications."""

import json

import pytest

from replay.importers import IMPORTERS
from replay.importers.logs.applications.framework_log import FRAMEWORK_LOG
from replay.trace.errors import TraceError
from tests.support.imported_logs import first_us, imported_as


@pytest.fixture
def imported(tmp_path):
    """Imports these lines, which must be told to be of this format alone: the steps, and the import itself."""

    def run(*lines, **options):
        text = "".join(f"{line}\n" for line in lines)
        return imported_as("framework-log", text, tmp_path / "app.log", **options)

    return run


AT_S = 1_796_088_147  # 2026-12-01 01:22:27
# A line, and what it tells: when the request began, in us after AT_S; how long it took; its method, path, status and bytes.
LINES = {
    "Gin": (
        '[GIN] 2026/12/01 - 01:22:27 | 500 |   20.227862ms |       192.0.2.7 | DELETE   "/w/x y?ms=20&i=0"',
        (-20_228, 20.228, "DELETE", "/w/x%20y?ms=20&i=0", 500, None),
    ),
    "Gin, of a quote and of a letter": (
        '[GIN] 2026/12/01 - 01:22:27 | 200 |      19.819µs |             ::1 | GET      "/w/tok\\"q/é\\u00e9?i=1"',
        (-20, 0.02, "GET", "/w/tok%22q/%C3%A9%C3%A9?i=1", 200, None),
    ),
    "Gin, of what Go escapes": (
        r'[GIN] 2026/12/01 - 01:22:27 | 200 | 1s | 192.0.2.7 | GET "/a\nb\t\\c/\U0001f600\xff\xc3\xa9\ud800"',
        (-1_000_000, 1_000.0, "GET", "/a%0Ab%09%5Cc/%F0%9F%98%80%FF%C3%A9%EF%BF%BD", 200, None),
    ),
    "Gin, in colours": (
        "[GIN] 2026/12/01 - 01:22:27 |\x1b[97;42m 200 \x1b[0m|          1m2.5s |       192.0.2.7 |\x1b[97;46m POST    \x1b[0m "
        '"/api/chat"',
        (-62_500_000, 62_500.0, "POST", "/api/chat", 200, None),
    ),
    "Gin, out of docker compose": (
        'ollama-1  | [GIN] 2026/12/01 - 01:22:27 | 200 |            0s |       192.0.2.7 | GET      "/api/tags"',
        (0, 0.0, "GET", "/api/tags", 200, None),
    ),
    "New API": (
        "[GIN] 2026/12/01 - 01:22:27 | 20261201012227123456789AbCdEfGh | 200 |    1.25s |     192.0.2.7 |    POST "
        "/v1/chat/completions",
        (-1_250_000, 1_250.0, "POST", "/v1/chat/completions", 200, None),
    ),
    "chi": (
        '2026/12/01 01:22:27 "GET http://127.0.0.1:8622/w/%C3%A9t%C3%A9?i=1 HTTP/1.1" from 192.0.2.7:48804 - 200 12B in '
        "6.69µs",
        (-7, 0.007, "GET", "/w/%C3%A9t%C3%A9?i=1", 200, 12),
    ),
    "Tornado": (
        "[E 261201 01:22:27 web:2591] 500 DELETE /w/x%20y?i=0 (192.0.2.7) 21.22ms",
        (-21_220, 21.22, "DELETE", "/w/x%20y?i=0", 500, None),
    ),
    "Jupyter": (
        "[I 2026-12-01 01:22:27.500 ServerApp] 200 GET /api/contents?content=1 (ada@192.0.2.7) 12.34ms referer=http://h/lab",
        (487_660, 12.34, "GET", "/api/contents?content=1", 200, None),
    ),
    "aiohttp": (
        'INFO:aiohttp.access:192.0.2.7 [01/Dec/2026:01:22:27 +0000] "POST /w/a?i=3 HTTP/1.1" 201 149 "http://r/" '
        '"agent/1 (x; "q")"',
        (0, None, "POST", "/w/a?i=3", 201, 149),
    ),
    "Django": (
        '[01/Dec/2026 01:22:27] "DELETE /w/x%20y?i=0 HTTP/1.1" 500 0',
        (0, None, "DELETE", "/w/x%20y?i=0", 500, 0),
    ),
    "Sanic": (
        "Main |2026-12-01 01:22:27 +0000 INFO: 192.0.2.7:45674 DELETE http://h:8634/w/x%20y?i=0 500 0  20.4ms",
        (-20_400, 20.4, "DELETE", "/w/x%20y?i=0", 500, 0),
    ),
    "Sanic before durations": (
        "[2026-12-01 01:22:27 +0000] - (sanic.access)[INFO][192.0.2.7:45674]: GET http://h:8000/a  200 13",
        (0, None, "GET", "/a", 200, 13),
    ),
    "Hypercorn": (
        '[2026-12-01 01:22:27 +0000] [4153] [INFO] 192.0.2.7:36462 - - [01/Dec/2026:01:22:27 +0000] "GET /w/x y/été 1.1" 200 '
        '5 "http://r/?a=b" "agent/1 (x; "q")"',
        (0, None, "GET", "/w/x%20y/%C3%A9t%C3%A9", 200, 5),
    ),
    "Granian": (
        '[2026-12-01 02:22:27 +0100] 192.0.2.7 - "DELETE /w/x y HTTP/1.1" 500 21.389',
        (0, 21.389, "DELETE", "/w/x%20y", 500, None),
    ),
    "morgan, tiny": (
        '{"log":"DELETE /w/x%20y?i=0 500 7 - 24.173 ms\\n","stream":"stdout","time":"2026-12-01T01:22:27.5Z"}',
        (475_827, 24.173, "DELETE", "/w/x%20y?i=0", 500, 7),
    ),
    "morgan, short": (
        "2026-12-01T01:22:27.500Z 192.0.2.7 - GET /a HTTP/1.1 200 - - 21.580 ms",
        (478_420, 21.58, "GET", "/a", 200, None),
    ),
    "morgan, dev": (
        "2026-12-01T01:22:27.500Z \x1b[0mDELETE /w?i=0 \x1b[31m500\x1b[0m 21.440 ms - 9\x1b[0m",
        (478_560, 21.44, "DELETE", "/w?i=0", 500, 9),
    ),
    "morgan, with a time of its own": (
        '192.0.2.7 - [2026-12-01T01:22:27.933Z] "PUT /a HTTP/1.1" 200 0 - 24.793 ms',
        (908_207, 24.793, "PUT", "/a", 200, 0),
    ),
    "Koa": (
        "2026-12-01T01:22:27.500Z   \x1b[90m-->\x1b[39m \x1b[1mGET\x1b[22m \x1b[90m/a?i=1\x1b[39m 200 12ms 1.2kb",
        (488_000, 12.0, "GET", "/a?i=1", 200, None),
    ),
    "llama.cpp": (
        "2026-12-01T01:22:27.500Z srv  log_server_r: request: POST /v1/chat/completions 192.0.2.7 200",
        (500_000, None, "POST", "/v1/chat/completions", 200, None),
    ),
    "llama.cpp, newer": (
        "2026-12-01T01:22:27.500Z srv  log_server_r: done request: POST /v1/messages 200",
        (500_000, None, "POST", "/v1/messages", 200, None),
    ),
}
OF_THE_APPLICATION = (
    'time=2026-12-01T01:22:27.000Z level=INFO source=routes.go:1 msg="Listening on 127.0.0.1:11434 (version 0.6.2)"',
    "[GIN-debug] Listening and serving HTTP on :8080",
    "2026-12-01T01:22:27Z   <-- GET /a?i=1",
    "srv  update_slots: all slots are idle",
    "2026/12/01 01:22:27 http: superfluous response.WriteHeader call",
    "Main |2026-12-01 01:22:26 +0000 INFO: Sanic v25.3.0",
)


@pytest.mark.parametrize("name", LINES)
def test_what_a_framework_writes_of_a_request(imported, name):
    line, (after_us, took_ms, method, path, status, size) = LINES[name]
    steps, result = imported(*OF_THE_APPLICATION, line)

    (step,) = steps
    assert first_us(result) == AT_S * 1_000_000 + after_us
    assert (step.request.method, step.request.path) == (method, path)
    assert (step.took_ms, step.recorded.status, step.recorded.response_bytes) == (took_ms, status, size)
    told = result.header.attributes["import"]
    assert told["dropped"]["line(s) of the application itself"] == len(OF_THE_APPLICATION)
    assert told["unreadable"] == 0


def test_only_sizes_of_aiohttp_count_heads(imported):
    counted = {name: imported(line)[0][0].recorded.counts_head for name, (line, _) in LINES.items()}

    assert [name for name, counts in counted.items() if counts] == ["aiohttp"]


@pytest.mark.parametrize("name", ["morgan, dev", "Koa", "llama.cpp"])
def test_a_line_without_a_time_says_how_to_have_one(imported, name):
    bare = LINES[name][0].removeprefix("2026-12-01T01:22:27.500Z ")

    with pytest.raises(
        TraceError, match=rf"line 1: has no time: {name.partition(',')[0]} writes none by itself"
    ):
        imported(bare)


@pytest.mark.parametrize(
    "broken",
    [
        "[GIN] 2026/12/01 - 01:22:28 | 200 |   20.2",
        '[GIN] 2026/12/01 - 01:22:28 | GET | "/a" | 200',
        '[01/Dec/2026 01:22:28] "GET /a HTT',
    ],
)
def test_a_line_that_begins_like_one_is_counted_as_damage(imported, broken):
    steps, result = imported(LINES["Gin"][0], broken)

    assert len(steps) == 1
    assert result.header.attributes["import"]["unreadable"] == 1
    assert any("could not be read" in note and "begins like a line of" in note for note in result.notes)


@pytest.mark.parametrize(
    "line",
    [
        '192.0.2.7 - - [01/Dec/2026:01:22:27 +0000] "GET /a HTTP/1.1" 200 5',
        '192.0.2.7 - - [01/Dec/2026:01:22:27 +0000] "GET /a HTTP/1.1" 200 5 "http://r/" "agent"',
        '192.0.2.7 - bob [01/Dec/2026:01:22:27 +0000] "GET /a HTTP/1.1" 200 5',
        'h.example:80 192.0.2.7 u1 [01/Dec/2026:01:22:27 +0000] "GET /a HTTP/1.1" 200 5',
        '2026-12-01 01:22:27 INFO:     192.0.2.7:38194 - "POST /v1/chat/completions HTTP/1.1" 200 OK',
        json.dumps({"time": "2026-12-01T01:22:27Z", "method": "GET", "path": "/a 200 5 - 3 ms", "status": 200}),
    ],
)
def test_lines_of_other_formats_are_left_to_them(line):
    assert not IMPORTERS["framework-log"].sniff(f"{line}\n".encode())


def test_a_line_of_an_access_log_is_no_broken_line_of_a_framework():
    line = FRAMEWORK_LOG.read('192.0.2.7 - - [01/Dec/2026:01:22:27 +0000] "GET /a HTTP/1.1" 200 5')

    assert line.left_out == "line(s) of the application itself"


@pytest.mark.parametrize("front", ["", "2026-12-01T01:22:28Z ", "web-1  | ", "INFO ", "[pod/a/b] "])
def test_django_behind_a_collector(imported, front):
    steps, _ = imported(front + LINES["Django"][0])

    assert [step.request.path for step in steps] == ["/w/x%20y?i=0"]


def test_the_address_of_a_client_is_told_from_the_name_of_a_logger():
    line = LINES["aiohttp"][0]

    assert [FRAMEWORK_LOG.read(each).peer for each in (line, line.replace("192.0.2.7", "::1"))] == [
        "192.0.2.7",
        "::1",
    ]


def test_sessions_by_client(imported):
    lines = [LINES["Gin"][0], LINES["Gin"][0].replace("192.0.2.7", "192.0.2.8")]
    _, result = imported(*lines, session_by="client")

    assert result.header.attributes["import"]["clients"] == 2
