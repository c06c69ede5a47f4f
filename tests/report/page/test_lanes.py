"""Swim lanes mark what the end of a session depended on."""

import numpy as np
import pytest

from replay.report.page.charts import FAILED_COLOUR
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


def session_of(took_ms, every_ms, count, names=1, **fields):
    """So many steps in a row, each due so many ms after the one before."""
    steps = [
        step("s", float(took_ms), n, name=f"step-{n % names}", at_ms=n * every_ms, **fields)
        for n in range(count)
    ]
    return lanes(Evidence(summary(), columns_of([steps]), "run"))


def lane_of_each(chart):
    return [value["lane"] for value in chart.spec["data"]["values"]]


def test_a_short_session_reads_from_top_left_to_bottom_right():
    assert lane_of_each(session_of(5, 10, 40)) == list(range(40))


def test_steps_of_a_long_session_share_lanes_where_they_do_not_overlap():
    """Each had a lane of its own: metres of white with a hair on each line."""
    assert set(lane_of_each(session_of(5, 10, 300))) == {0}
    assert lane_of_each(session_of(25, 10, 300))[:6] == [0, 1, 2, 0, 1, 2]


def test_however_many_steps_are_under_way_at_once_the_chart_has_at_most_forty_lanes():
    assert set(lane_of_each(session_of(100_000, 10, 300))) == set(range(40))


def test_a_step_too_short_to_be_seen_is_drawn_two_pixels_wide_and_told_as_it_was():
    chart = session_of(0.01, 100, 100)
    last = chart.spec["data"]["values"][-1]

    assert last["until"] - last["from"] == pytest.approx(9_900 * 2 / 680, rel=0.01)
    assert last["to"] - last["from"] == pytest.approx(0.01)
    assert chart.rows[-1][4] == "10 µs"


def test_the_axis_of_a_long_session_has_seconds():
    chart = session_of(500, 1_000, 100)
    last = chart.spec["data"]["values"][-1]

    assert chart.spec["spec"]["layer"][0]["encoding"]["x"]["title"] == "s from the session's start"
    assert (last["from"], last["to"]) == (99.0, 99.5)


@pytest.mark.parametrize(("names", "shown"), [(2, 2), (10, 10), (11, 11), (40, 11)])
def test_names_have_a_colour_each_and_the_rarest_share_one(names, shown):
    """There were five, so that two names had one colour; and the red of failures was among them."""
    chart = session_of(5, 10, 120, names)
    scale = chart.spec["spec"]["layer"][0]["encoding"]["color"]["scale"]

    assert len(set(scale["range"])) == len(scale["domain"]) == shown
    assert ("other steps" in scale["domain"]) == (names > 10)
    assert {value["colour"] for value in chart.spec["data"]["values"]} == set(scale["domain"])
    assert FAILED_COLOUR not in scale["range"]


def test_steps_that_are_not_shown_are_counted():
    assert "the first 400 steps are shown; 54 steps came later." in session_of(5, 10, 454).says
    assert "are shown" not in session_of(5, 10, 400).says


def test_failures_in_shared_lanes_are_crosses_without_words_over_one_another():
    failed = {"outcome": "failed", "error": "status_5xx", "status": 500}
    for count, has_words in ((40, True), (41, False)):
        values = session_of(5, 10, count, **failed).spec["data"]["values"]
        assert all(value["failed"] == "status_5xx" for value in values)
        assert all(("said" in value) == has_words for value in values)
