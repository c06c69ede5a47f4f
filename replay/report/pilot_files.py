"""The files of a pilot's report, beside its verdict: Markdown, and a page where the extra `report` is installed."""

from pathlib import Path

from replay.judge.pilot import PilotVerdict
from replay.report.pilot_markdown import pilot_markdown

MARKDOWN_FILE = "report.md"
PAGE_FILE = "report.html"


def leave_report(verdict: PilotVerdict, directory: Path) -> None:
    """Write them."""
    (directory / MARKDOWN_FILE).write_text(pilot_markdown(verdict), encoding="utf-8")
