"""A recording in every foreign format, made of as many records as a test asks for; and a stand-in for mitmproxy."""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from types import ModuleType, SimpleNamespace
from typing import Any, NamedTuple

from tests.support.packets import Wire, answer, request

START = datetime(2026, 1, 1, tzinfo=UTC)
START_MS = round(START.timestamp() * 1_000)


class Format(NamedTuple):
    """How a format is written. record(n, text): the n-th record, which begins n seconds after the first.

    text stands wherever the format has free text. before, between, after: what holds the records together.
    is_lines: whether each record is a line, or lines, of its own. lasts: whether durations are recorded.
    """

    record: Callable[[int, str], str]
    suffix: str
    before: str = ""
    between: str = ""
    after: str = ""
    is_lines: bool = True
    lasts: bool = True

    def recording(self, records: Sequence[str]) -> str:
        return self.before + self.between.join(records) + self.after

    def of(self, count: int, text: str = "x") -> str:
        return self.recording([self.record(n, text) for n in range(count)])


def took_ms(n: int) -> int:
    """How long the n-th record's call lasts: some overlap those that come next."""
    return (300, 1_900, 400, 2_700)[n % 4]


def at(n: int, later_ms: int = 0) -> str:
    when = START + timedelta(seconds=n, milliseconds=later_ms)
    return when.strftime("%Y-%m-%dT%H:%M:%S.") + f"{when.microsecond // 1_000:03}Z"


def line(value: Any) -> str:
    return json.dumps(value) + "\n"


def _claude_code(n: int, text: str) -> str:
    told = {"sessionId": "s", "version": "2.1"}
    message = {
        "id": f"m{n}",
        "model": "x",
        "content": [{"type": "text", "text": text}],
        "usage": {"input_tokens": 5},
    }
    asked = {
        "type": "user",
        "parentUuid": None,
        "uuid": f"u{n}",
        "timestamp": at(n),
        "message": {"content": text},
    }
    said = {
        "type": "assistant",
        "parentUuid": f"u{n}",
        "uuid": f"a{n}",
        "timestamp": at(n, 500),
        "message": message,
    }
    return line({**asked, **told}) + line({**said, **told})


def _codex(n: int, text: str) -> str:
    def item(later_ms: int, kind: str, payload: dict[str, Any]) -> str:
        return line({"timestamp": at(n, later_ms), "type": kind, "payload": payload})

    usage = {"input_tokens": 5 + n, "output_tokens": 5}
    return (
        item(0, "response_item", {"type": "message", "role": "user", "content": text})
        + item(300, "response_item", {"type": "message", "role": "assistant", "content": text})
        + item(500, "event_msg", {"type": "token_count", "info": {"last_token_usage": usage}})
    )


def _tracelab(n: int, text: str) -> str:
    events = [(0, "user_message"), (200, "text"), (500, "usage_report")]
    timed = [{"event_type": kind, "timestamp": at(n, later)} for later, kind in events]
    return line({"session_id": "s", "timing_events": timed, "model": "m", "prompt": text})


def _dynamo(n: int, text: str) -> str:
    request = {"request_received_ms": START_MS + 1_000 * n, "total_time_ms": took_ms(n), "prompt": text}
    return line(
        {
            "schema": "dynamo.request.trace.v1",
            "event_type": "request_end",
            "event_time_unix_ms": START_MS + 1_000 * n + took_ms(n),
            "agent_context": {"session_id": "s"},
            "request": request,
        }
    )


def _freeinference(n: int, text: str) -> str:
    start_ms = START_MS + 1_000 * n
    request = {"step": 0, "start_ms": start_ms, "end_ms": start_ms + took_ms(n), "model": "m", "prompt": text}
    return line({"session_id": f"s{n}", "user_id": "u", "harness": "h", "requests": [request]})


def _langfuse(n: int, text: str) -> str:
    told = {"id": f"o{n}", "traceId": "t", "parentObservationId": None, "type": "GENERATION", "name": "plan"}
    return line({**told, "startTime": at(n), "endTime": at(n, took_ms(n)), "input": text, "output": text})


