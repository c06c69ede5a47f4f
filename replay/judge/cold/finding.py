"""Which steps were cold, how that is known, and how surely.

By the target's own words where it has them: its cold header, or else its instance header (the first step of an
instance that was not seen before, if it took longer than warm steps do). Where it says nothing it is inferred:

- A slow mode of steps (modes.py) is cold starts only if it comes after idle times of the *target*: steps that found it
  idle, and those that came before it gave its first byte again (a wave), must be in the mode far more often after long
  idle times than after short ones (rank test, p < 0.01 over the three ways to tell a slow mode: Bonferroni). Queueing,
  pauses and large answers are not.
- That alone is little. Whatever happens to a target while nobody looks, such as a pause now and then, falls into long
  idle times more often than into short ones (the inspection paradox): of the waves after as long idle times, at least a
  tenth must be slow. And the first step of a session comes after an idle time by nature, and may have more to do than
  those that follow, such as a prompt that no cache holds yet: where the slow steps are first ones, they are held to
  other first steps; if those are all slow, it is not known which of the two made them so.

What one kind and name of steps asks for may have instances of its own, behind the same address: then the target is
never idle while they are. So where nothing is found each kind and name is looked at as if it were the target. The rank
test has to bear so many looks (Bonferroni), and most of what comes after as long idle times has to be slow; how sure
that is stays low.
"""

from typing import NamedTuple

import numpy as np

from replay.judge.cold.modes import slow_after_a_limit, slow_steps, slow_waves
from replay.judge.cold.types import Confidence, Method
from replay.judge.cold.waves import Waves, find_waves
from replay.judge.statistics.ranks import chance_of_larger
from replay.judge.statistics.sample import Floats
from replay.results.columns import ABSENT_NS, Columns, Flags
from replay.words.numbers import percent

_RANK_TEST = 0.01
_LEAST_AFTER_LONG = 0.1
_MOSTLY = 0.5
_NEARLY_ALL = 0.9
_LEAST_TO_TELL = 5


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
        slow, split = slow_steps(columns, rows, waves)
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
    modes = (slow_steps, slow_waves, slow_after_a_limit)
    if (columns.instance[sent] >= 0).any():
        new = _first_of_instances(columns, sent)
        cold = next((found for mode in modes if (found := new & mode(columns, sent, waves)[0]).any()), none)
        why = "steps that were the first of a new instance, and slow"
        return cold, "instance", "high" if cold.any() else "low", why
    each = _RANK_TEST / len(modes)
    looks = [_after_idle_times(columns, sent, waves, *modes[0](columns, sent, waves), each)]
    while not looks[-1][0].any() and len(looks) < len(modes):
        looks.append(_after_idle_times(columns, sent, waves, *modes[len(looks)](columns, sent, waves), each))
    # Where none finds any, what the first says.
    return looks[-1] if looks[-1][0].any() else looks[0]


def _after_idle_times(
    columns: Columns, sent: Flags, waves: Waves, slow: Flags, split: float, rank_test: float
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
        if chance_of_larger(cold, warm) >= rank_test:
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
        is_told = come_later(*firsts)
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


def come_later(cold: Floats, warm: Floats) -> bool | None:
    """Whether the ones come after longer idle times than the others; None where there are too few to tell."""
    if min(len(cold), len(warm)) < _LEAST_TO_TELL:
        return None
    return chance_of_larger(cold, warm) < _RANK_TEST


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
