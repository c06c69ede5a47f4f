"""A month as hours at levels: what calendars fold to, how files are read, and what a log of counts is fitted to."""

import datetime
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replay.money.calendar import CalendarError, flat, load_of
from replay.money.calendar_file import NAMED, named_calendar, parse_calendar
from replay.money.calendar_fit import fitted_calendar, parse_counts

MONTH_H = 730.0
WEEK_H = 168.0


def written(text, name="c"):
    return parse_calendar(text.encode(), "c.toml", name)


def hours_at(calendar, level):
    return sum(slot.hours for slot in calendar.slots if slot.level == pytest.approx(level))


@pytest.mark.parametrize("name", NAMED)
def test_our_own_calendars_have_the_hours_of_a_month_and_a_peak(name):
    calendar = named_calendar(name)

    assert sum(slot.hours for slot in calendar.slots) == pytest.approx(MONTH_H)
    assert calendar.peak_level >= 1.0
    assert calendar.name == name


def test_office_hours_are_forty_of_a_weeks_hours_and_the_nights_a_twentieth():
    calendar = named_calendar("office-hours")

    assert hours_at(calendar, 1.0) == pytest.approx(40 / WEEK_H * MONTH_H)
    assert hours_at(calendar, 0.05) == pytest.approx(128 / WEEK_H * MONTH_H)
    assert calendar.mean_level == pytest.approx((40 * 1.0 + 128 * 0.05) / WEEK_H)


def test_requests_differ_by_the_exact_ratio_of_the_sums_of_levels():
    office = named_calendar("office-hours")

    by_flat, by_office = load_of(flat(), 1000.0).mean, load_of(office, 1000.0).mean

    assert by_office / by_flat == pytest.approx(sum(s.hours * s.level for s in office.slots) / MONTH_H)


def test_hours_over_midnight_are_on_the_next_day():
    calendar = written('[[hours]]\ndays = "sunday"\nfrom = "22:00"\nto = "02:00"\nlevel = 1.0\n')

    assert hours_at(calendar, 1.0) == pytest.approx(4 / WEEK_H * MONTH_H)


def test_times_of_day_may_be_written_as_toml_has_them():
    assert written("[[hours]]\nfrom = 09:00:00\nto = 17:00:00\nlevel = 1.0\n").mean_level == pytest.approx(
        8 / 24
    )


def test_a_window_takes_the_place_of_the_hours_below_as_often_as_it_comes():
    calendar = written(
        'base = 1.0\n[[window]]\nname = "release"\ndays = ["tuesday"]\nfrom = "14:00"\nto = "16:00"\nlevel = 4.0\n'
        "times_a_month = 2\n"
    )

    assert hours_at(calendar, 4.0) == pytest.approx(4.0)
    assert hours_at(calendar, 1.0) == pytest.approx(MONTH_H - 4.0)


def test_holidays_are_workdays_that_look_like_another_day():
    calendar = written(
        'base = 0.0\n[[hours]]\ndays = "weekdays"\nlevel = 1.0\n[holidays]\ndays_a_year = 12\nlike = "sunday"\n'
    )

    assert hours_at(calendar, 1.0) == pytest.approx(5 / 7 * MONTH_H - 24.0)


@pytest.mark.parametrize(("months", "later"), [(2, "c in 2 months"), (1, "c in 1 month")])
def test_growth_is_of_a_later_month_beside_the_one_of_now(months, later):
    calendar = written(f"base = 1.0\n[growth]\npercent_a_month = 10\nmonths = {months}\n")

    assert load_of(calendar, 1000.0).mean == 1.0
    assert load_of(calendar, 1000.0, 500.0).mean == pytest.approx(0.5)
    assert calendar.later is not None
    assert calendar.later.name == later
    assert load_of(calendar.later, 1000.0).mean == pytest.approx(1.1**months)
    assert load_of(calendar.later, 1000.0, 500.0).mean == pytest.approx(0.5 * 1.1**months)
    assert calendar.notes[0].startswith("this is the month of now; in ")