def _openai_agents(n: int, text: str) -> str:
    data = {"type": "generation", "input": text, "output": text, "model": "m", "usage": {"input_tokens": 5}}
    told = {"object": "trace.span", "id": f"span_{n}", "trace_id": "t", "parent_id": None, "error": None}
    return line({**told, "started_at": at(n), "ended_at": at(n, took_ms(n)), "span_data": data})


def _gemini_cli(n: int, text: str) -> str:
    asked = {"id": f"u{n}", "timestamp": at(n), "type": "user", "content": [{"text": text}]}
    told = {"id": f"g{n}", "timestamp": at(n, 500), "type": "gemini", "content": text, "model": "m"}
    chat = {"sessionId": "s", "projectHash": "h", "startTime": at(0), "kind": "main"}
    return line(chat) + line(asked) + line({**told, "tokens": {"input": 5, "output": 5, "cached": 0}})


def _copilot(n: int, text: str) -> str:
    def event(kind: str, later_ms: int, **data: Any) -> str:
        return line(
            {"type": kind, "data": data, "id": f"{kind} {n}", "timestamp": at(n, later_ms), "parentId": None}
        )

    asked = event("user.message", 0, content=text)
    return asked + event("assistant.message", 500, content=text, model="m", outputTokens=5, toolRequests=[])


def _pi(n: int, text: str) -> str:
    def entry(name: str, later_ms: int, **message: Any) -> str:
        told = {"type": "message", "id": f"{name}{n}", "parentId": None, "timestamp": at(n, later_ms)}
        return line({**told, "message": {"content": [{"type": "text", "text": text}], **message}})

    head = {"type": "session", "version": 3, "id": "s", "timestamp": at(0), "cwd": "/"}
    asked = line(head) + entry("u", 0, role="user")
    usage = {"input": 5, "output": 5, "cacheRead": 0, "cacheWrite": 0}
    return asked + entry("a", 500, role="assistant", model="m", usage=usage, timestamp=START_MS + 1_000 * n)


def _cline(n: int, text: str) -> str:
    def message(kind: str, later_ms: int, told: str) -> str:
        return line({"ts": START_MS + 1_000 * n + later_ms, "type": "say", "say": kind, "text": told})

    asked = json.dumps({"request": text, "tokensIn": 5, "tokensOut": 5})
    return (
        message("api_req_started", 0, asked)
        + message("text", 100, text)
        + message("checkpoint_created", 500, "")
    )


def _openhands(n: int, text: str) -> str:
    def event(kind: str, later_ms: int, source: str, **more: Any) -> str:
        told = {"id": f"{kind}-{n:08}", "timestamp": at(n, later_ms).rstrip("Z"), "source": source}
        return line({**told, **more, "kind": "MessageEvent"})

    said = {"role": "user", "content": [{"type": "text", "text": text}]}
    asked = event("asked", 0, "user", llm_message=said)
    return asked + event("answer", 500, "agent", llm_message=said, llm_response_id=f"r{n}")


def _qwen_code(n: int, text: str) -> str:
    def record(kind: str, later_ms: int, **more: Any) -> str:
        told = {
            "uuid": f"{kind}{n}",
            "parentUuid": None,
            "sessionId": "s",
            "timestamp": at(n, later_ms),
            "type": kind,
        }
        return line({**told, **more, "message": {"role": "model", "parts": [{"text": text}]}})

    usage = {"promptTokenCount": 5, "candidatesTokenCount": 5}
    return record("user", 0) + record("assistant", 500, model="m", usageMetadata=usage)


def _opencode(n: int, text: str) -> str:
    times = {"created": START_MS + 1_000 * n, "completed": START_MS + 1_000 * n + 500}
    info = {"id": f"m{n}", "sessionID": "s", "role": "assistant", "time": times, "modelID": "m"}
    return json.dumps({"info": info, "parts": [{"type": "text", "text": text}]})


