"""Which answers are failures, and of which class."""

import gzip

import brotli
import msgspec
import pytest
import zstandard

from replay.dialects.streams import StreamReader
from replay.dialects.unanswered import OF_ANOTHER_CALL, OF_NO_MODEL, OF_NO_RPC, WITHOUT_CHOICES
from replay.engine.outcome import Outcomes, plain_body
from replay.target.errors import TargetError
from replay.target.file import load_target
from replay.target.routes import ExpectRule
from replay.target.target import Target
from replay.trace.types import Expect, JsonCheck, LlmCall, McpCall, Recorded, Request, Step
from replay.wire.answers import event_reader
from replay.wire.types import ALWAYS, NOT_OF_STREAMS
from tests.support.attempts import attempt

RPC = b'{"jsonrpc":"2.0","id":1,"method":"tools/call"}'


def step(kind="tool", name="search", status=None, path="/x", method="GET", **fields):
    recorded = None if status is None else Recorded(status=status)
    request = None if fields.get("llm") else Request(method, path)
    return Step(id="a", kind=kind, name=name, request=request, recorded=recorded, **fields)


def outcome(one, status=200, body=b"", target=None, request_body=b"", headers=(), **fields):
    """The error and the check of an attempt that was answered so."""
    expected = Outcomes(target or Target(url="http://x")).of(one, request_body)
    ended = attempt(one, body=request_body, status=status, **fields)
    ended.captured, ended.captured_headers = bytearray(body), list(headers)
    ended.response_bytes = len(body)
    if expected is None:
        return ("status_5xx" if status >= 500 else "status_4xx" if status >= 400 else None), None
    expected.settle(ended)
    return ended.error, ended.check


ASKS = b'{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","inputRequests":{}}}'
FAILS = b'{"jsonrpc":"2.0","id":1,"result":{"isError":true,"content":[]}}'
REFUSES = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no"}}'


@pytest.mark.parametrize(
    ("pointer", "check", "body", "ends"),
    [
        ("/result/resultType", JsonCheck(equals="input_required"), ASKS, (None, None)),
        ("/result/resultType", JsonCheck(equals="input_required"), FAILS, ("check", "json /result/resultType equals")),
        ("/result/resultType", JsonCheck(exists=True), ASKS, ("input_required", None)),
        ("/result/isError", JsonCheck(equals=True), FAILS, (None, None)),
        ("/result/isError", JsonCheck(type="boolean"), FAILS, ("tool_error", None)),
        ("/result/content", JsonCheck(type="array"), FAILS, ("tool_error", None)),
        ("/error/code", JsonCheck(equals=-32602), REFUSES, (None, None)),
        ("/error", JsonCheck(exists=True), REFUSES, (None, None)),
        ("/error/data", JsonCheck(exists=False), REFUSES, ("rpc_error", None)),
        ("/error", JsonCheck(), REFUSES, ("rpc_error", None)),
        ("/errors", JsonCheck(exists=False), REFUSES, ("rpc_error", None)),
    ],
)  # fmt: skip
def test_what_a_step_expects_an_mcp_server_to_say_is_no_failure(pointer, check, body, ends):
    call = Step(
        "a", "mcp", "search", mcp=McpCall("tools/call", tool="search"), expect=Expect(json={pointer: check})
    )

    assert outcome(call, body=body, request_body=RPC) == ends


@pytest.mark.parametrize(
    ("recorded", "answered", "error"),
    [
        (None, 200, None),
        (None, 404, "status_4xx"),
        (200, 200, None),
        (200, 204, None),
        (200, 302, None),
        (200, 404, "status_4xx"),
        (200, 503, "status_5xx"),
        (404, 404, None),
        (404, 200, None),
        (404, 403, "status_4xx"),
        (404, 500, "status_5xx"),
        (301, 200, None),
        (409, 409, None),
        # What production did not mean to answer is not expected of anyone.
        (503, 503, "status_5xx"),
        (503, 200, None),
        (500, 404, "status_4xx"),
        (429, 429, "status_4xx"),
        (408, 408, "status_4xx"),
        (425, 425, "status_4xx"),
    ],
)
def test_an_answer_worse_than_recorded_fails_and_another_does_not(recorded, answered, error):
    assert outcome(step(status=recorded), answered) == (error, None)


