"""A recorded answer as it is planned and sent: its times, tokens and head."""

import pytest

from replay.planes.modelled.replies import prepared, replied
from replay.planes.modelled.script import Script, ids_of
from replay.planes.modelled.types import Asked, ModelSpec
from replay.planes.recorded.types import Question, RecordedAnswer

CHAT = Question(b"POST", b"/v1/chat/completions", b"{}", None, None, ("llm", "chat"))
ANSWER = RecordedAnswer("step", "llm", "plan", 200, 90.0, 40.0, True, 700, 11, None, b"", ())


def planned(answer=ANSWER, question=CHAT, *, asked=None, spec=None):
    asked = asked or Asked(4)
    recorded, wanted, reply = replied(answer, question, asked, can_tell_tokens=question is CHAT)
    script = Script(spec or ModelSpec(as_recorded=True))
    return script.plan(question.method, question.target, wanted, b"k", 0.0, recorded), reply


def test_a_stream_has_its_recorded_first_token_pace_and_count():
    plan, reply = planned()

    assert (plan.stream, plan.tokens, plan.work_ms) == (True, 11, 40.0)
    assert plan.work_ms + (plan.tokens - 1) * plan.gap_ms == pytest.approx(90.0)
    assert reply.prompt_tokens == 700


def test_a_whole_answer_comes_after_its_recorded_time():
    plan, _ = planned(ANSWER._replace(is_stream=False))

    assert (plan.stream, plan.tokens, plan.work_ms) == (False, 11, 90.0)


@pytest.mark.parametrize(("way", "streams"), [("step", True), ("body", True), ("path", False), ("name", False)])
def test_whether_it_streams_is_the_clients_choice_unless_it_is_the_recorded_request(way, streams):
    assert planned(ANSWER._replace(way=way))[0].stream is streams
    assert planned(ANSWER._replace(way=way), asked=Asked(4, stream=True))[0].stream


def test_a_body_begins_at_its_first_byte_and_ends_at_its_end():
    question = Question(b"GET", b"/a", b"", None, None, ("http", "/a"))
    plan, _ = planned(ANSWER._replace(kind="http"), question)

    assert (plan.work_ms, plan.body_ms, plan.tokens, plan.is_slow) == (40.0, 50.0, 0, False)


def test_speed_divides_all_of_it():
    plan, _ = planned(spec=ModelSpec(as_recorded=True, speed=10.0))

    assert plan.work_ms + (plan.tokens - 1) * plan.gap_ms == pytest.approx(9.0)


def test_a_model_call_that_failed_is_answered_with_its_error_and_no_tokens():
    plan, reply = planned(ANSWER._replace(status=429, json=b'{"error":"slow down"}'))

    assert (plan.tokens, reply.status, reply.body.text) == (0, 429, b'{"error":"slow down"}')


def test_a_kept_body_goes_before_made_up_tokens_and_a_stream_that_is_asked_for_before_that():
    kept = ANSWER._replace(is_stream=False, json=b'{"choices":[]}')

    assert planned(kept)[1].body.text == b'{"choices":[]}'
    assert planned(kept, asked=Asked(4, stream=True))[0].tokens == 11


def test_one_without_an_answer_is_told_as_a_failure_of_what_is_behind():
    assert planned(ANSWER._replace(status=None))[1].status == 502


def test_tokens_that_nobody_could_send_are_bounded():
    assert planned(ANSWER._replace(output_tokens=10**9))[0].tokens == 1_000_000


def test_kept_headers_are_sent_and_the_content_type_once():
    _, reply = planned(ANSWER._replace(status=500, headers=(("Content-Type", "text/plain"), ("x-a", "1"))))

    assert (reply.content_type, reply.lines) == (b"text/plain", b"x-a: 1\r\n")


def test_a_head_tells_which_step_a_request_is():
    assert ids_of(b"GET / HTTP/1.1\r\nX-Replay-Recorded-Ids: s%201~2 a%2Fb\r\nx: y") == ("s 1~2", "a/b")
    assert ids_of(b"GET / HTTP/1.1\r\nx-replay-recorded-ids: s") is None


@pytest.mark.parametrize(
    ("method", "answer", "status"),
    [
        # An MCP server need not allow either; the recording's did.
        (b"GET", None, 405),
        (b"DELETE", None, 405),
        (b"GET", ANSWER._replace(kind="mcp"), 200),
        (b"DELETE", ANSWER._replace(kind="mcp"), None),
        (b"GET", ANSWER._replace(kind="mcp", status=405), None),
    ],
)
def test_who_listens_to_an_mcp_server_and_who_leaves_is_answered_as_recorded(method, answer, status):
    question = Question(method, b"/mcp", b"", None, None, ("mcp", "mcp"))

    reply = prepared(question, answer)

    assert (None if reply is None else reply.status) == status
    if status == 200:
        # A stream that says nothing.
        assert reply.content_type == b"text/event-stream"
        assert set(reply.body.text.split(b"\n")) == {b":", b""}