def _inspect(n: int, text: str) -> str:
    times = {"timestamp": at(n), "completed": at(n, took_ms(n))}
    usage = {"input_tokens": 5, "output_tokens": 5, "total_tokens": 10}
    model = {"event": "model", **times, "model": "m", "input": [{"role": "user", "content": text}]}
    return json.dumps({"id": n, "epoch": 1, "input": text, "events": [{**model, "output": {"usage": usage}}]})


def _langsmith(n: int, text: str) -> str:
    told = {"id": f"r{n}", "trace_id": "t", "run_type": "llm", "name": "plan"}
    return line({**told, "start_time": at(n), "end_time": at(n, took_ms(n)), "inputs": {"prompt": text}})


def _litellm(n: int, text: str) -> str:
    start_s, end_s = (START_MS / 1_000 + n + later_ms / 1_000 for later_ms in (0, took_ms(n)))
    told = {"id": f"c{n}", "trace_id": "t", "call_type": "acompletion", "stream": True, "response_cost": 0.1}
    return line(
        {**told, "startTime": start_s, "endTime": end_s, "model": "m", "messages": text, "response": text}
    )


def _otlp(n: int, text: str) -> str:
    start_ns = (START_MS + 1_000 * n) * 1_000_000
    attributes = _chat(text)
    span = {
        "traceId": "0102030405060708090a0b0c0d0e0f10",
        "spanId": f"{n + 1:016x}",
        "name": "chat m",
        "kind": 3,
        "startTimeUnixNano": str(start_ns),
        "endTimeUnixNano": str(start_ns + took_ms(n) * 1_000_000),
        "attributes": [{"key": key, "value": {"stringValue": each}} for key, each in attributes.items()],
    }
    return line({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})


def _k6(n: int, text: str) -> str:
    tags = {
        "method": "GET",
        "url": f"http://localhost/a/{n}",
        "status": "200",
        "name": text,
        "vu": 1,
        "iter": 0,
    }
    data = {"time": at(n, took_ms(n)), "value": float(took_ms(n)), "tags": tags}
    return line({"metric": "http_req_duration", "type": "Point", "data": data})


def _vegeta_results(n: int, text: str) -> str:
    told = {"attack": "", "seq": n, "code": 200, "timestamp": at(n), "latency": took_ms(n) * 1_000_000}
    return line(
        {**told, "bytes_out": 0, "bytes_in": 2, "error": text, "method": "GET", "url": f"http://h/a/{n}"}
    )


def _inference_perf(n: int, text: str) -> str:
    told = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.output.text": text}
    asked = json.dumps([{"role": "user", "content": text}])
    span = {"trace_id": "t", "span_id": f"{n}", "parent_span_id": None, "name": "chat m"}
    times = {"start_time": at(n)[:-1], "end_time": at(n, took_ms(n))[:-1]}
    return json.dumps({**span, **times, "attributes": {**told, "gen_ai.input.messages": asked}})


def _jaeger(n: int, text: str) -> str:
    span = {"traceID": "t", "spanID": f"s{n}", "operationName": "chat m", "processID": "p1"}
    tags = [{"key": key, "type": "string", "value": value} for key, value in _chat(text).items()]
    times = {"startTime": (START_MS + 1_000 * n) * 1_000, "duration": took_ms(n) * 1_000}
    return line(
        {"traceID": "t", "spans": [{**span, **times, "tags": tags}], "processes": {"p1": {"serviceName": "x"}}}
    )


def _zipkin(n: int, text: str) -> str:
    times = {"timestamp": (START_MS + 1_000 * n) * 1_000, "duration": took_ms(n) * 1_000}
    return line({"traceId": "01" * 16, "id": f"{n + 1:016x}", "name": "chat m", **times, "tags": _chat(text)})


def _otel_console(n: int, text: str) -> str:
    context = {"trace_id": "0x" + "01" * 16, "span_id": f"0x{n + 1:016x}", "trace_state": "[]"}
    times = {"start_time": at(n), "end_time": at(n, took_ms(n))}
    return line(
        {"name": "chat m", "context": context, "kind": "SpanKind.CLIENT", **times, "attributes": _chat(text)}
    )


