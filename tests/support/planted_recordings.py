"""Recordings of every foreign format with a canary in every place that may hold a secret."""

import base64
import json

from tests.support.packets import Wire, answer, array, request
from tests.support.recordings import FORMATS, START_MS, at, line

CANARY = "canary0123456789abcdef"
ARGUMENTS = {
    "q": 1,
    "password": CANARY,
    "inner": [{"api_key": CANARY, "token": [CANARY]}],
    "auth": {"x": CANARY},
}
HEADERS = {
    "Authorization": f"Bearer {CANARY}",
    "Proxy-Authorization": f"Basic {CANARY}",
    "Cookie": f"sid={CANARY}",
    "X-Api-Key": CANARY,
    "X-Amz-Security-Token": CANARY,
}
QUERY = f"/a?q=1&api_key={CANARY}&access_token={CANARY}&X-Amz-Signature={CANARY}&%74oken={CANARY}"
FORM = f"q=1&password={CANARY}&client_secret={CANARY}"
BODIES = {
    "application/json": json.dumps(ARGUMENTS),
    "application/x-www-form-urlencoded": FORM,
    "multipart/form-data; boundary=b": (
        f'--b\r\nContent-Disposition: form-data; name="password"\r\n\r\n{CANARY}\r\n--b--\r\n'
    ),
}


def span(**attributes):
    """An OTLP document of one span; underscores of the names stand for dots."""
    start_ns = START_MS * 1_000_000
    pairs = [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]
    told = {"traceId": "01" * 16, "spanId": "02" * 8, "name": "x", "kind": 3, "attributes": pairs}
    told |= {"startTimeUnixNano": str(start_ns), "endTimeUnixNano": str(start_ns + 5_000_000)}
    told["status"] = {"code": 2, "message": CANARY}
    return line({"resourceSpans": [{"scopeSpans": [{"spans": [told]}]}]})


def claude_code():
    use = {"type": "tool_use", "id": "t", "name": "run", "input": ARGUMENTS}
    said = {"role": "assistant", "id": "m", "model": "x", "content": [{"type": "text", "text": CANARY}, use]}
    told = {
        "sessionId": "s",
        "uuid": "a",
        "parentUuid": None,
        "timestamp": at(0, 500),
        "env": {"TOKEN": CANARY},
    }
    answered = {"type": "tool_result", "tool_use_id": "t", "content": CANARY}
    result = {**told, "uuid": "b", "timestamp": at(1), "type": "user", "message": {"content": [answered]}}
    return line({**told, "type": "assistant", "message": said}) + line(result)


def codex():
    def item(n, kind, payload):
        return line({"timestamp": at(n), "type": kind, "payload": payload})

    call = {"type": "function_call", "name": "run", "call_id": "c", "arguments": json.dumps(ARGUMENTS)}
    shell = {
        "type": "local_shell_call",
        "call_id": "d",
        "action": {"command": ["ls"], "env": {"API_KEY": CANARY}},
    }
    return (
        item(0, "session_meta", {"id": "s", "instructions": CANARY})
        + item(1, "response_item", {"type": "message", "role": "user", "content": CANARY})
        + item(2, "response_item", call)
        + item(3, "response_item", shell)
        + item(4, "response_item", {"type": "function_call_output", "call_id": "c", "output": CANARY})
    )


def har(kind, body):
    headers = [{"name": name, "value": value} for name, value in HEADERS.items()]
    parameters = [{"name": "password", "value": CANARY}]
    request = {
        "method": "POST",
        "url": f"http://ada:{CANARY}@localhost{QUERY}#{CANARY}",
        "headers": headers,
        "cookies": [{"name": "sid", "value": CANARY}],
        "queryString": [{"name": "api_key", "value": CANARY}],
        "postData": {"mimeType": kind, "text": body, "params": parameters},
    }
    response = {
        "status": 200,
        "headers": [{"name": "Set-Cookie", "value": CANARY}, {"name": "X-Auth-Token", "value": CANARY}],
        "content": {"mimeType": "application/json", "text": json.dumps(ARGUMENTS)},
        "redirectURL": f"/?token={CANARY}",
    }
    asked = {**request, "method": "GET", "url": f"wss://ada:{CANARY}@localhost{QUERY}"}
    messages = [
        {"type": kind, "time": START_MS / 1000 + 1 + n, "opcode": 1, "data": data}
        for n, (kind, data) in enumerate(
            [("send", body), ("receive", json.dumps({"id": CANARY, "type": CANARY}))]
        )
    ]
    entries = [
        {"startedDateTime": at(0), "time": 5, "request": request, "response": response},
        {"startedDateTime": at(0), "time": 5, "request": asked, "_webSocketMessages": messages},
    ]
    return FORMATS["har"].recording([json.dumps(entry) for entry in entries])


