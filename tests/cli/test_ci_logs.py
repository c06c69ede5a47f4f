"""In a job of GitHub Actions, a stranger's trace puts no command into the log."""

import os
import re

import pytest

from tests.support.commands import replay

COMMAND = "::error file=app.py,line=1,title=pwned::injected"


@pytest.fixture
def trace(write_trace):
    """Its names begin lines where they are printed whole, and where a narrow table wraps them."""
    get = write_trace.get
    steps = [
        get("a", "/a", name="aaaaaaa ::warning::injected_by_a_step_name"),
        get("b", "/b", name="ab ::add-mask::e"),
        get("c", "/status/500", name="##[error]injected ##vso[task.complete]x"),
    ]
    return write_trace((0, steps), (5, steps), name=COMMAND)


def told_in_actions(*arguments, columns="80", **environ):
    environ = {**os.environ, "GITHUB_ACTIONS": "true", "COLUMNS": columns, **environ}
    done = replay(*arguments, env=environ, timeout=60)
    return done, (done.stdout + "\n" + done.stderr).splitlines()


def commands(lines):
    return [line for line in lines if line.lstrip().startswith("::") or re.search(r"##(vso)?\[", line)]


def test_no_line_of_ours_is_a_command_but_the_annotations(trace, truth, tmp_path):
    run, summary = tmp_path / "run", tmp_path / "summary.md"
    gate = ("gate", trace, "-t", truth.url, "--slo", "p50 < 1us", "--out", run)

    _, lines = told_in_actions(*gate, columns="40", GITHUB_STEP_SUMMARY=str(summary))

    assert [line[:27] for line in commands(lines)] == ["::warning title=replay gate"]
    assert any(line.startswith(":\\:error file=app.py") for line in lines)
    assert commands(summary.read_text().splitlines()) == []
    for others in (
        ("run", trace, "-t", truth.url, "--dry-run"),
        ("report", run, "--session", "s-0"),
        ("trace", "info", trace, "--json"),
        ("run", COMMAND, "-t", truth.url),
    ):
        _, lines = told_in_actions(*others, columns="30")
        assert lines
        assert commands(lines) == [], others


def test_a_comparison_annotates_and_no_more(trace, truth, tmp_path):
    _, lines = told_in_actions(
        "compare", trace, "-t", truth.url, "-t", truth.url, "--out", tmp_path / "both", columns="30"
    )

    assert [line[:22] for line in commands(lines)] == ["::warning title=replay"]
