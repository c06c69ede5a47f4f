"""Failures in words: the same classes on the terminal, in a gate's verdict, in JUnit and in Markdown."""

import io

import pytest
from rich.console import Console

from replay.judge.measures.failures import failures
from replay.report.ci.junit import gate_junit
from replay.report.ci.markdown import gate_markdown
from replay.report.terminal.verdicts import print_gate
from replay.report.words.failures import (
    FAILURE_HEADS,
    errors_line,
    failure_meanings,
    failure_rows,
    print_failures,
)
from replay.results.columns import columns_of
from replay.results.types import ERROR_CLASSES
from tests.report.verdict_samples import HOSTILE, failed, gate, passed, undecided
from tests.support.runs import step


def a_run(check="json /ok equals", name="search"):
    records = [step(f"s-{n}", 20.0, n, name=name) for n in range(30)]
    records += [
        step(f"s-{n}", 2.0, n, name=name, outcome="failed", status=503, error="status_5xx")
        for n in range(30, 36)
    ]
    records.append(step("s-36", 8.0, 36, name=name, outcome="failed", error="check", check=check))
    return failures(columns_of([records]))


def printed(found, width=80):
    out = io.StringIO()
    print_failures(found, Console(file=out, width=width, highlight=False))
    return out.getvalue()


def test_what_was_wrong_is_shown_once_for_each_class_beside_its_meaning():
    whys = ["it was closed", "it was closed", "\x1b[31mred"]
    records = [
        step(f"s-{n}", 2.0, n, name=f"tool-{n}", outcome="failed", error="reset", why=why)
        for n, why in enumerate(whys)
    ]

    (line,) = failure_meanings(failures(columns_of([records])).groups)

    assert line.startswith(f"reset: {ERROR_CLASSES['reset']}; for example: it was closed; or: ")
    assert line.count("it was closed") == 1
    assert "\x1b" not in line


def test_classes_are_named_with_their_counts_the_most_frequent_first():
    assert errors_line({"tool_error": 12, "status_5xx": 3_000}) == "status_5xx 3,000, tool_error 12"
    assert errors_line(dict.fromkeys(list(ERROR_CLASSES)[:8], 1)).endswith(", 2 more")


def test_the_terminal_has_each_class_with_its_check_and_its_meaning():
    text = printed(a_run())

    assert text.startswith("7 of 37 steps failed (18.9%)\n")
    assert [line.split() for line in text.splitlines()[2:4]] == [
        ["status_5xx", "tool:search", "6", "16.2%", "2", "ms", "302", "ms"],
        ["check", "(json", "/ok", "equals)", "tool:search", "1", "2.7%", "8", "ms", "368", "ms"],
    ]
    assert f"check: {ERROR_CLASSES['check']}" in text


def test_a_run_without_failures_prints_nothing():
    assert printed(failures(columns_of([[step("s", 1.0)]]))) == ""


@pytest.mark.parametrize("width", [80, 120])
def test_nothing_is_wider_than_the_terminal_whatever_the_names_are(width):
    text = printed(a_run(check="json /" + "x" * 300, name="y" * 300), width)

    assert max(map(len, text.splitlines())) <= width


def test_hostile_names_reach_no_terminal():
    text = printed(a_run(check=f"header {HOSTILE}", name=HOSTILE))

    assert "\x1b" not in text
    assert "\x00" not in text


def test_every_row_has_a_cell_for_each_head():
    assert {len(row) for row in failure_rows(a_run())} == {len(FAILURE_HEADS)}


ERRORS = {"tool_error": 12, "status_5xx": 30}


@pytest.mark.parametrize("make", [gate_junit, gate_markdown])
def test_a_gate_that_fails_by_failures_names_their_classes(make):
    text = make(gate(failed(errors=ERRORS))).replace("&#95;", "_")

    assert "errors: status_5xx 30, tool_error 12" in text


def test_the_terminal_names_them_under_the_slo():
    out = io.StringIO()
    print_gate(gate(undecided(errors=ERRORS)), None, Console(file=out, width=100, highlight=False))

    assert "the confidence interval straddles the limit; errors: status_5xx 30, tool_error 12" in out.getvalue()


def test_an_slo_that_holds_says_nothing_of_them():
    assert "status_5xx" not in gate_junit(gate(passed(errors=ERRORS)))
