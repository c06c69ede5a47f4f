"""What may be concluded from how a run ended, as the table in replay/trials/endings.py has it."""

import pytest

from replay.exit_codes import EXIT_CODES
from replay.trials.endings import concluded, worst


@pytest.mark.parametrize("answer", ["done", "pass", "fail", "inconclusive"])
@pytest.mark.parametrize(
    ("status", "ended_early"), [("finished", None), ("interrupted", "the verdict was certain")]
)
def test_a_run_that_is_whole_or_was_ended_on_purpose_says_what_it_was_asked_for(answer, status, ended_early):
    assert concluded(status, answer, ended_early=ended_early) == answer


@pytest.mark.parametrize("answer", ["done", "pass", "fail", "inconclusive"])
def test_an_interrupted_run_says_nothing(answer):
    assert concluded("interrupted", answer) == "interrupted"


@pytest.mark.parametrize("status", ["failed", "running"])
@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("done", "not_carried_out"),
        ("pass", "not_carried_out"),
        ("inconclusive", "not_carried_out"),
        ("fail", "fail"),
    ],
)
def test_a_run_that_failed_says_at_most_that_it_failed(status, answer, said):
    assert concluded(status, answer) == said
    assert concluded(status, answer, ended_early="the verdict was certain", strict=True) == said


@pytest.mark.parametrize("answer", ["done", "pass", "fail", "inconclusive"])
def test_a_run_that_lost_a_worker_decides_nothing(answer):
    assert EXIT_CODES[concluded("incomplete", answer)] == 3
    assert concluded("incomplete", answer, strict=True) == "fail"
    assert worst({"finished", "incomplete"}) == "incomplete"


def test_strict_takes_inconclusive_for_fail():
    assert concluded("finished", "inconclusive", strict=True) == "fail"
    assert concluded("finished", "pass", strict=True) == "pass"


def test_exit_codes_are_those_of_the_design():
    assert EXIT_CODES == {
        "done": 0,
        "pass": 0,
        "fail": 1,
        "inconclusive": 3,
        "not_carried_out": 4,
        "interrupted": 130,
    }


def test_runs_that_are_judged_together_ended_as_the_one_that_ended_worst():
    assert worst({"finished"}) == "finished"
    assert worst({"finished", "interrupted"}) == "interrupted"
    assert worst({"finished", "interrupted", "failed"}) == "failed"
