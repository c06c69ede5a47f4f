"""OpenTelemetry's spans become sessions of calls."""

import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.assembly.types import ImportOptions
from replay.importers.tracing.otlp import Otlp
from replay.importers.tracing.otlp_spans import NAMES
from replay.trace.errors import TraceError
from replay.trace.file.stream import TraceWriter, read_sessions
from replay.trace.types import Edge, LlmTools, McpCall
from tests.support.carried import TOOL

START_NS = 1_767_225_600_000_000_000
INTERNAL, SERVER, CLIENT = 1, 2, 3
HTTP = {"http.request.method": "GET", "url.full": "https://crm.test/v1/customers?id=7"}


def value(plain):
    match plain:
        case bool():
            return {"boolValue": plain}
        case int():
            return {"intValue": str(plain)}
        case float():
            return {"doubleValue": plain}
        case list():
            return {"arrayValue": {"values": [value(each) for each in plain]}}
        case dict():
            return {"kvlistValue": {"values": pairs(plain)}}
    return {"stringValue": plain}


def pairs(attributes):
    return [{"key": key, "value": value(each)} for key, each in attributes.items()]


def span(name, start, end, parent=None, attributes=None, kind=INTERNAL, trace="t1", **fields):
    return {
        "traceId": trace,
        "spanId": name,
        "parentSpanId": parent or "",
        "name": name,
        "kind": kind,
        "startTimeUnixNano": str(START_NS + round(start * 1e6)),
        "endTimeUnixNano": "0" if end is None else str(START_NS + round(end * 1e6)),
        "attributes": pairs(attributes or {}),
        **fields,
    }


def chat(name, start, end, parent=None, attributes=None, **fields):
    said = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m-1", **(attributes or {})}
    return span(name, start, end, parent, said, CLIENT, **fields)


def tool(name, start, end, parent=None, attributes=None, **fields):
    said = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": name, **(attributes or {})}
    return span(name, start, end, parent, said, **fields)


def http(name, start, end, parent=None, attributes=None, **fields):
    return span(name, start, end, parent, {**HTTP, **(attributes or {})}, CLIENT, **fields)


def agent(name, start, end, parent=None, attributes=None, **fields):
    said = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name, **(attributes or {})}
    return span(name, start, end, parent, said, **fields)


def mcp(name, start, end, parent=None, attributes=None, **fields):
    return span(
        name, start, end, parent, {"mcp.method.name": "tools/call", **(attributes or {})}, CLIENT, **fields
    )


def server(name, start, end, parent=None, attributes=None, **fields):
    return span(name, start, end, parent, attributes, SERVER, **fields)


def execution(name, start, end, parent=None, attributes=None, **fields):
    return span(name, start, end, parent, {"span.type": "tool.execution", **(attributes or {})}, **fields)


def data(*spans, **resource):
    scopes = [{"scope": {"name": "x"}, "spans": list(spans)}]
    return {"resourceSpans": [{"resource": {"attributes": pairs(resource)}, "scopeSpans": scopes}]}


def imported(path, document, **options):
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    return traced(path, **options)


def traced(path, **options):
    found = Otlp().read([path], ImportOptions(**options))
    trace = path.with_name("trace.out")
    with TraceWriter(trace, found.header) as writer:
        for session in found.sessions():
            writer.write(session)
    return found, list(read_sessions(trace))


def steps_of(path, *spans, **options):
    _, [session] = imported(path, data(*spans), **options)
    return session.steps


@pytest.fixture
def path(tmp_path):
    return tmp_path / "traces.jsonl"


@pytest.mark.parametrize(("written", "ttft_ms"), [(213, 213.0), (0.213, 213.0)])
def test_the_servers_first_token_is_whole_ms_or_a_part_of_a_second(path, written, ttft_ms):
    """Strands Agents 1.62 writes ms under a name whose convention says s."""
    [step] = steps_of(path, chat("chat", 0, 1000, "", {"gen_ai.server.time_to_first_token": written}))

    assert (step.recorded.ttft_ms, step.llm.stream) == (ttft_ms, True)


def test_a_tools_arguments_may_stand_in_an_event_of_its_span(path):
    """As Strands Agents 1.62 writes them; such an event on a model's span holds what a tool gave."""
    told = {"role": "tool", "content": '{"city": "Rome", "api_key": "hunter2"}', "id": "x1"}
    events = [{"name": "gen_ai.tool.message", "timeUnixNano": "1", "attributes": pairs(told)}]
    steps = steps_of(
        path, chat("c", 0, 1, "", events=events), tool("a", 2, 3, "", events=events), tool("b", 4, 5, "", {"gen_ai.tool.call.arguments": "{}"}, events=events)
    )  # fmt: skip

    assert [bytes(step.request.json) for step in steps[1:]] == [b'{"city":"Rome","api_key":"redacted"}', b"{}"]


