"""What stands in a step's line that its attempt does not say by itself."""

import pytest

from replay.engine.records.lines import StepRecords
from replay.trace.types import Request, Step
from tests.support.attempts import attempt


@pytest.mark.parametrize(("family", "is_asked"), [("model", True), (None, False)])
def test_a_models_request_that_is_sent_as_recorded_says_whether_it_asks_for_a_stream(family, is_asked):
    call = Step("a", "llm", "answer", request=Request("POST", "/v1/chat/completions"))
    ended = attempt(call, body=b'{"stream":true}', family=family)

    assert StepRecords("x", 0).attempt(ended, {}).stream is is_asked
