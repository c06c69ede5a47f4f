import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from replay.judge.types import ComparedTarget
from replay.report.terminal.verdicts import print_compare, print_gate
from replay.report.words import verdicts as words
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


def printed(show, verdict, directory=None, width=80):
    out = io.StringIO()
    show(verdict, directory, Console(file=out, width=width, highlight=False))
    return out.getvalue()


def rows(text):
    return [line.strip() for line in text.splitlines()]


@pytest.mark.parametrize("width", [24, 40, 58])
def test_a_narrow_terminal_gets_each_slo_as_a_list_with_no_figure_cut(width):
    text = printed(print_gate, gate(passed(), failed(), undecided()), width=width)

    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    assert "…" not in text
    assert "✓ p99 < 800ms" in lines
    said = " ".join(text.split())
    for figure in ("observed 612 ms", "limit 800 ms", "[560 ms, 690 ms]", "12,000 (1,000)", "limit 250 ms"):
        assert figure in said


@pytest.mark.parametrize(
    ("checks", "headline"),
    [
        ([passed()], "pass: the SLO held"),
        ([passed(), passed()], "pass: all 2 SLOs held"),
        ([passed(), failed(), undecided()], "fail: 1 of 3 SLOs did not hold, 1 undecided"),
        ([passed(), undecided()], "inconclusive: 1 of 2 SLOs could not be decided"),
    ],
)
def test_a_gate_opens_with_its_verdict(checks, headline):
    assert rows(printed(print_gate, gate(*checks)))[1] == headline


def test_an_empty_gate_says_that_nothing_was_judged():
    assert "inconclusive: no SLO was judged" in printed(print_gate, gate(verdict="inconclusive"))


def test_a_gate_names_trace_target_and_place():
    text = printed(print_gate, gate(passed(), baselines=["run-0"]), Path("runs/x"))

    assert "support-agent → staging" in text
    assert "compared with run-0" in text
    assert text.endswith("recorded in runs/x\n")


def test_each_slo_has_a_row_with_figures_and_its_reason_where_it_did_not_hold():
    text = rows(printed(print_gate, gate(passed(), failed(slo="p50 < 250ms"), undecided())))

    assert "✓  p99 < 800ms    612 ms  800 ms  [560 ms, 690 ms]  12,000 (1,000)" in text
    assert text[text.index("✗  p50 < 250ms     1.2 s  250 ms    [1.1 s, 1.3 s]   3,000 (1,000)") + 1] == (
        "the whole confidence interval is beyond the limit"
    )
    assert "?  errors < 1%      0.9%      1%      [0.8%, 1.1%]  12,000 (1,000)" in text
    assert "inconclusive: the confidence interval straddles the limit" in text
    assert "the whole confidence interval is within the limit" not in text


def test_a_figure_that_rounds_to_its_limit_is_shown_with_more_digits():
    text = printed(print_gate, gate(failed(slo="p50 < 800ms", observed_ms=800.43, limit_ms=800.0)))

    assert "800.43 ms  800 ms" in text


def test_an_interval_without_one_bound_shows_the_other():
    assert words.interval((560.0, None), "ms") == "≥ 560 ms"
    assert words.interval((None, 690.0), "ms") == "≤ 690 ms"
    assert words.interval((None, None), "ms") == "unbounded"
    assert words.interval(None, "ms") == "–"


def test_a_decision_taken_early_is_told():
    early = "decided during the run, after 500 of 2,000 sessions, by an anytime-valid test"
    assert "decided during the run" in printed(print_gate, gate(passed(decided_early=True, reason=early)))


def test_notes_come_last():
    assert "note: 4 steps failed" in rows(printed(print_gate, gate(passed(), notes=["4 steps failed"])))[-1]


def test_a_comparison_opens_with_its_verdict_and_figures():
    text = rows(printed(print_compare, compare(difference()), Path("runs/x")))

    assert text[1] == "b is slower: p99 response 120 ms against 100 ms, +20% [+14%, +25%]"
    assert "a is local  http://127.0.0.1:1" in text
    assert "b is staging  http://127.0.0.1:2  3 of 12,000 steps failed" in text
    assert "paired: each session went to both at once" in text
    assert "p99 response 100 ms 120 ms +20 ms +20% [+14, +25] ms <0.001 slower" in text
    assert text[-1] == "recorded in runs/x"