@pytest.mark.parametrize("growth", ["percent_a_month = 0", "percent_a_month = 5\nmonths = 0"])
def test_a_month_that_does_not_grow_has_no_later_one(growth):
    calendar = written(f"base = 1.0\n[growth]\n{growth}\n")

    assert (calendar.later, calendar.notes) == (None, ())


def test_requests_a_day_are_what_the_month_has_in_the_mean_whatever_its_levels():
    office = named_calendar("office-hours")

    load = load_of(office, 1000.0, 3000.0)

    assert load.mean == pytest.approx(3.0)
    assert load.peak == pytest.approx(3.0 / office.mean_level)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("bases = 1", 'c.toml: unknown key "bases". Did you mean "base"?'),
        ('base = "busy"', "c.toml: base: must be a number, and is text."),
        ("base = -1", "c.toml: base must be from 0 to 1,000, and is -1."),
        ("base = inf", "c.toml: base must be from 0 to 1,000, and is inf."),
        (
            "base = 0",
            "c.toml: the levels of the month add up to zero. Give at least one hour a level above it.",
        ),
        (
            "[[hours]]\nlevel = 0\n",
            "c.toml: the levels of the month add up to zero. Give at least one hour a level above it.",
        ),
        ("[[hours]]\nlevle = 1\n", 'c.toml: unknown key "levle" in [hours]. Did you mean "level"?'),
        (
            '[[hours]]\ndays = "funday"\nlevel = 1\n',
            'c.toml: [[hours]] days: "funday" is not a day. Known are monday, tuesday, wednesday, thursday, friday, '
            "saturday, sunday, weekdays, weekend, every day.",
        ),
        (
            '[[hours]]\nfrom = "25:00"\nlevel = 1\n',
            'c.toml: [[hours]] from: "25:00" is not a time of day. Write it as 09:00, midnight\'s end as 24:00.',
        ),
        (
            '[[hours]]\nfrom = "09:00"\nto = "09:00"\nlevel = 1\n',
            "c.toml: [[hours]]: from 09:00 to 09:00 is an empty stretch of time.",
        ),
        (
            '[[hours]]\ndays = "monday"\nto = "10:00"\nlevel = 1\n[[hours]]\ndays = "weekdays"\nfrom = "09:00"\nlevel = 2\n',
            'c.toml: two [[hours]] overlap: "monday" from 00:00 to 10:00, and "weekdays" from 09:00 to 24:00. Give each '
            "time one level.",
        ),
        (
            'base = 1\n[[window]]\nname = "release"\ndays = "monday"\nlevel = 3\ntimes_a_month = 9\n',
            'c.toml: [[window]] "release": a month has 4.35 such days, so it cannot come 9 times.',
        ),
        (
            "base = 1\n[growth]\npercent_a_month = 900\n",
            "c.toml: [growth]: 900% a month for 12 months makes 1,000,000,000,000 times the load; more than 100 times, either way, "
            "is a guess that no bill should rest on.",
        ),
        (
            'base = 1\n[holidays]\ndays_a_year = 9\nlike = "easter"\n',
            'c.toml: [holidays] like: "easter" is not a day of the week.',
        ),
        (
            "base = 1\nrequests_per_day = 0\n",
            "c.toml: requests_per_day must be from 0 to 1,000,000,000,000, and is 0.",
        ),
        ("base = 1\n[growth]\n", 'c.toml: growth: the key "percent_a_month" is missing.'),
    ],
)
def test_what_is_no_calendar_is_refused_in_a_sentence(text, says):
    with pytest.raises(CalendarError) as raised:
        written(text)

    assert str(raised.value) == says


PLAIN = st.one_of(
    st.integers(-(10**9), 10**9),
    st.floats(allow_nan=True),
    st.floats(0, 10),
    st.booleans(),
    st.text(string.ascii_letters + ":0123456789", max_size=9),
    st.sampled_from(["monday", "weekdays", "weekend", "09:00", "17:00", "24:00"]),
    st.lists(st.sampled_from(["monday", "sunday", "x"]), max_size=3),
    st.times(),
    st.dates(),
)


