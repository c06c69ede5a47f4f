"""How a month looks: levels of load by hour and weekday, windows, holidays, growth; folded to hours at a level. Pure.

A level is a multiple of the load that was recorded: at level 1 the trace comes as it is, at 0.05 a twentieth of its
requests come in an hour. A month is one of 730 hours, in which every minute of the week comes 730 / 168 times. What a
calendar is folded to is a list of slots, hours of the month at one level and between two times of day; bills are sums
over them, and machines are sized for the highest.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from replay.errors import InputError
from replay.money.types import MONTH_H

DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES
_WORKDAYS = 5
_DAY_S = 86_400.0
_MONTHS = 12
# Of a minute of the day there are half an hour in a month; less than this is rounding.
_ALIKE_H = 1e-12
# Weeks in a month of 730 hours: 4.345.
WEEKS = MONTH_H / (7 * 24)

Floats = npt.NDArray[np.float64]


class CalendarError(InputError, ValueError):
    """A calendar cannot be used as it is written; str() is the whole message."""


class Slot(NamedTuple):
    """So many hours of the month at one level, spread evenly over each day between two times of it. from_h None: at the
    times of day at which the trace itself was recorded.
    """

    hours: float
    level: float
    from_h: float | None = None
    until_h: float = 24.0


class Calendar(msgspec.Struct, frozen=True, kw_only=True):
    """A month. slots: ascending by level, 730 hours together. growth: what the levels are multiplied by, where this
    month is a later one. requests_a_day, sessions_a_day: the month's own load on average, before it grew; None where
    the trace says how much level 1 is. notes: how it was found. later: the same month when it has grown; None where it
    does not grow.
    """

    name: str
    slots: tuple[Slot, ...]
    growth: float = 1.0
    requests_a_day: float | None = None
    sessions_a_day: float | None = None
    notes: tuple[str, ...] = ()
    later: "Calendar | None" = None

    @property
    def mean_level(self) -> float:
        """Over all hours, before growth."""
        return sum(slot.hours * slot.level for slot in self.slots) / sum(slot.hours for slot in self.slots)

    @property
    def peak_level(self) -> float:
        """The highest, before growth."""
        return self.slots[-1].level

    @property
    def is_even(self) -> bool:
        """Whether all hours have one level."""
        return self.slots[0].level == self.peak_level


class Load(NamedTuple):
    """A month's load as multiples of what was recorded: on average, in its fullest hour, and at level 1."""

    mean: float
    peak: float
    level: float


def load_of(
    calendar: Calendar,
    recorded_a_day: float,
    requests_a_day: float | None = None,
    requests_in_a_session: float = 1.0,
) -> Load:
    """What the month has of the recorded load. recorded_a_day: requests a day at the recorded rate.

    requests_a_day: asked for, now; it outdoes the calendar's own. Growth comes on top of either.
    """
    wanted = requests_a_day or calendar.requests_a_day
    if wanted is None and calendar.sessions_a_day is not None:
        wanted = calendar.sessions_a_day * requests_in_a_session
    level = calendar.growth
    if wanted is not None and recorded_a_day > 0:
        level *= wanted / recorded_a_day / calendar.mean_level
    return Load(level * calendar.mean_level, level * calendar.peak_level, level)


def times_recorded(calendar: Calendar, load: Load) -> tuple[Slot, ...]:
    """The hours of the month, each with how many times the recorded load it has, growth and all."""
    return tuple(slot._replace(level=load.level * slot.level) for slot in calendar.slots)


class Window(NamedTuple):
    """A time of higher or lower load that comes now and then. minutes: of the week, from Monday 00:00, in which it may
    be. share: of those times in which it is, 0..1.
    """

    minutes: npt.NDArray[np.int64]
    level: float
    share: float


def calendar_of(
    name: str,
    week: Floats,
    windows: Sequence[Window] = (),
    *,
    holidays_a_year: float = 0.0,
    holiday_like: str = "sunday",
    **more: object,
) -> Calendar:
    """Fold a week into a month. week: shape (10080,), the level in each minute from Monday 00:00.

    A window takes the place of the hours that it is laid over, on a holiday as well. Holidays are workdays that look
    like another day; they fall on Monday to Friday alike. more: further fields of the Calendar. Raises ValueError if
    all levels are zero.
    """
    in_window, window_level = np.zeros(WEEK_MINUTES), np.zeros(WEEK_MINUTES)
    for window in windows:
        in_window[window.minutes], window_level[window.minutes] = window.share, window.level
    on_holiday = np.zeros(WEEK_MINUTES)
    on_holiday[: _WORKDAYS * DAY_MINUTES] = holidays_a_year / _MONTHS / (WEEKS * _WORKDAYS)
    start = DAYS.index(holiday_like) * DAY_MINUTES
    holiday_level = np.tile(week[start : start + DAY_MINUTES], 7)
    levels = np.round(np.concatenate((window_level, week, holiday_level)), 9)
    shares = np.concatenate((in_window, (1 - in_window) * (1 - on_holiday), (1 - in_window) * on_holiday))
    found, place = np.unique(levels, return_inverse=True)
    cell = place.ravel() * DAY_MINUTES + np.arange(len(levels)) % DAY_MINUTES
    minutes = np.bincount(cell, weights=shares, minlength=len(found) * DAY_MINUTES)
    hours = minutes.reshape(len(found), DAY_MINUTES) * (MONTH_H / WEEK_MINUTES)
    slots = tuple(slot for level, day in zip(found, hours, strict=True) for slot in _slots(float(level), day))
    if not any(slot.level for slot in slots):
        raise ValueError("the levels of the month add up to zero. Give at least one hour a level above it")
    return Calendar(name=name, slots=slots, **more)  # type: ignore[arg-type]


def _slots(level: float, day: Floats) -> list[Slot]:
    """The stretches of a day that have that level. day: hours of the month that have it, by minute of the day."""
    turns = np.flatnonzero(np.abs(np.diff(day)) > _ALIKE_H) + 1
    ends = [0, *turns.tolist(), DAY_MINUTES]
    return [
        Slot(float(day[begin:end].sum()), level, begin / 60, end / 60)
        for begin, end in pairwise(ends)
        if day[begin] > _ALIKE_H
    ]


def flat(name: str = "flat") -> Calendar:
    """The recorded load, all month long."""
    return Calendar(name=name, slots=(Slot(MONTH_H, 1.0, 0.0),))
