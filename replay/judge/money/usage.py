"""What a run used of a plane: seconds in which instances had requests, requests, bytes, tokens; by window of its time.

An instance is active while it has at least one request; the union of its requests' times is what a serverless plane
bills, so that requests that share an instance share its seconds. It takes the target's own word for which instance
served what. Without it, active seconds are not known, and nothing is priced by them.
"""

from itertools import zip_longest
from typing import Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from replay.judge.figures import Evidence
from replay.results.columns import ABSENT_NS, Columns, Flags

_NS = 1_000_000_000
MONTH_S = 730 * 3600.0
_MOST_RANKS = 16

Floats = npt.NDArray[np.float64]
Basis = Literal["measured", "simulated", "estimated", "missing"]


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What was used in so many seconds. active_s: instance seconds with a request; billed_s: the same, each interval
    rounded up as the price table has it. request_s: the sum of the requests' own times. boot_s: of instances that
    booted. live_s: from boot to end, None where the plane does not say. ranks: of the active seconds, the shares in
    which they were those of the first instance that was active at the time, of the second beside it, and so on.
    """

    seconds: float
    requests: float = 0.0
    active_s: float = 0.0
    billed_s: float = 0.0
    request_s: float = 0.0
    boot_s: float = 0.0
    live_s: float | None = None
    egress_bytes: float = 0.0
    model_calls: float = 0.0
    tokens: float = 0.0
    ranks: tuple[float, ...] = ()
    basis: Basis = "measured"

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
        return msgspec.structs.replace(self, basis=worst, ranks=ranks, **summed)


def _mixed(a: tuple[float, ...], of_a: float, b: tuple[float, ...], of_b: float) -> tuple[float, ...]:
    """Shares of both together."""
    whole = of_a + of_b
    if not whole:
        return a or b
    return tuple((x * of_a + y * of_b) / whole for x, y in zip_longest(a, b, fillvalue=0.0))


_SUMMED = (
    "seconds",
    "requests",
    "active_s",
    "billed_s",
    "request_s",
    "boot_s",
    "live_s",
    "egress_bytes",
    "model_calls",
    "tokens",
)
_BASES: tuple[Basis, ...] = ("measured", "simulated", "estimated", "missing")


class Windows(NamedTuple):
    """A run's usage by window of window_s from its start; arrays of shape (windows,). ends_s: when the run ended, which
    may be within the last window. ranks: as of Usage, of the whole run. basis: of the active seconds.
    """

    window_s: float
    ends_s: float
    requests: Floats
    active_s: Floats
    billed_s: Floats
    request_s: Floats
    egress_bytes: Floats
    model_calls: Floats
    tokens: Floats
    boot_s: float
    live_s: float | None
    ranks: tuple[float, ...]
    basis: Basis

    def of(self, which: npt.NDArray[np.intp]) -> Usage:
        """The windows of these numbers together. Boots and lives are shared out by active seconds."""
        inside = which[which < len(self.requests)]
        active = float(self.active_s[inside].sum())
        whole = float(self.active_s.sum())
        share = active / whole if whole else 0.0
        return Usage(
            seconds=float(np.clip(self.ends_s - inside * self.window_s, 0.0, self.window_s).sum()),
            requests=float(self.requests[inside].sum()),
            active_s=active,
            billed_s=float(self.billed_s[inside].sum()),
            request_s=float(self.request_s[inside].sum()),
            boot_s=self.boot_s * share,
            live_s=None if self.live_s is None else self.live_s * share,
            egress_bytes=float(self.egress_bytes[inside].sum()),
            model_calls=float(self.model_calls[inside].sum()),
            tokens=float(self.tokens[inside].sum()),
            ranks=self.ranks,
            basis=self.basis,
        )

    def whole(self) -> Usage:
        return self.of(np.arange(len(self.requests)))


def usage_by_window(
    run: Evidence,
    window_s: float,
    windows: int,
    granularity_ms: float = 100.0,
    rows: Flags | None = None,
    *,
    is_simulated: bool = False,
) -> Windows:
    """A run's usage in so many windows; what came later is left out. rows: of these steps alone."""
    columns = run.columns
    sent = columns.sent_ns != ABSENT_NS
    if rows is not None:
        sent = sent & rows
    at_s, end_s = columns.sent_ns[sent] / _NS, columns.end_ns[sent] / _NS
    window = np.minimum((at_s / window_s).astype(np.int64), windows)
    active, billed = _active(columns, sent, window_s, windows, granularity_ms / 1000)
    plane = run.summary.plane
    told = bool((columns.instance[sent] >= 0).all()) and bool(sent.any())
    is_llm = np.array([kind == "llm" for kind, _ in columns.series_names], np.bool_)

    def summed(values: npt.NDArray[np.float64]) -> Floats:
        return np.bincount(window, weights=values, minlength=windows + 1)[:windows].astype(np.float64)

    def known(values: npt.NDArray[np.int64]) -> Floats:
        return np.where(values == ABSENT_NS, 0, values).astype(np.float64)

    calls = is_llm[columns.series[sent]].astype(np.float64) if len(is_llm) else np.zeros(len(at_s))
    share = 1.0
    if plane is not None:
        everything, _ = _active(columns, columns.sent_ns != ABSENT_NS, window_s, windows, 0.0)
        whole_s = float(everything.sum())
        share = float(active.sum()) / whole_s if whole_s else 0.0
        # From outside, a wait for a boot looks active; boots are counted by themselves.
        own = min(1.0, plane.busy_s / whole_s) if whole_s else 1.0
        active, billed = active * own, billed * own
    return Windows(
        window_s,
        run.summary.elapsed_s,
        summed(np.ones(len(at_s))),
        active,
        billed,
        summed(end_s - at_s),
        summed(known(columns.response_bytes[sent])),
        summed(calls),
        summed(known(columns.tokens[sent])),
        share * plane.booting_s if plane else 0.0,
        share * plane.instance_s if plane else None,
        _ranks(*active_intervals(columns, sent)),
        "missing" if not told else "simulated" if is_simulated else "measured",
    )