def test_what_arguments_a_tool_takes_are_none_that_it_got(path):
    """As spans of CrewAI 1.15 tell them, by OpenInference."""
    schema = '{"properties": {"city": {"title": "City", "type": "string"}}, "type": "object"}'
    got = {"tool.parameters": schema, "input.value": '{"city": "Rome"}'}
    steps = steps_of(path, tool("a", 0, 1, "", got), tool("b", 2, 3, "", {"tool.parameters": schema}))

    assert [bytes(step.request.json) for step in steps] == [b'{"city":"Rome"}', b"{}"]


def test_an_agents_spans_become_calls_that_follow_one_another(path):
    found, [session] = imported(
        path,
        data(
            agent("support", 0, 3000),
            chat(
                "plan", 1, 1000, "support", {"gen_ai.usage.input_tokens": 10, "gen_ai.usage.output_tokens": 5}
            ),
            tool("search", 1010, 1500, "support", {"gen_ai.tool.call.arguments": '{"q":"x"}'}),
            tool("crm", 1010, 1900, "support", {"gen_ai.tool.call.arguments": {"id": 7}}),
            chat("answer", 1920, 3000, "support", {"gen_ai.response.time_to_first_chunk": 0.25}),
            **{"service.name": "shop"},
        ),
    )
    plan, search, crm, answer = session.steps
    assert (session.id, session.attributes) == ("t1", {"agent": "support", "service": "shop"})
    assert [step.kind for step in session.steps] == ["llm", "tool", "tool", "llm"]
    assert (plan.name, plan.took_ms, plan.at_ms, plan.llm.model) == ("plan", 999.0, 0.0, "m-1")
    assert (plan.llm.input_tokens, plan.llm.output_tokens, plan.llm.stream) == (10, 5, False)
    assert search.after == crm.after == (Edge("1", "end", 10.0),)
    assert (search.request.method, search.request.path) == ("POST", "/tools/search")
    assert [bytes(step.request.json) for step in (search, crm)] == [b'{"q":"x"}', b'{"id":7}']
    assert answer.after == (Edge("2", "end", 20.0), Edge("3", "end", 20.0))
    assert (answer.recorded.ttft_ms, answer.llm.stream) == (250.0, True)
    assert found.header.resolution_ms == 1.0
    assert found.header.attributes["import"]["inferred"] == {
        "tool call(s) whose request is not recorded became a POST /tools/NAME": 2
    }
    assert found.notes[:3] == (
        "1 session(s): 2 model call(s), 2 tool call(s).",
        "0 HTTP request(s), 0 MCP call(s).",
        "Times are recorded to 1 ms.",
    )
    assert not any("How tools were called" in note for note in found.notes)


def test_http_client_spans_become_requests_to_their_paths_without_secrets(path):
    post = {
        "http.request.method": "POST",
        "url.full": "https://user:pw@crm.test:8443/v1/a b?api_key=k&q=1#part",
        "http.request.body.size": 120,
        "http.response.body.size": 9000,
        "http.response.status_code": 201,
        "http.request.header.authorization": ["Bearer x"],
        "http.request.header.content-type": ["application/json"],
        "http.request.header.x-tenant": ["a", "b"],
    }
    found, [session] = imported(path, data(http("a", 0, 5), span("b", 9, 20, None, post, CLIENT)))
    get, posted = session.steps
    assert (get.kind, get.name, get.request.path) == ("http", "GET crm.test", "/v1/customers?id=7")
    assert (posted.name, posted.request.method) == ("POST crm.test:8443", "POST")
    assert posted.request.path == "/v1/a%20b?api_key=redacted&q=1"
    assert posted.request.headers == {"content-type": "application/json", "x-tenant": "a, b"}
    assert posted.request.body_bytes == posted.recorded.request_bytes == 120
    assert (posted.recorded.status, posted.recorded.response_bytes) == (201, 9000)
    assert posted.attributes == {"span": "b", "host": "crm.test:8443"}
    assert posted.after == (Edge("1", "end", 4.0),)
    assert found.header.attributes["import"]["dropped"] == {
        "header(s) that hold secrets": 1,
        "secret(s) in URLs": 1,
    }


@pytest.mark.parametrize(
    ("attributes", "name", "where"),
    [
        ({"http.method": "get", "http.url": "http://a.test"}, "GET a.test", "/"),
        ({"http.method": "GET", "http.host": "a.test:81", "http.target": "/x?y=1"}, "GET a.test:81", "/x?y=1"),
        ({"http.request.method": "GET", "server.address": "a.test", "server.port": 8080, "url.path": "/x", "url.query": "y=1"}, "GET a.test:8080", "/x?y=1"),
        ({"http.request.method": "_OTHER", "http.request.method_original": "PURGE", "url.full": "http://a.test/x"}, "PURGE a.test", "/x"),
    ],
)  # fmt: skip
def test_older_and_partial_http_attributes_are_understood(path, attributes, name, where):
    [step] = steps_of(path, span("a", 0, 5, None, attributes, CLIENT))
    assert (step.name, step.request.path) == (name, where)