def test_most_steps_are_held_to_nothing_but_a_status_below_400():
    outcomes = Outcomes(Target(url="http://x"))

    assert outcomes.of(step(), b"") is None
    assert outcomes.of(step(status=200), b"") is None
    assert outcomes.of(step(status=503), b"") is None
    assert outcomes.of(step(kind="http", method="POST"), b'{"q":1}') is None


def test_the_steps_own_expectation_comes_before_the_targets_and_before_the_recording():
    target = Target(url="http://x", expect=(ExpectRule(status=418),))

    assert outcome(step(status=404), 404, target=target) == ("status_4xx", "status")
    assert outcome(step(status=404), 418, target=target) == (None, None)
    assert outcome(step(status=404, expect=Expect(status="2xx")), 418, target=target) == (
        "status_4xx",
        "status",
    )
    assert outcome(step(status=404, expect=Expect(status=404)), 200, target=target) == ("status", "status")


def test_of_several_rules_the_last_that_matches_counts():
    target = Target(
        url="http://x",
        expect=(
            ExpectRule(status="2xx"),
            ExpectRule(kind="tool", name="find*", status=404),
            ExpectRule(kind="llm", status=500),
        ),
    )

    assert outcome(step(name="finder"), 404, target=target) == (None, None)
    assert outcome(step(name="search"), 404, target=target) == ("status_4xx", "status")


def test_an_expectation_without_a_status_leaves_that_to_the_recording():
    target = Target(url="http://x", expect=(ExpectRule(contains="x"),))

    assert outcome(step(status=404), 404, b"x", target) == (None, None)
    assert outcome(step(status=404), 404, b"y", target) == ("check", "contains")
    assert outcome(step(status=200), 404, b"x", target) == ("status_4xx", None)


def test_a_check_looks_at_headers_and_through_a_content_coding():
    checks = {"header": {"x-ok": "1"}, "json": {"/a": {"equals": 1}}}
    target = Target(url="http://x", expect=(msgspec.convert(checks, ExpectRule),))
    body = gzip.compress(b'{"a":1}')

    assert outcome(step(), 200, body, target, headers=[(b"x-ok", b"1")], content_encoding=b"gzip") == (
        None,
        None,
    )
    assert outcome(step(), 200, body, target, content_encoding=b"gzip") == ("check", "header x-ok")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":false}}', None),
        (b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"\\"isError\\":true"}]}}', None),
        (b'{"jsonrpc":"2.0","id":1,"result":{"isError":true,"content":[]}}', "tool_error"),
        (b'{ "error" : {"code":-32000,"message":"no"}, "id":1, "jsonrpc":"2.0"}', "rpc_error"),
        (b'[{"jsonrpc":"2.0","id":1,"result":{}},{"jsonrpc":"2.0","id":2,"error":{"code":1}}]', "rpc_error"),
        (b'{"jsonrpc":"2.0","id":1,"error":null,"result":{}}', None),
        (b"", None),
        (b"not json", None),
    ],
)
@pytest.mark.parametrize(
    "one", [step("mcp"), step("tool", method="POST"), step("http", method="POST")], ids=lambda s: s.kind
)
def test_an_rpc_error_is_a_failure_whatever_the_status_says(one, body, error):
    assert outcome(one, 200, body, request_body=RPC)[0] == error


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"choices":[{"message":{"content":"the \\"error\\": none"},"finish_reason":"stop"}]}', None),
        (b'{"error":{"message":"overloaded","type":"server_error"}}', "model_error"),
        (b'{"type":"error","error":{"type":"overloaded_error"}}', "model_error"),
        (b'{"object":"response","status":"completed","error":null,"output":[]}', None),
        (b'{"object":"response","status":"failed","error":{"code":"x"},"output":[]}', "model_error"),
    ],
)
def test_a_models_error_object_is_a_failure(body, error):
    assert outcome(step("llm", llm=LlmCall(10, 5)), 200, body)[0] == error


CHAT, CUSTOM = "/v1/chat/completions", "/generate"
GEMINI, EMBEDDINGS = "/v1beta/models/m:generateContent", "/openai/deployments/m/embeddings"


