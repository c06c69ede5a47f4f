"""Charts of a run in which steps failed, and of one that has a recording: nothing that fails is fast in them."""

from math import isfinite

import msgspec
import numpy as np
import pytest

from replay.judge.cold.coldstart import judge_coldstart
from replay.judge.load.recovery import Fault
from replay.judge.load.types import Ceiling, CeilingVerdict, Knee, Level
from replay.report.page import verdict_charts
from replay.report.page.cause_chart import causes
from replay.report.page.heat_chart import heat_map
from replay.report.page.lanes import lanes
from replay.report.page.load_chart import load_over_time
from replay.report.page.percentile_chart import percentiles
from replay.report.page.tail import tail
from replay.results.columns import columns_of
from tests.support.runs import Evidence, step, summary


def a_run(failed=20, of=400, recorded_ms=None, name="run"):
    """Steps of 100 to 140 ms, of which so many of the first fail in 2 ms."""
    extra = {} if recorded_ms is None else {"recorded_ms": recorded_ms, "recorded_status": 200}
    records = [
        step(f"s-{n // 4}", 2.0, n, outcome="failed", status=503, error="status_5xx", **extra)
        if n < failed
        else step(f"s-{n // 4}", 100.0 + n % 41, n, cold=n % 50 == 0, **extra)
        for n in range(of)
    ]
    return Evidence(summary(), columns_of([records]), name)


def numbers_in(value):
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for inside in value:
            yield from numbers_in(inside)
    elif isinstance(value, float | int | np.number):
        yield value


def charts_of(run):
    found = [
        percentiles([run]),
        heat_map(run),
        load_over_time(run),
        lanes(run),
        tail([run]),
        causes([run]),
        verdict_charts.idle_curve(judge_coldstart(run)),
    ]
    return [chart for chart in found if chart is not None]


@pytest.mark.parametrize("failed", [0, 1, 20, 380, 399, 400])
@pytest.mark.parametrize("recorded_ms", [None, 80.0, 0.0])
def test_no_chart_holds_a_number_that_json_has_not(failed, recorded_ms):
    for chart in charts_of(a_run(failed, recorded_ms=recorded_ms)):
        assert all(isfinite(number) for number in numbers_in(chart.spec)), chart.title
        assert all(type(number) in (int, float, bool) for number in numbers_in(chart.spec)), chart.title


def lines_of(chart):
    found = {}
    for value in chart.spec["data"]["values"]:
        found.setdefault(value["line"], []).append((round(1 - 10 ** -value["nines"], 4), value["ms"]))
    return found


def test_the_curve_of_a_run_ends_where_its_failures_begin_and_says_so():
    chart = percentiles([a_run(failed=20)])

    assert lines_of(chart)["run"][-1] == (0.95, 140.0)
    assert lines_of(chart)["run, answered"][-1][0] == 0.995
    assert "5% of the steps failed: from p95 on there is no time, and the solid line ends." in chart.says
    assert ("run", "p99", "∞") in [row[:3] for row in chart.rows]


def test_a_run_without_failures_has_one_curve_and_nothing_to_say_of_them():
    chart = percentiles([a_run(failed=0)])

    assert list(lines_of(chart)) == ["run"]
    assert "failed" not in chart.says


@pytest.mark.parametrize("failed", [0, 2, 20])
def test_the_shade_ends_where_anything_was_seen_and_beyond_it_is_or_more(failed):
    chart = percentiles([a_run(failed)])

    shaded = [value for value in chart.spec["data"]["values"] if "high" in value]
    assert max(value["high"] for value in shaded) <= 140.0
    # Of 400 steps, nothing bounds the last percentile from above.
    assert [row[4] for row in chart.rows if row[:2] == ("run", "p99.5")] == ["140 ms or more"]


def test_the_recording_is_a_curve_of_its_own_once_for_all_runs():
    chart = percentiles([a_run(0, recorded_ms=80.0, name="a"), a_run(0, recorded_ms=80.0, name="b")])

    assert list(lines_of(chart)) == ["a", "b", "recorded"]
    assert {ms for _, ms in lines_of(chart)["recorded"]} == {80.0}
    assert "The grey dashed line is the same steps when they were recorded." in chart.says


