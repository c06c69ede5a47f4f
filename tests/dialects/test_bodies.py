"""What whole answers say, in every layout, and cut anywhere."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.dialects.bodies import family_of_request, read_body
from replay.dialects.streams import StreamReader
from replay.dialects.types import BodyFacts, Usage

CHAT = {
    "object": "chat.completion",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": 'the "error": {"code": 1}',
                "tool_calls": [{"id": "c", "function": {"name": "look", "arguments": '{"error": "x"}'}}],
            },
            "finish_reason": "tool_calls",
        },
        {"index": 1, "message": {"content": "b"}, "finish_reason": "length"},
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 12, "prompt_tokens_details": {"cached_tokens": 4}},
}
MESSAGE = {
    "type": "message",
    "content": [{"type": "text", "text": "a"}, {"type": "tool_use", "name": "look", "input": {"error": "x"}}],
    "stop_reason": "tool_use",
    "usage": {"input_tokens": 5, "cache_read_input_tokens": 3, "output_tokens": 2},
}
RESPONSE = {
    "object": "response",
    "status": "completed",
    "error": None,
    "output": [{"type": "function_call", "name": "look"}, {"type": "message", "status": "failed"}],
    "usage": {"input_tokens": 1, "output_tokens": 2},
}
TEXT = {"object": "text_completion", "choices": [{"text": "a", "finish_reason": "content_filter"}]}
CALLED = {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "x"}], "isError": True}}
FAILED = {"jsonrpc": "2.0", "id": 1, "error": {"code": -32601, "message": "no such method"}}
FINE = {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": '{"isError": true}'}]}}

BODIES = {
    "chat": (CHAT, BodyFacts(None, Usage(9, 12, 4), ("tool_calls", "length"), ("look",))),
    "completion": (TEXT, BodyFacts(None, None, ("content_filter",))),
    "message": (MESSAGE, BodyFacts(None, Usage(8, 2, 3), ("tool_use",), ("look",))),
    "response": (RESPONSE, BodyFacts(None, Usage(1, 2), ("completed",), ("look",))),
    "response that failed": (
        {"object": "response", "status": "failed", "error": {"code": "server_error"}},
        BodyFacts("model_error", None, ("failed",)),
    ),
    "response that is incomplete": (
        {"object": "response", "status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
        BodyFacts(None, None, ("content_filter",)),
    ),
    "error": ({"error": {"message": "boom"}}, BodyFacts("model_error")),
    "error in words": ({"error": "boom"}, BodyFacts("model_error")),
    "error of Anthropic": ({"type": "error", "error": {"type": "api_error"}}, BodyFacts("model_error")),
    "error of vLLM": (
        {"object": "error", "message": "boom", "code": 400, "error": None},
        BodyFacts("model_error"),
    ),
    "errors of Google": ([{"error": {"code": 500}}], BodyFacts("model_error")),
    "error beside an answer": (
        {"object": "response", "status": "completed", "error": {"code": "x"}},
        BodyFacts("model_error", None, ("completed",)),
    ),
    "error that is null": ({"error": None, "id": 1}, BodyFacts()),
    "error further down": ({"data": [{"error": {"message": "x"}}]}, BodyFacts()),
    "text": ("error", BodyFacts()),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("indent", [None, 2])
def test_a_model_s_answer_says(name, indent):
    body, expected = BODIES[name]
    data = json.dumps(body, indent=indent).encode()
    assert read_body(data, "model") == expected
    assert read_body(b"\xef\xbb\xbf\r\n " + data, "model") == expected


RPC = {
    "a result": (FINE, None),
    "an error": (FAILED, "rpc_error"),
    "an error without an id": ({"jsonrpc": "2.0", "id": None, "error": {"code": -32700}}, "rpc_error"),
    "an error that is null": ({**FINE, "error": None}, None),
    "a tool's error": (CALLED, "tool_error"),
    "a tool's success": ({**FINE, "result": {"isError": False}}, None),
    "the word true": ({**FINE, "result": {"isError": "true"}}, None),
    "the number one": ({**FINE, "result": {"isError": 1}}, None),
    "isError further down": ({**FINE, "result": {"structuredContent": {"isError": True, "error": {}}}}, None),
    "isError further up": ({**FINE, "isError": True}, None),
    "a batch": ([FINE, CALLED], "tool_error"),
    "a result that is null": ({"jsonrpc": "2.0", "id": 1, "result": None}, None),
    "a request of the server": ({"jsonrpc": "2.0", "id": 1, "method": "x", "error": {}}, None),
}


@pytest.mark.parametrize("name", RPC)
@pytest.mark.parametrize("indent", [None, 2])
def test_an_rpc_answer_says_whether_it_failed(name, indent):
    body, error = RPC[name]
    assert read_body(json.dumps(body, indent=indent).encode(), "rpc") == BodyFacts(error)


@pytest.mark.parametrize("family", ["model", "rpc"])
@pytest.mark.parametrize(
    "body",
    [b"", b'<p class="error">"error": 1</p>', b'"error": {}', b'{"error"', b'data: {"error":{}}\n\n', b"\xff"],
)
def test_what_is_no_json_says_nothing(family, body):
    assert read_body(body, family) == BodyFacts()


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"data":{"me":null}}', None),
        (b'{"data":{"errors":[1]}}', None),
        (b'{"data":{},"errors":[]}', None),
        (b'{"data":{},"errors":null}', None),
        (b'{"errors":[{"message":"no"}]}', "graphql_error"),
        (b'{"errors":[{"message":"no"}],"data":{"me":{"id":1}}}', "graphql_error"),
        (b'[{"data":{}},{"data":null,"errors":[{"message":"no"}]}]', "graphql_error"),
        (b"errors", None),
    ],
)
def test_errors_of_graphql_are_a_failure_with_data_beside_them_too(body, error):
    assert read_body(body, "graphql").error == error


@pytest.mark.parametrize("body", [CHAT, MESSAGE, RESPONSE, TEXT, FINE])
@pytest.mark.parametrize("family", ["model", "rpc"])
@pytest.mark.parametrize("is_ascii", [True, False])
def test_no_cutting_makes_an_error_of_an_answer(body, family, is_ascii):
    data = json.dumps({**body, "é\U0001f600\\": '\\"é\U0001f600'}, ensure_ascii=is_ascii).encode()
    for end in range(len(data)):
        assert read_body(data[:end], family).error is None


def test_an_error_before_the_cut_is_told():
    assert read_body(json.dumps(FAILED).encode()[:40], "rpc").error == "rpc_error"
    long = {"jsonrpc": "2.0", "result": {"isError": True, "content": [{"text": "x" * 2_000_000}]}}
    assert read_body(json.dumps(long).encode(), "rpc").error == "tool_error"
    assert read_body(json.dumps({**CHAT, "pad": "x" * 2_000_000}).encode(), "model").tool_names == ("look",)


@given(st.binary() | st.text().map(str.encode), st.sampled_from(["model", "rpc", "graphql"]))
def test_whatever_comes_does_no_harm(body, family):
    told = {None, "model_error", "rpc_error", "tool_error", "input_required", "graphql_error"}

    assert read_body(body, family).error in told
    assert read_body(b'{"error":' + body, family).error in told
    assert read_body(b"[" * 100_000 + b'"error"', family).error is None


GRAPHQL = [
    b"{ me }",
    b"{me{id}}",
    b"query Q($i: Int) { item(i: $i) { a } }",
    rb"query Q($s: String = \"x\") {a}",
    rb"\n  # who: {\n mutation {\n  add(n: 1) { id }\n}",
    b"fragment F on User { id } query { me { ...F } }",
    b"{...F}",
]
# What people search for, and the languages of logs and of graphs.
NO_GRAPHQL = [
    b"query languages",
    b"mutation of genes",
    rb"{app=\"shop\"} |= \"x\"",
    b"MATCH (n {a: 1}) RETURN n",
    b"",
]

CHAT_REQUEST = b'{"model":"m","messages":[{"role":"user","content":"{\\"jsonrpc\\": 1}"}]}'
RPC_REQUEST = b'{"jsonrpc":"2.0","id":1,"method":"tools/call"}'


@pytest.mark.parametrize(
    ("kind", "method", "path", "body", "family"),
    [
        ("mcp", "GET", "/mcp", b"", "rpc"),
        ("llm", "POST", "/x", b"{}", "model"),
        ("http", "POST", "/rpc", RPC_REQUEST, "rpc"),
        ("tool", "POST", "/rpc", b'\n[ {"method":"x", "jsonrpc" : "2.0"}]', "rpc"),
        ("llm", "POST", "/a2a", RPC_REQUEST, "rpc"),
        ("http", "POST", "/x", b'{"a":{"jsonrpc":"2.0"}}', None),
        ("http", "POST", "/x", b"", None),
        ("http", "POST", "/v1/chat/completions", CHAT_REQUEST, "model"),
        ("http", "GET", "/v1/chat/completions", b"", None),
        ("http", "POST", "/v1/completions/", b"{}", "model"),
        ("http", "POST", "/api/v1/responses", b"{}", "model"),
        ("http", "POST", "/v1/responses/r_1/cancel", b"{}", None),
        ("http", "POST", "/v1/messages?beta=true", b"{}", "model"),
        ("http", "POST", "/messages", b"{}", None),
        ("http", "POST", "/v1/messages/count_tokens", b"{}", None),
        ("http", "POST", "/openai/deployments/gpt/chat/completions?api-version=2024-10-21", b"{}", "model"),
        ("http", "POST", "/model/anthropic.claude-v2%3A1/invoke-with-response-stream", b"{}", "model"),
        (
            "http",
            "POST",
            "/v1/projects/p/locations/l/publishers/anthropic/models/c:streamRawPredict",
            b"{}",
            "model",
        ),
        ("http", "POST", "/v1/projects/p/locations/l/endpoints/openapi/chat/completions", b"{}", "model"),
        *[("http", "POST", "/g", b'{"variables":{},"query":"%s"}' % query, "graphql") for query in GRAPHQL],
        *[("tool", "POST", "/g", b'{"query":"%s"}' % query, None) for query in NO_GRAPHQL],
        ("tool", "POST", "/g", b'[{"query":"{ me { id } }"}]', "graphql"),
        ("http", "POST", "/g", b'{"extensions":{"persistedQuery":{"version":1,"sha256Hash":"x"}}}', "graphql"),
        ("http", "POST", "/_search", b'{"query":{"match":{"title":"query { a }"}}}', None),
        ("http", "GET", "/g", b'{"query":"{ me }"}', None),
        # Who reports of requests to GraphQL is not asked by it, and nor is who answers questions.
        ("http", "POST", "/collect", b'{"events":[{"query":"query Q { me { id } }"}]}', None),
        ("http", "POST", "/collect", b'{"seen":{"persistedQuery":{"version":1}}}', None),
        ("http", "POST", "/ask", b'{"query":"query planners {and others} explained"}', None),
    ],
)
def test_a_request_tells_the_family_of_its_answer(kind, method, path, body, family):
    assert family_of_request(kind, method, path, body) == family


@pytest.mark.parametrize(
    ("family", "event", "error"),
    [
        ("graphql", b'{"data":null,"errors":[{"message":"no"}]}', "graphql_error"),
        ("graphql", b'{"data":{"a":1},"errors":[]}', None),
        (None, b'{"errors":[{"message":"no"}]}', None),
    ],
)
def test_errors_of_graphql_are_a_failure_in_an_event_too(family, event, error):
    reader = StreamReader(family)
    reader.feed(b"event: next\ndata: " + event + b"\n\nevent: complete\ndata:\n\n", 1)
    reader.finish()

    assert reader.error == error