@pytest.mark.parametrize(
    ("one", "body", "known", "error"),
    [
        (step("llm", path=CHAT), b"OK", {}, "neither JSON nor a stream"),
        (step("llm", path=CHAT), b"", {}, "empty"),
        (step("llm", path=CHAT), b"", {"status": 204}, "empty"),
        (step("http", path=CHAT, method="POST"), b"upstream connect error", {}, "neither JSON nor a stream"),
        (step("llm", llm=LlmCall(10, 5)), b"OK", {}, "neither JSON nor a stream"),
        (step("llm", path=CHAT), b'\xef\xbb\xbf \n{"choices":[{}]}', {}, None),
        # A gateway that has its own words, a stand-in, another API.
        (step("llm", path=CHAT), b"{}", {}, OF_NO_MODEL),
        (step("llm", path=CHAT), b"[]", {}, OF_NO_MODEL),
        (step("llm", path=CHAT), b'{"message":"say \\"choices\\":"}', {}, OF_NO_MODEL),
        (step("http", path=CHAT, method="POST"), b'{"detail":"went wrong"}', {}, OF_NO_MODEL),
        (step("llm", llm=LlmCall(10, 5)), b'{"ok":true}', {}, OF_NO_MODEL),
        (step("llm", path=CHAT), b'{"choices": [ ],"usage":null}', {}, WITHOUT_CHOICES),
        (step("llm", path=CHAT), b'{"choices":null}', {}, WITHOUT_CHOICES),
        (step("llm", path="/v1/messages"), b'{"type":"message","content":[]}', {}, None),
        # A tool's own argument of that name.
        (
            step("llm", path="/v1/messages"),
            b'{"content":[{"type":"tool_use","input":{"choices":null}}]}',
            {},
            None,
        ),
        (
            step("llm", path="/v1beta/models/g:generateContent"),
            b'{"candidates":[{"content":{"parts":[{"functionCall":{"args":{"choices":[]}}}]}}]}',
            {},
            None,
        ),
        (
            step("llm", path="/v1beta/models/g:generateContent"),
            b'[{"candidates":[{"content":{}}]},{"candidates":[]}]',
            {},
            None,
        ),
        (step("llm", path="/model/titan/invoke"), b'{"results":[]}', {}, None),
        (step("llm", path=CUSTOM), b'{"reply":"hello"}', {}, None),
        (step("http", path="/surveys/7/responses", method="POST"), b'{"id":7}', {}, None),
        # Of what was not kept whole the end may tell.
        (step("llm", path=CHAT), b'{"id":"x"}', {"response_bytes": 2_000_000}, None),
        (
            step("llm", path=CHAT, expect=Expect(json={"/reply": JsonCheck(exists=True)})),
            b'{"reply":"hello"}',
            {},
            None,
        ),
        # Tokens that were counted are no answer, nor is a list of none; a prompt that was refused is.
        (step("llm", path=CHAT), b'{"id":"x","usage":{"total_tokens":7}}', {}, OF_NO_MODEL),
        (
            step("llm", path=GEMINI),
            b'{"usageMetadata":{"promptTokenCount":4},"modelVersion":"m"}',
            {},
            OF_NO_MODEL,
        ),
        (step("llm", path=GEMINI), b'{"candidates":[]}', {}, WITHOUT_CHOICES),
        (step("llm", path=GEMINI), b'{"candidates": null,"usageMetadata":{}}', {}, WITHOUT_CHOICES),
        (step("llm", path=GEMINI), b'{"candidates":[],"promptFeedback":{"blockReason":"SAFETY"}}', {}, None),
        (step("llm", path=GEMINI), b'{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{}}', {}, None),
        (
            step("llm", path=GEMINI),
            b'{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"candidates":[]}}}]}}]}',
            {},
            None,
        ),
        (step("llm", path=CHAT), b'{"choices":[{"text":"a"}],"candidates":[]}', {}, None),
        (step("llm", path=EMBEDDINGS), b'{"object":"list","data":[{"embedding":[0.1]}],"usage":{}}', {}, None),
        # What a path that no model API has answers with is not known.
        (step("llm", path=CUSTOM), b"Once upon a time", {}, None),
        (step("llm", path=CHAT), b"\x28\xb5", {"content_encoding": b"unheard-of"}, None),
        (step("llm", path=CHAT), b"", {"method": "HEAD"}, None),
        # A path that others have, too, where no model is named.
        (step("http", path="/v1/messages", method="POST"), b"", {"status": 202}, None),
        (step("llm", path="/surveys/7/responses", method="POST"), b"created", {"status": 201}, None),
    ],
)
def test_a_model_answers_with_json_or_a_stream(one, body, known, error):
    assert why_not_a_document(one, body, **known) == error


