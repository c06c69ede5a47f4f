"""Cold starts told apart from all else that is slow, and what they do to the tail.

By the target's own words where it has them: its cold header, or else its instance header (the first step of an
instance that was not seen before, if it took longer than warm steps do). Where it says nothing it is inferred:

- Each step's service time is taken relative to the median of its kind and name, so that slow steps are not taken
  for cold ones. Opening a connection is no part of it.
- The log of those is split in two where that leaves the least variance (Otsu 1979). The upper part counts as a mode
  of its own if two normal distributions fit clearly better than one (by BIC, more than 10; Raftery 1995), if it is
  more than one and a half times as slow, and if it takes a hundredth of a second more.
- A slow mode is cold starts only if it comes after idle times of the *target*: steps that found it idle, and those
  that came before it gave its first byte again (a wave), must be in the mode far more often after long idle times
  than after short ones (rank test, p < 0.01). Queueing, pauses and large answers are not.

The idle curve is of waves: how many of those that came after so long an idle time were cold.
"""

from typing import Literal, NamedTuple

import msgspec
import numpy as np
from scipy.stats import beta, mannwhitneyu

from replay.judge.figures import Evidence
from replay.judge.quantile import quantile
from replay.judge.sample import Floats
from replay.judge.types import VERDICT_SCHEMA
from replay.results.columns import ABSENT_NS, Columns, Flags
from replay.results.types import Quantiles

_NS = 1_000_000_000
_LEAST_ADDED_NS = 10_000_000
_LEAST_RATIO = 1.5
_LEAST_BIC = 10.0
_RANK_TEST = 0.01
_BUCKETS_A_DECADE = 5
_SHORTEST_IDLE_S = 0.01

Method = Literal["header", "instance", "inferred", "none"]
Confidence = Literal["certain", "high", "low", "none"]


