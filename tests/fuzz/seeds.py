"""What inputs begin from: the repository's own traces, targets, tables and recipes, and small samples of each format.

Nothing here is a copy of a file of the project; what a file has, is read from it.
"""

import atexit
import base64
import contextlib
import gzip
import io
import json
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from pathlib import Path

import brotli
import msgspec
import zstandard

from replay.dialects.aws_frames import frame
from replay.money.calendar_file import NAMED
from replay.recording.types import JOURNAL_FORMAT, JOURNAL_VERSION, JournalEntry, JournalHeader
from replay.results.record import ReadTally, read_blocks
from replay.results.tables.cache import CACHE_FILE, Caching
from replay.results.tables.table import table_of
from replay.trace.file.stream import read_sessions
from replay.trace.synthesis.presets import PRESETS, preset_text
from replay.trace.types import Recorded, Request, Step
from tests.report.verdict_samples import compare, difference, failed, gate, passed, undecided
from tests.support.recordings import FORMATS

ROOT = Path(__file__).parent.parent.parent
_FEW = 4

BODIES = (
    b'{"a":[{"b":"c"},2],"id":"x-1"}',
    b'{"choices":[{"message":{"content":"hi","tool_calls":[{"id":"t","function":{"name":"f","arguments":"{}"}}]},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":4}}',
    b'{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":true}}',
    b'{"error":{"type":"overloaded_error","message":"x"}}',
    b'<form><input name="csrf" value="abc"> id=17 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
    gzip.compress(b'{"a":[{"b":"c"}]}', mtime=0),
)  # fmt: skip

SLO_WORDS = tuple(
    word.encode()
    for word in (
        "p99", "p50", "p99.9", "mean", "max", "errors", "errors(timeout)", "share(response < 1s)", "(answered)", "(failed)",
        "response", "service", "ttft", "itl", "makespan", "baseline", "recorded", "< baseline * 1.1", "< 10%", "< 800ms",
        "for", "kind=llm", "name=search*", "where", "over 10s", "and", "rate", "cold", "[", "]", "(", ")",
    )
)  # fmt: skip
TARGET_WORDS = tuple(
    word.encode()
    for word in (
        "[auth]", "[tls]", "[connections]", "[timeouts]", "[shape]", "[[routes]]", "[[expect]]", "[retry]", "[cost]", "[session]",
        "[simulate]", "[simulate.plane]", "[simulate.instances]", 'url = "http://[::1]:1"', 'send_to = "http://x"', "attempts = 2",
        "total_s = 1e308", "statuses = [429]", 'of = "lognormal"', 'of = "mixture"', "max = 1", 'observe = "http://x/?a"',
        'proxy = "http://u:p@h"', 'transport = "httpx"', "http2 = true", 'slo = ["p99 < 1s"]',
    )
)  # fmt: skip
HEAD_WORDS = (
    b"\r\n", b"\n", b"\r\n\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", b"Content-Length: 3\r\n",
    b"Connection: close\r\n", b"Connection: keep-alive, x\r\n", b"Upgrade: websocket\r\n", b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2.0",
    b"0\r\n\r\n", b"5\r\nhello\r\n", b"5;x=y\r\nhello\r\n", b"5\nhello\n", b"ffffffffffffffff\r\n", b"+5\r\n", b"chunked, identity",
    b"Expect: 100-continue\r\n", b"HTTP/1.1 100 Continue\r\n\r\n", b"Content-Encoding: gzip\r\n", b"Trailer: x\r\n", b" :", b"\x00",
    b"Server-Timing: cold;dur=5\r\n", b"Retry-After: 5\r\n", b"Content-Type: text/event-stream\r\n", b"GET /b HTTP/1.1\r\nHost: x\r\n\r\n",
)  # fmt: skip
STREAM_WORDS = (
    b"data: ", b"event: ", b"\n\n", b"\r\n\r\n", b"\r", b"[DONE]", b"data: [DONE]\n\n", b"event: error\n", b"event: ping\n", b"id: 1\n",
    b'{"choices":[{"delta":{"content":"x"}}]}', b'{"type":"content_block_delta","delta":{"type":"text_delta","text":"x"}}',
    b'{"type":"message_stop"}', b'{"type":"response.completed"}', b'{"jsonrpc":"2.0","error":{"code":1}}', b"\xef\xbb\xbf", b": c\n",
)  # fmt: skip

