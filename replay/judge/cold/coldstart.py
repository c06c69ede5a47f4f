"""What a run shows of cold starts: how many, what they add, and what they do to the tail."""

from math import inf

import numpy as np

from replay.judge.cold.added import added_in
from replay.judge.cold.behind import slow_all_the_same
from replay.judge.cold.finding import ColdSteps, cold_steps, come_later
from replay.judge.cold.idle_times import after_long_idle_times, idle_curve, keep_alive
from replay.judge.cold.missed import what_is_missed
from replay.judge.cold.types import Cold, ColdVerdict, Tail
from replay.judge.cold.waves import find_waves
from replay.judge.statistics.quantile import quantile
from replay.judge.statistics.sample import Floats
from replay.judge.types import VERDICT_SCHEMA
from replay.results.columns import ABSENT_NS, Columns, Flags
from replay.results.evidence import Evidence
from replay.results.summary_types import Quantiles
from replay.words.numbers import milliseconds, seconds
from replay.words.phrases import counted, were

_FEWEST_OTHERS, _TIMES_AS_LONG, _LEAST_BOOT_NS = 50, 2, 50_000_000


def judge_coldstart(run: Evidence) -> ColdVerdict:
    """What a run shows of cold starts."""
    columns = run.columns
    # A failure's time says nothing of how long a boot takes.
    sent = (columns.sent_ns != ABSENT_NS) & columns.ok
    found = cold_steps(columns, sent)
    is_cold, waves = found.is_cold, found.waves
    return ColdVerdict(
        schema=VERDICT_SCHEMA,
        command="coldstart",
        cold=_described(columns, sent, found),
        tail=_tail(columns, sent, is_cold),
        idle_curve=idle_curve(waves, is_cold),
        keep_alive_s=keep_alive(waves, is_cold) if found.method != "none" else None,
        target=run.summary.target.name,
        run=run.name,
        notes=_failed_behind_boots(columns, sent)
        + _at_the_beginning(columns, sent, found)
        + _what_was_missed(columns, sent, found)
        + _behind_the_target(columns, sent, found),
    )


def _at_the_beginning(columns: Columns, sent: Flags, found: ColdSteps) -> list[str]:
    """Where the very first step took far longer than any other of its kind and name: before it no idle time is known,
    so it counts nowhere. By chance the first is the slowest of so many in one run of fifty, and twice as slow as the
    next in fewer (tests/judge/cold/test_coldstart.py).
    """
    if found.method not in ("inferred", "none") or not sent.any():
        return []
    rows = np.flatnonzero(sent)
    first = int(rows[np.argmin(columns.sent_ns[rows])])
    took_ns = columns.end_ns - columns.sent_ns
    # What came while the first waited may have waited for the same.
    others = sent & (columns.series == columns.series[first]) & (columns.sent_ns >= columns.end_ns[first])
    if found.is_cold[first] or np.count_nonzero(others) < _FEWEST_OTHERS:
        return []
    most_ns = int(took_ns[others & ~found.is_cold].max(initial=0))
    if took_ns[first] < _TIMES_AS_LONG * most_ns or took_ns[first] - most_ns < _LEAST_BOOT_NS:
        return []
    of = ":".join(columns.series_names[columns.series[first]])
    return [
        f"the first request of the run took {milliseconds(took_ns[first] / 1e6)}, and no warm one of {of} after it "
        f"more than {milliseconds(most_ns / 1e6)}: the target may have been cold then; for how long it "
        "had been idle is not known, so it is counted as warm"
    ]


def _what_was_missed(columns: Columns, sent: Flags, found: ColdSteps) -> list[str]:
    """Where nothing was found by times, how much that says."""
    if found.method != "inferred" or found.is_cold.any():
        return []
    missed = what_is_missed(columns, sent, found.waves)
    if missed is None:
        return []
    if missed.at_least_s == inf:
        return ["the target was hardly ever idle, so this run says nothing of what idle time does to it"]
    after = f"even if the target went cold after {seconds(missed.at_least_s)} without a request"
    if missed.found_from_ms is None:
        return [f"no boot would show here, {after}: what comes after idle times takes too different times"]
    return [
        f"a boot that adds less than about {milliseconds(missed.found_from_ms)} would not show here, {after}"
    ]