def test_an_http_request_below_a_model_call_is_that_call(path):
    answered = {"http.response.status_code": 200, "url.full": "https://api.test/v1/chat/completions"}
    found, [session] = imported(
        path,
        data(
            chat("a", 0, 100),
            http("limited", 1, 10, "a", {"http.response.status_code": 429}),
            span("retry", 11, 98, "a"),
            http("again", 12, 98, "retry", answered),
        ),
    )
    [step] = session.steps
    assert (step.kind, step.took_ms, step.request, step.recorded.status) == ("llm", 100.0, None, 200)
    inferred = found.header.attributes["import"]["inferred"]
    assert inferred == {"request(s) below a model, tool or MCP call are that call": 2}


def test_a_tool_call_with_one_http_request_below_it_is_that_request(path):
    sent = {
        "http.request.method": "POST",
        "url.full": "http://crm.test/lookup",
        "http.response.status_code": 500,
    }
    _, crm, after = steps_of(
        path,
        chat("a", 0, 100),
        tool("crm", 110, 200, None, {"gen_ai.tool.call.arguments": '{"id":7,"password":"x"}'}),
        http("post", 130, 190, "crm", sent, status={"code": 2}),
        chat("b", 205, 300),
    )
    assert (crm.kind, crm.name, crm.request.path) == ("tool", "crm", "/lookup")
    assert bytes(crm.request.json) == b'{"id":7,"password":"redacted"}'
    assert (crm.at_ms, crm.took_ms, crm.recorded.status) == (130.0, 60.0, 500)
    assert crm.attributes["error"] == "true"
    assert crm.after == (Edge("1", "end", 30.0),)
    assert after.after == (Edge("2", "end", 15.0),)


def test_a_tool_call_with_several_requests_is_these_requests(path):
    first, second = steps_of(path, tool("crm", 0, 100), http("one", 10, 20, "crm"), http("two", 30, 50, "crm"))
    assert [step.kind for step in (first, second)] == ["http", "http"]
    assert first.attributes["tool"] == second.attributes["tool"] == "crm"
    assert second.after == (Edge("1", "end", 10.0),)


def test_what_the_called_service_did_is_not_imported_again(path):
    found, [session] = imported(
        path,
        data(
            agent("a", 0, 1000),
            tool("search", 10, 900, "a"),
            http("request", 20, 890, "search"),
            span("handler", 30, 880, "request", kind=SERVER),
            http("upstream", 40, 800, "handler"),
            chat("summarise", 810, 870, "handler"),
        ),
    )
    assert [step.name for step in session.steps] == ["search"]
    dropped = found.header.attributes["import"]["dropped"]
    assert dropped == {"span(s) below a call's request: work of who answered it": 3}


def test_the_request_that_called_the_agent_only_holds_its_calls(path):
    found, [session] = imported(
        path,
        data(
            http("client", 0, 1000),
            span("server", 1, 999, "client", kind=SERVER),
            agent("a", 2, 998, "server"),
            chat("m", 3, 100, "a"),
            http("crm", 110, 120, "a"),
        ),
    )
    assert [step.name for step in session.steps] == ["m", "GET crm.test"]
    assert found.header.attributes["import"]["http_requests"] == 1
    inferred = found.header.attributes["import"]["inferred"]
    assert inferred == {"request(s) that hold an agent's calls are these calls": 1}


def test_mcp_calls_become_json_rpc_requests_to_the_path_that_carried_them(path):
    call = {
        "mcp.method.name": "tools/call",
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "lookup",
    }
    carried = {
        "http.request.method": "POST",
        "url.full": "http://tools.test/servers/crm",
        "http.response.status_code": 200,
    }
    first, second = steps_of(
        path,
        span("tools/list", 0, 5, None, {"mcp.method.name": "tools/list"}, CLIENT),
        span("call", 10, 50, None, {**call, "gen_ai.tool.call.arguments": {"id": 7}, "jsonrpc.request.id": "9"}, CLIENT),
        http("post", 11, 49, "call", carried),
        span("tools/call lookup", 12, 48, "post", call, SERVER),
    )  # fmt: skip
    assert (first.kind, first.name, first.mcp) == ("mcp", "tools/list", McpCall("tools/list"))
    assert (second.kind, second.name, second.request.path) == ("mcp", "tools/call lookup", "/servers/crm")
    assert json.loads(bytes(second.request.json)) == {
        "jsonrpc": "2.0",
        "id": "9",
        "method": "tools/call",
        "params": {"name": "lookup", "arguments": {"id": 7}},
    }
    assert (second.took_ms, second.recorded.status) == (40.0, 200)


