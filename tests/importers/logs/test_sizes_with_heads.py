"""A size that counts a response's head is never taken for that of its body."""

import json

import pytest

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS
from tests.support.recordings import FORMATS

CLASSIC = (
    "2024-05-01T10:00:00.9Z lb 192.0.2.7:1 10.0.0.1:80 0.00001 0.1 0.00001 200 200 5 87 "
    '"POST http://a.example:80/o HTTP/1.1" "curl/8" - -\n'
)
CALL = {"request_method": "POST", "request_uri": "/o", "status": 201, "request_time": 0.1, "msec": 1714557600.9}
ENVOY = {
    "start_time": "2024-05-01T10:00:00.9Z",
    "duration": 9,
    "method": "POST",
    "path": "/o",
    "response_code": 201,
}
APACHE = '192.0.2.7 - - [01/May/2024:10:00:00 +0000] "POST /o HTTP/1.1" 201 87\n'
IIS = """#Software: Microsoft Internet Information Services 10.0
#Fields: date time cs-method cs-uri-stem c-ip sc-status sc-bytes time-taken
2024-05-01 10:00:00 POST /o 192.0.2.7 201 311 9
"""
JTL = """timeStamp,elapsed,label,responseCode,threadName,success,bytes,URL
1714557600900,9,order,201,users 1-1,true,311,http://a.example/o
"""
CLOUD_RUN = json.dumps(
    {
        "timestamp": "2024-05-01T10:00:00.9Z",
        "httpRequest": {
            "requestMethod": "POST",
            "requestUrl": "https://a.example/o",
            "status": 201,
            "responseSize": "311",
            "latency": "0.009s",
        },
    }
)


def recorded(folder, name, text, **options):
    """What was seen of the first response of such a file."""
    path = folder / f"recording{FORMATS[name].suffix if name in FORMATS else '.log'}"
    path.write_text(text)
    [first, *_] = IMPORTERS[name].read([path], ImportOptions(**options)).sessions()
    return first.steps[0].recorded


@pytest.mark.parametrize("name", ["elb-log", "haproxy-log", "heroku-log"])
def test_logs_of_what_was_sent_say_so(tmp_path, name):
    known = recorded(tmp_path, name, FORMATS[name].of(3))

    assert known.response_bytes
    assert known.counts_head


@pytest.mark.parametrize(("name", "text"), [("w3c-log", IIS), ("cloud-run", CLOUD_RUN), ("jtl", JTL)])
def test_sizes_with_the_head_of_a_response_are_told_from_those_of_a_body(tmp_path, name, text):
    known = recorded(tmp_path, name, text)

    assert (known.response_bytes, known.counts_head) == (311, True)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("elb-log", CLASSIC),
        ("json-log", json.dumps(CALL | {"body_bytes_sent": 87})),
        ("json-log", json.dumps(CALL | {"bytes_sent": 311, "body_bytes_sent": 87})),
        ("json-log", json.dumps(ENVOY | {"bytes_sent": 87, "response_flags": "-"})),
        ("access-log", APACHE),
    ],
)
def test_the_size_of_a_body_is_that_of_a_body(tmp_path, name, text):
    known = recorded(tmp_path, name, text)

    assert (known.response_bytes, known.counts_head) == (87, False)


@pytest.mark.parametrize("size", [311, 0, "311"])
def test_what_nginx_sent_counts_the_head_in_json(tmp_path, size):
    known = recorded(tmp_path, "json-log", json.dumps(CALL | {"bytes_sent": size}))

    assert (known.response_bytes, known.counts_head) == (int(size), True)


@pytest.mark.parametrize(
    ("log_format", "counts_head"),
    [
        ('%h %l %u %t "%r" %>s %O', True),
        ('%h %l %u %t "%r" %>s %b', False),
        ('$remote_addr - - [$time_local] "$request" $status $bytes_sent', True),
        ('$remote_addr - - [$time_local] "$request" $status $body_bytes_sent', False),
    ],
)
def test_a_declared_format_says_which_size_it_has(tmp_path, log_format, counts_head):
    known = recorded(tmp_path, "access-log", APACHE, log_format=log_format)

    assert (known.response_bytes, known.counts_head) == (87, counts_head)


