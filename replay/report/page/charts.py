"""What a chart is: a Vega-Lite specification in our style, with words and a table; and how it becomes SVG or PNG.

Pure up to `as_svg`, which needs the extra `report`. Colours are mid-tones on no background, so that a chart reads in
light and dark alike. Beside each chart stands a table with its figures.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

WIDTH, _HEIGHT = 680, 260
COLOURS = ("#3b82f6", "#f59e0b", "#10b981", "#ef4444", "#8b5cf6")
FAILED_COLOUR = "#ef4444"
_SCHEMA = "https://vega.github.io/schema/vega-lite/v5.json"


class ChartError(Exception):
    """Charts cannot be drawn here; str() is the whole message."""


class Chart(NamedTuple):
    """title: as a heading. says: what it shows, in a sentence, also for those who cannot see it. rows: its table."""

    title: str
    says: str
    spec: dict[str, Any]
    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]


def as_svg(chart: Chart) -> str:
    """The chart as SVG text. Raises ChartError where the extra `report` is not installed."""
    return str(_converted(chart, "vegalite_to_svg"))


def as_png(chart: Chart) -> bytes:
    """The chart as a PNG picture, on white. Raises ChartError."""
    return bytes(_converted(chart, "vegalite_to_png", {**chart.spec, "background": "white"}, scale=2))


def _converted(chart: Chart, how: str, spec: dict[str, Any] | None = None, **more: Any) -> Any:
    convert = getattr(_converter(), how)
    try:
        return convert(vl_spec=spec or chart.spec, **more)
    except ValueError as error:
        raise ChartError(f"the chart {chart.title!r} cannot be drawn: {error}") from error
    except BaseException as error:
        # What the library meets on a machine that is short of something is a panic in Rust, no Exception.
        if type(error).__name__ != "PanicException":
            raise
        raise ChartError(f"the chart {chart.title!r} cannot be drawn on this machine: {error}") from error


def _converter() -> Any:
    try:
        import vl_convert
    except ImportError as error:
        raise ChartError(
            "charts need the extra `report`. Install it with: pip install 'agent-replay[report]'"
        ) from error
    return vl_convert


def spec_of(values: list[dict[str, Any]], **parts: Any) -> dict[str, Any]:
    """A Vega-Lite specification in our style. parts: its mark and encoding, or its layers."""
    quiet = {"labelColor": "#888", "titleColor": "#888", "domainColor": "#888", "tickColor": "#888"}
    return {
        "$schema": _SCHEMA,
        "width": WIDTH,
        "height": _HEIGHT,
        "background": None,
        "padding": {"left": 12, "right": 12, "top": 5, "bottom": 5},
        "data": {"values": values},
        "config": {
            "view": {"stroke": None},
            "axis": {
                **quiet,
                "gridColor": "#8883",
                "labelFontSize": 13,
                "titleFontSize": 13,
                "titleFontWeight": "normal",
                "titlePadding": 8,
                "labelOverlap": "greedy",
            },
            "axisQuantitative": {"tickCount": 6},
            "legend": {
                "labelColor": "#888",
                "titleColor": "#888",
                "labelFontSize": 13,
                "labelLimit": 260,
                "columnPadding": 24,
                "symbolOpacity": 1,
            },
            # Texts are measured when the chart is made, so this must be as wide for readers as it was there.
            "font": "Arial, Helvetica, Liberation Sans, sans-serif",
            "range": {"category": list(COLOURS)},
        },
        **parts,
    }


def label_axis(labels: Sequence[str]) -> dict[str, Any]:
    """An axis with room for its labels, whatever font they end up in."""
    return {"labelLimit": 260, "minExtent": min(260, 7 * max((len(label) for label in labels), default=0))}


def marked(x: dict[str, Any], at: float, label: str, colour: str, row: int = 0) -> list[dict[str, Any]]:
    """Layers for a dashed line across at one place of the axis. row: how many labels stand above its own."""
    data = {"values": [{"at": at, "label": label}]}
    return [
        {
            "data": data,
            "mark": {"type": "rule", "color": colour, "strokeDash": [5, 3], "strokeWidth": 1.5},
            "encoding": {"x": {**x, "field": "at"}},
        },
        {
            "data": data,
            "mark": {
                "type": "text",
                "align": "left",
                "dx": 4,
                "dy": 4 + 15 * row,
                "baseline": "top",
                "fontSize": 12,
                "color": colour,
            },
            "encoding": {"x": {**x, "field": "at"}, "y": {"value": 0}, "text": {"field": "label"}},
        },
    ]
