"""The month that a trace is priced for: its own hours, a calendar's, and what both do to levels, peaks and bills."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replay.choice.types import CalendarBill, PilotPlane
from replay.money.calendar import Calendar, Slot, flat
from replay.money.calendar_file import named_calendar, parse_calendar
from replay.money.usage import Usage
from replay.trace.file.stream import TraceWriter
from replay.trace.types import FORMAT, VERSION, Header, LlmCall, Request, Session, Step
from replay.trials.pilot.pricing.levels import by_month_level
from replay.trials.pilot.pricing.month import (
    OWN,
    calendar_bill,
    in_month,
    month_doubts,
    month_of_trace,
    own_hours,
)
from replay.trials.pilot.workload.phases import Excerpt
from replay.trials.pilot.workload.shape import Shape, shape_of

MONTH_S = 730 * 3600
HOUR_S = 3600


def written(path: Path, starts_s: Iterator[float] | list[float]) -> Path:
    with TraceWriter(path, Header(FORMAT, VERSION, "t")) as writer:
        for n, start_s in enumerate(starts_s):
            steps = [
                Step("a", "llm", "ask", (), 0.0, 400.0, llm=LlmCall(10, 30)),
                Step("b", "http", "get", (), 500.0, 100.0, Request("GET", "/b")),
            ]
            writer.write(Session(f"s-{n}", start_s * 1000, steps))
    return path


@pytest.fixture(scope="module")
def short(tmp_path_factory) -> Shape:
    """Ten minutes: two sessions a second for five, then one in ten seconds."""
    starts = [n / 2 for n in range(600)] + [300 + 10.0 * n for n in range(30)]
    return shape_of(written(tmp_path_factory.mktemp("short") / "t.jsonl", starts))


def days(hours: int, busy: Any) -> list[float]:
    """A session every ten seconds in busy hours, and one in the others."""
    return [h * HOUR_S + n * 10.0 for h in range(hours) for n in range(360 if busy(h) else 1)]


@pytest.fixture(scope="module")
def two_days(tmp_path_factory) -> Shape:
    """From midnight to midnight twice, busy from nine to five."""
    starts = days(48, lambda h: 9 <= h % 24 < 17)
    return shape_of(written(tmp_path_factory.mktemp("days") / "t.jsonl", starts))


def requests(shape: Shape) -> float:
    return sum(bucket.requests_month for bucket in shape.workload.buckets)


def test_a_short_trace_without_a_calendar_is_as_it_was_all_month_and_that_is_in_doubt(short):
    month = month_of_trace(short, None)

    assert month.calendar.name == "flat"
    assert month.shape.workload is short.workload
    assert not month.shape.mix
    assert not month.is_told
    assert [calendar.name for calendar, _ in month.others] == ["office-hours", "launch-week"]


def test_whoever_says_flat_has_said_so(short):
    month = month_of_trace(short, flat())

    assert month.is_told
    assert month.shape.workload is short.workload
    assert not month.shape.mix
    assert month.others == []


@pytest.mark.parametrize("name", ["office-hours", "evenings", "launch-week"])
def test_requests_of_a_month_differ_from_a_flat_one_by_the_ratio_of_the_levels(short, name):
    calendar = named_calendar(name)

    month = month_of_trace(short, calendar)

    assert requests(month.shape) / requests(short) == pytest.approx(calendar.mean_level, rel=1e-5)
    assert sum(bucket.weight for bucket in month.shape.workload.buckets) == pytest.approx(1.0, abs=1e-5)
    assert sum(part.weight for part in month.shape.mix) == pytest.approx(1.0, abs=1e-5)
    assert month.shape.workload.peak_rps == pytest.approx(calendar.peak_level * short.workload.peak_rps)
    assert month.shape.workload.peak_in_flight == calendar.peak_level * short.workload.peak_in_flight
    assert sum(slot.hours * slot.level for slot in month.shape.hours) / 730 == pytest.approx(month.shape.scale)


def test_idle_normal_and_peak_are_those_of_the_month(short):
    office = month_of_trace(short, named_calendar("office-hours")).shape.workload

    idle, _, peak = office.buckets
    # Nights and quiet minutes of the day are idle; peak is the busy half of forty of a week's hours.
    assert peak.weight == pytest.approx(40 / 168 / 2, rel=0.05)
    assert peak.requests_per_s == pytest.approx(short.workload.buckets[2].requests_per_s, rel=1e-3)
    assert idle.requests_per_s < 0.1 * peak.requests_per_s
    assert sum(bucket.requests_share for bucket in office.buckets) == pytest.approx(1.0, abs=1e-5)


def test_calls_and_tokens_of_the_month_go_with_its_requests(short):
    calendar = named_calendar("evenings")
    before, after = short.workload.buckets, month_of_trace(short, calendar).shape.workload.buckets

    for field in ("external_calls_month", "tokens_month"):
        whole = sum(getattr(bucket, field) or 0.0 for bucket in before)
        assert sum(getattr(bucket, field) or 0.0 for bucket in after) == pytest.approx(
            calendar.mean_level * whole, rel=1e-3
        )


@pytest.mark.parametrize("calendar", [None, named_calendar("office-hours")])
def test_requests_a_day_are_what_the_month_has(short, two_days, calendar):
    for shape in (short, two_days):
        month = month_of_trace(shape, calendar, 12_000.0)

        assert requests(month.shape) == pytest.approx(12_000 * 730 / 24, rel=1e-4)


def test_a_trace_of_days_has_its_own_hours_for_a_month(two_days):
    month = month_of_trace(two_days, None)

    assert month.calendar.name == OWN
    assert month.is_told
    assert month.others == []
    busy = [slot for slot in month.calendar.slots if slot.level == pytest.approx(month.calendar.peak_level)]
    assert busy[0].hours == pytest.approx(8 / 24 * 730)
    assert month.shape.workload.peak_rps == two_days.workload.peak_rps
    assert requests(month.shape) == pytest.approx(2 * (8 * 360 + 16) * 730 / 24, rel=1e-3)


def test_half_a_day_more_does_not_make_the_month_one_of_more_nights(tmp_path):
    # From midnight to noon of the second day: nights twice, afternoons once.
    shape = shape_of(written(tmp_path / "t.jsonl", days(36, lambda h: h % 24 >= 12)))

    month = month_of_trace(shape, None)

    assert requests(month.shape) == pytest.approx(2 * (12 * 360 + 12) * 730 / 24, rel=0.01)
    assert requests(month.shape) > 1.4 * requests(shape)


@pytest.mark.parametrize("every_s", [600, 1800, 3600])
@pytest.mark.parametrize("days_of_it", [1, 2])
def test_a_trace_that_ends_with_a_burst_has_no_last_hour_of_bursts(tmp_path, every_s, days_of_it):
    """A burst at the same minutes of each hour: the last comes within the last hour, of which no more was seen."""
    bursts = [at for at in range(0, 24 * days_of_it * HOUR_S, every_s) if at // HOUR_S < 23 or days_of_it > 1]
    bursts += [23 * HOUR_S] if days_of_it == 1 else []
    shape = shape_of(written(tmp_path / "t.jsonl", [at + n * 0.05 for at in bursts for n in range(200)]))

    month = month_of_trace(shape, None)

    assert requests(month.shape) == pytest.approx(len(bursts) / days_of_it * 400 * 730 / 24, rel=0.02)


def test_a_trace_of_a_week_has_weekdays(tmp_path):
    shape = shape_of(written(tmp_path / "t.jsonl", days(168, lambda h: h < 5 * 24 and 9 <= h % 24 < 17)))

    calendar = own_hours(shape)

    assert calendar is not None
    assert "by hour and weekday" in calendar.notes[0]
    assert calendar.slots[-1].hours == pytest.approx(40 / 168 * 730)


def test_a_trace_of_a_fortnight_has_load_levels_and_weekdays(tmp_path):
    starts = [
        h * HOUR_S + n * 600.0
        for h in range(14 * 24)
        for n in range(6 if h % 168 < 120 and 9 <= h % 24 < 17 else 1)
    ]
    shape = shape_of(written(tmp_path / "t.jsonl", starts))

    month = month_of_trace(shape, None)

    assert shape.workload.pattern != "not classified"
    assert requests(month.shape) == pytest.approx(2 * (40 * 6 + 128) * 730 / 168, rel=0.01)


def test_quiet_hours_that_count_twice_are_in_doubt(short, two_days):
    office = named_calendar("office-hours")
    part = Excerpt(Path("x"), 0.0, 1.0, 1, 1)

    twice = month_doubts(month_of_trace(two_days, office), [], 172_800.0, part)

    assert twice == [
        "the trace has 2 days of its own hours, and office-hours is laid over all of them alike, so quiet and busy hours "
        "count twice; leave --month out, and the trace is its own calendar"
    ]
    assert not month_of_trace(two_days, flat()).is_laid_over
    assert not month_of_trace(short, office).is_laid_over


def test_each_hour_of_a_calendar_has_the_peak_of_a_trace_of_days(two_days):
    month = month_of_trace(two_days, named_calendar("launch-week"))

    assert month.shape.workload.peak_rps == pytest.approx(4 * two_days.workload.peak_rps)


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.floats(0.01, 1.0), st.floats(0.0, 50.0)), min_size=1, max_size=6).filter(
        lambda slots: any(level > 0.01 for _, level in slots)
    ),
    st.floats(1.0, 1e7),
    st.floats(0.1, 100.0),
)
def test_whatever_the_calendar_its_hours_are_a_months_and_requests_scale_exactly(short, slots, a_day, factor):
    whole = sum(hours for hours, _ in slots)
    calendar = Calendar(
        name="c",
        slots=tuple(sorted((Slot(730 * h / whole, level) for h, level in slots), key=lambda s: s.level)),
    )

    one, more = (month_of_trace(short, calendar, n * a_day).shape for n in (1.0, factor))

    assert sum(bucket.weight for bucket in one.workload.buckets) == pytest.approx(1.0, abs=1e-4)
    assert more.scale == pytest.approx(factor * one.scale)
    assert more.workload.peak_rps == pytest.approx(factor * one.workload.peak_rps, rel=1e-3, abs=1e-5)


def test_sessions_a_day_are_as_many_requests_as_sessions_of_the_trace_have(short):
    calendar = Calendar(name="c", slots=(Slot(730.0, 1.0),), sessions_a_day=100.0)

    assert requests(month_of_trace(short, calendar).shape) == pytest.approx(200 * 730 / 24, rel=1e-4)


def test_a_load_that_grows_is_billed_as_it_is_now_and_as_it_will_be(short):
    growing = parse_calendar(b"base = 1\n[growth]\npercent_a_month = 10\nmonths = 1\n", "c.toml", "c")

    month = month_of_trace(short, growing)

    assert (month.calendar.name, month.shape.scale) == ("c", 1.0)
    assert [(other.name, shape.scale) for other, shape in month.others] == [
        ("c in 1 month", pytest.approx(1.1))
    ]


@pytest.mark.parametrize(("cheaper", "is_doubted"), [("vm", True), ("serverless", False)])
def test_a_later_month_that_has_another_answer_is_in_doubt(short, cheaper, is_doubted):
    growing = parse_calendar(b"base = 1\n[growth]\npercent_a_month = 10\nmonths = 1\n", "c.toml", "c")
    bills = [
        CalendarBill(
            name=name,
            requests_month=1.0,
            peak_rps=1.0,
            cost_month={"serverless": 2.0, "vm": 1.0},
            cheaper=which,
        )
        for name, which in (("c", "serverless"), ("c in 1 month", cheaper))
    ]

    doubts = month_doubts(month_of_trace(short, growing), bills, 86_400.0, Excerpt(Path("x"), 0.0, 60.0, 1, 1))

    said = [
        "the load grows: with c in 1 month a month is serverless 2.00, vm 1.00, and vm is then the cheaper; decide for how long "
        "the answer has to hold"
    ]
    assert doubts == (said if is_doubted else [])


@pytest.mark.parametrize(
    ("length_s", "sessions", "says"),
    [
        (
            36_000.0,
            1.0,
            "the last session began 2 h before the end of the trace, which has none that began before it:",
        ),
        (36_000.0, 0.5, None),  # not all of it was replayed
        (42_000.0, 1.0, None),  # little
        (1.0, 1.0, None),  # one batch
    ],
)
def test_sessions_that_go_on_at_the_end_of_a_trace_but_not_at_its_beginning_are_in_doubt(
    short: Shape, length_s: float, sessions: float, says: str | None
):
    count = int(short.workload.sessions * sessions)
    part = Excerpt(Path("x"), 0.0, length_s, count, 1)

    doubts = month_doubts(month_of_trace(short, flat()), [], 43_200.0, part)

    if says is None:
        assert doubts == []
    else:
        assert [doubt.startswith(says) and doubt.endswith("are up to 20% more") for doubt in doubts] == [True]


def test_the_end_of_a_trace_that_was_not_replayed_is_in_doubt(short):
    part = Excerpt(Path("x"), 0.0, 18 * 3600.0, 300, 300_000, left_out=100_000)

    doubts = month_doubts(month_of_trace(short, flat()), [], 86_400.0, part)

    assert doubts == [
        "the end of the trace was not replayed: 300,000 of 400,000 requests were (25% left out), so what comes after 18 h "
        "was not seen"
    ]


def test_seconds_of_requests_that_began_before_a_window_are_scaled_as_all_others_are(short: Shape):
    office = named_calendar("office-hours")
    shape = in_month(short, office)
    # Nothing is sent in idle windows, but requests of before still run in them.
    idle = Usage(seconds=100.0, active_s=20.0, billed_s=20.0)
    busy = Usage(seconds=200.0, requests=400.0, active_s=90.0, billed_s=100.0, boot_s=5.0)
    levels = [idle, None, busy]

    found = [usage for usage in by_month_level(levels, shape) if usage is not None]

    weights = [bucket.weight for bucket in short.workload.buckets]
    flat_s = sum(
        w * u.active_s / u.seconds * MONTH_S for w, u in zip(weights, levels, strict=True) if u is not None
    )
    assert sum(usage.active_s for usage in found) == pytest.approx(office.mean_level * flat_s, rel=1e-5)
    assert sum(usage.boot_s for usage in found) == pytest.approx(
        office.mean_level * weights[2] * 5.0 / 200.0 * MONTH_S, rel=1e-5
    )


def test_the_cheaper_plane_of_another_month_is_so_with_the_staff_that_is_stated(short):
    planes = [
        PilotPlane(target="run", plane="serverless", cost_month=60.0),
        PilotPlane(
            target="vm", plane="vm", cost_month=30.0, staff_hours=4.0, staff_rate=90.0, staff_month=360.0
        ),
    ]

    bill = calendar_bill(flat(), short, planes)

    assert (bill.cost_month, bill.cheaper) == ({"run": 60.0, "vm": 30.0}, "run")
    assert (
        calendar_bill(flat(), short, [planes[0], PilotPlane(target="v", plane="vm", cost_month=3.0)]).cheaper
        == "v"
    )
