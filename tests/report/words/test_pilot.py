"""A pilot in the terminal and as Markdown: the answer first, in eighty columns, and no name is taken for markup."""

import io
from pathlib import Path

from markdown_it import MarkdownIt
from rich.console import Console

from replay.choice.types import CalendarBill, Rule
from replay.report.ci.pilot import pilot_markdown
from replay.report.page import pilot_tables
from replay.report.terminal.pilot import print_pilot
from replay.words.numbers import exact, number
from tests.report.pilot_example import pilot_verdict
from tests.report.verdict_samples import HOSTILE


def printed(verdict, directory=None):
    out = io.StringIO()
    print_pilot(verdict, directory, Console(file=out, width=80, highlight=False))
    return out.getvalue()


def test_the_answer_comes_first_and_nothing_is_wider_than_eighty_columns():
    lines = printed(pilot_verdict(), Path("runs/pilot")).strip().splitlines()

    assert lines[0] == "Run it on VMs: vm 30.11, serverless 121.16 USD a month."
    assert lines[-1] == "recorded in runs/pilot"
    assert max(len(line) for line in lines) <= 80


def test_the_same_load_in_other_months_is_a_small_table_in_each_report():
    bills = [
        CalendarBill(
            name=name,
            requests_month=requests,
            peak_rps=5.9,
            cost_month={"serverless": cost, "vm": 30.11},
            cheaper=cheaper,
        )
        for name, requests, cost, cheaper in (
            ("flat", 1.3e7, 121.16, "vm"),
            ("office-hours", 3.6e6, 21.5, "serverless"),
        )
    ]
    verdict = pilot_verdict(calendars=bills)

    row = ["office-hours", "3,600,000", "5.9", "21.50", "30.11", "serverless"]
    assert row in [line.split() for line in printed(verdict).splitlines()]
    assert f"| {' | '.join(row)} |" in pilot_markdown(verdict)
    assert "If the month were another" in pilot_tables.months(verdict)
    assert pilot_tables.months(pilot_verdict()) == ""


def test_what_came_of_looking_for_a_split_is_a_line_and_its_figures_a_table():
    verdict = pilot_verdict()

    line = "a split does not pay: simulated with tool:search on 1 machine and the rest serverless it is 33.20"
    assert line in " ".join(printed(verdict).split())
    assert f"- {line}" in pilot_markdown(verdict)
    assert "| tool:search | 1 | 32.90 | 33.20 USD | 2.57 s | broke p99" in pilot_markdown(verdict)
    assert "Splits that were tried" in pilot_tables.splits(verdict)
    assert "33.20 USD" in pilot_tables.splits(verdict)
    assert line in pilot_tables.planes(verdict)
    assert pilot_tables.splits(pilot_verdict(hybrid=None)) == ""


def test_planes_stand_side_by_side():
    rows = [line.split() for line in printed(pilot_verdict()).splitlines()]

    assert ["serverless", "vm"] in rows
    assert ["p99", "response", "2.6", "s", "2.57", "s"] in rows
    assert ["ceiling,", "requests/s", "≥", "2,326", "45.1"] in rows
    # A machine that is always on stays warm for ever; of it a probe can only tell for how long it was looked at.
    assert not [row for row in rows if row[:2] == ["stays", "warm"] and "more" in row[4:]]
    assert ["a", "month,", "flat", "121.16", "USD", "30.11", "USD"] in rows


def test_boots_stand_apart_from_the_steps_that_waited():
    verdict = pilot_verdict()
    rows = [line.split() for line in printed(verdict).splitlines()]
    markdown = pilot_markdown(verdict)

    assert ["a", "boot", "takes,", "median", "1.4", "s", "–"] in rows
    assert ["their", "wait,", "median", "36.8", "ms", "–"] in rows
    assert "| longest wait | 2.38 s | – |" in markdown
    assert "| woken by | requests to none 9, load beside others 3 | – |" in markdown
    assert "| memory of an instance, most | 187 MB | – |" in markdown


def test_the_rule_that_decided_the_crossing_and_the_doubts_are_said():
    text = " ".join(printed(pilot_verdict()).split())

    assert "● cost vm vm 30.11, serverless 121.16 USD a month" in text
    assert "neither: local needs" in text
    assert "both cost the same at 0.43, 95% between 0.31 and 0.62" in text
    assert "open doubts the instance seconds behind serverless's cost" in text


def test_a_rule_that_left_the_answer_open_is_shown_though_it_favours_nobody():
    tie = Rule(name="cost", favours="neither", evidence={}, text="too near each other", decides=True)

    text = " ".join(printed(pilot_verdict(rules=[tie])).split())

    assert "● cost neither too near each other" in text
    assert "neither: cost" not in text


def test_doubts_that_are_not_shown_are_counted():
    six = [f"doubt {n}" for n in range(6)]

    text = " ".join(printed(pilot_verdict(doubts=six)).split())
    all_of_four = " ".join(printed(pilot_verdict(doubts=six[:4])).split())

    assert "doubt 3 and 2 more in the report" in text
    assert "doubt 4" not in text
    assert "more in the report" not in all_of_four


def test_a_target_that_is_out_is_named_with_its_reason_and_marked_in_the_table():
    verdict = pilot_verdict(
        out={"serverless": "broke p99 < 800ms"},
        represents={"vm": "vm"},
        represents_why={"vm": "vm is the only one of its kind that stands"},
    )
    text = printed(verdict)

    assert "serverless is out: broke p99 < 800ms" in text
    assert "vm is the only one of its kind that stands" in text
    assert "- vm is the only one of its kind that stands" in pilot_markdown(verdict)
    assert "serverless is out: broke p99 &lt; 800ms" in pilot_tables.planes(verdict)
    assert ["stands", "out", "for", "its", "kind"] in [line.split() for line in text.splitlines()]


def test_names_with_brackets_are_printed_as_they_are():
    text = printed(pilot_verdict("[/red][bold]x"), Path("[/runs]"))

    assert "serverless[/red][bold]x" in text
    assert "recorded in [/runs]" in text


def test_names_cannot_drive_the_terminal():
    text = printed(pilot_verdict("\x1b[31m\x07"))

    assert "\x1b" not in text
    assert "\x07" not in text


def test_markdown_begins_with_the_answer_and_has_the_same_figures():
    markdown = pilot_markdown(pilot_verdict())

    assert markdown.startswith("# Run it on VMs: vm 30.11, serverless 121.16 USD a month.\n")
    assert "| p99 response | 2.6 s | 2.57 s |" in markdown
    assert "| cost | vm | vm 30.11, serverless 121.16 USD a month | cost month: 101 | yes |" in markdown
    assert "- Ask again by 2027-02-21." in markdown


def test_markdown_makes_no_html_link_or_cell_of_a_name():
    tokens = MarkdownIt("commonmark").enable("table").parse(pilot_markdown(pilot_verdict(HOSTILE)))

    kinds = {token.type for token in tokens} | {
        child.type for token in tokens for child in token.children or ()
    }
    assert not kinds & {"html_block", "html_inline", "link_open", "image", "strong_open", "code_inline"}


def test_numbers_have_three_digits_and_never_an_exponent():
    assert [number(value) for value in (None, 0.4355, 45.13, 999.6, 2326.4, 5.6e6)] == [
        "–",
        "0.435",
        "45.1",
        "1,000",
        "2,326",
        "5,600,000",
    ]


def test_prices_of_one_are_written_out():
    assert [exact(value) for value in (2.4e-05, 4e-07, 0.033506, 2, 0)] == [
        "0.000024",
        "0.0000004",
        "0.033506",
        "2",
        "0",
    ]