def test_a_tool_call_that_is_an_mcp_call_has_the_tools_name(path):
    [step] = steps_of(
        path,
        tool("lookup", 0, 60, None, {"gen_ai.tool.call.arguments": '{"id":7}'}),
        span("call", 10, 50, "lookup", {"mcp.method.name": "tools/call"}, CLIENT),
    )
    assert (step.kind, step.name, step.request) == ("mcp", "lookup", None)
    assert (step.mcp.method, step.mcp.tool, bytes(step.mcp.arguments)) == ("tools/call", "lookup", b'{"id":7}')


def test_a_tool_that_its_agent_names_with_its_server_is_called_by_its_own_name(path):
    [step] = steps_of(
        path,
        tool("mcp__crm__find", 0, 60),
        span("call", 10, 50, "mcp__crm__find", {"mcp.method.name": "tools/call"}, CLIENT),
    )
    assert (step.name, step.mcp.server, step.mcp.tool) == ("mcp__crm__find", "crm", "find")


def test_an_http_request_of_an_mcp_session_is_of_kind_mcp(path):
    [step] = steps_of(path, http("poll", 0, 9, None, {"mcp.session.id": "s"}))
    assert (step.kind, step.name, step.request.method) == ("mcp", "GET crm.test", "GET")


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"mcp.method.name": "prompts/get", "gen_ai.prompt.name": "greet"}, McpCall("prompts/get", name="greet")),
        ({"mcp.method.name": "resources/read", "mcp.resource.uri": "file:///x?token=1"}, McpCall("resources/read", uri="file:///x?token=redacted")),
        ({"mcp.method.name": "resources/subscribe", "mcp.resource.uri": "file:///x"}, McpCall("resources/subscribe", params=msgspec.Raw(b'{"uri":"file:///x"}'))),
        ({"mcp.method.name": "notifications/cancelled"}, McpCall("notifications/cancelled")),
        ({"mcp.method.name": "ping", "mcp.protocol.version": "2025-06-18"}, McpCall("ping", version="2025-06-18")),
        ({"mcp.method.name": "tools/call", "gen_ai.tool.name": "a"}, McpCall("tools/call", tool="a", arguments=msgspec.Raw(b"{}"))),
        ({"mcp.method.name": "ping", "url.path": "/crm/mcp"}, McpCall("ping", server="/crm/mcp")),
        ({"mcp.method.name": "ping", "url.full": "http://crm.test:8080/crm/mcp?token=s3cr3t"}, McpCall("ping", server="/crm/mcp")),
    ],
)  # fmt: skip
def test_mcp_calls_that_nothing_carried_are_messages_of_what_their_spans_tell(path, attributes, message):
    told = {**attributes, "server.address": "crm.test", "server.port": 8080}
    [step] = steps_of(path, span("a", 0, 9, None, told, CLIENT))
    assert (step.kind, step.mcp, step.request) == ("mcp", message, None)
    assert step.attributes["host"] == "crm.test:8080"


@pytest.mark.parametrize("method", ["initialize", "notifications/initialized"])
def test_what_opens_a_session_with_an_mcp_server_is_left_to_the_run(path, method):
    opening = span("o", 0, 5, None, {"mcp.method.name": method}, CLIENT)
    found, [session] = imported(path, data(opening, mcp("call", 10, 20, None, {"gen_ai.tool.name": "a"})))
    assert [step.mcp.method for step in session.steps] == ["tools/call"]
    [(what, n)] = found.header.attributes["import"]["dropped"].items()
    assert (n, "which a run does by itself" in what) == (1, True)
    [(what, n)] = found.header.attributes["import"]["inferred"].items()
    assert (n, "[[routes]]" in what) == (1, True)


def test_what_no_run_could_say_stays_the_request_that_it_was(path):
    [step] = steps_of(path, span("a", 0, 9, None, {"mcp.method.name": "no method"}, CLIENT))
    assert (step.kind, step.mcp, step.request.path) == ("mcp", None, "/mcp")


@pytest.mark.parametrize(
    "wrapped", [lambda found: {"trace": found}, lambda found: {"batches": found["resourceSpans"]}]
)
def test_what_tempo_answers_is_read(path, wrapped):
    _, [session] = imported(path, wrapped(data(chat("a", 0, 9))))
    assert [step.name for step in session.steps] == ["a"]


