"""A chart library that panics on a machine that is short of something costs the chart, and no more."""

import pytest

from replay.report.page import charts
from replay.report.page.charts import Chart, ChartError, as_svg, spec_of

CHART = Chart("load", "says", spec_of([], mark="line", encoding={}), (), ())


class PanicException(BaseException):
    """As pyo3 raises it."""


def converter_that_raises(error):
    class Converter:
        @staticmethod
        def vegalite_to_svg(**_):
            raise error

    return Converter


def test_a_panic_is_told_as_a_chart_that_cannot_be_drawn(monkeypatch):
    """A pilot with few descriptors called itself at fault after all its runs, for its last chart."""
    panic = PanicException("Too many open files")
    monkeypatch.setattr(charts, "_converter", lambda: converter_that_raises(panic))

    with pytest.raises(
        ChartError, match=r"^the chart 'load' cannot be drawn on this machine: Too many open files$"
    ):
        as_svg(CHART)


def test_an_interrupt_is_none(monkeypatch):
    monkeypatch.setattr(charts, "_converter", lambda: converter_that_raises(KeyboardInterrupt()))

    with pytest.raises(KeyboardInterrupt):
        as_svg(CHART)
