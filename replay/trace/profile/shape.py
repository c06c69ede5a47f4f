"""The shape of a trace: how many, how often, how deep, how long, in one pass and in flat memory."""

import math
from os import PathLike

import msgspec
import numpy as np

from replay.trace.file.stream import TraceReader
from replay.trace.profile.activity import Activity
from replay.trace.profile.buckets import Bucket, load_buckets
from replay.trace.profile.burstiness import Gaps, dispersion, peak_to_mean
from replay.trace.profile.carried import CarriedTally
from replay.trace.profile.pattern import HUMAN_MS, Pattern, UnderWay, classify
from replay.trace.told_tokens import told_tokens
from replay.trace.types import Header, Session, Step
from replay.trace.values.uses import Uses

# Values fall into buckets 2 % wide, so a quantile is within 1 % of the exact one.
_BUCKETS_PER_E = 1 / math.log(1.02)
# Beyond this many series their names are no longer kept apart, so that memory stays flat.
_MOST_SERIES = 10_000
OTHER = "(other names)"


class Quantiles(msgspec.Struct, omit_defaults=True):
    """n values; quantiles are within 1 %, min, max and mean are exact. None where there are no values."""

    n: int
    mean: float | None = None
    min: float | None = None
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    max: float | None = None


class Series(msgspec.Struct):
    """The steps of one kind and name."""

    kind: str
    name: str
    steps: int


class TraceProfile(msgspec.Struct):
    """The shape of a trace.

    span_ms: from the trace's start to the last recorded end. sessions_per_min: over the time in which sessions
    start; None for fewer than two. fan_out: followers of a step that has any. depth: steps on a session's
    longest chain. gap_ms: delays on edges. took_ms: recorded durations. references: steps that use one to which the
    run gives the value, by `copy`, `session`, `uuid`, `now` and `row.NAME`. images, image_bytes: that model calls known
    by their counts carry; tools_offered: such calls that offer tools, with tool_bytes of definitions.
    """

    header: Header
    sessions: int
    steps: int
    waits: int
    edges: int
    joins: int
    span_ms: float
    sessions_per_min: float | None
    series: list[Series]
    steps_per_session: Quantiles
    fan_out: Quantiles
    depth: Quantiles
    gap_ms: Quantiles
    took_ms: Quantiles
    input_tokens: int
    output_tokens: int
    input_tokens_per_call: Quantiles
    output_tokens_per_call: Quantiles
    load: "LoadProfile"
    references: dict[str, int] = {}
    images: int = 0
    image_bytes: int = 0
    tools_offered: int = 0
    tool_bytes: int = 0


class LoadProfile(msgspec.Struct, omit_defaults=True):
    """How the load comes, by recorded times. cv_of_gaps: of gaps between session starts, 1 for Poisson.

    Of requests; waits are no load. dispersion, peak_to_mean: of requests started, by window ("1s", "10s", "60s",
    "600s"); absent for windows of which the recording has fewer than two. under_way_mean: at an instant, in the mean;
    under_way_most: in a second; idle_ratio: seconds in which none is; absent where no durations were recorded.
    window_s: of the pattern and the buckets.
    steps_by_window, under_way_by_window: steps that start in, and most in flight in, at most 60 windows,
    joined evenly.
    """

    pattern: Pattern
    window_s: int
    buckets: list[Bucket]
    steps_by_window: list[int]
    under_way_by_window: list[int]
    cv_of_gaps: float | None = None
    dispersion: dict[str, float] = {}
    peak_to_mean: dict[str, float] = {}
    under_way_mean: float | None = None
    under_way_most: int | None = None
    idle_ratio: float | None = None


