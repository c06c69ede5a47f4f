"""A web page where something else was asked for, and pages that may be right."""

import pytest

from replay.engine.answers.pages import page_instead
from replay.engine.outcome import Outcomes
from replay.target.target import Target
from replay.trace.types import Expect, Recorded, Request, Step
from tests.support.attempts import attempt

PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>"
JSON_SENT_AS_HTML = b'{"id":7}'


def step(path="/orders/7", recorded=None, expect=None, **headers):
    request = Request("GET", path, headers=headers)
    return Step("a", "http", "order", request=request, recorded=recorded, expect=expect)


@pytest.mark.parametrize(
    ("one", "asked"),
    [
        (step(Accept="application/json"), "JSON"),
        (step(accept="application/json, text/plain, */*"), "JSON"),
        (step(accept="application/vnd.api+json"), "JSON"),
        (step("/static/app.js"), "a .js file"),
        (step("/files/7.PDF?v=3"), "a .pdf file"),
        (step(recorded=Recorded(200, response_json={"id": 7})), "JSON"),
        (step(recorded=Recorded(200, response_headers={"content-type": "image/png; q=1"})), "image/png"),
    ],
)
def test_a_page_is_none_of_what_was_asked_for(one, asked):
    assert page_instead(one, 200, PAGE) == asked


@pytest.mark.parametrize(
    ("one", "status", "body"),
    [
        (step(), 200, PAGE),
        (step("/json"), 200, PAGE),
        (step("/v1.2/orders"), 200, PAGE),
        (step("/index.html"), 200, PAGE),
        (step("/?file=a.pdf"), 200, PAGE),
        (step(accept="*/*"), 200, PAGE),
        (step(accept="text/html,application/xhtml+xml,application/json;q=0.9"), 200, PAGE),
        (step("/a.js", accept="text/html"), 200, PAGE),
        (step(recorded=Recorded(200, response_headers={"content-type": "text/html"})), 200, PAGE),
        # Its status says already what it is.
        (step(accept="application/json"), 404, PAGE),
        (step(accept="application/json"), 302, PAGE),
        # PHP sends JSON so, and others a part of a page.
        (step(accept="application/json"), 200, JSON_SENT_AS_HTML),
        (step(accept="application/json"), 200, b""),
        (step(accept="application/json"), 200, b"ok"),
    ],
)
def test_an_answer_may_be_what_was_asked_for(one, status, body):
    assert page_instead(one, status, body) is None


@pytest.mark.parametrize(
    ("target", "expect", "error"),
    [
        (Target(url="http://x"), None, "protocol"),
        (Target(url="http://x"), Expect(status=200), "protocol"),
        (Target(url="http://x", answers="status"), None, None),
        (Target(url="http://x"), Expect(contains="Sign in"), None),
    ],
)
def test_a_page_fails_its_step_unless_somebody_knows_better(target, expect, error):
    outcomes = Outcomes(target)
    one = step(accept="application/json", expect=expect)
    ended = attempt(one, status=200, captured=bytearray(PAGE), expected=outcomes.of(one, b""))

    outcomes.fail_page(ended)

    assert ended.error == error
    if error is not None:
        assert ended.why == "the answer is a web page (HTML) where JSON was asked for"
