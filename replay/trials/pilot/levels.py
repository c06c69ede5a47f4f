"""A target's run by the load levels of the trace: what it used at each, and the month that they make. Pure."""

from collections.abc import Sequence
from math import ceil
from typing import NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from replay.judge.figures import Evidence
from replay.judge.money.breakeven import resampled
from replay.judge.money.cost import CostError
from replay.judge.money.month_load import plane_of
from replay.judge.money.price_table import PriceTable
from replay.judge.money.usage import Usage, Windows, month_of, usage_by_window
from replay.results.columns import Flags
from replay.results.types import InstanceRecord
from replay.trials.pilot.workload import Shape


class Measured(NamedTuple):
    """The run by which a target is priced. offset_s: where in the trace the run begins; None if its times are not the
    trace's, so that no level of load can be found in it. instances: what its plane told of them.
    """

    run: Evidence
    offset_s: float | None
    is_simulated: bool
    instances: tuple[InstanceRecord, ...] = ()


def windows_of(measured: Measured, shape: Shape, table: PriceTable, rows: Flags | None = None) -> Windows:
    window_s = float(shape.workload.window_s)
    first = round((measured.offset_s or 0.0) / window_s)
    return usage_by_window(
        measured.run,
        window_s,
        max(1, len(shape.levels) - first),
        plane_of(table, measured.instances, is_simulated=measured.is_simulated),
        rows,
    )


def usage_by_level(windows: Windows, measured: Measured, shape: Shape) -> tuple[list[Usage | None], bool]:
    """The usage at each level; of a level that the run did not reach, that of the whole run at the level's rate."""
    whole = windows.of(reached(windows))
    found: list[Usage | None] = []
    is_estimated = False
    for level, bucket in enumerate(shape.workload.buckets):
        there = seen_at(level, windows, measured, shape)
        if not bucket.weight:
            found.append(None)
        elif len(there):
            found.append(windows.of(there))
        else:
            is_estimated = True
            found.append(_at_rate(whole, bucket.requests_per_s))
    return found, is_estimated


def _at_rate(usage: Usage, requests_per_s: float) -> Usage:
    """As if the same requests came at another rate; what they share is left as it is."""
    now = usage.requests / usage.seconds if usage.seconds else 0.0
    scaled = usage.times(requests_per_s / now) if now else usage
    basis = "missing" if usage.basis == "missing" else "estimated"
    return msgspec.structs.replace(scaled, seconds=usage.seconds, basis=basis)


def month_at(levels: Sequence[Usage | None], shape: Shape) -> Usage:
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


def drawn_months(windows: Windows, measured: Measured, shape: Shape) -> list[Usage]:
    """Months as this one is made, each level of its own windows drawn anew; nothing where no level has enough."""
    if windows.basis == "missing":
        return []
    parts: list[tuple[float, list[Usage]]] = []
    for level, bucket in enumerate(shape.workload.buckets):
        there = seen_at(level, windows, measured, shape)
        of = there if len(there) else reached(windows)
        if not bucket.weight or not len(of):
            continue
        drawn = resampled([windows.of(np.array([n])) for n in of], seed=1 + level) or [windows.of(of)]
        if not len(there):
            drawn = [_at_rate(one, bucket.requests_per_s) for one in drawn]
        parts.append((bucket.weight, drawn))
    most = max((len(usages) for _, usages in parts), default=0)
    if most <= 1:
        return []
    return [month_of([(weight, usages[n % len(usages)]) for weight, usages in parts]) for n in range(most)]
