from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from junitparser import Error, Failure, JUnitXml, Skipped

from replay.report.ci.junit import compare_junit, error_junit, gate_junit
from tests.report.verdict_samples import (
    HOSTILE,
    compare,
    difference,
    errors_differ,
    failed,
    gate,
    passed,
    undecided,
)


def suite_of(text):
    (suite,) = JUnitXml.fromstring(text.encode())
    return suite


def results_of(text):
    return {case.name: [type(result) for result in case.result] for case in suite_of(text)}


def test_each_slo_is_a_test_case_of_the_target():
    suite = suite_of(gate_junit(gate(passed(), failed(), undecided())))

    assert [case.classname for case in suite] == ["staging"] * 3
    assert [case.name for case in suite] == [
        "p99 < 800ms",
        "p99(response, tool:search) < 250ms",
        "errors < 1%",
    ]
    assert (suite.tests, suite.failures, suite.skipped, suite.errors) == (3, 1, 1, 0)


def test_the_suite_lasts_as_long_as_the_run_and_its_cases_add_up_to_it():
    suite = suite_of(gate_junit(gate(passed(), failed(), undecided(), elapsed_s=22.5)))

    assert suite.time == 22.5
    assert [case.time for case in suite] == [7.5] * 3
    assert suite_of(compare_junit(compare(difference(), elapsed_s=4.0))).time == 4.0
    assert suite_of(gate_junit(gate(passed()))).time == 0


def test_notes_of_a_verdict_are_those_of_the_suite():
    text = gate_junit(gate(passed(), notes=["reset, for example: it was closed", HOSTILE]))

    (told,) = ElementTree.fromstring(text).findall("./testsuite/system-out")
    assert told.text.startswith("note: reset, for example: it was closed\nnote: ")
    assert "\x1b" not in told.text


def test_a_failure_tells_reason_and_figures():
    (case,) = suite_of(gate_junit(gate(failed())))
    (failure,) = case.result

    assert failure.message == (
        "the whole confidence interval is beyond the limit (observed 1.2 s, limit 250 ms, "
        "95% interval [1.1 s, 1.3 s], n = 3,000 of 1,000 sessions)"
    )


def test_inconclusive_is_skipped_with_its_reason():
    (case,) = suite_of(gate_junit(gate(undecided())))
    (skipped,) = case.result

    assert isinstance(skipped, Skipped)
    assert skipped.message.startswith(
        "inconclusive: the confidence interval straddles the limit (observed 0.9%"
    )


def test_inconclusive_is_a_failure_when_strict():
    suite = suite_of(gate_junit(gate(undecided()), strict=True))

    assert [type(result) for case in suite for result in case.result] == [Failure]
    assert (suite.failures, suite.skipped) == (1, 0)


@pytest.mark.parametrize(("strict", "kind"), [(False, Skipped), (True, Failure)])
def test_a_gate_that_judged_nothing_is_no_success(strict, kind):
    text = gate_junit(gate(verdict="inconclusive"), strict)

    assert results_of(text) == {"gate": [kind]}


@given(st.text())
def test_a_command_without_a_verdict_is_a_test_with_an_error(why):
    suite = suite_of(error_junit("gate", why))

    assert [type(result) for case in suite for result in case.result] == [Error]
    assert (suite.tests, suite.errors, suite.failures, suite.skipped) == (1, 1, 0, 0)


def test_a_comparison_has_a_case_for_its_verdict_and_one_for_each_metric_of_all_steps():
    named = difference(metric="p50", kind="tool", name="search")
    same = difference(metric="p50", verdict="no_difference", reason="within the margin")
    open_ = difference(metric="p90", verdict="inconclusive", reason="too few")

    text = compare_junit(compare(difference(), same, open_, errors_differ(), named))

    assert results_of(text) == {
        "verdict: p99": [Failure],
        "p99 response": [Failure],
        "p50 response": [],
        "p90 response": [Skipped],
        "errors": [Failure],
    }
    assert {case.classname for case in suite_of(text)} == {"staging against local"}


def test_a_faster_target_is_no_failure():
    assert results_of(compare_junit(compare(difference(b_ms=80.0, verdict="b_faster")))) == {
        "verdict: p99": [],
        "p99 response": [],
    }


@given(st.text())
@pytest.mark.parametrize("judged", [passed, failed, undecided])
def test_any_name_makes_xml_that_can_be_read(judged, name):
    text = gate_junit(gate(judged(slo=name, reason=name), target=name or None))

    assert len(list(suite_of(text))) == 1


def test_hostile_names_stay_text():
    (case,) = suite_of(gate_junit(gate(failed(slo=HOSTILE, reason=HOSTILE), target=HOSTILE)))

    assert "<script>" in case.name
    assert "]]>" in case.result[0].message
    assert "\x1b" not in case.name + case.classname + case.result[0].message


def test_hostile_names_in_a_comparison_stay_text():
    verdict = compare(difference(reason=HOSTILE), reasons=[HOSTILE])
    verdict.targets[1].name = HOSTILE

    assert results_of(compare_junit(verdict)) == {"verdict: p99": [Failure], "p99 response": [Failure]}
