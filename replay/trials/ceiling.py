"""Looking for a target's ceiling: levels of load, one run each, until the search has closed its bracket."""

from collections.abc import Callable, Sequence
from math import ceil, inf
from pathlib import Path
from typing import NamedTuple

import msgspec

from replay.engine.counting import Progress
from replay.engine.plan import lap_gap_ms
from replay.engine.progress import OnProgress
from replay.engine.run import Outcome, StopWhen, replay_trace
from replay.engine.types import Phase, RunOptions
from replay.judge.load.arrivals import Arrivals
from replay.judge.load.ceiling import conclude, knee_of, usl_of
from replay.judge.load.level import FEWEST, judge_level
from replay.judge.load.recovery import back_after_s
from replay.judge.load.search import MOST_TRIES, Search
from replay.judge.load.types import Ceiling, CeilingVerdict, Level
from replay.judge.load.unlike import why_unlike
from replay.judge.measures.slo import Slo
from replay.judge.statistics.quantile import least_n
from replay.judge.types import VERDICT_SCHEMA
from replay.results.evidence import Evidence, read_evidence
from replay.results.manifest_types import Ended, RunStatus
from replay.results.rundir import RunDir
from replay.target.routes import is_for
from replay.target.target import Target
from replay.trace.errors import TraceError, shown_path
from replay.trace.file.stream import TraceScan, read_sessions, scan
from replay.trace.values.expect import reads_body
from replay.trials.evidence import gone_if_empty, write_verdict
from replay.trials.spending import with_less
from replay.words.endings import ending
from replay.words.numbers import exact, number, seconds
from replay.words.phrases import counted, were

_NS = 1_000_000_000
# Levels below the ceiling that show where latency bends, and what the scalability law is fitted to.
_PROFILE = (0.25, 0.5, 0.7, 0.85)
_OVERLOAD, _RELIEF = 1.3, 0.5
_FAILED_RATIO = 0.5
_LEAST_ENDED = 100
_LONGEST_LEVEL = 6.0
_FILLS, _LEAST_FILLS = 5, 2
# Without a failure, so many requests over a share bound it at 95% (the rule of three: Hanley and Lippman-Hand 1983).
_TO_BOUND = 3.0
# The mean rate is told where the load that was played is so many times it.
_MATTERS = 1.1
_NEARLY = 0.95
# A level is made again where it had to be so many times as long. A queue is the load of so many seconds, beside what
# requests take by themselves.
_FAR_LONGER, _QUEUE_S = 1.2, 5.0
# The load that held is asked for once more by a level so many times as long.
_LONGER = 3.0
# No part of a trace is taken to be denser than the whole by more than that.
_LEAST_SHARE = 1000.0


class CeilingPlan(NamedTuple):
    """How the search goes. level_s: how long a level lasts at least. most_s: when the whole search is ended.

    fill_s: how long the usual request takes; a level lasts five times as long, and is judged from then on. requests:
    so many are enough to judge a level, which may then be shorter than level_s, and last fill_s but twice. longest_s:
    of a level; None: six level_s.
    most_requests: a level is no longer than so many take, whatever else it were to be. tries: of a load that no
    interval decides.
    """

    first_scale: float = 1.0
    most_scale: float = 1e6
    precision: float = 0.025
    level_s: float = 10.0
    most_s: float = 1800.0
    shows_recovery: bool = True
    fill_s: float = 0.0
    requests: int | None = None
    longest_s: float | None = None
    tries: int = MOST_TRIES
    most_requests: int | None = None


class CeilingOutcome(NamedTuple):
    verdict: CeilingVerdict
    directory: Path
    status: RunStatus = "finished"
    ended: Ended | None = None


OnLevel = Callable[[Level], None]
# As replay_trace is called here; another may replay in virtual time.
Replay = Callable[[Path, Target, RunOptions, Path | None, OnProgress | None, StopWhen | None], Outcome]