_HEADER = b'{"format":"replay-trace","version":1,"name":"t","resolution_ms":1.0}\n'
_ALL_FIELDS = (
    b'{"id":"s-1","start_ms":0.0,"attributes":{"agent":"a"},"steps":['
    b'{"id":"a","kind":"llm","name":"plan","at_ms":0.0,"took_ms":8.0,"llm":{"model":"m","input_tokens":18,"output_tokens":2,'
    b'"prefix":["p1"],"stream":true},"recorded":{"status":200,"ttft_ms":3.0,"request_bytes":1,"response_bytes":2,"cold":true}},'
    b'{"id":"b","kind":"tool","name":"s","after":[{"step":"a","anchor":"first_byte","delay_ms":3.0}],"at_ms":4.0,"took_ms":1.0,'
    b'"request":{"method":"POST","path":"/t?q={{x}}","headers":{"content-type":"application/json"},"json":{"k":"{{session}}"}},'
    b'"extract":{"x":{"json":"/a/0"},"y":{"regex":"id=([0-9]+)"},"z":{"header":"location"}},"expect":{"status":["2xx"]}},'
    b'{"id":"c","kind":"http","name":"u","after":[{"step":"b"}],"at_ms":6.0,"took_ms":1.0,"request":{"method":"PUT","path":"/",'
    b'"body_base64":"AAEC"}},{"id":"d","kind":"mcp","name":"w","at_ms":7.0,"took_ms":1.0,"x-unknown":[1]}]}\n'
)

_IMPORTS: dict[str, tuple[str, ...]] = {
    "azure-llm": ('{"TIMESTAMP":"2023-11-16 18:17:03.9799600","ContextTokens":5,"GeneratedTokens":null}\n',),
    "access-log": (
        '192.0.2.7 - mallory [10/Oct/2000:13:55:36.123 +0000] "GET /x?token=a HTTP/1.1" 200 612 "-" "curl/8" rt=0.100\n'
        '192.0.2.7 - - [10/Oct/2000:13:55:37 +0000] "POST /y/17 HTTP/1.1" 500 - "http://r/?a=b" "x" 0.010 0.009 .\n',
    ),
    "envoy-log": (
        '[2024-05-01T10:00:00.310Z] "POST /runs/17?key=h HTTP/2" 201 - 154 87 226 100 "192.0.2.7,10.0.0.1" "agent/1" "cc21" "api.example.com" "10.0.2.1:80"\n',
        '[2024-05-01T10:00:00.610Z] "POST /runs/17 HTTP/2" 201 - via_upstream - "-" 154 87 226 100 "192.0.2.7" "agent/1" "cc21" "api.example.com" "10.0.2.1:80" outbound|80||api.example.com 10.0.0.5:4242 10.0.0.6:80 10.0.0.5:4241 - default\n',
    ),
    "json-log": (
        '{"msec":"1714557600.900","request_time":"0.123","request_method":"POST","request_uri":"/o/17?full=1","status":"201","request_length":"700","body_bytes_sent":"87","remote_addr":"192.0.2.7","request_id":"abc"}\n',
        '{"start_time":"2024-05-01T10:00:00.900Z","duration":123,"method":"POST","path":"/o","response_code":201,"bytes_received":700,"bytes_sent":87,"user_agent":"c","x-run":"r"}\n',
        '{"level":"info","ts":1714557601.023,"request":{"remote_ip":"192.0.2.7","method":"POST","uri":"/o/17","headers":{"X-Run":["r1"]}},"duration":0.123,"size":87,"status":201}\n',
    ),
    "cloud-run": (
        '{"insertId":"1","httpRequest":{"requestMethod":"POST","requestUrl":"https://a.run.app/runs/17?key=h","requestSize":"312","status":200,"responseSize":"87","userAgent":"c","remoteIp":"192.0.2.7","latency":"0.058927s","protocol":"HTTP/1.1"},"resource":{"type":"cloud_run_revision","labels":{"service_name":"a"}},"timestamp":"2024-05-01T10:00:00.250000Z","labels":{"instanceId":"00"},"logName":"projects/p/logs/run.googleapis.com%2Frequests","trace":"projects/p/traces/t"}\n',
    ),
    "otlp": (
        '{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a"}}]},"scopeSpans":[{"spans":[{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060708","name":"chat m","kind":3,"startTimeUnixNano":"1767225600000000000","endTimeUnixNano":"1767225600500000000","attributes":[{"key":"gen_ai.operation.name","value":{"stringValue":"chat"}},{"key":"gen_ai.request.model","value":{"stringValue":"m"}},{"key":"gen_ai.usage.input_tokens","value":{"intValue":"18"}}]},{"traceId":"0102030405060708090a0b0c0d0e0f10","spanId":"0102030405060709","parentSpanId":"0102030405060708","name":"GET","kind":3,"startTimeUnixNano":"1767225600100000000","endTimeUnixNano":"1767225600200000000","attributes":[{"key":"http.request.method","value":{"stringValue":"GET"}},{"key":"url.full","value":{"stringValue":"https://crm.test/c/7"}},{"key":"http.response.status_code","value":{"intValue":"200"}}]}]}]}]}\n',
    ),
    "mitmproxy": (
        '1:\n{"type":"http","websocket":null,"is_replay":null,"request":{"timestamp_start":1795436345.0,"method":"GET","path":"/a","host_header":"api.test","host":"127.0.0.1","port":8080,"scheme":"https","headers":{"fields":[]},"raw_content":null},"response":{"timestamp_start":1795436345.01,"timestamp_end":1795436345.02,"status_code":200,"raw_content":null},"client_conn":{"id":"c-1"}}\n',
    ),
}  # fmt: skip


