"""Failures of a run, grouped by class, check and step name."""

import pytest

from replay.judge.gate.judging import judge_gate
from replay.judge.measures.failures import by_class, failures
from replay.judge.measures.slo import parse_slo
from replay.results.columns import columns_of
from replay.results.types import ERROR_CLASSES
from tests.support.runs import Evidence, step, summary


def failed(session, ms, n, error, **fields):
    return step(session, ms, n, outcome="failed", error=error, **fields)


def a_run():
    """Forty steps: thirty answered, six 503s in 2 ms, three unmet checks, and one that was never sent."""
    records = [step(f"s-{n}", 20.0, n) for n in range(30)]
    records += [failed(f"s-{n}", 2.0, n, "status_5xx", status=503) for n in range(30, 36)]
    records += [failed(f"s-{n}", 8.0, n, "check", check="json /ok equals", kind="llm") for n in range(36, 39)]
    records.append(failed("s-39", 5.0, 39, "connect", sent_ns=None, status=None, phase="connect"))
    return columns_of([records])


def test_failures_alike_are_one_group_and_the_largest_class_is_first():
    found = failures(a_run())

    assert (found.steps, found.of_steps, found.left_out) == (10, 40, 0)
    assert [(g.error, g.check, g.kind, g.steps) for g in found.groups] == [
        ("status_5xx", None, "tool", 6),
        ("check", "json /ok equals", "llm", 3),
        ("connect", None, "tool", 1),
    ]


def test_a_group_says_what_its_class_means_its_share_its_own_times_and_where_it_began():
    first = failures(a_run()).groups[0]

    assert first.meaning == ERROR_CLASSES["status_5xx"]
    assert first.share == pytest.approx(6 / 37, abs=1e-6)  # of the steps of that kind and name, failed or not
    assert first.median_ms == 2.0
    assert (first.first_s, first.first_session) == (0.302, "s-30")


def test_a_group_says_what_was_wrong_with_the_first_that_tells():
    records = [failed("s-0", 1.0, 0, "protocol")]
    records += [failed(f"s-{n}", 1.0, n, "protocol", why=f"reason {n}") for n in (1, 2)]
    records.append(failed("s-3", 1.0, 3, "reset", why="it was closed"))

    assert [(g.error, g.why) for g in failures(columns_of([records])).groups] == [
        ("protocol", "reason 1"),
        ("reset", "it was closed"),
    ]
    assert [group.why for group in failures(a_run()).groups] == [None] * 3


def test_what_was_never_sent_has_no_time():
    assert failures(a_run()).groups[-1].median_ms is None


@pytest.mark.parametrize("error", ERROR_CLASSES)
def test_every_class_has_a_meaning_here(error):
    (group,) = failures(columns_of([[failed("s", 1.0, 0, error)]])).groups

    assert (group.error, group.meaning) == (error, ERROR_CLASSES[error])


def test_a_run_of_an_older_version_has_no_checks_and_still_its_failures():
    older = a_run()._replace(check=None, checks=None)

    assert [group.check for group in failures(older).groups] == [None, None, None]


def test_a_run_without_failures_has_no_groups():
    assert failures(columns_of([[step("s", 1.0)]])).groups == []
    assert failures(columns_of([[]])).of_steps == 0


def test_rows_that_are_left_out_are_in_no_count():
    columns = a_run()

    assert by_class(columns, columns.ok) == {}
    assert by_class(columns, columns.ok | ~columns.ok) == {"status_5xx": 6, "check": 3, "connect": 1}


def checked(text):
    (check,) = judge_gate([parse_slo(text)], Evidence(summary(), a_run(), "run")).checks
    return check


@pytest.mark.parametrize(
    "text", ["errors < 1%", "p99 < 1s", "share(response < 1s) >= 99%", "p99(makespan) < 1s"]
)
def test_a_check_that_rests_on_failures_has_them_by_class(text):
    assert checked(text).errors == {"status_5xx": 6, "check": 3, "connect": 1}


def test_a_check_of_one_class_has_that_class_alone():
    assert checked("errors(check) < 1%").errors == {"check": 3}


def test_a_check_of_one_kind_has_the_failures_of_that_kind_alone():
    assert checked("errors(llm) < 1%").errors == {"check": 3}


@pytest.mark.parametrize("text", ["p10 < 1ms", "p99(answered) < 1ms", "rate > 1/s", "p99(failed) < 1ms"])
def test_a_check_that_fails_for_another_reason_blames_no_failure(text):
    assert checked(text).errors == {}