def test_of_several_runs_each_says_where_it_ends():
    says = percentiles([a_run(20, name="a"), a_run(0, name="b"), a_run(400, name="c")]).says

    assert "In a 5% of the steps failed" in says
    assert "In c all steps failed, so there are no times." in says
    assert "In b" not in says


def test_where_nothing_was_answered_the_recording_stands_alone():
    chart = percentiles([a_run(failed=400, recorded_ms=80.0)])

    assert list(lines_of(chart)) == ["recorded"]
    assert "All steps failed, so there are no times." in chart.says
    assert "dotted" not in chart.says


def test_failures_are_marks_above_the_heat_map_and_in_none_of_its_cells():
    chart = heat_map(a_run(failed=20))
    triangles = next(one for one in chart.spec["layer"] if "failed" in str(one.get("data")))

    assert sum(value["steps"] for value in chart.spec["data"]["values"]) == 380
    assert sum(value["failed"] for value in triangles["data"]["values"]) == 20
    assert triangles["encoding"]["y"]["value"] < 0
    assert chart.rows[0] == ("0 ms to 390 ms", "20", "129 ms", "139 ms", "139 ms", "20")
    assert "the 20 steps that failed" in chart.says


def test_a_run_that_was_never_answered_has_no_heat_map():
    assert heat_map(a_run(failed=400)) is None


def test_the_load_tells_what_was_answered_from_what_failed():
    chart = load_over_time(a_run(failed=20))

    assert chart.heads == ("from", "offered, 1/s", "answered, 1/s", "failed, 1/s", "in flight", "at most")
    assert "failed, 1/s" not in load_over_time(a_run(failed=0)).heads


def test_what_failed_at_once_does_not_make_the_mean_quicker():
    chart = tail([a_run(failed=20)])

    assert chart.rows[0][:2] == ("run, all", "380")


def test_lanes_name_what_failed_and_show_how_long_it_took_when_recorded():
    records = [
        step("s", 30.0, 0, recorded_ms=20.0),
        step("s", 2.0, 1, recorded_ms=25.0, outcome="failed", error="check", check="json /ok equals"),
    ]
    chart = lanes(Evidence(summary(), columns_of([records]), "run"))

    assert chart.heads[5:] == ("recorded", "critical", "failed")
    assert [(row[5], row[7]) for row in chart.rows] == [
        ("20 ms", ""),
        ("25 ms", "check (json /ok equals)"),
    ]
    assert chart.spec["data"]["values"][1]["was_to"] == 10.0 + 25.0  # drawn from when it was due
    assert "A red cross is the end of a step that failed" in chart.says
    assert "drawn from when it was due here" in chart.says


def level(rps, p99_ms, errors=0):
    return Level(
        scale=rps,
        offered_rps=rps,
        achieved_rps=rps,
        sessions_per_s=1.0,
        in_flight=1.0,
        p50_ms=10.0,
        p99_ms=p99_ms,
        errors=errors,
    )


@pytest.mark.parametrize("is_read_back", [False, True])
def test_a_load_whose_p99_falls_among_failures_is_a_mark_above(is_read_back):
    verdict = CeilingVerdict(
        schema="replay.verdict/1",
        command="ceiling",
        verdict="found",
        reasons=[],
        ceiling=None,
        levels=[level(1.0, 20.0), level(2.0, float("inf"), errors=9)],
    )
    if is_read_back:
        verdict = msgspec.json.decode(msgspec.json.encode(verdict), type=CeilingVerdict)
    chart = verdict_charts.levels(verdict)

    assert [value["offered"] for value in chart.spec["data"]["values"]] == [1.0]
    assert chart.spec["layer"][-1]["data"]["values"] == [{"offered": 2.0}]
    assert [row[3] for row in chart.rows] == ["20 ms", "∞"]
    assert all(isfinite(number) for number in numbers_in(chart.spec))