def _active(
    columns: Columns, sent: Flags, window_s: float, windows: int, granularity_s: float
) -> tuple[Floats, Floats]:
    """Seconds in which an instance had a request, summed over instances, by window; and as billed.

    A stretch of many windows is billed where it was active, and what rounding adds where it began: a bootstrap over
    windows would else find all of the stretch in one of them.
    """
    active, rounding = np.zeros(windows), np.zeros(windows)
    starts, ends = active_intervals(columns, sent)
    if not len(starts):
        return active, rounding
    first, last = (starts / window_s).astype(np.int64), (ends / window_s).astype(np.int64)
    inside = (first == last) & (first < windows)
    lengths = ends - starts
    np.add.at(active, first[inside], lengths[inside])
    rounded = np.ceil(np.round(lengths / granularity_s, 9)) * granularity_s if granularity_s else lengths
    known = first < windows
    np.add.at(rounding, first[known], (rounded - lengths)[known])
    for n in np.flatnonzero((first != last) & known):
        for place in range(int(first[n]), min(int(last[n]) + 1, windows)):
            begin, end = place * window_s, (place + 1) * window_s
            active[place] += min(float(ends[n]), end) - max(float(starts[n]), begin)
    return active, active + rounding


def active_intervals(columns: Columns, sent: Flags) -> tuple[Floats, Floats]:
    """Where an instance had at least one request: starts and ends in seconds, all instances one after another."""
    told = sent & (columns.instance >= 0)
    order = np.lexsort((columns.sent_ns[told], columns.instance[told]))
    instance = columns.instance[told][order]
    starts, ends = columns.sent_ns[told][order], columns.end_ns[told][order]
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