def test_an_mcp_call_that_two_instrumentations_tell_of_is_one_call(path):
    found, [session] = imported(
        path,
        data(
            tool("lookup", 0, 60),
            mcp("outer", 10, 50, "lookup"),
            mcp("inner", 11, 49, "outer"),
            http("post", 12, 48, "inner", {"http.request.method": "POST", "url.full": "http://a.test/x"}),
            span("parse", 49, 50, "outer"),
            chat("m", 70, 80),
        ),
    )
    call, model = session.steps
    assert (call.kind, call.name, call.request.path, call.took_ms) == ("mcp", "lookup", "/x", 40.0)
    assert model.after == (Edge("1", "end", 20.0),)
    inferred = found.header.attributes["import"]["inferred"]
    assert inferred == {"request(s) below a model, tool or MCP call are that call": 3}


def test_a_tool_that_runs_an_agent_is_the_agents_calls(path):
    asked, request, model = steps_of(
        path,
        chat("a", 0, 10),
        tool("delegate", 11, 100),
        agent("helper", 12, 99, "delegate"),
        http("request", 20, 30, "helper"),
        chat("m", 40, 90, "helper"),
    )
    assert [step.name for step in (asked, request, model)] == ["a", "GET crm.test", "m"]
    assert "tool" not in request.attributes


def test_sessions_whose_long_names_begin_alike_stay_apart(path):
    first, second = ({"gen_ai.conversation.id": "x" * 300 + end} for end in "ab")
    _, sessions = imported(
        path, data(chat("a", 0, 1, None, first), chat("b", 2, 3, None, second), chat("c", 4, 5, None, first))
    )
    assert [len(session.steps) for session in sessions] == [2, 1]
    assert all(len(session.id) <= 200 for session in sessions)


def test_a_tool_that_starts_while_the_model_streams_follows_its_first_chunk(path):
    event = {"name": "gen_ai.first_token", "timeUnixNano": str(START_NS + 30_000_000)}
    model, early = steps_of(path, chat("a", 0, 100, events=[event]), tool("search", 50, 90, "a"))
    assert model.recorded.ttft_ms == 30.0
    assert early.after == (Edge("1", "first_byte", 20.0),)


def test_subagents_are_lanes_that_fan_out_and_join(path):
    found, [session] = imported(
        path,
        data(
            agent("lead", 0, 500),
            chat("plan", 0, 100, "lead"),
            agent("left", 110, 300, "lead"),
            chat("l1", 111, 200, "left"),
            chat("l2", 210, 299, "left"),
            agent("right", 110, 250, "lead"),
            chat("r1", 115, 250, "right"),
            chat("sum", 310, 500, "lead"),
        ),
    )
    by_name = {step.name: step for step in session.steps}
    assert by_name["l2"].after == (Edge(by_name["l1"].id, "end", 10.0),)
    assert {edge.step for edge in by_name["sum"].after} == {by_name["l2"].id, by_name["r1"].id}
    assert [by_name[name].attributes.get("agent") for name in ("plan", "l1", "r1")] == [None, "left", "right"]
    assert (session.attributes["agent"], found.header.attributes["import"]["subagents"]) == ("lead", 2)


def test_a_conversation_is_a_session_whatever_the_traces_that_it_spans(path):
    said = {"gen_ai.conversation.id": "c-1"}
    _, sessions = imported(
        path,
        data(
            agent("a", 0, 50, None, said, trace="t1"),
            chat("m1", 1, 49, "a", trace="t1"),
            tool("alone", 0, 9, trace="t1"),
            chat("m2", 100, 200, None, said, trace="t2"),
            chat("m3", 300, 400, trace="t3"),
        ),
    )
    assert [(session.id, [step.name for step in session.steps]) for session in sessions] == [
        ("c-1", ["alone", "m1", "m2"]),
        ("t3", ["m3"]),
    ]


def test_session_by_names_another_attribute_or_a_recorded_header(path):
    document = data(
        chat("a", 0, 10, None, {"user.id": 7, "gen_ai.conversation.id": "c"}, trace="t1"),
        chat("b", 20, 30, None, {"user.id": 7}, trace="t2"),
        http("c", 40, 50, None, {"http.request.header.x_user": ["u"]}, trace="t3"),
    )
    _, sessions = imported(path, document, session_by="user.id")
    assert [session.id for session in sessions] == ["7", "t3"]
    _, sessions = imported(path, document, session_by="X-User")
    assert [session.id for session in sessions] == ["t1", "t2", "u"]


