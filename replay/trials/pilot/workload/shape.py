"""The shape of a trace as a choice of plane needs it: by kind of step, by load level, and what is bound to a machine.

A step (or its whole session) is marked as bound to a machine by the attribute `needs`, whose value says what it needs:
gpu, browser, disk, vpn, or whatever it is. The attribute `cpu_share` of a step says what part of its time is work for
the processor, from 0 to 1, for planes of our own, which else assume a usual one.
"""

import random
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from replay.choice.types import Bucket, StepClass, Workload
from replay.money.calendar import Slot
from replay.money.types import MONTH_H
from replay.trace.errors import TraceError, shown_path
from replay.trace.file.import_doubts import import_doubts
from replay.trace.file.stream import TraceReader
from replay.trace.profile.activity import Activity
from replay.trace.profile.buckets import NAMES, load_buckets
from replay.trace.profile.shape import OTHER, profile
from replay.trace.types import Step

NEEDS = "needs"
CPU_SHARE = "cpu_share"
_MOST_SERIES = 200
_MOST_KEPT = 5_000
_HOUR_MS = 3_600_000.0
# The kinds that wait for somebody else while they run.
_TOOLS = ("tool", "mcp")


class Part(NamedTuple):
    """A load level of the trace at one level of a calendar. bucket: the month's load level that it belongs to. of: the
    trace's. level: how many times as much as recorded. weight: of the month, 0..1.
    """

    bucket: int
    of: int
    level: float
    weight: float


class Shape(NamedTuple):
    """levels: of each window of workload.window_s from the trace's start, 0 idle, 1 normal, 2 peak. hourly: requests by
    hour from the trace's start.

    Of a month that is not the trace repeated, the workload's load levels and peak are the month's; recorded: those of
    the trace; mix: what the month's are made of; scale: its load in the mean over the trace's; hours: of the month at
    so many times the trace's load, ascending. import_doubts: what the trace's importer doubted of its recording.
    """

    workload: Workload
    levels: npt.NDArray[np.int8]
    hourly: Mapping[int, int] = MappingProxyType({})
    recorded: tuple[Bucket, ...] = ()
    mix: tuple[Part, ...] = ()
    scale: float = 1.0
    hours: tuple[Slot, ...] = (Slot(MONTH_H, 1.0),)
    import_doubts: tuple[str, ...] = ()

    @property
    def peak_level(self) -> float:
        """How many times the trace's load there is in the month's fullest hours."""
        return max(slot.level for slot in self.hours)

    def windows(self, level: int) -> npt.NDArray[np.intp]:
        return np.flatnonzero(self.levels == level)


class _Key(NamedTuple):
    kind: str
    name: str
    is_local: bool


class _Series:
    """One kind and name: durations in a reservoir, and what is under way."""

    def __init__(self, seed: int) -> None:
        self.steps = 0
        self.busy_ms = 0.0
        self.longest_ms: float | None = None
        self.needs: str | None = None
        self.cpu_share: float | None = None
        self.activity = Activity()
        self._kept: list[float] = []
        self._timed = 0
        self._random = random.Random(seed)

    def add(self, start_ms: float, took_ms: float | None, needs: str | None) -> None:
        self.steps += 1
        self.needs = self.needs or needs
        if took_ms is None:
            return
        self.busy_ms += took_ms
        self.longest_ms = max(self.longest_ms or 0.0, took_ms)
        self.activity.step(start_ms, took_ms)
        self._timed += 1
        if len(self._kept) < _MOST_KEPT:
            self._kept.append(took_ms)
        elif (place := self._random.randrange(self._timed)) < _MOST_KEPT:
            self._kept[place] = took_ms

    @property
    def median_ms(self) -> float | None:
        return round(float(np.median(self._kept)), 3) if self._kept else None


