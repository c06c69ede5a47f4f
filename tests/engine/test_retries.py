"""Retries: which attempts are repeated, when, and what is recorded of them."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.engine.retries import Retries
from replay.engine.run import replay_trace
from replay.engine.types import RunOptions
from replay.results.columns import read_columns
from replay.target.errors import TargetError
from replay.target.file import load_target
from replay.target.sending import Retry
from replay.target.target import Target
from replay.trace.types import Request, Step
from replay.wire.answers import retry_after_s
from tests.support.attempts import attempt


def failed(number=1, status=503, error=None, idempotent=True, retry_after_s=None):
    step = Step("a", "http", "a", request=Request("GET", "/"))
    return attempt(
        step, idempotent=idempotent, status=status, error=error, number=number, retry_after_s=retry_after_s
    )


def test_waits_are_drawn_below_a_limit_that_doubles():
    retries = Retries(Retry(attempts=9, backoff_s=1.0, max_backoff_s=3.0), seed=1)

    waits = [retries.delay_ns(failed(number), 1000) / 1e9 for number in (1, 2, 3, 4)]

    assert all(0 <= wait <= most for wait, most in zip(waits, (1, 2, 3, 3), strict=True))
    again = Retries(Retry(attempts=9, backoff_s=1.0, max_backoff_s=3.0), seed=1)
    assert [again.delay_ns(failed(number), 1000) / 1e9 for number in (1, 2, 3, 4)] == waits


@pytest.mark.parametrize(
    ("exchange", "is_repeated"),
    [
        (failed(), True),
        (failed(status=500), False),
        (failed(number=3), False),
        (failed(status=0, error="reset"), True),
        (failed(status=0, error="protocol"), False),
        (failed(idempotent=False), False),
    ],
)
def test_the_policy_says_what_is_repeated(exchange, is_repeated):
    assert (Retries(Retry(attempts=3), 1).delay_ns(exchange, 10) is not None) == is_repeated


def test_a_post_is_repeated_only_if_that_is_said_to_be_safe():
    assert Retries(Retry(attempts=3, unsafe=True), 1).delay_ns(failed(idempotent=False), 10) is not None
    keyed = Retry(attempts=3, idempotency_header="idempotency-key")
    assert Retries(keyed, 1).delay_ns(failed(idempotent=False), 10) is not None


def test_a_response_that_asks_for_a_time_gets_it_up_to_the_limit():
    retries = Retries(Retry(attempts=3, max_backoff_s=5.0), 1)

    assert retries.delay_ns(failed(retry_after_s=2.0), 10) == 2_000_000_000
    assert retries.delay_ns(failed(retry_after_s=60.0), 10) == 5_000_000_000


def test_a_budget_keeps_retries_to_a_share_of_the_requests():
    retries = Retries(Retry(attempts=3, budget_percent=10), 1)

    repeated = sum(retries.delay_ns(failed(), 1000) is not None for _ in range(1000))

    assert repeated == 110  # a tenth of the requests, and the ten that are always free


@pytest.mark.parametrize(
    ("value", "seconds"), [(b"3", 3.0), (b" 120 ", 120.0), (b"soon", None), (b"-1", None), (b"9" * 40, None)]
)
def test_retry_after_is_read(value, seconds):
    assert retry_after_s(value) == seconds


@pytest.mark.parametrize(
    "value",
    [
        b"\xb2",
        b"1\xb2",
        b"",
        b"Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        b"Mon, 01 Jan 2020 00:00:00 +9999999999",
        b"Mon, 01 Jan 0001 00:00:00 +2359",
    ],
)
def test_a_retry_after_that_means_nothing_does_not_spoil_the_answer(value):
    assert retry_after_s(value) in (None, 0.0)


@given(st.one_of(st.binary(max_size=40), st.from_regex(rb"[A-Z][a-z]{2}, \d+ Jan \d+ [\d:]+ [+-]?\w*")))
def test_no_retry_after_raises(value):
    found = retry_after_s(value)

    assert found is None or 0 <= found < float("inf")


def test_retry_after_may_be_a_date():
    assert retry_after_s(b"Wed, 21 Oct 2015 07:28:00 GMT") == 0.0


def test_every_attempt_is_recorded_and_the_step_is_charged_for_all(truth, write_trace, tmp_path):
    get = write_trace.get
    trace = write_trace((0.0, [get("a", "/a?do=503"), get("b", "/b", ["a"])]))
    target = Target(url=truth.url, name="t", retry=Retry(attempts=3, backoff_s=0.05))

    outcome = replay_trace(trace, target, RunOptions(), tmp_path / "run")

    lines = [json.loads(line) for line in (tmp_path / "run" / "steps.jsonl").read_text().splitlines()]
    tries = [line for line in lines if line["step"] == "a"]
    assert [(line.get("attempt", 1), line.get("final", True)) for line in tries] == [
        (1, False),
        (2, False),
        (3, True),
    ]
    assert len({line["intended_ns"] for line in tries}) == 1
    assert outcome.summary.counts.retries == 2
    assert (outcome.summary.counts.ok, outcome.summary.counts.failed) == (1, 1)
    assert outcome.summary.latency_ms["response"].n == outcome.summary.latency_ms["failed"].n == 1
    (last,) = [line for line in lines if line["step"] == "b"]
    assert last["intended_ns"] == tries[-1]["end_ns"]
    assert Counter(seen["path"] for seen in truth.arrivals) == {"/a?do=503": 3, "/b": 1}
    columns = read_columns(tmp_path / "run")
    assert columns.attempts.tolist() == [3, 1]
    assert columns.retried_ns[0] == tries[-1]["sent_ns"] - tries[0]["intended_ns"]


def test_all_attempts_carry_one_key_and_no_two_steps_share_it(truth, write_trace, tmp_path):
    get = write_trace.get
    trace = write_trace((0.0, [get("a", "/a?do=503", method="POST"), get("b", "/b")]))
    retry = Retry(attempts=2, backoff_s=0.01, idempotency_header="idempotency-key")

    replay_trace(trace, Target(url=truth.url, name="t", retry=retry), RunOptions(), tmp_path / "run")

    keys = [(seen["path"], seen["headers"]["idempotency-key"]) for seen in truth.arrivals]
    assert len({key for path, key in keys if path != "/b"}) == 1
    assert len({key for _, key in keys}) == 2


def test_a_policy_is_read_from_the_target_file(tmp_path):
    file = tmp_path / "t.toml"
    file.write_text('url = "http://x"\n[retry]\nattempts = 3\nerrors = ["reset"]\nstatuses = [429]\n')
    assert load_target(str(file)).retry.errors == ("reset",)
    file.write_text('url = "http://x"\n[retry]\nattempts = 0\n')
    with pytest.raises(TargetError, match="attempts must be more than 0"):
        load_target(str(file))