class _Spread:
    """Values counted in buckets of equal ratio; zero has a bucket of its own."""

    __slots__ = ("_counts", "_max", "_min", "_n", "_sum", "_zeros")

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self._n = self._zeros = 0
        self._sum = self._max = 0.0
        self._min = math.inf

    def add(self, value: float) -> None:
        self._n += 1
        self._sum += value
        self._min = min(self._min, value)
        self._max = max(self._max, value)
        if value <= 0:
            self._zeros += 1
        else:
            bucket = math.floor(math.log(value) * _BUCKETS_PER_E)
            self._counts[bucket] = self._counts.get(bucket, 0) + 1

    def quantiles(self) -> Quantiles:
        if not self._n:
            return Quantiles(0)
        p50, p90, p99 = self._at(0.5, 0.9, 0.99)
        return Quantiles(self._n, self._sum / self._n, self._min, p50, p90, p99, self._max)

    def _at(self, *ratios: float) -> list[float]:
        found: list[float] = []
        ordered = sorted(self._counts.items())
        for ratio in ratios:
            left = math.ceil(ratio * self._n) - self._zeros
            value = 0.0
            for bucket, count in ordered:
                if left <= 0:
                    break
                left -= count
                value = math.exp((bucket + 0.5) / _BUCKETS_PER_E)
            found.append(min(max(value, self._min), self._max))
        return found


def _tokens_of(step: Step) -> tuple[int, int] | None:
    """Of a model call's input and output: its own, or those that were counted when it was recorded."""
    if step.llm is not None:
        return step.llm.input_tokens, step.llm.output_tokens
    prompt, answer = (told_tokens(step.attributes, name) for name in ("input_tokens", "output_tokens"))
    return None if step.kind != "llm" or prompt is None else (prompt, answer or 0)


def profile(path: str | PathLike[str]) -> TraceProfile:
    """Read a trace once and describe its shape. Raises TraceError for the first thing that is wrong."""
    sessions = steps = waits = edges = joins = input_tokens = output_tokens = 0
    span_ms = last_start_ms = busy_ms = 0.0
    first_start_ms = None
    series: dict[tuple[str, str], int] = {}
    per_session, fan_out, depth, gap_ms = _Spread(), _Spread(), _Spread(), _Spread()
    took_ms, inputs, outputs = _Spread(), _Spread(), _Spread()
    activity, gaps = Activity(), Gaps()
    human = 0
    uses, carried = Uses(is_strict=False), CarriedTally()
    with TraceReader(path, uses=uses) as reader:
        for session in reader:
            sessions += 1
            gaps.add(session.start_ms)
            last_start_ms = session.start_ms
            first_start_ms = last_start_ms if first_start_ms is None else first_start_ms
            steps += len(session.steps)
            per_session.add(len(session.steps))
            depth.add(session_depth(session))
            followers: dict[str, int] = {}
            for step in session.steps:
                key = (step.kind, step.name)
                if key not in series and len(series) >= _MOST_SERIES:
                    key = (step.kind, OTHER)
                series[key] = series.get(key, 0) + 1
                waits += step.is_wait
                parents = {edge.step for edge in step.after}
                edges += len(step.after)
                joins += len(parents) > 1
                for parent in parents:
                    followers[parent] = followers.get(parent, 0) + 1
                for edge in step.after:
                    gap_ms.add(edge.delay_ms)
                    human += edge.delay_ms >= HUMAN_MS
                if step.took_ms is not None:
                    took_ms.add(step.took_ms)
                tokens = _tokens_of(step)
                if tokens is not None:
                    input_tokens += tokens[0]
                    output_tokens += tokens[1]
                    inputs.add(tokens[0])
                    outputs.add(tokens[1])
                if step.llm is not None and (step.llm.images or step.llm.tools is not None):
                    carried.add(step.llm)
                if not step.is_wait:
                    activity.step(last_start_ms + step.at_ms, step.took_ms or 0.0)
                    busy_ms += step.took_ms or 0.0
                span_ms = max(span_ms, last_start_ms + step.at_ms + (step.took_ms or 0.0))
            for count in followers.values():
                fan_out.add(count)
        header = reader.header
    arriving_ms = last_start_ms - (first_start_ms or 0.0)
    ordered = sorted(series.items(), key=lambda item: (-item[1], item[0]))
    return TraceProfile(
        header=header,
        sessions=sessions,
        steps=steps,
        waits=waits,
        edges=edges,
        joins=joins,
        span_ms=span_ms,
        sessions_per_min=(sessions - 1) / arriving_ms * 60_000 if arriving_ms > 0 else None,
        series=[Series(kind, name, count) for (kind, name), count in ordered],
        steps_per_session=per_session.quantiles(),
        fan_out=fan_out.quantiles(),
        depth=depth.quantiles(),
        gap_ms=gap_ms.quantiles(),
        took_ms=took_ms.quantiles(),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        input_tokens_per_call=inputs.quantiles(),
        output_tokens_per_call=outputs.quantiles(),
        load=_load(activity, gaps, human / edges if edges else None, busy_ms),
        references=uses.counts,
        images=carried.images,
        image_bytes=carried.image_bytes,
        tools_offered=carried.tools_offered,
        tool_bytes=carried.tool_bytes,
    )