def gor(kind, body):
    head = "".join(f"{name}: {value}\r\n" for name, value in {**HEADERS, "Content-Type": kind}.items())
    return f"1 a1 {START_MS}000000 0\nPOST {QUERY} HTTP/1.1\r\nHost: x\r\n{head}\r\n{body}\n🐵🙈🙉\n"


def tshark(kind, body):
    head = "".join(f"{name}: {value}\r\n" for name, value in {**HEADERS, "Content-Type": kind}.items())
    asked = request(QUERY, "POST", head, body.encode())
    told = answer(json.dumps(ARGUMENTS).encode(), f"Set-Cookie: {CANARY}\r\nContent-Type: application/json\r\n")
    return array(Wire().sent(asked, 1).came(told, 3).packets)


def mitmproxy(kind, body):
    flow = json.loads(FORMATS["mitmproxy"].record(0, "x"))
    flow["request"].update(method="POST", path=QUERY, raw_content=body)
    flow["request"]["headers"] = [*HEADERS.items(), ("Content-Type", kind)]
    flow["response"]["headers"] = [("Set-Cookie", CANARY), ("Content-Type", "application/json")]
    flow["response"]["raw_content"] = json.dumps(ARGUMENTS)
    flow["metadata"] = {"token": CANARY}
    return FORMATS["mitmproxy"].recording([line(flow)])


def vegeta(kind, body):
    header = {name: [value] for name, value in {**HEADERS, "Content-Type": kind}.items()}
    encoded = base64.b64encode(body.encode()).decode()
    return line({"method": "POST", "url": f"http://ada:{CANARY}@h{QUERY}", "header": header, "body": encoded})


def postman(kind, body):
    headers = [{"key": name, "value": value} for name, value in {**HEADERS, "Content-Type": kind}.items()]
    request = {
        "method": "POST",
        "url": {"raw": f"http://ada:{CANARY}@h{QUERY}&key={{{{k}}}}"},
        "header": headers,
    }
    request |= {"body": {"mode": "raw", "raw": body}, "auth": {"type": "bearer", "bearer": [{"value": CANARY}]}}
    return FORMATS["postman"].recording([json.dumps({"name": "a", "request": request})])


def of_bodies(write):
    return [write(kind, body) for kind, body in BODIES.items()]


def with_more(name, **more):
    """A recording whose record has fields that its importer has no use for."""
    return line({**json.loads(FORMATS[name].record(0, CANARY)), "headers": HEADERS, "api_key": CANARY, **more})


JSON_LOG = json.loads(FORMATS["json-log"].record(0, "x"))
CLOUD_RUN = json.loads(FORMATS["cloud-run"].record(0, "x"))


def openai_agents():
    data = {"type": "function", "name": "run", "input": json.dumps(ARGUMENTS), "output": CANARY}
    told = {"object": "trace.span", "id": "a", "trace_id": "t", "started_at": at(0), "ended_at": at(1)}
    return line({**told, "span_data": data, "error": {"message": CANARY, "data": ARGUMENTS}})


def gemini_cli():
    call = {"id": "c", "name": "run", "args": ARGUMENTS, "result": [{"text": CANARY}], "timestamp": at(2)}
    told = {"id": "g", "timestamp": at(1), "type": "gemini", "content": CANARY, "toolCalls": [call]}
    return line({"sessionId": "s", "projectHash": "h", "directories": [CANARY]}) + line(told)


