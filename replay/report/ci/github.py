"""What GitHub Actions shows of a verdict: annotations, and the summary of the job.

Source: https://docs.github.com/actions/reference/workflow-commands-for-github-actions, and for the escaping
packages/core/src/command.ts of https://github.com/actions/toolkit.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from replay.judge.answers.types import AnswersVerdict
from replay.judge.types import CompareVerdict, GateVerdict
from replay.report.words import answers
from replay.report.words import verdicts as words
from replay.words.names import printable

# GitHub refuses a summary of more than 1 MiB a step.
_SUMMARY_BYTES = 1 << 20
LEVELS = {"pass": "notice", "fail": "error", "inconclusive": "warning"}


def is_github(environ: Mapping[str, str] | None = None) -> bool:
    """Whether this runs in a job of GitHub Actions."""
    return (os.environ if environ is None else environ).get("GITHUB_ACTIONS") == "true"


def compare_annotations(verdict: CompareVerdict) -> list[str]:
    """Workflow commands, a line each, to be printed on stdout."""
    found = (verdict, *verdict.further)
    said = [_answered(one.answers) for one in found if one.answers is not None]
    return [*(_compared(one) for one in found), *said]


def gate_annotations(verdict: GateVerdict) -> list[str]:
    """One for each SLO that failed or is undecided, and one notice if it passed. GitHub shows at most ten of a level
    for a step.
    """
    lines = [
        annotation(
            LEVELS[check.verdict],
            f"replay gate: {words.sentence(check.slo)}",
            "; ".join(filter(None, (check.verdict, words.why(check), words.check_figures(check)))),
        )
        for check in verdict.checks
        if check.verdict != "pass"
    ]
    return lines or [annotation(LEVELS[verdict.verdict], "replay gate", words.gate_headline(verdict))]


def _compared(verdict: CompareVerdict) -> str:
    level = {"a_faster": "warning", "inconclusive": "warning"}.get(verdict.verdict, "notice")
    reasons = "; ".join(map(words.sentence, verdict.reasons))
    headline = words.compare_headline(verdict)
    return annotation(level, "replay compare", f"{headline} ({reasons})" if reasons else headline)


def _answered(verdict: AnswersVerdict) -> str:
    level = {"different": "error", "inconclusive": "warning"}.get(verdict.verdict, "notice")
    return annotation(level, "replay compare: answers", answers.headline(verdict))


def annotation(level: str, title: str, message: str) -> str:
    """A workflow command."""
    return f"::{level} title={_property(title)}::{_data(message)}"


def _data(text: str) -> str:
    return printable(text, keep="\r\n").replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def write_job_summary(markdown: str, environ: Mapping[str, str] | None = None) -> None:
    """Append to the job's summary; nothing happens where there is none, or where it would be too long.

    Raises OSError if the file cannot be written.
    """
    path = (os.environ if environ is None else environ).get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    data = markdown.encode("utf-8", "replace") + b"\n"
    with Path(path).open("ab") as summary:
        if summary.tell() + len(data) <= _SUMMARY_BYTES:
            summary.write(data)
