"""A verdict's part of a page: it says which target is which, and has the verdict's notes."""

from replay.judge.types import ComparedTarget
from replay.report.page.page import compare_parts, gate_parts, outline_parts
from replay.report.words.outlines import Outline
from tests.report.verdict_samples import HOSTILE, compare, difference, failed, gate


def test_a_comparison_says_which_target_is_which_and_has_its_notes():
    sides = [
        ComparedTarget(label="a", name="old", url="http://127.0.0.1:1", steps=540),
        ComparedTarget(label="b", name="new", steps=540, failed=540),
    ]
    shown = "".join(
        compare_parts(compare(difference(), targets=sides, notes=["reset, for example: it was closed"]))
    )

    assert "a is old http://127.0.0.1:1" in shown
    assert "b is new; 540 of 540 steps failed" in shown
    assert "note: reset, for example: it was closed" in shown


def test_each_further_target_of_a_comparison_has_its_own_figures():
    """A page of five targets showed two of them."""
    further = compare(
        difference(), targets=[ComparedTarget(label="a", name="old"), ComparedTarget(label="b", name="third")]
    )
    shown = "".join(compare_parts(compare(difference(), further=[further])))

    assert "b is third" in shown
    assert shown.count('class="verdict') == 2
    assert shown.count("p99 response</th>") == 2


def test_a_verdict_without_a_form_of_its_own_has_its_notes():
    """A ceiling's page said nothing of what bounds it, which the terminal told."""
    outline = Outline("ceiling", "t", "pass", "ceiling: 2x", [], [], notes=["no load lasted longer than 30 s"])

    assert "note: no load lasted longer than 30 s" in "".join(outline_parts(outline))


def test_a_gate_has_its_notes():
    shown = "".join(gate_parts(gate(failed(), notes=["no SLO bounds errors", HOSTILE])))

    assert "note: no SLO bounds errors" in shown
    assert "<script>" not in shown
