"""What is shown of a run under way where there is no terminal, and before its first step."""

import io

import msgspec
import pytest

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


@pytest.mark.parametrize("width", [28, 30, 43, 44, 60, 71, 72, 80, 200])
def test_a_narrow_terminal_has_its_figures_in_fewer_columns_and_cuts_none(width):
    """At 30 columns it read "achi…", "resp…" and "fli…"."""
    busy = msgspec.structs.replace(
        snapshot(3723.0, done=7),
        steps=10,
        offered_rps=12.34,
        achieved_rps=11.99,
        sessions_done=30,
        left_s=7199.0,
    )
    busy = msgspec.structs.replace(busy, p50_ms=123.4, p99_ms=2345.6, lag_p99_us=1234.0)
    console = plain_console(file=io.StringIO(), width=width)
    console.print(draw(busy, width))

    shown = " ".join(console.file.getvalue().replace("│", " ").split())
    assert "…" not in shown
    for words in ("7 of 10 steps", "achieved", "12/s", "p50 123 ms", "p99 2.35 s", "30", "lag p99 1.23 ms"):
        assert words in shown, words