def copilot():
    def event(kind, n, **data):
        return line({"type": kind, "data": data, "id": f"e{n}", "timestamp": at(n)})

    request = {"toolCallId": "c", "name": "run", "arguments": json.dumps(ARGUMENTS), "intentionSummary": CANARY}
    return (
        event("session.start", 0, sessionId="s", context={"cwd": CANARY})
        + event("assistant.message", 1, content=CANARY, toolRequests=[request], reasoningText=CANARY)
        + event("tool.execution_start", 2, toolCallId="c", toolName="run", arguments=ARGUMENTS)
        + event("tool.execution_complete", 3, toolCallId="c", success=True, result={"content": CANARY})
    )


def pi():
    def entry(n, **message):
        return line({"type": "message", "id": f"m{n}", "timestamp": at(n), "message": message})

    call = {"type": "toolCall", "id": "c", "name": "run", "arguments": ARGUMENTS}
    head = {"type": "session", "version": 3, "id": "s", "timestamp": at(0), "cwd": CANARY}
    answer = entry(
        1, role="assistant", content=[{"type": "thinking", "thinking": CANARY}, call], errorMessage=CANARY
    )
    return (
        line(head)
        + answer
        + entry(2, role="toolResult", toolCallId="c", content=[{"type": "text", "text": CANARY}])
    )


def inspect():
    model = {
        "event": "model",
        "timestamp": at(1),
        "completed": at(2),
        "model": "m",
        "input": [{"content": CANARY}],
    }
    tool = {"event": "tool", "timestamp": at(2), "completed": at(3), "function": "run", "arguments": ARGUMENTS}
    attached = {**tool, "arguments": {"note": "attachment://" + "a" * 32}, "result": CANARY}
    answered = {**model, "output": {"completion": CANARY, "usage": {"input_tokens": 5, "output_tokens": 5}}}
    sample = {
        "id": "s",
        "epoch": 1,
        "input": CANARY,
        "target": CANARY,
        "events": [answered, tool, attached],
        "attachments": {"a" * 32: f"password = {CANARY}"},
    }
    return json.dumps({"version": 2, "status": "success", "eval": {"eval_id": CANARY}, "samples": [sample]})


def cline():
    def message(kind, n, text, type_="say"):
        return {"ts": START_MS + n, "type": type_, type_: kind, "text": text}

    tool = json.dumps({"tool": "editedExistingFile", "content": f"password = {CANARY}", **ARGUMENTS})
    server = json.dumps({"serverName": "s", "toolName": "t", "arguments": json.dumps(ARGUMENTS)})
    return json.dumps(
        [
            message("task", 0, CANARY),
            message("api_req_started", 1, json.dumps({"request": CANARY, "tokensIn": 5, "tokensOut": 5})),
            message("reasoning", 2, CANARY),
            message("tool", 3, tool),
            message("use_mcp_server", 4, server, "ask"),
            message("mcp_server_response", 5, CANARY),
            message("command", 6, f"curl -H 'authorization: Bearer {CANARY}' https://h", "ask"),
            message("command_output", 7, CANARY, "ask"),
        ]
    )


def openhands():
    def event(kind, n, source, **more):
        return line({"id": f"{n}" * 8, "timestamp": at(n).rstrip("Z"), "source": source, **more, "kind": kind})

    called = {"tool_name": "run", "tool_call_id": "c", "llm_response_id": "r", "summary": CANARY}
    said = {"id": "c", "name": "run", "arguments": json.dumps(ARGUMENTS), "origin": "completion"}
    model = {"id": "q", "choices": [{"message": {"tool_calls": [{"id": "d", "function": said}]}}]}
    before = {"id": 1, "timestamp": at(5).rstrip("Z"), "source": "agent", "message": CANARY, "action": "run"}
    metadata = {
        "function_name": "run",
        "tool_call_id": "d",
        "total_calls_in_response": 1,
        "model_response": model,
    }
    return (
        event("MessageEvent", 1, "user", llm_message={"role": "user", "content": CANARY})
        + event("ActionEvent", 2, "agent", thought=CANARY, action=ARGUMENTS, tool_call=said, **called)
        + event(
            "ObservationEvent",
            3,
            "environment",
            tool_call_id="c",
            tool_name="run",
            observation={"text": CANARY},
        )
        + line({**before, "args": {**ARGUMENTS, "thought": CANARY}, "tool_call_metadata": metadata})
        + line({**before, "id": 2, "args": {**ARGUMENTS, "thought": CANARY}})
    )


