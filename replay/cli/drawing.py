"""One chart as a file: a picture, or a page of its own with its table."""

from pathlib import Path

import click

from replay.report.page.charts import Chart, ChartError, as_png, as_svg
from replay.report.page.html import figure, page
from replay.system.files import write_whole

DRAWN = (".svg", ".png", ".html")


def draw(chart: Chart | None, path: Path) -> None:
    """Write it in the form that the path's ending names. A chart without anything in it is refused."""
    if chart is None:
        raise click.UsageError("there is nothing to draw: the trace is too short.")
    try:
        if path.suffix == ".png":
            write_whole(path, as_png(chart))
        elif path.suffix == ".svg":
            write_whole(path, as_svg(chart))
        else:
            write_whole(path, page(chart.title, [figure(chart)]))
    except ChartError as error:
        raise click.UsageError(str(error)) from error