_WINDOWS_S = (1, 10, 60, 600)
_SHORT_S = 600
_MOST_SHOWN = 60


def _load(activity: Activity, gaps: Gaps, human_ratio: float | None, busy_ms: float) -> LoadProfile:
    """The figures by time, from the counts of every second. busy_ms: of all steps, one after another."""
    has_durations = busy_ms > 0
    starts, under_way = activity.starts(), activity.under_way()
    seconds = len(starts)
    window_s = 60 if seconds >= _SHORT_S else 10
    whole = seconds // window_s
    by_window = starts[: whole * window_s].reshape(whole, window_s).sum(axis=1)
    spread = {f"{s}s": dispersion(starts, s) for s in _WINDOWS_S}
    peaks = {f"{s}s": peak_to_mean(starts, s) for s in _WINDOWS_S}
    idle = float(np.count_nonzero(under_way == 0)) / seconds if seconds and has_durations else None
    running = under_way[: whole * window_s].reshape(whole, window_s).max(axis=1, initial=0)
    idle_windows = float(np.count_nonzero(running == 0)) / whole if whole else None
    key = f"{window_s}s"
    at_work = None
    if idle is not None and whole:
        by_second = under_way[: whole * window_s].reshape(whole, window_s).mean(axis=1)
        at_work = UnderWay(idle, float(by_second.mean()), float(by_second.max()))
    return LoadProfile(
        pattern=classify(whole, idle_windows, peaks[key], spread[key], human_ratio, at_work),
        window_s=window_s,
        buckets=load_buckets(by_window.tolist()),
        steps_by_window=[
            int(part.sum()) for part in np.array_split(by_window, min(_MOST_SHOWN, max(1, whole)))
        ],
        under_way_by_window=[
            int(part.max(initial=0)) for part in np.array_split(running, min(_MOST_SHOWN, max(1, whole)))
        ],
        cv_of_gaps=_rounded(gaps.cv()),
        dispersion={name: round(value, 4) for name, value in spread.items() if value is not None},
        peak_to_mean={name: round(value, 4) for name, value in peaks.items() if value is not None},
        under_way_mean=_rounded(busy_ms / 1000 / seconds) if seconds and has_durations else None,
        under_way_most=int(under_way.max()) if seconds and has_durations else None,
        idle_ratio=_rounded(idle),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)


def session_depth(session: Session) -> int:
    """Steps on the longest chain of edges. The session's edges must have no circle, as a reader guarantees."""
    if len(session.steps) == 1:
        return 1
    depth: dict[str, int] = {}
    forward = False
    for step in session.steps:
        longest = 0
        for edge in step.after:
            parent = depth.get(edge.step)
            if parent is None:
                forward = True
                break
            longest = max(longest, parent)
        depth[step.id] = longest + 1
    if not forward:
        return max(depth.values(), default=0)
    return _depth_of_any_order(session)


def _depth_of_any_order(session: Session) -> int:
    """The same for a session whose steps are not listed after their parents."""
    parents = {step.id: [edge.step for edge in step.after] for step in session.steps}
    depth: dict[str, int] = {}
    for start in parents:
        stack = [start]
        while stack:
            name = stack[-1]
            missing = [parent for parent in parents[name] if parent not in depth]
            if missing:
                stack += missing
                continue
            stack.pop()
            depth[name] = 1 + max((depth[parent] for parent in parents[name]), default=0)
    return max(depth.values(), default=0)