def sessions_of_traces() -> list[bytes]:
    """The first sessions of the project's traces, whole traces in both storages, and one with every field."""
    found = [_HEADER + _ALL_FIELDS, zstandard.compress(_HEADER + _ALL_FIELDS), _HEADER]
    for path in sorted((ROOT / "traces").glob("*.jsonl")):
        lines = path.read_bytes().splitlines(keepends=True)
        short = sorted(lines[1:], key=len)[:_FEW]
        found += [lines[0] + line for line in short]
    return found


def correlated_traces() -> list[bytes]:
    """Sessions in which a value of an answer comes back in a later request: in a path, a form, JSON, and a header."""
    lines = [_HEADER]
    for n in range(3):
        value = f"x-{n}7abcdef"
        steps = [
            {
                "id": "a", "kind": "http", "name": "n", "at_ms": 0.0, "took_ms": 1.0, "request": {"method": "GET", "path": "/a"},
                "recorded": {"status": 200, "response_json": {"id": value, "l": [{"t": value}]}, "response_headers": {"location": f"/{value}"}},
            },
            {"id": "b", "kind": "http", "name": "n", "at_ms": 5.0, "after": [{"step": "a"}], "request": {"method": "POST", "path": f"/b/{value}?q={value}", "headers": {"x-a": value}, "json": {"k": [value]}}},
            {"id": "c", "kind": "http", "name": "n", "at_ms": 6.0, "after": [{"step": "b"}], "request": {"method": "POST", "path": "/c", "headers": {"content-type": "application/x-www-form-urlencoded"}, "body": f"id={value}&z=1"}},
        ]  # fmt: skip
        lines.append(json.dumps({"id": f"s-{n}", "start_ms": float(n), "steps": steps}).encode() + b"\n")
    return [b"".join(lines), lines[0] + lines[1]]


def imports_of(name: str) -> list[bytes]:
    samples = [text.encode() for text in _IMPORTS.get(name, ())]
    samples += [FORMATS[name].of(count).encode() for count in (1, 3)]
    samples += [samples[0] * 2, gzip.compress(samples[0], mtime=0)]
    if name == "tshark":
        samples += [
            gzip.decompress(path.read_bytes())
            for path in sorted((ROOT / "tests/importers/captures/packets").glob("[go]*.json.gz"))
        ]
    if name == "otlp":
        samples += [json.dumps([1, json.loads(samples[0])]).encode(), _otlp_protobuf()]
    if name == "inspect":
        samples += [_archive_of(json.loads(samples[0])["samples"][0], method) for method in (0, 8)]
    return samples


