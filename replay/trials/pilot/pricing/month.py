"""The month that a pilot prices: the trace's load levels at the hours of a calendar, or at the trace's own.

A trace of a day or longer has hours of its own, each of the day's (of the week's, from a week on) as heavy as it was
in the mean. A shorter one says nothing of the rest of the day: it is taken as it is for all of it (flat), unless a
calendar says otherwise. An hour at a calendar's level L holds the trace's own mixture of idle, normal and peak, L times
each; all of these, weighed by their hours, are parted anew into the month's idle, normal and peak.
"""

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import msgspec
import numpy as np

from replay.choice.bills import bill_and_staff
from replay.choice.types import Bucket, CalendarBill, PilotPlane, Workload
from replay.money.calendar import Calendar, Slot, calendar_of, flat, load_of, times_recorded
from replay.money.calendar_file import named_calendar
from replay.money.types import MONTH_H
from replay.trace.profile.buckets import NAMES, load_buckets
from replay.trials.pilot.workload.phases import Excerpt
from replay.trials.pilot.workload.shape import Part, Shape
from replay.words.numbers import money, number, percent, seconds
from replay.words.phrases import counted

OWN = "the trace's own hours"
_HOUR_S, _DAY_S = 3600, 86_400.0
_DAY_H, _WEEK_H = 24, 7 * 24
# What a month may also look like, where nobody said: with nights, and with one heavy week.
_OTHERS = ("office-hours", "launch-week")
# A month may lack so much of its requests, and nothing is said.
_MOST_RUN_OUT = 0.05
# Weights are rounded to six digits.
_ALIKE = 2e-6


class Month(NamedTuple):
    """The month of a trace. shape: its load levels and its peak are the month's. is_told: somebody said how it looks,
    or the trace is long enough to show it. others: the same load in months that look otherwise. is_laid_over: it has
    nights of its own, and so has the trace, in whose mean they are already.
    """

    calendar: Calendar
    shape: Shape
    is_told: bool
    others: list[tuple[Calendar, Shape]]
    is_laid_over: bool = False


def month_of_trace(shape: Shape, told: Calendar | None, requests_a_day: float | None = None) -> Month:
    """What is priced for this trace. told: how the user says that the month looks. requests_a_day: how much it has."""
    own = own_hours(shape)
    if told is not None:
        others = [] if told.is_even else [flat()]
        calendar = told
    elif own is not None:
        calendar, others = own, []
    else:
        calendar, others = flat(), [named_calendar(name) for name in _OTHERS]
    if calendar.later is not None:
        others.append(calendar.later)
    return Month(
        calendar,
        in_month(shape, calendar, requests_a_day),
        told is not None or own is not None,
        [(other, in_month(shape, other, requests_a_day)) for other in others],
        is_laid_over=_counts_twice(told, own),
    )


def _counts_twice(told: Calendar | None, own: Calendar | None) -> bool:
    """Whether hours of the trace that are unlike each other are in each hour of a calendar of unlike hours."""
    return told is not None and own is not None and not told.is_even and not own.is_even


