"""Calendars as users write them: a TOML file of hours, windows, holidays and growth; and those with a name. Pure."""

import datetime
import re
from math import isfinite
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

from replay.keys import ended, explained, quoted
from replay.money.calendar import (
    DAY_MINUTES,
    DAYS,
    WEEK_MINUTES,
    WEEKS,
    Calendar,
    CalendarError,
    Window,
    calendar_of,
)
from replay.toml import TomlError, read_toml
from replay.words.numbers import exact, number, signed

_MOST_LEVEL = 1000.0
_MOST_GROWTH = 100.0
_MOST_MONTHS = 60
_MOST_REQUESTS = 1e12
_MOST_HOLIDAYS = 250.0
_SETS = {
    "every day": DAYS,
    "weekdays": DAYS[:5],
    "weekend": DAYS[5:],
}
_TIME = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])|24:00")

# What our own names mean. The levels are assumptions, not measurements; a file says better.
NAMED: dict[str, dict[str, Any]] = {
    "flat": {"base": 1.0},
    "office-hours": {
        "base": 0.05,
        "hours": [{"days": "weekdays", "from": "09:00", "to": "17:00", "level": 1.0}],
    },
    "evenings": {
        "base": 0.05,
        "hours": [
            {"days": "every day", "from": "08:00", "to": "18:00", "level": 0.3},
            {"days": "every day", "from": "18:00", "to": "23:00", "level": 1.0},
        ],
    },
    "launch-week": {
        "base": 1.0,
        "window": [{"name": "launch", "days": "every day", "level": 4.0, "times_a_month": 7}],
    },
}