def test_legacy_and_other_instrumentations_names_are_understood(path):
    openinference = {
        "openinference.span.kind": "LLM",
        "llm.model_name": "m-2",
        "llm.token_count.prompt": 3,
        "llm.token_count.completion": 4,
    }
    sdk = {
        "ai.operationId": "ai.streamText.doStream",
        "gen_ai.request.model": "m-3",
        "ai.response.msToFirstChunk": 4.0,
    }
    steps = steps_of(
        path,
        span("a", 0, 10, None, openinference),
        span("b", 20, 30, None, {"llm.request.type": "chat", "gen_ai.usage.prompt_tokens": 1, "gen_ai.usage.completion_tokens": "2"}, CLIENT),
        span("c", 40, 50, None, sdk),
        span("d", 60, 70, None, {"ai.operationId": "ai.toolCall", "ai.toolCall.name": "x", "ai.toolCall.args": "{}"}),
        span("e", 80, 90, None, {"traceloop.span.kind": "tool", "traceloop.entity.name": "y"}),
        span("f", 95, 99, None, {"gen_ai.operation.name": "embeddings"}, CLIENT),
    )  # fmt: skip
    assert [(step.kind, step.name) for step in steps] == [
        ("llm", "a"), ("llm", "b"), ("llm", "c"), ("tool", "x"), ("tool", "y"), ("tool", "embeddings"),
    ]  # fmt: skip
    tokens = [(step.llm.model, step.llm.input_tokens, step.llm.output_tokens) for step in steps[:3]]
    assert tokens == [("m-2", 3, 4), (None, 1, 2), ("m-3", 0, 0)]
    assert steps[2].recorded.ttft_ms == 4.0


def test_spans_of_openllmetry_tell_of_streams_and_arguments(path):
    """As its release 0.62 names them."""
    called = {
        "traceloop.span.kind": "tool",
        "gen_ai.tool.name": "find",
        "traceloop.entity.input": '{"args": ["x"]}',
    }
    steps = steps_of(
        path,
        chat("a", 0, 10, None, {"gen_ai.is_streaming": True}),
        chat("b", 20, 30, None, {"gen_ai.is_streaming": False}),
        span("find.tool", 40, 50, None, called),
    )

    assert [step.llm.stream for step in steps[:2]] == [True, False]
    assert json.loads(bytes(steps[2].request.json)) == {"args": ["x"]}


def test_claude_codes_own_spans_are_understood(path):
    """The names are those of a live export of Claude Code 2.1."""
    said = {"session.id": "s-1"}
    asked = {**said, "span.type": "llm_request", "model": "m-1", "ttft_ms": 40.0, "success": True}
    tokens = {"input_tokens": 2, "cache_read_tokens": 800, "cache_creation_tokens": 70, "output_tokens": 12}
    _, [session] = imported(
        path,
        data(
            span("interaction", 0, 900, None, {**said, "span.type": "interaction"}),
            span("llm", 1, 100, "interaction", {**asked, **tokens}),
            span("tool", 110, 400, "interaction", {**said, "span.type": "tool", "tool_name": "Bash"}),
            span("blocked", 111, 300, "tool", {**said, "span.type": "tool.blocked_on_user"}),
            span("execution", 301, 399, "tool", {**said, "span.type": "tool.execution", "success": False}),
            span("llm 2", 405, 900, "interaction", asked),
        ),
    )
    llm, bash, last = session.steps
    assert (session.id, llm.llm.model, llm.llm.input_tokens, llm.llm.output_tokens) == ("s-1", "m-1", 872, 12)
    assert llm.recorded.ttft_ms == 40.0
    assert (bash.name, bash.at_ms, bash.took_ms, bash.attributes["error"]) == ("Bash", 300.0, 98.0, "true")
    assert bash.after == (Edge("1", "end", 201.0),)
    assert last.after == (Edge("2", "end", 6.0),)


def test_a_conversation_counts_before_the_session_of_a_window(path):
    _, sessions = imported(
        path,
        data(
            chat("a", 0, 10, None, {"gen_ai.conversation.id": "c"}),
            tool("t", 2, 8, "a", {"session.id": "window"}),
            **{"session.id": "window"},
        ),
    )
    assert [(session.id, len(session.steps)) for session in sessions] == [("c", 2)]
    _, sessions = imported(path, data(chat("a", 0, 10), **{"session.id": "window"}))
    assert [session.id for session in sessions] == ["window"]


def test_an_error_is_kept_by_its_type_and_never_by_its_message(path):
    failed = {"code": 2, "message": "token sk-123 refused"}
    a, b = steps_of(
        path,
        chat("a", 0, 10, None, {"error.type": "timeout"}, status=failed),
        tool("b", 20, 30, status={"code": "STATUS_CODE_ERROR"}),
    )
    assert (a.attributes["error"], b.attributes["error"]) == ("timeout", "true")