def _archive_of(sample: object, method: int) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", method) as archive:
        archive.writestr(zipfile.ZipInfo("samples/1_epoch_1.json"), json.dumps(sample), method)
    return packed.getvalue()


def _otlp_protobuf() -> bytes:
    """Two spans as a collector writes them: each message behind its length."""
    from google.protobuf.json_format import ParseDict
    from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

    spans = json.loads(_IMPORTS["otlp"][0])
    for span in spans["resourceSpans"][0]["scopeSpans"][0]["spans"]:
        for key in ("traceId", "spanId", "parentSpanId"):
            if key in span:
                span[key] = base64.b64encode(bytes.fromhex(span[key])).decode()
    data: bytes = ParseDict(spans, TracesData()).SerializeToString()
    return len(data).to_bytes(4, "big") + data


def slos() -> list[bytes]:
    texts = ("p99 < 800ms", "errors < 1%", "p99(answered) < baseline * 1.1", "share(response < 1s) > 99%", "p95 < recorded * 1.2",
             "p99(ttft, llm) < 2s", "mean < 1s\n# comment\nerrors(timeout) < 0.1%", "errors > 10% over 10s", "p50(makespan) < 1m",
             "p99(response, tool:search*) < 1s", "rps > 10", "cold < 5%", "p99.9(service, tool) < 1s")  # fmt: skip
    return [text.encode() for text in texts]


def targets() -> list[bytes]:
    return [path.read_bytes() for path in sorted((ROOT / "targets").glob("*.toml"))]


def price_tables() -> list[bytes]:
    return [
        path.read_bytes()
        for path in (files("replay.money") / "prices").iterdir()
        if path.name.endswith(".toml")
    ]


def calendars() -> list[bytes]:
    named = [_toml(written).encode() for written in NAMED.values()]
    whole = (
        b'base = 0.1\nholidays = { days_a_year = 10, like = "sunday" }\ngrowth = { percent_a_month = 5, months = 12 }\n'
        b'[[hours]]\ndays = ["monday", "friday"]\nfrom = "22:00"\nto = "06:00"\nlevel = 2\n[[window]]\nname = "x"\ntimes_a_month = 2\nlevel = 4\n'
    )
    csv = b"time,count\n" + b"".join(
        b"2026-01-%02dT%02d:00:00Z,%d\n" % (1 + n // 24, n % 24, n) for n in range(60)
    )
    lines = b"".join(b'{"time":%d,"sessions":%d}\n' % (1767225600 + 3600 * n, n) for n in range(30))
    return [*named, whole, csv, lines]


def _toml(written: dict[str, object]) -> str:
    return "".join(
        f"{key} = {value}\n"
        if not isinstance(value, list)
        else "".join(
            f"[[{key}]]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in row.items()) for row in value
        )
        for key, value in written.items()
    )


def answers() -> list[bytes]:
    from replay.choice.questionnaire import QUESTIONS

    found = [b""]
    for question in QUESTIONS:
        option = json.dumps(question.options[0].value) if question.options else "5"
        found += [f"{question.id} = {option}\n".encode(), f"{question.id} = [{option}]\n".encode()]
    return [*found, b"".join(found[1::2])]


def recipes() -> list[bytes]:
    return [preset_text(name).encode() for name in PRESETS]


def users() -> list[bytes]:
    return [b'user,token\na,1\n"b ""c""",2\n', b"\xef\xbb\xbfuser\nx\n\ny\n"]


def options() -> list[bytes]:
    texts = ("30s", "800ms", "4x", "0.5", "5%", "90%", "kill@30s", "5USD", "$5", "poisson:6/min", "uniform:2/s", "every:10s", "at-once",
             "p99", "share(response > 1s)", "^/v1/=>/v2/", "([a-z]+)=>\\1", "x-a: b", "attr.model=m*", "kind=tool", "lognormal:800ms,2s",
             "empirical:1s,2s", "mixture:9*800ms+1*lognormal:2s,5s", "a=http://x:1/y /b=a", "https://[::1]:8080")  # fmt: skip
    return [text.encode() for text in texts]


def responses() -> list[bytes]:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
    stream = streams()[0]
    return [
        head + b"Content-Length: 2\r\nX-Instance: i-1\r\nServer-Timing: cold;dur=800\r\n\r\n{}",
        head + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n3;x=y\r\nabc\r\n0\r\nTrailer: t\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + stream,
        b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n"
        + _chunks(gzip.compress(stream, mtime=0)),
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 429 Slow\r\nRetry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200\nContent-Length: 2\n\nok",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\nX: a\r\n b\r\n\r\nok",
    ]


def _chunks(data: bytes) -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (data[:9], data[9:])) + b"0\r\n\r\n"


