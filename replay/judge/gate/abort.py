"""Rules that end a run while it goes on: a condition in the language of SLOs, over the last so many seconds. Pure.

    errors > 20% over 10s       a fifth of the steps that ended in the last ten seconds failed
    p99(llm) > 30s over 1min
    rate < 1/s over 30s         hardly anything is answered

The left side is that of an SLO, of the steps that *ended* in the window; of fewer than ten no share or percentile is
taken. A target that hangs ends no steps before their time limits, so only `rate`, which may be of none, sees it soon.
No rule holds before the run is as old as its window. Whether a rate is low because the trace pauses, demand.py says.

A rate is counted, whatever it is. Of the steps that all else is of so many are kept that memory stays bounded; where a
window has more, each is as likely to be kept as any other, so that a share and a percentile are still of the whole
window, and not of its end.
"""

import random
import re
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from replay.judge.measures.metrics import measured, rows_of
from replay.judge.measures.slo import Slo, SloWindow, parse_slo
from replay.judge.measures.slo_tokens import SloError
from replay.judge.statistics.quantile import quantile
from replay.results.columns import Columns, columns_of
from replay.results.types import INTERRUPTED, StepRecord
from replay.words.numbers import milliseconds, number, seconds
from replay.words.phrases import counted

LEAST_STEPS = 10
MOST_STEPS = 100_000
# Rates are counted in parts of a second; a window reaches back to the start of the one that it begins in.
_PART_NS = 10_000_000
_LONGEST_S = 600.0
_NS = 1_000_000_000
_OVER = re.compile(r"(?P<slo>.*\S)\s+over\s+(?P<window>[^\"]*\S)\s*", re.IGNORECASE | re.DOTALL).fullmatch
_WINDOW = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(ms|s|m|min)", re.IGNORECASE | re.ASCII).fullmatch
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0}
_COMPARE = {"<": np.less, "<=": np.less_equal, ">": np.greater, ">=": np.greater_equal, "==": np.equal}


class AbortRule(NamedTuple):
    """text: as it was written. slo: its left side and its bound. window_s: of the run, up to now."""

    text: str
    slo: Slo
    window_s: float

    @property
    def is_of_low_rate(self) -> bool:
        """Whether it holds where too little is answered, which is no fault of a target that is asked for no more."""
        return self.slo.statistic == "rate" and self.slo.operator in ("<", "<=", "==")


def parse_abort(text: str) -> AbortRule:
    """The rule that the text states. Raises SloError, with what to write instead."""
    found = _OVER(text)
    if found is None:
        raise SloError(
            'a rule that ends a run needs a time to look back over, for example "errors > 20% over 10s".'
        )
    window = _WINDOW(found["window"])
    if window is None:
        raise SloError(
            f'over "{_shown(found["window"])}" is not a valid duration. Write it with a unit, for example over 10s.'
        )
    window_s = float(window[1]) * _UNITS_S[window[2].lower()]
    if not 1.0 <= window_s <= _LONGEST_S:
        raise SloError("the time that a rule looks back over lies between 1s and 10min.")
    slo = parse_slo(found["slo"])
    if slo.limit.factor is not None:
        raise SloError(f"a rule that ends a run has a limit of its own, not one of {slo.limit.of}.")
    if slo.window != SloWindow():
        raise SloError('a rule that ends a run has no other window than "over 10s".')
    if slo.measure == "makespan":
        raise SloError("a rule that ends a run is about steps; a makespan is of whole sessions.")
    return AbortRule(" ".join(text.split()), slo, window_s)


def _shown(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)[:40]


class Observed(NamedTuple):
    """The left side of a rule over its window, in the unit of its bound; None where there are too few steps."""

    value: float | None
    n: int


class _Counts:
    """Steps that ended in a part of a second, and those of them that were answered."""

    __slots__ = ("answered", "ended")

    def __init__(self) -> None:
        self.ended = self.answered = 0