@pytest.mark.parametrize(
    ("asked", "body", "known", "error"),
    [
        (RPC, b"OK", {}, "neither JSON nor a stream"),
        (RPC, b"", {}, "empty"),
        (RPC, b'{"jsonrpc":"2.0","id":1,"result":{}}', {}, None),
        (RPC, b'{"jsonrpc":"2.0","id":1}', {}, OF_NO_RPC),
        (RPC, b'{"ok":true}', {}, OF_NO_RPC),
        (RPC, b"[]", {}, OF_NO_RPC),
        (RPC, b'{"jsonrpc":"2.0","id":"other","result":{}}', {}, OF_ANOTHER_CALL),
        # Its id is 1, which others have in them.
        (RPC, b'{"jsonrpc":"2.0","id":10,"result":{}}', {}, OF_ANOTHER_CALL),
        (RPC, b'{"jsonrpc":"2.0","id":2,"result":{"n":1}}', {}, OF_ANOTHER_CALL),
        (RPC, b'{"jsonrpc":"2.0","id":2,"result":{"items":[{"id":1},{"id":2}]}}', {}, OF_ANOTHER_CALL),
        (RPC, b'{"jsonrpc":"2.0","result":{"id":1},"id":2}', {}, OF_ANOTHER_CALL),
        (RPC, b'{"jsonrpc":"2.0","result":{"id":7}}', {}, OF_ANOTHER_CALL),
        (RPC, b'{"jsonrpc":"2.0","id":-1,"result":{}}', {}, OF_ANOTHER_CALL),
        (RPC, b'{"jsonrpc":"2.0","id":1.5,"result":{}}', {}, OF_ANOTHER_CALL),
        (RPC, b'{"jsonrpc":"2.0","result":{"items":[{"id":7},{"id":"a"}]},"id": 1}', {}, None),
        (RPC, b'{"jsonrpc":"2.0","id":"1","result":{}}', {}, None),
        (RPC, b'{"jsonrpc":"2.0","id":1.0,"result":{"id":7}}', {}, None),
        (RPC, b'[{"jsonrpc":"2.0","method":"log","params":{"id":9}},{"id":1,"result":{}}]', {}, None),
        (RPC, b'{"jsonrpc":"2.0","id":"other","result":{}}', {"response_bytes": 2_000_000}, None),
        (RPC.replace(b'"id":1', b'"id":1.5'), b'{"jsonrpc":"2.0","id":1.5,"result":{}}', {}, None),
        (RPC.replace(b'"id":1', b'"id":1.0'), b'{"jsonrpc":"2.0","id":1,"result":{}}', {}, None),
        (b'{"jsonrpc":"2.0","method":"notifications/initialized"}', b'{"ok":true}', {}, None),
        # Of several messages one at least is to be answered, or none is.
        (b"[%b]" % RPC, b'[{"jsonrpc":"2.0","id":1,"result":{}}]', {}, None),
        (b"[%b]" % RPC, b'{"ok":true}', {}, OF_NO_RPC),
        (b"[%b]" % RPC, b"[]", {}, OF_NO_RPC),
        (b"[%b]" % RPC, b"", {}, "empty"),
        (b'[{"jsonrpc":"2.0","method":"log"}]', b"", {}, None),
        (b'[{"jsonrpc":"2.0","method":"log"}]', b'{"ok":true}', {}, None),
        # The older transport of MCP answers on another stream.
        (RPC, b"Accepted", {"status": 202}, None),
        (RPC, b"", {"status": 202, "recorded": Recorded(202)}, None),
        (RPC, b"", {"status": 202, "recorded": Recorded(200)}, "empty"),
        (RPC, b"", {"recorded": Recorded(200, response_bytes=0)}, None),
        (RPC, b"", {"recorded": Recorded(200, response_bytes=90)}, "empty"),
        (RPC, b"", {"recorded": Recorded(201, response_bytes=0)}, "empty"),
        (b'{"jsonrpc":"2.0","method":"notifications/initialized"}', b"", {}, None),
    ],
)
@pytest.mark.parametrize("kind", ["mcp", "http"])
def test_a_call_of_json_rpc_is_answered_with_json_or_a_stream_or_as_it_was_recorded(
    kind, asked, body, known, error
):
    one = step(kind)
    one.recorded = known.get("recorded")
    known = {name: value for name, value in known.items() if name != "recorded"}

    assert why_not_a_document(one, body, asked, **known) == error