def frames() -> list[bytes]:
    delta = b'{"contentBlockIndex":0,"delta":{"text":"Hi"}}'
    return [frame(b"messageStart", b'{"role":"assistant"}') + frame(b"contentBlockDelta", delta) * 3]


def streams() -> list[bytes]:
    chat = [{"choices": [{"delta": {"content": word}, "finish_reason": None}]} for word in ("a", "b", "c", "d")]
    chat += [
        {
            "choices": [{"delta": {}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 3, "completion_tokens": 4},
        }
    ]
    messages = [
        {"type": "message_start", "message": {"usage": {"input_tokens": 3}}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "a"}},
        {"type": "ping"},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {"output_tokens": 4}},
        {"type": "message_stop"},
    ]
    lines = [f"data: {json.dumps(event)}\n\n" for event in chat]
    named = [f"event: {event['type']}\r\ndata: {json.dumps(event)}\r\n\r\n" for event in messages]
    answers = [
        {"type": "response.output_text.delta", "delta": "x"},
        {"type": "response.completed", "response": {"usage": {"input_tokens": 1, "output_tokens": 2}}},
    ]
    return [
        "".join((*lines, "data: [DONE]\n\n")).encode(),
        "".join(named).encode(),
        "".join(f"data: {json.dumps(event)}\n\n" for event in answers).encode(),
        b'data: {"jsonrpc":"2.0","id":1,"result":{"isError":false}}\n\n: ping\n\ndata: a\ndata: b\n\nevent: error\ndata: {}\n\n',
    ]


def bodies() -> list[bytes]:
    plain = BODIES[1]
    return [
        *(b"\n" + body for body in BODIES[:5]),
        b"gzip\n" + gzip.compress(plain, mtime=0),
        b"br\n" + brotli.compress(plain),
        b"zstd, gzip\n" + gzip.compress(zstandard.compress(plain), mtime=0),
        b'\n{"model":"m","max_tokens":5,"stream":true,"messages":[]}',
        b'\n[{"jsonrpc":"2.0","method":"tools/call","params":{"name":"x"}}]',
    ]


