"""Whether a target is quicker for requests that the same run had sent it before.

A run that repeats or scales its trace sends the same requests over and over. A target that keeps answers, or prompts,
is quick for all but the first of them, and its figures are then those of its cache. What is compared is the first copy
of each session and the last, step by step: a sign test of the sessions' median ratios (binomial, p < 0.01), and a fifth
at least in the median. A target that has warmed up meanwhile looks the same.
"""

from typing import NamedTuple

import numpy as np

from replay.judge.measures.metrics import starts_of
from replay.judge.statistics.distributions import at_least
from replay.results.columns import ABSENT_NS, Columns
from replay.words.copies import recorded_id

_TEST = 0.01
_LEAST_RATIO = 1.25
_MOST_SESSIONS = 1_000


class Remembering(NamedTuple):
    """first_ms, again_ms: median service times of the same requests when they came first, and last. requests: how many.

    sessions: of so many sessions.
    """

    first_ms: float
    again_ms: float
    requests: int
    sessions: int


def remembering(columns: Columns) -> Remembering | None:
    """How long the same requests took first and last; None where that is no longer at first, or none came twice."""
    pairs = _first_and_last(columns)
    if not pairs:
        return None
    service = columns.end_ns - columns.sent_ns
    known = columns.ok & (columns.sent_ns != ABSENT_NS)
    chosen = np.zeros(len(columns.sessions), np.bool_)
    chosen[[code for pair in pairs for code in pair]] = True
    times: dict[int, dict[str, int]] = {}
    for row in np.flatnonzero(known & chosen[columns.session]).tolist():
        times.setdefault(int(columns.session[row]), {})[columns.step[row]] = int(service[row])
    ratios, firsts, lasts = [], [], []
    for first, last in pairs:
        before, after = times.get(first, {}), times.get(last, {})
        both = [(before[step], after[step]) for step in before.keys() & after.keys() if after[step] > 0]
        if both:
            ratios.append(float(np.median([one / other for one, other in both])))
            firsts += [one for one, _ in both]
            lasts += [other for _, other in both]
    n = len(ratios)
    slower = sum(ratio > 1 for ratio in ratios)
    if not n or float(at_least(slower, n, 0.5)) >= _TEST or float(np.median(ratios)) < _LEAST_RATIO:
        return None
    return Remembering(float(np.median(firsts)) / 1e6, float(np.median(lasts)) / 1e6, len(firsts), n)


def _first_and_last(columns: Columns) -> list[tuple[int, int]]:
    """The codes of each session's first copy and of its last, by their starts; of a thousand sessions at most."""
    names = columns.sessions
    if not any(recorded_id(name) != name for name in (*names[:_MOST_SESSIONS], *names[-_MOST_SESSIONS:])):
        return []
    first: dict[str, int] = {}
    last: dict[str, int] = {}
    for code in np.argsort(starts_of(columns), kind="stable").tolist():
        name = recorded_id(names[code])
        first.setdefault(name, code)
        last[name] = code
    pairs = [(code, last[name]) for name, code in first.items() if last[name] != code]
    return pairs[:: 1 + len(pairs) // _MOST_SESSIONS]