class Cold(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The cold steps of a run. share: 0..1 of all steps sent. latency_ms, warm_ms: service times. added_ms: by how
    much a cold step took longer than the median warm one of its kind and name, in the median.
    """

    method: Method
    confidence: Confidence
    count: int
    share: float
    why: str
    latency_ms: Quantiles
    warm_ms: Quantiles
    added_ms: float | None = None
    waves: int = 0


class Tail(msgspec.Struct, omit_defaults=True):
    """What of the tail of response times is cold, as 0..1 of the steps in it, and what it would be without."""

    p99_ms: float | None = None
    p99_cold_share: float | None = None
    p99_without_cold_ms: float | None = None
    p99_9_ms: float | None = None
    p99_9_cold_share: float | None = None
    p99_9_without_cold_ms: float | None = None


class IdleBucket(msgspec.Struct, omit_defaults=True):
    """Waves after an idle time from idle_s up to to_s: how many, how many of them cold, and that share\'s interval."""

    idle_s: float
    to_s: float
    n: int
    cold: int
    share: float
    ci: tuple[float, float]


class Burst(msgspec.Struct, omit_defaults=True):
    """A burst of so many requests at once to an idle target. instances: that were woken, where it says so."""

    size: int
    cold: int
    slowest_ms: float
    median_ms: float
    instances: int | None = None


class ColdVerdict(msgspec.Struct, omit_defaults=True, kw_only=True):
    """verdict.json of `replay coldstart`. keep_alive_s: the target stays warm for longer than the first, and goes
    cold before the second; absent where the run does not show it.
    """

    schema: str
    command: Literal["coldstart"]
    cold: Cold
    tail: Tail
    idle_curve: list[IdleBucket]
    keep_alive_s: tuple[float, float | None] | None = None
    bursts: list[Burst] = []
    probes: int | None = None
    target: str | None = None
    run: str | None = None
    notes: list[str] = []


class Waves(NamedTuple):
    """Of each step, in order of rows: the idle time before its wave in ns, and whether it begins the wave. Steps
    that met a target at work have none (ABSENT_NS).
    """

    idle_ns: np.ndarray
    is_first: Flags


def judge_coldstart(run: Evidence) -> ColdVerdict:
    """What a run shows of cold starts."""
    columns = run.columns
    # A failure's time says nothing of how long a boot takes.
    sent = (columns.sent_ns != ABSENT_NS) & columns.ok
    waves = find_waves(columns, sent)
    is_cold, method, confidence, why = find_cold(columns, sent, waves)
    return ColdVerdict(
        schema=VERDICT_SCHEMA,
        command="coldstart",
        cold=_described(columns, sent, is_cold, waves, method, confidence, why),
        tail=_tail(columns, sent, is_cold),
        idle_curve=idle_curve(waves, is_cold),
        keep_alive_s=keep_alive(waves, is_cold) if method != "none" else None,
        target=run.summary.target.name,
        run=run.name,
    )


def find_waves(columns: Columns, sent: Flags) -> Waves:
    """Which steps found the target idle, and since when. Before the first step nothing is known, so it has no wave."""
    idle = np.full(columns.n, ABSENT_NS, np.int64)
    first = np.zeros(columns.n, np.bool_)
    rows = np.flatnonzero(sent)
    rows = rows[np.argsort(columns.sent_ns[rows], kind="stable")]
    busy_until = None
    wave_idle, wave_answered = ABSENT_NS, -1
    for row in rows.tolist():
        at, end = int(columns.sent_ns[row]), int(columns.end_ns[row])
        byte = int(columns.first_byte_ns[row])
        answered = end if byte == ABSENT_NS else byte
        if busy_until is not None and at >= busy_until:
            wave_idle, wave_answered = at - busy_until, answered
            idle[row], first[row] = wave_idle, True
        elif wave_idle != ABSENT_NS and at < wave_answered:
            idle[row] = wave_idle
            wave_answered = min(wave_answered, answered)
        busy_until = end if busy_until is None else max(busy_until, end)
    return Waves(idle, first)


def find_cold(columns: Columns, sent: Flags, waves: Waves) -> tuple[Flags, Method, Confidence, str]:
    """Which steps were cold, how that is known, how surely, and in words."""
    none = np.zeros(columns.n, np.bool_)
    if not sent.any():
        return none, "none", "none", "no step was sent"
    if (columns.cold[sent] >= 0).any():
        return sent & (columns.cold == 1), "header", "certain", "the target says which steps were cold"
    excess = _log_excess(columns, sent)
    slow, split = _slow_mode(columns, sent, excess)
    if (columns.instance[sent] >= 0).any():
        new = _first_of_instances(columns, sent) & slow
        why = "steps that were the first of a new instance, and slow"
        return new, "instance", "high" if new.any() else "low", why
    if not slow.any():
        return none, "inferred", "low", "no steps form a slow mode of their own"
    in_wave = sent & (waves.idle_ns != ABSENT_NS)
    after_idle = np.log(np.maximum(waves.idle_ns, 1_000))
    cold, warm = after_idle[in_wave & slow], after_idle[in_wave & ~slow]
    if not len(cold):
        return (
            none,
            "inferred",
            "none",
            "the slow steps did not come after idle times, so they are something else",
        )
    if len(warm) >= 3:
        p_value = float(mannwhitneyu(cold, warm, alternative="greater").pvalue)
        if p_value >= _RANK_TEST:
            why = "slow steps came after short idle times as well as long ones, so they are something else"
            return none, "inferred", "none", why
        certainty: Confidence = "high" if split > 1.0 and len(cold) >= 5 else "low"
    else:
        certainty = "low"
    return (
        in_wave & slow,
        "inferred",
        certainty,
        "steps of a slow mode that came after idle times of the target",
    )


def _log_excess(columns: Columns, sent: Flags) -> Floats:
    """The log of each service time over the median of its kind and name; 0 for steps that were not sent."""
    service = np.maximum(columns.end_ns - columns.sent_ns, 1).astype(np.float64)
    excess = np.zeros(columns.n)
    for code in np.unique(columns.series[sent]):
        rows = sent & (columns.series == code)
        excess[rows] = np.log(service[rows] / np.median(service[rows]))
    return excess


def _slow_mode(columns: Columns, sent: Flags, excess: Floats) -> tuple[Flags, float]:
    """The steps of the upper of two modes, none if there are not two; and how far apart those lie, as logs."""
    none = np.zeros(columns.n, np.bool_)
    values = np.sort(excess[sent])
    n = len(values)
    if n < 10:
        return none, 0.0
    sums, squares = np.cumsum(values), np.cumsum(values**2)
    k = np.arange(1, n)
    low_mean, high_mean = sums[:-1] / k, (sums[-1] - sums[:-1]) / (n - k)
    within = (squares[:-1] - k * low_mean**2) + (squares[-1] - squares[:-1] - (n - k) * high_mean**2)
    at = int(np.argmin(within))
    threshold = (values[at] + values[at + 1]) / 2
    apart = float(high_mean[at] - low_mean[at])
    slow = sent & (excess > threshold)
    whole = float(squares[-1] - sums[-1] ** 2 / n)
    if apart < np.log(_LEAST_RATIO) or _bic_gain(values, at + 1, whole) < _LEAST_BIC:
        return none, apart
    service = columns.end_ns - columns.sent_ns
    if np.median(service[slow]) - np.median(service[sent & ~slow]) < _LEAST_ADDED_NS:
        return none, apart
    return slow, apart


def _bic_gain(values: Floats, cut: int, whole: float) -> float:
    """By how much two normal modes, parted here, fit better than one: the difference of their BICs."""
    n = len(values)
    low, high = values[:cut], values[cut:]
    floor = 1e-6
    one = n * np.log(max(whole / n, floor))
    two = 0.0
    for part in (low, high):
        size = len(part)
        two += size * np.log(max(float(part.var()), floor)) - 2 * size * np.log(size / n)
    return float(one - two - 3 * np.log(n))


def _first_of_instances(columns: Columns, sent: Flags) -> Flags:
    """The first step that each instance answered, and those sent to it before that was answered."""
    found = np.zeros(columns.n, np.bool_)
    rows = np.flatnonzero(sent & (columns.instance >= 0))
    rows = rows[np.argsort(columns.sent_ns[rows], kind="stable")]
    ready: dict[int, int] = {}
    for row in rows.tolist():
        instance = int(columns.instance[row])
        byte = int(columns.first_byte_ns[row])
        answered = int(columns.end_ns[row]) if byte == ABSENT_NS else byte
        if instance not in ready or int(columns.sent_ns[row]) < ready[instance]:
            found[row] = True
            ready[instance] = min(answered, ready.get(instance, answered))
    return found


def _described(
    columns: Columns,
    sent: Flags,
    is_cold: Flags,
    waves: Waves,
    method: Method,
    confidence: Confidence,
    why: str,
) -> Cold:
    service_ms = (columns.end_ns - columns.sent_ns) / 1e6
    warm = sent & ~is_cold
    added: list[float] = []
    for code in np.unique(columns.series[is_cold]):
        rows = columns.series == code
        if (rows & warm).any():
            added += (service_ms[rows & is_cold] - np.median(service_ms[rows & warm])).tolist()
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
        added_ms=round(float(np.median(added)), 3) if added else None,
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


def idle_curve(waves: Waves, is_cold: Flags) -> list[IdleBucket]:
    """By idle time in logarithmic buckets, five to a tenfold: how many waves were cold (Clopper-Pearson, 95 %)."""
    rows = waves.is_first
    idle_s = waves.idle_ns[rows] / _NS
    cold = is_cold[rows]
    if not len(idle_s):
        return []
    steps = np.floor(_BUCKETS_A_DECADE * np.log10(np.maximum(idle_s, _SHORTEST_IDLE_S)) + 1e-9).astype(int)
    found = []
    for step in np.unique(steps).tolist():
        inside = steps == step
        n, hits = int(np.count_nonzero(inside)), int(np.count_nonzero(cold[inside]))
        from_s, to_s = 10 ** (step / _BUCKETS_A_DECADE), 10 ** ((step + 1) / _BUCKETS_A_DECADE)
        found.append(bucket(from_s, to_s, n, hits))
    return found


def bucket(from_s: float, to_s: float, n: int, cold: int) -> IdleBucket:
    """One part of the curve, with Clopper and Pearson's interval at 95 %."""
    low = 0.0 if not cold else float(beta.ppf(0.025, cold, n - cold + 1))
    high = 1.0 if cold == n else float(beta.ppf(0.975, cold + 1, n - cold))
    return IdleBucket(
        idle_s=round(from_s, 4),
        to_s=round(to_s, 4),
        n=n,
        cold=cold,
        share=round(cold / n, 4),
        ci=(round(low, 4), round(high, 4)),
    )


def keep_alive(waves: Waves, is_cold: Flags) -> tuple[float, float | None] | None:
    """Between which idle times the target goes cold: the cut that leaves the fewest waves on the wrong side."""
    rows = waves.is_first
    order = np.argsort(waves.idle_ns[rows], kind="stable")
    idle_s, cold = waves.idle_ns[rows][order] / _NS, is_cold[rows][order]
    if not len(idle_s):
        return None
    # Cold ones below the cut and warm ones above it are on the wrong side.
    wrong = np.concatenate([[0], np.cumsum(cold)]) + np.concatenate([np.cumsum(~cold[::-1])[::-1], [0]])
    cut = int(np.argmin(wrong))
    if cut == len(idle_s):
        return round(float(idle_s[-1]), 3), None
    return (round(float(idle_s[cut - 1]), 3) if cut else 0.0), round(float(idle_s[cut]), 3)