ASKED = b'{"query":"{ me { id } }"}'
WENT_WRONG = b'{"errors":[{"message":"no"}],"data":null}'


@pytest.mark.parametrize(
    ("body", "known", "error"),
    [
        (b'{"data":{"me":{"id":1}}}', {}, None),
        (b'{"message":"Forbidden"}', {}, "protocol"),
        (b'{"data":null,"errors":[]}', {}, None),
        (b'{"code":50001,"msg":"system busy","data":null}', {}, "protocol"),
        (b'{"data":{"a":{"data":null}}}', {}, None),
        (b'{"data":{"a":[1,2,', {}, "protocol"),
        (WENT_WRONG, {}, "graphql_error"),
        (b"<!doctype html><title>Sign in</title>", {}, "protocol"),
        (b"", {}, "protocol"),
        (b"", {"status": 302}, "redirect"),
        # GraphQL over server-sent events, whose answer comes by the one connection.
        (b"", {"status": 202}, None),
        (b'--x\r\ncontent-type: application/json\r\n\r\n{"data":{}}\r\n--x--', {}, None),
    ],
)
def test_a_graphql_server_answers_with_data(body, known, error):
    assert (
        outcome(step("http", method="POST"), known.get("status", 200), body, request_body=ASKED, method="POST")[
            0
        ]
        == error
    )


def test_errors_of_graphql_that_are_expected_are_no_failure():
    one = step("http", method="POST", expect=Expect(json={"/errors": JsonCheck(exists=True)}))

    assert outcome(one, 200, WENT_WRONG, request_body=ASKED, method="POST") == (None, None)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b'{"data":{"a":1},"errors":[{"message":"no"}]}', None),
        (b'{"data":{"a":1}}', None),
        (WENT_WRONG, "check"),
    ],
)
def test_data_that_is_expected_is_right_with_errors_of_graphql_beside_it(body, error):
    one = step("http", method="POST", expect=Expect(json={"/data": JsonCheck(type="object")}))

    assert outcome(one, 200, body, request_body=ASKED, method="POST")[0] == error


def test_an_answer_of_graphql_has_no_facts_which_would_take_it_from_the_plain_lines():
    ended = attempt(step("http", method="POST"), body=ASKED, status=200, method="POST")
    ended.captured, ended.response_bytes = bytearray(b'{"data":{}}'), 11
    expected = Outcomes(Target(url="http://x")).of(ended.step, ASKED)
    assert expected is not None
    expected.settle(ended)

    assert (ended.error, ended.facts) == (None, None)


def why_not_a_document(one, body, asked=b"{}", status=200, method="POST", **fields):
    """What the answer was found to be instead; None: it was not found to be anything else."""
    ended = attempt(one, body=asked, status=status, method=method, **fields)
    ended.captured, ended.response_bytes = bytearray(body), fields.get("response_bytes", len(body))
    expected = Outcomes(Target(url="http://x")).of(one, asked)
    if expected is not None:
        expected.settle(ended)
    if ended.error is None:
        return None
    assert ended.error == "protocol"
    return ended.why.removeprefix("the answer is ").partition(" where ")[0]


CHAT = (
    b'{"choices":[{"index":0,"message":{"role":"assistant","content":"All is well."},"finish_reason":"stop"}]}'
)


@pytest.mark.parametrize("cut_at", range(1, len(CHAT)))
def test_json_that_was_cut_is_no_answer_whatever_length_its_head_gave(cut_at):
    one = step("llm", path="/v1/chat/completions", method="POST")
    ends_as_json_does = CHAT[:cut_at].endswith((b"}", b"]"))

    assert (why_not_a_document(one, CHAT[:cut_at], b'{"model":"m"}') is not None) or ends_as_json_does


@pytest.mark.parametrize("after", [b"", b"\r\n", b"\0"])
def test_what_follows_json_cuts_nothing_off(after):
    one = step("llm", path="/v1/chat/completions", method="POST")

    assert why_not_a_document(one, CHAT + after, b'{"model":"m"}') is None