@pytest.mark.parametrize(
    ("verdict", "opening"),
    [
        ("a_faster", "b is slower: "),
        ("b_faster", "b is faster: "),
        ("no_difference", "no relevant difference between a and b: "),
        ("inconclusive", "inconclusive: "),
    ],
)
def test_every_outcome_of_a_comparison_has_its_words(verdict, opening):
    assert words.compare_headline(compare(difference(verdict=verdict))).startswith(opening)


def test_a_comparison_of_errors_speaks_of_percentage_points():
    assert words.compare_headline(compare(errors_differ())) == (
        "b fails more often: errors 1.5% against 1%, +0.5 pp [+0.2, +0.8] pp"
    )


def test_a_verdict_without_figures_gives_its_reason():
    main = difference(verdict="inconclusive", reason="one side lacks this figure")
    main.a_ms = main.b_ms = main.delta_ms = main.delta_percent = main.ci_ms = None

    text = rows(printed(print_compare, compare(main)))

    assert text[1:3] == ["inconclusive", "because one side lacks this figure"]


def test_differences_of_all_steps_come_before_those_of_a_name():
    named = difference(metric="p50", kind="tool", name="search")

    text = printed(print_compare, compare(difference(), named, difference(metric="p50")))

    assert text.index("p99 response") < text.index("p50 response") < text.index("p50 tool:search")


def test_a_target_held_against_itself_gives_the_noise_floor():
    verdict = compare(
        difference(verdict="no_difference"), is_aa=True, noise_floor_ms=2.0, noise_floor_percent=1.2
    )

    assert (
        "noise floor: a difference of p99 below 2 ms (1.2%) would not be seen here"
        in rows(printed(print_compare, verdict))
    )  # fmt: skip

    assert "both are the same target" in printed(print_compare, verdict)


def test_further_targets_are_printed_one_after_the_other():
    text = printed(print_compare, compare(difference(), further=[compare(difference(b_ms=90.0))]))

    assert text.count("a is local") == 2


WIDE = compare(
    difference(a_ms=61_234.0, b_ms=61_834.0, ci_ms=(-140.0, 1_500.0), metric="p99_9", series="makespan"),
    difference(kind="tool", name="search_the_knowledge_base_of_everything", verdict="inconclusive"),
    errors_differ(),
)


@pytest.mark.parametrize(
    "text",
    [
        printed(print_gate, gate(passed(), failed(), undecided())),
        printed(print_gate, gate(failed(slo=HOSTILE, reason=HOSTILE), notes=[HOSTILE], target="t")),
        printed(print_compare, WIDE),
    ],
)
def test_eighty_columns_are_enough(text):
    for line in text.splitlines():
        assert cell_len(line) <= 80
        assert "…" not in line


def test_nothing_from_a_trace_reaches_the_terminal_as_a_control_character():
    text = printed(
        print_gate,
        gate(
            failed(slo=HOSTILE, reason=HOSTILE),
            target=HOSTILE,
            trace=HOSTILE,
            baselines=[HOSTILE],
            notes=[HOSTILE],
        ),
    )
    named = difference(kind="tool", name=HOSTILE, reason=HOSTILE)
    text += printed(print_compare, compare(difference(), named, reasons=[HOSTILE], notes=[HOSTILE]))

    assert all(character.isprintable() or character == "\n" for character in text)
    assert "<script>" in text


@given(st.floats(), st.sampled_from(["ms", "percent", "rps", "count"]))
def test_every_number_has_a_text(value, unit):
    assert words.amount(value, unit)
    assert words.signed(value, unit)
    assert words.interval((value, None), unit)


def test_a_comparison_with_a_recording_says_that_it_is_one():
    sides = [
        ComparedTarget(label="a", name="recorded", url=""),
        ComparedTarget(label="b", name="staging", url="http://x"),
    ]

    text = printed(print_compare, compare(difference(), targets=sides))

    assert "paired: each step of the run against the same one in the recording" in text
