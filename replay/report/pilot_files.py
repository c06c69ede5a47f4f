"""The files of a pilot's report, beside its verdict: Markdown, and a page where the extra `report` is installed."""

from pathlib import Path

from replay.judge.pilot import PilotVerdict
from replay.report.charts import ChartError, as_svg
from replay.report.pilot_markdown import pilot_markdown
from replay.report.pilot_page import PilotMaterial, pilot_figures, pilot_page
from replay.results.rundir import name_in_path

MARKDOWN_FILE = "report.md"
PAGE_FILE = "report.html"
CHARTS_FOLDER = "charts"


def leave_report(verdict: PilotVerdict, material: PilotMaterial, directory: Path) -> str:
    """Write them; returns which of them to open, in words."""
    (directory / MARKDOWN_FILE).write_text(pilot_markdown(verdict), encoding="utf-8")
    try:
        (directory / PAGE_FILE).write_text(pilot_page(verdict, material), encoding="utf-8")
    except ChartError as error:
        return f"{directory / MARKDOWN_FILE} (a page with charts: {error})"
    folder = directory / CHARTS_FOLDER
    folder.mkdir(exist_ok=True)
    for n, chart in enumerate(pilot_figures(verdict, material), 1):
        (folder / f"{n:02d}-{name_in_path(chart.title).lower()}.svg").write_text(
            as_svg(chart), encoding="utf-8"
        )
    return str(directory / PAGE_FILE)
