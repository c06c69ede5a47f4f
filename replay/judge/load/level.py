"""What one level of load shows: whether it holds, and what gave way.

A level holds if its SLOs hold, it answers what is offered, and its response times do not grow without end.
"""

from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from replay.judge.gate.judging import judge_gate
from replay.judge.load.flow import at_once, flow, settled
from replay.judge.load.refusing import breaks, holds_without_refused, tries, were_refused
from replay.judge.load.types import Level
from replay.judge.load.unlike import usual_sizes
from replay.judge.measures.failures import MAYBE_OURS, by_class, example_of
from replay.judge.measures.metrics import measured, rows_of, sample_of, starts_of
from replay.judge.measures.slo import Slo, SloWindow
from replay.judge.statistics.distributions import at_least
from replay.judge.statistics.quantile import quantile
from replay.judge.statistics.sample import effect_of_sessions
from replay.results.columns import Columns, Flags
from replay.results.evidence import Evidence
from replay.results.histogram import Int64s
from replay.results.selector import Selector
from replay.words.numbers import number, seconds
from replay.words.phrases import counted

_NS = 1_000_000_000
FEWEST = 20
_SHORT_RATIO = 0.97
_MOST_FAILED = 0.01
_FEWEST_FAILED = 3
# What a target that bears less than is sent may answer with, or not answer.
_BY_LOAD = frozenset((*MAYBE_OURS, "status_5xx", "cut_short", "proxy", "app", "model_error", "graphql_error"))
_TOO_LATE = 408
_DOUBT = 0.025
# The busiest tenth of a level is told where it has so many times the mean, and so many deviations more.
_PEAKS_RATIO, _PEAKS_DEVIATIONS = 1.5, 4.0


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
        at_once=None if (found := at_once(columns, rows)) is None else round(found, 1),
        errors=bad,
        error_percent=round(100 * bad / n, 4) if n else 0.0,
        planned_rps=None if planned is None else round(planned(from_ns / _NS, to_ns / _NS) / flows.seconds, 3),
        settled_from_s=None if steadiness.from_ns is None else round(from_ns / _NS, 3),
        run=run.name,
        requests=n,
        usual_bytes=usual_sizes(columns, rows),
        busiest_rps=_busiest_rps(columns.intended_ns[rows], from_ns, to_ns),
    )
    if 0 < bad < n:
        tried = sample_of(columns, np.zeros(n), rows)
        level.errors_together = round(effect_of_sessions(failed[rows], tried), 3)
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
        refused = int(np.count_nonzero(failed & columns.flags("refused")))
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
    is_refused = bool((columns.flags("refused") | (columns.status == _TOO_LATE))[rows].any())
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
        apart = level.failures.by_themselves(level.errors_together)
        level.verdict = "fail"
        level.is_sure = float(at_least(apart.errors, apart.requests, _MOST_FAILED)) < _DOUBT
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
    _hold_to(slos, level, run, rows, from_ns, late_ms)


def _hold_to(
    slos: Sequence[Slo], level: Level, run: Evidence, rows: Flags, from_ns: int, late_ms: float
) -> None:
    """Whether a level that answers what is offered does so within the SLOs. late_ms: by which times may be too long."""
    window = SloWindow(after_s=from_ns / _NS)
    timed = [slo if slo.window != SloWindow() else slo._replace(window=window) for slo in slos]
    of_text = {slo.text: slo for slo in timed}
    # A level ends by its duration; that leaves no doubt about what it showed.
    run = msgspec.structs.replace(run, summary=msgspec.structs.replace(run.summary, status="finished"))
    # A level is a load, made of the trace by copies and cuts: no replay of it.
    checks = judge_gate(timed, run, least_fidelity=0.0).checks
    level.beyond = {slo.text: found for slo in timed if (found := _beyond(slo, run.columns, rows)) is not None}
    for check in checks:
        slo = of_text[check.slo]
        if check.verdict != "fail" and not (check.verdict == "inconclusive" and breaks(check, slo)):
            continue
        if check.verdict != "fail" and not breaks(check, slo, late_ms):
            level.limited_by = "generator"
            level.reason = f"{'; '.join(run.summary.generator.reasons)}, and {check.slo} may hold without"
            return
        level.verdict, level.is_sure = "fail", check.verdict == "fail"
        level.limited_by = {"errors": "errors", "rate": "throughput"}.get(check.metric, "latency")  # type: ignore[assignment]
        level.slo, level.reason = slo.text, f"{check.slo} does not hold"
        if slo.statistic == "errors" and slo.selector == Selector() and slo.error is None:
            level.allowed_percent = check.limit
        elif level.limited_by != "errors" and holds_without_refused(slo, run, rows):
            level.limited_by = "refusals"
            were_tried_again = (run.columns.attempts[rows & were_refused(run.columns)] > 1).any()
            again = " and tried again" if were_tried_again else ""
            level.reason += f" for steps that were refused{again}, and does for all others"
        return
    unknown = [check for check in checks if check.observed_ms is None and check.observed is None]
    if unknown:
        level.reason = f"{unknown[0].slo}: {unknown[0].reason}"
        return
    level.verdict, level.reason = "pass", "holds every SLO"
    level.is_sure = all(check.verdict == "pass" for check in checks)


def _beyond(slo: Slo, columns: Columns, rows: Flags) -> tuple[int, int] | None:
    """How many steps of an SLO on a percentile were beyond its limit, and of how many; None of any other."""
    limits = slo.needs_baseline or slo.needs_recording
    if slo.statistic != "quantile" or limits or slo.operator not in ("<", "<=") or slo.measure == "makespan":
        return None
    of_it = rows & rows_of(columns, slo.selector, slo.window)
    values = measured(columns, slo.measure, of_it, slo.part).sample.values
    kept = values < slo.limit.value if slo.operator == "<" else values <= slo.limit.value
    return int(np.count_nonzero(~kept)), len(values)