def _chat(text: str) -> dict[str, str]:
    return {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m", "gen_ai.prompt": text}


def _access_log(n: int, text: str) -> str:
    when = START + timedelta(seconds=n, milliseconds=took_ms(n))
    stamp = when.strftime("%d/%b/%Y:%H:%M:%S.") + f"{when.microsecond // 1_000:03} +0000"
    request = f"GET /a/{n} HTTP/1.1"
    return f'192.0.2.7 - ada [{stamp}] "{request}" 200 612 "-" "{text}" rt={took_ms(n) / 1_000:.3f}\n'


def _envoy_log(n: int, text: str) -> str:
    told = f'"{text}" "id-{n}" "api.example.com" "10.0.2.1:80"'
    return f'[{at(n)}] "GET /a/{n} HTTP/2" 200 - 154 87 {took_ms(n)} 100 "192.0.2.7" {told}\n'


def _elb_log(n: int, text: str) -> str:
    rest = f'"{text}" - - arn:x "Root=1-{n}" "api.test" "-" 0 {at(n)} "forward" "-" "-"'
    times = f"0.000 {took_ms(n) / 1_000:.3f} 0.000"
    request = f"GET http://api.test:80/a/{n} HTTP/1.1"
    return f'http {at(n, took_ms(n))} app/lb/1 192.0.2.7:2817 10.0.0.1:80 {times} 200 200 34 366 "{request}" {rest}\n'


def _s3_log(n: int, text: str) -> str:
    when = (START + timedelta(seconds=n)).strftime("%d/%b/%Y:%H:%M:%S +0000")
    request = f'REST.GET.OBJECT a/{n} "GET /a/{n} HTTP/1.1" 200 - 366 366 {took_ms(n)} 5 "-" "{text}" -'
    return f"{'79a5' * 16} bucket [{when}] 192.0.2.7 - 3E57427F3EXAMPLE {request} s9lz= SigV4 ECDHE AuthHeader api.test TLSV1.2 - -\n"


def _iis_log(n: int, text: str) -> str:
    when = (START + timedelta(seconds=n, milliseconds=took_ms(n))).strftime("%m/%d/%Y, %H:%M:%S.%f")[:-3]
    return f"192.0.2.7, {text.replace(',', ';')}, {when}, W3SVC1, WEB, 192.0.2.1, {took_ms(n)}, 163, 366, 200, 0, GET, /a/{n}, -,\n"


def _squid_log(n: int, text: str) -> str:
    when = (START + timedelta(seconds=n, milliseconds=took_ms(n))).timestamp()
    name = text.encode().hex()[:100] or "-"
    return f"{when:.3f} {took_ms(n):6} 192.0.2.7 TCP_MISS/200 366 GET http://api.test/a/{n} {name} HIER_DIRECT/192.0.2.1 text/html\n"


def _haproxy_log(n: int, text: str) -> str:
    when = (START + timedelta(seconds=n)).strftime("%d/%b/%Y:%H:%M:%S.000")
    told = f'200 116 - - ---- 1/1/0/0/0 0/0 {{{text}}} "GET /a/{n} HTTP/1.1"'
    return f"192.0.2.7:57368 [{when}] fe be/s1 0/0/1/9/{took_ms(n)} {told}\n"


def _fastify_log(n: int, text: str) -> str:
    def half(later_ms: int, **told: Any) -> str:
        return line(
            {"level": 30, "time": START_MS + 1_000 * n + later_ms, "pid": 1, "reqId": f"req-{n}", **told}
        )

    asked = half(
        0, req={"method": "GET", "url": f"/a/{n}", "host": "a.example", "remoteAddress": "192.0.2.7"}, msg=text
    )
    return asked + half(took_ms(n), res={"statusCode": 200}, responseTime=took_ms(n), msg=text)


def _heroku_log(n: int, text: str) -> str:
    told = f'fwd="192.0.2.7" dyno={text} connect=1ms service={took_ms(n) - 1}ms status=200 bytes=1'
    return f'{at(n, took_ms(n))} heroku[router]: at=info method=GET path="/a/{n}" host=a.example {told}\n'


def _uvicorn_log(n: int, text: str) -> str:
    return f'{at(n)} INFO:     192.0.2.7:57368 - "GET /a/{n} HTTP/1.1" 200 OK\n'


def _framework_log(n: int, text: str) -> str:
    when = (START + timedelta(seconds=n)).strftime("%d/%b/%Y:%H:%M:%S +0000")
    return f'INFO:aiohttp.access:192.0.2.7 [{when}] "GET /a/{n} HTTP/1.1" 200 150 "-" "{text}"\n'


def _uwsgi_log(n: int, text: str) -> str:
    when = (START + timedelta(seconds=n)).strftime("%a %b %d %H:%M:%S %Y")
    told = (
        f"generated 1 bytes in {took_ms(n)} msecs (HTTP/1.1 200) 9 headers in 378 bytes (1 switches on core 3)"
    )
    return f"[pid: 1|app: 0|req: {n}/{n}] 192.0.2.7 () {{38 vars in 696 bytes}} [{when}] GET /a/{n} => {told}\n"


def _w3c_log(n: int, text: str) -> str:
    date, _, time = at(n, took_ms(n)).rstrip("Z").partition("T")
    return f"{date} {time} 10.0.0.1 GET /a/{n} - 192.0.2.7 {text} 200 0 {took_ms(n)}\n"


def _lambda_log(n: int, text: str) -> str:
    metrics = {"durationMs": took_ms(n), "billedDurationMs": took_ms(n) + 1, "memorySizeMB": 128}
    record = {"requestId": f"id-{n}", "metrics": metrics, "status": text}
    return line({"time": at(n, took_ms(n)), "type": "platform.report", "record": record})


def _json_log(n: int, text: str) -> str:
    request = {"request_method": "GET", "request_uri": f"/a/{n}", "remote_addr": "192.0.2.7"}
    when = {
        "msec": f"{(START_MS + 1_000 * n + took_ms(n)) / 1_000:.3f}",
        "request_time": f"{took_ms(n) / 1_000:.3f}",
    }
    return line({**when, **request, "status": "200", "http_user_agent": text})


def _cloud_run(n: int, text: str) -> str:
    request = {
        "requestMethod": "GET",
        "requestUrl": f"https://a.run.app/a/{n}",
        "status": 200,
        "remoteIp": "192.0.2.7",
    }
    told = {"userAgent": text, "latency": f"{took_ms(n) / 1_000:.3f}s"}
    return line({"insertId": str(n), "httpRequest": {**request, **told}, "timestamp": at(n)})


def _har(n: int, text: str) -> str:
    request = {
        "method": "GET",
        "url": f"http://localhost/a/{n}",
        "headers": [{"name": "x-note", "value": text}],
    }
    timings = {"send": 0, "wait": took_ms(n) - 100, "receive": 100}
    told = {"startedDateTime": at(n), "time": took_ms(n), "timings": timings}
    return json.dumps({**told, "request": request, "response": {"status": 200, "content": {"text": text}}})


def _gor(n: int, text: str) -> str:
    start_ns = (START_MS + 1_000 * n) * 1_000_000
    asked = f"1 {n:024x} {start_ns} 0\nGET /a/{n} HTTP/1.1\r\nHost: x\r\nX-Note: {text}\r\n\r\n"
    end_ns = start_ns + took_ms(n) * 1_000_000
    return f"{asked}\n🐵🙈🙉\n2 {n:024x} {end_ns} 5\nHTTP/1.1 200 OK\r\n\r\n{text}\n🐵🙈🙉\n"


def _tshark(n: int, text: str) -> str:
    wire = Wire(n)
    wire.sent(request(f"/a/{n}", headers=f"X-Note: {text}\r\n"), n * 1_000)
    wire.came(answer(text.encode()), n * 1_000 + took_ms(n))
    return ",\n".join(map(json.dumps, wire.packets))


def _mitmproxy(n: int, text: str) -> str:
    start_s = START_MS / 1_000 + n
    end_s = start_s + took_ms(n) / 1_000
    request = {
        "timestamp_start": start_s,
        "method": "GET",
        "path": f"/a/{n}",
        "host_header": "api.test",
        "host": "127.0.0.1",
        "port": 8080,
        "scheme": "https",
        "headers": [["x-note", text]],
        "raw_content": "",
    }
    response = {
        "timestamp_start": end_s,
        "timestamp_end": end_s,
        "status_code": 200,
        "headers": [],
        "raw_content": text,
    }
    told = {"type": "http", "websocket": None, "is_replay": None, "client_conn": {"id": "c-1"}}
    return line({**told, "request": request, "response": response})


def _claude_sessions(n: int, text: str) -> str:
    return json.dumps({"t": n, "type": "n", "in": 5, "out": 5, "api_time": took_ms(n) / 1_000, "prompt": text})


FORMATS = {
    "claude-sessions": Format(
        _claude_sessions, ".json", '{"id":"a","block_size":64,"requests":[', ",", "]}", is_lines=False
    ),
    "mooncake": Format(
        lambda n, text: line(
            {"timestamp": 1_000 * n, "input_length": 5, "output_length": 5, "hash_ids": [n], "prompt": text}
        ),
        ".jsonl",
        lasts=False,
    ),
    "azure-llm": Format(
        lambda n, text: f"2023-11-16 18:{17 + n // 60:02}:{n % 60:02}.9799600,5,5,{text}\n",
        ".csv",
        "TIMESTAMP,ContextTokens,GeneratedTokens,Note\n",
        lasts=False,
    ),
    "burstgpt": Format(
        lambda n, text: f"{n},{text},5,5,10,API log,{took_ms(n) / 1_000}\n",
        ".csv",
        "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type,Elapsed time\n",
    ),
    "azure-functions": Format(
        lambda n, text: f"{text},f,{n + 10},{took_ms(n) / 1_000}\n", ".csv", "app,func,end_timestamp,duration\n"
    ),
    "vegeta": Format(lambda n, text: f"GET http://localhost/a/{n}\nX-Note: {text}\n", ".txt", lasts=False),
    "curl": Format(lambda n, text: f"curl http://localhost/a/{n} -H 'X-Note: {text}'\n", ".txt", lasts=False),
    "http-file": Format(
        lambda n, text: f"###\nGET http://localhost/a/{n} HTTP/1.1\nX-Note: {text}\n\n", ".http", is_lines=False, lasts=False
    ),
    "k6-script": Format(
        lambda n, text: f"  http.get('http://localhost/a/{n}', {{ headers: {{ 'X-Note': {json.dumps(text)} }} }});\n",
        ".js",
        "import http from 'k6/http';\nexport default function () {\n",
        after="}\n",
        is_lines=False,
        lasts=False,
    ),
    "postman": Format(
        lambda n, text: json.dumps({"name": "a", "request": {"url": f"http://localhost/a/{n}", "description": text}}),
        ".json",
        '{"info":{"schema":"https://schema.getpostman.com/json/collection/v2.1.0/collection.json"},"item":[',
        ",",
        "]}",
        is_lines=False,
        lasts=False,
    ),
    "tracelab": Format(_tracelab, ".jsonl"),
    "claude-code": Format(_claude_code, ".jsonl"),
    "codex": Format(_codex, ".jsonl"),
    "dynamo": Format(_dynamo, ".jsonl"),
    "freeinference": Format(_freeinference, ".jsonl"),
    "gemini-cli": Format(_gemini_cli, ".jsonl"),
    "cline": Format(_cline, "ui_messages.json"),
    "openhands": Format(_openhands, ".jsonl"),
    "copilot": Format(_copilot, ".jsonl"),
    "pi": Format(_pi, ".jsonl"),
    "qwen-code": Format(_qwen_code, ".jsonl"),
    "opencode": Format(
        _opencode, ".json", '{"info":{"id":"s","projectID":"p"},"messages":[', ",", "]}", is_lines=False
    ),
    "openai-agents": Format(_openai_agents, ".jsonl"),
    "inspect": Format(
        _inspect,
        ".json",
        '{"version":2,"status":"success","eval":{"eval_id":"e","task":"t"},"samples":[',
        ",",
        "]}",
        is_lines=False,
    ),
    "langfuse": Format(_langfuse, ".jsonl"),
    "langsmith": Format(_langsmith, ".jsonl"),
    "litellm": Format(_litellm, ".jsonl"),
    "access-log": Format(_access_log, ".log"),
    "envoy-log": Format(_envoy_log, ".log"),
    "elb-log": Format(_elb_log, ".log"),
    "s3-log": Format(_s3_log, ""),
    "iis-log": Format(_iis_log, ".log"),
    "squid-log": Format(_squid_log, ".log"),
    "haproxy-log": Format(_haproxy_log, ".log"),
    "w3c-log": Format(
        _w3c_log,
        ".log",
        "#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query c-ip cs(User-Agent) sc-status sc-substatus time-taken\n",
    ),
    "fastify-log": Format(_fastify_log, ".log"),
    "heroku-log": Format(_heroku_log, ".log"),
    "uvicorn-log": Format(_uvicorn_log, ".log", lasts=False),
    "framework-log": Format(_framework_log, ".log", lasts=False),
    "uwsgi-log": Format(_uwsgi_log, ".log"),
    "lambda-log": Format(_lambda_log, ".jsonl"),
    "json-log": Format(_json_log, ".jsonl"),
    "cloud-run": Format(_cloud_run, ".jsonl"),
    "otlp": Format(_otlp, ".jsonl"),
    "k6": Format(_k6, ".json"),
    "jtl": Format(
        lambda n, text: f"{START_MS + 1_000 * n},{took_ms(n)},{text},200,t 1-1,http://h/a/{n}\n",
        ".jtl",
        "timeStamp,elapsed,label,responseCode,threadName,URL\n",
    ),
    "vegeta-results": Format(_vegeta_results, ".json"),
    "load-times": Format(
        lambda n, text: f"{(START_MS + 1_000 * n) * 1_000}\t200\t{took_ms(n) * 1_000}\n", ".tsv"
    ),
    "inference-perf": Format(_inference_perf, ".json", '{"trace_id":"t","spans":[', ",", "]}", is_lines=False),
    "jaeger": Format(_jaeger, ".jsonl"),
    "zipkin": Format(_zipkin, ".jsonl"),
    "otel-console": Format(_otel_console, ".log"),
    "har": Format(_har, ".har", '{"log":{"version":"1.2","creator":{"name":"x"},"entries":[', ",", "]}}", is_lines=False),
    "tshark": Format(_tshark, ".json", "[", ",\n", "]\n", is_lines=False),
    "gor": Format(_gor, ".gor"),
    # A dump begins with the length of a flow and the length, name and value of its first field.
    "mitmproxy": Format(_mitmproxy, ".flow", "90:7:version;\n", is_lines=False),
}  # fmt: skip


class FlowReader:
    """Stands in for the library's: below the first line each line is a flow in JSON, any field of any type."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def stream(self) -> Iterator[Any]:
        data = b""
        while piece := self._source.read(1 << 20):
            data += piece
        for flow in data.partition(b"\n")[2].decode().splitlines():
            yield self._flow(json.loads(flow, object_hook=lambda fields: SimpleNamespace(**fields)))

    @staticmethod
    def _flow(flow: Any) -> Any:
        """The flow with the bytes that the library has where JSON has texts."""
        for message in (getattr(flow, "request", None), getattr(flow, "response", None)):
            if isinstance(getattr(message, "raw_content", None), str):
                message.raw_content = message.raw_content.encode()
            if isinstance(getattr(message, "headers", None), list):
                fields = tuple((name.encode(), value.encode()) for name, value in message.headers)
                message.headers = SimpleNamespace(fields=fields)
        return flow


def in_place_of_mitmproxy() -> dict[str, ModuleType]:
    """The modules to put among those that are imported."""
    package, inner = ModuleType("mitmproxy"), ModuleType("mitmproxy.io")
    inner.FlowReader = FlowReader  # type: ignore[attr-defined]
    return {"mitmproxy": package, "mitmproxy.io": inner}
