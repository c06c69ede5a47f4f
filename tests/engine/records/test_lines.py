"""What stands in a step's line that its attempt does not say by itself."""

import pytest

from replay.engine.records.lines import StepRecords
from replay.trace.types import Recorded, Request, Step
from tests.support.attempts import attempt


@pytest.mark.parametrize(("family", "is_asked"), [("model", True), (None, False)])
def test_a_models_request_that_is_sent_as_recorded_says_whether_it_asks_for_a_stream(family, is_asked):
    call = Step("a", "llm", "answer", request=Request("POST", "/v1/chat/completions"))
    ended = attempt(call, body=b'{"stream":true}', family=family)

    assert StepRecords("x", 0).attempt(ended, {}).stream is is_asked


@pytest.mark.parametrize(
    ("recorded", "is_asked"), [(None, False), (Recorded(200), False), (Recorded(ttft_ms=9.0), True)]
)
def test_a_stream_of_an_applications_own_is_one_of_events_if_the_recording_saw_tokens_in_it(recorded, is_asked):
    """Lines of JSON and text that comes in parts are streams, too, and are answered in one piece as far as is seen."""
    call = Step("a", "llm", "answer", request=Request("POST", "/agent/ask"), recorded=recorded)
    ended = attempt(call, body=b'{"stream":true}', family="model")

    assert StepRecords("x", 0).attempt(ended, {}).stream is is_asked


@pytest.mark.parametrize(
    ("size", "known", "is_emptied"),
    [
        (90, {}, True),
        (90, {"response_bytes": 1}, False),
        (90, {"status": 204}, True),
        (90, {"status": 304}, False),
        # What leads elsewhere, or failed as it was recorded, says so by its status.
        (90, {"status": 302}, False),
        (90, {"status": 404}, False),
        (90, {"method": "HEAD"}, False),
        (90, {"error": "timeout"}, False),
        (0, {}, False),
        (None, {}, False),
    ],
)
def test_an_answer_without_the_body_that_was_recorded_says_so(size, known, is_emptied):
    one = Step("a", "http", "x", request=Request("GET", "/"), recorded=Recorded(200, response_bytes=size))
    ended = attempt(one, **{"status": 200, "sent_ns": 1, **known})

    assert StepRecords("x", 0).attempt(ended, {}).emptied is is_emptied


@pytest.mark.parametrize(
    ("method", "size", "is_emptied"),
    [
        ("POST", 400, False),
        ("POST", 8_192, False),
        ("POST", 8_193, True),
        ("GET", 400, False),
        ("GET", 2_049, True),
    ],
)
def test_a_recorded_size_that_may_be_all_head_was_perhaps_no_body(method, size, is_emptied):
    seen = Recorded(201, response_bytes=size, counts_head=True)
    one = Step("a", "http", "x", request=Request(method, "/"), recorded=seen)
    ended = attempt(one, method=method, status=201, sent_ns=1)

    assert StepRecords("x", 0).attempt(ended, {}).emptied is is_emptied


def test_an_answer_without_content_that_was_recorded_with_the_size_of_its_headers_is_not_emptied():
    one = Step("a", "http", "x", request=Request("DELETE", "/"), recorded=Recorded(204, response_bytes=180))

    assert not StepRecords("x", 0).attempt(attempt(one, status=204, sent_ns=1), {}).emptied


@pytest.mark.parametrize(
    ("recorded", "size"),
    [
        (None, None),
        (Recorded(200), None),
        (Recorded(200, response_bytes=700), 700),
        (Recorded(200, response_bytes=700, counts_head=True), None),
        (Recorded(200, response_bytes=70_000, counts_head=True), 70_000),
    ],
)
def test_a_recorded_size_stands_in_a_line_where_it_is_not_that_of_a_head(recorded, size):
    one = Step("a", "http", "x", request=Request("GET", "/"), recorded=recorded)

    assert StepRecords("x", 0).attempt(attempt(one, status=200, sent_ns=1), {}).recorded_bytes == size
