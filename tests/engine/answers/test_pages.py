"""A web page where something else was asked for, and pages that may be right."""

import gzip

import brotli
import pytest
import zstandard

from replay.engine.answers.pages import asked_instead_of_page
from replay.engine.outcome import Outcomes
from replay.target.target import Target
from replay.trace.types import Expect, Recorded, Request, Step
from tests.support.attempts import attempt

PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>"


def step(path="/orders/7", recorded=None, expect=None, **headers):
    request = Request("GET", path, headers=headers)
    return Step("a", "http", "order", request=request, recorded=recorded, expect=expect)


@pytest.mark.parametrize(
    ("one", "asked"),
    [
        (step(Accept="application/json"), "JSON"),
        (step(accept="application/json, text/plain"), "JSON"),
        (step(accept="application/vnd.api+json"), "JSON"),
        (step(recorded=Recorded(200, response_json={"id": 7})), "JSON"),
        (step(recorded=Recorded(200, response_headers={"content-type": "image/png; q=1"})), "image/png"),
        (step(recorded=Recorded(200, content_type="text/csv")), "text/csv"),
    ],
)
def test_a_page_is_none_of_what_was_asked_for(one, asked):
    assert asked_instead_of_page(one) == asked
    assert attempt(one).watches_pages


@pytest.mark.parametrize(
    "one",
    [
        step(),
        step(accept="*/*"),
        # What axios sends for anything.
        step(accept="application/json, text/plain, */*"),
        step(accept="text/html,application/xhtml+xml,application/json;q=0.9"),
        # Names of packages, of pictures and of programs are names of pages.
        step("/package/chart.js"),
        step("/wiki/File:Cat.jpg"),
        step(accept="application/json", recorded=Recorded(200, response_headers={"content-type": "text/html"})),
        step(accept="application/json", recorded=Recorded(200, content_type="application/xhtml+xml")),
        step(recorded=Recorded(200, content_type="what you like")),
        step(recorded=Recorded(404, content_type="application/json")),
        step(recorded=Recorded(302, content_type="text/plain")),
    ],
)
def test_a_page_may_be_what_was_asked_for(one):
    assert asked_instead_of_page(one) is None
    assert not attempt(one).watches_pages


@pytest.mark.parametrize(
    ("status", "body", "coding", "error"),
    [
        (200, PAGE, None, "protocol"),
        (200, gzip.compress(PAGE + b" " * 50_000, mtime=0), b"gzip", "protocol"),
        (200, brotli.compress(PAGE), b"br", "protocol"),
        (200, zstandard.compress(PAGE), b"zstd", "protocol"),
        # Its status says already what it is.
        (404, PAGE, None, None),
        (302, PAGE, None, None),
        # PHP sends JSON so, and others a part of a page.
        (200, b'{"id":7}', None, None),
        (200, b"", None, None),
        (200, b"ok", None, None),
    ],
)
def test_what_says_that_it_is_html_is_a_page_if_it_begins_so(status, body, coding, error):
    ended = attempt(
        step(accept="application/json"), status=status, captured=bytearray(body), content_encoding=coding
    )

    Outcomes(Target(url="http://x")).fail_page(ended)

    assert ended.error == error


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