def test_spans_that_are_no_calls_are_dropped_and_counted(path):
    found, [session] = imported(
        path,
        data(
            span("server", 0, 100, "not recorded", kind=SERVER),
            span("work", 1, 99, "server"),
            span("SELECT", 2, 3, "work", {"db.system": "postgresql"}, CLIENT),
            chat("m", 4, 50, "work"),
            chat("m", 4, 50, "work"),
            chat("zero", 4, 50, "work", startTimeUnixNano="0"),
            chat("orphan", 60, 70, "gone"),
            span("bad", 80, 90, None, {"http.method": "G T", "http.url": "http://a.test/"}, CLIENT),
        ),
    )
    assert [step.name for step in session.steps] == ["m", "orphan"]
    assert found.header.attributes["import"]["dropped"] == {
        "span(s) with an id that occurred before": 1,
        "span(s) without a start time": 1,
        "server span(s)": 1,
        "internal span(s)": 1,
        "span(s) of other clients (databases, queues)": 1,
        "HTTP request(s) with an invalid method or URL": 1,
    }
    assert found.header.attributes["import"]["inferred"] == {
        "span(s) whose parent is not recorded stand at the top": 1
    }


def test_calls_are_streamed_as_recorded_or_else_as_assumed(path):
    assert [step.llm.stream for step in steps_of(path, chat("a", 0, 9), chat("b", 10, 19))] == [True, True]
    assert [step.llm.stream for step in steps_of(path, chat("a", 0, 9), stream=False)] == [False]
    steps = steps_of(path, chat("a", 0, 9, None, {"gen_ai.request.stream": True}), chat("b", 10, 19))
    assert [step.llm.stream for step in steps] == [True, False]


def test_spans_of_one_trace_may_stand_in_any_line_of_any_file(tmp_path):
    lines = [data(chat("b", 20, 30, "run")), {"resourceMetrics": []}, data(agent("run", 0, 40))]
    (tmp_path / "1.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")
    (tmp_path / "2.json").write_text(json.dumps(data(chat("a", 0, 10, "run")), indent=2))
    found = Otlp().read([tmp_path], ImportOptions())
    [session] = found.sessions()
    assert [step.name for step in session.steps] == ["a", "b"]
    assert found.header.attributes["import"]["dropped"] == {"object(s) that hold no spans": 1}


@pytest.mark.parametrize(
    ("times", "resolution_ms"),
    [((0.0005, 1), 0.001), ((0.25, 1), 0.01), ((3, 10), 1.0), ((500, 1000), 100.0), ((0, 3000), 1000.0)],
)
def test_the_resolution_is_that_of_the_times(path, times, resolution_ms):
    found, _ = imported(path, data(chat("a", *times)))
    assert found.header.resolution_ms == resolution_ms


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (data(chat("a", 0, 1, startTimeUnixNano="-5")), ', line 1, span "a", startTimeUnixNano: "-5" is not a time in ns since 1970.'),
        (data(chat("a", 0, 1, startTimeUnixNano="1e9")), ', line 1, span "a", startTimeUnixNano: "1e9" is not a time in ns since 1970.'),
        (data(chat("a", 0, 1, endTimeUnixNano=2**63)), ', line 1, span "a", endTimeUnixNano: "9223372036854775808" is not a time in ns since 1970.'),
        (data(chat("a", 0, 1, startTimeUnixNano=True)), ", line 1, resourceSpans or batches: [0].scopeSpans[0].spans[0].startTimeUnixNano: expected a number or a string or null, got true or false."),
        ('{"resourceSpans": Nan}', ", line 1: not valid JSON: invalid character (byte 18)."),
        (data(), ": no model calls, tool calls or HTTP client's requests among the spans."),
        ("hello", ": neither OTLP in JSON nor OTLP in protobuf. Name a file of trace data in one of these."),
        ("", ": neither OTLP in JSON nor OTLP in protobuf. Name a file of trace data in one of these."),
        ('{"resourceSpans":' + "[" * 100_000, ": nested too deeply to be read."),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_with_its_place(path, document, message):
    with pytest.raises(TraceError) as caught:
        imported(path, document)
    assert str(caught.value) == f"{path}{message}"


def test_spans_that_are_one_anothers_parents_and_deep_ones_are_kept(path):
    deep = [span(f"d{n}", 0, 1, f"d{n - 1}" if n else None) for n in range(2_000)]
    steps = steps_of(
        path,
        *deep,
        chat("a", 1, 2, "d1999"),
        chat("b", 3, 4, "c"),
        span("c", 3, 4, "b"),
        chat("self", 5, 6, "self"),
    )
    assert [step.name for step in steps] == ["a", "b", "self"]


names = st.sampled_from([None, *"abcdefgh"])
moments = st.integers(0, 3_000).map(lambda n: n / 4)
spans = st.builds(
    lambda make, name, start, took, parent, trace, conversation: make(
        name or "a",
        start,
        None if took is None else start + took,
        parent,
        {"gen_ai.conversation.id": conversation} if conversation else {},
        trace=trace,
    ),
    st.sampled_from([chat, chat, tool, tool, http, http, mcp, agent, span, server, execution]),
    names,
    moments,
    st.none() | moments,
    names,
    st.sampled_from(["t1", "t1", "t2"]),
    st.sampled_from([None, None, None, "c1", "c2"]),
)