class Guard:
    """Ends a level that can only get worse: most of it fails, or more waits than the level could ever answer."""

    def __init__(self, most_in_flight: int) -> None:
        self._most_in_flight = most_in_flight
        self._progress: Progress | None = None
        self.why: str | None = None

    def begin(self, directory: Path, progress: Progress) -> None:
        self._progress = progress

    def is_met(self) -> str | None:
        progress = self._progress
        if progress is None:
            return None
        if progress.ended >= _LEAST_ENDED and progress.failed > _FAILED_RATIO * progress.ended:
            self.why = f"{progress.failed} of {counted(progress.ended, 'request')} failed"
        elif progress.in_flight > self._most_in_flight:
            self.why = f"{were(progress.in_flight, 'request')} waiting"
        return self.why


def _is_held(target: Target, series: str) -> bool:
    """Whether the target file says what is in the answers to steps of this kind and name."""
    kind, _, name = series.partition(":")
    rule = next((rule for rule in reversed(target.expect) if is_for(rule, kind, name)), None)
    return rule is not None and reads_body(rule)


def find_ceiling(
    trace: Path,
    target: Target,
    slos: Sequence[Slo],
    options: RunOptions,
    plan: CeilingPlan = CeilingPlan(),  # noqa: B008 - a NamedTuple, so no call can change it
    *,
    out: Path | None = None,
    on_progress: OnProgress | None = None,
    on_level: OnLevel | None = None,
    replay: Replay = replay_trace,
) -> CeilingOutcome:
    """Find the highest multiple of the trace's arrivals at which the SLOs hold; verdict.json is left in `out`.

    Every level is a run directory in it, made by `replay`. Raises what replay_trace raises.
    """
    directory = RunDir.create(out, f"ceiling-{trace.name.split('.')[0]}", target.name).path
    hunt = _Hunt(trace, target, slos, options, plan, directory, on_progress, on_level, replay)
    search = Search(plan.first_scale, plan.most_scale, precision=plan.precision, tries=plan.tries)
    notes = []
    with gone_if_empty(directory):
        while (scale := search.next_scale()) is not None and not hunt.is_over:
            level = hunt.measure(scale, is_longer=search.asks_longer)
            if level is not None:
                search.tell(level)
    verdict, reasons, ceiling = conclude(search)
    extra: list[Level] = []
    recovery_s = None
    if verdict == "found" and ceiling is not None:
        known = {level.scale for level in search.levels}
        found_scale = search.held or ceiling.scale
        for ratio in _PROFILE:
            scale = found_scale * ratio
            if hunt.is_over or any(abs(scale / other - 1) < 0.1 for other in known):
                continue
            level = hunt.measure(scale)
            if level is not None:
                extra.append(level)
        verdict, reasons, ceiling = conclude(search, extra)
        if plan.shows_recovery and not hunt.is_over:
            recovery_s, note = hunt.recovery(found_scale)
            notes.append(note)
    if target.answers == "kind":
        unlike = why_unlike([*search.levels, *extra], lambda series: _is_held(target, series))
        verdict, reasons = (verdict, reasons) if unlike is None else ("inconclusive", [unlike, *reasons])
    if hunt.unfilled is not None and verdict in ("found", "at_least"):
        verdict, reasons, ceiling = "inconclusive", [hunt.unfilled], None
    if ceiling is not None:
        ceiling = _by_the_mean(ceiling, hunt, notes)
    notes += _on_what_was_asked(ceiling, search.levels)
    if hunt.repeats_trace:
        notes.append(
            "levels send the trace's own requests over and over: a target that remembers answers bears more of them "
            "than of new ones"
        )
    if verdict in ("found", "at_least"):
        notes.append(
            f"no load lasted longer than {seconds(hunt.longest_level_s)}: a target that gives way only under longer "
            "load, as one on credits or short of memory does, bears less than this; a longer --level shows that"
        )
    if hunt.error is not None:
        notes.append(f"{ending(hunt.status)}: {hunt.error}")
    if hunt.spent_s >= plan.most_s:
        notes.append(f"the search ended after {seconds(hunt.spent_s)}, its limit")
    levels = sorted([*search.levels, *extra], key=lambda level: level.scale)
    found = CeilingVerdict(
        schema=VERDICT_SCHEMA,
        command="ceiling",
        verdict=verdict,  # type: ignore[arg-type]
        reasons=reasons,
        ceiling=ceiling,
        levels=levels,
        usl=usl_of(levels),
        knee=knee_of(levels),
        recovery_s=recovery_s,
        slos=[slo.text for slo in slos],
        target=target.name,
        trace=trace.name,
        notes=notes,
    )
    write_verdict(directory, found)
    return CeilingOutcome(found, directory, hunt.status, hunt.ended)


