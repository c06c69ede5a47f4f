"""How many requests of a run have the bytes of one before them."""

import pytest

from replay.engine.forecast.dryrun import foresee
from replay.engine.types import Knobs, RunOptions
from replay.target.sending import Retry, SessionRules
from replay.target.target import Target

TARGET = Target(url="http://127.0.0.1:1", name="t")
NOTE = (
    "copies that send the same bytes are one user to the target, and a cache may answer them; {{copy}} or {{uuid}} in a "
    "request tells them apart, and {{row.NAME}} with --data makes each another user"
)


@pytest.fixture
def identical(write_trace):
    """Of these steps, replayed four times over."""

    def count(*steps, target=TARGET, scale=4, **options):
        trace = write_trace((0.0, list(steps)))
        return foresee(
            trace, target, RunOptions(knobs=Knobs(scale=scale), **options), lambda: 0
        ).identical_requests

    count.get = write_trace.get
    return count


def post(**request):
    return {"id": "a", "kind": "http", "name": "a", "request": {"method": "POST", "path": "/", **request}}


@pytest.mark.parametrize(
    ("request_", "count"),
    [
        ({}, 3),
        ({"body_bytes": 5}, 3),
        ({"body_base64": "aGk="}, 3),
        ({"headers": {"traceparent": "{{uuid}}", "content-length": "{{copy}}"}}, 3),
        ({"headers": {"x-user": "{{copy}}"}}, 0),
        ({"json": {"id": "{{uuid}}"}}, 0),
        ({"body": "{{session}}"}, 0),
        ({"path": "/?at={{now|unix_ms}}"}, 0),
        ({"path": "/?on={{now|%Y}}"}, 3),
    ],
)
def test_copies_are_alike_unless_something_of_their_own_is_in_them(identical, request_, count):
    assert identical(post(**request_)) == count


def test_what_the_target_file_overrides_makes_no_difference(identical):
    one = post(headers={"X-User": "{{copy}}", "idempotency-key": "{{copy}}"})
    target = Target(
        url=TARGET.url, headers={"x-user": "all"}, retry=Retry(idempotency_header="Idempotency-Key"), name="t"
    )

    assert identical(one, target=target) == 3


def test_requests_of_one_session_are_counted_too(identical):
    steps = [identical.get("a", "/x"), identical.get("b", "/x", ["a"]), identical.get("c", "/y", ["b"])]

    assert identical(*steps, scale=1) == 1


def test_what_only_the_target_can_say_is_taken_to_differ(identical):
    taken = identical.get("a", "/runs", extract={"id": {"json": "/id"}})
    later = identical.get("b", "/runs/{{id}}", ["a"])

    assert identical(taken, later) == 3
    with_cookies = Target(url=TARGET.url, name="t", session=SessionRules(cookies=True))
    assert identical(identical.get("a", "/login"), identical.get("b", "/me", ["a"]), target=with_cookies) == 3


def test_prompts_differ_unless_they_are_all_shared_blocks(identical):
    def call(**llm):
        return {"id": "a", "kind": "llm", "name": "a", "llm": llm}

    assert identical(call(input_tokens=100)) == 0
    assert identical(call(input_tokens=100, prefix=[1, 2], prefix_block_tokens=16)) == 0
    assert identical(call(input_tokens=32, prefix=[1, 2], prefix_block_tokens=16)) == 3


def test_a_step_that_asks_for_what_nobody_gives_counts_as_written(identical):
    taken = identical.get("a", "/runs", extract={"id": {"json": "/id"}})

    assert identical(taken, identical.get("b", "/{{other}}", ["a"])) == 6


def test_the_advice_is_given_where_there_are_copies(write_trace):
    trace = write_trace((0.0, [write_trace.get("a", "/x"), write_trace.get("b", "/x", ["a"])]))

    assert NOTE in foresee(trace, TARGET, RunOptions(knobs=Knobs(scale=2))).notes
    assert NOTE not in foresee(trace, TARGET, RunOptions()).notes


def test_a_forecast_holds_a_trace_of_decades_that_is_slowed_down(write_trace):
    decades_ms = 1e12
    trace = write_trace(
        (0.0, [write_trace.get("a"), write_trace.get("b", after=[{"step": "a", "delay_ms": decades_ms}])]),
        (decades_ms, [write_trace.get("a")]),
    )

    found = foresee(trace, Target(url="http://127.0.0.1:1", name="t"), RunOptions(knobs=Knobs(speed=1e-6)))

    assert found.requests == 3


def test_calls_with_images_are_identical_where_these_are_the_same_by_their_ids(identical):
    def call(**image):
        llm = {"input_tokens": 64, "prefix": [1], "images": [{"bytes": 500, **image}]}
        return {"id": "a", "kind": "llm", "name": "ask", "llm": llm}

    assert identical(call(id=7)) == 3
    assert identical(call()) == 0


def test_what_calls_carry_is_foreseen(write_trace):
    llm = {"input_tokens": 64, "images": [{"bytes": 500}], "tools": {"count": 2, "bytes": 900}}
    trace = write_trace((0.0, [{"id": "a", "kind": "llm", "name": "ask", "llm": llm}]))
    found = foresee(trace, TARGET, RunOptions(knobs=Knobs(scale=3)), lambda: 0)

    assert (found.images, found.image_bytes, found.tools_offered, found.tool_bytes) == (3, 1_500, 3, 2_700)
    # Made, not only told: in base64, three bytes are four.
    assert found.request_bytes > 3 * (900 + 500 * 4 // 3)
