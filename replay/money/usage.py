"""What a run used of a plane: seconds in which instances had requests, requests, bytes, tokens; by window of its time.

An instance is active while it has at least one request; the union of its requests' times is what a serverless plane
bills, so that requests that share an instance share its seconds. It takes the target's own word for which instance
served what. Without it, active seconds are not known, and nothing is priced by them; but for a plane that gives each
request an instance of its own, where the requests' own times are enough.

A request is on its instance from when it was sent, or from when the instance was ready where the plane says when that
was: the wait for a boot is the boot's time, which is counted by itself. A WebSocket keeps its instance active from its
opening to its end (holding.py).
"""

from collections.abc import Sequence
from itertools import zip_longest
from typing import Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from replay.money.holding import on_open_sockets, until_let_go
from replay.results.columns import ABSENT_NS, Columns, Flags
from replay.results.evidence import Evidence
from replay.results.manifest_types import PlaneFigures
from replay.results.types import InstanceRecord

_NS = 1_000_000_000
MONTH_S = 730 * 3600.0
_MOST_RANKS = 16

Floats = npt.NDArray[np.float64]
Basis = Literal["measured", "simulated", "estimated", "missing"]


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What was used in so many seconds. requests: steps that were sent, by which a load is scaled. earlier_tries:
    those tries before a step's last one that were sent; each is paid as a request, is among model_calls where it is of
    one, and is in no other figure, since how long it took is not told. tokens: that models wrote, by their own count
    where they tell one. active_s: instance seconds with a request; billed_s: the same, each interval
    rounded up as the price table has it. request_s: the sum of the requests' own times. boot_s: of instances that
    booted. live_s: from boot to end, None where the plane does not say; beyond_kept_s: the part of it beyond instances
    that are kept; waiting_s: the part of that in which they neither booted nor had a request. ranks: of the active
    seconds, the shares in which they were those of the first instance that was active at the time, of the second
    beside it, and so on.
    has_recorded_bytes: egress is of the sizes that the trace recorded, since nothing was answered.
    """

    seconds: float
    requests: float = 0.0
    earlier_tries: float = 0.0
    on_sockets: float = 0.0
    active_s: float = 0.0
    billed_s: float = 0.0
    request_s: float = 0.0
    boot_s: float = 0.0
    live_s: float | None = None
    beyond_kept_s: float | None = None
    waiting_s: float | None = None
    egress_bytes: float = 0.0
    model_calls: float = 0.0
    tokens: float = 0.0
    ranks: tuple[float, ...] = ()
    basis: Basis = "measured"
    has_recorded_bytes: bool = False

    def active_of_kept_s(self, kept: int) -> float:
        """The active seconds of so many instances that are kept: requests go to them before any other."""
        return self.active_s * (sum(self.ranks[:kept]) if self.ranks else 1.0)

    @property
    def active_instances(self) -> float:
        """Instances that are active, in the mean."""
        return self.active_s / self.seconds if self.seconds else 0.0

    @property
    def concurrency(self) -> float | None:
        """Requests in an active instance, in the mean."""
        return self.request_s / self.active_s if self.active_s else None

    def times(self, factor: float) -> "Usage":
        """So many times as long, at the same load."""
        scaled = {
            name: None if value is None else value * factor
            for name in _SUMMED
            for value in (getattr(self, name),)
        }
        return msgspec.structs.replace(self, **scaled)

    def plus(self, other: "Usage") -> "Usage":
        """Both, one after the other."""
        summed = {}
        for name in _SUMMED:
            a, b = getattr(self, name), getattr(other, name)
            summed[name] = None if a is None or b is None else a + b
        worst = max(self.basis, other.basis, key=_BASES.index)
        ranks = _mixed(self.ranks, self.active_s, other.ranks, other.active_s)
        recorded = self.has_recorded_bytes or other.has_recorded_bytes
        return msgspec.structs.replace(self, basis=worst, ranks=ranks, has_recorded_bytes=recorded, **summed)


def _mixed(a: tuple[float, ...], of_a: float, b: tuple[float, ...], of_b: float) -> tuple[float, ...]:
    """Shares of both together."""
    whole = of_a + of_b
    if not whole:
        return a or b
    return tuple((x * of_a + y * of_b) / whole for x, y in zip_longest(a, b, fillvalue=0.0))


_SUMMED = (
    "seconds",
    "requests",
    "earlier_tries",
    "on_sockets",
    "active_s",
    "billed_s",
    "request_s",
    "boot_s",
    "live_s",
    "beyond_kept_s",
    "waiting_s",
    "egress_bytes",
    "model_calls",
    "tokens",
)
_BY_WINDOW = tuple(name for name in _SUMMED if name != "seconds")
_BASES: tuple[Basis, ...] = ("measured", "simulated", "estimated", "missing")


class Windows(NamedTuple):
    """A run's usage by window of window_s from its start; arrays of shape (windows,). ends_s: when the run ended, which
    may be within the last window. ranks: as of Usage, of the whole run. basis: of the active seconds.

    boot_s, live_s, beyond_kept_s, waiting_s: by when it was, where the plane told of its instances; else shared out by
    active seconds.
    """

    window_s: float
    ends_s: float
    requests: Floats
    earlier_tries: Floats
    on_sockets: Floats
    active_s: Floats
    billed_s: Floats
    request_s: Floats
    egress_bytes: Floats
    model_calls: Floats
    tokens: Floats
    boot_s: Floats
    live_s: Floats | None
    beyond_kept_s: Floats | None
    waiting_s: Floats | None
    ranks: tuple[float, ...]
    basis: Basis
    has_recorded_bytes: bool

    def of(self, which: npt.NDArray[np.intp]) -> Usage:
        """The windows of these numbers together."""
        inside = which[which < len(self.requests)]
        return Usage(
            seconds=float(np.clip(self.ends_s - inside * self.window_s, 0.0, self.window_s).sum()),
            requests=float(self.requests[inside].sum()),
            earlier_tries=float(self.earlier_tries[inside].sum()),
            on_sockets=float(self.on_sockets[inside].sum()),
            active_s=float(self.active_s[inside].sum()),
            billed_s=float(self.billed_s[inside].sum()),
            request_s=float(self.request_s[inside].sum()),
            boot_s=float(self.boot_s[inside].sum()),
            live_s=_sum(self.live_s, inside),
            beyond_kept_s=_sum(self.beyond_kept_s, inside),
            waiting_s=_sum(self.waiting_s, inside),
            egress_bytes=float(self.egress_bytes[inside].sum()),
            model_calls=float(self.model_calls[inside].sum()),
            tokens=float(self.tokens[inside].sum()),
            ranks=self.ranks,
            basis=self.basis,
            has_recorded_bytes=self.has_recorded_bytes,
        )

    def each(self, which: npt.NDArray[np.intp]) -> list[Usage]:
        """The windows of these numbers, each by itself; there may be tens of thousands."""
        inside = which[which < len(self.requests)]
        seconds = np.clip(self.ends_s - inside * self.window_s, 0.0, self.window_s)
        columns = {
            name: values[inside].tolist()
            for name in _BY_WINDOW
            for values in (getattr(self, name),)
            if values is not None
        }
        return [
            Usage(
                seconds=lasted_s,
                ranks=self.ranks,
                basis=self.basis,
                has_recorded_bytes=self.has_recorded_bytes,
                **dict(zip(columns, values, strict=True)),
            )
            for lasted_s, *values in zip(seconds.tolist(), *columns.values(), strict=True)
        ]

    def whole(self) -> Usage:
        return self.of(np.arange(len(self.requests)))


def _sum(values: Floats | None, which: npt.NDArray[np.intp]) -> float | None:
    return None if values is None else float(values[which].sum())


class Plane(NamedTuple):
    """How a plane bills, and what it told. granularity_ms: an active interval is rounded up to it. is_unshared: each
    request has an instance of its own, whatever the run's had. instances: what the run's plane told of them; minimum_s:
    for how long each of them is paid at least. is_simulated: nothing was sent, so sizes are the recorded ones. kept:
    instances that are there without a request.
    """

    granularity_ms: float = 100.0
    is_unshared: bool = False
    instances: Sequence[InstanceRecord] = ()
    minimum_s: float = 0.0
    is_simulated: bool = False
    kept: int = 0


def usage_by_window(
    run: Evidence,
    window_s: float,
    windows: int,
    plane: Plane = Plane(),  # noqa: B008 - a NamedTuple
    rows: Flags | None = None,
) -> Windows:
    """A run's usage in so many windows; what came later is left out. rows: of these steps alone."""
    columns, figures = until_let_go(run.columns), run.summary.plane
    everything = columns.sent_ns != ABSENT_NS
    sent = everything if rows is None else everything & rows
    served_ns = _served_ns(columns, plane.instances)
    at_s, end_s = columns.sent_ns[sent] / _NS, columns.end_ns[sent] / _NS
    window = np.minimum((at_s / window_s).astype(np.int64), windows)
    starts, ends = _intervals(columns, sent, served_ns, plane)
    active, billed = _by_window(starts, ends, window_s, windows, plane.granularity_ms / 1000)
    own, own_requests = _own_shares(figures, columns, served_ns, plane)
    # Only a plane of our own is known to have had no instance busy with what it refused.
    has_instance = sent & columns.ok if figures is not None else sent
    is_told = bool((columns.instance[has_instance] >= 0).all()) and bool(sent.any())
    is_llm = np.array([kind == "llm" for kind, _ in columns.series_names], np.bool_)

    def summed(values: npt.NDArray[np.float64]) -> Floats:
        return np.bincount(window, weights=values, minlength=windows + 1)[:windows].astype(np.float64)

    def known(values: npt.NDArray[np.int64]) -> Floats:
        return np.where(values == ABSENT_NS, 0, values).astype(np.float64)

    is_of_models = is_llm[columns.series] if len(is_llm) else np.zeros(columns.n, np.bool_)
    calls = is_of_models[sent].astype(np.float64)
    active, billed = active * own, billed * own
    share, of_all = 1.0, (starts, ends)
    if rows is not None:
        of_all = _intervals(columns, everything, served_ns, plane)
        whole, _ = _by_window(*of_all, window_s, windows, 0.0)
        share = float(active.sum()) / (float(whole.sum()) * own) if whole.any() else 0.0
    there = None
    if plane.instances:
        there = _lives(plane, of_all, run.summary.elapsed_s, window_s, windows)
    elif figures is not None:
        by_active = active / active.sum() if active.any() else np.full(windows, 1 / windows)
        there = _shared_out(figures, plane.kept, _ranks(*of_all), run.summary.elapsed_s, by_active)
    return Windows(
        window_s,
        run.summary.elapsed_s,
        summed(np.ones(len(at_s))),
        _earlier_tries(columns, rows, window_s, windows),
        summed(on_open_sockets(columns)[sent].astype(np.float64)),
        active,
        billed,
        summed(end_s - served_ns[sent] / _NS) * own_requests,
        summed(known(columns.response_bytes[sent])),
        summed(calls)
        + _earlier_tries(columns, is_of_models if rows is None else is_of_models & rows, window_s, windows),
        summed(known(columns.written_tokens[sent])),
        np.zeros(windows) if there is None else share * there.boot_s,
        None if there is None else share * there.live_s,
        None if there is None else share * there.beyond_kept_s,
        None if there is None else share * there.waiting_s,
        _ranks(starts, ends),
        "missing" if not (is_told or plane.is_unshared) else "simulated" if plane.is_simulated else "measured",
        plane.is_simulated,
    )


