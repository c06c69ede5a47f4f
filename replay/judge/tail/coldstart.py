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
- That alone is little. Whatever happens to a target while nobody looks, such as a pause now and then, falls into long
  idle times more often than into short ones (the inspection paradox): of the waves after as long idle times, at least a
  tenth must be slow. And the first step of a session comes after an idle time by nature, and may have more to do than
  those that follow, such as a prompt that no cache holds yet: where the slow steps are first ones, they are held to
  other first steps; if those are all slow, it is not known which of the two made them so.
- Steps that come while the target boots wait for the rest of the boot, so that many of them fill the gap between the
  modes. Where no mode of all steps stands, it is looked for among the steps alone that begin a wave: those are warm, or
  have waited for a whole boot. Where there are no two modes of those either, since a target's own times vary as much as
  a boot takes, the idle time is looked for from which on they are slower. Who came into the boot of a cold one was cold
  as well.

What one kind and name of steps asks for may have instances of its own, behind the same address: then the target is
never idle while they are. So where nothing is found each kind and name is looked at as if it were the target. The rank
test has to bear so many looks (Bonferroni), and most of what comes after as long idle times has to be slow; how sure
that is stays low.

The idle curve is of waves: how many of those that came after so long an idle time were cold.
"""

import math
from typing import Annotated, Literal, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta

from replay.judge.statistics.distributions import beta_quantile
from replay.judge.statistics.quantile import quantile
from replay.judge.statistics.sample import Floats
from replay.judge.tail.added import added_in
from replay.judge.types import VERDICT_SCHEMA
from replay.results.columns import ABSENT_NS, Columns, Flags
from replay.results.evidence import Evidence
from replay.results.types import Quantiles
from replay.words.numbers import percent
from replay.words.phrases import were

_NS = 1_000_000_000
_LEAST_ADDED_NS = 10_000_000
_LEAST_RATIO = 1.5
_LEAST_BIC = 10.0
_RANK_TEST = 0.01
# Where every possible limit is looked at; and so many waves are wanted on each side of it.
_LIMIT_TEST = 0.001
_LEAST_OF_A_LIMIT = 5
_LEAST_AFTER_LONG = 0.1
_MOSTLY = 0.5
_NEARLY_ALL = 0.9
_LEAST_TO_TELL = 5
_BUCKETS_A_DECADE = 5
_SHORTEST_IDLE_S = 0.01

Method = Literal["header", "instance", "inferred", "none"]
Confidence = Literal["certain", "high", "low", "none"]


class Cold(msgspec.Struct, omit_defaults=True, kw_only=True):
    """The cold steps of a run, and how they were told."""

    method: Annotated[
        Method,
        Meta(
            description=(
                "How they were told: by the target's cold header, its instance header, or inferred from times."
            )
        ),
    ]
    confidence: Annotated[Confidence, Meta(description="How sure that is.")]
    count: Annotated[int, Meta(description="Cold steps.")]
    share: Annotated[float, Meta(description="Cold steps, as a share of all steps sent, from 0 to 1.")]
    why: Annotated[str, Meta(description="How they were told, in a sentence.")]
    latency_ms: Annotated[Quantiles, Meta(description="Service times of cold steps, in ms.")]
    warm_ms: Annotated[Quantiles, Meta(description="Service times of warm steps, in ms.")]
    added_ms: Annotated[
        float | None,
        Meta(
            description=(
                "What a cold start adds, in ms: by how much the steps that woke the target, having found it cold "
                "with nothing in flight, took longer than the median warm one of their kind and name, in the median."
            )
        ),
    ] = None
    added_ci_ms: Annotated[
        tuple[float, float] | None,
        Meta(description="The interval of added_ms at 95 %; null where too few steps woke the target."),
    ] = None
    added_of: Annotated[
        int, Meta(description="How many steps that woke the target added_ms is the median of.")
    ] = 0
    added_why: Annotated[
        str, Meta(description="Why added_ms is not known, where there are cold steps; else empty.")
    ] = ""
    waves: Annotated[
        int,
        Meta(
            description=("Waves: groups of steps that found the target idle, or came before it answered again.")
        ),
    ] = 0


class Tail(msgspec.Struct, omit_defaults=True):
    """What of the tail of response times is cold, and what it would be without."""

    p99_ms: Annotated[float | None, Meta(description="The 99th percentile of response time, in ms.")] = None
    p99_cold_share: Annotated[
        float | None, Meta(description="The share of cold steps at it and beyond, from 0 to 1.")
    ] = None
    p99_without_cold_ms: Annotated[
        float | None, Meta(description="The 99th percentile without cold steps, in ms.")
    ] = None
    p99_9_ms: Annotated[float | None, Meta(description="The 99.9th percentile of response time, in ms.")] = None
    p99_9_cold_share: Annotated[
        float | None, Meta(description="The share of cold steps at it and beyond, from 0 to 1.")
    ] = None
    p99_9_without_cold_ms: Annotated[
        float | None, Meta(description="The 99.9th percentile without cold steps, in ms.")
    ] = None


class IdleBucket(msgspec.Struct, omit_defaults=True):
    """Waves after an idle time of the target within these bounds."""

    idle_s: Annotated[float, Meta(description="The least idle time, in s.")]
    to_s: Annotated[float, Meta(description="The idle time that is too long for it, in s.")]
    n: Annotated[int, Meta(description="How many waves there were.")]
    cold: Annotated[int, Meta(description="How many of them were cold.")]
    share: Annotated[float, Meta(description="The share of them that was cold, from 0 to 1.")]
    ci: Annotated[tuple[float, float], Meta(description="The interval of that share, from 0 to 1.")]


class Burst(msgspec.Struct, omit_defaults=True):
    """A burst of requests at once to an idle target."""

    size: Annotated[int, Meta(description="How many requests.")]
    cold: Annotated[int, Meta(description="How many of them were cold.")]
    slowest_ms: Annotated[float, Meta(description="The longest response time, in ms.")]
    median_ms: Annotated[float, Meta(description="The median response time, in ms.")]
    instances: Annotated[int | None, Meta(description="Instances that were woken, where the target tells.")] = (
        None
    )


class ColdVerdict(msgspec.Struct, omit_defaults=True, kw_only=True):
    """verdict.json of `replay coldstart`."""

    schema: Annotated[str, Meta(description="replay.verdict/1.")]
    command: Annotated[Literal["coldstart"], Meta(description="coldstart.")]
    cold: Annotated[Cold, Meta(description="The cold steps.")]
    tail: Annotated[Tail, Meta(description="What they do to the tail.")]
    idle_curve: Annotated[
        list[IdleBucket], Meta(description="How many waves were cold, by the idle time before them.")
    ]
    keep_alive_s: Annotated[
        tuple[float, float | None] | None,
        Meta(
            description=(
                "The target stays warm for longer than the first, and goes cold before the second, in s; "
                "absent where the run does not show it."
            )
        ),
    ] = None
    bursts: Annotated[list[Burst], Meta(description="Bursts that were sent to an idle target.")] = []
    probes: Annotated[int | None, Meta(description="Probes that were sent, where it was probed.")] = None
    target: Annotated[str | None, Meta(description="The target's name.")] = None
    run: Annotated[str | None, Meta(description="The name of the run directory.")] = None
    notes: Annotated[list[str], Meta(description="What a reader must know, in sentences.")] = []


class Waves(NamedTuple):
    """Of each step, in order of rows: the idle time before its wave in ns, whether it begins the wave, and the row of
    the step that does. Steps that met a target at work have none (ABSENT_NS, -1).
    """

    idle_ns: np.ndarray
    is_first: Flags
    first_row: np.ndarray


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
        notes=_failed_behind_boots(columns, sent),
    )


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
    if _come_later(idle[waves.is_first & failed], idle[waves.is_first & answered]):
        notes[0] += (
            "; they came after longer idle times than others did, as where a target fails while it boots"
        )
    return notes


def find_waves(columns: Columns, sent: Flags) -> Waves:
    """Which steps found the target idle, and since when. Before the first step nothing is known, so it has no wave."""
    idle = np.full(columns.n, ABSENT_NS, np.int64)
    first = np.zeros(columns.n, np.bool_)
    first_row = np.full(columns.n, -1, np.int64)
    rows = np.flatnonzero(sent)
    rows = rows[np.argsort(columns.sent_ns[rows], kind="stable")]
    if not len(rows):
        return Waves(idle, first, first_row)
    sent_ns, end_ns, byte_ns = columns.sent_ns[rows], columns.end_ns[rows], columns.first_byte_ns[rows]
    answered_ns = np.where(byte_ns == ABSENT_NS, end_ns, byte_ns)
    busy_until_ns = np.maximum.accumulate(end_ns)
    begins = np.append(False, sent_ns[1:] >= busy_until_ns[:-1])
    begun = np.flatnonzero(begins)
    idle[rows[begun]] = sent_ns[begun] - busy_until_ns[begun - 1]
    first[rows[begun]] = True
    first_row[rows[begun]] = rows[begun]
    # Of a wave are also those sent before any of it was answered: among those sent before its first step was.
    wave = np.cumsum(begins) - 1
    maybe = np.flatnonzero((wave >= 0) & ~begins)
    maybe = maybe[sent_ns[maybe] < answered_ns[begun[wave[maybe]]]]
    before, until_ns = -1, 0
    for at in maybe.tolist():
        start = begun[wave[at]]
        if start != before:
            before, until_ns = start, answered_ns[start]
        if sent_ns[at] < until_ns:
            idle[rows[at]], first_row[rows[at]] = idle[rows[start]], rows[start]
            until_ns = min(until_ns, answered_ns[at])
    return Waves(idle, first, first_row)


class ColdSteps(NamedTuple):
    """Which steps were cold, how that is known, how surely, and in words; and the waves that they were told by."""

    is_cold: Flags
    method: Method
    confidence: Confidence
    why: str
    waves: Waves


def cold_steps(columns: Columns, sent: Flags) -> ColdSteps:
    """By the idle times of the target, or of what steps of one kind and name ask for."""
    waves = find_waves(columns, sent)
    found = ColdSteps(*find_cold(columns, sent, waves), waves)
    if found.method != "inferred" or found.is_cold.any():
        return found
    return _of_own_instances(columns, sent) or found


def _of_own_instances(columns: Columns, sent: Flags) -> ColdSteps | None:
    """The cold steps of those kinds and names that go cold by themselves; None where none does."""
    codes = np.unique(columns.series[sent]).tolist()
    if len(codes) < 2:
        return None
    cold, first, names = np.zeros(columns.n, np.bool_), np.zeros(columns.n, np.bool_), []
    idle, first_row = np.full(columns.n, ABSENT_NS, np.int64), np.full(columns.n, -1, np.int64)
    for code in codes:
        rows = sent & (columns.series == code)
        waves = find_waves(columns, rows)
        slow, split = _slow_steps(columns, rows, waves)
        is_cold = _after_idle_times(columns, rows, waves, slow, split, _RANK_TEST / len(codes))[0]
        if not is_cold.any() or _slow_after_as_long(waves, rows & (waves.idle_ns != ABSENT_NS), slow) < _MOSTLY:
            continue
        cold |= is_cold
        idle[rows], first[rows], first_row[rows] = (
            waves.idle_ns[rows],
            waves.is_first[rows],
            waves.first_row[rows],
        )
        names.append(":".join(columns.series_names[code]))
    if not names:
        return None
    why = (
        f"slow steps of {', '.join(names)} that came after idle times of steps of that name, as of something with "
        "instances of its own: the idle times are of these steps alone"
    )
    return ColdSteps(cold, "inferred", "low", why, Waves(idle, first, first_row))


def find_cold(columns: Columns, sent: Flags, waves: Waves) -> tuple[Flags, Method, Confidence, str]:
    """Which steps were cold, how that is known, how surely, and in words."""
    none = np.zeros(columns.n, np.bool_)
    if not sent.any():
        return none, "none", "none", "no step was sent"
    if (columns.cold[sent] >= 0).any():
        return sent & (columns.cold == 1), "header", "certain", "the target says which steps were cold"
    modes = (_slow_steps, _slow_waves, _slow_after_a_limit)
    if (columns.instance[sent] >= 0).any():
        new = _first_of_instances(columns, sent)
        cold = next((found for mode in modes if (found := new & mode(columns, sent, waves)[0]).any()), none)
        why = "steps that were the first of a new instance, and slow"
        return cold, "instance", "high" if cold.any() else "low", why
    looks = [_after_idle_times(columns, sent, waves, *modes[0](columns, sent, waves))]
    while not looks[-1][0].any() and len(looks) < len(modes):
        looks.append(_after_idle_times(columns, sent, waves, *modes[len(looks)](columns, sent, waves)))
    # Where none finds any, what the first says.
    return looks[-1] if looks[-1][0].any() else looks[0]


def _after_idle_times(
    columns: Columns, sent: Flags, waves: Waves, slow: Flags, split: float, rank_test: float = _RANK_TEST
) -> tuple[Flags, Method, Confidence, str]:
    """The steps of a slow mode, if it comes after idle times of the target. split: how far off it lies, as a log.
    rank_test: the p-value from which on idle times are no longer.
    """
    none = np.zeros(columns.n, np.bool_)
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
        # Imported here because it takes longer than a short run's whole verdict.
        from scipy.stats import mannwhitneyu

        p_value = float(mannwhitneyu(cold, warm, alternative="greater").pvalue)
        if p_value >= rank_test:
            why = (
                "slow steps came after short idle times of the target as well as long ones, so they are something "
                "else, unless what they ask for has instances of its own"
            )
            return none, "inferred", "none", why
        certainty: Confidence = "high" if split > 1.0 and len(cold) >= 5 else "low"
    else:
        certainty = "low"
    share = _slow_after_as_long(waves, in_wave, slow)
    if share < _LEAST_AFTER_LONG:
        why = (
            f"of the waves after as long idle times only {percent(share)} were slow, so they are something else"
        )
        return none, "inferred", "none", why
    why = "steps of a slow mode that came after idle times of the target"
    if share < _MOSTLY:
        certainty, why = "low", f"{why}, though of the waves after as long ones only {percent(share)} were slow"
    is_first = _first_of_sessions(columns, sent)
    if np.count_nonzero(in_wave & slow & is_first) >= _NEARLY_ALL * len(cold) and (in_wave & ~is_first).any():
        firsts = (after_idle[in_wave & is_first & rows] for rows in (slow, ~slow))
        is_told = _come_later(*firsts)
        if is_told is False:
            why = "the first steps of sessions are slow after short idle times, too, so they are something else"
            return none, "inferred", "none", why
        if is_told is None:
            certainty = "low"
            why = (
                f"{why}; they begin their sessions, and hardly a step that does so was quick, so that what is "
                "particular to first steps would look the same"
            )
    return in_wave & slow, "inferred", certainty, why


def _come_later(cold: Floats, warm: Floats) -> bool | None:
    """Whether the ones come after longer idle times than the others; None where there are too few to tell."""
    if min(len(cold), len(warm)) < _LEAST_TO_TELL:
        return None
    # Imported here because it takes longer than a short run's whole verdict.
    from scipy.stats import mannwhitneyu

    return bool(mannwhitneyu(cold, warm, alternative="greater").pvalue < _RANK_TEST)


def _slow_after_as_long(waves: Waves, in_wave: Flags, slow: Flags) -> float:
    """Of the waves after idle times as long as the longer half of those before slow ones: the share that is slow."""
    begins = in_wave & waves.is_first
    if not (begins & slow).any():
        return 1.0
    long = begins & (waves.idle_ns >= np.median(waves.idle_ns[begins & slow]))
    return float(np.count_nonzero(long & slow) / np.count_nonzero(long))


def _first_of_sessions(columns: Columns, sent: Flags) -> Flags:
    """The steps that their session sent first."""
    rows = np.flatnonzero(sent)
    rows = rows[np.argsort(columns.sent_ns[rows], kind="stable")]
    found = np.zeros(columns.n, np.bool_)
    found[rows[np.unique(columns.session[rows], return_index=True)[1]]] = True
    return found


def _log_excess(columns: Columns, sent: Flags, usual: Flags) -> Floats:
    """The log of each service time over the median of its kind and name; 0 for steps that were not sent.

    usual: the steps that medians are taken of; of all that were sent, where a kind and name has none of them.
    """
    service = np.maximum(columns.end_ns - columns.sent_ns, 1).astype(np.float64)
    excess = np.zeros(columns.n)
    for code in np.unique(columns.series[sent]):
        rows = sent & (columns.series == code)
        known = rows & usual
        excess[rows] = np.log(service[rows] / np.median(service[known if known.any() else rows]))
    return excess


def _slow_steps(columns: Columns, sent: Flags, waves: Waves) -> tuple[Flags, float]:
    """The steps of the upper of two modes among all, and how far apart those lie."""
    return _slow_mode(columns, sent, _log_excess(columns, sent, sent))


def _slow_waves(columns: Columns, sent: Flags, waves: Waves) -> tuple[Flags, float]:
    """The waves that begin with a step of the upper of two modes among such steps, and how far apart those lie."""
    is_follower = _followers(sent, waves)
    slow, apart = _slow_mode(columns, sent & waves.is_first, _log_excess(columns, sent, sent & ~is_follower))
    return _with_followers(columns, sent, waves, slow), apart


def _slow_after_a_limit(columns: Columns, sent: Flags, waves: Waves) -> tuple[Flags, float]:
    """The waves after more than one idle time, if from there on they begin slower; and how much slower, as a log.

    For targets whose own times vary as much as a boot takes, so that there are no two modes. The idle time is the one
    that parts the times of first steps best by their ranks (Mann and Whitney), of all that are possible; what it parts
    by must be beyond chance even so (Bonferroni), and as much slower as a mode must be.
    """
    none = np.zeros(columns.n, np.bool_)
    is_follower = _followers(sent, waves)
    excess = _log_excess(columns, sent, sent & ~is_follower)
    rows = np.flatnonzero(sent & waves.is_first)
    rows = rows[np.argsort(waves.idle_ns[rows], kind="stable")]
    n = len(rows)
    if n < 2 * _LEAST_OF_A_LIMIT:
        return none, 0.0
    ranks = np.empty(n)
    ranks[np.argsort(excess[rows], kind="stable")] = np.arange(1, n + 1)
    above = np.arange(n - _LEAST_OF_A_LIMIT, _LEAST_OF_A_LIMIT - 1, -1)
    sums = np.cumsum(ranks[::-1])[above - 1]
    below = n - above
    z = (sums - above * (n + 1) / 2) / np.sqrt(above * below * (n + 1) / 12)
    best = int(np.argmax(z))
    slow_rows, warm_rows = rows[below[best] :], rows[: below[best]]
    apart = float(np.median(excess[slow_rows]) - np.median(excess[warm_rows]))
    service = columns.end_ns - columns.sent_ns
    added_ns = np.median(service[slow_rows]) - np.median(service[warm_rows])
    p_value = 0.5 * math.erfc(float(z[best]) / math.sqrt(2)) * len(z)
    if p_value > _LIMIT_TEST or apart < np.log(_LEAST_RATIO) or added_ns < _LEAST_ADDED_NS:
        return none, apart
    slow = none
    slow[slow_rows] = True
    return _with_followers(columns, sent, waves, slow), apart


def _with_followers(columns: Columns, sent: Flags, waves: Waves, slow: Flags) -> Flags:
    """The slow first steps, and those that came into what they waited for: not more than what slow ones take longer."""
    if not slow.any():
        return slow
    service = columns.end_ns - columns.sent_ns
    boot_ns = np.median(service[slow]) - np.median(service[sent & waves.is_first & ~slow])
    rows = np.flatnonzero(_followers(sent, waves))
    first_rows = waves.first_row[rows]
    came_in = columns.sent_ns[rows] - columns.sent_ns[first_rows] < boot_ns
    found = slow.copy()
    found[rows] = slow[first_rows] & came_in
    return found


def _followers(sent: Flags, waves: Waves) -> Flags:
    """The steps that came before the one that began their wave had an answer."""
    return sent & (waves.first_row >= 0) & ~waves.is_first


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
    low = 0.0 if not cold else beta_quantile(0.025, cold, n - cold + 1)
    high = 1.0 if cold == n else beta_quantile(0.975, cold + 1, n - cold)
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
    rows, cut = _limit(waves, is_cold)
    if not len(rows):
        return None
    idle_s = waves.idle_ns[rows] / _NS
    if cut == len(rows):
        return round(float(idle_s[-1]), 3), None
    return (round(float(idle_s[cut - 1]), 3) if cut else 0.0), round(float(idle_s[cut]), 3)


def after_long_idle_times(waves: Waves, is_cold: Flags) -> Flags:
    """The cold steps, and of those that begin a wave the ones that came after a longer idle time than the target stays
    warm for, however slow they were.
    """
    rows, cut = _limit(waves, is_cold)
    found = is_cold & ~waves.is_first
    found[rows[cut:]] = True
    return found


def _limit(waves: Waves, is_cold: Flags) -> tuple[np.ndarray, int]:
    """The rows that begin a wave, by the idle time before it; and from which of them on the target is cold."""
    rows = np.flatnonzero(waves.is_first)
    rows = rows[np.argsort(waves.idle_ns[rows], kind="stable")]
    cold = is_cold[rows]
    # Cold ones below the cut and warm ones above it are on the wrong side.
    wrong = np.concatenate([[0], np.cumsum(cold)]) + np.concatenate([np.cumsum(~cold[::-1])[::-1], [0]])
    return rows, int(np.argmin(wrong))
