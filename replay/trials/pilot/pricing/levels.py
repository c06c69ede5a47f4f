"""A target's run by the load levels of the trace: what it used at each, and the month that they make. Pure."""

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from replay.choice.types import Bucket
from replay.money.cost import CostError
from replay.money.month_load import plane_of
from replay.money.price_table import PriceTable
from replay.money.resampling import FEWEST, block_counts, drawn_usages
from replay.money.usage import MONTH_S, Usage, Windows, month_of, usage_by_window
from replay.results.columns import Flags
from replay.results.evidence import Evidence
from replay.results.types import InstanceRecord
from replay.trials.pilot.pricing.month import period_h
from replay.trials.pilot.workload.shape import Shape

# As many blocks of a run are enough for percentiles of their sums.
_BLOCKS = 20


class Measured(NamedTuple):
    """The run by which a target is priced. offset_s: where in the trace the run begins; None if its times are not the
    trace's, so that no level of load can be found in it. instances: what its plane told of them.
    """

    run: Evidence
    offset_s: float | None
    is_simulated: bool
    instances: tuple[InstanceRecord, ...] = ()


def windows_of(
    measured: Measured, shape: Shape, table: PriceTable, kept: int = 0, rows: Flags | None = None
) -> Windows:
    """A run's usage by the trace's windows, as the table bills it, so many instances kept. rows: of these steps."""
    window_s = float(shape.workload.window_s)
    first = round((measured.offset_s or 0.0) / window_s)
    return usage_by_window(
        measured.run,
        window_s,
        max(1, len(shape.levels) - first),
        plane_of(table, measured.instances, kept, is_simulated=measured.is_simulated),
        rows,
    )


def usage_by_level(windows: Windows, measured: Measured, shape: Shape) -> tuple[list[Usage | None], bool]:
    """The usage at each level of the month.

    Of a level of the trace that the run did not reach it is that of the whole run at the level's rate.
    """
    whole = windows.of(reached(windows))
    found: list[Usage | None] = []
    is_estimated = False
    for level, bucket in enumerate(recorded_levels(shape)):
        there = seen_at(level, windows, measured, shape)
        if not bucket.weight:
            found.append(None)
        elif len(there):
            found.append(windows.of(there))
        else:
            is_estimated = True
            found.append(_at_rate(whole, bucket.requests_per_s))
    return by_month_level(found, shape), is_estimated


def recorded_levels(shape: Shape) -> Sequence[Bucket]:
    """The trace's own load levels, whatever those of the month are."""
    return shape.recorded or shape.workload.buckets


def by_month_level(recorded: Sequence[Usage | None], shape: Shape) -> list[Usage | None]:
    """The usage at the month's levels, from that at the trace's: each part as long as it lasts in a month.

    So many times the requests use so many times the seconds; what they share of an instance is left as it is.
    """
    if not shape.mix:
        return list(recorded)
    found: list[Usage | None] = [None] * len(shape.workload.buckets)
    for part in shape.mix:
        usage = recorded[part.of]
        if usage is None or not usage.seconds:
            continue
        lasts = usage.times(part.weight * MONTH_S / usage.seconds)
        if part.level != 1.0:
            lasts = _at_level(lasts, part.level)
        before = found[part.bucket]
        found[part.bucket] = lasts if before is None else before.plus(lasts)
    return found


def _at_rate(usage: Usage, requests_per_s: float) -> Usage:
    """As if the same requests came at another rate; what they share is left as it is."""
    now = usage.requests / usage.seconds if usage.seconds else 0.0
    return _at_level(usage, requests_per_s / now if now else 1.0)


def _at_level(usage: Usage, level: float) -> Usage:
    """So many times the load in the same time, requests that began before it and run into it as well."""
    basis = "missing" if usage.basis == "missing" else "estimated"
    return msgspec.structs.replace(usage.times(level), seconds=usage.seconds, basis=basis)


def too_few(levels: Sequence[Usage | None], shape: Shape) -> float:
    """By what a run's usage is to be multiplied, so that a month of it has the requests that the trace has in a month.

    A run ends sooner or later than its trace, and what was sent after the last window is in none: a bill would count
    other requests than the workload that it is of.
    """
    month = month_at(levels, shape)
    wanted = sum(bucket.requests_month for bucket in shape.workload.buckets)
    return wanted / month.requests if month.requests and wanted else 1.0


def at_times(levels: Sequence[Usage | None], factor: float) -> list[Usage | None]:
    """So many times as much in the same time."""
    return [
        None if usage is None else msgspec.structs.replace(usage.times(factor), seconds=usage.seconds)
        for usage in levels
    ]


def month_at(levels: Sequence[Usage | None], shape: Shape) -> Usage:
    """The month of these levels. Raises CostError where there is none."""
    weights = [bucket.weight for bucket in shape.workload.buckets]
    parts = [(weight, usage) for weight, usage in zip(weights, levels, strict=True) if usage is not None]
    try:
        return month_of(parts)
    except ValueError as cause:
        raise CostError(str(cause)) from cause


def seen_at(level: int, windows: Windows, measured: Measured, shape: Shape) -> npt.NDArray[np.intp]:
    """The windows of the run in which the trace had that level; none where the run's times are not the trace's."""
    if measured.offset_s is None:
        return np.zeros(0, np.intp)
    there = shape.windows(level) - round(measured.offset_s / shape.workload.window_s)
    return there[(there >= 0) & (there < len(reached(windows)))]


def reached(windows: Windows) -> npt.NDArray[np.intp]:
    """The windows that the run came to."""
    return np.arange(min(max(1, ceil(windows.ends_s / windows.window_s)), len(windows.requests)))


def drawn_months(windows: Windows, measured: Measured, shape: Shape, factor: float) -> list[Usage]:
    """Months as this one is made, of the run's windows drawn anew; nothing where there are too few. factor: as too_few
    has it.

    They are drawn by the hour where a month is the trace's own hours, and else from all of the run, whatever load they
    had: how much of the time is busy is what a short trace knows least.
    """
    seen = reached(windows)
    if windows.basis == "missing" or len(seen) < FEWEST:
        return []
    counts = block_counts(*_alike(windows, measured, shape), seed=1)
    drawn: list[list[Usage | None]] = []
    for level, bucket in enumerate(recorded_levels(shape)):
        there = seen_at(level, windows, measured, shape)
        if not bucket.weight:
            drawn.append([None] * len(counts))
        elif len(there):
            drawn.append([*drawn_usages(windows, there, counts)])
        else:
            of_all = drawn_usages(windows, seen, counts)
            drawn.append([_at_rate(usage, bucket.requests_per_s) for usage in of_all])
    return [
        month_at(at_times(by_month_level(recorded, shape), factor), shape)
        for recorded in zip(*drawn, strict=True)
    ]


def _alike(
    windows: Windows, measured: Measured, shape: Shape
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Which windows that the run came to are of one hour of the trace's own calendar, all of one where it has none; and
    how many neighbours of each hour are drawn together: those of a session, and a twentieth of them at least.
    """
    seen, window_s, period = reached(windows), windows.window_s, period_h(shape.workload)
    if period is None or measured.offset_s is None:
        hours = np.zeros(len(seen), np.int64)
    else:
        hours = ((measured.offset_s + seen * window_s) // 3600).astype(np.int64) % period
    # An hour that the run came to for a minute says nothing of the others.
    sizes = np.unique(hours, return_counts=True)[1]
    of_a_session = int((shape.workload.longest_session_s or 0.0) // window_s) + 1
    return hours, np.maximum(1, np.maximum(sizes // _BLOCKS, np.minimum(of_a_session, sizes // FEWEST)))