def _behind_the_target(columns: Columns, sent: Flags, found: ColdSteps) -> list[str]:
    n = slow_all_the_same(columns, sent, found)
    if not n:
        return []
    none = "none of them was cold" if found.method == "header" else "no instance was new to any of them"
    return [
        f"{counted(n, 'step')} that came after idle times took long, though by what the target says {none}: something "
        "behind it may go cold, as a database, a cache or a pool of connections does"
    ]


def _failed_behind_boots(columns: Columns, answered: Flags) -> list[str]:
    """What failed has no time to tell a boot by, and yet may be what a boot does to whoever wakes the target."""
    tried = columns.sent_ns != ABSENT_NS
    failed = tried & ~answered
    if not failed.any():
        return []
    notes = [f"{were(int(np.count_nonzero(failed)), 'step')} left out, since they failed"]
    said = int(np.count_nonzero(failed & (columns.cold == 1)))
    if said:
        notes[0] += f"; of {said:,} the target says that they were cold"
    waves = find_waves(columns, tried)
    idle = np.log(np.maximum(waves.idle_ns, 1_000))
    if come_later(idle[waves.is_first & failed], idle[waves.is_first & answered]):
        notes[0] += (
            "; they came after longer idle times than others did, as where a target fails while it boots"
        )
    return notes


def _described(columns: Columns, sent: Flags, found: ColdSteps) -> Cold:
    is_cold, method, confidence, why, waves = found
    service_ms = (columns.end_ns - columns.sent_ns) / 1e6
    warm = sent & ~is_cold
    # Steps that were told by their slowness are slower for having been chosen so; an idle time chooses by nothing else.
    woken = after_long_idle_times(waves, is_cold) if method == "inferred" else is_cold
    added = added_in(columns, sent, woken)
    n = int(np.count_nonzero(sent))
    count = int(np.count_nonzero(is_cold))
    return Cold(
        method=method,
        confidence=confidence,
        count=count,
        share=round(count / n, 6) if n else 0.0,
        why=why,
        latency_ms=quantiles_of(service_ms[is_cold]),
        warm_ms=quantiles_of(service_ms[warm]),
        added_ms=added.ms,
        added_ci_ms=added.ci_ms,
        added_of=added.of,
        added_why=added.why,
        waves=int(np.count_nonzero(waves.is_first)),
    )


def quantiles_of(values_ms: Floats) -> Quantiles:
    """The usual figures, exact."""
    if not len(values_ms):
        return Quantiles(n=0)
    ordered = np.sort(values_ms)
    p50, p90, p95, p99, p99_9 = (round(quantile(ordered, q), 3) for q in (0.5, 0.9, 0.95, 0.99, 0.999))
    return Quantiles(
        n=len(ordered),
        mean=round(float(ordered.mean()), 3),
        min=round(float(ordered[0]), 3),
        p50=p50,
        p90=p90,
        p95=p95,
        p99=p99,
        p99_9=p99_9,
        max=round(float(ordered[-1]), 3),
    )


def _tail(columns: Columns, sent: Flags, is_cold: Flags) -> Tail:
    tail = Tail()
    response = (columns.end_ns - columns.intended_ns) / 1e6
    everything, warm = np.sort(response[sent]), np.sort(response[sent & ~is_cold])
    for name, q in (("p99", 0.99), ("p99_9", 0.999)):
        if len(everything) < 1 / (1 - q):
            continue
        edge = quantile(everything, q)
        beyond = sent & (response >= edge)
        setattr(tail, f"{name}_ms", round(edge, 3))
        setattr(
            tail,
            f"{name}_cold_share",
            round(float(np.count_nonzero(beyond & is_cold) / np.count_nonzero(beyond)), 4),
        )
        if len(warm):
            setattr(tail, f"{name}_without_cold_ms", round(quantile(warm, q), 3))
    return tail
