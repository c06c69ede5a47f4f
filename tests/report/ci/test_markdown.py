import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from replay.report.ci.markdown import compare_markdown, escaped, gate_markdown
from replay.words.names import clean
from tests.report.verdict_samples import HOSTILE, compare, difference, failed, gate, passed, undecided

GFM = MarkdownIt("commonmark").enable("table")


def cells_of(markdown):
    """The text of each table cell, by rows, as a reader of Markdown sees it."""
    rows = []
    for token in GFM.parse(markdown):
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows and token.level >= 4:
            rows[-1].append("".join(child.content for child in token.children))
    return rows


def kinds_of(markdown):
    tokens = GFM.parse(markdown)
    return {token.type for token in tokens} | {child.type for token in tokens for child in token.children or ()}


def test_a_gate_is_a_headline_and_a_table_with_a_row_for_each_slo():
    markdown = gate_markdown(gate(passed(), undecided()))

    assert markdown.startswith("### ⚠️ replay gate: inconclusive: 1 of 2 SLOs could not be decided\n")
    assert cells_of(markdown) == [
        ["", "SLO", "observed", "limit", "95% interval", "n (sessions)"],
        ["✅", "p99 < 800ms", "612 ms", "800 ms", "[560 ms, 690 ms]", "12,000 (1,000)"],
        ["⚠️", "errors < 1%", "0.9%", "1%", "[0.8%, 1.1%]", "12,000 (1,000)"],
    ]
    assert "- ⚠️ errors &#60; 1%: the confidence interval straddles the limit\n" in markdown


def test_a_comparison_is_a_headline_who_is_who_and_a_table():
    markdown = compare_markdown(compare(difference(), notes=["the sides replayed different traces"]))

    assert "- **a** is local\n- **b** is staging, 3 of 12,000 steps failed" in markdown
    assert "- the sides replayed different traces" in markdown
    assert cells_of(markdown)[1] == [
        "p99 response",
        "100 ms",
        "120 ms",
        "+20 ms",
        "+20%",
        "[+14, +25] ms",
        "<0.001",
        "slower",
    ]


def test_each_further_target_has_a_part_of_its_own():
    assert compare_markdown(compare(difference(), further=[compare(difference())])).count("### ") == 2


@pytest.mark.parametrize(("n", "is_folded"), [(8, False), (9, True)])
def test_only_a_long_table_is_folded_away(n, is_folded):
    markdown = gate_markdown(gate(*[passed()] * n))

    assert (f"<summary>{n} SLOs</summary>" in markdown) is is_folded
    assert len(cells_of(markdown)) == n + 1


HOSTILE_GATE = gate(
    failed(slo=HOSTILE, reason=HOSTILE),
    target=HOSTILE,
    trace=HOSTILE,
    baselines=[HOSTILE],
    notes=[HOSTILE],
)


def test_a_hostile_name_stays_the_text_it_is():
    (_, row) = cells_of(gate_markdown(HOSTILE_GATE))

    assert row[1] == clean(HOSTILE, 400).replace("@", "@\u200b").replace("#", "#\u200b")


@pytest.mark.parametrize(
    "markdown",
    [
        gate_markdown(HOSTILE_GATE),
        compare_markdown(
            compare(
                difference(),
                difference(kind="tool", name=HOSTILE),
                verdict="inconclusive",
                reasons=[HOSTILE],
                notes=[HOSTILE],
            )
        ),
    ],
)
def test_names_bring_no_markup_no_mention_and_no_link(markdown):
    assert not {"html_inline", "html_block", "link_open", "image", "code_inline"} & kinds_of(markdown)
    assert "@octocat" not in markdown
    assert "://" not in markdown
    assert "\x1b" not in markdown


@given(st.text())
def test_any_name_is_one_cell(name):
    shown = escaped(clean(name))

    (_, row) = cells_of(f"| a | b |\n|--|--|\n| {shown} | end |\n")

    assert row[1] == "end"
    assert row[0].replace("\u200b", "") == clean(name).strip().replace("\u200b", "")


def test_quotation_marks_are_read_as_what_they_are():
    """They stood as &#39; wherever a comment is shown as text."""
    assert escaped('the target\'s "name"') == 'the target\'s "name"'