def qwen_code():
    def record(kind, n, *parts):
        told = {
            "uuid": f"u{n}",
            "parentUuid": None,
            "sessionId": "s",
            "timestamp": at(n),
            "type": kind,
            "cwd": CANARY,
        }
        return line({**told, "message": {"role": "model", "parts": [{"text": CANARY}, *parts]}})

    answer = {"id": "c", "name": "run", "response": {"output": CANARY}}
    return record("assistant", 1, {"functionCall": {"id": "c", "name": "run", "args": ARGUMENTS}}) + record(
        "tool_result", 2, {"functionResponse": answer}
    )


def opencode():
    times = {"start": START_MS + 1_000, "end": START_MS + 2_000}
    state = {"status": "completed", "input": ARGUMENTS, "output": CANARY, "title": CANARY, "time": times}
    info = {"id": "m", "sessionID": "s", "role": "assistant", "time": {"created": START_MS}, "modelID": "m"}
    parts = [{"type": "text", "text": CANARY}, {"type": "tool", "tool": "run", "state": state}]
    return json.dumps({"info": {"projectID": "p"}, "messages": [{"info": info, "parts": parts}]})


def inference_perf():
    span = json.loads(FORMATS["inference-perf"].record(0, CANARY))
    asked = {"model": "m", "messages": [{"role": "user", "content": CANARY}], "stream": True}
    error = {"error_type": f"504 token={CANARY}", "error_msg": CANARY}
    usage = {
        "response_metrics": {"server_usage": {"prompt_tokens": 5}, "response_chunks": [CANARY]},
        "labels": {"a": CANARY},
    }
    told = {"start_time": 5.0, "end_time": 6.5, "request": json.dumps(asked), "response": CANARY, "info": usage}
    return [FORMATS["inference-perf"].recording([json.dumps(span)]), json.dumps([{**told, "error": error}])]