@pytest.mark.parametrize(
    ("body", "known", "instead"),
    [
        (gzip.compress(CHAT, mtime=0), {}, None),
        (gzip.compress(CHAT, mtime=0)[:-9], {}, "not in the coding that it names"),
        (CHAT, {}, "not in the coding that it names"),
        (gzip.compress(b"try again later", mtime=0), {}, "neither JSON nor a stream"),
        # It unfolds to more than is read of an answer.
        (gzip.compress(CHAT[:-3] + b" " * (2 << 20) + CHAT[-3:], mtime=0), {}, None),
        # Only its beginning was kept, or nobody here knows the coding.
        (gzip.compress(CHAT, mtime=0)[:-9], {"response_bytes": 9_000_000}, None),
        (b"\1\2\3", {"content_encoding": b"compress"}, None),
    ],
)
def test_an_answer_that_is_not_in_its_coding_is_none_that_anybody_can_read(body, known, instead):
    one = step("llm", path="/v1/chat/completions", method="POST")

    assert why_not_a_document(one, body, b'{"model":"m"}', **{"content_encoding": b"gzip", **known}) == instead


@pytest.mark.parametrize("coding", [b"utf-8", b"none", b"binary"])
def test_what_names_no_coding_is_read_as_it_is(coding):
    one = step("llm", path="/v1/chat/completions", method="POST")
    known = {"content_encoding": coding}

    assert outcome(one, 200, b'{"error":{"message":"no"}}', content_encoding=coding) == ("model_error", None)
    assert why_not_a_document(one, b'{"message":"Forbidden"}', b'{"model":"m"}', **known) is not None
    assert why_not_a_document(one, CHAT, b'{"model":"m"}', **known) is None


def test_of_an_interface_that_is_not_known_text_may_begin_with_a_bracket():
    one = step("llm", path="/generate", method="POST")

    assert why_not_a_document(one, b"[Anna] hello there.", b'{"prompt":"x"}') is None


def test_the_target_file_can_leave_answers_to_their_status():
    target = Target(url="http://x", answers="status")

    assert outcome(step("mcp"), 200, b'{"jsonrpc":"2.0","id":1,"error":{}}', target, RPC) == (None, None)


def test_a_stream_that_was_asked_for_and_brought_nothing_was_cut_short():
    one = step("llm", llm=LlmCall(10, 5, stream=True))

    assert outcome(one, 200, b"", is_stream=True)[0] == "cut_short"


def test_bodies_are_kept_only_where_they_are_looked_at():
    def kept(one, target=None, body=b""):
        expected = Outcomes(target or Target(url="http://x")).of(one, body)
        return 0 if expected is None else expected.keeps_body

    assert kept(step(status=404)) == 0
    assert kept(step(expect=Expect(status=200, max_bytes=5))) == 0
    assert kept(step("mcp")) == NOT_OF_STREAMS
    assert kept(step(expect=Expect(contains="x"))) == ALWAYS


def test_a_simulation_holds_only_statuses():
    target = Target(url="http://x", expect=(ExpectRule(contains="x"), ExpectRule(name="other", status=404)))
    outcomes = Outcomes(target, reads_answers=False)

    assert outcomes.of(step("mcp"), RPC) is None
    assert outcomes.of(step(name="other"), b"").keeps_body == 0


def test_the_target_file_says_what_is_expected(tmp_path):
    path = tmp_path / "t.toml"
    path.write_text(
        'url = "http://x"\nanswers = "status"\n'
        '[[expect]]\nkind = "tool"\nname = "search*"\nstatus = [200, "3xx"]\nheader = {content-type = "application/json*"}\n'
        'json = {"/items" = {type = "array"}, "/total" = {min = 0}}\nmax_bytes = 1000\n'
    )

    (rule,) = load_target(str(path)).expect

    assert (rule.kind, rule.name, rule.status, rule.json["/total"].min) == ("tool", "search*", (200, "3xx"), 0)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("[[expect]]\nstatsu = 200", 'unknown key "statsu" in [expect]. Did you mean "status"?'),
        (
            '[[expect]]\nkind = "tool"',
            "expects nothing; say status, grpc_status, header, contains, matches, json or max_bytes",
        ),
        ('[[expect]]\nstatus = "fine"', "expects the status 'fine'"),
        ('answers = "none"', 'answers: must be one of kind, status, and is "none"'),
    ],
)
def test_a_target_file_with_a_bad_expectation_says_what_is_wrong(tmp_path, written, message):
    path = tmp_path / "t.toml"
    path.write_text(
        f'url = "http://x"\n{written}\n' if written.startswith("[") else f'{written}\nurl = "http://x"\n'
    )

    with pytest.raises(TargetError) as error:
        load_target(str(path))

    assert message in str(error.value)


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd"])
def test_an_error_in_a_compressed_answer_is_an_error(coding):
    pack = {"gzip": gzip.compress, "br": brotli.compress, "zstd": zstandard.ZstdCompressor().compress}[coding]
    body = pack(b'{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"no"}}')

    assert outcome(step("mcp"), 200, body, content_encoding=coding.encode())[0] == "rpc_error"