def _arrivals(trace: Path, found: TraceScan) -> Arrivals:
    starts_ms, requests = [], []
    for session in read_sessions(trace, checked=False, text=found.text):
        starts_ms.append(session.start_ms)
        requests.append(sum(not step.is_wait for step in session.steps))
    return Arrivals.of(starts_ms, requests, lap_gap_ms(found))


def _bounds_failures(slo: Slo) -> bool:
    return slo.statistic == "errors" and slo.limit.factor is None and slo.limit.value > 0


def _by_the_mean(ceiling: Ceiling, hunt: "_Hunt", notes: list[str]) -> Ceiling:
    """The ceiling with what it is by the mean rate of the trace, where levels played a busier part, which is noted."""
    mean_scale = ceiling.rps / hunt.mean_rps if hunt.mean_rps else 0.0
    if not hunt.arrivals.varies or mean_scale < _MATTERS * ceiling.scale:
        return ceiling
    notes.append(
        f"load varies in this trace, and levels play its busiest part: {number(ceiling.scale, 4)}x is for the trace as "
        f"it is, that part included. Of its mean rate, {number(hunt.mean_rps, 4)}/s, {number(ceiling.rps, 4)}/s is "
        f"{number(mean_scale, 4)} times as much"
    )
    return msgspec.structs.replace(ceiling, mean_scale=round(mean_scale, 6))


def _on_what_was_asked(ceiling: Ceiling | None, levels: Sequence[Level]) -> list[str]:
    """What a reader of the ceiling's requests a second must know of how they came."""
    if ceiling is None:
        return []
    notes = []
    if ceiling.tries_rps is not None:
        notes.append(
            f"the target was sent {number(ceiling.tries_rps, 4)} tries a second at the ceiling, retries included; "
            f"{number(ceiling.rps, 4)} requests a second were answered"
        )
    peaks = [level for level in levels if level.verdict == "pass" and level.busiest_rps is not None]
    top = max(peaks, key=lambda level: level.scale, default=None)
    if top is not None and top.busiest_rps is not None and top.scale >= _NEARLY * ceiling.scale:
        notes.append(
            f"requests come unevenly within a level: {number(top.busiest_rps, 4)}/s in the busiest tenth of one at "
            f"{number(top.scale, 4)}x, {number(top.offered_rps, 4)}/s in the mean. The target may bear more of them "
            "where they come evenly; --shape constant shows that"
        )
    return notes


