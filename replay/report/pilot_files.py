"""The files of a pilot's report, beside its verdict: Markdown, and a page where the extra `report` is installed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from replay.choice.types import PilotVerdict
from replay.report.ci.pilot import pilot_markdown
from replay.report.page.charts import Chart, ChartError, as_png, as_svg
from replay.report.page.pilot import PilotMaterial, pilot_figures, pilot_page
from replay.results.rundir import name_in_path
from replay.system.files import write_whole

MARKDOWN_FILE = "report.md"
PAGE_FILE = "report.html"
CHARTS_FOLDER = "charts"


def leave_report(verdict: PilotVerdict, material: PilotMaterial, directory: Path) -> str:
    """Write them; returns which of them to open, in words."""
    write_whole(directory / MARKDOWN_FILE, pilot_markdown(verdict))
    try:
        write_whole(directory / PAGE_FILE, pilot_page(verdict, material))
    except ChartError as error:
        return f"{directory / MARKDOWN_FILE} (a page with charts: {error})"
    export_charts(pilot_figures(verdict, material), directory / CHARTS_FOLDER)
    return str(directory / PAGE_FILE)


def export_charts(charts: Sequence[Chart], folder: Path, kind: Literal["svg", "png"] = "svg") -> list[Path]:
    """Each chart as a file, numbered in their order; returns the files. Raises ChartError."""
    folder.mkdir(exist_ok=True)
    written = []
    for n, chart in enumerate(charts, 1):
        path = folder / f"{n:02d}-{name_in_path(chart.title).lower()}.{kind}"
        write_whole(path, as_png(chart) if kind == "png" else as_svg(chart))
        written.append(path)
    return written