def test_a_stream_whose_coding_cannot_be_taken_off_is_not_said_to_be_cut_short():
    one = step("llm", llm=LlmCall(10, 5, stream=True))
    expected = Outcomes(Target(url="http://x")).of(one, b"")
    ended = attempt(one, method="POST", status=200, is_stream=True)
    ended.content_encoding, ended.response_bytes = b"zstd", 500

    expected.settle(ended)

    assert ended.error is None


@pytest.mark.parametrize(("coding", "packed"), [("gzip", gzip.compress), ("br", brotli.compress)])
def test_an_mcp_answer_is_read_before_its_stream_and_the_coding_of_it_end(coding, packed):
    answer = b'{"jsonrpc":"2.0","id":1,"result":{"x":1}}'
    ended = attempt(Step("a", "mcp", "search", mcp=McpCall("x/y")), body=RPC, method="POST")
    ended.events, ended.content_encoding = StreamReader("rpc"), coding.encode()
    whole = packed(b"data: " + answer + b"\n\n" + b": more to come\n" * 2_000)
    ended.captured = bytearray(whole[: len(whole) - 4])

    assert plain_body(ended) == answer


def test_what_a_call_waits_for_is_read_once_by_whoever_reads_its_events(monkeypatch):
    """A request of a MiB takes milliseconds to parse, and what its answer is held to asks for it again and again."""
    answer = b'{"jsonrpc":"2.0","id":1,"result":{"x":1}}'
    ended = attempt(Step("a", "mcp", "search", mcp=McpCall("x/y")), body=RPC, method="POST", family="rpc")
    ended.events = event_reader(ended)
    ended.captured = bytearray(b"data: " + answer + b"\n\n")
    monkeypatch.setattr("replay.engine.outcome.awaited_by", lambda method, body: pytest.fail("read again"))

    assert plain_body(ended) == answer


@pytest.mark.parametrize(
    "page",
    [
        b"<html>maintenance</html>",
        b"\xef\xbb\xbf \n<!DOCTYPE html><title>Sign in</title>",
        b'<?xml version="1.0"?>\n<!-- built -->\n<HTML lang="en">',
    ],
)
def test_a_web_page_is_no_answer_of_a_model_or_an_mcp_server(page):
    """A page of maintenance with a status of 200 counted as ok."""
    model = Step("a", "llm", "plan", llm=LlmCall(model="m", output_tokens=5))
    call = Step("a", "mcp", "search", mcp=McpCall("tools/call", tool="search"))

    assert outcome(model, 200, page) == ("protocol", None)
    assert outcome(call, 200, page) == ("protocol", None)
    assert outcome(model, 200, page, Target(url="http://x", answers="status")) == (None, None)
    assert outcome(step(), 200, page) == (None, None)
    assert outcome(model, 200, b"<p>not a whole page</p>") == (None, None)


def test_a_redirect_is_no_answer_of_a_model_unless_it_was_recorded():
    """A stream that was redirected had been cut short, and a whole answer was ok."""
    for is_stream in (False, True):
        model = Step("a", "llm", "plan", llm=LlmCall(model="m", output_tokens=5, stream=is_stream))
        assert outcome(model, 302, is_stream=is_stream) == ("redirect", None)
    recorded = Step("a", "llm", "plan", request=Request("POST", "/v1"), recorded=Recorded(status=302))
    assert outcome(recorded, 302) == (None, None)