@settings(max_examples=80, deadline=None)
@given(items=st.lists(spans, max_size=14))
def test_whatever_was_recorded_a_walk_starts_every_call_when_it_started(
    tmp_path_factory, walked_starts_ms, items
):
    path = tmp_path_factory.getbasetemp() / "traces.jsonl"
    found, sessions = imported(path, data(chat("z", 0, 1), *items))
    for session in sessions:
        walked = walked_starts_ms(session)
        for step in session.steps:
            assert abs(walked[step.id] - step.at_ms) <= found.header.resolution_ms + 0.001


odd_values = st.one_of(
    st.text(max_size=12),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.lists(st.text(max_size=5) | st.integers(), max_size=3),
    st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
    st.sampled_from(["http://[::1", "https://a@b:c/d?token=x#y", "//", "GET", "POST", "tools/call", "chat", "{", '{"a":', "..", "9" * 30]),
)  # fmt: skip
odd_attributes = st.dictionaries(
    st.sampled_from([*sorted(NAMES), "http.request.header.x", "http.request.header.cookie"]),
    odd_values,
    max_size=8,
)


@settings(max_examples=80, deadline=None)
@given(
    all_attributes=st.lists(odd_attributes, max_size=4),
    kind=st.integers(0, 6),
    make=st.sampled_from([span, chat, tool, http, mcp]),
)
def test_whatever_attributes_hold_the_trace_is_valid(tmp_path_factory, all_attributes, kind, make):
    path = tmp_path_factory.getbasetemp() / "odd.jsonl"
    made = [
        make(str(n), n * 10, n * 10 + 9, str(n - 1), attributes) for n, attributes in enumerate(all_attributes)
    ]
    for each in made:
        each["kind"] = kind

    # It is read back, which refuses what breaks a rule; the one span that is sound is there whatever the others hold.
    assert sum(len(session.steps) for session in imported(path, data(chat("z", 0, 1), *made))[1]) >= 1


@settings(max_examples=80, deadline=None)
@given(
    keys=st.lists(st.sampled_from(["resourceSpans", "scopeSpans", "spans", "attributes", "value", "status"]), max_size=4),
    inner=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
        lambda each: st.lists(each, max_size=2) | st.dictionaries(st.sampled_from(["key", "value", "spans", "name"]), each, max_size=2),
        max_leaves=5,
    ),
    in_lists=st.booleans(),
)  # fmt: skip
def test_whatever_the_json_it_is_read_or_refused_plainly(tmp_path_factory, keys, inner, in_lists):
    path = tmp_path_factory.getbasetemp() / "json.jsonl"
    for key in keys:
        inner = {key: [inner] if in_lists else inner}
    with pytest.raises(TraceError):
        imported(path, json.dumps({"resourceSpans": inner}))


@pytest.mark.parametrize("name", ["gen_ai.tool.definitions", "ai.prompt.tools"])
@pytest.mark.parametrize("held", [json.dumps([TOOL, TOOL]), [json.dumps(TOOL), json.dumps(TOOL)]])
def test_definitions_of_tools_are_told_by_number_and_size(path, name, held):
    [step] = steps_of(path, chat("a", 0, 5, None, {name: held}))

    assert step.llm.tools.count == 2
    assert abs(step.llm.tools.bytes - len(json.dumps([TOOL, TOOL]))) < 40


@pytest.mark.parametrize("held", ["no list", "[1", "{}", "[]", 7, True])
def test_what_are_no_definitions_tells_none(path, held):
    [step] = steps_of(path, chat("a", 0, 5, None, {"gen_ai.tool.definitions": held}))

    assert step.llm.tools is None


def test_definitions_of_any_size_are_held_by_their_size_alone(path):
    long = [{**TOOL, "description": "x" * 5_000_000}]
    [step] = steps_of(path, chat("a", 0, 5, None, {"gen_ai.tool.definitions": json.dumps(long)}))

    assert step.llm.tools == LlmTools(1, 4 << 20)


def test_a_call_in_names_of_its_tools_own_is_one_beside_an_event_of_its_first_token(path):
    own = {"langfuse.observation.type": "generation", "langfuse.observation.model.name": "m-1"}
    events = [{"name": "gen_ai.content.completion.chunk", "timeUnixNano": str(START_NS + 200_000_000)}]
    [step] = steps_of(path, span("c", 0, 1000, "", own, events=events))

    assert (step.llm.model, step.recorded.ttft_ms) == ("m-1", 200.0)