def shape_of(trace: Path) -> Shape:
    """Read a trace twice, in flat memory. Raises TraceError."""
    found = profile(trace)
    if not found.sessions:
        raise TraceError(f"{shown_path(trace)}: has no sessions, so there is nothing to pilot.")
    series: dict[_Key, _Series] = {}
    all_steps = Activity()
    longest_session_ms = request_ms = 0.0
    requests = 0
    hourly: Counter[int] = Counter()
    with TraceReader(trace, checked=False) as reader:
        for session in reader:
            session_needs = session.attributes.get(NEEDS)
            for step in session.steps:
                end_ms = step.at_ms + (step.took_ms or 0.0)
                longest_session_ms = max(longest_session_ms, end_ms)
                start_ms = session.start_ms + step.at_ms
                _of(series, step).add(start_ms, step.took_ms, step.attributes.get(NEEDS) or session_needs)
                if CPU_SHARE in step.attributes:
                    _of(series, step).cpu_share = _cpu_share(
                        step.attributes[CPU_SHARE], f"{trace}: session {session.id!r}, step {step.id!r}"
                    )
                if not step.is_wait:
                    requests += 1
                    hourly[int(start_ms // _HOUR_MS)] += 1
                    request_ms += step.took_ms or 0.0
                    all_steps.step(start_ms, step.took_ms or 0.0)
    load = found.load
    starts, under_way = all_steps.starts(), all_steps.under_way()
    span_s = max(found.span_ms / 1000, 1e-3)
    busy_ms = sum(one.busy_ms for one in series.values())
    has_durations = request_ms > 0
    levels = _levels(starts, load.window_s)
    classes = [
        StepClass(
            kind=kind,
            name=name,
            steps=one.steps,
            p50_ms=one.median_ms,
            longest_ms=one.longest_ms,
            busy_share=round(one.busy_ms / busy_ms, 6) if busy_ms else 0.0,
            in_flight=round(one.busy_ms / 1000 / span_s, 6),
            peak_in_flight=int(one.activity.under_way().max(initial=0)),
            needs=one.needs,
            is_local=is_local,
            cpu_share=one.cpu_share,
        )
        for (kind, name, is_local), one in sorted(series.items(), key=lambda item: -item[1].busy_ms)
    ]
    if not requests:
        raise TraceError(f"{shown_path(trace)}: has no requests, so there is nothing to pilot.")
    window = f"{load.window_s}s"
    workload = Workload(
        trace=found.header.name,
        sessions=found.sessions,
        steps=requests,
        span_s=round(span_s, 3),
        pattern=load.pattern.name,
        pattern_rule=load.pattern.rule,
        window_s=load.window_s,
        mean_rps=round(requests / span_s, 6),
        peak_rps=_peak_rps(starts, load.window_s) or round(requests / span_s, 6),
        mean_in_flight=round(request_ms / 1000 / span_s, 4) if has_durations else None,
        peak_in_flight=int(under_way.max(initial=0)) if has_durations else None,
        idle_share=load.idle_ratio,
        tool_share=_tool_share(series, request_ms) if has_durations else None,
        peak_to_mean=load.peak_to_mean.get(window),
        dispersion=load.dispersion.get(window),
        longest_ms=max(
            (one.longest_ms for key, one in series.items() if one.longest_ms is not None and not key.is_local),
            default=None,
        ),
        longest_session_s=round(longest_session_ms / 1000, 3),
        series=classes,
        buckets=_buckets(trace, levels, load.window_s, starts),
    )
    return Shape(workload, levels, hourly, import_doubts=tuple(import_doubts(found.header)))


def _cpu_share(text: str, where: str) -> float:
    """Raises TraceError unless it is a number from 0 to 1."""
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise TraceError(f"{where}: {CPU_SHARE} must be a number from 0 to 1, not {text!r}.")
    return share


def _of(series: dict[_Key, _Series], step: Step) -> _Series:
    key = _Key(step.kind, step.name, step.is_wait)
    if key not in series and len(series) >= _MOST_SERIES:
        key = _Key(step.kind, OTHER, step.is_wait)
    one = series.get(key)
    if one is None:
        one = series[key] = _Series(len(series))
    return one


def _tool_share(series: dict[_Key, _Series], request_ms: float) -> float:
    tools = sum(one.busy_ms for key, one in series.items() if key.kind in _TOOLS and not key.is_local)
    return round(tools / request_ms, 4)


def _levels(starts: npt.NDArray[np.int64], window_s: int) -> npt.NDArray[np.int8]:
    """The load level of each window, by the partition of load_buckets; a last part of a window counts as one."""
    if not len(starts):
        return np.zeros(0, np.int8)
    edges = np.arange(0, len(starts), window_s)
    counts = np.add.reduceat(starts, edges)
    buckets = load_buckets(counts.tolist())
    if not buckets:
        return np.zeros(len(counts), np.int8)
    ordered = np.sort(counts)
    idle = round(buckets[0].time_ratio * len(ordered))
    normal = idle + round(buckets[1].time_ratio * len(ordered))
    levels = np.full(len(counts), 2, np.int8)
    if normal:
        levels[counts <= ordered[normal - 1]] = 1
    if idle:
        levels[counts <= ordered[idle - 1]] = 0
    return levels


def _peak_rps(starts: npt.NDArray[np.int64], window_s: int) -> float:
    """Requests a second in the fullest window."""
    if not len(starts):
        return 0.0
    counts = np.add.reduceat(starts, np.arange(0, len(starts), window_s))
    return round(float(counts.max()) / min(window_s, len(starts)), 6)


class _Level:
    """What is summed over the windows of one load level."""

    def __init__(self) -> None:
        self.requests = self.timed = self.calls = self.tokens = 0
        self.busy_ms = 0.0


def _buckets(
    trace: Path, levels: npt.NDArray[np.int8], window_s: int, starts: npt.NDArray[np.int64]
) -> list[Bucket]:
    """The load levels with what a month of each would hold."""
    sums = [_Level() for _ in NAMES]
    with TraceReader(trace, checked=False) as reader:
        for session in reader:
            for step in session.steps:
                window = int((session.start_ms + step.at_ms) / 1000) // window_s
                if step.is_wait or window >= len(levels):
                    continue
                level = sums[levels[window]]
                level.requests += 1
                if step.took_ms is not None:
                    level.timed += 1
                    level.busy_ms += step.took_ms
                if step.kind == "llm":
                    level.calls += 1
                if step.llm is not None:
                    level.tokens += step.llm.input_tokens + step.llm.output_tokens
    whole = sum(level.requests for level in sums)
    seconds = len(starts)
    found = []
    for n, (name, level) in enumerate(zip(NAMES, sums, strict=True)):
        windows = np.flatnonzero(levels == n)
        length_s = float(np.minimum(window_s, seconds - windows * window_s).sum()) if len(windows) else 0.0
        weight = length_s / seconds if seconds else 0.0
        per_s = level.requests / length_s if length_s else 0.0
        month_s = weight * MONTH_H * 3600
        found.append(
            Bucket(
                name=name,
                weight=round(weight, 6),
                requests_share=round(level.requests / whole, 6) if whole else 0.0,
                requests_per_s=round(per_s, 6),
                requests_month=round(per_s * month_s, 3),
                mean_took_ms=round(level.busy_ms / level.timed, 3) if level.timed else None,
                in_flight=round(level.busy_ms / 1000 / length_s, 6) if level.timed and length_s else None,
                external_calls_month=round(level.calls / length_s * month_s, 1) if length_s else None,
                tokens_month=round(level.tokens / length_s * month_s, 1) if length_s and level.tokens else None,
            )
        )
    return found