def _earlier_tries(columns: Columns, rows: Flags | None, window_s: float, windows: int) -> Floats:
    """Where the last try of each step was, sent or not: when the ones before it were is not told."""
    tried = columns.sent_before > 0
    if rows is not None:
        tried &= rows
    at_ns = np.where(columns.sent_ns == ABSENT_NS, columns.end_ns, columns.sent_ns)[tried]
    window = np.minimum((at_ns / _NS / window_s).astype(np.int64), windows)
    found = np.bincount(window, weights=columns.sent_before[tried], minlength=windows + 1)
    return found[:windows].astype(np.float64)


def in_flight_by_window(
    run: Evidence,
    window_s: float,
    windows: int,
    instances: Sequence[InstanceRecord],
    rows: Flags,
    *,
    as_recorded: bool,
) -> Floats:
    """How many of these steps were on their instances in the mean of each window; the wait for a boot is no part.

    as_recorded: for as long as the recording has them, where it says so, since the run's plane may have cut them short.
    """
    columns = until_let_go(run.columns)
    told = rows & (columns.sent_ns != ABSENT_NS)
    starts_ns, ends_ns = _served_ns(columns, instances)[told], columns.end_ns[told]
    if as_recorded:
        recorded_ns = columns.numbers("recorded_ns")[told]
        is_held = ends_ns != run.columns.end_ns[told]
        ends_ns = np.where(is_held | (recorded_ns == ABSENT_NS), ends_ns, starts_ns + recorded_ns)
    seconds, _ = _by_window(starts_ns / _NS, ends_ns / _NS, window_s, windows, 0.0)
    return seconds / window_s


