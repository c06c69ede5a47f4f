"""Which recorded answer a request gets, and what an untrusted recording may not do."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.dialects.mcp import negotiated
from replay.planes.modelled.replies import prepared
from replay.planes.recorded import kept, reading
from replay.planes.recorded.bodies import MOST_BODY_BYTES, body_of, filled
from replay.planes.recorded.kept import KeptBodies
from replay.planes.recorded.keys import comparable, possible_ids
from replay.planes.recorded.recording import Recording, Rows
from replay.planes.recorded.types import Question
from replay.trace.errors import TraceError
from replay.trace.types import LlmCall, McpCall, Recorded, Request, Session, Step


def recording_of(*sessions):
    rows = Rows()
    for n, steps in enumerate(sessions):
        rows.add(Session(id=f"s{n}", start_ms=100.0 * n, steps=list(steps)))
    return Recording(rows)


def http(step_id, path="/a", *, method="GET", status=200, at_ms=0.0, body=None, **fields):
    request = Request(method, path, body=body)
    return Step(
        id=step_id,
        kind="http",
        name="n",
        at_ms=at_ms,
        request=request,
        recorded=Recorded(status=status),
        **fields,
    )


def asked(path="/a", *, method="GET", body=b"", **fields):
    method, target = method.encode(), path.encode()
    usual = fields.pop("usual", ("http", path.partition("?")[0]))
    return Question(method, target, body, fields.pop("ids", None), fields.pop("told", None), usual)


def statuses(recording, *questions):
    return [
        (answer.way, answer.status) if (answer := recording.answer(question)) else None
        for question in questions
    ]


def test_a_request_that_names_its_step_has_that_steps_answer_however_often():
    recording = recording_of([http("1", status=201), http("2", status=202)])
    second = asked("/elsewhere", ids=("s0", "2"))

    assert statuses(recording, second, second) == [("step", 202), ("step", 202)]


def test_answers_of_equal_requests_come_in_order_of_their_time_and_then_again():
    recording = recording_of(
        [http("1", status=201), http("2", status=203, at_ms=150.0)], [http("1", status=202)]
    )

    assert [status for _, status in statuses(recording, *[asked()] * 5)] == [201, 202, 203, 201, 202]


def test_an_answer_that_was_given_by_another_way_is_not_given_in_its_turn():
    recording = recording_of([http("1", status=201), http("2", status=202)])

    assert statuses(recording, asked(ids=("s0", "1")), asked(), asked()) == [
        ("step", 201),
        ("body", 202),
        ("body", 201),
    ]


def test_the_body_tells_requests_of_one_path_apart_and_else_the_path_is_enough():
    recording = recording_of(
        [
            http("1", method="POST", body='{"a": 1}', status=201),
            http("2", method="POST", body='{"b": 1}', status=202),
        ]
    )
    post = {"method": "POST"}

    assert statuses(recording, asked(body=b'{"b":1}', **post), asked(body=b'{"c":1}', **post)) == [
        ("body", 202),
        ("path", 201),
    ]


def test_a_path_with_another_id_is_found_by_its_name():
    step = http("1", "/orders/77", status=203)
    step.name = "GET /orders/*"

    assert statuses(recording_of([step]), asked("/orders/78"), asked("/orders/78/x")) == [("name", 203), None]


def rpc(method, **fields):
    number = {} if method.startswith("notifications/") else {"id": 3}
    body = json.dumps({"jsonrpc": "2.0", **number, "method": method, **fields}).encode()
    return asked("/mcp", method="POST", body=body, usual=("mcp", "mcp"))


@pytest.mark.parametrize(
    "question",
    [
        *[
            rpc(method)
            for method in ("initialize", "notifications/initialized", "tools/list", "ping", "server/discover")
        ],
        asked("/mcp", usual=("mcp", "mcp")),
        asked("/mcp", method="DELETE", usual=("mcp", "mcp")),
    ],
    ids=lambda question: question.body.decode() or question.method.decode(),
)
def test_what_prepares_calls_of_an_mcp_server_has_no_calls_answer(question):
    call = http(
        "1", "/mcp", method="POST", body=rpc("tools/call", params={"name": "a"}).body.decode(), status=201
    )
    call.kind, call.name = "mcp", "POST /mcp"
    recording = recording_of([call])

    assert recording.answer(question) is None
    assert (recording.prepared, recording.not_found, recording.never_asked) == (1, 0, 1)
    reply = prepared(question, None)
    assert reply.status == {b"POST": 202 if b"notif" in question.body else 200}.get(question.method, 405)
    assert statuses(recording, rpc("tools/call", params={"name": "b"})) == [("path", 201)]


def test_a_handshake_that_was_recorded_has_its_answer_or_one_of_its_size_where_that_was_not_kept():
    def recorded(status=200, **fields):
        step = http("1", "/mcp", method="POST", body=rpc("initialize").body.decode())
        step.kind, step.name, step.recorded = "mcp", "initialize", Recorded(status=status, **fields)
        return recording_of([step])

    question = rpc("initialize", params={"protocolVersion": "2025-06-18"})
    answer = recorded(response_bytes=500).answer(question)
    assert (answer.way, prepared(question, answer).body.size) == ("name", 500)
    assert negotiated(prepared(question, answer).body.text) == "2025-06-18"
    for answered in (recorded(response_json={"jsonrpc": "2.0", "result": {}}), recorded(status=403)):
        assert prepared(question, answered.answer(question)) is None


@pytest.mark.parametrize(
    "question", [rpc("tools/call"), rpc("resources/read"), asked("/x"), asked("/x", method="DELETE")]
)
def test_what_an_agent_asks_for_is_nothing_that_any_server_answers(question):
    assert prepared(question, None) is None
    recording = recording_of([])
    assert recording.answer(question) is None
    assert (recording.prepared, recording.not_found) == (0, 1)


def test_a_model_call_without_a_request_is_found_by_its_model_and_else_by_being_one():
    def call(step_id, model, status):
        llm = LlmCall(output_tokens=3, model=model)
        return Step(id=step_id, kind="llm", name=step_id, llm=llm, recorded=Recorded(status=status))

    recording = recording_of([call("1", "a", 201), call("2", "b", 202)])
    chat = {"method": "POST", "usual": ("llm", "chat")}

    assert statuses(
        recording,
        asked("/v1/messages", body=b'{"model":"b"}', **chat),
        asked("/v1/messages", body=b'{"model":"c"}', **chat),
    ) == [("name", 202), ("name", 201)]


def test_a_tool_of_which_only_the_time_was_recorded_answers_under_its_name():
    recording = recording_of([Step(id="1", kind="tool", name="bash", took_ms=40.0)])
    answer = recording.answer(asked("/tools/bash", usual=("tool", "bash")))

    assert (answer.took_ms, answer.status, recording.steps) == (40.0, 200, 0)


def test_a_request_that_failed_when_it_was_recorded_has_no_status():
    step = http("1", attributes={"fault": "the upstream refused"})
    step.recorded = Recorded()

    assert recording_of([step]).answer(asked()).status is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a": 1, "b": [2]}', b'{"b":[2],"a":1}'),
        (b'{"jsonrpc":"2.0","id":1,"method":"x"}', b'{"jsonrpc":"2.0","method":"x","id":"u"}'),
    ],
)
def test_bodies_that_mean_the_same_compare_equal(one, other):
    assert comparable(one) == comparable(other)


@given(st.binary(max_size=200))
def test_any_body_can_be_compared(body):
    assert comparable(b"{" + body) == comparable(b"{" + body)


def test_deep_and_huge_documents_are_taken_as_they_are():
    deep = b"[" * 200_000
    assert comparable(deep) == deep


def test_a_copy_may_be_of_a_trace_that_had_marks():
    assert list(possible_ids(("s~2@3", "1"))) == [("s~2@3", "1"), ("s~2", "1"), ("s", "1")]
    assert list(possible_ids(("s-12", "1"))) == [("s-12", "1")]
    assert len(list(possible_ids(("x" + "~1" * 5000, "1")))) < 10


def test_kept_bodies_are_bounded_together():
    bodies = KeptBodies(most_bytes=30)
    for row in range(3):
        bodies.add(row, Recorded(response_json={"text": "a" * 10}))

    assert (bodies.left_out, bodies.of(0)[0] != b"", bodies.of(1)) == (2, True, (b"", ()))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", "1\r\nset-cookie: a=b"),
        ("x y", "1"),
        ("x", "\u20ac"),
        ("Transfer-Encoding", "chunked"),
        ("content-encoding", "gzip"),
        ("Content-Length", "3"),
        ("date", "yesterday"),
    ],
)
def test_headers_that_would_be_others_or_belong_to_the_connection_are_not_given(name, value):
    bodies = KeptBodies()
    bodies.add(0, Recorded(response_headers={name: value, "x-ok": "1"}))

    assert bodies.of(0)[1] == (("x-ok", "1"),)


@given(size=st.one_of(st.none(), st.integers(0, 2**62)), cut=st.integers(0, 10_000))
def test_a_body_has_the_recorded_size_as_far_as_that_is_sane(size, cut):
    step = http("1")
    step.recorded = Recorded(status=200, response_bytes=size)
    body = body_of(recording_of([step]).answer(asked()), asked())

    if size is not None:
        assert body.size == min(size, MOST_BODY_BYTES)
    start, stop = sorted((cut, 3 * cut))
    part = b"".join(map(bytes, body.between(start, stop)))
    assert len(part) == max(0, min(stop, body.size) - min(start, body.size))
    if body.size > 1 and start == 0 and stop >= body.size:
        json.loads(part)


def test_a_call_gets_its_own_number_back():
    step = http("1", "/mcp", method="POST")
    step.recorded = Recorded(status=200, response_json={"jsonrpc": "2.0", "id": 1, "result": {"x": 2}})
    question = asked("/mcp", method="POST", body=b'{"jsonrpc":"2.0","id":"mine","method":"m"}')

    assert json.loads(body_of(recording_of([step]).answer(question), question).text) == {
        "jsonrpc": "2.0",
        "id": "mine",
        "result": {"x": 2},
    }


def test_a_text_longer_than_the_recorded_size_stays_whole():
    assert filled(b"12345", 3).size == 5


def write(tmp_path, steps):
    trace = tmp_path / "t.jsonl"
    lines = [
        {"format": "replay-trace", "version": 1, "name": "t"},
        {"id": "s", "start_ms": 0, "steps": steps},
    ]
    trace.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return trace


def test_a_trace_without_calls_is_refused(tmp_path):
    trace = write(tmp_path, [{"id": "1", "kind": "http", "name": "wait", "took_ms": 1}])
    with pytest.raises(TraceError, match="nothing to answer from"):
        reading.read_recording(trace)


def test_a_trace_with_too_many_steps_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MOST_STEPS", 1)
    trace = write(tmp_path, [{"id": str(n), "kind": "tool", "name": "t", "took_ms": 1} for n in range(2)])
    with pytest.raises(TraceError, match="more than 1 steps, the most that a plane answers from"):
        reading.read_recording(trace)


def test_what_is_kept_is_bounded():
    assert kept.MOST_KEPT_BYTES <= 1 << 30


def test_the_tools_of_a_recording_are_those_that_its_steps_call():
    def called(step_id, tool):
        return Step(step_id, "mcp", tool, mcp=McpCall("tools/call", tool=tool))

    sent = http("3", "/mcp", method="POST", body=rpc("tools/call", params={"name": "sent"}).body.decode())
    sent.kind = "mcp"
    listed = http("4", "/mcp", method="POST", body=rpc("tools/list", params={"name": "no"}).body.decode())
    listed.kind = "mcp"
    recording = recording_of(
        [called("1", "search"), called("2", "search"), sent, listed, called("5", "x" * 300)]
    )

    reply = prepared(rpc("tools/list"), None, recording.tools)

    tools = json.loads(reply.body.text)["result"]["tools"]
    assert [tool["name"] for tool in tools] == ["search", "sent"]
    assert {tool["inputSchema"]["type"] for tool in tools} == {"object"}


def test_a_recording_without_calls_of_tools_lists_what_a_modelled_server_has():
    reply = prepared(rpc("tools/list"), None, recording_of([]).tools)

    assert [tool["name"] for tool in json.loads(reply.body.text)["result"]["tools"]] == ["modelled"]