class _Hunt:
    """Makes the runs of one search, and counts the time that they take."""

    def __init__(
        self,
        trace: Path,
        target: Target,
        slos: Sequence[Slo],
        options: RunOptions,
        plan: CeilingPlan,
        directory: Path,
        on_progress: OnProgress | None,
        on_level: OnLevel | None,
        replay: Replay,
    ) -> None:
        self._trace, self._target, self._slos, self._plan = trace, target, slos, plan
        self._options, self._directory = options, directory
        self._on_progress, self._on_level, self._replay = on_progress, on_level, replay
        found = scan(trace, references=options.references)
        if not found.requests:
            raise TraceError(f"{shown_path(trace)}: has no requests, so there is no load to look for.")
        self.arrivals = _arrivals(trace, found)
        knobs = options.knobs
        # Of the recording's time a second of a level at scale 1 plays so much.
        self._pace = knobs.speed * knobs.arrivals
        # Requests a second at scale 1, by the trace.
        self.mean_rps = self.arrivals.mean_rps * self._pace * knobs.scale
        quantiles = [least_n(slo.q, 0.95) for slo in slos if slo.q is not None]
        shares = [ceil(_TO_BOUND * 100 / slo.limit.value) for slo in slos if _bounds_failures(slo)]
        self._needed = max([FEWEST, *quantiles, *shares])
        self._requests = found.requests
        self._levels = 0
        self.longest_level_s = 0.0
        self.repeats_trace = False
        """Whether a level had more requests than the trace."""
        self._fill_s = plan.fill_s or None
        """What a request takes: as it was given, or in the mean of the calmest level so far; None before any."""
        self.spent_s = 0.0
        self.status: RunStatus = "finished"
        self.error: str | None = None
        self.ended: Ended | None = None

    @property
    def is_over(self) -> bool:
        return self.status != "finished" or self.spent_s >= self._plan.most_s

    @property
    def unfilled(self) -> str | None:
        """Why no level of this search tells what the target carries: each ends before the requests in it do."""
        longest_s = self._longest_s
        if self._fill_s is None or _LEAST_FILLS * self._fill_s <= longest_s:
            return None
        return (
            f"a request takes {seconds(self._fill_s)}, and a level lasts {seconds(longest_s)} at most, so that levels "
            f"end before they are full; with --level {ceil(self._fill_s)}s they do not"
        )

    def measure(self, scale: float, *, is_longer: bool = False) -> Level | None:
        """One level; None if it broke off. Once more, and longer, where it has ended before it was full."""
        length_s = self._length_s(scale)
        if is_longer:
            length_s = max(length_s, min(_LONGER * length_s, self._longest_s))
        seen = self._seen(scale, length_s)
        if seen is None:
            return None
        level = self._judged(seen, scale, length_s)
        if self._learns(level):
            longer_s = self._length_s(scale)
            if longer_s > _FAR_LONGER * length_s and not self.is_over:
                length_s, seen = longer_s, self._seen(scale, longer_s)
            if seen is None:
                return None
            level = self._judged(seen, scale, length_s)
        if self._on_level is not None:
            self._on_level(level)
        return level

    def _seen(self, scale: float, length_s: float) -> tuple[Evidence, str | None] | None:
        """A run at this load, and why it was ended early."""
        # What requests take by themselves is no queue; before it is known, no number of them is.
        rps = self._rps(scale, length_s)
        most = 1 << 60 if self._fill_s is None else max(1000, int((_QUEUE_S + self._fill_s) * rps))
        guard = Guard(most)
        self.longest_level_s = max(self.longest_level_s, length_s)
        run = self._run(f"x{number(scale, 4).replace(',', '')}", scale, length_s, (), guard)
        if run is None:
            return None
        evidence = read_evidence(run.directory, run.summary)
        self.repeats_trace |= evidence.columns.n > self._requests * self._options.knobs.scale
        return evidence, guard.why

    def _judged(self, seen: tuple[Evidence, str | None], scale: float, length_s: float) -> Level:
        evidence, why = seen
        fill_s = min(self._filling_s, length_s / 2)
        first, pace = self._first(scale, length_s), scale * self._pace
        copies = self._options.knobs.scale

        def planned(from_s: float, to_s: float) -> float:
            return copies * self.arrivals.requests_in(first, from_s * pace, to_s * pace)

        return judge_level(self._slos, evidence, scale, length_s, why, fill_s, planned)

    def _first(self, scale: float, length_s: float) -> int:
        """The session that a level of this length begins with: levels play the densest part of the trace."""
        return self.arrivals.densest(length_s * scale * self._pace)

    def _rps(self, scale: float, length_s: float) -> float:
        """Requests a second that such a level is planned to have."""
        part_s = length_s * scale * self._pace
        requests = self.arrivals.requests_in(self._first(scale, length_s), 0.0, part_s)
        return requests * self._options.knobs.scale / length_s

    def _learns(self, level: Level) -> bool:
        """Whether this level says that requests take another time than was known."""
        if self._plan.fill_s or level.mean_ms is None:
            return False
        # Of an overloaded target it is not what requests take; the next level that is calmer tells.
        before, self._fill_s = self._fill_s, min(self._fill_s or inf, level.mean_ms / 1000)
        return self._fill_s != before

    @property
    def _filling_s(self) -> float:
        """How long a level is not judged; requests that are short beside it fill it at once."""
        if self._plan.fill_s or self._fill_s is None:
            return self._plan.fill_s
        return self._fill_s if _FILLS * self._fill_s > self._plan.level_s else 0.0

    @property
    def _longest_s(self) -> float:
        return self._plan.longest_s or _LONGEST_LEVEL * self._plan.level_s

    def _length_s(self, scale: float) -> float:
        """Long enough for the quantile that is asked for, and for the target to fill up, within bounds."""
        most_s = self._long_enough_s(self.mean_rps * scale)
        if not self.arrivals.varies:
            return most_s
        # A part that is denser than the whole has as many requests in less time, and how dense it is, its length says.
        length_s = max(self._long_enough_s(inf), most_s / _LEAST_SHARE)
        while length_s < most_s and self._long_enough_s(self._rps(scale, length_s)) > length_s:
            length_s = min(most_s, _FAR_LONGER * length_s)
        return length_s

    def _long_enough_s(self, rps: float) -> float:
        plan, rps, fill_s = self._plan, max(1e-9, rps), self._filling_s
        enough_s, full_s = plan.level_s, (_FILLS - 1) * fill_s
        if plan.requests is not None:
            enough_s = min(enough_s, plan.requests / rps)
            full_s = min(full_s, max(fill_s, plan.requests / rps))
        wanted_s = max(enough_s, 1.5 * self._needed / rps, full_s) + fill_s
        return min(wanted_s, self._longest_s, inf if plan.most_requests is None else plan.most_requests / rps)

    def _run(
        self, what: str, scale: float, length_s: float, phases: tuple[Phase, ...], guard: Guard
    ) -> Outcome | None:
        self._levels += 1
        knobs = msgspec.structs.replace(self._options.knobs, arrivals=self._options.knobs.arrivals * scale)
        options = msgspec.structs.replace(
            self._options,
            knobs=knobs,
            repeat=True,
            begins_with=self._first(scale, length_s),
            duration_s=length_s,
            phases=phases,
        )
        out = self._directory / f"{self._levels:02d}-{what}"
        run = self._replay(self._trace, self._target, options, out, self._on_progress, guard)
        self.spent_s += run.summary.elapsed_s
        self._options = with_less(self._options, run.summary)
        if run.summary.status != "finished" and run.ended_early is None:
            self.status, self.error, self.ended = run.summary.status, run.summary.error, run.summary.ended
            return None
        return run

    def recovery(self, ceiling: float) -> tuple[float | None, str]:
        """How long after an overload response times are what they were before it, and how that was asked."""
        calm_s, over_s = self._plan.level_s / 2, self._plan.level_s / 2
        phases = (
            Phase(calm_s, _RELIEF),
            Phase(over_s, _OVERLOAD),
            Phase(3 * self._plan.level_s, _RELIEF),
        )
        length_s = calm_s + over_s + 3 * self._plan.level_s
        run = self._run("recovery", ceiling, length_s, phases, Guard(1 << 60))
        how = f"{seconds(over_s)} at {exact(_OVERLOAD)} times the ceiling, then {exact(_RELIEF)} times"
        if run is None:
            return None, f"recovery was not seen: {ending(self.status)}"
        columns = read_evidence(run.directory, run.summary).columns
        took_s = back_after_s(columns, int(calm_s * _NS), int((calm_s + over_s) * _NS))
        if took_s is None:
            return (
                None,
                f"response times did not come back within {seconds(3 * self._plan.level_s)} after {how}",
            )
        return took_s, f"recovery was seen after {how}"
