"""Whole runs that record their answers, or do not."""

import os

import pytest

from replay.engine.arms import Arm
from replay.engine.run import Job, replay_together, replay_trace
from replay.engine.types import RunOptions
from replay.results.answers import read_answers
from replay.results.types import ANSWERS_FILE, STEPS_FILE
from replay.target.sending import Retry
from replay.target.target import Target


@pytest.fixture
def trace(write_trace):
    get = write_trace.get
    return write_trace(
        *[
            (
                n * 2.0,
                [get("a", f"/search?n={n}", name="search"), get("b", f"/chat?n={n}", ["a"], name="chat")],
            )
            for n in range(60)
        ]
    )


def test_every_answer_of_a_run_is_recorded(trace, answering, tmp_path):
    target = Target(url=answering("plain"), name="old")

    outcome = replay_trace(trace, target, RunOptions(answers="shape"), tmp_path / "run")

    found = read_answers(tmp_path / "run")
    assert outcome.summary.counts.ok == 120
    assert len({(answer.session, answer.step) for answer in found.answers}) == 120
    assert {(answer.name, answer.content) for answer in found.answers} == {
        ("search", "json"),
        ("chat", "stream"),
    }
    assert (tmp_path / "run" / ANSWERS_FILE).stat().st_mode & 0o777 == 0o600
    text = (tmp_path / "run" / ANSWERS_FILE).read_text()
    assert "Ada" not in text
    assert "sku-" not in text


def test_a_run_that_was_not_asked_to_records_none(trace, answering, tmp_path):
    replay_trace(trace, Target(url=answering("plain")), RunOptions(), tmp_path / "run")

    assert not (tmp_path / "run" / ANSWERS_FILE).exists()


def test_the_last_attempt_is_the_answer(write_trace, truth, tmp_path):
    trace = write_trace((0.0, [write_trace.get("a", "/?do=503")]))
    target = Target(url=truth.url, retry=Retry(attempts=3, backoff_s=0.001))

    outcome = replay_trace(trace, target, RunOptions(answers="shape"), tmp_path / "run")

    assert outcome.summary.counts.retries == 2
    assert [answer.status for answer in read_answers(tmp_path / "run").answers] == [503]


def test_an_arm_with_some_sessions_plans_and_sends_only_those(trace, answering, tmp_path):
    job = Job(Target(url=answering("plain")), tmp_path / "run", Arm(only=frozenset({"s-3", "s-40", "unknown"})))

    (outcome,) = replay_together(trace, [job], RunOptions(answers="shape"))

    assert outcome.summary.counts.sessions == 2
    assert {answer.session for answer in read_answers(tmp_path / "run").answers} == {"s-3", "s-40"}


def test_an_arm_with_some_sessions_of_a_trace_that_is_repeated_comes_to_an_end(trace, answering, tmp_path):
    job = Job(Target(url=answering("plain")), tmp_path / "run", Arm(only=frozenset({"s-3", "s-3@2"})))

    (outcome,) = replay_together(trace, [job], RunOptions(repeat=True, duration_s=3_600.0))

    assert outcome.summary.counts.sessions == 2


def test_answers_that_cannot_be_written_end_the_run_and_lose_nothing_else(
    trace, answering, tmp_path, monkeypatch
):
    write = os.write

    def full(fd, data):
        if b'"is":"' in bytes(data):
            raise OSError(28, "No space left on device")
        return write(fd, data)

    monkeypatch.setattr("replay.engine.records.writer.os.write", full)

    outcome = replay_trace(trace, Target(url=answering("plain")), RunOptions(answers="shape"), tmp_path / "run")

    assert outcome.summary.status == "failed"
    assert (tmp_path / "run" / STEPS_FILE).exists()
