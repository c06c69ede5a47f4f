"""A run's load as a month of it: the usage that serverless tables price, by each table's own rules. Pure.

The run is taken as one load that repeats at the levels of a calendar: a pilot prices idle, normal and peak levels
apart, this does not. Where a calendar, or another number of requests a day, makes it more or less, what requests share
of an instance stays as the run had it; so the month is the sum, over its hours, of the run's usage times their level.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from replay.judge.figures import Evidence
from replay.judge.money.breakeven import resampled
from replay.judge.money.calendar import Calendar, flat, load_of
from replay.judge.money.cost import CostError
from replay.judge.money.price_table import PriceTable
from replay.judge.money.usage import MONTH_S, Basis, Usage, month_of, usage_by_window
from replay.results.columns import ABSENT_NS
from replay.results.types import InstanceRecord

_NS = 1_000_000_000
_DAYS = MONTH_S / 86_400
# Twenty blocks: enough for percentiles of their sums, few enough to keep what happens together in one block.
_BLOCKS = 20
_PEAK_S = 10.0
_SEED = 1


class Seen(NamedTuple):
    """A run, the requests a day to scale it to (None: as they were), what its plane told of its instances, and how its
    month looks.
    """

    run: Evidence
    requests_a_day: float | None = None
    instances: tuple[InstanceRecord, ...] = ()
    calendar: Calendar = flat()


class MonthLoad(NamedTuple):
    """drawn: months of resampled blocks of the run. factor: the month's load over the run's, in the mean; peak_factor:
    in the month's fullest hours.
    """

    month: Usage
    drawn: list[Usage]
    factor: float
    peak_factor: float


def month_load(seen: Seen, table: PriceTable | None = None) -> MonthLoad:
    """A month of the run, rounded as the table bills it. Raises CostError where the run sent nothing."""
    run, prices = seen.run, None if table is None else table.request
    window_s = run.summary.elapsed_s / _BLOCKS * (1 + 1e-9)
    if not (run.columns.sent_ns != ABSENT_NS).any() or not window_s:
        raise CostError("nothing was sent in this run, so there is nothing to price")
    windows = usage_by_window(
        run,
        window_s,
        _BLOCKS,
        prices.granularity_ms if prices is not None else 0.0,
        is_simulated=run.summary.plane is not None,
    )
    whole = windows.whole()
    if seen.instances and table is not None and table.instance is not None:
        lived_s = _lived_s(seen.instances, run.summary.elapsed_s, table.instance.minimum_s)
        whole = msgspec.structs.replace(whole, live_s=lived_s)
    blocks = [windows.of(np.array([n])) for n in range(_BLOCKS)]
    if prices is not None and prices.is_unshared:
        whole, blocks = _unshared(whole), [_unshared(block) for block in blocks]
    month = month_of([(1.0, whole)])
    counts = run.summary.counts
    load = load_of(
        seen.calendar, month.requests / _DAYS, seen.requests_a_day, counts.sent / max(1, counts.sessions)
    )
    drawn = [] if month.basis == "missing" else resampled(blocks, _SEED)
    return MonthLoad(
        _scaled(month, load.mean), [_scaled(one, load.mean) for one in drawn], load.mean, load.peak
    )


def _unshared(usage: Usage) -> Usage:
    """As if each request had had an instance of its own."""
    return msgspec.structs.replace(usage, active_s=usage.request_s)


def _scaled(month: Usage, factor: float) -> Usage:
    """So many times the load in the same month; an estimate, since more load shares instances better."""
    if factor == 1.0:
        return month
    basis: Basis = "missing" if month.basis == "missing" else "estimated"
    return msgspec.structs.replace(month.times(factor), seconds=month.seconds, basis=basis)


def _lived_s(instances: Sequence[InstanceRecord], end_s: float, minimum_s: float) -> float:
    """Of all instances, boots included, until they were gone or the run ended; each minimum_s at least."""
    lives = [
        (end_s if one.gone_ns is None else one.gone_ns / _NS) - one.requested_ns / _NS for one in instances
    ]
    return sum(max(life_s, minimum_s) for life_s in lives)


def peak_rps(run: Evidence) -> float:
    """Requests a second in the fullest ten seconds, or in the whole of a shorter run."""
    sent_ns = run.columns.sent_ns
    at_s = sent_ns[sent_ns != ABSENT_NS] / _NS
    window_s = min(_PEAK_S, run.summary.elapsed_s)
    return float(np.bincount((at_s / window_s).astype(np.int64)).max()) / window_s
