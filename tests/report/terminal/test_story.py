"""One session told from the audit trail."""

from rich.console import Console

from replay.report.terminal.story import print_story
from tests.support.runs import step


def told(records, width=110):
    console = Console(record=True, width=width, file=open("/dev/null", "w"))  # noqa: SIM115
    print_story("s-1", records, console)
    console.file.close()
    return console.export_text()


def test_a_story_has_every_attempt_in_order_of_time_with_its_facts():
    facts = {"agent": "support", "prompt_version": "7"}
    records = [
        step("s-1", 40.0, 1, at_ms=130.0, name="crm", attributes={**facts, "policy": "allow"}),
        step(
            "s-1",
            20.0,
            0,
            at_ms=100.0,
            name="plan",
            kind="llm",
            attributes=facts,
            outcome="failed",
            status=503,
            error="status_5xx",
            final=False,
        ),
        step(
            "s-1",
            25.0,
            0,
            at_ms=100.0,
            name="plan",
            kind="llm",
            attributes=facts,
            attempt=2,
            instance="i-4",
            cold=True,
        ),
    ]

    text = told(records)

    assert "2 steps in 70 ms, 1 retry; it began 100 ms into the run" in text
    assert "prompt_version: 7" in text
    lines = [line for line in text.splitlines() if "llm:plan" in line or "tool:crm" in line]
    assert "status_5xx 503 (try 1)" in lines[0]
    assert "ok 200 (try 2)" in lines[1]
    assert "instance=i-4, cold=yes" in lines[1]
    assert "policy=allow" in lines[2]
    assert "+30 ms" in lines[2]


def test_a_failed_step_names_its_class_and_check_and_the_recorded_time_stands_beside_it():
    records = [
        step("s-1", 20.0, 0, at_ms=0.0, recorded_ms=15.0),
        step(
            "s-1",
            5.0,
            1,
            at_ms=25.0,
            recorded_ms=30.0,
            recorded_at_ms=20.0,
            outcome="failed",
            error="check",
            check="json /ok equals",
        ),
    ]

    text = told(records)

    assert "2 steps in 30 ms (50 ms when it was recorded), 1 failed" in text
    (first, _) = (line for line in text.splitlines() if "tool:search" in line)
    assert "20 ms     15 ms  tool:search (0)" in first
    assert "check (json /ok equals) 200" in text


def test_a_session_without_a_recording_has_no_column_for_it():
    text = told([step("s-1", 20.0)])

    assert "recorded" not in text
    assert "facts" not in text


def test_hostile_names_reach_no_terminal():
    text = told([step("s-1", 1.0, name="a\x1b[31m", attributes={"x": "\x1b]0;t\x07"})])

    assert "\x1b" not in text
    assert "\x07" not in text