def _served_ns(columns: Columns, instances: Sequence[InstanceRecord]) -> npt.NDArray[np.int64]:
    """Since when each step was on its instance: sent, or when the instance was ready, where that was later."""
    ready = {one.instance: one.ready_ns for one in instances if one.ready_ns is not None}
    by_code = np.array([ready.get(name, 0) for name in columns.instances], np.int64)
    told = columns.instance >= 0
    served = columns.sent_ns.copy()
    if len(by_code):
        served[told] = np.maximum(served[told], by_code[columns.instance[told]])
    return np.where(columns.sent_ns == ABSENT_NS, columns.sent_ns, np.minimum(served, columns.end_ns))


def _own_shares(
    figures: PlaneFigures | None, columns: Columns, served_ns: npt.NDArray[np.int64], plane: Plane
) -> tuple[float, float]:
    """What part of the time that is seen from outside the plane itself says that it was busy, and that requests were on
    its instances: from outside, a wait for a boot or for a place looks active.
    """
    if figures is None:
        return 1.0, 1.0
    sent = columns.sent_ns != ABSENT_NS
    on_instance = sent & (columns.instance >= 0)
    starts, ends = _intervals(columns, sent, served_ns, plane)
    requests_s = float((columns.end_ns[on_instance] - served_ns[on_instance]).sum()) / _NS
    busy = _part(figures.busy_s, float((ends - starts).sum()))
    if not plane.instances:
        return (1.0, 1.0) if plane.is_unshared else (busy, busy)
    requests = _part(sum(one.request_ns for one in plane.instances) / _NS, requests_s)
    return (requests if plane.is_unshared else busy), requests


