"""Importers that know where requests went say so in the header; a replay is then kept from going there by mistake."""

import json
import sys
from types import ModuleType, SimpleNamespace

import pytest

from replay.assembly.types import ImportOptions
from replay.importers import IMPORTERS
from replay.trace.transforms.anonymise import Anonymise
from replay.trace.transforms.merging import merged_header
from replay.trace.types import Header
from tests.support.packets import Wire, array, request

HAR = {
    "log": {
        "version": "1.2",
        "creator": {"name": "x"},
        "entries": [
            {
                "startedDateTime": "2026-01-01T00:00:00.000Z",
                "time": 5,
                "request": {"method": "GET", "url": url, "headers": []},
                "response": {"status": 200},
                "timings": {"send": 0, "wait": 3, "receive": 2},
            }
            for url in ("https://App.Example:443/a", "https://cdn.example:8443/b", "https://app.example/c")
        ],
    }
}
SPAN = {
    "traceId": "t",
    "spanId": "a",
    "name": "GET",
    "kind": 3,
    "startTimeUnixNano": "1767225600000000000",
    "endTimeUnixNano": "1767225601000000000",
    "attributes": [
        {"key": "http.request.method", "value": {"stringValue": "GET"}},
        {"key": "url.full", "value": {"stringValue": "https://CRM.test/v1?id=7"}},
    ],
}
NGINX = {
    "time_iso8601": "2024-05-01T10:00:00+00:00",
    "request_time": "0.1",
    "request_method": "GET",
    "request_uri": "/a",
    "status": "200",
    "host": "shop.example",
}
CLOUD_RUN = {
    "httpRequest": {
        "requestMethod": "GET",
        "requestUrl": "https://svc.run.app/a",
        "status": 200,
        "latency": "0.1s",
    },
    "timestamp": "2024-05-01T10:00:00.9Z",
}
SAMPLES = {
    "har": (json.dumps(HAR), ("https://app.example", "https://cdn.example:8443")),
    "vegeta": ("GET http://user:pw@Shop:8080/a\nGET https://shop/b\n", ("http://shop:8080", "https://shop")),
    "gor": (
        "1 a1 1714557600000000000 0\nGET /a HTTP/1.1\r\nHost: X.example\r\n\r\n\n🐵🙈🙉\n",
        ("http://x.example",),
    ),
    "tshark": (array(Wire().sent(request(), 1).packets), ("http://shop",)),
    "otlp": (json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [SPAN]}]}]}), ("https://crm.test",)),
    "json-log": (json.dumps(NGINX), ("https://shop.example",)),
    "cloud-run": (json.dumps(CLOUD_RUN), ("https://svc.run.app",)),
    "access-log": (
        'shop.example:443 192.0.2.7 - - [10/Oct/2000:13:55:36 +0000] "GET /x HTTP/1.1" 200 612 "-" "curl/8"\n'
        '192.0.2.7 - - [10/Oct/2000:13:55:37 +0000] "GET /x HTTP/1.1" 200 612 "-" "curl/8" host=b.example\n',
        ("https://b.example", "https://shop.example"),
    ),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_the_header_of_an_import_says_where_requests_went(name, tmp_path):
    text, origins = SAMPLES[name]
    path = tmp_path / "sample.json"
    path.write_text(text)

    header = IMPORTERS[name].read([path], ImportOptions()).header

    assert header.origins == origins


def test_of_a_proxy_both_what_the_client_meant_and_what_was_reached_count(tmp_path, monkeypatch):
    request = SimpleNamespace(
        timestamp_start=1_795_436_345.0,
        method="GET",
        path="/a",
        scheme="https",
        host_header="api.test",
        host="2001:db8::1",
        port=8443,
        headers=SimpleNamespace(fields=()),
        raw_content=b"",
    )
    flow = SimpleNamespace(
        type="http",
        websocket=None,
        is_replay=None,
        request=request,
        response=None,
        client_conn=SimpleNamespace(id="c"),
    )
    library = ModuleType("mitmproxy.io")
    library.FlowReader = lambda source: SimpleNamespace(stream=lambda: iter([flow]))
    monkeypatch.setitem(sys.modules, "mitmproxy", ModuleType("mitmproxy"))
    monkeypatch.setitem(sys.modules, "mitmproxy.io", library)
    path = tmp_path / "flows"
    path.write_bytes(b"1")

    header = IMPORTERS["mitmproxy"].read([path], ImportOptions()).header

    assert header.origins == ("https://[2001:db8::1]:8443", "https://api.test")


def test_merged_traces_were_recorded_at_all_of_their_origins():
    one, other = (Header("replay-trace", 1, "t", origins=origins) for origins in (("a", "b"), ("b", "c")))

    assert merged_header([one, other]).origins == ("a", "b", "c")


def test_a_trace_to_be_given_away_does_not_say_where_it_was_recorded():
    header = Header("replay-trace", 1, "t", origins=("https://a.example",))

    assert Anonymise("key").header(header).origins == ()
