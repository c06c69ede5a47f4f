"""The highest load that a target bears: what a level of load shows, and the search over levels.

Scale multiplies the rate at which sessions arrive; arrivals stay open, whatever the target does. A level holds if
its SLOs hold, it answers what is offered, and its response times do not grow without end. One level is one run; its
interval decides it where it can, and else it is asked again, up to five times, until one side leads by two (Wald's
sequential test for two hypotheses with equal errors of one fifth a run, stopped at odds of 16 to 1).

The search goes up (or down) by factors of two to the first level that does not (or does) hold, and down by a factor of
ten from a level at which not one request was answered as expected, since the limit is far from there; then it halves
the bracket, on the log scale, to the precision asked for. What it returns is that bracket: the highest load that held,
and the lowest that did not. A generator that gives out first ends the search: the ceiling is then at least that. So
does a level at which every request failed as it would at any load, with a 404 for instance: there is no ceiling then.

Sessions are open, and the steps in them wait for one another: a level that ends before its first sessions do, or whose
target makes them wait, is asked for fewer requests a second than its sessions come to (`Level.planned_rps`). What it
bore is what it was asked for, so the ceiling is then told as the scale that these requests are, and the reasons say so,
unless that is chance among few sessions.

Failures are taken for the load's only where they come more often than at the loads that held (chance.py): a target that
fails one request in two hundred whatever it is asked breaks "errors < 1%" in one short level of ten.

The first run of a search meets the target as it was left, cold perhaps. Where it does not hold, that load is asked for
once more, and the first run counts no longer.

All that takes the limit to stay where it is while it is looked for. A target that scales out breaks at a load that it
bears a minute later, and one that lives on credits bears at first what it then does not. So the end of the bracket that
did not hold is asked for once more, unless that was just now, and then the end that held, by a level that is longer:
queues near the limit take long to grow. Where an end shows the other thing now, the search goes on from there, by steps
that double, until a bracket holds at both ends. A limit that has moved MOST_MOVES times is none.
The knee is where throughput over response time, Kleinrock's power (1979), is largest.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta

from replay.judge.gate.judging import judge_gate
from replay.judge.load.chance import BY_CHANCE, Failures, more_often
from replay.judge.load.flow import flow, settled
from replay.judge.load.refusing import breaks, holds_without_refused, tries, were_refused
from replay.judge.measures.failures import MAYBE_OURS, by_class, example_of
from replay.judge.measures.metrics import measured, starts_of
from replay.judge.measures.slo import Slo, SloWindow
from replay.judge.statistics.distributions import at_least
from replay.judge.statistics.quantile import quantile
from replay.judge.statistics.usl import Usl, fit_usl
from replay.judge.types import Decision
from replay.results.columns import REFUSED, Columns, Flags
from replay.results.evidence import Evidence
from replay.results.histogram import Int64s
from replay.results.selector import Selector
from replay.words.numbers import exact, number, seconds
from replay.words.phrases import counted

_NS = 1_000_000_000
GivesWay = Literal["latency", "errors", "refusals", "throughput", "generator", "max"]

STEP = 2.0
FAR_STEP = 10.0
LEAD = 2
MOST_TRIES = 5
MOST_GENERATOR_TRIES = 3
MOST_MOVES = 4
# Within so much of the first bracket another is the same limit, seen twice.
_MOVED_RATIO = 1.1
_SHORT_RATIO = 0.97
_MOST_FAILED = 0.01
FEWEST = 20
_FEWEST_FAILED = 3
# A level that was asked for more of what its scale comes to in the long run is told as that scale.
_REACHED_RATIO = 0.9
# So many standard deviations of a number of sessions that come by themselves are taken for chance.
_REACHED_DEVIATIONS = 1.5
# What a target that bears less than is sent may answer with, or not answer.
_BY_LOAD = frozenset((*MAYBE_OURS, "status_5xx", "cut_short", "proxy", "app", "model_error", "graphql_error"))
_BY_LOAD_STATUSES = (408, *REFUSED)
_DOUBT = 0.025
# Failures that are as frequent at so much less load do not come of it.
_FAR_LESS = 0.25
_AS_DENSE = 0.97
# The busiest tenth of a level is told where it has so many times the mean, and so many deviations more.
_PEAKS_RATIO, _PEAKS_DEVIATIONS = 1.5, 4.0


class Level(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One run at one load. Figures are of its settled part; a failure is infinitely slow in p50 and p99, and is left
    out of the mean.
    """

    scale: Annotated[float, Meta(description="How many times as fast sessions arrived as in the trace.")]
    offered_rps: Annotated[float, Meta(description="Requests a second that the schedule asked for.")]
    achieved_rps: Annotated[float, Meta(description="Steps answered a second.")]
    sessions_per_s: Annotated[float, Meta(description="Sessions started a second.")]
    sessions: Annotated[int, Meta(description="Sessions started in its settled part.")] = 0
    p50_ms: Annotated[
        float | None, Meta(description="The median response time, in ms; null among failures.")
    ] = None
    p99_ms: Annotated[
        float | None, Meta(description="The 99th percentile of response time, in ms; null among failures.")
    ] = None
    mean_ms: Annotated[float | None, Meta(description="The mean response time of those answered, in ms.")] = (
        None
    )
    errors: Annotated[int, Meta(description="Steps that failed.")] = 0
    error_percent: Annotated[float, Meta(description="Steps that failed, in percent.")] = 0.0
    in_flight: Annotated[float, Meta(description="Mean requests in flight at once.")] = 0.0
    verdict: Annotated[Decision, Meta(description="Whether it held.")] = "inconclusive"
    limited_by: Annotated[GivesWay | None, Meta(description="What did not hold.")] = None
    reason: Annotated[str, Meta(description="Why, in a sentence.")] = ""
    at_any_load: Annotated[
        bool, Meta(description="Whether every request failed, in a way that a lower load would not change.")
    ] = False
    is_sure: Annotated[
        bool,
        Meta(
            description=(
                "Whether it was decided by an interval or by something that leaves no doubt, not by the "
                "figure alone."
            )
        ),
    ] = False
    planned_rps: Annotated[
        float | None,
        Meta(
            description=(
                "Requests a second that the sessions which began in it come to once they are over; more than "
                "offered_rps where sessions last longer than the level or wait for the target."
            )
        ),
    ] = None
    requests: Annotated[int, Meta(description="Steps in its settled part, those that failed included.")] = 0
    busiest_rps: Annotated[
        float | None,
        Meta(
            description=(
                "Requests a second that the schedule asked for in the busiest tenth of its settled part; absent where "
                "that is about offered_rps."
            )
        ),
    ] = None
    tries_rps: Annotated[
        float | None,
        Meta(
            description="Tries a second that the target was sent, further ones included; absent where there are none."
        ),
    ] = None
    refused_percent: Annotated[
        float, Meta(description="Tries that the target refused with 429 or 503, in percent.")
    ] = 0.0
    allowed_percent: Annotated[
        float | None,
        Meta(description="Steps that may fail, in percent, where more of them did than that."),
    ] = None
    settled_from_s: Annotated[
        float | None, Meta(description="When response times had settled, in s from the run's start.")
    ] = None
    run: Annotated[str | None, Meta(description="The name of its run directory.")] = None

    @property
    def answered_nothing(self) -> bool:
        """Whether every request failed, and there were enough of them for that to be no chance."""
        return self.is_sure and self.error_percent == 100

    @property
    def failures(self) -> Failures:
        return Failures(self.errors, self.requests)


