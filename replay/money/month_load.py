"""A run's load as a month of it: the usage that serverless tables price, by each table's own rules. Pure.

The run is taken as one load that repeats at the levels of a calendar: a pilot prices idle, normal and peak levels
apart, this does not. Where a calendar, or another number of requests a day, makes it more or less, what requests share
of an instance stays as the run had it; so the month is the sum, over its hours, of the run's usage times their level.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from replay.money.calendar import Calendar, flat, load_of
from replay.money.cost import CostError
from replay.money.following import WINDOW_S, Follows, follows
from replay.money.price_table import PriceTable
from replay.money.resampling import resampled
from replay.money.usage import MONTH_S, Basis, Plane, Usage, month_of, usage_by_window
from replay.results.columns import ABSENT_NS
from replay.results.evidence import Evidence
from replay.results.types import InstanceRecord
from replay.words.phrases import counted

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


def month_load(seen: Seen, table: PriceTable | None = None, kept: int = 0) -> MonthLoad:
    """A month of the run, rounded as the table bills it, with so many instances kept. Raises CostError where the run
    sent nothing.
    """
    run = seen.run
    window_s = run.summary.elapsed_s / _BLOCKS * (1 + 1e-9)
    if not (run.columns.sent_ns != ABSENT_NS).any() or not window_s:
        raise CostError("nothing was sent in this run, so there is nothing to price")
    billed = plane_of(table, seen.instances, kept, is_simulated=run.summary.plane is not None)
    windows = usage_by_window(run, window_s, _BLOCKS, billed)
    whole = windows.whole()
    blocks = [windows.of(np.array([n])) for n in range(_BLOCKS)]
    month = month_of([(1.0, whole)])
    counts = run.summary.counts
    load = load_of(
        seen.calendar, month.requests / _DAYS, seen.requests_a_day, counts.sent / max(1, counts.sessions)
    )
    drawn = [] if month.basis == "missing" else resampled(blocks, _SEED)
    return MonthLoad(
        _scaled(month, load.mean), [_scaled(one, load.mean) for one in drawn], load.mean, load.peak
    )


def plane_of(
    table: PriceTable | None, instances: Sequence[InstanceRecord], kept: int = 0, *, is_simulated: bool
) -> Plane:
    """How a table bills what a run's instances did, of which so many are kept without a request."""
    prices = None if table is None else table.request
    minimum_s = 0.0
    if table is not None:
        minimum_s = table.machine_minimum_s if table.instance is None else table.instance.minimum_s
    return Plane(
        granularity_ms=0.0 if prices is None else prices.granularity_ms,
        is_unshared=prices is not None and prices.is_unshared,
        instances=instances,
        minimum_s=minimum_s,
        is_simulated=is_simulated,
        kept=kept,
    )


def tries_note(run: Evidence) -> str | None:
    """What bills have of the tries before a step's last one, and what they lack; None where none of them was sent."""
    tries = int(run.columns.sent_before.sum())
    if not tries:
        return None
    return (
        f"{counted(tries, 'request')} of the run had another try after {'it' if tries == 1 else 'them'}: the fee per "
        "request is for each try, but the time for which those before the last one kept an instance is in no bill, and "
        "machines are sized without them"
    )


def _scaled(month: Usage, factor: float) -> Usage:
    """So many times the load in the same month; an estimate, since more load shares instances better."""
    if factor == 1.0:
        return month
    basis: Basis = "missing" if month.basis == "missing" else "estimated"
    return msgspec.structs.replace(month.times(factor), seconds=month.seconds, basis=basis)


def followed(run: Evidence) -> Follows:
    """The run's load by minute, as machines that come and go would follow it."""
    elapsed_s = run.summary.elapsed_s
    window_s = min(WINDOW_S, elapsed_s)
    # The rest that is no whole window belongs to the last: a burst in three seconds is no rate for a minute.
    windows = max(1, int(elapsed_s / window_s + 1e-9))
    sent_ns = run.columns.sent_ns
    at = np.minimum((sent_ns[sent_ns != ABSENT_NS] / _NS / window_s).astype(np.int64), windows - 1)
    lengths = np.full(windows, window_s)
    lengths[-1] = elapsed_s - window_s * (windows - 1)
    return follows(np.bincount(at, minlength=windows) / lengths, lengths, window_s=window_s)


def peak_in_flight(run: Evidence) -> int:
    """The most requests that were under way at once; one that ends makes room for one that is sent then."""
    sent = run.columns.sent_ns != ABSENT_NS
    at_ns = np.concatenate((run.columns.sent_ns[sent], run.columns.end_ns[sent]))
    change = np.repeat(np.array([1, -1]), int(np.count_nonzero(sent)))
    return int(np.cumsum(change[np.lexsort((change, at_ns))]).max(initial=0))


def peak_rps(run: Evidence, window_s: float = _PEAK_S) -> float:
    """Requests a second in the fullest window, or in the whole of a shorter run."""
    sent_ns = run.columns.sent_ns
    at_s = sent_ns[sent_ns != ABSENT_NS] / _NS
    window_s = min(window_s, run.summary.elapsed_s)
    return float(np.bincount((at_s / window_s).astype(np.int64)).max()) / window_s