class AbortCheck:
    """One rule, told of a run's records as they come."""

    def __init__(self, rule: AbortRule) -> None:
        self.rule = rule
        self._window_ns = int(rule.window_s * _NS)
        self._ended: deque[StepRecord] = deque()
        self._kept = 1.0
        self._draw = random.Random(1)
        self._parts: dict[int, _Counts] = {}

    def __repr__(self) -> str:
        return f"<AbortCheck {self.rule.text!r} of {counted(len(self._ended), 'step')}>"

    def add(self, records: Sequence[StepRecord]) -> None:
        """More lines of the audit trail, about in order of their ends."""
        for record in records:
            was_tried = record.final and record.outcome != "unsent" and record.error != INTERRUPTED
            is_wait = record.outcome == "ok" and record.sent_ns is None
            if was_tried and not is_wait and record.end_ns is not None:
                self._add(record, record.end_ns)

    def _add(self, record: StepRecord, end_ns: int) -> None:
        slo = self.rule.slo
        if slo.statistic == "rate":
            if slo.selector.matches(record.kind, record.name):
                part = self._parts.setdefault(end_ns // _PART_NS, _Counts())
                part.ended += 1
                part.answered += record.outcome == "ok"
            return
        if self._kept < 1 and self._draw.random() >= self._kept:
            return
        self._ended.append(record)
        if len(self._ended) > MOST_STEPS:
            self._kept /= 2
            self._ended = deque(one for one in self._ended if self._draw.random() < 0.5)

    def holds(self, now_ns: int) -> str | None:
        """What was seen, if the rule holds over the window that ends now; now_ns: from the run's start."""
        from_ns = now_ns - self._window_ns
        while self._ended and (self._ended[0].end_ns or 0) <= from_ns:
            self._ended.popleft()
        if not self._ended:
            self._kept = 1.0
        first = from_ns // _PART_NS
        self._parts = {n: part for n, part in self._parts.items() if n >= first}
        if from_ns < 0:
            return None
        slo = self.rule.slo
        if slo.statistic == "rate":
            counts = [part for n, part in self._parts.items() if n * _PART_NS <= now_ns]
            answered = sum(part.answered for part in counts)
            seen = Observed(answered / self.rule.window_s, sum(part.ended for part in counts))
        else:
            within = [record for record in self._ended if from_ns < (record.end_ns or 0) <= now_ns]
            seen = observed(self.rule, columns_of([within]))
        if seen.value is None or not _COMPARE[slo.operator](seen.value, slo.limit.value):
            return None
        part = "" if self._kept == 1 else ", drawn from those"
        of = f"{counted(seen.n, 'step')}{part}"
        return f"{_in_words(slo, seen.value)} of {of} that ended in the last {seconds(self.rule.window_s)}"


def observed(rule: AbortRule, columns: Columns) -> Observed:
    """The rule's left side, of these steps; not for a rate, which is counted."""
    slo = rule.slo
    rows = rows_of(columns, slo.selector, SloWindow())
    n = int(np.count_nonzero(rows))
    if slo.statistic == "errors":
        failed = ~columns.ok
        if slo.error is not None:
            failed = columns.error == (columns.errors.index(slo.error) if slo.error in columns.errors else -2)
        return _share(int(np.count_nonzero(rows & failed)), n)
    if slo.statistic == "cold":
        told = rows & (columns.cold >= 0)
        return _share(int(np.count_nonzero(told & (columns.cold == 1))), int(np.count_nonzero(told)))
    values = measured(columns, slo.measure, rows, slo.part).sample.values
    if len(values) < LEAST_STEPS:
        return Observed(None, len(values))
    if slo.statistic == "share":
        assert slo.within is not None
        assert slo.within_ms is not None
        return _share(int(np.count_nonzero(_COMPARE[slo.within](values, slo.within_ms))), len(values))
    if slo.statistic == "quantile":
        assert slo.q is not None
        return Observed(float(quantile(np.sort(values), slo.q)), len(values))
    folded = (
        values.mean() if slo.statistic == "mean" else values.min() if slo.statistic == "min" else values.max()
    )
    return Observed(float(folded), len(values))


def _share(hits: int, n: int) -> Observed:
    return Observed(None if n < LEAST_STEPS else 100 * hits / n, n)


def _in_words(slo: Slo, value: float) -> str:
    what = " ".join(filter(None, (slo.metric.replace("_", "."), slo.series if slo.unit == "ms" else "")))
    if slo.unit == "percent":
        return f"{slo.series if slo.statistic != 'share' else slo.metric} {number(value)}%"
    if slo.unit == "rps":
        return f"{slo.series} {number(value)}/s"
    return f"{what} {'infinite, by failures' if np.isinf(value) else f'{milliseconds(value)}'}"