def table_of(*keys):
    return PLAIN | st.fixed_dictionaries({}, optional=dict.fromkeys(keys, PLAIN))


HOURS = ("level", "days", "from", "to")
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "name": PLAIN,
        "base": PLAIN,
        "requests_per_day": PLAIN,
        "hours": PLAIN | st.lists(table_of(*HOURS), max_size=3),
        "window": PLAIN | st.lists(table_of(*HOURS, "name", "times_a_month"), max_size=2),
        "holidays": table_of("days_a_year", "like"),
        "growth": table_of("percent_a_month", "months"),
        "x": PLAIN,
    },
)


def toml(value):
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, datetime.time):
        return value.replace(tzinfo=None).isoformat()
    return f'"{value}"' if isinstance(value, str) else str(value)


@given(DOCUMENTS)
def test_any_toml_is_a_calendar_or_gets_one_sentence(document):
    text = "\n".join(f"{key} = {toml(value)}" for key, value in document.items())
    calendar, refused = None, ""
    try:
        calendar = written(text)
    except CalendarError as reason:
        refused = str(reason)

    if calendar is not None:
        assert sum(slot.hours for slot in calendar.slots) == pytest.approx(MONTH_H)
    else:
        assert refused.startswith("c.toml: ")
        assert refused.endswith((".", "?"))
        assert "\n" not in refused


@given(st.binary(max_size=200))
def test_any_bytes_are_a_log_of_counts_or_get_one_sentence(content):
    refused = "log.csv"
    try:
        fitted_calendar(parse_counts(content, "log.csv"), "log", "log.csv")
    except CalendarError as reason:
        refused = str(reason)

    assert refused.startswith("log.csv")


LEVELS = st.lists(st.floats(0.0, 100.0), min_size=24, max_size=24).filter(lambda levels: sum(levels) > 0.01)


@given(LEVELS, st.floats(1e-3, 1e6), st.floats(0.01, 100.0))
def test_hours_are_a_months_and_requests_scale_exactly_with_what_is_asked_for(levels, a_day, factor):
    hours = "".join(
        f'[[hours]]\nfrom = "{hour:02}:00"\nto = "{hour + 1:02}:00"\nlevel = {level}\n'
        for hour, level in enumerate(levels)
    )
    calendar = written(hours)

    assert sum(slot.hours for slot in calendar.slots) == pytest.approx(MONTH_H)
    assert load_of(calendar, 50.0, factor * a_day).mean == pytest.approx(
        factor * load_of(calendar, 50.0, a_day).mean
    )
    assert load_of(calendar, 50.0, a_day).mean * 50.0 == pytest.approx(a_day)


def log(hours, count, head="time,count", start="2026-11-02T00:00"):
    begin = datetime.datetime.fromisoformat(start)
    rows = [
        f"{(begin + datetime.timedelta(hours=n)).isoformat()},{count(n)}"
        for n in range(hours)
        if count(n) is not None
    ]
    return "\n".join([head, *rows]).encode()


def fitted(content, where="log.csv"):
    return fitted_calendar(parse_counts(content, where), "log", where)


def test_a_log_of_weeks_gives_back_the_hours_that_it_was_made_of():
    # Monday the second: 100 an hour from nine to five on workdays, nothing else.
    calendar = fitted(log(3 * 168, lambda n: 100 if n % 168 < 120 and 9 <= n % 24 < 17 else 0))

    assert calendar.requests_a_day == pytest.approx(100 * 40 / 7)
    assert hours_at(calendar, 0.0) == pytest.approx(128 / WEEK_H * MONTH_H)
    assert calendar.peak_level == pytest.approx(WEEK_H / 40)
    assert calendar.notes == ("fitted from 3 weeks of counts in log.csv",)


