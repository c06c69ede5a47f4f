import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.report.ci.github import compare_annotations, gate_annotations, is_github, write_job_summary
from tests.report.verdict_samples import HOSTILE, compare, difference, failed, gate, passed, undecided


def test_only_a_job_of_github_is_one():
    assert is_github({"GITHUB_ACTIONS": "true"})
    assert not is_github({"GITHUB_ACTIONS": ""})
    assert not is_github({})


def test_a_failed_slo_is_an_error_and_an_undecided_one_a_warning():
    assert gate_annotations(gate(passed(), failed(slo="p50 < 250ms"), undecided())) == [
        "::error title=replay gate%3A p50 < 250ms::fail; the whole confidence interval is beyond the limit; observed 1.2 s, "
        "limit 250 ms, 95%25 interval [1.1 s, 1.3 s], n = 3,000 of 1,000 sessions",
        "::warning title=replay gate%3A errors < 1%25::inconclusive; the confidence interval straddles the limit; observed 0.9%25, "
        "limit 1%25, 95%25 interval [0.8%25, 1.1%25], n = 12,000 of 1,000 sessions",
    ]


def test_a_pass_is_one_notice():
    assert gate_annotations(gate(passed(), passed())) == [
        "::notice title=replay gate::pass: all 2 SLOs held"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("verdict", "level"),
    [
        ("a_faster", "warning"),
        ("inconclusive", "warning"),
        ("b_faster", "notice"),
        ("no_difference", "notice"),
    ],
)
def test_a_comparison_is_one_line_for_each_pair(verdict, level):
    one = compare(difference(verdict=verdict))
    one.further = [compare(difference(verdict=verdict))]

    lines = compare_annotations(one)

    assert len(lines) == 2
    assert all(line.startswith(f"::{level} title=replay compare::") for line in lines)


@given(st.text())
def test_no_name_ends_the_title_or_begins_another_command(name):
    (line,) = gate_annotations(gate(failed(slo=name, reason=HOSTILE + name)))

    head, title, *_ = line.split("::")[1:]
    assert head.startswith("error title=replay gate%3A ")
    assert "," not in head
    assert title.startswith("fail; ")
    assert len(line.splitlines()) == 1


def test_the_summary_is_appended_to_what_other_steps_wrote(tmp_path):
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")

    write_job_summary("### é\n", {"GITHUB_STEP_SUMMARY": str(summary)})

    assert summary.read_text(encoding="utf-8") == "before\n### é\n\n"


def test_a_summary_that_github_would_refuse_is_left_out(tmp_path):
    summary = tmp_path / "summary.md"

    write_job_summary("x" * (1 << 20), {"GITHUB_STEP_SUMMARY": str(summary)})

    assert summary.read_bytes() == b""


def test_nothing_happens_where_there_is_no_summary():
    write_job_summary("text", {})