class Ceiling(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The highest load that held."""

    scale: Annotated[float, Meta(description="How many times as fast sessions arrived as in the trace.")]
    rps: Annotated[float, Meta(description="Requests a second that were answered at it.")]
    sessions_per_s: Annotated[float, Meta(description="Sessions a second at it.")]
    in_flight: Annotated[float, Meta(description="Mean requests in flight at once at it.")]
    ci_scale: Annotated[
        tuple[float, float | None],
        Meta(
            description=(
                "The bracket that the ceiling lies in, as scales: the highest that held, and the lowest that "
                "did not, null where nothing gave way."
            )
        ),
    ]
    limited_by: Annotated[GivesWay, Meta(description="What gave way beyond it.")]
    ci_rps: Annotated[
        tuple[float, float | None] | None,
        Meta(
            description=(
                "The same bracket in requests a second: what was answered at the highest load that held, and what was "
                "asked for at the lowest that did not, null where nothing gave way."
            )
        ),
    ] = None
    mean_scale: Annotated[
        float | None,
        Meta(
            description=(
                "How many times the mean rate of the whole trace its requests are, where levels played a part that is "
                "busier; scale is for the trace as it is, its busiest part included."
            )
        ),
    ] = None
    tries_rps: Annotated[
        float | None,
        Meta(
            description="Tries a second that it was sent at it, further ones included; absent where there are none."
        ),
    ] = None


class Knee(msgspec.Struct, omit_defaults=True):
    """The level at which throughput over mean response time is largest."""

    scale: Annotated[float, Meta(description="How many times as fast sessions arrived as in the trace.")]
    rps: Annotated[float, Meta(description="Requests a second at it.")]
    in_flight: Annotated[float, Meta(description="Mean requests in flight at once at it.")]
    mean_ms: Annotated[float, Meta(description="The mean response time at it, in ms.")]


class CeilingVerdict(msgspec.Struct, omit_defaults=True, kw_only=True):
    """verdict.json of `replay ceiling`."""

    schema: Annotated[str, Meta(description="replay.verdict/1.")]
    command: Annotated[Literal["ceiling"], Meta(description="ceiling.")]
    verdict: Annotated[
        Literal["found", "at_least", "not_reached", "inconclusive"],
        Meta(
            description=(
                "at_least: nothing of the target's gave way; not_reached: not even the lowest load held."
            )
        ),
    ]
    reasons: Annotated[list[str], Meta(description="Why, in sentences.")]
    ceiling: Annotated[Ceiling | None, Meta(description="The highest load that held; null where none did.")]
    levels: Annotated[list[Level], Meta(description="The loads that were tried.")]
    usl: Annotated[
        Usl | None, Meta(description="The Universal Scalability Law through the levels, where it fits.")
    ] = None
    knee: Annotated[Knee | None, Meta(description="The knee of the levels, where they show one.")] = None
    recovery_s: Annotated[
        float | None,
        Meta(
            description=(
                "From the end of an overload until response times are back, in s; absent where not tried or "
                "not seen."
            )
        ),
    ] = None
    slos: Annotated[list[str], Meta(description="The SLOs that had to hold, as they were written.")] = []
    target: Annotated[str | None, Meta(description="The target's name.")] = None
    trace: Annotated[str | None, Meta(description="The trace's name.")] = None
    notes: Annotated[list[str], Meta(description="What a reader must know, in sentences.")] = []


def judge_level(
    slos: Sequence[Slo],
    run: Evidence,
    scale: float,
    duration_s: float,
    gave_up: str | None,
    fill_s: float = 0.0,
    planned: Callable[[float, float], float] | None = None,
) -> Level:
    """What one run at one load shows. duration_s: how long sessions arrived. gave_up: why it was ended early.

    fill_s: how long an empty target takes to fill up, since requests last so long; before that fewer end than come.
    planned: requests of the sessions that begin between two instants of the level, in s, however long they take.
    """
    columns = run.columns
    to_ns = int(duration_s * _NS)
    if gave_up is not None and columns.n:
        to_ns = min(to_ns, int(columns.intended_ns.max()) + 1)
    inside = columns.intended_ns < to_ns
    answered = inside & columns.ok
    steadiness = settled(columns.intended_ns[answered], (columns.end_ns - columns.intended_ns)[answered])
    settled_ns = steadiness.from_ns or 0
    if settled_ns and _is_burst(columns.intended_ns, settled_ns, to_ns):
        # What it takes to settle from a burst is load, and no warm-up.
        settled_ns = 0
    from_ns = max(settled_ns, int(fill_s * _NS))
    flows = flow(columns, from_ns, to_ns)
    rows = inside & (columns.intended_ns >= from_ns)
    values = np.sort(measured(columns, "response", rows).sample.values)
    failed = rows & ~columns.ok
    n, bad = int(np.count_nonzero(rows)), int(np.count_nonzero(failed))
    began = starts_of(columns)
    starts = int(np.count_nonzero((began >= from_ns) & (began < to_ns)))
    level = Level(
        scale=round(scale, 6),
        offered_rps=round(flows.offered_rps, 3),
        achieved_rps=round(flows.achieved_rps, 3),
        sessions_per_s=round(starts / flows.seconds, 3),
        sessions=starts,
        in_flight=round(flows.in_flight, 3),
        errors=bad,
        error_percent=round(100 * bad / n, 4) if n else 0.0,
        planned_rps=None if planned is None else round(planned(from_ns / _NS, to_ns / _NS) / flows.seconds, 3),
        settled_from_s=None if steadiness.from_ns is None else round(from_ns / _NS, 3),
        run=run.name,
        requests=n,
        busiest_rps=_busiest_rps(columns.intended_ns[rows], from_ns, to_ns),
    )
    asked = tries(columns, rows)
    level.refused_percent = round(100 * asked.refused / asked.sent, 4) if n else 0.0
    if asked.sent > n:
        level.tries_rps = round(asked.sent / flows.seconds, 3)
    if n:
        level.p50_ms, level.p99_ms = round(quantile(values, 0.5), 3), round(quantile(values, 0.99), 3)
        level.mean_ms = round(float(values[: n - bad].mean()), 3) if bad < n else None
    if n == bad > 0:
        _fail_whole(level, columns, rows)
    else:
        grows = steadiness.grows or steadiness.from_ns is None
        _decide(level, slos, run, rows, from_ns, to_ns, flows.ended_rps, grows, gave_up)
    if level.limited_by == "errors":
        refused = int(np.count_nonzero(failed & np.isin(columns.status, REFUSED)))
        if refused > bad / 2:
            level.limited_by = "refusals"
    return level


def _is_burst(intended_ns: Int64s, settled_ns: int, to_ns: int) -> bool:
    """Whether requests came more densely before a level settled than afterwards, beyond chance."""
    before = int(np.count_nonzero(intended_ns < settled_ns))
    after = int(np.count_nonzero((intended_ns >= settled_ns) & (intended_ns < to_ns)))
    expected = after * settled_ns / max(1, to_ns - settled_ns)
    return (
        before > _PEAKS_RATIO * expected and before - expected > _PEAKS_DEVIATIONS * max(1.0, expected) ** 0.5
    )


def _busiest_rps(intended_ns: Int64s, from_ns: int, to_ns: int) -> float | None:
    counts, _ = np.histogram(intended_ns, bins=10, range=(from_ns, max(to_ns, from_ns + 1)))
    most, mean = float(counts.max()), float(counts.mean())
    if most < _PEAKS_RATIO * mean or most - mean < _PEAKS_DEVIATIONS * mean**0.5:
        return None
    return round(10 * most * _NS / (to_ns - from_ns), 3)


def _fail_whole(level: Level, columns: Columns, rows: Flags) -> None:
    """Not one request was answered as expected. Whether fewer would be depends on how they failed."""
    level.verdict, level.limited_by = "fail", "errors"
    # By chance a target that fails one in a hundred fails three of three in one of a million levels.
    level.is_sure = level.errors >= _FEWEST_FAILED
    is_refused = bool(np.isin(columns.status[rows], _BY_LOAD_STATUSES).any())
    level.at_any_load = level.is_sure and not is_refused and not set(by_class(columns, rows)) & _BY_LOAD
    level.reason = f"all {counted(level.errors, 'request')} failed: {example_of(columns, rows)}"


def _decide(
    level: Level,
    slos: Sequence[Slo],
    run: Evidence,
    rows: Flags,
    from_ns: int,
    to_ns: int,
    ended_rps: float,
    grows: bool,
    gave_up: str | None,
) -> None:
    """Long, because it is the list of what can give way, in order."""
    n, generator = level.requests, run.summary.generator
    # Lateness within a known bound can have made times no longer than by that: levels far from the limit stand.
    late_ms = generator.late_ms if generator.verdict == "suspect" else 0.0
    if generator.verdict == "saturated" or late_ms is None:
        level.limited_by, level.reason = "generator", "; ".join(generator.reasons)
        return
    if gave_up is not None:
        level.verdict, level.is_sure = "fail", True
        level.limited_by, level.reason = "errors" if "fail" in gave_up else "throughput", gave_up
        return
    if n < FEWEST:
        level.reason = (
            f"{counted(n, 'request')} in {seconds((to_ns - from_ns) / _NS)} are too few to judge a level by"
        )
        level.reason += f"; {FEWEST} are needed: a longer --level, or a higher --from"
        return
    bounds_errors = any(slo.statistic == "errors" for slo in slos)
    if not bounds_errors and level.error_percent > 100 * _MOST_FAILED:
        # Below the lower bound of Clopper and Pearson (1934) lies what is allowed.
        level.verdict, level.is_sure = "fail", float(at_least(level.errors, n, _MOST_FAILED)) < _DOUBT
        level.limited_by, level.reason = "errors", f"{number(level.error_percent)}% of requests failed"
        level.allowed_percent = 100 * _MOST_FAILED
        return
    # By what ended: failures have a bound of their own, and whoever allows some does not ask for their answers.
    missing = (level.offered_rps - ended_rps) * n / max(level.offered_rps, 1e-9)
    is_short = ended_rps < _SHORT_RATIO * level.offered_rps and missing > 3 * n**0.5
    # A queue without a bound leaves a backlog; below capacity what is left at the end is a handful.
    if is_short or (grows and missing > n**0.5):
        refused = int(np.count_nonzero(rows & were_refused(run.columns)))
        level.verdict, level.is_sure = "fail", is_short
        level.limited_by = "refusals" if refused >= missing else "throughput"
        level.reason = (
            f"{number(ended_rps, 4)}/s of {number(level.offered_rps, 4)}/s offered were answered"
            if is_short
            else "response times grew to the end: the queue has no bound"
        )
        return
    if not slos:
        level.verdict, level.is_sure, level.reason = "pass", not grows, "answers what is offered"
        return
    window = SloWindow(after_s=from_ns / _NS)
    timed = [slo if slo.window != SloWindow() else slo._replace(window=window) for slo in slos]
    of_text = {slo.text: slo for slo in timed}
    # A level ends by its duration; that leaves no doubt about what it showed.
    run = msgspec.structs.replace(run, summary=msgspec.structs.replace(run.summary, status="finished"))
    # A level is a load, made of the trace by copies and cuts: no replay of it.
    checks = judge_gate(timed, run, least_fidelity=0.0).checks
    for check in checks:
        slo = of_text[check.slo]
        if check.verdict != "fail" and not (check.verdict == "inconclusive" and breaks(check, slo)):
            continue
        if check.verdict != "fail" and not breaks(check, slo, late_ms):
            level.limited_by = "generator"
            level.reason = f"{'; '.join(generator.reasons)}, and {check.slo} may hold without"
            return
        level.verdict, level.is_sure = "fail", check.verdict == "fail"
        level.limited_by = {"errors": "errors", "rate": "throughput"}.get(check.metric, "latency")  # type: ignore[assignment]
        level.reason = f"{check.slo} does not hold"
        if slo.statistic == "errors" and slo.selector == Selector() and slo.error is None:
            level.allowed_percent = check.limit
        elif level.limited_by != "errors" and holds_without_refused(slo, run, rows):
            level.limited_by = "refusals"
            level.reason += " for steps that were refused and tried again, and does for all others"
        return
    unknown = [check for check in checks if check.observed_ms is None and check.observed is None]
    if unknown:
        level.reason = f"{unknown[0].slo}: {unknown[0].reason}"
        return
    level.verdict, level.reason = "pass", "holds every SLO"
    level.is_sure = all(check.verdict == "pass" for check in checks)


class _Point(NamedTuple):
    """What was seen at one load: passes minus fails, how often it was tried, and how often this machine was "
    "saturated."""

    lead: int = 0
    tries: int = 0
    gave_out: int = 0


class Search:
    """Which load to try next. Tell it what each level showed; `next_scale` is None when it is over.

    first, most, least: loads. precision: the bracket's width at the end, as a share of the load. tries: how often a
    load is asked for at most; once, where it would show the same again, and then no end of the bracket is asked twice.
    """

    def __init__(
        self,
        first: float = 1.0,
        most: float = 1e6,
        least: float = 1e-3,
        precision: float = 0.025,
        tries: int = MOST_TRIES,
    ) -> None:
        self._first, self._most, self._least, self._precision = first, most, least, precision
        self._most_tries = tries
        self._points: dict[float, _Point] = {}
        self._held: float | None = None
        self._broke: float | None = None
        self._at = first
        self._last_held = self._last_broke = 0
        self.is_confirming = False
        """Whether the bracket has closed, and one of its ends is asked for again."""
        self._doubted: list[float] = []
        self._only_longer = False
        self._moves = 0
        self._stride = 1.0
        self._first_bracket: tuple[float, float] | None = None
        self.levels: list[Level] = []
        self.ended_by: (
            Literal["precision", "generator", "max", "least", "undecided", "failing", "moving"] | None
        ) = None

    def __repr__(self) -> str:
        return f"<Search between {self._held} and {self._broke}, {counted(len(self.levels), 'level')}>"

    @property
    def held(self) -> float | None:
        """The highest load that held."""
        return self._held

    @property
    def broke(self) -> float | None:
        """The lowest load that did not."""
        return self._broke

    @property
    def moved(self) -> tuple[float, float] | None:
        """The bracket that was found first, where a later one is another limit."""
        first, held = self._first_bracket, self._held
        if first is None or held is None or first[0] / _MOVED_RATIO < held < first[0] * _MOVED_RATIO:
            return None
        return first

    def next_scale(self) -> float | None:
        """The load to try now, or None."""
        return None if self.ended_by is not None else self._at

    def tell(self, level: Level) -> None:
        """What the load that was asked for showed."""
        self.levels.append(level)
        if level.at_any_load:
            self.ended_by = "failing"
            return
        if self._is_first_failure and len(self.levels) == 1:
            return
        point = self._points.get(self._at, _Point())
        if level.limited_by == "generator":
            # Once may be a neighbour on this machine; three times is the machine.
            self._points[self._at] = point._replace(gave_out=point.gave_out + 1)
            if point.gave_out + 1 >= MOST_GENERATOR_TRIES:
                self.ended_by = "generator"
            return
        weight = (LEAD if level.is_sure else 1) * {"pass": 1, "fail": -1, "inconclusive": 0}[level.verdict]
        point = self._points[self._at] = _Point(point.lead + weight, point.tries + 1, point.gave_out)
        if not point.lead and level.verdict == "inconclusive":
            # What it lacked, another run of that load would lack too.
            self.ended_by = "precision" if self.is_confirming else "undecided"
            return
        if point.tries < self._most_tries and (abs(point.lead) < LEAD or self._may_be_chance):
            return
        if self._fails_anyhow:
            self.ended_by = "failing"
            return
        self._move(holds=point.lead > 0 or (self._may_be_chance and self._is_chance))

    @property
    def began_cold(self) -> bool:
        """Whether the first run surely did not hold, and the next of the same load did."""
        return self._is_first_failure and [level.verdict for level in self.levels[1:2]] == ["pass"]

    @property
    def _is_first_failure(self) -> bool:
        """Whether the first run is one that does not count, since the target may have been cold."""
        first = self.levels[0]
        return self._most_tries > 1 and first.is_sure and first.verdict == "fail"

    @property
    def _here(self) -> list[Level]:
        """What was seen at this load, a first run that does not count left out."""
        of_account = self.levels[1:] if self._is_first_failure else self.levels
        return [level for level in of_account if level.scale == round(self._at, 6)]

    @property
    def _may_be_chance(self) -> bool:
        """Whether this load does not hold for failures alone, of which no run has enough to be sure."""
        fails = [level for level in self._here if level.verdict == "fail"]
        return bool(fails) and all(level.allowed_percent and not level.is_sure for level in fails)

    @property
    def _is_chance(self) -> bool:
        """Whether failures here come no more often than at lower loads that held, and as rarely as they may in all."""
        here = _failures(self._here)
        below = _failures(
            [level for level in self.levels if level.scale < self._at and level.verdict != "fail"]
        )
        allowed = min(
            (level.allowed_percent or 0.0 for level in self._here if level.verdict == "fail"), default=0.0
        )
        return not _come_of_load(here, below, len(self.levels)) and (here + below).percent < allowed

    @property
    def _fails_anyhow(self) -> bool:
        """Whether no load holds, for failures that are as frequent at a quarter of the first load as at that."""
        if self._held is not None or any(not level.allowed_percent for level in self.levels):
            return False
        most = max(level.scale for level in self.levels)
        at_most = _failures([level for level in self.levels if level.scale == most])
        return self._at <= _FAR_LESS * most and not _come_of_load(at_most, _failures(self._here))

    def _move(self, *, holds: bool) -> None:
        at = self._at
        if self.is_confirming:
            was_longer, self.is_confirming = self.asks_longer, False
            if holds == (at == self._held):
                self._ask_again()
                return
            self._only_longer |= was_longer
            self._doubted.clear()
            self._moves += 1
            if self._moves >= MOST_MOVES:
                self.ended_by = "moving"
                return
            self._follow(at)
        if holds:
            self._held, self._last_held = at, len(self.levels)
            if self._broke is None:
                if at >= self._most:
                    self.ended_by = "max"
                    return
                self._at = min(at * self._step(), self._most)
                return
        else:
            self._broke, self._last_broke = at, len(self.levels)
            if self._held is None:
                if at <= self._least:
                    self.ended_by = "least"
                    return
                step = FAR_STEP if self.levels[-1].answered_nothing else self._step()
                self._at = max(at / step, self._least)
                return
        assert self._held is not None
        assert self._broke is not None
        if self._broke / self._held <= 1 + self._precision:
            self._confirm(self._held, self._broke)
            return
        self._at = (self._held * self._broke) ** 0.5

    def _step(self) -> float:
        """By how much to go on where only one end of the bracket is known."""
        if not self._moves:
            return STEP
        self._stride = min(STEP, self._stride**2)
        return self._stride

    @property
    def asks_longer(self) -> bool:
        """Whether the load now to try is to last longer than a level does otherwise."""
        return self._only_longer or (self.is_confirming and self._at == self._held)

    def _confirm(self, held: float, broke: float) -> None:
        """Ask for the ends of the closed bracket once more: for the one that did not hold unless that was just now."""
        if self._first_bracket is None:
            self._first_bracket = held, broke
        if self._most_tries > 1:
            self._doubted = [held] if self._last_broke > self._last_held else [held, broke]
        self._ask_again()

    def _ask_again(self) -> None:
        if not self._doubted:
            self.ended_by = "precision"
            return
        self.is_confirming = True
        self._at = self._doubted.pop()
        self._points.pop(self._at, None)

    def _follow(self, at: float) -> None:
        """The limit is now beyond this end of the bracket, and what was seen of other loads is of no account."""
        self._stride = 1 + self._precision
        self._points.clear()
        if at == self._held:
            self._held = None
        else:
            self._broke = None


def conclude(search: Search, extra: Sequence[Level] = ()) -> tuple[str, list[str], Ceiling | None]:
    """The verdict of a search, its reasons, and the ceiling. extra: levels below it that were measured afterwards."""
    held, broke = search.held, search.broke
    levels = [*search.levels, *extra]
    if held is None:
        why = search.levels[-1].reason if search.levels else "no level was measured"
        failed = [level for level in search.levels if level.verdict == "fail"]
        passed = [level.scale for level in search.levels if level.verdict == "pass"]
        if passed and failed:
            before = f"{exact(max(passed))}x held once, and at {exact(failed[-1].scale)}x {failed[-1].reason}"
            return (
                "inconclusive",
                [before, "the limit moved, and the search ended before it was found again"],
                None,
            )
        if not failed or search.levels[-1].at_any_load:
            return "inconclusive", [why], None
        if search.ended_by == "failing":
            return "inconclusive", [_how_it_fails_anyhow(failed)], None
        # Where load helps, as a batch that fills up does, this is no end.
        most = max(level.scale for level in search.levels)
        reasons = [*_in_turn(failed, why), f"no load above {exact(most)}x was tried"]
        return "not_reached" if search.ended_by == "least" else "inconclusive", reasons, None
    at = [level for level in levels if level.scale == round(held, 6) and level.verdict == "pass"]
    best = at or [level for level in levels if level.scale == round(held, 6)]
    over = [level for level in levels if broke is not None and level.scale == round(broke, 6)]
    gave = next((level for level in reversed(over) if level.limited_by is not None), None)
    limited_by: GivesWay = "max" if gave is None or gave.limited_by is None else gave.limited_by
    if search.ended_by == "generator":
        limited_by = "generator"
    reached, reached_broke = _reached(best), _reached(over)
    # A longer level of the same scale may go on into a part of the trace that is less busy.
    densest = max(level.offered_rps for level in best)
    best = [level for level in best if level.offered_rps >= _AS_DENSE * densest]
    rps = float(np.mean([level.achieved_rps for level in best]))
    tried = [level.tries_rps or level.offered_rps for level in best]
    ceiling = Ceiling(
        scale=round(held * reached, 6),
        rps=round(rps, 3),
        sessions_per_s=round(float(np.mean([level.sessions_per_s for level in best])) * reached, 3),
        in_flight=round(float(np.mean([level.in_flight for level in best])), 3),
        ci_scale=(
            round(held * reached, 6),
            None if broke is None else round(broke * max(reached_broke, held * reached / broke), 6),
        ),
        limited_by=limited_by,
        ci_rps=(
            round(rps, 3),
            # Who waits for an overloaded target asks it for no more than it bears.
            round(max(rps, float(np.mean([level.offered_rps for level in over]))), 3) if over else None,
        ),
        tries_rps=round(float(np.mean(tried)), 3) if any(level.tries_rps for level in best) else None,
    )
    if search.ended_by == "failing":
        return "inconclusive", [search.levels[-1].reason], ceiling
    less = [] if reached == 1 else [_how_it_was_reached(held, best, ceiling)]
    if search.ended_by == "generator":
        return "at_least", [f"this machine was saturated first: {search.levels[-1].reason}", *less], ceiling
    if search.ended_by == "max":
        return "at_least", [f"the SLOs hold at the highest load tried, {exact(held)}x", *less], ceiling
    if gave is None:
        broken = [level for level in levels if level.verdict == "fail"]
        last = [f"at {number(broken[-1].scale, 4)}x {broken[-1].reason}"] if broken else []
        return "inconclusive", ["the search ended before the ceiling was bracketed", *last], ceiling
    reasons = [f"at {number(broke, 4)}x {gave.reason}"]
    reasons += less
    if (said := _how_it_was_tried(over)) is not None:
        reasons.append(said)
    if search.began_cold:
        reasons.append(
            f"the first run, at {exact(search.levels[0].scale)}x, did not hold ({search.levels[0].reason}), and the "
            "next at that load did, so it is not counted: a target that is cold bears less"
        )
    if all(level.allowed_percent for level in over if level.verdict == "fail"):
        held_ones = [level for level in levels if level.scale <= round(held, 6) and level.verdict == "pass"]
        if not _come_of_load(_failures(over), _failures(held_ones), len(levels)):
            return "inconclusive", [*reasons, _how_often_they_fail(over, held_ones)], ceiling
    if search.ended_by == "moving":
        why = "each time an end of the bracket was asked for again it showed the other thing: the limit moves"
        return "inconclusive", [*reasons, why], ceiling
    if search.ended_by != "precision" and not search.is_confirming:
        return "inconclusive", [*reasons, "the search ended before the ceiling was bracketed"], ceiling
    if search.moved is not None:
        reasons.append(_how_it_moved(search.moved, held))
    if search.ended_by is None and broke is not None:
        reasons.append(f"the search ended before {exact(held)}x or {exact(broke)}x was asked for once more")
    fell = next((level for level in extra if level.verdict == "fail" and level.is_sure), None)
    if fell is not None:
        # What breaks below its own ceiling has none that anybody could rely on.
        return (
            "inconclusive",
            [*reasons, f"{number(fell.scale, 4)}x did not hold after that: {fell.reason}"],
            ceiling,
        )
    return "found", reasons, ceiling


def _failures(levels: Sequence[Level]) -> Failures:
    return sum((level.failures for level in levels), Failures(0, 0))


def _come_of_load(here: Failures, there: Failures, looks: int = 1) -> bool:
    """Whether steps fail more often at this load than at that lower one, beyond chance; looks: levels among which this
    one stood out, so that one of them would by chance (Bonferroni).
    """
    return more_often(here, there) < BY_CHANCE / looks


def _how_it_was_tried(levels: Sequence[Level]) -> str | None:
    """What tries and refusals there were at a load, if any step was tried again."""
    again = [level for level in levels if level.tries_rps is not None]
    if not again:
        return None
    tried, offered, refused = (
        float(np.mean([getattr(level, name) or 0.0 for level in again]))
        for name in ("tries_rps", "offered_rps", "refused_percent")
    )
    return (
        f"at {number(again[0].scale, 4)}x the target was sent {number(tried, 4)} tries a second for "
        f"{number(offered, 4)} requests, and refused {number(refused)}% of them: retries are load, too"
    )


def _how_often_they_fail(over: Sequence[Level], held: Sequence[Level]) -> str:
    here, there = _failures(over), _failures(held)
    return (
        f"steps failed hardly more often there ({here.errors:,} of {here.requests:,}) than at the loads that held "
        f"({there.errors:,} of {there.requests:,}), which chance may have done: they need not come of load. A longer "
        "--level tells more, or an SLO that allows the failures that there are at any load"
    )


def _how_it_fails_anyhow(failed: Sequence[Level]) -> str:
    most, least = max(level.scale for level in failed), min(level.scale for level in failed)
    many, few = (_failures([level for level in failed if level.scale == scale]) for scale in (most, least))
    return (
        f"at {exact(most)}x {number(many.percent)}% of requests failed and at {exact(least)}x {number(few.percent)}%: "
        "less load does not help, so it is not load that limits. See what fails, or allow it with an SLO for errors"
    )


def _in_turn(failed: Sequence[Level], last: str) -> list[str]:
    """Why the first load did not hold, and the last, where that is another reason."""
    first = max(failed, key=lambda level: level.scale)
    why = f"at {exact(first.scale)}x {first.reason}"
    return [last] if first.reason == last else [why, f"and then {last}"]


def _reached(levels: Sequence[Level]) -> float:
    """Which share of the requests a second that their scale comes to these levels asked for; 1 where that is all but
    chance.
    """
    known = [level for level in levels if level.planned_rps]
    if not known:
        return 1.0
    share = float(np.mean([level.offered_rps / (level.planned_rps or 1.0) for level in known]))
    # Levels begin at the same place of the trace, so another level of that load is no other chance.
    sessions = max(1.0, float(np.mean([level.sessions for level in known])))
    return share if share < min(_REACHED_RATIO, 1 - _REACHED_DEVIATIONS / sessions**0.5) else 1.0


def _how_it_was_reached(held: float, levels: Sequence[Level], ceiling: Ceiling) -> str:
    """Why the ceiling is told as a lower scale than that of the highest level that held."""
    offered, planned = (
        number(float(np.mean([getattr(level, name) for level in levels])), 4)
        for name in ("offered_rps", "planned_rps")
    )
    return (
        f"{number(held, 4)}x is {planned}/s in the long run, of which levels asked for {offered}/s, since sessions go "
        f"on for longer than a level or wait for the target; that is what {number(ceiling.scale, 4)}x comes to"
    )


def _how_it_moved(first: tuple[float, float], held: float) -> str:
    """What a reader must know of a ceiling that was elsewhere before."""
    was, broke = (number(end, 4) for end in first)
    if held > first[0]:
        return (
            f"{broke}x did not hold at first and did later, so the limit moved while it was looked for, as that of a "
            "target that scales out or warms up does: a load that comes all at once meets the lower one"
        )
    return (
        f"{was}x held at first and did not later, so the limit moved while it was looked for, as that of a target with "
        "credits or a burst allowance does: what it bears for longer may be less still"
    )


def usl_of(levels: Sequence[Level]) -> Usl | None:
    """The scalability law through all levels that the generator kept up with."""
    usable = [level for level in levels if level.limited_by != "generator"]
    return fit_usl([level.in_flight for level in usable], [level.achieved_rps for level in usable])


def knee_of(levels: Sequence[Level]) -> Knee | None:
    """The level of the largest power; None for fewer than three loads."""
    usable = [level for level in levels if level.mean_ms and level.limited_by != "generator"]
    if len({level.scale for level in usable}) < 3:
        return None
    best = max(usable, key=lambda level: level.achieved_rps / (level.mean_ms or 1.0))
    return Knee(best.scale, best.achieved_rps, best.in_flight, best.mean_ms or 0.0)