ALB = (
    "h2 2024-05-01T10:00:00.9Z lb 192.0.2.7:1 10.0.0.1:80 0.001 0.1 0.001 201 201 {size} 311 "
    '"POST https://a.example:443/o HTTP/2.0" "curl/8" - -\n'
)
HEAD_OF_ALB = len("POST https://a.example:443/o HTTP/1.1\r\nUser-Agent: curl/8\r\n\r\n")


def first_step(folder, name, text, **options):
    path = folder / f"recording{FORMATS[name].suffix if name in FORMATS else '.log'}"
    path.write_text(text)
    result = IMPORTERS[name].read([path], ImportOptions(**options))
    [first, *_] = result.sessions()
    return first.steps[0], result.header.attributes["import"]


@pytest.mark.parametrize(
    ("left", "body"), [(-1, None), (0, None), (1, 1), (700, 350), (1_000, 500), (1_001, 501), (50_000, 49_500)]
)
def test_a_body_is_half_of_what_other_headers_might_have_taken_and_all_behind_it(tmp_path, left, body):
    step, told = first_step(tmp_path, "elb-log", ALB.format(size=HEAD_OF_ALB + left))

    assert step.request.body_bytes == body
    assert step.recorded.request_bytes == HEAD_OF_ALB + left
    assert step.recorded.request_counts_head
    assert any("less half of up to 1,000 bytes" in what for what in told["inferred"]) == (body is not None)


@pytest.mark.parametrize(
    ("name", "text", "options"),
    [
        ("elb-log", CLASSIC, {}),
        ("json-log", json.dumps(CALL | {"content_length": 5, "request_length": 205}), {}),
        ("json-log", json.dumps(ENVOY | {"bytes_received": 5}), {}),
        ("access-log", APACHE.strip() + ' "-" "curl/8" content_length=5 request_length=205\n', {}),
        (
            "access-log",
            '192.0.2.7 [01/May/2024:10:00:00 +0000] "POST /o HTTP/1.1" 201 5 205\n',
            {"log_format": '$remote_addr [$time_local] "$request" $status $content_length $request_length'},
        ),
    ],
)
def test_the_size_of_a_requests_body_is_that_of_its_body(tmp_path, name, text, options):
    step, _ = first_step(tmp_path, name, text, **options)

    assert (step.request.body_bytes, step.recorded.request_bytes) == (5, 5)
    assert not step.recorded.request_counts_head


@pytest.mark.parametrize(
    ("name", "text", "options"),
    [
        ("json-log", json.dumps(CALL | {"request_length": 2_000}), {}),
        ("json-log", json.dumps(CALL | {"request_length": "2000", "content_length": "-"}), {}),
        ("access-log", APACHE.strip() + ' "-" "curl/8" request_length=2000\n', {}),
        (
            "access-log",
            APACHE.strip() + ' "-" "curl/8" 2000 0.015 [default-web-80] [] 10.0.0.1:80 87 0.014 201 '
            "3fd5e9d8d37c0de85d3d8d6e1ea1fcd0\n",
            {},
        ),
        (
            "access-log",
            '192.0.2.7 - - [01/May/2024:10:00:00 +0000] "POST /o HTTP/1.1" 201 2000 87\n',
            {"log_format": '%h %l %u %t "%r" %>s %I %O'},
        ),
        (
            "access-log",
            '192.0.2.7 [01/May/2024:10:00:00 +0000] "POST /o HTTP/1.1" 201 2000\n',
            {"log_format": '$remote_addr [$time_local] "$request" $status $request_length'},
        ),
        ("w3c-log", IIS.replace("time-taken", "time-taken cs-bytes").replace(" 311 9", " 311 9 2000"), {}),
        ("cloud-run", CLOUD_RUN.replace('"responseSize"', '"requestSize": "2000", "responseSize"'), {}),
        (
            "jtl",
            JTL.replace("bytes,URL", "bytes,sentBytes,URL")
            .replace("311,http", "311,2000,http")
            .replace("order", "POST /o"),
            {},
        ),
    ],
)
def test_a_request_whose_head_was_counted_has_a_smaller_body(tmp_path, name, text, options):
    step, _ = first_step(tmp_path, name, text, **options)

    assert step.recorded.request_bytes == 2_000
    assert step.recorded.request_counts_head
    assert 1_400 < step.request.body_bytes < 1_500