def _part(told_s: float, seen_s: float) -> float:
    return min(1.0, told_s / seen_s) if seen_s else 1.0


def _intervals(
    columns: Columns, sent: Flags, served_ns: npt.NDArray[np.int64], plane: Plane
) -> tuple[Floats, Floats]:
    if plane.is_unshared:
        # What no instance served is no time of one, where it is known which served what.
        told = sent & (columns.instance >= 0)
        rows = told if told.any() else sent
        return served_ns[rows] / _NS, columns.end_ns[rows] / _NS
    return active_intervals(columns, sent, served_ns)


class _There(NamedTuple):
    """Instance seconds by window, as Windows has them."""

    boot_s: Floats
    live_s: Floats
    beyond_kept_s: Floats
    waiting_s: Floats


def _shared_out(
    figures: PlaneFigures, kept: int, ranks: Sequence[float], end_s: float, shares: Floats
) -> _There:
    """From a plane's sums alone, in these shares."""
    active_of_kept_s = figures.busy_s * (sum(ranks[:kept]) if ranks else 1.0)
    kept_idle_s = max(0.0, kept * end_s - active_of_kept_s)
    waiting_s = figures.instance_s - figures.booting_s - figures.busy_s - kept_idle_s
    beyond_kept_s = figures.instance_s - kept * end_s
    return _There(
        figures.booting_s * shares,
        figures.instance_s * shares,
        max(0.0, beyond_kept_s) * shares,
        max(0.0, waiting_s) * shares,
    )


def _lives(plane: Plane, active: tuple[Floats, Floats], end_s: float, window_s: float, windows: int) -> _There:
    """By when it was. Lives are from boot to end; what is paid beyond a short one is put where it began. active: starts
    and ends of when an instance had a request.
    """

    def seconds(at_ns: int | None) -> float:
        return end_s if at_ns is None else min(max(at_ns / _NS, 0.0), end_s)

    begins = np.array([seconds(one.requested_ns) for one in plane.instances])
    gone = np.array([seconds(one.gone_ns) for one in plane.instances])
    ready = np.array(
        [seconds(one.gone_ns if one.ready_ns is None else one.ready_ns) for one in plane.instances]
    )
    boots, _ = _by_window(begins, ready, window_s, windows, 0.0)
    lives, _ = _by_window(begins, gone, window_s, windows, 0.0)
    place = (begins / window_s).astype(np.int64)
    inside = place < windows
    more = np.zeros(windows)
    np.add.at(more, place[inside], np.maximum(plane.minimum_s - (gone - begins), 0.0)[inside])
    edges: Floats = np.arange(windows + 1, dtype=np.float64) * window_s
    there, awake = _Count.of(begins, gone), _Count.of(ready, gone)
    beyond, waiting = _beyond_kept(plane.kept, there, awake, _Count.of(*active), edges)
    return _There(boots, lives + more, beyond + more, waiting)


class _Count(NamedTuple):
    """How many of something there are: times, in no order, and by how much it changes at each."""

    at_s: Floats
    changes: Floats

    @classmethod
    def of(cls, starts: Floats, ends: Floats) -> "_Count":
        return cls(np.concatenate((starts, ends)), np.repeat([1.0, -1.0], [len(starts), len(ends)]))


