"""What is said of answers, and that nothing a target names can do anything on a page."""

from io import StringIO

from rich.console import Console

from replay.judge.answers.types import AnswerDifference, AnsweredSide, AnsweredStep, AnswersVerdict
from replay.report.ci.github import compare_annotations
from replay.report.ci.junit import compare_junit
from replay.report.ci.markdown import compare_markdown
from replay.report.page.page import answers_section
from replay.report.terminal.verdicts import print_compare
from tests.report.verdict_samples import compare, difference

EVIL = "/<script>alert(1)</script>\x1b[31m|`@me`\n::error::"


def differs(**changes):
    fields = {
        "kind": "tool", "name": "search", "aspect": "shape", "standing": "different", "path": "/items/*/price",
        "a": "number", "count": 6, "n": 200, "sessions": 200, "share_percent": 3.0, "ci_percent": (1.1, 6.4),
        "noise_n": 200, "noise_percent": 0.0, "p_value": 0.001, "p_adjusted": 0.002,
    }  # fmt: skip
    return AnswerDifference(**(fields | changes))


def verdict(*differences, **changes):
    side = AnsweredSide(answers=200, statuses={"200": 200}, contents={"json": 200}, median_bytes=340)
    fields = {
        "verdict": "different" if differences else "same", "reasons": ["none of 200 answers differs"],
        "keeps": "shape", "confidence": 0.95, "margin_percent": 2.0, "differences": list(differences), "pairs": 200,
        "steps": [AnsweredStep(kind="tool", name="search", pairs=200, sessions=200, a=side, b=side)],
    }  # fmt: skip
    return compare(difference(), answers=AnswersVerdict(**(fields | changes)))


def everywhere(one):
    text = StringIO()
    print_compare(one, None, Console(file=text, width=200, color_system=None))
    return [
        text.getvalue(),
        compare_markdown(one),
        answers_section(one),
        compare_junit(one),
        *compare_annotations(one),
    ]


def test_the_headline_stands_on_every_page():
    for shown in everywhere(verdict(differs()))[:4]:
        assert "answers differ: tool:search lacks /items/" in shown
        assert "in 6 of 200 answers (3%, 95% interval 1.1% to 6.4%)" in shown


def test_answers_that_are_the_same_say_what_was_looked_at():
    shown = everywhere(verdict())[0]

    assert "answers are the same in status and shape: none of 200 answers differs" in shown


def test_names_that_a_target_made_up_are_text_everywhere():
    found = verdict(
        differs(path=EVIL, a=EVIL),
        noise=[differs(path=EVIL, standing="noise")],
        undecided=[differs(aspect="status", a=EVIL, b=EVIL, path=None, standing="undecided")],
    )

    terminal, markdown, page, junit, *lines = everywhere(found)

    for shown in (terminal, markdown, page, junit, *lines):
        assert "\x1b" not in shown
    for shown in (markdown, page, junit):
        assert "<script>" not in shown
    assert "@me" not in markdown
    assert all("\n" not in line for line in lines)


def test_a_case_of_junit_fails_if_answers_differ_and_is_skipped_if_that_is_open():
    assert 'type="different"' in compare_junit(verdict(differs()))
    assert "<skipped" in compare_junit(verdict(verdict="inconclusive"))
    assert 'testcase name="answers"' in compare_junit(verdict())


def test_annotations_say_it_too():
    assert compare_annotations(verdict(differs()))[-1].startswith(
        "::error title=replay compare%3A answers::answers differ"
    )
    assert compare_annotations(verdict())[-1].startswith("::notice ")


def test_a_comparison_that_did_not_look_at_answers_says_nothing_of_them():
    for shown in everywhere(compare(difference())):
        assert "answers" not in shown.replace("answers to", "")


def test_what_differs_is_a_phrase_for_each_aspect():
    said = {
        "has string in place of number at /p": differs(path="/p", b="string"),
        "has /p in addition": differs(path="/p", a=None, b="string"),
        "lacks /p in some elements": differs(path="/p", a="number", b="absent|number"),
        'has "Eve" in place of "Ada" at /p': differs(
            path="/p", aspect="value", a=None, example_a='"Ada"', example_b='"Eve"'
        ),
        "has other values at /p": differs(path="/p", aspect="value", a=None),
        "has /p in another order": differs(path="/p", aspect="order", a=None),
        "answers status 500 in place of 200": differs(path=None, aspect="status", a="200", b="500"),
        "answers ends length in place of stop": differs(
            path=None, aspect="finish_reasons", a="stop", b="length"
        ),
        "is of another size: 900 bytes against 340 in the median": differs(
            path=None, aspect="size", a="340", b="900"
        ),
    }

    for phrase, one in said.items():
        assert phrase in everywhere(verdict(one))[0], phrase
