"""What is shown of a run under way where there is no terminal, and before its first step."""

import io

from replay.live.live import PlainView
from replay.live.screen import draw
from replay.report.plain import plain_console
from replay.results.summary_types import Snapshot


def snapshot(elapsed_s, state="running", done=0):
    return Snapshot(
        trace="t",
        target="staging",
        elapsed_s=elapsed_s,
        steps=10,
        done=done,
        sent=done,
        failed=0,
        unsent=0,
        in_flight=0,
        sessions=1,
        sessions_done=0,
        offered_rps=1.0,
        achieved_rps=1.0,
        state=state,
    )


def test_a_log_has_a_line_every_five_seconds():
    told = io.StringIO()
    with PlainView(told) as view:
        for half_seconds in range(21):
            view.show(snapshot(half_seconds / 2, done=half_seconds // 2))

    assert [line.split(",")[0].strip() for line in told.getvalue().splitlines()] == [
        "5.0 s  5 of 10 steps",
        "10 s  10 of 10 steps",
    ]


def test_what_is_waited_for_before_the_first_step_is_told_and_time_counts_anew_after_it():
    told = io.StringIO()
    with PlainView(told) as view:
        for second in range(1, 24):
            view.show(snapshot(float(second), state="waiting for auth.command"))
        for second in range(7):
            view.show(snapshot(float(second), done=second))

    lines = told.getvalue().splitlines()
    assert [line.strip() for line in lines[:4]] == [
        f"{clock}  waiting for auth.command" for clock in ("5.0 s", "10 s", "15 s", "20 s")
    ]
    assert [line.split(",")[0].strip() for line in lines[4:]] == ["5.0 s  5 of 10 steps"]


def test_a_terminal_shows_what_is_waited_for():
    console = plain_console(file=io.StringIO(), width=80)
    console.print(draw(snapshot(12.0, state="waiting for auth.command")))

    assert "waiting for auth.command" in console.file.getvalue()
