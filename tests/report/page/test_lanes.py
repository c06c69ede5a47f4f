"""Swim lanes mark what the end of a session depended on."""

import numpy as np

from replay.report.page.lanes import RecordedStep, critical_path, lanes
from replay.results.columns import columns_of
from tests.support.runs import Evidence, step, summary


def fan_out():
    """A plan, then a short and a long search at once, then an answer that waits for both."""
    return columns_of(
        [
            [
                step("s", 100.0, 0, name="plan", at_ms=0),
                step("s", 50.0, 1, name="short", at_ms=100),
                step("s", 300.0, 2, name="long", at_ms=100),
                step("s", 80.0, 3, name="answer", at_ms=400),
            ]
        ]
    )


def names_of(columns, rows):
    return sorted(columns.series_names[columns.series[row]][1] for row in rows)


def test_the_critical_path_goes_through_the_last_to_end_before_each_step():
    columns = fan_out()

    assert names_of(columns, critical_path(columns, range(4))) == ["answer", "long", "plan"]


def test_a_recording_says_what_waits_for_what_even_where_times_mislead():
    columns = fan_out()
    recorded = {
        "0": RecordedStep(0, 100),
        "1": RecordedStep(100, 50, ("0",)),
        "2": RecordedStep(100, 300, ("0",)),
        "pause": RecordedStep(150, 200, ("1",)),
        "3": RecordedStep(400, 80, ("pause",)),
    }

    assert names_of(columns, critical_path(columns, range(4), recorded)) == ["answer", "plan", "short"]


def test_edges_in_a_circle_end_the_path():
    columns = fan_out()
    recorded = {str(n): RecordedStep(0, 1, (str((n + 1) % 4),)) for n in range(4)}

    assert critical_path(columns, range(4), recorded) == frozenset(range(4))


def test_the_table_has_each_step_with_its_recording_beside_it():
    chart = lanes(Evidence(summary(), fan_out(), "run"), {"s": {"0": RecordedStep(0, 90.0)}})

    assert chart is not None
    assert chart.rows[0] == ("s", "tool:plan", "0 ms", "100 ms", "100 ms", "90 ms", "yes", "")
    assert [row[-2] for row in chart.rows] == ["yes", "", "yes", "yes"]
    assert "as it was recorded" in chart.says


def test_a_run_without_steps_has_no_lanes():
    assert lanes(Evidence(summary(), columns_of([[]]), "run")) is None
    assert critical_path(columns_of([[]]), np.arange(0).tolist()) == frozenset()