def own_hours(shape: Shape) -> Calendar | None:
    """The calendar that a trace shows by itself: by hour of the day, from a week on by weekday too. None: not a day.

    A day has been seen if each of its hours was, in part at least. A last part of an hour is left out where its like
    was seen before, and else taken for the whole hour, in which nothing more came. Level 1 is the trace's mean rate.
    """
    period = period_h(shape.workload)
    if period is None:
        return None
    hours = int(shape.workload.span_s // _HOUR_S) + 1
    if hours > period:
        hours -= 1
    counts = np.zeros(period)
    for hour, requests in shape.hourly.items():
        if hour < hours:
            counts[hour % period] += requests
    seen = np.bincount(np.arange(hours) % period, minlength=period)
    levels = counts / seen / _HOUR_S / _rate(shape.workload)
    week = np.repeat(np.tile(levels, _WEEK_H // period), 60)
    by = "hour of the day" if period == _DAY_H else "hour and weekday"
    return (
        calendar_of(OWN, week, notes=(f"the month is the trace's own hours, by {by}",))
        if counts.any()
        else None
    )


def _rate(workload: Workload) -> float:
    """Requests a second in the mean over the trace's load levels: what level 1 is."""
    return sum(bucket.weight * bucket.requests_per_s for bucket in workload.buckets) or workload.mean_rps


def period_h(workload: Workload) -> int | None:
    """The hours after which a trace's own calendar begins again: a day's, or a week's. None of what is no day."""
    hours = int(workload.span_s // _HOUR_S) + 1
    return None if hours < _DAY_H else _DAY_H if hours < _WEEK_H else _WEEK_H


def in_month(shape: Shape, calendar: Calendar, requests_a_day: float | None = None) -> Shape:
    """The shape with the load levels and the peak of a month: the trace's peak, times the month's highest level."""
    workload = shape.workload
    per_session = workload.steps / max(1, workload.sessions)
    load = load_of(calendar, _rate(workload) * _DAY_S, requests_a_day, per_session)
    if calendar.name == OWN:
        # The levels of the trace are at its own hours already.
        weights = _weights_by_hour(shape)
        mean = sum(w * bucket.requests_per_s for w, bucket in zip(weights, workload.buckets, strict=True))
        level = 1.0 if requests_a_day is None else requests_a_day / _DAY_S / mean
        hours: tuple[Slot, ...] = (Slot(MONTH_H, level),)
        parts = [(of, level, weight) for of, weight in enumerate(weights)]
        peak = level
        if level == 1.0 and all(
            abs(weight - bucket.weight) < _ALIKE
            for weight, bucket in zip(weights, workload.buckets, strict=True)
        ):
            return shape
    else:
        hours = times_recorded(calendar, load)
        parts = [
            (of, slot.level, slot.hours / MONTH_H * bucket.weight)
            for slot in hours
            for of, bucket in enumerate(workload.buckets)
        ]
        peak = load.peak
        if all(level == 1.0 for _, level, _ in parts):
            return shape._replace(hours=hours)
    mix = _parted(workload, [part for part in parts if part[2]])
    most = workload.peak_in_flight
    return shape._replace(
        workload=msgspec.structs.replace(
            workload,
            peak_rps=_rounded(peak * workload.peak_rps),
            peak_in_flight=None if most is None else ceil(round(peak * most, 6)),
            buckets=_buckets(mix, workload),
        ),
        recorded=tuple(workload.buckets),
        mix=tuple(mix),
        scale=sum(part.weight * part.level * workload.buckets[part.of].requests_per_s for part in mix)
        / _rate(workload),
        hours=hours,
    )


def _weights_by_hour(shape: Shape) -> list[float]:
    """The share of a month that each load level of the trace has, every hour of the day (or week) weighing the same.

    The hour that the trace ends within is left out where its like was seen before, and else one in which nothing more
    came, as in own_hours.
    """
    workload = shape.workload
    at = np.arange(len(shape.levels)) * workload.window_s // _HOUR_S
    period = period_h(workload)
    hours = int(at[-1]) + 1 if len(at) else 0
    if period is None or hours < _DAY_H:
        return [bucket.weight for bucket in workload.buckets]
    place = at % period
    last = at == at[-1]
    # The last window is as long as the trace goes on in it, as its rate is of that.
    length = np.ones(len(at))
    length[-1] = min(1.0, max(1e-9, workload.span_s / workload.window_s - (len(at) - 1)))
    seen = min(1.0, float(length[last].sum()) * workload.window_s / _HOUR_S)
    if hours > period and seen < 1:
        each = np.where(last, 0.0, 1.0 / np.bincount(place[~last], minlength=period)[place])
    else:
        each = length / np.bincount(place, weights=length, minlength=period)[place]
        each[last] *= seen
    weights = np.bincount(shape.levels, weights=each, minlength=len(NAMES))
    weights[0] += period - weights.sum()
    return [float(weight) for weight in weights / weights.sum()]


def _parted(workload: Workload, parts: Sequence[tuple[int, float, float]]) -> list[Part]:
    """The parts of the month, each in one of three levels by its rate: the partition of load_buckets, by the minute."""
    rates = np.array([workload.buckets[of].requests_per_s * level for of, level, _ in parts])
    minutes = np.maximum(1, np.round(np.array([weight for _, _, weight in parts]) * MONTH_H * 60)).astype(
        np.int64
    )
    found = load_buckets(np.repeat(rates, minutes).tolist())
    order = np.argsort(rates, kind="stable")
    before = np.concatenate(([0], np.cumsum(minutes[order])[:-1])) / minutes.sum()
    idle, normal = found[0].time_ratio, found[0].time_ratio + found[1].time_ratio
    places = np.empty(len(parts), np.int64)
    # Equal rates are never parted, so a part lies on one side of a cut as its beginning does.
    places[order] = (before >= idle - 1e-9).astype(int) + (before >= normal - 1e-9)
    return [Part(int(place), *part) for place, part in zip(places, parts, strict=True)]


def _buckets(mix: Sequence[Part], workload: Workload) -> list[Bucket]:
    """What the levels of the month hold: each its parts together."""
    found = [
        _bucket(name, [part for part in mix if part.bucket == n], workload) for n, name in enumerate(NAMES)
    ]
    whole = sum(bucket.requests_month for bucket in found)
    for bucket in found:
        bucket.requests_share = round(bucket.requests_month / whole, 6) if whole else 0.0
    return found


def _bucket(name: str, parts: Sequence[Part], workload: Workload) -> Bucket:
    weight = sum(part.weight for part in parts)
    if not weight:
        return Bucket(name=name, weight=0.0)
    recorded = [workload.buckets[part.of] for part in parts]
    requests = [p.weight * p.level * old.requests_per_s for p, old in zip(parts, recorded, strict=True)]
    timed = [
        (n, old.mean_took_ms) for n, old in zip(requests, recorded, strict=True) if old.mean_took_ms is not None
    ]
    whole = sum(n for n, _ in timed)

    def summed(values: Sequence[float | None]) -> float | None:
        """Of figures that a level had in the recording: what the parts have of them."""
        known = [
            p.weight * p.level * value for p, value in zip(parts, values, strict=True) if value is not None
        ]
        return sum(known) if known else None

    in_flight = summed([old.in_flight for old in recorded])
    calls = summed([_for_all_of_it(old, old.external_calls_month) for old in recorded])
    tokens = summed([_for_all_of_it(old, old.tokens_month) for old in recorded])
    return Bucket(
        name=name,
        weight=round(weight, 6),
        requests_per_s=_rounded(sum(requests) / weight),
        requests_month=round(sum(requests) * MONTH_H * _HOUR_S, 3),
        mean_took_ms=round(sum(n * took for n, took in timed) / whole, 3) if whole else None,
        in_flight=None if in_flight is None else round(in_flight / weight, 6),
        external_calls_month=None if calls is None else round(calls, 1),
        tokens_month=None if tokens is None else round(tokens, 1),
    )


def _rounded(value: float) -> float:
    """To nine digits, however small: a calendar may make a load as thin as it likes."""
    return float(f"{value:.9g}")


def _for_all_of_it(bucket: Bucket, in_month: float | None) -> float | None:
    """A figure of a level as if it lasted all month."""
    return None if in_month is None else in_month / bucket.weight


def calendar_bill(calendar: Calendar, shape: Shape, planes: Sequence[PilotPlane]) -> CalendarBill:
    """What the planes that stand, priced for that calendar, cost there, and which is the cheaper with the staff time
    that is stated. shape: the month's.
    """
    workload = shape.workload
    priced = [plane for plane in planes if plane.cost_month is not None]
    cheapest = min(priced, key=lambda plane: bill_and_staff(plane) or 0.0, default=None)
    return CalendarBill(
        name=calendar.name,
        requests_month=round(sum(bucket.requests_month for bucket in workload.buckets), 3),
        peak_rps=workload.peak_rps,
        cost_month={plane.target: plane.cost_month for plane in priced if plane.cost_month is not None},
        machines={plane.target: plane.machines for plane in priced if plane.machines is not None},
        cheaper=cheapest.target if cheapest is not None and len(priced) > 1 else None,
    )


def month_doubts(month: Month, bills: Sequence[CalendarBill], span_s: float, part: Excerpt) -> list[str]:
    """What a month rests on that nobody knows. bills: the chosen calendar's first, then the others'."""
    doubts = []
    if not month.is_told:
        said = (
            f"the trace covers {seconds(span_s)}, and no calendar was given, so its load is taken for every "
            f"hour of the "
            "month (flat)"
        )
        others = "; ".join(_beside(bills[0], bill) for bill in bills[1:])
        doubts.append(f"{said}{': ' if others else ''}{others}; say with --month what the month looks like")
    later = month.calendar.later
    for bill in bills[1:]:
        if later is not None and bill.name == later.name and bill.cheaper not in (None, bills[0].cheaper):
            doubts.append(
                f"the load grows: {_beside(bills[0], bill)}; decide for how long the answer has to hold"
            )
    if month.is_laid_over:
        doubts.append(
            f"the trace has {seconds(span_s)} of its own hours, and {month.calendar.name} is laid over all of them "
            "alike, so quiet and busy hours count twice; leave --month out, and the trace is its own calendar"
        )
    if (runs_out := _runs_out(month, span_s, part)) is not None:
        doubts.append(runs_out)
    if part.left_out:
        all_of_it = part.requests + part.left_out
        doubts.append(
            f"the end of the trace was not replayed: {part.requests:,} of {counted(all_of_it, 'request')} were "
            f"({percent(part.left_out / all_of_it)} left out), so what comes after {seconds(part.length_s)} was "
            f"not seen"
        )
    return doubts


def _runs_out(month: Month, span_s: float, part: Excerpt) -> str | None:
    """Where a trace begins without the sessions that were under way and ends with the last of its own alone, what that
    leaves out of a month; None where it is little, or sessions begin so near to each other that they are one batch.
    """
    is_whole = part.sessions == month.shape.workload.sessions and not part.offset_s and not part.cut_s
    more = span_s / part.length_s - 1
    if not is_whole or not _MOST_RUN_OUT < more < 1:
        return None
    return (
        f"the last session began {seconds(span_s - part.length_s)} before the end of the trace, which has none that "
        "began before it: where sessions begin all the time as they do in it, the requests of a month are up to "
        f"{percent(more)} more"
    )


def month_notes(month: Month, recorded: Shape) -> list[str]:
    """What the month was made of. recorded: the trace's shape."""
    notes = list(month.calendar.notes)
    shape = month.shape
    if not shape.mix:
        return notes
    ratio = shape.workload.peak_rps / recorded.workload.peak_rps
    times = number(ratio)
    peak = "the trace's own peak" if times == "1" else f"{times} times its peak"
    if ratio < 1 and times != "1":
        peak += " (bursts are taken to be smaller, not rarer)"
    return [
        f"the month is that of the calendar {month.calendar.name}: {number(shape.scale)} times the trace's load in the "
        f"mean, {peak}. Requests are taken to share instances as they do in the trace; more load shares better, and "
        "less load shares worse and boots more often",
        *notes,
    ]


def _beside(chosen: CalendarBill, other: CalendarBill) -> str:
    if other.cheaper is None:
        return f"with {other.name} there would be {number(other.requests_month)} requests a month"
    costs = ", ".join(f"{target} {money(amount)}" for target, amount in other.cost_month.items())
    still = "still" if other.cheaper == chosen.cheaper else "then"
    by_staff = ", with its staff" if other.cost_month[other.cheaper] > min(other.cost_month.values()) else ""
    return f"with {other.name} a month is {costs}, and {other.cheaper} is {still} the cheaper{by_staff}"