def test_hours_that_the_log_leaves_out_had_nothing():
    whole = fitted(log(3 * 168, lambda n: 7 if n % 24 < 12 else 0))
    sparse = fitted(log(3 * 168, lambda n: 7 if n % 24 < 12 or n == 3 * 168 - 1 else None))

    assert sparse.mean_level == pytest.approx(whole.mean_level)
    assert sparse.requests_a_day == pytest.approx(whole.requests_a_day, rel=0.02)


def test_a_log_of_days_says_that_weekdays_are_alike_in_it():
    calendar = fitted(log(48, lambda n: n % 24))

    assert "less than a week was seen: every weekday has the same hours" in calendar.notes


def test_weekdays_that_were_seen_once_are_named():
    calendar = fitted(log(8 * 24, lambda n: 1 + n % 24))

    assert calendar.notes[1].startswith(
        "tuesday, wednesday, thursday, friday, saturday, sunday: seen less than twice"
    )


def test_json_lines_and_seconds_give_the_same_as_csv():
    start = datetime.datetime(2026, 11, 2, tzinfo=datetime.UTC).timestamp()
    rows = "\n".join(f'{{"time": {start + 3600 * n}, "count": {1 + n % 5}}}' for n in range(200))

    assert fitted(rows.encode()).slots == fitted(log(200, lambda n: 1 + n % 5)).slots


def test_daily_counts_are_spread_over_their_days():
    rows = "time,requests\n" + "\n".join(f"2026-11-{day:02},{100 if day % 7 else 10}" for day in range(2, 30))
    calendar = fitted(rows.encode())

    assert "its rows are 24 hours apart, so hours between them are alike" in calendar.notes
    assert len(calendar.slots) == 2


def test_counts_of_sessions_are_not_taken_for_requests():
    calendar = fitted(log(200, lambda n: 5, head="time,sessions"))

    assert calendar.requests_a_day is None
    assert calendar.sessions_a_day == pytest.approx(120.0)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "log.csv: has fewer than two times, so no hours can be told apart in it."),
        (
            b"when,n\n",
            "log.csv, line 1: a log of counts begins with the names of its columns, time,count (or time,sessions); "
            'this one has "when,n".',
        ),
        (b"time,count\n2026-11-02,many\n", 'log.csv, line 2: "many" is not a count.'),
        (
            b"time,count\n2026-11-02,-4\n",
            'log.csv, line 2: "-4" is not a count; counts are from 0 to 1,000,000,000,000.',
        ),
        (
            b"time,count\nnoon,4\n",
            'log.csv, line 2: "noon" is not a time. Write it as 2026-11-02T14:00, or in seconds since 1970.',
        ),
        (b"time,count\n2026-11-02\n", "log.csv, line 2: has 1 column, the head 2."),
        (
            b"time,count\n2026-11-02T09:00,1\n2026-11-02T12:00,1\n",
            "log.csv: covers 6 hours; it takes a day at least to tell what the hours are like.",
        ),
        (
            b"time,count\n2020-11-02,1\n2026-11-02,1\n",
            "log.csv: covers 2,191 days; three years are the most that a calendar takes.",
        ),
        (
            b"time,count\n2026-11-02,1\n2026-11-09,1\n",
            "log.csv: has a row every 7 days; a calendar takes one a day at least, better one an hour.",
        ),
        (log(48, lambda n: 0), "log.csv: all of its counts are zero, so it says nothing of a month."),
        (b'{"time": 1}\n', 'log.csv, line 1: has no "count" (or "sessions").'),
        (
            b"time," + b"c" * (200 << 10) + b"\n",
            "log.csv, line 1: is not a row of CSV (field larger than field limit (131072)).",
        ),
        (b"\xff\xfe", "log.csv: is not UTF-8 text, so no counts can be read from it."),
    ],
)
def test_what_is_no_log_of_counts_is_refused_in_a_sentence(content, says):
    with pytest.raises(CalendarError) as raised:
        fitted(content)

    assert str(raised.value) == says
