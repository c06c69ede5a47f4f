"""A calendar fitted from a log of counts: how much came in each hour of each weekday, in the mean. Pure.

A row is a time and a count of what came from then until the next row's time. An hour between the first and the last
one that has no row had nothing, since logs leave empty hours out. Times are taken as they are written: a log in UTC
gives the hours of UTC, which moves the day and changes no bill.
"""

import csv
import datetime
from collections.abc import Iterator
from math import isfinite
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from replay.keys import quoted
from replay.money.calendar import DAYS, Calendar, CalendarError, calendar_of
from replay.words.numbers import number
from replay.words.phrases import counted

_HOUR_S = 3600
_DAY_H, _WEEK_H = 24, 7 * 24
_EPOCH_WEEKDAY = 3  # 1970-01-01 was a Thursday.
_MOST_DAYS = 3 * 366
# Above this a number of seconds since 1970 would be of the year 5138: it is one of milliseconds.
_MILLISECONDS_FROM = 1e11
_MOST_COUNT = 1e12

Unit = Literal["requests", "sessions"]
_UNITS: dict[str, Unit] = {"count": "requests", "requests": "requests", "sessions": "sessions"}


class _Row(NamedTuple):
    at_s: float
    amount: float


class Counts(NamedTuple):
    """A log of counts: the hours since 1970 in which something came, and how much. step_s: between two rows."""

    by_hour: dict[int, float]
    step_s: float
    unit: Unit


def parse_counts(content: bytes, where: str) -> Counts:
    """A log of counts as CSV with a head (time,count) or as JSON Lines ({"time": .., "count": ..}).

    The count's column may also be called requests, which is the same, or sessions. Raises CalendarError.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        raise CalendarError(f"{where}: is not UTF-8 text, so no counts can be read from it.") from cause
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    is_json = bool(lines) and lines[0][1].lstrip().startswith("{")
    by_time: dict[float, float] = {}
    unit: Unit = "requests"
    for line, (column, row) in _json_rows(lines, where) if is_json else _csv_rows(lines, where):
        if by_time and _UNITS[column] != unit:
            raise CalendarError(
                f"{where}, line {line}: counts {column}, and those before it {unit}. Keep to one."
            )
        unit = _UNITS[column]
        by_time[row.at_s] = by_time.get(row.at_s, 0.0) + row.amount
    if len(by_time) < 2:
        raise CalendarError(f"{where}: has fewer than two times, so no hours can be told apart in it.")
    times = np.sort(np.fromiter(by_time, np.float64))
    step_s = float(np.diff(times).min())
    span_days = float(times[-1] - times[0]) / 86_400
    if span_days > _MOST_DAYS:
        raise CalendarError(
            f"{where}: covers {number(span_days)} days; three years are the most that a calendar takes."
        )
    if step_s > 24 * _HOUR_S * 1.01:
        raise CalendarError(
            f"{where}: has a row every {number(step_s / 86_400)} days; a calendar takes one a day at least, "
            f"better one an "
            "hour."
        )
    return Counts(_by_hour(by_time, step_s), step_s, unit)


def fitted_calendar(counts: Counts, name: str, where: str) -> Calendar:
    """Levels by hour and weekday, the mean over all hours being 1. Raises CalendarError for a log of less than a day.

    A log of less than a week tells the hours of a day, of all weekdays together. A weekday of which fewer than two were
    seen is named in the notes.
    """
    first, last = min(counts.by_hour), max(counts.by_hour)
    hours = last - first + 1
    if hours < _DAY_H:
        raise CalendarError(
            f"{where}: covers {hours} hours; it takes a day at least to tell what the hours are like."
        )
    if not any(counts.by_hour.values()):
        raise CalendarError(f"{where}: all of its counts are zero, so it says nothing of a month.")
    found, seen = np.zeros(_WEEK_H), np.zeros(_WEEK_H)
    for hour in range(first, last + 1):
        place = (hour + _EPOCH_WEEKDAY * _DAY_H) % _WEEK_H
        found[place] += counts.by_hour.get(hour, 0.0)
        seen[place] += 1
    notes = [f"fitted from {_long(hours)} of counts in {where}"]
    week = _by_day(found, seen) if hours < _WEEK_H else _by_weekday(found, seen, notes)
    if hours < _WEEK_H:
        notes.append("less than a week was seen: every weekday has the same hours")
    if counts.step_s > _HOUR_S * 1.01:
        notes.append(
            f"its rows are {number(counts.step_s / _HOUR_S)} hours apart, so hours between them are alike"
        )
    mean = float(week.mean())
    a_day = mean * _DAY_H
    return calendar_of(
        name,
        np.repeat(week / mean, 60),
        requests_a_day=a_day if counts.unit == "requests" else None,
        sessions_a_day=a_day if counts.unit == "sessions" else None,
        notes=tuple(notes),
    )


def _by_day(found: npt.NDArray[np.float64], seen: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The hours of a day, all weekdays together."""
    day = found.reshape(7, _DAY_H).sum(axis=0) / seen.reshape(7, _DAY_H).sum(axis=0)
    return np.tile(day, 7)


