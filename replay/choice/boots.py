"""The boots of a plane's instances, and apart from them the steps that waited for one. Pure.

A step that is marked as cold waited while an instance booted, and may have been served by another that was free
sooner; so how long steps waited says little of how long a boot takes, and the other way round.
"""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from replay.choice.types import Boots
from replay.judge.statistics.quantile import quantile
from replay.judge.statistics.sample import Floats
from replay.results.columns import ABSENT_NS, Columns, Flags
from replay.results.evidence import Evidence


class Life(NamedTuple):
    """One instance, in s from the run's start. ready_s None: it never was. gone_s None: it was there at the end."""

    requested_s: float
    ready_s: float | None = None
    gone_s: float | None = None


def boots_of(lives: Sequence[Life], run: Evidence, *, is_as_recorded: bool) -> Boots | None:
    """None where the plane told of no instances. is_as_recorded: answers take as long as the recording says, so all
    beyond that was waiting; else a step waited for as much as it took longer than the median warm one of its kind and
    name. How long steps waited is told only where it is known of each that did.
    """
    if not lives:
        return None
    # What was asked for before the run, or is always on and ready as it begins, was not woken by it.
    woken = [life for life in lives if life.requested_s >= 0 and life.ready_s != 0]
    took_s = np.sort([life.ready_s - life.requested_s for life in woken if life.ready_s is not None])
    waited = _waited(run.columns)
    found = Boots(
        count=len(woken),
        finished=len(took_s),
        woken_by=dict(Counter(_woken_by(life, lives) for life in woken).most_common()),
        waited=int(np.count_nonzero(waited)),
    )
    if len(took_s):
        found.p50_s, found.p95_s = round(quantile(took_s, 0.5), 3), round(quantile(took_s, 0.95), 3)
        found.longest_s = round(float(took_s[-1]), 3)
    waits_ms = _waits_ms(run.columns, waited, is_as_recorded=is_as_recorded)
    # Of some of them the median and the longest are not those of all: who is left out may have waited longest.
    if 0 < len(waits_ms) == found.waited:
        found.wait_p50_ms = round(quantile(waits_ms, 0.5), 3)
        found.wait_longest_ms = round(float(waits_ms[-1]), 3)
    return found


def _woken_by(life: Life, lives: Sequence[Life]) -> str:
    at_s = life.requested_s
    is_beside = any(
        other.requested_s < at_s and (other.gone_s is None or other.gone_s > at_s) for other in lives
    )
    return "load beside others" if is_beside else "requests to none"


def _waited(columns: Columns) -> Flags:
    found: Flags = _answered(columns) & (columns.cold == 1)
    return found


def _answered(columns: Columns) -> Flags:
    found: Flags = (columns.sent_ns != ABSENT_NS) & columns.ok
    return found


def _waits_ms(columns: Columns, waited: Flags, *, is_as_recorded: bool) -> Floats:
    """How long each of them waited, in order, for as many as it is known of."""
    service_ms = (columns.end_ns - columns.sent_ns) / 1e6
    if is_as_recorded:
        recorded_ns = columns.numbers("recorded_ns")
        rows = waited & (recorded_ns != ABSENT_NS)
        return np.sort(np.maximum(service_ms[rows] - recorded_ns[rows] / 1e6, 0.0))
    warm = _answered(columns) & ~waited
    return np.sort(np.concatenate([np.zeros(0), *_over_the_warm(columns, service_ms, waited, warm)]))


def _over_the_warm(columns: Columns, service_ms: Floats, waited: Flags, warm: Flags) -> list[Floats]:
    found = []
    for code in np.unique(columns.series[waited]):
        rows = columns.series == code
        if (rows & warm).any():
            found.append(np.maximum(service_ms[rows & waited] - np.median(service_ms[rows & warm]), 0.0))
    return found
