"""The causes of tails as a chart: each plane's bar is whole, and its table says what a cause is about."""

from replay.report.page.cause_chart import causes
from replay.results.columns import columns_of
from replay.results.evidence import Evidence
from tests.support.runs import step, summary


def run_with_cold_starts(name="serverless"):
    records = [
        step(f"s-{n}", 2_000.0 + n if n % 16 == 0 else 100.0 + n % 7, n, at_ms=n * 3_000, cold=n % 16 == 0)
        for n in range(400)
    ]
    return Evidence(summary(), columns_of([records]), name)


def test_cold_starts_are_named_as_what_made_the_tail():
    chart = causes([run_with_cold_starts()])

    assert chart is not None
    first = chart.rows[0]
    assert first[:2] == ("serverless, slowest 5%", "cold start")
    assert first[5].startswith(("99", "100"))


def test_each_bar_is_the_whole_of_its_tail():
    chart = causes([run_with_cold_starts("a"), run_with_cold_starts("b")])

    assert chart is not None
    for name in ("a, slowest 5%", "b, slowest 5%"):
        parts = [value["percent"] for value in chart.spec["data"]["values"] if value["run"] == name]
        assert abs(sum(parts) - 100) < 0.1


def test_there_is_no_chart_of_nothing():
    assert causes([]) is None
    assert causes([Evidence(summary(), columns_of([[]]), "run")]) is None