def _by_weekday(
    found: npt.NDArray[np.float64], seen: npt.NDArray[np.float64], notes: list[str]
) -> npt.NDArray[np.float64]:
    """The hours of each weekday."""
    once = [name for name, times in zip(DAYS, seen.reshape(7, _DAY_H), strict=True) if times.min() < 2]
    if once:
        notes.append(
            f"{', '.join(once)}: seen less than twice, so one odd day there is one in every week of the month"
        )
    return found / seen


def _long(hours: int) -> str:
    days = hours / _DAY_H
    return f"{number(days / 7)} weeks" if days >= 14 else f"{number(days)} days"


def _by_hour(by_time: dict[float, float], step_s: float) -> dict[int, float]:
    """Counts by hour since 1970; a row that covers several hours is spread over them evenly."""
    covers = max(1, round(step_s / _HOUR_S))
    found: dict[int, float] = {}
    for at_s, count in by_time.items():
        first = int(at_s // _HOUR_S)
        for hour in range(first, first + covers):
            found[hour] = found.get(hour, 0.0) + count / covers
    return found


def _csv_rows(lines: list[tuple[int, str]], where: str) -> Iterator[tuple[int, tuple[str, _Row]]]:
    if not lines:
        return
    head = [name.strip().lower() for name in _cells(*lines[0], where)]
    column = next((name for name in head if name in _UNITS), None)
    if "time" not in head or column is None:
        raise CalendarError(
            f"{where}, line {lines[0][0]}: a log of counts begins with the names of its columns, time,count "
            f"(or time,sessions); this one has {quoted(lines[0][1].strip())}."
        )
    for n, line in lines[1:]:
        cells = _cells(n, line, where)
        if len(cells) != len(head):
            raise CalendarError(
                f"{where}, line {n}: has {counted(len(cells), 'column')}, the head {len(head)}."
            )
        written = dict(zip(head, cells, strict=True))
        yield n, (column, _row(written["time"].strip(), written[column].strip(), f"{where}, line {n}"))


def _cells(n: int, line: str, where: str) -> list[str]:
    try:
        return next(iter(csv.reader([line])), [])
    except csv.Error as cause:
        raise CalendarError(f"{where}, line {n}: is not a row of CSV ({cause}).") from cause


def _json_rows(lines: list[tuple[int, str]], where: str) -> Iterator[tuple[int, tuple[str, _Row]]]:
    for n, line in lines:
        at = f"{where}, line {n}"
        try:
            written = msgspec.json.decode(line.encode())
        except (msgspec.DecodeError, RecursionError) as cause:
            raise CalendarError(f"{at}: is not JSON ({cause}).") from cause
        if not isinstance(written, dict) or "time" not in written:
            raise CalendarError(f'{at}: is not an object with "time" and "count".')
        column = next((name for name in written if name in _UNITS), None)
        if column is None:
            raise CalendarError(f'{at}: has no "count" (or "sessions").')
        yield n, (column, _row(written["time"], written[column], at))


def _row(time: Any, count: Any, at: str) -> _Row:
    return _Row(_seconds(time, at), _count(count, at))


def _count(written: Any, at: str) -> float:
    try:
        count = float(written)
    except (TypeError, ValueError, OverflowError) as cause:
        raise CalendarError(f"{at}: {quoted(written)} is not a count.") from cause
    if isinstance(written, bool) or not (isfinite(count) and 0 <= count <= _MOST_COUNT):
        raise CalendarError(
            f"{at}: {quoted(written)} is not a count; counts are from 0 to {number(_MOST_COUNT)}."
        )
    return count


def _seconds(written: Any, at: str) -> float:
    """Seconds since 1970 by the clock that the time was written by."""
    if isinstance(written, str):
        try:
            time = datetime.datetime.fromisoformat(written)
        except ValueError:
            pass
        else:
            return time.replace(tzinfo=datetime.UTC).timestamp()
    try:
        seconds = float(written)
    except (TypeError, ValueError, OverflowError):
        seconds = float("nan")
    if isinstance(written, bool) or not isfinite(seconds):
        raise CalendarError(
            f"{at}: {quoted(written)} is not a time. Write it as 2026-11-02T14:00, or in seconds since 1970."
        )
    return seconds / 1000 if abs(seconds) >= _MILLISECONDS_FROM else seconds