def requests() -> list[bytes]:
    return [
        b"GET /a?b=c HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer sk-proj-AbCdEf0123456789AbCdEf0123456789AbCdEf01\r\n\r\n",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 13\r\n\r\n{\"model\":\"m\"}",
        b"POST /mcp HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nX-Session: s\r\nCookie: sid=abc; a=b\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"GET / HTTP/1.0\r\n\r\nGET /2 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"PUT http://other/p HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /3 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /f HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: 68\r\n\r\n"
        b'--b\r\nContent-Disposition: form-data; name="password"\r\n\r\ns\r\n--b--\r\n',
        b"GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    ]  # fmt: skip


def secrets() -> list[bytes]:
    canary = b"sk-proj-AbCdEf0123456789AbCdEf0123456789AbCdEf01"
    return [
        b'application/json\n{"password":"p","a":{"token":["%b"]},"text":"use %b please"}' % (canary, canary),
        b"application/x-www-form-urlencoded\ntoken=%b&q=a+b%%20c" % canary,
        b'multipart/form-data; boundary=b\n--b\r\nContent-Disposition: form-data; name="password"\r\n\r\n%b\r\n--b--\r\n'
        % canary,
        b"text/plain\nAuthorization: Bearer %b\npassword=hunter2 eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abcdefghijk"
        % canary,
        b"application/octet-stream\n\x00\xff%b\xfe" % canary,
    ]


def journals() -> list[bytes]:
    header = JournalHeader(JOURNAL_FORMAT, JOURNAL_VERSION, "t", "recorder", "2026-01-01T00:00:00Z")
    steps = [
        Step(
            f"r{n}",
            "http",
            "GET /a",
            at_ms=10.0 * n,
            took_ms=5.0,
            request=Request("GET", "/a"),
            recorded=Recorded(status=200),
        )
        for n in range(3)
    ]
    lines = [
        msgspec.json.encode(header),
        *(msgspec.json.encode(JournalEntry("s-1", "header", step)) for step in steps),
    ]
    return [b"\n".join(lines) + b"\n", b"\n".join(lines)]


def states() -> list[bytes]:
    own = b'{"instances":{"idle":1,"busy":2},"requests":{"booted":1,"cold":1,"refused":0,"timed_out":0},"seconds":{"busy":1.0,"booting":0.5,"idle":2.0},"alive":[]}'
    return [own, own + b"\n--\n" + own, b'# HELP x\nx{a="b"} 1 1700000000000\ny 1e9\n', b"[1]"]


@cache
def run_directory() -> Path:
    """A run of a few sessions against a simulated plane; made once in a process."""
    from replay.cli.main import cli

    folder = Path(tempfile.mkdtemp(prefix="replay-fuzz-run-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    trace = folder / "trace.jsonl"
    lines = (ROOT / "traces" / "support-agent.jsonl").read_bytes().splitlines(keepends=True)
    trace.write_bytes(b"".join(lines[:9]))
    target = folder / "target.toml"
    target.write_bytes((ROOT / "targets" / "simulated.toml").read_bytes())
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        cli.main(
            ["plane", "simulate", str(trace), "-t", str(target), "--out", str(folder / "run")],
            standalone_mode=False,
        )
    assert next(read_sessions(trace)).steps
    return folder / "run"


@cache
def column_cache() -> Sequence[bytes]:
    """The lines of that run as a column file, which a run of its size would not be given."""
    text = run_directory() / "steps.jsonl"
    caching = Caching(text)
    for records in read_blocks(text, ReadTally(), caching.saw):
        caching.add(table_of(records))
    caching.finish(0)
    file = text.with_name(CACHE_FILE)
    try:
        return [file.read_bytes()]
    finally:
        file.unlink()


def files_of_runs(file: str) -> Sequence[bytes]:
    """What such a file holds in that run; for those that it has not, a sample."""
    path = run_directory() / file
    found = [path.read_bytes()] if path.exists() else []
    if found and file.endswith((".jsonl", ".hlog")):
        # Mutations are many times as fast on few lines, and reach as much.
        lines = found[0].splitlines(keepends=True)
        found = [b"".join(lines[:count]) for count in (8, 40)]
    return [*found, *(text.encode() for text in _RUN_FILES.get(file, ()))]


_RUN_FILES: dict[str, tuple[str, ...]] = {
    "events.jsonl": (
        '{"at_ns":1000000,"what":"kill","ended_ns":2000000,"exit_code":0,"answer":"{\\"instance\\":\\"i-1\\"}"}\n',
    ),
    "answers.jsonl": (
        '{"is":"head","schema":"replay.answers/1","keeps":"shapes"}\n{"is":"shape","id":1,"paths":[["","object"],["/a","string"]]}\n'
        '{"is":"answer","session":"s","step":"a","kind":"tool","name":"n","status":200,"bytes":5,"content":"json","shape":1}\n',
    ),
    "plane.jsonl": ('{"at_s":1.0,"instances":{"idle":1},"requests":{},"seconds":{}}\n',),
    "verdict.json": tuple(
        msgspec.json.encode(verdict).decode()
        for verdict in (gate(passed(), failed(), undecided()), compare(difference()))
    ),
    "pilot.json": ('{"schema":"replay.pilot/1","question":{},"done":{}}',),
}