class CalendarHours(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The level of load on some days, between two times of day."""

    level: Annotated[
        float, Meta(description="The level, in any unit: only its proportion to the others counts.")
    ]
    days: Annotated[
        str | list[str],
        Meta(description="On which days: every day, weekdays, weekend, or days by their names."),
    ] = "every day"
    start: Annotated[str, Meta(description="The time of day at which they begin, such as 09:00.")] = (
        msgspec.field(name="from", default="00:00")
    )
    to: Annotated[
        str, Meta(description=("The time of day at which they end; at or before from, it is on the next day."))
    ] = "24:00"


class CalendarWindow(CalendarHours, forbid_unknown_fields=True, kw_only=True):
    """Hours that come now and then."""

    name: Annotated[str, Meta(description="What they are called.")] = ""
    times_a_month: Annotated[
        float | None, Meta(description="On how many of those days a month; absent: on each of them.")
    ] = None


class CalendarHolidays(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Days that are like another day of the week."""

    days_a_year: Annotated[float, Meta(description="How many there are in a year.")]
    like: Annotated[str, Meta(description="The day of the week that they are like.")] = "sunday"


class CalendarGrowth(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """How the load grows; a month to come is then billed as well, beside the one of now."""

    percent_a_month: Annotated[float, Meta(description="By how much each month, in percent.")]
    months: Annotated[float, Meta(description="After how many months it is billed.")] = 12.0


class CalendarFile(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A calendar: what a month looks like."""

    name: Annotated[str, Meta(description="What it is called; empty: the name of the file.")] = ""
    base: Annotated[float, Meta(description="The level in the hours that nothing else names.")] = 0.0
    requests_per_day: Annotated[
        float | None,
        Meta(description=("Requests on an average day; absent: as many as the trace or the run has.")),
    ] = None
    hours: Annotated[list[CalendarHours], Meta(description="Hours of the week, with their level.")] = []
    window: Annotated[list[CalendarWindow], Meta(description="Hours that come now and then.")] = []
    holidays: Annotated[CalendarHolidays | None, Meta(description="Days off.")] = None
    growth: Annotated[CalendarGrowth | None, Meta(description="How the load grows.")] = None


def named_calendar(name: str) -> Calendar:
    """One of NAMED. Raises KeyError for another name."""
    return _read(NAMED[name], name, name)


def parse_calendar(content: bytes, where: str, name: str) -> Calendar:
    """A calendar from its TOML. name: where the file gives none. Raises CalendarError: what is wrong, and where."""
    try:
        written = read_toml(content)
    except TomlError as cause:
        raise CalendarError(f"{where}: {cause}.") from cause
    return _read(written, where, name)


def _read(written: dict[str, Any], where: str, name: str) -> Calendar:
    try:
        return _calendar(_converted(written), name)
    except ValueError as cause:
        raise CalendarError(f"{where}: {ended(str(cause))}") from cause


def _converted(written: dict[str, Any]) -> CalendarFile:
    plain = _plain_times(written)
    try:
        return msgspec.convert(plain, CalendarFile)
    except msgspec.ValidationError as cause:
        raise ValueError(explained(cause, CalendarFile, plain)) from cause


def _plain_times(value: Any) -> Any:
    """The same, with TOML's own times of day (09:00:00) as they are written in quotes."""
    if isinstance(value, dict):
        return {key: _plain_times(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain_times(inner) for inner in value]
    return value.strftime("%H:%M") if isinstance(value, datetime.time) else value


def _calendar(written: CalendarFile, name: str) -> Calendar:
    week = np.full(WEEK_MINUTES, _level(written.base, "base"))
    taken = np.full(WEEK_MINUTES, -1)
    for n, hours in enumerate(written.hours):
        minutes = _free(
            _minutes(hours, "[[hours]]"), taken, n, [_said(one) for one in written.hours], "[[hours]]"
        )
        week[minutes] = _level(hours.level, "[[hours]] level")
    holidays = written.holidays
    if holidays is not None:
        _check_within("[holidays] days_a_year", holidays.days_a_year, 0.0, _MOST_HOLIDAYS)
        if holidays.like.lower() not in DAYS:
            raise ValueError(f"[holidays] like: {quoted(holidays.like)} is not a day of the week")
    if written.requests_per_day is not None:
        _check_within("requests_per_day", written.requests_per_day, 1e-9, _MOST_REQUESTS)
    found = calendar_of(
        written.name or name,
        week,
        _windows(written.window),
        holidays_a_year=holidays.days_a_year if holidays else 0.0,
        holiday_like=holidays.like.lower() if holidays else "sunday",
        requests_a_day=written.requests_per_day,
    )
    return _growing(found, written.growth)


def _windows(written: list[CalendarWindow]) -> list[Window]:
    taken = np.full(WEEK_MINUTES, -1)
    found = []
    for n, window in enumerate(written):
        what = f"[[window]] {quoted(window.name)}" if window.name else "[[window]]"
        minutes = _free(_minutes(window, what), taken, n, [_said(one) for one in written], "[[window]]")
        times = len(_days(window.days, what)) * WEEKS
        if window.times_a_month is not None:
            # A day's fraction more is allowed for: seven days are a week, and so is every day of it once a month.
            _check_within(f"{what} times_a_month", window.times_a_month, 0.0, float("inf"))
            if window.times_a_month > times + 1:
                raise ValueError(
                    f"{what}: a month has {number(times)} such days, so it cannot come "
                    f"{exact(window.times_a_month)} times"
                )
        share = 1.0 if window.times_a_month is None else min(1.0, window.times_a_month / times)
        found.append(Window(minutes, _level(window.level, f"{what} level"), share))
    return found


def _free(
    minutes: npt.NDArray[np.int64], taken: npt.NDArray[np.int64], n: int, said: list[str], what: str
) -> npt.NDArray[np.int64]:
    """The minutes, marked as those of the n-th. Raises ValueError if an earlier one has some of them."""
    other = taken[minutes].max()
    if other >= 0:
        raise ValueError(f"two {what} overlap: {said[other]}, and {said[n]}. Give each time one level")
    taken[minutes] = n
    return minutes


def _said(hours: CalendarHours) -> str:
    days = hours.days if isinstance(hours.days, str) else ", ".join(hours.days[:7])
    return f"{quoted(days)} from {hours.start} to {hours.to}"


def _minutes(hours: CalendarHours, what: str) -> npt.NDArray[np.int64]:
    """Which minutes of the week they are."""
    start, end = _minute(hours.start, f"{what} from"), _minute(hours.to, f"{what} to")
    if start in (end, DAY_MINUTES):
        raise ValueError(f"{what}: from {hours.start} to {hours.to} is an empty stretch of time")
    length = (end - start) % DAY_MINUTES or DAY_MINUTES
    starts = [DAYS.index(day) * DAY_MINUTES + start for day in _days(hours.days, what)]
    return np.concatenate([np.arange(first, first + length) for first in starts]) % WEEK_MINUTES


def _minute(time: str, what: str) -> int:
    if not _TIME.fullmatch(time):
        raise ValueError(
            f"{what}: {quoted(time)} is not a time of day. Write it as 09:00, midnight's end as 24:00"
        )
    hour, _, minute = time.partition(":")
    return int(hour) * 60 + int(minute)


def _days(written: str | list[str], what: str) -> list[str]:
    found: list[str] = []
    for name in [written] if isinstance(written, str) else written:
        low = name.lower()
        if low not in _SETS and low not in DAYS:
            raise ValueError(
                f"{what} days: {quoted(name)} is not a day. Known are {', '.join(DAYS)}, weekdays, weekend, every day"
            )
        found += [day for day in _SETS.get(low, (low,)) if day not in found]
    if not found:
        raise ValueError(f"{what} days: name at least one day")
    return found


def _level(value: float, what: str) -> float:
    _check_within(what, value, 0.0, _MOST_LEVEL)
    return value


def _check_within(what: str, value: float, low: float, high: float) -> None:
    if not (isfinite(value) and low <= value <= high):
        least = "0" if low < 1e-6 else exact(low)
        most = f" to {number(high)}" if isfinite(high) else " on"
        raise ValueError(f"{what} must be from {least}{most}, and is {exact(value)}")


def _growing(now: Calendar, growth: CalendarGrowth | None) -> Calendar:
    """The month of now, with the one that it grows to."""
    factor = 1.0 if growth is None else _factor(growth)
    if growth is None or factor == 1.0:
        return now
    when = f"{exact(growth.months)} month{'' if growth.months == 1 else 's'}"
    later = msgspec.structs.replace(now, name=f"{now.name} in {when}", growth=factor)
    note = (
        f"this is the month of now; in {when}, at {signed(growth.percent_a_month)}% a month, it has "
        f"{number(factor)} times the "
        "load, which is billed beside it"
    )
    return msgspec.structs.replace(now, later=later, notes=(*now.notes, note))


def _factor(growth: CalendarGrowth) -> float:
    _check_within("[growth] months", growth.months, 0.0, _MOST_MONTHS)
    _check_within("[growth] percent_a_month", growth.percent_a_month, -90.0, 1000.0)
    factor = float((1 + growth.percent_a_month / 100) ** growth.months)
    if not 1 / _MOST_GROWTH <= factor <= _MOST_GROWTH:
        raise ValueError(
            f"[growth]: {exact(growth.percent_a_month)}% a month for {exact(growth.months)} months makes "
            f"{number(factor)} times the "
            f"load; more than {exact(_MOST_GROWTH)} times, either way, is a guess that no bill should rest on"
        )
    return factor