PLANTED = {
    "inference-perf": inference_perf(),
    "openai-agents": [openai_agents()],
    "gemini-cli": [gemini_cli()],
    "inspect": [inspect()],
    "cline": [cline()],
    "openhands": [openhands()],
    "copilot": [copilot()],
    "pi": [pi()],
    "qwen-code": [qwen_code()],
    "opencode": [opencode()],
    "claude-sessions": [FORMATS["claude-sessions"].of(1, CANARY)],
    "mooncake": [with_more("mooncake")],
    "azure-llm": [FORMATS["azure-llm"].of(1, CANARY)],
    "burstgpt": ["Timestamp,Model,Request tokens,Response tokens,Api key\n5,m,5,5," + CANARY],
    "azure-functions": [FORMATS["azure-functions"].of(1, CANARY)],
    "vegeta": [
        *of_bodies(vegeta),
        f"GET http://ada:{CANARY}@h{QUERY}\n" + "".join(f"{name}: {value}\n" for name, value in HEADERS.items()),
    ],
    "curl": [
        f"curl 'http://ada:{CANARY}@h{QUERY}' -u ada:{CANARY} -b 'sid={CANARY}' --data '{body}' -H 'Content-Type: {kind}' "
        + " ".join(f"-H '{name}: {value}'" for name, value in HEADERS.items())
        for kind, body in BODIES.items()
    ],
    "http-file": [
        f"@token = {CANARY}\n### x\nPOST http://ada:{CANARY}@h{QUERY}&token={{{{token}}}} HTTP/1.1\nContent-Type: {kind}\n"
        + "".join(f"{name}: {value}\n" for name, value in HEADERS.items())
        + f"\n{body}\n"
        for kind, body in BODIES.items()
    ],
    "k6-script": [
        f"import http from 'k6/http';\nconst apiKey = '{CANARY}';\nhttp.post(`http://ada:{CANARY}@h{QUERY}&a=${{apiKey}}`, "
        f"{json.dumps(body)}, {{ headers: {json.dumps({**HEADERS, 'Content-Type': kind})} }});\n"
        for kind, body in BODIES.items()
    ],
    "postman": of_bodies(postman),
    "tshark": of_bodies(tshark),
    "tracelab": [with_more("tracelab", tools=[{"tool_name": "t", "emitted_at": at(0, 300), "input": ARGUMENTS}])],
    "claude-code": [claude_code()],
    "codex": [codex()],
    "dynamo": [with_more("dynamo")],
    "freeinference": [with_more("freeinference")],
    "langfuse": [
        with_more("langfuse", metadata={"token": CANARY}),
        *(with_more("langfuse", type="TOOL", input=given) for given in (ARGUMENTS, json.dumps(ARGUMENTS), [ARGUMENTS])),
    ],
    "langsmith": [
        with_more("langsmith", error=CANARY, extra={"metadata": {"token": CANARY}}),
        *(with_more("langsmith", run_type="tool", inputs=given) for given in (ARGUMENTS, {"input": json.dumps(ARGUMENTS)})),
    ],
    "litellm": [
        with_more("litellm", metadata={"user_api_key_hash": CANARY}, error_str=CANARY, end_user=CANARY),
        with_more(
            "litellm", call_type="call_mcp_tool",
            metadata={"mcp_tool_call_metadata": {"name": "t", "arguments": ARGUMENTS, "mcp_server_logo_url": CANARY}},
        ),
    ],
    "access-log": [
        f'192.0.2.7 - {CANARY} [10/Oct/2000:13:55:36 +0000] "GET {QUERY} HTTP/1.1" 200 6 "http://r/?token={CANARY}" "c" '
        f'rt=0.100 auth="{CANARY}"\n',
        f'192.0.2.7 - - [10/Oct/2000:13:55:36 +0000] "GET http://ada:{CANARY}@h{QUERY} HTTP/1.1" 200 6\n',
    ],
    "envoy-log": [FORMATS["envoy-log"].of(1).replace("/a/0", QUERY)],
    "s3-log": [FORMATS["s3-log"].of(1).replace("GET /a/0", f"GET /a/0{QUERY}")],
    "iis-log": [FORMATS["iis-log"].of(1).replace("/a/0, -", f"/a/0, {QUERY[1:]}")],
    "squid-log": [FORMATS["squid-log"].of(1).replace("http://api.test/a/0", f"http://ada:{CANARY}@h{QUERY}")],
    "elb-log": [FORMATS["elb-log"].of(1).replace("http://api.test:80/a/0", f"http://ada:{CANARY}@h{QUERY}")],
    "haproxy-log": [FORMATS["haproxy-log"].of(1, CANARY).replace("/a/0", QUERY)],
    "fastify-log": [FORMATS["fastify-log"].of(1, CANARY).replace("/a/0", QUERY)],
    "heroku-log": [FORMATS["heroku-log"].of(1).replace("/a/0", QUERY)],
    "uvicorn-log": [FORMATS["uvicorn-log"].of(1).replace("/a/0", QUERY)],
    "framework-log": [FORMATS["framework-log"].of(1).replace("/a/0", QUERY)],
    "uwsgi-log": [FORMATS["uwsgi-log"].of(1).replace("/a/0", QUERY)],
    "w3c-log": [
        "#Fields: date time cs-method cs-uri-stem cs-uri-query cs-username cs(Referer) cs(Cookie) sc-status\n"
        f"2026-01-01 00:00:00 GET /a {QUERY[3:]} {CANARY} http://r/?token={CANARY} sid={CANARY} 200\n"
    ],
    "k6": [FORMATS["k6"].of(1, CANARY).replace("http://localhost/a/0", f"http://ada:{CANARY}@h{QUERY}")],
    "jtl": [FORMATS["jtl"].of(1).replace("http://h/a/0", f"http://ada:{CANARY}@h{QUERY}")],
    "vegeta-results": [
        line(
            {
                **json.loads(FORMATS["vegeta-results"].of(1, CANARY)),
                "url": f"http://ada:{CANARY}@h{QUERY}",
                "body": base64.b64encode(CANARY.encode()).decode(),
                "headers": {"Set-Cookie": [CANARY]},
            }
        )
    ],
    "load-times": [f"request-start,request-duration,status,{CANARY}\n1.5,0.1,200,{CANARY}\n"],
    "lambda-log": [
        FORMATS["lambda-log"].of(1, CANARY) + line({"level": "INFO", "message": f"token={CANARY}"}),
        f"2026-01-01T00:00:00Z REPORT RequestId: a Duration: 5.00 ms\n2026-01-01T00:00:00Z password={CANARY}\n",
    ],
    "json-log": [
        line({**JSON_LOG, "request_uri": QUERY, "http_referer": QUERY, "http_authorization": CANARY, "cookie": CANARY}),
        line({**JSON_LOG, "request_uri": "/a", "args": QUERY[3:], "remote_user": CANARY}),
        line({"ts": 1714557601.5, "status": 200, "request": {"method": "GET", "uri": QUERY, "headers": HEADERS}}),
    ],
    "cloud-run": [
        line(
            {
                **CLOUD_RUN,
                "httpRequest": {**CLOUD_RUN["httpRequest"], "requestUrl": f"https://ada:{CANARY}@h{QUERY}", "referer": QUERY},
                "labels": {"token": CANARY},
                "jsonPayload": ARGUMENTS,
            }
        )
    ],
    "otlp": [
        span(
            **{
                "http.request.method": "POST",
                "url.full": f"https://ada:{CANARY}@h{QUERY}",
                **{f"http.request.header.{name.lower()}": value for name, value in HEADERS.items()},
                "http.request.header.x-note": "kept",
                "exception.message": CANARY,
            }
        ),
        span(**{"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "t", "gen_ai.tool.call.arguments": json.dumps(ARGUMENTS)}),
        span(**{"gen_ai.operation.name": "chat", "gen_ai.prompt": CANARY, "gen_ai.completion": CANARY}),
        span(**{"mcp.method.name": "tools/call", "gen_ai.tool.name": "t", "gen_ai.tool.call.arguments": json.dumps(ARGUMENTS)}),
    ],
    **{
        name: [
            FORMATS[name].of(1, CANARY).replace("gen_ai.prompt", place)
            for place in ("gen_ai.prompt", "gen_ai.completion", "exception.message", "http.request.header.authorization")
        ]
        for name in ("jaeger", "zipkin", "otel-console")
    },
    "har": of_bodies(har),
    "gor": of_bodies(gor),
    "mitmproxy": of_bodies(mitmproxy),
}  # fmt: skip

# Where what names the session is a secret, and how it is asked for.
SESSIONS = {
    "har": ("x-api-key", PLANTED["har"]),
    "gor": ("X-Api-Key", PLANTED["gor"]),
    "mitmproxy": ("authorization", PLANTED["mitmproxy"]),
    "access-log": ("query:api_key", PLANTED["access-log"]),
    "envoy-log": ("query:access_token", PLANTED["envoy-log"]),
    "elb-log": ("query:api_key", PLANTED["elb-log"]),
    "s3-log": ("query:api_key", PLANTED["s3-log"]),
    "iis-log": ("query:api_key", PLANTED["iis-log"]),
    "squid-log": ("query:api_key", PLANTED["squid-log"]),
    "haproxy-log": ("query:api_key", PLANTED["haproxy-log"]),
    "w3c-log": ("cs(cookie)", PLANTED["w3c-log"]),
    "json-log": ("http_authorization", PLANTED["json-log"][:1]),
    "cloud-run": ("labels.token", PLANTED["cloud-run"]),
    "langfuse": ("token", PLANTED["langfuse"][:1]),
    "langsmith": ("token", PLANTED["langsmith"][:1]),
    "litellm": ("user_api_key_hash", PLANTED["litellm"][:1]),
    "otlp": ("http.request.header.x-api-key", PLANTED["otlp"][:1]),
}


def holds(trace):
    """Whether the canary is in it, as it is or in base64."""
    encoded = [base64.b64encode(b"x" * n + CANARY.encode())[4:-4].decode() for n in range(3)]
    return any(form in trace for form in (CANARY, *encoded))