def test_the_load_shows_each_fault_and_how_long_the_target_was_away():
    """A page had neither: failures came out of nowhere."""
    faults = [Fault(what="kill <b>", at_s=1.0, recovered_s=0.5), Fault(what="deploy", at_s=2.0)]
    chart = load_over_time(a_run(), faults)
    band, line, name = chart.spec["layer"][:3]
    ends = [(value["at"], value["until"], value["what"]) for value in band["data"]["values"]]

    assert ends[0] == (1.0, 1.5, "kill <b>")
    assert ends[1][::2] == (2.0, "deploy")
    assert ends[1][1] > 3.9  # never back: to the end of the run
    assert line["data"] == name["data"] == band["data"]
    assert "An upright line is a fault" in chart.says
    assert "fault" not in load_over_time(a_run()).says


def test_the_load_is_drawn_to_the_end_of_the_run():
    run = a_run()
    values = load_over_time(run).spec["data"]["values"]

    assert max(value["at"] for value in values) == run.columns.end_ns.max() / 1e9


def test_the_ceiling_stands_at_its_own_level_on_the_axis_of_what_was_offered():
    """It stood at what was answered, so that loads that held stood to the right of it."""
    verdict = CeilingVerdict(
        schema="replay.verdict/1",
        command="ceiling",
        verdict="found",
        reasons=[],
        levels=[
            level(1.0, 20.0),
            # The same load at a quieter part of the trace, before the one that was found.
            msgspec.structs.replace(level(2.0, 21.0), offered_rps=1.5, achieved_rps=1.4),
            level(2.0, 21.0),
            level(4.0, 300.0),
        ],
        ceiling=Ceiling(
            scale=2.0, rps=1.8, sessions_per_s=1.0, in_flight=1.0, ci_scale=(2.0, 4.0), limited_by="latency"
        ),
        knee=Knee(scale=1.0, rps=0.9, in_flight=1.0, mean_ms=9.0),
    )
    chart = verdict_charts.levels(verdict)
    marks = [
        value
        for part in chart.spec["layer"]
        for value in part.get("data", {"values": []})["values"]
        if "at" in value
    ]

    assert {(mark["label"], mark["at"]) for mark in marks} == {("ceiling", 2.0), ("knee", 1.0)}
    assert "1.8 requests/s were answered" in chart.says


def test_a_ceiling_told_as_a_lower_scale_than_its_level_stands_at_that_level():
    """Sessions that go on for longer than a level make it ask for less; the mark stood at what was answered."""
    verdict = CeilingVerdict(
        schema="replay.verdict/1",
        command="ceiling",
        verdict="found",
        reasons=[],
        levels=[
            msgspec.structs.replace(level(2.0, 20.0), verdict="pass"),
            msgspec.structs.replace(
                level(2.0, 900.0), offered_rps=2.1, achieved_rps=1.75, verdict="fail", limited_by="latency"
            ),
        ],
        ceiling=Ceiling(
            scale=0.9, rps=1.8, sessions_per_s=1.0, in_flight=1.0, ci_scale=(0.9, 1.1), limited_by="latency"
        ),
    )
    chart = verdict_charts.levels(verdict)
    marks = [
        value["at"]
        for part in chart.spec["layer"]
        for value in part.get("data", {"values": []})["values"]
        if value.get("label") == "ceiling"
    ]

    assert set(marks) == {2.0}


def test_runs_whose_folders_have_long_names_are_told_apart_in_the_legend():
    """Both were cut to the same words, and one of them lay over the next."""
    names = ["20261130T013657Z-support-agent-127.0.0.1-8080", "20261130T014211Z-support-agent-127.0.0.1-8080"]
    chart = percentiles([a_run(name=name) for name in names])
    legend = chart.spec["layer"][1]["encoding"]["stroke"]

    assert legend["scale"]["domain"] == [
        "20261130T013657Z…27.0.0.1-8080",
        "20261130T013657Z…27.0.0.1-8080, answered",
        "20261130T014211Z…27.0.0.1-8080",
        "20261130T014211Z…27.0.0.1-8080, answered",
    ]
    assert legend["legend"]["columns"] == 2
    assert percentiles([a_run(name=names[0])]).rows[0][0] == "this run"


def test_runs_of_one_name_are_numbered():
    chart = percentiles([a_run(failed=0, name="a"), a_run(failed=0, name="a")])

    assert {row[0] for row in chart.rows} == {"1: a", "2: a"}