def _beyond_kept(
    kept: int, there: _Count, awake: _Count, active: _Count, edges_s: Floats
) -> tuple[Floats, Floats]:
    """Seconds of instances beyond those that are kept, and of these in which they were awake without a request, between
    the edges. Requests go to those that are kept before any other.
    """
    at_s = np.concatenate((there.at_s, awake.at_s, active.at_s))
    order = np.argsort(at_s, kind="stable")
    at_s = at_s[order]

    def over_time(count: _Count, before: int) -> Floats:
        changes = np.zeros(len(order))
        changes[before : before + len(count.changes)] = count.changes
        return np.cumsum(changes[order])[:-1]

    def between(instances: Floats) -> Floats:
        so_far = np.concatenate(([0.0], np.cumsum(np.maximum(instances, 0.0) * np.diff(at_s))))
        return np.diff(np.interp(edges_s, at_s, so_far))

    n, m = len(there.at_s), len(awake.at_s)
    taken = np.maximum(over_time(active, n + m), kept)
    return between(over_time(there, 0) - kept), between(over_time(awake, n) - taken)


def _by_window(
    starts: Floats, ends: Floats, window_s: float, windows: int, granularity_s: float
) -> tuple[Floats, Floats]:
    """Seconds of intervals, summed, by window; and as they are billed.

    An interval of many windows is billed where it was active, and what rounding adds where it began: a bootstrap over
    windows would else find all of the interval in one of them.
    """
    active, rounding = np.zeros(windows), np.zeros(windows)
    if not len(starts):
        return active, rounding
    first, last = (starts / window_s).astype(np.int64), (ends / window_s).astype(np.int64)
    inside = (first == last) & (first < windows)
    lengths = ends - starts
    np.add.at(active, first[inside], lengths[inside])
    rounded = np.ceil(np.round(lengths / granularity_s, 9)) * granularity_s if granularity_s else lengths
    known = first < windows
    np.add.at(rounding, first[known], (rounded - lengths)[known])
    longer = (first != last) & known
    begin, end = first[longer], last[longer]
    np.add.at(active, begin, (begin + 1) * window_s - starts[longer])
    reached = end < windows
    np.add.at(active, end[reached], ends[longer][reached] - end[reached] * window_s)
    # The windows between are covered whole: from the one after the first up to the last.
    covered = np.zeros(windows + 1)
    np.add.at(covered, begin + 1, window_s)
    np.add.at(covered, np.minimum(end, windows), -window_s)
    active = active + np.cumsum(covered)[:windows]
    return active, active + rounding


def active_intervals(
    columns: Columns, sent: Flags, served_ns: npt.NDArray[np.int64] | None = None
) -> tuple[Floats, Floats]:
    """Where an instance had at least one request: starts and ends in seconds, all instances one after another.

    served_ns: since when each step was on its instance; None: since it was sent.
    """
    since_ns = columns.sent_ns if served_ns is None else served_ns
    told = sent & (columns.instance >= 0)
    order = np.lexsort((since_ns[told], columns.instance[told]))
    instance = columns.instance[told][order]
    starts, ends = since_ns[told][order], columns.end_ns[told][order]
    if not len(starts):
        return np.zeros(0), np.zeros(0)
    # Within an instance the latest end so far; a step up between instances keeps them apart.
    offset = instance.astype(np.int64) * (int(ends.max()) + 1)
    reached = np.maximum.accumulate(ends + offset)
    begins = np.concatenate(([True], (starts + offset)[1:] > reached[:-1]))
    at = np.flatnonzero(begins)
    until = np.concatenate((at[1:], [len(starts)])) - 1
    return starts[at] / _NS, (reached[until] - offset[until]) / _NS


def _ranks(starts: Floats, ends: Floats) -> tuple[float, ...]:
    """The shares of active seconds by how many instances were active besides, up to the sixteenth."""
    if not len(starts):
        return ()
    at = np.concatenate((starts, ends))
    change = np.concatenate((np.ones(len(starts)), -np.ones(len(ends))))
    order = np.lexsort((change, at))
    lasts_s = np.diff(at[order])
    active = np.cumsum(change[order])[:-1]
    whole_s = float((ends - starts).sum())
    if not whole_s:
        return ()
    return tuple(float(lasts_s[active >= rank].sum()) / whole_s for rank in range(1, _MOST_RANKS + 1))


def month_of(parts: list[tuple[float, Usage]]) -> Usage:
    """A month of 730 hours in which each part's load holds for its share of the time. Raises ValueError for none."""
    scaled = [usage.times(share * MONTH_S / usage.seconds) for share, usage in parts if usage.seconds and share]
    if not scaled:
        raise ValueError("a month needs at least one part that has a length")
    month = scaled[0]
    for usage in scaled[1:]:
        month = month.plus(usage)
    return month
